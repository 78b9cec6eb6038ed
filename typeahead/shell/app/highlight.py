"""The line in colours: its grammar at once, what is right and wrong in it as soon as that is known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterator
from importlib import import_module
from itertools import groupby
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout.controls import BufferControl
from prompt_toolkit.lexers import Lexer

from typeahead.shell.app.marks import Marks

if TYPE_CHECKING:
    from typeahead.shell.names import Names
    from typeahead.text.surroundings.marks import Mark

MAX_LINE = 1024  # characters; a longer line stays plain, since each key colours all of it anew
_PREFIX = "class:line."

Spans = Callable[[str], Iterator[tuple[int, int, str]]]


class Highlighter(Lexer):
    """Colours the line being typed.

    Parameters
    ----------
    on_change
        Called when the same line is to be drawn otherwise.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._marks = Marks(on_change)
        self._spans: Spans | None = None

    def attach(self, editor: PromptSession[str]) -> None:
        """Colour the line in ``editor``."""
        editor.default_buffer.on_text_changed += self._follow
        editor.default_buffer.on_cursor_position_changed += self._follow
        for control in editor.layout.find_all_controls():
            # A lexer that is given to the session is never asked for its `invalidation_hash`.
            if isinstance(control, BufferControl) and control.buffer is editor.default_buffer:
                control.lexer = self

    def _follow(self, buffer: Buffer) -> None:
        if self._spans is not None:
            self._marks.follow(buffer.text, buffer.cursor_position)

    async def load(self) -> None:
        """Load the grammar in a thread, when the first prompt is there; until then the line is plain."""
        if self._spans is None:
            self._spans = await asyncio.get_running_loop().run_in_executor(None, _load)
            self._on_change()

    def begin_line(self, cwd: str, names: Names | None, buffer: Buffer) -> None:
        """Begin a line in the directory ``cwd``, which may have been typed in part already."""
        if self._spans is not None:
            self._marks.begin_line(cwd, names)
            self._follow(buffer)

    def know(self, names: Names | None) -> None:
        """Take what the session's shell knows now."""
        self._marks.know(names)

    def invalidation_hash(self) -> Hashable:
        """Return another value whenever the same line would look different."""
        return self._marks.version, self._spans is None

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        """Return what draws a line of the text, by its number."""
        text = document.text
        if self._spans is None or len(text) > MAX_LINE:
            lines: list[StyleAndTextTuples] = [[("", line)] for line in document.lines]
        else:
            lines = styled(text, self._spans(text), self._marks.of(text))
        return lambda number: lines[number] if number < len(lines) else []


def _load() -> Spans:
    """Load the grammar and what finds marks, and compile their patterns."""
    from typeahead.text.surroundings import marks  # noqa: F401  # here, where nobody waits for it

    spans: Spans = import_module("typeahead.shell.app.grammar").spans
    list(spans("if first; then \"$(use)\" 'compiles' ${its} patterns"))
    return spans


def styled(text: str, spans: Iterator[tuple[int, int, str]], marks: list[Mark]) -> list[StyleAndTextTuples]:
    """Return the lines of ``text`` with the styles of both; a path keeps its colour below its mark."""
    styles = [""] * len(text)
    for start, end, kind in spans:
        styles[start:end] = [_PREFIX + kind] * (min(end, len(text)) - start)
    for start, end, kind in marks:
        for place in range(start, min(end, len(text))):
            styles[place] = f"{styles[place]} {_PREFIX}{kind}" if kind in ("path", "missing") else _PREFIX + kind
    lines: list[StyleAndTextTuples] = [[]]
    for (style, is_end), run in groupby(zip(styles, text, strict=True), lambda each: (each[0], each[1] == "\n")):
        characters = "".join(character for _, character in run)
        if is_end:
            lines += [[] for _ in characters]
        else:
            lines[-1].append((style, characters))
    return lines
