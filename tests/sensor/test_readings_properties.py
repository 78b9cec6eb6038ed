"""What holds for any line whatever."""

from __future__ import annotations

import json
import math
from datetime import UTC

from hypothesis import given
from hypothesis import strategies as st

from typeahead.errors import SensorError
from typeahead.sensor.following import LineCutter
from typeahead.sensor.formats import MAX_LINE_BYTES, field, leaves
from typeahead.sensor.readings import Parser, Reading, Selection

CELLS = st.one_of(
    st.floats().map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(
        ["", "-", "NaN", "inf", "1e400", "x", "#", '"', '"a,b"', "1,5", "12 ms", "45%", "\0", "\ufeff1", "é"]
    ),
    st.sampled_from(["2014-04-01 00:00:00", "2014-04-01", "00:00:01", "1396310400", "AM", "time", "value", "a=1", "{"]),
    st.text(max_size=5),
)
ROWS = st.builds(
    lambda cells, mark: mark.join(cells), st.lists(CELLS, max_size=5), st.sampled_from([",", ";", "\t", " "])
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
LINES = st.one_of(
    ROWS.map(lambda row: row.encode("utf-8", "surrogatepass")),
    st.binary(max_size=30),
    st.dictionaries(st.text(max_size=3), JSON, max_size=3).map(lambda row: json.dumps(row).encode()),
)
SELECTIONS = st.sampled_from(
    [Selection(), Selection(columns=("-1", "1"), format="csv"), Selection(time="1", format="columns")]
    + [Selection(format=name) for name in ("columns", "csv", "tsv", "json", "pairs")]
)


class CarefulParser(Parser):
    """The plain twin: every line goes the way that knows all of them."""

    def push(self, line: str | bytes) -> list[Reading]:
        self.counts.lines += 1
        return self._push_carefully(self.counts.lines, line)


def outcome(parser: Parser, lines: list[bytes]) -> tuple[object, ...]:
    readings = list(parser.read(lines))
    # nan is not equal to itself, but its text is
    return parser.names, repr(readings), parser.counts


@given(SELECTIONS, st.lists(LINES, max_size=12))
def test_no_line_raises_and_each_is_exactly_one_of_reading_header_blank_comment_and_skipped(selection, lines):
    parser = Parser(selection)
    readings = list(parser.read(lines))
    counts = parser.counts
    assert counts.lines == len(lines)
    assert counts.readings == len(readings)
    assert len(lines) == (
        counts.readings + counts.headers + counts.blank + counts.comments + sum(counts.skipped.values())
    )
    assert [reading.line for reading in readings] == sorted({reading.line for reading in readings})
    for reading in readings:
        assert len(reading.values) == len(parser.names) > 0
        assert not any(map(math.isinf, reading.values))
        assert reading.time_s is None or math.isfinite(reading.time_s)
    missing = sum(math.isnan(value) for reading in readings for value in reading.values)
    assert sum(counts.missing.values()) == missing
    reasons = {**counts.skipped, **counts.missing, **counts.odd_times}
    assert counts.examples.keys() == reasons.keys()
    assert len(counts.complaints()) >= len(reasons)


@given(st.builds(Selection, st.lists(CELLS, max_size=2).map(tuple), st.none() | CELLS), st.lists(LINES, max_size=12))
def test_whatever_is_asked_for_is_there_or_is_one_clear_error(selection, lines):
    error = ""
    try:
        readings = list(Parser(selection).read(lines))
    except SensorError as raised:
        readings, error = [], str(raised)
    assert all(reading.values for reading in readings)
    assert not error or "; there are " in error


@given(SELECTIONS, st.lists(LINES, max_size=12))
def test_the_quick_way_gives_what_the_careful_one_does(selection, lines):
    assert outcome(Parser(selection), lines) == outcome(CarefulParser(selection), lines)


@given(
    st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3), min_size=2),
    st.sampled_from([",", ";", "\t", " "]),
)
def test_printed_numbers_come_back_as_they_were(rows, mark):
    readings = list(Parser().read([mark.join(map(repr, row)) for row in rows]))
    assert [list(reading.values) for reading in readings] == rows


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b"]), st.floats(allow_infinity=False), min_size=2), min_size=1))
def test_numbers_in_json_come_back_as_they_were(rows):
    readings = list(Parser(Selection(fields=("a", "b"))).read(map(json.dumps, rows)))
    assert repr([dict(zip("ab", reading.values, strict=True)) for reading in readings]) == repr(
        [{"a": row["a"], "b": row["b"]} for row in rows]
    )


@given(st.dictionaries(st.text(".ab", max_size=3), JSON, max_size=3))
def test_every_leaf_of_json_is_found_by_its_own_path(row):
    assert all(field(row, path) is not None for path, _ in leaves(row))


@given(st.datetimes(timezones=st.none() | st.timezones()), st.sampled_from(" T"))
def test_a_printed_time_comes_back_as_it_was(moment, between):
    text = moment.isoformat(between)
    ((_, time_s, _, _),) = Parser().read(["time,value", f"{text},1"])
    expected = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    assert time_s == expected.timestamp()


@given(st.binary(), st.data())
def test_cutting_the_input_into_chunks_anywhere_changes_nothing(content, data):
    cutter, found, rest = LineCutter(), [], content
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        found += cutter.push(rest[:size])
        rest = rest[size:]
    found += cutter.finish()
    expected = content.split(b"\n")
    assert found == (expected if expected[-1] else expected[:-1])


@given(st.lists(st.sampled_from([b"x" * (MAX_LINE_BYTES // 3), b"y\n", b"\n", b"z"]), max_size=12))
def test_a_line_is_kept_up_to_one_byte_more_than_a_reading_may_have(chunks):
    cutter = LineCutter()
    found = [line for chunk in chunks for line in cutter.push(chunk)] + cutter.finish()
    whole = b"".join(chunks).split(b"\n")
    assert found == [line[: MAX_LINE_BYTES + 1] for line in (whole if whole[-1] else whole[:-1])]
