"""Takes: recordings of one word each, for the program to learn it. Whether they are any good, and where the word is.

Levels are in dB of full scale, of pieces of 20 ms, one every 10 ms.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

SAMPLE_RATE = 16_000  # Hz
_HOP, _PIECE = SAMPLE_RATE // 100, SAMPLE_RATE // 50  # samples
_FLOOR_DB = -100.0
_RANGE_DB = 24.0  # below its loudest pieces a word may be this much quieter
_SHORTEST_S, _LONGEST_S = 0.2, 3.0
_QUIETEST_DB = -45.0
_LEAST_SNR_DB = 10.0
_CLIPPED = 0.985
_MOST_CLIPPED = 0.004  # share of a word's samples
_MARGIN_S = 0.2
_PADDING_DB = -75.0
_OPENING_DB, _ABOVE_NOISE_DB = -50.0, 9.0  # of what opens a take
_BEFORE_S, _QUIET_S = 0.5, 0.7  # kept before it; of quiet that ends it
_CLICK_S = 0.09


def levels_db(y: Array) -> Array:
    """Return the level of each piece of samples (n,); none if they are less than a piece."""
    if len(y) < _PIECE:
        return np.zeros(0)
    power = np.concatenate([[0.0], np.cumsum(np.square(y, dtype=np.float64))])
    starts = np.arange(0, len(y) - _PIECE + 1, _HOP)
    mean = np.maximum(power[starts + _PIECE] - power[starts], 0.0) / _PIECE
    levels: Array = np.maximum(10 * np.log10(mean + 1e-12), _FLOOR_DB)
    return levels


def span(y: Array) -> tuple[int, int]:
    """Return the first sample of the word in samples (n,) and the one after its last; (0, 0) if there is nothing.

    A piece belongs if it is louder than a third of the way, in dB, from the recording's quiet pieces to its loudest
    ones, but never if it is more than 24 dB below these.
    """
    levels = levels_db(y)
    real = levels[levels > _FLOOR_DB]  # recordings may have been filled up with zeros
    if len(real) < 3:
        return 0, 0
    smooth = np.convolve(np.pad(levels, 1, mode="edge"), np.full(3, 1 / 3), "valid")
    quiet, loud = np.percentile(real, 10), np.percentile(real, 97)
    above = np.flatnonzero(smooth >= max(quiet + (loud - quiet) / 3, loud - _RANGE_DB))
    return (int(above[0]) * _HOP, min(len(y), int(above[-1]) * _HOP + _PIECE)) if len(above) else (0, 0)


def trim(y: Array) -> Array:
    """Return the word alone, of samples (n,)."""
    start, end = span(y)
    return y[start:end]


def padded(y: Array) -> tuple[Array, int, int]:
    """Return the word with 0.2 s before and after it, and where in that it starts and ends, in samples.

    Where the recording does not reach so far, it goes on with a faint hiss: zeros would sound like something.
    """
    margin = int(_MARGIN_S * SAMPLE_RATE)
    start, end = span(y)
    first, last = start - margin, end + margin
    kept = y[max(0, first) : last]
    hiss = np.random.default_rng(0).standard_normal(2 * margin).astype(np.float32) * np.float32(
        10 ** (_PADDING_DB / 20)
    )
    before, after = max(0, -first), max(0, last - len(y))
    sound = np.concatenate([hiss[:before], kept, hiss[margin : margin + after]]).astype(np.float32)
    return sound, margin, margin + end - start


def check_take(y: Array) -> str | None:
    """Return what is wrong with a take (n,) float32 of 16 kHz, in a few words; None if it can be learnt from."""
    start, end = span(y)
    levels = levels_db(y)
    if end == start:
        return "too quiet: nothing was heard"
    word_db = float(np.percentile(levels_db(y[start:end]), 90)) if end - start >= _PIECE else _FLOOR_DB
    if word_db < _QUIETEST_DB:
        return f"too quiet: {word_db:.0f} dB of full scale; come closer, or turn the microphone up"
    clipped = float(np.mean(np.abs(y[start:end]) >= _CLIPPED))
    if clipped > _MOST_CLIPPED:
        return "clipped: the loudest parts are cut off; go farther away, or turn the microphone down"
    noise_db = float(np.percentile(levels, 10))
    if word_db - noise_db < _LEAST_SNR_DB:
        return f"too noisy: the word is only {word_db - noise_db:.0f} dB louder than the rest"
    length_s = (end - start) / SAMPLE_RATE
    if length_s < _SHORTEST_S:
        return f"too short: {1000 * length_s:.0f} ms; say the whole word"
    if length_s > _LONGEST_S:
        return f"too long: {length_s:.1f} s; say one word or a short phrase"
    return None


class EndPointer:
    """Cuts one take out of running sound: from a little before it gets loud until it has been quiet for a while."""

    def __init__(self) -> None:
        self._kept: list[Array] = []
        self._noise_db, self._quiet_s, self._loud_s = float("inf"), 0.0, 0.0  # the first block is the room's

    def push(self, block: Array) -> Array | None:
        """Take a block (n,) float32 of 16 kHz, some 30 ms; return the take (m,) when it is complete."""
        length_s = len(block) / SAMPLE_RATE
        level_db = max(_FLOOR_DB, 10 * float(np.log10(np.mean(np.square(block, dtype=np.float64)) + 1e-12)))
        if level_db > _FLOOR_DB:  # zeros are no room's noise
            self._noise_db = min(level_db, self._noise_db + 6.0 * length_s)
        is_loud = level_db > max(_OPENING_DB, self._noise_db + _ABOVE_NOISE_DB)
        self._kept.append(block)
        if is_loud:
            self._loud_s, self._quiet_s = self._loud_s + length_s, 0.0
        elif self._loud_s:
            self._quiet_s += length_s
        else:
            self._shorten()
            return None
        if self._quiet_s < _QUIET_S and self._loud_s < _LONGEST_S + 1.0:
            return None
        if self._loud_s < _CLICK_S:  # a click: what was said is still to come
            self._loud_s = self._quiet_s = 0.0
            return None
        take = np.concatenate(self._kept)
        self._kept, self._loud_s, self._quiet_s = [], 0.0, 0.0
        return take

    def _shorten(self) -> None:
        while sum(map(len, self._kept)) - len(self._kept[0]) > _BEFORE_S * SAMPLE_RATE:
            self._kept.pop(0)
