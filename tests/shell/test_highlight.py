"""What has which colour in the line, what is marked, and that no disk is asked by the thread that draws."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.shell.terminal import Terminal, shell_command, wait_until
from typeahead.shell.app.grammar import spans
from typeahead.shell.app.highlight import styled
from typeahead.shell.app.marks import Marks
from typeahead.shell.app.status import source_text
from typeahead.shell.names import Names
from typeahead.text.surroundings import Disk, FileSystem
from typeahead.text.surroundings.marks import Mark, Marker

SHELL_TEXT = st.text(st.sampled_from("ab1 ~/.$'\"\\`(){}[]<>|&;#=!*-\n\té漢"), max_size=40)
NAMES = ["ll", "if", "then", "echo", "do"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    for name in ("git", "gitk", "sudo", "env", "cat", "vim", "make"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "note.txt").write_text("")
    (tmp_path / "here" / "run").write_text("")
    (tmp_path / "here" / "run").chmod(0o755)
    (tmp_path / "here" / "docs").mkdir()
    return tmp_path


def marker(folder: Path, names: list[str] | None = NAMES, disk: Disk | None = None) -> Marker:
    return Marker({"PATH": str(folder / "bin"), "HOME": str(folder / "here")}, names, 10_000, disk)


def marked(folder: Path, line: str, cursor: int | None = None, names: list[str] | None = NAMES) -> dict[str, str]:
    """Return what is marked in ``line``, with the cursor behind a blank after it unless told otherwise."""
    cursor = len(line) + 1 if cursor is None else cursor
    found = marker(folder, names).marks(line + " ", cursor, str(folder / "here"))
    return {line[start:end]: kind for start, end, kind in found}


# Commands


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("git status", {"git": "command"}),
        ("gti status", {"gti": "unknown"}),
        ("ll; gti | cat && nope || git", {"ll": "command", "gti": "unknown", "cat": "command", "nope": "unknown"}),
        ("if nope; then gti; fi", {"nope": "unknown", "gti": "unknown"}),
        ("sudo gitx", {"sudo": "command", "gitx": "unknown"}),
        ("env A=b gitx", {"env": "command", "gitx": "unknown"}),
        ("A=b gitx", {"gitx": "unknown"}),
        ("./run", {"./run": "command"}),
        ("./nope", {"./nope": "unknown"}),
        ("docs", {}),
        ("a=(x y z)", {}),
        ("f() { nope; }; f", {}),
        ("alias x=ls; x", {"alias": "command"}),
        ("case x in a) foo;; esac", {}),
        ("$EDITOR x", {}),
        ("!! x", {}),
    ],
)
def test_commands_are_known_or_not(folder: Path, line: str, wanted: dict[str, str]) -> None:
    found = marked(folder, line)
    found.pop("git", None) if "git" not in wanted else None
    assert found == wanted


@pytest.mark.parametrize(("line", "wanted"), [("g", ""), ("gi", ""), ("git", "command"), ("gitx", "unknown")])
def test_while_a_command_is_typed_it_is_unknown_once_nothing_begins_like_it(
    folder: Path, line: str, wanted: str
) -> None:
    found = marker(folder).marks(line, len(line), str(folder / "here"))
    assert [mark.kind for mark in found] == ([wanted] if wanted else [])


def test_without_the_shells_names_no_command_is_unknown(folder: Path) -> None:
    assert marked(folder, "gti status", names=None) == {}


# Paths


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("cat note.txt nofile", {"note.txt": "path", "nofile": "missing"}),
        ("cat < nofile", {"nofile": "missing"}),
        ("cat > newfile", {}),
        ("vim newfile", {}),
        ("cat -n ~/note.txt", {"~/note.txt": "path"}),
        ("cd docs", {"docs": "path"}),
        ("cd nowhere", {"nowhere": "missing"}),
        ("make x && cat x", {}),
        ("cat $x *.c", {}),
        ("cat 'note.txt'", {"'note.txt'": "path"}),
    ],
)
def test_paths_that_are_there_and_those_that_must_be(folder: Path, line: str, wanted: dict[str, str]) -> None:
    assert {word: kind for word, kind in marked(folder, line).items() if kind in ("path", "missing")} == wanted


def test_a_path_is_not_missing_while_the_cursor_is_at_it(folder: Path) -> None:
    line = "cat nofile"
    assert marked(folder, line, cursor=len(line)) == {"cat": "command"}
    assert marked(folder, line, cursor=0)["nofile"] == "missing"


# Anything


@given(line=SHELL_TEXT, cursor=st.integers(0, 40))
def test_any_line_is_marked_in_order_and_within_itself(
    tmp_path_factory: pytest.TempPathFactory, line: str, cursor: int
) -> None:
    found = _MARKER.marks(line, cursor, str(tmp_path_factory.getbasetemp()))
    assert all(0 <= mark.start < mark.end <= len(line) for mark in found)
    assert found == sorted(found)


_MARKER = Marker({"PATH": "/bin", "HOME": "/"}, NAMES, 1000)


@given(SHELL_TEXT)
@example("cat <<X\nbody\nX\n")
@example('"$(( ${x:-')
def test_any_text_has_spans_in_order_and_no_character_is_lost(text: str) -> None:
    found = list(spans(text))
    places = [place for start, end, _ in found for place in (start, end)]
    assert places == sorted(places)
    assert all(end <= len(text) for end in places)
    lines = styled(text, spans(text), [Mark(0, 3, "unknown"), Mark(2, 99, "path")])
    assert "\n".join("".join(part[1] for part in line) for line in lines) == text


def test_an_open_quote_with_many_escapes_takes_no_time_that_doubles() -> None:
    text = "echo $'" + "\\1" * 2000  # with a rule that backtracks this would outlast the universe, and the test's limit
    assert [text[start:end] for start, end, kind in spans(text) if kind == "string"] == [text[5:]]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "if x; then echo done; fi",
            [("if", "reserved"), ("then", "reserved"), ("echo", "builtin"), ("fi", "reserved")],
        ),
        ("git commit -m do", []),
        ("for i in a; do x; done", [("for", "reserved"), ("in", "reserved"), ("do", "reserved"), ("done", "reserved")]),
        ("x 'open", [("'open", "string")]),
        ("x # it's", [("# it's", "comment")]),
        ("x a#b $y", [("$y", "variable")]),
    ],
)
def test_the_grammar_has_its_colours(text: str, wanted: list[tuple[str, str]]) -> None:
    found = [(text[start:end], kind) for start, end, kind in spans(text) if kind != "operator"]
    assert found == wanted


# The thread


class _Watched(FileSystem):
    """A file system that remembers who asks, and answers after a while if told so."""

    def __init__(self) -> None:
        self.askers: set[str] = set()
        self.delay_s = 0.0

    def stat(self, path: str, follow: bool = True) -> os.stat_result:
        self.askers.add(threading.current_thread().name)
        time.sleep(self.delay_s)
        return super().stat(path, follow)

    def scandir(self, path: str) -> Iterator[tuple[str, str]]:
        self.askers.add(threading.current_thread().name)
        return super().scandir(path)


def follow(folder: Path, watched: _Watched, lines: list[str], until: str) -> Marks:
    """Type ``lines`` one after another; return the marks once ``until`` is among those of the last one."""

    async def session() -> Marks:
        marks = Marks(lambda: None, lambda names: marker(folder, names and names.commands, Disk(watched)))
        marks.begin_line(str(folder / "here"), Names(NAMES, {}))
        for line in lines:
            marks.follow(line, len(line))
        async with asyncio.timeout(20):
            while until not in [mark.kind for mark in marks.of(lines[-1])]:
                await asyncio.sleep(0.005)
        return marks

    return asyncio.run(session())


def test_a_failure_to_begin_costs_no_more_than_the_first_marks(folder: Path) -> None:
    attempts: list[int] = []

    def make(names: Names | None) -> Marker:
        attempts.append(1)
        if len(attempts) == 1:
            raise ImportError
        return marker(folder, NAMES)

    async def session() -> None:
        marks = Marks(lambda: None, make)
        async with asyncio.timeout(20):
            for number, line in enumerate(["gti ", "gti x "], 1):
                marks.follow(line, len(line))
                while len(attempts) < number:
                    await asyncio.sleep(0.005)
            while not marks.of("gti x "):
                await asyncio.sleep(0.005)

    asyncio.run(session())


def test_no_disk_is_asked_by_the_thread_that_draws(folder: Path) -> None:
    watched = _Watched()
    follow(folder, watched, ["cat", "cat note.txt", "cat note.txt no", "cat note.txt no "], "missing")
    assert watched.askers
    assert threading.main_thread().name not in watched.askers
    assert "typeahead-marks" not in watched.askers  # that one would hang, and with it all marks, on a dead mount


def test_on_a_disk_that_does_not_answer_a_line_has_no_wrong_mark(folder: Path) -> None:
    watched = _Watched()
    watched.delay_s = 0.5
    quick = Marker({"PATH": str(folder / "bin"), "HOME": "/"}, NAMES, 20, Disk(watched))
    assert [mark.kind for mark in quick.marks("gti note.txt ", 0, str(folder / "here"))] == []


def test_marks_stay_with_their_words_until_new_ones_are_known(folder: Path) -> None:
    marks = follow(folder, _Watched(), ["cat note.txt nofile; gti nofile "], "missing")
    kinds = {(mark.start, mark.end): mark.kind for mark in marks.of("cat note.txt nofile; gti nofile x")}
    assert kinds == {(0, 3): "command", (4, 12): "path", (13, 19): "missing", (21, 24): "unknown"}
    assert Mark(21, 25, "unknown") in marks.of("cat note.txt nofile; gtix nofile ")
    assert Mark(16, 22, "missing") in marks.of("cat xx note.txt nofile; gti nofile ")
    assert Mark(13, 19, "missing") not in marks.of("cat note.txt nofiles; gti nofile ")
    assert marks.of("") == []


@settings(max_examples=200)
@given(SHELL_TEXT, SHELL_TEXT, st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9))))
def test_kept_marks_lie_within_the_line(old: str, new: str, places: list[tuple[int, int]]) -> None:
    marks = Marks(lambda: None)
    marks._line = old
    marks._found = [Mark(start, start + size, "unknown") for start, size in places if start + size <= len(old)]
    assert all(0 <= mark.start < mark.end <= len(new) for mark in marks.of(new))


# The hint


@pytest.mark.parametrize(
    ("source", "confidence", "wanted"),
    [("model", 0.834, "model 83%"), ("history", None, "history"), ("directory", 0.001, "directory <1%")],
)
def test_a_hint_says_source_and_confidence(source: str, confidence: float | None, wanted: str) -> None:
    assert source_text(source, confidence) == wanted


# In a terminal


@pytest.fixture
def terminal(request: pytest.FixtureRequest, folder: Path, isolated_home: Path) -> Iterator[Terminal]:
    """A shell without suggestions in the folder with a note; parametrised by its environment."""
    (isolated_home / ".bashrc").write_text("alias hi='echo hello'\n")
    environment = {"NO_COLOR": "", "TYPEAHEAD_SHELL_PROMPT": "short", **getattr(request, "param", {})}
    opened = Terminal(shell_command("--shell", "bash", "--no-suggest"), folder / "here", **environment)
    wait_until(lambda: "here ❯" in opened.row(), lambda: repr(opened.screen()))
    yield opened
    opened.close()


def wait_for_colours(terminal: Terminal, wanted: str) -> None:
    wait_until(
        lambda: wanted in terminal.screen(colours=True)[terminal.cursor()[1]],
        lambda: f"no {wanted!r} in {terminal.screen(colours=True)}",
    )


def test_a_line_gets_its_colours_while_it_is_typed(terminal: Terminal) -> None:
    terminal.type("cat note.txt nofile; hi 'x'; gti; ")
    wait_for_colours(terminal, "\x1b[32mhi\x1b[39m \x1b[33m'x'\x1b[39m; \x1b[31mgti\x1b[39m;")
    wait_for_colours(terminal, "\x1b[32mcat\x1b[39m \x1b[4mnote.txt\x1b[0m")
    wait_for_colours(terminal, "\x1b[31mnofile")


def test_what_has_just_come_into_being_is_known_at_the_next_prompt(terminal: Terminal) -> None:
    terminal.run("greet() { echo hello; }; touch nofile")
    wait_until(lambda: terminal.cursor()[1] == 1, lambda: repr(terminal.screen()))
    terminal.type("greet; cat nofile; ")
    wait_for_colours(terminal, "\x1b[32mgreet\x1b[39m; \x1b[32mcat\x1b[39m \x1b[4mnofile")


@pytest.mark.parametrize("terminal", [{"NO_COLOR": "1"}], indirect=True)
def test_without_colours_what_is_wrong_is_underlined(terminal: Terminal) -> None:
    terminal.type("cat nofile; gti; ")
    wait_for_colours(terminal, "cat \x1b[1;4mnofile\x1b[0m")
    wait_for_colours(terminal, "\x1b[1;4mgti\x1b[0m")


@pytest.mark.parametrize("terminal", [{"TYPEAHEAD_SHELL_SYNTAX": "off"}], indirect=True)
def test_switched_off_a_line_is_plain(terminal: Terminal) -> None:
    terminal.run("true; sleep 0.5")  # by then colours would have been loaded
    wait_until(lambda: terminal.cursor()[1] == 1, lambda: repr(terminal.screen()))
    terminal.type("gti 'x'; ")
    wait_until(lambda: terminal.row().endswith("gti 'x';"), lambda: repr(terminal.screen()))
    assert "gti 'x';" in terminal.screen(colours=True)[terminal.cursor()[1]]
