"""What `typeahead init fish` gives to somebody's own fish: a real one in a real terminal, with a real store."""

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
    relay_folders,
    relay_pid,
    shells,
    stored,
    wait_for_end,
    wait_for_records,
)
from tests.shell.terminal import TableDaemon, Terminal, wait_until

INIT = Path(typeahead.__file__).parent / "shell" / "init.fish"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed"),
]  # each test opens a shell or a terminal

Fish = Callable[..., Terminal]


@pytest.fixture
def fish(isolated_home: Path) -> Iterator[Fish]:
    with shells() as terminals:

        def start_one(before: str = "", after: str = "", columns: int = 80) -> Terminal:
            rc = isolated_home / ".config" / "fish" / "config.fish"
            rc.parent.mkdir(parents=True, exist_ok=True)
            # So that fish does not go through all manual pages in the background.
            (isolated_home / ".local" / "share" / "fish" / "generated_completions").mkdir(parents=True, exist_ok=True)
            prompt = "set -g fish_greeting\nset -g fish_autosuggestion_enabled 0\nfunction fish_prompt; echo '$ '; end"
            rc.write_text(f"{prompt}\n{before}\n{integration_text('fish', isolated_home)}\n{after}\n")
            terminals.append(Terminal(["fish"], isolated_home, columns))
            terminals[-1].wait_for("$")
            relay_pid(terminals[-1])
            return terminals[-1]

        yield start_one


@pytest.fixture
def table(serve: Callable[..., TableDaemon]) -> TableDaemon:
    return serve(TABLE)


def test_it_is_what_fish_itself_accepts() -> None:
    assert subprocess.run(["fish", "-n", str(INIT)], capture_output=True).stderr == b""


def test_a_key_fills_in_the_suggestion_and_turns_to_the_next_and_back(table: TableDaemon, fish: Fish) -> None:
    shell = fish()
    shell.type("echo h")
    for row in ("$ echo hello world", "$ echo hash", "$ echo hill", "$ echo h", "$ echo hello world"):
        shell.type(SUGGEST)
        shell.wait_for_row(row)
    shell.type("!")
    shell.wait_for_row("$ echo hello world!")


def test_a_key_takes_one_word_another_one_and_then_the_rest(table: TableDaemon, fish: Fish) -> None:
    shell = fish()
    shell.type("echo h" + WORD)
    shell.wait_for_row("$ echo hello")
    shell.type(WORD)
    shell.wait_for_row("$ echo hello world")
    shell.type("\x15echo h" + WORD)
    shell.wait_for_row("$ echo hello")
    shell.type(SUGGEST)
    shell.wait_for_row("$ echo hello world")


def test_in_vi_mode_the_keys_are_there_too(table: TableDaemon, fish: Fish) -> None:
    shell = fish("fish_vi_key_bindings")
    shell.type("echo h" + SUGGEST)
    shell.wait_for("echo hello world")


def test_on_the_empty_line_the_key_fills_in_what_comes_next(table: TableDaemon, fish: Fish) -> None:
    shell = fish()
    shell.type(SUGGEST)
    shell.wait_for_row("$ echo empty")


def test_what_is_not_ascii_and_backslashes_are_filled_in_as_they_are(table: TableDaemon, fish: Fish) -> None:
    shell = fish()
    shell.type("echo ü" + SUGGEST)
    shell.wait_for_row("$ echo über alles")
    shell.type("\x15echo \\" + SUGGEST)
    shell.wait_for_row("$ echo \\\\ back")


def test_a_suggestion_with_a_control_character_is_not_filled_in(table: TableDaemon, fish: Fish) -> None:
    shell = fish()
    shell.type("echo bad" + SUGGEST + "\x7f")
    for row in ("$ echo ba", "$ echo bare", "$ echo baddest", "$ echo ba"):
        shell.wait_for_row(row)
        shell.type(SUGGEST)


def test_forgetting_tells_the_daemon_and_brings_back_what_was_typed(table: TableDaemon, fish: Fish) -> None:
    shell = fish()
    shell.type("echo h" + SUGGEST)
    shell.wait_for_row("$ echo hello world")
    shell.type("\x1bk")
    shell.wait_for_row("$ echo h")
    wait_until(lambda: table.forgotten == ["echo hello world"], lambda: f"forgotten: {table.forgotten}")


def test_tab_offers_the_next_word_only_where_that_is_asked_for(table: TableDaemon, fish: Fish) -> None:
    table.table["git zz"] = "git zzz-odd --all"
    shell = fish("set -g typeahead_complete 1")
    shell.type("git zz\t")
    shell.wait_for_row("$ git zzz-odd")
    other = fish()
    other.type("git zz\t\x15echo done")
    other.wait_for_row("$ echo done")
    assert table.asked.count("git zz") == 1


def test_a_command_is_recorded_with_status_directory_and_duration(table: TableDaemon, fish: Fish) -> None:
    shell = fish()
    home = os.environ["HOME"]
    lines = ("mkdir 'a  b'", "cd 'a  b'", "sleep 0.2; sh -c 'exit 7'")
    for line in lines:
        shell.run(line)
    wait_for_records(table, *lines)
    told = [(record["cwd"], record["status"]) for record in table.records]
    assert told == [(home, 0), (home, 0), (f"{home}/a  b", 7)]
    assert 0.2 <= table.records[2]["duration_s"] < 60
    assert 0 <= table.records[2]["started"] - table.records[1]["started"] < 60


