"""The way a network's state takes along its inputs, and what can be measured on it: gradients, growth, gates.

forward through T steps  ->  states and gates of every step
                         ->  back: the gradient of the last loss with respect to each state
                         ->  forth: what becomes of a small disturbance of the state

T = steps, B = lanes, L = layers, S = states a cell (the LSTM's are h and c), H = hidden_size
"""

from __future__ import annotations

import numpy as np

from typeahead.rnn import cells
from typeahead.rnn.backpropagation import Lanes, layouts
from typeahead.rnn.losses import log_softmax, mixture_nll, set_cross_entropy, squared_error
from typeahead.rnn.network import Array, Network

GATE_NAMES = {"elman": ("|h|",), "gru": ("r", "z"), "lstm": ("i", "f", "o")}
LOW, HIGH = 0.1, 0.9  # a gate below or above is as good as shut or open (Karpathy et al. 2015, section 4.2)
_NOTHING = 1e-30  # shorter than this, a disturbance has been forgotten within a step


class Trajectory(Lanes):
    """One stretch of T steps in B lanes.

    Parameters
    ----------
    network : Network
        Read once: it must not change while the object is used.
    seq_len, batch_size : int
        T and B.
    """

    def __init__(self, network: Network, seq_len: int, batch_size: int) -> None:
        super().__init__(network.config, seq_len, batch_size, network.dtype)
        self.network, self.parameters, self.layout = network, network.parameters, layouts(network, None)
        for layer in range(network.config.num_layers):
            name = f"cells.{layer}.w_hh"
            self.layout[f"{name}_p"] = cells.pack(network.parameters[name])

    def gradient_norms(self, inputs: Array, targets: Array, state: Array) -> Array:
        """Read the stretch from ``state`` on; return the norms (L, S, T, B) of its last loss's gradient.

        The third axis is the lag, 0 to T - 1: with respect to the state after the last step, the one before, and so on.
        h is the layer's output, so its gradient includes what the layers above read of it at its own step; c is what
        the LSTM carries on beside it (and so has none at lag 0).
        """
        T, B, config = self.T, self.B, self.config
        H, L = config.hidden_size, config.num_layers
        self.forward(self.parameters, self.layout, np.ascontiguousarray(inputs), targets, state, None)
        self.logits[: (T - 1) * B] = 0  # what is left is the last step's
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
        T, w_hh = self.T, self.parameters[f"cells.{layer}.w_hh"]
        dh = self.dhs[T - 1].copy()
        dc = np.zeros_like(dh)
        norms[0, 0] = _length(dh)
        for lag in range(1, T):
            t = T - lag  # the step that read the state at this lag
            direct: Array | int = 0
            if self.config.cell == "lstm":
                _, f, _, o, tanh_c = self._kept(layer, t)
                dc = f * (dc + dh * o * (1 - tanh_c**2))
                norms[1, lag] = _length(dc)
            elif self.config.cell == "gru":
                direct = dh * self._kept(layer, t)[1]  # past the gates, through z
            dh = self.dhs[t - 1] + self.dgates[t] @ w_hh + direct
            norms[0, lag] = _length(dh)

    def _kept(self, layer: int, t: int) -> list[Array]:
        """Return the activations (B, H) that the cell has kept of a step, see `cells`."""
        kept = self.cache[layer][t]
        return np.split(kept, kept.shape[-1] // self.config.hidden_size, axis=-1)

    def losses(self, t: int, targets: Array) -> Array:
        """Return the loss (B,) of each lane at step t, targets (B,) or (B, V); the stretch has been read."""
        return row_losses(self.network, self.hs[-1, t + 1], targets)

    def gate_shares(self) -> Array:
        """Return which share of the activations was under 0.1, and over 0.9, (L, gates, 2), on the stretch last read.

        The gates are `GATE_NAMES`; the Elman cell has none, and its ``|h|`` is looked at instead.
        """
        H, L = self.config.hidden_size, self.config.num_layers
        at = {"elman": (), "gru": (0, 1), "lstm": (0, 1, 3)}[self.config.cell]
        shares = np.empty((L, len(GATE_NAMES[self.config.cell]), 2))
        for layer in range(L):
            gates = [self.cache[layer][:, :, i * H : (i + 1) * H] for i in at] or [np.abs(self.hs[layer, 1:])]
            for i, gate in enumerate(gates):
                shares[layer, i] = (gate < LOW).mean(), (gate > HIGH).mean()
        return shares

    def grow(self, disturbance: Array) -> Array:
        """Carry a small disturbance (L, S, B, H) of the state along the stretch last read; return its growth (T, B).

        To first order, as ever smaller ones would go, and brought back to length 1 after each step; the growth is the
        natural logarithm of its length before that. ``disturbance`` is moved on in place.

        Reference: Benettin et al. 1980, part 2 (the largest Lyapunov exponent is the mean of these logarithms).
        """
        growth = np.empty((self.T, self.B))
        for t in range(self.T):
            below: Array | None = None
            for layer in range(self.config.num_layers):
                name, d = f"cells.{layer}.", disturbance[layer]
                recurrent = d[0] @ self.parameters[name + "w_hh"].T
                given = np.zeros_like(recurrent) if below is None else below @ self.parameters[name + "w_ih"].T
                self._disturb(layer, t, d, given, recurrent)
                below = d[0]
            length = np.sqrt((disturbance.astype(np.float64) ** 2).sum(axis=(0, 1, 3)))
            growth[t] = np.log(np.maximum(length, _NOTHING))
            disturbance /= np.maximum(length, _NOTHING)[:, None].astype(disturbance.dtype)
        return growth

    def _disturb(self, layer: int, t: int, d: Array, given: Array, recurrent: Array) -> None:
        """Move d (S, B, H) over step t of a layer, in place.

        given, recurrent (B, G*H): by how much the disturbance moves what comes from the inputs and from the state.
        """
        if self.config.cell == "elman":
            h = self.hs[layer, t + 1]
            d[0] = (given + recurrent) * ((h > 0) if self.config.relu else (1 - h * h))
            return
        gates = self.config.hidden_size * np.arange(1, given.shape[-1] // self.config.hidden_size)
        x, a = np.split(given, gates, axis=-1), np.split(recurrent, gates, axis=-1)
        if self.config.cell == "gru":
            (r, z, n, hn), h = self._kept(layer, t), self.hs[layer, t]
            dr, dz = ((x[i] + a[i]) * gate * (1 - gate) for i, gate in enumerate((r, z)))
            dn = (x[2] + dr * hn + r * a[2]) * (1 - n * n)
            d[0] = (1 - z) * dn + dz * (h - n) + z * d[0]
            return
        i, f, g, o, tanh_c = self._kept(layer, t)
        di, df, do = ((x[j] + a[j]) * gate * (1 - gate) for j, gate in ((0, i), (1, f), (3, o)))
        dg = (x[2] + a[2]) * (1 - g * g)
        d[1] = f * d[1] + df * self.cs[layer, t] + i * dg + di * g
        d[0] = do * tanh_c + o * (1 - tanh_c**2) * d[1]


def row_losses(network: Network, h: Array, targets: Array) -> Array:
    """Return the loss (N,) of each row of top states h (N, H), given targets as the network's loss takes them."""
    outputs = h @ network.parameters["output.weight"].T + network.parameters["output.bias"]
    if network.config.output == "softmax" and targets.ndim == 1:
        log_softmax(outputs)
        return -outputs[np.arange(len(outputs)), targets].astype(np.float64)
    rows = [slice(i, i + 1) for i in range(len(outputs))]
    numbers = np.ascontiguousarray(targets, outputs.dtype)
    if network.config.output == "softmax":
        scratch = np.empty_like(outputs[0])
        return np.array([set_cross_entropy(outputs[row], numbers[row], 1.0, scratch) for row in rows])
    kernel = mixture_nll if network.config.output == "mixture" else squared_error
    return np.array([kernel(outputs[row], numbers[row], 1.0) for row in rows])


def _length(x: Array) -> Array:
    """Return the length of each row of x (B, H); in float64, where small squares do not become zero."""
    length: Array = np.sqrt((x.astype(np.float64) ** 2).sum(axis=-1))
    return length
