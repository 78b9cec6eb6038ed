"""Thresholds for a room: what they are raised and lowered to, what is said of false alarms, and how they are kept."""

from __future__ import annotations

import json
import stat

import numpy as np
import pytest

from tests.voice.speaking import SR, hiss
from tests.voice.tables import tables_of_features
from typeahead.errors import AudioError
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.voice import calibration
from typeahead.voice.calibration import Calibration, calibrate, poisson_upper, thresholds
from typeahead.voice.classifier import Classifier
from typeahead.voice.detector import THRESHOLD
from typeahead.voice.labels import SILENCE, UNKNOWN
from typeahead.voice.mfcc import Features, Tables

FEATURES = Features()
LABELS = ("go", "stop", UNKNOWN, SILENCE)


@pytest.fixture(scope="module")
def tables() -> Tables:
    return tables_of_features()


def model(tables: Tables, seed: int = 0, go: float = -6.0, **metadata: object) -> Classifier:
    """A network that never heard anything; ``go`` is what speaks for that word, in nats."""
    network = Network.create(NetworkConfig("gru", 60, 8, 1, len(LABELS), one_hot=False), seed)
    bias = next(name for name, array in network.parameters.items() if array.shape == (len(LABELS),))
    network.parameters[bias][:] = (go, -6.0, 0.0, 0.0)
    return Classifier(network, LABELS, FEATURES, tables, 3, np.linspace(-9, 0, 20), np.full(20, 6.0), metadata)


def test_a_word_that_the_room_resembles_gets_a_higher_threshold(tables):
    room = hiss(20, -30)
    quiet = calibrate(model(tables), None, room)
    noisy = calibrate(model(tables, go=1.0), None, room)
    assert quiet.thresholds == {"go": THRESHOLD, "stop": THRESHOLD}
    assert noisy.thresholds["go"] > THRESHOLD
    assert noisy.thresholds["stop"] == THRESHOLD
    assert noisy.per_hour["go"] > 10 * quiet.per_hour["go"]


def test_expected_false_alarms_stay_within_what_is_allowed_where_the_threshold_can(tables):
    room = hiss(20, -30)
    strict = calibrate(model(tables, go=-0.5), None, room, allowed_per_hour=0.1)
    loose = calibrate(model(tables, go=-0.5), None, room, allowed_per_hour=10.0)
    assert strict.total_per_hour <= 0.11
    assert strict.thresholds["go"] >= loose.thresholds["go"]


def test_the_uncertainty_of_a_short_time_is_said():
    none = Calibration({}, {}, {"go": 0, "stop": 0}, minutes=1.0)
    assert none.at_most_per_hour == pytest.approx(180, rel=0.01)  # 3 / n
    assert Calibration({}, {}, {"go": 1, "stop": 0}, minutes=60.0).at_most_per_hour == pytest.approx(4.74, abs=0.01)
    assert [round(poisson_upper(n), 2) for n in range(4)] == [3.0, 4.74, 6.3, 7.75]


def test_the_users_takes_lower_a_threshold_as_far_as_the_room_allows(tables):
    classifier = model(tables, go=-1.0)
    room, take = np.zeros(10 * SR, np.float32), hiss(1, -20)
    before = calibrate(classifier, None, room)
    after = calibrate(classifier, None, room, {"go": [take]})
    assert after.thresholds["go"] <= before.thresholds["go"]
    assert set(after.missed) == {"go"}
    with pytest.raises(AudioError, match="takes of 'tea', which is no word that is known; known: go, stop"):
        calibrate(classifier, None, room, {"tea": [take]})


def test_enrolled_words_get_thresholds_too(tables):
    class Matcher:
        words = ("tea",)

        def reset(self) -> None:
            pass

        def push(self, frames: np.ndarray) -> np.ndarray:
            return np.full((len(frames) // 3, 1), 0.9)

    found = calibrate(model(tables), Matcher(), hiss(6, -50))
    assert found.thresholds["tea"] > 0.9
    assert found.heard["tea"] == 0


def test_too_little_of_the_room_is_one_line(tables):
    with pytest.raises(AudioError, match=r"^1\.0 s of the room's sound; 5 s are the least, a minute is good$"):
        calibrate(model(tables), None, hiss(1))


def saved(classifier: Classifier, **found: float):
    return calibration.save(Calibration(found, {"go": 0.2}, {"go": 0}, 1.0), classifier, "USB Microphone")


def test_thresholds_are_kept_for_their_owner_alone_with_what_they_came_from(tables):
    classifier = model(tables)
    path = saved(classifier, go=0.8)
    assert path == calibration.path()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    content = json.loads(path.read_text())
    assert content["device"] == "USB Microphone"
    assert content["model"] == calibration.fingerprint(classifier)
    assert (content["false_alarms_per_hour"], content["minutes"]) == (0.2, 1.0)
    assert thresholds(classifier) == pytest.approx({"go": 0.8, "stop": THRESHOLD})


def test_a_threshold_is_the_calibrated_one_else_the_models_else_the_default(tables):
    classifier = model(tables, thresholds={"go": 0.7, "stop": 0.45})
    assert thresholds(classifier, 0.5, ["tea"]) == pytest.approx({"go": 0.7, "stop": 0.45, "tea": THRESHOLD})
    saved(classifier, go=0.9, tea=0.65)
    assert thresholds(classifier, 0.5, ["tea"]) == pytest.approx({"go": 0.9, "stop": 0.45, "tea": 0.65})


def test_a_higher_sensitivity_hears_more(tables):
    eager, plain, calm = (thresholds(model(tables), sensitivity)["go"] for sensitivity in (1.0, 0.5, 0.0))
    assert plain == pytest.approx(THRESHOLD)
    assert 0 < eager < plain < calm < 1


def test_thresholds_of_another_model_do_not_count(tables):
    saved(model(tables, seed=1), go=0.9)
    assert thresholds(model(tables, seed=2))["go"] == pytest.approx(THRESHOLD)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"thresholds": {"go": "much"}, "model": ""}'])
def test_a_damaged_file_is_one_line(tables, content):
    classifier = model(tables)
    saved(classifier, go=0.9).write_text(content)
    with pytest.raises(AudioError, match="not what typeahead listen --calibrate has written") as caught:
        thresholds(classifier)
    assert "\n" not in str(caught.value)


def test_a_threshold_beyond_all_sense_is_one_line(tables):
    saved(model(tables), go=1.5)
    with pytest.raises(AudioError, match="a threshold is not between 0 and 1; run typeahead listen --calibrate again"):
        thresholds(model(tables))
