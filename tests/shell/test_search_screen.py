"""Ctrl-R and Up in a real terminal, over the real daemon (its model is a few lines) and a real store."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shell.fake_daemon import Start
from tests.shell.terminal import Terminal, wait_until
from typeahead import config
from typeahead.history import History

pytestmark = pytest.mark.slow  # each test opens a shell or a terminal

Open = Callable[..., Terminal]
LOOP = "for i in 1 2\ndo\n  echo item $i\ndone"
AWAY = "the daemon is away"


@pytest.fixture
def history(folder: Path) -> History:
    """The store, with lines of an hour ago; every other one was run in the shell's folder."""
    store = History(config.history_file())
    lines = ["git checkout main", "make test", "git commit -m first", "make install", LOOP, "printf 'a\x1b[2Jb'"]
    for number, line in enumerate(lines):
        cwd, status = ("/elsewhere", str(folder))[number % 2], int(line == "make install") * 2
        store.add(line, cwd, status, "other", started=time.time() - 3600 + number, duration_s=2.0)
    return store


@pytest.fixture
def shell(open_shell: Open, start: Start, history: History) -> Terminal:
    """A shell with the daemon at hand, and no grey text."""
    start().wait_state("warm")
    return open_shell("--no-suggest")


def listed(terminal: Terminal) -> list[str]:
    """Return the lines in the list, that which is chosen with its mark."""
    rows = terminal.screen()
    first = terminal.cursor()[1] + 1
    end = next((place for place in range(first, len(rows)) if not rows[place].startswith(("❯ ", "  "))), len(rows))
    return [row.removeprefix("  ") for row in rows[first:end]]


def wait_for_list(terminal: Terminal, *wanted: str) -> None:
    wait_until(lambda: listed(terminal) == list(wanted), lambda: f"{wanted} is not what {terminal.screen()} lists")


def wait_for_prompt(terminal: Terminal, wanted: str) -> None:
    """Wait until the line on the prompt is ``wanted`` and the list has gone."""

    def stands() -> bool:
        rows = [row for row in terminal.screen() if row]
        return rows[-1].endswith(f"❯ {wanted}".rstrip())

    wait_until(stands, lambda: f"no {wanted!r} on the prompt of {terminal.screen()}")


def search(terminal: Terminal, text: str) -> None:
    terminal.press("C-r")
    terminal.wait_for("history:")
    terminal.type(text)
    terminal.wait_for(f"history: {text}".strip())


def test_letters_in_order_find_lines_and_enter_puts_one_on_the_prompt_without_running_it(shell: Terminal) -> None:
    search(shell, "gco")
    wait_for_list(shell, "❯ git commit -m first", "git checkout main")
    shell.press("Down")
    wait_for_list(shell, "git commit -m first", "❯ git checkout main")
    shell.wait_for("/elsewhere · worked · 1h ago · took 2.0s")
    shell.press("Enter")
    wait_for_prompt(shell, "git checkout main")
    shell.press("C-u")
    shell.run("echo still $((40+2))")
    shell.wait_for("still 42")


def test_what_stands_on_the_prompt_is_looked_for_and_stays_there_on_leaving(shell: Terminal) -> None:
    for key in ("Escape", "C-g", "C-c"):
        shell.type("mt")
        shell.press("C-r")
        wait_for_list(shell, "❯ make test", "git commit -m first", "make install")
        shell.type("x")
        shell.wait_for("nothing found")
        shell.press(key)
        wait_for_prompt(shell, "mt")
        shell.press("C-u")
        wait_for_prompt(shell, "")


def test_enter_typed_ahead_of_the_answer_takes_what_the_answer_brings(shell: Terminal) -> None:
    shell._tmux(
        "send-keys", "C-r", ";", "send-keys", "-l", "ginit", ";", "send-keys", *["BSpace"] * 3, "c", "h", "Enter"
    )
    wait_for_prompt(shell, "git checkout main")


def test_what_is_typed_ahead_after_that_enter_is_for_the_prompt(shell: Terminal) -> None:
    shell._tmux("send-keys", "C-r", "zzzz", "Enter", "C-u", "echo typed $((40 + 2))", "Enter")
    shell.wait_for("typed 42")
    shell._tmux("send-keys", "C-r", "zzzz", "Enter", "C-g", "C-g", "C-u", "echo left $((40 + 2))", "Enter")
    shell.wait_for("left 42")


