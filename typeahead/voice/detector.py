"""When a word has been said: one path from samples to detections, for a microphone and for files alike.

    samples -> blocks of a step -> gate -> stream -> posteriors -> decision -> detections

The gate leaves everything out while it is quiet: no features, no network. When it opens, the stream begins anew with
the last moments before, which it has kept. The decision averages a word's posterior over a few steps, asks that the
average stay above the word's threshold for some, and then leaves the word alone until it has fallen again.

Whatever blocks the samples come in, the detections are the same.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from typeahead.voice.classifier import Classifier

Array = np.ndarray[Any, np.dtype[Any]]

THRESHOLD = 0.6  # of words that nobody has given one
_SILENT_DB = -100.0  # what digital silence counts as
_REARM = 0.5  # share of its threshold to which a word must fall before it is heard again


@dataclass(frozen=True)
class DetectorConfig:
    """How sure is sure.

    ``thresholds``: a word's, in (0, 1), by default `THRESHOLD`; the higher, the fewer detections. Times in seconds, as
    whole steps of the network at least one.
    """

    thresholds: Mapping[str, float] = field(default_factory=dict)
    smoothing_s: float = 0.15  # over which posteriors are averaged
    patience_s: float = 0.03  # for which the average must stay above the threshold
    refractory_s: float = 0.8  # after a word in which it is not heard again
    apart_s: float = 0.25  # after a word in which no other is
    warm_up_s: float = 0.3  # after the start in which nothing is: devices begin with a click
    gate_db: float = -62.0  # dBFS below which it is quiet at any rate
    above_noise_db: float = 4.0  # above the room's own noise, what opens the gate
    before_s: float = 0.4  # kept while the gate is shut
    hold_s: float = 1.0  # for which the gate stays open when it is quiet again


class Detection(NamedTuple):
    """One word."""

    word: str
    confidence: float  # its averaged posterior
    time_s: float  # of sound since the start


class Matcher(Protocol):
    """What hears enrolled words in what the network makes of the sound."""

    @property
    def words(self) -> Sequence[str]:
        """W of them."""
        ...

    def push(self, frames: Array) -> Array:
        """Return scores (T, W) in [0, 1] at the steps that MFCC frames (n, C) complete."""
        ...

    def reset(self) -> None:
        """Forget all that was heard."""
        ...


class Gate:
    """Whether it is loud enough to listen, block by block.

    The room's noise is taken to be what the level falls to: it follows down at once and up slowly (6 dB a second). At
    the start the room is taken to be quiet, so that a recording may begin with a word.
    """

    def __init__(self, config: DetectorConfig, block_s: float) -> None:
        self._config, self._block_s = config, block_s
        self.level_db, self.noise_db = _SILENT_DB, config.gate_db
        self.is_open = False
        self._hold = 0

    def push(self, block: Array) -> bool:
        """Take a block (n,) into account; return whether to listen to it."""
        power = float(np.dot(block, block)) / len(block)
        self.level_db = 10 * math.log10(power) if power > 1e-10 else _SILENT_DB
        if self.level_db > _SILENT_DB:  # zeros are no room's noise
            self.noise_db = min(self.level_db, self.noise_db + 6.0 * self._block_s)
        config = self._config
        if self.level_db > max(config.gate_db, self.noise_db + config.above_noise_db):
            self._hold = math.ceil(config.hold_s / self._block_s)
        self.is_open = self._hold > 0
        self._hold = max(0, self._hold - 1)
        return self.is_open


class Decision:
    """From posteriors to detections, a step at a time.

    Parameters
    ----------
    words : sequence of str
        W of them.
    config : DetectorConfig
    step_s : float
        Of a step.
    """

    def __init__(self, words: Sequence[str], config: DetectorConfig, step_s: float) -> None:
        self.words = tuple(words)
        self.thresholds = np.array([config.thresholds.get(word, THRESHOLD) for word in words])
        self._smoothing, self._patience, self._refractory, self._apart = (
            max(1, round(seconds / step_s))
            for seconds in (config.smoothing_s, config.patience_s, config.refractory_s, config.apart_s)
        )
        self._since = np.full(len(self.words), np.iinfo(np.int64).max // 2)  # steps since the word was detected
        self.reset()

    def reset(self) -> None:
        """Begin anew after a gap in the sound."""
        self._recent = np.zeros((self._smoothing, len(self.words)))
        self._next = 0
        self.smooth = np.zeros(len(self.words))
        self._above = np.zeros(len(self.words), np.int64)
        self._armed = np.ones(len(self.words), bool)

    def step(self, posteriors: Array) -> int | None:
        """Take the words' posteriors (W,) of one step; return the index of the word that has been said, or None."""
        self._recent[self._next] = posteriors
        self._next = (self._next + 1) % self._smoothing
        self.smooth = self._recent.mean(axis=0)
        self._since += 1
        self._armed |= self.smooth < _REARM * self.thresholds
        self._above = np.where(self.smooth >= self.thresholds, self._above + 1, 0)
        ready = (self._above >= self._patience) & self._armed & (self._since > self._refractory)
        if not ready.any() or self._since.min() <= self._apart:
            return None
        best = int(np.argmax(np.where(ready, self.smooth / self.thresholds, -1)))
        self._since[best], self._armed[best] = 0, False
        return best

    def skip(self, steps: int) -> None:
        """Let time pass in which nothing was listened to."""
        self._since += steps


