import itertools

import numpy as np
import pytest

from tests import naive
from typeahead.rnn import cells
from typeahead.rnn.backpropagation import Gradients
from typeahead.rnn.dropout import dropout
from typeahead.rnn.losses import log_softmax
from typeahead.rnn.network import Network, NetworkConfig

# Dropout's hash wraps around on purpose; with the JIT off NumPy remarks on it.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
CELLS = ["elman", "gru", "lstm"]
SHAPES = list(itertools.product(CELLS, [1, 2], [True, False]))


def build(cell, num_layers=1, one_hot=True, dropout=0.0, dtype=np.float64, hidden_size=7, weight_dropout=0.0):
    """A small network with every parameter, biases too, away from zero, and a batch for it."""
    config = NetworkConfig(cell, 5, hidden_size, num_layers, 6, dropout, one_hot, weight_dropout)
    network = Network.create(config, seed=1, dtype=dtype)
    rng = np.random.default_rng(2)
    for array in network.parameters.values():
        array += 0.1 * rng.standard_normal(array.shape)
    T, B = 8, 3
    inputs = rng.integers(0, 5, (T, B)) if one_hot else rng.standard_normal((T, B, 5)).astype(dtype)
    targets = rng.integers(0, 6, (T, B))
    state = 0.5 * rng.standard_normal(network.initial_state(B).shape).astype(dtype)
    return network, inputs, targets, state


def loss_of(network, inputs, targets, state):
    return Gradients(network, *targets.shape, backward=False).loss(inputs, targets, state)


@pytest.mark.parametrize(("cell", "num_layers", "one_hot"), SHAPES)
def test_loss_and_state_equal_the_naive_twin(cell, num_layers, one_hot):
    network, inputs, targets, state = build(cell, num_layers, one_hot)
    expected_loss, expected_state = naive.loss(network.config, network.parameters, inputs, targets, state)
    loss, new_state = loss_of(network, inputs, targets, state)
    np.testing.assert_allclose(loss, expected_loss, atol=1e-10)
    np.testing.assert_allclose(new_state, expected_state, atol=1e-10)
    loss, _, new_state = Gradients(network, *targets.shape)(inputs, targets, state)
    np.testing.assert_allclose(loss, expected_loss, atol=1e-10)
    np.testing.assert_allclose(new_state, expected_state, atol=1e-10)


@pytest.mark.parametrize(("cell", "num_layers", "one_hot"), SHAPES)
def test_step_equals_the_naive_twin_and_leaves_its_state_alone(cell, num_layers, one_hot):
    network, inputs, _, state = build(cell, num_layers, one_hot)
    expected, _ = naive.forward(network.config, network.parameters, inputs, state)
    for t, x in enumerate(inputs):
        before = state.copy()
        log_probs, new_state = network.step(x, state)
        np.testing.assert_array_equal(state, before)
        np.testing.assert_allclose(log_probs, expected[t], atol=1e-10)
        state = new_state


@pytest.mark.parametrize("cell", CELLS)
def test_lanes_and_units_that_fill_tiles_and_leave_rests_equal_the_naive_twin(cell):
    config = NetworkConfig(cell, 5, 70, 2, 6)  # 70 units: whole panels and a part of one; 19 lanes: whole tiles and 3
    network = Network.create(config, seed=1, dtype=np.float64)
    rng = np.random.default_rng(2)
    inputs, targets = rng.integers(0, 5, (2, 6, 19))
    state = rng.standard_normal(network.initial_state(19).shape)
    expected_loss, expected_state = naive.loss(config, network.parameters, inputs, targets, state)
    run = Gradients(network, 6, 19)
    loss, gradients, new_state = run(inputs, targets, state)
    np.testing.assert_allclose(loss, expected_loss, atol=1e-10)
    np.testing.assert_allclose(new_state, expected_state, atol=1e-10)
    gradients = {name: gradient.copy() for name, gradient in gradients.items()}
    for name, array in network.parameters.items():
        for index in (tuple(rng.integers(0, array.shape)) for _ in range(5)):
            expected = naive.central_difference(lambda: run(inputs, targets, state)[0], array, index)
            np.testing.assert_allclose(gradients[name][index], expected, atol=1e-8, err_msg=f"{name}{index}")


