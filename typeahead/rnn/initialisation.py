"""Where training starts from: the parameters before the first step, which decide how far a gradient reaches then.

The gradient that flows k steps back is a product of k factors, one a step. How it begins to shrink or grow is thus a
matter of the start: of the recurrent matrix, and, in the gated cells, of the gates' biases.

    uniform      everything in +-1/sqrt(H), as PyTorch does: the recurrent matrix then shortens what passes through it
                 to about 1/sqrt(3), so the gradient of a plain network is gone after some tens of steps
    orthogonal   recurrent matrices keep every length (Saxe et al. 2014); inputs and output uniform, biases zero
    identity     of Elman: the state is carried over as it is, so each unit sums up its input (Le, Jaitly, Hinton 2015)
    chrono       of GRU and LSTM: as orthogonal, with biases that let units forget in times spread over 1 to max_lag
                 steps (Tallec and Ollivier 2018)

The LSTM's forget gate starts open (Jozefowicz et al. 2015), its bias above by ``forget_bias``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

Array = np.ndarray[Any, np.dtype[Any]]
STARTS = ("orthogonal", "uniform", "identity", "chrono")
_IDENTITY_DEVIATION = 0.001  # of the weights that are not recurrent (Le, Jaitly, Hinton 2015, section 4)


def check(
    cell: str, start: str, max_lag: int | None = None, forget_bias: float | None = None, scale: float | None = None
) -> None:
    """Raise ValueError, with one line that names the next step, if these do not go together; see `draw`."""
    if start not in STARTS:
        raise ValueError(f"start {start!r} is unknown; choose one of {', '.join(STARTS)}")
    if start == "identity" and cell != "elman":
        raise ValueError(f"start identity is for the cell elman, not {cell}; choose orthogonal or chrono")
    if start == "chrono" and cell == "elman":
        raise ValueError("start chrono sets the biases of gates, and elman has none; choose gru, lstm or another start")
    if start == "chrono" and (max_lag is None or max_lag < 3):
        raise ValueError(f"max_lag {max_lag}: the start chrono needs the longest time to remember, 3 steps or more")
    if start != "chrono" and max_lag is not None:
        raise ValueError(f"max_lag {max_lag} goes with the start chrono, not with {start}; leave it out")
    if forget_bias is not None and cell != "lstm":
        raise ValueError(
            f"forget_bias {forget_bias:g} goes with the cell lstm, and {cell} has no forget gate; leave it out"
        )
    if forget_bias is not None and start == "chrono":
        raise ValueError(f"forget_bias {forget_bias:g}: the start chrono draws this bias; leave one of the two out")
    if forget_bias is not None and not math.isfinite(forget_bias):
        raise ValueError(f"forget_bias {forget_bias} is not a finite number")
    if scale is not None and (start != "identity" or not 0 < scale < math.inf):
        raise ValueError(f"scale {scale:g} must be above 0, and goes with the start identity, not with {start}")


def draw(
    shapes: Mapping[str, tuple[int, ...]],
    cell: str,
    seed: int,
    start: str = "orthogonal",
    max_lag: int | None = None,
    forget_bias: float | None = None,
    scale: float | None = None,
) -> dict[str, Array]:
    """Return the parameters of a new network, in float64.

    Parameters
    ----------
    shapes : mapping of str to tuple
        From `NetworkConfig.shapes`; arrays are drawn in its order.
    cell : "elman", "gru" or "lstm"
    seed : int
    start : one of `STARTS`
    max_lag : int, optional
        Steps; of chrono alone, which needs it. Biases are ``ln U(1, max_lag - 1)`` at the LSTM's forget gate and the
        negative of that at its input gate, and ``ln U(1, max_lag - 1)`` at the GRU's z, which weighs the old state here
        (the paper's gate weighs the new one, and its bias has the other sign).
    forget_bias : float, optional
        Added to the bias of the LSTM's forget gate; default 1, but none with chrono.
    scale : float, optional
        Of identity alone: what the state is multiplied by each step; default 1.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    ValueError
        The choices do not go together.
    """
    check(cell, start, max_lag, forget_bias, scale)
    rng = np.random.default_rng(seed)
    H = shapes["output.weight"][1]
    parameters = {}
    for name, shape in shapes.items():
        if name.endswith("w_hh"):
            value = _recurrent(rng, shape[0] // H, H, start, scale)
        elif len(shape) == 2:
            value = _plain(rng, shape, H, start)
        elif start == "uniform":
            value = _uniform(rng, shape, H)
        else:
            value = np.zeros(shape)
        if name.endswith("b_ih"):
            if start == "chrono" and max_lag is not None:
                _spread(value, rng, H, cell, max_lag)
            elif cell == "lstm":
                value[H : 2 * H] += 1.0 if forget_bias is None else forget_bias
        parameters[name] = value
    return parameters


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], H: int) -> Array:
    bound = 1 / math.sqrt(H)
    return rng.uniform(-bound, bound, shape)


def _plain(rng: np.random.Generator, shape: tuple[int, ...], H: int, start: str) -> Array:
    if start == "identity":
        return _IDENTITY_DEVIATION * rng.standard_normal(shape)
    return _uniform(rng, shape, H)


def _recurrent(rng: np.random.Generator, gates: int, H: int, start: str, scale: float | None) -> Array:
    """Return the recurrent matrix (gates * H, H), gate by gate."""
    if start == "uniform":
        return _uniform(rng, (gates * H, H), H)
    if start == "identity":
        return (1.0 if scale is None else scale) * np.eye(H)
    with threadpool_limits(limits=1, user_api="blas"):  # its threads spin where cores are busy
        return np.concatenate([np.linalg.qr(rng.standard_normal((H, H)))[0] for _ in range(gates)])


def _spread(bias: Array, rng: np.random.Generator, H: int, cell: str, max_lag: int) -> None:
    """Set the bias (G*H) so that unit j forgets in T_j steps, drawn from U(1, max_lag - 1)."""
    bias[H : 2 * H] = np.log(rng.uniform(1, max_lag - 1, H))  # the LSTM's f, the GRU's z
    if cell == "lstm":
        bias[:H] = -bias[H : 2 * H]
