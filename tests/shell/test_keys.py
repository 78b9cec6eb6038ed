"""Keys at the prompt, through prompt_toolkit's own reader and bindings, without a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.key_binding.vi_state import InputMode
from prompt_toolkit.output import DummyOutput

from tests.shell.terminal import Table
from typeahead.config import KeysConfig
from typeahead.shell.app import keys, vi
from typeahead.shell.app.keys import Hooks

ALTERNATIVES = ["git commit -m x", "git checkout", "git clone"]
ALT_N, ALT_P, ALT_F, SHIFT_DELETE, CTRL_X = "\x1bn", "\x1bp", "\x1bf", "\x1b[3;2~", "\x18"
ALT_RIGHT, ALT_CTRL_F, CTRL_A = "\x1b[1;3C", "\x1b\x06", "\x01"

Send = Callable[[str], None]
editors: list[PromptSession[str]] = []


def type_at(
    table: Table,
    script: Callable[[Send], Awaitable[None]],
    settings: KeysConfig | None = None,
    hooks: Hooks | None = None,
    editing: str = "emacs",
    enter: str = "\r",
) -> tuple[str, dict[str, Any]]:
    """Type at a prompt as ``script`` does, then Enter; return the line and its figures."""

    async def talk() -> None:
        with create_pipe_input() as pipe:
            bindings = keys.bindings(table.ghost, table.suggestions, settings, hooks)
            editor = PromptSession[str](input=pipe, output=DummyOutput(), key_bindings=bindings)
            editors[:] = [editor]
            keys.attach(editor, table.ghost, table.suggestions)
            vi.follow(editor, editing)
            table.suggestions.begin_line("/")
            line = asyncio.ensure_future(editor.prompt_async())
            await table.until(lambda: editor.app.is_running)
            await script(pipe.send_text)
            pipe.send_text(enter)
            typed.append(await asyncio.wait_for(line, 20))

    typed: list[str] = []
    table.run(talk)
    return typed[0], table.suggestions.usage.of(typed[0])


def test_alt_n_and_alt_p_go_through_alternatives_in_place() -> None:
    table = Table({"git c": ALTERNATIVES})

    async def script(send: Send) -> None:
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

    async def script(send: Send) -> None:
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

    async def script(send: Send) -> None:
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

    async def script(send: Send) -> None:
        send("git c")
        await table.until(lambda: table.ghost.rest)
        send("\x01" + key)  # Ctrl-A: at the beginning of the line, where no suggestion is shown

    assert type_at(table, script)[0] == "git c"
    assert table.daemon.forgotten == []
    assert table.daemon.asked_for_more == []


def test_a_paste_counts_as_typed() -> None:
    async def script(send: Send) -> None:
        send("\x1b[200~echo one\r\necho two\x1b[201~")

    line, use = type_at(Table({}), script)
    assert line == "echo one\necho two"
    assert use["keys"] == len(line) + 1


# What a suggestion is taken by


@pytest.mark.parametrize(
    ("key", "taken"),
    [(ALT_F, "git commit"), (ALT_RIGHT, "git commit"), (ALT_CTRL_F, "git co"), ("\x05", ALTERNATIVES[0])],
    ids=["word", "part", "character", "all"],
)
def test_a_key_takes_as_much_as_it_says(key: str, taken: str) -> None:
    table = Table({"git c": ALTERNATIVES})

    async def script(send: Send) -> None:
        send("git c")
        await table.until(lambda: table.ghost.rest)
        send(key)
        await table.until(lambda: table.ghost.typed == taken)

    assert type_at(table, script)[0] == taken


def test_without_a_suggestion_these_keys_move_as_in_readline() -> None:
    async def script(send: Send) -> None:
        send("echo foo-bar\x01" + ALT_F + ALT_F + "<" + ALT_RIGHT + ">" + CTRL_A + ALT_CTRL_F + "|")

    assert type_at(Table({}), script)[0] == "echo| foo<-bar>"


def test_accept_and_run_is_off_until_it_has_a_key() -> None:
    table = Table({"git c": ALTERNATIVES})

    async def script(send: Send) -> None:
        send("git c")
        await table.until(lambda: table.ghost.rest)
        send("\x1b[19~")

    assert type_at(table, script)[0] == "git c"


def test_accept_and_run_takes_and_runs() -> None:
    table = Table({"git c": ALTERNATIVES})

    async def script(send: Send) -> None:
        send("git c")
        await table.until(lambda: table.ghost.rest)
        send("\x1b[19~")

    assert type_at(table, script, replace(KeysConfig(), accept_and_run="f8"), enter="")[0] == ALTERNATIVES[0]


def test_accept_and_run_never_runs_what_destroys() -> None:
    table = Table({"rm -rf bu": "rm -rf build"})

    async def script(send: Send) -> None:
        send("rm -rf bu")
        await table.until(lambda: table.ghost.rest)
        send("\x1b[19~")
        await table.until(lambda: table.ghost.notice == "not run: it destroys")
        send(" # mine")

    line, _ = type_at(table, script, replace(KeysConfig(), accept_and_run="f8"))
    assert line == "rm -rf build # mine"


def test_a_chord_for_a_suggestion_leaves_nothing_in_the_line_where_there_is_none() -> None:
    async def script(send: Send) -> None:
        send("echo \x18a")

    assert type_at(Table({}), script, replace(KeysConfig(), accept="c-x,a"))[0] == "echo "


def test_toggle_switches_suggestions_off_and_on_for_the_session() -> None:
    table = Table({"git c": ALTERNATIVES, "git co": ALTERNATIVES})

    async def script(send: Send) -> None:
        send("git c")
        await table.until(lambda: table.ghost.rest)
        send(CTRL_X + "s")
        await table.until(lambda: (table.ghost.rest, table.ghost.notice) == ("", "suggestions off"))
        asked = len(table.daemon.asked)
        send("o")
        await table.until(lambda: table.ghost.typed == "git co")
        await asyncio.sleep(0.1)
        assert (table.ghost.rest, len(table.daemon.asked)) == ("", asked)
        send(CTRL_X + "s")
        await table.until(lambda: table.ghost.rest == "mmit -m x")

    type_at(table, script)


def test_show_source_switches_the_hint() -> None:
    table = Table({})

    async def script(send: Send) -> None:
        for wanted in (True, False):
            send(CTRL_X + "w")
            await table.until(lambda wanted=wanted: table.ghost.hint is wanted)

    type_at(table, script)


def test_changed_keys_replace_the_old_ones() -> None:
    table = Table({"git c": ALTERNATIVES})

    async def script(send: Send) -> None:
        send("git c")
        await table.until(lambda: table.ghost.rest)
        send("\x1b[C\x06")  # Right and Ctrl-F, which take no longer
        await asyncio.sleep(0.05)
        assert table.ghost.typed == "git c"
        send("\t")

    assert type_at(table, script, replace(KeysConfig(), accept="tab"))[0] == ALTERNATIVES[0]


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ("\x12", "search"),
        ("\t", "complete"),
        ("\x1b[Z", "complete_back"),
        ("\x18\x05", "edit"),
        ("\x18t", "talk"),
        ("\x1bOS", "talk"),
    ],
)
def test_what_is_made_elsewhere_is_called(keys: str, name: str) -> None:
    called: list[str] = []

    async def script(send: Send) -> None:
        send(keys)

    type_at(Table({}), script, hooks=Hooks(**{name: lambda _: called.append(name)}))
    assert called == [name]


# Readline's keys


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("one two\x17\x17\x19", "one two"),  # Ctrl-W twice, Ctrl-Y: kills in a row are one
        ("one two\x1b\x7f\x19\x19", "one twotwo"),
        ("a-b-c" + CTRL_A + "\x1bd\x1bd\x05\x19", "-ca-b"),  # Alt-D twice
        ("one" + CTRL_A + "\x0b\x19\x19", "oneone"),  # Ctrl-K
        ("one\x15two \x19", "two one"),  # Ctrl-U
        ("one\x15two\x15\x19\x1by", "one"),  # Alt-Y
        ("ab\x14", "ba"),  # Ctrl-T
        ("cp new old\x1bt", "cp old new"),
        ("hello world" + CTRL_A + "\x1bu\x1bc", "HELLO World"),
        ("ABC" + CTRL_A + "\x1bl", "abc"),
        ("one\x17\x1f", "one"),  # Ctrl-_
        ("one\x17\x18\x15", "one"),  # Ctrl-X Ctrl-U
        ("one two\x17three\x1br", ""),
        ("a\x16\x01b", "a\x01b"),  # Ctrl-V
        ("echo one" + CTRL_A + "\x1bft", "echot one"),
        ("a  b" + "\x1b[D" + "\x1b\\", "ab"),
        ("abcabc" + CTRL_A + "\x1dc!", "ab!cabc"),  # Ctrl-]
        ("abcabc\x1b\x1da!", "abc!abc"),
        ("make" + CTRL_A + "\x1b3\x1b[C-", "mak-e"),  # Alt-3 Right
        ("echo 'a b' c\x1b\x02\x1b\x02|", "echo |'a b' c"),  # Alt-Ctrl-B
        ("echo 'a b' c" + CTRL_A + "\x1b\x04\x1b\x04", " c"),  # Alt-Ctrl-D
        ("ab\x18\x7fc", "c"),  # Ctrl-X Backspace
        ("cat ~\x1b&", "cat {home}"),
        ("cat ~\x16\x00\x1b&x", "cat ~\0x"),  # Ctrl-V Ctrl-Space
        ("echo one" + CTRL_A + "\x1b999999\x1bf!", "echo one!"),  # Alt-999999 Alt-F
    ],
)
def test_the_line_is_edited_as_readline_edits_it(typed: str, line: str) -> None:
    async def script(send: Send) -> None:
        send(typed)

    assert type_at(Table({}), script)[0] == line.format(home=Path.home())


def test_a_comment_is_run_as_it_stands() -> None:
    async def script(send: Send) -> None:
        send("make\x1b#")

    assert type_at(Table({}), script, enter="")[0] == "#make"


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("ls \x1b.", "ls 'b c'"),
        ("ls \x1b.\x1b.", "ls y"),
        ("ls \x1b_\x1b.\x1b.", "ls two"),
        ("ls \x1b.\x1b.\x1b.\x1b.", "ls two"),  # there is no older one
        ("ls \x1b2\x1b.", "ls b2"),
        ("ls \x1b\x19", "ls a"),  # Alt-Ctrl-Y
        ("ls \x1b. \x1b.", "ls 'b c' 'b c'"),
    ],
)
def test_arguments_of_earlier_lines_are_inserted(typed: str, line: str) -> None:
    past = ["cp a b2 'b c'", "make >y", "echo one two"]

    async def script(send: Send) -> None:
        send(typed)

    assert type_at(Table({}), script, hooks=Hooks(past=lambda: past))[0] == line


# Many keys at once


@pytest.mark.parametrize("text", ["git clone", "\x1b[200~git clone\x1b[201~"], ids=["typed ahead", "pasted"])
def test_keys_that_come_together_cost_one_question(text: str) -> None:
    table = Table({"git clone": "git clone it"})

    async def script(send: Send) -> None:
        # A daemon that gets warm while the answer is out is asked once more, and should be.
        await table.until(lambda: table.suggestions.client.state == "warm")
        send(text)
        await table.until(lambda: table.ghost.rest == " it")
        assert [asked for asked in table.daemon.asked if asked] == ["git clone"]

    type_at(table, script)


def test_a_suggestion_is_taken_by_keys_that_come_together() -> None:
    table = Table({"git": "git clone"})

    async def script(send: Send) -> None:
        send("git")
        await table.until(lambda: table.ghost.rest == " clone")
        send(" cl\x05")

    assert type_at(table, script)[0] == "git clone"


def test_pasted_lines_wait_and_ask_nothing() -> None:
    table = Table({})

    async def script(send: Send) -> None:
        send("\x1b[200~echo one\recho two\r\x1b[201~")
        await asyncio.sleep(0.1)
        assert [asked for asked in table.daemon.asked if asked] == []

    assert type_at(table, script)[0] == "echo one\necho two\n"


# Vi


def vi_keys(typed: str, suggested: str = "git commit -m x") -> str:
    """Return the line after ``git c``, the answer to it, and ``typed``."""
    table = Table({"git c": suggested})

    async def script(send: Send) -> None:
        send("git c")
        await table.until(lambda: table.ghost.rest)
        for part in typed.split("|"):
            send(part)
            await asyncio.sleep(0.1)

    return type_at(table, script, editing="vi")[0]


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("\x1b[C", "git commit -m x"),
        ("\x05", "git commit -m x"),
        ("\x1bf", "git commit"),  # Alt-F, not Esc and f
        ("\x1b|l", "git commit -m x"),
        ("\x1b|$", "git commit -m x"),
        ("\x1b|A!", "git commit -m x!"),
        ("\x1b|w", "git commit"),
        ("\x1b|e|a!", "git commit!"),
        ("\x1b|w|w", "git commit -m"),
        ("\x1b|h|l", "git c"),  # inside the line they move
        ("\x1b|dw", "git "),  # after an operator they are its objects
        ("\x1b|\x1b|l", "git c"),  # the second Esc dismisses
        ("\x1b|0|D|i|git c|\x1b|$", "git commit -m x"),
        ("\x1b|b|~", "Git c"),
        ("\x1b|a|\x17ls", "git ls"),
    ],
)
def test_vi_keys_take_a_suggestion_at_the_end_of_the_line_and_edit_elsewhere(typed: str, line: str) -> None:
    assert vi_keys(typed) == line


@pytest.mark.parametrize("editing", ["emacs", "vi"])
def test_an_escape_acts_before_the_next_key(editing: str) -> None:
    table = Table({"git c": "git commit"})

    async def script(send: Send) -> None:
        send("git c")
        await table.until(lambda: table.ghost.rest)
        send("\x1b")
        if editing == "vi":
            await table.until(lambda: get_app_mode() is InputMode.NAVIGATION)
            assert table.ghost.rest
        else:
            await table.until(lambda: not table.ghost.rest)
            send("o")  # with Enter it would be Alt-Enter

    def get_app_mode() -> InputMode:
        return editors[-1].app.vi_state.input_mode

    assert type_at(table, script, editing=editing)[0] == ("git c" if editing == "vi" else "git co")
