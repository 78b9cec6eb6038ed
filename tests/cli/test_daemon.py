"""``typeahead daemon``: what its commands print and return, with a daemon, with none, and twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.shell.fake_daemon import COMMAND, Daemon, wait_until
from typeahead import cli, config
from typeahead.shell import launch
from typeahead.shell.protocol import request

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, isolated_home: Path) -> Iterator[Run]:
    """Return a function that runs ``typeahead daemon``, with a fake model, in this process."""
    monkeypatch.setattr(launch, "daemon_command", lambda: COMMAND)

    def run_daemon(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["daemon", *args])
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capfd.readouterr()

    yield run_daemon
    run_daemon("stop")


def test_start_status_stop(run: Run) -> None:
    assert run("status") == (3, "no daemon is running\n", "")
    status, out, _ = run("start", "--wait")
    pid = request({"op": "ping"}, 5)["pid"]
    assert (status, out) == (0, f"daemon {pid} started; the model is warm\n")
    assert run("start") == (0, f"daemon {pid} runs already; the model is warm\n", "")
    status, out, _ = run("status")
    assert status == 0
    assert out.startswith(f"process      {pid}, version")
    assert "sessions     0, 0 connected" in out
    assert "learnt       0 lines since its start\n" in out
    assert run("stop") == (0, f"daemon {pid} stopped\n", "")
    assert run("stop") == (0, "no daemon is running\n", "")
    assert not config.socket_path().exists()


def test_status_as_json(run: Run) -> None:
    status, out, _ = run("status", "--json")
    assert (status, json.loads(out)["running"]) == (3, False)
    run("start")
    status, out, _ = run("status", "--json")
    found = json.loads(out)
    assert (status, found["running"], found["socket"]) == (0, True, str(config.socket_path()))


def test_start_tells_of_a_model_that_cannot_be_loaded(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_FAIL", "1")
    status, _, error = run("start", "--wait")
    assert (status, error) == (1, "typeahead: the model cannot be loaded: fake.safetensors: is missing; make one\n")
    assert "problem      fake.safetensors: is missing" in run("status")[1]


def test_stop_says_when_a_daemon_does_not_answer(run: Run) -> None:
    run("start")
    daemon = Daemon(config.socket_path())  # a second one ends by itself
    assert daemon.wait() == 1
    daemon.close()
    assert run("status")[0] == 0


def test_run_serves_in_the_foreground_until_ctrl_c(isolated_home: Path) -> None:
    command = [sys.executable, "-P", "-m", "typeahead", "daemon", "run"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_until(lambda: config.socket_path().exists() or process.poll() is not None, "it listens")
        second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 1
        assert "a daemon runs already" in second.stderr
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)
    assert (process.returncode, out, error) == (0, b"", b"")
