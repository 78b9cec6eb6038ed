"""The suggestion, drawn behind the line."""

from __future__ import annotations

from collections.abc import Callable

from prompt_toolkit.formatted_text import fragment_list_width
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput

from typeahead.shell import ghost as ghosts
from typeahead.shell import prompt
from typeahead.shell.app import keys
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
            used = self._width_before(transformation_input.lineno) + fragment_list_width(fragments)
            # The last column stays free: a row that is quite full would make some terminals scroll.
            columns = transformation_input.width - 1 - used % transformation_input.width
            shown = ghosts.cut(text, columns, "…" if prompt.speaks_unicode() else "..")
            return Transformation([*fragments, ("class:suggestion", shown)])
        return Transformation(fragments)