def test_private_mode_and_a_space_before_it_keep_a_line_from_being_recorded(table: TableDaemon, fish: Fish) -> None:
    shell = fish()
    for line in ("true one", " true secret", "set -g fish_private_mode 1", "true two", "set -e fish_private_mode"):
        shell.run(line)
    refuse = "function fish_should_add_to_history; string match -qv '*hidden*' -- $argv; end"  # itself, too
    for line in (refuse, "true hidden", "true three"):
        shell.run(line)
    wait_until(lambda: "true three" in table.lines, lambda: f"recorded: {table.lines}")
    assert "true secret" not in "".join(table.lines)
    assert table.lines == ["true one", "set -e fish_private_mode", "true three"]


def test_a_command_of_several_lines_is_recorded_whole(table: TableDaemon, fish: Fish) -> None:
    shell = fish()
    shell.type("for i in 1 2\rtrue $i 'a\\b'\rend\r")
    wait_until(lambda: table.lines, lambda: f"recorded: {table.lines}")
    assert [line.strip() for line in table.lines[0].split("\n")] == ["for i in 1 2", "true $i 'a\\b'", "end"]


def test_without_a_daemon_the_line_stays_and_records_reach_the_store(start: Start, fish: Fish) -> None:
    daemon = start().wait_state("warm")
    shell = fish()
    shell.run("true before")
    wait_until(lambda: [one.command for one in stored()] == ["true before"], lambda: f"stored: {stored()}")
    os.kill(daemon.process.pid, signal.SIGKILL)
    shell.type("true aft" + SUGGEST + "er\r")
    wait_until(lambda: [one.command for one in stored()][-1].startswith("true aft"), lambda: f"stored: {stored()}")


def test_a_slow_daemon_holds_no_key_up_and_its_late_answer_is_there_at_the_next(start: Start, fish: Fish) -> None:
    start(FAKE_SUGGEST_S="0.3").wait_state("warm")
    shell = fish()
    shell.run("true")
    wait_until(lambda: len(stored()) == 1, lambda: f"stored: {stored()}")
    shell.type("abc" + SUGGEST + "d")
    shell.wait_for_row("$ abcd")

    def filled_in() -> bool:
        shell.type(SUGGEST)
        return "<true=0>" in "".join(shell.screen())

    wait_until(filled_in, lambda: f"never filled in: {shell.screen()}")


def test_the_process_beside_the_shell_is_started_again_when_it_is_killed(table: TableDaemon, fish: Fish) -> None:
    shell = fish()
    first = relay_pid(shell)
    os.kill(first, signal.SIGKILL)
    wait_for_end(first)
    shell.type("echo h" + SUGGEST)  # no key waits for the dead
    shell.type("ey\r")
    shell.wait_for("\nhey\n")

    def recorded() -> bool:
        shell.run("true again")
        return "true again" in table.lines

    wait_until(recorded, lambda: f"recorded: {table.lines}")
    assert relay_pid(shell) != first


@pytest.mark.parametrize("end", ["exit", "kill -9 $fish_pid"])
def test_the_process_beside_the_shell_ends_with_it_and_leaves_nothing(table: TableDaemon, fish: Fish, end: str) -> None:
    shell = fish()
    pid = relay_pid(shell)
    shell.run(end)
    wait_for_end(pid)
    wait_until(lambda: not relay_folders(), lambda: f"left: {relay_folders()}")


def test_read_twice_it_records_once_and_says_nothing_of_jobs(table: TableDaemon, fish: Fish) -> None:
    shell = fish("", integration_text("fish", Path(os.environ["HOME"])))
    shell.run("true one")
    wait_for_records(table, "true one")
    shell.run("clear; jobs")
    shell.wait_for("jobs: There are no jobs")


@pytest.mark.parametrize("options", [["-c"], ["-i", "-c"]])
def test_elsewhere_than_at_a_prompt_it_is_silent_and_starts_nothing(isolated_home: Path, options: list[str]) -> None:
    file = isolated_home / "init"
    file.write_text(integration_text("fish", isolated_home))
    command = [
        "fish",
        "--no-config",
        *options,
        f"set -g __ta_dir x; source {file}; functions -q typeahead_off; echo $status",
    ]
    if options == ["-c"]:
        command[-1] = command[-1].removeprefix("set -g __ta_dir x; ")
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (done.stdout, done.stderr) == ("1\n", "")
    assert not relay_folders()


def test_off_takes_everything_away(table: TableDaemon, fish: Fish) -> None:
    shell = fish()
    pid = relay_pid(shell)
    shell.run("typeahead_off")
    wait_for_end(pid)
    shell.run(
        "clear; set -n | grep __ty; functions -na | grep typeahead; bind | grep __ty; echo left: (count $PATH | wc -l)"
    )
    shell.wait_for("left: 1")
    assert shell.screen()[0] == "left: 1"
    assert table.lines == []


def test_a_key_that_is_bound_already_is_left_alone(table: TableDaemon, fish: Fish) -> None:
    shell = fish("bind \\e\\; 'commandline -i mine'")
    shell.type("echo h" + SUGGEST)
    shell.wait_for_row("$ echo hmine")


def test_the_environment_and_names_of_the_shell_are_told(table: TableDaemon, fish: Fish) -> None:
    shell = fish("alias gs='git status'; function my_function; end")
    shell.run("set -gx PATH /odd $PATH")
    wait_until(
        lambda: table.names and table.names["environ"]["PATH"].startswith("/odd:"), lambda: f"told: {table.names}"
    )
    assert {"gs", "my_function", "cd"} <= set(table.names["names"])
