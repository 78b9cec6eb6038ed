"""How vanishing and exploding gradients show themselves in training, and what helps against them, each in one line.

    norms (L, K)   the gradient of a loss with respect to the states k = 0 ... K-1 steps before it, see `memory`

Reference: Bengio, Simard, Frasconi 1994; Pascanu, Mikolov, Bengio 2013.
"""

from __future__ import annotations

import numpy as np

from typeahead.rnn.memory import VANISHED
from typeahead.rnn.network import Array

# Vanishing gradients are worth a word when they end within this share of the steps they could reach back, after so many
# steps of training. On text all cells begin short-sighted. A plain one stays so; gates learn to see further, and after
# 2,000 steps those of a GRU see beyond 64 bytes.
_SHORT = {"elman": (1 / 4, 100), "gru": (1 / 8, 2000), "lstm": (1 / 8, 2000)}
_FEWEST_LAGS = 16  # below, there is too little to lose
_GROWN = 10.0  # times the gradient at lag 0, in the further half: each of some tens of steps back makes it larger
_CLIPPED = 0.75  # share of steps; in runs that go well it is a half at most
_SETTLED_STEPS = 100  # of which the clip rate says nothing: at the start gradients are large


def reach(norms: Array) -> int | None:
    """Return the lag where the gradient falls under 1 % of that at lag 0 in every layer; None: beyond the last one."""
    under = (norms < VANISHED * norms[:, :1]).all(axis=0)
    return int(under.argmax()) if under.any() else None


def vanishing(norms: Array, cell: str, start: str, step: int) -> str | None:
    """Return what to say of gradients that vanish long before ``K = seq_len`` steps, or None.

    Parameters
    ----------
    norms : ndarray [shape=(L, K)]
    cell, start : str
        What the network is, and how it began (`initialisation.STARTS`): what helps depends on them.
    step : int
        Of the training.
    """
    lags, lag = norms.shape[1], reach(norms)
    share, least_steps = _SHORT[cell]
    if lag is None or lag >= share * lags or lags < _FEWEST_LAGS or step < least_steps:
        return None
    if cell != "elman":
        helps = "" if start == "chrono" else "--start chrono, or with "
    else:
        helps = f"--cell gru or lstm, {'--start orthogonal, ' if start == 'uniform' else ''}or with "
    return (
        f"gradients vanish: {lag} steps back they are under {VANISHED:.0%} of what they began with, though --seq-len "
        f"lets them go back {lags}; start anew with {helps}a smaller --seq-len, which is faster"
    )


def exploding(norms: Array, clip_rate: float, learning_rate: float, grad_clip: float, step: int) -> str | None:
    """Return what to say of gradients that grow from step to step back, or are nearly always clipped, or None.

    Parameters
    ----------
    norms : ndarray [shape=(L, K)]
    clip_rate : float
        Share of the recent steps whose gradient was clipped.
    learning_rate, grad_clip : float
        Those of the run, to name them.
    step : int
        Of the training.
    """
    helps = f"lower --learning-rate (now {learning_rate:g}) or --grad-clip (now {grad_clip:g})"
    lags = norms.shape[1]
    far = norms[:, lags // 2 :].max(axis=1) / np.maximum(norms[:, 0], np.finfo(np.float64).tiny)
    if lags >= _FEWEST_LAGS and _GROWN < far.max() < np.inf:
        return f"gradients grow with every step back, to {far.max():.3g} times within {lags}; {helps}"
    if step >= _SETTLED_STEPS and clip_rate > _CLIPPED:
        return f"gradients explode: {clip_rate:.0%} of the last steps had to be clipped; {helps}"
    return None
