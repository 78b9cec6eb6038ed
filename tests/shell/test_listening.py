"""The process that hears, a stand-in without a microphone: when it listens, what is believed of it, and its end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.shell.terminal import is_running
from typeahead.shell.app import listening
from typeahead.shell.app.listening import OFF, ON, STARTING, Listening

pytestmark = pytest.mark.slow  # each test starts a process

EAR = Path(__file__).with_name("ear.py")


class Ear:
    """A session's ear and what has come of it."""

    def __init__(self, folder: Path, command: Sequence[str] = ()) -> None:
        os.mkfifo(folder / "heard")
        self.folder = folder
        self.words: list[tuple[str, float]] = []
        self.errors: list[str] = []
        self.command = list(command) or [sys.executable, str(EAR), str(folder)]

    def use(self, script: Callable[[Ear], Awaitable[None]]) -> None:
        async def session() -> None:
            self.listening = Listening(
                lambda word, confidence: self.words.append((word, confidence)),
                lambda: None,
                self.errors.append,
                self.command,
            )
            try:
                await script(self)
            finally:
                self.listening.close()

        asyncio.run(session())

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.005)

    async def press(self, state: str) -> None:
        self.listening.press()
        await self.until(lambda: self.listening.state == state)

    def hears(self, *events: Any) -> None:
        with (self.folder / "heard").open("wb", buffering=0) as heard:
            for event in events:
                heard.write(event if isinstance(event, bytes) else json.dumps(event).encode() + b"\n")

    def log(self) -> list[str]:
        return (self.folder / "log").read_text().splitlines()

    def pid(self) -> int:
        return int((self.folder / "pid").read_text())


def word(word: object, confidence: object = 0.5) -> dict[str, object]:
    return {"event": "word", "word": word, "confidence": confidence}


def test_nothing_is_started_before_the_first_press(tmp_path: Path) -> None:
    async def script(ear: Ear) -> None:
        ear.listening.hush()

    Ear(tmp_path).use(script)
    assert not (tmp_path / "log").exists()


def test_it_listens_between_two_presses_and_the_process_stays(tmp_path: Path) -> None:
    async def script(ear: Ear) -> None:
        await ear.press(ON)
        pid = ear.pid()
        ear.hears({"event": "level", "db": -32.1}, word("go", 0.93))
        await ear.until(lambda: ear.words)
        assert ear.listening.level_db == -32.1
        await ear.press(OFF)
        assert ear.listening.level_db is None
        await ear.until(lambda: ear.log() == ["talk", "hush"])
        await ear.press(ON)
        ear.hears(word("up"))
        await ear.until(lambda: len(ear.words) == 2)
        assert (ear.pid(), ear.words) == (pid, [("go", 0.93), ("up", 0.5)])

    ear = Ear(tmp_path)
    ear.use(script)
    assert not is_running(ear.pid())
    assert ear.errors == []


def test_what_is_heard_while_it_should_not_listen_is_dropped(tmp_path: Path) -> None:
    async def script(ear: Ear) -> None:
        (tmp_path / "mute").touch()
        await ear.press(STARTING)
        ear.hears(word("go"))
        ear.hears({"event": "listening"}, word("up"))
        await ear.until(lambda: ear.words)
        await ear.press(OFF)
        ear.hears(word("down"), {"event": "level", "db": -1})
        ear.hears({"event": "listening"})  # though it has been told to hush: it is told again
        await ear.until(lambda: ear.log() == ["talk", "hush", "hush"])
        assert ear.words == [("up", 0.5)]
        assert ear.listening.state == OFF

    Ear(tmp_path).use(script)


@pytest.mark.parametrize(
    "junk",
    [
        b"what?\n",
        b"\xff\xfe\n",
        b"[1]\n",
        b"[" * 5000 + b"\n",
        {},
        {"event": []},
        {"event": "level", "db": "loud"},
        {"event": "level", "db": 1e400},
        word(None),
        word("go", None),
        word("go", "sure"),
        word("go", 7),
    ],
    ids=lambda junk: repr(junk)[:40],
)
def test_junk_is_passed_over(tmp_path: Path, junk: Any) -> None:
    async def script(ear: Ear) -> None:
        await ear.press(ON)
        ear.hears(junk, word("up"))
        await ear.until(lambda: ear.words)
        assert ear.words == [("up", 0.5)]
        assert ear.listening.state == ON

    Ear(tmp_path).use(script)


def test_an_error_is_told_and_ends_the_listening(tmp_path: Path) -> None:
    async def script(ear: Ear) -> None:
        (tmp_path / "refuse").write_text("no microphone: plug one in")
        ear.listening.press()
        await ear.until(lambda: ear.errors)
        assert (ear.errors, ear.listening.state) == (["no microphone: plug one in"], OFF)
        (tmp_path / "refuse").unlink()  # somebody has
        await ear.press(ON)
        ear.hears({"event": "error", "message": "the microphone has gone"})
        await ear.until(lambda: len(ear.errors) == 2)
        assert ear.listening.state == OFF

    Ear(tmp_path).use(script)


def test_a_process_that_dies_says_its_last_words_and_another_is_started(tmp_path: Path) -> None:
    async def script(ear: Ear) -> None:
        await ear.press(ON)
        os.kill(ear.pid(), signal.SIGKILL)
        await ear.until(lambda: ear.errors)
        assert "has ended" in ear.errors[0]
        assert ear.listening.state == OFF
        (tmp_path / "pid").unlink()
        await ear.press(ON)

    Ear(tmp_path).use(script)

    async def complain(ear: Ear) -> None:
        ear.listening.press()
        await ear.until(lambda: ear.errors)
        assert ear.errors == ["Error: no such command"]

    (tmp_path / "other").mkdir()
    Ear(tmp_path / "other", ["/bin/sh", "-c", "echo 'Usage: x' >&2; echo 'Error: no such command' >&2"]).use(complain)


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    async def script(ear: Ear) -> None:
        ear.listening.press()
        assert ear.errors == ["the microphone's process cannot be started (No such file or directory)"]
        assert ear.listening.state == OFF

    Ear(tmp_path, ["/none/at/all"]).use(script)


def test_a_child_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_LEAVE_S", 0.05)

    async def script(ear: Ear) -> None:
        (tmp_path / "stubborn").touch()
        await ear.press(ON)

    ear = Ear(tmp_path)
    ear.use(script)
    assert not is_running(ear.pid())


def test_an_endless_line_ends_the_child(tmp_path: Path) -> None:
    async def script(ear: Ear) -> None:
        ear.listening.press()
        await ear.until(lambda: ear.errors)
        assert ear.listening.state == OFF

    Ear(tmp_path, ["/bin/sh", "-c", "exec cat /dev/zero"]).use(script)
