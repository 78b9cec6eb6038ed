"""Where in a line the readings stand: at positions of its cells, or in named fields; and which they are.

columns_of(selection, guess, header)    from a line of numbers and the header above it, if there is one
fields_of(selection, guess)             from a line of JSON or pairs
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from typeahead.errors import SensorError
from typeahead.sensor import formats
from typeahead.sensor.formats import NONE, NUMBER, TEXT, TIME, BadLineError, Guess

__all__ = ["NO_FIELD", "Columns", "Fields", "Header", "Selection", "columns_of", "fields_of", "no_field"]

NO_FIELD = "none of the fields"
FEW, MANY = "too few columns", "too many columns"

_TIME_NAMES = frozenset(["time", "timestamp", "date", "datetime", "ts", "@timestamp"])
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
    columns, fields : tuple of str
        Names, or positions from 1, from the end if negative; in JSON lines dotted paths, in pairs keys. The two are one
        list.
    time : str or None
        The same for the time.
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
            raise SensorError(f"no format {self.format!r}; give one of {', '.join(formats.FORMATS)}")

    @property
    def wanted(self) -> tuple[str, ...]:
        """The series, each once."""
        return tuple(dict.fromkeys(self.columns + self.fields))

    @property
    def header_names(self) -> frozenset[str]:
        """What only a header can tell the column of, in lower case."""
        names = [*self.wanted, *([self.time] if self.time else [])]
        return frozenset(name.casefold() for name in names if not _INDEX.fullmatch(name))


@dataclass(frozen=True)
class Header:
    """A name for each cell of a line; empty where there is none.

    ``joins`` are the cells that go on with the one before and are put to it: the clock after a date, a loose unit.
    """

    names: tuple[str, ...]
    joins: tuple[int, ...] = ()

    @classmethod
    def of(cls, cells: Sequence[str], guess: Guess) -> Header | None:
        """Return the header that the cells of a line of text are to a line of numbers; None if they do not fit."""
        width, loose = len(guess.cells), _continuations(guess)
        names = _without_clock(cells)
        if len(names) == width:
            return cls(names, tuple(i for i in loose if not _LOOSE_UNIT.fullmatch(guess.cells[i])))
        if loose and len(names) == width - len(loose):  # vmstat -t: one name, two cells
            rest = iter(names)
            return cls(tuple("" if i in loose else next(rest) for i in range(width)), loose)
        if len(names) == width + 1 and names[0].endswith(":"):  # iostat -c: "avg-cpu:  %user ..."
            return cls(names[1:], loose)
        if len(names) == width - 1 and guess.cells[0].endswith(":"):  # free: "Mem:  ..."
            return cls(("", *names), loose)
        if len(names) == width + 1 and guess.mark == " " and guess.kinds[-1] == TEXT:  # df: "Mounted on"
            return cls((*names[:-2], " ".join(names[-2:])), loose)
        kinds = guess.kinds[: len(names)]
        if guess.mark == " " and len(names) < width and NUMBER in kinds and kinds[-1] == TEXT:  # ps: COMMAND
            return cls(names, tuple(i for i in loose if i < len(names)))
        return None

    @classmethod
    def none(cls, guess: Guess) -> Header:
        """Return what stands for the header where there is none."""
        width = len(guess.cells)
        return cls(("value",) if width == 1 else ("",) * width, _continuations(guess))


@dataclass(frozen=True)
class Columns:
    """Readings at positions of a line of cells."""

    mark: str
    header: Header  # with a name for every column, no two alike
    series: tuple[int, ...]
    time: int | None
    open_end: bool  # the last column is text and may hold blanks

    @property
    def width(self) -> int:
        """How many cells a line has."""
        return len(self.header.names)

    @property
    def names(self) -> tuple[str, ...]:
        """The series' names."""
        return tuple(self.header.names[i] for i in self.series)

    def pick(self, text: str) -> tuple[list[str | None], str | None]:
        """Return the cells of the series, and of the time.

        Raises
        ------
        BadLineError
            There are more cells or fewer than there should be.
        """
        width = self.width
        cells = text.split(None, width - 1) if self.open_end else formats.cut(text, self.mark)
        if len(cells) > width and not any(cells[width:]):  # a separator at the end of the line
            del cells[width:]
        if len(cells) != width:
            raise BadLineError(FEW if len(cells) < width else MANY)
        for i in reversed(self.header.joins):
            cells[i - 1] += f" {cells[i]}"
        return [cells[i] for i in self.series], None if self.time is None else cells[self.time]

    def renamed(self, text: str) -> Columns | None:
        """Return the columns as a later header orders them: one with all names of the first; None if it is no such."""
        try:
            names = _without_clock(formats.cut(text, self.mark))
        except BadLineError:
            return None
        old = self.header.names
        if not {name for i, name in enumerate(old) if i not in self.header.joins} <= set(names):
            return None
        if self.header.joins or self.open_end:
            return self if len(names) == self.width else None
        time = None if self.time is None else names.index(old[self.time])
        return replace(self, header=Header(names), series=tuple(names.index(old[i]) for i in self.series), time=time)


