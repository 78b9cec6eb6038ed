"""HISTCONTROL and HISTIGNORE: bash itself is asked what it leaves out of its history."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typeahead.shell.ignore import Ignore


def history_of_bash(variables: dict[str, str], lines: list[str]) -> list[str]:
    """Run harmless lines in an interactive bash; return what its history holds in the end."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "HISTFILE": "",
        "LC_ALL": "C.UTF-8",
        **variables,
    }
    done = subprocess.run(
        ["bash", "--norc", "--noprofile", "-i"],
        input="\n".join([*lines, "builtin history", ""]),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
    )
    listed = [re.sub(r"^ *[0-9]+  ", "", line) for line in done.stdout.splitlines()]
    return [line for line in listed if line != "builtin history"]


def history_of_rules(variables: dict[str, str], lines: list[str]) -> list[str]:
    ignore = Ignore(variables)
    kept: list[str] = []
    for line in lines:
        if not ignore.is_left_out(line, kept[-1] if kept else None):
            if "erasedups" in variables.get("HISTCONTROL", ""):
                kept = [other for other in kept if other != line]
            kept.append(line)
    return kept


@pytest.mark.parametrize(
    ("control", "patterns", "lines"),
    [
        ("", "", [": a", " : b", ": a", ": a"]),
        ("ignorespace", "", [": a", " : b", ": c", ": c"]),
        ("ignoredups", "", [": a", ": a", " : b", ": b", ": a"]),
        ("ignoreboth", "", [": a", ": a", " : b", ": c"]),
        ("ignorespace:erasedups", "", [": a", ": b", " : x", ": a"]),
        ("nonsense", "", [" : a", ": a", ": a"]),
        ("", ": a", [": a", ": a b", ": b"]),
        ("", ": a*", [": a", ": a b", ": b"]),
        ("", "*x*:: ?", [": y", ": axb", ": yy"]),
        ("", "[[:space:]]*:true", [" : a", "true", ": b"]),
        ("", ": [ab:]:: [!x-z]c", [": a", ": :", ": c", ": xc", ": ac"]),
        ("", ": a\\:b", [": a:b", ": a", ": b"]),
        ("", ": \\*", [": *", ": a"]),
        ("", ": [[]", [": [", ": a"]),
        ("", "&", [": a", ": a", ": b", ": a"]),
        ("", "&*", [": a", ": ab", ": b"]),
        ("", "[ ]*:&", [" : a", ": a", ": a"]),
        ("", ": \\&:&", [": '&'", ": a", ": a"]),
        ("", "&", [": *", ": ab", ": *"]),
        ("ignoreboth", "history:ls*:: c", [": c", ": d", ": d", " : e"]),
        ("", ": @(a|b)", [": a", ": b"]),
        ("", "::", [": a"]),
    ],
)
def test_what_is_left_out_is_what_bash_leaves_out(control: str, patterns: str, lines: list[str]) -> None:
    variables = {"HISTCONTROL": control, "HISTIGNORE": patterns}
    assert history_of_rules(variables, lines) == history_of_bash(variables, lines)


WORD = st.text(st.sampled_from("ab*?[]!-"), min_size=1, max_size=4)


@settings(max_examples=25)
@given(
    st.sampled_from(["", "ignorespace", "ignoredups", "ignoreboth", "erasedups", "ignoreboth:erasedups"]),
    st.lists(st.tuples(st.sampled_from([": ", "", "*", "[ ]*", ":?"]), WORD).map("".join) | st.just("&"), max_size=3),
    st.lists(st.tuples(st.sampled_from([": '", " : '"]), WORD).map(lambda parts: "".join(parts) + "'"), max_size=8),
)
def test_any_rules_leave_out_what_bash_leaves_out(control: str, patterns: list[str], lines: list[str]) -> None:
    variables = {"HISTCONTROL": control, "HISTIGNORE": ":".join(patterns)}
    assert history_of_rules(variables, lines) == history_of_bash(variables, lines)


@pytest.mark.parametrize("control", ["ignoredups", "ignoreboth", "erasedups"])
def test_a_repetition_is_learnt(control: str) -> None:
    assert not Ignore({"HISTCONTROL": control, "HISTIGNORE": "&:ls"}).is_excluded("make", "make")


def test_a_repetition_of_what_is_excluded_stays_excluded() -> None:
    ignore = Ignore({"HISTCONTROL": "ignoreboth", "HISTIGNORE": "ls"})
    assert ignore.is_excluded("ls", "ls")
    assert ignore.is_excluded(" make", " make")


def test_without_rules_nothing_is_excluded() -> None:
    assert not Ignore({}).is_excluded("ls", "ls")


def test_of_several_lines_the_first_decides() -> None:
    ignore = Ignore({"HISTIGNORE": "secret*"})
    assert ignore.is_excluded("secret <<E\nx\nE")
    assert not ignore.is_excluded("cat <<E\nsecret\nE")


@pytest.mark.parametrize(
    ("pattern", "command", "excluded"),
    [
        ("(ls|cd|pwd)", "ls", True),
        ("(ls|cd|pwd)", "ls -l", False),
        ("(ls|cd|pwd)*", "cd x", True),
        ("(l|(c|p)d) x", "pd x", True),
        ("(ls", "(ls", True),
        ("ls *", "ls x", True),
        ("", "ls", False),
    ],
)
def test_a_pattern_of_zsh_may_have_alternatives(pattern: str, command: str, excluded: bool) -> None:
    assert Ignore({"HISTORY_IGNORE": pattern}).is_excluded(command) is excluded


def test_the_option_of_zsh_excludes_what_begins_with_a_space() -> None:
    assert Ignore({"HIST_IGNORE_SPACE": "on"}).is_excluded(" ls")
    assert not Ignore({"HIST_IGNORE_SPACE": ""}).is_excluded(" ls")


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30) | st.none())
def test_any_rules_and_any_line_are_judged(patterns: str, line: str, previous: str | None) -> None:
    Ignore({"HISTIGNORE": patterns, "HISTORY_IGNORE": patterns, "HISTCONTROL": patterns}).is_excluded(line, previous)


@pytest.mark.timeout(60)  # where stars multiply it takes longer than anybody lives
def test_many_stars_do_not_multiply_the_work() -> None:
    assert not Ignore({"HISTIGNORE": "*a" * 30 + "b"}).is_excluded("a" * 20_000)
