"""The shell in a real terminal: what its user sees and types."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shell.terminal import TableDaemon, Terminal, children_named, is_running, process_table, wait_until
from typeahead import config
from typeahead.errors import DaemonError
from typeahead.history import History
from typeahead.shell.protocol import request

pytestmark = pytest.mark.slow  # each test opens a shell or a terminal

TABLE = {
    "git com": "git commit -m 'mend it'",
    "cat long": "cat long " + "x" * 200,
    "evil": "evil\nrm x",
    "escape": "escape \x1b[2J",
}


@pytest.fixture
def daemon(serve: Callable[..., TableDaemon]) -> TableDaemon:
    return serve(TABLE)


Open = Callable[..., Terminal]


@pytest.fixture
def shell(open_shell: Open) -> Terminal:
    """A shell without suggestions."""
    return open_shell("--no-suggest")


def after_prompt(terminal: Terminal) -> str:
    """Return what stands behind the prompt in the cursor's row."""
    return terminal.row().partition("❯")[2].strip()


def wait_for_input(terminal: Terminal, wanted: str) -> None:
    wait_until(lambda: after_prompt(terminal) == wanted, lambda: f"{wanted!r} not in {terminal.screen()}")


def output_of(terminal: Terminal, line: str, wanted: str) -> None:
    """Run a line and wait for ``wanted`` in a row of its own and the prompt after it."""
    terminal.run(line)
    wait_until(
        lambda: wanted in terminal.screen() and after_prompt(terminal) == "", lambda: f"{line!r}: {terminal.screen()}"
    )


# What persists: one live bash


def test_a_cd_and_an_export_persist_to_the_next_line(shell: Terminal, folder: Path) -> None:
    (folder / "below").mkdir()
    shell.run("cd below; export COLOUR=blue")
    wait_until(lambda: shell.row().endswith("below ❯"), lambda: repr(shell.screen()))
    output_of(shell, "echo $COLOUR in ${PWD##*/}", "blue in below")


def test_the_users_bashrc_gives_functions_and_aliases(open_shell: Open) -> None:
    terminal = open_shell(
        "--no-suggest", bashrc="alias hi='echo alias works'; f() { echo function $1; }; shopt -s autocd"
    )
    output_of(terminal, "hi", "alias works")
    output_of(terminal, "f works", "function works")


def test_what_the_bashrc_prints_stands_above_the_prompt(open_shell: Open) -> None:
    terminal = open_shell("--no-suggest", bashrc="sleep 0.4; echo Welcome; printf 'no newline'; cd /")
    terminal.type("echo a")
    wait_until(lambda: terminal.row() == "/ ❯ echo a", lambda: repr(terminal.screen()))
    rows = [row for row in terminal.screen() if row]
    assert rows == ["Welcome", "no newline%", "/ ❯ echo a"]


def test_what_the_first_hook_prints_stands_there_too_and_no_trace_of_ours(open_shell: Open) -> None:
    terminal = open_shell("--no-suggest", bashrc="PROMPT_COMMAND='printf hook'; set -x")
    wait_until(lambda: "hook%" in terminal.screen(), lambda: repr(terminal.screen()))
    wait_for_input(terminal, "")
    assert [row for row in terminal.screen() if row] == ["++ printf hook", "hook%", "…/folder ❯"]


@pytest.mark.parametrize("program", ["bash", "zsh"])
def test_start_up_files_may_ask(open_shell: Open, isolated_home: Path, program: str) -> None:
    lines = "echo early; printf 'Update? '; read answer; echo got $answer"
    (isolated_home / ".zshrc").write_text(lines)
    terminal = open_shell("--no-suggest", "--shell", program, bashrc=lines, prompt="Update?")
    wait_until(lambda: terminal.row() == "Update?", lambda: repr(terminal.screen()))
    terminal.run("yes")
    wait_for_input(terminal, "")
    assert [row for row in terminal.screen() if row] == ["early", "Update? yes", "got yes", "…/folder ❯"]
    output_of(terminal, "echo $answer $((40 + 2))", "yes 42")


