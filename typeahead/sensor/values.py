"""A number or a time, as people and programs write it.

``float`` reads most numbers and is tried first by whoever reads many; what is here is for the rest: units, decimal
commas, the many words for "none". Nothing raises: what is no number comes back as nan with the reason.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

__all__ = ["AMBIGUOUS", "INFINITE", "MISSING", "RUBBISH", "NumberReader", "TimeReader"]

MISSING = "no value"
INFINITE = "infinite or above 1.8e308"
AMBIGUOUS = "a comma that may be decimal or of thousands"
RUBBISH = "not a number"

_NONE = frozenset(
    [
        "",
        "-",
        "?",
        "*",
        "na",
        "n/a",
        "#n/a",
        "nan",
        "-nan",
        "+nan",
        "nil",
        "none",
        "null",
        "\\n",
        "missing",
        "undefined",
    ]
)
_LONGEST = 64  # characters of a number with a unit or a comma; more is no number
# Linear in the length of the text: a unit never starts with what a number consists of.
_QUANTITY = re.compile(r"(?P<sign>[+-]?)(?P<digits>[0-9.,]+)(?P<power>[eE][+-]?[0-9]+)?\s*(?P<unit>[^0-9.,\s+-].*)?")
_GROUPED_BY = {mark: re.compile(rf"[0-9]{{1,3}}(?:{re.escape(mark)}[0-9]{{3}})+") for mark in ".,"}

_NANOSECONDS = {
    "ns": 1,
    **dict.fromkeys(("us", "µs", "μs"), 10**3),
    "ms": 10**6,
    **dict.fromkeys(("s", "sec"), 10**9),
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
}
_UNIT = re.compile(
    r"(?:(?P<prefix>[kKMGgTtP])(?P<binary>i?))?(?:B|b|bits?|[Bb]ytes?|bps|Hz|V|W|A|J)?(?:/s|/sec)?"
    r"|%|°[CF]|[rR][pP][mM]|dBm?"
)
_POWERS = {"k": 1, "K": 1, "M": 2, "G": 3, "g": 3, "T": 4, "t": 4, "P": 5}

_EPOCH = datetime(1970, 1, 1)
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}(?:[.,][0-9]{1,9})?))?(?:\s*([AaPp])[Mm])?")
_DAY_S = 86400.0


class NumberReader:
    """Reads the numbers of one series, and remembers what they have shown of their unit and their comma.

    A unit is dropped (``45%`` is 45); ``K M G T P`` multiply by powers of 1000, ``Ki Mi ...`` of 1024. Times are
    given in the unit of the first one: ``12.3 ms``, then ``1.2 s``, are 12.3 and 1200.

    Parameters
    ----------
    decimal_comma : bool or None
        What the comma in ``1,234`` means where the text alone does not tell; None: not known before a number shows it
        (``1,5`` or ``0,123`` is decimal, ``1,234.5`` or ``1,234,567`` is not).
    """

    def __init__(self, decimal_comma: bool | None = None) -> None:
        self.decimal_comma = decimal_comma
        self._unit_ns = 0  # of the first number that was a time; 0: none was

    def read(self, text: str) -> tuple[float, str]:
        """Return the number and "", or nan and why it is none: `MISSING`, `INFINITE`, `AMBIGUOUS` or `RUBBISH`."""
        text = text.strip()
        if text.casefold() in _NONE:
            return math.nan, MISSING
        try:
            return _finite(float(text))
        except ValueError:
            pass
        found = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST else None
        if found is None:
            return math.nan, RUBBISH
        digits, fault = self._with_point(found["digits"])
        scale = self._scale(found["unit"]) if found["unit"] else 1.0
        if fault or not scale:
            return math.nan, fault or RUBBISH
        try:
            value = float(found["sign"] + digits + (found["power"] or ""))
        except ValueError:  # a lone point
            return math.nan, RUBBISH
        return _finite(value * scale)

    def _with_point(self, digits: str) -> tuple[str, str]:
        """Return digits, points and commas as ``float`` reads them, or a fault."""
        if "," not in digits:
            return digits, ""
        if "." in digits:  # the last of the two is the decimal one
            decimal, thousands = (",", ".") if digits.rindex(",") > digits.rindex(".") else (".", ",")
            whole, _, part = digits.rpartition(decimal)
            if decimal in whole or not _GROUPED_BY[thousands].fullmatch(whole):
                return "", RUBBISH
            self.decimal_comma = decimal == ","
            return f"{whole.replace(thousands, '')}.{part}", ""
        grouped = _GROUPED_BY[","].fullmatch(digits) is not None and not digits.startswith("0")
        if digits.count(",") > 1:
            if not grouped:
                return "", RUBBISH
            self.decimal_comma = False
        elif not grouped:
            if self.decimal_comma is False or digits.endswith(","):
                return "", RUBBISH
            self.decimal_comma = True
        if self.decimal_comma is None:
            return "", AMBIGUOUS
        return digits.replace(",", "." if self.decimal_comma else ""), ""

    def _scale(self, unit: str) -> float:
        """Return what to multiply a number of that unit by; 0 if it is no unit."""
        unit_ns = _NANOSECONDS.get(unit)
        if unit_ns is not None:
            self._unit_ns = self._unit_ns or unit_ns
            return unit_ns / self._unit_ns
        found = _UNIT.fullmatch(unit)
        if found is None:
            return 0.0
        prefix = found["prefix"]
        return float((1024 if found["binary"] else 1000) ** _POWERS[prefix]) if prefix else 1.0


def _finite(value: float) -> tuple[float, str]:
    """Return the number if it is one."""
    if math.isfinite(value):
        return value, ""
    return math.nan, MISSING if math.isnan(value) else INFINITE


class TimeReader:
    """Reads the times of one column.

    ISO 8601, also with a blank for the T, slashes for dashes and a zone (``Z``, ``UTC``, ``+02:00``); seconds, milli-,
    micro- or nanoseconds since the epoch, told apart by their size; a time of day (``23:59:58``, ``11:59:58 PM``),
    which counts from an unknown day, given as 1970-01-01, and goes on with the next day at midnight. A time without a
    zone is taken as UTC: its days are then those of the clock that wrote it.
    """

    def __init__(self) -> None:
        self._days, self._clock_s = 0, 0.0

    def read(self, text: str) -> float | None:
        """Return seconds since the epoch; None if the text is no time."""
        if text[4:5] == "-":
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                pass
            else:
                return (moment - _EPOCH).total_seconds() if moment.tzinfo is None else moment.timestamp()
        try:
            value = float(text)
        except ValueError:
            pass
        else:
            return value if -1e11 < value < 1e11 else _since_epoch(value)
        return self._read_clock(text) if text[:3].count(":") else _read_date(text)

    def _read_clock(self, text: str) -> float | None:
        found = _CLOCK.fullmatch(text.strip())
        if found is None:
            return None
        hour, minute, second = int(found[1]), int(found[2]), float((found[3] or "0").replace(",", "."))
        if found[4]:
            hour = hour % 12 + (12 if found[4] in "Pp" else 0)
        if hour > 23 or minute > 59 or second >= 61:
            return None
        clock_s = hour * 3600 + minute * 60 + second
        if clock_s < self._clock_s - _DAY_S / 2:
            self._days += 1
        self._clock_s = clock_s
        return self._days * _DAY_S + clock_s


def _since_epoch(value: float) -> float | None:
    """Return the seconds of ms, us or ns by their size: 1e11 as seconds are the year 5138, as milliseconds 1973."""
    for limit, scale in ((1e14, 1e3), (1e17, 1e6), (1e20, 1e9)):
        if abs(value) < limit:
            return value / scale
    return None  # also infinity and nan


def _read_date(text: str) -> float | None:
    """Read what `datetime.fromisoformat` does not: slashes, a zone's name, a blank before the zone."""
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    for zone in ("UTC", "GMT"):
        text = text.removesuffix(zone)
    if text[4:5] == "/" == text[7:8]:
        text = text[:10].replace("/", "-") + text[10:]
    head, blank, last = text.rpartition(" ")
    if blank and last.startswith(("+", "-")):
        text = head + last
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
