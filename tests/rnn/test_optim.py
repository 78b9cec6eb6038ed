import math

import numpy as np
import pytest

from tests import naive
from typeahead.rnn.optim import AdamW, schedule


def test_adamw_equals_the_textbook_formula():
    rng = np.random.default_rng(0)
    x, gradients = rng.standard_normal((4, 5)), [rng.standard_normal((4, 5)) for _ in range(7)]
    expected = naive.adamw(x, gradients, 0.01, weight_decay=0.1)
    optimiser = AdamW({"w": x}, weight_decay=0.1)
    for gradient in gradients:
        optimiser.step({"w": gradient}, 0.01)
    np.testing.assert_allclose(x, expected, atol=1e-12)


def test_weight_decay_leaves_biases_alone():
    bias = np.ones(3)
    AdamW({"b": bias}, weight_decay=0.5).step({"b": np.zeros(3)}, 0.1)
    np.testing.assert_array_equal(bias, np.ones(3))


def test_clipping_scales_the_whole_gradient_to_the_norm():
    long, short = np.zeros(2), np.zeros(2)
    gradient = np.array([3.0, 4.0])
    a, b = AdamW({"w": long}, eps=1.0), AdamW({"w": short}, eps=1.0)
    assert a.step({"w": gradient}, 0.1, grad_clip=1.0) == pytest.approx(5.0)
    b.step({"w": gradient / 5}, 0.1)
    np.testing.assert_allclose(long, short, atol=1e-15)


def test_a_gradient_that_is_not_finite_changes_nothing():
    x = np.ones(2)
    optimiser = AdamW({"w": x})
    assert math.isnan(optimiser.step({"w": np.array([np.nan, 1.0])}, 0.1))
    np.testing.assert_array_equal(x, np.ones(2))
    assert optimiser.steps == 0


def test_an_optimiser_goes_on_from_its_saved_state_bit_for_bit():
    rng = np.random.default_rng(1)
    gradients = [rng.standard_normal(6).astype(np.float32) for _ in range(8)]
    whole, parts = np.ones(6, np.float32), np.ones(6, np.float32)
    optimiser = AdamW({"w": whole})
    for gradient in gradients:
        optimiser.step({"w": gradient}, 0.01)
    first = AdamW({"w": parts})
    for gradient in gradients[:4]:
        first.step({"w": gradient}, 0.01)
    second = AdamW({"w": parts})
    second.load_state({name: array.copy() for name, array in first.state().items()})
    for gradient in gradients[4:]:
        second.step({"w": gradient}, 0.01)
    np.testing.assert_array_equal(parts, whole)


def test_the_schedule_warms_up_and_decays_to_its_end():
    assert schedule(0.0, warmup=0.1) == 0
    assert schedule(0.05, warmup=0.1) == pytest.approx(0.5)
    assert schedule(0.1, warmup=0.1) == pytest.approx(1.0)
    assert schedule(0.55, warmup=0.1, final=0.2) == pytest.approx(0.6)
    assert schedule(1.0, warmup=0.1, final=0.2) == pytest.approx(0.2)
    assert schedule(2.0, warmup=0.1, final=0.2) == pytest.approx(0.2)