def test_a_question_of_start_up_files_is_interrupted(open_shell: Open) -> None:
    terminal = open_shell("--no-suggest", bashrc="printf 'Update? '; read answer; echo got", prompt="Update?")
    wait_until(lambda: terminal.row() == "Update?", lambda: repr(terminal.screen()))
    terminal.press("C-c")
    wait_until(lambda: terminal.row().endswith("❯"), lambda: repr(terminal.screen()))
    output_of(terminal, "echo on $((40 + 2))", "on 42")


def test_what_slow_start_up_files_print_is_shown_before_their_end(open_shell: Open, folder: Path) -> None:
    terminal = open_shell("--no-suggest", bashrc="echo early; until [[ -e go ]]; do sleep 0.1; done; echo late")
    terminal.type("echo typed")
    wait_until(lambda: "early" in terminal.screen(), lambda: repr(terminal.screen()))
    wait_for_input(terminal, "echo typed")
    (folder / "go").touch()
    wait_until(
        lambda: [row for row in terminal.screen() if row] == ["early", "late", "…/folder ❯ echo typed"],
        lambda: repr(terminal.screen()),
    )


@pytest.mark.parametrize(("program", "other"), [("bash", "zsh"), ("zsh", "bash")])
def test_a_shell_that_start_up_files_run_instead_runs_underneath(
    daemon: TableDaemon, open_shell: Open, isolated_home: Path, program: str, other: str
) -> None:
    (isolated_home / ".zshrc").write_text("exec bash" if other == "bash" else "")
    terminal = open_shell("--shell", program, bashrc="exec zsh" if other == "zsh" else "")
    test = "[[ ${ZSH_VERSION-} ]]" if other == "zsh" else "[[ ${BASH_VERSION-} ]]"

    def is_underneath() -> bool:
        found = children_named(terminal.pid(), other)
        return any(b"\0-i\0" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in found)

    wait_until(is_underneath, lambda: repr(terminal.screen()))
    wait_for_input(terminal, "")
    terminal.run(f"{test} && echo other $((40 + 2))")
    wait_until(lambda: "other 42" in terminal.screen(), lambda: repr(terminal.screen()))
    wait_until(lambda: terminal.row().endswith("❯"), lambda: repr(terminal.screen()))
    terminal.type("git com")
    wait_for_input(terminal, "git commit -m 'mend it'")
    terminal.press("C-c")
    terminal.run("exit 4")
    assert terminal.exit_status() == 4


def test_a_program_that_start_up_files_run_instead_has_the_terminal(open_shell: Open) -> None:
    terminal = open_shell("--no-suggest", bashrc="exec cat", prompt="in its place")
    terminal.wait_for("typeahead: the start-up files of bash run cat in its place: no suggestions")
    terminal.run("to and fro")
    wait_until(lambda: terminal.screen().count("to and fro") == 2, lambda: repr(terminal.screen()))
    terminal.press("C-d")
    assert terminal.exit_status() == 0


def test_who_has_just_begun_is_told_how_to_bring_the_history_along(
    daemon: TableDaemon, open_shell: Open, isolated_home: Path
) -> None:
    (isolated_home / ".bash_history").write_text("make all\n")
    open_shell().wait_for("to know what you have run in bash: typeahead history import")


def test_a_stopped_job_is_reported_and_brought_back(shell: Terminal) -> None:
    shell.run("cat")
    wait_until(lambda: children_named(shell.pid(), "cat"), lambda: repr(shell.screen()))
    shell.press("C-z")
    shell.wait_for("Stopped")
    shell.wait_for("[148]")
    shell.run("fg")
    shell.wait_for("\ncat")
    shell.run("back again")
    wait_until(lambda: shell.screen().count("back again") == 2, lambda: repr(shell.screen()))
    shell.press("C-d")
    wait_for_input(shell, "")


# The status


def test_false_shows_its_status_in_the_prompt_and_true_clears_it(shell: Terminal) -> None:
    shell.run("false")
    wait_until(lambda: shell.row().startswith("[1] "), lambda: repr(shell.screen()))
    output_of(shell, "echo was $?", "was 1")
    assert not shell.row().startswith("[")


