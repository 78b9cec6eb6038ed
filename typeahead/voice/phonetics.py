"""A space in which one sound said by two people lies near, and two sounds do not: what new words are compared in.

    frames (n, C) -> normalised -> the last `CONTEXT` of them -> projection -> length 1: (T, D), a row a network's step

The projection is a linear discriminant analysis over recordings of some dozens of words by many people. Its classes are
the sevenths of each word; where they lie in a recording is found by aligning and fitting in turn, from equal parts on.
It depends on the features alone and not on a network, so what was enrolled with it survives a new voice model.

S = classes, W = ``CONTEXT`` C

Reference: Haeb-Umbach and Ney 1992 (the analysis over neighbouring frames).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from typeahead import config
from typeahead.errors import ModelFileError, TrainingError
from typeahead.rnn import checkpoint
from typeahead.voice import noises
from typeahead.voice.mfcc import Features, Tables
from typeahead.voice.spectrograms import NOISE, Spectrograms, to_nats

Array = np.ndarray[Any, np.dtype[Any]]

KIND = "phonetics"
CONTEXT = 15  # frames; the sound that is told is the one in their middle
_DIMENSIONS = 40
_ROUNDS = 3  # of aligning and fitting
_PER_WORD = 160  # recordings at most
_AROUND = 12  # frames kept before and after a word
_COHORT = 3600  # steps of other speech and noise; 144 kB as bytes
_PARTS = 7  # of a word, each a class
_FEWEST = 20  # words to learn from


class Phonetics:
    """The space, and a cohort of other speech and noise in it.

    Parameters
    ----------
    features : Features
        Whose frames it takes.
    mean, std : ndarray [shape=(C,)]
        That the frames are normalised by.
    offset : ndarray [shape=(W,)]
        Taken off the stacked frames.
    projection : ndarray [shape=(W, D)]
    cohort : ndarray [shape=(N, D)]
        Consecutive steps of sound that is none of the words to come.

    Raises
    ------
    ValueError
        The parts do not fit together.
    """

    def __init__(
        self, features: Features, mean: Array, std: Array, offset: Array, projection: Array, cohort: Array
    ) -> None:
        width, dimensions = CONTEXT * features.n_mfcc, projection.shape[-1]
        shapes = (mean.shape, std.shape, offset.shape, projection.shape, cohort.shape[1:])
        if shapes != ((features.n_mfcc,), (features.n_mfcc,), (width,), (width, dimensions), (dimensions,)):
            raise ValueError(f"parts of shapes {shapes} do not fit {features.n_mfcc} coefficients")
        self.features = features
        self.mean, self.std, self.offset = (np.asarray(a, np.float32) for a in (mean, std, offset))
        self.projection = np.ascontiguousarray(projection, np.float32)
        self.cohort = _unit(np.asarray(cohort, np.float32))

    @classmethod
    def load(cls, path: str | Path) -> Phonetics:
        """Read one.

        Raises
        ------
        ModelFileError
            The file is missing, damaged or something else.
        """
        arrays, metadata = checkpoint.load(path)
        if metadata.get("kind") != KIND:
            raise ModelFileError(
                f"{path}: a {metadata.get('kind', 'file')} of typeahead, not what new words are compared in"
            )
        try:
            parts = [arrays[name] for name in ("mean", "std", "offset", "projection", "cohort")]
            return cls(Features(**metadata["features"]), *parts)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{path}: parts that do not fit ({error!r}); fetch it again") from error

    def save(self, path: str | Path, metadata: dict[str, Any]) -> None:
        """Write it; ``metadata`` is what the file shall say beside what it needs.

        Raises
        ------
        ModelFileError
            It cannot be written.
        """
        arrays = {
            "mean": self.mean,
            "std": self.std,
            "offset": self.offset,
            "projection": self.projection.astype(np.float16),
            "cohort": np.rint(self.cohort * 127).astype(np.int8),
        }
        checkpoint.save(path, arrays, {**metadata, "kind": KIND, "features": asdict(self.features)})

    def stream(self, frames_per_step: int) -> Stream:
        """Return what takes frames as they come."""
        return Stream(self, frames_per_step)

    def project(self, stacked: Array) -> Array:
        """Return stacked normalised frames (T, W) in the space (T, D), each of length 1."""
        return _unit((stacked - self.offset) @ self.projection)


class Stream:
    """Frames in, rows of the space out, whatever the pieces they come in."""

    def __init__(self, phonetics: Phonetics, frames_per_step: int) -> None:
        self._phonetics, self._k = phonetics, frames_per_step
        self.reset()

    def reset(self) -> None:
        """Forget the frames so far."""
        self._kept = np.zeros((0, self._phonetics.features.n_mfcc), np.float32)

    def push(self, frames: Array) -> Array:
        """Return (T, D) for MFCC frames (n, C): a row for every ``frames_per_step``, of the sound just before it."""
        one, k = self._phonetics, self._k
        if not len(frames):
            return np.zeros((0, one.projection.shape[1]), np.float32)
        normal = ((frames - one.mean) / one.std).astype(np.float32)
        if not len(self._kept):
            self._kept = np.repeat(normal[:1], CONTEXT - k, axis=0)
        kept = np.concatenate([self._kept, normal])
        count = (len(kept) - (CONTEXT - k)) // k
        self._kept = kept[count * k :]
        if not count:
            return np.zeros((0, one.projection.shape[1]), np.float32)
        return one.project(_stacked(kept[: CONTEXT + (count - 1) * k])[::k])


def path() -> Path:
    """Return the shipped file."""
    return config.models_dir() / "phonetics.safetensors"


def _unit(x: Array) -> Array:
    return np.asarray(x / (np.linalg.norm(x, axis=-1, keepdims=True) + 1e-6), np.float32)


def _stacked(frames: Array) -> Array:
    """Return the windows (n - `CONTEXT` + 1, W) of frames (n, C)."""
    view = np.lib.stride_tricks.sliding_window_view(frames, (CONTEXT, frames.shape[1]))
    return view.reshape(len(view), -1)


def _centred(frames: Array) -> Array:
    """Return the windows around each frame, (n, W), the first and last frame repeated."""
    return _stacked(np.pad(frames, ((CONTEXT // 2, CONTEXT // 2), (0, 0)), "edge"))


def learn(
    words: Spectrograms, features: Features, tables: Tables, seed: int, report: Callable[[str], None] = print
) -> Phonetics:
    """Make the space from recordings of words, with noise mixed in from those of `NOISE`.

    Parameters
    ----------
    words : Spectrograms
        The more words and the more people, the better.
    features : Features
    tables : Tables
    seed : int
        Of what is drawn.
    report : callable
        Takes a line after each round.

    Raises
    ------
    TrainingError
        There are too few words or recordings.
    """
    rng = np.random.default_rng(seed)
    noise = [to_nats(words[i]) for i, label in enumerate(words.labels) if label == NOISE]
    murmur = np.concatenate(noise) if noise else np.full((2000, features.n_mels), np.log(noises.FLOOR), np.float32)
    clips = _draw(words, murmur, rng)
    vocabulary = sorted({word for word, _, _ in clips})
    if len(vocabulary) < _FEWEST or len(clips) < 20 * len(vocabulary):
        raise TrainingError(
            f"{len(clips)} recordings of {len(vocabulary)} words; take {_FEWEST} or more, said by 20 people or more"
        )
    coefficients = [ln_mel @ tables.dct.T for _, ln_mel, _ in clips]
    every = np.concatenate(coefficients)
    mean, std = every.mean(axis=0), every.std(axis=0)
    frames = [((x - mean) / std).astype(np.float32) for x in coefficients]
    # Class 0 is what lies before and after a word.
    chains = {word: np.r_[0, 1 + i * _PARTS + np.arange(_PARTS), 0] for i, word in enumerate(vocabulary)}
    states = [chains[word] for word, _, _ in clips]
    labels = [_equal_parts(len(x), s, *span) for x, s, (_, _, span) in zip(frames, states, clips, strict=True)]
    for i in range(_ROUNDS):
        offset, projection, means = _analysed(frames, labels, 1 + _PARTS * len(vocabulary))
        aligned = [
            s[_best_path(_scores((_centred(x) - offset) @ projection, means[s]))]
            for x, s in zip(frames, states, strict=True)
        ]
        moved = np.mean([np.mean(a != b) for a, b in zip(labels, aligned, strict=True)])
        report(f"round {i + 1} of {_ROUNDS}: {100 * moved:.1f} % of the frames moved")
        labels = aligned
    space = Phonetics(features, mean, std, offset, projection, np.zeros((0, projection.shape[1]), np.float32))
    cohort = _cohort(words, murmur, rng) @ tables.dct.T
    space.cohort = space.stream(3).push(cohort)[:_COHORT]
    return space


def _draw(words: Spectrograms, murmur: Array, rng: np.random.Generator) -> list[tuple[str, Array, tuple[int, int]]]:
    """Return word, log-mel and the word's span of some recordings of each word, over noise or none."""
    count: dict[str, int] = {}
    clips = []
    spans = words.spans()
    for i in rng.permutation(len(words)):
        word, (start, end) = words.labels[i], spans[i]
        if word.startswith("_") or count.get(word, 0) == _PER_WORD or not 15 <= end - start <= 90:
            continue
        count[word] = count.get(word, 0) + 1
        ln_mel = to_nats(words[i])
        first, last = max(0, start - _AROUND), min(len(ln_mel), end + _AROUND)
        ln_mel = ln_mel[first:last]
        if rng.random() < 0.6:
            at = int(rng.integers(len(murmur) - len(ln_mel)))
            under = murmur[at : at + len(ln_mel)]
            change = _loudness(ln_mel) - _loudness(under) - rng.uniform(0.0, 25.0) * np.log(10) / 10
            ln_mel = np.logaddexp(ln_mel, under + change)
        ln_mel = np.logaddexp(ln_mel + rng.uniform(-4.0, 3.0), np.log(noises.FLOOR))
        clips.append((word, ln_mel.astype(np.float32), (int(start - first), int(end - first))))
    return clips


