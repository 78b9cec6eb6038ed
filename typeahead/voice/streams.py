"""Stretches of running sound, composed of single recordings, with what a detector should say at each moment.

A recording of one word says nothing of what comes between words. So each lane of a batch is a few seconds in which
words, known and unknown, come one after another over noise of some kind, or none; speech that is no word is pieced
together from fragments; clicks, bursts and tones come in between. All of it is added up as mel power, where sounds add.

    known word      any answer but another word until it has ended, then the word, for 300 ms, then it or nothing
    unknown word    no word, then `UNKNOWN` for 300 ms, then nothing
    a word within running speech is no command: no word
    else            `SILENCE`

B = lanes, T = steps, M = mel bands, V = labels
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from typeahead.errors import TrainingError
from typeahead.voice import noises
from typeahead.voice.labels import UNKNOWN
from typeahead.voice.spectrograms import Spectrograms, to_nats

Array = np.ndarray[Any, np.dtype[Any]]

_FIRM, _LOOSE = 30, 50  # frames after a word's end: by then it has been said; and may still be
_LATE = 2  # frames after the last loud one within which nothing is asked yet
_MURMUR = 12000  # frames of it
_APART = 12  # frames of speech before a word that make it part of a sentence
_WEIGHTS = {"word": 1.0, "unknown": 1.0, "during": 0.5, "silence": 0.25}


@dataclass(frozen=True)
class StreamConfig:
    """How lanes are composed; shares are of lanes or words."""

    unknown: float = 0.27  # of the words
    speech: float = 0.16  # pieced together, instead of a word
    warp: float = 0.8  # of the words are made faster or slower, deeper or higher
    trimmed: float = 0.5  # of the words are cut out of their recording's own noise
    noisy: float = 0.75  # of the lanes have noise
    masks: int = 2  # SpecAugment's masks of bands a lane, at most; 0 also leaves out those of time
    gain: tuple[float, float] = (-3.5, 2.5)  # nats of power, of a lane
    snr_db: tuple[float, float] = (-2.0, 40.0)

    def toned_down(self, strength: float) -> StreamConfig:
        """Return the configuration with recordings varied and masked only so much, 0 to 1; noise and speech stay."""
        return replace(
            self,
            warp=self.warp * strength,
            trimmed=self.trimmed * strength,
            masks=round(self.masks * strength),
            gain=(self.gain[0] * strength, self.gain[1] * strength),
        )


PLAIN = StreamConfig(warp=0.0, masks=0, gain=(-1.0, 1.0), snr_db=(5.0, 40.0))  # to validate with


class Streams:
    """Batches, each decided by the seed and its number.

    Parameters
    ----------
    words : Spectrograms
        Recordings; those whose label is not in ``labels`` are unknown words, those of `spectrograms.NOISE` noise.
    noise : ndarray [shape=(F, M)]
        More noise as power, frame after frame; may be empty.
    labels : sequence of str
        The words, then `UNKNOWN` and `SILENCE`.
    shape : (int, int)
        T and B.
    frames_per_step : int
    seed : int
        Of all that is drawn.
    config : StreamConfig

    Raises
    ------
    TrainingError
        A word has no recording.
    """

    def __init__(
        self,
        words: Spectrograms,
        noise: Array,
        labels: Sequence[str],
        shape: tuple[int, int],
        frames_per_step: int,
        seed: int,
        config: StreamConfig | None = None,
    ) -> None:
        self.labels, self.shape, self.frames_per_step, self.seed = tuple(labels), shape, frames_per_step, seed
        self.config = config or StreamConfig()
        self.words, self.spans = words, words.spans()
        index = {label: i for i, label in enumerate(labels)}
        kinds = np.array([index.get(label, index[UNKNOWN]) for label in words.labels])
        noisy = np.array([label.startswith("_") for label in words.labels])
        self._known = [np.flatnonzero((kinds == i) & ~noisy) for i in range(len(labels) - 2)]
        for label, found in zip(labels, self._known, strict=False):
            if not len(found):
                raise TrainingError(f"{label}: no recording to train on; take the folder away or fill it")
        self._unknown = np.flatnonzero((kinds == index[UNKNOWN]) & ~noisy)
        self._kinds = kinds
        own = [noises.to_power(words[int(i)]) for i in np.flatnonzero(noisy)]
        self.noise = noises.Noise(np.concatenate([*own, noise]) if own else noise, seed)
        self._crowd = self._murmur(np.random.default_rng(seed))

    def compose(self, position: int) -> tuple[Array, Array, Array]:
        """Return batch ``position``: log-mel frames (T, B, frames_per_step, M) float32, targets (T, B, V), and which
        lanes begin anew (B,).

        The targets are the weights of `rnn.losses.set_cross_entropy`.
        """  # noqa: D205
        T, B = self.shape
        rng = np.random.default_rng([self.seed, position])
        k, V = self.frames_per_step, len(self.labels)
        frames = np.empty((T, B, k, self.words.frames.shape[1]), np.float32)
        targets = np.empty((T, B, V), np.float32)
        for b in range(B):
            lane = _Lane(self, rng, T * k)
            lane.fill()
            frames[:, b] = lane.sound().reshape(T, k, -1)
            targets[:, b] = lane.targets[k - 1 :: k]  # a step answers when its last frame is there
        # Half of the lanes carry on the state of whatever was there before, as after a cut; the others start from zero.
        return frames, targets, rng.random(B) < 0.5

    def draw(self, rng: np.random.Generator) -> int:
        """Return a recording of a word: its kind first, so that each word comes as often."""
        if len(self._unknown) and rng.random() < self.config.unknown:
            return int(self._unknown[rng.integers(len(self._unknown))])
        known = self._known[rng.integers(len(self._known))]
        return int(known[rng.integers(len(known))])

    def fragment(self, rng: np.random.Generator) -> Array:
        """Return a piece of some word (n, M) as power, too short to be it: of a known one at most 45 %."""
        i = self.draw(rng)
        start, end = self.spans[i]
        length = end - start
        known = self._kinds[i] < len(self.labels) - 2
        longest = max(4, int(length * (0.45 if known else 0.8)))
        n = int(rng.integers(min(8, longest), min(28, longest) + 1))
        at = start + int(rng.integers(max(1, length - n + 1)))
        piece = noises.to_power(self.words[i][at : at + n])
        return piece[::-1] if rng.random() < 0.3 else piece

    def murmur(self, rng: np.random.Generator, length: int) -> Array:
        """Return speech of one to three who talk on and on (length, M), with a mean power of 1."""
        at = rng.integers(len(self._crowd) - length, size=rng.integers(1, 4))
        sound: Array = np.sum([self._crowd[i : i + length] for i in at], axis=0)
        sound /= sound.mean()
        return sound

    def _murmur(self, rng: np.random.Generator) -> Array:
        """Return a minute or more of fragments one after another, equally loud."""
        pieces, length = [], 0
        while length < max(_MURMUR, 2 * self.shape[0] * self.frames_per_step):
            piece = self.fragment(rng)
            pieces.append(noises.faded(piece / (piece.mean() + 1e-9), 3))
            length += len(piece)
        return np.concatenate(pieces)

    def kind(self, i: int) -> int:
        """Return the label's index of a recording."""
        return int(self._kinds[i])


