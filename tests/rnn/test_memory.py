"""How far back a gradient reaches: against differences of the loss, and against what theory says."""

import itertools

import numpy as np
import pytest

from tests import naive_memory
from typeahead.rnn.memory import gradient_norms, lane_norms
from typeahead.rnn.network import Network, NetworkConfig

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
