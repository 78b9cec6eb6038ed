"""What keys do at the prompt beyond the line editor's own (emacs) keys."""

from __future__ import annotations

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.key_processor import KeyProcessor
from prompt_toolkit.keys import Keys

from typeahead.shell.ghost import Ghost
from typeahead.shell.suggestions import Suggestions
from typeahead.shell.syntax import is_open
from typeahead.shell.usage import Usage


def bindings(ghost: Ghost, suggestions: Suggestions) -> KeyBindings:
    """Return the key table.

    ======================================  ===============================================================
    Right, End, Ctrl-E, Ctrl-F              at the end of the line: take the suggestion
    Alt-F, Ctrl-Right                       take one word of it
    Alt-N, Alt-P                            show the next alternative to it, the one before
    Shift-Delete, Ctrl-X K                  forget the shown line for ever
    Ctrl-G, Esc                             dismiss it until the next edit
    Alt-Enter                               a new line in the command; Enter too, while a quote is open
    ======================================  ===============================================================

    Not every terminal sends Shift-Delete. Of Ctrl-X K, the half that comes too late does no harm.
    """
    keys = KeyBindings()
    editing = has_focus(DEFAULT_BUFFER)
    _bind_suggestions(keys, ghost, suggestions)

    @keys.add("escape", "enter", filter=editing)
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("enter", filter=editing)
    def _enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.document.is_cursor_at_the_end and is_open(buffer.text):
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add(Keys.BracketedPaste, filter=editing)
    def _paste(event: KeyPressEvent) -> None:
        text = event.data.replace("\r\n", "\n").replace("\r", "\n")
        suggestions.usage.press(len(text) - 1)  # nobody has saved the keys of a paste: it counts as if typed
        event.current_buffer.insert_text(text)

    @keys.add("c-z", filter=editing)
    def _no_suspend(_: KeyPressEvent) -> None:
        """Do nothing: a shell cannot be stopped, and a control character is no help in a line."""

    return keys


def _bind_suggestions(keys: KeyBindings, ghost: Ghost, suggestions: Suggestions) -> None:
    suggested = Condition(lambda: is_shown(ghost))
    editing = has_focus(DEFAULT_BUFFER)

    @keys.add("right", filter=suggested)
    @keys.add("end", filter=suggested)
    @keys.add("c-e", filter=suggested)
    @keys.add("c-f", filter=suggested)
    def _take_all(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text(suggestions.take(ghost.rest))

    @keys.add("escape", "f", filter=suggested)
    @keys.add("c-right", filter=suggested)
    def _take_word(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text(suggestions.take(ghost.next_word()))

    # Bound also where there is nothing to be done: the second half of a chord must not end up in the line.
    @keys.add("escape", "n", filter=editing)
    @keys.add("escape", "p", filter=editing)
    def _turn(event: KeyPressEvent) -> None:
        if is_followed(ghost):
            suggestions.turn(1 if event.key_sequence[-1].key == "n" else -1)

    @keys.add("s-delete", filter=editing)
    @keys.add("c-x", "k", filter=editing)
    def _forget(_: KeyPressEvent) -> None:
        if is_shown(ghost):
            suggestions.forget()

    @keys.add("c-g", filter=suggested)
    def _dismiss(_: KeyPressEvent) -> None:
        suggestions.dismiss()


def is_followed(ghost: Ghost) -> bool:
    """Return whether a suggestion would be seen: the cursor is at the end of the line being edited."""
    app = get_app()
    return (
        not app.is_done
        and app.current_buffer.name == DEFAULT_BUFFER
        and app.current_buffer.document.is_cursor_at_the_end
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
    """Have suggestions follow the line, keys counted, and a lone Esc dismiss at once."""
    counter, processor = KeyCounter(ghost, suggestions.usage), editor.app.key_processor
    editor.default_buffer.on_text_changed += lambda buffer: suggestions.follow(buffer.text)
    processor.before_key_press += counter.begin
    processor.after_key_press += counter.end
    processor.after_key_press += lambda _: dismiss_on_escape(ghost)


def dismiss_on_escape(ghost: Ghost) -> None:
    """After each key: a lone Esc dismisses at once, though it may still be the first half of an Alt key."""
    processor = get_app().key_processor
    if [press.key for press in processor.key_buffer] == [Keys.Escape] and not processor.input_queue:
        ghost.dismiss()
        get_app().invalidate()
