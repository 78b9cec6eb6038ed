"""``typeahead why``: the table of candidates, and what is said when there is none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from tests.cli.conftest import Run
from tests.shell.fake_daemon import COMMAND, Daemon
from typeahead import config
from typeahead.shell import launch
from typeahead.shell.launch import stop_daemon


@pytest.fixture
def daemon(isolated_home: object) -> Iterator[Callable[..., Daemon]]:
    daemons: list[Daemon] = []

    def start(**environment: str) -> Daemon:
        daemons.append(Daemon(config.socket_path(), **environment))
        return daemons[-1].wait_listening()

    yield start
    for one in daemons:
        one.close()


def test_candidates_are_a_table_that_drives_no_terminal(run: Run, daemon: Callable[..., Daemon]) -> None:
    daemon()
    status, out, error = run("why", "git")
    assert (status, error) == (0, "")
    assert out.splitlines() == [
        "    worth   chance  source   line",
        ">    3.00   50.0 %  history  git!",
        "                             age 2; odd -",
        "        -   25.0 %  model    git\\x1b[2J",
        "                             not shown: holds a control character",
    ]


def test_json_holds_the_reasons_as_the_daemon_tells_them(run: Run, daemon: Callable[..., Daemon]) -> None:
    daemon()
    found = json.loads(run("why", "git", "--json", "-n", "1")[1])
    assert found["prefix"] == "git"
    assert [(one["text"], one["worth"], one["shown"]) for one in found["reasons"]] == [("git!", 3.0, True)]


def test_it_starts_the_daemon_and_waits_for_its_model(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "daemon_command", lambda: COMMAND)
    monkeypatch.setenv("FAKE_LOAD_S", "0.2")
    assert "git!" in run("why", "git")[1]
    stop_daemon(config.socket_path(), 20)


def test_a_model_that_cannot_be_loaded_is_one_clear_line(run: Run, daemon: Callable[..., Daemon]) -> None:
    daemon(FAKE_FAIL="1").wait_state("failed")
    assert run("why", "git") == (1, "", "typeahead: fake.safetensors: is missing; make one\n")


def test_a_daemon_with_another_model_is_one_clear_line(
    run: Run, daemon: Callable[..., Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon()
    monkeypatch.setenv("TYPEAHEAD_TEXT_MODEL", "/another.safetensors")
    status, out, error = run("why", "git")
    assert (status, out) == (1, "")
    assert "no daemon with your model answers" in error


@pytest.mark.parametrize(
    "args", [["why"], ["why", "x", "-n", "0"], ["why", "x" * 5000]], ids=lambda args: str(args)[:20]
)
def test_bad_input_is_told_without_a_traceback(run: Run, daemon: Callable[..., Daemon], args: list[str]) -> None:
    daemon()
    status, out, error = run(*args)
    assert status in (1, 2)
    assert out == ""
    assert "Traceback" not in error
