"""What `typeahead watch --exec` does at an alarm: one command at a time, in the background, in the way of nobody."""

from __future__ import annotations

import math
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO

from typeahead.cli import printable
from typeahead.cli.watch_report import counted, harmless

_LONGEST = 1000  # characters of a value
_TOLD_BYTES = 400  # of the end of what a command has printed


class Action:
    """Runs a command with ``sh``, the reading in its environment; while one runs, further alarms start none.

    What comes out of the data reaches the shell as values of variables alone, never as part of the command.

    Parameters
    ----------
    command : str
        The user's.
    say : callable
        Takes one line for the user.
    is_hidden : bool
        A view is on the terminal, which the command must not write to: the end of what it prints is said instead. Else
        it prints to standard error, since standard output has a form.
    """

    def __init__(self, command: str, say: Callable[[str], None], is_hidden: bool = False) -> None:
        self._command, self._say, self._is_hidden = command, say, is_hidden
        self._process: subprocess.Popen[bytes] | None = None
        self._printed: IO[bytes] | None = None
        self._skipped = 0  # since the running one began

    def start(self, values: Mapping[str, object]) -> None:
        """Begin, unless the last one still runs.

        Parameters
        ----------
        values : mapping
            Of the reading: ``series`` becomes ``TYPEAHEAD_SERIES``, and so on; what is missing is empty.
        """
        self.poll()
        if self._process is not None:
            if not self._skipped:
                self._say("--exec: the command of an earlier alarm still runs; it is not started again meanwhile")
            self._skipped += 1
            return
        environment = {**os.environ, **{f"TYPEAHEAD_{name}".upper(): _text(value) for name, value in values.items()}}
        try:
            self._printed = tempfile.TemporaryFile() if self._is_hidden else None  # noqa: SIM115 (it outlives this)
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", f" {self._command}" if self._command.startswith("-") else self._command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=self._printed or 2,
                stderr=self._printed or 2,
                start_new_session=True,  # Ctrl-C is for the watching, not for a mail that is being sent
            )
        except OSError as error:
            self._say(f"--exec: cannot be started ({error.strerror or error})")
            self._forget()

    def poll(self) -> None:
        """Say how a command has ended, if one has."""
        if self._process is not None and self._process.poll() is not None:
            self._end(self._process.returncode)

    def finish(self, is_patient: bool) -> None:
        """Wait for the command that runs, if ``is_patient``; else say that it is left alone.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C while waiting; the command goes on.
        """
        self.poll()
        if self._process is None:
            return
        if is_patient:
            self._end(self._process.wait())
            return
        self._say(f"--exec: process {self._process.pid} still runs, and is left to itself")
        self._process.returncode = 0  # nobody will ask, and Popen need not warn of that
        self._forget()

    def _end(self, status: int) -> None:
        last = self._last_line()
        if status or last:
            told = f"status {status if status >= 0 else 128 - status}" if status else ""
            self._say(f"--exec: {': '.join(part for part in (told, last) if part)}")
        if self._skipped:
            self._say(f"--exec: {counted(self._skipped, 'alarm')} came while it ran, and started nothing")
        self._forget()

    def _last_line(self) -> str:
        if self._printed is None:
            return ""
        with suppress(OSError):
            size = self._printed.seek(0, os.SEEK_END)
            self._printed.seek(max(0, size - _TOLD_BYTES))
            lines = self._printed.read().decode("utf-8", "replace").split("\n")
            return next((harmless(line.strip()) for line in reversed(lines) if line.strip()), "")
        return ""

    def _forget(self) -> None:
        if self._printed is not None:
            self._printed.close()
        self._process, self._printed, self._skipped = None, None, 0


def _text(value: object) -> str:
    """Return a value for the environment: no control characters, no null bytes, whatever a series is called."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return printable(f"{value:.9g}" if isinstance(value, float) else str(value)[:_LONGEST])