def _cohort(words: Spectrograms, murmur: Array, rng: np.random.Generator) -> Array:
    """Return log-mel of words of all kinds one after another, now and then noise, over a little noise."""
    by_word: dict[str, list[int]] = {}
    for i, label in enumerate(words.labels):
        if label != NOISE:
            by_word.setdefault(label, []).append(i)
    spans, order, pieces, length = words.spans(), sorted(by_word), [], 0
    while length < 3 * _COHORT + CONTEXT:
        choice = by_word[order[rng.integers(len(order))]]
        i = choice[rng.integers(len(choice))]
        start, end = spans[i]
        if end - start < 12:
            continue
        piece = to_nats(words[i])[max(0, start - 2) : end + 2]
        pieces.append(piece - _loudness(piece) + rng.uniform(-1.0, 2.0))
        if rng.random() < 0.3:
            at = int(rng.integers(len(murmur) - 60))
            piece = murmur[at : at + int(rng.integers(5, 60))]
            pieces.append(piece - _loudness(piece) + rng.uniform(-4.0, 2.0))
        length = sum(len(piece) for piece in pieces)
    sound = np.concatenate(pieces)
    return np.logaddexp(sound, np.resize(murmur, sound.shape) - _loudness(murmur) - 5.0)


def _loudness(ln_mel: Array) -> float:
    return float(np.log(np.exp(ln_mel).mean() + noises.FLOOR))


