"""Keys and what they do: the one table that the prompt, `typeahead keys` and the settings share.

`ACTIONS` are what this program adds; the settings ``[keys]`` give them their keys. `COMMANDS` are the line editor's
own, named as readline names them, with readline's keys. Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from typeahead.config import KeysConfig
from typeahead.errors import ConfigError

Sequence = tuple[str, ...]  # names of keys to be pressed in turn, as prompt_toolkit has them: ("c-x", "k")

SHOWN = (
    "while a suggestion is shown"  # there and with the cursor at the end; elsewhere its keys keep their other meaning
)
PROMPT = "at the prompt"


class Action(NamedTuple):
    """Something that keys can be given to."""

    name: str  # of the setting
    description: str
    where: str  # SHOWN or PROMPT


ACTIONS = (
    Action("accept", "take the whole suggestion", SHOWN),
    Action("accept_word", "take one word of it, as the shell splits words", SHOWN),
    Action("accept_part", "take as far as the next part of a path", SHOWN),
    Action("accept_character", "take one character", SHOWN),
    Action("accept_and_run", "take it and run it at once (look first!); never a line that destroys", SHOWN),
    Action("next", "show the next alternative in its place", PROMPT),
    Action("previous", "show the alternative before", PROMPT),
    Action("dismiss", "show nothing until the next edit (Esc, too)", SHOWN),
    Action("forget", "forget the shown line for ever", PROMPT),
    Action("toggle", "suggestions off, and on again, for this session", PROMPT),
    Action("show_source", "say at the right where suggestions come from, or no longer", PROMPT),
    Action("search", "search the history", PROMPT),
    Action("complete", "complete the word as the shell does", PROMPT),
    Action("complete_back", "go back in the completions", PROMPT),
    Action("edit_in_editor", "edit the line in $VISUAL or $EDITOR", PROMPT),
    Action("new_line", "begin another line of the command", PROMPT),
    Action("talk", "listen to what you say, and again: no longer", PROMPT),
)

# In vi's command mode, as users of zsh-autosuggestions and of bash's vi mode know them: action -> keys.
VI = {
    "accept": ("l", "$", "A"),  # A goes on to insert mode
    "accept_word": ("w", "W", "e", "E"),
    "dismiss": ("escape",),
    "edit_in_editor": ("v",),
    "search": ("/", "?"),
}


class Command(NamedTuple):
    """One of the line editor's own commands."""

    keys: str  # written as in the settings
    name: str  # readline's
    description: str


COMMANDS = (
    Command("c-a home", "beginning-of-line", "to the beginning of the line"),
    Command("c-e end", "end-of-line", "to the end of the line"),
    Command("alt-f c-right alt-right", "forward-word", "one word forward"),
    Command("alt-b c-left alt-left", "backward-word", "one word back"),
    Command("alt-c-f", "shell-forward-word", "one word of the shell's forward"),
    Command("alt-c-b", "shell-backward-word", "one word of the shell's back"),
    Command("c-],any", "character-search", "to the next place of a character"),
    Command("alt-c-],any", "character-search-backward", "to the last place of a character"),
    Command("c-w", "unix-word-rubout", "kill back to the last blank"),
    Command("c-u", "unix-line-discard", "kill back to the beginning"),
    Command("c-x,backspace", "backward-kill-line", "kill back to the beginning"),
    Command("c-k", "kill-line", "kill to the end"),
    Command("alt-d c-delete", "kill-word", "kill one word"),
    Command("alt-backspace", "backward-kill-word", "kill one word back"),
    Command("alt-c-d", "shell-kill-word", "kill one word of the shell's"),
    Command("c-y", "yank", "insert what was killed last"),
    Command("alt-y", "yank-pop", "after that: what was killed before, instead"),
    Command("alt-. alt-_", "yank-last-arg", "insert the last word of the last line; again: of the one before"),
    Command("alt-c-y", "yank-nth-arg", "insert the first argument of the last line"),
    Command("c-t", "transpose-chars", "swap two characters"),
    Command("alt-t", "transpose-words", "swap two words"),
    Command("alt-u", "upcase-word", "a word in capitals"),
    Command("alt-l", "downcase-word", "a word in small letters"),
    Command("alt-c", "capitalize-word", "a word with a capital letter"),
    Command("alt-\\", "delete-horizontal-space", "delete the blanks around the cursor"),
    Command("c-_ c-x,c-u", "undo", "undo"),
    Command("alt-r alt-c-r", "revert-line", "undo all"),
    Command("c-v c-q", "quoted-insert", "insert the next key as it is"),
    Command("alt-#", "insert-comment", "keep the line in the history as a comment"),
    Command("alt-&", "tilde-expand", "write out a ~"),
    Command("c-l", "clear-screen", "clear the screen"),
    Command("alt-c-l", "clear-display", "clear the screen and what has scrolled off"),
    Command("c-o", "operate-and-get-next", "run the line and bring the one after it"),
    Command("c-s", "forward-search-history", "search the history"),
    Command("alt-<", "beginning-of-history", "to the oldest line"),
    Command("alt->", "end-of-history", "back to the line being typed"),
    Command("up c-p", "previous-history", "the line before that begins as this one does"),
    Command("down c-n", "next-history", "the line after"),
)

