"""The terminal as prompt_toolkit writes to it, and the colours there.

Colours are of the terminal's own sixteen, which its user has chosen to be legible, but for the grey of suggestions
where the terminal has more: "bright black" is the background itself in some well-known palettes.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NamedTuple

from prompt_toolkit.data_structures import Size
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.styles import Style

from typeahead.errors import ConfigError
from typeahead.shell import prompt

_MONOCHROME = ("vt", "xterm-mono", "xtermm", "sun", "wy")  # beginnings of TERM
_MANY_COLOURS = ("256", "direct", "kitty", "alacritty", "foot", "ghostty", "wezterm", "iterm", "contour", "rio")
_LIGHT_GREYS = ("7", "15")  # as backgrounds in COLORFGBG, where white and light yellow are light as well

_LINE = {
    "line.command": "ansigreen",
    "line.builtin": "ansigreen",
    "line.unknown": "ansired",
    "line.missing": "ansired",
    "line.path": "underline",
    "line.reserved": "ansimagenta",
    "line.string": "ansiyellow",
    "line.variable": "ansicyan",
    "line.comment": "ansibrightblack",
    "line.operator": "",
}
# Yellow and cyan on white are hard to read.
_LINE_ON_LIGHT = {"line.string": "ansiblue", "line.variable": "ansimagenta"}
_LINE_WITHOUT_COLOURS = {
    **dict.fromkeys(_LINE, ""),
    "line.unknown": "bold underline",
    "line.missing": "bold underline",
}


class Looks(NamedTuple):
    """What the terminal can show, as far as its environment tells."""

    depth: ColorDepth
    is_light: bool | None  # the background; None: not told


def looks() -> Looks:
    """Return what TERM, COLORTERM, COLORFGBG and NO_COLOR say of the terminal."""
    term, background = os.environ.get("TERM", ""), os.environ.get("COLORFGBG", "").rpartition(";")[2]
    is_light = background in _LIGHT_GREYS if background.isdecimal() else None
    return Looks(ColorDepth.from_env() or _depth(term), is_light)


def _depth(term: str) -> ColorDepth:
    if prompt.is_plain() or term.startswith(_MONOCHROME):
        return ColorDepth.DEPTH_1_BIT
    if os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return ColorDepth.DEPTH_24_BIT
    return ColorDepth.DEPTH_8_BIT if any(name in term for name in _MANY_COLOURS) else ColorDepth.DEPTH_4_BIT


def open_output() -> Vt100_Output | None:
    """Return the terminal as prompt_toolkit writes to it: without asking for the cursor's position or ringing."""
    if prompt.is_dumb():
        return None

    def get_size() -> Size:
        columns, rows = os.get_terminal_size(1)
        return Size(rows=rows or 24, columns=columns or 80)

    return Vt100_Output(
        sys.stdout,
        get_size,
        term=os.environ["TERM"],
        default_color_depth=looks().depth,
        enable_bell=False,
        enable_cpr=False,
    )


def line_style(suggestion: str) -> Style:
    """Return the style of the line, of suggestions and of what stands around them.

    Parameters
    ----------
    suggestion
        The user's style of suggestions; empty: chosen for the terminal. Without colours they are underlined.

    Raises
    ------
    ConfigError
        It is no style.
    """
    depth, is_light = looks()
    if depth is ColorDepth.DEPTH_1_BIT:
        line, grey, chosen = _LINE_WITHOUT_COLOURS, "", "underline"
    else:
        line = {**_LINE, **(_LINE_ON_LIGHT if is_light else {})}
        grey = _grey(depth, is_light)
        chosen = suggestion or grey
    rules = {**line, "suggestion": chosen, "hint": grey, "status": f"noreverse {grey}", "status.key": "bold"}
    with suppress(ValueError):
        Style.from_dict({"suggestion": suggestion})  # also where it is not used
        return Style.from_dict(rules)
    raise ConfigError(f"shell.style = {suggestion!r} is not a style; write for example 'ansibrightblack' or '#808080'")


def _grey(depth: ColorDepth, is_light: bool | None) -> str:
    """Return a grey that can be read on the terminal's background, on black and on white where that is not known."""
    if depth is ColorDepth.DEPTH_4_BIT:
        return "ansibrightblack"
    return "#808080" if is_light is None else "#6c6c6c" if is_light else "#8a8a8a"
