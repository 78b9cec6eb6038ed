"""What `typeahead init bash` gives to somebody's own bash: a real one in a real terminal, with a real store."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import typeahead
from tests.shell.fake_daemon import Start
from tests.shell.own_shell import (
    SUGGEST,
    TABLE,
    WORD,
    integration_text,
    relay_folder,
    relay_folders,
    relay_pid,
    shells,
    stored,
    wait_for_end,
    wait_for_records,
)
from tests.shell.terminal import TableDaemon, Terminal, is_running, wait_until

pytestmark = pytest.mark.slow  # each test opens a shell or a terminal

INIT = Path(typeahead.__file__).parent / "shell" / "init.bash"

# The public face of bash-preexec: these arrays, this mark, a DEBUG trap that leaves alone what stands in
# PROMPT_COMMAND, and PROMPT_COMMAND taken over at the first prompt. It strips ignorespace, as the real one does.
PREEXEC = r"""
bash_preexec_imported=defined
preexec_functions=() precmd_functions=()
HISTCONTROL=${HISTCONTROL/ignorespace/}
__bp_in_prompt=1
__bp_status() { return "$1"; }
__bp_precmd() {
    __bp_last=$? __bp_in_prompt=1 BP_PIPESTATUS=("${PIPESTATUS[@]}")
    local f; for f in "${precmd_functions[@]}"; do __bp_status "$__bp_last"; "$f"; done
}
__bp_preexec() {
    [[ $__bp_in_prompt || "${PROMPT_COMMAND[*]}" == *"$BASH_COMMAND"* ]] && return
    __bp_in_prompt=1
    local f
    for f in "${preexec_functions[@]}"; do "$f" "$(HISTTIMEFORMAT= history 1 | sed '1 s/^ *[0-9][0-9]*[* ] //')"; done
}
__bp_interactive() { __bp_in_prompt=; }
__bp_install() {
    PROMPT_COMMAND[0]=__bp_precmd$'\n'${PROMPT_COMMAND[0]//__bp_install/:}
    PROMPT_COMMAND+=(__bp_interactive)
    trap __bp_preexec DEBUG
    __bp_precmd; __bp_interactive
}
PROMPT_COMMAND[0]=__bp_install${PROMPT_COMMAND:+;$PROMPT_COMMAND}
seen=(); preexec_functions+=(note); note() { seen+=("$1"); }
"""

Bash = Callable[..., Terminal]


@pytest.fixture
def bash(isolated_home: Path) -> Iterator[Bash]:
    with shells() as terminals:

        def start_one(before: str = "", after: str = "", columns: int = 80, arrays: int = 501) -> Terminal:
            rc = isolated_home / ".bashrc"
            text = integration_text("bash", isolated_home).replace(">= 501", f">= {arrays}")
            rc.write_text(f"PS1='$ '\n{before}\n{text}\n{after}\n")
            terminals.append(Terminal(["bash", "--noprofile", "--rcfile", str(rc), "-i"], isolated_home, columns))
            terminals[-1].wait_for_row("$")
            relay_pid(terminals[-1])
            return terminals[-1]

        yield start_one


@pytest.fixture
def table(serve: Callable[..., TableDaemon]) -> TableDaemon:
    return serve(TABLE)


def test_it_is_what_shellcheck_and_bash_itself_accept() -> None:
    assert subprocess.run(["bash", "-n", str(INIT)], capture_output=True).stderr == b""
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    assert subprocess.run(["shellcheck", str(INIT)], capture_output=True, text=True).stdout == ""


def test_a_key_fills_in_the_suggestion_and_turns_to_the_next_and_back(table: TableDaemon, bash: Bash) -> None:
    shell = bash()
    shell.type("echo h")
    for row in ("$ echo hello world", "$ echo hash", "$ echo hill", "$ echo h", "$ echo hello world"):
        shell.type(SUGGEST)
        shell.wait_for_row(row)
    shell.press("C-_")
    shell.wait_for_row("$ echo h")


def test_a_key_takes_one_word_and_another_one(table: TableDaemon, bash: Bash) -> None:
    shell = bash()
    shell.type("echo h" + WORD)
    shell.wait_for_row("$ echo hello")
    shell.type(WORD)
    shell.wait_for_row("$ echo hello world")


def test_in_vi_mode_and_after_ctrl_x_the_keys_are_there_too(table: TableDaemon, bash: Bash) -> None:
    shell = bash("set -o vi")
    shell.type("echo h\x18,")
    shell.wait_for_row("$ echo hello")
    shell.type("\x18;")
    shell.wait_for_row("$ echo hello world")


def test_on_the_empty_line_the_key_fills_in_what_comes_next(table: TableDaemon, bash: Bash) -> None:
    shell = bash()
    shell.type(SUGGEST)
    shell.wait_for_row("$ echo empty")


def test_what_is_not_ascii_and_backslashes_are_filled_in_as_they_are(table: TableDaemon, bash: Bash) -> None:
    shell = bash()
    shell.type("echo ü" + SUGGEST)
    shell.wait_for_row("$ echo über alles")
    shell.wait_for_cursor(len("$ echo über alles"), 0)
    shell.type("\x15echo \\" + SUGGEST)
    shell.wait_for_row("$ echo \\\\ back")


def test_a_suggestion_with_a_control_character_is_not_filled_in(table: TableDaemon, bash: Bash) -> None:
    shell = bash()
    shell.type("echo bad" + SUGGEST + "\x7f")
    for row in ("$ echo ba", "$ echo bare", "$ echo baddest", "$ echo ba"):
        shell.wait_for_row(row)
        shell.type(SUGGEST)


def test_a_line_wider_than_the_window_is_filled_in(table: TableDaemon, bash: Bash) -> None:
    table.table["ls"] = "ls " + "x" * 30
    shell = bash(columns=20)
    shell.type("ls" + SUGGEST)
    shell.wait_for_row("x" * 15)
    assert shell.screen()[:2] == ["$ ls " + "x" * 15, "x" * 15]


def test_forgetting_tells_the_daemon_and_brings_back_what_was_typed(table: TableDaemon, bash: Bash) -> None:
    shell = bash()
    shell.type("echo h" + SUGGEST)
    shell.wait_for_row("$ echo hello world")
    shell.type("\x18k")
    shell.wait_for_row("$ echo h")
    wait_until(lambda: table.forgotten == ["echo hello world"], lambda: f"forgotten: {table.forgotten}")


def test_a_command_is_recorded_with_status_directory_and_duration(table: TableDaemon, bash: Bash) -> None:
    shell = bash()
    home = os.environ["HOME"]
    for line in ("mkdir 'a  b'", "cd 'a  b'", "sleep 0.2; (exit 7)"):
        shell.run(line)
    wait_for_records(table, "mkdir 'a  b'", "cd 'a  b'", "sleep 0.2; (exit 7)")
    told = [(record["cwd"], record["status"]) for record in table.records]
    assert told == [(home, 0), (home, 0), (f"{home}/a  b", 7)]
    assert 0.2 <= table.records[2]["duration_s"] < 60
    assert abs(table.records[2]["started"] - table.records[1]["started"]) < 60


def test_status_and_last_argument_are_the_users_at_the_prompt_and_after_a_key(table: TableDaemon, bash: Bash) -> None:
    shell = bash()
    shell.run("PS1='$? $ '; (exit 3)")
    shell.wait_for_row("3 $")
    shell.type("echo h" + SUGGEST)
    shell.wait_for_row("3 $ echo hello world")
    shell.type("\x15echo x y; (exit 4)\r")
    shell.wait_for_row("4 $")
    shell.run("echo $? $_")
    shell.wait_for("4 y")


def test_lines_that_bash_keeps_out_of_its_history_are_not_recorded(table: TableDaemon, bash: Bash) -> None:
    shell = bash("HISTCONTROL=ignoreboth HISTIGNORE='ls*:&'")
    for line in ("true one", " true secret", "ls", "set +o history", "true hidden", "set -o history", "true two"):
        shell.run(line)
    wait_until(lambda: "true two" in table.lines, lambda: f"recorded: {table.lines}")
    assert table.lines == ["true one", "true two"]


def test_a_line_that_begins_with_a_space_is_never_recorded(table: TableDaemon, bash: Bash) -> None:
    shell = bash("HISTCONTROL=")
    for line in ("true one", " true secret", "true two"):
        shell.run(line)
    wait_for_records(table, "true one", "true two")


def test_a_line_run_twice_is_recorded_twice_though_bash_keeps_it_once(table: TableDaemon, bash: Bash) -> None:
    shell = bash("HISTCONTROL=ignoreboth HISTTIMEFORMAT='%F %T '")
    for line in ("true one", "true one", " true secret", "true two | cat", "true two | cat", "true end"):
        shell.run(line)
    wait_for_records(table, "true one", "true one", "true two | cat", "true two | cat", "true end")


def test_a_history_that_is_shared_by_reloading_is_recorded_from(table: TableDaemon, bash: Bash) -> None:
    history = Path(os.environ["HOME"]) / "shared"
    history.write_text("old one\nold two\n")
    before = (
        f"HISTFILE={history} HISTSIZE=3 HISTCONTROL=ignorespace; PROMPT_COMMAND='history -a; history -c; history -r'"
    )
    shell = bash(before)
    for line in ("true one", "true two", " true secret", "true three"):
        shell.run(line)
    wait_for_records(table, "true one", "true two", "true three")


def test_a_command_of_several_lines_is_recorded_whole(table: TableDaemon, bash: Bash) -> None:
    shell = bash()
    shell.type("for i in 1 2\rdo\r  true $i\rdone\r")
    shell.wait_for("> done\n$")
    shell.type("cat <<'END' >/dev/null\ra\\b \x16\tc\r\rEND\r")
    wait_until(lambda: len(table.lines) == 2, lambda: f"recorded: {table.lines}")
    assert table.lines[0].split() == ["for", "i", "in", "1", "2;", "do", "true", "$i;", "done"]
    assert table.lines[1] == "cat <<'END' >/dev/null\na\\b \tc\n\nEND"


def test_without_a_daemon_the_line_stays_and_records_reach_the_store(start: Start, bash: Bash) -> None:
    daemon = start().wait_state("warm")
    shell = bash()
    shell.run("true before")
    wait_until(lambda: [one.command for one in stored()] == ["true before"], lambda: f"stored: {stored()}")
    os.kill(daemon.process.pid, signal.SIGKILL)
    shell.type("true aft" + SUGGEST + "er\r")
    wait_until(lambda: [one.command for one in stored()][-1].startswith("true aft"), lambda: f"stored: {stored()}")
    assert {one.session for one in stored()} == {stored()[0].session}


def test_a_slow_daemon_holds_no_key_up_and_its_late_answer_is_there_at_the_next(start: Start, bash: Bash) -> None:
    start(FAKE_SUGGEST_S="0.3").wait_state("warm")
    shell = bash()
    shell.run("true")
    wait_until(lambda: len(stored()) == 1, lambda: f"stored: {stored()}")
    shell.type("abc" + SUGGEST + "d")
    shell.wait_for_row("$ abcd")

    def filled_in() -> bool:
        shell.type(SUGGEST)
        return "<true=0>" in "".join(shell.screen())

    wait_until(filled_in, lambda: f"never filled in: {shell.screen()}")


def test_a_process_beside_the_shell_that_is_stopped_holds_nothing_up(table: TableDaemon, bash: Bash) -> None:
    shell = bash()
    pid = relay_pid(shell)
    os.kill(pid, signal.SIGSTOP)
    try:
        for i in range(12):
            shell.run(f": {'x' * 2000}{i}")
        shell.type("echo h" + SUGGEST + "i\r")
        shell.wait_for("\nhi\n$")
    finally:
        os.kill(pid, signal.SIGCONT)


def test_the_process_beside_the_shell_is_started_again_when_it_is_killed(table: TableDaemon, bash: Bash) -> None:
    shell = bash()
    first = relay_pid(shell)
    os.kill(first, signal.SIGKILL)
    wait_for_end(first)

    def recorded() -> bool:  # with the prompt after the process is there
        shell.run("true again")
        return "true again" in table.lines

    wait_until(recorded, lambda: f"recorded: {table.lines}")
    assert relay_pid(shell) != first


@pytest.mark.parametrize("end", ["exit", "kill -9 $$"])
def test_the_process_beside_the_shell_ends_with_it_and_leaves_nothing(table: TableDaemon, bash: Bash, end: str) -> None:
    shell = bash()
    pid = relay_pid(shell)
    shell.run(end)
    wait_for_end(pid)
    assert not relay_folders()


def test_exec_of_another_bash_keeps_one_process_and_goes_on_recording(table: TableDaemon, bash: Bash) -> None:
    shell = bash()
    pid = relay_pid(shell)
    shell.run(f"exec bash --noprofile --rcfile {os.environ['HOME']}/.bashrc -i")
    shell.wait_for("$")
    shell.run("true inside")
    wait_until(lambda: "true inside" in table.lines, lambda: f"recorded: {table.lines}")
    assert relay_pid(shell) == pid


def test_read_twice_it_records_once_and_keeps_what_the_user_has_at_the_prompt(table: TableDaemon, bash: Bash) -> None:
    text = integration_text("bash", Path(os.environ["HOME"]))
    shell = bash("PROMPT_COMMAND='echo mine'", f"{text}\nPROMPT_COMMAND=\"echo later; $PROMPT_COMMAND\"\nPS0='go\\n'")
    shell.run("(exit 5)")
    wait_for_records(table, "(exit 5)")
    assert table.records[0]["status"] == 5
    shell.wait_for("go\nlater\nmine\n$")


def test_hooks_that_are_overwritten_at_the_prompt_are_there_again(table: TableDaemon, bash: Bash) -> None:
    shell = bash()
    for line in ("PROMPT_COMMAND=true", "PS0=''", "true one", "true two"):
        shell.run(line)
    wait_until(lambda: "true two" in table.lines, lambda: f"recorded: {table.lines}")
    assert "true one" in table.lines


def test_as_in_older_versions_it_records_without_an_array_of_prompt_commands_and_without_a_clock(
    table: TableDaemon, bash: Bash
) -> None:
    shell = bash("unset EPOCHREALTIME; PROMPT_COMMAND='echo mine;'", "PROMPT_COMMAND+='echo later'", arrays=999)
    for line in ("true one", "(exit 5)", "declare -p PROMPT_COMMAND"):
        shell.run(line)
        shell.wait_for(f"{line}\n")
    wait_until(lambda: len(table.lines) == 3, lambda: f"recorded: {table.lines}")
    assert [record["status"] for record in table.records] == [0, 5, 0]
    assert all(0 <= record["duration_s"] <= 2 and record["started"] > 1.7e9 for record in table.records)
    assert "mine\nlater\n$" in "\n".join(shell.screen())


def test_beside_bash_preexec_both_work(table: TableDaemon, bash: Bash) -> None:
    for before, after in (("HISTCONTROL=ignorespace" + PREEXEC, ""), ("", PREEXEC)):
        table.lines.clear()
        table.records.clear()
        shell = bash(before, after)
        for line in (
            "true one",
            "env false",
            "true one | cat",
            'declare -p seen; trap -p DEBUG; echo "${HISTCONTROL-}"',
        ):
            shell.run(line)
        wait_until(lambda: len(table.lines) == 4, lambda: f"recorded: {table.lines}; {shell.screen()}")  # noqa: B023
        assert table.lines[:3] == ["true one", "env false", "true one | cat"]
        assert [record["status"] for record in table.records[:3]] == [0, 1, 0]
        screen = "".join(shell.screen())
        assert 'seen=([0]="true one" [1]="env false" [2]="true one | cat"' in screen
        assert "__bp_preexec" in screen


def test_ble_sh_gets_a_source_for_its_grey_text_also_when_it_comes_later(table: TableDaemon, bash: Bash) -> None:
    ble = r"""
_ble_complete_auto_source=(history)
ble/util/import/eval-after-load() { eval "$2"; }
ble/array#unshift() { eval "$1=(\"\$2\" \"\${$1[@]}\")"; }
ble/array#remove() { :; }
blehook() { hooks+=("$1"); }
ble/complete/auto-complete/enter() { printf '<%s>' "$@"; echo; }
BLE_VERSION=0.4.0 _ble_version=400
try() { _ble_edit_str=$1 _ble_edit_ind=${2-${#1}}; ble/complete/auto-complete/source:typeahead; echo "status $?"; }
"""
    later = ble + 'for f in "${BLE_ONLOAD[@]}"; do "$f"; done'
    for before, after in ((ble, ""), ("", later)):
        shell = bash(before, after)
        shell.run("echo $__typeahead_mode ${_ble_complete_auto_source[@]} ${hooks[@]}")
        shell.wait_for("ble typeahead history PREEXEC!=__typeahead_ble_began")
        shell.run("clear; try 'echo h'; try 'echo h' 2; try nothing")
        shell.wait_for("<h><0><ello world><><echo hello world>\nstatus 0\nstatus 1\nstatus 1")


@pytest.mark.parametrize("shell", ["bash -c", "bash --posix -c", "bash --norc -ic"])
def test_elsewhere_than_at_an_interactive_prompt_it_is_silent_and_starts_nothing(
    isolated_home: Path, shell: str
) -> None:
    file = isolated_home / "init"
    file.write_text(integration_text("bash", isolated_home))
    extra = "__ta_dir=x; " if "-ic" in shell else ""  # typeahead's own shell underneath
    command = f'{extra}. {file}; echo "[${{PROMPT_COMMAND-}}${{PS0-}}]"; typeahead_off'
    done = subprocess.run([*shell.split(), command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.stdout == "[]\n"
    assert "typeahead_off" in done.stderr  # not found
    assert not relay_folders()


def test_off_takes_everything_away(table: TableDaemon, bash: Bash) -> None:
    shell = bash("PROMPT_COMMAND='echo mine' PS0=''")
    pid = relay_pid(shell)
    shell.run("typeahead_off")
    wait_for_end(pid)
    shell.run(
        "clear; compgen -v __ty; compgen -A function typeahead; compgen -A function __ty; declare -p PROMPT_COMMAND PS0"
    )
    shell.wait_for("PS0")
    shell.run("bind -X; true unseen")
    shell.wait_for("mine\n$ bind -X; true unseen\nmine\n$")
    assert 'declare -- PS0=""' in shell.screen()
    assert not [line for line in shell.screen() if "__typeahead" in line and "compgen" not in line]
    assert table.lines == []


def test_strict_options_and_an_odd_ifs_of_the_users_change_nothing(table: TableDaemon, bash: Bash) -> None:
    shell = bash("set -euf; set -o noclobber; IFS=e_")
    shell.press("C-c")
    shell.wait_for("^C\n$")
    shell.run("true one")
    wait_for_records(table, "true one")
    shell.type("echo h" + SUGGEST)
    shell.wait_for_row("$ echo hello world")


def test_a_prompt_command_that_is_readonly_leaves_the_start_up_file_in_peace(isolated_home: Path) -> None:
    file = isolated_home / "init"
    file.write_text(integration_text("bash", isolated_home))
    command = f"readonly PROMPT_COMMAND=true; . {file}; echo $__typeahead_mode $PROMPT_COMMAND; typeahead_off"
    done = subprocess.run(["bash", "--norc", "-ic", command], capture_output=True, text=True, start_new_session=True)
    assert done.stdout == "off true\n"
    assert "readonly" not in done.stderr


def test_a_key_that_is_bound_already_is_left_alone(table: TableDaemon, bash: Bash) -> None:
    shell = bash('bind \'"\\e;": "mine"\'')
    shell.type("echo h" + SUGGEST)
    shell.wait_for_row("$ echo hmine")


def test_no_command_inherits_a_file_of_ours(table: TableDaemon, bash: Bash) -> None:
    shell = bash()
    shell.type("echo h" + SUGGEST)
    shell.wait_for_row("$ echo hello world")
    shell.type("\x15clear; ls -l /proc/self/fd | grep -c relay\r")
    shell.wait_for_row("$")
    assert shell.screen()[0] == "0"


def test_the_environment_and_names_of_the_shell_are_told(table: TableDaemon, bash: Bash) -> None:
    shell = bash("alias gs='git status'; my_function() { :; }")
    shell.run("export PATH=/odd:$PATH")
    wait_until(
        lambda: table.names and table.names["environ"]["PATH"].startswith("/odd:"), lambda: f"told: {table.names}"
    )
    assert {"gs", "my_function", "cd"} <= set(table.names["names"])
    assert is_running(relay_pid(shell))
    assert relay_folder(shell.pid()).stat().st_mode & 0o777 == 0o700
