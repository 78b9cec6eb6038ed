"""The user's own prompt: made fit for the line editor, told by real bash, on a real terminal."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.formatted_text import ANSI, fragment_list_to_text, to_formatted_text

from tests.shell.driven import Driven
from tests.shell.terminal import Terminal, wait_until
from typeahead import config
from typeahead.shell import first_prompt, own_prompt, prompt
from typeahead.shell.terminal import Terminal as OwnTerminal

pytestmark = pytest.mark.slow  # each test opens a shell or a terminal

Open = Callable[..., Terminal]


def drawn(expanded: str) -> str:
    """Return what of a prompt the line editor puts on the screen."""
    return fragment_list_to_text(to_formatted_text(ANSI(own_prompt.split(expanded)[0])))


# What is made of what the shell tells


@pytest.mark.parametrize(
    ("expanded", "shown", "controls"),
    [
        ("$ ", "$ ", ""),
        ("\x01\x1b[32m\x02ann\x01\x1b[0m\x02 $ ", "ann $ ", ""),
        ("\x1b[1;32mann\x1b[m $ ", "ann $ ", ""),
        ("\x01\x1b]0;title\x07\x02$ ", "$ ", "\x1b]0;title\x07"),
        ("\x1b]2;title\x1b\\$ ", "$ ", "\x1b]2;title\x1b\\"),
        ("\x01\x1b]133;A\x07\x02$ \x01\x1b]133;B\x07\x02", "$ ", "\x1b]133;A\x07\x1b]133;B\x07"),
        ("\x01\x1b(B\x1b[m\x02$ ", "$ ", ""),
        ("above\r\nbelow\x07 $ ", "above\nbelow $ ", "\x07"),
        ("moved\x1b[2A\x1b[K $ ", "moved $ ", ""),
        ("目录 🦀 $ ", "目录 🦀 $ ", ""),
        ("\x01\x1b[31m\x02\x01\x1b[1m\x02a\x01\x1b[0m\x02\x01\x1b7hidden\x1b8\x02$ ", "a$ ", ""),
        ("lonely \x02$ \x01", "lonely $ ", ""),
        ("\x1b\x010\x02begun \x1b", "begun ", ""),
    ],
)
def test_a_prompt_is_parted_into_what_is_drawn_and_what_is_sent_once(expanded: str, shown: str, controls: str) -> None:
    assert drawn(expanded) == shown
    assert own_prompt.split(expanded)[1] == controls


@pytest.mark.parametrize(
    ("sequence", "style"),
    [
        ("\x1b[31m", "ansired"),
        ("\x1b[38;5;208m", "#ff8700"),
        ("\x1b[38:2::1:2:3m", "#010203"),
        ("\x1b[4:3;1m", "bold underline"),
    ],
)
def test_a_colour_is_the_line_editors_own(sequence: str, style: str) -> None:
    fragments = to_formatted_text(ANSI(own_prompt.split(f"\x01{sequence}\x02x\x01\x1b[0m\x02")[0]))
    assert [" ".join(fragment[0].split()) for fragment in fragments if fragment[1] == "x"] == [style]


@given(st.text("ab$ \n\t\r\a\x1b\x01\x02[]0123;:mKABP^_\\()é目\x00\x9b\x0e"))
def test_no_prompt_puts_a_control_character_on_the_screen(expanded: str) -> None:
    text, _ = own_prompt.split(expanded)
    shown = [fragment[1] for fragment in to_formatted_text(ANSI(text)) if "[ZeroWidthEscape]" not in fragment[0]]
    assert all(character.isprintable() or character == "\n" for character in "".join(shown))
    assert text.count("\x01") == text.count("\x02")


@pytest.mark.parametrize(
    ("text", "columns", "rows"),
    [
        ("$ ", 80, 0),
        ("one\ntwo $ ", 80, 1),
        ("x" * 30 + "\n$ ", 10, 3),
        ("\x1b[1m" + "x" * 10, 10, 0),
        ("目" * 6, 10, 1),
    ],
)
def test_the_rows_of_a_painted_prompt_are_known(text: str, columns: int, rows: int) -> None:
    assert own_prompt.rows_above(text, columns) == rows


# What is painted before there is a shell


def remember(shell: str, cwd: str, text: str) -> None:
    first_prompt.remember(shell, cwd, text, config.runtime_dir() / "prompts")


@pytest.mark.parametrize("runtime", [True, False], ids=["a runtime folder", "none"])
def test_a_prompt_is_remembered_for_its_shell_and_directory(
    isolated_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: bool
) -> None:
    if not runtime:
        monkeypatch.delenv("XDG_RUNTIME_DIR")
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.setattr("tempfile.tempdir", None)
    remember("", "/a", "first $ ")
    remember("zsh", "/a", "zsh % ")
    remember("", "/b", "two\nlines $ ")
    remember("", "/a", "later $ ")
    assert first_prompt.remembered("", "/a") == "later $ "
    assert first_prompt.remembered("zsh", "/a") == "zsh % "
    assert first_prompt.remembered("", "/b") == "two\nlines $ "
    assert first_prompt.remembered("", "/c") == ""
    file = Path(first_prompt.file())
    assert file == config.runtime_dir() / "prompts"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert os.listdir(file.parent) == ["prompts"]


def test_fifty_directories_are_remembered_and_no_more() -> None:
    for number in range(60):
        remember("", f"/{number}", "$ ")
    assert [first_prompt.remembered("", f"/{number}") for number in (9, 10, 59)] == ["", "$ ", "$ "]


@given(st.binary(max_size=100))
def test_any_file_is_a_memory(data: bytes) -> None:
    path = config.runtime_dir() / "prompts"
    path.touch(0o600)
    path.write_bytes(data)
    assert isinstance(first_prompt.remembered("", "/"), str)


def test_a_memory_that_others_can_write_is_none() -> None:
    remember("", "/a", "$ ")
    (config.runtime_dir() / "prompts").chmod(0o622)
    assert first_prompt.remembered("", "/a") == ""


# What bash tells


@pytest.fixture
def bash(tmp_path: Path, isolated_home: Path) -> Iterator[Callable[[str], Driven]]:
    driven: list[Driven] = []

    def start(bashrc: str) -> Driven:
        (isolated_home / ".bashrc").write_text(bashrc)
        driven.append(Driven(tmp_path))
        driven[-1].run("true")
        return driven[-1]

    yield start
    for one in driven:
        one.close()


def test_ps1_is_expanded_after_each_line(bash: Callable[[str], Driven]) -> None:
    shell = bash(r"PS1='\[\e[1m\]\W\[\e[0m\] $? $((n+1))> '; PS2='more> '")
    shell.run("cd /usr; n=4; (exit 3)")
    assert shell.prompts().left == "\x01\x1b[1m\x02usr\x01\x1b[0m\x02 3 5> "
    assert shell.prompts().continuation == "more> "


def test_a_hook_that_sets_ps1_sees_the_status_and_comes_first(bash: Callable[[str], Driven]) -> None:
    shell = bash('hook() { PS1="status=$? dir=\\w> "; }; PROMPT_COMMAND=hook')
    shell.run("cd /; (exit 5)")
    assert shell.prompts().left == "status=5 dir=/> "
    shell.run("PROMPT_COMMAND+=('PS1=\"[$PS1]\"')")
    shell.run("true")
    assert shell.prompts().left == "[status=0 dir=/> ]"


def test_a_prompt_changed_in_the_session_is_taken_over_and_seen_by_all(bash: Callable[[str], Driven]) -> None:
    shell = bash("PS1='one> '")
    assert shell.output('echo "$PS1"') == "one> \n"
    shell.run("PS1='two> '; PS2='and '")
    assert shell.prompts()[:] == ("two> ", "", "and ")
    assert shell.output('echo "$PS1$PS2"') == "two> and \n"
    shell.run("unset PS1")
    assert shell.prompts().left == ""


def test_a_prompt_that_fails_or_traces_or_is_unset_ends_no_shell(bash: Callable[[str], Driven]) -> None:
    shell = bash("PS1='$(false)$unset> '")
    shell.run("set -eu")
    assert shell.prompts().left == "> "
    assert shell.output("set +eu; set -x; true") == "++ true\n"  # one + more than in bash: the line is evaluated
    assert shell.output("true") == "++ true\n"


def test_a_hook_that_ctrl_c_ends_leaves_a_prompt(bash: Callable[[str], Driven]) -> None:
    shell = bash("PS1='old> '")
    # Slow once: bash, too, begins with its hooks anew after a Ctrl-C in one.
    slow = "slow() { ((num_calls++)) || { echo slow; sleep 100; }; }"
    shell.send(f"PS1='new $?> '; {slow}; PROMPT_COMMAND=slow; (exit 3)")
    wait_until(lambda: (shell.drain(), b"slow" in shell.printed)[1], lambda: repr(shell.printed))
    # A Ctrl-C between the fork and that would wait for sleep's end, as it does at bash's own prompt.
    wait_until(lambda: os.tcgetpgrp(shell.master) not in (shell.pid, shell.front_end), lambda: "sleep has no terminal")
    os.write(shell.master, b"\x03")
    shell.answer()
    assert shell.prompts().left.startswith("new ")
    shell.send("unset PROMPT_COMMAND")
    shell.answer()
    assert shell.output("echo on") == "on\n"


@pytest.mark.parametrize("options", ["", "; set -eu"])
def test_a_hook_that_cannot_be_changed_is_left_alone(bash: Callable[[str], Driven], options: str) -> None:
    shell = bash(f"PS1='one $? > '; readonly PROMPT_COMMAND='printf hook,'{options}")
    assert shell.output("(exit 3) || :") == "hook,"
    assert shell.prompts().left == "one 0 > "
    shell.run("PS1='two> '")
    assert shell.prompts().left == "two> "
    assert shell.output("echo on") == "on\nhook,"


def test_ps0_is_shown_before_the_command(bash: Callable[[str], Driven]) -> None:
    assert bash("PS0='begin\n'").output("echo on") == "begin\non\n"


@pytest.mark.parametrize(
    ("bashrc", "inputrc", "wanted"),
    [
        ("", "", "emacs"),
        ("set -o vi", "", "vi"),
        ("", "set editing-mode vi\n", "vi"),
        ("set -o emacs", "set editing-mode vi\n", "emacs"),
    ],
)
def test_the_keys_are_as_the_users_files_say(
    bash: Callable[[str], Driven], isolated_home: Path, bashrc: str, inputrc: str, wanted: str
) -> None:
    (isolated_home / ".inputrc").write_text(inputrc)
    shell = bash(bashrc)
    assert shell.editing() == wanted
    shell.run("set -o vi")
    assert shell.editing() == "vi"
    shell.run("set -o emacs")
    assert shell.editing() == "emacs"


# What the user sees

STARSHIP = r"""
draw() { PS1="\[\e]0;at \w\a\]\[\e[1;36m\]\w\[\e[0m\] took ${n:-0}"$'\n'"\[\e[32m\]❯\[\e[0m\] "; n=$((n + 1)); }
PROMPT_COMMAND=draw PS2='∙ '
"""


@pytest.fixture
def own(open_shell: Open) -> Open:
    """Open a terminal with the user's own prompt."""

    def open_own(bashrc: str, *options: str, prompt: str, **kwargs: object) -> Terminal:
        return open_shell(
            "--no-suggest", *options, bashrc=bashrc, prompt=prompt, TYPEAHEAD_SHELL_PROMPT="own", **kwargs
        )

    return open_own


