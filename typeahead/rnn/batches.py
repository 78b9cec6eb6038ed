"""A sequence of symbols as batches for truncated backpropagation."""

from __future__ import annotations

import numpy as np

from typeahead.errors import TrainingError
from typeahead.rnn.network import Array


class Batches:
    """The symbols as batches for truncated backpropagation with carried state.

    In each pass over the data lane b starts at ``offset + b * (N // B)``, wrapping round; ``offset`` is drawn from the
    seed and the pass. ``(pass_index, position)`` is all there is to remember.

    Parameters
    ----------
    symbols : ndarray [shape=(N,)] of uint8, possibly a memory map
    seq_len, batch_size : int
    seed : int
    """

    def __init__(self, symbols: Array, seq_len: int, batch_size: int, seed: int) -> None:
        if len(symbols) <= seq_len * batch_size:
            raise TrainingError(
                f"{len(symbols)} bytes to train on are less than one batch: give at least {seq_len * batch_size + 1}, "
                f"or lower --batch-size (now {batch_size}) or --seq-len (now {seq_len})"
            )
        self.symbols, self.seq_len, self.batch_size, self.seed = symbols, seq_len, batch_size, seed
        self.lane_length = len(symbols) // batch_size
        self.pass_index, self.position = 0, 0

    def next(self) -> tuple[Array, Array, bool]:
        """Return inputs (T, B), targets (T, B) and whether a new pass begins, where the state must be zeroed."""
        if self.position + self.seq_len > self.lane_length:
            self.pass_index, self.position = self.pass_index + 1, 0
        offset = int(np.random.default_rng([self.seed, self.pass_index]).integers(len(self.symbols)))
        starts = offset + self.position + np.arange(self.batch_size) * self.lane_length
        window = self.symbols[(starts + np.arange(self.seq_len + 1)[:, None]) % len(self.symbols)]
        begins = self.position == 0
        self.position += self.seq_len
        return window[:-1], window[1:], begins