def test_exit_with_a_number_is_the_status_of_the_process(shell: Terminal) -> None:
    shell.run("exit 3")
    assert shell.exit_status() == 3


def test_ctrl_d_leaves_with_the_last_status(shell: Terminal) -> None:
    shell.run("(exit 9)")
    wait_until(lambda: shell.row().startswith("[9] "), lambda: repr(shell.screen()))
    shell.press("C-d")
    assert shell.exit_status() == 9


def test_exit_with_stopped_jobs_warns_once(shell: Terminal) -> None:
    shell.run("cat")
    wait_until(lambda: children_named(shell.pid(), "cat"), lambda: repr(shell.screen()))
    shell.press("C-z")
    shell.wait_for("[148]")
    shell.run("exit 4")
    shell.wait_for("There are stopped jobs.")
    shell.run("exit 4")
    assert shell.exit_status() == 4


# The command owns the terminal


def test_ctrl_c_interrupts_a_command_and_the_prompt_shows_130(shell: Terminal) -> None:
    shell.run("sleep 100")
    shell.wait_for("sleep 100")
    wait_until(lambda: children_named(shell.pid(), "sleep"), lambda: repr(shell.screen()))
    shell.press("C-c")
    wait_until(lambda: shell.row().startswith("[130] "), lambda: repr(shell.screen()))
    output_of(shell, "echo alive", "alive")


def test_ctrl_c_interrupts_a_loop_of_the_shell_itself(shell: Terminal) -> None:
    shell.run("echo go; while :; do :; done")
    shell.wait_for("\ngo")
    shell.press("C-c")
    wait_until(lambda: shell.row().startswith("[130] "), lambda: repr(shell.screen()))


def test_ctrl_c_at_the_prompt_gives_a_new_line_and_runs_nothing(shell: Terminal, folder: Path) -> None:
    shell.type("touch made")
    wait_for_input(shell, "touch made")
    shell.press("C-c")
    wait_for_input(shell, "")
    output_of(shell, "ls | wc -l", "0")


def test_ctrl_c_at_any_moment_leaves_a_working_prompt(shell: Terminal) -> None:
    for number in range(12):
        shell.run(f"true {number}")
        time.sleep(number * 0.002)
        shell.press("C-c")
        shell.press("C-c")
    shell.press("C-u")
    output_of(shell, "echo alive", "alive")


def test_vim_edits_and_returns(shell: Terminal, folder: Path) -> None:
    shell.run("vim -u NONE note.txt")
    shell.wait_for("note.txt")
    shell.wait_for("~")
    shell.type("ihello from vim")
    shell.wait_for("hello from vim")
    shell.press("Escape")
    shell.run(":wq")
    wait_for_input(shell, "")
    assert (folder / "note.txt").read_text() == "hello from vim\n"
    output_of(shell, "echo back", "back")


def test_less_shows_a_file_and_returns(shell: Terminal, folder: Path) -> None:
    (folder / "long.txt").write_text("".join(f"row {i}\n" for i in range(500)))
    shell.run("less long.txt")
    shell.wait_for("row 10")
    shell.type("G")
    shell.wait_for("row 499")
    shell.type("q")
    output_of(shell, "echo back", "back")


def test_a_python_prompt_runs_inside_and_survives_ctrl_c(shell: Terminal) -> None:
    shell.run("python3 -q")
    shell.wait_for(">>>")
    shell.press("C-c")
    shell.wait_for("KeyboardInterrupt")
    shell.run("6 * 7")
    shell.wait_for("42")
    shell.press("C-d")
    output_of(shell, "echo back", "back")


def test_a_command_reads_what_is_typed_for_it(shell: Terminal) -> None:
    shell.run("echo go; read -r answer; echo got $answer")
    shell.wait_for("\ngo")
    shell.run("forty two")
    shell.wait_for("got forty two")


