"""The plain forecasters that the benchmark puts in the network's place say what they are named after."""

import math

import numpy as np
import pytest

from tests.benchmarks.nab_forecasters import DAY_S, MovingAverage, SeasonalNaive, StandIn, WindowedGaussian
from typeahead.sensor.anomaly import Watcher
from typeahead.sensor.statistics import FAR_AHEAD

STEP_S = 1800.0


def take(stand_in, values):
    """Let it read values as if they were in standard deviations already; return what it forecast of each, as (m, s)."""
    found = []
    for i, value in enumerate(values):
        near, far, base = stand_in.forecasts
        last = stand_in.known.last[0]
        newest, begun = far.reshape(-1, 3)[0], base.reshape(-1)[0]
        found.append([(f[1] + from_, math.exp(f[2])) for f, from_ in ((near[0], last), (newest, begun))])
        stand_in.known.last[0] = value
        stand_in.learn(np.array([value]), STEP_S * i)
    return np.array(found)  # (n, near and far, mean and deviation)


@pytest.fixture
def values(rng):
    return rng.normal(0, 1, 300)


def test_a_windowed_gaussian_forecasts_mean_and_deviation_of_its_window(values):
    found = take(WindowedGaussian(40), values)
    for i in (2, 30, 40, 100, 299):
        window = values[max(0, i - 40) : i]
        assert found[i, 0] == pytest.approx([window.mean(), window.std()])
    for i in (100, 299):
        made = values[i - FAR_AHEAD + 1 - 40 : i - FAR_AHEAD + 1]
        assert found[i, 1] == pytest.approx([made.mean(), made.std()])


def test_a_moving_average_forecasts_itself(values):
    found = take(MovingAverage(0.1), values)
    mean = variance = 0.0
    for i, value in enumerate(values):
        if i > 9:  # a plain mean until then
            assert found[i, 0] == pytest.approx([mean, math.sqrt(variance)])
        share = max(0.1, 1 / (i + 1))
        variance += share * ((value - mean) ** 2 - variance)
        mean += share * (value - mean)


def test_a_seasonal_naive_forecast_is_the_value_a_day_before(values):
    found = take(SeasonalNaive(DAY_S), values)  # 48 readings a day, as many as the far forecast looks ahead
    for i in (48, 60, 299):
        assert found[i, 0, 0] == pytest.approx(values[i - 48])
    for i in (96, 200, 299):
        assert found[i, 1, 0] == pytest.approx(values[i - 48])
    assert found[20, 0, 0] == pytest.approx(values[19])


def test_a_seasonal_naive_forecast_far_ahead_is_made_of_what_is_known_by_then(values):
    stand_in = SeasonalNaive(DAY_S / 2)  # what will be 12 hours before the reading in 24 hours is to come itself
    found = take(stand_in, values)
    for i in (96, 200, 299):
        assert found[i, 1, 0] == pytest.approx(values[i - 48])
        assert found[i, 0, 0] == pytest.approx(values[i - 24])


def test_the_deviation_of_a_seasonal_naive_forecast_is_that_of_its_errors(rng):
    errors = rng.normal(0, 0.2, 2000)
    found = take(SeasonalNaive(DAY_S), np.sin(np.arange(2000) * 2 * np.pi / 48) + errors)
    assert np.median(found[500:, :, 1], axis=0) == pytest.approx([0.2 * math.sqrt(2)] * 2, rel=0.1)


def test_a_watcher_judges_what_a_stand_in_forecasts(rng):
    begin = rng.normal(0, 1, 20)
    values = [*begin, 9.0, -9.0, *rng.normal(0, 1, 800), *[4.0] * 30]  # odd, but nothing that was not there before
    alarms = {}
    for stand_in in (StandIn(), WindowedGaussian(200)):
        watcher = Watcher()
        watcher._begin(stand_in)
        alarms[type(stand_in)] = [i for i, x in enumerate(values) if watcher.observe(float(x)).alarm is not None]
    assert alarms[StandIn] == []
    assert 822 <= alarms[WindowedGaussian][-1] < 832


def test_without_forecasts_only_a_new_extreme_is_odd(rng):
    watcher = Watcher()
    watcher._begin(StandIn())
    values = [*rng.normal(0, 1, 500), 0.0, 50.0]
    scores = [watcher.observe(float(x)).score for x in values]
    inside = [i for i in range(20, 502) if min(values[9:i]) <= values[i] <= max(values[9:i])]
    assert not any(scores[i] for i in inside)
    assert scores[501] > 0.2
