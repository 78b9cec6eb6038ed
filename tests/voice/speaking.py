"""Sounds that stand for words: a voice of harmonics that glides from vowel to vowel."""

from __future__ import annotations

import numpy as np

SR = 16_000
VOWELS = {"a": (750, 1200), "e": (500, 1900), "i": (290, 2300), "o": (480, 900), "u": (320, 700)}  # two formants, Hz


def hiss(seconds: float, level_db: float = -65.0, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(round(seconds * SR))
    return (noise * 10 ** (level_db / 20)).astype(np.float32)


def voice(vowels: str, f0: float = 120.0, seconds: float = 0.6) -> np.ndarray:
    """The vowels one after another, equally long."""
    n = round(seconds * SR)
    at = np.linspace(0, len(vowels) - 1, n)
    f1, f2 = (np.interp(at, np.arange(len(vowels)), [VOWELS[v][i] for v in vowels]) for i in range(2))
    phase = 2 * np.pi * np.cumsum(f0 * (1 + 0.05 * np.cos(at))) / SR
    y = np.zeros(n)
    for k in range(1, int(3600 / f0)):
        strength = np.exp(-(((k * f0 - f1) / 110) ** 2)) + 0.6 * np.exp(-(((k * f0 - f2) / 160) ** 2))
        y += strength * np.sin(k * phase)
    fade = np.minimum(1, np.minimum(np.arange(n), np.arange(n)[::-1]) / 600)
    return (0.3 * y * fade / np.abs(y).max()).astype(np.float32)


def say(vowels: str, seed: int = 0, quiet_s: float = 0.4) -> np.ndarray:
    """A take: another pitch, speed and loudness for each seed, in a quiet room."""
    rng = np.random.default_rng(seed)
    word = voice(vowels, rng.uniform(105, 150), rng.uniform(0.17, 0.23) * len(vowels)) * np.float32(rng.uniform(0.5, 1))
    y = np.concatenate([np.zeros(round(quiet_s * SR), np.float32), word, np.zeros(round(quiet_s * SR), np.float32)])
    return y + hiss(len(y) / SR, seed=seed)[: len(y)]
