"""``typeahead watch`` on files and pipes; on a terminal: tests/sensor/test_watch_live.py."""

from __future__ import annotations

import json
import math
import os
import random
import re
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from typeahead.cli import EXIT_BROKEN_PIPE, EXIT_INTERRUPTED
from typeahead.cli.watch_session import NO_ALARM
from typeahead.sensor.anomaly import WatchConfig, Watcher

Run = Callable[..., tuple[int, str, str]]
Start = Callable[..., subprocess.Popen[str]]

PATIENCE_S = 120.0
CALM, AT = 1500, 1200  # readings, and at which of them there is a spike
RAREST = "10000000000"


def values(spike: float = 1000.0) -> list[float]:
    """Return readings that anybody would call steady, but for one."""
    draw = random.Random(5)
    found = [round(50 + 5 * math.sin(number / 9) + draw.gauss(0, 1), 2) for number in range(CALM)]
    found[AT] = spike
    return found


@pytest.fixture
def folder(folder: Path) -> Path:
    """Return the current folder, with readings in it: with a spike, and without."""
    (folder / "odd.txt").write_text("".join(f"{value}\n" for value in values()))
    (folder / "calm.txt").write_text("".join(f"{value}\n" for value in values(50.0)))
    rows = [f"{1.6e9 + 60 * number:.0f},{value},7" for number, value in enumerate(values())]
    (folder / "odd.csv").write_text("\n".join(["time,load,other", *rows, ""]))
    return folder


@pytest.fixture(scope="session")
def one_in() -> str:
    """Return how rare a reading must be for the spike alone to be odd enough."""
    watcher = Watcher()
    scores = [watcher.observe(value).score for value in values()]
    threshold = (max(scores[: AT - 1]) + scores[AT]) / 2
    assert scores[AT] > threshold
    return f"{10 ** (10 * threshold):.0f}"


@contextmanager
def started(start: Start, *args: str, **streams: Any) -> Iterator[subprocess.Popen[str]]:
    """Start the command on a pipe, and see that it ends."""
    with start("watch", *args, **{"stdin": subprocess.PIPE, **streams}) as process:
        try:
            yield process
        finally:
            process.kill()


