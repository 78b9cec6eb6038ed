"""Up and Down through past lines, without a terminal; how found lines are drawn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead.shell.matches import FOUND, Looks, age, columns_of, duration, facts, preview, row, visible
from typeahead.shell.runs import Match, read_matches
from typeahead.shell.walk import Walk

PAST = ["git push", "make", "git commit", "git add .", "make test"]


def walk() -> Walk:
    return Walk(lambda: PAST)


def test_an_empty_line_walks_through_all_lines_and_back_to_nothing() -> None:
    way = walk()
    shown = ""
    for wanted in PAST:
        assert way.back(shown, len(shown)) == wanted
        shown = wanted
    assert way.back(shown, len(shown)) is None
    for wanted in reversed(PAST[:-1]):
        assert way.forth(shown) == (wanted, len(wanted))
        shown = wanted
    assert way.forth(shown) == ("", 0)
    assert way.forth("") is None


def test_typed_text_walks_through_lines_that_begin_with_what_is_before_the_cursor() -> None:
    way = walk()
    assert way.back("git xyz", 4) == "git push"
    assert way.back("git push", 8) == "git commit"
    assert way.back("git commit", 3) == "git add ."
    assert way.back("git add .", 9) is None
    assert way.begun("git add .") == ("git xyz", 4)


def test_a_line_as_it_stands_on_the_prompt_is_passed_over() -> None:
    assert walk().back("make", 4) == "make test"


def test_an_edit_begins_another_walk() -> None:
    way = walk()
    assert way.back("git", 3) == "git push"
    assert way.back("ma", 2) == "make"
    assert way.forth("make") == ("ma", 2)


def test_another_place_of_the_cursor_begins_another_walk() -> None:
    way = walk()
    assert way.back("gitter", 6) is None
    assert way.back("gitter", 3) == "git push"


def test_older_lines_are_added_to_the_walk_they_are_for_and_each_once() -> None:
    way = walk()
    assert not way.extend("", ["nobody walks"])
    assert way.oldest("git", 3) == "git add ."
    assert not way.extend("g", ["go"])
    assert way.extend("git", ["git push", "git init", "make", "git init"])
    assert way.back("git add .", 9) == "git init"
    assert way.back("git init", 8) is None


def test_another_line_begins_at_the_newest_again() -> None:
    way = walk()
    way.back("", 0)
    way.end()
    assert way.back("git push", 8) is None
    assert way.back("", 0) == "git push"


@given(st.lists(st.text(alphabet="ab", max_size=3), unique=True), st.text(alphabet="ab", max_size=3), st.integers(0, 3))
def test_down_goes_the_way_that_up_has_come(past: list[str], typed: str, cursor: int) -> None:
    way, cursor = Walk(lambda: past), min(cursor, len(typed))
    seen = [typed]
    while (line := way.back(seen[-1], len(seen[-1]) if len(seen) > 1 else cursor)) is not None:
        seen.append(line)
    assert seen[1:] == [line for line in past if line.startswith(typed[:cursor]) and line != typed]
    while len(seen) > 1:
        back = way.forth(seen.pop())
        assert back == ((typed, cursor) if len(seen) == 1 else (seen[-1], len(seen[-1])))


# Drawing


@given(st.text(max_size=60), st.sets(st.integers(0, 59)), st.integers(4, 40), st.booleans())
def test_a_row_fits_and_can_be_printed(text: str, places: set[int], columns: int, unicode: bool) -> None:
    places = {place for place in places if place < len(text)}
    fragments = row(text, places, columns, Looks(columns, unicode))
    assert columns_of(fragments) <= columns
    assert not any(
        ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for _, part in fragments for character in part
    )


def test_a_row_shows_what_was_found_also_far_behind() -> None:
    fragments = row("x" * 100 + "found" + "y" * 100, set(range(100, 105)), 20, Looks(20, True))
    assert (FOUND, "found") in fragments
    assert fragments[0][1][0] == fragments[-1][1][-1] == "…"


@given(st.text(max_size=80), st.integers(1, 5), st.integers(4, 30))
def test_a_preview_fits_and_keeps_line_breaks(text: str, num_rows: int, columns: int) -> None:
    rows = preview(text, set(), num_rows, Looks(columns, True))
    assert len(rows) <= num_rows
    for fragments in rows:
        assert columns_of(fragments) <= columns
        assert not any(ord(character) < 0x20 for _, part in fragments for character in part)


def test_a_preview_of_a_loop_has_its_rows() -> None:
    rows = preview("for i in 1\ndo\n  echo $i\ndone", set(), 4, Looks(40, True))
    assert ["".join(part for _, part in one) for one in rows] == ["for i in 1", "do", "  echo $i", "done"]


@pytest.mark.parametrize(
    ("character", "wanted"),
    [("\x1b", "^["), ("\x7f", "^?"), ("\x9b", "\\x9b"), ("\u202e", "\\u202e"), ("\udcff", "\\xff"), ("é", "é")],
)
def test_control_characters_are_shown_by_name(character: str, wanted: str) -> None:
    assert visible(character) == wanted


def test_facts_tell_where_how_and_when_as_far_as_they_fit() -> None:
    match = Match("make", 2, "/srv/www", 1.7e9, 75.0, 3)
    told = "".join(text for _, text in facts(match, 1.7e9 + 7200, Looks(80, False)))
    assert told == "/srv/www | failed: 2 | 2h ago | took 1m 15s | 3 runs"
    assert columns_of(facts(match, 1.7e9 + 7200, Looks(20, False))) <= 20


def test_of_a_line_from_a_file_without_times_no_age_is_told() -> None:
    assert facts(Match("make", None, None, 17.0, None, 1), 1.7e9, Looks(80, True)) == []


@pytest.mark.parametrize(("seconds", "wanted"), [(-3, "0s"), (59, "59s"), (60, "1m"), (90000, "1d"), (4e7, "1y")])
def test_an_age_is_told_in_its_largest_unit(seconds: float, wanted: str) -> None:
    assert age(seconds) == wanted


@pytest.mark.parametrize(("seconds", "wanted"), [(0.31, "0.3s"), (42.4, "42s"), (200, "3m 20s"), (7500, "2h 5m")])
def test_a_duration_is_told_in_two_units(seconds: float, wanted: str) -> None:
    assert duration(seconds) == wanted


@given(st.recursive(st.none() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)))
def test_no_answer_of_a_daemon_breaks_the_reading(rows: object) -> None:
    found = read_matches(rows)
    assert found is None or all(isinstance(match, Match) for match in found)
