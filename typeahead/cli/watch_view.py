"""What `typeahead watch` shows on a terminal below its alarms: how it stands, and each series with its forecast band.

`rows` makes it, a pure function of what is to be shown; `listen_view.Screen` puts it on the terminal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from typeahead.cli.listen_view import Look, Piece
from typeahead.cli.watch_chart import chart, sparkline
from typeahead.cli.watch_report import counted, harmless, number, short_number
from typeahead.cli.watch_traces import Point
from typeahead.shell.ghost import cut
from typeahead.shell.prompt import width

_STYLES = {"green": "\x1b[32m", "red": "\x1b[31m", "alarm": "\x1b[1;31m", "dim": "\x1b[2m", "bold": "\x1b[1m"}
_RESET = "\x1b[0m"
_WIDEST_NAME, _WIDEST_LABEL = 16, 26
_TALLEST = 14  # rows of one chart
_LOWEST_CHART = 3  # rows; below that a series is a single row
_NARROWEST_SPARKLINE = 5
_VALUE_COLUMNS, _RANGE_COLUMNS = 8, 19
_WIDE = 60  # columns from which on there is room for the expected range in the row of a series


@dataclass(frozen=True)
class Shown:
    """One series: the last moments of it, the newest last, and what is expected next."""

    name: str
    points: Sequence[Point]
    low: float = math.nan
    high: float = math.nan
    score: float = 0.0
    oddness: float = 0.0  # the score lately, which decides about places

    @property
    def value(self) -> float:
        """The present value."""
        return self.points[-1].value if self.points else math.nan


@dataclass(frozen=True)
class Moment:
    """What there is to show."""

    state: str  # "learning", "calm", "alarm"
    since: str = ""  # when the alarm began
    score: float = 0.0
    series: tuple[Shown, ...] = ()
    readings: int = 0
    per_s: float | None = None
    skipped: int = 0  # lines
    alarms: int = 0
    source: str = ""
    hint: str = ""


def rows(moment: Moment, look: Look, lines: int) -> list[str]:
    """Return the rows, none wider than the terminal less one column, and no more than leave room for alarms above.

    Parameters
    ----------
    moment : Moment
    look : Look
    lines : int
        Of the terminal.
    """
    # One line stays free for the cursor, a fifth and more for alarms.
    room = max(1, lines - 1 - min(6, max(1, lines // 5)))
    found = [_state(moment, look)]
    left = room - 1 - (room >= 3)
    if room >= 3:
        is_flat = min(_TALLEST, left // max(1, len(moment.series))) < _LOWEST_CHART
        found.append(_figures(moment, look, has_columns=is_flat and bool(moment.series) and look.columns >= _WIDE))
    num_hidden = max(0, len(moment.series) - left)
    if num_hidden and left >= 2:
        left, num_hidden = left - 1, num_hidden + 1
    found += _series(moment.series, look, left)
    if num_hidden and room - len(found) >= 1 and len(moment.series) > 1:
        found.append([("dim", f"{num_hidden} more series")])
    return [_painted(row, look) for row in found[:room]]


def _state(moment: Moment, look: Look) -> list[Piece]:
    if moment.state == "alarm":
        first: Piece = ("alarm", f"ALARM since {moment.since}" if moment.since else "ALARM")
    else:
        first = ("green" if moment.state == "calm" else "bold", moment.state)
    score = f"score {moment.score:.2f}"
    alarms = counted(moment.alarms, "alarm")
    parts = [score, alarms, harmless(moment.source)]
    while len(parts) > 1 and len(first[1]) + 2 + width("  ".join(parts)) > look.columns - 1:
        parts.pop()
    return [first, ("", "  " + "  ".join(part for part in parts if part))]


def _figures(moment: Moment, look: Look, has_columns: bool) -> list[Piece]:
    """Return the small print, with titles of the two columns below it; what does not fit is left out from the end."""
    titles = f" {'now':>{_VALUE_COLUMNS}}  {'expected':<{_RANGE_COLUMNS}} score" if has_columns else ""
    room = look.columns - 1 - len(titles)
    parts = [counted(moment.readings, "reading")]
    if moment.per_s is not None:
        parts.append(f"{moment.per_s:,.0f}/s" if moment.per_s >= 100 else f"{moment.per_s:.2g}/s")
    if moment.skipped:
        parts.append(f"{counted(moment.skipped, 'line')} skipped")
    if moment.hint:
        parts.append(moment.hint)
    while len(parts) > 1 and len("  ".join(parts)) > room:
        parts.pop()
    return [("dim", f"{'  '.join(parts):<{room}}{titles}")]


def _series(series: Sequence[Shown], look: Look, room: int) -> list[list[Piece]]:
    """Return the rows of the series: all in their order where there is room, else the oddest ones first."""
    if not series or room < 1:
        return []
    if len(series) > room:
        series = sorted(series, key=lambda each: -each.oddness)[:room]
    height = min(_TALLEST, room // len(series))
    if height >= _LOWEST_CHART and look.columns >= 30:
        return [row for each in series for row in _tall(each, look, height)]
    columns = min(_WIDEST_NAME, max(width(harmless(each.name)) for each in series))
    if look.columns < _WIDE:
        columns = min(columns, 8)
    return [_flat(each, look, columns) for each in series]


def _flat(shown: Shown, look: Look, name_columns: int) -> list[Piece]:
    """Return a series as one row: name, sparkline, present value, the range expected next."""
    style = _style(shown)
    name = _padded(harmless(shown.name), name_columns, look)
    value = f" {short_number(shown.value):>{_VALUE_COLUMNS}}"
    span = f"  {_padded(_range(shown), _RANGE_COLUMNS, look)} {shown.score:5.2f}" if look.columns >= _WIDE else ""
    room = look.columns - 1 - name_columns - 1 - len(value) - len(span)
    line = sparkline(shown.points, room, look.unicode) if room >= _NARROWEST_SPARKLINE else []
    return [(style, name + " "), *line, (style, value), ("dim", span)]


def _tall(shown: Shown, look: Look, height: int) -> list[list[Piece]]:
    """Return a series as a chart of some rows, with name, present value and expected range beside it."""
    label_columns = _WIDEST_LABEL if look.columns >= _WIDE else 12
    style = _style(shown)
    value = short_number(shown.value)
    span = f"  {_range(shown)}" if look.columns < _WIDE else f"  expects {_range(shown) or 'nothing yet'}"
    labels = [
        (style, harmless(shown.name)),
        (style, f"  {value}"),
        ("dim", span),
        ("dim", f"  score {shown.score:.2f}"),
    ]
    drawn = chart(shown.points, look.columns - 1 - label_columns, height - (height > _LOWEST_CHART), look.unicode)
    found = []
    for at in range(height):
        label_style, text = labels[at] if at < len(labels) else ("", "")
        line = drawn[at] if at < len(drawn) else []
        found.append([(label_style, _padded(text, label_columns, look)), *line])
    return found


def _style(shown: Shown) -> str:
    return "red" if shown.points and shown.points[-1].is_outside else ""


def _range(shown: Shown) -> str:
    if not shown.low <= shown.high:
        return ""
    low, high = (
        short_number(value) if abs(value) >= 1e6 else number(value, shown.high - shown.low)
        for value in (shown.low, shown.high)
    )
    return f"{low} to {high}" if low != high else low


def _padded(text: str, columns: int, look: Look) -> str:
    text = cut(text, columns, look.ellipsis)
    return text + " " * (columns - width(text))


def _painted(row: list[Piece], look: Look) -> str:
    """Return a row as the terminal takes it, cut to its width."""
    left, found = look.columns - 1, []
    for style, text in row:
        text = cut(text, left, look.ellipsis) if width(text) > left else text
        left -= width(text)
        start = _STYLES.get(style, "") if look.colours else ""
        found.append(f"{start}{text}{_RESET}" if start and text else text)
    return "".join(found).rstrip()
