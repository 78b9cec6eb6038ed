"""Thresholds for the room that the microphone stands in, from some of its sound, and how often they will be wrong.

    peaks    the highest averaged posterior of a word in each second of the room's sound, as log-odds
    tail     above the level u that a fifth of the peaks pass, their excess is taken to be exponential
    rate(x)  = 3600 . share above u . exp(-(x - u) / mean excess), false alarms an hour at threshold x

A word's threshold is the least, but not below its own, at which its rate is its share of what is allowed. Nothing much
can be said of a rate from a short time: with no alarm in n hours it may, with 95 % confidence, still be 3 / n an hour.

W = words, T = steps
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from typeahead import config, files
from typeahead.errors import AudioError
from typeahead.voice.classifier import AFTER_S, Classifier
from typeahead.voice.detector import THRESHOLD, DetectorConfig
from typeahead.voice.enrolment import EnrolledMatcher
from typeahead.voice.mfcc import MFCC

Array = np.ndarray[Any, np.dtype[Any]]

ALLOWED_PER_HOUR = 1.0  # false alarms, of all words together
SHORTEST_S = 5.0  # of room
_TAIL_SHARE = 0.2
_LEAST_EXCESS = 0.25  # log-odds; a room that is always the same has nearly none
_LEAST, _MOST = 0.3, 0.97  # that a threshold is set to
_UNDER_TAKES = 0.8  # share of the user's faintest take that a threshold may be lowered to
_EAGERNESS = 3.0  # nats by which the whole range of a sensitivity moves a threshold


@dataclass(frozen=True)
class Calibration:
    """What the room's sound has to say.

    ``thresholds``: a word's, in (0, 1). ``per_hour``: false alarms an hour expected of each word, at these.
    ``heard``: seconds of the room in which each word would have passed its threshold. ``minutes``: of room.
    ``missed``: of the user's takes of each word, the share that stays below.
    """

    thresholds: Mapping[str, float]
    per_hour: Mapping[str, float]
    heard: Mapping[str, int]
    minutes: float
    missed: Mapping[str, float] = field(default_factory=dict)

    @property
    def total_per_hour(self) -> float:
        """False alarms an hour expected of all words together."""
        return sum(self.per_hour.values())

    @property
    def at_most_per_hour(self) -> float:
        """What the rate of all words together can be, with 95 % confidence, by what was heard alone."""
        return poisson_upper(sum(self.heard.values())) / (self.minutes / 60)


def poisson_upper(count: int) -> float:
    """Return the mean that a Poisson count is no higher than with 95 % confidence: 3.0 for 0, 4.74 for 1, ..."""
    low, high = float(count), 3.0 + 3 * count + 5.0
    for _ in range(60):
        middle = (low + high) / 2
        terms = [i * math.log(middle) - middle - math.lgamma(i + 1) for i in range(count + 1)] if middle > 0 else [0.0]
        low, high = (middle, high) if sum(map(math.exp, terms)) > 0.05 else (low, middle)
    return high


def moved(threshold: float, sensitivity: float) -> float:
    """Return a threshold as a sensitivity, in [0, 1], has it: 0.5 leaves it, more lowers it, less raises it."""
    return _probability(_log_odds(threshold) - _EAGERNESS * (sensitivity - 0.5))


def calibrate(
    classifier: Classifier,
    matcher: EnrolledMatcher | None,
    y_room: Array,
    takes: Mapping[str, Sequence[Array]] | None = None,
    allowed_per_hour: float = ALLOWED_PER_HOUR,
) -> Calibration:
    """Choose thresholds.

    Parameters
    ----------
    classifier : Classifier
    matcher : EnrolledMatcher or None
        Of the user's own words.
    y_room : ndarray [shape=(n,)]
        The room with nobody speaking to the program, float32, 16 kHz; a minute is good, `SHORTEST_S` the least.
    takes : mapping of str to sequence of ndarray, optional
        Words as the user says them; their thresholds may then also be lowered, as far as the room allows.
    allowed_per_hour : float
        False alarms, of all words together.

    Raises
    ------
    AudioError
        The room's sound is too short, or a take is of a word that is not known.
    """
    sr = classifier.features.sr
    if len(y_room) < SHORTEST_S * sr:
        raise AudioError(
            f"{len(y_room) / sr:.1f} s of the room's sound; {SHORTEST_S:g} s are the least, a minute is good"
        )
    words = (*classifier.words, *(matcher.words if matcher else ()))
    if unknown := [word for word in takes or {} if word not in words]:
        raise AudioError(f"takes of {unknown[0]!r}, which is no word that is known; known: {', '.join(words)}")
    peaks = _peaks(_smooth(classifier, matcher, y_room), classifier.step_s)
    own = defaults(classifier, words)
    quantum = _log_odds(1 - 1e-6)
    thresholds, per_hour, heard, missed = {}, {}, {}, {}
    for i, word in enumerate(words):
        tail = _Tail(np.clip(peaks[:, i], -quantum, quantum))
        wanted = own[word]
        said = _highest(classifier, matcher, (takes or {}).get(word, ()), i)
        if len(said):
            wanted = min(wanted, max(_LEAST, _UNDER_TAKES * float(said.min())))
        chosen = max(wanted, min(_MOST, _probability(tail.level(allowed_per_hour / len(words)))))
        thresholds[word] = round(chosen, 3)
        per_hour[word] = tail.per_hour(_log_odds(thresholds[word]))
        heard[word] = int((peaks[:, i] >= _log_odds(thresholds[word])).sum())
        if len(said):
            missed[word] = float(np.mean(said < thresholds[word]))
    return Calibration(thresholds, per_hour, heard, len(y_room) / sr / 60, missed)


class _Tail:
    """The upper tail of the peaks (n,), of a second each, in log-odds."""

    def __init__(self, peaks: Array) -> None:
        self._start = float(np.quantile(peaks, 1 - _TAIL_SHARE))
        above = peaks[peaks > self._start] - self._start
        self._excess = max(_LEAST_EXCESS, float(above.mean()) if len(above) else 0.0)
        self._per_hour = 3600.0 * _TAIL_SHARE

    def per_hour(self, x: float) -> float:
        """Return how often an hour the peaks pass x."""
        return self._per_hour * math.exp(min(0.0, -(x - self._start) / self._excess))

    def level(self, per_hour: float) -> float:
        """Return what they pass so often."""
        return self._start + self._excess * math.log(self._per_hour / min(per_hour, self._per_hour))


def _smooth(classifier: Classifier, matcher: EnrolledMatcher | None, y: Array) -> Array:
    """Return the averaged scores (T, W) as the detector has them, with the gate open."""
    frames = MFCC(classifier.features, classifier.tables).push(np.asarray(y, np.float32))
    posteriors, _ = classifier.stream().push_frames(frames)
    scores = posteriors[:, : len(classifier.words)].astype(np.float64)
    if matcher is not None:
        matcher.reset()
        scores = np.concatenate([scores, matcher.push(frames)], axis=1)
        matcher.reset()
    width = max(1, round(DetectorConfig().smoothing_s / classifier.step_s))
    total = np.concatenate([np.zeros((width, scores.shape[1])), np.cumsum(scores, axis=0)])
    smooth: Array = np.clip((total[width:] - total[:-width]) / width, 0.0, 1.0)
    return smooth


def _peaks(smooth: Array, step_s: float) -> Array:
    """Return the highest of each second (n, W), as log-odds."""
    steps = round(1.0 / step_s)
    count = max(1, len(smooth) // steps)
    highest = np.stack([part.max(axis=0) for part in np.array_split(smooth, count)])
    highest = np.clip(highest, 1e-9, 1 - 1e-9)
    peaks: Array = np.log(highest / (1 - highest))
    return peaks


def _highest(classifier: Classifier, matcher: EnrolledMatcher | None, takes: Sequence[Array], i: int) -> Array:
    after = np.zeros(int(AFTER_S * classifier.features.sr), np.float32)
    return np.array([_smooth(classifier, matcher, np.concatenate([y, after]))[:, i].max() for y in takes])


def _log_odds(p: float) -> float:
    p = min(max(p, 1e-9), 1 - 1e-9)
    return math.log(p / (1 - p))


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds)) if log_odds > -700 else 0.0


def defaults(classifier: Classifier, words: Sequence[str]) -> dict[str, float]:
    """Return the words' own thresholds: the model's, else `detector.THRESHOLD`."""
    own = classifier.metadata.get("thresholds") or {}
    return {word: float(own.get(word, THRESHOLD)) for word in words}


def fingerprint(classifier: Classifier) -> str:
    """Return what tells one model from another: a checksum over weights and labels."""
    crc = zlib.crc32("\n".join(classifier.labels).encode())
    for name, array in sorted(classifier.network.parameters.items()):
        crc = zlib.crc32(np.ascontiguousarray(array).tobytes(), zlib.crc32(name.encode(), crc))
    return f"{crc:08x}"


def path() -> Path:
    """Return the file of the calibrated thresholds; it may not exist yet."""
    return config.data_dir() / "voice" / "thresholds.json"


def save(calibration: Calibration, classifier: Classifier, device: str, where: Path | None = None) -> Path:
    """Write the thresholds to a file that only its owner can read.

    Raises
    ------
    AudioError
        It cannot be written.
    """
    where = where or path()
    content = {
        "model": fingerprint(classifier),
        "device": device,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "minutes": round(calibration.minutes, 2),
        "false_alarms_per_hour": round(calibration.total_per_hour, 3),
        "at_most_per_hour": round(calibration.at_most_per_hour, 1),
        "thresholds": dict(calibration.thresholds),
    }
    try:
        where.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        where.parent.chmod(0o700)
        files.replace(where, json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n")
    except OSError as error:
        raise AudioError(f"{where}: cannot be written ({error.strerror}); see to its permissions") from None
    return where


def load(classifier: Classifier, where: Path | None = None) -> dict[str, float]:
    """Return the calibrated thresholds; none if there are none, or if they are of another model.

    Raises
    ------
    AudioError
        The file is damaged.
    """
    where = where or path()
    try:
        content = json.loads(where.read_bytes())
        found = {str(word): float(value) for word, value in content["thresholds"].items()}
        model = content["model"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise AudioError(
            f"{os.fspath(where)}: not what typeahead listen --calibrate has written ({error!r}); run that again"
        ) from None
    if not all(0 < value < 1 for value in found.values()):
        raise AudioError(f"{where}: a threshold is not between 0 and 1; run typeahead listen --calibrate again")
    return found if model == fingerprint(classifier) else {}


def thresholds(
    classifier: Classifier, sensitivity: float = 0.5, enrolled: Sequence[str] = (), where: Path | None = None
) -> dict[str, float]:
    """Return a threshold for each of the network's words and the enrolled ones.

    The calibrated one, else the model's, else `detector.THRESHOLD`; moved as the sensitivity, in [0, 1], wants it: 0.5
    leaves it as it is, more hears more.

    Raises
    ------
    AudioError
        The file of calibrated ones is damaged.
    """
    words = (*classifier.words, *enrolled)
    calibrated = load(classifier, where)
    return {word: moved(calibrated.get(word, own), sensitivity) for word, own in defaults(classifier, words).items()}
