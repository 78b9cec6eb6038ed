"""Past lines in memory: for Up and Down, and for suggestions and searches while no daemon answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import islice

from typeahead import config
from typeahead.errors import TypeaheadError
from typeahead.shell.runs import Run
from typeahead.statuses import has_failed

_MOST = 5000  # lines kept; looking through all of them takes about a third of a millisecond
_MOST_BYTES = 1 << 20  # of a shell's own file, from its end
_MOST_OLDER = 2000  # lines that are read at once from the store, beyond those in memory


class PastLines:
    """What has been run, each line once, the newest first.

    `load` reads the history store and, as older lines, the shell's own history file, in a thread: SQLite has no place
    on the way to a prompt.

    Parameters
    ----------
    shell : str
        Whose history file: "bash" or "zsh"; of others, none is read.
    """

    def __init__(self, shell: str = "") -> None:
        self._shell = shell
        # Line -> whether it has ever worked (None: nobody knows); a dict keeps the order.
        self._of_session: dict[str, bool | None] = {}  # oldest first
        self._loaded: dict[str, bool | None] = {}  # newest first
        self._session_runs: list[Run] = []  # oldest first
        self._loaded_runs: list[Run] = []  # newest first
        self._thread: threading.Thread | None = None

    def load(self) -> None:
        """Begin to read, the first time; returns at once."""
        if self._thread is None:
            self._begin_to_read()

    def reload(self) -> None:
        """Begin to read again: what has been forgotten meanwhile must go from memory, too."""
        self._of_session.clear()
        self._session_runs.clear()
        self._begin_to_read()

    def _begin_to_read(self) -> None:
        self._thread = threading.Thread(target=self._read, name="past-lines", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait until what was begun has been read."""
        if self._thread is not None:
            self._thread.join()

    def add(
        self,
        line: str,
        status: int | None = None,
        cwd: str | None = None,
        session: str = "",
        started: float | None = None,
        duration_s: float | None = None,
    ) -> None:
        """Put a line of this session in front; ``status`` is that of its end."""
        self._of_session[line] = _outcome(self._of_session.pop(line, None), status)
        moment = time.time() if started is None else started
        self._session_runs.append(Run(line, cwd, status, session, moment, duration_s))

    def remove(self, line: str) -> bool:
        """Forget a line; return whether it was there."""
        there = line in self._of_session or line in self._loaded
        self._of_session.pop(line, None)
        self._loaded = {other: worked for other, worked in self._loaded.items() if other != line}
        self._session_runs = [run for run in self._session_runs if run.text != line]
        self._loaded_runs = [run for run in self._loaded_runs if run.text != line]
        return there

    def __iter__(self) -> Iterator[str]:
        yield from self.of_session()
        yield from [line for line in self._loaded if line not in self._of_session]

    def of_session(self) -> list[str]:
        """Return this session's lines, the newest first."""
        return list(reversed(self._of_session))

    def runs(self) -> list[Run]:
        """Return what is known of each run, in no order; the start is 0 or less where that is not known."""
        return [*self._session_runs, *self._loaded_runs]

    def read_older(self, prefix: str) -> list[str]:
        """Return lines that start with ``prefix``, newest first, from the store: for a thread, and the oldest ones."""
        from typeahead.history import History

        path = config.history_file()
        try:
            if not path.exists():
                return []
            with closing(History(path, timeout_s=1.0)) as history:
                return history.newest(prefix, _MOST_OLDER)
        except (OSError, TypeaheadError):
            return []

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
        runs = self._stored()
        for run in runs:
            loaded[run.text] = _outcome(loaded.get(run.text), run.status)
        for age, line in enumerate(reversed(_own_history(self._shell))):
            loaded.setdefault(line, None)
            if line.strip():
                runs.append(Run(line, None, None, "", -float(age), None))
        self._loaded_runs = runs
        self._loaded = dict(islice(((line, worked) for line, worked in loaded.items() if line.strip()), _MOST))

    def _stored(self) -> list[Run]:
        """Return what the history store holds, the newest first."""
        from typeahead.history import History

        path = config.history_file()
        try:
            if not path.exists():
                return []
            with closing(History(path, timeout_s=1.0)) as history:
                return [Run(*event[1:5], *event[6:]) for event in history.latest(_MOST)]
        except (OSError, TypeaheadError):  # the daemon tells what is wrong with the store; a prompt goes on without
            return []


def _outcome(known: bool | None, status: int | None) -> bool | None:
    """Return whether a line has ever worked, from what was known and the status of one more run."""
    failed = has_failed(status)
    return known if failed is None else not failed or bool(known)


def _own_history(shell: str) -> list[str]:
    """Return the commands of the shell's own history file, oldest first, at most `_MOST`; none if it cannot be read."""
    from typeahead.history import formats
    from typeahead.history.importers import found_files

    readers = {"bash": formats.read_bash, "zsh": formats.read_zsh}
    entries: list[str] = []
    for path, kind in found_files():
        if kind == shell and kind in readers:
            with suppress(OSError), path.open("rb") as file:
                if file.seek(max(0, path.stat().st_size - _MOST_BYTES)):
                    file.readline()  # of which the beginning is not there
                entries += [entry.command for entry in readers[kind](file.read())]
    return entries[-_MOST:]
