"""Whether a word stands alone, by the loudness before, in and after it: what is said within a sentence is no command.

    level(t) = mean ln_mel of step t, nats        before, after = the quietest 4 steps near either end of the word
    penalty  = 0.3 (max(0, 2.5 - (in - before)) + max(0, 2.5 - (in - after)))

N = words that may have ended, each as many steps long as its take
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from typeahead.voice.mfcc import Features

Array = np.ndarray[Any, np.dtype[Any]]

DELAY = 3  # steps until it is known what comes after a word
_RUN = 4  # steps of quiet
_BEFORE = 10  # steps before a word in which they may begin, and up to 2 in it
_WITHIN = 2
_LAG = 2  # steps by which the space is behind the sound
_DROP = 2.5  # nats, 11 dB
_WEIGHT = 0.3


class Isolation:
    """Loudness, carried on from step to step.

    Parameters
    ----------
    lengths : ndarray [shape=(N,)]
        Steps of each take.
    features : Features
        Of the frames.
    """

    def __init__(self, lengths: Array, features: Features) -> None:
        self._scale = 1 / math.sqrt(features.n_mels)  # from the first coefficient to the mean of all bands
        self._nothing = math.log(features.floor)
        self._lengths = np.maximum(lengths, 1)
        size = int(self._lengths.max()) + _BEFORE + DELAY + _LAG
        self._end = size - DELAY - _LAG  # where in the past a word's last step has been
        self._starts = (self._end - self._lengths)[:, None] + np.arange(-_BEFORE, -_RUN + _WITHIN + 1)
        self._past = np.empty(size)
        self.reset()

    def reset(self) -> None:
        """Forget what was heard; before the beginning all was quiet."""
        self._past[:] = self._nothing

    def push(self, frames: Array) -> Array:
        """Return the penalty (N,) of words that ended `DELAY` steps ago, from the step's frames (k, C)."""
        past = self._past
        past[:-1] = past[1:]
        past[-1] = float(frames[:, 0].mean()) * self._scale
        total = np.concatenate([[0.0], np.cumsum(past)])
        runs = (total[_RUN:] - total[:-_RUN]) / _RUN
        within = (total[self._end] - total[self._end - self._lengths]) / self._lengths
        before = runs[self._starts].min(axis=1)
        after = runs[self._end - 1 :].min()
        penalty: Array = _WEIGHT * (np.maximum(0, _DROP - within + before) + np.maximum(0, _DROP - within + after))
        return penalty