def rows(terminal: Terminal) -> list[str]:
    return [row for row in terminal.screen() if row]


def wait_for_rows(terminal: Terminal, wanted: list[str]) -> None:
    wait_until(lambda: rows(terminal) == wanted, lambda: f"{wanted} is not {terminal.screen()}")


def test_a_prompt_of_two_lines_is_drawn_as_bash_draws_it(own: Open, folder: Path) -> None:
    terminal = own(STARSHIP, prompt="took 0", columns=160)  # a folder of the tests can have a long name
    wait_for_rows(terminal, [f"{folder} took 0", "❯"])
    terminal.run("for i in a b; do")
    terminal.wait_for_row("∙")
    terminal.run("echo $i; done")
    typed = [f"{folder} took 0", "❯ for i in a b; do", "∙ echo $i; done"]
    wait_for_rows(terminal, [*typed, "a", "b", f"{folder} took 1", "❯"])
    wait_until(lambda: terminal.cursor()[0] == 2, lambda: repr(terminal.cursor()))
    assert terminal.title() == f"at {folder}"
    terminal.run("cd /")
    wait_until(lambda: terminal.title() == "at /", terminal.title)


def test_a_prompt_of_two_lines_survives_a_window_that_shrinks(own: Open) -> None:
    terminal = own("PS1='above\\n目录 $ '", prompt="目录 $")
    terminal.type("echo " + "x" * 30)
    terminal.wait_for_row("目录 $ echo " + "x" * 30)
    terminal.resize(24, 20)
    terminal.type("yz")
    wait_until(lambda: "yz" in "".join(rows(terminal)), lambda: repr(terminal.screen()))
    terminal.resize(80, 24)
    terminal.type("!")
    typed = ["above", "目录 $ echo " + "x" * 30 + "yz!"]
    wait_until(lambda: rows(terminal)[-2:] == typed, lambda: repr(terminal.screen()))


