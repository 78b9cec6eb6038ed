"""When a word has been said: the decision on its own, the gate, and both with a network, however the sound is cut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.voice.tables import tables_of_features
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.voice.classifier import Classifier
from typeahead.voice.detector import Decision, Detector, DetectorConfig, Gate
from typeahead.voice.labels import SILENCE, UNKNOWN
from typeahead.voice.mfcc import Features

STEP_S = 0.03
FEATURES = Features()
LABELS = ("go", "stop", UNKNOWN, SILENCE)


def detections(rows: np.ndarray, **settings: object) -> list[tuple[int, int]]:
    """(step, word) of each detection."""
    config = DetectorConfig(**{"thresholds": {"a": 0.5, "b": 0.5}, **settings})
    decision = Decision(("a", "b"), config, STEP_S)
    return [(t, word) for t, row in enumerate(rows) if (word := decision.step(row)) is not None]


def posteriors(length: int, *said: tuple[int, int, int]) -> np.ndarray:
    """(T, 2): word, first step, last step but one."""
    rows = np.zeros((length, 2))
    for word, start, end in said:
        rows[start:end, word] = 1.0
    return rows


ONE_STEP = {"smoothing_s": 0.03, "patience_s": 0.03}


def test_a_word_is_detected_once_however_long_its_posterior_stays():
    assert detections(posteriors(300, (0, 20, 250)), **ONE_STEP) == [(20, 0)]


def test_a_word_said_again_after_the_refractory_time_is_detected_again():
    rows = posteriors(200, (0, 20, 30), (0, 30 + 40, 80), (0, 90, 95))
    found = detections(rows, refractory_s=0.9, **ONE_STEP)
    assert found == [(20, 0), (70, 0)]  # the third comes 20 steps, 0.6 s, after the second
    assert detections(rows, refractory_s=0.3, **ONE_STEP) == [(20, 0), (70, 0), (90, 0)]


def test_a_word_must_have_fallen_before_it_is_heard_again():
    rows = posteriors(200, (0, 20, 150))
    rows[60:70, 0] = 0.4  # below its threshold of 0.5, above half of it
    assert detections(rows, refractory_s=0.3, **ONE_STEP) == [(20, 0)]
    rows[60:70, 0] = 0.1
    assert detections(rows, refractory_s=0.3, **ONE_STEP) == [(20, 0), (70, 0)]


def test_patience_asks_for_several_steps_in_a_row():
    rows = posteriors(60, (0, 10, 12), (0, 20, 30))
    assert detections(rows, smoothing_s=0.03, patience_s=0.09) == [(22, 0)]


def test_smoothing_is_a_mean_over_the_last_steps():
    rows = posteriors(60, (0, 10, 20))
    # Mean of five steps reaches 0.5 with the third loud one.
    assert detections(rows, smoothing_s=0.15, patience_s=0.03) == [(12, 0)]


def test_another_word_comes_only_after_a_moment():
    rows = posteriors(60, (0, 10, 15), (1, 13, 30))
    assert detections(rows, apart_s=0.3, **ONE_STEP) == [(10, 0), (21, 1)]


def test_the_surer_of_two_words_is_taken():
    rows = np.zeros((20, 2))
    rows[5:8] = (0.6, 0.9)
    assert detections(rows, **ONE_STEP) == [(5, 1)]


def test_a_words_own_threshold_counts():
    rows = np.zeros((20, 2))
    rows[5:8] = (0.6, 0.6)
    assert detections(rows, thresholds={"a": 0.7, "b": 0.5}, **ONE_STEP) == [(5, 1)]
    assert detections(rows, thresholds={"a": 0.7, "b": 0.7}, **ONE_STEP) == []


# ---------------------------------------------------------------------------------------------------------- gate


def block(rng: np.random.Generator, db: float) -> np.ndarray:
    return (rng.standard_normal(480) * 10 ** (db / 20)).astype(np.float32)


def test_the_gate_is_shut_in_silence_and_in_steady_noise_and_opens_for_what_is_louder(rng):
    gate = Gate(DetectorConfig(), STEP_S)
    assert not any(gate.push(np.zeros(480, np.float32)) for _ in range(50))
    opened = [gate.push(block(rng, -50)) for _ in range(200)]
    assert opened[0]
    assert not any(opened[150:])
    assert gate.noise_db == pytest.approx(-50, abs=1.5)
    assert gate.push(block(rng, -42))


def test_the_gate_stays_open_for_a_while(rng):
    gate = Gate(DetectorConfig(hold_s=0.3), STEP_S)
    for _ in range(20):
        gate.push(block(rng, -70))
    assert [gate.push(block(rng, db)) for db in (-30, *[-70] * 12)] == [True] * 10 + [False] * 3


def test_the_gate_gets_used_to_noise_that_has_begun(rng):
    gate = Gate(DetectorConfig(), STEP_S)
    for _ in range(100):
        gate.push(block(rng, -70))
    opened = [gate.push(block(rng, -45)) for _ in range(400)]  # 12 s
    assert opened[0]
    assert not any(opened[-50:])


# ------------------------------------------------------------------------------------------------------ detector


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    """An untrained network with large weights, so that its posteriors vary with the sound."""
    network = Network.create(NetworkConfig("gru", 60, 16, 1, len(LABELS), one_hot=False), 3)
    network.parameters["output.weight"] *= 8
    mean, std = np.zeros(20), np.full(20, 10.0)
    return Classifier(network, LABELS, FEATURES, tables_of_features(), 3, mean, std)


def noisy(seed: int, seconds: float) -> np.ndarray:
    """Sound and pauses by turns."""
    rng = np.random.default_rng(seed)
    y = rng.standard_normal(int(seconds * 16000))
    loud = np.repeat(rng.choice([1e-5, 0.01, 0.2], len(y) // 4000 + 1), 4000)[: len(y)]
    return (y * loud).astype(np.float32)


EAGER = DetectorConfig({"go": 0.3, "stop": 0.3}, hold_s=0.2, refractory_s=0.2)


@settings(max_examples=15)
@given(st.lists(st.integers(1, 4000), min_size=1, max_size=30), st.integers(0, 5))
def test_detections_are_the_same_however_the_sound_is_cut(classifier, sizes, seed):
    y = noisy(seed, 6)
    whole = Detector(classifier, EAGER)
    expected = whole.push(y)
    cut, found, at, i = Detector(classifier, EAGER), [], 0, 0
    while at < len(y):
        found += cut.push(y[at : at + sizes[i % len(sizes)]])
        at += sizes[i % len(sizes)]
        i += 1
    assert found == expected
    assert cut.time_s == whole.time_s


def test_the_untrained_network_detects_something_for_these_tests_to_see(classifier):
    assert sum(len(Detector(classifier, EAGER).push(noisy(seed, 6))) for seed in range(6)) > 3


def test_nothing_is_detected_in_digital_silence_or_at_the_start(classifier):
    anything = DetectorConfig({"go": 1e-6, "stop": 1e-6})
    assert Detector(classifier, anything).push(np.zeros(160000, np.float32)) == []
    found = [Detector(classifier, replace(EAGER, warm_up_s=s)).push(noisy(2, 6)) for s in (0.0, 2.0)]
    assert min(one.time_s for one in found[0]) < 2
    assert found[1]
    assert found[1] == [one for one in found[0] if one.time_s >= 2]


def test_in_silence_the_network_is_left_alone(classifier, monkeypatch):
    detector = Detector(classifier)
    monkeypatch.setattr(detector._stream, "push_frames", lambda y: pytest.fail("the network was asked"))
    detector.push(np.zeros(32000, np.float32))
    assert not detector.is_open


def test_what_came_before_the_gate_opened_is_heard(classifier, monkeypatch):
    config = DetectorConfig(before_s=0.3)
    detector, heard = Detector(classifier, config), []
    frames = detector._stream.frames
    monkeypatch.setattr(detector._stream, "frames", lambda y: heard.append(len(y)) or frames(y))
    rng = np.random.default_rng(1)
    for db in [-75] * 40 + [-20] * 3:
        detector.push(block(rng, db))
    assert heard == [11 * 480, 480, 480]  # ten blocks of 30 ms before the first loud one


def test_a_pause_of_the_source_is_forgotten_but_the_clock_goes_on(classifier):
    detector = Detector(classifier, EAGER)
    detector.push(noisy(1, 2))
    detector.reset()
    assert detector.time_s == pytest.approx(1.98)
    fresh = Detector(classifier, EAGER)
    again, first = detector.push(noisy(2, 2)), fresh.push(noisy(2, 2))
    assert [one.word for one in again][-2:] == [one.word for one in first][-2:]


def test_the_top_words_come_with_their_thresholds(classifier):
    detector = Detector(classifier, DetectorConfig({"go": 0.4}))
    detector.push(noisy(3, 2))
    top = detector.top(5)
    assert {word: threshold for word, _, threshold in top} == {"go": 0.4, "stop": 0.6}
    assert top[0][1] >= top[1][1]


class Echo:
    """A matcher that is sure from its twentieth step on."""

    words = ("hello",)

    def __init__(self) -> None:
        self.resets = self.steps = self.frames = 0

    def push(self, frames: np.ndarray) -> np.ndarray:
        left = self.frames + len(frames)
        steps, self.frames = left // 3, left % 3
        self.steps += steps
        return np.full((steps, 1), float(self.steps > 20))

    def reset(self) -> None:
        self.resets += 1


def test_enrolled_words_are_heard_beside_the_networks(classifier):
    matcher = Echo()
    detector = Detector(classifier, DetectorConfig({"go": 0.999, "stop": 0.999}, hold_s=0.1), matcher)
    found = detector.push(np.concatenate([noisy(1, 1) + 0.1, np.zeros(16000, np.float32)]).astype(np.float32))
    assert [one.word for one in found] == ["hello"]
    assert matcher.resets >= 1
