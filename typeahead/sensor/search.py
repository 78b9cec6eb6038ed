"""Finds out from the first lines where the readings stand in all of them.

A shape is taken as true when a header with as many names stands above it, or when two lines have it. So one line of
numbers is held back at most, and a title such as ``Report 2024`` does not decide what follows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from typeahead.sensor import formats
from typeahead.sensor.formats import JSON, NONE, NUMBER, PAIRS, BadLineError, Guess
from typeahead.sensor.layout import NO_FIELD, Columns, Fields, Header, Selection, columns_of, fields_of, no_field

__all__ = ["COMMENT", "DATA", "FIELD_PATIENCE", "HEADER", "NO_NUMBERS", "Found", "Search"]

DATA, HEADER, COMMENT = "data", "header", "comment"  # verdicts on a line; every other one is why it is skipped
NO_NUMBERS = "no numbers"
UNLIKE = "unlike the lines after it"

_MAX_TITLES = 3  # lines of text that are held as what may be a header
_PATIENCE = 10  # lines of numbers that differ from each other before the next one is taken as it is
FIELD_PATIENCE = 1000  # lines without a field before it is held to be misspelt; a log may have rarer events


class Found(NamedTuple):
    """A line whose part is known: its number from 1, its text, and `DATA`, `HEADER`, `COMMENT` or why it is skipped."""

    number: int
    text: str
    verdict: str


class Search:
    """Takes lines until ``layout`` is there, and says what each of them was."""

    def __init__(self, selection: Selection) -> None:
        self.layout: Columns | Fields | None = None
        self._selection, self._marks = selection, formats.marks_of(selection.format)
        self._titles: list[Found] = []  # text that may be a header, with what it is if it is none
        self._candidate: tuple[Found, Guess] | None = None  # came before all titles
        self._tried = 0  # candidates that nothing was like
        self._fieldless = 0  # lines of named fields, none of which is asked for
        self._available: tuple[str, ...] = ()  # in the last of them

    def push(self, number: int, text: str, comment: bool = False) -> list[Found]:
        """Take a line that is not blank; return the lines that are decided by now.

        Raises
        ------
        SensorError
            A column or field that is asked for is not there.
        """
        guesses = [] if comment or self._names_columns(text) else formats.guesses(text, self._marks)
        if not guesses:
            self._titles.append(Found(number, text, COMMENT if comment else NO_NUMBERS))
            return [self._titles.pop(0)] if len(self._titles) > _MAX_TITLES else []
        line = Found(number, text, DATA)
        if guesses[0].mark in (JSON, PAIRS):
            return self._push_fields(line, guesses[0])
        return self._push_columns(line, guesses)

    def finish(self) -> list[Found]:
        """Decide on what is held back, when no more lines come.

        Raises
        ------
        SensorError
            As `push`.
        """
        if self._fieldless and (self._candidate is None or self._selection.header_names):
            raise no_field(self._selection.wanted, self._available)
        if self._candidate is None:
            return self._let_go()
        line, guess = self._candidate
        self._candidate = None
        return self._decide(line, guess, Header.none(guess))

    def _push_fields(self, line: Found, guess: Guess) -> list[Found]:
        wanted = self._selection.wanted
        row = formats.cut_by_name(line.text, guess.mark)
        if wanted and all(formats.field(row, path) is None for path in wanted):
            self._fieldless, self._available = self._fieldless + 1, guess.names
            if self._fieldless >= FIELD_PATIENCE:
                raise no_field(wanted, guess.names)
            return [*self._let_go(), line._replace(verdict=NO_FIELD)]
        if not wanted and NUMBER not in guess.kinds:
            return [*self._let_go(), line._replace(verdict=NO_NUMBERS)]
        if wanted or guess.mark == JSON or self._is_like_candidate(guess):
            return self._decide(line, guess, Header.none(guess))
        return self._hold(line, guess)

    def _push_columns(self, line: Found, guesses: Sequence[Guess]) -> list[Found]:
        if not self._selection.header_names:
            for guess in guesses:
                if self._is_like_candidate(guess):
                    return self._decide(line, guess, Header.none(guess))
        for guess in guesses:
            for title in self._possible_headers():
                header = _header(title, guess)
                if header is not None:
                    return self._decide(line, guess, header, title)
        if self._tried >= _PATIENCE:
            return self._decide(line, guesses[0], Header.none(guesses[0]))
        return self._hold(line, guesses[0])

    def _possible_headers(self) -> list[Found]:
        """Return the lines that may be a header, the likeliest first: the nearest, but for comments."""
        # A name such as "load, 1 min" looks like columns with a number in them, and has made its header a candidate.
        lines = [*([self._candidate[0]] if self._candidate else []), *self._titles]
        return sorted(reversed(lines), key=lambda line: line.verdict == COMMENT)

    def _hold(self, line: Found, guess: Guess) -> list[Found]:
        """Wait for a second line like this one."""
        before = [*self._take_candidate(UNLIKE), *self._let_go()]
        self._candidate = line, guess
        self._tried += 1
        return before

    def _decide(self, line: Found, guess: Guess, header: Header, title: Found | None = None) -> list[Found]:
        """Take the layout from a line of readings, whose header stands in ``title``."""
        verdict = DATA if self._is_like_candidate(guess) and title is None else UNLIKE
        self.layout = fields_of(self._selection, guess) if guess.names else columns_of(self._selection, guess, header)
        return [*self._take_candidate(verdict, title), *self._let_go(title), line]

    def _take_candidate(self, verdict: str, title: Found | None = None) -> list[Found]:
        if self._candidate is None:
            return []
        line, self._candidate = self._candidate[0], None
        return [line._replace(verdict=HEADER if line == title else verdict)]

    def _let_go(self, title: Found | None = None) -> list[Found]:
        """Return the lines of text; those ruled with dashes above a header are part of it."""
        lines, self._titles = self._titles, []
        if title is None:
            return lines
        return [line._replace(verdict=HEADER) if line == title or "--" in line.text else line for line in lines]

    def _is_like_candidate(self, guess: Guess) -> bool:
        if self._candidate is None:
            return False
        other = self._candidate[1]
        if guess.mark != other.mark:
            return False
        if guess.names:
            return not set(guess.names).isdisjoint(other.names)
        alike = [one == two or NONE in (one, two) for one, two in zip(guess.kinds, other.kinds, strict=False)]
        return len(guess.kinds) == len(other.kinds) and all(alike)

    def _names_columns(self, text: str) -> bool:
        """Return whether a line holds every name that is asked for, and so is a header even if it has numbers."""
        wanted = self._selection.header_names
        if not wanted or not all(name in text.casefold() for name in wanted):
            return False
        for mark in self._marks:
            with contextlib.suppress(BadLineError):
                if mark not in (JSON, PAIRS) and wanted <= {cell.casefold() for cell in formats.cut(text, mark)}:
                    return True
        return False


def _header(line: Found, guess: Guess) -> Header | None:
    """Return the header that a line is to a line of numbers, if it is one."""
    text = line.text.lstrip().lstrip("#") if line.verdict == COMMENT else line.text
    try:
        cells = formats.cut(text, guess.mark)
    except BadLineError:
        return None
    if line.verdict == DATA and NUMBER in map(formats.kind_of, cells):
        return None
    return Header.of(cells, guess)
