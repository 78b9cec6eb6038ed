"""Noise as mel power: cut out of recordings, or drawn; and sudden sounds.

M = mel bands, F = frames
"""

from __future__ import annotations

from typing import Any

import numpy as np

from typeahead.voice.spectrograms import to_nats

Array = np.ndarray[Any, np.dtype[Any]]

FLOOR = 1e-6  # power that is added before the logarithm, as in `mfcc.Features`
_POWER = np.maximum(np.exp(to_nats(np.arange(256))) - FLOOR, 0).astype(np.float32)  # of each byte


def to_power(pixels: Array) -> Array:
    """Return the power (F, M) float32 of a spectrogram of bytes."""
    return _POWER[pixels]


def power_of(ln_mel: Array) -> Array:
    """Return the power (F, M) float32 of a log-mel spectrogram."""
    return np.maximum(np.exp(ln_mel) - np.float32(FLOOR), 0)


def faded(power: Array, width: int) -> Array:
    """Return the power with ``width`` frames of fading at either end."""
    out = power.copy()
    slope = np.exp((np.arange(min(width, len(power))) - width) * 1.2).astype(np.float32)[:, None]
    out[: len(slope)] *= slope
    out[len(power) - len(slope) :] *= slope[::-1]
    return out


def smooth_spectrum(rng: np.random.Generator, bands: int, spread: float) -> Array:
    """Return a smooth curve (M,) in nats around zero: a slope and a few waves."""
    x = np.linspace(-1, 1, bands)
    waves = np.arange(1, 4)[:, None]
    drawn = rng.normal(0, spread, 4)
    phases = rng.uniform(0, 2 * np.pi, (3, 1))
    curve: Array = drawn[3] * x + (drawn[:3] / waves[:, 0]) @ np.cos(np.pi * waves * x + phases)
    return curve


_GRAINS = (0.8, 1.5, 3.0, 8.0)  # shapes of the gamma distribution: from a crackle to a hiss
_GRAIN_FRAMES = 6000


class Noise:
    """Recorded noise (F, M) as power, and noise of any colour.

    Parameters
    ----------
    power : ndarray [shape=(F, M)]
        The recordings; F may be 0.
    seed : int
        Draws the other noise.
    """

    def __init__(self, power: Array, seed: int) -> None:
        self.power = power
        rng = np.random.default_rng(seed)
        # Power fluctuates as that of a sum of many sounds does. Drawn once: a stretch of it is enough like any other.
        shape = _GRAIN_FRAMES, power.shape[1]
        self._grains = [(rng.standard_gamma(k, shape) / k).astype(np.float32) for k in _GRAINS]

    def draw(self, rng: np.random.Generator, length: int, level: float) -> Array:
        """Return noise (length, M) whose mean power is ``exp(level)``."""
        if len(self.power) > length and rng.random() < 0.6:
            at = int(rng.integers(len(self.power) - length))
            noise = self.power[at : at + length] * np.exp(smooth_spectrum(rng, self.power.shape[1], 0.4))
        else:
            noise = self.grains(rng, length) * np.exp(smooth_spectrum(rng, self.power.shape[1], 1.0))
        if rng.random() < 0.3:  # comes and goes
            knots = rng.normal(0, 1.2, length // 40 + 2)
            noise = noise * np.exp(np.interp(np.arange(length) / 40, np.arange(len(knots)), knots))[:, None]
        noise *= np.exp(level) / (noise.mean() + 1e-9)
        return np.asarray(noise, np.float32)

    def grains(self, rng: np.random.Generator, length: int) -> Array:
        """Return noise (length, M) of mean power 1 in every band."""
        grains = self._grains[rng.integers(len(self._grains))]
        at = int(rng.integers(max(1, len(grains) - length)))
        return np.resize(grains[at : at + length], (length, grains.shape[1]))


def add_events(rng: np.random.Generator, power: Array, loudness: float) -> None:
    """Add clicks, bursts and gliding tones to power (F, M), as loud as the words or less, in place."""
    length, bands = power.shape
    for _ in range(int(rng.integers(1, 5))):
        at, level = int(rng.integers(length)), loudness + rng.uniform(-4.0, 1.5)
        if rng.random() < 0.6:  # a blow that dies away
            duration = min(length - at, int(rng.integers(2, 45)))
            envelope = np.exp(-np.arange(duration) / rng.uniform(0.7, 12))
            spectrum = np.exp(smooth_spectrum(rng, bands, 1.3))
            event = envelope[:, None] * spectrum * rng.standard_gamma(3, (duration, bands)) / 3
        else:  # a tone with some overtones
            duration = min(length - at, int(rng.integers(8, 120)))
            centre = (
                rng.uniform(3, bands - 4)
                + np.cumsum(rng.normal(0, 0.15, duration))
                + np.linspace(0, rng.normal(0, 5), duration)
            )
            event = np.zeros((duration, bands))
            for overtone in range(int(rng.integers(1, 5))):
                distance = np.arange(bands) - (centre + 7.0 * np.log2(overtone + 1) * 1.3)[:, None]
                event += np.exp(-0.5 * (distance / 0.8) ** 2 - overtone * rng.uniform(0.2, 1.5)) * 8
            event *= faded(np.ones((duration, 1)), 3)
        power[at : at + duration] += (event * np.exp(level)).astype(np.float32)
