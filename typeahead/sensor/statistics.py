"""What is remembered of a stream of readings besides the network: scales, rhythms, ranges, tails; in flat memory.

    D = series, C = channels, K = Gaussians a forecast

A reading is judged against all before it (`judge`, which changes nothing) and then becomes part of them (`absorb`).
Each channel is one way of being odd, a number that is high when a series is odd in that way:

    RANGE  by how much the value lies outside all seen before, as a share of their range
    NEAR   a running average of -ln p(value) by the network's forecast of one reading before
    FAR    the same by its forecast of many readings before, which what is odd has not reached yet

and each becomes a tail probability: how often was it as high before? In the top twentieth, where few or no readings
have been, this is told by a generalised Pareto distribution fitted to the excesses by moments; what lies below is not
odd.

Kernels validate nothing, allocate nothing and are plain loops, for D is small.

References: Pickands 1975 and Hosking and Wallis 1987, equation 5 (tails); Siffer et al. 2017, SPOT (tails of streams).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

Array = np.ndarray[Any, np.dtype[Any]]

CHANNELS = ("range", "near", "far")
RANGE, NEAR, FAR = range(3)
DAY_SLOTS, WEEK_SLOTS = 48, 168  # half hours, hours
FAR_AHEAD = 48  # readings that the far forecast looks ahead
INPUTS, CLOCK_INPUTS = 7, 5  # numbers that the network reads a series, and of the time
CLIP = 6.0  # standard deviations; what lies further out is as far out as that to the network
HUGE = 1e150  # larger numbers are taken as this, whose square is still a number

_SMOOTHING = 0.03  # share of the newest reading in a channel's running average: 30 readings
_FORGETTING = 1 / 4300  # of mean and variance: half is forgotten in 3,000 readings
_DAILY, _WEEKLY = 0.1, 0.15  # share of the newest reading in a slot's usual value: weeks, not months
_NOVEL = 0.003  # of the range; a value that far outside is a new extreme
_LEARNING = 50  # readings before the first new extreme
_SETTLING = 10  # readings that are no part of the range: vmstat and its like begin with an average since the start
_RARE = 0.05  # share of the values that the tail is fitted to
_TAIL_LIMIT = 32768  # values; then every other one is forgotten, so that memory stays flat and old times fade
_TAIL_ROOM = 2 * (int(_RARE * _TAIL_LIMIT) + 1)
_FEW = 100  # values before which there is no tail
_NARROWEST = 0.05  # standard deviations; see `finest`
_NATS = 0.02  # what surprises are rounded to
_SURE = 20  # values after which one that lies far out changes mean and variance no more than one at CLIP would
_DAY_S, _WEEK_S = 86400.0, 604800.0
_BEYOND = 3  # times all values so far; a tail is not believed to know of anything rarer than once in that many
_HALF_LN_2PI = 0.5 * math.log(2 * math.pi)

_kernel = njit(cache=True, nogil=True, error_model="numpy")


class Statistics(NamedTuple):
    """The arrays; each is written to in place."""

    seen: Array  # (D,) values that were numbers
    mean: Array  # (D,)
    variance: Array  # (D,)
    last: Array  # (D,) the last value in standard deviations
    before: Array  # (D,) the one before it
    fast: Array  # (D,) running averages of such values
    slow: Array  # (D,)
    low: Array  # (D,) the range of the values
    high: Array  # (D,)
    grain: Array  # (D,) the smallest change between two values, their grain; inf before there was one
    value: Array  # (D,) the last value
    day: Array  # (D, DAY_SLOTS) the usual value in standard deviations; nan where not known
    week: Array  # (D, WEEK_SLOTS)
    smooth: Array  # (D, C) running averages
    tops: Array  # (D, C, room) the highest values of a channel, ascending
    held: Array  # (D, C) how many of them there are
    total: Array  # (D, C) how many values they are the highest of
    clock: Array  # (2,) the last time (seconds since the epoch) and the usual interval; nan where not known

    @classmethod
    def create(cls, series: int) -> Statistics:
        """Return those of a stream that has not begun."""
        D, C = series, len(CHANNELS)
        one = [np.zeros(D) for _ in range(9)] + [np.full(D, np.inf), np.zeros(D)]
        unknown = [np.full((D, slots), np.nan) for slots in (DAY_SLOTS, WEEK_SLOTS)]
        counts = [np.zeros((D, C), np.int64) for _ in range(2)]
        return cls(*one, *unknown, np.zeros((D, C)), np.zeros((D, C, _TAIL_ROOM)), *counts, np.full(2, np.nan))


@_kernel
def slots(time_s):
    """Return the slots of the day and of the week that a time lies in (UTC), or -1 and -1 for nan."""
    if np.isnan(time_s):
        return -1, -1
    day, week = time_s % _DAY_S / (_DAY_S / DAY_SLOTS), time_s % _WEEK_S / (_WEEK_S / WEEK_SLOTS)
    return min(int(day), DAY_SLOTS - 1), min(int(week), WEEK_SLOTS - 1)  # -1e-9 % 1.0 is 1.0


@_kernel
def deviation(d, s):
    """Return the standard deviation of series d: no less than a quarter of its grain, and never 0."""
    grain = s.grain[d] if s.grain[d] < np.inf else 0.0
    return max(math.sqrt(s.variance[d]), 0.25 * grain) + 1e-9 * abs(s.mean[d]) + 1e-12


@_kernel
def standardise(x, d, s):
    """Return the value x of series d in standard deviations from the running mean, within +-CLIP."""
    if s.seen[d] == 0:
        return 0.0
    return min(max((x - s.mean[d]) / deviation(d, s), -CLIP), CLIP)


@_kernel
def _place(value, values, held):
    """Return how many of the ``held`` ascending values are below value."""
    below, above = 0, held
    while below < above:
        middle = (below + above) // 2
        if values[middle] < value:
            below = middle + 1
        else:
            above = middle
    return below


@_kernel
def rarity(value, values, held, total, is_ranked):
    """Return -log10 of the probability of a value at least as high, given the highest ``held`` of ``total`` before.

    values (room,) ascending. 0 below the top twentieth, and while fewer than 100 are known. ``is_ranked``: by the share
    of values as high alone, at best one in ``total``, from 50 on.
    """
    if total < (_LEARNING if is_ranked else _FEW) or held == 0 or value <= values[0]:
        return 0.0
    below = _place(value, values, held)
    counted = -math.log10((held - below + 1.0) / (total + 1.0))
    k = min(max(10, int(_RARE * total)), held - 1)
    threshold = values[held - k - 1]
    if is_ranked:
        return counted
    if value <= threshold:
        return 0.0
    mean = square = 0.0
    for i in range(held - k, held):
        excess = values[i] - threshold
        mean += excess
        square += excess * excess
    mean = mean / k + 1e-12
    variance = max(square / k - mean * mean, 1e-24)
    shape = min(max(0.5 * (1 - mean * mean / variance), -0.3), 0.5)
    scaled = (value - threshold) / (mean * (1 - shape))
    if abs(shape) < 1e-3:
        log = scaled
    elif 1 + shape * scaled <= 0:
        log = np.inf
    else:
        log = math.log(1 + shape * scaled) / shape
    # Neighbours of a running average are nearly one value: what so few tell of the tail is believed in part.
    distinct = math.sqrt(_SMOOTHING * k)
    log *= distinct / (1 + distinct)
    return min(-math.log10(k / (total + 1.0)) + log / math.log(10), math.log10(total * _BEYOND))


@_kernel
def _insert(value, d, c, s):
    """Put a channel's value among the highest ones, if it is one of them; forget every other one when it is time."""
    values, held = s.tops[d, c], s.held[d, c]
    s.total[d, c] += 1
    room = 2 * (int(_RARE * s.total[d, c]) + 1) + 20
    if held >= room and value <= values[0]:
        return
    below = _place(value, values, held)
    if held < min(room, values.size):
        for i in range(held, below, -1):
            values[i] = values[i - 1]
        values[below] = value
        s.held[d, c] = held + 1
    else:  # the lowest makes room
        for i in range(below - 1):
            values[i] = values[i + 1]
        values[max(below - 1, 0)] = value
    if s.total[d, c] >= _TAIL_LIMIT:
        kept = s.held[d, c] // 2
        for i in range(kept):
            values[i] = values[2 * i]  # not the highest: it, too, is forgotten one day
        s.held[d, c], s.total[d, c] = kept, s.total[d, c] // 2


