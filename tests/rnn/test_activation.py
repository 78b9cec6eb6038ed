import json
from dataclasses import asdict

import numpy as np
import pytest

from tests import naive
from typeahead.rnn import cells, checkpoint
from typeahead.rnn.backpropagation import Gradients
from typeahead.rnn.network import Network, NetworkConfig


def build(one_hot=True, num_layers=2, hidden_size=6, batch_size=3):
    """A small network of rectified units and a batch for it; about half of the units are at zero."""
    config = NetworkConfig("elman", 5, hidden_size, num_layers, 6, one_hot=one_hot, activation="relu")
    network = Network.create(config, seed=1, dtype=np.float64)
    rng = np.random.default_rng(2)
    for array in network.parameters.values():
        array += 0.1 * rng.standard_normal(array.shape)
    inputs = rng.integers(0, 5, (8, batch_size)) if one_hot else rng.standard_normal((8, batch_size, 5))
    targets = rng.integers(0, 6, (8, batch_size))
    return network, inputs, targets, rng.random(network.initial_state(batch_size).shape)


@pytest.mark.parametrize("one_hot", [True, False])
def test_rectified_units_equal_the_naive_twin_in_batches_and_in_steps(one_hot):
    network, inputs, targets, state = build(one_hot)
    expected, last = naive.loss(network.config, network.parameters, inputs, targets, state)
    loss, _, new_state = Gradients(network, *targets.shape)(inputs, targets, state)
    np.testing.assert_allclose(loss, expected, atol=1e-10)
    np.testing.assert_allclose(new_state, last, atol=1e-10)
    assert 0.1 < (new_state == 0).mean() < 0.9
    for x in inputs:
        _, state = network.step(x, state)
    np.testing.assert_allclose(state, last, atol=1e-10)


@pytest.mark.parametrize("one_hot", [True, False])
def test_gradients_of_rectified_units_equal_central_differences(one_hot):
    network, inputs, targets, state = build(one_hot, hidden_size=4)
    run = Gradients(network, *targets.shape)
    gradients = {name: gradient.copy() for name, gradient in run(inputs, targets, state)[1].items()}
    for name, array in network.parameters.items():
        for index in np.ndindex(array.shape):
            expected = naive.central_difference(lambda: run(inputs, targets, state)[0], array, index)
            np.testing.assert_allclose(gradients[name][index], expected, atol=1e-8, err_msg=f"{name}{index}")


@pytest.mark.parametrize("relu", [True, False])
def test_nan_stays_nan_so_that_an_explosion_is_seen(relu):
    table, zeros = np.array([[np.nan], [-1.0], [2.0]], np.float32), np.zeros((1, 1), np.float32)
    hs, gates = np.zeros((2, 3, 1), np.float32), np.zeros((3, cells.packed_width(1, np.float32)), np.float32)
    cells.elman_forward(table, np.arange(3)[None], cells.pack(zeros), zeros[0], hs, gates, relu)
    np.testing.assert_allclose(hs[1, :, 0], [np.nan, 0, 2] if relu else [np.nan, *np.tanh([-1, 2])], rtol=1e-6)


def test_an_identity_of_rectified_units_adds_up_its_input_for_ever():
    # Le, Jaitly, Hinton 2015: with the identity and no bias each unit sums what it is given.
    config = NetworkConfig("elman", 3, 3, 1, 2, one_hot=False, activation="relu")
    network = Network.create(config, seed=0, dtype=np.float64, start="identity")
    network.parameters["cells.0.w_ih"][...] = np.eye(3)
    given, state = np.random.default_rng(0).random((300, 1, 3)), network.initial_state(1)
    for x in given:
        _, state = network.step(x, state)
    np.testing.assert_allclose(state[0, 0, 0], given.sum(axis=0)[0], rtol=1e-12)


def test_a_model_file_without_the_key_has_tanh(tmp_path):
    network = Network.create(NetworkConfig("elman", 5, 4, 1, 5), seed=0)
    described = {name: value for name, value in asdict(network.config).items() if name != "activation"}
    checkpoint.save(tmp_path / "old.safetensors", network.parameters, {"kind": "text", "network": described})
    assert checkpoint.load_model(tmp_path / "old.safetensors")[0].config.activation == "tanh"


def test_a_model_of_rectified_units_is_one_again_when_read(tmp_path):
    network, inputs, _, state = build()
    checkpoint.save_model(tmp_path / "m.safetensors", network, {"kind": "text"})
    again, metadata = checkpoint.load_model(tmp_path / "m.safetensors")
    assert json.loads(json.dumps(metadata["network"]))["activation"] == "relu"
    np.testing.assert_array_equal(again.step(inputs[0], state)[0], network.step(inputs[0], state)[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activation": "sigmoid"}, "activation 'sigmoid' is unknown; choose one of tanh, relu"),
        ({"activation": "relu", "cell": "gru"}, "activation relu is for the cell elman, not gru"),
        ({"activation": "relu", "cell": "lstm"}, "activation relu is for the cell elman, not lstm"),
    ],
)
def test_an_activation_the_cell_does_not_have_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        NetworkConfig(**change)
