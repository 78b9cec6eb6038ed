"""``typeahead complete``: the same lines from a daemon and from this process, and what is said when there are none."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.shell.fake_daemon import Daemon
from typeahead import cli, config
from typeahead.history import History
from typeahead.shell.protocol import request

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs ``typeahead complete`` in this process: status, standard output, standard error."""

    def run_complete(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["complete", *args])
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capfd.readouterr()

    return run_complete


@pytest.fixture
def daemon(isolated_home: Path) -> Iterator[Callable[..., Daemon]]:
    daemons: list[Daemon] = []

    def start(**environment: str) -> Daemon:
        daemons.append(Daemon(config.socket_path(), **environment))
        return daemons[-1].wait_listening()

    yield start
    for one in daemons:
        one.close()


def test_completions_come_from_the_daemon_ranked(run: Run, daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    daemon()
    status, out, error = run("git", "-n", "2", "--cwd", str(tmp_path))
    assert (status, error) == (0, "")
    assert out == f"  -1.000  model    git<>0@{tmp_path}\n  -2.000  model    git<>1@{tmp_path}\n"


def test_json_holds_text_source_and_log_probability(run: Run, daemon: Callable[..., Daemon]) -> None:
    daemon()
    status, out, _ = run("git", "-n", "1", "--json")
    assert status == 0
    text = f"git<>0@{os.getcwd()}"
    assert json.loads(out) == {"prefix": "git", "completions": [{"text": text, "source": "model", "log_prob": -1.0}]}


def test_it_waits_for_the_daemons_model(run: Run, daemon: Callable[..., Daemon]) -> None:
    daemon(FAKE_LOAD_S="0.5")
    assert run("git", "-n", "1")[1].startswith("  -1.000  model")


def test_a_model_that_cannot_be_loaded_is_one_clear_line(run: Run, daemon: Callable[..., Daemon]) -> None:
    daemon(FAKE_FAIL="1").wait_state("failed")
    assert run("git") == (1, "", "typeahead: fake.safetensors: is missing; make one\n")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "Missing argument 'PREFIX'"),
        (["git", "-n", "0"], "0 is not in the range 1<=x<=50"),
        (["x" * 5000], "at most 4096"),
        (["git", "--model", "absent.safetensors"], "absent.safetensors"),
    ],
)
def test_bad_input_is_one_clear_line(run: Run, daemon: Callable[..., Daemon], args: list[str], said: str) -> None:
    daemon()
    status, out, error = run(*args)
    assert status in (1, 2)
    assert out == ""
    assert said in error.splitlines()[-1]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small network that has learned nothing."""
    from dataclasses import asdict

    from typeahead.rnn.checkpoint import save_model
    from typeahead.rnn.network import Network, NetworkConfig

    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    network = Network.create(NetworkConfig(hidden_size=16), seed=1)
    save_model(path, network, {"network": asdict(network.config)})
    return path


@pytest.fixture
def real(model: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Return a function that runs the program in a process of its own, with a history and that network."""
    monkeypatch.setenv("TYPEAHEAD_TEXT_MODEL", str(model))
    monkeypatch.setenv("TYPEAHEAD_TEXT_ADAPT", "off")  # what the daemon has learnt, another process does not know
    store = History(config.history_file())
    for i in range(8):
        store.add("git commit --verbose", session="before", started=float(i))
    store.close()

    def run_program(*args: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "typeahead", *args], capture_output=True, text=True, timeout=200, check=False
        )
        return done.returncode, done.stdout, done.stderr

    yield run_program
    run_program("daemon", "stop")


@pytest.mark.slow
def test_daemon_and_process_complete_alike(real: Run) -> None:
    found: list[dict[str, Any]] = []
    for how in (["--no-daemon"], []):
        status, out, error = real("complete", "--json", "-n", "5", "git c", *how)
        assert (status, error) == (0, "")
        found.append(json.loads(out))
    assert found[0] == found[1]
    assert found[0]["completions"][0]["text"] == "git commit --verbose"
    assert found[0]["completions"][0]["source"] == "history"
    assert all(math.isfinite(one["log_prob"]) and one["log_prob"] <= 0 for one in found[0]["completions"])
    status = request({"op": "status"}, 5)
    assert (status["state"], status["model"]) == ("warm", os.environ["TYPEAHEAD_TEXT_MODEL"])


@pytest.mark.slow
def test_a_daemon_with_another_model_is_not_asked(real: Run, model: Path, tmp_path: Path) -> None:
    assert real("daemon", "start")[0] == 0
    pid = request({"op": "ping"}, 5)["pid"]
    other = tmp_path / "other.safetensors"
    other.write_bytes(model.read_bytes())
    os.environ["TYPEAHEAD_TEXT_MODEL"] = str(other)  # put back by the fixture
    status, out, error = real("complete", "--json", "git c")
    assert (status, error) == (0, "")
    assert json.loads(out)["completions"][0]["text"] == "git commit --verbose"
    assert request({"op": "ping"}, 5)["pid"] == pid


@pytest.mark.slow
def test_damaged_compiled_kernels_are_made_again(real: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    # A folder of the user's own choice is left alone; what that of the tests holds need not be compiled.
    if compiled := os.environ.get("NUMBA_CACHE_DIR"):
        shutil.copytree(compiled, config.cache_dir() / "numba")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    command = ("complete", "--no-daemon", "git c")
    wanted = real(*command)
    kernels = [file for file in (config.cache_dir() / "numba").rglob("*.nb?") if file.is_file()]
    assert len(kernels) > 2
    for file in kernels:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert real(*command) == wanted
    assert wanted[0] == 0
