"""Marks of the line being typed, found in a thread: disks are asked there, and no key waits for them."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typeahead.shell.names import Names
    from typeahead.text.surroundings.marks import Mark, Marker

_JOINED = frozenset(" \t\n;&|()<>")  # what ends a word


class _Question(NamedTuple):
    line: str
    cursor: int
    cwd: str
    names: Names | None
    number: int  # of the prompt


class Marks:
    """The marks of the line being typed, as far as they are known.

    Parameters
    ----------
    on_change
        Called in the event loop's thread when there are others than before.
    make
        Returns the `Marker` to ask, in the thread that finds the marks.

    Attributes
    ----------
    version : int
        Another one after each change.
    """

    def __init__(self, on_change: Callable[[], None], make: Callable[[Names | None], Marker] | None = None) -> None:
        self.version = 0
        self._on_change = on_change
        self._make = make or _make
        self._line = ""
        self._found: list[Mark] = []
        self._asked: _Question | None = None
        self._cwd, self._prompts = "", 0
        self._names: Names | None = None
        self._question: _Question | None = None  # to be taken by the thread
        self._waiting = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin_line(self, cwd: str, names: Names | None) -> None:
        """Begin with an empty line in the directory ``cwd``; what is known of the disk is looked at again."""
        self._cwd, self._names = cwd, names
        self._prompts += 1
        self._line, self._found = "", []
        self.follow("", 0)

    def know(self, names: Names | None) -> None:
        """Take what the session's shell knows now."""
        self._names = names
        if self._asked is not None:
            self.follow(self._asked.line, self._asked.cursor)

    def follow(self, line: str, cursor: int) -> None:
        """Ask for the marks of ``line`` with the cursor at ``cursor``; the newest question counts."""
        question = _Question(line, cursor, self._cwd, self._names, self._prompts)
        if question == self._asked:
            return
        self._asked = question
        with self._waiting:
            self._question = question
            self._waiting.notify()
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            threading.Thread(target=self._work, name="typeahead-marks", daemon=True).start()

    def of(self, line: str) -> list[Mark]:
        """Return the marks of ``line``: of the last line that is known those that an edit since has left alone.

        A word that nothing begins with stays marked while it grows.
        """
        old = self._line
        if line == old:
            return self._found
        same = _num_equal(line, old)
        rest = _num_equal(line[same:][::-1], old[same:][::-1])
        moved = len(line) - len(old)
        kept = []
        for mark in self._found:
            if mark.end < same or (mark.end == same and _ends_word(line, same) and _ends_word(old, same)):
                kept.append(mark)
            elif mark.start > len(old) - rest:
                kept.append(mark._replace(start=mark.start + moved, end=mark.end + moved))
            elif (
                mark.kind == "unknown"
                and mark.start < same <= mark.end
                and mark.end == len(old) - rest
                and not _JOINED.intersection(line[same : len(line) - rest])
            ):
                kept.append(mark._replace(end=mark.end + moved))
        return kept

    def _work(self) -> None:
        marker: Marker | None = None
        known: Names | None = None
        prompts = 0
        while True:
            with self._waiting:
                while self._question is None:
                    self._waiting.wait()
                question, self._question = self._question, None
            found: list[Mark] = []
            with suppress(Exception):  # whatever is wrong here, no traceback may be written into the line
                if marker is None or question.names is not known:
                    known = question.names
                    marker = self._make(known) if marker is None else _told(marker, known)
                if question.number != prompts:
                    prompts = question.number
                    marker.expire()
                found = marker.marks(question.line, question.cursor, question.cwd)
            assert self._loop is not None
            with suppress(RuntimeError):  # the loop has been closed: the session ends
                self._loop.call_soon_threadsafe(self._take, question, found)

    def _take(self, question: _Question, found: list[Mark]) -> None:
        """Take an answer; one to an older question is good as far as the line is the same."""
        if question.number != self._prompts:
            return
        shown = self.of(self._asked.line) if self._asked is not None else []
        self._line, self._found = question.line, found
        if self._asked is not None and self.of(self._asked.line) != shown:
            self.version += 1
            self._on_change()


def _num_equal(one: str, other: str) -> int:
    """Return how many characters at the beginning of both are the same."""
    for number, (character, counterpart) in enumerate(zip(one, other, strict=False)):
        if character != counterpart:
            return number
    return min(len(one), len(other))


def _ends_word(line: str, place: int) -> bool:
    return line[place : place + 1] in ("", *_JOINED)


def _make(names: Names | None) -> Marker:
    from typeahead.text.surroundings.marks import Marker

    return Marker(names.environ if names else os.environ, names.commands if names else None)


def _told(marker: Marker, names: Names | None) -> Marker:
    if names is not None:
        marker.know(names.environ, names.commands)
    return marker
