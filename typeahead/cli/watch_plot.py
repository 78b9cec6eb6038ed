"""The picture of `typeahead watch --plot`: readings, the band in which they were expected, and alarms."""

from __future__ import annotations

import math
import warnings
from datetime import UTC, datetime
from typing import Any

from typeahead.cli.watch_report import counted, harmless
from typeahead.cli.watch_traces import Bucket, Extremes
from typeahead.errors import SensorError

_MAX_PANELS = 8
_PANEL_INCHES, _WIDTH_INCHES = 2.2, 11.0


def draw(extremes: Extremes, picture: str) -> None:
    """Draw one panel a series; of many those with the most alarms.

    Raises
    ------
    SensorError
        The picture cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")  # a picture needs no window
    from matplotlib import pyplot

    chosen = sorted(
        range(len(extremes.names)), key=lambda number: (-sum(each.alarms for each in extremes.series[number]), number)
    )[:_MAX_PANELS]
    figure, panels = pyplot.subplots(
        len(chosen),
        figsize=(_WIDTH_INCHES, 1.0 + _PANEL_INCHES * len(chosen)),
        layout="constrained",
        sharex=True,
        squeeze=False,
    )
    places, label = _places(extremes)
    for axes, number in zip(panels[:, 0], sorted(chosen), strict=True):
        _panel(axes, places, extremes.series[number], extremes.names[number])
    panels[-1, 0].set_xlabel(label)
    if places and isinstance(places[0], datetime):
        figure.autofmt_xdate()
    try:
        with warnings.catch_warnings(action="ignore"):  # of characters that the font has not
            figure.savefig(picture, dpi=120)
    except (OSError, ValueError) as error:
        raise SensorError(f"--plot {picture}: cannot be drawn ({error}); name another file") from error
    finally:
        pyplot.close(figure)


def _places(extremes: Extremes) -> tuple[list[Any], str]:
    """Return where each bucket is drawn, and what that is: times where all have one and they go on, else numbers."""
    times = [time_s for _, time_s in extremes.starts]
    known = [time_s for time_s in times if time_s is not None]
    if len(known) == len(times) > 1 and known[0] < known[-1]:
        try:
            return [datetime.fromtimestamp(time_s, UTC) for time_s in known], "time (UTC)"
        except (OverflowError, OSError, ValueError):
            pass
    return [number for number, _ in extremes.starts], "reading"


def _panel(axes: Any, places: list[Any], buckets: list[Bucket], name: str) -> None:
    gap = float("nan")
    band = [(each.band_low, each.band_high) if each.band_low <= each.band_high else (gap, gap) for each in buckets]
    span = [(each.low, each.high) if each.low <= each.high else (gap, gap) for each in buckets]
    values = [value for pair in span for value in pair]
    axes.fill_between(places, *zip(*band, strict=True), color="tab:green", alpha=0.25, linewidth=0, label="expected")
    # Smallest and largest of a bucket one after the other: the line fills what lies between them.
    axes.plot([place for place in places for _ in range(2)], values, color="tab:blue", linewidth=0.8, label="read")
    alarms = [place for place, each in zip(places, buckets, strict=True) if each.alarms]
    for number, place in enumerate(alarms):
        axes.axvline(place, color="tab:red", linewidth=1.0, alpha=0.7, label="" if number else "alarm")
    total = sum(each.alarms for each in buckets)
    # A dollar would begin a formula.
    axes.set_title(f"{harmless(name)} ({counted(total, 'alarm')})".replace("$", r"\$"), fontsize=9, loc="left")
    axes.legend(loc="upper left", fontsize=7, ncols=3)
    axes.grid(alpha=0.3)
    if extent := [value for value in values if math.isfinite(value)]:
        # A band from before anything was learnt must not flatten the rest.
        margin = (max(extent) - min(extent)) * 0.5
        if 0 < margin < math.inf:
            axes.set_ylim(min(extent) - margin, max(extent) + margin)
