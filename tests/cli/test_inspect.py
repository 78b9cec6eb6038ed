"""``typeahead inspect``: what a model file says of itself, and how the command is used."""

import json
from pathlib import Path

import pytest

from typeahead.rnn import checkpoint
from typeahead.rnn.network import Network, NetworkConfig


@pytest.fixture
def folder(folder: Path) -> Path:
    """Return the current folder, with two small models and a text."""
    (folder / "one.txt").write_bytes(b"git commit -m 'x'\n" * 80 + b"\x00\xff")
    for name in ("model", "other"):
        checkpoint.save_model(
            folder / f"{name}.safetensors", Network.create(NetworkConfig(hidden_size=8), 1), {"kind": "text"}
        )
    return folder


def test_inspect_tells_architecture_data_command_and_figures(folder, run):
    small = ["--hidden-size", "8", "--seq-len", "8", "--batch-size", "4", "--threads", "1"]
    assert run("train", "one.txt", "--steps", "20", "--cell", "lstm", "--num-layers", "2", *small)[0] == 0
    _, out, _ = run("inspect", "one.safetensors")
    rows = dict(line.split("  ", maxsplit=1) for line in out.splitlines() if not line.startswith(" "))
    rows = {name: value.strip() for name, value in rows.items()}
    # 2 layers: 32*256 + 32*8 + 2*32 and 32*8 + 32*8 + 2*32; output: 256*8 + 256
    assert rows["parameters"] == "11,392 (float32)"
    assert rows["network"] == "lstm, 2 layers of 8 units, dropout 0"
    assert rows["data"] == "one.txt (1,442 bytes); 1,442 bytes, 13 of 256 values"
    assert rows["validation"].startswith("the last 145 bytes of the data")
    assert rows["command"] == f"typeahead train one.txt --steps 20 --cell lstm --num-layers 2 {' '.join(small)}"
    assert "learning_rate 0.004" in rows["settings"]
    assert "20 steps, 640 bytes, " in rows["trained"]
    _, metadata = checkpoint.load("one.safetensors")
    assert f"sha256 {metadata['data']['train']['sha256']}" in out
    assert f"{metadata['figures']['valid_bits_per_byte']:.4f} bits per byte at step 20" in out


def test_inspect_json_is_the_files_own_metadata(run):
    status, out, _ = run("inspect", "model.safetensors", "--json")
    assert status == 0
    assert json.loads(out) == checkpoint.load("model.safetensors")[1] | {"num_parameters": 8688}


def test_a_model_without_a_history_can_be_inspected(run):
    status, out, _ = run("inspect", "model.safetensors")
    assert status == 0
    assert "gru, 1 layer of 8 units" in out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["model.safetensors", "--data", "one.txt"], "--data is of use with --memory only"),
        (["model.safetensors", "--max-lag", "50"], "--max-lag is of use with --memory only"),
        (["model.safetensors", "other.safetensors"], "2 models side by side are for --memory"),
        (["model.safetensors", "model.safetensors", "--memory"], "model.safetensors: given twice"),
        (["model.safetensors", "--memory", "--plot", "a.txt"], "--plot a.txt: not one of .png, .svg, .pdf"),
        (["model.safetensors", "--memory", "--plot", "no/a.png"], "--plot no/a.png: no folder no; make it first"),
        (["model.safetensors", "other.safetensors", "--memory", "--data", "-"], "can be read only once"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage_in_one_line(run, args, message):
    status, out, err = run("inspect", *args)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
