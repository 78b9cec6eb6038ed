"""Past lines in memory: for Up and Down, and for suggestions while no daemon answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from typeahead.errors import TypeaheadError

_MOST = 5000  # lines kept; looking through all of them takes about a third of a millisecond


class PastLines:
    """What has been run, each line once, the newest first.

    `load` reads the history store and, as older lines, the shell's own history file, in a thread: SQLite has no place
    on the way to a prompt.
    """

    def __init__(self, shell_history: Path | None = None) -> None:
        self._shell_history = shell_history or Path.home() / ".bash_history"
        self._of_session: dict[str, None] = {}  # oldest first; a dict keeps the order
        self._loaded: list[str] = []
        self._thread: threading.Thread | None = None

    def load(self) -> None:
        """Begin to read, the first time; returns at once."""
        if self._thread is not None:
            return
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

    def add(self, line: str) -> None:
        """Put a line of this session in front."""
        self._of_session.pop(line, None)
        self._of_session[line] = None

    def __iter__(self) -> Iterator[str]:
        yield from self.of_session()
        yield from self.older()

    def of_session(self) -> list[str]:
        """Return this session's lines, the newest first."""
        return list(reversed(self._of_session))

    def older(self) -> list[str]:
        """Return the lines that have been read and that this session has not run again, the newest first."""
        return [line for line in self._loaded if line not in self._of_session]

    def newest(self, prefix: str) -> str | None:
        """Return the newest longer line that starts with ``prefix``; there is none for an empty prefix."""
        if not prefix:
            return None
        for lines in (reversed(self._of_session), self._loaded):
            for line in lines:
                if line.startswith(prefix) and len(line) > len(prefix):
                    return line
        return None

    def _read(self) -> None:
        lines = read_bash_history(self._shell_history) + self._stored()
        newest_first = dict.fromkeys(line for line in reversed(lines) if line.strip())
        self._loaded = list(newest_first)[:_MOST]

    def _stored(self) -> list[str]:
        from typeahead.history import History
        from typeahead.shell.protocol import history_file

        path = history_file()
        try:
            if not path.exists():
                return []
            history = History(path, timeout_s=1.0)
            try:
                return history.recent(_MOST)
            finally:
                history.close()
        except (OSError, TypeaheadError):  # the daemon tells what is wrong with the store; a prompt goes on without
            return []


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
