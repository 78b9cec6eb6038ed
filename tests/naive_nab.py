"""Plain twin of the Numenta Anomaly Benchmark's score: every threshold, every series, every window, one by one."""

import math


def sigmoid(y):
    return -1.0 if y >= 3 else 2 / (1 + math.exp(5 * y)) - 1


def raw(corpus, scores, weights, threshold):
    """The sum of a corpus: (windows, scores) of each series, windows as (first, last)."""
    total = 0.0
    for series, given in zip(corpus, scores, strict=True):
        n = len(given)
        start = min(math.floor(0.15 * n), 750)
        detected = [i for i in range(start, n) if given[i] >= threshold]
        for first, last in series.windows:
            inside = [i for i in detected if first <= i <= last]
            if inside:
                y = -(last + 1 - inside[0]) / (last - first + 1)
                total += weights.true_positive * sigmoid(y) / sigmoid(-1)
            else:
                total -= weights.false_negative
        for i in detected:
            if any(first <= i <= last for first, last in series.windows):
                continue
            before = [window for window in series.windows if window[1] < i]
            y = 3.0
            if before and before[-1][0] < before[-1][1]:
                first, last = before[-1]
                y = (i - last) / (last - first)
            total += weights.false_positive * sigmoid(y)
    return total


def best(corpus, scores, weights):
    """The highest normalised score and its threshold, the highest of several."""
    windows = sum(len(series.windows) for series in corpus)
    null, perfect = -weights.false_negative * windows, weights.true_positive * windows
    found = (-math.inf, math.inf)
    for threshold in [math.inf, *sorted({score for given in scores for score in given}, reverse=True)]:
        score = 100 * (raw(corpus, scores, weights, threshold) - null) / (perfect - null)
        if score > found[0] + 1e-9:
            found = score, threshold
    return found
