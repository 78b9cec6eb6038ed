"""How keys are written, which tables of keys are refused, and that the line editor knows every key in it."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.keys import ALL_KEYS

from typeahead.config import KeysConfig
from typeahead.errors import ConfigError
from typeahead.shell import keymap

MOVING = ["left", "right", "up", "down", "home", "end", "insert", "delete", "pageup", "pagedown"]
LETTERS = "abdefgklnopqrstuvwxyz"  # which Ctrl can be given to: not H, I, J, M (other keys' names) nor C

keys = st.one_of(
    st.builds(
        lambda control, shift, name: f"{'c-' * control}{'s-' * shift}{name}",
        st.booleans(),
        st.booleans(),
        st.sampled_from(MOVING),
    ),
    st.sampled_from([f"c-{letter}" for letter in LETTERS] + [f"f{number}" for number in range(1, 25)]),
    st.sampled_from(["tab", "s-tab", "backspace", "c-space", "c-]", "c-\\", "c-_", "c-^"]),
    st.sampled_from(["alt-x", "alt-F", "alt-.", "alt--", "alt-comma", "alt-enter", "alt-c-f", "alt-left", "alt-space"]),
)
following = keys | st.sampled_from(["k", "K", "5", "-", "#", "enter", "space", "comma"])
chords = st.builds(lambda first, others: ",".join([first, *others]), keys, st.lists(following, max_size=2))


@pytest.mark.parametrize(
    ("text", "sequences", "spoken"),
    [
        ("right", [("right",)], "Right"),
        ("c-e  End", [("c-e",), ("end",)], "Ctrl-E, End"),
        ("s-delete", [("s-delete",)], "Shift-Delete"),
        ("alt-f", [("escape", "f")], "Alt-F"),
        ("alt-F", [("escape", "F")], "Alt-Shift-F"),
        ("alt-c-f c-alt-f", [("escape", "c-f"), ("escape", "c-f")], "Alt-Ctrl-F, Alt-Ctrl-F"),
        ("c-x,k", [("c-x", "k")], "Ctrl-X K"),
        ("c-x,c-e", [("c-x", "c-e")], "Ctrl-X Ctrl-E"),
        ("f2 c-f12", [("f2",), ("c-f12",)], "F2, Ctrl-F12"),
        ("c-space", [("c-@",)], "Ctrl-Space"),
        ("Ctrl-Shift-Left", [("c-s-left",)], "Ctrl-Shift-Left"),
        ("meta-enter", [("escape", "c-m")], "Alt-Enter"),
        ("alt--", [("escape", "-")], "Alt--"),
        ("c-/", [("c-_",)], "Ctrl-_"),
        ("", [], ""),
    ],
)
def test_keys_are_written_as_people_write_them(text: str, sequences: list[tuple[str, ...]], spoken: str) -> None:
    assert list(keymap.parse(text)) == sequences
    assert ", ".join(map(keymap.spoken, keymap.parse(text))) == spoken


@given(st.lists(chords, max_size=4))
def test_what_is_written_is_read_back_and_known_to_the_line_editor(written: list[str]) -> None:
    parsed = keymap.parse(" ".join(written))
    assert len(parsed) == len(written)
    assert keymap.parse(" ".join(map(keymap.written, parsed))) == parsed
    for sequence in parsed:
        assert all(key in ALL_KEYS or len(key) == 1 for key in sequence)


@given(st.text(max_size=12))
def test_any_other_text_is_refused_in_one_line_that_quotes_it(text: str) -> None:
    said = ""
    try:
        assert len(keymap.parse(text)) == len(text.split())
    except ValueError as error:
        said = str(error)
    parts = [part for chord in text.split() for part in [chord, *chord.split(",")]]
    assert "\n" not in said
    assert not said or any(repr(part)[1:-1] in said for part in parts)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rigth", "did you mean 'right'?"),
        ("c-sapce", "did you mean 'c-space'?"),
        ("s-a", "there is no key 's-a'"),
        ("k", "writes itself"),
        ("space", "writes itself"),
        ("enter", "Enter runs the line"),
        ("c-j", "Enter runs the line"),
        ("c-c", "Ctrl-C abandons the line"),
        ("escape", "Esc dismisses"),
        ("alt-escape", "Esc dismisses"),
        ("c-x,", "lacks a key"),
        ("alt-,", "lacks a key"),
    ],
)
def test_a_key_that_is_none_or_cannot_be_given_away_is_refused_with_the_next_step(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        keymap.table(replace(KeysConfig(), accept=text))
    assert str(caught.value).startswith(f"keys.accept = {text!r}: ")
    assert said in str(caught.value)


def test_each_setting_is_an_action_with_keys_that_go_together() -> None:
    assert [action.name for action in keymap.ACTIONS] == [field.name for field in fields(KeysConfig)]
    table = keymap.table(KeysConfig())
    assert {name for name, sequences in table.items() if not sequences} == {"accept_and_run"}


def test_a_key_of_two_actions_in_one_place_is_refused_and_the_changed_setting_named() -> None:
    with pytest.raises(ConfigError, match=r"^keys.accept = 'c-g': c-g is also in keys.dismiss; take it out of one"):
        keymap.table(replace(KeysConfig(), accept="c-g"))
    with pytest.raises(ConfigError, match=r"^keys.search = 'tab': tab is also in keys.complete"):
        keymap.table(replace(KeysConfig(), search="tab"))


def test_a_key_may_do_one_thing_to_a_suggestion_and_another_without_one() -> None:
    assert keymap.table(replace(KeysConfig(), accept="tab"))["accept"] == (("c-i",),)


def test_a_key_that_is_the_beginning_of_another_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^keys.accept = 'c-x': c-x is the beginning of c-x,k in keys.forget"):
        keymap.table(replace(KeysConfig(), accept="c-x"))
    with pytest.raises(ConfigError, match=r"^keys.toggle = 'c-t c-t,a': c-t is the beginning of c-t,a; take"):
        keymap.table(replace(KeysConfig(), toggle="c-t c-t,a"))
    others = dict.fromkeys(["forget", "toggle", "show_source", "edit_in_editor", "talk"], "")
    assert keymap.table(replace(KeysConfig(), accept="c-x", **others))


def test_the_line_editors_own_keys_are_each_given_once() -> None:
    sequences = [sequence for command in keymap.COMMANDS for sequence in keymap.parse(command.keys)]
    assert len(sequences) == len(set(sequences))
