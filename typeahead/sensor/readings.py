"""Lines of text into readings: numbers with their time, and an account of every line that was none.

    parser = Parser(Selection(columns=("us",)))
    for reading in parser.read(following.lines(["-"])):
        ...

A line is exactly one of reading, header, blank, comment (``#``) and skipped. Nothing that a line may hold raises; only
a column or field that is asked for and is not there does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

from typeahead.sensor.formats import MAX_LINE_BYTES, BadLineError
from typeahead.sensor.layout import Columns, Fields, Selection, no_field
from typeahead.sensor.search import COMMENT, DATA, FIELD_PATIENCE, HEADER, NO_NUMBERS, Found, Search
from typeahead.sensor.values import MISSING, RUBBISH, NumberReader, TimeReader

__all__ = ["Counts", "Parser", "Reading", "Selection"]

LONG = f"longer than {MAX_LINE_BYTES >> 20} MB"
BINARY = "NUL bytes (binary, or UTF-16: convert it with iconv)"
NO_TIME, BACKWARDS, REPEATED = "no time", "earlier than the one before", "the same as the one before"

_SHOWN_CHARACTERS = 60
_MAX_HEADERS = 8  # texts of headers that are known again


class Reading(NamedTuple):
    """The numbers of one line."""

    values: tuple[float, ...]  # one a series; nan where missing, never infinite
    time_s: float | None  # seconds since the epoch; None where there is none
    line: int  # number of the line, from 1, over all input
    text_time: str | None  # the time as it was written


_make = tuple.__new__  # a reading in half the time that its own constructor takes


@dataclass
class Counts:
    """What the lines were. ``skipped``, ``missing`` and ``odd_times`` count by reason.

    ``lines`` is the sum of ``readings``, ``headers``, ``blank``, ``comments``, all of ``skipped``, and, before the end,
    the few lines that the search for a header holds back. ``missing`` are values that are nan in a reading,
    ``odd_times`` readings whose time is missing, or not later than that before.
    """

    lines: int = 0
    readings: int = 0
    headers: int = 0
    blank: int = 0
    comments: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    odd_times: dict[str, int] = field(default_factory=dict)
    examples: dict[str, tuple[int, str]] = field(default_factory=dict)  # number and start of the first of each reason

    def complaints(self) -> list[str]:
        """Return one line for each kind of oddity: how many, and the first of them."""
        found = []
        for count_of, one, many in (
            (self.skipped, "line skipped", "lines skipped"),
            (self.missing, "value missing", "values missing"),
            (self.odd_times, "odd time", "odd times"),
        ):
            for reason, count in count_of.items():
                number, text = self.examples[reason]
                found.append(f"{count:,} {one if count == 1 else many}: {reason}; first in line {number:,}: {text!r}")
        return found


class Parser:
    """Takes lines one at a time and gives readings; reads no files.

    Parameters
    ----------
    selection : Selection
        The columns or fields to read, and the format; what is not given is found out from the first lines.
    """

    def __init__(self, selection: Selection = Selection()) -> None:  # noqa: B008
        self.counts = Counts()
        self._search = Search(selection)
        self._layout: Columns | Fields | None = None
        self._numbers: list[NumberReader] = []
        self._unseen: set[str] = set()  # fields that no line has had yet
        self._times = TimeReader()
        self._last_time_s = -math.inf
        self._headers: set[str] = set()
        # What the quick way needs of the layout; a width of 0 closes it.
        self._width = 0
        self._mark: str | None = None
        self._place: int | None = None  # of a single series; `_pick` is for several
        self._pick: Callable[[list[str]], tuple[str, ...]] = tuple
        self._time_place: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The series' names; empty before the first reading."""
        return self._layout.names if self._layout else ()

    def read(self, lines: Iterable[str | bytes]) -> Iterator[Reading]:
        """Yield the readings of lines until there are no more; raises as `push`."""
        push = self.push
        for line in lines:
            yield from push(line)
        yield from self.finish()

    def push(self, line: str | bytes) -> list[Reading]:
        """Take one line, with or without its end; return the readings that are known by now: none, one or two.

        Raises
        ------
        SensorError
            A column or field that is asked for is not there; the message names those that are.
        """
        counts = self.counts
        counts.lines = number = counts.lines + 1
        if self._width and len(line) <= MAX_LINE_BYTES:
            try:
                text = line if isinstance(line, str) else line.decode()
                if not ("\0" in text or '"' in text or "#" in text or "\ufeff" in text):
                    cells = text.split(self._mark)
                    values: tuple[float, ...]
                    if self._place is not None:
                        total = float(cells[self._place])
                        values = (total,)
                    else:
                        values = tuple(map(float, self._pick(cells)))
                        total = sum(values)
                    # The difference is nan when there is a nan or an infinity among them.
                    if total - total == 0.0 and len(cells) == self._width:
                        if self._time_place is None:
                            counts.readings += 1
                            return [_make(Reading, (values, None, number, None))]
                        return [self._reading(number, values, cells[self._time_place].strip())]
            except (ValueError, IndexError):  # a word, a unit, no UTF-8, too few columns: the careful way knows
                pass
        return self._push_carefully(number, line)

    def finish(self) -> list[Reading]:
        """Return the readings that were held back, when no more lines come.

        Raises
        ------
        SensorError
            As `push`.
        """
        if self._layout is None:
            return self._searched(self._search.finish())
        if self._unseen:
            self._miss_fields()
        return []

    def _push_carefully(self, number: int, line: str | bytes) -> list[Reading]:
        """Take any line."""
        if len(line) > MAX_LINE_BYTES:
            return self._skip(number, LONG, _decoded(line[:_SHOWN_CHARACTERS]))
        text = _decoded(line).removeprefix("\ufeff").strip("\r\n")
        stripped = text.strip()
        if not stripped:
            self.counts.blank += 1
            return []
        if "\0" in text:
            return self._skip(number, BINARY, text)
        comment = stripped.startswith("#")
        if self._layout is None:
            return self._searched(self._search.push(number, text, comment))
        return self._account(Found(number, text, COMMENT if comment else DATA))

    def _searched(self, lines: Sequence[Found]) -> list[Reading]:
        """Take what the search says of lines, and the layout if it has found one."""
        if self._search.layout is not None:
            self._adopt(self._search.layout)
            decimal_comma = True if self._search.layout.mark == ";" else None
            self._numbers = [NumberReader(decimal_comma) for _ in self.names]
            self._unseen = set(self.names) if isinstance(self._layout, Fields) else set()
        return [reading for line in lines for reading in self._account(line)]

    def _adopt(self, layout: Columns | Fields) -> None:
        """Read by that layout from now on."""
        self._layout, self._width = layout, 0
        if isinstance(layout, Columns) and not layout.header.joins and not layout.open_end:
            self._width, self._mark = layout.width, None if layout.mark == " " else layout.mark
            self._time_place = layout.time
            self._place = layout.series[0] if len(layout.series) == 1 else None
            self._pick = itemgetter(*layout.series)

    def _account(self, line: Found) -> list[Reading]:
        """Count a line whose part is known, and read it if it is data."""
        if line.verdict == DATA and line.text.strip() not in self._headers:
            return self._read(line.number, line.text)
        if line.verdict in (DATA, HEADER):
            self._count_header(line.text)
        elif line.verdict == COMMENT:
            self.counts.comments += 1
        else:
            self._skip(line.number, line.verdict, line.text)
        return []

    def _read(self, number: int, text: str) -> list[Reading]:
        """Read a line by the layout, with whatever its cells hold."""
        assert self._layout is not None
        try:
            cells, time_text = self._layout.pick(text)
            found = [
                (math.nan, MISSING) if cell is None else reader.read(cell)
                for reader, cell in zip(self._numbers, cells, strict=True)
            ]
            faults = [fault for _, fault in found]
            if RUBBISH in faults and not set(faults) - {RUBBISH, MISSING}:
                raise BadLineError(NO_NUMBERS)
        except BadLineError as error:
            again = self._layout.renamed(text) if isinstance(self._layout, Columns) else None
            if again is None:
                return self._skip(number, str(error), text)
            self._adopt(again)
            self._count_header(text)
            return []
        if self._unseen:
            self._look_for_fields(cells)
        if time_text is None and self._layout.time is not None:
            time_text = ""  # there is a time in other lines
        for fault in filter(None, faults):
            self._count(self.counts.missing, fault, number, text)
        return [self._reading(number, tuple(value for value, _ in found), time_text)]

    def _look_for_fields(self, cells: Sequence[str | None]) -> None:
        """Note which of the fields have been seen, and give up on the others in the end."""
        self._unseen -= {name for name, cell in zip(self.names, cells, strict=True) if cell is not None}
        if self._unseen and self.counts.readings >= FIELD_PATIENCE:
            self._miss_fields()

    def _miss_fields(self) -> None:
        assert isinstance(self._layout, Fields)
        raise no_field(sorted(self._unseen), self._layout.available)

    def _reading(self, number: int, values: tuple[float, ...], time_text: str | None) -> Reading:
        """Make a reading and look at its time."""
        counts = self.counts
        counts.readings += 1
        if time_text is None:
            return Reading(values, None, number, None)
        time_s = self._times.read(time_text)
        if time_s is None:
            self._count(counts.odd_times, NO_TIME, number, time_text)
            return Reading(values, None, number, time_text or None)
        if time_s <= self._last_time_s:
            reason = BACKWARDS if time_s < self._last_time_s else REPEATED
            self._count(counts.odd_times, reason, number, time_text)
        self._last_time_s = time_s
        return _make(Reading, (values, time_s, number, time_text))

    def _count_header(self, text: str) -> None:
        self.counts.headers += 1
        if len(self._headers) < _MAX_HEADERS:
            self._headers.add(text.strip())

    def _skip(self, number: int, reason: str, text: str) -> list[Reading]:
        self._count(self.counts.skipped, reason, number, text)
        return []

    def _count(self, counts: dict[str, int], reason: str, number: int, text: str) -> None:
        counts[reason] = counts.get(reason, 0) + 1
        self.counts.examples.setdefault(reason, (number, text[:_SHOWN_CHARACTERS]))


def _decoded(line: str | bytes) -> str:
    """Return the text of a line; bytes that are no UTF-8 are Latin-1, where every byte is a character."""
    if isinstance(line, str):
        return line
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")
