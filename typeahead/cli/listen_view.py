"""What `typeahead listen` shows on a terminal: some rows that are drawn again and again below the words it has heard.

`rows` makes them, a pure function of what is to be shown; `Screen` puts them on the terminal. Between two drawings the
cursor, which is hidden, stands at the beginning of the first row: so whatever a terminal does with the rows when its
window becomes narrower, all below the cursor can be erased and drawn again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache

from typeahead.shell.ghost import cut
from typeahead.shell.prompt import width

_QUIETEST_DB = -80.0  # at the left end of the bar
_WIDEST_BAR, _NARROWEST_BAR = 40, 4
_GREEN, _RED, _DIM, _BOLD, _RESET = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[1m", "\x1b[0m"

Piece = tuple[str, str]  # style, text without escape sequences


@dataclass(frozen=True)
class Moment:
    """What there is to show.

    ``top``: word, posterior and threshold of the likeliest words.
    """

    state: str  # "listening", "asleep", ...
    is_live: bool = True  # the microphone is open and words are acted on
    source: str = ""
    native_sr: int = 0  # Hz
    level_db: float = -100.0
    gate_db: float = -62.0
    is_open: bool = False  # the gate
    top: tuple[tuple[str, float, float], ...] = ()
    dropped: int = 0  # blocks
    cpu: float = 0.0  # share of one core, in [0, 1]
    elapsed_s: float = 0.0
    question: str = ""
    warning: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Look:
    """What the terminal can show."""

    columns: int
    colours: bool = True
    unicode: bool = True

    @property
    def ellipsis(self) -> str:
        """What stands for what is left out."""
        return "…" if self.unicode else ".."


def rows(moment: Moment, look: Look) -> list[str]:
    """Return the rows, none wider than the terminal less one column.

    The last column stays free: a row that fills it leaves terminals of two minds about where the cursor is.
    """
    found = [_state(moment), _level(moment, look)]
    found += [_posterior(word, look) for word in moment.top]
    found.append([("dim", _figures(moment, look))])
    if moment.question:
        found.append([("bold", moment.question)])
    elif moment.warning:
        found.append([("red", moment.warning)])
    elif moment.hint:
        found.append([("dim", moment.hint)])
    return [_painted(row, look) for row in found]


def _state(moment: Moment) -> list[Piece]:
    rate = f", {moment.native_sr / 1000:g} kHz" if moment.native_sr else ""
    return [("green" if moment.is_live else "bold", moment.state), ("", f"  {moment.source}{rate}")]


def _level(moment: Moment, look: Look) -> list[Piece]:
    label, figure = _frame("level", f"{max(moment.level_db, -100):4.0f} dBFS", look)
    share, gate = (1 - db / _QUIETEST_DB for db in (moment.level_db, moment.gate_db))
    style = "green" if moment.is_open else "dim"
    return [("", label), *_bar(share, gate, style, look, label, figure), ("", figure)]


def _posterior(top: tuple[str, float, float], look: Look) -> list[Piece]:
    word, posterior, threshold = top
    style = "green" if posterior >= threshold else "" if posterior >= 0.1 else "dim"
    label, figure = _frame(word, f"{posterior:9.2f}", look)
    return [(style, label), *_bar(posterior, threshold, style, look, label, figure), (style, figure)]


def _frame(label: str, figure: str, look: Look) -> tuple[str, str]:
    """Return a bar's label and its figure, as wide as there is room for."""
    columns = 10 if look.columns >= 50 else 7
    label = cut(label, columns - 1, look.ellipsis)
    label += " " * (columns - width(label))
    if columns + 1 + len(figure) + _NARROWEST_BAR > look.columns - 1:  # units and blanks go first
        figure = figure.split()[0]
    return label, f" {figure}"