def test_ctrl_r_narrows_to_the_directory_and_to_the_session_and_ctrl_s_to_what_worked(shell: Terminal) -> None:
    shell.run("make here")
    wait_until(lambda: "make here: " not in shell.row() and shell.row().endswith("❯"), lambda: repr(shell.screen()))
    search(shell, "make")
    wait_for_list(shell, "❯ make here", "make install", "make test")
    shell.press("C-s")
    shell.wait_for("history, what worked: make")
    wait_for_list(shell, "❯ make test")
    shell.press("C-s", "C-r")
    shell.wait_for("this directory: make")
    wait_for_list(shell, "❯ make here", "make install", "make test")
    shell.press("C-r")
    shell.wait_for("this session: make")
    wait_for_list(shell, "❯ make here")


def test_a_directory_lists_what_was_run_there_alone(shell: Terminal, folder: Path) -> None:
    search(shell, "")
    shell.press("C-r")
    shell.wait_for("this directory:")
    wait_for_list(shell, "❯ printf 'a^[[2Jb'", "make install", "make test")


def test_a_line_is_forgotten_at_the_second_press_alone(shell: Terminal, history: History) -> None:
    search(shell, "make")
    wait_for_list(shell, "❯ make install", "make test")
    shell.press("C-d")
    shell.wait_for("press again to forget")
    shell.press("Down", "C-d")
    wait_until(lambda: "❯ make test" in shell.screen(), lambda: repr(shell.screen()))
    assert len(history.latest(9)) == 6
    shell.press("C-d")
    wait_for_list(shell, "❯ make install")
    wait_until(lambda: "make test" not in [event.command for event in history.latest(9)], lambda: "still in the store")
    assert len(history.latest(9)) == 5


def test_a_command_of_several_rows_is_shown_whole_and_put_on_the_prompt_unrun(shell: Terminal) -> None:
    search(shell, "for")
    shell.wait_for("❯ for i in 1 2↵ do↵   echo item $i↵ done")
    shell.wait_for("\ndo\n  echo item $i\ndone\n")
    shell.press("Enter")
    wait_until(lambda: shell.row() == "done", lambda: repr(shell.screen()))
    assert "item 1" not in "\n".join(shell.screen())
    shell.press("Enter")
    shell.wait_for("item 1\nitem 2")


def test_a_paste_into_the_search_runs_nothing(shell: Terminal) -> None:
    search(shell, "")
    shell.paste("make\ninst")
    shell.wait_for("history: make inst")
    wait_for_list(shell, "❯ make install")


def test_a_narrow_and_low_window_and_one_that_changes_its_size(
    open_shell: Open, start: Start, history: History
) -> None:
    start().wait_state("warm")
    terminal = open_shell("--no-suggest", columns=20, rows=5, prompt="❯")
    terminal.press("C-r")
    terminal.wait_for("all:")
    terminal.type("make")
    wait_for_list(terminal, "❯ make install", "make test")
    terminal.resize(60, 20)
    terminal.wait_for("history: make")
    terminal.wait_for("failed: 2")
    terminal.resize(12, 4)
    terminal.wait_for("all: make")
    terminal.press("Enter")
    wait_until(lambda: "".join(terminal.screen()).endswith("make install"), lambda: repr(terminal.screen()))


def test_without_the_daemon_the_lines_in_memory_are_searched(open_shell: Open, history: History) -> None:
    terminal = open_shell("--no-suggest")
    search(terminal, "gco")
    wait_for_list(terminal, "❯ git commit -m first", "git checkout main")
    terminal.wait_for(AWAY)
    terminal.press("C-r")
    terminal.wait_for("this directory: gco")
    terminal.wait_for("nothing found")
    terminal.press("C-r", "C-r", "Enter")
    wait_for_prompt(terminal, "git commit -m first")


