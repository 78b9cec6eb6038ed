"""``typeahead doctor``: what is in order, what is not, and that nothing typed is in it."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest

import typeahead
from tests.cli.conftest import Run
from tests.shell.fake_daemon import Daemon
from typeahead import config


@pytest.fixture(autouse=True)
def no_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep this machine's devices out: PortAudio must not be started in the tests' own process."""
    monkeypatch.setattr("typeahead.voice.audio.input_devices", list)


def findings(run: Run) -> tuple[int, dict[str, dict[str, str]]]:
    status, out, err = run("doctor", "--json")
    assert err == ""
    return status, {one["subject"]: one for one in map(json.loads, out.splitlines())}


def test_a_fresh_machine_is_in_order(run: Run) -> None:
    status, found = findings(run)
    assert status == 0
    assert set(found) >= {
        "typeahead", "terminal", "settings", "shell", "socket", "daemon", "kernels", "history", "model", "sound",
    }  # fmt: skip
    assert "wrong" not in {one["state"] for one in found.values()}
    assert "GRU" in found["model"]["text"]
    assert found["daemon"]["next_step"].endswith("typeahead daemon start")


def test_each_finding_is_a_line_and_its_next_step_one_below(run: Run) -> None:
    status, out, _ = run("doctor")
    lines = out.splitlines()
    (daemon,) = (number for number, line in enumerate(lines) if line.startswith("--  daemon"))
    assert lines[daemon + 1].strip() == "the first shell starts it; or: typeahead daemon start"
    assert status == 0


def test_a_history_of_another_shell_is_offered_until_it_has_been_taken_over(run: Run) -> None:
    (Path.home() / ".bash_history").write_text("make secret-project\n")
    status, out, _ = run("doctor")
    assert status == 0
    assert "take over what bash kept: typeahead history import" in out
    assert "secret-project" not in out
    run("history", "import")
    _, out, _ = run("doctor")
    assert "history import" not in out
    assert "secret-project" not in out


def test_what_is_wrong_is_marked_and_is_the_exit_status(run: Run) -> None:
    config.config_file().parent.mkdir(parents=True)
    config.config_file().write_text("[text]\nmodel = '/no/such/model'\n")
    status, found = findings(run)
    assert status == 1
    assert found["model"]["state"] == "wrong"
    assert "/no/such/model" in found["model"]["text"]
    assert found["model"]["next_step"] == "typeahead config unset model goes back to the shipped one"


def test_settings_that_cannot_be_used_leave_the_other_findings(run: Run) -> None:
    config.config_file().parent.mkdir(parents=True)
    config.config_file().write_text("[text]\ncolour = 'red'\n")
    status, found = findings(run)
    assert status == 1
    assert "unknown setting text.colour" in found["settings"]["text"]
    assert found["history"]["state"] != "wrong"


def test_a_program_underneath_that_is_not_there_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TYPEAHEAD_SHELL_PROGRAM", "no-such-shell")
    status, found = findings(run)
    assert (status, found["shell"]["state"]) == (1, "wrong")
    assert "no-such-shell" in found["shell"]["text"]


def test_a_socket_open_to_others_is_wrong(run: Run) -> None:
    path = config.socket_path()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o777)
        status, found = findings(run)
    assert (status, found["socket"]["state"], found["daemon"]["state"]) == (1, "wrong", "wrong")


def test_a_history_that_is_damaged_is_named(run: Run) -> None:
    config.history_file().parent.mkdir(parents=True)
    config.history_file().write_bytes(b"not a database, and long enough to be seen as none" * 99)
    status, found = findings(run)
    assert (status, found["history"]["state"]) == (1, "wrong")
    assert str(config.history_file()) in found["history"]["text"]


def test_a_running_daemon_is_described(run: Run) -> None:
    daemon = Daemon(config.socket_path()).wait_listening().wait_state("warm")
    try:
        _, found = findings(run)
    finally:
        daemon.close()
    assert (found["daemon"]["state"], found["socket"]["state"]) == ("good", "good")
    assert "model warm" in found["daemon"]["text"]


def test_the_shell_around_says_what_it_does(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TYPEAHEAD_INTEGRATION", f"zsh own {typeahead.__version__} {os.getppid()}")
    assert findings(run)[1]["this shell"]["text"] == "zsh draws suggestions"
    monkeypatch.setenv("TYPEAHEAD_INTEGRATION", f"bash keys 0.0.1 {os.getppid()}")
    status, found = findings(run)
    assert (status, found["this shell"]["next_step"]) == (1, "open another bash")
    monkeypatch.setenv("TYPEAHEAD_INTEGRATION", "fish keys 0.0.1 1")  # told by a shell that is not around us
    assert "this shell" not in findings(run)[1]


def test_nothing_heavy_is_loaded_before_the_program_is_known(run: Run) -> None:
    run("doctor", "--help")
    assert "sounddevice" not in sys.modules