@_kernel
def mixture_nll(target, outputs, narrowest):
    """Return -ln p(target) under the mixture whose K times (a, m, s) are ``outputs`` (`rnn.losses.mixture_nll`).

    No s counts as less than ``narrowest``.
    """
    highest_a, highest, total, joint = outputs[0], -np.inf, 0.0, 0.0
    K = outputs.size // 3
    for k in range(K):
        s = max(outputs[3 * k + 2], narrowest)
        highest_a = max(highest_a, outputs[3 * k])
        z = (target - outputs[3 * k + 1]) * math.exp(-s)
        highest = max(highest, outputs[3 * k] - s - 0.5 * z * z)
    for k in range(K):
        s = max(outputs[3 * k + 2], narrowest)
        z = (target - outputs[3 * k + 1]) * math.exp(-s)
        total += math.exp(outputs[3 * k] - highest_a)
        joint += math.exp(outputs[3 * k] - s - 0.5 * z * z - highest)
    return math.log(total) + highest_a - math.log(joint) - highest + _HALF_LN_2PI


@_kernel
def mixture_quantile(probability, outputs, narrowest):
    """Return the value below which the mixture of `mixture_nll` has ``probability``, by bisection."""
    K, highest_a, total = outputs.size // 3, outputs[0], 0.0
    below, above = np.inf, -np.inf
    for k in range(K):
        highest_a = max(highest_a, outputs[3 * k])
        deviation = math.exp(max(outputs[3 * k + 2], narrowest))
        below, above = min(below, outputs[3 * k + 1] - 9 * deviation), max(above, outputs[3 * k + 1] + 9 * deviation)
    for k in range(K):
        total += math.exp(outputs[3 * k] - highest_a)
    for _ in range(60):
        middle, share = 0.5 * (below + above), 0.0
        for k in range(K):
            z = (middle - outputs[3 * k + 1]) * math.exp(-max(outputs[3 * k + 2], narrowest))
            share += math.exp(outputs[3 * k] - highest_a) / total * 0.5 * math.erfc(-z / math.sqrt(2.0))
        if share < probability:
            below = middle
        else:
            above = middle
    return 0.5 * (below + above)


