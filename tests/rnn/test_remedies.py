"""What the trainer does about gradients that vanish or explode: it looks, it says, and it goes back."""

import math
import os
from dataclasses import replace

import numpy as np
import pytest

from typeahead.errors import TrainingError
from typeahead.rnn import checkpoint, symptoms
from typeahead.rnn.guard import KEPT_STEPS, MOST_RETURNS, Exploded
from typeahead.rnn.loop import Hooks, Loop
from typeahead.rnn.memory import gradient_norms
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.rnn.train import TrainConfig, Training

pytestmark = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"),
    reason="optional: the loop is the same without the compiler, and a thousand times slower",
)

CONFIG = TrainConfig(
    steps=240, minutes=None, seq_len=4, batch_size=2, learning_rate=0.01, final_learning_rate=1.0, warmup=0.0, seed=3,
    checkpoint_s=3600,
)  # fmt: skip
NETWORK = NetworkConfig("gru", 3, 4, 1, 5, one_hot=False)


@pytest.fixture
def symbols(rng):
    """A text of three words in random order."""
    words = [b"ls -l\n", b"cd ..\n", b"git status\n"]
    return np.frombuffer(b"".join(words[i] for i in rng.integers(3, size=300)), np.uint8)


class Numbers:
    """A source of dense batches, each decided by its position; those at ``bad`` positions hold a NaN."""

    def __init__(self, bad=()):
        self.bad = bad
        self.pass_index, self.position = 0, 0

    def next(self):
        rng = np.random.default_rng([7, self.position])
        inputs, targets = rng.standard_normal((4, 2, 3)).astype(np.float32), rng.integers(0, 5, (4, 2))
        if self.position in self.bad:
            inputs[2, 1, 0] = math.nan
        self.position += 1
        return inputs, targets, rng.random(2) < 0.2


def make(bad=(), config=CONFIG, network=NETWORK, eval_interval=60):
    return Training(Network.create(network, 1), Numbers(bad), None, config, eval_interval)


def run(training, path=None, stop=lambda: False):
    """Carry the run out; return its events and what it warned of."""
    events, warnings = [], []
    finished = Loop(training, Hooks(report=events.append, warn=warnings.append, stop=stop), path).run()
    return events, warnings, finished


def assert_same_bits(one, other):
    for name, array in one.network.parameters.items():
        np.testing.assert_array_equal(array, other.network.parameters[name], err_msg=name)
    for name, array in one.optimiser.state().items():
        np.testing.assert_array_equal(array, other.optimiser.state()[name], err_msg=name)
    np.testing.assert_array_equal(one.state, other.state)
    assert replace(one.figures(), seconds=0) == replace(other.figures(), seconds=0)


# ------------------------------------------------------------------------------------------------------ going back


def test_a_batch_with_nan_costs_some_steps_and_half_the_rate_but_not_the_run():
    training = make(bad={130})
    weights = {}

    def remember():
        weights[training.step] = training.network.parameters["output.weight"].copy()
        return False

    events, warnings, finished = run(training, stop=remember)
    assert finished
    assert [event.step for event in events] == list(range(241))
    assert warnings == [
        "the loss exploded at step 131 (loss nan, gradient norm nan); back to the weights of step 50, past this batch "
        "and with half the learning rate, 0.005 at its peak"
    ]
    # The last call for step 130 found what the run had gone back to: what it had after 50 steps.
    np.testing.assert_array_equal(weights[130], weights[50])
    assert training.batches.position == 241  # one more batch than steps
    assert {event.learning_rate for event in events[1:131]} == {0.01}
    assert {event.learning_rate for event in events[131:]} == {0.005}
    assert all(np.isfinite(array).all() for array in training.network.parameters.values())
    assert training.figures().returns == 1


def test_going_back_restores_all_that_a_step_changes():
    config = replace(CONFIG, ema_decay=0.9)
    training = make(config=config)
    training.keep()
    for _ in range(KEPT_STEPS):
        training.advance(0.01)
    training.keep()
    before = {name: array.copy() for name, array in training._moving().items()}
    for _ in range(KEPT_STEPS):
        training.advance(0.01)
    training.keep()
    for _ in range(7):
        training.advance(0.01)
    training.state[...] = math.nan
    assert all(not np.array_equal(array, before[name]) for name, array in training._moving().items())
    training.go_back(Exploded("the loss exploded; lower it"))
    for name, array in training._moving().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_a_run_that_went_back_ends_with_the_same_bits_however_often_it_is_resumed(tmp_path, ema_decay):
    config, bad = replace(CONFIG, ema_decay=ema_decay), {20, 75, 130, 131, 199}
    whole = make(bad, config)
    _, warned, _ = run(whole)
    assert len(warned) == 5
    path, asked, again = tmp_path / "run.checkpoint.safetensors", 0, []

    def stop():
        nonlocal asked
        asked += 1
        return asked % 17 == 0

    training, finished = make(bad, config), False
    while not finished:
        _, warnings, finished = run(training, path, stop)
        again += warnings
        if not finished:
            training = make(bad, config)
            training.restore(*checkpoint.load(path))
    assert again == warned
    assert_same_bits(whole, training)


