"""The daemon's hold on the history: waits for a busy file, lets go of one that was moved away."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from typeahead.errors import HistoryError
from typeahead.history import History, HistoryBusyError, Use
from typeahead.shell.protocol import Message, is_safe

BUSY_RETRY_S = 0.2  # between attempts while another process writes
_SPARE_LINES = 8  # read in place of those that must not be proposed
_REOPEN_S = 5.0  # between attempts to open a file that could not be opened

_log = logging.getLogger(__name__)


class Store:
    """Past commands for the daemon's loop: no call takes longer than a query.

    Parameters
    ----------
    path : path
        The SQLite file.
    may_suggest : callable, optional
        Whether a line may be proposed to somebody who has typed a prefix.
    """

    def __init__(self, path: Path, may_suggest: Callable[[str, str], bool] = lambda line, prefix: True) -> None:
        self.path = path
        self._may_suggest = may_suggest
        self.problem: str | None = None  # why nothing can be stored, in one line
        self._history: History | None = None
        self._identity: tuple[int, int] | None = None
        self._next_open = 0.0
        self._is_busy = False  # another process wrote when it was opened last
        self._waiting: deque[tuple[str, Message, Callable[[str | None], None]]] = deque()

    @property
    def num_waiting(self) -> int:
        """How many records wait for another process to stop writing."""
        return len(self._waiting)

    def newest(self, prefix: str, n: int) -> list[str]:
        """Return the newest lines that start with ``prefix`` and go on, fit to be shown."""
        history = self._open()
        if history is None or not prefix:  # at the empty prompt the last line is no proposal
            return []
        try:
            lines = history.newest(prefix, n + _SPARE_LINES, single_line=True, worked=True)
        except HistoryError as error:
            self._fail(error)
            return []
        return [line for line in lines if line != prefix and is_safe(line) and self._may_suggest(line, prefix)][:n]

    def of_session(self, session: str, n: int) -> list[Message]:
        """Return the last ``n`` lines of a session, oldest first."""
        history = self._open()
        if history is None:
            return []
        try:
            events = history.latest(n, session=session)
        except HistoryError as error:
            self._fail(error)
            return []
        return [{"command": one.command, "cwd": one.cwd, "status": one.status} for one in reversed(events)]

    def add(self, session: str, line: Message, done: Callable[[str | None], None]) -> None:
        """Store a line; ``done`` is called, now or later, with ``None`` or with why that is impossible."""
        self._waiting.append((session, line, done))
        self.work()

    def work(self) -> None:
        """Store what waits, as far as that is possible now."""
        while self._waiting:
            session, line, done = self._waiting[0]
            problem = None
            history = self._open()
            if history is None and self._is_busy:
                return
            try:
                if history is None:
                    problem = self.problem or "no history"
                else:
                    history.add(
                        line["command"],
                        cwd=line["cwd"],
                        status=line["status"],
                        session=session,
                        started=line["started"],
                        duration_s=line["duration_s"],
                        use=None if line["use"] is None else Use(**line["use"]),
                    )
            except HistoryBusyError:
                return
            except HistoryError as error:
                self._fail(error)
                problem = str(error)
            self._waiting.popleft()
            done(problem)

    def close(self) -> None:
        """Store what can still be stored and close the file."""
        self.work()
        if self._history is not None:
            self._history.close()
            self._history = None

    def _open(self) -> History | None:
        """Return the history; opened anew when another file, or none, stands at its path."""
        if self._history is not None and self._identity != _identity(self.path):
            self._history.close()
            self._history = None
            self._next_open = 0.0
        if self._history is None and time.monotonic() >= self._next_open:
            self._next_open = time.monotonic() + _REOPEN_S
            self._is_busy = False
            try:
                # Short, because the loop waits meanwhile; a record that finds the file busy is tried again.
                self._history = History(self.path, timeout_s=0.02)
                self._identity = _identity(self.path)
                self.problem = None
            except HistoryBusyError:  # as after the death of a daemon that wrote: what comes meanwhile is not refused
                self._is_busy = True
                self._next_open = time.monotonic() + BUSY_RETRY_S / 2
            except HistoryError as error:
                self._fail(error)
        return self._history

    def _fail(self, error: HistoryError) -> None:
        if self.problem != str(error):
            _log.error("%s", error)
        self.problem = str(error)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        info = path.stat()
    except OSError:
        return None
    return info.st_dev, info.st_ino
