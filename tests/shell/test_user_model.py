"""The real daemon with a real, if tiny, network: what it learns survives kill -9, and what it forgets is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from tests.shell.fake_daemon import Peer, wait_until
from typeahead import config
from typeahead.errors import DaemonError
from typeahead.history import History
from typeahead.shell.protocol import request

pytestmark = [pytest.mark.slow]

CANARY = "zqx --canary deploy"
TOKEN = "ghp_" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"
Real = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a network that has learnt nothing."""
    from dataclasses import asdict

    from typeahead.rnn.checkpoint import save_model
    from typeahead.rnn.network import Network, NetworkConfig

    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    network = Network.create(NetworkConfig(hidden_size=16), seed=1)
    save_model(path, network, {"network": asdict(network.config)})
    return path


@pytest.fixture
def real(weights: Path, monkeypatch: pytest.MonkeyPatch, isolated_home: Path) -> Iterator[Real]:
    """Return a function that starts the daemon and waits until it is warm."""
    monkeypatch.setenv("TYPEAHEAD_TEXT_MODEL", str(weights))
    processes: list[subprocess.Popen[bytes]] = []

    def state() -> str | None:
        with suppress(DaemonError):
            reply = request({"op": "ping"}, 5)
            return str(reply["state"]) if reply["pid"] == processes[-1].pid else None
        return None

    def start() -> subprocess.Popen[bytes]:
        processes.append(subprocess.Popen([sys.executable, "-P", "-m", "typeahead.shell.daemon"]))
        wait_until(lambda: state() in ("warm", "failed"), "the model is loaded", timeout_s=200)
        assert state() == "warm", request({"op": "status"}, 5)["problem"]
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def greet(real: Real) -> Iterator[Callable[[str], Peer]]:
    """Return a function that begins a session."""
    peers: list[Peer] = []

    def greet_as(session: str) -> Peer:
        peers.append(Peer(config.socket_path()))
        peers[-1].socket.settimeout(100)
        environ = {"PATH": "/usr/bin:/bin", "HOME": os.environ["HOME"]}
        peers[-1].ask(op="hello", session=session, environ=environ, names=["zqx"])
        return peers[-1]

    yield greet_as
    for peer in peers:
        peer.close()


_ids = count(1)


def run(peer: Peer, *lines: str) -> None:
    for line in lines:
        assert peer.ask(op="record", id=next(_ids), command=line, cwd="/", status=0)["stored"] is True


def suggested(peer: Peer, prefix: str) -> list[str]:
    reply = peer.ask(op="suggest", prefix=prefix, cwd="/", n=10)
    while reply["op"] != "suggest":
        reply = peer.receive()
    return [one["text"] for one in reply["suggestions"]]


def wait_learnt() -> None:
    def is_idle() -> bool:
        return not request({"op": "status"}, 20)["learning"]

    wait_until(is_idle, "all is learnt", timeout_s=200)


def all_bytes() -> bytes:
    """Return all that lies in the folder of the user's data."""
    return b"".join(file.read_bytes() for file in config.data_dir().rglob("*") if file.is_file())


def test_a_command_typed_twice_is_completed_after_two_letters_here_elsewhere_and_after_a_kill(
    real: Real, greet: Callable[[str], Peer]
) -> None:
    daemon = real()
    one, two = greet("one"), greet("two")
    run(one, "ls", CANARY, "ls -la", CANARY, "make")
    wait_until(lambda: CANARY in suggested(one, "zq"), "it is completed in the same session", timeout_s=100)
    wait_until(lambda: CANARY in suggested(two, "zq"), "it is completed in another session", timeout_s=100)
    daemon.kill()
    daemon.wait()
    real()
    again = greet("three")
    wait_until(lambda: CANARY in suggested(again, "zq"), "it is completed after the restart", timeout_s=100)


def test_what_is_forgotten_is_suggested_no_more_and_its_bytes_are_gone(
    real: Real, greet: Callable[[str], Peer]
) -> None:
    daemon = real()
    one, two = greet("one"), greet("two")
    run(one, CANARY, "ls", CANARY, "make", CANARY)
    for peer in (one, two):
        wait_until(lambda peer=peer: CANARY in suggested(peer, "zq"), "it is completed", timeout_s=100)
    wait_learnt()
    assert request({"op": "forget", "pattern": "canary"}, 100)["forgotten"] == 3
    for peer in (one, two, greet("three")):
        assert not any("canary" in text for text in suggested(peer, "zqx --"))
    wait_learnt()
    for peer in (one, two, greet("four")):
        assert not any("canary" in text for text in suggested(peer, "zqx --"))
    request({"op": "stop"}, 20)
    assert daemon.wait(timeout=60) == 0
    assert b"canary" not in all_bytes()


def test_killed_in_the_middle_of_learning_it_ends_with_the_same_weights(real: Real) -> None:
    lines = [f"git commit -m 'change {i}'" for i in range(60)]
    store = History(config.history_file())
    for i, line in enumerate(lines):
        store.add(line, session="s", status=0, started=float(i))
    store.close()
    for _ in range(3):
        daemon = real()
        wait_until(lambda: request({"op": "status"}, 20)["learning"], "it learns", timeout_s=100)
        daemon.kill()
        daemon.wait()
    daemon = real()
    wait_learnt()
    request({"op": "stop"}, 20)
    assert daemon.wait(timeout=60) == 0
    adapted = config.data_dir() / "adapted.safetensors"
    interrupted = adapted.read_bytes()
    adapted.unlink()
    daemon = real()
    wait_learnt()
    request({"op": "stop"}, 20)
    assert daemon.wait(timeout=60) == 0
    assert adapted.read_bytes() == interrupted


def test_a_secret_is_in_no_file_and_in_no_suggestion(real: Real, greet: Callable[[str], Peer]) -> None:
    real()
    peer = greet("s")
    for _ in range(3):
        run(peer, f"export GITHUB_TOKEN={TOKEN}", "ls")
    wait_until(lambda: any("GITHUB" in text or text == "ls" for text in suggested(peer, "")), "it has learnt", 100)
    for prefix in ("", "ex", "export GITHUB_TOKEN=", "export GITHUB_TOKEN=ghp_"):
        assert not any(TOKEN[:8] in text[len(prefix) :] or "***" in text for text in suggested(peer, prefix))
    assert TOKEN.encode() not in all_bytes()