def test_after_five_returns_in_a_row_the_run_ends_with_its_error():
    training, warnings = make(bad=range(130, 1000)), []
    with pytest.raises(TrainingError, match=r"exploded at step 131 .*lower --learning-rate .*did not help, 5 times"):
        Loop(training, Hooks(warn=warnings.append)).run()
    assert len(warnings) == MOST_RETURNS
    assert warnings[-1].endswith("0.0003125 at its peak")
    assert all(np.isfinite(array).all() for array in training.network.parameters.values())


def test_returns_with_good_training_in_between_are_not_in_a_row():
    bad = range(100, 1200, 150)  # eight
    training = make(bad, replace(CONFIG, steps=1300), eval_interval=2000)
    _, warnings, finished = run(training)
    assert finished
    assert len(warnings) == 8 > MOST_RETURNS
    assert training.guard.factor == 2.0**-8


def test_an_absurd_learning_rate_is_halved_until_it_is_not(symbols):
    config = replace(CONFIG, seq_len=8, batch_size=4, learning_rate=10.0, steps=300)
    training = Training.of_symbols(Network.create(NetworkConfig(hidden_size=12), 1), symbols, None, config)
    _, warnings, finished = run(training)
    assert finished
    assert warnings
    assert "exploded" in warnings[0]
    assert training.guard.returns == sum("exploded" in warning for warning in warnings) >= 1
    assert training.loss < math.log(256)


def test_a_checkpoint_from_before_there_was_anything_to_go_back_to_is_resumed(tmp_path):
    whole, path = make(), tmp_path / "run.checkpoint.safetensors"
    run(whole)
    training = make()
    run(training, path, lambda: training.step == 130)
    arrays, metadata = checkpoint.load(path)
    for name in ("guard", "smoothed_clips", "clipped_steps", "warned"):
        del metadata["run"][name]
    for name in ("start", "max_lag", "forget_bias"):
        del metadata["train"][name]
    training = make(config=TrainConfig(**metadata["train"]))
    training.restore({name: array for name, array in arrays.items() if not name.startswith("kept.")}, metadata)
    assert run(training)[2]
    for name, array in whole.network.parameters.items():
        np.testing.assert_array_equal(array, training.network.parameters[name])


def test_large_numbers_to_predict_are_no_explosion():
    network = NetworkConfig("gru", 3, 4, 1, 1, one_hot=False, output="numbers")

    class Large(Numbers):
        def next(self):
            inputs, targets, begins = super().next()
            return inputs, 1000.0 * targets[..., None], begins

    training = Training(Network.create(network, 1), Large(), None, replace(CONFIG, steps=5), 5)
    assert run(training)[2]
    assert training.loss > 10_000


# --------------------------------------------------------------------------------------------------------- looking


@pytest.mark.parametrize(("grad_clip", "rate"), [(1e-6, 1.0), (1e6, 0.0)])
def test_the_clip_rate_is_the_share_of_steps_that_were_clipped(grad_clip, rate):
    training = make(config=replace(CONFIG, steps=10, grad_clip=grad_clip))
    events, _, _ = run(training)
    assert [event.clip_rate for event in events[1:]] == pytest.approx([rate] * 10)
    assert training.figures().clipped_steps == 10 * rate


def test_half_the_steps_clipped_is_a_rate_of_about_a_half():
    training = make()
    norms = [event.grad_norm for event in run(training)[0]][1:]
    between = make(config=replace(CONFIG, grad_clip=float(np.median(norms)), learning_rate=1e-9))
    events, _, _ = run(between)
    assert 0.3 < events[-1].clip_rate < 0.7
    clipped = [event.grad_norm > between.config.grad_clip for event in events[1:]]
    assert between.figures().clipped_steps == sum(clipped)
    weights = 0.98 ** np.arange(len(clipped))[::-1]
    assert events[-1].clip_rate == pytest.approx(np.average(clipped, weights=weights))


