"""The integration into one's own zsh, in real zsh, tmux, sockets and stores."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.shell.fake_daemon import Daemon, Start
from tests.shell.terminal import Terminal, wait_until
from typeahead import config
from typeahead.history import Event, History
from typeahead.shell import integration

ZSH = shutil.which("zsh") or ""
pytestmark = pytest.mark.skipif(not ZSH, reason="zsh is not installed")
HIGHLIGHTING = Path("/usr/share/zsh-syntax-highlighting/zsh-syntax-highlighting.zsh")
AUTOSUGGESTIONS = Path("/usr/share/zsh-autosuggestions/zsh-autosuggestions.zsh")
INIT = "source ~/init.zsh\n"

TABLE = {
    "": ["make test"],
    "git": ["git status --short"],
    "git ": ["git status --short", "git log", "git diff"],
    "git c": ["git commit -m fix"],
    "echo": ["echo one two/three/four five"],
    "wicked": ["wicked\x1b[2J"],
    "newline": ["newline\nrm"],
    "back": ["back \\slash"],
}

Open = Callable[..., Terminal]


@pytest.fixture
def daemon(start: Start) -> Daemon:
    return start(FAKE_TABLE=json.dumps(TABLE)).wait_state("warm")


@pytest.fixture
def zsh(isolated_home: Path, tmp_path: Path) -> Iterator[Open]:
    """Return what opens a terminal with zsh; its start-up file is given, ~/init.zsh is the integration."""
    (isolated_home / "init.zsh").write_text(integration.script("zsh"))
    terminals: list[Terminal] = []

    def open_zsh(rc: str = INIT, columns: int = 80, **environment: str) -> Terminal:
        (isolated_home / ".zshrc").write_text(f"PS1='%% ' PS2='> '\nunsetopt prompt_sp\n{rc}")
        environment = {"TERM": "tmux-256color", **environment}
        terminals.append(Terminal([ZSH, "-d", "-i"], tmp_path, columns, **environment))
        return terminals[-1]

    yield open_zsh
    for terminal in terminals:
        terminal.close()


def events(number: int) -> list[Event]:
    """Wait for so many lines in the store and return them, oldest first."""

    def found() -> list[Event]:
        if not config.history_file().exists():
            return []
        with contextlib.closing(History(config.history_file())) as history:
            latest = history.latest(number)
        return latest[::-1] if len(latest) == number else []

    return list(wait_until(found, lambda: f"fewer than {number} lines are in the store"))


def test_the_suggestion_stands_in_grey_behind_the_cursor(daemon: Daemon, zsh: Open) -> None:
    terminal = zsh()
    terminal.type("git")
    terminal.wait_for_row("% git status --short")
    assert terminal.cursor() == (5, 0)
    assert "git\x1b[90m status --short" in terminal.screen(colours=True)[0]
