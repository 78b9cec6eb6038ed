"""Long recordings composed of labelled clips, with what is said in them and when: what a detector is judged by.

Every clip is placed once in random order, as it is, at least 1.2 s after the one before, in digital silence or in a
noise so and so much below it. That is done with sound, for the whole path, or with spectrograms as mel power, where
sounds add, too. The same seed gives the same recording.

n = samples or frames, M = mel bands
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from typeahead.errors import AudioError
from typeahead.voice import noises, recordings, spectrograms
from typeahead.voice.evaluation import ahead, audio_files, label_of
from typeahead.voice.labels import SILENCE
from typeahead.voice.mfcc import MFCC, Features, Tables
from typeahead.voice.spectrograms import Spectrograms

Array = np.ndarray[Any, np.dtype[Any]]

APART_S = 1.2  # from the start of a clip to that of the next, at least
_BETWEEN_S = 0.2  # from the end of a clip to the start of the next, at least
_PAUSE_S = 2.0  # more, at most
_PIECE_S = 30.0
_LEVEL_DB = -25.0  # dBFS of words that are mixed with noise, and
_LEVEL_SPREAD_DB = 5.0  # how far a piece may be from it
_MEL_LEVEL = -1.0  # nats of mean power a band: the same for spectrograms
_FADE_S = 0.01
_TRAILING_S = 1.0  # after the last clip


class Spoken(NamedTuple):
    """A word in a recording: the model's label, and where it is loud (`Spectrograms.spans`), in seconds."""

    label: str
    start_s: float
    end_s: float


class Piece(NamedTuple):
    """Some seconds of a recording: samples (n,) or log-mel frames (n, M), and what is said in them."""

    content: Array
    spoken: list[Spoken]


class Material(Protocol):
    """Clips and noise of one kind."""

    rate: float  # samples or frames a second
    level: float  # power of words that are mixed with noise
    labels: Sequence[str]
    spans: Array  # (N, 2) seconds

    def length(self, i: int) -> int:
        """Return how long a clip is."""
        ...

    def noise(self, rng: np.random.Generator, length: int) -> Array:
        """Return noise of that length as `blank` is, with a mean power of 1."""
        ...

    def blank(self, length: int) -> Array:
        """Return silence of that length."""
        ...

    def add(self, content: Array, at: int, i: int, power: float | None) -> None:
        """Add clip ``i`` to what `blank` returned; its word's mean power is then ``power``, or stays what it is."""
        ...

    def scaled(self, content: Array, power: float) -> Array:
        """Return the content so much stronger."""
        ...

    def finished(self, content: Array) -> Array:
        """Return the content as a piece holds it."""
        ...


@dataclass(frozen=True)
class Plan:
    """How to compose: ``snr_db`` of words over noise, None for none; ``hours``, None for each clip once; ``seed``."""

    snr_db: float | None = None
    hours: float | None = None
    seed: int = 0


def compose(material: Material, labels: Sequence[str], plan: Plan) -> Iterator[Piece]:
    """Yield a long recording piece by piece.

    Parameters
    ----------
    material : Sound or Mel
    labels : sequence of str
        The model's.
    plan : Plan
        With ``hours`` the clips come over and over again, or not all of them.

    Raises
    ------
    AudioError
        There is no clip of a word.
    """
    rng = np.random.default_rng(plan.seed)
    chosen = [i for i, label in enumerate(material.labels) if label_of(label, labels) != SILENCE]
    if not chosen:
        raise AudioError("no recordings of words to compose a stream of; name a folder that has one folder a word")
    ends = plan.hours * 3600 if plan.hours is not None else float("inf")
    queue: list[int] = []
    begun, begin_s = False, 0.0
    while begin_s < ends:
        if not queue:
            if begun and plan.hours is None:
                return
            queue, begun = [chosen[k] for k in rng.permutation(len(chosen))], True
        placed: list[tuple[int, int]] = []
        at = int(rng.uniform(0.3, 1.0) * material.rate)
        until = min(_PIECE_S, ends - begin_s) * material.rate
        while queue and at + material.length(queue[-1]) < until:
            i = queue.pop()
            placed.append((at, i))
            step_s = max(APART_S, material.length(i) / material.rate + _BETWEEN_S) + rng.uniform(0, _PAUSE_S)
            at += int(step_s * material.rate)
        if not placed and ends == float("inf"):  # a clip as long as a piece
            placed, at = [(at, queue[-1])], at + material.length(queue.pop())
        last = int(_TRAILING_S * material.rate) if not queue and ends == float("inf") else 0
        length = max(at + last, int(until) if ends != float("inf") else 0)
        yield Piece(_mixed(material, rng, placed, length, plan.snr_db), _spoken(material, placed, begin_s, labels))
        begin_s += length / material.rate


def _mixed(
    material: Material, rng: np.random.Generator, placed: list[tuple[int, int]], length: int, snr_db: float | None
) -> Array:
    content = material.blank(length)
    power = None
    if snr_db is not None:
        power = material.level * 10 ** (rng.uniform(-_LEVEL_SPREAD_DB, _LEVEL_SPREAD_DB) / 10)
        content += material.scaled(material.noise(rng, length), power / 10 ** (snr_db / 10))
    for at, i in placed:
        material.add(content, at, i, power)
    return material.finished(content)


def _spoken(material: Material, placed: list[tuple[int, int]], begin_s: float, labels: Sequence[str]) -> list[Spoken]:
    found = []
    for at, i in placed:
        start_s, end_s = material.spans[i] + begin_s + at / material.rate
        found.append(Spoken(label_of(material.labels[i], labels), float(start_s), float(end_s)))
    return found


