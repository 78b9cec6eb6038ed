"""Keys at the prompt, through prompt_toolkit's own reader and bindings, without a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from tests.shell.terminal import Table
from typeahead.shell.app import keys

ALTERNATIVES = ["git commit -m x", "git checkout", "git clone"]
ALT_N, ALT_P, ALT_F, SHIFT_DELETE, CTRL_X = "\x1bn", "\x1bp", "\x1bf", "\x1b[3;2~", "\x18"


def type_at(table: Table, script: Callable[[Callable[[str], None]], Awaitable[None]]) -> tuple[str, dict[str, Any]]:
    """Type at a prompt as ``script`` does, then Enter; return the line and its figures."""

    async def talk() -> None:
        with create_pipe_input() as pipe:
            editor = PromptSession[str](
                input=pipe, output=DummyOutput(), key_bindings=keys.bindings(table.ghost, table.suggestions)
            )
            keys.attach(editor, table.ghost, table.suggestions)
            table.suggestions.begin_line("/")
            line = asyncio.ensure_future(editor.prompt_async())
            await table.until(lambda: editor.app.is_running)
            await script(pipe.send_text)
            pipe.send_text("\r")
            typed.append(await line)

    typed: list[str] = []
    table.run(talk)
    return typed[0], table.suggestions.usage.of(typed[0])


def test_alt_n_and_alt_p_go_through_alternatives_in_place() -> None:
    table = Table({"git c": ALTERNATIVES})

    async def script(send: Callable[[str], None]) -> None:
        send("git c")
        await table.until(lambda: table.ghost.line == ALTERNATIVES[0])
        for key, wanted in [(ALT_N, 1), (ALT_N, 2), (ALT_N, 0), (ALT_P, 2), (ALT_P, 1)]:
            send(key)
            await table.until(lambda wanted=wanted: table.ghost.line == ALTERNATIVES[wanted])
        send("\x05")  # Ctrl-E

    line, use = type_at(table, script)
    assert line == ALTERNATIVES[1]
    assert use["latencies_ms"]
    del use["latencies_ms"]
    # Five letters, five chords, Ctrl-E, Enter; the suggestion stood there at all of them but the letters and Enter.
    assert use == {"characters": 12, "keys": 12, "shown": 6, "accepted": 1, "accepted_characters": 7}


def test_words_taken_are_counted_one_by_one() -> None:
    table = Table({"git c": ALTERNATIVES})

    async def script(send: Callable[[str], None]) -> None:
        send("git c")
        await table.until(lambda: table.ghost.line == ALTERNATIVES[0])
        send(ALT_F)
        await table.until(lambda: table.ghost.typed == "git commit")
        send(ALT_F)
        await table.until(lambda: table.ghost.typed == "git commit -m")

    line, use = type_at(table, script)
    assert line == "git commit -m"
    assert (use["keys"], use["accepted"], use["accepted_characters"]) == (8, 2, 8)


@pytest.mark.parametrize("key", [SHIFT_DELETE, CTRL_X + "k"], ids=["Shift-Delete", "Ctrl-X K"])
def test_a_key_forgets_the_shown_line(key: str) -> None:
    table = Table({"git c": ALTERNATIVES[0]}, past=ALTERNATIVES)

    async def script(send: Callable[[str], None]) -> None:
        send("git c")
        await table.until(lambda: table.ghost.rest)
        send(key)
        await table.until(lambda: table.daemon.forgotten == [ALTERNATIVES[0]])
        assert (table.ghost.rest, table.ghost.notice) == ("", "forgotten")
        await table.until(lambda: table.ghost.notice == "")

    assert type_at(table, script)[0] == "git c"


@pytest.mark.parametrize("key", [SHIFT_DELETE, CTRL_X + "k", ALT_N, ALT_P])
def test_inside_a_line_these_keys_do_nothing(key: str) -> None:
    table = Table({"git c": ALTERNATIVES[0]}, past=ALTERNATIVES)

    async def script(send: Callable[[str], None]) -> None:
        send("git c")
        await table.until(lambda: table.ghost.rest)
        send("\x01" + key)  # Ctrl-A: at the beginning of the line, where no suggestion is shown

    assert type_at(table, script)[0] == "git c"
    assert table.daemon.forgotten == []
    assert table.daemon.asked_for_more == []


def test_a_paste_counts_as_typed() -> None:
    async def script(send: Callable[[str], None]) -> None:
        send("\x1b[200~echo one\r\necho two\x1b[201~")

    line, use = type_at(Table({}), script)
    assert line == "echo one\necho two"
    assert use["keys"] == len(line) + 1
