"""A spoken word on its way through the daemon: to the line editor that was typed in last, and has a prompt."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shell.fake_daemon import Peer, Start
from typeahead.errors import DaemonError
from typeahead.shell import spoken
from typeahead.shell.client import Client
from typeahead.shell.protocol import MalformedError, is_safe
from typeahead.shell.spoken import say, spoken_fields
from typeahead.voice import commands
from typeahead.voice.commands import Command

TESTS = Command("tests", "make test", "confirm", "", 5.0, "/project")
FIELDS = {"word": "tests", "line": "make test", "mode": "confirm", "key": "", "cooldown_s": 5.0, "when": "/project"}


def editor(connect: Callable[[], Peer], session: str) -> Peer:
    """Connect as a line editor does."""
    peer = connect()
    assert peer.ask(op="hello", session=session, said=True)["op"] == "hello"
    return peer


def test_the_modes_are_those_of_the_command_map() -> None:
    assert spoken.MODES == commands.MODES


@pytest.mark.slow
def test_a_word_goes_to_the_line_editor_as_it_was_said(start: Start, connect: Callable[[], Peer]) -> None:
    start().wait_listening()
    peer = editor(connect, "one")
    before = time.monotonic()
    assert say(TESTS, 0.93)
    told = peer.receive()
    assert before <= told.pop("at") <= time.monotonic()
    assert told == {"op": "said", "confidence": 0.93, **FIELDS}


@pytest.mark.slow
def test_of_several_the_one_that_was_typed_in_last_is_told(start: Start, connect: Callable[[], Peer]) -> None:
    start().wait_state("warm")
    first, second = editor(connect, "first"), editor(connect, "second")
    widget = connect()
    assert widget.ask(op="hello", session="widget")["op"] == "hello"
    for peer, name in [(first, "first"), (second, "second"), (first, "first")]:
        peer.ask(op="suggest", id=1, prefix="ls")
        widget.ask(op="suggest", id=1, prefix="ls")  # somebody's zsh: nothing can be said to it
        other = second if peer is first else first
        other.ask(op="suggest", id=2, prefix="")  # a command has ended there
        asked = connect().ask(op="say", **FIELDS)
        assert (asked["delivered"], asked["session"]) == (True, name)
        assert peer.receive()["word"] == "tests"
    second.close()
    first.close()
    widget.ask(op="ping")
    assert not say(TESTS)


@pytest.mark.slow
def test_words_are_for_those_with_a_prompt_and_answers_for_those_without_too(
    start: Start, connect: Callable[[], Peer]
) -> None:
    start().wait_listening()
    idle, busy = editor(connect, "idle"), editor(connect, "busy")
    assert busy.ask(op="busy", busy=True) == {"op": "busy", "id": None}
    say(commands.DEFAULTS["stop"])
    assert busy.receive()["key"] == "interrupt"
    assert say(TESTS)
    assert idle.receive()["word"] == "tests"
    say(commands.DEFAULTS["yes"])  # to whom the last word was said
    assert idle.receive()["key"] == "yes"
    idle.ask(op="busy", busy=True)
    assert not say(TESTS)
    busy.ask(op="busy", busy=[])
    assert say(TESTS)
    assert busy.receive()["word"] == "tests"


@pytest.mark.slow
def test_where_there_is_no_line_editor_or_no_daemon_that_is_told(start: Start, connect: Callable[[], Peer]) -> None:
    assert not say(TESTS)
    start().wait_listening()
    assert not say(TESTS)
    connect().ask(op="hello", session="widget")
    assert connect().ask(op="say", **FIELDS) == {"op": "say", "id": None, "delivered": False, "session": None}


@pytest.mark.slow
def test_a_client_hears_what_is_said_if_it_wants_to(start: Start, path: Path) -> None:
    start().wait_listening()
    heard: list[Any] = []
    client = Client(path, "s", autostart=False)
    client.on_said = heard.append
    deaf = Client(path, "t", autostart=False)
    for each in (client, deaf):
        each.tick()
    patience = time.monotonic() + 20
    while not (heard or time.monotonic() > patience):
        say(TESTS, 0.5)
        for each in (client, deaf):
            each.receive()
    assert heard[0]["line"] == "make test"
    client.close()
    deaf.close()
    assert not say(TESTS)


@pytest.mark.parametrize("line", ["ls\n", "ls\x1b[2J", "ls \u202e", "x" * 5000])
def test_what_cannot_be_passed_on_is_one_line(line: str) -> None:
    with pytest.raises(DaemonError, match=r"^'tests' cannot be passed on: ") as caught:
        say(replace(TESTS, line=line))
    assert len(str(caught.value).splitlines()) == 1


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.lists(st.text())
fields = {
    "word": st.just("go") | values,
    "line": st.just("ls") | values,
    "mode": st.sampled_from(spoken.MODES) | values,
    "key": st.just("accept") | values,
    "confidence": st.floats(0, 1) | values,
    "cooldown_s": st.floats(0, 10) | values,
    "when": st.just("/x") | values,
}


@given(st.fixed_dictionaries({}, optional=fields))
def test_any_message_is_a_word_that_is_safe_to_act_on_or_malformed(message: dict[str, Any]) -> None:
    try:
        word = spoken_fields(message)
    except MalformedError:
        return
    assert word.mode in spoken.MODES
    assert word.word
    assert word.key if word.mode == "key" else word.line.strip()
    assert is_safe(word.word + word.line + word.key + word.when)
    assert word.confidence is None or 0 <= word.confidence <= 1
    assert word.cooldown_s >= 0