@_kernel
def finest(d, s):
    """Return the log of the least deviation, in standard deviations, that a forecast of series d may claim.

    Values that come in steps, as counts do, cannot be told more exactly than to half a step.
    """
    step = 0.5 * s.grain[d] / deviation(d, s) if s.grain[d] < np.inf else 0.0
    return math.log(max(step, _NARROWEST))


@_kernel
def _surprise(d, c, surprise, smooth, channels):
    """Take a surprise into the running average of a channel; differences that mean nothing are rounded away."""
    smooth[d, c] += _SMOOTHING * (min(max(surprise, -5.0), 30.0) - smooth[d, c])
    channels[d, c] = round(smooth[d, c] / _NATS) * _NATS


@_kernel
def novelty(x, d, s):
    """Return how far outside all values before x is, as a share of their range; 0 if not, or by next to nothing.

    Two grains are added to the range: that a count is 2 where it was 0 or 1 is no great news.
    """
    outside = max(x - s.high[d], s.low[d] - x, 0.0)
    if s.grain[d] == np.inf:
        return 1.0 if outside > 0 else 0.0  # it changes for the first time
    share = outside / (s.high[d] - s.low[d] + 2 * s.grain[d])
    return min(share, 1e9) if share > _NOVEL else 0.0


@_kernel
def beyond(share, values, held, total):
    """Return -log10 of how much rarer than the rarest a value is that lies so far outside the range.

    Of n values with an exponential tail the range is about ln n of its scales, so one that lies m ranges outside is
    rarer by n^-m. Half a range is not counted, nor more than two; nothing, where there were larger leaps before.
    """
    if held > 0 and share <= values[held - 1]:
        return 0.0
    return math.log10(total) * min(max(share - 0.5, 0.0), 2.0)


@_kernel
def judge(values, near, far, base, s, z, smooth, channels, rare):
    """Judge one reading against all before it; nothing of ``s`` is changed.

    values (D,). near (D, 3 K): the forecast of this reading made one step before, of its change since then; far
    (F, D, 3 K): those made many steps before, of its change since ``base`` (F, D). A first element of nan: there is
    none. Filled: z (D,) the values in standard deviations, smooth (D, C) the running averages with this reading,
    channels (D, C), and rare (D, C), -log10 of their tail probabilities.
    """
    for d in range(values.size):
        x = min(max(values[d], -HUGE), HUGE)
        smooth[d] = s.smooth[d]
        channels[d] = np.nan
        rare[d] = 0.0
        if np.isnan(x):
            z[d] = np.nan
            continue
        z[d] = standardise(x, d, s)
        if s.seen[d] >= _LEARNING:
            channels[d, RANGE] = novelty(x, d, s)
        if s.grain[d] == np.inf and (s.seen[d] == 0 or x == s.value[d]):
            continue  # it has never changed, and does not now
        narrowest = finest(d, s)
        if not np.isnan(near[d, 0]):
            _surprise(d, NEAR, mixture_nll(z[d] - s.last[d], near[d], narrowest), smooth, channels)
        if not np.isnan(far[0, d, 0]):
            surprise = np.inf  # of several forecasts the best: a spike's own forecast would be as odd as the spike
            for i in range(far.shape[0]):
                surprise = min(surprise, mixture_nll(z[d] - base[i, d], far[i, d], narrowest))
            _surprise(d, FAR, surprise, smooth, channels)
        for c in range(channels.shape[1]):
            if not np.isnan(channels[d, c]) and (c != RANGE or channels[d, c] > 0):
                rare[d, c] = rarity(channels[d, c], s.tops[d, c], s.held[d, c], s.total[d, c], c == RANGE)
            if c == RANGE and rare[d, c] > 0:
                rare[d, c] += beyond(channels[d, c], s.tops[d, c], s.held[d, c], s.total[d, c])


