"""Spoken words in a real terminal: our shell in tmux over a real bash, the daemon between, and the key to talk."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.shell.fake_daemon import Start
from tests.shell.terminal import Terminal, is_running, wait_until
from typeahead import config
from typeahead.shell.spoken import say
from typeahead.voice.commands import DEFAULTS, Command, commands

pytestmark = pytest.mark.slow  # each test opens a terminal

EAR = Path(__file__).with_name("ear.py")
GO, STOP, YES, NO = (DEFAULTS[word] for word in ("go", "stop", "yes", "no"))
# Our shell, as the console script opens it, with the stand-in for a microphone.
_SHELL = """
import sys
from typeahead.shell.app import listening
listening.child_command = lambda: [sys.executable, {ear!r}, {folder!r}]
from typeahead.__main__ import main
sys.argv[1:] = []
main()
"""


class Talk:
    """Our shell in a terminal, and what its microphone hears."""

    def __init__(self, folder: Path, ear: Path, **environment: str) -> None:
        os.mkfifo(ear / "heard")
        self.ear = ear
        code = _SHELL.format(ear=str(EAR), folder=str(ear))
        self.terminal = Terminal([sys.executable, "-c", code], folder, **environment)
        self.terminal.wait_for("folder ❯")

    def hears(self, **event: object) -> None:
        with (self.ear / "heard").open("wb", buffering=0) as heard:
            heard.write(json.dumps(event).encode() + b"\n")

    def log(self) -> list[str]:
        path = self.ear / "log"
        return path.read_text().splitlines() if path.exists() else []

    def wait_for_log(self, *lines: str) -> None:
        wait_until(lambda: self.log() == [*lines], lambda: f"{self.log()}: {self.terminal.screen()}")

    def wait_for_input(self, wanted: str) -> None:
        """Wait until ``wanted`` stands behind the prompt in the cursor's row."""
        wait_until(
            lambda: f"{self.terminal.row()} ".partition("❯")[1:] == ("❯", f" {wanted} " if wanted else " "),
            lambda: f"no {wanted!r} in {self.terminal.screen()}",
        )

    def wait_until_gone(self, text: str) -> None:
        wait_until(lambda: text not in "\n".join(self.terminal.screen()), lambda: repr(self.terminal.screen()))


@pytest.fixture
def open_talk(folder: Path, tmp_path: Path, isolated_home: Path) -> Iterator[Callable[..., Talk]]:
    talks: list[Talk] = []
    (isolated_home / ".bashrc").write_text("")

    def open_one(settings: str = "", **environment: str) -> Talk:
        config.config_file().parent.mkdir(parents=True, exist_ok=True)
        config.config_file().write_text(settings)
        if not config.socket_path().exists():
            environment["TYPEAHEAD_SHELL_SUGGEST"] = "off"  # or a real daemon would be started
        ear = tmp_path / f"ear{len(talks)}"
        ear.mkdir()
        talks.append(talk := Talk(folder, ear, **environment))
        return talk

    yield open_one
    for talk in talks:
        talk.terminal.close()


@pytest.fixture
def daemon(start: Start) -> None:
    start(FAKE_TABLE=json.dumps({"echo h": ["echo hello world"]})).wait_state("warm")


def tell(command: Command) -> None:
    """Say a word as soon as there is a line editor to be told."""
    wait_until(lambda: say(command, 0.9), lambda: f"nobody hears {command}")


def test_go_takes_the_suggestion_and_a_line_is_put_and_not_run(daemon: None, open_talk: Callable[..., Talk]) -> None:
    talk = open_talk()
    terminal = talk.terminal
    terminal.type("echo h")
    terminal.wait_for("echo hello world")
    tell(GO)
    terminal.type("!")
    talk.wait_for_input("echo hello world!")
    terminal.press("C-u")
    tell(Command("tests", "echo $((6*7))"))
    talk.wait_for_input("echo $((6*7))")
    assert "42" not in "\n".join(terminal.screen())
    terminal.press("Enter")
    terminal.wait_for("\n42\n")


