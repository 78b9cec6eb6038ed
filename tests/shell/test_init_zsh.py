"""The integration into one's own zsh, in real zsh, tmux, sockets and stores."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.shell.fake_daemon import COMMAND, Daemon, Start
from tests.shell.plain_server import PlainServer
from tests.shell.terminal import Terminal, wait_until
from typeahead import config
from typeahead.history import Event, History
from typeahead.shell import integration
from typeahead.shell.protocol import request

ZSH = shutil.which("zsh") or ""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ZSH, reason="zsh is not installed"),
]  # each test opens a shell or a terminal
HIGHLIGHTING = Path("/usr/share/zsh-syntax-highlighting/zsh-syntax-highlighting.zsh")
AUTOSUGGESTIONS = Path("/usr/share/zsh-autosuggestions/zsh-autosuggestions.zsh")
INIT = "source ~/init.zsh\n"

TABLE = {
    "": ["make test"],
    "git": ["git status --short"],
    "git ": ["git status --short", "git log", "git diff"],
    "git c": ["git commit -m fix"],
    "echo": ["echo one two/three/four five"],
    "wicked": ["wicked\x1b[2J"],
    "newline": ["newline\nrm"],
    "back": ["back \\slash"],
}

Open = Callable[..., Terminal]
needs_highlighting = pytest.mark.skipif(not HIGHLIGHTING.exists(), reason="zsh-syntax-highlighting is not installed")
needs_autosuggestions = pytest.mark.skipif(not AUTOSUGGESTIONS.exists(), reason="zsh-autosuggestions is not installed")


@pytest.fixture
def daemon(start: Start) -> Daemon:
    return start(FAKE_TABLE=json.dumps(TABLE)).wait_state("warm")


def write_init(home: Path, python: str = "/none") -> None:
    (home / "init.zsh").write_text(integration.script("zsh").replace(sys.executable, python))


@pytest.fixture
def zsh(isolated_home: Path, tmp_path: Path) -> Iterator[Open]:
    """Return what opens a terminal with zsh and a start-up file; ~/init.zsh is an integration that starts no daemon."""
    write_init(isolated_home)
    terminals: list[Terminal] = []

    def open_zsh(rc: str = INIT, columns: int = 80, **environment: str) -> Terminal:
        (isolated_home / ".zshrc").write_text(f"PS1='%% ' PS2='> '\nunsetopt prompt_sp\n{rc}")
        environment = {"TERM": "tmux-256color", **environment}
        terminals.append(Terminal([ZSH, "-d", "-i"], tmp_path, columns, **environment))
        return terminals[-1]

    yield open_zsh
    for terminal in terminals:
        terminal.close()


def stored(number: int) -> list[Event]:
    """Return the last lines in the store, at most so many, oldest first."""
    if not config.history_file().exists():
        return []
    with contextlib.closing(History(config.history_file())) as history:
        return list(history.latest(number))[::-1]


def events(number: int) -> list[Event]:
    """Wait for so many lines in the store and return the last of them, oldest first."""
    found = wait_until(
        lambda: len(lines := stored(number)) == number and lines, lambda: f"fewer than {number} lines: {stored(number)}"
    )
    return list(found)


def questions() -> int:
    return int(request({"op": "stats"}, 5)["questions"])


def answer_of(terminal: Terminal, value: str) -> str:
    """Have the shell print a value; return it."""
    terminal.press("C-u")
    terminal.run(f' clear; print -r -- "[{value}]"')

    def found() -> str:
        return next((row for row in terminal.screen() if row.startswith("[")), "")

    return str(wait_until(found, lambda: f"no answer in {terminal.screen()}"))[1:-1]


def test_the_suggestion_stands_in_grey_behind_the_cursor(daemon: Daemon, zsh: Open) -> None:
    terminal = zsh()
    terminal.type("git")
    terminal.wait_for_row("% git status --short")
    terminal.wait_for_cursor(5, 0)
    assert "git\x1b[90m status --short" in terminal.screen(colours=True)[0]
    terminal.press("C-c")
    terminal.wait_for_row("% make test")  # the next command is predicted, too
    terminal.wait_for_cursor(2, 1)


def test_without_colours_the_suggestion_is_underlined(daemon: Daemon, zsh: Open) -> None:
    terminal = zsh(NO_COLOR="1")
    terminal.type("git")
    terminal.wait_for_row("% git status --short")
    assert "git\x1b[4m status --short" in terminal.screen(colours=True)[0]


def test_each_key_of_the_table_takes_its_part(daemon: Daemon, zsh: Open) -> None:
    terminal = zsh()
    for keys, typed in [
        (["Right"], "echo one two/three/four five"),
        (["End"], "echo one two/three/four five"),
        (["C-e"], "echo one two/three/four five"),
        (["C-f"], "echo one two/three/four five"),
        (["M-f"], "echo one"),
        (["C-Right"], "echo one"),
        (["M-f", "C-Right"], "echo one two/three/four"),
        (["M-f", "M-Right"], "echo one two/"),
        (["M-C-f", "M-C-f"], "echo o"),
    ]:
        terminal.type("echo")
        terminal.wait_for_row("% echo one two/three/four five")
        terminal.press(*keys)
        wait_until(lambda typed=typed: terminal.cursor() == (2 + len(typed), 0), terminal.screen)
        assert terminal.row() == "% echo one two/three/four five"
        terminal.press("C-u")
        terminal.wait_for_row("% make test")


def test_where_there_is_nothing_to_take_a_key_does_what_it_did(daemon: Daemon, zsh: Open) -> None:
    terminal = zsh()
    terminal.type("nothing here")
    terminal.wait_for_row("% nothing here")
    for key, column in [("C-a", 2), ("M-f", 10), ("C-a", 2), ("Right", 3), ("C-f", 4), ("C-e", 14), ("M-f", 14)]:
        terminal.press(key)
        wait_until(lambda column=column: terminal.cursor() == (column, 0), terminal.screen)


def test_keys_and_the_empty_prompt_are_as_they_are_set(
    daemon: Daemon, zsh: Open, isolated_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TYPEAHEAD_KEYS_ACCEPT", "c-o c-x,c-o")
    monkeypatch.setenv("TYPEAHEAD_TEXT_EMPTY", "off")
    write_init(isolated_home)
    terminal = zsh("bindkey -s '^G' hello\n" + INIT)
    terminal.type("git")
    terminal.wait_for_row("% git status --short")
    terminal.press("Right", "C-e")
    terminal.press("C-o")
    wait_until(lambda: terminal.cursor() == (20, 0), terminal.screen)
    terminal.press("C-u")
    terminal.wait_for_row("%")
    terminal.press("C-g")  # a text of the user's stays on its key
    terminal.wait_for_row("% hello")


def test_default_keys_are_those_of_the_settings() -> None:
    text = (Path(integration.__file__).parent / "init.zsh").read_text()
    found = dict(re.findall(r'"\$\{__typeahead_keys_(\w+)-([^}]*)\}"', text))
    assert len(found) == 10
    assert found == {name: getattr(config.KeysConfig(), name) for name in found}


def test_alternatives_are_shown_in_turn(daemon: Daemon, zsh: Open) -> None:
    terminal = zsh()
    terminal.type("git ")
    terminal.wait_for_row("% git status --short")
    for key, row in [
        ("M-n", "% git log"),
        ("M-n", "% git diff"),
        ("M-n", "% git status --short"),
        ("M-p", "% git diff"),
    ]:
        terminal.press(key)
        terminal.wait_for_row(row)
    terminal.press("Right")
    wait_until(lambda: terminal.cursor() == (10, 0), terminal.screen)


def test_a_dismissed_suggestion_is_gone_until_the_next_edit(daemon: Daemon, zsh: Open) -> None:
    terminal = zsh()
    terminal.type("git ")
    terminal.wait_for_row("% git status --short")
    terminal.press("C-g")
    terminal.wait_for_row("% git")
    terminal.type("c")
    terminal.wait_for_row("% git commit -m fix")


def test_a_forgotten_line_is_out_of_the_store_and_shown_no_more(daemon: Daemon, zsh: Open) -> None:
    terminal = zsh()
    for line in ("git status --short", "true"):
        terminal.run(line)
        terminal.wait_for_row("% make test")
    events(2)
    terminal.type("git ")
    terminal.wait_for_row("% git status --short")
    terminal.press("S-DC")
    terminal.wait_for_row("% git")
    (left,) = wait_until(lambda: (found := events(1)) and found[0].command == "true" and found, terminal.screen)
    assert left.command == "true"
    assert [event.command for event in stored(5)] == ["true"]
    terminal.press("BSpace")
    terminal.type(" ")
    terminal.press("M-n")
    terminal.type("c")
    terminal.wait_for_row("% git commit -m fix")


@pytest.mark.parametrize("line", ["wicked", "newline"])
def test_a_suggestion_that_would_run_or_drive_the_terminal_is_refused_here_too(
    zsh: Open, isolated_home: Path, line: str
) -> None:
    """The daemon refuses them already; this one does not."""
    with PlainServer(config.socket_path(), {line: TABLE[line][0], f"{line}2": f"{line}2 fine"}):
        terminal = zsh()
        terminal.type(line)
        terminal.type("2")
        terminal.wait_for_row(f"% {line}2 fine")
        terminal.press("BSpace")
        terminal.wait_for_row(f"% {line}")
        terminal.press("Right")
        terminal.type("!")
        terminal.wait_for_row(f"% {line}!")


def test_backslashes_and_wide_characters_survive(zsh: Open) -> None:
    table = {"back": "back \\slash\\", "日本": "日本語 ü 🙂"}
    with PlainServer(config.socket_path(), table) as server:
        terminal = zsh()
        for prefix, line in table.items():
            terminal.type(prefix)
            terminal.wait_for_row(f"% {line}")
            terminal.press("Right")
            terminal.type(" \\x")
            terminal.wait_for_row(f"% {line} \\x")
            wait_until(lambda line=line: f"{line} \\x" in server.asked, lambda: str(server.asked))
            terminal.press("C-u")


def test_an_answer_to_an_older_question_is_dropped(zsh: Open) -> None:
    with PlainServer(config.socket_path(), {"a": "a wrong", "ab": "ab right"}, late={"a"}) as server:
        terminal = zsh()
        terminal.type("a")
        wait_until(lambda: "a" in server.asked, lambda: str(server.asked))
        terminal.type("b")
        terminal.wait_for_row("% ab right")
        server.tell_late()
        terminal.press("BSpace")
        terminal.type("b")
        terminal.wait_for_row("% ab right")


def test_lines_are_recorded_with_directory_status_and_duration(daemon: Daemon, zsh: Open, tmp_path: Path) -> None:
    folder = tmp_path / "a\\b"
    folder.mkdir()
    terminal = zsh()
    terminal.run("true")
    terminal.run(f"cd {shlex.quote(str(folder))}")
    terminal.run("sleep 0.3; (exit 7)")
    terminal.wait_for("% make test")
    terminal.paste("for x in 1; do\n\techo 'tab\there'\ndone")
    terminal.press("Enter")
    first, second, third, fourth = events(4)
    assert (first.command, first.cwd, first.status) == ("true", str(tmp_path), 0)
    assert (second.command, second.cwd, second.status) == (f"cd {shlex.quote(str(folder))}", str(tmp_path), 0)
    assert (third.command, third.cwd, third.status) == ("sleep 0.3; (exit 7)", str(folder), 7)
    assert third.duration_s is not None
    assert 0.29 < third.duration_s < 20
    assert (first.duration_s or 0) < third.duration_s
    assert fourth.command == "for x in 1; do\n\techo 'tab\there'\ndone"
    assert len({event.session for event in (first, second, third, fourth)}) == 1


def test_what_is_kept_out_of_the_history_is_not_recorded(daemon: Daemon, zsh: Open) -> None:
    terminal = zsh(INIT + "setopt hist_ignore_space extended_glob\nHISTORY_IGNORE='(true|: [0-9]##)'\n")
    for line in (" echo spaced", "true", ": 42", ": x", ": last"):
        terminal.run(line)
    assert [event.command for event in events(2)] == [": x", ": last"]
    assert len(stored(10)) == 2


def test_lines_run_without_a_daemon_are_told_to_the_next_one(zsh: Open, start: Start) -> None:
    terminal = zsh()
    for i in range(60):
        terminal.run(f": {i}")
    terminal.wait_for(": 59")
    start().wait_state("warm")
    for i in range(60, 63):
        terminal.run(f": {i}")
        events(i)
    assert [event.command for event in events(63)] == [f": {i}" for i in range(63)]


def test_a_session_that_ends_leaves_no_line_untold(zsh: Open, start: Start) -> None:
    terminal = zsh()
    terminal.run(": one")
    terminal.wait_for_row("%")
    start().wait_state("warm")
    terminal.run("exit 3")
    assert terminal.exit_status() == 3
    assert [event.command for event in events(1)] == [": one"]


def test_installed_it_is_there_in_the_next_session(daemon: Daemon, zsh: Open, isolated_home: Path) -> None:
    path = integration.install("zsh")
    terminal = zsh(path.read_text())
    terminal.type("git")
    terminal.wait_for_row("% git status --short")


# Without help, with others, in odd places


def test_a_daemon_killed_while_typing_takes_no_key_with_it(daemon: Daemon, zsh: Open, start: Start) -> None:
    terminal = zsh()
    terminal.type("echo one")
    terminal.wait_for_row("% echo one")
    terminal.type("; print -r -- ")
    os.kill(daemon.process.pid, signal.SIGKILL)
    daemon.wait()
    for word in ("every ", "key ", "is ", "here"):
        terminal.type(word)
    terminal.press("Enter")
    terminal.wait_for("\none\nevery key is here\n%")
    assert "typeahead" not in "\n".join(terminal.screen())
    start(FAKE_TABLE=json.dumps(TABLE)).wait_state("warm")
    terminal.run("true")
    terminal.type("git")
    terminal.wait_for_row("% git status --short")


@pytest.mark.slow
def test_a_daemon_that_hangs_holds_nothing_up(daemon: Daemon, zsh: Open) -> None:
    terminal = zsh()
    terminal.run("true")
    terminal.wait_for_row("% make test")
    os.kill(daemon.process.pid, signal.SIGSTOP)
    try:
        for i in range(40):
            terminal.run(f"print {i}:{'x' * 60}")
        terminal.wait_for(f"\n39:{'x' * 60}\n")
        for _ in range(8):  # far more questions than the socket holds
            for _ in range(60):
                terminal.press("y")
            terminal.press("C-u")
        terminal.run("print end of it")
        terminal.wait_for("\nend of it\n%")
    finally:
        os.kill(daemon.process.pid, signal.SIGCONT)

    def told() -> list[Event]:
        terminal.run("true")  # it is tried again at a prompt, after a while
        return stored(500)

    found = wait_until(lambda: len(lines := told()) > 42 and lines, terminal.screen)
    assert [event.command for event in found][1:42] == [
        *(f"print {i}:{'x' * 60}" for i in range(40)),
        "print end of it",
    ]


def test_a_daemon_is_started_when_none_is_there(zsh: Open, isolated_home: Path) -> None:
    python = isolated_home / "python"
    python.write_text(f"#!/bin/sh\nexec {shlex.join(COMMAND)}\n")
    python.chmod(0o755)
    write_init(isolated_home, str(python))
    terminal = zsh(FAKE_TABLE=json.dumps(TABLE))
    terminal.wait_for_row("% make test")  # without a key pressed
    assert terminal.screen()[0] == "% make test"  # and without a word about a job
    assert answer_of(terminal, "$jobstates${(%):-%j}") == "0"
    terminal.run("print -u2 still here")
    terminal.wait_for("\nstill here")
    terminal.run("exit")  # it would start another one
    terminal.exit_status()
    request({"op": "stop"}, 5)


def test_no_program_inherits_the_connection(daemon: Daemon, zsh: Open) -> None:
    terminal = zsh()
    terminal.run("true")
    terminal.wait_for_row("% make test")
    terminal.run("ls -l /proc/self/fd; print done")
    terminal.wait_for("\ndone")
    assert "/dev/pts/" in "\n".join(terminal.screen())
    assert "socket:" not in "\n".join(terminal.screen())


@pytest.mark.parametrize("plugins", ["{h}\n{i}", "{i}\n{h}"], ids=["before", "after"])
@needs_highlighting
def test_it_lives_beside_syntax_highlighting(daemon: Daemon, zsh: Open, plugins: str) -> None:
    terminal = zsh(plugins.format(h=f"source {HIGHLIGHTING}", i=INIT))
    terminal.type("echo")
    terminal.wait_for_row("% echo one two/three/four five")
    assert terminal.screen(colours=True)[0] == "% \x1b[32mecho\x1b[90m one two/three/four five"
    terminal.press("M-f")
    wait_until(
        lambda: terminal.screen(colours=True)[0] == "% \x1b[32mecho\x1b[39m one\x1b[90m two/three/four five",
        lambda: str(terminal.screen(colours=True)),
    )
    terminal.press("Right")
    terminal.type(" nowhere")
    terminal.wait_for_row("% echo one two/three/four five nowhere")
    assert terminal.screen(colours=True)[0] == "% \x1b[32mecho\x1b[39m one two/three/four five nowhere"


@pytest.mark.parametrize("plugins", ["{a}\n{i}", "{i}\n{a}"], ids=["before", "after"])
@needs_autosuggestions
def test_with_autosuggestions_it_is_a_strategy_of_theirs(daemon: Daemon, zsh: Open, plugins: str) -> None:
    terminal = zsh(plugins.format(a=f"source {AUTOSUGGESTIONS}", i=INIT))

    def suggested() -> bool:  # an answer that takes too long is none, and they do not ask twice
        terminal.press("C-u")
        terminal.wait_for_row("%")
        terminal.type("git")
        terminal.wait_for("% git")
        time.sleep(0.2)
        return terminal.row() == "% git status --short"

    wait_until(suggested, terminal.screen)
    assert "git\x1b[90m status --short" in terminal.screen(colours=True)[0]
    terminal.press("Right")
    wait_until(lambda: terminal.cursor() == (20, 0), terminal.screen)
    assert answer_of(terminal, "$ZSH_AUTOSUGGEST_STRATEGY[1]:${TYPEAHEAD_INTEGRATION% *}").startswith(
        "typeahead:zsh zsh-autosuggestions"
    )
    terminal.run("print recorded")
    events(1)
    os.kill(daemon.process.pid, signal.SIGKILL)
    daemon.wait()
    terminal.type("print rec")
    terminal.wait_for_row("% print recorded")  # their own history


@needs_autosuggestions
def test_a_strategy_waits_for_a_daemon_that_hangs_no_longer_than_it_may(daemon: Daemon, zsh: Open) -> None:
    terminal = zsh(f"{INIT}source {AUTOSUGGESTIONS}\n")
    terminal.run("true")
    terminal.run("print recorded")
    events(2)
    os.kill(daemon.process.pid, signal.SIGSTOP)
    try:
        terminal.type("print rec")
        terminal.wait_for_row("% print recorded")
    finally:
        os.kill(daemon.process.pid, signal.SIGCONT)


def test_sourced_twice_it_is_there_once(daemon: Daemon, zsh: Open) -> None:
    terminal = zsh(INIT + INIT + 'eval "$(cat ~/init.zsh)"\nprint after\n')
    terminal.wait_for("after")
    terminal.type("git")
    terminal.wait_for_row("% git status --short")
    terminal.press("C-u")
    terminal.run(": once")
    terminal.run(": twice")
    assert [event.command for event in events(2)] == [": once", ": twice"]
    assert answer_of(terminal, "${(M)precmd_functions:#*typeahead*}") == "__typeahead_precmd"


def test_strict_options_and_global_aliases_do_no_harm(daemon: Daemon, zsh: Open) -> None:
    rc = "setopt nounset err_return warn_create_global ksh_arrays sh_word_split null_glob noclobber no_case_match\n"
    rc += "".join(f"alias -g {letter}='| head'\n" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
    terminal = zsh(rc + 'eval "$(cat ~/init.zsh)"\n')
    terminal.type("git")
    terminal.wait_for_row("% git status --short")
    terminal.wait_for_cursor(5, 0)
    terminal.press("C-Right")
    wait_until(lambda: terminal.cursor() == (12, 0), terminal.screen)
    terminal.press("C-u")
    terminal.run("false")
    (event,) = events(1)
    assert (event.command, event.status) == ("false", 1)


@pytest.mark.parametrize(
    "arguments", [["-f", "-c"], ["-f", "-i", "+Z", "-c"], ["-f", "-i", "-c"]], ids=["script", "no line", "command"]
)
def test_it_says_nothing_where_nobody_types(arguments: list[str], zsh: Open, isolated_home: Path) -> None:
    command = [ZSH, *arguments, "source ~/init.zsh; print $+functions[typeahead_off] done"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert done.stderr == ""
    assert done.stdout.endswith(" done\n")
    if arguments[1] == "-c":
        assert done.stdout == "0 done\n"


@pytest.mark.parametrize("rc", ["__ta_dir=/tmp/x\n", "TERM=dumb\n"], ids=["underneath", "dumb"])
def test_it_is_not_there_where_it_has_no_place(daemon: Daemon, zsh: Open, rc: str) -> None:
    terminal = zsh(rc + INIT)
    assert answer_of(terminal, "$+functions[typeahead_off]$+functions[__typeahead_key]") == "00"


def test_vi_mode_suggests_while_inserting_alone(daemon: Daemon, zsh: Open) -> None:
    terminal = zsh("bindkey -v\nKEYTIMEOUT=1\n" + INIT)
    terminal.type("echo")
    terminal.wait_for_row("% echo one two/three/four five")
    terminal.press("Escape")
    terminal.wait_for_row("% echo")
    terminal.press("A")
    terminal.wait_for_row("% echo one two/three/four five")
    terminal.press("C-Right")
    terminal.press("C-e")
    wait_until(lambda: terminal.cursor() == (30, 0), terminal.screen)
    terminal.press("Escape")
    terminal.type("0dwi")
    terminal.wait_for_row("% one two/three/four five")


def test_a_paste_runs_nothing_and_asks_once(daemon: Daemon, zsh: Open) -> None:
    terminal = zsh()
    terminal.wait_for_row("% make test")
    before = questions()
    terminal.paste("print first\nprint second\n" + "x" * 300)
    terminal.wait_for("xxx")
    wait_until(lambda: terminal.row().endswith("x"), terminal.screen)
    assert "\nfirst" not in "\n".join(terminal.screen())
    terminal.press("C-c")
    terminal.wait_for_row("% make test")
    assert questions() <= before + 2  # the line, and the next empty one
    assert stored(1) == []


def test_a_menu_of_completions_has_nothing_behind_its_words(daemon: Daemon, zsh: Open, tmp_path: Path) -> None:
    for name in ("one-a", "one-b"):
        (tmp_path / name).touch()
    terminal = zsh("autoload -Uz compinit\ncompinit -D\nzstyle ':completion:*' menu select\n" + INIT)
    terminal.type("echo")
    terminal.wait_for_row("% echo one two/three/four five")
    terminal.type(" one")
    terminal.wait_for_row("% echo one two/three/four five")
    terminal.press("Tab")
    terminal.wait_for("% echo one-\n")
    terminal.press("Tab", "Tab")
    terminal.wait_for("% echo one-a\n")
    terminal.press("C-f")
    terminal.wait_for("% echo one-b\n")
    terminal.press("C-g")
    terminal.wait_for("% echo one-\n")
    terminal.press("Tab", "Tab", "Enter", "Enter")
    wait_until(lambda: set(terminal.screen()) & {"one-a", "one-b"}, terminal.screen)


def test_a_search_in_the_history_has_nothing_behind_its_lines(daemon: Daemon, zsh: Open) -> None:
    terminal = zsh()
    terminal.run("print found")
    terminal.wait_for_row("% make test")
    terminal.type("echo")
    terminal.wait_for_row("% echo one two/three/four five")
    terminal.press("C-r")
    terminal.type("fou")
    terminal.wait_for("% print found\nbck-i-search: fou_")
    terminal.press("C-g")
    terminal.wait_for_row("% echo one two/three/four five")


def test_a_narrow_window_wraps_and_takes_the_whole_line(daemon: Daemon, zsh: Open) -> None:
    terminal = zsh(columns=20)
    terminal.type("echo")
    terminal.wait_for("% echo one two/three\n/four five")
    terminal.wait_for_cursor(6, 0)
    terminal.press("End", "Enter")
    terminal.wait_for("\none two/three/four f")


def test_a_text_that_another_plugin_shows_stays(daemon: Daemon, zsh: Open) -> None:
    rc = "other() { POSTDISPLAY=' theirs' }\nzle -N other\nbindkey '^T' other\n"
    terminal = zsh(rc + INIT)
    terminal.type("nothing")
    terminal.wait_for_row("% nothing")
    terminal.press("C-t")
    terminal.wait_for_row("% nothing theirs")
    terminal.type("x")
    wait_until(lambda: terminal.cursor() == (10, 0), terminal.screen)
    assert terminal.row() == "% nothingx theirs"


def test_typeahead_off_leaves_nothing_behind(daemon: Daemon, zsh: Open, tmp_path: Path) -> None:
    state = "bindkey -L; bindkey -LM viins; bindkey -LM isearch; zle -lL; typeset -m '*typeahead*' 'TYPEAHEAD*'"
    state += "; functions -m '*typeahead*'; add-zsh-hook -L"
    rc = "autoload -Uz add-zsh-hook add-zle-hook-widget is-at-least\n"
    rc += "add-zle-hook-widget line-init true; add-zle-hook-widget -d line-init true\n"
    terminal = zsh(f"{rc}setopt interactive_comments\n{INIT}({{ {state} }} 2>&1) >{tmp_path}/loaded\n")
    terminal.wait_for_row("% make test")
    terminal.run(f"{{ {state} }} >{tmp_path}/on 2>&1")
    terminal.wait_for_row("% make test")
    terminal.run("typeahead_off")
    terminal.wait_for_row("%")
    terminal.run(f"{{ {state} }} >{tmp_path}/off 2>&1; print done")
    terminal.wait_for("\ndone")
    off = (tmp_path / "off").read_text()
    assert "typeahead" in (tmp_path / "on").read_text()
    assert "typeahead" not in off
    loaded = {line for line in (tmp_path / "loaded").read_text().splitlines() if line.startswith("bindkey")}
    assert {line for line in off.splitlines() if line.startswith("bindkey")} == loaded
    terminal.type("git")
    terminal.press("Right", "C-e", "x")
    terminal.wait_for_row("% gitx")


@pytest.mark.parametrize("part", integration.PARTS["zsh"])
def test_the_parts_are_sound_zsh(part: str) -> None:
    path = Path(integration.__file__).parent / part
    assert subprocess.run([ZSH, "-n", path], capture_output=True, text=True, check=False).stderr == ""
    assert len(path.read_text().splitlines()) <= 450
