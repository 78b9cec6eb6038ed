"""A recurrent network that forecasts a stream of readings and learns from each, from the first one on.

    values --standardise--> inputs --GRU, state carried on--> mixtures of Gaussians: the next reading, and one far ahead

What the network reads of a series is its value in standard deviations of what it has been, how that differs from the
value before, from two running averages and from what is usual at the coming time of the day and of the week; and the
time itself. It forecasts by how much the value will have changed. Readings are learnt in chunks by truncated
backpropagation through time: as soon as what followed a chunk is known, a step of Adam is made on it and, so that rare
days are not forgotten, on a few chunks of the past (experience replay).

References: Bishop 1994 (mixture density networks); Lin 1992 (experience replay).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from typeahead.rnn.backpropagation import Gradients
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.rnn.optim import AdamW
from typeahead.sensor import statistics
from typeahead.sensor.statistics import CLOCK_INPUTS, FAR_AHEAD, INPUTS, Array, Statistics

_GAUSSIANS = 2  # a forecast: the usual and the unusual change
_HIDDEN_SIZE = 16  # more learn no better within a few thousand readings
_CHUNK = 16  # readings that gradients flow through; what lies further back comes in the state
_LANES = 4  # chunks a step: the newest and three of the past
_REMEMBERED = 256  # chunks of the past, a random sample of them
_LEARNING_RATE = 5e-3
_GRAD_CLIP = 1.0
_EAGER = 3  # further steps a chunk while the past is short: the first days teach the most
FAR_AGO = np.array([FAR_AHEAD, FAR_AHEAD + 6])  # readings ago that the far forecasts which are asked were made
_AHEAD = -(-FAR_AHEAD // _CHUNK)  # chunks after a chunk until all that follows it is known
_RING = (_AHEAD + 1) * _CHUNK


class Forecast(NamedTuple):
    """What is expected of a reading of one series, in its own units; nan while nothing is known."""

    expected: float  # the median
    low: float  # below it 1 %
    high: float  # above it 1 %


class Forecaster:
    """The network, what it has read lately, and what it is taught.

    Parameters
    ----------
    series : int
        D, how many values a reading has.
    network : Network, optional
        One that has learnt before; default: a new one.
    known : Statistics, optional
        What was known when that network was saved.
    seed : int
        Draws the weights and which chunks are replayed.
    """

    def __init__(
        self, series: int, network: Network | None = None, known: Statistics | None = None, seed: int = 0
    ) -> None:
        D = series
        self.series, self.known = D, known or Statistics.create(D)
        self.network = network or _new_network(D, seed)
        self._gradients = Gradients(self.network, _CHUNK, _LANES)
        self._optimiser = AdamW(self.network.parameters)
        self._rng = np.random.default_rng(seed)
        self.count = 0  # readings
        self._state = self.network.initial_state(1)
        self._next_state = np.empty_like(self._state)
        size = self.network.config.input_size
        self._inputs = np.zeros((_RING, 1, size), np.float32)
        self._row = np.zeros((1, size), np.float64)
        self._z = np.full((_RING, D), np.nan)  # what the values were, in standard deviations; nan: missing
        self._carried = np.zeros((_RING, D))  # and what they were taken for
        self._starts = np.zeros((_AHEAD + 1, *self._state.shape), np.float32)  # states at the beginnings of chunks
        self._outputs = np.full((2, _RING, D, 3 * _GAUSSIANS), np.nan)
        self._past_inputs = np.zeros((_REMEMBERED, _CHUNK, size), np.float32)
        self._past_targets = np.zeros((_REMEMBERED, _CHUNK, 2 * D), np.float32)
        self._past_states = np.zeros((_REMEMBERED, *self._state.shape), np.float32)
        self._chunks = 0
        self._batch = np.zeros((_CHUNK, _LANES, size), np.float32)
        self._targets = np.zeros((_CHUNK, _LANES, 2 * D), np.float32)
        self._begins = self.network.initial_state(_LANES)

    @property
    def forecasts(self) -> tuple[Array, Array, Array]:
        """The forecasts of the coming reading, near (D, 3 K) and far (F, D, 3 K), and the far ones' base (F, D).

        See `statistics.judge`. Before there are any, the ring holds nan.
        """
        made = (self.count - FAR_AGO) % _RING
        return self._outputs[0, (self.count - 1) % _RING], self._outputs[1, made], self._carried[made]

    def forecast(self, series: int) -> Forecast:
        """Return what is expected of the coming reading of a series."""
        near, known = self.forecasts[0][series], self.known
        if math.isnan(near[0]):
            return Forecast(math.nan, math.nan, math.nan)
        if known.grain[series] == np.inf:  # it has never changed
            return Forecast(*[float(known.value[series])] * 3)
        scale = statistics.deviation(series, known)
        last, mean = known.last[series], known.mean[series]
        narrowest = statistics.finest(series, known)
        expected, low, high = (
            float(mean + scale * (last + statistics.mixture_quantile(share, near, narrowest)))
            for share in (0.5, 0.01, 0.99)
        )
        return Forecast(expected, low, high)

    def learn(self, z: Array, time_s: float) -> None:
        """Take in a reading that ``known`` has absorbed: z (D,) in standard deviations; nan: missing, the time too."""
        at = self.count % _RING
        self._z[at] = z
        self._carried[at] = self.known.last
        if at % _CHUNK == 0:
            self._starts[(self.count // _CHUNK) % (_AHEAD + 1)] = self._state
        statistics.describe(time_s, self.known, self._row[0])
        self._inputs[at] = self._row
        outputs, _ = self.network.step(self._row, self._state, self._next_state)
        self._state, self._next_state = self._next_state, self._state
        self._outputs[:, at] = outputs.reshape(2, self.series, -1)
        self.count += 1
        if self.count % _CHUNK == 0 and self.count >= _CHUNK * (_AHEAD + 1):
            self._teach()

    def _teach(self) -> None:
        """Learn the newest chunk of which all that followed is known, along with some of the past."""
        first, D = self.count - _CHUNK * (_AHEAD + 1), self.series
        here = slice(first % _RING, first % _RING + _CHUNK)
        for number, ahead in enumerate((1, FAR_AHEAD)):
            then = np.arange(first + ahead, first + ahead + _CHUNK) % _RING
            self._targets[:, 0, number * D : (number + 1) * D] = self._z[then] - self._carried[here]
        self._batch[:, 0] = self._inputs[here, 0]
        self._begins[:, :, 0] = self._starts[(first // _CHUNK) % (_AHEAD + 1), :, :, 0]
        place = self._chunks if self._chunks < _REMEMBERED else int(self._rng.integers(_REMEMBERED))
        self._past_inputs[place] = self._batch[:, 0]
        self._past_targets[place] = self._targets[:, 0]
        self._past_states[place] = self._begins[:, :, :1]
        self._chunks += 1
        self._descend(1)
        for _ in range(_EAGER if self._chunks <= _REMEMBERED else 0):
            self._descend(0)

    def _descend(self, new: int) -> None:
        """Make a step of Adam on the first ``new`` lanes as they are and, in the others, on chunks of the past."""
        drawn = self._rng.integers(0, min(self._chunks, _REMEMBERED), _LANES)
        for lane in range(new, _LANES):
            self._batch[:, lane] = self._past_inputs[drawn[lane]]
            self._targets[:, lane] = self._past_targets[drawn[lane]]
            self._begins[:, :, lane] = self._past_states[drawn[lane], :, :, 0]
        _, gradients, _ = self._gradients(self._batch, self._targets, self._begins)
        self._optimiser.step(gradients, _LEARNING_RATE, _GRAD_CLIP)
        self.network.parameters_changed()


def network_config(series: int) -> NetworkConfig:
    """Return the architecture for readings of that many values."""
    return NetworkConfig(
        cell="gru",
        input_size=INPUTS * series + CLOCK_INPUTS,
        hidden_size=_HIDDEN_SIZE,
        output_size=series * 2 * 3 * _GAUSSIANS,
        one_hot=False,
        output="mixture",
    )


def _new_network(series: int, seed: int) -> Network:
    """Return a network that expects no change, or a large one, before it has learnt anything."""
    network = Network.create(network_config(series), seed)
    network.parameters["output.weight"] *= 0.3
    bias: Any = network.parameters["output.bias"].reshape(-1, _GAUSSIANS, 3)
    bias[:, :, 2] = np.linspace(-0.5, 0.2, _GAUSSIANS)
    return network
