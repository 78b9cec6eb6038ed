"""What a saved network of readings is given and asked, reading by reading, without learning anything from it.

For those who look into the network itself: its inputs and targets are in standard deviations of what it knows, with
running averages and rhythms among them, so that they depend on all readings before.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from typeahead.errors import SensorError
from typeahead.sensor.anomaly import Watcher
from typeahead.sensor.following import lines
from typeahead.sensor.forecaster import Forecaster
from typeahead.sensor.readings import Parser
from typeahead.sensor.statistics import FAR_AHEAD, Array

_STEP_S = 1800.0  # between readings that are made up
_DAY_STEPS = 48

Given = tuple[Sequence[float], float | None]


class _Recorder(Forecaster):
    """A forecaster that learns nothing, and keeps what it would have learnt from."""

    def __init__(self, forecaster: Forecaster) -> None:
        super().__init__(forecaster.series, forecaster.network, forecaster.known)
        self.inputs: list[Array] = []
        self.values: list[Array] = []
        self.carried: list[Array] = []

    def learn(self, z: Array, time_s: float) -> None:
        at = self.count % len(self._inputs)
        super().learn(z, time_s)
        self.inputs.append(self._inputs[at, 0].copy())
        self.values.append(self._z[at].copy())
        self.carried.append(self._carried[at].copy())

    def _teach(self) -> None:
        pass


def rehearse(watcher: Watcher, readings: Iterator[Given]) -> tuple[Array, Array]:
    """Return inputs (N, size) and targets (N, 2 D), near ones then far ones, of N readings as the network takes them.

    Parameters
    ----------
    watcher : Watcher
        Its network stays as it is; its statistics follow the readings, as they do when it watches.
    readings : iterator of (values, time)
        One value a series, and seconds since the epoch or None.
    """
    watcher._forecaster = recorder = _Recorder(watcher._forecaster)
    for values, time_s in readings:
        watcher.learn_one(values, time_s)
    z, carried = np.array(recorder.values), np.array(recorder.carried)
    D = len(watcher.names)
    targets = np.full((len(z), 2 * D), np.nan)
    for number, ahead in enumerate((1, FAR_AHEAD)):
        if len(z) > ahead:
            targets[:-ahead, number * D : (number + 1) * D] = z[ahead:] - carried[:-ahead]
    return np.array(recorder.inputs), targets


def recorded(watcher: Watcher, places: Sequence[str | os.PathLike[str]], most: int) -> Iterator[Given]:
    """Yield at most so many readings of files, of the series that the watcher knows.

    Raises
    ------
    SensorError
        A file cannot be read, or has other series.
    """
    parser = Parser()
    names: tuple[str, ...] = ()
    chosen: list[int] = []
    for reading in islice(parser.read(lines(places)), most):
        if parser.names != names:
            names = parser.names
            chosen = _choose(watcher.names, names)
        yield [reading.values[i] for i in chosen], reading.time_s


def _choose(wanted: tuple[str, ...], there: tuple[str, ...]) -> list[int]:
    if set(wanted) <= set(there):
        return [there.index(name) for name in wanted]
    if len(wanted) != len(there):
        raise SensorError(
            f"the data has {', '.join(there[:6])}, and the model knows {', '.join(wanted[:6])}; give it the same series"
        )
    return list(range(len(there)))


def made_up(watcher: Watcher, count: int, seed: int = 0) -> Iterator[Given]:
    """Yield readings with a daily rhythm, of the mean and the scale that the watcher knows, one every half hour."""
    rng, known = np.random.default_rng(seed), watcher._forecaster.known
    D = len(watcher.names)
    phases, drift = rng.uniform(0, 2 * math.pi, D), np.zeros(D)
    for step in range(count):
        drift = 0.9 * drift + 0.2 * rng.standard_normal(D)
        pattern = np.sin(2 * math.pi * step / _DAY_STEPS + phases) + drift
        yield [float(x) for x in known.mean + np.sqrt(known.variance) * pattern], step * _STEP_S