def _bar(share: float, mark: float, style: str, look: Look, label: str, figure: str) -> list[Piece]:
    """Return a bar with a mark in it; nothing where there is no room for one."""
    room = min(_WIDEST_BAR, look.columns - 1 - width(label) - width(figure))
    if room < _NARROWEST_BAR:
        return []
    full, empty, line = "█─│" if look.unicode else "#-|"
    filled = round(min(1.0, max(0.0, share)) * room)
    at = min(room - 1, round(min(1.0, max(0.0, mark)) * room))
    cells = full * filled + empty * (room - filled)
    return [
        piece
        for piece in (
            (style, cells[: min(filled, at)]),
            ("dim", cells[min(filled, at) : at]),
            ("bold", line),
            (style, cells[at + 1 : max(filled, at + 1)]),
            ("dim", cells[max(filled, at + 1) :]),
        )
        if piece[1]
    ]


def _figures(moment: Moment, look: Look) -> str:
    """Return the small print; what does not fit is left out from the end."""
    minutes, seconds = divmod(int(moment.elapsed_s), 60)
    parts = [f"{moment.cpu:.1%} CPU", f"{minutes}:{seconds:02}", f"{moment.dropped} dropped"]
    if moment.dropped:  # more than a figure then
        parts.insert(0, parts.pop())
    while len(parts) > 1 and len("  ".join(parts)) > look.columns - 1:
        parts.pop()
    return "  ".join(parts)


def _painted(row: list[Piece], look: Look) -> str:
    """Return a row as the terminal takes it, cut to its width."""
    left, found = look.columns - 1, []
    styles = {"green": _GREEN, "red": _RED, "dim": _DIM, "bold": _BOLD, "": ""} if look.colours else {}
    for style, text in row:
        if left <= 0:
            break
        text, columns = _fitted(text, left, look.ellipsis)
        left -= columns
        start = styles.get(style, "")
        found.append(f"{start}{text}{_RESET}" if start and text else text)
    return "".join(found)


@lru_cache(maxsize=1024)  # eight times a second nearly the same
def _fitted(text: str, columns: int, ellipsis: str) -> tuple[str, int]:
    """Return what of a text fits, harmless to a terminal, and its width."""
    text = cut("".join(c if c.isprintable() else "?" for c in text), columns, ellipsis)
    return text, width(text)


class Screen:
    """The rows at the end of what stands on a terminal.

    Parameters
    ----------
    descriptor : int
        Of the terminal.
    """

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._drawn: list[str] = []
        self._size = self.size()
        self._is_hidden = False

    def size(self) -> os.terminal_size:
        """Return columns and lines."""
        try:
            size = os.get_terminal_size(self._descriptor)
        except OSError:  # the terminal has gone
            return os.terminal_size((80, 24))
        return os.terminal_size((size.columns or 80, size.lines or 24))

    def draw(self, rows: list[str], above: str = "") -> None:
        """Draw the rows in the place of those before; ``above``: lines that stay, put in front of them."""
        size = self.size()
        rows = rows[: max(1, size.lines - 1)]
        if not above and rows == self._drawn and size == self._size:
            return
        start = "\r" if self._is_hidden else "\r\x1b[?25l"
        if size != self._size:
            start += "\x1b[J"  # the terminal may have broken the rows into several
        if above:
            start += above.rstrip("\n").replace("\n", "\x1b[K\r\n") + "\x1b[K\r\n"
        # Else only from the last row on: to erase from the window's first one on is, to tmux, to scroll all of it away.
        rest = "\x1b[J" if above or len(rows) < len(self._drawn) else ""
        up = f"\x1b[{len(rows) - 1}A" if len(rows) > 1 else ""
        # Without wrapping: a window may become narrower while this is on its way.
        self._write(f"{start}\x1b[?7l" + "\r\n".join(f"{row}\x1b[K" for row in rows) + f"{rest}\x1b[?7h\r{up}")
        self._drawn, self._size, self._is_hidden = rows, size, True

    def close(self) -> None:
        """Take the rows away and show the cursor; drawing again brings both back."""
        if self._is_hidden:
            below = "\x1b[B\x1b[J\x1b[A" if len(self._drawn) > 1 else ""
            self._drawn, self._is_hidden = [], False
            self._write(f"\r\x1b[K{below}\x1b[?25h")

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        while data:
            data = data[os.write(self._descriptor, data) :]
