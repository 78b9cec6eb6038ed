import math

import numpy as np
import pytest

from typeahead.rnn.initialisation import STARTS
from typeahead.rnn.network import Network, NetworkConfig

CELLS = ["elman", "gru", "lstm"]
H = 64


def create(cell, num_layers=1, **start):
    return Network.create(NetworkConfig(cell, 5, H, num_layers, 6), seed=3, dtype=np.float64, **start).parameters


def gates(parameters, name):
    """The parameter gate by gate: a list of (H, H) or (H,)."""
    return np.split(parameters[name], len(parameters[name]) // H)


@pytest.mark.parametrize("cell", CELLS)
def test_the_default_draws_what_it_always_drew(cell):
    parameters = create(cell, num_layers=2)
    rng, bound = np.random.default_rng(3), 1 / math.sqrt(H)
    for layer in range(2):
        w_ih = parameters[f"cells.{layer}.w_ih"]
        np.testing.assert_array_equal(w_ih, rng.uniform(-bound, bound, w_ih.shape))
        for w in gates(parameters, f"cells.{layer}.w_hh"):
            np.testing.assert_allclose(w, np.linalg.qr(rng.standard_normal((H, H)))[0], atol=1e-12)
            np.testing.assert_allclose(w @ w.T, np.eye(H), atol=1e-12)
        opened = [1.0] if cell == "lstm" else []
        biases = np.concatenate([parameters[f"cells.{layer}.b_ih"], parameters[f"cells.{layer}.b_hh"]])
        assert sorted(set(biases)) == [0.0, *opened]
        assert not opened or (gates(parameters, f"cells.{layer}.b_ih")[1] == 1).all()
    np.testing.assert_array_equal(parameters["output.weight"], rng.uniform(-bound, bound, (6, H)))


@pytest.mark.parametrize("cell", CELLS)
def test_uniform_is_the_start_of_torch(cell):
    # torch.nn.RNN, GRU, LSTM and Linear draw every number from U(-1/sqrt(H), 1/sqrt(H)), biases too.
    forget = {"forget_bias": 0.0} if cell == "lstm" else {}
    parameters, bound = create(cell, start="uniform", **forget), 1 / math.sqrt(H)
    for name, array in parameters.items():
        assert np.abs(array).max() <= bound, name
        assert len(np.unique(array)) == array.size, name
    w = gates(parameters, "cells.0.w_hh")[0]
    assert w.std() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert np.abs(np.linalg.eigvals(w)).max() == pytest.approx(1 / math.sqrt(3), rel=0.15)  # what lets gradients vanish


def test_identity_carries_the_state_over_by_its_scale():
    parameters = create("elman", start="identity")
    np.testing.assert_array_equal(parameters["cells.0.w_hh"], np.eye(H))
    assert parameters["cells.0.w_ih"].std() == pytest.approx(0.001, rel=0.2)
    assert not parameters["cells.0.b_ih"].any()
    np.testing.assert_array_equal(create("elman", start="identity", scale=0.01)["cells.0.w_hh"], 0.01 * np.eye(H))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_chrono_spreads_the_times_to_forget_in_over_one_to_max_lag(cell):
    parameters = create(cell, num_layers=2, start="chrono", max_lag=101)
    for layer in range(2):
        bias = gates(parameters, f"cells.{layer}.b_ih")
        keep = 1 / (1 + np.exp(-bias[1]))  # f of the LSTM, z of the GRU: the share of the old state that stays
        lag = 1 / (1 - keep)  # in so many steps 1/e of it is left
        assert 2 <= lag.min() < 15
        assert 85 < lag.max() <= 101
        assert lag.mean() == pytest.approx(51, abs=15)
        np.testing.assert_array_equal(bias[0], -bias[1] if cell == "lstm" else np.zeros(H))
        assert not parameters[f"cells.{layer}.b_hh"].any()
        w = gates(parameters, f"cells.{layer}.w_hh")[0]
        np.testing.assert_allclose(w @ w.T, np.eye(H), atol=1e-12)
    assert (parameters["cells.0.b_ih"] != parameters["cells.1.b_ih"]).any()


@pytest.mark.parametrize("start", ["orthogonal", "uniform"])
def test_the_forget_gate_alone_starts_open_by_what_is_said(start):
    closed, opened = (create("lstm", start=start, forget_bias=bias) for bias in (0.0, 2.5))
    usual = create("lstm", start=start)
    for name in closed:
        difference = np.zeros(closed[name].shape)
        if name == "cells.0.b_ih":
            difference[H : 2 * H] = 1
        np.testing.assert_allclose(opened[name], closed[name] + 2.5 * difference, atol=1e-12)
        np.testing.assert_allclose(usual[name], closed[name] + difference, atol=1e-12)


@pytest.mark.parametrize(
    ("cell", "choices", "message"),
    [
        ("gru", {"start": "zero"}, "start 'zero' is unknown; choose one of orthogonal, uniform"),
        ("gru", {"start": "identity"}, "start identity is for the cell elman, not gru"),
        ("elman", {"start": "chrono", "max_lag": 50}, "start chrono sets the biases of gates, and elman has none"),
        ("gru", {"start": "chrono"}, "max_lag None: the start chrono needs"),
        ("lstm", {"start": "chrono", "max_lag": 2}, "max_lag 2: the start chrono needs .* 3 steps or more"),
        ("lstm", {"max_lag": 50}, "max_lag 50 goes with the start chrono, not with orthogonal"),
        ("gru", {"forget_bias": 1.0}, "forget_bias 1 goes with the cell lstm"),
        ("lstm", {"start": "chrono", "max_lag": 9, "forget_bias": 1.0}, "forget_bias 1: the start chrono draws"),
        ("lstm", {"forget_bias": math.nan}, "forget_bias nan"),
        ("elman", {"scale": 0.5}, r"scale 0\.5 must be above 0, and goes with the start identity, not with orthogonal"),
        ("elman", {"start": "identity", "scale": 0.0}, "scale 0 must be above 0"),
    ],
)
def test_choices_that_do_not_go_together_are_refused(cell, choices, message):
    with pytest.raises(ValueError, match=message):
        create(cell, **choices)


def test_every_start_goes_with_some_cell():
    used = {"orthogonal": "gru", "uniform": "gru", "identity": "elman", "chrono": "gru"}
    assert set(used) == set(STARTS)
    for start, cell in used.items():
        create(cell, start=start, max_lag=9 if start == "chrono" else None)
