"""The lexer: bash is asked what the words of a line are, and every character must be found where it stands."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from typeahead.lexer import Command, Word, commands


def texts(line: str) -> list[list[str]]:
    return [[word.text for word in command.words] for command in commands(line)]


def names(line: str) -> list[str]:
    return [command.name for command in commands(line)]


def all_words(found: list[Command]) -> list[Word]:
    return [
        word for command in found for word in (*command.words, *command.notes, *(w for _, w in command.redirections))
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ls -l 'a b' c\\ d \"e f\"", [["ls", "-l", "a b", "c d", "e f"]]),
        ("a;b&&c||d|e&f", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]),
        ("a\nb", [["a"], ["b"]]),
        ("a \\\n b", [["a", "b"]]),
        ("a # b; c\nd", [["a"], ["d"]]),
        ("a#b", [["a#b"]]),
        ("(a; b)", [["a"], ["b"]]),
        ("a > f 2>&1 < g >> h b", [["a", "b"]]),
        ("a &> f", [["a"]]),
        ("echo 5 >f", [["echo", "5"]]),
        ("a $'b\\'c' d", [["a", "b\\'c", "d"]]),
        ("a 'b", [["a", "b"]]),
        ('a "b', [["a", "b"]]),
        ("a \\", [["a", "\\"]]),
        ("''", [[""]]),
        ("cat <<E | b\nc d\nE\ne", [["cat"], ["b"], ["e"]]),
        ("", []),
        ("   \n", []),
    ],
)
def test_a_line_is_split_into_commands_and_words(line: str, expected: list[list[str]]) -> None:
    assert texts(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sudo -u me nice -n 5 rm x", "rm"),
        ("A=1 B= env -u C D=2 /usr/bin/git x", "git"),
        ("timeout -s KILL 5 make", "make"),
        ("find . | xargs -0 -n 1 rm", "rm"),
        ("\\rm x", "rm"),
        ("'r'm x", "rm"),
        ("ssh -p 22 h reboot", "reboot"),
        ("sudo -- ls", "ls"),
        ("if true; then rm x; fi", "rm"),
        ("! ls", "ls"),
        ("sudo", "sudo"),
        ("sudo -u", "sudo"),
    ],
)
def test_the_program_is_what_runs_in_the_end(line: str, expected: str) -> None:
    assert expected in names(line)


@pytest.mark.parametrize(
    "line",
    [
        "sh -c 'rm x'",
        "sudo bash -lc 'a && rm x'",
        "echo $(rm x)",
        "echo `rm x`",
        'echo "a $(rm x) b"',
        "cat <(rm x)",
        "ssh h 'rm x'",
        'eval "rm x"',
        "su - me -c 'rm x'",
        "bash <<E\nrm x\nE",
        "cat <<E | sh\nrm x\nE",
        "bash <<< 'rm x'",
        "docker exec -it c sh -c 'rm x'",
        "sh -c \"sh -c 'rm x'\"",
        "ssh h \"bash -c 'echo $(rm x)'\"",
        "watch 'rm x'",
        "{ rm x; }",
        "f() { rm x; }",
        "while read l; do rm x; done",
    ],
)
def test_what_a_line_runs_inside_itself_is_read_and_placed(line: str) -> None:
    found = [command for command in commands(line) if command.name == "rm"]
    assert found
    for command in found:
        assert [line[slice(*word.span(0, len(word.text)))] for word in command.program] == ["rm", "x"]


def test_what_a_line_only_mentions_is_no_command() -> None:
    for line in ("echo 'rm x'", "echo rm x", "man rm", "cat <<E\nrm x\nE", "ls # rm x", "git commit -m 'rm x'"):
        assert "rm" not in names(line)


def test_a_pipe_leads_to_its_reader() -> None:
    first, second = commands("echo a | sudo -S b")
    assert first.into is second
    assert second.into is None
    assert commands("a; b")[0].into is None


def test_a_here_document_ends_at_its_own_delimiter() -> None:
    cat, rest = commands("cat <<'E' > f\na\n E\n\tE\nE\nrest")
    assert [(operator, word.text) for operator, word in cat.redirections] == [(">", "f"), ("<<", "a\n E\n\tE\n")]
    assert rest.name == "rest"
    assert commands("cat <<-E\n\ta\n\tE\nrest")[1].name == "rest"


LINES = st.text(st.sampled_from([*"ab '\"\\$`{}()<>;&|#\n\t=*", "é", "\udc80"]), max_size=40)


@settings(max_examples=500)
@given(LINES)
def test_any_line_is_read_and_every_part_of_every_word_lies_inside_it(line: str) -> None:
    for word in all_words(commands(line)):
        for start in range(len(word.text) + 1):
            for end in (start, start + 1, len(word.text)):
                low, high = word.span(start, end)
                assert 0 <= low <= high <= len(line)
        assert len(word.literal(0, len(word.text))) <= len(word.text)


@settings(max_examples=300)
@given(st.lists(st.text(st.sampled_from("ab '\"\\$;|#é"), min_size=1, max_size=8), min_size=1, max_size=4), st.data())
def test_a_character_is_found_where_it_stands(words: list[str], data: st.DataObject) -> None:
    quoted = []
    for word in words:
        style = data.draw(st.sampled_from(["single", "double", "escape"]))
        if style == "single":
            quoted.append("'" + word.replace("'", "'\\''") + "'")
        elif style == "double":
            quoted.append('"' + "".join("\\" + c if c in '"\\$`' else c for c in word) + '"')
        else:
            quoted.append("".join(c if c.isalnum() else "\\" + c for c in word))
    line = " ".join(["x", *quoted])
    (command,) = commands(line)
    assert [word.text for word in command.words] == ["x", *words]
    for word in command.words:
        for index, character in enumerate(word.text):
            assert character in line[slice(*word.span(index, index + 1))]


def bash_words(lines: list[str]) -> list[list[str] | None]:
    """Return the words that bash makes of each line; ``None`` where it finds the line wrong."""
    script = (
        'while IFS= read -r -d "" l; do (eval "set -- $l" 2>/dev/null && printf "%s\\0" ok "$@"; printf "\\1\\0"); done'
    )
    done = subprocess.run(
        ["bash", "-c", script], input="".join(line + "\0" for line in lines).encode(), capture_output=True, timeout=60
    )
    found: list[list[str] | None] = []
    for part in done.stdout.decode().split("\1\0")[:-1]:
        words = part.split("\0")[:-1]
        found.append(words[1:] if words[:1] == ["ok"] else None)
    return found


@settings(max_examples=15)
@given(st.lists(st.text(st.sampled_from("ab '\"\\é"), max_size=12), min_size=20, max_size=40))
def test_words_are_those_of_bash(lines: list[str]) -> None:
    judged = [(line, words) for line, words in zip(lines, bash_words(lines), strict=True) if words is not None]
    assume(judged)
    for line, words in judged:
        mine = [word.text for command in commands("set -- " + line) for word in command.words][2:]
        if not line.endswith("\\"):  # bash's eval drops a backslash with nothing behind it
            assert mine == words, line
