"""How well a detector hears words in running sound: misses, false alarms, delay, and all of it at other thresholds.

The detector itself listens, once. What its decision was given is kept, so that the same decision can be asked again
with other thresholds without the network. T = steps, W = words
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from typeahead.voice.classifier import Classifier
from typeahead.voice.compositions import Piece, Spoken
from typeahead.voice.detector import THRESHOLD, Decision, Detection, Detector, DetectorConfig
from typeahead.voice.evaluation import ahead, audio_files
from typeahead.voice.labels import UNKNOWN
from typeahead.voice.recordings import read

Array = np.ndarray[Any, np.dtype[Any]]

LATE_S = 0.75  # after a word's end a detection may still be of it
_BETWEEN_S = 0.5  # of silence between recordings without words
_DULL = 0.25  # share of the lowest threshold below which posteriors neither detect a word nor keep one from being armed
THRESHOLDS = tuple(round(0.2 + 0.025 * i, 3) for i in range(32))  # of a sweep


class Heard(NamedTuple):
    """Posteriors of the words (T, W) one after another; when each was there (T,), seconds; how many steps had been
    left out before it (T,), the gate being shut; whether the decision began anew with it (T,). duration_s: of all.
    """  # noqa: D205

    posteriors: Array
    times_s: Array
    skipped: Array
    anew: Array
    duration_s: float


class _Recorder(Decision):
    """Stands where a detector's decision does, keeps what it is given and never decides."""

    def __init__(self, detector: Detector) -> None:
        super().__init__(detector.words, detector.config, detector.step_s)
        self._detector = detector
        self.rows: list[tuple[Array, float, int, bool]] = []
        self._skipped, self._anew = 0, False

    def step(self, posteriors: Array) -> int | None:
        self.rows.append((np.array(posteriors, np.float32), self._detector.time_s, self._skipped, self._anew))
        self._skipped, self._anew = 0, False
        return None

    def skip(self, steps: int) -> None:
        self._skipped += steps

    def reset(self) -> None:
        super().reset()
        self._anew = True


def listen(detector: Detector, pieces: Iterable[Array]) -> Heard:
    """Let a fresh detector hear samples (n,) piece by piece; what it would decide, `decide` tells."""
    recorder = _Recorder(detector)
    detector.decision = recorder
    for y in pieces:
        detector.push(y)
    return _heard(recorder.rows, len(detector.words), detector.time_s)


def listen_to_frames(classifier: Classifier, pieces: Iterable[Array]) -> Heard:
    """Give a classifier log-mel frames (n, M) piece by piece: as `listen`, but for the gate, which hears samples."""
    stream = classifier.stream()
    rows: list[tuple[Array, float, int, bool]] = []
    for ln_mel in pieces:
        posteriors, _ = stream.push_frames(ln_mel @ classifier.tables.dct.T)
        for row in posteriors[:, : len(classifier.words)]:
            rows.append((row, (len(rows) + 1) * classifier.step_s, 0, False))
    return _heard(rows, len(classifier.words), len(rows) * classifier.step_s)


def _heard(rows: list[tuple[Array, float, int, bool]], words: int, duration_s: float) -> Heard:
    posteriors, times_s, skipped, anew = zip(*rows, strict=True) if rows else ([], [], [], [])
    table = np.array(posteriors, np.float32).reshape(-1, words)
    return Heard(table, np.array(times_s), np.array(skipped, int), np.array(anew, bool), duration_s)