@pytest.mark.parametrize("cell", CELLS)
def test_float32_stays_near_the_naive_twin_in_float64(cell):
    network, inputs, targets, state = build(cell, 2, dtype=np.float32)
    double = {name: array.astype(np.float64) for name, array in network.parameters.items()}
    expected, expected_state = naive.loss(network.config, double, inputs, targets, state.astype(np.float64))
    loss, _, new_state = Gradients(network, *targets.shape)(inputs, targets, state)
    assert new_state.dtype == np.float32
    np.testing.assert_allclose(loss, expected, atol=1e-6)
    np.testing.assert_allclose(new_state, expected_state, atol=2e-6)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize(("cell", "num_layers", "one_hot"), SHAPES)
def test_gradients_equal_central_differences_for_every_parameter(cell, num_layers, one_hot, dropout):
    network, inputs, targets, state = build(
        cell, num_layers, one_hot, dropout, hidden_size=4, weight_dropout=dropout / 2
    )
    run = Gradients(network, *targets.shape)
    gradients = {name: gradient.copy() for name, gradient in run(inputs, targets, state, seed=3)[1].items()}
    for name, array in network.parameters.items():
        for index in np.ndindex(array.shape):
            expected = naive.central_difference(lambda: run(inputs, targets, state, seed=3)[0], array, index)
            np.testing.assert_allclose(gradients[name][index], expected, atol=1e-8, err_msg=f"{name}{index}")


