"""Plain forecasters in the place of the network: what a `Watcher` does with them shows what the network is good for.

Each says of one series, in standard deviations, what the coming reading and the one `FAR_AHEAD` readings after the last
will be: a mean and a deviation. They know neither of each other's forecasts nor of what is to come.
"""

import bisect
import math
from collections import deque

import numpy as np

from typeahead.sensor.forecaster import FAR_AGO, Forecaster
from typeahead.sensor.statistics import FAR_AHEAD, Statistics

DAY_S, WEEK_S = 86400.0, 604800.0
LEAST_DEVIATION = 1e-3  # standard deviations of the series; the surprise is cut off before that matters


def gaussian(change, deviation):
    """Return a mixture of one Gaussian, (1, 3): logit, mean, logarithm of the deviation."""
    return np.array([[0.0, change, math.log(max(deviation, LEAST_DEVIATION))]])


NONE = np.full((1, 3), np.nan)


class StandIn(Forecaster):
    """What a `Watcher` needs of a forecaster of one series; it forecasts nothing, and so only the range is watched.

    Subclasses have ``_expect(z, time_s)``, which takes in a reading and returns (mean, deviation) of the coming one and
    of the one far ahead, or None for either.
    """

    def __init__(self):  # without a network, so not that of a Forecaster
        self.series, self.known = 1, Statistics.create(1)
        self.count = 0
        self._near = None
        self._far = deque(maxlen=int(max(FAR_AGO)))  # (forecast, the value that it was made at)

    @property
    def forecasts(self):
        last = self.known.last
        near = NONE if self._near is None else gaussian(self._near[0] - last[0], self._near[1])
        far, base = zip(*(self._made(ago) for ago in FAR_AGO), strict=True)
        return near, np.array(far), np.array(base)

    def _made(self, ago):
        """Return the far forecast of some readings ago (1, 3), and the value that it is a change from (1,)."""
        if len(self._far) < ago or self._far[-ago][0] is None:
            return NONE, np.zeros(1)
        (mean, deviation), base = self._far[-ago]
        return gaussian(mean - base, deviation), np.array([base])

    def learn(self, z, time_s):
        self.count += 1
        value = float(self.known.last[0])
        self._near, far = self._expect(value, time_s)
        self._far.append((far, value))

    def _expect(self, z, time_s):
        return None, None


class WindowedGaussian(StandIn):
    """Mean and deviation of the last readings, whatever comes."""

    def __init__(self, window):
        super().__init__()
        self._window = deque(maxlen=window)
        self._sum = self._squares = 0.0

    def _expect(self, z, time_s):
        if len(self._window) == self._window.maxlen:
            self._sum -= self._window[0]
            self._squares -= self._window[0] ** 2
        self._window.append(z)
        self._sum += z
        self._squares += z * z
        mean = self._sum / len(self._window)
        expected = mean, math.sqrt(max(self._squares / len(self._window) - mean * mean, 0.0))
        return expected, expected


class MovingAverage(StandIn):
    """An exponential moving average, and that of the squared distances from it."""

    def __init__(self, share):
        super().__init__()
        self._share, self._mean, self._variance = share, 0.0, 1.0

    def _expect(self, z, time_s):
        share = max(self._share, 1 / self.count)
        distance = z - self._mean
        self._mean += share * distance
        self._variance += share * (distance * distance - self._variance)
        expected = self._mean, math.sqrt(self._variance)
        return expected, expected


class SeasonalNaive(StandIn):
    """The value a period before, or as many as it takes to be in the past; before there is one, the last value.

    The deviation is the root of a moving average of its squared errors, for the near and the far forecast each.
    """

    def __init__(self, period_s, share=0.01):
        super().__init__()
        self._period_s, self._share = period_s, share
        self._times_s, self._values = [], []
        self._interval_s = math.nan
        self._squares = [1.0, 1.0]
        self._due = [deque(maxlen=ahead) for ahead in (1, FAR_AHEAD)]

    def _expect(self, z, time_s):
        for number, made in enumerate(self._due):
            if len(made) == made.maxlen:
                error = z - made[0]
                self._squares[number] += self._share * (error * error - self._squares[number])
        self._remember(z, time_s)
        expected = []
        for number, (made, ahead) in enumerate(zip(self._due, (1, FAR_AHEAD), strict=True)):
            made.append(self._before(time_s + ahead * self._interval_s, z))
            expected.append((made[-1], math.sqrt(self._squares[number])))
        return expected

    def _remember(self, z, time_s):
        if self._times_s and time_s <= self._times_s[-1]:
            return  # a clock that was set back
        if self._times_s:
            step = time_s - self._times_s[-1]
            usual = step if math.isnan(self._interval_s) else self._interval_s
            self._interval_s = usual + 0.1 * (min(step, 2 * usual) - usual)
        self._times_s.append(time_s)
        self._values.append(z)
        if len(self._times_s) > 100_000:
            del self._times_s[:50_000], self._values[:50_000]

    def _before(self, coming_s, last):
        """Return what there was a period, or several, before a time to come."""
        if math.isnan(coming_s):
            return last
        periods = max(1, math.ceil((coming_s - self._times_s[-1]) / self._period_s))
        wanted = coming_s - periods * self._period_s
        if wanted < self._times_s[0]:
            return last
        return self._values[bisect.bisect_right(self._times_s, wanted + 0.5 * self._interval_s) - 1]
