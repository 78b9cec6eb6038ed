"""``typeahead inspect --memory`` on small models: the page, its width, JSON, pictures, and what cannot be used."""

from __future__ import annotations

import json
import math
import os
import pty
import re
import signal
import termios
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.voice import stand_in
from typeahead.cli.inspect_chart import Curve, chart
from typeahead.rnn import checkpoint
from typeahead.rnn.memory import Plan, measure
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.sensor.anomaly import Watcher

QUICK = ["--memory", "--max-lag", "20"]


def save(path: Path, cell: str, num_layers: int = 1, **config: object) -> None:
    network = Network.create(NetworkConfig(cell, hidden_size=8, num_layers=num_layers, **config), 1)
    checkpoint.save_model(path, network, {"kind": "text"})


@pytest.fixture
def folder(folder: Path) -> Path:
    """Return the current folder, with a model of each cell and a text."""
    for cell in ("elman", "gru", "lstm"):
        save(folder / f"{cell}.safetensors", cell, 2 if cell == "lstm" else 1)
    (folder / "one.txt").write_bytes(b"git commit -m 'x'\n" * 80)
    return folder


def test_json_holds_what_was_measured_on_the_file(run):
    status, out, err = run("inspect", "lstm.safetensors", *QUICK, "--data", "one.txt", "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    network, _ = checkpoint.load_model("lstm.safetensors")
    text = np.frombuffer(Path("one.txt").read_bytes(), np.uint8)
    plan = Plan.of(len(text) - 1, 20)
    memory = measure(network, plan.lanes_of(text[:-1]), plan.lanes_of(text[1:]), plan)
    np.testing.assert_allclose(found["layers"][1]["gradient_norm"], memory.norms[1], rtol=1e-4)
    np.testing.assert_allclose(found["full_loss"], memory.full_loss, rtol=1e-5)
    assert [layer["one_percent_lag"] for layer in found["layers"]] == memory.reaches
    assert found["layers"][0]["gates"].keys() == {"i", "f", "o"}
    assert found["layers"][0]["gradient_norm_of"].keys() == {"h", "c"}
    assert [context["steps"] for context in found["contexts"]] == [1, 2, 5, 10, 20]
    assert found["contexts"][0]["bits_per_byte"] == pytest.approx(found["contexts"][0]["loss"] / math.log(2))
    assert (found["max_lag"], found["unit"]) == (20, "byte")
    assert "one.txt" in found["data"]


def test_text_that_the_model_makes_up_is_the_same_each_time_and_is_told(run):
    first = run("inspect", "gru.safetensors", *QUICK)
    assert first == run("inspect", "gru.safetensors", *QUICK)
    assert "bytes that the model itself made up" in " ".join(first[1].split())


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("models", [["elman"], ["gru"], ["lstm"], ["elman", "gru", "lstm"]], ids="+".join)
def test_the_page_fits_the_terminal_and_tells_every_figure(run, monkeypatch, columns, models):
    monkeypatch.setenv("COLUMNS", str(columns))
    status, out, _ = run("inspect", *(f"{model}.safetensors" for model in models), *QUICK, "--data", "one.txt")
    assert status == 0
    named = [line for line in out.splitlines() if ".safetensors: " in line]
    assert len(named) == len(models)
    assert max(len(line) for line in out.splitlines() if line not in named) < columns
    said = " ".join(out.split())
    for word in ("lag 0 = 1", "1/2", "1 %", "context", "disturbance") + (("over 0.9",) if len(models) == 1 else ()):
        assert word in said


def test_without_a_unicode_terminal_the_page_is_ascii(run, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    status, out, _ = run("inspect", "gru.safetensors", *QUICK, "--data", "one.txt")
    assert status == 0
    assert out.isascii()
    assert "*" in out


@pytest.mark.parametrize(
    ("name", "factor", "words"),
    [
        ("cells.0.w_hh", 8.0, "grows e-fold in"),
        ("cells.0.w_hh", 0.5, "shrinks to 1/e in"),
        ("cells.0.w_hh", 0.0, "it is gone at once"),
        ("output.weight", 0.0, "There is no gradient to follow back"),
        ("output.bias", math.nan, "There is no gradient to follow back"),
    ],
)
def test_what_becomes_of_a_disturbance_and_of_no_gradient_is_said_in_words(folder, run, name, factor, words):
    network = Network.create(NetworkConfig("elman", hidden_size=30), 1)
    for array in network.parameters.values():
        array += 0.01
    network.parameters[name] *= np.float32(factor)
    checkpoint.save_model(folder / "changed.safetensors", network, {"kind": "text"})
    status, out, err = run("inspect", "changed.safetensors", *QUICK, "--data", "one.txt")
    assert (status, err) == (0, "")
    assert words in " ".join(out.split())


def test_several_models_as_json_are_a_list(run):
    _, out, _ = run("inspect", "elman.safetensors", "gru.safetensors", *QUICK, "--json", "--data", "one.txt")
    assert [found["cell"] for found in json.loads(out)] == ["elman", "gru"]


@pytest.mark.parametrize("picture", ["memory.png", "memory.svg"])
def test_the_picture_is_of_the_kind_that_its_name_says(folder, run, picture):
    models = ["elman.safetensors", "lstm.safetensors"]
    status, out, _ = run("inspect", *models, *QUICK, "--data", "one.txt", "--plot", picture)
    assert status == 0
    assert out.endswith(f"picture: {picture}\n")
    content = (folder / picture).read_bytes()
    assert content.startswith(b"\x89PNG" if picture.endswith("png") else b"<?xml")
    if picture.endswith("svg"):
        assert b">lstm, layer 2</text>" in content  # text stays text


def test_a_voice_model_is_measured_on_recordings_or_on_noise(folder, run):
    stand_in.model(folder)
    (folder / "talk").mkdir()
    for i, words in enumerate((["go", "stop"], ["stop"])):
        soundfile.write(folder / "talk" / f"{i}.wav", stand_in.sentence(*words), stand_in.SR)
    status, out, _ = run("inspect", "tones.safetensors", *QUICK, "--data", "talk", "--json")
    assert status == 0
    found = json.loads(out)
    assert found["data"].startswith("talk, 2 recordings, 0.1 minutes")
    assert (found["unit"], found["step_s"]) == ("step", 0.03)
    assert found["layers"][0]["gradient_norm"][1] == 0  # it has no recurrent weights
    assert found["effective_context"] == 1
    _, out, _ = run("inspect", "tones.safetensors", *QUICK, "--json")
    assert json.loads(out)["data"].startswith("noise")


def test_a_model_of_readings_is_measured_on_readings(folder, run):
    watcher = Watcher(("load", "heat"))
    rows = [(math.sin(i / 8), i % 7) for i in range(400)]
    for row in rows:
        watcher.observe(row)
    watcher.save(folder / "room.safetensors")
    described = dict(line.split("  ", maxsplit=1) for line in run("inspect", "room.safetensors")[1].splitlines())
    assert described["series"].strip() == "load, heat"
    assert described["learnt from"].strip() == "400 readings"
    (folder / "room.csv").write_text("heat,other,load\n" + "".join(f"{heat},1,{load}\n" for load, heat in rows))
    (folder / "wrong.csv").write_text("a,b,c\n" + "1,2,3\n4,5,6\n" * 50)
    status, out, err = run("inspect", "room.safetensors", *QUICK, "--data", "room.csv", "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found["data"].startswith("room.csv, 400 readings; running averages")
    assert found["unit"] == "reading"
    assert 0 < found["layers"][0]["gradient_norm"][20] < found["layers"][0]["gradient_norm"][0]
    assert "readings with a daily rhythm" in run("inspect", "room.safetensors", *QUICK)[1]
    status, out, err = run("inspect", "room.safetensors", "--memory", "--data", "wrong.csv")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "the data has a, b, c, and the model knows load, heat" in err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["gru.safetensors", "--data", "missing.txt"], "missing.txt: cannot be read"),
        (["gru.safetensors", "--data", "short.txt"], "19 steps of data are too few to look back from"),
        (["missing.safetensors"], "missing.safetensors: no such file"),
        (["small.safetensors", "--data", "one.txt"], "a model of 5 symbols, not of bytes"),
        (["numbers.safetensors"], "reads neither text, sound nor readings"),
        (["tones.safetensors", "--data", "one.txt"], "one.txt"),
    ],
)
def test_what_cannot_be_measured_is_one_clear_line(folder, run, args, message):
    stand_in.model(folder)
    (folder / "short.txt").write_text("twenty bytes of it\n\n")
    save(folder / "small.safetensors", "gru", input_size=5, output_size=5)
    save(folder / "numbers.safetensors", "gru", input_size=5, one_hot=False, output="numbers")
    status, out, err = run("inspect", *args, "--memory")
    assert status in (1, 2)
    assert message in err
    assert (out, err.count("\n")) == ("", 1)


