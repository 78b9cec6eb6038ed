"""What is remembered of a stream, against plain Python that keeps every value."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive_sensor
from typeahead.sensor import statistics
from typeahead.sensor.statistics import CHANNELS, RANGE, Statistics

NAN = math.nan
K = 2


class Judged:
    """The kernels' arrays around one `Statistics`."""

    def __init__(self, series=1):
        C = len(CHANNELS)
        self.s, self.z = Statistics.create(series), np.zeros(series)
        self.smooth, self.channels, self.rare = (np.zeros((series, C)) for _ in range(3))
        self.no_near, self.no_far = np.full((series, 3 * K), NAN), np.full((2, series, 3 * K), NAN)
        self.no_base = np.zeros((2, series))

    def judge(self, values, near=None, far=None, base=None):
        near = self.no_near if near is None else near
        far, base = (self.no_far, self.no_base) if far is None else (far, base)
        values = np.array(values, float)
        statistics.judge(values, near, far, base, self.s, self.z, self.smooth, self.channels, self.rare)

    def absorb(self, values, time_s=NAN):
        statistics.absorb(np.array(values, float), time_s, self.z, self.smooth, self.channels, self.s)


def forecasts(rng, *shape):
    return rng.normal(0, 1, (*shape, K, 3)).reshape(*shape, 3 * K)


def test_a_stream_is_judged_as_by_plain_python_that_keeps_every_value(rng):
    fast, slow = Judged(2), [naive_sensor.Series(), naive_sensor.Series()]
    for number in range(700):
        values = [rng.normal(), float(rng.poisson(0.3))]
        if number % 97 == 0:
            values[number % 2] = 40 * rng.normal()
        near, far, base = forecasts(rng, 2), forecasts(rng, 2, 2), rng.normal(size=(2, 2))
        fast.judge(values, near, far, base)
        for d, series in enumerate(slow):
            z, smooth, channels, rare = series.judge(values[d], near[d], far[:, d], base[:, d])
            assert fast.z[d] == pytest.approx(z)
            np.testing.assert_allclose(fast.smooth[d], smooth, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(fast.channels[d], channels, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(fast.rare[d], rare, rtol=1e-6)
            series.absorb(values[d], z, smooth, channels)
        fast.absorb(values)
    assert [one.grain for one in slow] == pytest.approx(list(fast.s.grain))


def test_a_missing_value_changes_nothing_of_its_series():
    judged = Judged(2)
    for number in range(60):
        judged.judge([number % 7, 1.0])
        judged.absorb([number % 7, 1.0])
    before = [array.copy() for array in judged.s]
    judged.judge([NAN, 2.0])
    assert np.isnan(judged.z[0])
    assert judged.rare[0].max() == 0
    judged.absorb([NAN, 2.0])
    for name, old, new in zip(Statistics._fields, before, judged.s, strict=True):
        if name != "clock":
            np.testing.assert_array_equal(new[0], old[0], err_msg=name)
    assert judged.s.seen[1] == 61


@given(st.lists(st.floats(-5, 5), min_size=6, max_size=6), st.floats(-5, 5), st.floats(-1, 0))
def test_density_equals_that_of_the_plain_mixture(outputs, target, narrowest):
    got = statistics.mixture_nll(target, np.array(outputs), narrowest)
    assert got == pytest.approx(naive_sensor.nll(target, outputs, narrowest), rel=1e-9, abs=1e-9)


@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6), st.sampled_from([0.01, 0.5, 0.99]))
def test_a_quantile_has_its_share_below_it(outputs, share):
    found = statistics.mixture_quantile(share, np.array(outputs), -9.0)
    assert naive_sensor.share_below(found, outputs) == pytest.approx(share, abs=1e-6)


