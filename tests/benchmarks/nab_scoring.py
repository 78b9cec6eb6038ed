"""The score of the Numenta Anomaly Benchmark, from the anomaly scores of all readings of a corpus of series.

A reading is detected when its score reaches the threshold, one for all series. What a detection is worth:

    in a window          what an early one is worth: from 1 at the window's first reading down to 0 after its last; only
                         the earliest counts. A window without one costs the weight of a false negative.
    anywhere else        a false positive: costs little just after a window, and its whole weight far from any
    in the probation     nothing: the first 15 % of a series, and of 5,000 readings at most

The sum over all series is put on a scale on which detecting nothing is 0 and being first in every window, and nowhere
else, is 100. The benchmark chooses the threshold that gives the highest score on the labelled corpus itself.

Reference: Lavin and Ahmad 2015, section II; what it leaves open (the position of a reading in a window of few) as the
benchmark's program has it. `tests.naive_nab` says the same in plain loops.
"""

import itertools
from typing import NamedTuple

import numpy as np


class Weights(NamedTuple):
    """A profile."""

    true_positive: float = 1.0
    false_negative: float = 1.0
    false_positive: float = 0.11


class Score(NamedTuple):
    """What a corpus, or a part of it, comes to at a threshold."""

    normalised: float  # nan where there are no windows
    threshold: float
    found: int  # windows
    windows: int
    false_positives: int  # readings
    detected: int  # readings, in windows or not
    readings: int  # that count, without those of the probation


def sigmoid(position):
    """Return 2 / (1 + exp(5 y)) - 1, and -1 from y = 3 on; y in widths of a window, 0 at its end (equation 1)."""
    y = np.minimum(position, 3.0)
    return np.where(y >= 3, -1.0, 2 / (1 + np.exp(5 * y)) - 1)


def probation(num_readings):
    """Return how many of a series' first readings do not count."""
    return int(min(0.15 * num_readings, 0.15 * 5000))


def worths(series, weights):
    """Return what a detection at each reading is worth (n,), as if it were the only one, and its window (n,), -1: none.

    Readings of the probation are left in.
    """
    n = len(series.values)
    i = np.arange(n)
    worth, window = np.full(n, -weights.false_positive), np.full(n, -1)
    for first, last in series.windows:  # each overwrites what the one before says of the readings far behind it
        with np.errstate(divide="ignore"):
            after = (i[last + 1 :] - last) / np.float64(last - first)
        worth[last + 1 :] = weights.false_positive * sigmoid(after)
    for number, (first, last) in enumerate(series.windows):
        position = (i[first : last + 1] - last - 1) / (last - first + 1)
        worth[first : last + 1] = weights.true_positive * sigmoid(position) / sigmoid(-1.0)
        window[first : last + 1] = number
    return worth, window


def _pool(corpus, scores, weights):
    """Return score, worth and window of all readings that count, windows numbered through the corpus, and how many."""
    pooled, count = [], 0
    for series, given in zip(corpus, scores, strict=True):
        worth, window = worths(series, weights)
        start = probation(len(given))
        pooled.append((np.asarray(given)[start:], worth[start:], np.where(window < 0, -1, window + count)[start:]))
        count += len(series.windows)
    score, worth, window = (np.concatenate(parts) for parts in zip(*pooled, strict=True))
    return score, worth, window, count


def _raw(score, worth, window, count, weights, threshold):
    """Return the sum of all worths at a threshold, less the missed windows, and how many windows were found."""
    detected = score >= threshold
    inside = detected & (window >= 0)
    best = np.full(count, -np.inf)
    np.maximum.at(best, window[inside], worth[inside])  # the earliest is the one worth most
    found = np.isfinite(best)
    raw = worth[detected & (window < 0)].sum() + best[found].sum() - weights.false_negative * (~found).sum()
    return raw, int(found.sum())


def normalised(raw, windows, weights):
    """Return a sum on the scale of 0 (nothing detected) to 100 (equation 4); nan without windows."""
    if not windows:
        return float("nan")
    null, perfect = -weights.false_negative * windows, weights.true_positive * windows
    return float(100 * (raw - null) / (perfect - null))


def score_at(corpus, scores, weights, threshold):
    """Return the `Score` of a corpus at a threshold.

    Parameters
    ----------
    corpus : sequence of `nab_corpus.Series`
    scores : sequence of array (n,)
        One a series.
    weights : Weights
    threshold : float
        Detected is what reaches it.
    """
    score, worth, window, count = _pool(corpus, scores, weights)
    raw, found = _raw(score, worth, window, count, weights, threshold)
    detected = score >= threshold
    false_positives = int((detected & (window < 0)).sum())
    return Score(
        normalised(raw, count, weights), threshold, found, count, false_positives, int(detected.sum()), len(score)
    )


def sweep(corpus, scores, weights):
    """Return every threshold that makes a difference, from infinity down, and the sum that each gives.

    Parameters are those of `score_at`. Thresholds, sums: array (m,).
    """
    score, worth, window, count = _pool(corpus, scores, weights)
    order = np.argsort(-score, kind="stable")
    score, worth, window = score[order], worth[order], window[order]
    steps = np.where(window < 0, worth, 0.0)  # what the sum changes by as the threshold falls to a reading's score
    places = np.argsort(window, kind="stable")
    bounds = np.searchsorted(window[places], np.arange(count + 1))
    for first, end in itertools.pairwise(bounds):
        mine = places[first:end]
        highest = np.maximum.accumulate(np.append(-weights.false_negative, worth[mine]))
        steps[mine] = np.diff(highest)
    sums = -weights.false_negative * count + np.cumsum(steps)
    last = np.flatnonzero(np.append(score[1:] != score[:-1], True))  # of equal scores all are detected or none
    return np.append(np.inf, score[last]), np.append(-weights.false_negative * count, sums[last])


def best_threshold(corpus, scores, weights):
    """Return the threshold with the highest sum, of several the highest threshold; parameters as `score_at`."""
    thresholds, sums = sweep(corpus, scores, weights)
    return float(thresholds[sums.argmax()])


def best_score(corpus, scores, weights):
    """Return the `Score` at the threshold that is best for this very corpus, as the benchmark does it."""
    return score_at(corpus, scores, weights, best_threshold(corpus, scores, weights))


def crossed(corpus, scores, weights):
    """Return the `Score` of each half of the corpus (every other file) at the other half's best threshold."""
    order = sorted(range(len(corpus)), key=lambda i: corpus[i].name)
    halves = [([corpus[i] for i in order[k::2]], [scores[i] for i in order[k::2]]) for k in (0, 1)]
    return [score_at(*here, weights, best_threshold(*there, weights)) for here, there in (halves, reversed(halves))]