def test_a_question_stands_below_the_prompt_until_it_is_answered(daemon: None, open_talk: Callable[..., Talk]) -> None:
    talk = open_talk()
    terminal = talk.terminal
    deploy = Command("deploy", "echo deployed $((6*7))", "confirm")
    tell(deploy)
    terminal.wait_for("\nrun it? y/n")
    tell(NO)
    talk.wait_until_gone("run it?")
    talk.wait_for_input("")
    tell(deploy)
    terminal.wait_for("run it? y/n")
    tell(YES)
    terminal.wait_for("\ndeployed 42\n")
    talk.wait_for_input("")
    tell(deploy)
    terminal.wait_for("run it? y/n")
    terminal.type("y")
    wait_until(lambda: terminal.screen().count("deployed 42") == 2, lambda: repr(terminal.screen()))
    assert "run it?" not in "\n".join(terminal.screen())


def test_what_destroys_is_run_by_a_key_alone(daemon: None, open_talk: Callable[..., Talk], folder: Path) -> None:
    (folder / "build").mkdir()
    talk = open_talk()
    terminal = talk.terminal
    tell(Command("clean", "rm -rf build", "run"))
    terminal.wait_for("it destroys; run it? press y or n")
    tell(YES)
    terminal.wait_for("it destroys: press y")
    assert (folder / "build").exists()
    terminal.type("y")
    wait_until(lambda: not (folder / "build").exists(), lambda: repr(terminal.screen()))
    talk.wait_for_input("")  # while a command runs, words are not for the prompt
    tell(Command("words", "echo run $((6*7))", "run"))
    terminal.wait_for("\nrun 42\n")


@pytest.mark.parametrize("line", ["sleep 60", "while :; do :; done", "sh -c 'sleep 60; echo on'"])
def test_stop_and_yes_interrupt_what_runs(daemon: None, open_talk: Callable[..., Talk], line: str) -> None:
    talk = open_talk()
    terminal = talk.terminal
    tell(Command("x", f"{line}"))
    terminal.press("Enter")
    wait_until(lambda: terminal.shown("#{pane_current_command}") != "python", lambda: repr(terminal.screen()))
    time.sleep(0.3)  # until what runs has the terminal
    tell(YES)
    assert not say(Command("tests", "echo late"))  # there is no prompt
    tell(STOP)
    time.sleep(0.3)
    assert "[130]" not in "\n".join(terminal.screen())
    tell(YES)
    terminal.wait_for("[130]")
    talk.wait_for_input("")


def test_words_while_something_else_is_open_break_nothing(
    daemon: None, open_talk: Callable[..., Talk], folder: Path
) -> None:
    for name in ("alpha.one", "alpha.two"):
        (folder / name).touch()
    talk = open_talk()
    terminal = talk.terminal
    terminal.run("echo one")
    terminal.wait_for("\none\n")
    talk.wait_for_input("")
    terminal.press("C-r")
    terminal.wait_for("history:")
    everything = (*DEFAULTS.values(), Command("x", "spoken"), Command("y", "spoken", "run"))
    for command in everything:
        tell(command)
    terminal.type("one")
    terminal.wait_for("history: one")
    terminal.press("Escape")
    talk.wait_until_gone("history:")
    talk.wait_for_input("")
    terminal.type("ls alpha.")
    talk.wait_for_input("ls alpha.")
    terminal.press("Tab")
    terminal.wait_for("alpha.two")
    for command in everything:
        tell(command)
    time.sleep(0.3)
    terminal.wait_for("alpha.two")
    terminal.press("C-g", "C-u")
    terminal.run("echo $((6*7))")
    terminal.wait_for("\n42\n")
    assert "spoken" not in "\n".join(terminal.screen())


