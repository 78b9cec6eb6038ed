"""Past lines in memory: for Up and Down, and for suggestions while no daemon answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from typeahead import config
from typeahead.errors import TypeaheadError

_MOST = 5000  # lines kept; looking through all of them takes about a third of a millisecond
_SAYS_NOTHING = (130, 148)  # statuses of a command that the user has interrupted or stopped


class PastLines:
    """What has been run, each line once, the newest first.

    `load` reads the history store and, as older lines, the shell's own history file, in a thread: SQLite has no place
    on the way to a prompt.
    """

    def __init__(self, shell_history: Path | None = None) -> None:
        self._shell_history = shell_history or Path.home() / ".bash_history"
        # Line -> whether it has ever worked (None: nobody knows); a dict keeps the order.
        self._of_session: dict[str, bool | None] = {}  # oldest first
        self._loaded: dict[str, bool | None] = {}  # newest first
        self._thread: threading.Thread | None = None

    def load(self) -> None:
        """Begin to read, the first time; returns at once."""
        if self._thread is None:
            self._begin_to_read()

    def reload(self) -> None:
        """Begin to read again: what has been forgotten meanwhile must go from memory, too."""
        self._of_session.clear()
        self._begin_to_read()

    def _begin_to_read(self) -> None:
        self._thread = threading.Thread(target=self._read, name="past-lines", daemon=True)
        self._thread.start()

    @property
    def is_loaded(self) -> bool:
        """Whether what was to be read has been read."""
        return self._thread is not None and not self._thread.is_alive()

    def wait(self) -> None:
        """Wait until what was begun has been read."""
        if self._thread is not None:
            self._thread.join()

    def add(self, line: str, status: int | None = None) -> None:
        """Put a line of this session in front; ``status`` is that of its end."""
        self._of_session[line] = _outcome(self._of_session.pop(line, None), status)

    def remove(self, line: str) -> bool:
        """Forget a line; return whether it was there."""
        there = line in self._of_session or line in self._loaded
        self._of_session.pop(line, None)
        self._loaded = {other: worked for other, worked in self._loaded.items() if other != line}
        return there

    def __iter__(self) -> Iterator[str]:
        yield from self.of_session()
        yield from self.older()

    def of_session(self) -> list[str]:
        """Return this session's lines, the newest first."""
        return list(reversed(self._of_session))

    def older(self) -> list[str]:
        """Return the lines that have been read and that this session has not run again, the newest first."""
        return [line for line in self._loaded if line not in self._of_session]

    def going_on(self, prefix: str) -> Iterator[str]:
        """Yield the longer lines that start with ``prefix``, the newest first, but for those that never worked.

        There are none for an empty prefix.
        """
        if not prefix:
            return
        seen: set[str] = set()
        for lines in (reversed(self._of_session), iter(self._loaded)):
            for line in lines:
                if line.startswith(prefix) and len(line) > len(prefix) and line not in seen:
                    seen.add(line)
                    if not self._is_broken(line):
                        yield line

    def _is_broken(self, line: str) -> bool:
        """Return whether a line failed each time it ran."""
        outcomes = (self._of_session.get(line), self._loaded.get(line))
        return False in outcomes and True not in outcomes

    def _read(self) -> None:
        loaded: dict[str, bool | None] = {}
        stored = self._stored()
        for line, status in stored:
            loaded[line] = _outcome(loaded.get(line), status)
        for line in reversed(read_bash_history(self._shell_history)):
            loaded.setdefault(line, None)
        self._loaded = dict(islice(((line, worked) for line, worked in loaded.items() if line.strip()), _MOST))

    def _stored(self) -> list[tuple[str, int | None]]:
        """Return what the history store holds, as lines and their status, the newest first."""
        from typeahead.history import History

        path = config.history_file()
        try:
            if not path.exists():
                return []
            history = History(path, timeout_s=1.0)
            try:
                return [(event.command, event.status) for event in history.latest(_MOST)]
            finally:
                history.close()
        except (OSError, TypeaheadError):  # the daemon tells what is wrong with the store; a prompt goes on without
            return []


def _outcome(known: bool | None, status: int | None) -> bool | None:
    """Return whether a line has ever worked, from what was known and the status of one more run."""
    if status == 0:
        return True
    if status is None or status in _SAYS_NOTHING:
        return known
    return known or False


def read_bash_history(path: Path) -> list[str]:
    """Return the commands of a bash history file, oldest first, at most `_MOST`; none if it cannot be read.

    With time stamps (``#1700000000``) an entry may have several lines; without, each line is one.
    """
    try:
        lines = path.read_bytes().decode("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
    entries: list[str] = []
    stamped, fresh = False, True
    for line in lines:
        if line.startswith("#") and line[1:].isdigit():
            stamped = fresh = True
        elif stamped and not fresh and entries:
            entries[-1] += "\n" + line
        else:
            entries.append(line)
            fresh = False
    return entries[-_MOST:]
