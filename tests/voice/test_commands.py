"""The command map: what is written does what it says, and anything else is one line that names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead import config
from typeahead.errors import ConfigError
from typeahead.shell import protocol
from typeahead.voice.commands import DEFAULTS, KEYS, MODES, Command, commands, overlaid

TEN_WORDS = ["up", "down", "left", "right", "go", "stop", "yes", "no", "on", "off"]


def write(text: str) -> Path:
    path = config.config_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_without_a_file_the_ten_words_have_keys_and_nothing_is_run() -> None:
    found = commands()
    assert list(found) == TEN_WORDS
    assert {command.mode for command in found.values()} == {"key"}
    assert {command.key for command in found.values()} <= KEYS.keys()
    assert (found["go"].key, found["stop"].key) == ("accept", "interrupt")


def test_what_is_written_goes_over_the_defaults(isolated_home: Path) -> None:
    write("""
[voice]
device = "headset"
[voice.commands]
tests = "make test"
go = { key = "accept_word" }
"open sesame" = { line = "git pull", mode = "run" }
deploy = { line = "make deploy", mode = "confirm", cooldown = 5, when = "~/project/" }
""")
    found = commands()
    assert found["tests"] == Command("tests", "make test", "insert")
    assert found["go"] == Command("go", mode="key", key="accept_word")
    assert found["open sesame"] == Command("open sesame", "git pull", "run")
    assert found["deploy"] == Command("deploy", "make deploy", "confirm", "", 5.0, str(isolated_home / "project"))
    assert found["up"] == DEFAULTS["up"]
    assert config.load().voice.device == "headset"


@pytest.mark.parametrize("empty", ['""', "{}"])
def test_an_empty_value_takes_a_word_away(empty: str) -> None:
    write(f"[voice.commands]\nup = {empty}\nunheard = {empty}\n")
    assert list(commands()) == TEN_WORDS[1:]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 3", "voice.commands.x = 3 is neither a line in quotes nor a table"),
        ("x = { lien = 'ls' }", "voice.commands.x.lien is unknown; known: line, mode, key, cooldown, when"),
        ("x = { line = 3 }", "voice.commands.x.line = 3 is not text in quotes"),
        ("x = { line = 'ls', mode = 'runn' }", "x.mode = 'runn' is not one of insert, run, confirm, key"),
        ("x = { line = 'ls', mode = true }", "x.mode = True is not text in quotes"),
        ("x = { mode = 'run' }", "x.line is missing; write { line = \"...\", mode = 'run' }"),
        ("x = { line = '  ' }", "x.line is missing"),
        ("x = { when = '~' }", "x.line is missing"),
        ("x = { key = 'acept' }", "x.key = 'acept' is not one of up, down, left, right, accept"),
        ("x = { mode = 'key' }", "x.key = '' is not one of up, down"),
        ("x = { key = 'up', line = 'ls' }", "x.line = 'ls' does not go with a key; take one of the two out"),
        ("x = { key = 'up', mode = 'run' }", "x.key = 'up' does not go with mode = 'run'"),
        ("x = { line = 'ls', cooldown = '5' }", "x.cooldown = '5' is not a number of seconds from 0 to 86400"),
        ("x = { line = 'ls', cooldown = true }", "x.cooldown = True is not a number"),
        ("x = { line = 'ls', cooldown = -1 }", "x.cooldown = -1 is not a number"),
        ("x = { line = 'ls', cooldown = nan }", "x.cooldown = nan is not a number"),
        ("x = { line = 'ls', when = 'project' }", "x.when = 'project' is not the path of a folder; begin it with / or"),
        ('x = "ls\\n"', "x.line = 'ls\\n' holds a control character or a newline; write one plain line"),
        ('x = { line = "ls\\u001b[2J", mode = "run" }', "holds a control character"),
        ('x = { line = "ls \\u202ecod", mode = "run" }', "holds a control character"),
        (f"x = '{'y' * 5000}'", "x.line has 5000 characters; at most 4096"),
        ('"a\\nb" = "ls"', "voice.commands.'a\\nb' is no word; write 1 to 60 printable characters"),
        ('"" = "ls"', "voice.commands.'' is no word"),
    ],
)
def test_what_cannot_be_used_is_one_line_that_says_where_and_what_is_allowed(text: str, said: str) -> None:
    path = write(f"[voice.commands]\n{text}\n")
    with pytest.raises(ConfigError) as caught:
        commands()
    assert str(caught.value).startswith(f"{path}: voice.commands")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    config.load()  # a slip here keeps nobody from a prompt


def test_commands_that_are_no_table_are_refused_by_all() -> None:
    path = write("[voice]\ncommands = 3\n")
    for read in (commands, config.load):
        with pytest.raises(
            ConfigError, match=r"voice\.commands = 3 is not a section; write \[voice\.commands\]"
        ) as error:
            read()
        assert str(error.value).startswith(f"{path}: ")


def overlaid_or_refused(table: dict[str, Any]) -> dict[str, Command]:
    """Return what the table means, nothing where it is refused as it should be."""
    message = ""
    try:
        return overlaid(table)
    except ConfigError as error:
        message = str(error)
    assert len(message.splitlines()) == 1
    return {}


values = st.one_of(
    st.text(max_size=20),
    st.sampled_from([*MODES, *KEYS, "~/x", "/x"]),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.lists(st.text(), max_size=2),
)
fields = st.dictionaries(st.sampled_from(["line", "mode", "key", "cooldown", "when"]) | st.text(max_size=5), values)


@given(st.dictionaries(st.text(max_size=70), values | fields))
def test_any_table_is_a_map_of_safe_commands_or_one_line(table: dict[str, Any]) -> None:
    for word, command in overlaid_or_refused(table).items():
        assert command.word == word
        assert protocol.is_safe(command.line)
        assert command.mode in MODES
        assert (command.mode == "key") == (command.key in KEYS) == (command.line == "")
        assert 0 <= command.cooldown_s < float("inf")
        assert command.when == "" or command.when.startswith("/")