def test_the_size_follows_the_window(shell: Terminal) -> None:
    output_of(shell, "stty size; echo $COLUMNS", "24 80")
    shell.resize(60, 15)
    output_of(shell, "stty size", "15 60")
    output_of(shell, "echo $COLUMNS x $LINES", "60 x 15")


def test_the_size_follows_while_a_command_runs(shell: Terminal) -> None:
    shell.run("echo go; read; stty size")
    shell.wait_for("\ngo")
    shell.resize(70, 20)
    shell.press("Enter")
    shell.wait_for("20 70")


def test_keys_typed_while_a_command_runs_are_the_next_line(shell: Terminal) -> None:
    shell.run("sleep 0.6")
    shell.type("echo typed ahead")
    wait_for_input(shell, "echo typed ahead")
    shell.press("Enter")
    wait_until(lambda: "typed ahead" in shell.screen(), lambda: repr(shell.screen()))


def test_keys_typed_before_the_prompt_is_there_are_neither_lost_nor_doubled(open_shell: Open) -> None:
    terminal = open_shell("--no-suggest", bashrc="sleep 0.5", prompt="")
    terminal.type("echo early")
    wait_until(lambda: after_prompt(terminal) == "echo early", lambda: repr(terminal.screen()))
    terminal.press("Enter")
    wait_until(
        lambda: [r for r in terminal.screen() if r][1:] == ["early", "…/folder ❯"], lambda: repr(terminal.screen())
    )


def test_output_without_a_newline_is_kept_and_marked(shell: Terminal) -> None:
    shell.run("printf partial")
    shell.wait_for("partial%")
    wait_for_input(shell, "")


def test_a_line_of_a_hundred_kilobytes_runs_exactly(shell: Terminal, folder: Path) -> None:
    (folder / "line").write_text("printf %s '" + "é" * 50_000 + "' | wc -c")
    output_of(shell, 'eval "$(<line)"', "100000")
    shell.paste("printf %s " + "y" * 6000 + " | wc -c")
    shell.wait_for("wc -c")
    shell.press("Enter")
    shell.wait_for("6000")


def test_a_paste_waits_for_enter(shell: Terminal, folder: Path) -> None:
    shell.paste("touch one\ntouch two\n")
    shell.wait_for("touch two")
    time.sleep(0.2)
    assert list(folder.iterdir()) == []
    shell.press("Enter")
    wait_until(lambda: len(list(folder.iterdir())) == 2, lambda: repr(shell.screen()))


def test_an_open_quote_takes_another_line_and_alt_enter_too(shell: Terminal) -> None:
    shell.run("echo 'one")
    shell.run("two'")
    shell.wait_for("\none\ntwo")
    shell.type("echo three")
    shell.press("M-Enter")
    shell.run("echo four")
    shell.wait_for("\nthree\nfour")


def test_a_syntax_error_is_bashs_own_and_the_next_line_runs(shell: Terminal) -> None:
    shell.run("echo )")
    shell.wait_for("syntax error")
    output_of(shell, "if true; then echo fine; fi", "fine")


def test_suspend_does_not_hang(shell: Terminal) -> None:
    shell.run("suspend")
    output_of(shell, "echo alive", "alive")


# Processes end


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("busy", [False, True], ids=["at the prompt", "in a command"])
def test_a_killed_front_end_leaves_no_orphan(shell: Terminal, number: int, busy: bool) -> None:
    output_of(shell, "echo ready", "ready")
    if busy:
        shell.run("sleep 1000")
        wait_until(lambda: children_named(shell.pid(), "sleep"), lambda: repr(shell.screen()))
    pids = children_named(shell.pid(), "bash") + children_named(shell.pid(), "sleep")
    assert len(pids) == 1 + busy
    os.kill(shell.pid(), number)
    wait_until(lambda: not any(map(is_running, pids)), lambda: f"still there: {list(filter(is_running, pids))}")