def decide(heard: Heard, words: Sequence[str], config: DetectorConfig, step_s: float) -> list[Detection]:
    """Return what a detector with this configuration would have detected; its gate stays the one that listened."""
    decision = Decision(words, config, step_s)
    window = max(1, round(config.smoothing_s / step_s))
    loud = heard.posteriors.max(axis=1, initial=0.0) >= _DULL * decision.thresholds.min(initial=1.0)
    found = []
    passed = 0  # steps that only let time pass
    for t in np.flatnonzero(_near(loud, window)):
        missed = int(heard.skipped[passed : t + 1].sum()) + int(t) - passed
        passed = int(t) + 1
        if missed:
            decision.skip(missed)
        if heard.anew[t]:
            decision.reset()
        best, time_s = decision.step(heard.posteriors[t]), float(heard.times_s[t])
        if best is not None and time_s >= config.warm_up_s:
            found.append(Detection(decision.words[best], float(decision.smooth[best]), time_s))
    return found


def _near(marks: Array, reach: int) -> Array:
    """Return which of (T,) have a mark within ``reach`` before or after.

    Elsewhere nothing that an average over so many steps holds comes near a threshold: there the decision does nothing
    but let time pass, and what it then averages is of as little account.
    """
    sums = np.concatenate([[0], np.cumsum(marks)])
    t = np.arange(len(marks))
    return np.asarray(sums[np.minimum(t + reach + 1, len(marks))] > sums[np.maximum(t - reach, 0)])


@dataclass
class Count:
    """What became of the words of a recording, and what was heard where none was.

    ``spoken``, ``missed``: by word; ``substituted``: those missed ones in whose place another word was heard;
    ``unknown``, ``triggered``: words that the model does not know, and those in whose place it heard one;
    ``false_alarms``: detections where nothing was said, or once more of a word that had been heard.
    """

    spoken: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    substituted: int = 0
    unknown: int = 0
    triggered: int = 0
    false_alarms: list[Detection] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)
    hours: float = 0.0

    @property
    def miss_rate(self) -> float:
        """Share of the known words that were not heard, or heard as another."""
        return self.missed.total() / max(1, self.spoken.total())

    @property
    def per_hour(self) -> float:
        """False alarms an hour."""
        return len(self.false_alarms) / self.hours if self.hours else 0.0

    def delay_s(self, share: float) -> float:
        """Return the delay that ``share`` of the words that were heard do not exceed; there must be some."""
        return float(np.quantile(self.delays_s, share))


def match(
    spoken: Iterable[Spoken], detections: Iterable[Detection], duration_s: float, late_s: float = LATE_S
) -> Count:
    """Count hits, misses and false alarms.

    A detection is of a word if it comes between the word's start and ``late_s`` after its end, and before the next
    word's start. The first right one is a hit; if there is none, the first other one is a substitution. All others are
    false alarms.

    Parameters
    ----------
    spoken : iterable of Spoken
        In order.
    detections : iterable of Detection
        In order.
    duration_s, late_s : float
        Seconds.
    """
    count = Count(hours=duration_s / 3600)
    words = list(spoken)
    starts = [word.start_s for word in words]
    of_word: list[list[Detection]] = [[] for _ in words]
    for one in detections:
        i = int(np.searchsorted(starts, one.time_s, side="right")) - 1
        if i >= 0 and one.time_s <= words[i].end_s + late_s:
            of_word[i].append(one)
        else:
            count.false_alarms.append(one)
    for word, found in zip(words, of_word, strict=True):
        right = next((one for one in found if one.word == word.label), None)
        taken = right or (found[0] if found else None)
        count.false_alarms += [one for one in found if one is not taken]
        if word.label == UNKNOWN:
            count.unknown += 1
            count.triggered += taken is not None
            continue
        count.spoken[word.label] += 1
        if right is not None:
            count.delays_s.append(right.time_s - word.end_s)
        else:
            count.missed[word.label] += 1
            count.substituted += taken is not None
    count.false_alarms.sort(key=lambda one: one.time_s)
    return count