@pytest.mark.parametrize("key", ["C-c", "C-\\"])
def test_keys_in_a_further_row_are_keys_and_no_signals(own: Open, key: str) -> None:
    terminal = own("PS1='$ '", prompt="$")
    terminal.run("echo 'open")
    terminal.wait_for_row(">")
    terminal.press(key, "C-c")
    terminal.wait_for_row("$")
    terminal.run("echo works")
    wait_until(lambda: rows(terminal)[-2:] == ["works", "$"], lambda: repr(terminal.screen()))


@pytest.mark.parametrize("ps1", ["", r"\[\e[0m\]", " "])
def test_a_prompt_with_nothing_to_see_gives_the_short_one(own: Open, ps1: str) -> None:
    own(f"PS1='{ps1}'", prompt="folder ❯")


def test_a_private_session_says_so_and_remembers_nothing(own: Open, folder: Path) -> None:
    remember("", str(folder), "remembered $ ")
    terminal = own("PS1='above\\n$ '", "--private", prompt="private $")
    assert rows(terminal) == ["above", "private $"]
    terminal.run("exit")
    assert terminal.exit_status() == 0
    assert first_prompt.remembered("", str(folder)) == "remembered $ "


def test_the_last_prompt_of_a_directory_is_painted_first_and_then_replaced(own: Open, folder: Path) -> None:
    terminal = own("PS1='above\\nold $ '", prompt="old $")
    wait_until(lambda: first_prompt.remembered("", str(folder)), terminal.screen)
    later = own("sleep 1; PS1='new $ '", prompt="old $")
    later.type("echo typed")
    later.wait_for_row("new $ echo typed")
    assert rows(later) == ["new $ echo typed"]