_MODIFIERS = {
    **dict.fromkeys(["c", "ctrl", "control"], "c"),
    **dict.fromkeys(["s", "shift"], "s"),
    **dict.fromkeys(["alt", "m", "meta"], "alt"),
}
_ARROWS = frozenset(["left", "right", "up", "down", "home", "end", "insert", "delete", "pageup", "pagedown"])
_FUNCTION = frozenset(f"f{number}" for number in range(1, 25))
_CONTROL = frozenset("abcdefghijklmnopqrstuvwxyz@\\]^_")
_WORDS = {"space": " ", "comma": ",", "any": "<any>"}
_SAME = {"return": "enter", "esc": "escape", "del": "delete", "ins": "insert", "pgup": "pageup", "pgdn": "pagedown"}
_NAMED = {"tab": "c-i", "enter": "c-m", "backspace": "c-h", "escape": "escape"}
_SHORT = {"c-space": "c-@", "c-/": "c-_", "c-[": "escape"}
_TOKEN = re.compile(r"((?:[a-z]+-)*)(.+)", re.IGNORECASE | re.DOTALL)
_RESERVED = {"c-m": "Enter runs the line", "c-j": "Enter runs the line", "c-c": "Ctrl-C abandons the line"}


def parse(text: str) -> tuple[Sequence, ...]:
    """Return the keys that a setting names.

    Parameters
    ----------
    text : str
        Keys with blanks between; keys to be pressed in turn with a comma between: ``right c-e c-x,k alt-f``.

    Returns
    -------
    tuple of Sequence
        Each as prompt_toolkit names its keys; Alt is an Esc before.

    Raises
    ------
    ValueError
        There is no such key; the message says which, without saying where.
    """
    return tuple(_chord(chord) for chord in text.split())


def _chord(text: str) -> Sequence:
    keys = [key for token in text.split(",") for key in _key(token, text)]
    if keys[0] in _RESERVED:
        raise ValueError(f"{text!r} cannot be given away: {_RESERVED[keys[0]]}")
    if keys == ["escape"] or keys[:2] == ["escape", "escape"]:
        raise ValueError(f"{text!r} cannot be given away: Esc dismisses, and begins every Alt key")
    if len(keys[0]) == 1:
        raise ValueError(f"{text!r} begins with a key that writes itself; begin with Ctrl, Alt or a named key")
    return tuple(keys)


def _key(token: str, chord: str) -> Sequence:
    """Return one key, after an Esc where it is pressed with Alt."""
    match = _TOKEN.fullmatch(token)
    if match is None or (token.endswith("-") and token.lower().rstrip("-") in _MODIFIERS and not token.endswith("--")):
        raise ValueError(f"{chord!r} lacks a key beside a comma or a '-'; write for example 'c-x,k' or 'alt-comma'")
    modifiers = [_MODIFIERS.get(word.lower()) for word in match[1].split("-")[:-1]]
    name = match[2] if len(match[2]) == 1 else match[2].lower()
    name = _SAME.get(name, name)
    shift, control = "s" in modifiers, "c" in modifiers
    key = None if None in modifiers or len(set(modifiers)) < len(modifiers) else _plain(name, shift, control)
    if key is None:
        raise ValueError(f"there is no key {token!r}{_near(token)}; `typeahead keys --help` says how keys are written")
    return ("escape", key) if "alt" in modifiers else (key,)


def _plain(name: str, shift: bool, control: bool) -> str | None:
    """Return a key as prompt_toolkit names it, without Alt; ``None`` where terminals have none of that name."""
    if control and not shift and (short := _SHORT.get(f"c-{name}")):
        return short
    if control and not shift and name.lower() in _CONTROL:
        return f"c-{name.lower()}"
    if name in _ARROWS:
        return f"{'c-' * control}{'s-' * shift}{name}"
    if name in _FUNCTION and not shift:
        return f"{'c-' * control}{name}"
    if name == "tab" and shift and not control:
        return "s-tab"
    if shift or control:
        return None
    if name in _NAMED:
        return _NAMED[name]
    if name in _WORDS:
        return _WORDS[name]
    return name if len(name) == 1 and name.isprintable() and name != " " else None