@pytest.mark.parametrize("busy", [False, True], ids=["at the prompt", "in a command"])
def test_a_closed_terminal_leaves_no_orphan(open_shell: Open, busy: bool) -> None:
    terminal = open_shell("--no-suggest")
    output_of(terminal, "echo ready", "ready")
    if busy:
        terminal.run("sleep 1000")
        wait_until(lambda: children_named(terminal.pid(), "sleep"), lambda: repr(terminal.screen()))
    pids = [terminal.pid(), *children_named(terminal.pid(), "bash"), *children_named(terminal.pid(), "sleep")]
    terminal.close()
    wait_until(lambda: not any(map(is_running, pids)), lambda: f"still there: {list(filter(is_running, pids))}")
    assert list((config.runtime_dir()).glob("shell-*")) == []


def test_a_terminal_closed_over_a_stopped_job_leaves_no_orphan(open_shell: Open) -> None:
    terminal = open_shell("--no-suggest")
    terminal.run("sleep 1000")
    wait_until(lambda: children_named(terminal.pid(), "sleep"), lambda: repr(terminal.screen()))
    terminal.press("C-z")
    terminal.wait_for("[148]")
    pids = [terminal.pid(), *children_named(terminal.pid(), "bash"), *children_named(terminal.pid(), "sleep")]
    assert len(pids) == 3
    terminal.close()
    wait_until(lambda: not any(map(is_running, pids)), lambda: f"still there: {process_table()}")


def test_a_bash_that_is_killed_ends_the_session_with_one_line(shell: Terminal) -> None:
    output_of(shell, "echo ready", "ready")
    os.kill(children_named(shell.pid(), "bash")[0], signal.SIGKILL)
    assert shell.exit_status() == 137
    shell.wait_for("typeahead: bash was ended by signal 9")


def test_a_bashrc_that_exits_ends_the_session_with_its_status(open_shell: Open) -> None:
    terminal = open_shell("--no-suggest", bashrc="exit 5", prompt="")
    assert terminal.exit_status() == 5


# Suggestions


def test_grey_text_appears_and_right_takes_all(daemon: TableDaemon, open_shell: Open) -> None:
    terminal = open_shell()
    terminal.type("git com")
    wait_for_input(terminal, "git commit -m 'mend it'")
    column, row = terminal.cursor()
    assert terminal.row()[:column].endswith("git com")
    assert "\x1b[38;5;244mmit -m 'mend it'" in terminal.screen(colours=True)[row]
    terminal.press("Right")
    wait_until(lambda: terminal.row()[: terminal.cursor()[0]].endswith("mend it'"), lambda: repr(terminal.screen()))


@pytest.mark.parametrize("key", ["End", "C-e", "C-f"])
def test_other_keys_take_all_too(daemon: TableDaemon, open_shell: Open, key: str) -> None:
    terminal = open_shell()
    terminal.type("git com")
    wait_for_input(terminal, TABLE["git com"])
    terminal.press(key)
    terminal.type("!")
    wait_for_input(terminal, TABLE["git com"] + "!")


@pytest.mark.parametrize("key", ["M-f", "C-Right"])
def test_a_word_is_taken_and_the_rest_stays_grey(daemon: TableDaemon, open_shell: Open, key: str) -> None:
    terminal = open_shell()
    terminal.type("git com")
    wait_for_input(terminal, TABLE["git com"])
    terminal.press(key)
    wait_until(lambda: terminal.row()[: terminal.cursor()[0]].endswith("git commit"), lambda: repr(terminal.screen()))
    assert after_prompt(terminal) == TABLE["git com"]
    terminal.press(key)
    wait_until(lambda: terminal.row()[: terminal.cursor()[0]].endswith("commit -m"), lambda: repr(terminal.screen()))


@pytest.mark.parametrize("key", ["Escape", "C-g"])
def test_a_key_dismisses_until_the_next_edit(daemon: TableDaemon, open_shell: Open, key: str) -> None:
    terminal = open_shell()
    terminal.type("git com")
    wait_for_input(terminal, TABLE["git com"])
    terminal.press(key)
    wait_for_input(terminal, "git com")
    time.sleep(0.3)
    assert after_prompt(terminal) == "git com"
    if key == "C-g":
        terminal.press("BSpace")
        terminal.type("m")
        wait_for_input(terminal, TABLE["git com"])


