"""How far back a network's memory reaches: the gradient of a loss with respect to the states before it.

    loss at step t  ->  d loss_t / d h_t, d h_(t-1), ..., d h_(t-K), layer by layer

What has no gradient cannot be learnt. In a plain recurrent network each step back multiplies the gradient by one more
``diag(1 - h^2) w_hh``, so that it shrinks (or grows) exponentially: the vanishing gradient. Gates are there so that a
factor near 1 can be learnt (Hochreiter 1991; Bengio et al. 1994; Pascanu et al. 2013).

One loss and one pass back give the gradient at every lag at once, and a batch of B lanes that of B losses. In a stack
the gradient of a lower layer goes through the layers above at all later steps, too, and at its own.

    T = steps, B = lanes, L = layers, S = states a cell (the LSTM's are h and c), H = hidden_size, K = lags
"""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from typeahead.rnn import cells
from typeahead.rnn.backpropagation import Lanes, layouts
from typeahead.rnn.network import Array, Network

VANISHED = 0.01  # of the gradient at lag 0: what is less teaches nothing


def gradient_norms(
    network: Network, inputs: Array, targets: Array, state: Array | None = None, max_lag: int | None = None
) -> Array:
    """Return how large the gradient of the last step's loss is k steps earlier, for all k at once.

    Costs about what a training step on the same batch does.

    Parameters
    ----------
    network : Network
    inputs : ndarray [shape=(T, B)] of symbols, or (T, B, D) when the input is dense
    targets : ndarray
        As the network's loss takes them, (T, B) or (T, B, V); of the last step's alone the gradient is taken.
    state : ndarray [shape=(L, S, B, H)], optional
        Before the first step.  [default: zeros]
    max_lag : int, optional
        At most T - 1, which is the default and the limit.

    Returns
    -------
    norms : ndarray [shape=(L, max_lag + 1)] of float64
        ``||d loss_t / d state_(t-k)||`` of each layer, the mean over the lanes. The LSTM's state is h and c together.

    Raises
    ------
    ValueError
        Shapes do not fit.
    """
    parts = lane_norms(network, inputs, targets, state, max_lag)
    norms: Array = np.sqrt((parts**2).sum(axis=1)).mean(axis=-1)
    return norms


def lane_norms(
    network: Network, inputs: Array, targets: Array, state: Array | None = None, max_lag: int | None = None
) -> Array:
    """Return the same for each lane and each part of the state, (L, S, max_lag + 1, B); see `gradient_norms`.

    h is the layer's output, so its gradient includes what the layers above read of it at its own step; c is what the
    LSTM carries on beside it (and so has none at lag 0).
    """
    if inputs.shape[:2] != targets.shape[:2] or not inputs.size:
        raise ValueError(f"inputs {inputs.shape} and targets {targets.shape} are not of the same steps and lanes")
    state = network.initial_state(inputs.shape[1]) if state is None else state
    limit = len(inputs) - 1
    with threadpool_limits(limits=1, user_api="blas"):  # its threads spin where cores are busy
        norms = _Reach(network, *inputs.shape[:2]).norms(inputs, targets, state)
    return norms[:, :, : 1 + (limit if max_lag is None else min(max_lag, limit))]


class _Reach(Lanes):
    """The two passes of training, but for one loss, and with the gradient at every step kept."""

    def __init__(self, network: Network, seq_len: int, batch_size: int) -> None:
        super().__init__(network.config, seq_len, batch_size, network.dtype)
        self.parameters, self.layout = network.parameters, layouts(network, None)
        for layer in range(network.config.num_layers):
            name = f"cells.{layer}.w_hh"
            self.layout[f"{name}_p"] = cells.pack(network.parameters[name])

    def norms(self, inputs: Array, targets: Array, state: Array) -> Array:
        """Return the norms (L, S, T, B) at lags 0 to T - 1."""
        T, B, config = self.T, self.B, self.config
        H, L = config.hidden_size, config.num_layers
        self.forward(self.parameters, self.layout, np.ascontiguousarray(inputs), targets, state, None)
        self.logits[: (T - 1) * B] = 0  # the gradient with respect to the logits: of the last step's loss only
        np.matmul(self.logits, self.parameters["output.weight"], out=self.dhs.reshape(T * B, H))
        norms = np.zeros((L, config.states, T, B))
        for layer in range(L - 1, -1, -1):
            name = f"cells.{layer}."
            one_hot = layer == 0 and config.one_hot
            dtable, rows = (self.dtable, self.rows) if one_hot else (self.tables[layer], self.dense_rows)
            dtable.fill(0)
            self._cell_backward(layer, self.layout[name + "w_hh_p"], rows, dtable)
            self._measure(layer, norms[layer])
            if layer:
                np.matmul(dtable, self.parameters[name + "w_ih"], out=self.dhs.reshape(T * B, H))
        return norms

    def _measure(self, layer: int, norms: Array) -> None:
        """Fill norms (S, T, B) of one layer from what its pass back has left.

        That keeps the gradient of the gates, not of the states; from gates to the state before them is one product.
        """
        T, H, w_hh = self.T, self.config.hidden_size, self.parameters[f"cells.{layer}.w_hh"]
        dh = self.dhs[T - 1].copy()
        dc = np.zeros_like(dh)
        norms[0, 0] = _norm(dh)
        for lag in range(1, T):
            t = T - lag  # the step that read the state at this lag
            kept = self.cache[layer][t]
            if self.config.cell == "lstm":
                f, o, tanh_c = kept[:, H : 2 * H], kept[:, 3 * H : 4 * H], kept[:, 4 * H :]
                dc = f * (dc + dh * o * (1 - tanh_c**2))
                norms[1, lag] = _norm(dc)
            direct = dh * kept[:, H : 2 * H] if self.config.cell == "gru" else 0  # past the gates, through z
            dh = self.dhs[t - 1] + self.dgates[t] @ w_hh + direct
            norms[0, lag] = _norm(dh)


def _norm(x: Array) -> Array:
    """Return the length of each row of x (B, H); in float64, where small squares do not become zero."""
    norm: Array = np.sqrt((x.astype(np.float64) ** 2).sum(axis=-1))
    return norm
