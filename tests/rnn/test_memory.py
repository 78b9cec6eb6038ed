"""How far back a gradient reaches: against differences of the loss, and against what theory says."""

import itertools
import json

import numpy as np
import pytest

from tests import naive, naive_memory
from typeahead.errors import CorpusError
from typeahead.rnn.backpropagation import Gradients
from typeahead.rnn.memory import Plan, gradient_norms, imagine, lane_norms, measure
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.rnn.trajectory import Trajectory, row_losses

CELLS = ["elman", "gru", "lstm"]
SHAPES = list(itertools.product(CELLS, [1, 2], [True, False]))


def build(cell, num_layers=1, one_hot=True, dtype=np.float64, hidden_size=4, seq_len=6):
    config = NetworkConfig(cell, 5, hidden_size, num_layers, 6, 0.0, one_hot)
    network = Network.create(config, seed=1, dtype=dtype)
    rng = np.random.default_rng(2)
    for array in network.parameters.values():
        array += 0.1 * rng.standard_normal(array.shape)
    T, B = seq_len, 3
    inputs = rng.integers(0, 5, (T, B)) if one_hot else rng.standard_normal((T, B, 5)).astype(dtype)
    targets = rng.integers(0, 6, (T, B))
    state = 0.5 * rng.standard_normal(network.initial_state(B).shape).astype(dtype)
    return network, inputs, targets, state


@pytest.mark.parametrize(("cell", "num_layers", "one_hot"), SHAPES)
def test_gradient_norms_equal_central_differences_of_the_loss(cell, num_layers, one_hot):
    network, inputs, targets, state = build(cell, num_layers, one_hot)
    expected = naive_memory.gradient_norms(network.config, network.parameters, inputs, targets, state)
    norms = lane_norms(network, inputs, targets, state)
    np.testing.assert_allclose(norms, expected, atol=1e-9)
    joint = np.sqrt((expected**2).sum(axis=1)).mean(axis=-1)
    np.testing.assert_allclose(gradient_norms(network, inputs, targets, state), joint, atol=1e-9)
    np.testing.assert_allclose(gradient_norms(network, inputs, targets, state, max_lag=2), joint[:, :3], atol=1e-9)


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.1])
def test_a_linear_networks_gradient_changes_by_the_factor_of_its_recurrent_matrix_each_step(factor):
    network, inputs, targets, state = build("elman", hidden_size=8, seq_len=40)
    p = network.parameters
    for name in ("cells.0.w_ih", "cells.0.b_ih", "cells.0.b_hh"):
        p[name][...] = 0  # so that h stays 0, where tanh is the identity
    p["cells.0.w_hh"][...] = factor * np.linalg.qr(p["cells.0.w_hh"])[0]
    norms = gradient_norms(network, inputs, targets, 0 * state)
    np.testing.assert_allclose(norms[0], norms[0, 0] * factor ** np.arange(40), rtol=1e-12)


def test_steps_and_lanes_that_do_not_fit_are_refused():
    network, inputs, targets, _ = build("gru")
    with pytest.raises(ValueError, match="not of the same steps and lanes"):
        gradient_norms(network, inputs, targets[1:])


def read(network, inputs, targets, state):
    trajectory = Trajectory(network, *inputs.shape[:2])
    trajectory.gradient_norms(inputs, targets, state)
    return trajectory


@pytest.mark.parametrize(("cell", "num_layers", "one_hot"), SHAPES)
def test_a_disturbance_grows_as_the_distance_of_two_near_runs_does(cell, num_layers, one_hot):
    network, inputs, targets, state = build(cell, num_layers, one_hot, seq_len=12)
    disturbance = np.random.default_rng(3).standard_normal(state.shape)
    disturbance /= np.sqrt((disturbance**2).sum(axis=(0, 1, 3)))[:, None]
    expected = naive_memory.growth(network.config, network.parameters, inputs, state, disturbance)
    growth = read(network, inputs, targets, state).grow(disturbance)
    np.testing.assert_allclose(growth, expected, atol=1e-5)
    np.testing.assert_allclose((disturbance**2).sum(axis=(0, 1, 3)), 1, atol=1e-12)


