"""Emoji that are put together from several, drawn one by one.

Terminals differ in how many columns a family or a thumb with a skin tone takes, and the line editor counts each part.
Where the two disagree, every key after it lands in a wrong place. So what joins the parts is left out on the screen; it
stays in the line.
"""

from __future__ import annotations

from bisect import bisect_left

from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.utils import explode_text_fragments

_JOINER, _SELECTORS = "\u200d", "\ufe0e\ufe0f"
_FIRST_TONE, _LAST_TONE = "\U0001f3fb", "\U0001f3ff"


def joins(character: str, before: str) -> bool:
    """Return whether a character only changes the emoji that ends in ``before``, or joins it to the next."""
    if character in _SELECTORS:
        return True
    if character == _JOINER or _FIRST_TONE <= character <= _LAST_TONE:
        return before in _SELECTORS or before == _JOINER or _is_emoji(before)
    return False


def _is_emoji(character: str) -> bool:
    return character >= "\U0001f000" or "\u2600" <= character <= "\u27bf"


def parted(text: str) -> str:
    """Return ``text`` without what joins its emoji."""
    if text.isascii():
        return text
    return "".join(
        character for place, character in enumerate(text) if not (place and joins(character, text[place - 1]))
    )


class PartedEmoji(Processor):
    """Leaves out on the screen what joins emoji."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """Take the joining characters out of one row of the line."""
        text = transformation_input.document.lines[transformation_input.lineno]
        if text.isascii() or parted(text) == text:
            return Transformation(transformation_input.fragments)
        shown: StyleAndTextTuples = []
        places, before = [], ""  # of what is shown, in the line
        for place, fragment in enumerate(explode_text_fragments(transformation_input.fragments)):
            if not (before and joins(fragment[1], before)):
                shown.append(fragment)
                places.append(place)
            before = fragment[1]
        end = len(places)

        def to_display(place: int) -> int:
            return bisect_left(places, place)

        def to_source(place: int) -> int:
            return places[place] if place < end else (places[-1] + 1 if places else 0) + place - end

        return Transformation(shown, to_display, to_source)
