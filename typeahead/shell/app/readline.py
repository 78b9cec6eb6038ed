"""Readline's commands, as its users know them: what the line editor lacks, or does in its own way.

`typeahead.shell.keymap.COMMANDS` gives them their keys.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Filter, emacs_mode, vi_insert_mode
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.bindings.named_commands import get_by_name

from typeahead.shell import keymap, words

Handler = Callable[[KeyPressEvent], object]
_Move = Callable[[str, int], int]  # from a line and a place in it to another place

_EVERYWHERE = frozenset(["previous-history", "next-history"])  # in vi's command mode, too
_UNDOES = frozenset(["undo", "revert-line"])


def bind(keys: KeyBindings, past: Callable[[], Iterable[str]], editing: Filter, **others: Handler) -> None:
    """Bind readline's keys.

    Parameters
    ----------
    keys
        Where to.
    past
        Returns past lines, the newest first.
    editing
        When they apply; most of them not in vi's command mode.
    others
        Commands that are somebody else's, with ``_`` for ``-`` in their names.
    """
    own = _commands(past) | {name.replace("_", "-"): handler for name, handler in others.items()}
    insert = editing & (emacs_mode | vi_insert_mode)
    for command in keymap.COMMANDS:
        handler = own.get(command.name) or get_by_name(command.name).handler
        for sequence in keymap.parse(command.keys):
            keys.add(
                *sequence,
                filter=editing if command.name in _EVERYWHERE else insert,
                save_before=_never if command.name in _UNDOES else _always,
            )(handler)


def _always(_: KeyPressEvent) -> bool:
    return True


def _never(_: KeyPressEvent) -> bool:
    return False


def _commands(past: Callable[[], Iterable[str]]) -> dict[str, Handler]:
    return {
        "forward-word": _moving(words.end_of_word),
        "backward-word": _moving(words.begin_of_word),
        "shell-forward-word": _moving(_end_of_shell_word),
        "shell-backward-word": _moving(_begin_of_shell_word),
        "kill-word": _killing(words.end_of_word),
        "backward-kill-word": _killing(words.begin_of_word),
        "shell-kill-word": _killing(_end_of_shell_word),
        "backward-kill-line": _killing(lambda line, place: 0),
        "character-search": lambda event: _search_character(event, event.arg),
        "character-search-backward": lambda event: _search_character(event, -event.arg),
        "yank-last-arg": YankedArgument(past, -1),
        "yank-nth-arg": YankedArgument(past, 1),
        "transpose-words": _transpose_words,
        "upcase-word": _changing(str.upper),
        "downcase-word": _changing(str.lower),
        "capitalize-word": _changing(_capitalise),
        "revert-line": _revert,
        "tilde-expand": _expand_tilde,
        "clear-display": _clear_display,
        "operate-and-get-next": lambda event: _run_and_get_next(event, past),
    }


def _end_of_shell_word(line: str, place: int) -> int:
    return words.end_of_shell_word(line, place, words.SEPARATORS)


def _begin_of_shell_word(line: str, place: int) -> int:
    return words.begin_of_shell_word(line, place, words.SEPARATORS)


def _far(buffer: Buffer, move: _Move, times: int) -> int:
    place = buffer.cursor_position
    for _ in range(max(1, times)):
        before, place = place, move(buffer.text, place)
        if place == before:  # a million times, which somebody may ask for, would take long
            break
    return place


def _moving(move: _Move) -> Handler:
    def handler(event: KeyPressEvent) -> None:
        event.current_buffer.cursor_position = _far(event.current_buffer, move, event.arg)

    return handler


def _killing(move: _Move) -> Handler:
    def handler(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        here, there = buffer.cursor_position, _far(buffer, move, event.arg)
        killed = buffer.delete(there - here) if there > here else buffer.delete_before_cursor(here - there)
        before = event.app.clipboard.get_data().text if event.is_repeat else ""
        event.app.clipboard.set_text(before + killed if there > here else killed + before)

    return handler


def _changing(change: Callable[[str], str]) -> Handler:
    def handler(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        here, there = buffer.cursor_position, _far(buffer, words.end_of_word, event.arg)
        text = buffer.text
        buffer.document = Document(text[:here] + change(text[here:there]) + text[there:], there)

    return handler


def _capitalise(text: str) -> str:
    first = next((place for place, character in enumerate(text) if character.isalnum()), 0)
    return text[:first] + text[first : first + 1].upper() + text[first + 1 :].lower()


def _search_character(event: KeyPressEvent, count: int) -> None:
    document = event.current_buffer.document
    if count < 0:
        found = document.find_backwards(event.data, in_current_line=True, count=-count)
    else:
        found = document.find(event.data, in_current_line=True, count=count)
    event.current_buffer.cursor_position += found or 0


def _transpose_words(event: KeyPressEvent) -> None:
    """Drag the word before the cursor past the one behind it, or, at the end, the last but one past the last."""
    text = event.current_buffer.text
    end = words.end_of_word(text, event.current_buffer.cursor_position)
    begin = words.begin_of_word(text, end)
    begin_before = words.begin_of_word(text, begin)
    end_before = words.end_of_word(text, begin_before)
    if end_before <= begin < end:
        swapped = text[begin:end] + text[end_before:begin] + text[begin_before:end_before]
        event.current_buffer.document = Document(text[:begin_before] + swapped + text[end:], end)


class YankedArgument:
    """Inserts a word of a past line; pressed again, that of the line before instead.

    Parameters
    ----------
    past
        Returns past lines, the newest first.
    word
        Which one, where no number was given: 1 is the first after the command, -1 the last.
    """

    def __init__(self, past: Callable[[], Iterable[str]], word: int) -> None:
        self._past = past
        self._default = word
        self._word = word
        self._age = 0  # of the line whose word stands there; 0 is the newest
        self._inserted = ""
        self._left: tuple[str, int] | None = None  # text and cursor after the last time

    def __call__(self, event: KeyPressEvent) -> None:
        """Insert."""
        buffer = event.current_buffer
        if self._left == (buffer.text, buffer.cursor_position):
            self._age += 1
        else:
            self._word = event.arg if event.arg_present else self._default
            self._age, self._inserted = 0, ""
        for age, line in enumerate(self._past()):
            if age >= self._age and (word := _word_of(line, self._word)):
                buffer.delete_before_cursor(len(self._inserted))
                buffer.insert_text(word)
                self._age, self._inserted = age, word
                break
        self._left = (buffer.text, buffer.cursor_position)


def _word_of(line: str, number: int) -> str:
    spans = words.shell_words(line, words.SEPARATORS)
    try:
        begin, end = spans[number]
    except IndexError:
        return ""
    return line[begin:end]


def _revert(event: KeyPressEvent) -> None:
    text = None
    while text != event.current_buffer.text:
        text = event.current_buffer.text
        event.current_buffer.undo()


def _expand_tilde(event: KeyPressEvent) -> None:
    buffer = event.current_buffer
    begin = words.begin_of_shell_word(buffer.text, buffer.cursor_position + 1)
    end = words.end_of_shell_word(buffer.text, begin)
    word = buffer.text[begin:end]
    path = os.path.expanduser(word) if "\0" not in word else word
    if path != word:
        buffer.document = Document(buffer.text[:begin] + path + buffer.text[end:], begin + len(path))


def _clear_display(event: KeyPressEvent) -> None:
    event.app.output.write_raw("\x1b[3J")
    event.app.renderer.clear()


def _run_and_get_next(event: KeyPressEvent, past: Callable[[], Iterable[str]]) -> None:
    """Run the line; where it came from the history, begin the next one with the line that was run after it."""
    lines = list(past())
    place = lines.index(event.current_buffer.text) if event.current_buffer.text in lines else 0
    buffer = event.current_buffer
    if place > 0:
        following = lines[place - 1]
        event.app.pre_run_callables.append(lambda: setattr(buffer, "document", Document(following)))
    buffer.validate_and_handle()
