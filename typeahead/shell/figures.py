"""What suggestions have been worth, from how each line came to be typed, and at what cost. Standard library only.

The figures are those of `typeahead evaluate sessions`, with a real person in place of the simulated one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typeahead.history import Use


def summarise(uses: Sequence[Use]) -> dict[str, Any]:
    """Return what many lines come to; a figure that nothing is known about is ``None``.

    Returns
    -------
    dict
        ``lines``; ``characters`` and ``keys``, the Enter of each line among both; ``saved``: 1 - keys / characters;
        ``shown_per_key``: the share of keys before which a suggestion stood; ``acceptance``: suggestions taken, wholly
        or a word of them, over suggestions shown (one per key); ``precision``: of the lines with any suggestion, the
        share in which one was taken; ``accepted_characters``; ``latency_ms``: p50 and p99 of a suggestion.
    """
    characters = sum(use.characters + 1 for use in uses)
    keys = sum(use.keys for use in uses)
    shown = sum(use.shown for use in uses)
    with_any = [use for use in uses if use.shown]
    latencies_ms = sorted(latency for use in uses for latency in use.latencies_ms)
    return {
        "lines": len(uses),
        "characters": characters,
        "keys": keys,
        "saved": _ratio(characters - keys, characters),
        "shown_per_key": _ratio(shown, keys),
        "acceptance": _ratio(sum(use.accepted for use in uses), shown),
        "precision": _ratio(sum(use.accepted > 0 for use in with_any), len(with_any)),
        "accepted_characters": sum(use.accepted_characters for use in uses),
        "latency_ms": quantiles(latencies_ms),
    }


def quantiles(ordered: Sequence[float]) -> dict[str, float] | None:
    """Return the median and the 99th percentile of ordered values; ``None`` of none."""
    if not ordered:
        return None
    return {"p50": ordered[len(ordered) // 2], "p99": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]}


def memory_bytes() -> int:
    """Return the resident memory of this process (where the system does not tell: its peak)."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None