def test_the_suggestion_stays_while_it_matches_and_goes_when_it_does_not(daemon: TableDaemon, open_shell: Open) -> None:
    terminal = open_shell()
    daemon.table["git comm"] = "git commune"
    terminal.type("git com")
    wait_for_input(terminal, TABLE["git com"])
    terminal.type("m")
    wait_until(lambda: "git comm" in daemon.asked, lambda: repr(daemon.asked))
    time.sleep(0.1)
    assert after_prompt(terminal) == TABLE["git com"]
    terminal.type("a")
    wait_for_input(terminal, "git comma")


def test_there_is_no_suggestion_inside_a_line(daemon: TableDaemon, open_shell: Open) -> None:
    terminal = open_shell()
    terminal.type("git com")
    wait_for_input(terminal, TABLE["git com"])
    terminal.press("Left")
    wait_for_input(terminal, "git com")
    terminal.press("Right")
    wait_for_input(terminal, TABLE["git com"])


@pytest.mark.parametrize("line", ["evil", "escape"])
def test_a_suggestion_with_a_control_character_is_never_shown(daemon: TableDaemon, open_shell: Open, line: str) -> None:
    terminal = open_shell()
    terminal.type(line)
    wait_until(lambda: line in daemon.asked, lambda: repr(daemon.asked))
    time.sleep(0.2)
    assert after_prompt(terminal) == line


def test_enter_runs_what_is_typed_and_not_the_grey_text(daemon: TableDaemon, open_shell: Open, folder: Path) -> None:
    terminal = open_shell()
    daemon.table["touch a"] = "touch ab"
    terminal.type("touch a")
    wait_for_input(terminal, "touch ab")
    terminal.press("Enter")
    wait_until(lambda: list(folder.iterdir()), lambda: repr(terminal.screen()))
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert terminal.screen()[0].endswith("❯ touch a")


def test_an_empty_prompt_may_have_a_suggestion(daemon: TableDaemon, open_shell: Open) -> None:
    daemon.table[""] = "make test"
    terminal = open_shell(prompt="❯ make test")
    terminal.press("C-e")
    terminal.type("s")
    wait_for_input(terminal, "make tests")


def test_in_a_window_of_twenty_columns_the_grey_text_stays_in_its_row(daemon: TableDaemon, open_shell: Open) -> None:
    terminal = open_shell(columns=20, rows=10)
    terminal.type("git com")
    wait_until(lambda: "…" in terminal.row(), lambda: repr(terminal.screen()))
    assert [row for row in terminal.screen() if row] == ["folder ❯ git commi…"]
    terminal.press("Right")
    wait_until(lambda: "mend it'" in "".join(terminal.screen()), lambda: repr(terminal.screen()))
    terminal.press("C-u")
    terminal.run("echo fine")
    wait_until(lambda: "fine" in terminal.screen(), lambda: repr(terminal.screen()))


def test_a_long_suggestion_is_cut_but_taken_whole(daemon: TableDaemon, open_shell: Open) -> None:
    terminal = open_shell()
    terminal.type("cat long")
    wait_until(lambda: terminal.row().endswith("x…"), lambda: repr(terminal.screen()))
    assert len(terminal.row()) == 79
    terminal.press("Right")
    wait_until(lambda: "".join(terminal.screen()).count("x") == 200, lambda: repr(terminal.screen()))


def test_a_daemon_that_dies_while_typing_costs_no_key(daemon: TableDaemon, open_shell: Open) -> None:
    terminal = open_shell()
    text = "echo the quick brown fox jumps over it"
    for i in range(0, len(text), 2):
        terminal.type(text[i : i + 2])
        if i in (8, 20):
            daemon.hang_up()
    wait_for_input(terminal, text)
    terminal.press("Enter", "C-u")
    terminal.wait_for("\nthe quick brown fox jumps over it")
    terminal.type("git com")
    wait_for_input(terminal, TABLE["git com"])


