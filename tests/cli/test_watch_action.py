"""What `typeahead watch --exec` runs, with a real sh."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from typeahead.cli.watch_action import Action

PATIENCE_S = 30.0


@pytest.fixture
def said() -> list[str]:
    return []


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_reading_is_in_the_environment_and_nowhere_else(
    folder: Path, said: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    name = "$(touch pwned)`touch pwned`;touch pwned\n\x1b]0;\0\ud800'\""
    action = Action(
        'printf "%s|" "$TYPEAHEAD_SERIES" "$TYPEAHEAD_VALUE" "$TYPEAHEAD_LOW" "$TYPEAHEAD_TIME"', said.append
    )
    action.start({"series": name, "value": 98.5, "low": math.nan, "time": None})
    action.finish(is_patient=True)
    out, err = capfd.readouterr()
    assert out == ""  # standard output is for alarms
    assert err == r"""$(touch pwned)`touch pwned`;touch pwned\n\x1b]0;\x00\ud800'"|98.5|||"""
    assert said == []
    assert list(folder.iterdir()) == []


def test_a_command_that_fails_is_one_line(folder: Path, said: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    for command in ("exit 3", "kill -9 $$"):
        action = Action(command, said.append)
        action.start({})
        action.finish(is_patient=True)
    assert said == ["--exec: status 3", "--exec: status 137"]
    assert capfd.readouterr() == ("", "")


def test_below_a_view_the_last_printed_line_is_said_harmlessly(
    folder: Path, said: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    action = Action("seq 1 100; printf 'last \\033[2J\\n\\n'; nosuchprogram", said.append, is_hidden=True)
    action.start({})
    action.finish(is_patient=True)
    (line,) = said
    assert line.startswith("--exec: status 127: ")
    assert "nosuchprogram" in line
    action = Action("printf 'last \\033[2J\\n\\n'", said.append, is_hidden=True)
    action.start({})
    action.finish(is_patient=True)
    assert said[1] == r"--exec: last \x1b[2J"
    assert capfd.readouterr() == ("", "")


def test_while_a_command_runs_alarms_start_no_other_and_are_counted(folder: Path, said: list[str]) -> None:
    action = Action("echo $TYPEAHEAD_LINE >>begun; until test -e go; do sleep 0.01; done", said.append)
    for line in range(4):
        action.start({"line": line})
    wait_for(folder / "begun")
    action.poll()
    assert said == ["--exec: the command of an earlier alarm still runs; it is not started again meanwhile"]
    (folder / "go").touch()
    action.finish(is_patient=True)
    assert said[1:] == ["--exec: 3 alarms came while it ran, and started nothing"]
    action.start({"line": 4})
    action.finish(is_patient=True)
    assert (folder / "begun").read_text() == "0\n4\n"


def test_a_command_that_is_not_waited_for_goes_on(folder: Path, said: list[str]) -> None:
    action = Action("until test -e go; do sleep 0.01; done; touch done", said.append)
    action.start({})
    action.finish(is_patient=False)
    assert len(said) == 1
    assert "is left to itself" in said[0]
    (folder / "go").touch()
    wait_for(folder / "done")
