"""Tab in a real terminal: the menu below the line, over real shells."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shell.fake_daemon import Start
from tests.shell.terminal import TableDaemon, Terminal, wait_until

pytestmark = pytest.mark.slow  # each test opens a shell or a terminal

Open = Callable[..., Terminal]

BASHRC = """
vcs() { echo "ran <$*>"; }
complete -W 'chart cherry cherry-pick add' vcs
complete -W 'only' one
complete -W "$(seq 1000 9999)" many
complete -W 'alpha' alias1
_hang() { while :; do :; done; }
complete -F _hang hang
"""


@pytest.fixture
def folder(folder: Path) -> Path:
    for name in ("my file.txt", "notes.md"):
        (folder / name).touch()
    (folder / "inner").mkdir()
    return folder


@pytest.fixture
def shell(open_shell: Open) -> Terminal:
    return ready(open_shell("--no-suggest", bashrc=BASHRC))


def ready(terminal: Terminal) -> Terminal:
    """Wait until the shell has read its start-up file and has run a line."""
    terminal.run("echo rea''dy")
    wait_until(lambda: "ready" in terminal.screen() and line(terminal) == "", lambda: repr(terminal.screen()))
    terminal.press("C-l")
    wait_until(lambda: "".join(terminal.screen()[:1]).endswith("❯"), lambda: repr(terminal.screen()))
    return terminal


def line(terminal: Terminal) -> str:
    """Return what stands behind the prompt, in the row that the cursor is in."""
    return terminal.row().partition("❯")[2].strip()


def menu(terminal: Terminal) -> list[str]:
    """Return the entries below the line."""
    rows = terminal.screen()[terminal.cursor()[1] + 1 :]
    return [entry for row in rows for entry in row.split()]


def shows(terminal: Terminal, wanted: str, *entries: str) -> None:
    wait_until(
        lambda: line(terminal) == wanted and menu(terminal) == list(entries),
        lambda: f"no {wanted!r} with {entries} in {terminal.screen()}",
    )


def test_the_only_completion_is_inserted_with_a_blank(shell: Terminal) -> None:
    shell.type("one o")
    shell.press("Tab")
    shows(shell, "one only")
    shell.type("x")
    shows(shell, "one only x")


def test_what_all_have_in_common_is_inserted_before_a_menu_opens(shell: Terminal) -> None:
    shell.type("vcs c")
    shell.press("Tab")
    shows(shell, "vcs ch")
    shell.press("Tab")
    shows(shell, "vcs ch", "chart", "cherry", "cherry-pick")


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        (["Tab"], "chart"),
        (["Tab", "Tab"], "cherry"),
        (["Down", "Down", "Down"], "cherry-pick"),
        (["BTab"], "cherry-pick"),
        (["Down", "Down", "Up"], "chart"),
        (["Tab", "Tab", "BTab"], "chart"),
    ],
)
def test_enter_takes_the_chosen_entry_and_does_not_run_the_line(shell: Terminal, keys: list[str], wanted: str) -> None:
    shell.type("vcs ch")
    shell.press("Tab")
    shows(shell, "vcs ch", "chart", "cherry", "cherry-pick")
    shell.press(*keys)
    shows(shell, f"vcs {wanted}", "chart", "cherry", "cherry-pick")
    shell.press("Enter")
    shows(shell, f"vcs {wanted}")
    assert "ran" not in "\n".join(shell.screen())
    shell.press("Enter")
    shell.wait_for(f"ran <{wanted}>")


def test_keys_pressed_before_the_menu_is_there_count(shell: Terminal) -> None:
    shell.type("vcs ch")
    shell.press("Tab", "Tab", "Tab")
    shows(shell, "vcs cherry", "chart", "cherry", "cherry-pick")


def test_typing_narrows_the_menu_and_going_back_closes_it(shell: Terminal) -> None:
    shell.type("vcs ch")
    shell.press("Tab")
    shows(shell, "vcs ch", "chart", "cherry", "cherry-pick")
    shell.type("e")
    shows(shell, "vcs che", "cherry", "cherry-pick")
    shell.press("BSpace")
    shows(shell, "vcs ch", "chart", "cherry", "cherry-pick")
    shell.type("a")
    shows(shell, "vcs cha", "chart")
    shell.press("Tab")
    shows(shell, "vcs chart")
    shell.press("C-w")
    shell.type("ch")
    shell.press("Tab")
    shows(shell, "vcs ch", "chart", "cherry", "cherry-pick")
    shell.press("BSpace")
    shows(shell, "vcs c")


@pytest.mark.parametrize("key", ["Escape", "C-g"])
def test_the_menu_is_closed_and_the_line_as_it_was(shell: Terminal, key: str) -> None:
    shell.type("vcs ch")
    shell.press("Tab")
    shows(shell, "vcs ch", "chart", "cherry", "cherry-pick")
    shell.press("Tab")
    shows(shell, "vcs chart", "chart", "cherry", "cherry-pick")
    shell.press(key)
    shows(shell, "vcs ch")
    shell.type("x")
    shows(shell, "vcs chx")


def test_ctrl_c_abandons_the_line_and_the_menu(shell: Terminal) -> None:
    shell.type("vcs ch")
    shell.press("Tab")
    shows(shell, "vcs ch", "chart", "cherry", "cherry-pick")
    shell.press("C-c")
    shows(shell, "")


def test_the_menu_works_in_twenty_columns_and_in_the_last_row(open_shell: Open) -> None:
    terminal = ready(open_shell("--no-suggest", bashrc=BASHRC, columns=20, rows=10))
    for number in range(12):
        terminal.run(f": {number}")
    wait_until(lambda: terminal.cursor()[1] == 9 and line(terminal) == "", lambda: repr(terminal.screen()))
    terminal.type("vcs ch")
    terminal.press("Tab")
    shows(terminal, "vcs ch", "chart", "cherry", "cherry-pick")
    terminal.press("Tab", "Enter")
    shows(terminal, "vcs chart")
    terminal.press("Enter")
    terminal.wait_for("ran <chart>")


def test_thousands_of_entries_can_be_narrowed(shell: Terminal) -> None:
    shell.type("many ")
    shell.press("Tab")
    wait_until(lambda: "1000" in menu(shell), lambda: repr(shell.screen()))
    shell.type("573")
    wait_until(lambda: set(menu(shell)) == {f"573{digit}" for digit in range(10)}, lambda: repr(shell.screen()))


def test_a_shell_that_is_still_completing_keeps_no_key_and_no_line_waiting(shell: Terminal) -> None:
    shell.type("hang ")
    shell.press("Tab")
    shell.wait_for("[…]")
    shell.press("C-u")
    shell.run("echo qui''ck")
    shell.wait_for("quick")


def test_what_the_shell_does_not_know_is_looked_up_in_the_file_system(shell: Terminal) -> None:
    shell.type('nosuch "my')
    shell.press("Tab")
    shows(shell, 'nosuch "my file.txt"')
    shell.press("C-u")
    shell.type("nosuch in")
    shell.press("Tab")
    shows(shell, "nosuch inner/")
    shell.press("C-u")
    shell.type("nosuch zz")
    shell.press("Tab")
    shell.wait_for("[no completions]")


def test_a_shell_that_is_still_starting_is_not_waited_for(open_shell: Open) -> None:
    terminal = open_shell("--no-suggest", bashrc="read -r -t 100 <> <(:)\n")
    terminal.type("cat no")
    terminal.press("Tab")
    shows(terminal, "cat notes.md")
    terminal.press("C-c")


def test_completing_in_the_middle_keeps_what_follows(shell: Terminal) -> None:
    shell.type("one o rest")
    shell.press("C-a", "M-f", "M-f", "Tab")
    wait_until(lambda: line(shell) == "one only rest", lambda: repr(shell.screen()))


@pytest.fixture
def daemon(serve: Callable[..., TableDaemon]) -> TableDaemon:
    return serve({"vcs ch": "vcs cherry-pick feature", "one o": "one other"})


def test_the_entry_of_the_grey_text_stands_first(daemon: TableDaemon, open_shell: Open) -> None:
    terminal = ready(open_shell(bashrc=BASHRC))
    terminal.type("vcs ch")
    wait_until(lambda: line(terminal) == "vcs cherry-pick feature", lambda: repr(terminal.screen()))
    terminal.press("Tab")
    wait_until(lambda: menu(terminal) == ["cherry-pick", "chart", "cherry"], lambda: repr(terminal.screen()))
    terminal.press("Escape", "C-u")
    terminal.type("one o")
    wait_until(lambda: line(terminal) == "one other", lambda: repr(terminal.screen()))
    terminal.press("Tab")  # takes no other text than the grey one without asking
    wait_until(lambda: menu(terminal) == ["other", "suggested", "only"], lambda: repr(terminal.screen()))


def test_the_model_puts_the_likely_entries_first(open_shell: Open, start: Start) -> None:
    start().wait_state("warm")
    terminal = ready(open_shell("--no-suggest", bashrc="complete -W 'alder a-likely birch likely' tree\n"))
    terminal.type("tree ")
    terminal.press("Tab")
    shows(terminal, "tree", "a-likely", "alder", "likely", "birch")  # in two columns
    terminal.type("a")
    shows(terminal, "tree a", "a-likely", "alder")


def test_zsh_shows_descriptions_one_entry_a_row(open_shell: Open, isolated_home: Path) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    (isolated_home / ".zshrc").write_text("""
autoload -Uz compinit; compinit -D
_machine() { local -a what; what=('start:set it going' 'stop:bring it to an end'); _describe command what }
compdef _machine machine
""")
    terminal = ready(open_shell("--no-suggest", "--shell", "zsh"))
    terminal.type("machine s")
    terminal.press("Tab")
    shows(terminal, "machine st")
    terminal.press("Tab")
    shows(terminal, "machine st", *["start", "set", "it", "going", "stop", "bring", "it", "to", "an", "end"])
    terminal.press("Down", "Down", "Enter")
    shows(terminal, "machine stop")
