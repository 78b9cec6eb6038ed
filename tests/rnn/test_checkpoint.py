import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from typeahead.errors import ModelFileError
from typeahead.rnn import checkpoint

ARRAYS = {
    "matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
    "scalar": np.array(7, dtype=np.int64),
    "empty": np.zeros((0, 3), dtype=np.float64),
    "bytes": np.frombuffer(b"\x00\xff", dtype=np.uint8),
}
METADATA = {"kind": "text", "figures": {"loss": 1.25, "text": "é\udc80"}, "none": None}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "model.safetensors"
    path.parent.mkdir()
    checkpoint.save(path, ARRAYS, METADATA)
    return path


def test_arrays_and_metadata_come_back_as_they_went(path):
    arrays, metadata = checkpoint.load(path)
    assert metadata == {"format_version": checkpoint.FORMAT_VERSION, **METADATA}
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert arrays[name].shape == array.shape
        assert np.array_equal(arrays[name], array)
        assert arrays[name].flags.writeable


def test_views_are_saved_by_their_values_not_their_memory(tmp_path):
    base = np.arange(12.0).reshape(3, 4)
    checkpoint.save(tmp_path / "views", {"transposed": base.T, "strided": base[:, ::2]}, {})
    arrays, _ = checkpoint.load(tmp_path / "views")
    assert np.array_equal(arrays["transposed"], base.T)
    assert np.array_equal(arrays["strided"], base[:, ::2])


def test_the_file_is_the_owners_alone_and_leaves_nothing_beside_it(path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == [path.name]


def test_the_whole_metadata_is_one_json_string(path):
    with safetensors.safe_open(path, framework="numpy") as file:
        header = file.metadata()
    assert list(header) == ["typeahead"]
    assert json.loads(header["typeahead"])["figures"]["loss"] == 1.25


def test_every_truncation_is_one_clear_line(path):
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ModelFileError) as caught:
            checkpoint.load(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


@given(data=st.data())
def test_no_flipped_bit_goes_unnoticed(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("flip") / "model.safetensors"
    checkpoint.save(path, ARRAYS, METADATA)
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        arrays, metadata = checkpoint.load(path)
    except ModelFileError:
        pass
    else:  # a flip between JSON's tokens (a space for a tab) may change nothing that is read
        assert metadata == {"format_version": checkpoint.FORMAT_VERSION, **METADATA}
        assert all(np.array_equal(arrays[name], array) for name, array in ARRAYS.items())


@given(content=st.binary(max_size=200))
def test_no_junk_is_taken_for_a_model(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("junk") / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"not a safetensors file|damaged|cannot be read|not written by"):
        checkpoint.load(path)


def test_a_foreign_safetensors_is_named_as_such(tmp_path):
    path = tmp_path / "foreign.safetensors"
    safetensors.numpy.save_file({"weight": np.zeros(3)}, path, metadata={"format": "pt"})
    with pytest.raises(ModelFileError, match="not written by typeahead"):
        checkpoint.load(path)


@pytest.mark.parametrize("header", ["[]", "{}", "1", "{", '{"format_version": "1"}', '{"format_version": 1}'])
def test_a_header_that_is_not_ours_is_a_clear_error(tmp_path, header):
    path = tmp_path / "odd.safetensors"
    safetensors.numpy.save_file({"weight": np.zeros(3)}, path, metadata={"typeahead": header})
    with pytest.raises(ModelFileError, match="damaged"):
        checkpoint.load(path)


def test_a_newer_format_says_upgrade(tmp_path):
    path = tmp_path / "newer.safetensors"
    header = json.dumps({"format_version": checkpoint.FORMAT_VERSION + 1})
    safetensors.numpy.save_file({"weight": np.zeros(3)}, path, metadata={"typeahead": header})
    with pytest.raises(ModelFileError, match="upgrade typeahead"):
        checkpoint.load(path)


def test_missing_files_and_folders_are_clear_errors(tmp_path):
    with pytest.raises(ModelFileError, match="no such file"):
        checkpoint.load(tmp_path / "missing.safetensors")
    with pytest.raises(ModelFileError, match="not a file"):
        checkpoint.load(tmp_path)
    with pytest.raises(ModelFileError, match="cannot be written \\(No such file or directory\\)"):
        checkpoint.save(tmp_path / "missing" / "model.safetensors", ARRAYS, {})


def test_a_full_disk_leaves_the_old_file_whole_and_no_part(path, monkeypatch):
    before = path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelFileError, match=r"No space left on device\); the old file is untouched"):
        checkpoint.save(path, {"matrix": np.zeros(1000)}, {})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_an_interrupt_while_writing_leaves_the_old_file_whole_and_no_part(path, monkeypatch):
    before = path.read_bytes()

    def interrupt(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(path, {"matrix": np.zeros(1000)}, {})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_checkpoint_is_not_taken_for_a_model(tmp_path):
    path = tmp_path / "run.checkpoint.safetensors"
    checkpoint.save(path, ARRAYS, {"kind": "checkpoint", "network": {}})
    with pytest.raises(ModelFileError, match="a checkpoint of typeahead, not a model"):
        checkpoint.load_model(path)


def test_a_model_comes_back_with_its_weights_and_figures(tmp_path):
    from typeahead.rnn.network import Network, NetworkConfig

    network = Network.create(NetworkConfig(cell="lstm", hidden_size=8, num_layers=2), seed=1)
    checkpoint.save_model(tmp_path / "model.safetensors", network, {"kind": "text"})
    loaded, metadata = checkpoint.load_model(tmp_path / "model.safetensors")
    assert loaded.config == network.config
    assert metadata["kind"] == "text"
    assert all(np.array_equal(loaded.parameters[name], array) for name, array in network.parameters.items())


def _without(config: dict, arrays: dict) -> None:
    del arrays["output.bias"]


def _reshaped(config: dict, arrays: dict) -> None:
    arrays["output.weight"] = arrays["output.weight"][:, :-1]


def _another_cell(config: dict, arrays: dict) -> None:
    config["cell"] = "lstm"


def _unknown_cell(config: dict, arrays: dict) -> None:
    config["cell"] = "transformer"


def _unknown_setting(config: dict, arrays: dict) -> None:
    config["attention"] = 3


@pytest.mark.parametrize("damage", [_without, _reshaped, _another_cell, _unknown_cell, _unknown_setting])
def test_weights_that_do_not_fit_their_configuration_are_refused(tmp_path, damage):
    from dataclasses import asdict

    from typeahead.rnn.network import Network, NetworkConfig

    network = Network.create(NetworkConfig(hidden_size=8), seed=1)
    config, arrays = asdict(network.config), dict(network.parameters)
    damage(config, arrays)
    checkpoint.save(tmp_path / "model.safetensors", arrays, {"network": config})
    with pytest.raises(ModelFileError, match="do not fit their configuration"):
        checkpoint.load_model(tmp_path / "model.safetensors")
