import gzip
import json
import math
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from typeahead.rnn import checkpoint
from typeahead.rnn.network import Network, NetworkConfig


@pytest.fixture
def folder(folder: Path) -> Path:
    """Return the current folder, with a small model and two files."""
    (folder / "one.txt").write_bytes(b"git commit -m 'x'\n" * 80 + b"\x00\xff")
    (folder / "two.txt").write_bytes(b"ls")
    checkpoint.save_model(
        folder / "model.safetensors", Network.create(NetworkConfig(hidden_size=8), 1), {"kind": "text"}
    )
    return folder


def naive_nats(content: bytes) -> float:
    """Sum -ln P of each byte given all before it, the first given a newline, one step at a time."""
    network, _ = checkpoint.load_model("model.safetensors")
    network = Network(network.config, {name: a.astype(np.float64) for name, a in network.parameters.items()})
    state, before, total = network.initial_state(1), ord("\n"), 0.0
    for byte in content:
        log_probs, state = network.step(np.array([before]), state)
        total -= float(log_probs[0, byte])
        before = byte
    return total


def test_the_loss_is_over_every_byte_given_all_before(folder, run):
    content = (folder / "one.txt").read_bytes()
    status, out, _ = run("evaluate", "model.safetensors", "one.txt", "--json")
    assert status == 0
    figures = json.loads(out)
    assert figures.keys() == {"loss", "bits_per_byte", "bytes"}
    assert figures["bytes"] == len(content) == 1442
    assert figures["loss"] == pytest.approx(naive_nats(content) / len(content), rel=1e-5)
    assert figures["bits_per_byte"] == pytest.approx(figures["loss"] / math.log(2))


def test_each_file_starts_afresh_and_all_bytes_count_alike(folder, run):
    one, two = (folder / "one.txt").read_bytes(), (folder / "two.txt").read_bytes()
    figures = json.loads(run("evaluate", "model.safetensors", "one.txt", "two.txt", "--json")[1])
    assert figures["bytes"] == len(one) + len(two)
    assert figures["loss"] == pytest.approx((naive_nats(one) + naive_nats(two)) / figures["bytes"], rel=1e-5)


def test_plain_output_is_a_line_a_file_and_one_for_all(folder, run):
    _, out, _ = run("evaluate", "model.safetensors", "two.txt")
    loss = naive_nats(b"ls") / 2
    assert out == f"two.txt: loss {loss:.4f} nats, {loss / math.log(2):.4f} bits per byte, 2 bytes\n"
    _, out, _ = run("evaluate", "model.safetensors", "two.txt", "one.txt")
    assert [line.split(":")[0] for line in out.splitlines()] == ["two.txt", "one.txt", "all"]


def test_gzip_is_unpacked(folder, run):
    (folder / "one.gz").write_bytes(gzip.compress((folder / "one.txt").read_bytes()))
    assert run("evaluate", "model.safetensors", "one.gz", "--json") == run(
        "evaluate", "model.safetensors", "one.txt", "--json"
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["missing.safetensors", "one.txt"], "missing.safetensors: no such file"),
        (["one.txt", "one.txt"], "one.txt: damaged, truncated or not a safetensors file"),
        (["foreign.safetensors", "one.txt"], "foreign.safetensors: safetensors, but not written by typeahead"),
        (["run.checkpoint.safetensors", "one.txt"], "a checkpoint of typeahead, not a model"),
        (["cut.safetensors", "one.txt"], "cut.safetensors: damaged, truncated"),
        ([".", "one.txt"], ".: not a file"),
        (["model.safetensors", "one.txt", "missing.txt"], "missing.txt: cannot be read"),
        (["model.safetensors", "empty.txt"], "empty.txt: empty"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line(folder, run, args, message):
    (folder / "empty.txt").write_bytes(b"")
    (folder / "cut.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-1])
    safetensors.numpy.save_file({"a": np.zeros(1)}, folder / "foreign.safetensors")
    checkpoint.save(folder / "run.checkpoint.safetensors", {}, {"kind": "checkpoint"})
    commands = (
        [("evaluate", *args)]
        if "missing.txt" in args or "empty.txt" in args
        else [("evaluate", *args), ("inspect", args[0])]
    )
    for command in commands:
        status, out, err = run(*command)
        assert status == 1
        assert message in err
        assert (out, err.count("\n")) == ("", 1)


def test_options_may_stand_anywhere(folder, run):
    first, last = (
        run("evaluate", "--json", "model.safetensors", "two.txt"),
        run("evaluate", "model.safetensors", "two.txt", "--json"),
    )
    assert first == last
    assert first[0] == 0


def test_a_model_called_sessions_is_reached_by_its_path(folder, run):
    (folder / "model.safetensors").rename(folder / "sessions")
    assert run("evaluate", "./sessions", "two.txt", "--json")[0] == 0
    assert run("evaluate", "--json", "./sessions", "two.txt")[0] == 0
    status, _, err = run("evaluate", "sessions")
    assert status == 2
    assert "Missing argument 'FILE.jsonl'" in err


def test_help_tells_of_both_commands(run):
    status, out, _ = run("evaluate", "--help")
    assert status == 0
    assert "typeahead evaluate [OPTIONS] MODEL FILE...\n" in out
    assert "typeahead evaluate sessions [OPTIONS] FILE.jsonl\n" in out
    assert run("evaluate")[0] == 2
