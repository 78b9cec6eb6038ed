"""Every kind of bad line: what becomes of it, and of the lines around it."""

from __future__ import annotations

import math

import pytest

from typeahead.sensor.formats import MAX_LINE_BYTES
from typeahead.sensor.readings import Parser, Reading, Selection

GOOD = [b"a,b,c", b"1,2,3", b"4,5,6"]


def with_line(line: bytes, **selection: object) -> tuple[Parser, list[Reading]]:
    """Put the line among good ones, the last of which must still be read."""
    parser = Parser(Selection(**selection))
    readings = list(parser.read([*GOOD, line, b"7,8,9"]))
    counts = parser.counts
    assert readings[-1].line == 5
    assert counts.lines == 5
    assert counts.readings + counts.headers + counts.blank + counts.comments + sum(counts.skipped.values()) == 5
    return parser, readings


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"rubbish", "too few columns"),
        (b"x,y,z", "no numbers"),
        (b"10,11", "too few columns"),
        (b"10,11,12,13", "too many columns"),
        (b"10,\x00,12", "NUL bytes (binary, or UTF-16: convert it with iconv)"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "NUL bytes (binary, or UTF-16: convert it with iconv)"),
        (bytes(range(128, 256)), "too few columns"),
        (b"\xff\xfe,\xc3\x28,\xa0\xa1", "no numbers"),
        (b'10,"11,12', "broken quotes"),
        (b"1" * (MAX_LINE_BYTES + 1), "longer than 1 MB"),
        (b"-,x,", "no numbers"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_line_is_skipped_and_counted(line, reason):
    parser, readings = with_line(line)
    assert parser.counts.skipped == {reason: 1}
    assert len(readings) == 3
    number, shown = parser.counts.examples[reason]
    assert number == 4
    assert len(shown) <= 60
    assert parser.counts.complaints() == [f"1 line skipped: {reason}; first in line 4: {shown!r}"]


@pytest.mark.parametrize("text", ["", "-", "NaN", "nan", "null", "N/A", "NA", "none", "?", " "])
def test_a_missing_value_is_nan_and_no_bad_line(text):
    parser, readings = with_line(f"10,{text},12".encode())
    assert readings[2].values[0::2] == (10.0, 12.0)
    assert math.isnan(readings[2].values[1])
    assert parser.counts.missing == {"no value": 1}
    assert parser.counts.skipped == {}


@pytest.mark.parametrize("text", ["inf", "-Infinity", "1e400", "-1e400", "9" * 400])
def test_an_infinite_or_too_large_value_is_missing_for_that_reason(text):
    parser, readings = with_line(f"10,{text},12".encode())
    assert math.isnan(readings[2].values[1])
    assert parser.counts.missing == {"infinite or above 1.8e308": 1}


def test_huge_values_are_exact_also_where_their_sum_is_infinite():
    _, readings = with_line(b"1.7e308,1.7e308,-1.7e308")
    assert readings[2].values == (1.7e308, 1.7e308, -1.7e308)


def test_a_word_among_numbers_is_one_missing_value():
    parser, readings = with_line(b"10,oops,12")
    assert math.isnan(readings[2].values[1])
    assert parser.counts.missing == {"not a number": 1}


def test_a_row_of_missing_values_is_a_gap():
    _, readings = with_line(b"-,NaN,")
    assert all(math.isnan(value) for value in readings[2].values)


def test_only_the_chosen_columns_can_make_a_line_bad():
    parser, readings = with_line(b"10,oops,12", columns=("c",))
    assert readings[2].values == (12.0,)
    assert parser.counts.skipped == parser.counts.missing == {}


@pytest.mark.parametrize("line", [b"", b"   \t ", b"\r\n", b"\xef\xbb\xbf"])
def test_a_blank_line_is_no_bad_one(line):
    assert with_line(line)[0].counts.blank == 1


@pytest.mark.parametrize("line", [b"# 10,11,12", b"  #", b'#"'])
def test_a_comment_is_no_bad_line(line):
    assert with_line(line)[0].counts.comments == 1


@pytest.mark.parametrize(
    "line", [b"10,11,12\r", b"10,11,12\r\n", b"\xef\xbb\xbf10,11,12", b" 10 , 11 , 12 ", b"10,11,12,"]
)
def test_ends_marks_and_blanks_around_numbers_do_not_matter(line):
    assert with_line(line)[1][2].values == (10.0, 11.0, 12.0)


def test_a_byte_order_mark_is_no_part_of_the_first_name():
    parser = Parser(Selection(columns=("a",)))
    assert len(list(parser.read([b"\xef\xbb\xbfa;b\r\n", b"1;2\r\n"]))) == 1
    assert parser.names == ("a",)


def test_bytes_that_are_no_utf_8_do_not_cost_the_numbers_beside_them():
    parser = Parser()
    readings = list(parser.read(["Temp\xe9rature;b".encode("latin-1"), "20.5\xb0C;2".encode("latin-1")]))
    assert parser.names == ("Temp\xe9rature", "b")
    assert readings[0].values == (20.5, 2.0)


@pytest.mark.parametrize(
    "line", [b"{", b'{"a": }', b"[1, 2]", b'"a"', b"{" * 100_000, b'{"a":' * 100_000, b'{"a": 1', b"12", b"\xff"]
)
def test_a_line_that_is_no_json_object_is_skipped(line):
    parser = Parser(Selection(fields=("a",)))
    readings = list(parser.read([b'{"a": 1}', line, b'{"a": 2}']))
    assert [reading.values for reading in readings] == [(1.0,), (2.0,)]
    assert parser.counts.skipped == {"no JSON object": 1}


@pytest.mark.parametrize("value", ["null", '""', "NaN", '"N/A"', "Infinity", "1e999", "9" * 5000, "{}", "[]", '"x"'])
def test_a_json_value_that_is_no_number_is_missing_beside_one_that_is(value):
    parser = Parser(Selection(fields=("a", "b")))
    readings = list(parser.read([b'{"a": 1, "b": 1}', f'{{"a": {value}, "b": 2}}'.encode()]))
    assert math.isnan(readings[1].values[0])
    assert readings[1].values[1] == 2.0
    assert sum(parser.counts.missing.values()) == 1


def test_a_json_line_without_the_field_is_skipped_and_without_one_of_two_has_a_gap():
    parser = Parser(Selection(fields=("a", "b")))
    readings = list(parser.read(['{"a": 1, "b": 2}', '{"c": 3}', '{"b": 4}']))
    assert math.isnan(readings[1].values[0])
    assert readings[1].values[1] == 4.0
    assert parser.counts.skipped == {"none of the fields": 1}


def test_lines_that_never_look_alike_do_not_hold_the_readings_back_for_ever():
    parser = Parser()
    readings = list(parser.read([" ".join("1" * (1 + i % 7)) for i in range(100)]))
    assert len(readings) > 5


def test_text_without_numbers_is_counted_and_not_kept():
    parser = Parser()
    assert list(parser.read([b"so much text"] * 1000)) == []
    assert parser.counts.skipped == {"no numbers": 1000}
    assert parser.names == ()
