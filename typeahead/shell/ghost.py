"""The grey text behind the cursor: what may be shown, when it stays, how much of it is taken."""

from __future__ import annotations

import re

from typeahead.shell.prompt import width

_WORD = re.compile(r"\s*(?:[^\s/]*/|[^\s/]+|$)")
_NARROWEST = 3  # columns below which a cut suggestion says nothing


class Ghost:
    """One suggestion for the line that is being typed.

    The rule against flicker: while the suggested line still starts with what is typed, it stays, and only a longer
    version of itself may replace it.

    Attributes
    ----------
    typed : str
        The line so far.
    """

    def __init__(self) -> None:
        self.typed = ""
        self._line = ""  # the whole suggested line; "" is none
        self._dismissed = False

    @property
    def rest(self) -> str:
        """What is suggested after the typed text; empty for none."""
        return self._line[len(self.typed) :]

    def follow(self, typed: str) -> None:
        """Take note of an edit: keep a suggestion that still matches, drop any other, end a dismissal."""
        if typed == self.typed:
            return
        self.typed, self._dismissed = typed, False
        if not (self._line.startswith(typed) and len(self._line) > len(typed)):
            self._line = ""

    def clear(self) -> None:
        """Begin a new, empty line."""
        self.typed, self._line, self._dismissed = "", "", False

    def dismiss(self) -> None:
        """Show nothing until the next edit."""
        self._line, self._dismissed = "", True

    def offer(self, line: str) -> bool:
        """Suggest ``line``; return whether that changes what is shown.

        A text that does not start with what is typed answers an older question. One with a control character (a
        newline would run it, an escape would drive the terminal), or another that cannot be seen, is refused whole.
        """
        rest = line[len(self.typed) :]
        if self._dismissed or not line.startswith(self.typed) or not rest.strip() or not rest.isprintable():
            return False
        if line == self._line or not line.startswith(self._line):
            return False
        self._line = line
        return True

    def next_word(self) -> str:
        """Return the first word of the rest, with the blanks before it; a folder of a path counts as a word."""
        match = _WORD.match(self.rest)
        return (match[0] if match else "") or self.rest


def cut(text: str, columns: int, ellipsis: str = "…") -> str:
    """Return what of ``text`` fits into ``columns``, with an ellipsis where some is missing; nothing if too little."""
    if width(text) <= columns:
        return text
    if columns < _NARROWEST:
        return ""
    while width(text) > columns - len(ellipsis):
        text = text[:-1]
    return text + ellipsis
