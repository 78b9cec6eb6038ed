"""Spoken words at the prompt: what they do there, what they never do, and the key to talk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from tests.shell.terminal import Table
from typeahead.shell.app import keys, vi
from typeahead.shell.app.keys import Hooks
from typeahead.shell.app.voice import Voice
from typeahead.shell.spoken import told
from typeahead.shell.terminal import Terminal as OwnTerminal
from typeahead.voice import commands
from typeahead.voice.commands import Command

GO, STOP, YES, NO = (commands.DEFAULTS[word] for word in ("go", "stop", "yes", "no"))
CTRL_A, CTRL_R = "\x01", "\x12"


@dataclass
class NoTerminal:
    """Writes down what is asked of a terminal."""

    asked: list[str] = field(default_factory=list)

    def accept_interrupts(self) -> None:
        self.asked.append("accept interrupts")

    def interrupt(self) -> None:
        self.asked.append("interrupt")


class Talk:
    """A prompt that is spoken to, through prompt_toolkit's own reader and bindings, without a terminal."""

    def __init__(self, table: dict[str, str | list[str]] | None = None, **hooks: Any) -> None:
        self.table = Table(table or {})
        self.terminal = NoTerminal()
        self.hooks = Hooks(**hooks)
        self.cwd = "/"
        self.commands: dict[str, Command] = {}

    def hold(self, script: Callable[[Talk], Awaitable[None]], editing: str = "emacs") -> str | None:
        """Talk; return the line that was run, None where it was left by Ctrl-C."""
        line: list[str | None] = []

        async def talk() -> None:
            with create_pipe_input() as pipe:
                self.type = pipe.send_text
                bindings = keys.bindings(self.table.ghost, self.table.suggestions, None, self.hooks)
                self.editor = PromptSession[str](input=pipe, output=DummyOutput(), key_bindings=bindings)
                keys.attach(self.editor, self.table.ghost, self.table.suggestions)
                self.voice = Voice(
                    self.editor,
                    self.table.ghost,
                    self.table.suggestions,
                    self.hooks,
                    cast(OwnTerminal, self.terminal),
                    lambda: self.cwd,
                    lambda: self.commands,
                )
                vi.follow(self.editor, editing)
                self.table.suggestions.begin_line("/")
                self.running = asyncio.ensure_future(self._read_line())
                await self.until(lambda: self.editor.app.is_running)
                try:
                    await script(self)
                    if not self.running.done():
                        self.type("\r")
                    line.append(await asyncio.wait_for(self.running, 20))
                finally:
                    self.voice.close()

        self.table.run(talk)
        return line[0]

    async def _read_line(self) -> str | None:
        try:
            return await self.editor.prompt_async()
        except KeyboardInterrupt:
            return None

    async def until(self, condition: Callable[[], object]) -> None:
        await self.table.until(condition)

    @property
    def line(self) -> str:
        return self.editor.default_buffer.text

    @property
    def row(self) -> str:
        return "".join(text for _, text in self.voice._row()) if self.voice._parts() else ""

    async def typed(self, text: str, line: str | None = None) -> None:
        """Type, and wait for the line to be ``line``."""
        self.type(text)
        await self.until(lambda: self.line == (text if line is None else line))

    def say(self, command: Command, ago_s: float = 0.0) -> None:
        """Have the daemon say a word."""
        message = {"op": "said", **told(command, 0.9)._asdict(), "at": time.monotonic() - ago_s}
        client = self.table.suggestions.client
        assert client is not None
        assert client.on_said is not None
        client.on_said(message)


def test_every_key_of_the_command_map_can_be_said() -> None:
    async def script(talk: Talk) -> None:
        assert talk.voice.known_keys == commands.KEYS.keys()

    Talk().hold(script)


def test_go_takes_the_grey_suggestion_at_the_end_of_the_line_only() -> None:
    async def script(talk: Talk) -> None:
        talk.say(GO)
        assert talk.line == ""
        await talk.typed("git c")
        await talk.until(lambda: talk.table.ghost.rest)
        talk.type(CTRL_A)
        await talk.until(lambda: talk.editor.default_buffer.cursor_position == 0)
        talk.say(GO)
        assert talk.line == "git c"
        talk.type("\x05")
        await talk.until(lambda: talk.editor.default_buffer.cursor_position == 5)
        talk.say(GO)
        assert talk.line == "git commit"
        talk.say(GO)
        assert talk.line == "git commit"

    assert Talk({"git c": "git commit"}).hold(script) == "git commit"


def test_go_takes_it_in_vis_command_mode_too() -> None:
    async def script(talk: Talk) -> None:
        await talk.typed("git c")
        await talk.until(lambda: talk.table.ghost.rest)
        talk.type("\x1b")
        await talk.until(lambda: talk.editor.default_buffer.cursor_position == 4)
        talk.say(GO)
        assert talk.line == "git commit"

    assert Talk({"git c": "git commit"}).hold(script, editing="vi") == "git commit"


