"""Where in a line the readings stand: found out from the first lines, then used for all others.

A shape is taken as true when a header with as many names stands above it, or when two lines have it; so one line of
numbers is held back at most, and a title such as ``Report 2024`` does not decide what follows.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from typeahead.errors import SensorError
from typeahead.sensor import formats
from typeahead.sensor.formats import JSON, NONE, NUMBER, PAIRS, TEXT, TIME, BadLineError, Guess

__all__ = ["COMMENT", "DATA", "HEADER", "NO_FIELD", "Columns", "Fields", "Found", "Search", "Selection"]

DATA, HEADER, COMMENT = "data", "header", "comment"  # verdicts on a line; every other one is why it is skipped
NO_NUMBERS = "no numbers"
UNLIKE = "unlike the lines after it"
NO_FIELD = "none of the fields"
FEW, MANY = "too few columns", "too many columns"

_TIME_NAMES = frozenset(["time", "timestamp", "date", "datetime", "ts", "@timestamp"])
_MAX_TITLES = 3  # lines of text that are held as what may be a header
_PATIENCE = 10  # lines of numbers that differ from each other before the next one is taken as it is
_FIELD_PATIENCE = 1000  # lines without a field before it is held to be misspelt; a log may have rarer events
_SHOWN_NAMES = 30

_DATE = re.compile(r"[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}")
_CLOCK = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?")
_LOOSE_UNIT = re.compile(r"[num]s|µs|%|[kKMGT]i?B(/s)?")  # a unit that a blank parts from its number
_INDEX = re.compile(r"[+-]?[0-9]{1,6}")


@dataclass(frozen=True)
class Selection:
    """What of a line is read; empty and None: whatever is numbers, and a time where there is one.

    Parameters
    ----------
    columns : tuple of str
        Names, or positions from 1, from the end if negative; in JSON and pairs the same as ``fields``.
    time : str or None
        The column or field of the time.
    fields : tuple of str
        Dotted paths into JSON lines, or keys of pairs.
    format : str or None
        One of `formats.FORMATS`; None: found out.

    Raises
    ------
    SensorError
        There is no such format.
    """

    columns: tuple[str, ...] = ()
    time: str | None = None
    fields: tuple[str, ...] = ()
    format: str | None = None

    def __post_init__(self) -> None:
        if self.format is not None and self.format not in formats.FORMATS:
            raise SensorError(f"no format {self.format!r}: give one of {', '.join(formats.FORMATS)}")

    @property
    def marks(self) -> tuple[str, ...]:
        """How lines may be cut."""
        marks = formats.marks_of(self.format)
        return tuple(mark for mark in marks if mark in (JSON, PAIRS)) or marks if self.fields else marks

    @property
    def header_names(self) -> frozenset[str]:
        """What only a header can resolve, in lower case."""
        wanted = [*self.columns, *([self.time] if self.time else [])]
        return frozenset(name.casefold() for name in wanted if not _INDEX.fullmatch(name))


@dataclass(frozen=True)
class Columns:
    """Readings at positions of a line of cells.

    ``joins`` are the positions of cells that are also put to the one before: the clock after a date, a loose unit.
    """

    mark: str
    width: int
    names: tuple[str, ...]
    series: tuple[int, ...]
    time: int | None
    time_name: str | None
    joins: tuple[int, ...]
    open_end: bool  # the last column is text and may hold blanks

    def cut(self, text: str) -> list[str]:
        """Return the cells of a line, all of them.

        Raises
        ------
        BadLineError
            There are more or fewer than there should be.
        """
        cells = text.split(None, self.width - 1) if self.open_end else formats.cut(text, self.mark)
        if len(cells) > self.width and not any(cells[self.width :]):  # a separator at the end of the line
            del cells[self.width :]
        if len(cells) != self.width:
            raise BadLineError(FEW if len(cells) < self.width else MANY)
        for i in reversed(self.joins):
            cells[i - 1] += f" {cells[i]}"
        return cells

    def pick(self, text: str) -> tuple[list[str | None], str | None]:
        """Return the cells of the series, and of the time."""
        cells = self.cut(text)
        return [cells[i] for i in self.series], None if self.time is None else cells[self.time]

    def renamed(self, text: str) -> Columns | None:
        """Return the columns as a later header orders them: one that holds every name that is read; else None."""
        try:
            cells = formats.cut(text, self.mark)
        except BadLineError:
            return None
        if not set(self.names) <= set(cells):
            return None
        if len(cells) != self.width and (self.joins or self.open_end):
            return None
        time = cells.index(self.time_name) if self.time_name in cells else self.time
        return replace(self, series=tuple(map(cells.index, self.names)), time=time, width=len(cells))


@dataclass(frozen=True)
class Fields:
    """Readings at dotted paths of a line of JSON or pairs."""

    mark: str
    names: tuple[str, ...]
    time: str | None

    def pick(self, text: str) -> tuple[list[str | None], str | None]:
        """Return what stands in the fields, None where there is no such field, and the time."""
        row = formats.cut_by_name(text, self.mark)
        cells = [formats.field(row, name) for name in self.names]
        if all(cell is None for cell in cells):
            raise BadLineError(NO_FIELD)
        return cells, None if self.time is None else formats.field(row, self.time)


class Found(NamedTuple):
    """A line whose part is known: its number from 1, its text, and `DATA`, `HEADER`, `COMMENT` or why it is skipped."""

    number: int
    text: str
    verdict: str


class Search:
    """Finds the layout from the first lines, and says what each of them was."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.layout: Columns | Fields | None = None
        self._titles: list[Found] = []  # text that may be a header, with what it is if it is none
        self._candidate: tuple[Found, Guess] | None = None
        self._tried = 0  # candidates that nothing was like
        self._fieldless = 0
        self._last_fields: tuple[str, ...] = ()

    def push(self, number: int, text: str, comment: bool = False) -> list[Found]:
        """Take a line that is not blank; return the lines that are decided by now, in their order but for comments.

        Raises
        ------
        SensorError
            A column or field that is asked for is not there.
        """
        found = [] if comment or self._names_columns(text) else formats.guesses(text, self.selection.marks)
        if not found:
            self._titles.append(Found(number, text, COMMENT if comment else NO_NUMBERS))
            return [self._titles.pop(0)] if len(self._titles) > _MAX_TITLES else []
        line = Found(number, text, DATA)
        if found[0].mark in (JSON, PAIRS):
            return self._push_fields(line, found[0])
        return self._push_columns(line, found)

    def finish(self) -> list[Found]:
        """Decide on what is held back, when no more lines come.

        Raises
        ------
        SensorError
            As `push`.
        """
        if self._candidate is None:
            if self._fieldless:
                raise self._no_field()
            return self._let_go()
        line, guess = self._candidate
        self._candidate = None
        self._settle(guess, None)
        return [line, *self._let_go()]

    def _push_fields(self, line: Found, guess: Guess) -> list[Found]:
        wanted = self.selection.fields + self.selection.columns
        row = formats.cut_by_name(line.text, guess.mark)
        if wanted and all(formats.field(row, path) is None for path in wanted):
            self._fieldless, self._last_fields = self._fieldless + 1, guess.names
            if self._fieldless >= _FIELD_PATIENCE:
                raise self._no_field()
            return [*self._let_go(), line._replace(verdict=NO_FIELD)]
        if not wanted and NUMBER not in guess.kinds:
            return [*self._let_go(), line._replace(verdict=NO_NUMBERS)]
        if wanted or guess.mark == JSON or self._is_like_candidate(guess):
            first = self._take_candidate(DATA if self._is_like_candidate(guess) else UNLIKE)
            self._settle(guess, None)
            return [*first, *self._let_go(), line]
        return self._hold(line, guess)

    def _push_columns(self, line: Found, found: list[Guess]) -> list[Found]:
        needs_header = bool(self.selection.header_names)
        if not needs_header:
            for guess in found:
                if self._is_like_candidate(guess):
                    first = self._take_candidate(DATA)
                    self._settle(guess, None)
                    return [*first, *self._let_go(), line]
        for guess in found:
            header = _Header.above(guess, self._titles) or self._header_with_numbers(guess)
            if header is not None:
                self._settle(guess, header)
                return [*self._take_candidate(UNLIKE), *self._let_go(header.line), line]
        if self._tried >= _PATIENCE:
            first = self._take_candidate(UNLIKE)
            self._settle(found[0], None)
            return [*first, *self._let_go(), line]
        return self._hold(line, found[0])

    def _header_with_numbers(self, guess: Guess) -> _Header | None:
        """Return the candidate as a header: a name such as "load, 1 min" looks like columns with a number in them."""
        if self._candidate is None:
            return None
        header = _Header.above(guess, [self._candidate[0]])
        if header is None or NUMBER in map(formats.kind_of, header.names):
            return None
        self._titles.insert(0, self._candidate[0]._replace(verdict=UNLIKE))
        self._candidate = None
        return header._replace(line=self._titles[0])

    def _hold(self, line: Found, guess: Guess) -> list[Found]:
        """Wait for a second line like this one."""
        before = [*self._take_candidate(UNLIKE), *self._let_go()]
        self._candidate = line, guess
        self._tried += 1
        return before

    def _take_candidate(self, verdict: str) -> list[Found]:
        candidate, self._candidate = self._candidate, None
        return [candidate[0]._replace(verdict=verdict)] if candidate else []

    def _let_go(self, header: Found | None = None) -> list[Found]:
        """Return the lines of text; those ruled with dashes above a header are part of it."""
        titles, self._titles = self._titles, []
        if header is None:
            return titles
        return [title._replace(verdict=HEADER) if title == header or "--" in title.text else title for title in titles]

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
        wanted = self.selection.header_names
        if not wanted or not all(name in text.casefold() for name in wanted):
            return False
        for mark in self.selection.marks:
            if mark not in (JSON, PAIRS):
                try:
                    cells = formats.cut(text, mark)
                except BadLineError:
                    continue
                if wanted <= {cell.casefold() for cell in cells}:
                    return True
        return False

    def _settle(self, guess: Guess, header: _Header | None) -> None:
        """Make the layout."""
        if guess.names:
            self.layout = _fields(self.selection, guess)
        else:
            self.layout = _columns(self.selection, guess, header)

    def _no_field(self) -> SensorError:
        wanted = self.selection.fields + self.selection.columns
        return SensorError(f"no field {' or '.join(map(repr, wanted))}; there are {_listed(self._last_fields)}")


