"""Moments in the past as people write them on a command line."""

from __future__ import annotations

import re
import time
from datetime import datetime

import click

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_AGO = re.compile(r"(\d{1,9})([smhdw])")


class Moment(click.ParamType[float]):
    """A moment in Unix seconds: ``2h`` (ago; also s, m, d, w), ``today``, or an ISO date with or without time."""

    name = "when"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the moment that ``value`` means now."""
        if isinstance(value, float):
            return value
        text = str(value).strip()
        if ago := _AGO.fullmatch(text):
            return time.time() - int(ago[1]) * _SECONDS[ago[2]]
        try:
            if text == "today":
                return datetime.now().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
            return datetime.fromisoformat(text).timestamp()
        except (ValueError, OverflowError, OSError):
            self.fail(f"{value!r} is no moment; write 2h, 3d, today or 2026-11-22T18:30", param, ctx)
