"""``typeahead forget``: what it lists, what it asks, and that nothing is left, with a daemon and without."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from tests.cli.conftest import Run
from tests.shell.fake_daemon import Daemon, Peer
from typeahead import config
from typeahead.history import History


def store(*commands: str, age_s: float = 0.0) -> None:
    """Store commands a second apart, the last of them run ``age_s`` ago."""
    history = History(config.history_file())
    for i, command in enumerate(commands):
        history.add(command, session="s", status=0, started=time.time() - age_s - len(commands) + 1 + i)
    history.close()


def stored() -> list[str]:
    history = History(config.history_file())
    try:
        return history.recent(100)
    finally:
        history.close()


def test_without_a_daemon_it_forgets_by_itself(run: Run) -> None:
    store("ls", "echo canary", "make", "echo canary")
    status, out, error = run("forget", "canary")
    assert (status, error) == (0, "")
    assert out == (
        "2 lines, 1 distinct:\n  echo canary\nforgot 2 lines; the daemon learns anew without them when it starts next\n"
    )
    assert stored() == ["ls", "make"]
    assert b"canary" not in b"".join(file.read_bytes() for file in config.history_file().parent.iterdir())


def test_a_running_daemon_forgets_with_its_sessions(run: Run) -> None:
    daemon = Daemon(config.socket_path()).wait_state("warm")
    peer = Peer(config.socket_path())
    peer.ask(op="hello", session="s")
    peer.ask(op="record", id=1, command="echo canary", status=0)
    status, out, error = run("forget", "canary")
    assert (status, error) == (0, "")
    assert out.endswith("forgot 1 line; the daemon is learning anew without them\n")
    assert peer.receive() == {"op": "forgot", "commands": 1}
    assert peer.ask(op="suggest", prefix="x")["suggestions"][0]["text"] == "x<>0@None"
    assert stored() == []
    peer.close()
    daemon.close()


@pytest.mark.parametrize(
    ("args", "left"),
    [
        (["--last"], ["ls", "git push", "make"]),
        (["--last", "3"], ["ls"]),
        (["--last=2"], ["ls", "git push"]),
        (["git *"], ["ls", "make"]),
        (["git"], ["ls", "make"]),
        (["--since", "1h"], []),
        (["--since", "2020-01-01"], []),
        (["--since", "2020-01-01T12:30:00+02:00"], []),
        (["--since", "1h", "--dry-run"], ["ls", "git push", "make", "git pull"]),
        (["git", "--dry-run"], ["ls", "git push", "make", "git pull"]),
    ],
    ids=str,
)
def test_what_goes_and_what_stays(run: Run, args: list[str], left: list[str]) -> None:
    store("ls", "git push", "make", "git pull")
    assert run("forget", *args)[0] == 0
    assert stored() == left


def test_what_is_older_than_since_stays(run: Run) -> None:
    store("old", age_s=7200.0)
    store("new", age_s=60.0)
    assert run("forget", "--since", "1h")[0] == 0
    assert stored() == ["old"]


def test_a_long_list_is_cut_and_drives_no_terminal(run: Run) -> None:
    store(*(f"canary {i}\x1b[2J\n" for i in range(15)))
    status, out, _ = run("forget", "canary", "--dry-run")
    assert status == 0
    rows = out.splitlines()
    assert rows[:2] == ["15 lines, 15 distinct:", "  canary 14\\x1b[2J\\n"]
    assert len(rows) == 12
    assert rows[-1] == "  and 5 more"


def test_nothing_that_matches_is_one_clear_line(run: Run) -> None:
    said = "typeahead: nothing in the history matches 'canary'; typeahead history list shows it all\n"
    assert run("forget", "canary") == (1, "", said)
    assert not config.history_file().exists()
    store("ls")
    assert run("forget", "canary") == (1, "", said)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "one of PATTERN, --last and --since"),
        (["x", "--last"], "one of PATTERN, --last and --since"),
        (["--since", "soon"], "'soon' is no moment; write 2h"),
        (["--last", "0"], "0 is not in the range"),
        (["--last", "x"], "'x' is not a valid integer"),
    ],
)
def test_wrong_usage_is_told(run: Run, args: list[str], said: str) -> None:
    status, out, error = run("forget", *args)
    assert (status, out) == (2, "")
    assert said in error


def test_a_damaged_history_is_one_clear_line(run: Run) -> None:
    config.history_file().parent.mkdir(parents=True)
    config.history_file().write_bytes(b"not a database" * 1000)
    status, _, error = run("forget", "x")
    assert status == 1
    assert "move it away" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", ["canary"]), (b"\n", ["canary"]), (b"y\n", [])])
def test_on_a_terminal_it_asks(answer: bytes, left: list[str], folder: object) -> None:
    store("canary")
    master, slave = pty.openpty()
    command = [sys.executable, "-P", "-m", "typeahead", "forget", "canary"]
    with subprocess.Popen(command, stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        os.close(slave)
        os.write(master, answer)
        out, error = process.communicate(timeout=60)
    os.close(master)
    assert "Forget? [y/N]" in out
    assert (process.returncode, error.strip()) == ((130, "typeahead: interrupted") if left else (0, ""))
    assert stored() == left


def test_with_yes_a_terminal_is_not_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    store("canary")
    asked: list[Callable[..., object]] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("click.confirm", lambda *args, **options: asked.append(args))
    assert run("forget", "canary", "--yes")[0] == 0
    assert (asked, stored()) == ([], [])
