"""A second look at a short recording: a linear layer over the hidden states of all its steps at once.

A stream's posteriors answer at every step for the last moments only. Of a recording that holds one word and is over,
more is known: what the network remembered all along. So its hidden states are averaged, each counting as much as the
network did not think it silence, and a softmax reads the label from that. The network stays as it is.

T = steps, V = labels, H = hidden units, N = recordings
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_DECAY = 1e-3  # of the weights, for inputs of unit variance; ten times less fits the network's own training better only
_ROUNDS, _RATE = 400, 0.02  # of Adam on all recordings at once


class Readout(NamedTuple):
    """weight (V, H) and bias (V,), float32."""

    weight: Array
    bias: Array

    def probabilities(self, posteriors: Array, hidden: Array) -> Array:
        """Return P(label) (V,) of a recording from its posteriors (T, V) and hidden states (T, H), T > 0."""
        logits = self.weight @ pooled(posteriors, hidden) + self.bias
        odds = np.exp(logits - logits.max())
        return np.asarray(odds / odds.sum())


def pooled(posteriors: Array, hidden: Array) -> Array:
    """Return the mean (H,) of hidden states (T, H), each weighing as much as its posteriors (T, V) are not silence."""
    weights = 1 - posteriors[:, -1]
    return np.asarray(weights @ hidden / (weights.sum() + 1e-3), np.float32)


def fit(inputs: Array, labels: Array, num_labels: int, done: Callable[[int], None] | None = None) -> Readout:
    """Return the layer that tells the labels best, each label counting as much as any other.

    Parameters
    ----------
    inputs : ndarray [shape=(N, H)]
        Of recordings, as `pooled` returns them.
    labels : ndarray of int [shape=(N,)]
        Each label at least once.
    num_labels : int
        V.
    done : callable, optional
        Is told after each round which it was.

    Raises
    ------
    ValueError
        A label has no recording.
    """
    counts = np.bincount(labels, minlength=num_labels)
    if len(counts) > num_labels or not counts.all():
        raise ValueError(f"recordings a label {counts.tolist()}: some of {num_labels} have none")
    mean, std = inputs.mean(axis=0), inputs.std(axis=0) + 1e-6
    x = np.concatenate([(inputs - mean) / std, np.ones((len(inputs), 1))], axis=1)
    weighted = (1 / counts)[labels][:, None] / num_labels  # sums to 1
    truth = np.eye(num_labels)[labels]
    w, first, second = np.zeros((3, x.shape[1], num_labels))
    for i in range(1, _ROUNDS + 1):
        odds = x @ w
        odds = np.exp(odds - odds.max(axis=1, keepdims=True))
        gradient = x.T @ ((odds / odds.sum(axis=1, keepdims=True) - truth) * weighted) + _DECAY * w
        first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient**2
        w = w - _RATE * (first / (1 - 0.9**i)) / (np.sqrt(second / (1 - 0.99**i)) + 1e-8)
        if done is not None:
            done(i)
    weight = (w[:-1] / std[:, None]).T
    return Readout(weight.astype(np.float32), (w[-1] - weight @ mean).astype(np.float32))
