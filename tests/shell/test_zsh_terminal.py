"""zsh underneath, in a real terminal: what its user sees and types."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.shell.terminal import TableDaemon, Terminal, children_named, is_running, wait_until
from typeahead import config

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed"),
]  # each test opens a shell or a terminal


@pytest.fixture
def open_zsh_terminal(open_shell: Callable[..., Terminal], isolated_home: Path) -> Callable[..., Terminal]:
    def open_one(*options: str, zshrc: str = "", **kwargs: str) -> Terminal:
        (isolated_home / ".zshrc").write_text(zshrc)
        return open_shell("--shell", "zsh", *options, **kwargs)

    return open_one


@pytest.fixture
def shell(open_zsh_terminal: Callable[..., Terminal]) -> Terminal:
    """A zsh without suggestions."""
    return open_zsh_terminal("--no-suggest")


def wait_for_prompt(terminal: Terminal, wanted: str = "") -> None:
    wait_until(
        lambda: terminal.row().startswith(wanted) and terminal.row().endswith("❯"), lambda: repr(terminal.screen())
    )


def test_a_stopped_job_is_reported_and_brought_back(shell: Terminal) -> None:
    shell.run("cat")
    wait_until(lambda: children_named(shell.pid(), "cat"), lambda: repr(shell.screen()))
    shell.press("C-z")
    shell.wait_for("zsh: suspended  cat")
    wait_for_prompt(shell, "[148]")
    shell.run("fg %1")
    shell.wait_for("continued  cat")
    shell.run("back again")
    wait_until(lambda: shell.screen().count("back again") == 2, lambda: repr(shell.screen()))
    shell.press("C-d")
    wait_for_prompt(shell)


def test_a_stopped_loop_goes_on_where_it_was(shell: Terminal) -> None:
    shell.run("for i in 1 2; do cat; echo round $i; done")
    wait_until(lambda: children_named(shell.pid(), "cat"), lambda: repr(shell.screen()))
    shell.press("C-z")
    shell.wait_for("zsh: suspended")
    wait_for_prompt(shell)
    shell.run("fg")
    shell.wait_for("continued")
    shell.press("C-d")
    shell.wait_for("\nround 1")
    shell.press("C-d")
    shell.wait_for("\nround 2")
    wait_for_prompt(shell)


def test_ctrl_c_at_any_moment_leaves_a_working_prompt(shell: Terminal) -> None:
    for number in range(12):
        shell.run(f"true {number}")
        time.sleep(number * 0.002)
        shell.press("C-c")
        shell.press("C-c")
    shell.press("C-u")
    shell.run("sleep 100")
    wait_until(lambda: children_named(shell.pid(), "sleep"), lambda: repr(shell.screen()))
    shell.press("C-c")
    wait_for_prompt(shell, "[130]")
    shell.run("echo alive")
    shell.wait_for("\nalive")


def test_a_command_reads_what_is_typed_for_it(shell: Terminal) -> None:
    shell.run("echo go; read answer; echo got $answer")
    shell.wait_for("\ngo")
    shell.run("forty two")
    shell.wait_for("\ngot forty two")


def test_the_size_follows_the_window(shell: Terminal) -> None:
    shell.resize(60, 15)
    shell.run("stty size; echo $COLUMNS x $LINES")
    shell.wait_for("\n15 60\n60 x 15")


def test_a_construct_is_continued_until_it_is_whole(shell: Terminal) -> None:
    shell.run("for i in a b")
    shell.run("do echo item $i")
    shell.run("done")
    shell.wait_for("\nitem a\nitem b")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("busy", [False, True], ids=["at the prompt", "in a command"])
def test_a_killed_front_end_leaves_no_orphan(shell: Terminal, number: int, busy: bool) -> None:
    shell.run("echo ready")
    shell.wait_for("\nready")
    if busy:
        shell.run("sleep 1000")
        wait_until(lambda: children_named(shell.pid(), "sleep"), lambda: repr(shell.screen()))
    pids = children_named(shell.pid(), "zsh") + children_named(shell.pid(), "sleep")
    assert len(pids) == 1 + busy
    os.kill(shell.pid(), number)
    wait_until(lambda: not any(map(is_running, pids)), lambda: f"still there: {list(filter(is_running, pids))}")


def test_a_zsh_that_is_killed_ends_the_session_with_one_line(shell: Terminal) -> None:
    shell.run("echo ready")
    shell.wait_for("\nready")
    os.kill(children_named(shell.pid(), "zsh")[0], signal.SIGKILL)
    assert shell.exit_status() == 137
    shell.wait_for("typeahead: zsh was ended by signal 9")


def test_an_exec_of_zsh_is_that_zsh_until_it_ends(shell: Terminal) -> None:
    shell.run("exec zsh -f")
    wait_until(lambda: not shell.row().endswith("❯") and shell.row(), lambda: repr(shell.screen()))
    shell.run("print $((6 * 7))")
    shell.wait_for("\n42")
    shell.run("exit 9")
    assert shell.exit_status() == 9


def test_the_users_own_prompts_stand_on_both_sides(open_zsh_terminal: Callable[..., Terminal]) -> None:
    terminal = open_zsh_terminal(
        "--no-suggest",
        zshrc="echo Welcome\nPROMPT='%F{blue}%(?.fine.bad %?)%f > ' RPROMPT='%F{red}right%f'\n",
        prompt="fine >" + " " * 69 + "right",
        TYPEAHEAD_SHELL_PROMPT="own",
    )
    assert [row for row in terminal.screen() if row][:2] == ["Welcome", "fine >" + " " * 69 + "right"]
    terminal.run("(exit 3)")
    wait_until(lambda: terminal.row().startswith("bad 3 >"), lambda: repr(terminal.screen()))
    assert terminal.row().endswith("right")


def test_a_right_prompt_stands_beside_the_line_and_not_beside_what_is_above(
    open_zsh_terminal: Callable[..., Terminal],
) -> None:
    beside = ">" + " " * 74 + "right"
    terminal = open_zsh_terminal(
        "--no-suggest",
        zshrc="PROMPT=$'above\\n> ' RPROMPT='right'\n",
        prompt=beside,
        TYPEAHEAD_SHELL_PROMPT="own",
    )
    assert [row for row in terminal.screen() if row] == ["above", beside]


@pytest.fixture
def daemon(isolated_home: Path) -> Iterator[TableDaemon]:
    served = TableDaemon(config.socket_path(), {"git com": "git commit"})
    yield served
    served.close()


def test_what_zsh_keeps_out_of_its_history_is_not_recorded(
    daemon: TableDaemon, open_zsh_terminal: Callable[..., Terminal]
) -> None:
    terminal = open_zsh_terminal(zshrc="setopt hist_ignore_space; HISTORY_IGNORE='(vault|pass) *'\n")
    for line in ("pass x", " echo hidden", "echo known"):
        terminal.run(line)
        wait_for_prompt(terminal)
    wait_until(lambda: "echo known" in daemon.lines, lambda: repr(daemon.lines))
    assert daemon.lines == ["echo known"]
    wait_until(lambda: "zmodload" in daemon.names.get("names", []), lambda: repr(daemon.names)[:200])