def _near(token: str) -> str:
    import difflib

    known = [*_ARROWS, *_NAMED, *_WORDS, *_FUNCTION, *(f"c-{letter}" for letter in _CONTROL), "c-space", "s-tab"]
    known += [f"{modifier}-{name}" for modifier in ("c", "s", "alt") for name in _ARROWS]
    near = difflib.get_close_matches(token.lower(), known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def table(keys: KeysConfig) -> dict[str, tuple[Sequence, ...]]:
    """Return the keys of each action.

    Raises
    ------
    ConfigError
        There is no such key; two actions that apply in the same place have the same one; or one is the beginning of
        another, which could then never be pressed.
    """
    found: dict[str, tuple[Sequence, ...]] = {}
    for action in ACTIONS:
        value = getattr(keys, action.name)
        try:
            found[action.name] = parse(value)
        except ValueError as error:
            raise ConfigError(f"keys.{action.name} = {value!r}: {error}") from None
    given = [(sequence, action) for action in ACTIONS for sequence in found[action.name]]
    for index, (sequence, action) in enumerate(given):
        for other, rival in given[:index]:
            same = other == sequence and rival is not action and rival.where == action.where
            shorter = min(len(sequence), len(other))
            hidden = len(sequence) != len(other) and sequence[:shorter] == other[:shorter]
            if same or hidden:
                raise ConfigError(_clash((sequence, action), (other, rival), keys))
    return found


def _clash(one: tuple[Sequence, Action], other: tuple[Sequence, Action], keys: KeysConfig) -> str:
    """Return the line about two actions whose keys get into each other's way, the changed one first."""
    if is_changed(other[1], keys) and not is_changed(one[1], keys):
        one, other = other, one
    (sequence, action), (rival_sequence, rival) = one, other
    where = f"keys.{action.name} = {getattr(keys, action.name)!r}"
    if sequence == rival_sequence:
        return f"{where}: {written(sequence)} is also in keys.{rival.name}; take it out of one of them"
    long, short = sorted([sequence, rival_sequence], key=len, reverse=True)
    return (
        f"{where}: {written(short)} is the beginning of {written(long)}"
        f"{'' if rival is action else f' in keys.{rival.name}'}; take one of the two out"
    )


def is_changed(action: Action, keys: KeysConfig) -> bool:
    """Return whether the user has given an action other keys."""
    return bool(getattr(keys, action.name) != getattr(KeysConfig, action.name))


_SPOKEN = {
    "c-i": "Tab",
    "c-m": "Enter",
    "c-h": "Backspace",
    "escape": "Esc",
    "c-@": "Ctrl-Space",
    " ": "Space",
    "pageup": "Page Up",
    "pagedown": "Page Down",
    "<any>": "a key",
}


def spoken(sequence: Sequence) -> str:
    """Return keys as people write them: ``Ctrl-X K``, ``Alt-F``, ``Shift-Delete``."""
    return " ".join(f"{'Alt-' * alt}{_spoken_key(key)}" for key, alt in _presses(sequence))


def _presses(sequence: Sequence) -> Iterator[tuple[str, bool]]:
    """Yield each key, and whether it is pressed with Alt, which stands as an Esc before it."""
    keys = iter(sequence)
    for key in keys:
        following = next(keys, None) if key == "escape" else None
        yield (key, False) if following is None else (following, True)


def _spoken_key(key: str) -> str:
    if key in _SPOKEN:
        return _SPOKEN[key]
    if len(key) == 1:
        return f"Shift-{key}" if key.isupper() else key.upper()
    modifiers, name = key[:-1].rpartition("-")[0], key[-1] if key[-2:-1] == "-" else key.rpartition("-")[2]
    prefix = "".join({"c": "Ctrl-", "s": "Shift-"}[letter] for letter in modifiers.split("-") if letter)
    return prefix + _SPOKEN.get(name, name.upper() if len(name) == 1 else name.capitalize())


def written(sequence: Sequence) -> str:
    """Return keys as the settings write them, so that `parse` gives them back: ``c-x,k``, ``alt-f``."""
    names = {key: name for name, key in [*_NAMED.items(), *_WORDS.items()]} | {"c-@": "c-space"}
    return ",".join(f"{'alt-' * alt}{names.get(key, key)}" for key, alt in _presses(sequence))
