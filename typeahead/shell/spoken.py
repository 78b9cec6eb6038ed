"""A spoken word on its way to a prompt: what is said of it, and how a command says it. Standard library only.

A program that hears words tells the daemon, which passes each on to the line editor that was used last, of those that
have a prompt::

    delivered = say(typeahead.voice.commands.commands()["go"], confidence=0.93)

The line editor decides what becomes of it: see `typeahead.shell.app.voice`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

from typeahead.errors import DaemonError
from typeahead.shell.protocol import MAX_PREFIX, MalformedError, Message, is_safe, request, text_field

MODES = ("insert", "run", "confirm", "key")
AT_ANY_TIME = ("interrupt", "yes", "no")  # keys that are of use also while a command runs; the rest wants a prompt
_MAX_WORD, _MAX_KEY = 100, 50  # characters
_MAX_COOLDOWN_S = 1e6


class Command(Protocol):
    """What a word does, as in `typeahead.voice.commands.Command`."""

    @property
    def word(self) -> str: ...  # noqa: D102
    @property
    def line(self) -> str: ...  # noqa: D102
    @property
    def mode(self) -> str: ...  # noqa: D102
    @property
    def key(self) -> str: ...  # noqa: D102
    @property
    def cooldown_s(self) -> float: ...  # noqa: D102
    @property
    def when(self) -> str: ...  # noqa: D102


class Spoken(NamedTuple):
    """A word that was heard, and what it does."""

    word: str
    line: str
    mode: str  # of `MODES`
    key: str
    confidence: float | None
    cooldown_s: float
    when: str


def say(
    command: Command, confidence: float | None = None, timeout_s: float = 1.0, socket_path: str | Path | None = None
) -> bool:
    """Tell the line editor that was used last of a word; return whether there is one with a prompt.

    Parameters
    ----------
    command
        What the word does.
    confidence
        In [0, 1]; None: not known.
    timeout_s
        For the daemon's answer, which takes less than a millisecond.
    socket_path
        Default: `typeahead.config.socket_path`.

    Returns
    -------
    bool
        False also where no daemon runs: then there is no line editor that could be told.

    Raises
    ------
    DaemonError
        The command is none that could be passed on.
    """
    message: Message = {"op": "say", **told(command, confidence)._asdict()}
    try:
        spoken_fields(message)
    except MalformedError as error:
        raise DaemonError(f"{command.word!r} cannot be passed on: {error}") from None
    try:
        return request(message, timeout_s, socket_path).get("delivered") is True
    except DaemonError:
        return False


def told(command: Command, confidence: float | None) -> Spoken:
    """Return what is said of a word that does what ``command`` says."""
    of_command = command.word, command.line, command.mode, command.key
    return Spoken(*of_command, confidence, command.cooldown_s, command.when)


def spoken_fields(message: Message) -> Spoken:
    """Return what a message says of a word.

    Raises
    ------
    MalformedError
        It cannot be understood, or holds a control character.
    """
    spoken = Spoken(
        text_field(message, "word", _MAX_WORD),
        text_field(message, "line", MAX_PREFIX, default=""),
        text_field(message, "mode", _MAX_KEY, default="insert"),
        text_field(message, "key", _MAX_KEY, default=""),
        _number(message, "confidence", 1.0, None),
        _number(message, "cooldown_s", _MAX_COOLDOWN_S, 0.0) or 0.0,
        text_field(message, "when", MAX_PREFIX, default=""),
    )
    if spoken.mode not in MODES:
        raise MalformedError(f"mode must be one of {', '.join(MODES)}")
    if not spoken.word or not (spoken.key if spoken.mode == "key" else spoken.line.strip()):
        raise MalformedError("say needs a word, and a key in mode key, else a line")
    if not all(map(is_safe, (spoken.word, spoken.line, spoken.key, spoken.when))):
        raise MalformedError("what is said must hold no control character")
    return spoken


def _number(message: Message, name: str, greatest: float, default: float | None) -> float | None:
    value = message.get(name)
    if value is None:
        return default
    if type(value) not in (int, float) or not 0 <= value <= greatest:
        raise MalformedError(f"{name} must be a number from 0 to {greatest:g}")
    return float(value)
