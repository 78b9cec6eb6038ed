"""The suggestion, drawn behind the line."""

from __future__ import annotations

from collections.abc import Callable

from prompt_toolkit.formatted_text import fragment_list_to_text
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.screen import Char

from typeahead.shell import ghost as ghosts
from typeahead.shell import prompt
from typeahead.shell.app import keys
from typeahead.shell.app.emoji import parted
from typeahead.shell.ghost import Ghost


class GhostText(Processor):
    """Draws the suggestion, or a notice in its place, behind the line, cut to the row that the cursor is in."""

    def __init__(self, ghost: Ghost, width_before: Callable[[int], int]) -> None:
        self._ghost = ghost
        self._width_before = width_before  # columns before a row of the line, by its number

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """Put the text behind the last line."""
        fragments = transformation_input.fragments
        document = transformation_input.document
        text = f" [{self._ghost.notice}]" if self._ghost.notice else self._ghost.rest
        if transformation_input.lineno == document.line_count - 1 and text and keys.is_followed(self._ghost):
            width = transformation_input.width
            used = _end(fragment_list_to_text(fragments), self._width_before(transformation_input.lineno), width)
            # The last column stays free: a row that is quite full would make some terminals scroll.
            shown = ghosts.cut(parted(text), width - 1 - used % width, "…" if prompt.speaks_unicode() else "..")
            return Transformation([*fragments, ("class:suggestion", shown)])
        return Transformation(fragments)


def _end(text: str, column: int, columns: int) -> int:
    """Return the column in which ``text`` ends that begins at ``column`` of a row and goes on in further rows."""
    for character in text:
        width = Char(character).width  # of a control character as it is shown: ^A
        column = (0 if column % columns + width > columns else column % columns) + width
    return column