@pytest.mark.parametrize("cell", CELLS)
def test_one_call_of_eight_steps_equals_two_of_four(cell):
    network, inputs, targets, state = build(cell, 2)
    whole, whole_state = loss_of(network, inputs, targets, state)
    first, middle = loss_of(network, inputs[:4], targets[:4], state)
    second, last = loss_of(network, inputs[4:], targets[4:], middle)
    np.testing.assert_allclose((first + second) / 2, whole, atol=1e-12)
    np.testing.assert_allclose(last, whole_state, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_threads_change_neither_loss_nor_gradients(cell):
    network, inputs, targets, state = build(cell, 2)
    one = Gradients(network, *targets.shape, threads=1)(inputs, targets, state)
    two = Gradients(network, *targets.shape, threads=2)(inputs, targets, state)
    np.testing.assert_allclose(two[0], one[0], atol=1e-12)
    np.testing.assert_allclose(two[2], one[2], atol=1e-12)
    for name, gradient in one[1].items():
        np.testing.assert_allclose(two[1][name], gradient, atol=1e-12)


def test_the_same_batch_gives_the_same_bits_again():
    network, inputs, targets, state = build("gru", 2, dropout=0.3, dtype=np.float32, weight_dropout=0.2)
    run = Gradients(network, *targets.shape, threads=2)
    first = {name: gradient.copy() for name, gradient in run(inputs, targets, state, seed=5)[1].items()}
    run(inputs, targets, state, seed=6)
    for name, gradient in run(inputs, targets, state, seed=5)[1].items():
        np.testing.assert_array_equal(gradient, first[name])


def test_dropout_zeroes_its_share_and_keeps_the_mean():
    x = np.ones(200_000, np.float32)
    out = np.empty_like(x)
    dropout(x, 7, 0.3, out)
    assert abs(np.mean(out == 0) - 0.3) < 0.01
    assert abs(out.mean() - 1) < 0.01
    other = np.empty_like(x)
    dropout(x, 8, 0.3, other)
    agreement = np.mean((out == 0) == (other == 0))
    assert abs(agreement - (0.3**2 + 0.7**2)) < 0.01  # as two independent draws agree
    flipped = np.mean((out.reshape(-1, 2)[:, ::-1] == 0) == (other.reshape(-1, 2) == 0))
    assert abs(flipped - (0.3**2 + 0.7**2)) < 0.01


def test_weight_dropout_draws_anew_for_every_batch_and_not_for_the_loss():
    network, inputs, targets, state = build("gru", weight_dropout=0.5)
    run = Gradients(network, *targets.shape)
    first, again, other = (run(inputs, targets, state, seed)[0] for seed in (1, 1, 2))
    assert first == again != other
    expected, _ = naive.loss(network.config, network.parameters, inputs, targets, state)
    assert run.loss(inputs, targets, state)[0] == pytest.approx(expected, abs=1e-10)
    assert first != pytest.approx(expected, abs=1e-4)


def test_float32_tanh_and_exp_are_right_to_a_few_ulp():
    table = np.linspace(-12, 12, 4001, dtype=np.float32)[:, None]
    hs = np.zeros((2, 4001, 1), np.float32)
    zeros = np.zeros((1, 1), np.float32)
    gates = np.zeros((4001, cells.packed_width(1, np.float32)), np.float32)
    cells.elman_forward(table, np.arange(4001)[None], cells.pack(zeros), zeros[0], hs, gates, False)
    np.testing.assert_allclose(hs[1], np.tanh(table.astype(np.float64)), rtol=6e-7)
    logits = np.stack([np.zeros(4001, np.float32), np.linspace(-80, 0, 4001, dtype=np.float32)], axis=1)
    expected = naive.log_softmax(logits.astype(np.float64))
    log_softmax(logits)
    np.testing.assert_allclose(logits, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("lanes", [1, 3, 4, 6])
def test_quantised_steps_equal_the_naive_twin_on_rounded_weights(cell, lanes):
    network, _, _, _ = build(cell, 2)
    rounded = {name: array.copy() for name, array in network.parameters.items()}
    for name, w in rounded.items():
        if w.ndim == 2 and name != "cells.0.w_ih":  # which is looked up, not multiplied with
            scale = np.abs(w).max(axis=1, keepdims=True) / 127
            w[...] = np.round(w / scale) * scale
    rng = np.random.default_rng(5)
    state, inputs = rng.standard_normal(network.initial_state(lanes).shape), rng.integers(0, 5, lanes)
    exact, _ = network.step(inputs, state)
    network.quantise_steps()
    log_probs, new_state = network.step(inputs, state)
    expected, expected_state = naive.step(network.config, rounded, inputs, state)
    np.testing.assert_allclose(log_probs, expected, atol=1e-10)
    np.testing.assert_allclose(new_state, expected_state, atol=1e-10)
    assert 0 < np.abs(log_probs - exact).max() < 0.05


def test_a_step_worked_by_hand():
    # h' = tanh(0.5 * 1 + 0.25 * 0.2) = tanh(0.55); logits = (h', -h')
    config = NetworkConfig("elman", 1, 1, 1, 2)
    values = {"cells.0.w_ih": [[0.5]], "cells.0.w_hh": [[0.25]], "cells.0.b_ih": [0.0], "cells.0.b_hh": [0.0]}
    values |= {"output.weight": [[1.0], [-1.0]], "output.bias": [0.0, 0.0]}
    network = Network(config, {name: np.array(value) for name, value in values.items()})
    log_probs, state = network.step([0], np.full((1, 1, 1, 1), 0.2))
    assert state.item() == pytest.approx(0.500520, abs=1e-6)
    assert np.exp(log_probs[0, 0]) == pytest.approx(1 / (1 + np.exp(-2 * 0.500520)), abs=1e-6)


def test_step_sees_changed_parameters_once_told():
    network, inputs, _, state = build("gru")
    before, _ = network.step(inputs[0], state)
    network.parameters["cells.0.w_ih"] += 1
    network.parameters_changed()
    after, _ = network.step(inputs[0], state)
    assert np.abs(after - before).max() > 1e-3


@pytest.mark.parametrize("cell", CELLS)
def test_a_network_learns_one_batch_by_heart(cell):
    from typeahead.rnn.optim import AdamW

    network, inputs, targets, state = build(cell, hidden_size=16, dtype=np.float32)
    run, optimiser = Gradients(network, *targets.shape), AdamW(network.parameters)
    for _ in range(400):
        loss, gradients, _ = run(inputs, targets, state)
        optimiser.step(gradients, 0.02, grad_clip=1.0)
    assert loss < 0.02


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cell": "rnn"}, "cell 'rnn' is unknown"),
        ({"hidden_size": 0}, "hidden_size 0"),
        ({"dropout": 1.0}, "dropout"),
        ({"weight_dropout": -0.1}, "weight_dropout"),
    ],
)
def test_an_impossible_architecture_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        NetworkConfig(**change)


def test_parameters_that_do_not_fit_are_refused():
    network = build("gru")[0]
    parameters = dict(network.parameters)
    parameters["output.bias"] = np.zeros(3)
    with pytest.raises(ValueError, match=r"output\.bias has shape \(3,\), not \(6,\)"):
        Network(network.config, parameters)
    del parameters["output.bias"]
    with pytest.raises(ValueError, match="missing or unknown"):
        Network(network.config, parameters)
