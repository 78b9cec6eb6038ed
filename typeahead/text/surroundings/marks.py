"""What of a line being typed is right and what is not: its commands, and the paths among its arguments."""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from typeahead.text.surroundings.command_line import SimpleCommand, Token, parse
from typeahead.text.surroundings.commands import BUILTINS, KEYWORDS, USAGES, Invocation, invocation
from typeahead.text.surroundings.disk import Disk, Glance
from typeahead.text.surroundings.executables import Executables
from typeahead.text.surroundings.paths import absolute, path_directories, status
from typeahead.text.surroundings.surroundings import MAX_LINE
from typeahead.text.surroundings.validity import MOVERS, PIPES, Judge, may_change, needed

COMMAND, UNKNOWN, PATH, MISSING = "command", "unknown", "path", "missing"
MAX_PATHS = 32  # words of a line that are looked for on the disk
# After these the shell may know commands that it does not know yet.
_DEFINING = re.compile(r"\b(?:alias|eval|source|function|install|PATH)\b|\(\s*\)|(?:^|[;&|\s])\.\s")


class Mark(NamedTuple):
    """A stretch of a line, ``line[start:end]``."""

    start: int
    end: int
    kind: str  # COMMAND, UNKNOWN: there is no such command; PATH: it is there; MISSING: it is not, and must be


class Marker:
    """Marks the lines of one session. A call may wait for disks: not for a thread that draws.

    Parameters
    ----------
    environ : mapping
        The session's variables, of which PATH and HOME count.
    names : iterable of str or None
        Aliases, functions, builtins and keywords of the session; None: not known yet, so that no command is unknown.
    budget_ms : float
        How long one call may wait for disks; what is not known by then is not marked.
    disk : Disk, optional
        What the look-ups go through.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        names: Iterable[str] | None,
        budget_ms: float = 250.0,
        disk: Disk | None = None,
    ) -> None:
        self._disk = disk or Disk()
        self._budget_ms = budget_ms
        self.executables = Executables()
        self.know(environ, names)

    def know(self, environ: Mapping[str, str], names: Iterable[str] | None) -> None:
        """Take what the session's shell knows now."""
        self.environ = environ
        self.knows_names = names is not None
        self.names = frozenset(names or ())
        self.sorted_names = sorted(self.names | BUILTINS | KEYWORDS)

    def expire(self) -> None:
        """Look again at everything: a command has run."""
        self._disk.expire()

    def marks(self, line: str, cursor: int, cwd: str | None) -> list[Mark]:
        """Return what is to be marked, in the order of the line.

        A word that the cursor is in or beside is not marked as wrong while it may still become right: a command as
        long as one begins like it, a path in any case.

        Parameters
        ----------
        line : str
            Anything at all; a very long line has no marks.
        cursor : int
            The place of the cursor in it, in characters.
        cwd : str or None
            The session's directory; None: not known.
        """
        if len(line) > MAX_LINE:
            return []
        glance = Glance(self._disk, time.monotonic() + self._budget_ms / 1000)
        return sorted(set(_Reading(self, glance, line, cursor, cwd).marks()))