def test_the_key_to_talk_listens_visibly_until_it_is_pressed_again(open_talk: Callable[..., Talk]) -> None:
    talk = open_talk('[voice.commands]\ntests = "make test"\n')
    terminal = talk.terminal
    (talk.ear / "mute").touch()
    terminal.press("F4")
    terminal.wait_for("\nstarting the microphone...")
    talk.hears(event="listening")
    talk.hears(event="level", db=-32.1)
    terminal.wait_for("\nlistening -32 dB")
    talk.hears(event="word", word="tests", confidence=0.934)
    terminal.wait_for("listening -32 dB  tests 0.93")
    talk.wait_for_input("make test")
    talk.hears(event="word", word="unheard", confidence=0.5)
    terminal.wait_for("listening -32 dB  unheard 0.50")
    terminal.press("F4")
    talk.wait_until_gone("listening")
    talk.wait_for_log("talk", "hush")
    talk.wait_for_input("make test")


def test_the_microphone_is_closed_while_a_command_runs(open_talk: Callable[..., Talk]) -> None:
    talk = open_talk()
    terminal = talk.terminal
    terminal.press("C-x", "t")
    terminal.wait_for("listening")
    terminal.run("cat")
    talk.wait_for_log("talk", "hush")
    talk.hears(event="word", word="stop", confidence=1.0)
    terminal.run("still here")
    wait_until(lambda: terminal.screen().count("still here") == 2, lambda: repr(terminal.screen()))
    terminal.press("C-d")
    talk.wait_for_input("")
    assert "listening" not in "\n".join(terminal.screen())


def test_what_keeps_it_from_listening_is_said_in_one_line(open_talk: Callable[..., Talk]) -> None:
    talk = open_talk()
    (talk.ear / "refuse").write_text("no PortAudio: apt install libportaudio2")
    talk.terminal.press("F4")
    talk.terminal.wait_for("\nno PortAudio: apt install libportaudio2")
    config.config_file().write_text("[voice.commands]\nx = 3\n")
    talk.terminal.press("F4")
    said = "voice.commands.x = 3 is neither a line in quotes nor a table { line = ..., mode = ... }"
    # It goes on over several rows; a blank at the end of one is not in the picture.
    shown = said.replace(" ", "")
    wait_until(lambda: shown in "".join(talk.terminal.screen()).replace(" ", ""), lambda: repr(talk.terminal.screen()))
    talk.wait_for_log("talk", "hush")
    config.config_file().write_text("")
    (talk.ear / "refuse").unlink()
    talk.terminal.press("F4")
    talk.terminal.wait_for("listening")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_the_process_that_hears_ends_with_the_session(open_talk: Callable[..., Talk], number: signal.Signals) -> None:
    talk = open_talk()
    talk.terminal.press("F4")
    talk.terminal.wait_for("listening")
    pid = int((talk.ear / "pid").read_text())
    os.kill(talk.terminal.pid(), number)
    wait_until(lambda: not is_running(pid), lambda: f"{pid} goes on")


def test_leaving_the_shell_ends_it_too(open_talk: Callable[..., Talk]) -> None:
    talk = open_talk()
    talk.terminal.press("F4")
    talk.terminal.wait_for("listening")
    pid = int((talk.ear / "pid").read_text())
    talk.terminal.run("exit 3")
    assert talk.terminal.exit_status() == 3
    assert not is_running(pid)


def test_ctrl_c_is_for_the_line_and_not_for_the_microphone(open_talk: Callable[..., Talk]) -> None:
    talk = open_talk()
    terminal = talk.terminal
    terminal.press("F4")
    terminal.wait_for("listening")
    terminal.type("ls")
    terminal.press("C-c")
    talk.wait_for_input("")
    terminal.wait_for("listening")
    assert talk.log() == ["talk"]


def test_the_words_are_those_of_the_settings(open_talk: Callable[..., Talk], daemon: None) -> None:
    talk = open_talk('[voice.commands]\ngo = { key = "interrupt" }\nleft = ""\n')
    assert commands()["go"] == replace(GO, key="interrupt")
    talk.terminal.press("F4")
    talk.terminal.wait_for("listening")
    talk.terminal.type("echo h")
    talk.terminal.wait_for("echo hello world")
    talk.hears(event="word", word="left", confidence=0.9)
    talk.terminal.wait_for("left 0.90")
    talk.hears(event="word", word="go", confidence=0.9)
    talk.wait_for_input("")
