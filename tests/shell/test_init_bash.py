"""What `typeahead init bash` gives to somebody's own bash, in a real one with a real terminal."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import typeahead
from tests.shell.fake_daemon import COMMAND, Start
from tests.shell.terminal import TableDaemon, Terminal, is_running, wait_until
from typeahead import config
from typeahead.history import History

INIT = Path(typeahead.__file__).parent / "shell" / "init.bash"
TABLE: dict[str, str | list[str]] = {
    "echo h": ["echo hello world", "echo hash", "echo hill"],
    "": "echo empty",
    "echo ü": "echo über alles",
}

SUGGEST, WORD = "\x1b;", "\x1b,"  # Alt-; and Alt-,

Bash = Callable[..., Terminal]


@pytest.fixture
def bash(isolated_home: Path) -> Iterator[Bash]:
    terminals: list[Terminal] = []

    def start_one(before: str = "", after: str = "", columns: int = 80) -> Terminal:
        given = f"__typeahead_python={sys.executable}\n"
        rc = isolated_home / ".bashrc"
        rc.write_text(f"PS1='$ '\n{before}\n{given}{INIT.read_text()}\n{after}\n")
        terminals.append(Terminal(["bash", "--noprofile", "--rcfile", str(rc), "-i"], isolated_home, columns))
        terminals[-1].wait_for_row("$")
        return terminals[-1]

    yield start_one
    for terminal in terminals:
        terminal.close()


@pytest.fixture
def table(isolated_home: Path) -> Iterator[TableDaemon]:
    daemon = TableDaemon(config.socket_path(), TABLE)
    yield daemon
    daemon.close()


def relay_pid(shell: Terminal) -> int:
    """Wait until the process beside the shell listens; return its id."""
    path = config.runtime_dir() / f"relay-{shell.pid()}" / "pid"
    return int(wait_until(lambda: path.exists() and path.read_text(), lambda: f"no {path}: {shell.screen()}"))


def ready(shell: Terminal) -> Terminal:
    """Wait until questions are answered, and give the shell a prompt that knows of it."""
    relay_pid(shell)
    return shell


def wait_for_records(daemon: TableDaemon, *lines: str) -> None:
    wait_until(lambda: daemon.lines[-len(lines) :] == list(lines), lambda: f"recorded: {daemon.lines}")


def test_a_key_fills_in_the_suggestion_and_turns_to_the_next_and_back(table: TableDaemon, bash: Bash) -> None:
    shell = ready(bash())
    shell.type("echo h")
    for row in ("$ echo hello world", "$ echo hash", "$ echo hill", "$ echo h", "$ echo hello world"):
        shell.type(SUGGEST)
        shell.wait_for_row(row)
    shell.press("C-_")
    shell.wait_for_row("$ echo h")
