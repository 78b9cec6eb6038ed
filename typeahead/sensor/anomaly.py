"""Whether a reading is odd, how odd, and when that is worth an alarm.

    watcher = Watcher(("temperature",))
    verdict = watcher.observe([21.5], time_s)        # judge, then learn

A score says how rarely a series has been as odd as this: 10 ** (-10 score) is the estimated tail probability, so that
0.3 is one reading in 1,000 and 0.5 one in 100,000. `typeahead.sensor.statistics` has the ways of being odd.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from typeahead import __version__
from typeahead.errors import ModelFileError, SensorError
from typeahead.rnn import checkpoint
from typeahead.sensor import statistics
from typeahead.sensor.forecaster import Forecast, Forecaster, network_config
from typeahead.sensor.statistics import CHANNELS, FAR, NEAR, RANGE, Statistics

__all__ = ["Alarm", "Forecast", "Verdict", "WatchConfig", "Watcher"]

KIND = "sensor"
# What is added to -log10 p of a channel. A new extreme is at best as rare as one in all readings so far, beyond which
# the other two, whose tails are extrapolated, may go: so it counts four times. The far forecast knows less: half.
_WEIGHTS = {RANGE: math.log10(4), NEAR: 0.0, FAR: math.log10(0.5)}
_SCORE_SCALE = 10.0  # powers of ten that a score of 1 stands for


@dataclass(frozen=True)
class WatchConfig:
    """When to raise an alarm; each default with its reason."""

    threshold: float = 0.3  # of the score: as odd as one reading in 1,000
    release: float = 0.5  # share of the threshold; below it an alarm may end, so that it does not flutter around it
    calm: int = 5  # readings in a row below that until the alarm ends
    rest: float = 0.03  # share of the readings so far that passes between two alarms: who knows more, cries wolf less
    min_rest: int = 20  # readings
    max_rest: int = 1000
    learning: int = 100  # readings before the first alarm
    seed: int = 0  # of the network's weights

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise SensorError(f"threshold {self.threshold} is not in (0, 1]; 0.3 stands for one reading in 1,000")
        if not 0 <= self.release <= 1:
            raise SensorError(f"release {self.release} is not in [0, 1], a share of the threshold")
        if min(self.calm, self.min_rest, self.learning) < 1 or self.max_rest < self.min_rest or self.rest < 0:
            raise SensorError("calm, min_rest and learning are at least 1, max_rest at least min_rest, rest at least 0")


class Alarm(NamedTuple):
    """What was odd, where an alarm begins."""

    number: int  # of the reading, from 1
    time_s: float | None
    score: float
    series: str
    seen: float
    expected: float  # by the forecast of one reading before
    low: float  # the forecast's band, which holds 98 %
    high: float
    probability: float  # 10 ** (-10 score)
    reason: str  # "higher than ever (41 before)"


class Verdict(NamedTuple):
    """What a reading was."""

    score: float
    state: str  # "learning", "calm" or "alarm"
    alarm: Alarm | None  # where one begins


class Watcher:
    """Watches readings of one or several series, learns from each, and says which are odd.

    Parameters
    ----------
    names : sequence of str
        One a series.
    config : WatchConfig

    Raises
    ------
    SensorError
        There is no series.
    """

    def __init__(self, names: Sequence[str] = ("value",), config: WatchConfig | None = None) -> None:
        self.names, self.config = tuple(names), config or WatchConfig()
        if not self.names:
            raise SensorError("no series to watch; name at least one")
        self._begin(Forecaster(len(self.names), seed=self.config.seed))

    def _begin(self, forecaster: Forecaster, count: int = 0) -> None:
        D, C = len(self.names), len(CHANNELS)
        self._forecaster, self.count = forecaster, count
        self._values, self._z = np.full(D, np.nan), np.zeros(D)
        self._smooth, self._channels, self._rare = np.zeros((D, C)), np.zeros((D, C)), np.zeros((D, C))
        self._weights = np.array([_WEIGHTS[c] for c in range(C)])
        self._is_alarmed, self._calm, self._last_alarm = False, 0, -math.inf

    def warm_up(self) -> None:
        """Compile all kernels, or read them from their cache: what the first readings would otherwise wait for."""
        trial = Watcher(self.names, self.config)
        for number in range(150):
            trial.observe([float(number % 3)] * len(self.names), 60.0 * number)
        trial.forecast()

    def forecast(self, series: int = 0) -> Forecast:
        """Return what is expected of the coming reading of a series."""
        return self._forecaster.forecast(series)

    @property
    def scores(self) -> tuple[float, ...]:
        """The score of each series at the last reading that was judged."""
        return tuple(float(one) for one in np.clip(self._weighted().max(axis=1) / _SCORE_SCALE, 0.0, 1.0))

    def _weighted(self) -> statistics.Array:
        """Return -log10 p of each series and channel (D, C) with the channel's weight, 0 where nothing is rare."""
        weighted: statistics.Array = self._rare + self._weights * (self._rare > 0)
        return weighted

    def score_one(self, values: Sequence[float] | float, time_s: float | None = None) -> float:
        """Return how odd a reading would be now, in [0, 1]; nothing is learnt from it."""
        self._take(values)
        near, far, base = self._forecaster.forecasts
        statistics.judge(
            self._values, near, far, base, self._forecaster.known,
            self._z, self._smooth, self._channels, self._rare,
        )  # fmt: skip
        rarest = float(statistics.rarest(self._rare, self._weights))
        return min(max(rarest - math.log10(len(self.names)), 0.0) / _SCORE_SCALE, 1.0)

    def learn_one(self, values: Sequence[float] | float, time_s: float | None = None) -> None:
        """Learn from a reading."""
        self.score_one(values, time_s)
        self._learn(time_s)

    def observe(self, values: Sequence[float] | float, time_s: float | None = None) -> Verdict:
        """Judge a reading, then learn from it.

        Parameters
        ----------
        values : sequence of float, or float
            One a series; nan where a value is missing.
        time_s : float, optional
            Seconds since the epoch.

        Raises
        ------
        SensorError
            There are more or fewer values than series.
        """
        score, config = self.score_one(values, time_s), self.config
        if self.count < config.learning:
            verdict = Verdict(score, "learning", None)
        elif self._is_alarmed:
            self._calm = self._calm + 1 if score < config.release * config.threshold else 0
            self._is_alarmed = self._calm < config.calm
            verdict = Verdict(score, "alarm" if self._is_alarmed else "calm", None)
        elif score >= config.threshold and self.count - self._last_alarm > self._rest():
            self._is_alarmed, self._calm, self._last_alarm = True, 0, self.count
            verdict = Verdict(score, "alarm", self._alarm(score, time_s))
        else:
            verdict = Verdict(score, "calm", None)
        self._learn(time_s)
        return verdict

    def _rest(self) -> float:
        return min(max(self.config.rest * self.count, self.config.min_rest), self.config.max_rest)

    def _take(self, values: Sequence[float] | float) -> None:
        given = (values,) if isinstance(values, float | int) else values
        if len(given) != len(self.names):
            raise SensorError(f"{len(given)} values for {len(self.names)} series ({', '.join(self.names[:4])}...)")
        self._values[:] = given

    def _learn(self, time_s: float | None) -> None:
        forecaster, when = self._forecaster, math.nan if time_s is None else time_s
        statistics.absorb(self._values, when, self._z, self._smooth, self._channels, forecaster.known)
        forecaster.learn(self._z, when)
        self.count += 1

    def _alarm(self, score: float, time_s: float | None) -> Alarm:
        weighted = self._weighted()
        series, channel = np.unravel_index(int(weighted.argmax()), weighted.shape)
        expected, low, high = self.forecast(int(series))
        seen = float(self._values[series])
        return Alarm(
            number=self.count + 1,
            time_s=time_s,
            score=score,
            series=self.names[series],
            seen=seen,
            expected=expected,
            low=low,
            high=high,
            probability=10 ** (-_SCORE_SCALE * score),
            reason=self._say(int(series), int(channel), seen),
        )

    def _say(self, series: int, channel: int, seen: float) -> str:
        known = self._forecaster.known
        if channel == RANGE:
            if seen > known.high[series]:
                return f"higher than ever (at most {known.high[series]:.6g} before)"
            return f"lower than ever (at least {known.low[series]:.6g} before)"
        if channel == NEAR:
            return "does not follow from the readings before"
        return f"unlike what was expected {statistics.FAR_AHEAD} readings ago"

    def explain(self) -> str:
        """Return one line on the last reading that was judged, of the series that was oddest."""
        scores = self.scores
        series = max(range(len(scores)), key=scores.__getitem__)
        channel = int(self._weighted()[series].argmax())
        rarity = 10 ** (_SCORE_SCALE * scores[series])
        told = f"{self.names[series]} {self._values[series]:.6g}"
        if scores[series] <= 0:
            return f"{told}: nothing odd"
        return f"{told}: {self._say(series, channel, float(self._values[series]))}; one in {rarity:,.0f}"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what has been learnt: the network, the scales, rhythms, ranges and tails.

        Raises
        ------
        ModelFileError
            The file cannot be written.
        """
        metadata: dict[str, Any] = {
            "kind": KIND,
            "program": f"typeahead {__version__}",
            "names": list(self.names),
            "count": self.count,
        }
        tables = {name: np.ascontiguousarray(a) for name, a in self._forecaster.known._asdict().items()}
        checkpoint.save_model(path, self._forecaster.network, metadata, tables)

    @classmethod
    def load(cls, path: str | os.PathLike[str], config: WatchConfig | None = None) -> Watcher:
        """Return a watcher that knows what `save` wrote.

        Raises
        ------
        ModelFileError
            It cannot be read, or is no model of readings.
        """
        network, metadata, tables = checkpoint.load_model_with_tables(path)
        if metadata.get("kind") != KIND:
            raise ModelFileError(f"{path}: is no model of readings; name one that typeahead watch --save wrote")
        names = metadata.get("names")
        if not isinstance(names, list) or not names or network.config != network_config(len(names)):
            raise ModelFileError(f"{path}: a model of readings of another version; watch anew and --save it")
        blank, count = Statistics.create(len(names)), metadata.get("count")
        shapes = {name: a.shape for name, a in tables.items()}
        if not isinstance(count, int) or shapes != {name: a.shape for name, a in blank._asdict().items()}:
            raise ModelFileError(f"{path}: a model of readings of another version; watch anew and --save it")
        watcher = cls(names, config)
        known = Statistics(**{name: tables[name].astype(a.dtype) for name, a in blank._asdict().items()})
        watcher._begin(Forecaster(len(names), network, known, watcher.config.seed), count)
        return watcher
