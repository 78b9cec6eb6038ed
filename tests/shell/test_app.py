"""What the session is made of, without a terminal: prompt, ghost text, past lines, suggestions."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from typeahead import config
from typeahead.history import History
from typeahead.shell import prompt
from typeahead.shell.ghost import Ghost, cut
from typeahead.shell.lines import PastLines
from typeahead.shell.names import Names
from typeahead.shell.names import read as read_names

# The prompt


@pytest.fixture
def utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("HOME", "/home/ann")


@pytest.mark.parametrize(
    ("status", "cwd", "columns", "wanted"),
    [
        (0, "/home/ann", 80, "~ ❯ "),
        (1, "/home/ann/src", 80, "[1] ~/src ❯ "),
        (0, "/home/annabel", 80, "/home/annabel ❯ "),
        (0, "/", 80, "/ ❯ "),
        (0, "/usr/share/doc/a-long-name/and-another", 80, "…/a-long-name/and-another ❯ "),
        (130, "/home/ann/projects/typeahead", 20, "[130] …ahead ❯ "),
        (0, "/evil\x1b[2J\n", 80, "/evil?[2J? ❯ "),
        (0, "/bytes\udcff", 80, "/bytes? ❯ "),
    ],
)
def test_the_prompt_shows_status_and_directory(utf8: None, status: int, cwd: str, columns: int, wanted: str) -> None:
    assert prompt.render(status, cwd, columns) == wanted


def test_the_prompt_has_colours_unless_told_not_to(utf8: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR")
    assert prompt.render(1, "/", 80) == "\x1b[31m[1]\x1b[0m \x1b[36m/\x1b[0m \x1b[1m❯\x1b[0m "


@pytest.mark.parametrize(("name", "value"), [("LC_ALL", "C"), ("LC_ALL", "de_DE.ISO-8859-1"), ("TERM", "linux")])
def test_a_terminal_without_unicode_gets_ascii(
    utf8: None, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert prompt.render(0, "/usr/share/doc/a-long-name/and-another", 80).isascii()


@given(st.text(), st.integers(4, 60))
def test_a_shortened_path_is_printable_and_fits(path: str, limit: int) -> None:
    shown = prompt.shorten(path, limit)
    assert shown.isprintable()
    assert 0 < prompt.width(shown) <= limit


def test_the_directory_is_the_shells_own_name_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path / "link")
    monkeypatch.setenv("PWD", str(tmp_path / "link"))
    assert prompt.initial_cwd() == str(tmp_path / "link")
    monkeypatch.setenv("PWD", "/somewhere/else")
    assert prompt.initial_cwd() == str(tmp_path / "real")


# The ghost text


def ghost_of(typed: str, line: str) -> Ghost:
    ghost = Ghost()
    ghost.follow(typed)
    ghost.offer(line)
    return ghost


def test_a_suggestion_is_the_rest_of_the_line() -> None:
    assert ghost_of("git c", "git commit").rest == "ommit"


@pytest.mark.parametrize(
    "line",
    [
        "other",
        "git c",
        "git c  ",
        "git c\n",
        "git commit\nrm x",
        "git c\x1b[2J",
        "git c\u202eabc",
        "git c\u200bx",
        "gi",
    ],
)
def test_what_does_not_fit_or_cannot_be_seen_is_refused(line: str) -> None:
    assert ghost_of("git c", line).rest == ""


def test_a_suggestion_stays_while_it_matches_and_only_grows() -> None:
    ghost = ghost_of("g", "git commit")
    assert not ghost.offer("grep")
    ghost.follow("git c")
    assert ghost.rest == "ommit"
    assert not ghost.offer("git checkout")
    assert ghost.offer("git commit -m")
    ghost.follow("git com")
    assert not ghost.offer("git complain")


def test_after_a_deletion_a_suggestion_stays_until_there_is_an_answer() -> None:
    ghost = ghost_of("git c", "git commit -m")
    ghost.follow("git")
    assert ghost.rest == " commit -m"
    assert not ghost.offer("git commit -m")
    ghost.follow("git ")
    assert not ghost.offer("git log")
    ghost.follow("git")
    assert ghost.offer("git log")
    ghost.follow("gix")
    assert ghost.rest == ""
    assert ghost.offer("gixy")


def test_a_dismissed_suggestion_comes_back_with_the_next_edit() -> None:
    ghost = ghost_of("g", "git")
    ghost.dismiss()
    assert not ghost.offer("git")
    ghost.follow("g")
    assert not ghost.offer("git")
    ghost.follow("gi")
    assert ghost.offer("git")


@given(st.lists(st.text("ab/ \n", max_size=6)), st.text("ab/ \n\x1b", max_size=8))
@example(["\n", ""], "\na")
def test_whatever_is_typed_the_shown_line_begins_with_it(edits: list[str], line: str) -> None:
    ghost = Ghost()
    for typed in edits:
        ghost.follow(typed)
        ghost.offer(line)
        assert ghost.rest == "" or (line == typed + ghost.rest and ghost.rest.isprintable())


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("ommit -m 'x y' \\ z", ["ommit", " -m", " 'x y'", " \\ z"]),
        ("src/rnn/cells.py -v", ["src/rnn/cells.py", " -v"]),
        ("/etc", ["/etc"]),
        ("a ", ["a", " "]),
    ],
)
def test_words_are_taken_one_by_one(rest: str, words: list[str]) -> None:
    ghost, taken = ghost_of("", rest), []
    while word := ghost.next_word():
        taken.append(word)
        ghost.follow(ghost.typed + word)
    assert taken == words


@given(st.text(st.characters(min_codepoint=32, exclude_categories=("C", "M"))), st.integers(0, 30))
def test_a_cut_text_fits_and_says_so(text: str, columns: int) -> None:
    shown = cut(text, columns)
    assert prompt.width(shown) <= columns
    assert shown == text or shown == "" or (shown.endswith("…") and text.startswith(shown[:-1]))


# Past lines


@pytest.mark.parametrize(
    ("shell", "file", "content"),
    [
        ("bash", ".bash_history", b"#1700000000\nfor i in a\ndo echo $i; done\n#1700000001\nls\n"),
        ("zsh", ".zsh_history", b": 1700000000:0;for i in a\\\ndo echo $i; done\n: 1700000001:0;ls\n"),
    ],
)
def test_the_shells_own_history_is_read(isolated_home: Path, shell: str, file: str, content: bytes) -> None:
    (isolated_home / file).write_bytes(content)
    for name, wanted in ((shell, ["ls", "for i in a\ndo echo $i; done"]), ("fish", [])):
        lines = PastLines(name)
        lines.load()
        lines.wait()
        assert list(lines) == wanted


def test_of_a_long_history_the_end_is_read(isolated_home: Path) -> None:
    (isolated_home / ".bash_history").write_text("".join(f"echo {number} {'x' * 400}\n" for number in range(9000)))
    lines = PastLines("bash")
    lines.load()
    lines.wait()
    assert next(iter(lines)).startswith("echo 8999 ")
    assert {line[:5] for line in lines} == {"echo "}
    assert 1000 < len(list(lines)) <= 5000


def test_past_lines_come_from_the_session_then_the_store_then_bash(isolated_home: Path) -> None:
    (isolated_home / ".bash_history").write_text("git push\necho bash\n")
    history = History(config.history_file())
    history.add("git pull", cwd="/", status=0, session="s", started=1.0, duration_s=0.1)
    history.close()
    lines = PastLines("bash")
    lines.load()
    lines.wait()
    assert list(lines) == ["git pull", "echo bash", "git push"]
    assert list(lines.going_on("git p")) == ["git pull", "git push"]
    lines.add("git push")
    assert list(lines) == ["git push", "git pull", "echo bash"]
    assert list(lines.going_on("git p")) == ["git push", "git pull"]
    assert list(lines.going_on("git push")) == []
    assert list(lines.going_on("")) == []


def test_a_line_that_never_worked_does_not_go_on_until_it_works_once() -> None:
    history = History(config.history_file())
    for number, status in enumerate([1, 130, 2]):
        history.add("make stored", status=status, started=float(number))
    history.add("make unknown", status=None, started=9.0)
    history.close()
    lines = PastLines()
    lines.load()
    lines.wait()
    assert list(lines.going_on("make")) == ["make unknown"]
    lines.add("make here", 127)
    lines.add("make stopped", 148)
    assert list(lines.going_on("make")) == ["make stopped", "make unknown"]
    lines.add("make stored", 0)
    lines.add("make here", 0)
    lines.add("make here", 1)
    assert list(lines.going_on("make")) == ["make here", "make stored", "make stopped", "make unknown"]


def test_a_line_that_is_removed_is_nowhere(isolated_home: Path) -> None:
    (isolated_home / ".bash_history").write_text("echo bash\n")
    lines = PastLines("bash")
    lines.load()
    lines.wait()
    lines.add("echo bash")
    assert lines.remove("echo bash")
    assert not lines.remove("echo bash")
    assert list(lines) == []


def test_lines_are_read_again_once_some_are_forgotten() -> None:
    history = History(config.history_file())
    history.add("echo kept", started=1.0)
    lines = PastLines()
    lines.add("echo canary")
    lines.load()
    lines.wait()
    lines.reload()
    lines.wait()
    history.close()
    assert list(lines) == ["echo kept"]


def test_a_damaged_store_leaves_bashs_own_history(isolated_home: Path) -> None:
    (isolated_home / ".bash_history").write_text("echo bash\n")
    config.history_file().parent.mkdir(parents=True)
    config.history_file().write_bytes(b"not a database" * 100)
    lines = PastLines("bash")
    lines.load()
    lines.wait()
    assert list(lines) == ["echo bash"]


# What the shell knows


@given(st.binary(max_size=300))
def test_any_bytes_are_names(data: bytes) -> None:
    names = read_names(data)
    assert all(names.commands)
    assert all(isinstance(value, str) for value in names.environ.values())


def test_names_are_read_with_values_for_three_variables_alone() -> None:
    data = b"/bin:/usr/bin\0/home/ann\0\0HOME\nPATH\nTOKEN\n\0_git\nif\nll\n__ta_report\nll\n\0"
    names = read_names(data)
    assert names.commands == ["if", "ll", "_git"]
    assert names.environ == {"PATH": "/bin:/usr/bin", "HOME": "/home/ann", "TOKEN": ""}
    assert read_names(b"/bin") == Names([], {"PATH": "/bin"})


# The end


def test_a_session_that_hangs_while_it_leaves_is_ended_all_the_same() -> None:
    code = """
import os, signal, time
from typeahead.shell import app
app._LEAVE_S = 1
signal.signal(signal.SIGHUP, app._leave)
try:
    os.kill(os.getpid(), signal.SIGHUP)
    time.sleep(60)
finally:
    time.sleep(60)
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=30).returncode == -signal.SIGALRM
