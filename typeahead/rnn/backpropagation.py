"""Backpropagation through time, truncated, with carried state: the loss of a batch and its gradient.

The batch's lanes are split over threads for the whole sequence: each thread runs forward and backward for its lanes
alone, with single-threaded BLAS, and the gradients are added at the end. So there is one meeting point a batch, not
one a time step. One thread is the same path with one part. For a fixed number of threads results are the same bits.

Reference: Werbos 1990; Williams and Peng 1990 (truncation).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from typeahead.rnn import cells
from typeahead.rnn.dropout import dropout
from typeahead.rnn.losses import mixture_nll, set_cross_entropy, softmax_cross_entropy, squared_error
from typeahead.rnn.network import GATES, Array, Network, NetworkConfig


def layouts(network: Network, seed: int | None) -> dict[str, Array]:
    """Return the parameters once more as the kernels through time read them: packed, and the table of symbols.

    ``seed`` draws the dropout of weights; ``None`` leaves it out, and what only the backward pass reads.
    """
    p, made = network.parameters, {}
    for layer in range(network.config.num_layers):
        w_hh = p[f"cells.{layer}.w_hh"]
        if seed is not None:
            w_hh = _drop_weights(network.config, seed + layer, w_hh, np.empty_like(w_hh))
            made[f"cells.{layer}.w_hh_p"] = cells.pack(w_hh)
        made[f"cells.{layer}.w_hh_t"] = cells.pack(w_hh.T)
    if network.config.one_hot:
        made["table"] = np.ascontiguousarray(p["cells.0.w_ih"].T) + p["cells.0.b_ih"]
    return made


def _drop_weights(config: NetworkConfig, seed: int, w: Array, out: Array) -> Array:
    """Return w with its dropped elements zeroed and the others scaled up, written to ``out`` if any are."""
    if not config.weight_dropout:
        return w
    dropout(w.reshape(-1), seed ^ 0x55555555, config.weight_dropout, out.reshape(-1))
    return out


class Lanes:
    """The work arrays of B lanes over T steps, and the two passes over them.

    Parameters
    ----------
    config : NetworkConfig
    seq_len, batch_size : int
        T and B.
    dtype : dtype of the parameters
    backward : bool
        Whether the arrays of the backward pass are wanted too.
    """

    def __init__(self, config: NetworkConfig, seq_len: int, batch_size: int, dtype: Any, backward: bool = True) -> None:
        T, B, H, L = seq_len, batch_size, config.hidden_size, config.num_layers
        width = GATES[config.cell] * H
        kept = {"elman": 0, "gru": 4, "lstm": 5}[config.cell] * H
        self.config, self.T, self.B = config, T, B
        self.hs = np.zeros((L, T + 1, B, H), dtype)
        self.cs = np.zeros((L if config.cell == "lstm" else 0, T + 1, B, H), dtype)
        # One layer's cache is enough when nothing comes back for it.
        self.cache = (
            [np.zeros((T, B, kept), dtype) for _ in range(L)] if backward else [np.zeros((T, B, kept), dtype)] * L
        )
        self.gates = np.zeros((B, cells.packed_width(width, dtype)), dtype)
        self.dense_rows = np.arange(T * B).reshape(T, B)
        dense = [layer for layer in range(L) if layer or not config.one_hot]
        self.tables = {layer: np.zeros((T * B, width), dtype) for layer in dense[: None if backward else 1]}
        if not backward:
            self.tables = dict.fromkeys(dense, next(iter(self.tables.values()), np.zeros(0, dtype)))
        self.dropped = [np.zeros((T, B, H), dtype) for _ in range(L)] if config.dropout and backward else []
        self.logits = np.zeros((T * B, config.output_size), dtype)
        self.scratch = np.zeros(config.output_size, dtype)
        if backward:
            self.dhs = np.zeros((T, B, H), dtype)
            self.dgates = np.zeros((T, B, width), dtype)
            self.dtable = np.zeros((config.input_size, width), dtype)
            self.dh, self.through = (np.zeros((B, cells.packed_width(H, dtype)), dtype) for _ in range(2))
            self.dc = np.zeros((B, H), dtype)
            self.gradients = {name: np.zeros(shape, dtype) for name, shape in config.shapes().items()}

    def forward(
        self,
        parameters: dict[str, Array],
        layout: dict[str, Array],
        inputs: Array,
        targets: Array,
        state: Array,
        seed: int | None,
        scale: float = 1.0,
    ) -> float:
        """Return the summed loss (nats) of targets (T, B) given inputs (T, B) or (T, B, D) and state (L, S, B, H).

        Targets (T, B, V) of a softmax are weights of what may be right, see `losses.set_cross_entropy`; those of
        numbers are (T, B, V), of mixtures (T, B, D).

        Afterwards ``logits`` holds ``scale`` times the loss's gradient with respect to the logits. ``seed`` draws
        dropout; ``None`` leaves it out.
        """
        T, B, H = self.T, self.B, self.config.hidden_size
        x = self.states(parameters, layout, inputs, state, seed)
        np.matmul(x.reshape(T * B, H), parameters["output.weight"].T, out=self.logits)
        self.logits += parameters["output.bias"]
        if self.config.output != "softmax":
            numbers = np.ascontiguousarray(targets, self.logits.dtype).reshape(T * B, -1)
            kernel = mixture_nll if self.config.output == "mixture" else squared_error
            return float(kernel(self.logits, numbers, scale))
        if targets.ndim == 3:
            weights = np.ascontiguousarray(targets, self.logits.dtype).reshape(T * B, -1)
            return float(set_cross_entropy(self.logits, weights, scale, self.scratch))
        flat = np.ascontiguousarray(targets, np.int64).reshape(-1)
        return float(softmax_cross_entropy(self.logits, flat, scale, self.scratch))

    def states(
        self, parameters: dict[str, Array], layout: dict[str, Array], inputs: Array, state: Array, seed: int | None
    ) -> Array:
        """Run the cells alone, as `forward` does; return what the output layer reads, (T, B, H)."""
        T, B = self.T, self.B
        self.seed = seed
        x = inputs
        for layer in range(self.config.num_layers):
            name = f"cells.{layer}."
            if layer == 0 and self.config.one_hot:
                table, self.rows = layout["table"], inputs.astype(np.int64)
                rows = self.rows
            else:
                table, rows = self.tables[layer], self.dense_rows
                np.matmul(x.reshape(T * B, -1), parameters[name + "w_ih"].T, out=table)
                table += parameters[name + "b_ih"]
            self._cell_forward(layer, table, rows, layout[name + "w_hh_t"], parameters[name + "b_hh"], state[layer])
            x = self._drop(layer)
        return x

    def _cell_forward(self, layer: int, table: Array, rows: Array, w_hh_t: Array, b_hh: Array, state: Array) -> None:
        hs = self.hs[layer]
        hs[0] = state[0]
        if self.config.cell == "elman":
            cells.elman_forward(table, rows, w_hh_t, b_hh, hs, self.gates, self.config.relu)
        elif self.config.cell == "gru":
            cells.gru_forward(table, rows, w_hh_t, b_hh, hs, self.cache[layer], self.gates)
        else:
            self.cs[layer, 0] = state[1]
            cells.lstm_forward(table, rows, w_hh_t, b_hh, hs, self.cs[layer], self.cache[layer], self.gates)

    def _drop(self, layer: int) -> Array:
        """Return the layer's output after dropout, (T, B, H)."""
        y = self.hs[layer, 1:]
        if self.seed is None or not self.dropped:
            return y
        dropout(y.reshape(-1), self.seed + layer, self.config.dropout, self.dropped[layer].reshape(-1))
        return self.dropped[layer]

    def final_state(self) -> Array:
        """Return the state after the last step, (L, S, B, H), as a copy."""
        last = [self.hs[:, -1], self.cs[:, -1]] if self.config.cell == "lstm" else [self.hs[:, -1]]
        return np.stack(last, axis=1)

    def backward(self, parameters: dict[str, Array], layout: dict[str, Array], inputs: Array) -> None:
        """Fill ``gradients`` from what the last `forward` left."""
        T, B, H, L = self.T, self.B, self.config.hidden_size, self.config.num_layers
        dlogits, grads = self.logits, self.gradients
        top = self.dropped[-1] if self.seed is not None and self.dropped else self.hs[-1, 1:]
        np.matmul(dlogits.T, top.reshape(T * B, H), out=grads["output.weight"])
        dlogits.sum(axis=0, out=grads["output.bias"])
        np.matmul(dlogits, parameters["output.weight"], out=self.dhs.reshape(T * B, H))
        for layer in range(L - 1, -1, -1):
            name = f"cells.{layer}."
            if self.seed is not None and self.dropped:
                flat = self.dhs.reshape(-1)
                dropout(flat, self.seed + layer, self.config.dropout, flat)
            one_hot = layer == 0 and self.config.one_hot
            # A dense layer's table has served: its gradient, one row a step and lane, takes its place.
            dtable, rows = (self.dtable, self.rows) if one_hot else (self.tables[layer], self.dense_rows)
            dtable.fill(0)
            self._cell_backward(layer, layout[name + "w_hh_p"], rows, dtable)
            dgates = self.dgates.reshape(T * B, -1)
            np.matmul(dgates.T, self.hs[layer, :-1].reshape(T * B, H), out=grads[name + "w_hh"])
            dgates.sum(axis=0, out=grads[name + "b_hh"])
            dtable.sum(axis=0, out=grads[name + "b_ih"])
            if one_hot:
                grads[name + "w_ih"][...] = dtable.T
                continue
            below = (
                inputs
                if layer == 0
                else self.dropped[layer - 1]
                if self.dropped and self.seed is not None
                else self.hs[layer - 1, 1:]
            )
            np.matmul(dtable.T, below.reshape(T * B, -1), out=grads[name + "w_ih"])
            if layer:
                np.matmul(dtable, parameters[name + "w_ih"], out=self.dhs.reshape(T * B, H))

    def _cell_backward(self, layer: int, w_hh_p: Array, rows: Array, dtable: Array) -> None:
        hs, dgates, dh = self.hs[layer], self.dgates, self.dh
        dh.fill(0)
        if self.config.cell == "elman":
            cells.elman_backward(self.dhs, rows, w_hh_p, hs, dtable, dgates, dh, self.config.relu)
        elif self.config.cell == "gru":
            cells.gru_backward(self.dhs, rows, w_hh_p, hs, self.cache[layer], dtable, dgates, dh, self.through)
        else:
            self.dc.fill(0)
            cache = self.cache[layer]
            cells.lstm_backward(self.dhs, rows, w_hh_p, hs, self.cs[layer], cache, dtable, dgates, dh, self.dc)


