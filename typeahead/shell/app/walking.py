"""Up and Down on the prompt: inside a command of several rows first, then through past lines."""

from __future__ import annotations

import asyncio

from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.key_binding import KeyPressEvent

from typeahead.shell.app import vi
from typeahead.shell.lines import PastLines
from typeahead.shell.walk import Walk

_ALL = 1 << 30  # steps back: to the oldest line


class Walking:
    """What the keys for older and newer lines do.

    Parameters
    ----------
    lines
        Past lines in memory. Where they end, older ones are read from the store, without waiting for them.
    """

    def __init__(self, lines: PastLines) -> None:
        self._lines = lines
        self._walk = Walk(lambda: lines)
        self._read: set[str] = set()  # prefixes for which the store has been read
        self._reading: asyncio.Task[None] | None = None
        self._steps = 0  # back, to be taken when older lines have been read

    def older(self, event: KeyPressEvent) -> None:
        """Go up one row, or, from the first, to the line before."""
        buffer = event.current_buffer
        for _ in range(max(1, event.arg)):
            if buffer.complete_state is not None:
                buffer.complete_previous()
            elif buffer.document.cursor_position_row > 0:
                buffer.cursor_up()
            else:
                self._back(buffer)

    def newer(self, event: KeyPressEvent) -> None:
        """Go down one row, or, from the last, to the line after; in the end to what was typed."""
        buffer = event.current_buffer
        for _ in range(max(1, event.arg)):
            if buffer.complete_state is not None:
                buffer.complete_next()
            elif buffer.document.cursor_position_row < buffer.document.line_count - 1:
                buffer.cursor_down()
            elif (line := self._walk.forth(buffer.text)) is not None:
                buffer.document = Document(*line)

    def oldest(self, event: KeyPressEvent) -> None:
        """Go to the oldest line in memory."""
        self._back(event.current_buffer, _ALL)

    def newest(self, event: KeyPressEvent) -> None:
        """Come back to what was typed."""
        if (line := self._walk.begun(event.current_buffer.text)) is not None:
            event.current_buffer.document = Document(*line)

    def begin_line(self) -> None:
        """Begin with another line: a way that has begun is at its end."""
        self._walk.end()
        self._read.clear()

    def _back(self, buffer: Buffer, steps: int = 1) -> None:
        step = self._walk.oldest if steps == _ALL else self._walk.back
        # In vi's command mode the cursor is on the last character of what has been typed.
        line = step(buffer.text, len(buffer.text) if vi.is_at_the_end(buffer) else buffer.cursor_position)
        if line is not None:
            buffer.document = Document(line)
        elif self._reading is not None and not self._reading.done():
            self._steps += steps
        elif self._walk.prefix not in self._read:
            self._steps = steps
            self._reading = asyncio.get_running_loop().create_task(self._read_older(buffer, self._walk.prefix))

    async def _read_older(self, buffer: Buffer, prefix: str) -> None:
        """Go on from the end of what is in memory, if the line is then still the same."""
        before = buffer.document
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._lines.wait)  # at the first prompt they are still being read
        older = [*self._lines, *await loop.run_in_executor(None, self._lines.read_older, prefix)]
        self._read.add(prefix)
        if self._walk.extend(prefix, older) and buffer.document == before and not get_app().is_done:
            if self._steps >= _ALL:
                self._back(buffer, _ALL)
            else:
                for _ in range(self._steps):
                    self._back(buffer)