@dataclass(slots=True)
class _Reading:
    """One line being marked."""

    marker: Marker
    glance: Glance
    line: str
    cursor: int
    cwd: str | None
    is_changed: bool = False  # an earlier command may have made what is missing now
    num_paths: int = 0

    def marks(self) -> Iterator[Mark]:
        changes = False
        for command in parse(self.line).commands:
            if command.separator not in PIPES:
                self.is_changed = self.is_changed or changes
            call = invocation(command)
            call.arguments = [word for word in call.arguments if word.raw]  # the last one may not have begun
            judge = Judge(self.glance, self.marker.environ, self.marker.names, self.cwd)
            yield from self._command_marks(judge, command, call)
            for word in [] if command.is_opaque else _path_words(command, call)[: MAX_PATHS - self.num_paths]:
                self.num_paths += 1
                yield from self._path_marks(judge, command, call, word)
            if call.name is not None and call.name.literal in MOVERS:
                self.cwd = None
            else:
                changes = changes or may_change(command, call)

    def _command_marks(self, judge: Judge, command: SimpleCommand, call: Invocation) -> Iterator[Mark]:
        word = call.name
        name = word.literal if word is not None and word.raw else None
        if command.is_opaque or word is None or not name or name in KEYWORDS:
            return
        for wrapper in command.words:  # sudo, env: found by their names
            if wrapper.start < word.start and wrapper.raw in call.wrappers:
                yield Mark(wrapper.start, wrapper.end, COMMAND)
        is_path = "/" in name or word.has_tilde
        if not (self.marker.knows_names or is_path or name in BUILTINS):
            return
        if judge.is_command(call, name, self.cwd):
            if self._is_there(call, word, name):
                yield Mark(word.start, word.end, COMMAND)
        elif is_path:
            if not self.is_changed and not self._is_at(word):
                yield Mark(word.start, word.end, UNKNOWN)
        elif not (self._is_at(word) and self._may_become(name)) and not _DEFINING.search(self.line, 0, word.start):
            yield Mark(word.start, word.end, UNKNOWN)

    def _is_at(self, word: Token) -> bool:
        """Return whether the cursor is in the word or beside it."""
        return word.start <= self.cursor <= word.end

    def _is_there(self, call: Invocation, word: Token, name: str) -> bool:
        """Return whether a command that is not known to be missing is known to be there, and no directory."""
        # sudo's PATH is longer: that it may be there is enough.
        if name in self.marker.names or name in BUILTINS or (call.wrappers and "/" not in name):
            return True
        if "/" in name or word.has_tilde:
            path = absolute(name, self.cwd, self.marker.environ, word.has_tilde)
            found = None if path is None else status(self.glance, path).value
            return found is not None and found.is_executable and not found.is_directory
        return name in self._executables(name)

    def _executables(self, start: str) -> list[str]:
        """Return the shortest executable of PATH that begins with ``start``, if there is any."""
        directories = path_directories(self.marker.environ, self.cwd)
        return self.marker.executables.starting_with(self.glance, directories, start, 1)

    def _may_become(self, start: str) -> bool:
        """Return whether a command begins with ``start``."""
        known = self.marker.sorted_names
        place = bisect_left(known, start)
        return (place < len(known) and known[place].startswith(start)) or bool(self._executables(start))

    def _path_marks(self, judge: Judge, command: SimpleCommand, call: Invocation, word: Token) -> Iterator[Mark]:
        value = word.literal
        path = absolute(value, self.cwd, self.marker.environ, word.has_tilde) if value and "\0" not in value else None
        if path is None:
            return
        found = status(self.glance, path)
        if found.value is not None:
            yield Mark(word.start, word.end, PATH)
        elif (
            found.known
            and not (self.is_changed or self._is_at(word))
            and _must_exist(judge, command, call, word, self.cwd)
        ):
            yield Mark(word.start, word.end, MISSING)


def _path_words(command: SimpleCommand, call: Invocation) -> list[Token]:
    """Return the words that may be paths: arguments that are no options, and what is read from and written to."""
    targets = [word for operator, word in command.redirections if not operator.startswith(("<<", ">&", "<&"))]
    return [word for word in [*call.arguments, *targets] if word.raw and not word.raw.startswith("-")]


def _must_exist(judge: Judge, command: SimpleCommand, call: Invocation, word: Token, cwd: str | None) -> bool:
    """Return whether the command cannot work without what ``word`` names, and knows no other place for it."""
    if any(word is target for operator, target in command.redirections):
        return any(word is target for operator, target in command.redirections if operator == "<")
    name = call.name.literal if call.name is not None else None
    if name in ("cd", "pushd"):
        return not judge.is_place(call.arguments, cwd, 0)
    usage = USAGES.get(name or "")
    if usage is None or name is None or not any(word is each for each in needed(name, usage, call.arguments)):
        return False
    return judge.is_missing(word, cwd, 0)
