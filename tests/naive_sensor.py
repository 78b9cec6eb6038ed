"""What a stream's statistics are, again, in plain Python and with all values kept: `typeahead.sensor.statistics`."""

from __future__ import annotations

import math

import numpy as np

from tests import naive

SMOOTHING, NATS, CLIP, NOVEL, FORGETTING = 0.03, 0.02, 6.0, 0.003, 1 / 4300


def nll(target, outputs, narrowest=-np.inf):
    a, m, s = np.reshape(outputs, (-1, 3)).T
    return naive.mixture_nll(np.column_stack([a, m, np.maximum(s, narrowest)]).reshape(-1), np.array([target]))


def share_below(value, outputs, narrowest=-np.inf):
    a, m, s = np.reshape(outputs, (-1, 3)).T
    z = (value - m) / np.exp(np.maximum(s, narrowest))
    return float(np.exp(naive.log_softmax(a)) @ [0.5 * math.erfc(-one / math.sqrt(2)) for one in z])


def rarity(value, past, is_ranked=False):
    """-log10 of the tail probability of value, given all values before."""
    if len(past) < (50 if is_ranked else 100):
        return 0.0
    past = sorted(past)
    counted = -math.log10((sum(one >= value for one in past) + 1) / (len(past) + 1))
    k = max(10, int(0.05 * len(past)))
    threshold = past[-k - 1]
    if is_ranked:
        return counted
    if value <= threshold:
        return 0.0
    excesses = np.array(past[-k:]) - threshold
    mean, variance = excesses.mean() + 1e-12, max(excesses.var(), 1e-24)
    shape = min(max((1 - mean**2 / variance) / 2, -0.3), 0.5)  # Hosking and Wallis 1987, equation 5
    scale = mean * (1 - shape)
    if abs(shape) < 1e-3:
        survival = math.exp(-(value - threshold) / scale)
    else:
        survival = max(1 + shape * (value - threshold) / scale, 0.0) ** (-1 / shape)
    believed = math.sqrt(SMOOTHING * k) / (1 + math.sqrt(SMOOTHING * k))
    p = k / (len(past) + 1) * survival**believed
    return min(-math.log10(p) if p > 0 else math.inf, math.log10(3 * len(past)))


class Series:
    """One series; nothing is forgotten but by the running averages."""

    def __init__(self):
        self.values, self.smooth, self.past = [], [0.0, 0.0, 0.0], ([], [], [])
        self.mean = self.variance = self.last = 0.0
        self.grain = math.inf

    def scale(self):
        return (
            max(math.sqrt(self.variance), self.grain / 4 if self.grain < math.inf else 0)
            + 1e-9 * abs(self.mean)
            + 1e-12
        )

    def judge(self, x, near, fars, bases):
        """The value in standard deviations, channels and rarities; near and fars may be None."""
        z = min(max((x - self.mean) / self.scale(), -CLIP), CLIP) if self.values else 0.0
        channels, smooth = [math.nan] * 3, list(self.smooth)
        if len(self.values) >= 50:
            low, high = min(self.values[9:]), max(self.values[9:])
            outside = max(x - high, low - x, 0)
            share = outside / (high - low + 2 * self.grain) if self.grain < math.inf else float(outside > 0)
            channels[0] = min(share, 1e9) if share > NOVEL else 0.0
        narrowest = math.log(max(0.5 * self.grain / self.scale() if self.grain < math.inf else 0, 0.05))
        surprises = {
            1: None if near is None else nll(z - self.last, near, narrowest),
            2: None if fars is None else min(nll(z - b, f, narrowest) for f, b in zip(fars, bases, strict=True)),
        }
        changes = self.grain < math.inf or (self.values and x != self.values[-1])
        for c, surprise in surprises.items():
            if surprise is not None and changes:
                smooth[c] += SMOOTHING * (min(max(surprise, -5), 30) - smooth[c])
                channels[c] = round(smooth[c] / NATS) * NATS
        rare = [
            rarity(channels[c], self.past[c], c == 0) if channels[c] > (0 if c == 0 else -math.inf) else 0.0
            for c in range(3)
        ]
        if rare[0] > 0 and channels[0] > max(self.past[0]):
            rare[0] += math.log10(len(self.past[0])) * min(max(channels[0] - 0.5, 0), 2)
        return z, smooth, channels, rare

    def absorb(self, x, z, smooth, channels):
        for past, one in zip(self.past, channels, strict=True):
            if not math.isnan(one):
                past.append(one)
        if self.values and x != self.values[-1]:
            self.grain = min(self.grain, abs(x - self.values[-1]))
        self.values.append(x)
        self.smooth, self.last = smooth, z
        share, delta = max(1 / len(self.values), FORGETTING), x - self.mean
        if len(self.values) > 20 and self.variance > 0:
            most = CLIP * math.sqrt(self.variance)
            delta = min(max(delta, -most), most)
        self.mean += share * delta
        self.variance = (1 - share) * (self.variance + share * delta**2)
