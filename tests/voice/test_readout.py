"""A label read from all of a recording's hidden states."""

from __future__ import annotations

import numpy as np
import pytest

from typeahead.voice.readout import Readout, fit, pooled


def test_steps_that_are_silent_do_not_count():
    hidden = np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 5.0]])
    posteriors = np.array([[0.9, 0.1, 0.0], [0.0, 0.0, 1.0], [0.5, 0.0, 0.5]])
    np.testing.assert_allclose(pooled(posteriors, hidden), (hidden[0] + 0.5 * hidden[2]) / 1.5, rtol=1e-3)
    assert np.isfinite(pooled(np.eye(3)[[2, 2]], hidden[:2])).all()


def test_probabilities_are_a_softmax_of_the_layer():
    readout = Readout(np.array([[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]], np.float32), np.array([0, 0, 0.5], np.float32))
    found = readout.probabilities(np.array([[1.0, 0.0, 0.0]]), np.array([[1.0, 3.0]]))
    expected = np.exp([2.0, 3.0, 0.5])
    np.testing.assert_allclose(found, expected / expected.sum(), atol=2e-3)
    assert found.sum() == pytest.approx(1)


def test_what_can_be_told_apart_is(rng):
    labels = rng.integers(0, 4, 3000)
    centres = rng.normal(0, 1, (4, 20))
    inputs = centres[labels] * 3 + rng.normal(0, 1, (3000, 20)) + 7
    readout = fit(inputs[:2000], labels[:2000], 4)
    taken = (inputs[2000:] @ readout.weight.T + readout.bias).argmax(axis=1)
    assert (taken == labels[2000:]).mean() > 0.99


def test_a_rare_label_counts_as_much_as_a_frequent_one():
    inputs = np.repeat([[-1.0], [0.0], [0.0], [1.0]], [450, 450, 50, 50], axis=0)
    labels = np.repeat([0, 0, 1, 1], [450, 450, 50, 50])
    readout = fit(inputs, labels, 2)
    logits = readout.weight @ np.zeros(1) + readout.bias
    # At 0 lie half of either label: neither is likelier, though one has nine times the recordings.
    assert logits[0] == pytest.approx(logits[1], abs=0.3)


def test_each_label_needs_a_recording():
    with pytest.raises(ValueError, match="some of 3 have none"):
        fit(np.zeros((2, 4)), np.array([0, 1]), 3)