def test_a_silent_daemon_is_passed_over_for_the_history(
    daemon: TableDaemon, open_shell: Open, isolated_home: Path
) -> None:
    (isolated_home / ".bash_history").write_text("rsync -av here there\n")
    daemon.silent = True
    terminal = open_shell()
    terminal.type("rsy")
    wait_for_input(terminal, "rsync -av here there")


def test_lines_are_recorded_but_not_those_that_begin_with_a_space(daemon: TableDaemon, open_shell: Open) -> None:
    terminal = open_shell()
    terminal.run("echo public")
    terminal.wait_for("\npublic")
    terminal.run(" echo secret")
    terminal.wait_for("\nsecret")
    terminal.run("echo last")
    wait_until(lambda: "echo last" in daemon.lines, lambda: repr(daemon.lines))
    assert daemon.lines == ["echo public", "echo last"]


def test_what_histignore_excludes_is_not_recorded(daemon: TableDaemon, open_shell: Open) -> None:
    terminal = open_shell(bashrc="HISTCONTROL=ignoreboth HISTIGNORE='vault *'")
    terminal.run("vault read")
    terminal.wait_for("[127]")
    output_of(terminal, "echo once", "once")
    output_of(terminal, "echo once; echo twice", "twice")
    wait_until(lambda: "echo once; echo twice" in daemon.lines, lambda: repr(daemon.lines))
    assert daemon.lines == ["echo once", "echo once; echo twice"]


def test_a_secret_is_told_of_once_and_goes_nowhere(daemon: TableDaemon, open_shell: Open) -> None:
    token = "ghp_" + "aB3dE6gH9k" * 3 + "L2n4P6"
    terminal = open_shell()
    terminal.run(f"export GH={token}")
    terminal.wait_for("withheld from the history")
    output_of(terminal, "echo on", "on")
    rows = [row for row in terminal.screen() if "withheld" in row]
    assert rows == ["typeahead: a GitHub token was withheld from the history"]
    wait_until(lambda: "echo on" in daemon.lines, lambda: repr(daemon.lines))
    assert token not in repr(daemon.records)
    terminal.press("Up", "Up")
    wait_for_input(terminal, "export GH=***")


def test_a_private_session_leaves_no_trace(
    daemon: TableDaemon, open_shell: Open, isolated_home: Path, folder: Path
) -> None:
    hook = f"HISTFILE={isolated_home}/kept; PROMPT_COMMAND='history -a'"
    terminal = open_shell("--private", bashrc=hook, prompt="private …/folder ❯")
    output_of(terminal, "echo can''ary", "canary")
    output_of(terminal, "export KEY=" + "ghp_" + "aB3dE6gH9k" * 3 + "L2n4P6; echo set", "set")
    assert "withheld" not in "".join(terminal.screen())
    terminal.type("git com")
    wait_for_input(terminal, TABLE["git com"])
    terminal.press("C-u", "Up", "Up")
    wait_for_input(terminal, "echo can''ary")  # within the session all is as usual
    terminal.press("C-u")
    terminal.run("exit")
    assert terminal.exit_status() == 0
    assert daemon.lines == []
    for root in (isolated_home, folder, config.runtime_dir()):
        for path in root.rglob("*"):
            assert not (path.is_file() and (b"can''ary" in path.read_bytes() or b"aB3dE6gH9k" in path.read_bytes())), (
                path
            )


def test_the_shells_aliases_are_known_to_the_daemon_while_they_are(daemon: TableDaemon, open_shell: Open) -> None:
    terminal = open_shell(bashrc="alias hi=echo; later() { alias more=echo; }")
    wait_until(lambda: {"hi", "later", "cd"} <= set(daemon.names.get("names", [])), lambda: repr(daemon.names))
    terminal.run("later; unalias hi; export TOKEN=hidden")
    wait_until(lambda: "more" in daemon.names["names"], lambda: repr(daemon.names))
    assert "hi" not in daemon.names["names"]
    assert daemon.names["environ"]["TOKEN"] == ""