def poisson_interval(count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the means of Poisson distributions of which so few, or so many, would just be surprising (Garwood 1936).

    Parameters
    ----------
    count : int
        Of events.
    confidence : float
        Of the interval, two-sided.
    """
    tail = (1 - confidence) / 2

    def at_most(mean: float) -> float:  # P(N <= count)
        logs = [k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(count + 1)]
        return sum(map(math.exp, logs))

    def fewer(mean: float) -> float:  # P(N < count)
        return at_most(mean) - math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))

    top = count + 10 * math.sqrt(count + 1) + 10
    low = _falling(fewer, 1 - tail, 1e-9, top) if count else 0.0
    return low, _falling(at_most, tail, 1e-9, top)


def _falling(function: Any, value: float, low: float, high: float) -> float:
    """Return where a falling function takes a value."""
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > value else (low, middle)
    return low


@dataclass(frozen=True)
class Trial:
    """What a detector has heard and what it should have: words, or recordings without any.

    ``sources``: names of recordings and when they begin, in order.
    """

    heard: Heard
    spoken: Sequence[Spoken] = ()
    sources: Sequence[tuple[float, str]] = ()

    def place(self, time_s: float) -> tuple[str, float]:
        """Return which recording was heard at a time, and the seconds since its start."""
        begin_s, name = max((one for one in self.sources if one[0] <= time_s), default=(0.0, ""))
        return name, time_s - begin_s

    def count(self, words: Sequence[str], config: DetectorConfig, step_s: float) -> Count:
        """Return what it makes of it with this configuration."""
        return match(self.spoken, decide(self.heard, words, config, step_s), self.heard.duration_s)


class Point(NamedTuple):
    """What one threshold for all words comes to."""

    threshold: float
    miss_rate: float | None  # None where no words were said
    per_hour: float


@dataclass(frozen=True)
class StreamFigures:
    """What `stream_figures` finds: counts with the thresholds asked for, and a sweep over others.

    ``alarms`` is what false alarms are counted in: ``negatives`` where there are any, else ``words``; ``places``: in
    which recording of them each one was, and when in it, seconds. ``quiet``: the lowest threshold of the sweep from
    which on a word raised no false alarm in them; words that always did are left out.
    """

    thresholds: Mapping[str, float]
    words: Count | None
    negatives: Count | None
    sweep: list[Point]
    places: list[tuple[str, float]] = field(default_factory=list)
    quiet: dict[str, float] = field(default_factory=dict)

    @property
    def alarms(self) -> Count:  # noqa: D102
        count = self.negatives or self.words
        assert count is not None  # one of them was asked for
        return count

    def best(self, per_hour: float = 1.0) -> Point | None:
        """Return the point of the sweep that misses least at no more false alarms an hour; None if there is none."""
        allowed = [point for point in self.sweep if point.per_hour <= per_hour]
        return min(allowed, key=lambda point: (point.miss_rate or 0.0, point.threshold), default=None)

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON can hold it; rates are shares, times seconds."""
        best = self.best()
        alarms = [
            {"word": one.word, "confidence": one.confidence, "recording": name, "time_s": time_s}
            for one, (name, time_s) in zip(self.alarms.false_alarms, self.places, strict=bool(self.places))
        ]
        found: dict[str, Any] = {
            "thresholds": dict(self.thresholds),
            "false_alarms": {
                **_alarms_json(self.alarms),
                "each": alarms,
                "in": "negatives" if self.negatives else "stream",
            },
            "sweep": [point._asdict() for point in self.sweep],
            "at_1_per_hour": best and best._asdict(),
            "quiet_thresholds": self.quiet,
        }
        return found | (_words_json(self.words) if self.words else {})


def _alarms_json(count: Count) -> dict[str, Any]:
    low, high = (bound / count.hours if count.hours else 0.0 for bound in poisson_interval(len(count.false_alarms)))
    return {
        "count": len(count.false_alarms),
        "hours": count.hours,
        "per_hour": count.per_hour,
        "per_hour_95": [low, high],
        "by_word": dict(Counter(one.word for one in count.false_alarms).most_common()),
    }


def _words_json(count: Count) -> dict[str, Any]:
    said = count.spoken.total()
    delay = {"median": count.delay_s(0.5), "p90": count.delay_s(0.9)} if count.delays_s else None
    return {
        "words": said,
        "missed": count.missed.total(),
        "miss_rate": count.miss_rate,
        "miss_rate_by_word": {word: count.missed[word] / n for word, n in sorted(count.spoken.items())},
        "substituted": count.substituted,
        "substitution_rate": count.substituted / max(1, said),
        "unknown": count.unknown,
        "unknown_heard_as_a_word": count.triggered,
        "delay_s": delay,
        "stream": _alarms_json(count),
    }


def stream_figures(
    classifier: Classifier,
    config: DetectorConfig,
    words: Trial | None,
    negatives: Trial | None,
    thresholds: Sequence[float] = THRESHOLDS,
) -> StreamFigures:
    """Return the figures of a detector over what was heard.

    Parameters
    ----------
    classifier : Classifier
    config : DetectorConfig
        Its thresholds give the figures beside the sweep.
    words, negatives : Trial or None
        At least one of them; the latter without words.
    thresholds : sequence of float
        Of the sweep, each for all words alike.
    """

    def count(trial: Trial | None, config: DetectorConfig) -> Count | None:
        return None if trial is None else trial.count(classifier.words, config, classifier.step_s)

    sweep, quiet = [], dict[str, float]()
    for threshold in sorted(thresholds):
        other = with_threshold(config, classifier.words, threshold)
        found = StreamFigures({}, count(words, other), count(negatives, other), [])
        sweep.append(Point(threshold, found.words.miss_rate if found.words else None, found.alarms.per_hour))
        raised = {one.word for one in found.alarms.false_alarms}
        quiet = {word: quiet.get(word, threshold) for word in classifier.words if word not in raised}
    used = {word: config.thresholds.get(word, THRESHOLD) for word in classifier.words}
    figures = StreamFigures(used, count(words, config), count(negatives, config), sweep)
    heard = negatives or words
    places = [heard.place(one.time_s) for one in figures.alarms.false_alarms] if heard else []
    return replace(figures, places=places, quiet=quiet)


def with_threshold(config: DetectorConfig, words: Sequence[str], threshold: float) -> DetectorConfig:
    """Return the configuration with one threshold for all words."""
    return replace(config, thresholds=dict.fromkeys(words, threshold))


def trial_of_words(detector: Detector, pieces: Iterable[Piece]) -> Trial:
    """Let a fresh detector hear a composed recording."""
    spoken: list[Spoken] = []
    return Trial(listen(detector, _noting(pieces, spoken)), spoken)


def trial_of_frames(classifier: Classifier, pieces: Iterable[Piece]) -> Trial:
    """Let a classifier hear a recording composed of spectrograms."""
    spoken: list[Spoken] = []
    return Trial(listen_to_frames(classifier, _noting(pieces, spoken)), spoken)


def _noting(pieces: Iterable[Piece], spoken: list[Spoken]) -> Iterator[Array]:
    for piece in pieces:
        spoken += piece.spoken
        yield piece.content


def trial_of_negatives(detector: Detector, places: Sequence[str | Path]) -> Trial:
    """Let a fresh detector hear recordings in which none of its words is said, one after another.

    Parameters
    ----------
    detector : Detector
    places : sequence of str or path
        Recordings, or folders of some.

    Raises
    ------
    AudioError
        There are none, or one cannot be read.
    """
    sr = detector.classifier.features.sr
    files = [path for place in places for path in audio_files(place)]
    sources: list[tuple[float, str]] = []

    def sounds() -> Iterator[Array]:
        begin = 0
        for path, y in zip(files, ahead(lambda path: read(path, sr), files), strict=True):
            sources.append((begin / sr, str(path)))
            begin += len(y) + int(_BETWEEN_S * sr)
            yield np.concatenate([y, np.zeros(int(_BETWEEN_S * sr), np.float32)])

    return Trial(listen(detector, sounds()), (), sources)
