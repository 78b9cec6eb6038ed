"""What keys do at the prompt: the table of `typeahead.shell.keymap`, bound in the line editor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, has_focus, vi_mode, vi_navigation_mode
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.bindings.named_commands import get_by_name
from prompt_toolkit.key_binding.key_processor import KeyProcessor
from prompt_toolkit.key_binding.vi_state import InputMode
from prompt_toolkit.keys import Keys

from typeahead.config import KeysConfig
from typeahead.shell import keymap
from typeahead.shell.app import readline, vi
from typeahead.shell.app.readline import Handler
from typeahead.shell.ghost import Ghost
from typeahead.shell.suggestions import Suggestions
from typeahead.shell.syntax import is_open
from typeahead.shell.usage import Usage

_CHORD_S = 1.0  # for the rest of a chord; then its first keys count alone
_META_S = 0.5  # for the key after an Esc that stands for Alt, as readline waits


def _nothing(_: KeyPressEvent) -> None:
    """Do nothing."""


def _older(event: KeyPressEvent) -> None:
    event.current_buffer.auto_up(count=event.arg)


def _newer(event: KeyPressEvent) -> None:
    event.current_buffer.auto_down(count=event.arg)


@dataclass
class Hooks:
    """What keys do that is made elsewhere. A hook may be exchanged at any time."""

    is_complete: Callable[[str], bool] = lambda line: not is_open(line)  # whether Enter runs it
    past: Callable[[], Iterable[str]] = tuple  # past lines, the newest first
    older: Handler = _older
    newer: Handler = _newer
    oldest: Handler = get_by_name("beginning-of-history").handler
    newest: Handler = get_by_name("end-of-history").handler
    search: Handler = _nothing
    complete: Handler = _nothing
    complete_back: Handler = _nothing
    edit: Handler = _nothing  # in an editor
    talk: Handler = _nothing


def bindings(
    ghost: Ghost, suggestions: Suggestions, keys: KeysConfig | None = None, hooks: Hooks | None = None
) -> KeyBindings:
    """Return what keys do.

    Parameters
    ----------
    ghost, suggestions
        Of the session.
    keys
        The user's.
    hooks
        What is made elsewhere.

    Raises
    ------
    ConfigError
        ``keys`` cannot be used.
    """
    return _Table(ghost, suggestions, hooks or Hooks()).bind(keymap.table(keys or KeysConfig()))


class _Table:
    """The handlers; each action of `keymap.ACTIONS` is a method of its name."""

    def __init__(self, ghost: Ghost, suggestions: Suggestions, hooks: Hooks) -> None:
        self._ghost = ghost
        self._suggestions = suggestions
        self._hooks = hooks
        self._suggested = Condition(lambda: is_shown(ghost))
        self._editing = has_focus(DEFAULT_BUFFER)

    def bind(self, table: dict[str, tuple[keymap.Sequence, ...]]) -> KeyBindings:
        """Return the bindings; where several apply, the line editor takes the one that was added last."""
        keys = KeyBindings()
        for action in keymap.ACTIONS:
            for sequence in table[action.name]:
                if len(sequence) > 1:  # the second half of a chord must not end up in the line
                    keys.add(*sequence, filter=self._editing)(_nothing)
        readline.bind(
            keys,
            lambda: self._hooks.past(),
            self._editing,
            previous_history=lambda event: self._hooks.older(event),
            next_history=lambda event: self._hooks.newer(event),
            beginning_of_history=lambda event: self._hooks.oldest(event),
            end_of_history=lambda event: self._hooks.newest(event),
            forward_search_history=lambda event: self._hooks.search(event),
        )
        keys.add("enter", filter=self._editing)(self.enter)
        keys.add(Keys.BracketedPaste, filter=self._editing)(self.paste)
        # A shell cannot be stopped, and the control character is no help in a line.
        keys.add("c-z", filter=self._editing)(_nothing)
        for where, condition in ((keymap.PROMPT, self._editing), (keymap.SHOWN, self._suggested)):
            for action in keymap.ACTIONS:
                if action.where == where:
                    for sequence in table[action.name]:
                        keys.add(*sequence, filter=condition)(getattr(self, action.name))
        self._bind_vi(keys)
        return keys

    def _bind_vi(self, keys: KeyBindings) -> None:
        for action in keymap.ACTIONS:
            where = self._suggested if action.where == keymap.SHOWN else self._editing
            for key in keymap.VI.get(action.name, ()):
                keys.add(key, filter=vi_navigation_mode & where)(getattr(self, action.name))
        keys.add("k", filter=vi_navigation_mode & self._editing)(lambda event: self._hooks.older(event))
        keys.add("j", filter=vi_navigation_mode & self._editing)(lambda event: self._hooks.newer(event))

    # Enter and paste

    def enter(self, event: KeyPressEvent) -> None:
        """Run the line; begin another where it cannot be finished yet."""
        buffer = event.current_buffer
        if vi.is_at_the_end(buffer) and not self._hooks.is_complete(buffer.text):
            vi.go_behind(buffer)
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    def paste(self, event: KeyPressEvent) -> None:
        """Insert all of a paste at once; none of it runs."""
        text = event.data.replace("\r\n", "\n").replace("\r", "\n")
        self._suggestions.usage.press(len(text) - 1)  # nobody has saved the keys of a paste: it counts as if typed
        event.current_buffer.insert_text(text)

    def new_line(self, event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    # The suggestion

    def _take(self, event: KeyPressEvent, text: str) -> None:
        vi.go_behind(event.current_buffer)
        event.current_buffer.insert_text(self._suggestions.take(text))

    def accept(self, event: KeyPressEvent) -> None:
        self._take(event, self._ghost.rest)
        if vi_navigation_mode() and event.data == "A":
            event.app.vi_state.input_mode = InputMode.INSERT

    def accept_word(self, event: KeyPressEvent) -> None:
        self._take(event, self._ghost.next_word())

    def accept_part(self, event: KeyPressEvent) -> None:
        self._take(event, self._ghost.next_part())

    def accept_character(self, event: KeyPressEvent) -> None:
        self._take(event, self._ghost.next_character())

    def accept_and_run(self, event: KeyPressEvent) -> None:
        from typeahead.text.safety import is_destructive

        self.accept(event)
        if is_destructive(event.current_buffer.text):
            self._suggestions.notify("not run: it destroys")
        else:
            self.enter(event)

    def next(self, _: KeyPressEvent) -> None:
        if is_followed(self._ghost):
            self._suggestions.turn(1)

    def previous(self, _: KeyPressEvent) -> None:
        if is_followed(self._ghost):
            self._suggestions.turn(-1)

    def dismiss(self, _: KeyPressEvent) -> None:
        self._suggestions.dismiss()

    def forget(self, _: KeyPressEvent) -> None:
        if is_shown(self._ghost):
            self._suggestions.forget()

    def toggle(self, _: KeyPressEvent) -> None:
        self._suggestions.toggle()

    def show_source(self, _: KeyPressEvent) -> None:
        self._ghost.hint = not self._ghost.hint

    # What is made elsewhere

    def search(self, event: KeyPressEvent) -> None:
        self._hooks.search(event)

    def complete(self, event: KeyPressEvent) -> None:
        self._hooks.complete(event)

    def complete_back(self, event: KeyPressEvent) -> None:
        self._hooks.complete_back(event)

    def edit_in_editor(self, event: KeyPressEvent) -> None:
        self._hooks.edit(event)

    def talk(self, event: KeyPressEvent) -> None:
        self._hooks.talk(event)


def is_followed(ghost: Ghost) -> bool:
    """Return whether a suggestion would be seen: the cursor is at the end of the line being edited."""
    app = get_app()
    return (
        not app.is_done
        and app.current_buffer.name == DEFAULT_BUFFER
        and vi.is_at_the_end(app.current_buffer)
        and app.current_buffer.text == ghost.typed
    )


def is_shown(ghost: Ghost) -> bool:
    """Return whether a suggestion is there to be seen."""
    return bool(ghost.rest) and is_followed(ghost)


class KeyCounter:
    """Counts keys as the user presses them: a chord is one key, though it may come as an Esc and another.

    `begin` goes before each key press of prompt_toolkit's, `end` after it.
    """

    def __init__(self, ghost: Ghost, usage: Usage) -> None:
        self._ghost = ghost
        self._usage = usage
        self._seen = False

    def begin(self, processor: KeyProcessor) -> None:
        """Look at the screen when the first half of a chord comes."""
        if not processor.key_buffer:
            self._seen = is_shown(self._ghost)

    def end(self, processor: KeyProcessor) -> None:
        """Count when the last half has come. With Enter the line is typed: nothing is suggested for it any more."""
        if not processor.key_buffer:
            self._usage.press(seen=self._seen and not get_app().is_done)


def attach(editor: PromptSession[str], ghost: Ghost, suggestions: Suggestions) -> None:
    """Have suggestions follow the line, keys counted, and a lone Esc act at once."""
    counter, processor = KeyCounter(ghost, suggestions.usage), editor.app.key_processor
    # While more keys wait that have been read already (typed ahead, pasted), nobody could see an answer.
    editor.default_buffer.on_text_changed += lambda buffer: suggestions.follow(
        buffer.text, ask=not is_behind(processor)
    )
    processor.before_key_press += counter.begin
    processor.after_key_press += counter.end
    processor.after_key_press += lambda _: None if is_behind(processor) else suggestions.catch_up()
    processor.after_key_press += lambda _: hurry_escape(ghost)


def is_behind(processor: KeyProcessor) -> bool:
    """Return whether keys wait that have been read, or the line is done: nothing need be asked about it."""
    return bool(processor.input_queue) or get_app().is_done


def is_lone_escape(processor: KeyProcessor) -> bool:
    """Return whether an Esc waits for what may belong to it, and nothing has come with it."""
    return [press.key for press in processor.key_buffer] == [Keys.Escape] and not processor.input_queue


def hurry_escape(ghost: Ghost) -> None:
    """After each key: a lone Esc dismisses, in vi mode goes to command mode, at once.

    It may still be the first half of an Alt key, for those whose keyboard has none. A terminal sends the two halves of
    a real one together.
    """
    app = get_app()
    alone = is_lone_escape(app.key_processor)
    app.timeoutlen = _CHORD_S if not alone else 0 if vi_mode() else _META_S
    if alone and not vi_mode():
        ghost.dismiss()
        app.invalidate()
