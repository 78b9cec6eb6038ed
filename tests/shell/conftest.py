"""Daemons with a fake model, bare connections to them, and our shell in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.shell.driven import Driven, Opener
from tests.shell.fake_daemon import Daemon, Peer, Start
from tests.shell.terminal import TableDaemon, Terminal, is_running, shell_command, wait_until
from typeahead import config


@pytest.fixture
def path(isolated_home: Path) -> Path:
    return config.socket_path()


@pytest.fixture
def start(path: Path) -> Iterator[Start]:
    daemons: list[Daemon] = []

    def start_one(**environment: str) -> Daemon:
        daemons.append(Daemon(path, **environment))
        return daemons[-1]

    yield start_one
    for daemon in daemons:
        daemon.close()


@pytest.fixture
def serve(path: Path) -> Iterator[Callable[..., TableDaemon]]:
    """Serve a table in the place of a daemon."""
    daemons: list[TableDaemon] = []

    def serve_one(table: Mapping[str, str | list[str]]) -> TableDaemon:
        daemons.append(TableDaemon(path, table))
        return daemons[-1]

    yield serve_one
    for daemon in daemons:
        daemon.close()


@pytest.fixture
def connect(path: Path) -> Iterator[Callable[[], Peer]]:
    peers: list[Peer] = []

    def connect_one() -> Peer:
        peers.append(Peer(path))
        return peers[-1]

    yield connect_one
    for peer in peers:
        peer.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir()
    return path


@pytest.fixture
def open_shell(folder: Path, isolated_home: Path) -> Iterator[Callable[..., Terminal]]:
    """Open a terminal with our shell in it, and wait for its prompt."""
    terminals = []

    def open_one(*options: str, bashrc: str = "", prompt: str = "folder ❯", term: str = "", **kwargs: Any) -> Terminal:
        (isolated_home / ".bashrc").write_text(bashrc)
        # In the command, since tmux sets a TERM of its own in the window.
        command = [*(["env", f"TERM={term}"] if term else []), *shell_command(*options)]
        terminals.append(terminal := Terminal(command, folder, **kwargs))
        wait_until(lambda: any(prompt in row for row in terminal.screen()), lambda: repr(terminal.screen()))
        return terminal

    yield open_one
    for terminal in terminals:
        terminal.close()


@pytest.fixture
def open_zsh(tmp_path: Path, isolated_home: Path) -> Iterator[Opener]:
    opener = Opener(tmp_path, isolated_home)
    yield opener
    for driven in opener.opened:
        driven.close()
        wait_until(lambda pid=driven.pid: not is_running(pid), lambda: "zsh outlives its front-end")  # type: ignore[misc]


@pytest.fixture
def zsh(open_zsh: Opener) -> Driven:
    return open_zsh("from_zshrc=yes\n")
