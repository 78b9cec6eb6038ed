"""Losses of numbers: squares, and mixtures of Gaussians."""

from __future__ import annotations

import numpy as np
import pytest

from tests import naive
from typeahead.rnn.backpropagation import Gradients
from typeahead.rnn.losses import mixture_nll
from typeahead.rnn.network import Network, NetworkConfig

T, B, D, K = 5, 3, 2, 3
SIZES = {"numbers": D, "mixture": D * K * 3}
PLAIN = {"numbers": naive.squared_error, "mixture": naive.mixture_nll}


def case(output, rng):
    config = NetworkConfig("gru", 4, 6, 2, SIZES[output], one_hot=False, output=output)
    network = Network.create(config, 1, np.float64)
    inputs, targets = rng.standard_normal((T, B, 4)), rng.standard_normal((T, B, D))
    targets[1, 0, 1] = targets[2] = np.nan  # nothing to predict
    return network, inputs, targets, rng.standard_normal(network.initial_state(B).shape)


@pytest.mark.parametrize("output", SIZES)
def test_loss_equals_that_of_the_plain_network(output, rng):
    network, inputs, targets, state = case(output, rng)
    loss, _ = Gradients(network, T, B, threads=2, backward=False).loss(inputs, targets, state)
    outputs, _ = naive.forward(network.config, network.parameters, inputs, state)
    assert loss == pytest.approx(PLAIN[output](outputs, targets) / (T * B), rel=1e-12)


@pytest.mark.parametrize("output", SIZES)
def test_gradients_equal_central_differences(output, rng):
    network, inputs, targets, state = case(output, rng)
    _, gradients, _ = Gradients(network, T, B)(inputs, targets, state)

    def loss():
        return PLAIN[output](naive.forward(network.config, network.parameters, inputs, state)[0], targets) / (T * B)

    for name, array in network.parameters.items():
        for index in [tuple(rng.integers(array.shape)) for _ in range(4)]:
            expected = naive.central_difference(loss, array, index)
            assert gradients[name][index] == pytest.approx(expected, rel=1e-5, abs=1e-9), name


def test_step_gives_the_numbers_of_the_output_layer(rng):
    network, inputs, _, state = case("mixture", rng)
    outputs, new = network.step(inputs[0], state)
    expected, expected_new = naive.step(network.config, network.parameters, inputs[0], state)
    np.testing.assert_allclose(outputs, expected, rtol=1e-12)
    np.testing.assert_allclose(new, expected_new, rtol=1e-12)


def test_a_target_far_from_every_gaussian_costs_what_it_should_and_overflows_nowhere():
    outputs = np.array([[0.0, 0.0, 0.0, 0.0, 1.0, 0.0]])  # two Gaussians of deviation 1, at 0 and 1
    loss = mixture_nll(outputs, np.array([[1000.0]]), 1.0)
    assert loss == pytest.approx(999**2 / 2 + np.log(2 * np.pi) / 2 + np.log(2), rel=1e-12)
    np.testing.assert_allclose(outputs, [[0.5, 0, 0, -0.5, -999, 1 - 999**2]])


def test_an_unknown_kind_of_output_is_refused():
    with pytest.raises(ValueError, match="output 'sound' is unknown; choose one of softmax, numbers, mixture"):
        NetworkConfig(output="sound")
