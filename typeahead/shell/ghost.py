"""The grey text behind the cursor: what may be shown, when it stays, how much of it is taken."""

from __future__ import annotations

import re

from typeahead.shell.prompt import width
from typeahead.shell.words import end_of_shell_word

_PART = re.compile(r"\s*[^\s/=:,@]*[/=:,@]*")
_NARROWEST = 3  # columns below which a cut suggestion says nothing


class Ghost:
    """One suggestion for the line that is being typed.

    The rule against flicker: while one types on and the suggested line still starts with what is typed, it stays, and
    only a longer version of itself may replace it. After a deletion it stays until there is an answer to what is left.

    Attributes
    ----------
    typed : str
        The line so far.
    source : str
        Where the suggestion is from: "history", "model" and so on.
    notice : str
        A word to the user in the suggestion's place, until the next edit; nothing that could be taken.
    hint : bool
        Whether the user wants to see where suggestions are from.
    """

    def __init__(self) -> None:
        self.typed = ""
        self.source = self.notice = ""
        self.hint = False
        self._line = ""  # the whole suggested line; "" is none
        self._dismissed = False
        self._may_change = False  # something has been deleted since it was offered

    @property
    def rest(self) -> str:
        """What is suggested after the typed text; empty for none."""
        return self._line[len(self.typed) :]

    @property
    def line(self) -> str:
        """The whole suggested line; empty for none."""
        return self._line

    def follow(self, typed: str) -> None:
        """Take note of an edit: keep a suggestion that still matches, drop any other, end a dismissal."""
        if typed == self.typed:
            return
        if not typed.startswith(self.typed):
            self._may_change = True
        self.typed, self.notice, self._dismissed = typed, "", False
        if not (self._line.startswith(typed) and len(self._line) > len(typed) and self.rest.isprintable()):
            self._line = ""

    def clear(self) -> None:
        """Begin a new, empty line."""
        self.typed = self._line = self.notice = ""
        self._dismissed = self._may_change = False

    def withdraw(self) -> None:
        """Show nothing until the next offer."""
        self._line = ""

    def dismiss(self) -> None:
        """Show nothing until the next edit."""
        self._line, self._dismissed = "", True

    def offer(self, line: str, source: str = "") -> bool:
        """Suggest ``line``; return whether that changes what is shown.

        A text that does not start with what is typed answers an older question. One with a control character (a
        newline would run it, an escape would drive the terminal), or another that cannot be seen, is refused whole.
        """
        if self._dismissed or not self._fits(line) or not (self._may_change or line.startswith(self._line)):
            return False
        is_new, self._may_change = line != self._line, False
        if is_new:
            self._line, self.source = line, source
        return is_new

    def choose(self, line: str, source: str = "") -> bool:
        """Suggest ``line`` instead of what is shown, since the user asks for another; return whether it can be."""
        if not self._fits(line):
            return False
        self._line, self.source, self.notice, self._dismissed, self._may_change = line, source, "", False, False
        return True

    def _fits(self, line: str) -> bool:
        rest = line[len(self.typed) :]
        return line.startswith(self.typed) and bool(rest.strip()) and rest.isprintable()

    def next_word(self) -> str:
        """Return the rest of the word that the cursor is in, or the next, as the shell splits words, quotes and all."""
        return self._line[len(self.typed) : end_of_shell_word(self._line, len(self.typed))]

    def next_part(self) -> str:
        """Return the rest up to the next part of a path or of a word: behind ``/``, ``=``, ``:``, ``,`` or ``@``."""
        match = _PART.match(self.rest)
        return (match[0] if match else "") or self.rest

    def next_character(self) -> str:
        """Return the first character of the rest, with what combines with it."""
        rest = self.rest
        end = min(1, len(rest))
        while end < len(rest) and width(rest[end]) == 0:
            end += 1
        return rest[:end]


def cut(text: str, columns: int, ellipsis: str = "…") -> str:
    """Return what of ``text`` fits into ``columns``, with an ellipsis where some is missing; nothing if too little."""
    if width(text) <= columns:
        return text
    if columns < _NARROWEST:
        return ""
    while width(text) > columns - len(ellipsis):
        text = text[:-1]
    return text + ellipsis
