"""A daemon whose model is a few lines of Python, and what tests need to drive one in a process of its own.

Run as a program it is the real daemon but for the model: ``FAKE_LOAD_S`` and ``FAKE_SUGGEST_S`` say how long loading
and answering take, ``FAKE_FAIL`` makes loading fail (where it names a file: until that exists), ``FAKE_GATE`` names a
file without which loading does not end. ``FAKE_LEARNT`` names the file in which the model keeps what it has learnt, and
``FAKE_LEARN_S`` says how long learning one event takes. ``FAKE_TABLE`` is a JSON object of the lines that complete a
prefix, instead of those made of the session's past.
"""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typeahead.history import History

COMMAND = [sys.executable, "-P", __file__, "--detached"]


@dataclass(frozen=True)
class FakeSuggestion:
    text: str
    source: str
    log_prob: float


@dataclass(frozen=True)
class FakeReason:
    text: str
    source: str
    probability: float
    worth: float
    features: dict[str, float]
    shown: bool
    rejected: str


class FakeSuggester:
    """Completes any prefix with what it knows of the session, so that a test can read its context off the answer."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.surroundings = ""

    def suggest(self, prefix: str, cwd: str | None = None, n: int = 1) -> list[FakeSuggestion]:
        if prefix == "raise":
            raise RuntimeError("secret of " + prefix)
        if prefix == "unsafe":
            return [FakeSuggestion(prefix + "\x1b[2J", "model", -1.0), FakeSuggestion("other", "model", -1.0)]
        if prefix == "surroundings":
            return [FakeSuggestion(f"{prefix} {self.surroundings}", "model", -1.0)]
        time.sleep(float(os.environ.get("FAKE_SUGGEST_S", "0")))
        if "FAKE_TABLE" in os.environ:
            lines = json.loads(os.environ["FAKE_TABLE"]).get(prefix, [])
            return [FakeSuggestion(line, "model", -1.0) for line in lines[:n]]
        context = "|".join(self.lines)
        return [FakeSuggestion(f"{prefix}<{context}>{i}@{cwd}", "model", -1.0 - i) for i in range(n)]

    def record(self, command: str, cwd: str | None = None, status: int | None = None) -> None:
        self.lines.append(f"{command}={status}")

    def log_probs(self, lines: Sequence[str], cwd: str | None = None, ended: bool = True) -> list[float]:
        """Expect the lines with "likely" in them, and no others."""
        return [-1.0 if "likely" in line else -100.0 for line in lines]

    def why(self, prefix: str, cwd: str | None = None, limit: int = 10) -> list[FakeReason]:
        one = FakeReason(f"{prefix}!", "history", 0.5, 3.0, {"age": 2.0, "odd": math.inf}, True, "")
        other = FakeReason(f"{prefix}\x1b[2J", "model", 0.25, math.nan, {}, False, "holds a control character")
        return [one, other][:limit]


class FakeModel:
    """Learns by writing down what it was told: an id, or the generation of the store, and a command a line."""

    def open(self, session: str) -> FakeSuggester:
        return FakeSuggester()

    def surround(self, suggester: FakeSuggester, names: Sequence[str], environ: Mapping[str, str] | None) -> None:
        environ = environ or {}
        suggester.surroundings = f"{','.join(names)};{','.join(f'{name}={environ[name]}' for name in sorted(environ))}"

    def catch_up(self, history: History, should_stop: Callable[[], bool]) -> int:
        if "FAKE_LEARNT" not in os.environ:
            return 0
        path = Path(os.environ["FAKE_LEARNT"])
        known = path.read_text() if path.exists() else ""
        if not known.startswith(f"generation {history.generation}\n"):
            known = f"generation {history.generation}\n"
            path.write_text(known)
        last = known.splitlines()[-1].partition(" ")[0]
        num_learnt = 0
        for event in history.events(int(last) if last.isdigit() else 0):
            if should_stop():
                break
            time.sleep(float(os.environ.get("FAKE_LEARN_S", "0")))
            with path.open("a") as file:
                file.write(f"{event.id} {event.command}\n")
            num_learnt += 1
        return num_learnt

    def save(self) -> None:
        """All is written down already."""


def load() -> FakeModel:
    from typeahead.errors import ModelFileError

    time.sleep(float(os.environ.get("FAKE_LOAD_S", "0")))
    gate = os.environ.get("FAKE_GATE")
    while gate and not os.path.exists(gate):
        time.sleep(0.005)
    if "FAKE_FAIL" in os.environ and not os.path.exists(os.environ["FAKE_FAIL"]):
        raise ModelFileError("fake.safetensors: is missing; make one")
    return FakeModel()


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float = 20.0) -> Any:
    """Return the first true value of ``condition``; fail when there is none."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s} s in vain until {what}")
        time.sleep(0.005)
    return value


class Daemon:
    """A fake daemon in a process of its own."""

    def __init__(self, path: Path, **environment: str) -> None:
        self.path = path
        self.process = subprocess.Popen(
            [sys.executable, "-P", __file__],
            env={**os.environ, "TYPEAHEAD_SOCKET": str(path), **environment},
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def wait_listening(self) -> Daemon:
        from typeahead.errors import DaemonError
        from typeahead.shell.protocol import request

        def answers() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"the daemon ended: {self.error()}")
            try:
                return request({"op": "ping"}, 5, self.path)["pid"] == self.process.pid
            except DaemonError:
                return False

        wait_until(answers, "the daemon listens")
        return self

    def wait_state(self, state: str) -> Daemon:
        from typeahead.shell.protocol import request

        self.wait_listening()
        wait_until(lambda: request({"op": "ping"}, 5, self.path)["state"] == state, f"the model is {state}")
        return self

    def wait(self) -> int:
        return self.process.wait(timeout=20)

    def error(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()


Start = Callable[..., Daemon]


class Peer:
    """A bare connection: lines out, lines in."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rb")

    def send(self, **message: Any) -> None:
        from typeahead.shell.protocol import encode

        self.socket.sendall(encode(message))

    def receive(self) -> dict[str, Any]:
        line = self.file.readline()
        assert line, "the daemon hung up"
        return dict(json.loads(line))

    def ask(self, **message: Any) -> dict[str, Any]:
        self.send(**message)
        return self.receive()

    def close(self) -> None:
        self.file.close()
        self.socket.close()


if __name__ == "__main__":
    from typeahead.errors import TypeaheadError
    from typeahead.shell import daemon

    try:
        daemon.run(load, detached="--detached" in sys.argv)
    except TypeaheadError as error:
        sys.exit(f"typeahead: {error}")