@pytest.mark.parametrize("factor", [0.5, 1.2])
def test_a_rectified_networks_disturbance_grows_by_its_recurrent_matrix(factor):
    config = NetworkConfig("elman", 1, 4, 1, 2, one_hot=False, activation="relu")
    network = Network.create(config, seed=1, dtype=np.float64)
    network.parameters["cells.0.w_hh"][...] = factor * np.eye(4)
    network.parameters["cells.0.w_ih"][...] = 1  # so that every unit is on
    inputs, targets = np.ones((9, 2, 1)), np.zeros((9, 2), int)
    disturbance = np.random.default_rng(3).standard_normal(network.initial_state(2).shape)
    growth = read(network, inputs, targets, network.initial_state(2)).grow(disturbance)
    np.testing.assert_allclose(growth[1:], np.log(factor), atol=1e-12)


def test_a_disturbance_that_is_forgotten_at_once_has_shrunk_by_a_finite_number():
    network, inputs, targets, state = build("elman")
    network.parameters["cells.0.w_hh"][...] = 0
    disturbance = np.ones_like(state)
    growth = read(network, inputs, targets, state).grow(disturbance)
    assert np.isfinite(growth).all()
    assert growth.max() < -60


@pytest.mark.parametrize(("cell", "num_layers", "one_hot"), SHAPES)
def test_shares_of_shut_and_open_gates_equal_the_naive_twin(cell, num_layers, one_hot):
    network, inputs, targets, state = build(cell, num_layers, one_hot)
    for array in network.parameters.values():
        array *= 3  # so that there are some
    expected = naive_memory.gate_shares(network.config, network.parameters, inputs, state)
    assert expected.any(axis=(0, 1)).all()
    np.testing.assert_allclose(read(network, inputs, targets, state).gate_shares(), expected, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_the_loss_in_a_context_cut_short_equals_that_of_a_loop_over_places(cell):
    network, *_ = build(cell, 2)
    plan = Plan(max_lag=10, lanes=2, windows=4)
    symbols = np.random.default_rng(4).integers(0, 5, (plan.steps + 1, 2))
    inputs, targets = symbols[:-1], symbols[1:]
    memory = measure(network, inputs, targets, plan)
    config, p = network.config, network.parameters

    def last_loss(begin, t, b):
        state = network.initial_state(1)
        log_probs, _ = naive.forward(config, p, inputs[begin : t + 1, b : b + 1], state)
        return -log_probs[-1, 0, targets[t, b]]

    places = [(t, b) for t in range(plan.warm_up, plan.steps) for b in range(2)]
    full = np.array([last_loss(0, t, b) for t, b in places])
    np.testing.assert_allclose(memory.full_loss, full.mean(), atol=1e-10)
    assert [context.steps for context in memory.contexts] == [1, 2, 5, 10]
    for context in memory.contexts:
        cut = np.array([last_loss(t - context.steps + 1, t, b) for t, b in places])
        np.testing.assert_allclose(context.loss, cut.mean(), atol=1e-10)
        np.testing.assert_allclose(context.error, (cut - full).std() / np.sqrt(len(places)), atol=1e-10)


def delay(steps):
    """A network of +1 and -1, made by hand, that predicts the one from so many steps ago, with next to no doubt."""
    H = steps + 1
    config = NetworkConfig("elman", 1, H, 1, 2, one_hot=False)
    network = Network.create(config, seed=0, dtype=np.float64)
    for array in network.parameters.values():
        array[...] = 0
    p = network.parameters
    p["cells.0.w_ih"][0, 0] = 0.01  # small, so that tanh is the identity
    for i in range(steps):
        p["cells.0.w_hh"][i + 1, i] = 1  # each unit hands on what it holds
    p["output.weight"][:, -1] = -500, 500
    return network


def test_a_delay_line_needs_just_as_much_context_and_forgets_after_it():
    network, plan = delay(3), Plan(max_lag=10, lanes=4, windows=2)
    bits = np.random.default_rng(5).integers(0, 2, (plan.steps, 4))
    targets = np.roll(bits, 3, axis=0)
    memory = measure(network, (2.0 * bits - 1)[:, :, None], targets, plan)
    assert memory.full_loss < 1e-3
    assert memory.effective_context == 5
    assert memory.contexts[1].loss > 0.5  # two steps of context tell nothing of the one three steps ago
    norms = memory.norms[0] / memory.norms[0, 0]
    np.testing.assert_allclose(norms[:4], 1, rtol=1e-3)
    np.testing.assert_array_equal(norms[4:], 0)
    assert memory.half_lives == memory.reaches == [4]


def test_lags_and_lanes_of_a_short_sequence_are_fewer_and_lie_within_it():
    for length in (64, 100, 607, 5000, 60_000):
        plan = Plan.of(length)
        stretches = plan.lanes_of(np.arange(length))
        assert stretches.shape == (plan.steps, plan.lanes)
        assert stretches[0, 0] == 0
        assert stretches.max() < length
        assert len(set(stretches[0])) == plan.lanes
    assert Plan.of(60_000) == Plan()
    assert Plan.of(64).max_lag == 21
    with pytest.raises(CorpusError, match="63 steps of data are too few"):
        Plan.of(63)


def test_what_a_network_makes_up_has_the_frequencies_it_expects():
    config = NetworkConfig("gru", 6, 4, 1, 6)
    network = Network(config, {**Network.create(config, 0, np.float64).parameters, "output.weight": np.zeros((6, 4))})
    network.parameters["output.bias"][...] = np.log([0.5, 0.2, 0.1, 0.1, 0.05, 0.05])
    symbols = imagine(network, 200, 100, first=0)
    assert symbols.shape == (200, 100)
    np.testing.assert_allclose(np.bincount(symbols.ravel()) / symbols.size, [0.5, 0.2, 0.1, 0.1, 0.05, 0.05], atol=0.01)


def test_json_of_a_memory_has_no_number_that_is_none():
    network, *_ = build("elman", 2)
    for array in network.parameters.values():
        array *= np.nan
    plan = Plan(max_lag=10, lanes=2, windows=1)
    symbols = np.zeros((plan.steps, 2), int)
    found = measure(network, symbols, symbols, plan).as_json()
    assert json.loads(json.dumps(found, allow_nan=False))["full_loss"] is None
    assert found["layers"][1]["half_life"] is None


@pytest.mark.parametrize("output", ["symbols", "weights", "numbers", "mixture"])
def test_losses_of_single_lanes_add_up_to_that_of_the_batch(output):
    kind = "softmax" if output in ("symbols", "weights") else output
    config = NetworkConfig("gru", 2, 4, 1, 12, one_hot=False, output=kind)
    network = Network.create(config, seed=1, dtype=np.float64)
    rng = np.random.default_rng(2)
    inputs, state = rng.standard_normal((1, 5, 2)), rng.standard_normal((1, 1, 5, 4))
    numbers = rng.standard_normal((1, 5, 2 if output == "mixture" else 12))
    numbers[0, 3, 0] = np.nan
    targets = {"symbols": rng.integers(0, 12, (1, 5)), "weights": (rng.random((1, 5, 12)) < 0.2) * 0.5}
    given = targets.get(output, numbers)
    mean, after = Gradients(network, 1, 5, backward=False).loss(inputs, given, state)
    losses = row_losses(network, after[-1, 0], given[0])
    assert losses.shape == (5,)
    np.testing.assert_allclose(losses.mean(), mean, atol=1e-12)
    assert len({round(loss, 9) for loss in losses}) > 2