@dataclass(frozen=True)
class Fields:
    """Readings at dotted paths of a line of JSON or pairs."""

    mark: str
    names: tuple[str, ...]
    time: str | None
    available: tuple[str, ...]  # in the line that this was made from

    def pick(self, text: str) -> tuple[list[str | None], str | None]:
        """Return what stands in the fields, None where there is no such field, and the time.

        Raises
        ------
        BadLineError
            It is no line of that kind, or has none of the fields.
        """
        row = formats.cut_by_name(text, self.mark)
        cells = [formats.field(row, name) for name in self.names]
        if all(cell is None for cell in cells):
            raise BadLineError(NO_FIELD)
        return cells, None if self.time is None else formats.field(row, self.time)


def columns_of(selection: Selection, guess: Guess, header: Header) -> Columns:
    """Return the columns of lines such as the guess is of.

    Raises
    ------
    SensorError
        A column that is asked for is not there.
    """
    names = _distinct(header.names)
    width = len(names)
    guess = Guess(guess.mark, guess.cells[:width], guess.kinds[:width], names)
    series = tuple(dict.fromkeys(_position(name, names) for name in selection.wanted))
    time = _own_time(guess, series) if selection.time is None else _position(selection.time, names)
    while time in header.joins:  # the clock was named, and the date before it belongs to it
        time -= 1
    if not series:
        series, time = _own_series(guess, time)
    open_end = guess.mark == " " and width > 1 and guess.kinds[-1] == TEXT and width - 1 not in header.joins
    return Columns(guess.mark, replace(header, names=names), series, time, open_end)


def fields_of(selection: Selection, guess: Guess) -> Fields:
    """Return the fields of lines such as the guess is of; what is asked for need not be in that line."""
    wanted = selection.wanted
    place = _own_time(guess, [i for i, name in enumerate(guess.names) if name in wanted])
    if selection.time is not None:
        place = guess.names.index(selection.time) if selection.time in guess.names else None
    time = guess.names[place] if place is not None else selection.time
    if not wanted:
        series, place = _own_series(guess, place)
        wanted = tuple(guess.names[i] for i in series)
        time = None if time in wanted else time
    return Fields(guess.mark, wanted, time, guess.names)


def no_field(wanted: Sequence[str], available: Sequence[str]) -> SensorError:
    """Return the error that fields are not there, and which are."""
    return SensorError(f"no field {' or '.join(map(repr, wanted))}; there are {_listed(available)}")


def _without_clock(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of a header; sar's tells the time."""
    return tuple("time" if _CLOCK.fullmatch(name) else name for name in names)


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


def _own_time(guess: Guess, wanted: Sequence[int]) -> int | None:
    """Return the column of the time where none was named: by its name, then by what stands in it."""
    free = [i for i in range(len(guess.cells)) if i not in wanted]
    by_name = (i for i in free if _is_time(guess, i))
    return next(by_name, next((i for i in free if guess.kinds[i] == TIME), None))


def _own_series(guess: Guess, time: int | None) -> tuple[tuple[int, ...], int | None]:
    """Return the columns of numbers where none was named, and that of the time; a time alone is a series."""
    numbers = [i for i, kind in enumerate(guess.kinds) if kind in (NUMBER, NONE)]
    series = [i for i in numbers if i != time and not _is_time(guess, i)]
    return (tuple(series), time) if series else (tuple(numbers), None)


def _is_time(guess: Guess, i: int) -> bool:
    """Return whether a column is called a time and can be one; with a unit it is none: ping's ``time=12.3 ms``."""
    if guess.names[i].casefold() not in _TIME_NAMES:
        return False
    with contextlib.suppress(ValueError):
        float(guess.cells[i])
        return True
    return guess.kinds[i] in (TIME, NONE)


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Return a name for every column, no two alike: "column 3" for none, "name.2" for the second of that name."""
    found: dict[str, None] = {}
    times: dict[str, int] = {}
    for i, name in enumerate(names, start=1):
        own = name = name or f"column {i}"
        while own in found:
            times[name] = times.get(name, 1) + 1
            own = f"{name}.{times[name]}"
        found[own] = None
    return tuple(found)


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
