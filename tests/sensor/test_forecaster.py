"""The network that forecasts readings and learns from each."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from tests import naive, naive_sensor
from typeahead.sensor import statistics
from typeahead.sensor.anomaly import Watcher
from typeahead.sensor.forecaster import Forecaster
from typeahead.sensor.statistics import FAR_AHEAD


def watch(values, times=None, names=("value",)):
    watcher = Watcher(names)
    for number, value in enumerate(values):
        watcher.learn_one(value, None if times is None else times[number])
    return watcher


def test_what_is_taught_is_what_followed(rng, monkeypatch):
    taught = []
    descend = Forecaster._descend

    def note(self, new):
        if new:
            taught.append((self.count, self._targets[:, 0].copy(), self._batch[:, 0].copy()))
        descend(self, new)

    monkeypatch.setattr(Forecaster, "_descend", note)
    watcher, z = Watcher(("a", "b")), []
    for number in range(400):
        watcher.learn_one([rng.normal(), math.nan if number % 50 == 7 else rng.normal()])
        z.append(watcher._z.copy())
    carried = np.array(z)
    for number in range(1, len(z)):  # what is missing is taken for what was there before
        carried[number] = np.where(np.isnan(carried[number]), carried[number - 1], carried[number])
    assert len(taught) > 15
    for count, targets, inputs in taught:
        first = count - 64
        for step in range(16):
            at = first + step
            expected = np.concatenate([np.array(z[at + ahead]) - carried[at] for ahead in (1, FAR_AHEAD)])
            np.testing.assert_allclose(targets[step], expected, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(inputs[step, [0, 7]], carried[at], rtol=1e-6)


def test_forecasts_are_those_of_the_network_stepped_plainly(rng):
    forecaster = Forecaster(1)
    network, state = forecaster.network, forecaster.network.initial_state(1)
    for _ in range(60):  # before anything has been learnt
        forecaster.known.last[:] = rng.normal()
        forecaster.learn(forecaster.known.last.copy(), math.nan)
        inputs = forecaster._inputs[(forecaster.count - 1) % len(forecaster._inputs)]
        outputs, state = naive.step(network.config, network.parameters, inputs, state)
        np.testing.assert_allclose(forecaster.forecasts[0], outputs.reshape(2, 1, -1)[0], rtol=1e-4, atol=1e-5)


def test_a_periodic_series_is_forecast_far_better_than_by_its_last_value():
    values = [math.sin(2 * math.pi * number / 12) for number in range(4000)]
    watcher = watch(values[:3800])
    errors, naive_errors = [], []
    for before, value in itertools.pairwise(values[3799:]):
        errors.append(abs(watcher.forecast().expected - value))
        naive_errors.append(abs(before - value))
        watcher.learn_one(value)
    assert np.mean(errors) < 0.25 * np.mean(naive_errors)


def test_a_rhythm_of_days_is_learnt_where_times_are_given(rng):
    def value(number):
        return 5.0 * (number % 48 in (7, 19, 20, 33)) + 0.1 * rng.normal()

    count = 48 * 50
    values, times = [value(number) for number in range(count)], [1800.0 * number for number in range(count)]
    errors = []
    for watcher, given in ((watch(values, times), True), (watch(values), False)):
        errors.append(0.0)
        for number in range(count, count + 96):
            one = value(number)
            errors[-1] += abs(watcher.forecast().expected - one)
            watcher.learn_one(one, 1800.0 * number if given else None)
    assert errors[0] < 0.7 * errors[1]


def test_the_band_holds_nearly_all_of_what_is_quiet_noise(rng):
    watcher, inside = watch(rng.normal(20, 3, 3000)), 0
    for value in rng.normal(20, 3, 1000):
        forecast = watcher.forecast()
        inside += forecast.low <= value <= forecast.high
        watcher.learn_one(value)
    assert 950 < inside < 1000


def test_before_the_first_reading_nothing_is_expected():
    assert all(math.isnan(one) for one in Watcher().forecast())


def test_of_what_has_never_changed_the_same_is_expected():
    assert watch([7.25] * 200).forecast() == (7.25, 7.25, 7.25)


def test_the_band_of_counts_is_not_narrower_than_their_grain(rng):
    watcher = watch((rng.random(2000) < 0.02).astype(float))
    forecast = watcher.forecast()
    assert forecast.high - forecast.low > 0.9


def test_the_density_that_is_judged_is_the_one_that_is_trained(rng):
    outputs = rng.normal(size=6)
    assert statistics.mixture_nll(0.7, outputs, -99.0) == pytest.approx(naive_sensor.nll(0.7, outputs))