def _part_seed(seed: int, part: int) -> int:
    """Return the seed of one part of a batch, so that neighbouring batches and parts draw apart."""
    return (seed * 0x9E3779B1 + part * 0x85EBCA6B) & 0x7FFFFFFF


class Gradients:
    """Loss and gradient of a network on one batch after another; all work arrays are allocated once.

    Parameters
    ----------
    network : Network
        Its parameters are read anew at each call.
    seq_len, batch_size : int
        T and B of every batch.
    threads : int
        Parts that the lanes are split into, each with a thread of its own; at most B.
    backward : bool
        Whether the arrays of the backward pass are wanted; without them only `loss` can be called.
    """

    def __init__(
        self, network: Network, seq_len: int, batch_size: int, threads: int = 1, backward: bool = True
    ) -> None:
        if seq_len < 1 or batch_size < 1 or threads < 1:
            raise ValueError(f"seq_len {seq_len}, batch_size {batch_size} and threads {threads} must be 1 or more")
        # BLAS threads on top of these would fight for the same cores.
        self._limits = threadpool_limits(limits=1, user_api="blas")
        parts = np.array_split(np.arange(batch_size), min(threads, batch_size))
        self.network, self.shape = network, (seq_len, batch_size)
        self._slices = [slice(part[0], part[-1] + 1) for part in parts]
        self._lanes = [Lanes(network.config, seq_len, len(part), network.dtype, backward) for part in parts]
        self._pool = ThreadPoolExecutor(len(parts)) if len(parts) > 1 else None

    def __call__(
        self, inputs: Array, targets: Array, state: Array, seed: int = 0
    ) -> tuple[float, dict[str, Array], Array]:
        """Run one batch forward and backward.

        Parameters
        ----------
        inputs : ndarray [shape=(T, B)] of symbols, or (T, B, D) when the input is dense
        targets : ndarray [shape=(T, B)] of symbols, or (T, B, V) of weights (`losses.set_cross_entropy`)
            Of numbers (T, B, V), of mixtures (T, B, D); NaN where there is nothing to predict.
        state : ndarray [shape=(L, S, B, H)]
            Before the first step; no gradient flows further back.
        seed : int
            Draws dropout.

        Returns
        -------
        loss : float
            Mean over the batch, nats a symbol.
        gradients : dict of str to ndarray
            Of that mean; the arrays are overwritten by the next call.
        state : ndarray [shape=(L, S, B, H)]
        """
        parameters, layout = self.network.parameters, layouts(self.network, _part_seed(seed, 0))

        def run(part: int) -> float:
            lanes, where = self._lanes[part], self._slices[part]
            x = np.ascontiguousarray(inputs[:, where])
            drawn, scale = _part_seed(seed, part), 1 / (self.shape[0] * self.shape[1])
            loss = lanes.forward(parameters, layout, x, targets[:, where], state[:, :, where], drawn, scale)
            lanes.backward(parameters, layout, x)
            return loss

        loss = self._run(run) / (self.shape[0] * self.shape[1])
        gradients = self._lanes[0].gradients
        for other in self._lanes[1:]:
            for name, gradient in gradients.items():
                gradient += other.gradients[name]
        for layer in range(self.network.config.num_layers):
            gradient = gradients[f"cells.{layer}.w_hh"]
            _drop_weights(self.network.config, _part_seed(seed, 0) + layer, gradient, gradient)
        return loss, gradients, self._state()

    def loss(self, inputs: Array, targets: Array, state: Array) -> tuple[float, Array]:
        """Run one batch forward only, without dropout; return the mean loss and the state, as a call does."""
        parameters, layout = self.network.parameters, layouts(self.network, None)

        def run(part: int) -> float:
            where = self._slices[part]
            x = np.ascontiguousarray(inputs[:, where])
            return self._lanes[part].forward(parameters, layout, x, targets[:, where], state[:, :, where], None)

        return self._run(run) / (self.shape[0] * self.shape[1]), self._state()

    def _run(self, run: Callable[[int], float]) -> float:
        parts = range(len(self._lanes))
        return sum(self._pool.map(run, parts) if self._pool else map(run, parts))

    def _state(self) -> Array:
        return np.concatenate([lanes.final_state() for lanes in self._lanes], axis=2)