class _Header(NamedTuple):
    """A header that goes with a line of numbers: its line, a name for each cell, and which cells it takes as one."""

    line: Found
    names: list[str]
    joins: tuple[int, ...]

    @classmethod
    def above(cls, guess: Guess, titles: Sequence[Found]) -> _Header | None:
        """Return the last of the titles that fits, a comment only if no other does."""
        for title in sorted(reversed(titles), key=lambda line: line.verdict == COMMENT):
            text = title.text.lstrip().lstrip("#") if title.verdict == COMMENT else title.text
            try:
                names = formats.cut(text, guess.mark)
            except BadLineError:
                continue
            found = _fit(names, guess)
            if found is not None:
                return cls(title, *found)
        return None


def _fit(names: list[str], guess: Guess) -> tuple[list[str], tuple[int, ...]] | None:
    """Return a name for each cell and the cells to join, if a header goes with the line of numbers."""
    width, loose = len(guess.cells), _continuations(guess)
    if len(names) == width:
        return names, tuple(i for i in loose if not _LOOSE_UNIT.fullmatch(guess.cells[i]))
    if loose and len(names) == width - len(loose):  # vmstat -t: one name, two cells
        for i in loose:
            names.insert(i, "")
        return names, loose
    if len(names) == width + 1 and names[0].endswith(":"):  # iostat -c: "avg-cpu:  %user ..."
        return names[1:], loose
    if len(names) == width - 1 and guess.cells[0].endswith(":"):  # free: "Mem:  ..."
        return ["", *names], loose
    kinds = guess.kinds[: len(names)]
    if guess.mark == " " and len(names) < width and NUMBER in kinds and kinds[-1] == TEXT:  # ps: COMMAND
        return names, tuple(i for i in loose if i < len(names))
    return None