def test_a_line_is_put_at_the_cursor_and_not_run() -> None:
    async def script(talk: Talk) -> None:
        talk.say(Command("tests", "make test"))
        assert (talk.line, talk.row) == ("make test", "")
        await talk.typed(CTRL_A + "time ", "time make test")
        talk.say(Command("sudo", "sudo "))
        assert talk.line == "time sudo make test"
        await asyncio.sleep(0.05)
        assert not talk.running.done()
        await talk.typed("\x1f", "time make test")  # undone at once

    assert Talk().hold(script) == "time make test"


@pytest.mark.parametrize("answer", ["y", "Y", YES])
def test_a_question_is_answered_by_a_key_or_a_word_and_the_line_runs(answer: str | Command) -> None:
    async def script(talk: Talk) -> None:
        talk.say(Command("deploy", "make deploy", "confirm"))
        assert (talk.line, talk.row) == ("make deploy", "run it? y/n")
        talk.say(GO)
        talk.say(Command("tests", "make test", "run"))  # not now
        assert (talk.line, talk.row) == ("make deploy", "run it? y/n")
        talk.type(answer) if isinstance(answer, str) else talk.say(answer)
        await talk.until(talk.running.done)

    talk = Talk()
    assert talk.hold(script) == "make deploy"
    assert talk.terminal.asked == ["accept interrupts"]


@pytest.mark.parametrize("answer", ["n", "N", "\x07", "\x03", NO, STOP])
def test_a_question_that_is_denied_takes_its_line_away(answer: str | Command) -> None:
    async def script(talk: Talk) -> None:
        talk.say(Command("deploy", "make deploy", "confirm"))
        talk.type(answer) if isinstance(answer, str) else talk.say(answer)
        await talk.until(lambda: talk.line == "")
        assert talk.row == ""
        talk.say(YES)
        await talk.typed("ls")

    assert Talk().hold(script) == "ls"


def test_any_other_key_leaves_the_line_to_the_user_and_does_what_it_always_does() -> None:
    async def script(talk: Talk) -> None:
        talk.say(Command("deploy", "make deploy", "confirm"))
        await talk.typed(" -n", "make deploy -n")
        assert talk.row == ""
        talk.say(YES)
        await talk.typed("y", "make deploy -ny")

    assert Talk().hold(script) == "make deploy -ny"


def test_enter_that_was_meant_for_another_line_runs_nothing() -> None:
    async def script(talk: Talk) -> None:
        talk.say(Command("deploy", "make deploy", "confirm"))
        talk.type("\r")
        await talk.until(lambda: talk.row == "")
        assert not talk.running.done()
        assert talk.line == "make deploy"
        await talk.typed("\x15", "")

    assert Talk().hold(script) == ""


def test_a_word_runs_its_line_where_the_settings_say_so_for_that_very_word() -> None:
    async def script(talk: Talk) -> None:
        talk.say(Command("tests", "make test", "run"))
        await talk.until(talk.running.done)

    assert Talk().hold(script) == "make test"


def test_a_line_that_destroys_is_asked_for_by_a_key_alone() -> None:
    async def script(talk: Talk) -> None:
        talk.say(Command("clean", "rm -rf build", "run"))
        assert (talk.line, talk.row) == ("rm -rf build", "it destroys; run it? press y or n")
        talk.say(YES)
        await asyncio.sleep(0.05)
        assert not talk.running.done()
        assert "it destroys: press y" in talk.row
        talk.type("y")
        await talk.until(talk.running.done)

    assert Talk().hold(script) == "rm -rf build"


