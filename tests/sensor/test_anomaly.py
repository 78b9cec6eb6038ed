"""Scores and alarms of readings."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from typeahead.errors import ModelFileError, SensorError
from typeahead.rnn import checkpoint
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.sensor.anomaly import WatchConfig, Watcher

NAN = math.nan


def alarms(values, config=None, names=("value",), times=None):
    watcher = Watcher(names, config)
    verdicts = [watcher.observe(value, None if times is None else times[i]) for i, value in enumerate(values)]
    return [verdict.alarm for verdict in verdicts if verdict.alarm is not None], verdicts


def quiet(rng, count=1500):
    return list(rng.normal(10, 1, count))


@pytest.mark.parametrize(
    ("change", "within"),
    [
        pytest.param(lambda x, n, rng: x + 30 if n == 1200 else x, 1, id="a spike"),
        pytest.param(lambda x, n, rng: x + 8 if n >= 1200 else x, 3, id="a new level"),
        pytest.param(lambda x, n, rng: 10 + 6 * (x - 10) if n >= 1200 else x, 25, id="more noise"),
        pytest.param(lambda x, n, rng: 10 + 9 * math.sin(n) if n >= 1200 else x, 25, id="an oscillation"),
    ],
)
def test_what_turns_odd_raises_an_alarm_soon_and_only_then(change, within, rng):
    found, _ = alarms([change(x, number, rng) for number, x in enumerate(quiet(rng))])
    begin = [alarm.number - 1 for alarm in found if alarm.number - 1 >= 1200]
    assert begin
    assert begin[0] - 1200 < within
    assert len([alarm for alarm in found if alarm.number <= 1200]) <= 2


def test_a_peak_that_stays_away_is_odd_where_times_are_given(rng):
    def value(number):
        return 5.0 * (10 <= number % 48 < 30) + 0.2 * rng.normal()

    values = [value(number) if not 48 * 40 + 5 <= number < 48 * 41 else 0.0 for number in range(48 * 43)]
    found, _ = alarms(values, times=[1800.0 * number for number in range(len(values))])
    assert any(48 * 40 + 10 <= alarm.number - 1 < 48 * 41 for alarm in found)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([0.0] * 2000, id="constant"),
        pytest.param([float(n % 7) for n in range(2000)], id="a short cycle"),
        pytest.param([3.0 * n for n in range(2000)], id="a counter"),
        pytest.param([NAN] * 500, id="nothing at all"),
    ],
)
def test_what_never_changes_its_ways_raises_no_alarm(values):
    assert alarms(values)[0] == []


def test_a_counter_that_is_reset_is_odd_once():
    found, _ = alarms([3.0 * (n % 1500) for n in range(1800)])
    assert 1501 <= found[0].number <= 1510
    assert len(found) <= 2


def test_a_constant_that_changes_is_odd_and_says_why():
    found, _ = alarms([4.0] * 800 + [5.0])
    assert [alarm.number for alarm in found] == [801]
    assert found[0].reason == "higher than ever (at most 4 before)"
    assert (found[0].seen, found[0].series) == (5.0, "value")


def test_scores_of_noise_are_as_rare_as_they_say(rng):
    watcher = Watcher()
    scores = np.array([watcher.observe(x).score for x in rng.normal(size=20_000)][1000:])
    for score in (0.15, 0.2, 0.25):
        assert 0.3 < np.mean(scores >= score) / 10 ** (-10 * score) < 3


def test_a_score_changes_nothing(rng):
    one, two = Watcher(), Watcher()
    for value in quiet(rng, 300):
        for odd in (1e9, NAN, value):
            assert 0 <= one.score_one(odd) <= 1
        assert one.observe(value) == two.observe(value)
    for mine, other in zip(one._forecaster.known, two._forecaster.known, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_to_score_and_to_learn_is_to_observe(rng):
    one, two = Watcher(), Watcher()
    for value in quiet(rng, 300):
        score = one.score_one(value)
        one.learn_one(value)
        assert two.observe(value).score == score


def test_an_alarm_lasts_until_it_is_calm_and_the_next_one_waits(rng):
    config = WatchConfig(min_rest=60, rest=0.0, calm=5)
    values = quiet(rng, 1000) + [40.0 + rng.normal() for _ in range(10)] + quiet(rng, 40) + [90.0] + quiet(rng, 60)
    found, verdicts = alarms([*values, 200.0], config)
    late = [alarm.number for alarm in found if alarm.number > 1000]
    assert late == [1001, 1112]  # 90 came within 60 readings of the alarm before
    states = [verdict.state for verdict in verdicts]
    assert states[:100] == ["learning"] * 100
    assert set(states[1000:1010]) == {"alarm"}
    assert states[1109] == "calm"


def test_the_oddest_series_is_named_and_more_series_make_one_less_odd(rng):
    names = ("a", "b", "c")
    values = rng.normal(size=(1000, 3))
    values[900, 1] = 50
    found, _ = alarms(values.tolist(), names=names)
    late = [alarm for alarm in found if alarm.number == 901]
    assert [alarm.series for alarm in late] == ["b"]
    alone, _ = alarms(values[:, 1].tolist())
    assert late[0].score <= next(alarm.score for alarm in alone if alarm.number == 901)


def test_explain_names_series_value_and_rarity(rng):
    watcher = Watcher(("load",))
    for value in quiet(rng, 500):
        watcher.observe(value)
    watcher.observe(99.0)
    assert watcher.explain().startswith("load 99: ")
    assert "one in " in watcher.explain()


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.tuples(st.floats(width=64), st.one_of(st.none(), st.floats(-1e12, 1e12))), min_size=150, max_size=220)
)
def test_no_series_of_numbers_and_times_breaks_a_watcher(readings):
    watcher = Watcher()
    for value, time_s in readings:
        verdict = watcher.observe(value, time_s)
        assert 0 <= verdict.score <= 1
        watcher.explain()
        watcher.forecast()
    assert all(np.isfinite(array).all() for array in watcher._forecaster.network.parameters.values())


def test_a_saved_watcher_starts_warm(tmp_path, rng):
    times = [60.0 * number for number in range(3000)]
    watcher = Watcher(("a", "b"))
    values = np.column_stack([np.sin(np.arange(3000) / 5), rng.normal(size=3000)]).tolist()
    for value, time_s in zip(values, times, strict=True):
        watcher.learn_one(value, time_s)
    watcher.save(tmp_path / "w.safetensors")
    assert (tmp_path / "w.safetensors").stat().st_mode & 0o777 == 0o600
    again = Watcher.load(tmp_path / "w.safetensors")
    assert (again.names, again.count) == (("a", "b"), 3000)
    for mine, other in zip(watcher._forecaster.known, again._forecaster.known, strict=True):
        np.testing.assert_array_equal(mine, other)
    for name, array in watcher._forecaster.network.parameters.items():
        np.testing.assert_array_equal(array, again._forecaster.network.parameters[name])
    assert again.observe([9.0, 0.0], 180_000.0).state == "alarm"  # no second apprenticeship


def test_a_file_that_is_no_model_of_readings_is_refused(tmp_path):
    checkpoint.save_model(tmp_path / "text", Network.create(NetworkConfig(hidden_size=4), 0), {"kind": "text"})
    with pytest.raises(ModelFileError, match="is no model of readings; name one that typeahead watch --save wrote"):
        Watcher.load(tmp_path / "text")
    Watcher().save(tmp_path / "one")
    arrays, metadata = checkpoint.load(tmp_path / "one")
    for change in ({"names": ["a", "b"]}, {"names": []}, {"names": 3}, {"count": "many"}):
        described = {name: value for name, value in metadata.items() if name not in ("format_version", "checksum")}
        checkpoint.save(tmp_path / "other", arrays, described | change)
        with pytest.raises(ModelFileError, match="another version"):
            Watcher.load(tmp_path / "other")
    del arrays["tables.day"]
    checkpoint.save(tmp_path / "other", arrays, described | {"names": ["value"], "count": 0})
    with pytest.raises(ModelFileError, match="another version"):
        Watcher.load(tmp_path / "other")


def test_wrong_numbers_of_values_and_settings_out_of_range_are_refused():
    with pytest.raises(SensorError, match="2 values for 1 series"):
        Watcher().observe([1.0, 2.0])
    with pytest.raises(SensorError, match="no series to watch"):
        Watcher(())
    for change in ({"threshold": 0.0}, {"threshold": 1.1}, {"release": 2.0}, {"calm": 0}, {"max_rest": 1}):
        with pytest.raises(SensorError):
            dataclasses.replace(WatchConfig(), **change)