def test_each_evaluation_comes_with_gradient_norms_of_the_coming_batch_which_change_nothing():
    training, steps = make(), []

    def compare(event):
        if event.gradient_norms is not None:
            source = Numbers()
            source.position = training.batches.position
            inputs, targets, begins = source.next()
            state = training.state.copy()
            state[:, :, begins] = 0
            expected = gradient_norms(training.network, inputs, targets, state)
            np.testing.assert_array_equal(event.gradient_norms, expected)
            assert expected.shape == (1, 4)
            steps.append(event.step)

    Loop(training, Hooks(report=compare)).run()
    assert steps == [0, 60, 120, 180, 240]
    seldom = make(eval_interval=1000)
    run(seldom)
    for name, array in training.network.parameters.items():
        np.testing.assert_array_equal(array, seldom.network.parameters[name])


# -------------------------------------------------------------------------------------------------------- warnings


def falling(factor, lags=64, layers=1):
    return np.tile(factor ** np.arange(lags), (layers, 1))


def test_the_reach_ends_where_the_last_layer_falls_under_one_percent():
    assert symptoms.reach(falling(0.5)) == 7  # 2^-7 = 0.78 %
    assert symptoms.reach(np.concatenate([falling(0.5), falling(0.7)])) == 13
    assert symptoms.reach(falling(0.99)) is None


@pytest.mark.parametrize(
    ("cell", "start", "advice"),
    [
        ("elman", "uniform", "with --cell gru or lstm, --start orthogonal, or with a smaller --seq-len"),
        ("elman", "orthogonal", "with --cell gru or lstm, or with a smaller --seq-len"),
        ("gru", "orthogonal", "with --start chrono, or with a smaller --seq-len"),
        ("lstm", "chrono", "with a smaller --seq-len"),
    ],
)
def test_a_warning_of_vanishing_gradients_names_the_lag_and_what_helps(cell, start, advice):
    message = symptoms.vanishing(falling(0.5), cell, start, step=3000)
    assert message.startswith(
        "gradients vanish: 7 steps back they are under 1% of what they began with, though --seq-len"
    )
    assert " 64; " in message
    assert message.endswith(f"start anew {advice}, which is faster")


@pytest.mark.parametrize(
    ("norms", "cell", "step"),
    [
        (falling(0.9), "elman", 3000),  # 44 of 64
        (falling(0.99), "elman", 3000),
        (falling(0.5), "elman", 99),  # too early
        (falling(0.5), "gru", 1999),
        (falling(0.7), "gru", 3000),  # 13 of 64: data may need no more
        (falling(0.1, lags=15), "elman", 3000),  # too short to matter
    ],
)
def test_gradients_that_reach_far_enough_or_may_yet_are_no_reason_to_warn(norms, cell, step):
    assert symptoms.vanishing(norms, cell, "orthogonal", step) is None


def test_growing_gradients_and_a_high_clip_rate_are_told_with_what_to_lower():
    growing = symptoms.exploding(falling(1.1), 0.0, 0.004, 1.0, step=1)
    assert growing == (
        "gradients grow with every step back, to 405 times within 64; lower --learning-rate (now 0.004) or "
        "--grad-clip (now 1)"
    )
    clipped = symptoms.exploding(falling(0.9), 0.83, 0.004, 1.0, step=100)
    assert clipped.startswith("gradients explode: 83% of the last steps had to be clipped; lower --learning-rate")
    assert symptoms.exploding(falling(0.9), 0.83, 0.004, 1.0, step=99) is None
    assert symptoms.exploding(falling(1.02), 0.75, 0.004, 1.0, step=100) is None
    assert symptoms.exploding(np.full((1, 64), math.nan), 0.1, 0.004, 1.0, step=100) is None
    assert symptoms.exploding(np.zeros((2, 64)), 0.1, 0.004, 1.0, step=100) is None


def test_a_plain_network_with_a_long_sequence_is_warned_of_once_also_when_resumed(symbols, tmp_path):
    config = replace(CONFIG, steps=500, seq_len=64, batch_size=8, start="uniform", eval_interval=50)

    def plain():
        network = Network.create(NetworkConfig("elman", hidden_size=8), 1, **config.starting)
        return Training.of_symbols(network, symbols, None, config)

    path, training = tmp_path / "run.checkpoint.safetensors", plain()
    _, warnings, _ = run(training, path, lambda: training.step == 400)
    assert len(warnings) == 1
    assert warnings[0].startswith("gradients vanish: ")
    training = plain()
    training.restore(*checkpoint.load(path))
    _, warnings, finished = run(training, path)
    assert finished
    assert warnings == []


def test_the_start_says_how_the_network_is_to_be_drawn():
    assert TrainConfig().starting == {"start": "orthogonal", "max_lag": None, "forget_bias": None}
    assert TrainConfig(start="chrono", seq_len=70).starting["max_lag"] == 70
    assert TrainConfig(start="chrono", max_lag=30).starting["max_lag"] == 30
