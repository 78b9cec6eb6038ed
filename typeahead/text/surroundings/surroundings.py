"""What lies around a session's command line: the two questions that are asked at each key."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from itertools import islice

from typeahead.text.surroundings import git
from typeahead.text.surroundings.command_line import parse_innermost
from typeahead.text.surroundings.completion import Completion, Word
from typeahead.text.surroundings.disk import Disk, Glance
from typeahead.text.surroundings.executables import Executables
from typeahead.text.surroundings.listings import read_executables, read_listing
from typeahead.text.surroundings.paths import path_directories
from typeahead.text.surroundings.validity import Judge

MAX_LINE = 4096  # characters; a longer line is not looked at


class Surroundings:
    """What lies around one session's command line.

    No call takes much longer than ``budget_ms``, whatever the disks do: what is not known by then is left out of
    :meth:`words` and held valid by :meth:`is_valid`, and is there when it is asked for again.

    Parameters
    ----------
    environ : mapping, optional
        The session's exported variables. Of their values only those of PATH, HOME and CDPATH, and of variables that
        are typed within a path, are used. Default: this process's own.
    names : iterable of str
        Aliases, functions and builtins of the session.
    budget_ms : float
        How long one call may wait for disks.
    disk : Disk, optional
        What the look-ups go through; give the same one to all sessions of a process, so that they share its threads
        and what it remembers.
    """

    def __init__(
        self,
        environ: Mapping[str, str] | None = None,
        names: Iterable[str] = (),
        budget_ms: float = 5.0,
        disk: Disk | None = None,
    ) -> None:
        self.environ: Mapping[str, str] = dict(os.environ if environ is None else environ)
        self.names = frozenset(names)
        self.budget_ms = budget_ms
        self.disk = disk or Disk()
        self._executables = Executables()

    def expire(self) -> None:
        """Look again at everything when it is asked for; to be called when a command has ended.

        Without it what is known is looked at again a second later.
        """
        self.disk.expire()

    def prepare(self, cwd: str | None) -> None:
        """Begin to look at what the next key will ask for, without waiting; for a session that starts or moves."""
        glance = Glance(self.disk, time.monotonic())
        for directory in path_directories(self.environ, cwd):
            glance.at(read_executables, directory, place=directory)
        if cwd is not None and cwd.startswith("/"):
            glance.at(read_listing, cwd, place=cwd)
            glance.at(git.read_repository, cwd, place=cwd)

    def repository(self, cwd: str | None) -> str | None:
        """Return the top directory of the git repository that ``cwd`` lies in; ``None``: in none, or not yet known."""
        if cwd is None or not cwd.startswith("/"):
            return None
        known = Glance(self.disk, time.monotonic() + self.budget_ms / 1000).at(git.read_repository, cwd, place=cwd)
        return None if known.value is None else known.value.value.top

    def words(self, line: str, cwd: str | None, limit: int = 50) -> list[Word]:
        """Return what may complete the word at the end of ``line``, the more plausible first.

        Parameters
        ----------
        line : str
            The line up to the cursor.
        cwd : str or None
            The session's directory; None: unknown.
        limit : int
            At most so many.

        Returns
        -------
        list of Word
            Each text begins with the word as typed (:func:`last_word` of ``line``) and is escaped so that the shell
            makes of it exactly what is meant.
        """
        if len(line) > MAX_LINE or limit < 1:
            return []
        parsed = parse_innermost(line)
        if parsed.last is None:
            return []
        glance = Glance(self.disk, time.monotonic() + self.budget_ms / 1000)
        found = Completion(self.environ, self.names, self._executables, glance, cwd, limit, parsed, parsed.last).words()
        return list(islice((word for word in dict.fromkeys(found) if word.text != parsed.last.raw), limit))

    def is_valid(self, line: str, cwd: str | None, prefix: str = "") -> bool:
        """Return False only when ``line`` is known to be wrong; see :meth:`are_valid`."""
        return self.are_valid([line], cwd, prefix)[0]

    def are_valid(self, lines: Iterable[str], cwd: str | None, prefix: str = "") -> list[bool]:
        """Return for each line False when it is known to be wrong; all of them share one budget.

        Wrong is a command that does not exist, and a path that does not exist where one must. What cannot be told (or
        not in time) is held valid, and so are words that lie within ``prefix``, which the user has typed.
        """
        glance = Glance(self.disk, time.monotonic() + self.budget_ms / 1000)
        judge = Judge(glance, self.environ, self.names, cwd)
        return [len(line) > MAX_LINE or judge.is_valid(line, prefix) for line in lines]