def _equal_parts(length: int, states: Array, start: int, end: int) -> Array:
    labels = np.full(length, states[0])
    inner = states[1:-1]
    labels[start:end] = inner[np.arange(end - start) * len(inner) // (end - start)]
    return labels


def _analysed(frames: list[Array], labels: list[Array], S: int) -> tuple[Array, Array, Array]:
    """Return offset (W,), projection (W, D) and the classes' means (S, D) in it."""
    width = CONTEXT * frames[0].shape[1]
    sums, count = np.zeros((S, width)), np.zeros(S)
    total = np.zeros((width, width))
    for x, label in zip(frames, labels, strict=True):
        stacked = _centred(x)
        total += stacked.T @ stacked
        ones = np.zeros((len(x), S), np.float32)
        ones[np.arange(len(x)), label] = 1
        sums += ones.T @ stacked
        count += ones.sum(axis=0)
    n = count.sum()
    offset = sums.sum(axis=0) / n
    means = sums / np.maximum(count, 1)[:, None] - offset
    total = total / n - np.outer(offset, offset)
    between = (means * count[:, None]).T @ means / n
    within = total - between + 1e-3 * np.trace(total) / width * np.eye(width)
    values, vectors = np.linalg.eigh(within)
    whiten = vectors / np.sqrt(values)
    _, turn = np.linalg.eigh(whiten.T @ between @ whiten)
    projection = (whiten @ turn[:, ::-1][:, :_DIMENSIONS]).astype(np.float32)
    return offset.astype(np.float32), projection, (means @ projection).astype(np.float32)


def _scores(x: Array, means: Array) -> Array:
    """Return the log-likelihoods (n, S), but for a constant a row, of normal classes of variance 1."""
    scores: Array = x @ means.T - 0.5 * (means**2).sum(axis=1)
    return scores


def _best_path(scores: Array) -> Array:
    """Return the state at each frame: from the first to the last in order, each for a frame at least (Viterbi)."""
    n, S = scores.shape
    stay = np.zeros((n, S), bool)
    best = np.full(S, -np.inf)
    best[:2] = scores[0, :2]  # either silence may be missing
    for t in range(1, n):
        moved = np.concatenate([[-np.inf], best[:-1]])
        stay[t] = best >= moved
        best = np.maximum(best, moved) + scores[t]
    path = np.empty(n, np.int64)
    state = S - 1 if best[-1] > best[-2] else S - 2
    for t in range(n - 1, -1, -1):
        path[t] = state
        state -= 0 if stay[t, state] or t == 0 else 1
    return path
