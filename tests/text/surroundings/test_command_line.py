"""The tokeniser, with bash itself as the judge of what a word means."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typeahead.text.surroundings.command_line import last_word, parse, parse_innermost
from typeahead.text.surroundings.commands import invocation


def names(line: str) -> list[str | None]:
    """Return what each simple command of ``line`` runs."""
    calls = [invocation(command) for command in parse(line).commands]
    return [call.name.raw for call in calls if call.name is not None]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ls -l | grep x && cat y; true & false || echo", ["ls", "grep", "cat", "true", "false", "echo"]),
        ("A=1 B='2 3' make all", ["make"]),
        ("sudo -u bob env X=1 nice -n 5 make all", ["make"]),
        ("timeout -k 5 10 curl x", ["curl"]),
        ("find . | xargs -n 1 rm", ["find", "rm"]),
        ("if true; then ls; else cat; fi ", ["true", "ls", "cat", "fi"]),
        ("while read x; do echo $x; done ", ["read", "echo", "done"]),
        ("(cd x; ls) ", ["cd", "ls", ""]),
        ("! grep x y ", ["grep"]),
        ("time make ", ["make"]),
        ("cat 2>/dev/null <in >>out", ["cat"]),
        ("echo a#b # c | d", ["echo"]),
        ("a |& b", ["a", "b"]),
        ("command -v ls ", ["command"]),
    ],
)
def test_the_commands_of_a_line_are_found_behind_what_wraps_them(line: str, expected: list[str]) -> None:
    assert names(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", ""),
        ("ls ", ""),
        ("ls", "ls"),
        ("cat a\\ b", "a\\ b"),
        ("cat 'a b", "'a b"),
        ('cat "a $(ls fo', "fo"),
        ("echo `ls fo", "fo"),
        ("echo $(cat <(sort ba", "ba"),
        ("a>b", "b"),
        ("a;b", "b"),
        ("x=$(echo done) y", "y"),
        ("echo $(echo done)", "$(echo done)"),
        ("ls # comm", ""),
        ("echo 'a'\"b\"c\\", "'a'\"b\"c\\"),
    ],
)
def test_the_last_word_is_the_one_at_the_cursor(line: str, expected: str) -> None:
    assert last_word(line) == expected


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("a", "plain"),
        ("a\\", "escaped"),
        ("'a", "single"),
        ('"a', "double"),
        ('"a\\', "double-escaped"),
        ('a"b"', "plain"),
        ("$'a", "other"),
        ("${a", "other"),
    ],
)
def test_the_quotes_open_at_the_cursor_are_known(line: str, state: str) -> None:
    last = parse(line).last
    assert last is not None
    assert last.state == state


@pytest.mark.parametrize("word", ["$x", "*.py", "a?", "[ab]", "{a,b}", "`ls`", "$(ls)", '"$x"', "$'a'", "!!", "<(ls)"])
def test_a_word_that_the_shell_replaces_has_no_literal_meaning(word: str) -> None:
    last = parse(f"cat {word}").current.words[-1]
    assert last.literal is None


@pytest.mark.parametrize("line", ["case x in a) nosuch", "f() { nosuch", "cat <<E; nosuch", "((1+2", "a=(b c"])
def test_what_is_not_understood_is_marked(line: str) -> None:
    assert parse(line).commands[-1].is_opaque


@given(st.text(alphabet=" \t\n;&|()<>'\"\\$`{}#!*~=-ab1/", max_size=30))
def test_any_text_is_taken_apart_and_its_words_stand_where_they_say(line: str) -> None:
    parsed = parse(line)
    for command in parsed.commands:
        for token in [*command.words, *(target for _, target in command.redirections)]:
            assert line[token.start : token.end] == token.raw
    innermost = parse_innermost(line)
    assert innermost.last is None or line.endswith(innermost.last.raw)
    assert innermost.last is None or innermost.last.end == len(line)


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is missing")
@settings(max_examples=60)
@given(st.lists(st.text(alphabet=" '\"\\abé/-=.,#~:%", max_size=8), min_size=1, max_size=12))
def test_literal_words_mean_what_bash_makes_of_them(words: list[str]) -> None:
    checked, line = [], "printf '%s\\0' --"
    for word in words:
        parsed = parse(f"{line} {word} ")
        token = parsed.current.words[-2] if len(parsed.commands) == 1 and len(parsed.current.words) > 3 else None
        # A word of bash's may be several of these texts, or none; only one that stays one word is compared.
        if token is not None and token.raw == word and token.literal is not None and not token.has_tilde:
            if "~" in word and ("=" in word or ":" in word):  # an assignment's tildes
                continue
            checked.append(token.literal)
            line += " " + word
    if not checked:
        return
    done = subprocess.run(["bash", "--norc", "-c", line], capture_output=True, timeout=20)
    assert done.stdout.decode().split("\0")[1:-1] == checked