class _Lane:
    """One lane while it is put together: power (F, M) and targets (F, V)."""

    def __init__(self, streams: Streams, rng: np.random.Generator, length: int) -> None:
        self.streams, self.rng, self.length = streams, rng, length
        self.config = streams.config
        bands, V = streams.words.frames.shape[1], len(streams.labels)
        self.power = np.zeros((length, bands), np.float32)
        self.targets = np.zeros((length, V), np.float32)
        self.targets[:, V - 1] = _WEIGHTS["silence"]
        self.nothing = [V - 2, V - 1]
        self.loudness = float(rng.uniform(-4.0, 2.5))  # of the words, nats of mean power a band
        self.spoken_until = -1000  # frame at which the last speech has ended

    def fill(self) -> None:
        """Put words and speech one after another, then what lies under all of it."""
        rng, config = self.rng, self.config
        at = int(rng.integers(-30, 70))
        while at < self.length:
            if rng.random() < config.speech:
                at = self._speak(at)
            else:
                at = self._say(at, self.streams.draw(rng))
            at += int(rng.integers(0, 15)) if rng.random() < 0.15 else int(rng.integers(15, 100))
        self._accompany()

    def _say(self, at: int, i: int, within: bool = False) -> int:
        """Put recording i so that its word begins at ``at``; return where the word ends."""
        rng, streams = self.rng, self.streams
        ln_mel, start, end = _warped(
            rng, to_nats(streams.words[i]), int(streams.spans[i, 0]), int(streams.spans[i, 1]), self.config.warp
        )
        if within or rng.random() < self.config.trimmed:
            ln_mel, start, end = _trimmed(ln_mel, start, end)
        power = noises.power_of(ln_mel)
        loud = float(np.log(power[start:end].mean() + 1e-9))
        self.loudness = loud if self.spoken_until < 0 else self.loudness
        change = self.loudness - loud + rng.uniform(-1.0, 1.0)
        # A recording that brings its own noise along keeps its level, or that noise would grow with it.
        self._add(power * np.float32(np.exp(change * 0.7)), at - start)
        finish = at + end - start
        self._mark(at, finish, streams.kind(i), within or at - self.spoken_until < _APART)
        self.spoken_until = finish
        return finish

    def _speak(self, at: int) -> int:
        """Put running speech of fragments, now and then with a whole word in it; return where it ends."""
        rng = self.rng
        finish = at + int(rng.integers(30, 260))
        begin = at
        while at < min(finish, self.length):
            if rng.random() < 0.08:
                at = self._say(at, self.streams.draw(rng), within=True)
                continue
            piece = self.streams.fragment(rng)
            loud = float(np.log(piece.mean() + 1e-9))
            piece = noises.faded(piece * np.float32(np.exp(self.loudness - loud + rng.uniform(-1.5, 0.7))), 3)
            self._add(piece, at)
            at += len(piece) - int(rng.integers(0, 4)) + (int(rng.integers(3, 25)) if rng.random() < 0.15 else 0)
        V = self.targets.shape[1]
        self._set(begin, at + 12, self.nothing, _WEIGHTS["during"])
        self._set(at + 2, at + 12, [V - 2], _WEIGHTS["unknown"])
        self._set(at + 12, at + 40, self.nothing, _WEIGHTS["silence"])
        self.spoken_until = at
        return at

    def _mark(self, start: int, end: int, kind: int, within: bool) -> None:
        """Write the targets of a word from start to end; the table of this file."""
        V = self.targets.shape[1]
        unknown, silence = V - 2, V - 1
        if within and kind != unknown:
            self._set(start, end + _LOOSE, self.nothing, _WEIGHTS["during"])
            return
        during = self.nothing if kind == unknown else [kind, *self.nothing]
        name = "unknown" if kind == unknown else "word"
        self._set(start, end + _LATE, during, _WEIGHTS["during"])
        self._set(end + _LATE, end + _FIRM, [kind], _WEIGHTS[name])
        self._set(end + _FIRM, end + _LOOSE, [kind, silence], _WEIGHTS["silence"])

    def _set(self, start: int, end: int, right: list[int], weight: float) -> None:
        start, end = max(0, start), max(0, end)
        self.targets[start:end] = 0
        self.targets[start:end, right] = weight

    def _add(self, power: Array, at: int) -> None:
        start, end = max(0, at), min(self.length, at + len(power))
        if start < end:
            self.power[start:end] += power[start - at : end - at]

    def _accompany(self) -> None:
        """Add noise, speech far away and sudden sounds."""
        rng, noise = self.rng, self.streams.noise
        if rng.random() < self.config.noisy:
            level = self.loudness - rng.uniform(*self.config.snr_db) * np.log(10) / 10
            self.power += noise.draw(rng, self.length, level)
        else:  # nearly digital silence, and in a third of the cases that itself
            level = rng.uniform(-16, -9) if rng.random() < 0.67 else -30.0
            self.power += np.float32(np.exp(level)) * noise.grains(rng, self.length)
        if rng.random() < 0.12:  # a conversation elsewhere
            level = self.loudness - rng.uniform(8, 25) * np.log(10) / 10
            self.power += self.streams.murmur(rng, self.length) * np.float32(np.exp(level))
        if rng.random() < 0.3:
            noises.add_events(rng, self.power, self.loudness)

    def sound(self) -> Array:
        """Return the lane as log-mel (F, M): through some microphone, and with parts masked."""
        rng = self.rng
        channel = rng.uniform(*self.config.gain) + noises.smooth_spectrum(rng, self.power.shape[1], 0.5)
        ln_mel = np.log(self.power * np.exp(channel).astype(np.float32) + np.float32(noises.FLOOR))
        if self.config.masks:
            _mask(rng, ln_mel, self.config.masks)
        return ln_mel


