"""Asking the shell underneath what may stand at the cursor, without waiting for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_COMPLETE = b"\x1d"  # the key on the private terminal; the shell's start-up file binds it


class Completing:
    """The questions of one session; the shell works on one at a time, in a process that can be killed.

    Parameters
    ----------
    folder : Path
        The session's, in which the shell looks for the question and puts its answer.
    send : callable
        Sends keys on the private terminal.

    Attributes
    ----------
    on_answer : callable or None
        Called with the answer to the last question: fields that end in NUL (``shell.completions`` reads them).
    """

    def __init__(self, folder: Path, send: Callable[[bytes], None]) -> None:
        self.on_answer: Callable[[bytes], None] | None = None
        self._folder = folder
        self._send = send
        self._number = 0
        self._is_open = False  # the shell works on the last question

    def ask(self, question: bytes) -> None:
        """Ask; the shell must be in its line editor. An earlier question is given up."""
        self.stop()
        self._number += 1
        with suppress(OSError):
            (self._folder / "completing").unlink(missing_ok=True)
            (self._folder / "question").write_bytes(b"%d\0" % self._number + question)
            self._is_open = True
            self._send(_COMPLETE)

    def receive(self, record: bytes) -> None:
        """Take the record ``C <number>``, which tells that an answer is there."""
        if record != b"C %d" % self._number:
            return
        self._is_open = False
        answer = b""
        with suppress(OSError):
            answer = (self._folder / "answer").read_bytes()
        number, _, fields = answer.partition(b"\0")
        if self.on_answer is not None:
            self.on_answer(fields if number == b"%d" % self._number else b"")

    def stop(self) -> None:
        """End the work on a question that is open, so that the shell is free again."""
        if self._is_open:
            self._is_open = False
            with suppress(OSError, ValueError):
                pid = int((self._folder / "completing").read_bytes())
                if pid > 1:
                    os.killpg(pid, signal.SIGKILL)