def _spans_s(clips: Spectrograms, features: Features) -> Array:
    """Return (N, 2) seconds: frames are where their middles are, and what lies between two is halved."""
    around = (features.win_length - features.hop_length) / 2
    return (clips.spans() * features.hop_length + around) / features.sr


def _stretch(rng: np.random.Generator, sources: Sequence[Array], length: int) -> Array:
    """Return that much of one of the recordings, from a random place on and over and over."""
    source = sources[int(rng.integers(len(sources)))]
    at = int(rng.integers(len(source)))
    return np.take(source, np.arange(at, at + length), axis=0, mode="wrap")


class Sound:
    """Recordings of words and of noise, as samples.

    Parameters
    ----------
    folder : str or path
        One folder a word.
    noise : sequence of str or path
        Recordings, or folders of some.
    features : Features
    tables : Tables

    Raises
    ------
    AudioError
        There are none, or one cannot be read.
    """

    def __init__(self, folder: str | Path, noise: Sequence[str | Path], features: Features, tables: Tables) -> None:
        self.rate = float(features.sr)
        self.level = 10 ** (_LEVEL_DB / 10)
        files = [(word, path) for word, paths in recordings.word_folders(folder).items() for path in paths]
        self.labels: Sequence[str] = [word for word, _ in files]
        self._clips = list(ahead(lambda file: recordings.read(file[1], features.sr), files))
        self._noise = read_noise(noise, features)
        mfcc, mels = MFCC(features, tables), []
        for y in self._clips:
            mfcc.reset()
            mels.append(spectrograms.to_bytes(mfcc.mel(np.pad(y, (0, max(0, features.win_length - len(y)))))))
        starts = np.cumsum([0, *map(len, mels)])
        self.spans = _spans_s(Spectrograms(np.concatenate(mels), starts, tuple(self.labels), ()), features)
        fade = np.linspace(0, 1, int(_FADE_S * features.sr), dtype=np.float32)
        for i, y in enumerate(self._clips):  # the edge of a clip that has noise of its own is no click
            width = min(len(fade), len(y) // 2)
            slope = fade[:width]
            self._clips[i] = np.concatenate(
                [y[:width] * slope, y[width : len(y) - width], y[len(y) - width :] * slope[::-1]]
            )

    def length(self, i: int) -> int:
        """Return its samples."""
        return len(self._clips[i])

    def noise(self, rng: np.random.Generator, length: int) -> Array:
        """Return a stretch of some recording of noise, or white noise if there are none."""
        if not self._noise:
            return rng.standard_normal(length).astype(np.float32)
        y = _stretch(rng, self._noise, length)
        return y / np.float32(np.sqrt(np.mean(y**2, dtype=np.float64)) + 1e-9)

    def blank(self, length: int) -> Array:
        """Return zeros (n,)."""
        return np.zeros(length, np.float32)

    def add(self, content: Array, at: int, i: int, power: float | None) -> None:
        """Add its samples."""
        y = self._clips[i]
        if power is not None:
            start, end = (int(second * self.rate) for second in self.spans[i])
            end = max(end, start + 1)
            y = y * np.float32(np.sqrt(power / (np.mean(y[start:end] ** 2, dtype=np.float64) + 1e-9)))
        content[at : at + len(y)] += y

    def scaled(self, content: Array, power: float) -> Array:
        """Return it that much louder."""
        return content * np.float32(np.sqrt(power))

    def finished(self, content: Array) -> Array:
        """Return it as a sound card would: what is too loud is cut off."""
        return np.clip(content, -1, 1)


class Mel:
    """Spectrograms of words and of noise, as mel power.

    Parameters
    ----------
    clips : Spectrograms
    noise : sequence of str or path
        As for `Sound`.
    features : Features
    tables : Tables
    """

    def __init__(self, clips: Spectrograms, noise: Sequence[str | Path], features: Features, tables: Tables) -> None:
        self.rate = features.frames_per_s
        self.level = float(np.exp(_MEL_LEVEL))
        self.labels: Sequence[str] = clips.labels
        self.spans = _spans_s(clips, features)
        self._clips, self._frames, self._features = clips, clips.spans(), features
        mfcc = MFCC(features, tables)
        self._noise = []
        for y in read_noise(noise, features):
            mfcc.reset()
            self._noise.append(noises.power_of(mfcc.mel(y)))

    def length(self, i: int) -> int:
        """Return its frames."""
        return len(self._clips[i])

    def noise(self, rng: np.random.Generator, length: int) -> Array:
        """Return a stretch of some recording of noise, or noise that is the same in every band."""
        if not self._noise:
            return (rng.standard_gamma(3.0, (length, self._features.n_mels)) / 3.0).astype(np.float32)
        power = _stretch(rng, self._noise, length)
        return power / np.float32(power.mean() + 1e-9)

    def blank(self, length: int) -> Array:
        """Return no power (n, M)."""
        return np.zeros((length, self._features.n_mels), np.float32)

    def add(self, content: Array, at: int, i: int, power: float | None) -> None:
        """Add its power."""
        own = noises.to_power(self._clips[i])
        if power is not None:
            start, end = self._frames[i]
            own = own * np.float32(power / (own[start:end].mean() + 1e-9))
        content[at : at + len(own)] += own

    def scaled(self, content: Array, power: float) -> Array:
        """Return it that much stronger."""
        return content * np.float32(power)

    def finished(self, content: Array) -> Array:
        """Return its logarithm."""
        return np.log(content + np.float32(self._features.floor))


def read_noise(places: Sequence[str | Path], features: Features) -> list[Array]:
    """Return the recordings (n,) there.

    Raises
    ------
    AudioError
        There are none, or one cannot be read.
    """
    files = [path for place in places for path in audio_files(place)]
    return list(ahead(lambda path: recordings.read(path, features.sr), files))
