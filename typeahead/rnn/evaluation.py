"""How well a network predicts a sequence it has not been trained on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from typeahead.rnn.backpropagation import Gradients
from typeahead.rnn.network import Array, Network

_WARM_UP = 128  # symbols each lane reads, uncounted, so that it starts as if carried on


def sequence_loss(network: Network, symbols: Array, first: int) -> float:
    """Return the summed loss (nats) of all of ``symbols``, as one sequence with carried state from zero.

    Parameters
    ----------
    network : Network
    symbols : ndarray [shape=(N,)] of uint8, possibly a memory map
    first : int
        The symbol that ``symbols[0]`` is predicted from.
    """
    chunk = 1024  # long enough for the output layer's product, short enough for its (chunk, V) logits
    state = network.initial_state(1)
    total, before = 0.0, first
    run: Gradients | None = None
    for start in range(0, len(symbols), chunk):
        targets = np.asarray(symbols[start : start + chunk])
        if run is None or run.shape[0] != len(targets):
            run = Gradients(network, len(targets), 1, backward=False)
        inputs = np.concatenate([np.array([before], targets.dtype), targets[:-1]])
        mean, state = run.loss(inputs[:, None], targets[:, None], state)
        total += mean * len(targets)
        before = int(targets[-1])
    return total


class Evaluation:
    """The mean loss of a network over all of ``symbols`` but the first, in parallel lanes with carried state.

    Each lane first reads the symbols before its stretch, so the figure is that of one long sequence but for what the
    network remembers from further back.

    Parameters
    ----------
    network : Network
        Read anew at each call.
    symbols : ndarray [shape=(N,)] of uint8, N >= 2
    lanes, threads : int
    """

    def __init__(self, network: Network, symbols: Array, lanes: int, threads: int) -> None:
        targets = len(symbols) - 1
        self.network, self.symbols = network, symbols
        self.lanes = max(1, min(lanes, targets // (4 * _WARM_UP)))
        self.lane_length = targets // self.lanes
        self._gradients = Gradients(network, _WARM_UP, self.lanes, threads, backward=False)

    def __call__(self, stop: Callable[[], bool] = lambda: False) -> float | None:
        """Return the loss in nats a symbol, or None if ``stop`` said so in between."""
        starts = np.arange(self.lanes) * self.lane_length
        state = self.network.initial_state(self.lanes)
        if self.lanes > 1:
            _, state = self._run(np.maximum(starts - _WARM_UP, 0), _WARM_UP, state)
            state[:, :, 0] = 0  # nothing comes before the first lane
        total = 0.0
        for position in range(0, self.lane_length, _WARM_UP):
            if stop():
                return None
            length = min(_WARM_UP, self.lane_length - position)
            loss, state = self._run(starts + position, length, state)
            total += loss
        done = self.lanes * self.lane_length
        left = len(self.symbols) - 1 - done
        if left:  # fewer than there are lanes
            total += self._run(np.array([done]), left, np.ascontiguousarray(state[:, :, -1:]))[0]
        return total / (len(self.symbols) - 1)

    def _run(self, starts: Array, length: int, state: Array) -> tuple[float, Array]:
        """Return the summed loss of ``length`` symbols a lane, and the state after them."""
        window = self.symbols[starts + np.arange(length + 1)[:, None]]
        run = self._gradients
        if run.shape != (length, len(starts)):  # the rest at the end
            run = Gradients(self.network, length, len(starts), backward=False)
        mean, state = run.loss(window[:-1], window[1:], state)
        return mean * length * len(starts), state
