"""What words do: the command map, from ``[voice.commands]`` of the file of settings. Standard library only.

```
[voice.commands]
tests = "make test"                                    # put on the prompt, not run
deploy = { line = "make deploy", mode = "confirm", cooldown = 5.0, when = "~/project" }
next = { key = "next" }
up = ""                                                # nothing any more
```

======== ==============================================================================================================
mode     what becomes of a word that is heard
======== ==============================================================================================================
insert   its line is put on the prompt at the cursor; the default
confirm  its line is put on the empty prompt, and run after the user has pressed y or said "yes"
run      its line is put on the empty prompt and run; one that destroys is asked for as with confirm, by a key alone
key      does what a key does: see `KEYS`
======== ==============================================================================================================
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from typeahead import config
from typeahead.errors import ConfigError

MODES = ("insert", "run", "confirm", "key")
KEYS = {
    "up": "the line before in the history",
    "down": "the line after",
    "left": "the cursor one character to the left",
    "right": "the cursor one character to the right",
    "accept": "take the whole suggestion, at the end of the line",
    "accept_word": "take one word of it",
    "next": "show the next suggestion in its place",
    "previous": "show the suggestion before",
    "dismiss": "show none until the next edit",
    "interrupt": "Ctrl-C: at the prompt at once, to a command that runs after a spoken yes",
    "yes": "answer a question",
    "no": "answer a question",
    "suggestions_on": "suggest again",
    "suggestions_off": "suggest nothing more in this session",
}
MAX_WORD, MAX_LINE, MAX_COOLDOWN_S = 60, 4096, 86_400.0
_FIELDS = ("line", "mode", "key", "cooldown", "when")


@dataclass(frozen=True)
class Command:
    """What one word does."""

    word: str
    line: str = ""  # for every mode but key
    mode: str = "insert"  # of `MODES`
    key: str = ""  # of `KEYS`, for mode key
    cooldown_s: float = 0.0  # after it has acted, in which it does not act again
    when: str = ""  # absolute path of the folder in and below which it acts; empty: everywhere


def _key(word: str, key: str) -> Command:
    return Command(word, mode="key", key=key)


# Of the ten words that the shipped model knows.
DEFAULTS: Mapping[str, Command] = {
    word: _key(word, key)
    for word, key in {
        "up": "up",
        "down": "down",
        "left": "left",
        "right": "right",
        "go": "accept",
        "stop": "interrupt",
        "yes": "yes",
        "no": "no",
        "on": "suggestions_on",
        "off": "suggestions_off",
    }.items()
}


def commands() -> dict[str, Command]:
    """Return what each word does: the defaults, and the user's own over them.

    Returns
    -------
    dict
        Word -> command.

    Raises
    ------
    ConfigError
        The file cannot be read, or something in the table cannot be used.
    """
    return overlaid(config.voice_commands())


def overlaid(table: Mapping[str, Any]) -> dict[str, Command]:
    """Return `DEFAULTS` with ``table`` over them.

    Parameters
    ----------
    table
        Word -> text, which is the line of mode insert, or a table with the fields ``line``, ``mode``, ``key``,
        ``cooldown`` (seconds) and ``when`` (a folder). An empty text or table takes a word away.

    Raises
    ------
    ConfigError
        Something in it cannot be used; the line names file, setting, value and what is allowed.
    """
    found = dict(DEFAULTS)
    for word, value in table.items():
        where = f"{config.config_file()}: voice.commands.{_shown(word)}"
        if not word.strip() or not word.isprintable() or len(word) > MAX_WORD:
            raise ConfigError(f"{where} is no word; write 1 to {MAX_WORD} printable characters")
        if not isinstance(value, str | dict):
            raise ConfigError(
                f"{where} = {value!r} is neither a line in quotes nor a table {{ line = ..., mode = ... }}"
            )
        if not value:
            found.pop(word, None)
        else:
            found[word] = _command(word, {"line": value} if isinstance(value, str) else value, where)
    return found


def _shown(word: str) -> str:
    """Return a word as the file would have it."""
    return word if word.isidentifier() and word.isascii() else repr(word)


def _command(word: str, table: Mapping[str, Any], where: str) -> Command:
    for name in table:
        if name not in _FIELDS:
            raise ConfigError(f"{where}.{_shown(name)} is unknown; known: {', '.join(_FIELDS)}")
    line, key = _text(table, "line", where), _text(table, "key", where)
    mode = _choice(table, "mode", "key" if key else "insert", MODES, where)
    if mode == "key":
        if line:
            raise ConfigError(f"{where}.line = {line!r} does not go with a key; take one of the two out")
        key = _choice(table, "key", "", tuple(KEYS), where)
    elif key:
        raise ConfigError(f"{where}.key = {key!r} does not go with mode = {mode!r}; write mode = 'key' or leave it out")
    elif not line.strip():
        raise ConfigError(f'{where}.line is missing; write {{ line = "...", mode = {mode!r} }}')
    return Command(word, line, mode, key, _cooldown_s(table, where), _folder(table, where))


def _text(table: Mapping[str, Any], name: str, where: str) -> str:
    """Return a field that must be text which can be put on a prompt, empty where it is left out."""
    value = table.get(name, "")
    if not isinstance(value, str):
        raise ConfigError(f"{where}.{name} = {value!r} is not text in quotes")
    if not value.isprintable():  # newlines, which would run it, and all that drives a terminal or hides
        raise ConfigError(f"{where}.{name} = {value!r} holds a control character or a newline; write one plain line")
    if len(value) > MAX_LINE:
        raise ConfigError(f"{where}.{name} has {len(value)} characters; at most {MAX_LINE} are allowed")
    return value


def _choice(table: Mapping[str, Any], name: str, default: str, choices: tuple[str, ...], where: str) -> str:
    value = _text(table, name, where) or default
    if value not in choices:
        raise ConfigError(f"{where}.{name} = {value!r} is not one of {', '.join(choices)}")
    return value


def _cooldown_s(table: Mapping[str, Any], where: str) -> float:
    value = table.get("cooldown", 0.0)
    # So written, NaN is outside; a switch is no number.
    if type(value) not in (int, float) or not 0 <= value <= MAX_COOLDOWN_S:
        raise ConfigError(f"{where}.cooldown = {value!r} is not a number of seconds from 0 to {MAX_COOLDOWN_S:g}")
    return float(value)


def _folder(table: Mapping[str, Any], where: str) -> str:
    text = _text(table, "when", where)
    path = os.path.expanduser(text)
    if text and not os.path.isabs(path):
        raise ConfigError(f"{where}.when = {text!r} is not the path of a folder; begin it with / or ~")
    return os.path.normpath(path) if text else ""
