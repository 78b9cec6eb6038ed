"""Words of a line, as the shell and as readline see them."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shell.test_app import ghost_of
from typeahead.shell import words


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("git commit  -m", ["git", "commit", "-m"]),
        ("echo 'a b' \"c d\"e f\\ g", ["echo", "'a b'", '"c d"e', "f\\ g"]),
        ("echo 'it\\' s", ["echo", "'it\\'", "s"]),
        ('echo "a \\" b" c', ["echo", '"a \\" b"', "c"]),
        ("echo 'open quote", ["echo", "'open quote"]),
        ("a\\", ["a\\"]),
        ("  ", []),
    ],
)
def test_words_of_the_shell_keep_their_quotes(line: str, found: list[str]) -> None:
    assert [line[begin:end] for begin, end in words.shell_words(line)] == found


@given(st.text("ab '\"\\", max_size=20))
def test_words_are_those_that_shlex_sees(line: str) -> None:
    try:
        wanted = shlex.split(line)
    except ValueError:  # an open quote
        return
    found = [line[begin:end] for begin, end in words.shell_words(line)]
    assert [shlex.split(word)[0] for word in found] == wanted


def test_operators_separate_words_where_they_are_asked_to() -> None:
    line = "a|b>c 'd|e'"
    spans = words.shell_words(line, words.SEPARATORS)
    assert [line[begin:end] for begin, end in spans] == ["a", "b", "c", "'d|e'"]


@given(st.text("ab-/ 'ü", max_size=12), st.integers(0, 12))
def test_going_to_the_end_and_to_the_beginning_of_words_ends_at_the_ends_of_the_line(line: str, place: int) -> None:
    place = min(place, len(line))
    for forward, back in [
        (words.end_of_word, words.begin_of_word),
        (words.end_of_shell_word, words.begin_of_shell_word),
    ]:
        assert place <= forward(line, place) <= len(line)
        assert 0 <= back(line, place) <= place
        assert place in (forward(line, place), len(line)) or forward(line, place) > place
        assert back(line, place) < place or place == 0


@pytest.mark.parametrize(
    ("typed", "line", "taken"),
    [
        ("", "src/rnn/cells.py -v", ["src/", "rnn/", "cells.py", " -v"]),
        ("cd", "cd /usr/lib", [" /", "usr/", "lib"]),
        ("", "a --to=b:c,d@e", ["a", " --to=", "b:", "c,", "d@", "e"]),
        ("curl ", "curl https://x.org", ["https://", "x.org"]),
    ],
)
def test_parts_of_a_path_are_taken_one_by_one(typed: str, line: str, taken: list[str]) -> None:
    ghost, found = ghost_of(typed, line), []
    while part := ghost.next_part():
        found.append(part)
        ghost.follow(ghost.typed + part)
    assert found == taken


@pytest.mark.parametrize(
    ("typed", "word"), [("echo 'a", " b'"), ('echo "', 'a b"'), ("echo a\\", " b"), ("echo ", "'a b'")]
)
def test_a_word_ends_where_a_quote_that_was_typed_ends(typed: str, word: str) -> None:
    assert ghost_of(typed, typed + word + " c").next_word() == word


def test_characters_are_taken_with_what_combines_with_them() -> None:
    ghost = ghost_of("", "e\u0301\u0323au")
    assert ghost.next_character() == "e\u0301\u0323"
    ghost.follow("e\u0301\u0323")
    assert ghost.next_character() == "a"
