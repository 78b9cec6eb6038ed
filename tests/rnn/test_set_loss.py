"""The loss of a step at which any of several answers would be right, or none is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from tests import naive
from typeahead.rnn.backpropagation import Gradients
from typeahead.rnn.losses import set_cross_entropy, softmax_cross_entropy
from typeahead.rnn.network import Network, NetworkConfig

T, B, V = 5, 3, 4
CONFIG = NetworkConfig(cell="gru", input_size=3, hidden_size=6, num_layers=2, output_size=V, one_hot=False)


@pytest.fixture
def batch(rng):
    inputs = rng.standard_normal((T, B, 3))
    targets = np.where(rng.random((T, B, V)) < 0.5, rng.uniform(0.2, 2.0, (T, B, 1)), 0.0)
    targets[1] = 0  # nothing is asked
    return inputs, targets


def test_loss_equals_that_of_the_plain_network(batch):
    inputs, targets = batch
    network = Network.create(CONFIG, 1, np.float64)
    loss, state = Gradients(network, T, B, threads=2, backward=False).loss(inputs, targets, network.initial_state(B))
    log_probs, expected_state = naive.forward(CONFIG, network.parameters, inputs, network.initial_state(B))
    assert loss == pytest.approx(naive.set_loss(log_probs, targets) / (T * B), rel=1e-12)
    np.testing.assert_allclose(state, expected_state, rtol=1e-12)


@pytest.mark.parametrize("threads", [1, 2])
def test_gradients_equal_central_differences(batch, rng, threads):
    inputs, targets = batch
    network = Network.create(CONFIG, 2, np.float64)
    state = rng.standard_normal(network.initial_state(B).shape)
    _, gradients, _ = Gradients(network, T, B, threads)(inputs, targets, state)

    def loss():
        return naive.set_loss(naive.forward(CONFIG, network.parameters, inputs, state)[0], targets) / (T * B)

    for name, array in network.parameters.items():
        for index in [tuple(rng.integers(array.shape)) for _ in range(4)]:
            expected = naive.central_difference(loss, array, index)
            assert gradients[name][index] == pytest.approx(expected, rel=1e-5, abs=1e-9), name


def test_with_one_right_answer_of_weight_one_it_is_cross_entropy(rng):
    logits, right = rng.standard_normal((20, V)), rng.integers(0, V, 20)
    one, other, scratch = logits.copy(), logits.copy(), np.zeros(V)
    loss = set_cross_entropy(one, np.eye(V)[right], 0.5, scratch)
    assert loss == pytest.approx(softmax_cross_entropy(other, right, 0.5, scratch), rel=1e-12)
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_where_all_answers_are_right_or_none_is_asked_for_nothing_is_learnt(rng):
    for targets in (np.ones((6, V)), np.zeros((6, V))):
        logits = rng.standard_normal((6, V))
        assert set_cross_entropy(logits, targets, 1.0, np.zeros(V)) == pytest.approx(0, abs=1e-12)
        np.testing.assert_allclose(logits, 0, atol=1e-12)
