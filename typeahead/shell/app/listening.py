"""Push-to-talk: the process that hears, and what it is doing. No microphone is open but between a press and the next.

`typeahead listen --child` is started at the first press, stays warm with the microphone closed, and ends with the
session: with the end of its standard input. One line each way at a time::

    talk                                                 {"event": "ready"}      it has loaded what it needs
    hush                                                 {"event": "listening"}  the microphone is open
                                                         {"event": "level", "db": -32.1}
                                                         {"event": "word", "word": "go", "confidence": 0.93}
                                                         {"event": "hushed"}     the microphone is closed
                                                         {"event": "error", "message": "one line"}
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from typeahead.shell.process.private import OUR_SIGNALS

_REDRAW_S = 0.1  # between two levels that are drawn
_MAX_LINE_BYTES = 1 << 16  # of a child that says nothing but an endless line
_LEAVE_S = 0.5  # for a child to end, which has nothing to save

OFF, STARTING, ON = "off", "starting", "on"


def child_command() -> list[str]:
    """Return what is started; ``-P``: not a folder of the user's that is called like one of our modules."""
    return [sys.executable, "-P", "-m", "typeahead", "listen", "--child"]


class Listening:
    """The ear of one session. All methods are for the event loop's thread.

    Parameters
    ----------
    on_word : callable
        Called with a word and how sure it is, in [0, 1], while it listens.
    on_change : callable
        Called when there is something new to draw.
    on_error : callable
        Called with one line when it cannot listen.
    command : sequence of str, optional
        What is started; default: `child_command`.

    Attributes
    ----------
    state : str
        `OFF`, `STARTING` (the microphone has been asked for) or `ON`.
    level_db : float or None
        Of what is heard, in dB of full scale.
    """

    def __init__(
        self,
        on_word: Callable[[str, float], object],
        on_change: Callable[[], object],
        on_error: Callable[[str], object],
        command: Sequence[str] | None = None,
    ) -> None:
        self.state = OFF
        self.level_db: float | None = None
        self._on_word, self._on_change, self._on_error = on_word, on_change, on_error
        self._command = command
        self._pid = 0
        self._fds: tuple[int, ...] = ()  # of the child: its input, output and errors
        self._inbox, self._complaint = b"", b""
        self._drawn = 0.0

    def press(self) -> None:
        """Listen, or where it does, no longer."""
        if self.state != OFF:
            self.hush()
        else:
            self._talk()
        self._on_change()

    def hush(self) -> None:
        """Close the microphone. What was heard and has not come yet is dropped."""
        if self.state != OFF:
            self.state, self.level_db = OFF, None
            self._send(b"hush\n")

    def close(self) -> None:
        """End the child."""
        self.state, pid = OFF, self._pid
        if not pid:
            return
        self._let_go()  # its input ends
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _LEAVE_S
        with suppress(ChildProcessError):
            while os.waitpid(pid, os.WNOHANG)[0] == 0:
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                    return
                time.sleep(0.005)

    def _talk(self) -> None:
        try:
            if not self._pid:
                self._start()
        except OSError as error:
            self._on_error(f"the microphone's process cannot be started ({error.strerror})")
            return
        self.state, self.level_db = STARTING, None
        self._send(b"talk\n")

    def _start(self) -> None:
        """Start the child, in a process group of its own: Ctrl-C in the terminal is not for it."""
        command = list(self._command or child_command())
        ends = [os.pipe() for _ in range(3)]
        theirs, ours = (ends[0][0], ends[1][1], ends[2][1]), (ends[0][1], ends[1][0], ends[2][0])
        try:
            self._pid = os.posix_spawn(
                command[0],
                command,
                os.environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(theirs)],
                setpgroup=0,
                setsigmask=[],
                setsigdef=OUR_SIGNALS,
            )
        except OSError:
            for fd in ours:
                os.close(fd)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        self._fds, self._inbox, self._complaint = ours, b"", b""
        loop = asyncio.get_running_loop()
        for fd, reader in ((ours[1], self._on_output), (ours[2], self._on_complaint)):
            os.set_blocking(fd, False)
            loop.add_reader(fd, reader)

    def _let_go(self) -> None:
        for fd in self._fds:
            with suppress(RuntimeError):  # no loop any more
                asyncio.get_running_loop().remove_reader(fd)
            os.close(fd)
        self._pid, self._fds = 0, ()

    def _send(self, line: bytes) -> None:
        if self._fds:
            with suppress(OSError):  # it has ended: its output says so
                os.write(self._fds[0], line)

    # What the child says

    def _on_complaint(self) -> None:
        with suppress(BlockingIOError):
            data = os.read(self._fds[2], 65536)
            self._complaint = (self._complaint + data)[-2000:]
            if not data:
                asyncio.get_running_loop().remove_reader(self._fds[2])

    def _on_output(self) -> None:
        try:
            data = os.read(self._fds[1], 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        *lines, self._inbox = (self._inbox + data).split(b"\n")
        for line in lines:
            self._take(line)
        if self._fds and (not data or len(self._inbox) > _MAX_LINE_BYTES):
            self._ended()

    def _take(self, line: bytes) -> None:
        """Act on one line; one that is no event is passed over."""
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(event, dict):
            return
        kind, before = event.get("event"), self.state
        if kind == "listening" and self.state == OFF:
            self._send(b"hush\n")  # never unseen
        elif kind == "listening":
            self.state = ON
        elif kind == "hushed" and self.state == ON:
            self.state = OFF
        elif kind == "error":
            self.hush()
            self._on_error(str(event.get("message") or "the microphone cannot be used"))
        elif kind == "level" and self.state == ON:
            self._hear_level(event.get("db"))
        elif kind == "word" and self.state == ON:
            self._hear_word(event)
        if self.state != before:
            self._on_change()

    def _hear_level(self, level_db: object) -> None:
        self.level_db = float(level_db) if isinstance(level_db, int | float) and abs(level_db) < 1000 else None
        if time.monotonic() - self._drawn > _REDRAW_S:
            self._drawn = time.monotonic()
            self._on_change()

    def _hear_word(self, event: dict[str, Any]) -> None:
        word, confidence = event.get("word"), event.get("confidence")
        if isinstance(word, str) and isinstance(confidence, int | float) and 0 <= confidence <= 1:
            self._on_word(word, float(confidence))

    def _ended(self) -> None:
        """Say why the child has ended, if anybody listens: the last that it has complained of."""
        was_used = self.state != OFF
        self._on_complaint()
        rows = [row for row in self._complaint.decode("utf-8", "replace").splitlines() if row.strip()]
        self.close()
        if was_used:
            self._on_error(rows[-1].strip() if rows else "the microphone's process has ended; press the key again")