def _warped(rng: np.random.Generator, ln_mel: Array, start: int, end: int, share: float) -> tuple[Array, int, int]:
    """Return the spectrogram faster or slower and with its bands moved, as another speaker's might be, and its span."""
    if rng.random() >= share:
        return ln_mel, start, end
    speed, shift = rng.uniform(0.85, 1.2), rng.uniform(0.9, 1.12)
    ln_mel = _stretched(ln_mel, max(2, round(len(ln_mel) * speed)), speed)
    ln_mel = _stretched(ln_mel.T, ln_mel.shape[1], shift).T
    start = min(len(ln_mel) - 1, round(start * speed))
    return ln_mel, start, max(start + 1, min(len(ln_mel), round(end * speed)))


def _stretched(x: Array, length: int, factor: float) -> Array:
    """Return x (n, ...) read at i / factor for i < length, between rows linearly."""
    at = np.minimum(np.arange(length) / factor, len(x) - 1.001)
    low = at.astype(np.int64)
    share = (at - low).astype(np.float32)[:, None]
    return x[low] * (1 - share) + x[low + 1] * share


def _trimmed(ln_mel: Array, start: int, end: int) -> tuple[Array, int, int]:
    """Return the word with some frames around, fading in and out."""
    first, last = max(0, start - 8), min(len(ln_mel), end + 8)
    cut = ln_mel[first:last].copy()
    slope = np.minimum(np.arange(len(cut)), np.arange(len(cut))[::-1]) - 5
    cut += np.minimum(slope, 0)[:, None].astype(np.float32) * np.float32(1.2)
    return cut, start - first, end - first


def _mask(rng: np.random.Generator, ln_mel: Array, most: int) -> None:
    """Hide some bands and short stretches behind the mean (SpecAugment: Park et al. 2019)."""
    length, bands = ln_mel.shape
    mean = ln_mel.mean()
    for _ in range(int(rng.integers(0, most + 1))):
        width = int(rng.integers(1, 8))
        at = int(rng.integers(bands - width))
        ln_mel[:, at : at + width] = mean
    for _ in range(int(rng.integers(0, 2 * most + 1))):
        width = int(rng.integers(1, 10))
        at = int(rng.integers(length - width))
        ln_mel[at : at + width] = mean
