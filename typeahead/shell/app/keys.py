"""What keys do at the prompt beyond the line editor's own (emacs) keys."""

from __future__ import annotations

from prompt_toolkit.application import get_app
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys

from typeahead.shell.ghost import Ghost
from typeahead.shell.syntax import is_open


def bindings(ghost: Ghost) -> KeyBindings:
    """Return the key table.

    ======================================  ===============================================================
    Right, End, Ctrl-E, Ctrl-F              at the end of the line: take the suggestion
    Alt-F, Ctrl-Right                       take one word of it
    Ctrl-G, Esc                             dismiss it until the next edit
    Alt-Enter                               a new line in the command; Enter too, while a quote is open
    ======================================  ===============================================================
    """
    keys = KeyBindings()
    suggested = Condition(lambda: is_shown(ghost))
    editing = has_focus(DEFAULT_BUFFER)

    @keys.add("right", filter=suggested)
    @keys.add("end", filter=suggested)
    @keys.add("c-e", filter=suggested)
    @keys.add("c-f", filter=suggested)
    def _take_all(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text(ghost.rest)

    @keys.add("escape", "f", filter=suggested)
    @keys.add("c-right", filter=suggested)
    def _take_word(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text(ghost.next_word())

    @keys.add("c-g", filter=suggested)
    def _dismiss(_: KeyPressEvent) -> None:
        ghost.dismiss()

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

    @keys.add("c-z", filter=editing)
    def _no_suspend(_: KeyPressEvent) -> None:
        """Do nothing: a shell cannot be stopped, and a control character is no help in a line."""

    return keys


def is_shown(ghost: Ghost) -> bool:
    """Return whether the suggestion can be seen: the cursor is at the end of the line being edited."""
    app = get_app()
    return (
        bool(ghost.rest)
        and not app.is_done
        and app.current_buffer.name == DEFAULT_BUFFER
        and app.current_buffer.document.is_cursor_at_the_end
        and app.current_buffer.text == ghost.typed
    )


def dismiss_on_escape(ghost: Ghost) -> None:
    """After each key: a lone Esc dismisses at once, though it may still be the first half of an Alt key."""
    processor = get_app().key_processor
    if [press.key for press in processor.key_buffer] == [Keys.Escape] and not processor.input_queue:
        ghost.dismiss()
        get_app().invalidate()
