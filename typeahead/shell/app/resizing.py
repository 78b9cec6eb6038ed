"""Drawing the prompt anew when the window has another width.

The renderer remembers how many rows it has drawn above the cursor and goes up by as many to erase them. A terminal that
has become narrower has in the meantime broken each row that no longer fits into several, so there are more to go up.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable

from prompt_toolkit.application import Application
from prompt_toolkit.data_structures import Point
from prompt_toolkit.layout import Layout
from prompt_toolkit.layout.screen import Char
from prompt_toolkit.renderer import Renderer

_SETTLED_S = 0.05  # without another change of its size, after which a window is taken to have its new one


class ResizableRenderer(Renderer):
    """A renderer that erases all that it has drawn, whatever the window's width has become since.

    While the user drags the window's edge nothing is drawn: what is drawn for one width arrives at a terminal that has
    another one by then, and how it stands there nobody could tell.

    Parameters
    ----------
    app
        Whose renderer this is to be.
    """

    def __init__(self, app: Application[str]) -> None:
        super().__init__(app.renderer.style, app.renderer.output)
        self._draw_anew: Callable[[], None] = app._on_resize
        self._is_running: Callable[[], bool] = lambda: app.is_running
        self._settling: asyncio.TimerHandle | None = None

    def wait_for_size(self) -> None:
        """Draw anew when the window has kept its size for a moment."""
        if self._settling is not None:
            self._settling.cancel()
        self._settling = asyncio.get_running_loop().call_later(_SETTLED_S, self._settle)

    def _settle(self) -> None:
        self._settling = None
        if self._is_running():
            self._draw_anew()

    def erase(self, leave_alternate_screen: bool = True) -> None:
        """Erase what was drawn and put the cursor where that began."""
        screen, size = self.last_rendered_screen, self.output.get_size()
        if screen is not None and self._last_size is not None and reflows() and size.columns < self._last_size.columns:
            rows = [_widths(screen.data_buffer[number]) for number in range(self._cursor_pos.y + 1)]
            up = rows_above(rows, self._cursor_pos.x, size.columns)
            self._cursor_pos = Point(x=self._cursor_pos.x, y=min(up, size.rows))
        super().erase(leave_alternate_screen)

    def render(self, app: Application[object], layout: Layout, is_done: bool = False) -> None:
        """Draw; for another width than before on a clean ground, and not before the window has settled."""
        if self._last_size is not None and self._last_size.columns != self.output.get_size().columns:
            if not is_done:
                if self._settling is None:
                    self.wait_for_size()
                return
            self.erase(leave_alternate_screen=False)
        super().render(app, layout, is_done)


def install(app: Application[str]) -> None:
    """Have ``app`` draw with such a renderer."""
    app.renderer = renderer = ResizableRenderer(app)
    app._on_resize = renderer.wait_for_size  # type: ignore[method-assign]


def reflows() -> bool:
    """Return whether the terminal breaks rows that have become too wide, as all do but for some old ones."""
    return not (os.environ.get("XTERM_VERSION") or os.environ.get("STY") or os.environ.get("TERM") == "linux")


def rows_above(rows: Iterable[list[int]], column: int, columns: int) -> int:
    """Return how many rows stand above the cursor once a terminal has broken ``rows`` to a new width.

    Parameters
    ----------
    rows
        As they were drawn, down to the one that the cursor is in: the widths of each one's characters.
    column
        The cursor's place in the last of them.
    columns
        The new width.
    """
    above = 0
    *before, last = rows
    for widths in before:
        above += 1 + _num_breaks(widths, columns)
    under, used = [], 0
    for width in [*last, *[1] * max(0, column + 1 - sum(last))]:  # the cursor may stand behind the text
        if used >= column:
            break
        under.append(width)
        used += width
    # Behind the last character the cursor stays in its row, if that is quite full; else it stands on a character.
    return above + _num_breaks(under if sum(last) <= column else [*under, 1], columns)


def _num_breaks(widths: list[int], columns: int) -> int:
    breaks = used = 0
    for width in widths:
        if used + width > columns:
            breaks, used = breaks + 1, 0
        used += width
    return breaks


def _widths(row: dict[int, Char]) -> list[int]:
    """Return the widths of a row's characters, without the blanks at its end."""
    end = max((column for column, char in row.items() if char.char.strip()), default=-1) + 1
    widths, column = [], 0
    while column < end:
        width = max(1, row[column].width)
        widths.append(width)
        column += width
    return widths
