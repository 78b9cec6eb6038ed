"""Daemons with a fake model, and bare connections to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.shell.fake_daemon import Daemon, Peer, Start
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
def connect(path: Path) -> Iterator[Callable[[], Peer]]:
    peers: list[Peer] = []

    def connect_one() -> Peer:
        peers.append(Peer(path))
        return peers[-1]

    yield connect_one
    for peer in peers:
        peer.close()