def feed(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(text)
    process.stdin.flush()


# What is printed


def test_an_alarm_is_one_line_with_place_series_values_and_how_unlikely(run: Run, one_in: str) -> None:
    status, out, err = run("watch", "--one-in", one_in, "odd.txt")
    first, *_ = out.splitlines()
    assert status == 0
    line = re.fullmatch(
        r"line (\d+)  (\S+): 1000, expected (\S+) \((\S+) to (\S+)\), (less than )?one in [\d,]+; \w.+", first
    )
    assert line is not None, first
    assert int(line[1]) == AT + 1
    assert 40 < float(line[4]) <= float(line[3]) <= float(line[5]) < 60
    assert re.match(rf"typeahead: {CALM:,} readings of {line[2]} \(.+\), 1 alarm\n", err)


def test_nothing_odd_is_nothing_printed(run: Run) -> None:
    status, out, err = run("watch", "--one-in", RAREST, "calm.txt")
    assert (status, out) == (0, "")
    assert err == f"typeahead: {CALM:,} readings of value ({err.partition('(')[2].partition(')')[0]}), 0 alarms\n"


def test_several_series_and_the_time_of_the_odd_one(run: Run) -> None:
    status, out, err = run("watch", "odd.csv", "--time", "time", "--column", "load", "--column", "other")
    assert status == 0
    assert f"{1.6e9 + 60 * AT:.0f}  load: 1000, expected " in out
    assert "readings of 2 series" in err


def test_json_is_one_object_an_alarm_and_escapes_whatever_a_series_is_called(run: Run, folder: Path) -> None:
    name = 'é"\\\x1b[2J'
    lines = [json.dumps({"at": 1.6e9 + 60 * number, name: value}) for number, value in enumerate(values())]
    (folder / "odd.jsonl").write_text("\n".join(lines) + "\n")
    status, out, _ = run("watch", "--json", "--time", "at", "odd.jsonl")
    assert status == 0
    assert out.isascii()
    assert "\x1b" not in out
    (alarm,) = [found for line in out.splitlines() if (found := json.loads(line))["seen"] == 1000]
    assert alarm.keys() == {
        *("time", "time_s", "line", "number", "series", "seen", "expected", "low", "high", "probability", "score"),
        "reason",
    }
    assert (alarm["series"], alarm["seen"], alarm["time_s"], alarm["line"]) == (name, 1000, 1.6e9 + 60 * AT, AT + 1)
    assert 0 < alarm["score"] <= 1
    status, out, _ = run("watch", "--time", "at", "odd.jsonl")
    assert r'é"\\x1b[2J: 1000' in out
    assert "\x1b" not in out


def test_scores_are_a_line_a_reading(run: Run) -> None:
    status, out, err = run("watch", "--scores", "--column", "load", "odd.csv")
    found = [line.split("\t") for line in out.splitlines()]
    assert (status, len(found)) == (0, CALM), err
    assert [int(line[0]) for line in found] == list(range(2, CALM + 2))
    assert max(found[: AT + 1], key=lambda line: float(line[2]))[0] == str(AT + 2)
    assert {line[3] for line in found} >= {"learning", "calm", "alarm"}
    assert "typeahead: alarm: " in err
    _, out, _ = run("watch", "--scores", "--json", "--column", "load", "odd.csv")
    objects = [json.loads(line) for line in out.splitlines()]
    assert [each["line"] for each in objects] == list(range(2, CALM + 2))
    assert AT + 2 in [each["line"] for each in objects if each["alarm"]]
    assert [each["score"] for each in objects] == pytest.approx([float(line[2]) for line in found], abs=1e-6)


def test_quiet_is_alarms_alone(run: Run, one_in: str) -> None:
    status, out, err = run("watch", "--quiet", "--one-in", one_in, "odd.txt")
    assert (status, err) == (0, "")
    assert out.startswith(f"line {AT + 1}  ")


def test_skipped_lines_are_told_with_an_example(run: Run, folder: Path) -> None:
    with (folder / "calm.txt").open("a") as file:
        file.write("rub\x1b[2Jbish\n")
    status, _, err = run("watch", "calm.txt")
    assert status == 0
    assert "1 line" in err
    assert r"rub\x1b[2Jbish" in err


def test_one_in_says_how_odd_is_odd_enough(run: Run) -> None:
    found = {one_in: run("watch", "-q", "--one-in", one_in, "odd.txt")[1].count("\n") for one_in in ("20", RAREST)}
    assert found["20"] > 1 >= found[RAREST]
    _, out, _ = run("watch", "--help")
    assert f"[default: {10 ** (10 * WatchConfig().threshold):.0f}" in " ".join(out.split())


# What it does


def test_until_alarm_says_with_its_status_whether_one_came(run: Run, one_in: str) -> None:
    status, out, err = run("watch", "--until-alarm", "--one-in", one_in, "odd.txt")
    assert (status, out.count("\n")) == (0, 1)
    assert f"{AT + 1:,} readings" in err
    status, out, err = run("watch", "--until-alarm", "--one-in", RAREST, "calm.txt")
    assert (status, out) == (NO_ALARM, "")
    assert "0 alarms" in err


def test_a_command_runs_at_an_alarm_with_the_reading_in_its_environment(run: Run, folder: Path, one_in: str) -> None:
    names = ["SERIES", "VALUE", "EXPECTED", "LOW", "HIGH", "SCORE", "PROBABILITY", "TIME", "LINE", "MESSAGE"]
    command = "".join(f'printf "%s\\n" "$TYPEAHEAD_{name}";' for name in names)
    args = ["--until-alarm", "--one-in", one_in, "--exec", f"({command}) >got; exit 4"]
    status, out, err = run("watch", *args, "odd.txt")
    assert status == 0
    got = dict(zip(names, (folder / "got").read_text().splitlines(), strict=True))
    assert got["MESSAGE"] == out.strip()
    assert (got["VALUE"], got["LINE"], got["TIME"]) == ("1000", str(AT + 1), f"line {AT + 1}")
    assert float(got["LOW"]) <= float(got["EXPECTED"]) <= float(got["HIGH"]) < 60
    assert "typeahead: --exec: status 4\n" in err


def test_a_saved_model_goes_on_where_it_ended(run: Run, folder: Path) -> None:
    status, _, err = run("watch", "--save", "m.safetensors", "calm.txt")
    assert status == 0
    assert "m.safetensors: saved" in err
    assert stat.S_IMODE(os.stat("m.safetensors").st_mode) == 0o600
    (folder / "more.txt").write_text("51\n52\n5000\n")
    cold, warm = (run("watch", *args, "more.txt") for args in ([], ["--model", "m.safetensors"]))
    assert cold[:2] == (0, "")
    assert warm[0] == 0
    assert warm[1].startswith("line 3  ")
    assert "3 readings" in warm[2]


def test_a_model_that_does_not_fit_is_an_error(run: Run, folder: Path) -> None:
    run("watch", "--save", "m.safetensors", "odd.csv", "--column", "load")
    status, out, err = run("watch", "--model", "m.safetensors", "odd.csv", "--column", "other")
    assert (status, out) == (1, "")
    assert "was learnt from load, and this is other" in err
    for wrong in ("odd.csv", "missing"):
        status, out, err = run("watch", "--model", wrong, "odd.csv")
        assert (status, out, err.count("\n")) == (1, "", 1)
        assert err.startswith(f"typeahead: {wrong}: ")


def test_a_plot_is_drawn_of_any_number_of_series(run: Run, folder: Path) -> None:
    header = ",".join(f"$x_{number} 読み" for number in range(12))
    rows = [",".join(str(number * 7 % 5 + column) for column in range(12)) for number in range(300)]
    (folder / "wide.csv").write_text("\n".join([header, *rows, ""]))
    status, _, err = run("watch", "--plot", "many.png", "wide.csv")
    assert (status, err.count("\n")) == (0, 1)
    assert (folder / "many.png").read_bytes().startswith(b"\x89PNG")


# What goes wrong


@pytest.mark.parametrize(
    ("text", "reason"), [("", "odd.txt: is empty"), ("no\nnumbers\nhere\n" * 4, "odd.txt: no readings in 12 lines")]
)
def test_no_readings_are_an_error(run: Run, folder: Path, text: str, reason: str) -> None:
    (folder / "odd.txt").write_text(text)
    status, out, err = run("watch", "odd.txt")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"typeahead: {reason}")


