"""The shell underneath: real bash on a real pseudo-terminal, driven without a line editor."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.shell.driven import Driven
from tests.shell.terminal import is_running, wait_until
from typeahead import config
from typeahead.errors import ShellError
from typeahead.shell.names import Names
from typeahead.shell.process import Outcome
from typeahead.shell.process.choice import open_shell
from typeahead.shell.terminal import Terminal

pytestmark = pytest.mark.slow  # each test opens a shell or a terminal


@pytest.fixture
def bash(tmp_path: Path, isolated_home: Path) -> Iterator[Driven]:
    (isolated_home / ".bashrc").write_text("from_bashrc=yes\n")
    driven = Driven(tmp_path)
    yield driven
    driven.close()
    wait_until(lambda: not is_running(driven.pid), lambda: "bash outlives its front-end")


def test_a_line_ends_with_its_status_and_the_directory(bash: Driven, tmp_path: Path) -> None:
    assert bash.run("true") == Outcome(0, str(tmp_path), True)
    assert bash.run("cd / && false") == Outcome(1, "/", True)
    assert bash.run("(exit 7)") == Outcome(7, "/", True)
    assert bash.output("echo $?") == "7\n"


def test_a_directory_with_any_name_is_reported_exactly(bash: Driven, tmp_path: Path) -> None:
    name = "odd \n\t'é \\ "
    (tmp_path / name).mkdir()
    assert bash.run("cd odd*") == Outcome(0, str(tmp_path / name), True)


@pytest.mark.parametrize(
    ("line", "check", "wanted"),
    [
        ("x=5", "echo $x", "5\n"),
        ("declare -A map=([key]=value)", "echo ${map[key]}", "value\n"),
        ("f() { echo from f; }", "f", "from f\n"),
        ("alias hi='echo hello'", "hi", "hello\n"),
        ("umask 027", "umask", "0027\n"),
        ("trap 'echo trapped' USR1", "kill -USR1 $$; :", "trapped\n"),
        ("exec 5>five; echo through >&5", "cat five", "through\n"),
        ("set -o vi", "echo still", "still\n"),
        ("set -u; set -f; set -C", "echo $-", "fhimuBCHs\n"),
        ("cat <<END\nit's\nEND", "echo next", "next\n"),
        ("true", "echo $from_bashrc", "yes\n"),
        ("true", "tty | grep -c pts", "1\n"),
        ("true", "echo ${INPUTRC-unset} ${__TA_DIR-unset}", "unset unset\n"),
        ("PS1=loud; PS2=loud", "echo quiet", "quiet\n"),
        ("PROMPT_COMMAND+=('true')", "echo ${PROMPT_COMMAND[@]:0:1}", "true\n"),
        ("false | true", "echo ${PIPESTATUS[@]}", "1 0\n"),
        ("(exit 3) | true | (exit 4)", 'echo "$? ${PIPESTATUS[@]}"', "4 3 0 4\n"),
        ("(exit 3)", "echo ${PIPESTATUS[0]}", "3\n"),
        ("echo one 'the last'", 'echo "$_" $?', "the last 0\n"),
        ("ls /none &> /dev/null", "echo $_ $?", "/none 2\n"),
        ("set -e; ! true", "echo alive", "alive\n"),
        ("set -e", "! true; echo alive", "alive\n"),
        ("set -x", "echo quiet 2> /dev/null", "++ echo quiet\nquiet\n"),
        ("PROMPT_COMMAND='PS1=loud'", "echo quiet", "quiet\n"),
        ("shopt -u progcomp; shopt -s no_empty_cmd_completion", "echo quiet", "quiet\n"),
    ],
)
def test_what_a_line_sets_is_there_for_the_next(bash: Driven, line: str, check: str, wanted: str) -> None:
    assert isinstance(bash.run(line), Outcome)
    assert bash.output(check) == wanted


@pytest.mark.parametrize("line", ["echo )", "echo 'x", 'echo "x', "if true", "return 3", "for", "}"])
def test_a_line_that_is_no_command_is_an_error_and_no_more(bash: Driven, line: str) -> None:
    outcome = bash.run(line)
    assert isinstance(outcome, Outcome)
    assert outcome.status in (1, 2)
    assert bash.output("if true; then echo fine; fi") == "fine\n"


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=()), max_size=40))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_line_arrives_byte_for_byte(bash: Driven, tmp_path: Path, text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")  # bytes that may be no UTF-8 at all
    line = "printf %s " + "".join(f"$'\\x{byte:02x}'" for byte in data) + " > exact"
    assert bash.run(line) == Outcome(0, str(tmp_path), True)
    raw = data.decode("utf-8", "surrogateescape").replace("'", "'\\''")
    assert bash.run(f"printf %s '{raw}' > raw") == Outcome(0, str(tmp_path), True)
    assert (tmp_path / "raw").read_bytes() == data
    assert (tmp_path / "exact").read_bytes() == data


def test_a_line_of_two_megabytes_arrives_whole(bash: Driven, tmp_path: Path) -> None:
    assert bash.run(f": {'x' * 2_000_000}; echo done > after") == Outcome(0, str(tmp_path), True)
    assert (tmp_path / "after").read_text() == "done\n"


def test_a_failure_ends_a_shell_with_set_e_and_a_syntax_error_does_not(bash: Driven) -> None:
    bash.run("set -e")
    assert bash.run("echo )") == Outcome(2, bash.cwd, True)
    assert bash.output("echo alive") == "alive\n"
    assert bash.run("(exit 5)") == 5


def test_history_is_expanded_shown_and_told(bash: Driven) -> None:
    bash.run("echo first 'the last'")
    assert bash.output("!! again") == "echo first 'the last' again\nfirst the last again\n"
    assert bash.line() == "echo first 'the last' again"
    assert bash.output("echo !$ '!$' \\!$") == "echo again '!$' \\!$\nagain !$ !$\n"
    assert bash.output("^again^anew") == "echo anew '!$' \\!$\nanew !$ !$\n"
    assert bash.output("cat <<END\n!!\nEND") == "!!\n"
    bash.run("set +H")
    assert bash.output("echo !!") == "!!\n"


def test_an_event_that_is_not_there_is_an_error_and_nothing_runs(bash: Driven, tmp_path: Path) -> None:
    bash.run("(exit 6)")
    assert "event not found" in bash.output("touch made; !nosuch")
    assert not (tmp_path / "made").exists()
    assert bash.output("echo $?") == "6\n"
    assert "nosuch" not in bash.output("history")


def test_a_shell_put_in_its_place_is_the_users(bash: Driven) -> None:
    bash.send("exec bash --norc -i")
    wait_until(lambda: (bash.drain(), b"bash-5" in bash.printed)[1], lambda: repr(bash.printed))
    os.write(bash.master, b"exit 9\r")
    assert bash.answer() == 9


def test_exit_ends_with_its_status(bash: Driven) -> None:
    assert bash.run("exit 3") == 3


def test_a_bare_exit_ends_with_the_last_status(bash: Driven) -> None:
    bash.run("(exit 4)")
    assert bash.run("exit") == 4


def test_a_second_exit_leaves_in_spite_of_stopped_jobs(bash: Driven) -> None:
    bash.run("sleep 100 & kill -STOP $!; sleep 0.1")
    first = bash.run("exit 6")
    assert isinstance(first, Outcome)
    bash.run("true")
    assert isinstance(bash.run("exit 6"), Outcome)  # a command came between: bash warns again
    assert bash.run("exit 6") == 6


def test_a_shell_that_kills_itself_ends_with_its_signal(bash: Driven) -> None:
    assert bash.run("kill -KILL $$") == 128 + signal.SIGKILL


@pytest.mark.parametrize("line", ["suspend", "kill -STOP $$"])
def test_a_shell_that_stops_itself_is_woken(bash: Driven, line: str) -> None:
    assert isinstance(bash.run(line), Outcome)
    assert bash.output("echo awake") == "awake\n"


def test_a_report_without_programmable_completion_is_repaired(bash: Driven) -> None:
    assert isinstance(bash.run("unset PROMPT_COMMAND; shopt -u progcomp"), Outcome)
    bash.run("true")
    assert bash.output("echo works") == "works\n"


def test_an_interrupt_before_the_line_is_read_keeps_it_from_running(bash: Driven, tmp_path: Path) -> None:
    bash.run("true")
    wait_for_idle(bash.pid)
    os.kill(bash.pid, signal.SIGINT)  # what Ctrl-C does once the terminal has been handed over
    wait_for_idle(bash.pid)
    outcome = bash.run("touch made")
    assert outcome == Outcome(130, str(tmp_path), False)
    assert not (tmp_path / "made").exists()
    assert bash.output("echo $?") == "130\n"


def wait_for_idle(pid: int) -> None:
    """Wait until a process has been asleep for a while."""

    def switches() -> str:
        return Path(f"/proc/{pid}/status").read_text().partition("ctxt_switches")[2]

    def idle() -> bool:
        before = switches()
        time.sleep(0.1)
        return switches() == before

    wait_until(idle, lambda: f"{pid} is never idle")


def test_the_history_builtin_lists_the_session_and_the_users_file_is_left_alone(
    bash: Driven, isolated_home: Path
) -> None:
    bash.run("echo first")
    assert "echo first" in bash.output("history")
    bash.run("exit")
    assert not (isolated_home / ".bash_history").exists()


def test_the_rules_of_the_shells_own_history_are_told_as_each_line_found_them(bash: Driven) -> None:
    bash.run("HISTIGNORE='vault *'")
    assert bash.rules() == {}
    bash.run("vault read; HISTCONTROL=ignoredups:erasedups; HISTIGNORE=$'two\nlines'")
    assert bash.rules() == {"HISTCONTROL": "", "HISTIGNORE": "vault *"}
    bash.run("unset HISTIGNORE")
    assert bash.rules() == {"HISTCONTROL": "ignoredups:erasedups", "HISTIGNORE": "two\nlines"}
    bash.run("true")
    assert bash.rules() == {"HISTCONTROL": "ignoredups:erasedups", "HISTIGNORE": ""}


def test_rules_from_the_bashrc_hold_for_the_first_line(tmp_path: Path, isolated_home: Path) -> None:
    (isolated_home / ".bashrc").write_text("HISTCONTROL=ignoreboth\n")
    driven = Driven(tmp_path)
    driven.run("true")
    assert driven.rules()["HISTCONTROL"] == "ignoreboth"
    driven.close()


def test_the_shells_own_names_are_told_after_the_line_that_changes_them(bash: Driven) -> None:
    bash.run("alias hi='echo hello'; f-1() { :; }; _part() { :; }; export TOKEN=hidden CDPATH=/usr:.")

    def known() -> Names | None:
        names = bash.names()
        return names if names and "hi" in names.commands else None

    names = wait_until(known, lambda: repr(bash.names()))
    assert {"hi", "f-1", "cd", "for", "_part"} <= set(names.commands)
    assert names.commands[-1] == "_part"
    assert not [name for name in names.commands if name.startswith("__ta_")]
    assert names.environ["CDPATH"] == "/usr:."
    assert names.environ["PATH"] == os.environ["PATH"]
    assert names.environ["TOKEN"] == ""
    assert "__TA_DIR" not in names.environ
    bash.run("unalias hi; unset -f f-1")
    wait_until(lambda: "hi" not in bash.names().commands, lambda: repr(bash.names()))
    assert "f-1" not in bash.names().commands


def test_two_thousand_functions_hold_nothing_up(bash: Driven) -> None:
    bash.run('for i in {1..2000}; do eval "a_rather_long_name_of_a_function_with_the_number_$i() { :; }"; done')
    assert bash.output("echo on") == "on\n"
    wait_until(lambda: len(bash.names().commands) > 2000, lambda: str(len(bash.names().commands)))


def test_readonly_variables_of_any_plain_name_do_no_harm(bash: Driven) -> None:
    names = "status options rules left more editing text expanded before line after pipes words number answer run"
    bash.run("readonly " + " ".join(f"{name}=theirs" for name in names.split()))
    assert bash.output("echo $line $((40 + 2)); PS1=$text") == "theirs 42\n"
    assert bash.prompts().left == "theirs"
    outcome = bash.run("(exit 5)")
    assert isinstance(outcome, Outcome)
    assert outcome.status == 5
    assert bash.output("echo $?") == "5\n"
    assert not bash.is_complete("for i in 1 2; do")
    assert bash.is_complete("for i in 1 2; do :; done")


@pytest.mark.parametrize("options", ["-e", "-u", "-C", "-euC"])
def test_telling_names_survives_the_options_of_a_strict_shell(bash: Driven, options: str) -> None:
    bash.run(f"set {options}; unset CDPATH HISTCONTROL HISTIGNORE; alias made=ls")
    wait_until(lambda: "made" in bash.names().commands, lambda: repr(bash.names()))
    assert bash.output("echo alive") == "alive\n"


def test_a_line_that_has_been_read_does_not_lie_about(bash: Driven) -> None:
    bash.send("echo go; read x; echo $x")
    wait_until(lambda: (bash.drain(), b"go" in bash.printed)[1], lambda: repr(bash.printed))
    assert len(list(config.runtime_dir().glob("shell-*/records"))) == 1
    wait_until(lambda: not list(config.runtime_dir().glob("shell-*/line")), lambda: "the line is still there")
    os.write(bash.master, b"on\n")
    assert isinstance(bash.answer(), Outcome)


@pytest.mark.parametrize("private", [False, True], ids=["as usual", "private"])
def test_the_shells_own_history_file_is_written_by_the_users_hook_unless_private(
    tmp_path: Path, isolated_home: Path, private: bool
) -> None:
    (isolated_home / ".bashrc").write_text(f"HISTFILE={isolated_home}/kept; PROMPT_COMMAND='history -a'\n")
    driven = Driven(tmp_path, private)
    driven.run("echo canary")
    driven.run("true")
    assert driven.run("exit 0") == 0
    driven.close()
    kept = isolated_home / "kept"
    assert ("canary" in kept.read_text()) is not private if kept.exists() else private


def test_prompt_hooks_run_once_for_each_line(bash: Driven, tmp_path: Path) -> None:
    bash.run("PROMPT_COMMAND+=('echo $? >> hooks')")
    bash.run("false")
    bash.run("true")
    assert (tmp_path / "hooks").read_text() == "0\n1\n0\n"


def test_a_daemon_of_the_users_does_not_hold_the_session_open(bash: Driven, tmp_path: Path) -> None:
    bash.run("setsid sh -c 'echo $$ > pid; exec sleep 30' &> /dev/null < /dev/null &")
    wait_until(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text(), lambda: "no daemon")
    try:
        assert bash.run("exit 2") == 2
    finally:
        subprocess.run(["kill", (tmp_path / "pid").read_text().strip()], check=False)


def test_the_runtime_folder_is_left_clean(tmp_path: Path) -> None:
    driven = Driven(tmp_path)
    driven.run("true")
    assert len(list(config.runtime_dir().glob("shell-*"))) == 1
    driven.close()
    assert list(config.runtime_dir().glob("shell-*")) == []


def test_what_a_killed_session_left_behind_is_removed_by_a_later_one(tmp_path: Path) -> None:
    killed = Driven(tmp_path)
    killed.run("true")
    os.kill(killed.front_end, signal.SIGKILL)
    killed.close()
    running, later = Driven(tmp_path), Driven(tmp_path)
    later.run("true")
    assert len(list(config.runtime_dir().glob("shell-*"))) == 3
    later.close()
    assert [path.name.split("-")[1] for path in config.runtime_dir().glob("shell-*")] == [str(running.front_end)]
    running.close()


def test_a_program_that_is_not_there_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal.__new__(Terminal)  # never used: the program is looked for first
    with pytest.raises(ShellError, match=r"no-such-bash: .* --shell PROGRAM"):
        open_shell(terminal, "no-such-bash", "/")
    assert list(config.runtime_dir().glob("shell-*")) == []