def test_the_short_prompt_is_drawn_where_another_was_remembered(open_shell: Open, folder: Path) -> None:
    remember("", str(folder), "above\nold $ ")
    terminal = open_shell("--no-suggest", prompt="folder ❯")
    wait_for_rows(terminal, ["…/folder ❯" if len(str(folder)) > 26 else f"{folder} ❯"])
    terminal.run("true")
    wait_until(lambda: not Path(first_prompt.file()).exists(), lambda: "still remembered")


# After a command


def test_modes_that_a_command_leaves_on_do_not_reach_the_prompt(open_shell: Open) -> None:
    terminal = open_shell("--no-suggest")
    terminal.run(r"printf '\e[?1003h\e[?1h\e=\e[?25l\e[31;4m\e(0\e[4h'")
    flags = "#{mouse_any_flag}#{keypad_cursor_flag}#{keypad_flag}#{cursor_flag}#{insert_flag}"
    wait_until(lambda: terminal.shown(flags) == "00010", lambda: terminal.shown(flags))
    terminal.run("echo qqq")
    wait_until(lambda: "qqq" in terminal.screen(colours=True), lambda: repr(terminal.screen(colours=True)))


def test_a_program_that_crashes_full_screen_gives_the_screen_back(open_shell: Open) -> None:
    terminal = open_shell("--no-suggest")
    crash = "import tty; tty.setraw(0); print(chr(27) + '[?1049h' + 'full screen', flush=True); 1/0"
    terminal.run(f'python3 -c "{crash}"')
    wait_until(lambda: terminal.row().startswith("[1] "), lambda: repr(terminal.screen()))
    assert terminal.shown("#{alternate_on}") == "0"
    assert any("python3 -c" in row for row in terminal.all_rows())


def test_a_dumb_terminal_gets_no_sequences(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = OwnTerminal.__new__(OwnTerminal)
    terminal._left_raw = True
    monkeypatch.setenv("TERM", "dumb")
    terminal.recover(139)
    assert capfd.readouterr().out == ""
    monkeypatch.setenv("TERM", "xterm")
    terminal.recover(0)
    assert "\x1b[?1049l" not in capfd.readouterr().out
    terminal.recover(139)
    assert "\x1b[?10" in capfd.readouterr().out


def test_a_private_mark_needs_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert own_prompt.mark_private("a\nb $ ") == "a\nprivate b $ "
    assert prompt.private_mark() == "private "