def _continuations(guess: Guess) -> tuple[int, ...]:
    """Return which cells go on with the one before: a time after a date, AM or PM after a time, a loose unit."""
    found = []
    for i, (before, cell) in enumerate(zip(guess.cells, guess.cells[1:], strict=False), start=1):
        if (
            (_DATE.fullmatch(before) and _CLOCK.fullmatch(cell))
            or (_CLOCK.fullmatch(before) and cell.upper() in ("AM", "PM"))
            or (guess.mark == " " and guess.kinds[i - 1] == NUMBER and _LOOSE_UNIT.fullmatch(cell))
        ):
            found.append(i)
    return tuple(found)


def _columns(selection: Selection, guess: Guess, header: _Header | None) -> Columns:
    names, joins = (header.names, header.joins) if header else ([""] * len(guess.cells), _continuations(guess))
    width = len(names)
    names = _distinct(["time" if _CLOCK.fullmatch(name) else name for name in names])
    if width == 1 and header is None:
        names = ["value"]
    cells, kinds = guess.cells[:width], guess.kinds[:width]
    wanted = tuple(dict.fromkeys(_position(name, names) for name in selection.columns))
    time = None if selection.time is None else _position(selection.time, names)
    if time is None:
        time = _own_time(names, cells, kinds, wanted)
    if wanted:
        series = wanted
    else:
        series, time = _own_series(names, cells, kinds, time)
    shown = tuple(names[i] for i in series)
    open_end = guess.mark == " " and width > 1 and kinds[-1] == TEXT and width - 1 not in joins
    return Columns(guess.mark, width, shown, series, time, None if time is None else names[time], joins, open_end)


