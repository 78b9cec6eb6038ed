"""New words from three to five takes, without training anything.

    c_i(t) = distance of take i from the sound up to t / the least distances of take i from the cohort + penalty_i(t)
    c(t)   = 0.65 of the least c_i(t) + 0.35 of the second least
    score  = logistic(slope (level - c(t))), held for a moment; 0.6 where c is the word's level

`phonetics` has the space and the cohort, `templates` the distances, `isolation` the penalty on what is said within a
sentence. Each take is measured against how near quite other speech comes to it, so that one that resembles everything
does no harm. A word is kept as its takes' sound: a new space makes new rows of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from typeahead.errors import AudioError, ModelFileError
from typeahead.voice import takes as recorded
from typeahead.voice.classifier import Classifier
from typeahead.voice.detector import THRESHOLD
from typeahead.voice.isolation import DELAY, Isolation
from typeahead.voice.mfcc import MFCC
from typeahead.voice.phonetics import CONTEXT, Phonetics
from typeahead.voice.phonetics import path as phonetics_path
from typeahead.voice.templates import Templates
from typeahead.voice.vocabulary import LEVEL, EnrolledWord, check_name

Array = np.ndarray[Any, np.dtype[Any]]

FEWEST, MOST = 2, 20  # takes
_FIRST = 0.65  # share of the nearest take in c; the rest is the second nearest
_STRICTEST, _ALLOWANCE = 0.7, 0.25  # the lowest level, and how far above the takes' own c it is
_SLOPE = 15.0
_HOLD_S = 0.21  # for which a score stays: the detector's smoothing and patience
_MARGIN = 3  # frames
_SIMILAR = 0.5  # from here on a known word is warned of


@dataclass(frozen=True)
class Report:
    """How good the takes of a word are.

    ``distances``: c of each take by the others; below ``level`` it is heard. ``recall``: the share that is.
    ``nearest``: the word known before that they come nearest to, "" if none; ``similarity``: how near, the score in
    [0, 1] that it gets from them on average. ``problems``: lines for the user.
    """

    word: str
    distances: tuple[float, ...]
    level: float
    nearest: str
    similarity: float
    problems: tuple[str, ...]

    @property
    def recall(self) -> float:
        """Share of the takes that are heard with the others enrolled."""
        return float(np.mean(np.array(self.distances) <= self.level))

    @property
    def spread(self) -> float:
        """Standard deviation of the distances."""
        return float(np.std(self.distances))


class EnrolledMatcher:
    """Hears enrolled words; the detector asks it beside the network.

    Parameters
    ----------
    enrolled : sequence of EnrolledWord
        One or more.
    classifier : Classifier
        Its features and its step are the sound's.
    phonetics : Phonetics, optional
        By default the shipped one.

    Attributes
    ----------
    words : tuple of str
        W of them.

    Raises
    ------
    ModelFileError
        The space is of other features than the classifier's.
    """

    def __init__(
        self, enrolled: Sequence[EnrolledWord], classifier: Classifier, phonetics: Phonetics | None = None
    ) -> None:
        space = phonetics or Phonetics.load(phonetics_path())
        _check_features(classifier, space)
        self.words = tuple(one.word for one in enrolled)
        self._k, self._features = classifier.frames_per_step, space.features
        rows = [_rows(take, span, classifier, space) for one in enrolled for take, span in _sounds(one)]
        self._templates = Templates(rows)
        self._cohort = _cohort_levels(self._templates, space)
        steps = [(end - start) / (self._k * space.features.hop_length) for one in enrolled for start, end in one.spans]
        self._isolation = Isolation(np.rint(steps).astype(np.int64), space.features)
        self._owners = np.cumsum([0, *(len(one.takes) for one in enrolled)])
        self._levels = np.array([one.level for one in enrolled])
        self._hold = max(1, round(_HOLD_S / classifier.step_s))
        self._stream = space.stream(self._k)
        self.reset()

    def reset(self) -> None:
        """Forget all that was heard."""
        self._stream.reset()
        self._templates.reset()
        self._isolation.reset()
        self._recent = np.full((self._hold, len(self.words)), np.inf)
        self._late = np.full((DELAY, len(self._templates)), np.inf)
        self._left = np.zeros((0, self._features.n_mfcc), np.float32)

    def push(self, frames: Array) -> Array:
        """Return scores (T, W) in [0, 1] at the steps that the MFCC frames (n, C) complete."""
        found = self.distances(frames)
        out = np.empty((len(found), len(self.words)))
        for t, row in enumerate(found):
            self._recent = np.concatenate([self._recent[1:], row[None]])
            out[t] = _scores(self._recent.min(axis=0), self._levels)
        return out

    def distances(self, frames: Array) -> Array:
        """Return c (T, W) at each step that the frames (n, C) complete; as of `isolation.DELAY` steps before it."""
        relative = self.relative(frames)
        return np.stack(
            [_nearest_two(relative[:, a:b]) for a, b in zip(self._owners, self._owners[1:], strict=False)], axis=1
        )

    def relative(self, frames: Array) -> Array:
        """Return c_i (T, N) likewise."""
        k = self._k
        self._left = np.concatenate([self._left, frames])
        found = self._templates.push(self._stream.push(frames)) / self._cohort
        late = np.concatenate([self._late, found])
        self._late = late[len(found) :]
        out = late[: len(found)]
        for t in range(len(found)):
            out[t] += self._isolation.push(self._left[t * k : (t + 1) * k])
        self._left = self._left[len(found) * k :]
        return out


def enrol(
    classifier: Classifier,
    takes: Sequence[Array],
    word: str,
    known: Sequence[EnrolledWord] = (),
    phonetics: Phonetics | None = None,
) -> tuple[EnrolledWord, Report]:
    """Learn a word.

    Parameters
    ----------
    classifier : Classifier
    takes : sequence of ndarray [shape=(n,)]
        float32, 16 kHz; two or more, three to five are better.
    word : str
    known : sequence of EnrolledWord
        Those there are; one of the same name does not count.
    phonetics : Phonetics, optional
        By default the shipped one.

    Returns
    -------
    enrolled : EnrolledWord
    report : Report

    Raises
    ------
    AudioError
        There are too few takes or too many, one holds nothing, or the word is one of the network's.
    ModelFileError
        The space cannot be read or is of other features.
    """
    word = check_name(word)
    if word in classifier.labels:
        raise AudioError(f"{word!r} is known already, to the voice model itself; choose another name")
    if not FEWEST <= len(takes) <= MOST:
        raise AudioError(f"{len(takes)} takes of {word!r}; give {FEWEST} to {MOST}, best 3 to 5")
    sounds, spans = [], []
    for i, take in enumerate(takes):
        if recorded.span(take)[1] == 0:
            raise AudioError(f"take {i + 1} of {word!r} holds nothing; record it again")
        sound, start, end = recorded.padded(take)
        sounds.append(np.rint(np.clip(sound, -1, 1) * 32767).astype(np.int16))
        spans.append((start, end))
    space = phonetics or Phonetics.load(phonetics_path())
    created = datetime.now(UTC).isoformat(timespec="seconds")
    enrolled = EnrolledWord(word, tuple(sounds), tuple(spans), created=created)
    alone = _leave_one_out(enrolled, classifier, space)
    # Who says it the same way each time can be heard more strictly.
    enrolled = replace(enrolled, level=min(LEVEL, max(_STRICTEST, float(np.median(alone)) + _ALLOWANCE)))
    others = [one for one in known if one.word != word]
    return enrolled, _report(enrolled, alone, others, classifier, space)


def _leave_one_out(enrolled: EnrolledWord, classifier: Classifier, space: Phonetics) -> list[float]:
    """Return the least c of each take by the others."""
    matcher = EnrolledMatcher([enrolled], classifier, space)
    alone = []
    for i, (sound, _) in enumerate(_sounds(enrolled)):
        matcher.reset()
        relative = matcher.relative(_frames(sound, classifier))
        alone.append(float(_nearest_two(np.delete(relative, i, axis=1)).min()))
    return alone


def _report(
    enrolled: EnrolledWord,
    alone: Sequence[float],
    others: Sequence[EnrolledWord],
    classifier: Classifier,
    space: Phonetics,
) -> Report:
    sounds = [take for take, _ in _sounds(enrolled)]
    similar = {name: float(score) for name, score in _network_similarity(sounds, classifier).items()}
    if others:
        known = EnrolledMatcher(others, classifier, space)
        best = [_least(known, sound, classifier) for sound in sounds]
        scores = _scores(np.array(best), known._levels).mean(axis=0)
        similar.update(zip(known.words, map(float, scores), strict=True))
    nearest = max(similar, key=lambda name: similar[name]) if similar else ""
    similarity = similar.get(nearest, 0.0)
    problems = [
        f"take {i + 1} is unlike the others; say it the same way"
        for i, distance in enumerate(alone)
        if distance > enrolled.level
    ]
    if similarity >= _SIMILAR:
        problems.append(f"it sounds like {nearest!r}, which may be heard instead; choose a word that differs more")
    lengths = [end - start for start, end in enrolled.spans]
    if np.median(lengths) < 0.35 * recorded.SAMPLE_RATE:
        problems.append("it is short; a longer word or a phrase is heard more surely and less often by mistake")
    return Report(enrolled.word, tuple(alone), enrolled.level, nearest, similarity, tuple(problems))


def _network_similarity(sounds: Sequence[Array], classifier: Classifier) -> dict[str, float]:
    scores = np.mean([classifier.classify(sound)[1] for sound in sounds], axis=0)
    return dict(zip(classifier.words, scores, strict=False))


def _least(matcher: EnrolledMatcher, sound: Array, classifier: Classifier) -> Array:
    matcher.reset()
    least: Array = matcher.distances(_frames(sound, classifier)).min(axis=0)
    return least


def _frames(sound: Array, classifier: Classifier) -> Array:
    return MFCC(classifier.features, classifier.tables).push(sound)


def _sounds(enrolled: EnrolledWord) -> list[tuple[Array, tuple[int, int]]]:
    return [(take.astype(np.float32) / 32767, span) for take, span in zip(enrolled.takes, enrolled.spans, strict=True)]


def _rows(sound: Array, span: tuple[int, int], classifier: Classifier, space: Phonetics) -> Array:
    """Return the rows (n, D) of the word in a sound: those whose middle frames lie in it, or nearly."""
    k, hop = classifier.frames_per_step, classifier.features.hop_length
    rows = space.stream(k).push(_frames(sound, classifier))
    middle = k * np.arange(1, len(rows) + 1) - 1 - CONTEXT // 2  # frame that a row is about
    first, last = span[0] // hop - _MARGIN, span[1] // hop - classifier.features.win_length // hop + 1 + _MARGIN
    chosen = rows[(middle >= first) & (middle < max(last, first + 2 * k))]
    return chosen if len(chosen) else rows[-1:]


def _cohort_levels(templates: Templates, space: Phonetics) -> Array:
    """Return the mean of the least five distances (N,) of each take from the cohort, at least 0.25 s apart."""
    templates.reset()
    distances = templates.push(space.cohort)
    templates.reset()
    usable = distances[: len(distances) // 8 * 8] if len(distances) >= 8 else distances
    blocks = usable.reshape(-1, min(8, len(usable)), len(templates)).min(axis=1)
    levels: Array = np.sort(blocks, axis=0)[:5].mean(axis=0)
    return np.maximum(levels, 1e-3)


def _nearest_two(relative: Array) -> Array:
    """Return c (T,) of c_i (T, n)."""
    if relative.shape[1] == 1:
        return relative[:, 0]
    least = np.partition(relative, 1, axis=1)
    c: Array = _FIRST * least[:, 0] + (1 - _FIRST) * least[:, 1]
    return c


def _scores(c: Array, levels: Array) -> Array:
    odds = np.log(THRESHOLD / (1 - THRESHOLD)) + _SLOPE * (levels - c)
    score: Array = 1 / (1 + np.exp(-np.clip(odds, -50, 50)))
    return score


def _check_features(classifier: Classifier, space: Phonetics) -> None:
    if classifier.features != space.features:
        raise ModelFileError(
            "the voice model has other features than what new words are compared in; take the shipped model"
        )