@_kernel
def rarest(rare, weights):
    """Return the highest of rare (D, C) with its channel's weight (C,) added; 0 if nothing is rare."""
    highest = 0.0
    for d in range(rare.shape[0]):
        for c in range(rare.shape[1]):
            if rare[d, c] > 0:
                highest = max(highest, rare[d, c] + weights[c])
    return highest


@_kernel
def absorb(values, time_s, z, smooth, channels, s):
    """Make the judged reading a part of what is known; time_s may be nan, the others are as `judge` left them."""
    day, week = slots(time_s)
    for d in range(values.size):
        if np.isnan(values[d]):
            continue
        x = min(max(values[d], -HUGE), HUGE)
        for c in range(channels.shape[1]):
            if not np.isnan(channels[d, c]):
                _insert(channels[d, c], d, c, s)
        s.smooth[d] = smooth[d]
        s.low[d] = x if s.seen[d] < _SETTLING else min(s.low[d], x)
        s.high[d] = x if s.seen[d] < _SETTLING else max(s.high[d], x)
        if s.seen[d] > 0 and x != s.value[d]:
            s.grain[d] = min(s.grain[d], abs(x - s.value[d]))
        s.value[d] = x
        s.seen[d] += 1
        share = max(1 / s.seen[d], _FORGETTING)
        delta = x - s.mean[d]
        if s.seen[d] > _SURE and s.variance[d] > 0:
            most = CLIP * math.sqrt(s.variance[d])
            delta = min(max(delta, -most), most)
        s.mean[d] += share * delta
        s.variance[d] = (1 - share) * (s.variance[d] + share * delta * delta)
        s.before[d], s.last[d] = s.last[d], z[d]
        s.fast[d] += 0.2 * (z[d] - s.fast[d])
        s.slow[d] += 0.02 * (z[d] - s.slow[d])
        if day >= 0:
            known = not np.isnan(s.day[d, day])
            s.day[d, day] = s.day[d, day] + _DAILY * (z[d] - s.day[d, day]) if known else z[d]
            known = not np.isnan(s.week[d, week])
            s.week[d, week] = s.week[d, week] + _WEEKLY * (z[d] - s.week[d, week]) if known else z[d]


@_kernel
def describe(time_s, s, inputs):
    """Fill inputs (7 D + 5,) with what the network reads after a reading at time_s (nan: unknown), and set the clock.

    What is usual is that of the coming reading's time, one usual interval later.
    """
    D = s.last.size
    inputs[7 * D :] = 0.0
    coming, step = time_s, time_s - s.clock[0]
    if step > 0:  # neither the first nor out of order
        usual = s.clock[1]
        s.clock[1] = step if np.isnan(usual) else usual + 0.1 * (min(step, 2 * usual) - usual)
        inputs[7 * D + 4] = min(max(math.log(step / s.clock[1]), -3.0), 3.0)
    s.clock[0] = time_s
    if not np.isnan(time_s):
        day, week = 2 * math.pi * (time_s / _DAY_S % 1), 2 * math.pi * (time_s / _WEEK_S % 1)
        inputs[7 * D], inputs[7 * D + 1] = math.sin(day), math.cos(day)
        inputs[7 * D + 2], inputs[7 * D + 3] = math.sin(week), math.cos(week)
        if not np.isnan(s.clock[1]):
            coming += s.clock[1]
    day_slot, week_slot = slots(coming)
    for d in range(D):
        z, i = s.last[d], 7 * d
        has_day = day_slot >= 0 and not np.isnan(s.day[d, day_slot])
        has_week = day_slot >= 0 and not np.isnan(s.week[d, week_slot])
        inputs[i] = z
        inputs[i + 1] = z - s.before[d]
        inputs[i + 2] = s.fast[d] - z
        inputs[i + 3] = s.slow[d] - z
        inputs[i + 4] = s.day[d, day_slot] - z if has_day else 0.0
        inputs[i + 5] = s.week[d, week_slot] - z if has_week else 0.0
        inputs[i + 6] = 1.0 if has_week else 0.0
