"""zsh underneath: the real one on a real pseudo-terminal, driven without a line editor."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.shell.driven import Driven, Opener
from tests.shell.terminal import is_running, wait_until
from typeahead.shell.process import Outcome

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed"),
]  # each test opens a shell or a terminal


def test_a_line_ends_with_its_status_and_the_directory(zsh: Driven, tmp_path: Path) -> None:
    assert zsh.run("true") == Outcome(0, str(tmp_path), True)
    assert zsh.run("cd / && false") == Outcome(1, "/", True)
    assert zsh.run("(exit 7)") == Outcome(7, "/", True)
    assert zsh.output("echo $?") == "7\n"


def test_a_directory_with_any_name_is_reported_exactly(zsh: Driven, tmp_path: Path) -> None:
    name = "odd \n\t'é \\ %"
    (tmp_path / name).mkdir()
    assert zsh.run("cd odd*") == Outcome(0, str(tmp_path / name), True)


@pytest.mark.parametrize(
    ("line", "check", "wanted"),
    [
        ("x=5; typeset -i y=6", "echo $x $y", "5 6\n"),
        ("typeset -A map=(key value)", "echo $map[key]", "value\n"),
        ("f() { echo from f }", "f", "from f\n"),
        ("alias hi='echo hello'", "hi", "hello\n"),
        ("alias -g E='| tr a-z A-Z'", "echo loud E", "LOUD\n"),
        ("umask 027", "umask", "027\n"),
        ("TRAPUSR1() { echo trapped }", "kill -USR1 $$; :", "trapped\n"),
        ("exec 5>five; echo through >&5", "cat five", "through\n"),
        ("bindkey -v", "echo still", "still\n"),
        ("setopt vi", "echo still", "still\n"),
        ("setopt extended_glob null_glob", "echo (#i)NONE*; echo next", "\nnext\n"),
        ("cat <<END\nit's\nEND", "echo next", "next\n"),
        ("true", "echo $from_zshrc", "yes\n"),
        ("true", "tty | grep -c pts; echo $TTY | grep -c pts", "1\n1\n"),
        ("true", "echo ${ZDOTDIR-unset} ${__TA_DIR-unset}", "unset unset\n"),
        ("PROMPT=loud; PROMPT2=loud RPROMPT=loud", "echo quiet", "quiet\n"),
        ("precmd() { PROMPT=loud }", "echo quiet", "quiet\n"),
        ("echo some words", 'echo "<$_>"', "<words>\n"),
        ("false | true | (exit 3)", "echo $pipestatus", "1 0 3\n"),
        ("setopt zle", "echo quiet", "quiet\n"),
        ("set -x; set +x", "echo quiet", "quiet\n"),
        ("setopt ksh_arrays sh_word_split no_unset warn_create_global", "echo fine", "fine\n"),
        ("emulate -R sh", "echo fine", "fine\n"),
        ("setopt ignore_braces ignore_close_braces rc_quotes", "echo fine", "fine\n"),
        ("alias builtin=false eval=false print=false", "echo fine", "fine\n"),
        ("unalias -a", "echo fine", "fine\n"),
        ("exec </dev/null", "tty | grep -c pts", "1\n"),
    ],
)
def test_what_a_line_sets_is_there_for_the_next(zsh: Driven, line: str, check: str, wanted: str) -> None:
    assert isinstance(zsh.run(line), Outcome)
    assert zsh.output(check) == wanted


@pytest.mark.parametrize(
    "line", ["echo )", "echo 'x", 'echo "x', "if true", "return 3", "for", "}", "cat <<E\nx", "a &&"]
)
def test_a_line_that_is_no_command_is_an_error_and_no_more(zsh: Driven, line: str) -> None:
    assert isinstance(zsh.run(line), Outcome)
    assert zsh.output("if true; then echo fine; fi") == "fine\n"


def test_errors_are_told_as_at_zshs_own_prompt(zsh: Driven) -> None:
    assert zsh.output("no-such-command") == "zsh: command not found: no-such-command\n"
    assert zsh.output("echo )") == "zsh: parse error near `)'\n"
    assert zsh.output("setopt | grep lineno") == ""


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=()), max_size=40))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_line_arrives_byte_for_byte(zsh: Driven, tmp_path: Path, text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")  # bytes that may be no UTF-8 at all
    raw = data.decode("utf-8", "surrogateescape").replace("'", "'\\''")
    assert zsh.run(f"printf %s '{raw}' > raw") == Outcome(0, str(tmp_path), True)
    assert (tmp_path / "raw").read_bytes() == data


def test_a_line_of_two_megabytes_arrives_whole(zsh: Driven, tmp_path: Path) -> None:
    assert zsh.run(f": {'x' * 2_000_000}; echo done > after") == Outcome(0, str(tmp_path), True)
    assert (tmp_path / "after").read_text() == "done\n"


# Leaving


def test_exit_ends_with_its_status(zsh: Driven) -> None:
    assert zsh.run("exit 3") == 3


def test_a_bare_exit_ends_with_the_last_status(zsh: Driven) -> None:
    zsh.run("(exit 4)")
    assert zsh.run("exit") == 4


def test_a_second_exit_leaves_in_spite_of_stopped_jobs(zsh: Driven) -> None:
    stopped = int(zsh.output("sleep 100 & kill -STOP $!; sleep 0.1").split()[1])
    assert "suspended jobs" in zsh.output("exit 6")
    zsh.run("true")
    assert isinstance(zsh.run("exit 6"), Outcome)  # a command came between: zsh warns again
    assert zsh.run("exit 6") == 6
    os.kill(stopped, signal.SIGKILL)  # zsh leaves it behind


@pytest.mark.parametrize(("line", "status"), [("kill -KILL $$", 128 + signal.SIGKILL), ("exec zsh -fc 'exit 9'", 9)])
def test_a_shell_that_ends_otherwise_ends_with_that_status(zsh: Driven, line: str, status: int) -> None:
    assert zsh.run(line) == status


@pytest.mark.parametrize("line", ["suspend", "kill -STOP $$"])
def test_a_shell_that_stops_itself_is_woken(zsh: Driven, line: str) -> None:
    assert isinstance(zsh.run(line), Outcome)
    assert zsh.output("echo awake") == "awake\n"


# Interrupts


def wait_for_idle(pid: int) -> None:
    """Wait until a process has been asleep for a while."""

    def switches() -> str:
        return Path(f"/proc/{pid}/status").read_text().partition("ctxt_switches")[2]

    def idle() -> bool:
        before = switches()
        time.sleep(0.1)
        return switches() == before

    wait_until(idle, lambda: f"{pid} is never idle")


def test_an_interrupt_before_the_line_is_read_keeps_it_from_running(zsh: Driven, tmp_path: Path) -> None:
    zsh.run("true")
    wait_for_idle(zsh.pid)
    os.kill(zsh.pid, signal.SIGINT)  # what Ctrl-C does once the terminal has been handed over
    wait_for_idle(zsh.pid)
    assert zsh.run("touch made") == Outcome(130, str(tmp_path), False)
    assert not (tmp_path / "made").exists()
    assert zsh.output("echo $?") == "130\n"


def test_interrupts_at_any_moment_leave_a_working_shell(zsh: Driven, tmp_path: Path) -> None:
    zsh.run("precmd() { repeat 3000; do :; done }")
    for number in range(60):
        zsh.send(f"echo {number}; repeat 3000; do :; done")
        for _ in range(number % 4):
            time.sleep(number * 0.0003)
            os.kill(zsh.pid, signal.SIGINT)
        assert isinstance(zsh.answer(), Outcome)
    zsh.run("unfunction precmd")
    zsh.run("true")
    assert zsh.output("echo alive; tty | grep -c pts") == "alive\n1\n"


def test_an_interrupted_loop_of_the_shell_itself_has_the_status_of_ctrl_c(zsh: Driven) -> None:
    zsh.send("print -n go; while :; do :; done")
    wait_until(lambda: (zsh.drain(), b"go" in zsh.printed)[1], lambda: repr(zsh.printed))
    os.kill(zsh.pid, signal.SIGINT)
    assert zsh.answer().status == 130  # type: ignore[union-attr]


# Hooks


def test_hooks_run_once_for_each_line_with_what_was_typed(zsh: Driven, tmp_path: Path) -> None:
    zsh.run(
        "precmd() { print -r -- precmd $? >>hooks }\n"
        'preexec() { print -r -- "preexec:$1:$2:$3" >>hooks }\n'
        'zshaddhistory() { print -rn -- "history:$1" >>hooks }\n'
        "chpwd() { print -r -- chpwd >>hooks }; autoload -Uz add-zsh-hook\n"
        "two() { print -r -- two $? >>hooks }; add-zsh-hook precmd two; add-zsh-hook preexec two"
    )
    zsh.run("alias no=false")
    zsh.run("no  # x" if False else "no")
    zsh.run("cd /")
    zsh.run(f"cd {tmp_path}")
    assert (tmp_path / "hooks").read_text().split("history:alias")[0] == "precmd 0\ntwo 0\n"
    rows = (tmp_path / "hooks").read_text().splitlines()
    start = rows.index("history:no")
    assert rows[start : start + 5] == ["history:no", "preexec:no:false:false", "two 0", "precmd 1", "two 1"]
    assert rows.count("chpwd") == 1  # the other one went into /
    assert not [row for row in rows if "__ta" in row]


def test_hooks_that_fail_or_are_replaced_do_no_harm(zsh: Driven) -> None:
    zsh.run("precmd() { : ${no_such_variable:?} }; preexec() { return 3 }")
    assert zsh.output("echo one").startswith("one\n")
    zsh.run("unfunction precmd preexec; precmd_functions=() preexec_functions=() zshaddhistory_functions=()")
    zsh.run("true")
    assert zsh.output("echo two") == "two\n"
    assert zsh.output("print -r $preexec_functions $zshaddhistory_functions; whence precmd preexec") == "\n"


@pytest.mark.parametrize("options", ["err_exit", "err_return", "no_unset", "no_clobber", "print_exit_value", "vi"])
def test_a_strict_shell_outlives_what_we_do(zsh: Driven, options: str) -> None:
    zsh.run(f"setopt {options}; alias made=ls")
    assert isinstance(zsh.run("echo )"), Outcome)
    assert zsh.output("echo alive") == "alive\n"
    wait_until(lambda: "made" in zsh.names().commands, lambda: repr(zsh.names()))


def test_a_failing_line_ends_a_shell_that_is_to_exit_on_errors(zsh: Driven) -> None:
    zsh.run("setopt err_exit")
    assert zsh.run("(exit 5)") == 5


def test_a_trap_on_errors_sees_those_of_the_lines_alone(zsh: Driven) -> None:
    zsh.run("TRAPZERR() { print -r -- caught $? }")
    assert zsh.output("true") == ""
    assert zsh.output("(exit 3)") == "caught 3\n"


def test_a_trace_shows_the_lines_alone(zsh: Driven) -> None:
    zsh.run("PS4='+ '")
    zsh.run("setopt xtrace")
    assert zsh.output("echo traced") == "+ echo traced\ntraced\n"


# Jobs


def test_jobs_have_the_numbers_that_zsh_gives_them(zsh: Driven) -> None:
    assert zsh.output("sleep 100 &").startswith("[1] ")
    assert zsh.output("kill %1; wait %1").endswith("[1]  + terminated  sleep 100\n")


def test_a_job_that_ends_while_nothing_runs_is_told_of_with_the_next_line(zsh: Driven) -> None:
    pid = int(zsh.output("sleep 0.1 &").split()[1])
    wait_until(lambda: not is_running(pid), lambda: "the job does not end")
    assert zsh.output("echo next") == "[1]  + done       sleep 0.1\nnext\n"


def test_a_command_that_fails_leaves_the_terminal_to_the_next_as_the_user_has_it(zsh: Driven) -> None:
    assert zsh.output("sh -c 'kill -9 $$' 2>/dev/null; stty -a | grep -Ec ' (echo|icanon) '").endswith("1\n")


# History


def test_the_history_lists_the_lines_of_the_session_alone(zsh: Driven) -> None:
    zsh.run("echo first")
    zsh.run("echo )")
    zsh.run("for i in 1\ndo :\ndone")
    assert zsh.output("fc -l") == "    1  echo first\n    2  echo )\n    3  for i in 1\\ndo :\\ndone\n"
    assert "__ta" not in zsh.output("fc -l 1; print -r -- $history")


def test_the_history_file_has_each_line_once(open_zsh: Opener, isolated_home: Path) -> None:
    zsh = open_zsh("HISTFILE=~/kept SAVEHIST=100\n")
    for line in ("echo once", " echo spaced", "setopt hist_ignore_space", " echo secret", "echo twice"):
        zsh.run(line)
    assert zsh.run("exit 0") == 0
    kept = (isolated_home / "kept").read_text().splitlines()
    assert kept == ["echo once", " echo spaced", "setopt hist_ignore_space", "echo twice", "exit 0"]


def test_the_history_file_is_shared_line_by_line_where_that_is_set(open_zsh: Opener, isolated_home: Path) -> None:
    zsh = open_zsh("HISTFILE=~/kept SAVEHIST=100 HISTORY_IGNORE='hidden*'; setopt share_history\n")
    zsh.run(": hidden; :")
    zsh.run("hidden() { : }")
    zsh.run("true")
    kept = [row.partition(";")[2] for row in (isolated_home / "kept").read_text().splitlines()]
    assert kept[:1] == [": hidden; :"]
    assert "hidden() { : }" not in kept


def test_a_private_session_writes_no_history_file(open_zsh: Opener, isolated_home: Path) -> None:
    zsh = open_zsh("HISTFILE=~/kept SAVEHIST=100; setopt inc_append_history\n", private=True)
    zsh.run("echo canary")
    assert zsh.run("exit 0") == 0
    assert not (isolated_home / "kept").exists()


def test_a_hook_may_keep_a_line_out_of_the_history(zsh: Driven) -> None:
    zsh.run("zshaddhistory() { [[ $1 != *secret* ]] }")
    zsh.run("echo secret")
    zsh.run("echo known")
    listed = zsh.output("fc -l")
    assert "echo known" in listed
    assert "echo secret" not in listed


def test_history_expansion_is_shown_and_told(zsh: Driven, tmp_path: Path) -> None:
    zsh.run("echo one")
    assert zsh.output("echo two !!") == "echo two echo one\ntwo echo one\n"
    assert zsh.line() == "echo two echo one"
    assert zsh.output("echo !$ !echo:2") == "echo one echo\none echo\n"
    zsh.run("(exit 5)")
    assert "event not found" in zsh.output("echo !nothing")
    assert zsh.output("echo $?") == "5\n"
    for line, wanted in [
        ("! false; [ a != b ] && echo a! !", "a! !\n"),
        ('echo "hi!"', "hi!\n"),
        ("echo 'a!!'", "a!!\n"),
    ]:
        assert zsh.output(line) == wanted


def test_the_rules_of_the_shells_own_history_are_told_as_each_line_found_them(zsh: Driven) -> None:
    zsh.run("HISTORY_IGNORE='vault *'")
    assert zsh.rules() == {}
    zsh.run("setopt hist_ignore_space; HISTORY_IGNORE=$'two\nlines'")
    assert zsh.rules() == {"HIST_IGNORE_SPACE": "", "HISTORY_IGNORE": "vault *"}
    zsh.run("unset HISTORY_IGNORE")
    assert zsh.rules() == {"HIST_IGNORE_SPACE": "1", "HISTORY_IGNORE": "two\nlines"}
    zsh.run("true")
    assert zsh.rules() == {"HIST_IGNORE_SPACE": "1", "HISTORY_IGNORE": ""}


# What it tells


def test_the_shells_own_names_are_told_after_the_line_that_changes_them(zsh: Driven) -> None:
    zsh.run("alias hi='echo hello'; alias -g G=x; f-1() { : }; _part() { : }; export TOKEN=hidden CDPATH=/usr:.")
    wait_until(lambda: zsh.names() and "hi" in zsh.names().commands, lambda: repr(zsh.names()))
    names = zsh.names()
    assert {"hi", "G", "f-1", "cd", "for", "_part"} <= set(names.commands)
    assert not [name for name in names.commands if name.startswith("__ta_")]
    assert names.environ["CDPATH"] == "/usr:."
    assert names.environ["PATH"] == os.environ["PATH"]
    assert names.environ["TOKEN"] == ""
    zsh.run("unalias hi; unfunction f-1")
    wait_until(lambda: "hi" not in zsh.names().commands, lambda: repr(zsh.names()))
    assert "f-1" not in zsh.names().commands


@pytest.mark.parametrize(
    ("setting", "left", "right"),
    [
        ("PROMPT='%~ %# '", "/ # ", ""),
        ("PROMPT='%(?.ok.%F{red}%?%f) '", "\x1b[31m7\x1b[39m ", ""),
        ("PROMPT=$'%{\\e]0;title\\a%}two\\nlines %% '", "\x01\x1b]0;title\x07\x02two\nlines % ", ""),
        ("setopt prompt_subst; x=5; PROMPT='$x $? $(echo sub) '", "5 7 sub ", ""),
        ("PROMPT='$x '", "$x ", ""),
        ("RPROMPT='%B%/%b'; PROMPT='> '", "> ", "\x1b[1m/\x1b[0m"),
        ('precmd() { PROMPT="<$?> " }', "<7> ", ""),
        ("setopt prompt_subst; PROMPT='a${(%)no:?x}b '", None, ""),
    ],
)
def test_prompts_are_told_as_zsh_expands_them(zsh: Driven, setting: str, left: str | None, right: str) -> None:
    if os.getuid() != 0 and left is not None:
        left = left.replace("#", "%")
    zsh.run(setting)
    zsh.run("cd /; (exit 7)")
    prompts = zsh.prompts()
    assert left is None or prompts.left == left
    assert prompts.right == right
    assert zsh.output("echo fine") == "fine\n"


def test_the_users_prompt_is_a_variable_like_any(zsh: Driven) -> None:
    zsh.run("PROMPT='mine> '; PROMPT2='%_more> '")
    assert zsh.output("print -r -- $PROMPT") == "mine> \n"
    assert zsh.prompts().continuation == "more> "


def test_the_keys_of_the_line_editor_are_told(zsh: Driven) -> None:
    zsh.run("true")
    assert zsh.editing() == "emacs"
    zsh.run("bindkey -v")
    assert zsh.editing() == "vi"
    zsh.run("bindkey -e")
    assert zsh.editing() == "emacs"


OPEN = ["for i in a", "if true; then", "echo 'a", 'echo "a', "echo $(ls", "{ ", "a &&", "a |", "echo \\", "cat <<E\nx"]
OPEN += ["f() {", "(", "((1 +", "echo ${a", "echo `ls", "case x in", "a=(1 2", "while true", "[[ a &&", 'echo "$(x']


@pytest.mark.parametrize("line", OPEN)
def test_an_unfinished_line_is_known_as_such(zsh: Driven, line: str) -> None:
    zsh.run("true")
    assert not zsh.is_complete(line)


WHOLE = [
    "",
    "echo hi",
    "for i in a; do echo $i; done",
    "# remark",
    "cat <<E\nx\nE",
    "f() { : }",
    "[[ a == b ]]",
    "a=(1 2)",
]
WRONG = ["echo )", "}", "fi", "if fi", "a ||| b", "echo a ;;", "a\nb )"]  # running it tells what is wrong


@pytest.mark.parametrize("line", WHOLE + WRONG)
def test_a_whole_or_a_wrong_line_waits_for_nothing(zsh: Driven, line: str) -> None:
    zsh.run("setopt interactive_comments")
    assert zsh.is_complete(line)


def test_asking_whether_a_line_is_whole_runs_nothing(zsh: Driven, tmp_path: Path) -> None:
    zsh.run("alias -g LATER='; touch made'; alias go='touch made'; (exit 4)")
    assert zsh.is_complete("echo $(touch made) ${(e):-$(touch made)} LATER; go")
    assert not zsh.is_complete("go && `touch made`; if x")
    assert not (tmp_path / "made").exists()
    assert zsh.output("echo $?") == "4\n"