@pytest.mark.parametrize(
    ("args", "status", "reason"),
    [
        (["missing.txt"], 1, "missing.txt"),
        (["--plot", "x.doc", "odd.txt"], 1, "--plot x.doc: is no kind of picture"),
        (["--plot", "nowhere/x.png", "odd.txt"], 1, "--plot nowhere/x.png: cannot be written there"),
        (["--save", ".", "odd.txt"], 1, "--save .: cannot be written there"),
        (["--follow"], 2, "--follow is for files"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_work_is_said_before_anything_is_read(
    run: Run, args: list[str], status: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        found, out, err = run("watch", *args)
    assert (found, out, err.count("\n")) == (status, "", 1)
    assert reason in err


def test_nobody_to_give_readings_is_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    status, _, err = run("watch")
    assert (status, err.count("\n")) == (2, 1)
    assert "standard input is closed; pipe readings in" in err
    main, other = os.openpty()
    with os.fdopen(main), open(other) as keyboard:
        monkeypatch.setattr("sys.stdin", keyboard)
        status, _, err = run("watch")
    assert status == 2
    assert "standard input is the keyboard" in err


# As a process


@pytest.mark.slow
def test_an_alarm_is_there_at_once_and_ctrl_c_saves(start: Start, folder: Path, one_in: str) -> None:
    with started(start, "--save", "m.safetensors", "--one-in", one_in) as process:
        assert process.stdout is not None
        feed(process, "".join(f"{value}\n" for value in values()[: AT + 1]))
        assert ": 1000, expected" in process.stdout.readline()  # the pipe is still open
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, out) == (EXIT_INTERRUPTED, "")
        assert told(err) == [f"{AT + 1:,} readings of value", "m.safetensors: saved"]
    assert (folder / "m.safetensors").stat().st_size > 0


@pytest.mark.slow
def test_scores_come_at_once_and_when_their_reader_has_gone_it_ends_as_a_pipe_does(start: Start, folder: Path) -> None:
    with started(start, "--scores", "--save", "m.safetensors") as process:
        assert process.stdout is not None
        feed(process, "1\n2\n3\n")
        assert [process.stdout.readline().split("\t")[0] for _ in range(3)] == ["1", "2", "3"]
        process.stdout.close()
        feed(process, "4\n5\n")
        assert process.wait(PATIENCE_S) == EXIT_BROKEN_PIPE
        assert process.stderr is not None
        assert told(process.stderr.read()) == []
    assert (folder / "m.safetensors").exists()  # what was learnt is not lost


@pytest.mark.slow
def test_a_full_disk_is_one_line(start: Start, one_in: str) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("optional: the system has no /dev/full")
    with open("/dev/full", "w") as full, started(start, "--one-in", one_in, "odd.txt", stdout=full) as process:
        _, err = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, told(err)) == (1, ["the output: No space left on device"])


def told(err: str) -> list[str]:
    """Return how the lines on standard error begin; that loading takes its time is none of them."""
    lines = [line.removeprefix("typeahead: ") for line in err.splitlines()]
    return [re.split(r" \(|;", line)[0] for line in lines if not line.startswith("loading; ")]
