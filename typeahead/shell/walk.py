"""Going through past lines with Up and Down: those that begin as the line being typed does."""

from __future__ import annotations

from collections.abc import Callable, Iterable


class Walk:
    """One way back through past lines and forth again.

    It begins with the first step back from what is typed: then only lines are shown that begin with the text before
    the cursor. An edit ends it, and the edited line is what the next one begins with.

    Parameters
    ----------
    past
        Returns past lines, each once, the newest first.
    """

    def __init__(self, past: Callable[[], Iterable[str]]) -> None:
        self._past = past
        self._typed = "", 0  # the line that the walk began with, and the cursor in it
        self._shown: str | None = None  # the line that stands on the prompt; None: none of ours
        self._lines: list[str] = []  # on the way, the newest first
        self._place = -1  # in them; -1: at what is typed

    @property
    def prefix(self) -> str:
        """What the lines on the way begin with."""
        text, cursor = self._typed
        return text[:cursor]

    def back(self, text: str, cursor: int) -> str | None:
        """Return the next older line to show in place of ``text``; ``None`` where there is none."""
        if text != self._shown or (self._place < 0 and (text, cursor) != self._typed):
            self._begin(text, cursor)
        if self._place + 1 >= len(self._lines):
            return None
        self._place += 1
        self._shown = self._lines[self._place]
        return self._shown

    def forth(self, text: str) -> tuple[str, int] | None:
        """Return the next newer line and where its cursor is, in the end what was typed; ``None`` from there on."""
        if text != self._shown or self._place < 0:
            return None
        self._place -= 1
        if self._place < 0:
            self._shown = self._typed[0]
            return self._typed
        self._shown = self._lines[self._place]
        return self._shown, len(self._shown)

    def oldest(self, text: str, cursor: int) -> str | None:
        """Return the oldest line on the way."""
        found = None
        while (older := self.back(text, cursor)) is not None:
            found = text = older
        return found

    def begun(self, text: str) -> tuple[str, int] | None:
        """Return what the walk began with, and end it; ``None`` when it has not begun."""
        if text != self._shown or self._place < 0:
            return None
        self._place, self._shown = -1, self._typed[0]
        return self._typed

    def extend(self, prefix: str, lines: Iterable[str]) -> bool:
        """Add older lines to a walk with this prefix; return whether that made it longer."""
        if self._shown is None or prefix != self.prefix:
            return False
        known = {self._typed[0], *self._lines}
        more = [line for line in dict.fromkeys(lines) if line.startswith(prefix) and line not in known]
        self._lines += more
        return bool(more)

    def end(self) -> None:
        """Forget the way, before another line is typed."""
        self._typed, self._shown, self._lines, self._place = ("", 0), None, [], -1

    def _begin(self, text: str, cursor: int) -> None:
        self._typed, self._shown, self._place = (text, cursor), text, -1
        prefix = self.prefix
        self._lines = [line for line in self._past() if line.startswith(prefix) and line != text]