class Detector:
    """Hears the words of a classifier, and enrolled ones, in running sound.

    Parameters
    ----------
    classifier : Classifier
    config : DetectorConfig
    matcher : Matcher, optional
        Hears enrolled words.
    """

    def __init__(
        self, classifier: Classifier, config: DetectorConfig | None = None, matcher: Matcher | None = None
    ) -> None:
        self.classifier, self.config, self.matcher = classifier, config or DetectorConfig(), matcher
        self.words = (*classifier.words, *(matcher.words if matcher else ()))
        self.step_s = classifier.step_s
        self._block = classifier.frames_per_step * classifier.features.hop_length
        self._stream = classifier.stream()
        self.decision = Decision(self.words, self.config, self.step_s)
        self.gate = Gate(self.config, self.step_s)
        self._steps = 0  # blocks taken since the start
        self._left = np.zeros(0, np.float32)
        self._before: deque[Array] = deque(maxlen=max(1, round(self.config.before_s / self.step_s)))
        self._listening = False

    @property
    def time_s(self) -> float:
        """Seconds of sound taken so far."""
        return self._steps * self.step_s

    @property
    def level_db(self) -> float:
        """Loudness of the last block, dBFS."""
        return self.gate.level_db

    @property
    def is_open(self) -> bool:
        """Whether it is loud enough to listen."""
        return self.gate.is_open

    def top(self, n: int = 3) -> list[tuple[str, float, float]]:
        """Return the n words with the highest averaged posteriors now: word, posterior, threshold."""
        smooth, thresholds = self.decision.smooth, self.decision.thresholds
        order = np.argsort(-smooth, kind="stable")[:n]
        return [(self.words[i], float(smooth[i]), float(thresholds[i])) for i in order]

    def reset(self) -> None:
        """Forget what was heard: the source has paused. The clock goes on."""
        self._left = np.zeros(0, np.float32)
        self._before.clear()
        self._close()

    def push(self, y: Array) -> list[Detection]:
        """Listen to samples (n,) of the classifier's rate, float32 in [-1, 1]; return the words said by now."""
        y = np.concatenate([self._left, y]) if len(self._left) else np.asarray(y, np.float32)
        whole = len(y) // self._block * self._block
        self._left = y[whole:].copy()
        found = []
        for start in range(0, whole, self._block):
            found += self._take(y[start : start + self._block])
        return found

    def _take(self, block: Array) -> list[Detection]:
        self._steps += 1
        if not self.gate.push(block):
            if self._listening:
                self._close()
            self._before.append(block)
            self.decision.skip(1)
            return []
        if self._listening:
            return self._listen(block)
        self._listening = True
        kept = [*self._before, block]
        self._before.clear()
        return self._listen(np.concatenate(kept))

    def _listen(self, y: Array) -> list[Detection]:
        frames = self._stream.frames(y)
        posteriors, _ = self._stream.push_frames(frames)
        scores = posteriors[:, : len(self.classifier.words)]
        if self.matcher is not None:
            scores = np.concatenate([scores, self.matcher.push(frames)], axis=1)
        found = []
        for row in scores:
            best = self.decision.step(row)
            if best is not None and self.time_s >= self.config.warm_up_s:
                found.append(Detection(self.words[best], float(self.decision.smooth[best]), self.time_s))
        return found

    def _close(self) -> None:
        self._listening = False
        self._stream.reset()
        self.decision.reset()
        if self.matcher is not None:
            self.matcher.reset()
