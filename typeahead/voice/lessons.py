"""What a voice model is trained with: streams as the network's inputs, made ready while it learns from those before."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from typeahead.rnn.backpropagation import Gradients
from typeahead.rnn.network import Network
from typeahead.voice.classifier import Classifier
from typeahead.voice.mfcc import Tables
from typeahead.voice.streams import Streams

Array = np.ndarray[Any, np.dtype[Any]]
Batch = tuple[Array, Array, Array]


def moments(streams: Streams, tables: Tables, batches: int = 4) -> tuple[Array, Array]:
    """Return mean and standard deviation (C,) of the MFCCs in the first batches."""
    frames = np.concatenate(
        [(streams.compose(i)[0] @ tables.dct.T).reshape(-1, len(tables.dct)) for i in range(batches)]
    )
    return frames.mean(axis=0), np.maximum(frames.std(axis=0), 1e-3)


class Lessons:
    """A source of batches (`rnn.train.Source`).

    Parameters
    ----------
    streams : Streams
    classifier : Classifier
        Whose inputs they become; its network is not used.
    """

    def __init__(self, streams: Streams, classifier: Classifier) -> None:
        self._streams, self._classifier = streams, classifier
        self.pass_index, self.position = 0, 0
        self._pool = ThreadPoolExecutor(1)
        self._ahead: tuple[int, Future[Batch]] | None = None

    def next(self) -> Batch:
        """Return inputs (T, B, D), targets (T, B, V) and which lanes begin anew (B,)."""
        if self._ahead is None or self._ahead[0] != self.position:
            self._ahead = self.position, self._pool.submit(self._prepare, self.position)
        batch = self._ahead[1].result()
        self.position += 1
        self._ahead = self.position, self._pool.submit(self._prepare, self.position)
        return batch

    def _prepare(self, position: int) -> Batch:
        frames, targets, begins = self._streams.compose(position)
        return self._classifier.inputs(frames @ self._classifier.tables.dct.T), targets, begins


class HeldOut:
    """The mean loss of a network over a fixed number of batches.

    Parameters
    ----------
    network : Network
        Read anew at each call.
    streams : Streams
    classifier : Classifier
        As for `Lessons`.
    batches, threads : int
    """

    def __init__(self, network: Network, streams: Streams, classifier: Classifier, batches: int, threads: int) -> None:
        self._network = network
        lessons = Lessons(streams, classifier)
        self._batches = [lessons.next()[:2] for _ in range(batches)]
        self._gradients = Gradients(network, *streams.shape, threads, backward=False)

    def __call__(self, stop: Callable[[], bool] = lambda: False) -> float | None:
        """Return the loss (nats a step), or None if ``stop`` said so in between."""
        total = 0.0
        for inputs, targets in self._batches:
            if stop():
                return None
            state = self._network.initial_state(inputs.shape[1])
            total += self._gradients.loss(inputs, targets, state)[0]
        return total / len(self._batches)
