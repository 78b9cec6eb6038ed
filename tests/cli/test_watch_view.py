"""The rows that `typeahead watch` draws, and what it remembers to draw them: of any series, at any size."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typeahead.cli.listen_view import Look, Piece
from typeahead.cli.watch_chart import chart, sparkline
from typeahead.cli.watch_report import one_in, short_number
from typeahead.cli.watch_traces import Extremes, Point, Traces
from typeahead.cli.watch_view import Moment, Shown, rows
from typeahead.sensor.anomaly import Alarm, Forecast
from typeahead.sensor.readings import Reading
from typeahead.shell.prompt import width

NUMBERS = st.floats(width=64)
POINTS = st.lists(st.builds(Point, NUMBERS, NUMBERS, NUMBERS), max_size=40)
CALM = [Point(math.sin(t / 7), -2.0, 2.0) for t in range(60)]


class Prophet:
    """What expects of each series its number, give or take one."""

    def __init__(self) -> None:
        self.asked = 0
        self.scores = (0.0, 0.1)

    def forecast(self, series: int = 0, time_s: float | None = None) -> Forecast:
        self.asked += 1
        return Forecast(float(series), series - 1.0, series + 1.0)


def reading(line: int, *values: float, time_s: float | None = None) -> Reading:
    return Reading(values, time_s, line, None)


def alarm(series: str, seen: float) -> Alarm:
    return Alarm(0, None, 0.6, series, seen, 0.0, -1.0, 1.0, 1e-6, "")


def text(pieces: list[Piece]) -> str:
    return "".join(part for _, part in pieces)


def shown(name: str, points: list[Point] = CALM, **fields: Any) -> Shown:
    return Shown(name, points, **{"low": -2.0, "high": 2.0, **fields})


def drawn(moment: Moment, columns: int = 80, lines: int = 24, unicode: bool = True) -> list[str]:
    return rows(moment, Look(columns, colours=False, unicode=unicode), lines)


# Curves


def test_a_sparkline_rises_with_the_values_and_marks_what_is_outside_of_its_band() -> None:
    points = [Point(float(value), -1.0, 7.5) for value in range(8)] + [Point(9.0, -1.0, 7.5), Point(-2.0, -1.0, 7.5)]
    line = text(sparkline(points, 12))
    assert line[:2] == "  "
    assert list(line[2:10]) == sorted(line[2:10])
    assert line[2] < line[9]
    assert line[10:] == "▲▼"
    assert text(sparkline(points, 12, unicode=False))[-2:] == "^v"


def test_a_chart_has_its_line_in_the_row_of_the_value_and_the_band_around_it() -> None:
    points = [Point(5.0, 3.5, 6.5)] * 4 + [Point(9.5, 3.5, 6.5), Point(0.0, 3.5, 6.5)]
    assert [text(row) for row in chart(points, 8, 5)] == [
        "      ╭╮",
        "  ░░░░││",
        "  ────╯│",
        "  ░░░░░│",
        "       ╰",
    ]


@given(POINTS, st.integers(0, 60), st.integers(0, 12), st.booleans())
def test_curves_of_anything_have_the_size_that_is_asked_for(
    points: list[Point], columns: int, height: int, unicode: bool
) -> None:
    assert width(text(sparkline(points, columns, unicode))) == columns
    found = chart(points, columns, height, unicode)
    assert len(found) == (height if columns else 0)
    assert all(width(text(row)) == columns for row in found)
    if not unicode:
        assert all(text(row).isascii() for row in found)


def test_a_band_far_wider_than_the_values_does_not_flatten_them() -> None:
    wide = [Point(math.sin(t / 7), -1e6, 1e6) for t in range(60)]
    assert len(set(text(sparkline(wide, 60)))) > 2


# Rows


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.text(max_size=20), POINTS, NUMBERS, NUMBERS), max_size=4),
    st.integers(1, 130),
    st.integers(1, 40),
    st.sampled_from(["learning", "calm", "alarm"]),
    st.booleans(),
)
def test_rows_fit_any_terminal_and_hold_nothing_that_drives_it(
    series: list[tuple[str, list[Point], float, float]], columns: int, lines: int, state: str, unicode: bool
) -> None:
    all_shown = tuple(Shown(name, points, low, high) for name, points, low, high in series)
    found = drawn(
        Moment(state, "12:00:00", 0.5, all_shown, 12345, 1.5, 3, 2, "x.csv", "q: leave"), columns, lines, unicode
    )
    assert 1 <= len(found) <= max(1, lines - 2)
    assert all(width(row) <= columns - 1 for row in found)
    assert all(row.isprintable() for row in found)


@pytest.mark.parametrize(("columns", "lines"), [(100, 30), (80, 24), (40, 10)])
def test_as_many_series_as_fit_are_shown_the_oddest_ones_first(columns: int, lines: int) -> None:
    series = tuple(shown(f"s{number:02}", oddness=float(number)) for number in range(60))
    found = [
        match[0] for row in drawn(Moment("calm", series=series), columns, lines) if (match := re.match(r"s\d\d", row))
    ]
    assert found == [f"s{number:02}" for number in range(59, 59 - len(found), -1)]
    assert len(found) >= lines // 3
    (rest,) = [row for row in drawn(Moment("calm", series=series), columns, lines) if "more series" in row]
    assert rest == f"{60 - len(found)} more series"


def test_few_series_keep_their_order_and_get_charts() -> None:
    series = (shown("first"), shown("second", oddness=9.0))
    found = drawn(Moment("calm", series=series))
    assert [row.split()[0] for row in found if re.match("first|second", row)] == ["first", "second"]
    assert any("expects -2 to 2" in row for row in found)
    assert any("╭" in row for row in found)
    assert any("░" in row for row in found)


def test_the_state_is_told_first() -> None:
    assert drawn(Moment("learning"))[0].startswith("learning  score 0.00")
    assert drawn(Moment("alarm", since="12:00:00", alarms=2))[0].startswith(
        "ALARM since 12:00:00  score 0.00  2 alarms"
    )
    assert "3 lines skipped" in drawn(Moment("calm", skipped=3, per_s=12.3))[1]


# Numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.034, "0.034"),
        (99.5, "99.5"),
        (123.45, "123.5"),
        (23475936, "23.48M"),
        (12345, "12345"),
        (999_999.9, "1M"),
        (-2e9, "-2G"),
        (1e300, "1e+300"),
        (math.nan, ""),
        (math.inf, "inf"),
    ],
)
def test_a_number_takes_few_columns(value: float, text: str) -> None:
    assert short_number(value) == text


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (1 / 12_345, "one in 12,000"),
        (0.001, "one in 1,000"),
        (0.5, "one in 2"),
        (1.0, "one in 1"),
        (1e-10, "less than one in 10,000,000,000"),
        (0.0, "less than one in 10,000,000,000"),
    ],
)
def test_a_probability_is_told_as_how_often(probability: float, text: str) -> None:
    assert one_in(probability) == text


# What is remembered


def test_moments_are_as_far_apart_as_they_take_and_an_alarm_is_always_among_them() -> None:
    traces, prophet = Traces(["a", "b"]), Prophet()
    assert traces.is_due(0.0)
    traces.add(reading(1, 0.0, 1.5), prophet)
    traces.added(0.0, 0.001)  # of forecasts: the next ones in five
    assert not traces.is_due(0.004)
    assert traces.is_due(0.0051)
    traces.mark(alarm("b", 9.0))
    assert [point.value for point in traces.traces[1].points] == [1.5, 9.0]
    assert traces.traces[1].oddness > traces.traces[0].oddness
    for line in range(1000):
        traces.add(reading(line, 0.0, math.nan), prophet)
    assert len(traces.traces[0].points) == 300


def test_extremes_keep_every_peak_and_alarm_in_bounded_buckets_with_few_forecasts() -> None:
    extremes, prophet = Extremes(["a", "b"], max_buckets=8), Prophet()
    for line in range(1000):
        extremes.add(reading(line, 500.0 if line == 333 else 0.0, math.nan, time_s=60.0 * line), prophet)
        if line == 333:
            extremes.mark(alarm("a", 500.0))
    starts = [start for start, _ in extremes.starts]
    assert len(starts) <= 8
    assert starts == list(range(0, 1000, starts[1]))
    assert [time_s for _, time_s in extremes.starts] == [60.0 * start for start in starts]
    at = 333 // starts[1]
    assert [bucket.high for bucket in extremes.series[0]] == [500.0 if i == at else 0.0 for i in range(len(starts))]
    assert [bucket.alarms for bucket in extremes.series[0]] == [int(i == at) for i in range(len(starts))]
    assert all(bucket.low > bucket.high for bucket in extremes.series[1])  # nothing has come
    assert {(bucket.band_low, bucket.band_high) for bucket in extremes.series[1]} == {(0.0, 2.0)}
    assert prophet.asked < 200
