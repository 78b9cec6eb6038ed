"""What `typeahead watch` says of readings and alarms: lines for people, objects for programs, a summary at the end."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

from typeahead.cli import printable

if TYPE_CHECKING:
    from typeahead.sensor.anomaly import Alarm, Verdict
    from typeahead.sensor.readings import Counts, Reading

_LEAST_PROBABILITY = 1e-10  # that the score tells from nothing
_LONGEST = 60  # characters of a name, a time or an example out of the data
_PREFIXES = {1e12: "T", 1e9: "G", 1e6: "M"}


def number(value: float, scale: float = 0.0) -> str:
    """Return a value as a person reads it: with two or three digits of what ``scale`` is, or six; whole if it is."""
    if not scale and abs(value) < 1e15 and value == math.floor(value):
        return f"{value:.0f}"
    if not (math.isfinite(value) and abs(value) < 1e15 and 0 < scale < math.inf):
        return "nothing" if math.isnan(value) else f"{value:.6g}"
    decimals = 1 - math.floor(math.log10(scale))
    if decimals > 9:
        return f"{value:.6g}"
    text = f"{value:.{decimals}f}".rstrip("0").rstrip(".") if decimals > 0 else f"{value:.0f}"
    return "0" if text == "-0" else text


def short_number(value: float) -> str:
    """Return a value in about seven columns; nothing for what is missing."""
    if not math.isfinite(value):
        return "" if math.isnan(value) else str(value)
    for size, prefix in _PREFIXES.items():
        if 0.99995 * size <= abs(value) < 1e15:
            return f"{value / size:.4g}{prefix}"
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}" if abs(value) < 100 else f"{value:.4g}"


def one_in(probability: float) -> str:
    """Return a probability in words: ``one in 12,000``, of two digits, which is more than is known."""
    if probability <= _LEAST_PROBABILITY:
        return f"less than one in {1 / _LEAST_PROBABILITY:,.0f}"
    times = 1 / probability
    if times < 10:
        return f"one in {times:.2g}"
    digits = math.floor(math.log10(times)) - 1
    return f"one in {round(times / 10**digits) * 10**digits:,}"


def harmless(text: str) -> str:
    """Return a text out of the data, cut, and with what would drive a terminal written out."""
    text = printable(text[: _LONGEST + 1])
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def when(reading: Reading, is_live: bool) -> str:
    """Return when a reading was: as it is written, else when it came, or where it stands in a file.

    Parameters
    ----------
    reading : Reading
    is_live : bool
        Readings come as they are made, so that now is when this one was.
    """
    if reading.text_time:
        return harmless(reading.text_time)
    if reading.time_s is not None:
        return moment(reading.time_s)
    return f"{datetime.now():%Y-%m-%d %H:%M:%S}" if is_live else f"line {reading.line}"


def moment(time_s: float) -> str:
    """Return Unix seconds as local date and time."""
    try:
        return f"{datetime.fromtimestamp(time_s):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, OSError, ValueError):
        return f"{time_s:g} s"


def explained(alarm: Alarm) -> str:
    """Return what was odd, in one line."""
    band = ""
    if not math.isnan(alarm.expected):
        scale = alarm.high - alarm.low
        low, high = number(alarm.low, scale), number(alarm.high, scale)
        band = f", expected {number(alarm.expected, scale)} ({low} to {high})"
    return f"{harmless(alarm.series)}: {number(alarm.seen)}{band}, {one_in(alarm.probability)}; {alarm.reason}"


def fields(reading: Reading, alarm: Alarm) -> dict[str, Any]:
    """Return all that is known of an alarm, for JSON: what is not finite is ``null``."""
    found = {
        "time": reading.text_time,
        "time_s": reading.time_s,
        "line": reading.line,
        "number": alarm.number,
        "series": alarm.series,
        "seen": alarm.seen,
        "expected": alarm.expected,
        "low": alarm.low,
        "high": alarm.high,
        "probability": alarm.probability,
        "score": alarm.score,
        "reason": alarm.reason,
    }
    return {name: _json_value(value) for name, value in found.items()}


def scored(reading: Reading, verdict: Verdict, as_json: bool) -> str:
    """Return the line of one reading: its line, time, score and state, and what alarm begins with it."""
    if not as_json:
        time = harmless(reading.text_time) if reading.text_time else "-"
        return f"{reading.line}\t{time}\t{abs(verdict.score):.6f}\t{verdict.state}"
    found = {
        "time": reading.text_time,
        "time_s": _json_value(reading.time_s),
        "line": reading.line,
        "score": _json_value(verdict.score),
        "state": verdict.state,
        "alarm": fields(reading, verdict.alarm) if verdict.alarm is not None else None,
    }
    return json.dumps(found)


def _json_value(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else None
    return value


def counted(count: int, name: str) -> str:
    """Return ``1 alarm``, ``1,200 alarms``."""
    return f"{count:,} {name}{'' if count == 1 else 's'}"


def no_readings(counts: Counts, source: str) -> str:
    """Return why nothing could be watched, in one line."""
    if not counts.lines:
        return f"{source}: is empty; pipe readings in (vmstat 1 | typeahead watch) or name a file with numbers"
    why = "; ".join(counts.complaints()[:2]) or "only headers and comments"
    return f"{source}: no readings in {counted(counts.lines, 'line')} ({why}); give --column, --field or --format"