def test_a_daemon_that_dies_while_one_searches_is_replaced_by_memory(
    open_shell: Open, start: Start, history: History
) -> None:
    daemon = start().wait_state("warm")
    terminal = open_shell("--no-suggest")
    search(terminal, "make")
    wait_for_list(terminal, "❯ make install", "make test")
    daemon.close()
    terminal.type(" te")
    wait_for_list(terminal, "❯ make test")
    terminal.wait_for(AWAY)


def test_in_vi_mode_the_search_is_left_for_the_mode_that_it_was_opened_in(
    open_shell: Open, start: Start, history: History
) -> None:
    start().wait_state("warm")
    terminal = open_shell("--no-suggest", TYPEAHEAD_SHELL_EDITING="vi")
    terminal.type("mak")
    terminal.press("Escape")
    wait_until(lambda: terminal.row()[terminal.cursor()[0] :] == "k", lambda: repr(terminal.screen()))
    terminal.press("C-r")
    wait_for_list(terminal, "❯ make install", "make test")
    terminal.type("t")
    wait_for_list(terminal, "❯ make test", "make install")
    terminal.press("Escape")
    wait_for_prompt(terminal, "mak")
    terminal.type("Ax")
    wait_for_prompt(terminal, "makx")


def test_a_shell_that_dies_meanwhile_leaves_no_list_behind(shell: Terminal) -> None:
    shell.run("(sleep 0.5; kill -9 $$) &")
    search(shell, "make")
    assert shell.exit_status() == 137
    assert "make install" not in "\n".join(shell.screen())


# Up and Down


def test_up_goes_through_lines_that_begin_like_the_typed_one_and_down_brings_that_back(shell: Terminal) -> None:
    shell.type("mak")
    for key, wanted in (("Up", "make install"), ("Up", "make test"), ("Up", "make test"), ("Down", "make install")):
        shell.press(key)
        wait_for_prompt(shell, wanted)
    shell.press("Down")
    wait_until(lambda: shell.cursor()[0] == len("folder ❯ mak") + 2, lambda: repr((shell.cursor(), shell.screen())))
    shell.press("C-u", "Up")
    wait_for_prompt(shell, "printf 'a^[[2Jb'")


def test_in_vis_command_mode_k_and_j_go_the_same_way(open_shell: Open, history: History) -> None:
    terminal = open_shell("--no-suggest", TYPEAHEAD_SHELL_EDITING="vi")
    terminal.type("make ")
    terminal.press("Escape", "k")
    wait_for_prompt(terminal, "make install")
    terminal.press("k")
    wait_for_prompt(terminal, "make test")
    terminal.press("j", "j")
    wait_for_prompt(terminal, "make")


def test_up_and_down_move_inside_a_command_of_several_rows_first(shell: Terminal) -> None:
    shell.press("Up", "Up")
    wait_until(lambda: shell.row() == "done", lambda: repr(shell.screen()))
    shell.press("Up", "Up")
    wait_until(lambda: shell.row() == "do", lambda: repr(shell.screen()))
    shell.press("Up")
    shell.press("Up")
    wait_for_prompt(shell, "make install")


def test_up_goes_on_in_the_store_where_memory_ends(open_shell: Open) -> None:
    from typeahead.history import Event

    store = History(config.history_file())
    store.add("old line", started=1.0)
    with store.errors(), store.transaction():
        for number in range(5100):
            store.insert(
                Event(0, f"old {number}" if number < 3 else "other", None, 0, "", "", 2.0 + number, None), None, {}
            )
    terminal = open_shell("--no-suggest")
    terminal.type("old")
    for wanted in ("old 2", "old 1", "old 0", "old line"):
        terminal.press("Up")
        wait_for_prompt(terminal, wanted)


def test_alt_less_goes_to_the_oldest_line_and_alt_greater_back_to_the_typed_one(shell: Terminal) -> None:
    shell.type("mak")
    shell.press("M-<")
    wait_for_prompt(shell, "make test")
    shell.press("M->")
    wait_for_prompt(shell, "mak")


def test_ctrl_s_opens_the_same_search_as_ctrl_r(shell: Terminal) -> None:
    shell.type("mtes")
    shell.press("C-s")
    wait_for_list(shell, "❯ make test")
    shell.press("C-g")
    wait_for_prompt(shell, "mtes")
