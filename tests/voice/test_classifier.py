"""A voice model: saved and read back, streaming as in one go, and its decision on a short recording."""

from __future__ import annotations

import numpy as np
import pytest

from tests import naive, naive_sound
from tests.voice.tables import tables_of_features
from typeahead.errors import ModelFileError
from typeahead.rnn.checkpoint import load_model, save_model
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.voice.classifier import Classifier
from typeahead.voice.labels import SILENCE, UNKNOWN
from typeahead.voice.mfcc import Features, Tables

FEATURES = Features()
LABELS = ("go", "stop", UNKNOWN, SILENCE)


def network(output_size: int = len(LABELS)) -> Network:
    return Network.create(NetworkConfig("gru", 60, 12, 2, output_size, one_hot=False), 3)


@pytest.fixture(scope="module")
def tables() -> Tables:
    return tables_of_features()


@pytest.fixture
def classifier(tables) -> Classifier:
    mean, std = np.linspace(-9, 1, 20), np.linspace(8, 1, 20)
    return Classifier(network(), LABELS, FEATURES, tables, 3, mean, std)


def sound(n: int = 16000) -> np.ndarray:
    return np.random.default_rng(4).normal(0, 0.1, n).astype(np.float32)


def test_posteriors_equal_those_of_plain_features_and_a_plain_network(classifier):
    y = sound(6000)
    frames = naive_sound.mfcc(y, FEATURES, classifier.tables.filterbank)
    normal = (frames - classifier.mean) / classifier.std
    one, steps = classifier.network, len(frames) // 3
    total = 0.0
    for behind in range(3):  # the lanes, each on its own
        late = np.concatenate([np.repeat(normal[:1], behind, axis=0), normal])[: steps * 3]
        log_probs, _ = naive.forward(one.config, one.parameters, late.reshape(steps, 1, 60), np.zeros((2, 1, 1, 12)))
        total = total + np.exp(log_probs[:, 0])
    np.testing.assert_allclose(classifier.posteriors(y), total / 3, atol=1e-4)


def test_listening_in_blocks_gives_the_posteriors_of_the_whole(classifier):
    y, stream = sound(), classifier.stream()
    parts = [stream.push(y[at : at + 333]) for at in range(0, len(y), 333)]
    np.testing.assert_array_equal(np.concatenate([p for p, _ in parts]), classifier.posteriors(y))
    hidden = np.concatenate([h for _, h in parts])
    assert hidden.shape == (len(classifier.posteriors(y)), 12)
    stream.reset()
    np.testing.assert_array_equal(stream.push(y)[0], classifier.posteriors(y))


def test_a_saved_model_hears_the_same(classifier, tmp_path):
    classifier.save(tmp_path / "a.safetensors", {"note": "hello"})
    again = Classifier.load(tmp_path / "a.safetensors")
    assert (again.labels, again.words, again.features) == (LABELS, ("go", "stop"), FEATURES)
    assert again.metadata["note"] == "hello"
    assert again.step_s == pytest.approx(0.03)
    np.testing.assert_array_equal(again.posteriors(sound()), classifier.posteriors(sound()))


def test_half_precision_halves_the_file_and_changes_little(classifier, tmp_path):
    classifier.save(tmp_path / "a.safetensors", {}, np.float16)
    again = Classifier.load(tmp_path / "a.safetensors")
    assert again.network.dtype == np.float32
    np.testing.assert_allclose(again.posteriors(sound()), classifier.posteriors(sound()), atol=0.01)


def test_a_model_of_text_is_refused_in_one_line(tmp_path):
    save_model(tmp_path / "text.safetensors", Network.create(NetworkConfig(hidden_size=4), 0), {"kind": "text"})
    with pytest.raises(
        ModelFileError, match="a model of text, not a voice model; make one with typeahead train --voice"
    ):
        Classifier.load(tmp_path / "text.safetensors")


@pytest.mark.parametrize("missing", ["labels", "features", "mean"])
def test_a_model_without_what_it_needs_is_refused_in_one_line(classifier, tmp_path, missing):
    metadata = {name: value for name, value in classifier.description().items() if name != missing}
    save_model(tmp_path / "a.safetensors", classifier.network, metadata, classifier.arrays())
    with pytest.raises(ModelFileError, match="parts do not fit"):
        Classifier.load(tmp_path / "a.safetensors")


def test_the_network_alone_can_be_read_from_a_voice_model(classifier, tmp_path):
    classifier.save(tmp_path / "a.safetensors", {})
    one, metadata = load_model(tmp_path / "a.safetensors")
    assert one.num_parameters == classifier.network.num_parameters
    assert metadata["kind"] == "voice"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ("go", "stop", SILENCE, UNKNOWN)}, "are not words"),
        ({"labels": ("go", "go", UNKNOWN, SILENCE)}, "are not words"),
        ({"labels": ("go", UNKNOWN, SILENCE)}, "gives 4"),
        ({"frames_per_step": 2}, "takes 60 numbers"),
        ({"std": np.zeros(20)}, "above 0"),
        ({"mean": np.zeros(19)}, "one number a coefficient"),
    ],
)
def test_parts_that_do_not_fit_are_refused(classifier, tables, change, message):
    parts = {"labels": LABELS, "frames_per_step": 3, "mean": np.zeros(20), "std": np.ones(20), **change}
    with pytest.raises(ValueError, match=message):
        Classifier(network(), features=FEATURES, tables=tables, **parts)


# ------------------------------------------------------------------------------------------------------ decision


def rows(*runs: tuple[int, int, float]) -> np.ndarray:
    """Posteriors (40, 4): label, steps, posterior; the rest of each row is silence's."""
    out, at = np.zeros((40, 4)), 5
    for label, steps, posterior in runs:
        out[at : at + steps, label] = posterior
        at += steps
    out[:, 3] = 1 - out[:, :3].sum(axis=1)
    return out


@pytest.mark.parametrize(
    ("posteriors", "label"),
    [
        (rows(), 3),
        (rows((0, 10, 0.9)), 0),
        (rows((1, 10, 0.9)), 1),
        (rows((2, 10, 0.9)), 2),
        (rows((0, 1, 1.0), (1, 10, 0.7)), 1),  # a flash is averaged away
        (rows((0, 10, 0.2)), 3),
    ],
)
def test_a_recording_holds_what_was_said_for_the_longest(classifier, posteriors, label):
    found, scores = classifier.decide(posteriors, np.zeros((len(posteriors), 12)))
    assert found == label
    assert scores[found] == scores.max()


def test_a_recording_shorter_than_a_step_holds_silence(classifier):
    assert classifier.labels[classifier.classify(np.zeros(10, np.float32))[0]] in LABELS
    assert classifier.decide(np.zeros((0, 4)), np.zeros((0, 12)))[0] == 3
