"""The detectors that are put to the Numenta Anomaly Benchmark: a `Watcher` as it is, parts of it, and a yardstick.

A detector is a function of a series and a `WatchConfig` that returns its anomaly scores (n,), one reading after the
other, twice: what it says, and what it would say without the pause after an alarm (or None). It looks at the readings
only, in their order.
"""

import math

import numpy as np

from tests.benchmarks.nab_forecasters import DAY_S, WEEK_S, MovingAverage, SeasonalNaive, StandIn, WindowedGaussian
from typeahead.sensor.anomaly import WatchConfig, Watcher
from typeahead.sensor.statistics import RANGE

# One setting for all series. Lower than what a person wants to be told of: the benchmark's optimiser chooses among the
# scores of the alarms that begin, so none may be lost that it could want.
NAB_CONFIG = WatchConfig(threshold=0.17)


def watch(watcher, series, has_times=True):
    """Return the scores (n,) where an alarm begins, 0 elsewhere, and the scores (n,) of all readings."""
    alarms, plain = np.zeros(len(series.values)), np.zeros(len(series.values))
    times_s = series.times_s.tolist()
    for i, value in enumerate(series.values.tolist()):
        verdict = watcher.observe(value, times_s[i] if has_times else None)
        plain[i] = verdict.score
        if verdict.alarm is not None:
            alarms[i] = verdict.score
    return alarms, plain


class Replay(Watcher):
    """Raises alarms on scores that are known already, so that one run shows what another threshold comes to."""

    def replay(self, scores):
        """Return the scores (n,) of all readings where an alarm begins, and 0 elsewhere."""
        self._scores, self.count = scores, 0
        return np.array([score if self.observe(0.0).alarm else 0.0 for score in scores.tolist()])

    def score_one(self, values, time_s=None):
        return float(self._scores[self.count])

    def _learn(self, time_s):
        self.count += 1

    def _alarm(self, score, time_s):
        return score


def replay(scores, config):
    """Return the scores (n,) where an alarm begins, 0 elsewhere, if all scores were these (n,)."""
    return Replay(config=config).replay(scores)


def network(series, config):
    return watch(Watcher(config=config), series)


def without_times(series, config):
    return watch(Watcher(config=config), series, has_times=False)


def without_range(series, config):
    watcher = Watcher(config=config)
    watcher._weights[RANGE] = -1000.0
    return watch(watcher, series)


def with_stand_in(create, *arguments):
    """Return a detector that judges the forecasts of a stand-in for the network."""

    def detect(series, config):
        watcher = Watcher(config=config)
        watcher._begin(create(*arguments))
        return watch(watcher, series)

    return detect


def published_gaussian(series, config=None):
    """Return the scores (n,) of the benchmark's own windowed Gaussian: 6,400 values, renewed every 100, one-tailed."""
    values, scores = series.values, np.zeros(len(series.values))
    mean, deviation = 0.0, 1.0
    for i, value in enumerate(values.tolist()):
        if i:
            high = value if value >= mean else 2 * mean - value  # the same distance above the mean
            scores[i] = 1 - 0.5 * math.erfc((high - mean) / deviation / math.sqrt(2))
        seen = i + 1
        if seen <= 6400 or seen % 100 == 0:
            window = values[max(0, seen - 6400) : seen]
            mean, deviation = float(window.mean()), float(window.std()) or 1e-6
    return scores, None


def nothing(series, config=None):
    return np.zeros(len(series.values)), None


# What it is called in files (the benchmark's scorer wants no underscores) -> what it is, and the function.
DETECTORS = {
    "network": ("the network, as `typeahead watch` has it", network),
    "notimes": ("the network, times withheld", without_times),
    "norange": ("the network, new extremes ignored", without_range),
    "range": ("new extremes alone, no forecasts", with_stand_in(StandIn)),
    "gaussian": ("windowed Gaussian for the network", with_stand_in(WindowedGaussian, 1000)),
    "daily": ("value of the day before for the network", with_stand_in(SeasonalNaive, DAY_S)),
    "weekly": ("value of the week before for the network", with_stand_in(SeasonalNaive, WEEK_S)),
    "average": ("exponential moving average for the network", with_stand_in(MovingAverage, 0.05)),
    "nabgaussian": ("NAB's own windowed Gaussian (published: 39.6, 20.9, 47.4)", published_gaussian),
    "null": ("nothing is odd", nothing),
}
