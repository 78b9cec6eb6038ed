"""Vi keys: the mode, the shape of the cursor that shows it, and suggestions in command mode."""

from __future__ import annotations

import os
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.cursor_shapes import CursorShape, CursorShapeConfig, ModalCursorShapeConfig
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import vi_navigation_mode
from prompt_toolkit.key_binding.vi_state import InputMode

# How long an Esc byte may be the beginning of an arrow's or an Alt key's bytes. In vi mode it is pressed all the time.
_ESCAPE_S = {EditingMode.EMACS: 0.05, EditingMode.VI: 0.02}


class CursorShapes(CursorShapeConfig):
    """The cursor's shape in vi mode; in emacs mode it stays as the user's terminal has it."""

    def __init__(self) -> None:
        self._modal = ModalCursorShapeConfig()

    def get_cursor_shape(self, application: Application[Any]) -> CursorShape:
        """Return the shape for now."""
        if application.editing_mode is EditingMode.EMACS or os.environ.get("TERM") == "linux":
            return CursorShape._NEVER_CHANGE
        return self._modal.get_cursor_shape(application)


def follow(editor: PromptSession[str], editing: str) -> None:
    """Edit as ``editing`` says: "emacs" or "vi"."""
    mode = EditingMode.VI if editing == "vi" else EditingMode.EMACS
    if editor.app.editing_mode is not mode:
        editor.app.editing_mode = mode
        editor.app.vi_state.input_mode = InputMode.INSERT
    editor.app.ttimeoutlen = _ESCAPE_S[mode]


def is_at_the_end(buffer: Buffer) -> bool:
    """Return whether the cursor is at the end of the text: in command mode on its last character."""
    last = len(buffer.text) - (1 if vi_navigation_mode() and buffer.text else 0)
    return buffer.cursor_position >= last


def go_behind(buffer: Buffer) -> None:
    """Put the cursor behind the text, where text is added."""
    buffer.cursor_position = len(buffer.text)