def _fields(selection: Selection, guess: Guess) -> Fields:
    wanted, time = tuple(dict.fromkeys(selection.fields + selection.columns)), selection.time
    if time is None:
        place = _own_time(guess.names, guess.cells, guess.kinds, [i for i, n in enumerate(guess.names) if n in wanted])
        time = None if place is None else guess.names[place]
    if wanted:
        return Fields(guess.mark, wanted, time)
    place = guess.names.index(time) if time in guess.names else None
    series, place = _own_series(guess.names, guess.cells, guess.kinds, place)
    return Fields(guess.mark, tuple(guess.names[i] for i in series), time if place is not None else None)


def _own_time(names: Sequence[str], cells: Sequence[str], kinds: Sequence[str], wanted: Sequence[int]) -> int | None:
    """Return the column of the time where none was named: by its name, then by what stands in it."""
    free = [i for i in range(len(names)) if i not in wanted]
    for i in free:
        if _is_time(names[i], cells[i], kinds[i]):
            return i
    return next((i for i in free if kinds[i] == TIME), None)


def _own_series(
    names: Sequence[str], cells: Sequence[str], kinds: Sequence[str], time: int | None
) -> tuple[tuple[int, ...], int | None]:
    """Return the columns of numbers where none was named, and that of the time, which is none if nothing else is."""
    numbers = tuple(i for i, kind in enumerate(kinds) if kind in (NUMBER, NONE) and i != time)
    series = tuple(i for i in numbers if not _is_time(names[i], cells[i], kinds[i]))
    if series or time is None:
        return series or numbers, time
    return tuple(i for i, kind in enumerate(kinds) if kind in (NUMBER, NONE)), None


def _is_time(name: str, cell: str, kind: str) -> bool:
    """Return whether a column is called a time and can be one; with a unit it is none: ping's ``time=12.3 ms``."""
    if name.casefold() not in _TIME_NAMES:
        return False
    with contextlib.suppress(ValueError):
        float(cell)
        kind = TIME
    return kind in (TIME, NONE)


def _distinct(names: Sequence[str]) -> list[str]:
    """Return a name for every column, no two alike: "column 3" for none, "name.2" for the second of that name."""
    found: list[str] = []
    taken: set[str] = set()
    for i, name in enumerate(names, start=1):
        own = name = name or f"column {i}"
        number = 2
        while own in taken:
            own, number = f"{name}.{number}", number + 1
        taken.add(own)
        found.append(own)
    return found


def _position(wanted: str, names: Sequence[str]) -> int:
    """Return the column of that name (in any case, if no other is meant), or of that number."""
    if wanted in names:
        return names.index(wanted)
    alike = [i for i, name in enumerate(names) if name.casefold() == wanted.casefold()]
    if len(alike) == 1:
        return alike[0]
    if _INDEX.fullmatch(wanted):
        index = int(wanted)
        if 0 < index <= len(names):
            return index - 1
        if -len(names) <= index < 0:
            return index + len(names)
    raise SensorError(
        f"no column {wanted!r}; there are {_listed(names)}: give a name, or a number from 1 to {len(names)}"
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return (", ".join(map(repr, names[:_SHOWN_NAMES])) or "none") + more