@settings(max_examples=30)
@given(st.integers(100, 3000), st.sampled_from(["normal", "exponential", "standard_t"]), st.integers(0, 9))
def test_rarity_equals_that_of_all_values_kept(count, kind, seed):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_t(3, count + 20) if kind == "standard_t" else getattr(rng, kind)(size=count + 20)
    past, highest = drawn[:count], np.sort(drawn[:count])[-(count // 10) - 5 :]
    values = np.zeros(400)
    values[: len(highest)] = highest
    for value in drawn[count:]:
        for is_ranked in (False, True):
            got = statistics.rarity(value, values, len(highest), count, is_ranked)
            plain = naive_sensor.rarity(value, past, is_ranked)
            assert got == pytest.approx(plain, rel=1e-9) or (is_ranked and got == 0 and value <= highest[0])


def test_a_tail_of_noise_is_as_rare_as_it_says(rng):
    judged, noise = Judged(), rng.normal(size=(30_000, 1))
    rare = []
    for value in noise:
        judged.judge(value)
        judged.channels[0] = abs(value[0])  # a channel that is noise
        judged.rare[0, 1] = statistics.rarity(
            abs(value[0]), judged.s.tops[0, 1], judged.s.held[0, 1], judged.s.total[0, 1], False
        )
        rare.append(judged.rare[0, 1])
        judged.absorb(value)
    rare = np.array(rare[1000:])
    for power in (1.5, 2.0, 3.0):  # it is cautious where it knows little, so rather less often than it says
        assert 0.3 < np.mean(rare >= power) / 10**-power < 1.6


def test_memory_of_a_tail_is_flat_and_fades():
    judged = Judged()
    for number in range(70_000):
        judged.channels[0] = 1e6 if number == 5 else number % 1000
        judged.absorb([0.0])
    assert judged.s.total.max() < 32_768
    assert judged.s.held.max() <= judged.s.tops.shape[2]
    assert judged.s.tops[0, 0, : judged.s.held[0, 0]].max() == 999  # the giant of long ago is forgotten


def test_one_spike_does_not_widen_the_scale_for_long(rng):
    judged = Judged()
    for number in range(1000):
        value = [1e6 if number == 300 else rng.normal()]
        judged.judge(value)
        judged.absorb(value)
    assert math.sqrt(judged.s.variance[0]) < 1.5


@pytest.mark.parametrize("value", [1e308, -1e308, 1e-308, 0.0])
def test_no_number_is_too_large_or_too_small(value):
    judged = Judged()
    for number in range(200):
        one = [value if number == 150 else float(number % 3)]
        judged.judge(one)
        judged.absorb(one)
        assert np.isfinite(judged.z).all()
        assert np.isfinite(judged.s.mean).all()
        assert np.isfinite(judged.s.variance).all()
        assert np.isfinite(judged.rare).all()


def test_only_a_new_extreme_beyond_the_range_is_one_and_the_largest_is_rarest():
    judged = Judged()
    for number in range(1000):
        judged.judge([number % 10])
        assert judged.rare[0, RANGE] == 0
        judged.absorb([number % 10])
    judged.judge([9.02])  # 0.2 % of the range above it
    assert judged.rare[0, RANGE] == 0
    judged.judge([12.0])
    assert judged.rare[0, RANGE] == pytest.approx(math.log10(951), rel=1e-6)  # none of 950 was so far out
    judged.judge([9 + 1.5 * 11])  # one and a half times range and two grains above it
    assert judged.rare[0, RANGE] == pytest.approx(math.log10(951) + math.log10(950), rel=1e-6)


def test_an_average_since_the_start_as_vmstat_begins_with_is_no_part_of_the_range():
    judged = Judged()
    for number in range(300):
        value = [45.0 if number == 0 else float(number % 2)]
        judged.judge(value)
        judged.absorb(value)
    judged.judge([52.0])
    assert judged.rare[0, RANGE] > 6


def test_slots_are_half_hours_of_the_day_and_hours_of_the_week():
    at = datetime(2026, 11, 26, 17, 45, tzinfo=UTC).timestamp()
    assert statistics.slots(at)[0] == 35
    assert statistics.slots(at + 7 * 86400) == statistics.slots(at)
    assert statistics.slots(at + 86400)[1] == (statistics.slots(at)[1] + 24) % 168
    assert statistics.slots(NAN) == (-1, -1)
    assert statistics.slots(-1.0) == (47, 167)


def test_what_is_usual_at_a_time_is_told_to_the_network_one_interval_ahead():
    judged, inputs = Judged(), np.zeros(statistics.INPUTS + statistics.CLOCK_INPUTS)
    for number in range(48 * 9):
        value = [10.0 if number % 48 == 20 else 0.0]
        judged.judge(value)
        judged.absorb(value, number * 1800.0)
        statistics.describe(number * 1800.0, judged.s, inputs)
        if number >= 48 * 8:
            assert (inputs[4] > 2) == (number % 48 == 19)  # a step before the daily peak it is announced
            assert inputs[6] == 1  # and the week is known
    statistics.describe(NAN, judged.s, inputs)
    assert (inputs[4:] == 0).all()
    assert math.isnan(judged.s.clock[0])
