"""Whether a line is whole: what is known without a shell, and what the live one says."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.shell.driven import Driven
from typeahead.shell.syntax import is_open, is_plain

TOKENS = [*"ab;|&(){}\n $#\"'\\!", "if ", "then ", "fi", "for ", "in ", "do ", "done", "while ", "case ", "esac", "&&"]
LINES = st.lists(
    st.sampled_from([*TOKENS, "<<X", "\nX\n", "[[ ", "]]", "$(", "${", "$((", "`", "; ", "{ "]), max_size=10
)
# Whole only with a parser that knows the session: an alias that opens a loop, extglob.
SETTINGS = "shopt -s extglob; alias loop='for i in 1 2; do' sudo='sudo '\n"


def parsed(line: str) -> str:
    """Return what a bash of its own says of ``line``: ``whole``, ``open`` or ``wrong``."""
    done = subprocess.run(
        ["bash", "-O", "extglob", "-n"],
        input=line,
        capture_output=True,
        text=True,
        errors="replace",
        env={"LC_ALL": "C"},
    )
    messages = [row for row in done.stderr.splitlines() if "here-document" not in row]
    if messages:
        ends = ("unexpected EOF", "unexpected end of file", "token `EOF'")
        return "open" if any(end in messages[0] for end in ends) else "wrong"
    return "open" if done.stderr else "whole"


@pytest.mark.parametrize(
    "line",
    [
        *["echo 'a", 'echo "a', "echo a\\", 'echo "\\"', "echo $'a\\'", "echo a; # b\necho 'c"],
        *["ls |", "make &&", "a || ", "ls | # sort", "cat <<X", "cat <<-X\n\ta", "cat << EOF\nEOF2"],
        *[
            "for i in a",
            "for i in a; do",
            "while true; do echo a; if b; then c; fi",
            "{ a",
            "if a; then",
            "! while a",
            "f() {",
            "f(){ a\nb () {\nc; }",
        ],
    ],
)
def test_what_lacks_its_end_is_open(line: str) -> None:
    assert is_open(line)


@pytest.mark.parametrize(
    "line",
    [
        *["", "echo 'a'", "echo it\\'s", "echo a # it's", "echo \\\\", "cat <<X\nit's\nX", "echo $'a\\''"],
        *["echo ${x#y}", "\\;#'\n'", "echo if", "x=1 if", "cat <<< a", "for i in a; do b; done", "echo done", "a &"],
        *["f() { a; }", "case a in a) b;; esac", "{ a; }", "echo {", "cat <<-X\n\tX", "fi"],
    ],
)
def test_a_whole_line_is_not_open(line: str) -> None:
    assert not is_open(line)


@given(LINES)
@settings(max_examples=150)
def test_what_bash_accepts_is_never_held_back(tokens: list[str]) -> None:
    line = "".join(tokens)
    if is_open(line):
        # bash takes a backslash at the end of its input as it is; at a prompt it would ask for more.
        assert parsed(line) != "whole" or line.endswith("\\"), line


@given(
    st.lists(
        st.sampled_from(["ls", "if", "do", " ", ";", "|", "&", "&&", "a=b", "$x", "~", "*", "-", "in"]), max_size=9
    )
)
@settings(max_examples=150)
def test_a_plain_line_never_needs_another_row(words: list[str]) -> None:
    line = "".join(words)
    if is_plain(line):
        assert parsed(line) != "open"
        assert not is_open(line)


# The live shell


@pytest.fixture
def bash(tmp_path: Path, isolated_home: Path) -> Iterator[Driven]:
    (isolated_home / ".bashrc").write_text(SETTINGS)
    driven = Driven(tmp_path)
    driven.run("true")
    yield driven
    driven.close()


def test_the_live_shell_says_with_its_aliases_and_options_what_is_whole(bash: Driven) -> None:
    unfinished = ['loop echo "$i"', "echo $(ls", "f() {", "case x in", "a=(1 2", "((1 +", "cat <<X\na", "[[ a &&"]
    assert [bash.is_complete(line) for line in unfinished] == [False] * len(unfinished)
    finished = [
        'loop echo "$i"; done',
        "ls !(a|b)",
        "echo )",
        "fi",
        "f() { :; }",
        "cat <<X\na\nX",
        "# it's",
        "sudo loop",
    ]
    assert [bash.is_complete(line) for line in finished] == [True] * len(finished)


@pytest.mark.parametrize(
    "line",
    ["}; touch made; {", "}\ntouch made; {", "$(touch made)'", "`touch made` ${x", "touch made\n(", "fi\ntouch made'"],
)
def test_nothing_is_run_to_find_that_out(bash: Driven, tmp_path: Path, line: str) -> None:
    bash.run("exit() { touch made; }; alias exit='touch made;'")
    bash.is_complete(line)
    assert bash.output("echo $?") == "0\n"
    assert not (tmp_path / "made").exists()


@given(LINES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_live_shell_agrees_with_a_parser_of_its_own(bash: Driven, tokens: list[str]) -> None:
    line = "".join(tokens)
    if not line.endswith("\\"):
        assert bash.is_complete(line) == (parsed(line) != "open"), line