@pytest.mark.slow
def test_ctrl_c_ends_it_with_one_line(folder, start):
    checkpoint.save_model(folder / "large.safetensors", Network.create(NetworkConfig(hidden_size=200), 1), {})
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = start("inspect", "large.safetensors", "--memory", stderr=theirs)
    os.close(theirs)
    said = b""
    while not re.search(rb"[1-9]\d%", said):  # the bar: the measuring itself has begun
        said += os.read(ours, 1000)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    with suppress(OSError):  # what a terminal's end looks like
        while more := os.read(ours, 1000):
            said += more
    os.close(ours)
    assert (process.returncode, out) == (130, "")
    assert said.endswith(b"typeahead: interrupted\r\n")
    assert b"Traceback" not in said


def column_of(rows: list[str], mark: str) -> list[int]:
    """The rows in which a mark stands, column by column of the chart."""
    return [next(i for i, row in enumerate(rows) if row[c : c + 1] == mark) for c in range(7, max(map(len, rows)) - 1)]


def test_an_exponential_is_a_straight_line_down_the_chart():
    rows = chart([Curve("*", [10 ** (-k / 50) for k in range(201)])], 0.01, 67, unicode=False)
    assert [row.split("+")[0].strip() for row in rows[:-2] if "+" in row[:7]] == ["1", "0.1", "0.01", "1e-3", "1e-4"]
    heights = column_of(rows[:-2], "*")
    assert heights == sorted(heights)
    assert (heights[0], heights[-1]) == (0, 8)
    assert rows[4].count("-") > 20  # the dashed line at 0.01
    assert rows[-1].split() == ["0", "50", "100", "150", "200"]
    assert max(map(len, rows)) <= 67


@pytest.mark.parametrize("columns", [12, 30, 200])
@pytest.mark.parametrize("last", [10, 200, 2000])
def test_a_chart_of_any_size_fits_its_columns(columns, last):
    values = [1.0, *(2.0**-k for k in range(last - 1)), 0.0]
    rows = chart([Curve("a", values), Curve("b", [math.nan] * len(values))], 0.01, columns)
    assert max(map(len, rows)) <= max(columns, 15)
    assert len(rows) <= 15
