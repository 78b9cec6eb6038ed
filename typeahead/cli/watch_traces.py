"""What `typeahead watch` keeps of the past to draw it: the last moments for the view, extremes of buckets for the plot.

Neither grows with the input. Forecasts are asked for only where one is drawn.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typeahead.sensor.anomaly import Alarm, Forecast, Watcher
    from typeahead.sensor.readings import Reading

_LENGTH = 300  # moments, the widest terminal's
_LARGEST_SHARE = 0.2  # of the time that forecasts for the view may take
_FADING = 0.97  # of how odd a series was, from moment to moment
_MAX_SERIES = 64  # whose extremes are kept for a plot


class Point(NamedTuple):
    """A series at one moment: what came, and the band in which it was expected."""

    value: float
    low: float
    high: float

    @property
    def is_outside(self) -> bool:
        """Whether the value was not in the band; nothing is outside of a band that is not known."""
        return self.value < self.low or self.value > self.high


class Trace:
    """The last moments of one series."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.points: deque[Point] = deque(maxlen=_LENGTH)
        self.oddness = 0.0  # the highest score; fades

    def add(self, value: float, forecast: Forecast, score: float) -> None:
        """Take note of a reading, what had been expected of it, and the score of the one before."""
        self.points.append(Point(value, forecast.low, forecast.high))
        self.oddness = max(self.oddness * _FADING, score)


class Traces:
    """The last moments of all series; where readings come too fast for a forecast of each, a part of them."""

    def __init__(self, names: Sequence[str]) -> None:
        self.traces = [Trace(name) for name in names]
        self._next_s = -math.inf

    def is_due(self, now_s: float) -> bool:
        """Return whether the coming reading makes a moment."""
        return now_s >= self._next_s

    def add(self, reading: Reading, watcher: Watcher) -> None:
        """Take note of a reading that the watcher has not seen yet."""
        known = zip(self.traces, reading.values, watcher.scores, strict=False)
        for number, (trace, value, score) in enumerate(known):
            trace.add(value, watcher.forecast(number), score)

    def added(self, began_s: float, ended_s: float) -> None:
        """Take note of how long that took, which decides about the next one."""
        self._next_s = began_s + (ended_s - began_s) / _LARGEST_SHARE

    def mark(self, alarm: Alarm) -> None:
        """See that an alarm's reading is among the moments, however fast readings come."""
        for trace in self.traces:
            if trace.name == alarm.series:
                point = Point(alarm.seen, alarm.low, alarm.high)
                if not trace.points or trace.points[-1][0] != alarm.seen:
                    trace.points.append(point)
                trace.oddness = max(trace.oddness, alarm.score)


class Bucket:
    """Some readings in a row, of one series."""

    __slots__ = ("alarms", "band_high", "band_low", "high", "low")

    def __init__(self) -> None:
        self.low = self.band_low = math.inf
        self.high = self.band_high = -math.inf
        self.alarms = 0

    def join(self, other: Bucket) -> None:
        """Take the readings of the next bucket, too."""
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.band_low, self.band_high = min(self.band_low, other.band_low), max(self.band_high, other.band_high)
        self.alarms += other.alarms


class Extremes:
    """Smallest and largest reading, band and alarms of each series in at most so many buckets of equal length.

    When all are full, each two become one, of double length. Of a bucket the band is that of its first reading.

    Parameters
    ----------
    names : sequence of str
        Of the series; of very many only the first ones are kept.
    max_buckets : int
        Even.

    Attributes
    ----------
    names : list of str
    starts : list of (int, float or None)
        For each bucket the number of its first reading, from 0, and its time.
    series : list of list of Bucket
    """

    def __init__(self, names: Sequence[str], max_buckets: int = 2000) -> None:
        self.names = list(names[:_MAX_SERIES])
        self.starts: list[tuple[int, float | None]] = []
        self.series: list[list[Bucket]] = [[] for _ in self.names]
        self._max_buckets, self._length, self._filled, self._count = max_buckets, 1, 0, 0

    def add(self, reading: Reading, watcher: Watcher) -> None:
        """Take note of a reading that the watcher has not seen yet."""
        if self._filled == self._length or not self.starts:
            if len(self.starts) == self._max_buckets:
                self._halve()
            self._begin(reading, watcher)
        self._filled += 1
        self._count += 1
        for buckets, value in zip(self.series, reading.values, strict=False):
            bucket = buckets[-1]
            if value < bucket.low:
                bucket.low = value
            if value > bucket.high:
                bucket.high = value

    def mark(self, alarm: Alarm) -> None:
        """Take note that the last reading began an alarm."""
        for name, buckets in zip(self.names, self.series, strict=True):
            if name == alarm.series and buckets:
                buckets[-1].alarms += 1

    def _begin(self, reading: Reading, watcher: Watcher) -> None:
        self._filled = 0
        self.starts.append((self._count, reading.time_s))
        for number, buckets in enumerate(self.series):
            bucket, forecast = Bucket(), watcher.forecast(number)
            if forecast.low <= forecast.high:
                bucket.band_low, bucket.band_high = forecast.low, forecast.high
            buckets.append(bucket)

    def _halve(self) -> None:
        for buckets in self.series:
            for first, second in zip(buckets[::2], buckets[1::2], strict=True):
                first.join(second)
            del buckets[1::2]
        del self.starts[1::2]
        self._length *= 2
