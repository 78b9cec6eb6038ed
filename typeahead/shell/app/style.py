"""The terminal as prompt_toolkit writes to it, and the colours there."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from prompt_toolkit.data_structures import Size
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.styles import Style

from typeahead.errors import ConfigError
from typeahead.shell import prompt


def open_output() -> Vt100_Output | None:
    """Return the terminal as prompt_toolkit writes to it: without asking for the cursor's position or ringing."""
    if prompt.is_dumb():
        return None
    depth = ColorDepth.from_env()

    def get_size() -> Size:
        columns, rows = os.get_terminal_size(1)
        return Size(rows=rows or 24, columns=columns or 80)

    return Vt100_Output(
        sys.stdout, get_size, term=os.environ["TERM"], default_color_depth=depth, enable_bell=False, enable_cpr=False
    )


def line_style(suggestion: str) -> Style:
    """Return the style of suggestions; without colours they are underlined."""
    with suppress(ValueError):
        return Style.from_dict(
            {"suggestion": "underline" if os.environ.get("NO_COLOR") else suggestion or "ansibrightblack"}
        )
    raise ConfigError(f"shell.style = {suggestion!r} is not a style; write for example 'ansibrightblack' or '#808080'")