def test_alternatives_come_in_turn_and_a_key_forgets_one(daemon: TableDaemon, open_shell: Open) -> None:
    daemon.table["git c"] = ["git commit", "git checkout", "git clone"]
    daemon.past = ["git checkout"]
    terminal = open_shell()
    terminal.type("git c")
    wait_for_input(terminal, "git commit")
    for key, wanted in [("M-n", "git checkout"), ("M-n", "git clone"), ("M-p", "git checkout")]:
        terminal.press(key)
        wait_for_input(terminal, wanted)
    terminal.press("S-DC")
    wait_for_input(terminal, "git c [forgotten]")
    wait_for_input(terminal, "git c")
    assert daemon.forgotten == ["git checkout"]
    daemon.table["git c"] = "git checkout"
    terminal.press("C-u")
    terminal.type("git c")
    time.sleep(0.3)
    assert after_prompt(terminal) == "git c"


def test_without_a_daemons_answer_a_line_that_failed_is_not_offered(daemon: TableDaemon, open_shell: Open) -> None:
    daemon.silent = True
    terminal = open_shell()
    output_of(terminal, "echo canary works", "canary works")
    terminal.run("echo canary fails; false")
    wait_until(lambda: terminal.row().startswith("[1] "), lambda: repr(terminal.screen()))
    terminal.type("echo c")
    wait_for_input(terminal, "echo canary works")


def test_up_brings_back_lines_of_the_session_and_of_the_past(open_shell: Open, isolated_home: Path) -> None:
    (isolated_home / ".bash_history").write_text("echo older\n")
    terminal = open_shell("--no-suggest")
    output_of(terminal, "echo newer", "newer")
    terminal.press("Up")
    wait_for_input(terminal, "echo newer")

    def further_up() -> bool:  # the past is read while the first prompts are there already
        terminal.press("Up")
        return after_prompt(terminal) == "echo older"

    wait_until(further_up, lambda: repr(terminal.screen()))
    terminal.press("Down")
    wait_for_input(terminal, "echo newer")


# Looks


def test_without_unicode_the_prompt_is_ascii(open_shell: Open) -> None:
    terminal = open_shell("--no-suggest", prompt="folder >", LANG="C", LC_ALL="C")
    assert terminal.row() == "../folder >"


def test_no_color_means_no_colours(daemon: TableDaemon, open_shell: Open) -> None:
    terminal = open_shell(NO_COLOR="1")
    terminal.run("false")
    wait_until(lambda: terminal.row().startswith("[1]"), lambda: repr(terminal.screen()))
    terminal.type("git com")
    wait_for_input(terminal, TABLE["git com"])
    coloured = "\n".join(terminal.screen(colours=True))
    assert "\x1b[3" not in coloured
    assert "\x1b[9" not in coloured
    assert "\x1b[4m" in coloured  # grey text is underlined instead


# The real daemon


def daemon_pid() -> int:
    """Return the process id of the daemon that answers, 0 for none."""
    try:
        return int(request({"op": "status"}, timeout_s=1)["pid"])
    except DaemonError:
        return 0


def test_the_real_daemon_killed_while_typing_costs_no_key_and_comes_back(open_shell: Open) -> None:
    terminal = open_shell()
    first = wait_until(daemon_pid, lambda: "no daemon was started")
    text = "echo the quick brown fox jumps over the lazy dog"
    for i, char in enumerate(text):
        terminal.type(char)
        if i == 20:
            os.kill(first, signal.SIGKILL)
    wait_for_input(terminal, text)
    terminal.press("Enter")
    terminal.wait_for("\nthe quick brown fox jumps over the lazy dog")
    second = wait_until(daemon_pid, lambda: "the daemon does not come back")
    assert second != first
    terminal.run("exit")
    assert terminal.exit_status() == 0
    assert text in wait_until(recorded, lambda: "nothing was recorded")
    os.kill(second, signal.SIGTERM)
    wait_until(lambda: not is_running(second), lambda: "the daemon does not end")


def recorded() -> list[str]:
    """Return what the history store holds."""
    if not config.history_file().exists():
        return []
    history = History(config.history_file())
    try:
        return history.recent(10)
    finally:
        history.close()
