"""What a network of readings is given and asked, without learning: the same as when it learns."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from typeahead.errors import SensorError
from typeahead.sensor.anomaly import Watcher
from typeahead.sensor.rehearsal import made_up, recorded, rehearse

NAMES = ("load", "heat")


def readings(count, seed=0):
    rng = np.random.default_rng(seed)
    for i in range(count):
        yield [float(np.sin(i / 5) + 0.1 * rng.standard_normal()), float(i % 3)], 600.0 * i


@pytest.fixture
def saved(tmp_path):
    watcher = Watcher(NAMES)
    for values, time_s in readings(150):
        watcher.observe(values, time_s)
    watcher.save(tmp_path / "room.safetensors")
    return tmp_path / "room.safetensors"


def test_inputs_and_targets_are_those_that_the_forecaster_learns_from(saved):
    inputs, targets = rehearse(Watcher.load(saved), readings(128, 1))
    learning = Watcher.load(saved)
    for values, time_s in readings(128, 1):
        learning.learn_one(values, time_s)
    taught = learning._forecaster  # the newest chunk is in the first lane
    length = len(taught._batch)
    starts = [i for i in range(0, 128 - length) if np.array_equal(inputs[i : i + length], taught._batch[:, 0])]
    assert len(starts) == 1
    np.testing.assert_allclose(targets[starts[0] : starts[0] + length], taught._targets[:, 0], rtol=1e-6)
    assert np.isfinite(targets[: 128 - 48]).all()
    assert np.isnan(targets[-1]).all()  # what follows it is not known


def test_the_network_is_left_as_it_is(saved):
    watcher = Watcher.load(saved)
    rehearse(watcher, readings(200, 1))
    for name, array in Watcher.load(saved)._forecaster.network.parameters.items():
        np.testing.assert_array_equal(watcher._forecaster.network.parameters[name], array)


def test_series_are_found_by_name_else_by_number(saved, tmp_path):
    watcher = Watcher.load(saved)
    (tmp_path / "named.csv").write_text("heat,more,load\n" + "1,2,3\n4,5,6\n" * 20)
    assert [values for values, _ in recorded(watcher, [tmp_path / "named.csv"], 2)] == [[3, 1], [6, 4]]
    (tmp_path / "two.csv").write_text("a,b\n" + "1,2\n3,4\n" * 20)
    assert [values for values, _ in recorded(watcher, [tmp_path / "two.csv"], 2)] == [[1, 2], [3, 4]]
    (tmp_path / "three.csv").write_text("a,b,c\n" + "1,2,3\n" * 20)
    with pytest.raises(SensorError, match="the data has a, b, c, and the model knows load, heat"):
        list(recorded(watcher, [tmp_path / "three.csv"], 2))


def test_made_up_readings_have_the_scale_that_the_watcher_knows_and_times(saved):
    watcher = Watcher.load(saved)
    values = np.array([values for values, _ in itertools.islice(made_up(watcher, 2000), 2000)])
    known = watcher._forecaster.known
    np.testing.assert_allclose(values.mean(axis=0), known.mean, atol=0.2)
    assert (np.abs(values.std(axis=0) / np.sqrt(known.variance) - 0.9) < 0.3).all()
    assert [time_s for _, time_s in made_up(watcher, 3)] == [0, 1800, 3600]