@pytest.mark.parametrize("mode", ["run", "confirm"])
def test_with_something_on_the_prompt_nothing_is_run(mode: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.typed("sudo rm -rf /; ")
        talk.say(Command("tests", "make test", mode))
        assert talk.line == "sudo rm -rf /; "
        assert talk.row == "tests: not run, the line is not empty"
        await asyncio.sleep(0.05)
        assert not talk.running.done()
        await talk.typed("\x15", "")

    assert Talk().hold(script) == ""


def test_what_is_no_whole_command_is_not_run() -> None:
    async def script(talk: Talk) -> None:
        talk.say(Command("tests", "echo 'one", "run"))
        assert talk.row == "not run: it is no whole command"
        await talk.typed("'", "echo 'one'")

    assert Talk().hold(script) == "echo 'one'"


def test_stop_leaves_the_line_as_ctrl_c_does() -> None:
    async def script(talk: Talk) -> None:
        talk.say(STOP)  # there is nothing
        await talk.typed("ls")
        talk.say(STOP)
        await talk.until(talk.running.done)

    assert Talk().hold(script) is None


def test_left_and_right_move_and_up_and_down_walk() -> None:
    async def script(talk: Talk) -> None:
        await talk.typed("ab")
        for word, place in [("left", 1), ("left", 0), ("left", 0), ("right", 1), ("right", 2), ("right", 2)]:
            talk.say(commands.DEFAULTS[word])
            assert talk.editor.default_buffer.cursor_position == place
        talk.say(commands.DEFAULTS["up"])
        talk.say(commands.DEFAULTS["down"])

    walked: list[int] = []
    hooks = {"older": lambda event: walked.append(-event.arg), "newer": lambda event: walked.append(event.arg)}
    assert Talk(**hooks).hold(script) == "ab"
    assert walked == [-1, 1]


def test_off_and_on_switch_suggestions() -> None:
    async def script(talk: Talk) -> None:
        await talk.typed("git c")
        await talk.until(lambda: talk.table.ghost.rest)
        for word, is_wanted in [("on", True), ("off", False), ("off", False), ("on", True)]:
            talk.say(commands.DEFAULTS[word])
            assert talk.table.suggestions.is_wanted == is_wanted
        await talk.until(lambda: talk.table.ghost.rest)

    assert Talk({"git c": "git commit"}).hold(script) == "git c"


def test_other_suggestions_can_be_asked_for_and_taken_word_by_word() -> None:
    async def script(talk: Talk) -> None:
        await talk.typed("git c")
        await talk.until(lambda: talk.table.ghost.rest)
        talk.say(Command("next", mode="key", key="next"))
        await talk.until(lambda: talk.table.ghost.line == "git clone x")
        talk.say(Command("word", mode="key", key="accept_word"))
        assert talk.line == "git clone"
        await talk.until(lambda: talk.table.ghost.line == "git clone x")
        talk.say(Command("away", mode="key", key="dismiss"))
        talk.say(GO)

    table: dict[str, str | list[str]] = {"git c": ["git commit", "git clone x"], "git clone": "git clone x"}
    assert Talk(table).hold(script) == "git clone"


def test_a_word_rests_for_its_cooldown() -> None:
    async def script(talk: Talk) -> None:
        for _ in range(2):
            talk.say(Command("x", "x", cooldown_s=60.0))
        assert talk.line == "x"
        assert talk.row == "x: a moment ago"
        for _ in range(2):
            talk.say(Command("y", "y"))

    assert Talk().hold(script) == "xyy"


def test_a_word_acts_in_its_folder_and_below_only(tmp_path: Path) -> None:
    (tmp_path / "project" / "src").mkdir(parents=True)
    (tmp_path / "project2").mkdir()
    (tmp_path / "link").symlink_to("project")
    word = Command("x", "x", when=str(tmp_path / "project"))

    async def script(talk: Talk) -> None:
        for folder, line in [("", ""), ("project2", ""), ("project", "x"), ("project/src", "xx"), ("link", "xxx")]:
            talk.cwd = str(tmp_path / folder)
            talk.say(word)
            assert talk.line == line, folder
            assert talk.row == ("" if line else f"x: only in {tmp_path}/project") or line

    assert Talk().hold(script) == "xxx"


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"word": "x", "line": "rm x", "mode": "run"},
        {"word": "x", "line": "rm x", "mode": "run", "at": 0.0},
        {"word": "x", "line": "rm x\n", "at": None},
        {"word": "x", "line": "rm x\x1b[2J", "at": None},
        {"word": "x", "line": "rm x", "mode": "fly", "at": None},
        {"word": "x", "key": "fly", "mode": "key", "at": None},
        {"word": 5, "line": [], "at": None},
    ],
    ids=repr,
)
def test_anything_else_that_is_said_does_nothing(message: dict[str, Any]) -> None:
    async def script(talk: Talk) -> None:
        at = {"at": time.monotonic()} if "at" in message and message["at"] is None else {}
        client = talk.table.suggestions.client
        assert client is not None
        assert client.on_said is not None
        client.on_said({"op": "said", **message, **at})
        await asyncio.sleep(0.02)
        assert talk.line == ""

    assert Talk().hold(script) == ""


def test_a_word_that_came_too_late_does_nothing() -> None:
    async def script(talk: Talk) -> None:
        talk.say(Command("x", "x"), ago_s=5.0)

    assert Talk().hold(script) == ""


def test_without_a_prompt_stop_and_then_yes_interrupt_and_nothing_else_is_done() -> None:
    async def script(talk: Talk) -> None:
        await talk.typed("sleep 9\r", "sleep 9")
        await talk.until(talk.running.done)
        for word in (YES, STOP, NO, YES, STOP, GO, YES, Command("x", "x", "run"), YES):
            talk.say(word)
        assert talk.terminal.asked == []
        talk.say(STOP)
        talk.say(YES)
        assert talk.terminal.asked == ["interrupt"]
        talk.say(YES)
        assert talk.terminal.asked == ["interrupt"]

    assert Talk().hold(script) == "sleep 9"


def test_a_yes_that_comes_long_after_stop_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typeahead.shell.app.voice._CONFIRM_S", 0.01)

    async def script(talk: Talk) -> None:
        talk.type("sleep 9\r")
        await talk.until(talk.running.done)
        talk.say(STOP)
        await asyncio.sleep(0.02)
        talk.say(YES)
        assert talk.terminal.asked == []

    Talk().hold(script)
