"""Curves in characters: one row with eight levels, or several rows with a line over its forecast band."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from typeahead.cli.listen_view import Piece
from typeahead.cli.watch_traces import Point

_LEVELS, _ASCII_LEVELS = "▁▂▃▄▅▆▇█", "_.-~=+*#"
_ABOVE, _BELOW = ("▲", "▼"), ("^", "v")
_BAND, _ASCII_BAND = "░", ":"
_LARGEST_MARGIN = 0.5  # of the band, beyond the values and in units of their span: a wide band must not flatten them

_Cell = tuple[str, str]  # style, character


def sparkline(points: Sequence[Point], columns: int, unicode: bool = True) -> list[Piece]:
    """Return the last points as one row, a character each.

    Inside of its band a value is a level between the smallest and largest of what is shown; outside, an arrow.
    """
    points = list(points)[-columns:] if columns > 0 else []
    low, high = _extent(points)
    levels, above, below = (_LEVELS, *_ABOVE) if unicode else (_ASCII_LEVELS, *_BELOW)
    cells: list[_Cell] = []
    for point in points:
        if not math.isfinite(point.value):
            cells.append(("", " "))
        elif point.is_outside:
            cells.append(("red", above if point.value > point.high else below))
        else:
            cells.append(("green", levels[_row(point.value, low, high, len(levels))]))
    return _pieces([("", " ")] * (columns - len(points)) + cells)


def chart(points: Sequence[Point], columns: int, height: int, unicode: bool = True) -> list[list[Piece]]:
    """Return the last points as rows, from the top: a line, and behind it the band in which each was expected."""
    if columns < 1 or height < 1:
        return []
    points = list(points)[-columns:]
    low, high = _scale(points)
    grid: list[list[_Cell]] = [[("", " ")] * columns for _ in range(height)]  # from the bottom
    before: int | None = None
    for column, point in enumerate(points, columns - len(points)):
        if point.low <= point.high:
            for row in range(_row(point.low, low, high, height), _row(point.high, low, high, height) + 1):
                grid[row][column] = ("dim", _BAND if unicode else _ASCII_BAND)
        if not math.isfinite(point.value):
            before = None
            continue
        row = _row(point.value, low, high, height)
        for at, character in _stroke(row if before is None else before, row, unicode):
            grid[at][column] = ("red" if point.is_outside else "green", character)
        before = row
    return [_pieces(cells) for cells in reversed(grid)]


def _extent(points: Sequence[Point]) -> tuple[float, float]:
    """Return the smallest and the largest value."""
    values = [point.value for point in points if math.isfinite(point.value)]
    return (min(values), max(values)) if values else (0.0, 0.0)


def _scale(points: Sequence[Point]) -> tuple[float, float]:
    """Return what the bottom and the top stand for: all values, and of the bands what does not flatten them."""
    low, high = _extent(points)
    bands = [(point.low, point.high) for point in points if point.low <= point.high]
    if not bands:
        return low, high
    lowest, highest = min(band[0] for band in bands), max(band[1] for band in bands)
    if low == high:  # a constant: all of its band
        return min(low, lowest), max(high, highest)
    margin = (high - low) * _LARGEST_MARGIN
    return min(low, max(lowest, low - margin)), max(high, min(highest, high + margin))


def _row(value: float, low: float, high: float, height: int) -> int:
    """Return the row of a value, from the bottom; the middle one where all are equal."""
    span = high - low
    if not (span > 0 and math.isfinite(span)):
        return (height - 1) // 2
    share = (min(high, max(low, value)) - low) / span
    return min(height - 1, int(share * height))


def _stroke(before: int, row: int, unicode: bool) -> list[tuple[int, str]]:
    """Return rows and characters of a line's way from one row to another."""
    if before == row:
        return [(row, "─" if unicode else "-")]
    between = [(at, "│" if unicode else "|") for at in range(min(before, row) + 1, max(before, row))]
    if not unicode:
        return [(before, "+"), *between, (row, "+")]
    ends = ("╯", "╭") if row > before else ("╮", "╰")
    return [(before, ends[0]), *between, (row, ends[1])]


def _pieces(cells: list[_Cell]) -> list[Piece]:
    """Return cells as runs of one style."""
    return [
        (style, "".join(character for _, character in run)) for style, run in groupby(cells, key=lambda cell: cell[0])
    ]
