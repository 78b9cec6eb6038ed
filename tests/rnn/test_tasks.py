import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import naive
from typeahead.errors import TrainingError
from typeahead.rnn.backpropagation import Gradients
from typeahead.rnn.network import Network
from typeahead.rnn.tasks import TASKS, Adding, Copy, Examination, Marks, Order, Sequences

seeds = st.integers(0, 2**32)
E, B, X, Y = 0, 1, 6, 7
BLANK, SIGN = 8, 9


# ---------------------------------------------------------------------------------------------------- what is drawn


@given(seeds, st.integers(2, 60))
def test_adding_marks_one_number_in_each_half_and_asks_for_their_sum_at_the_end(seed, T):
    inputs, targets = Adding(T).draw(np.random.default_rng(seed), 7)
    numbers, marks = inputs[:, :, 0], inputs[:, :, 1]
    assert inputs.shape == (T, 7, 2)
    assert ((numbers >= 0) & (numbers <= 1)).all()
    assert ((marks == 0) | (marks == 1)).all()
    assert (marks[: T // 2].sum(axis=0) == 1).all()
    assert (marks[T // 2 :].sum(axis=0) == 1).all()
    assert np.allclose(targets[-1, :, 0], (numbers * marks).sum(axis=0))
    assert np.isnan(targets[:-1]).all()


@given(seeds, st.integers(10, 120))
def test_order_is_task_6a_stretched_to_any_length(seed, T):
    inputs, targets = Order(T).draw(np.random.default_rng(seed), 9)
    assert inputs.shape == (T, 9)
    assert (inputs[0] == E).all()
    assert (inputs[-1] == B).all()
    for lane in range(9):
        relevant = np.flatnonzero(inputs[:, lane] >= X)
        first, second = relevant
        assert T // 10 <= first <= T // 5
        assert T // 2 <= second <= 6 * T // 10
        others = np.delete(inputs[1:-1, lane], relevant - 1)
        assert ((others >= 2) & (others <= 5)).all()
        kind = [(X, X), (X, Y), (Y, X), (Y, Y)].index(tuple(inputs[relevant, lane]))
        assert targets[-1, lane].tolist() == [T if k == kind else 0 for k in range(4)]
    assert not targets[:-1].any()


@given(seeds, st.integers(1, 60))
def test_copy_is_ten_symbols_then_blanks_a_sign_and_the_ten_again(seed, T):
    inputs, targets = Copy(T).draw(np.random.default_rng(seed), 5)
    assert inputs.shape == targets.shape == (T + 20, 5)
    assert (inputs[:10] < BLANK).all()
    assert (inputs[10 : T + 9] == BLANK).all()
    assert (inputs[T + 9] == SIGN).all()
    assert (inputs[T + 10 :] == BLANK).all()
    assert (targets[: T + 10] == BLANK).all()
    assert np.array_equal(targets[T + 10 :], inputs[:10])


def test_all_classes_places_and_symbols_are_drawn_alike(rng):
    order, _ = Order(100).draw(rng, 4000)
    places = np.argwhere(order.T >= X)[:, 1].reshape(-1, 2)
    assert set(places[:, 0]) == set(range(10, 21))
    assert set(places[:, 1]) == set(range(50, 61))
    for kind in ((X, X), (X, Y), (Y, X), (Y, Y)):
        lanes = np.arange(4000)
        share = np.mean((order[places[:, 0], lanes] == kind[0]) & (order[places[:, 1], lanes] == kind[1]))
        assert share == pytest.approx(0.25, abs=0.04)
    copied, _ = Copy(5).draw(rng, 4000)
    assert np.bincount(copied[:10].reshape(-1), minlength=8) / 40_000 == pytest.approx(np.full(8, 1 / 8), abs=0.01)


@pytest.mark.parametrize(("task", "least"), [("adding", 2), ("order", 10), ("copy", 1)])
def test_a_length_that_is_too_short_says_what_to_give(task, least):
    TASKS[task](least)
    with pytest.raises(TrainingError, match=f"length {least - 1} is too short for the task {task}; give {least}"):
        TASKS[task](least - 1)


# -------------------------------------------------------------------------------------------------------- baselines


def test_always_answering_one_leaves_a_sixth_and_is_the_baseline_of_adding(rng):
    _, targets = Adding(30).draw(rng, 20_000)
    marks = Adding(30).mark(np.ones((1, 20_000, 1)), targets[-1:])
    assert marks.loss == pytest.approx(Adding(30).baseline, rel=0.03)
    assert Adding(30).baseline == pytest.approx(0.167, abs=0.001)


def test_guessing_leaves_the_baseline_of_order_and_three_quarters_wrong(rng):
    _, targets = Order(20).draw(rng, 20_000)
    marks = Order(20).mark(np.full((1, 20_000, 4), -math.log(4)), targets[-1:])
    assert marks == (pytest.approx(0.75, abs=0.02), pytest.approx(math.log(4)))
    assert Order(20).baseline == math.log(4)


def test_blanks_and_then_guesses_leave_the_baseline_of_copy():
    task = Copy(30)
    guess = np.full((task.seq_len, 9), -np.inf)
    guess[:40, BLANK] = 0
    guess[40:, :8] = -math.log(8)
    _, targets = task.draw(np.random.default_rng(0), 50)
    nats = -np.take_along_axis(guess[:, None, :], targets[:, :, None].astype(int), axis=2)
    assert nats.mean() == pytest.approx(task.baseline)
    assert task.baseline == pytest.approx(10 * math.log(8) / 50)


def test_a_sum_is_wrong_from_a_fifth_off_and_where_it_is_no_number():
    targets = np.zeros((1, 5, 1))
    outputs = np.array([0.0, 0.19, -0.19, 0.21, np.nan]).reshape(1, 5, 1)
    assert Adding(9).mark(outputs, targets).wrong == pytest.approx(2 / 5)


def test_under_one_in_a_hundred_wrong_is_solved_and_of_copy_half_of_the_baseline():
    for task in (Adding(20), Order(20)):
        assert task.solved(Marks(0.0099, 9.0))
        assert not task.solved(Marks(0.01, 0.0))
        assert not task.solved(Marks(math.nan, math.nan))
    half = 5 * math.log(8) / 50
    assert Copy(30).solved(Marks(0.4, half - 1e-6))
    assert not Copy(30).solved(Marks(0.0, half))


# -------------------------------------------------------------------------------------------- losses and examinations


@pytest.mark.parametrize("name", list(TASKS))
def test_the_training_loss_is_that_of_the_papers_told_by_hand(name, rng):
    task = TASKS[name](12)
    network = Network.create(task.network("gru", 6), seed=1, dtype=np.float64)
    inputs, targets = task.draw(rng, 3)
    state = network.initial_state(3)
    loss, _, _ = Gradients(network, task.seq_len, 3)(inputs, targets, state)
    outputs, _ = naive.forward(network.config, network.parameters, inputs, state)
    if name == "adding":  # a mean over all T steps of which one has a loss, half a square each
        expected = np.mean((outputs[-1] - targets[-1]) ** 2) / 2 / 12
        assert task.clip_factor == 1 / 12
    elif name == "order":
        expected = -np.mean([outputs[-1, lane, targets[-1, lane].argmax()] for lane in range(3)])
    else:
        expected = -np.mean([outputs[t, b, targets[t, b]] for t in range(32) for b in range(3)])
    assert loss == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", list(TASKS))
def test_an_examination_is_the_whole_sequences_forward_told_by_hand(name):
    task = TASKS[name](10)
    network = Network.create(task.network("lstm", 4), seed=2, dtype=np.float64)
    found = Examination(network, task, seed=5)()
    inputs, targets = task.draw(np.random.default_rng([2, 5, 0]), 256)
    outputs, _ = naive.forward(network.config, network.parameters, inputs, network.initial_state(256))
    marks = task.mark(outputs[-task.recalled :], targets[-task.recalled :])
    if name == "copy":  # the paper's loss is over all steps
        nats = -np.take_along_axis(outputs, targets[:, :, None].astype(int), axis=2)
        marks = Marks(marks.wrong, float(nats.mean()))
    assert found == pytest.approx(marks, rel=1e-5)


def test_an_examination_that_looks_solved_goes_on_to_all_sequences(monkeypatch):
    task = Adding(10)
    network = Network.create(task.network("elman", 4), seed=2)
    lanes: list[int] = []

    def perfect(self, outputs, targets):
        lanes.append(targets.shape[1])
        return Marks(0.0, 0.001 * len(lanes))

    monkeypatch.setattr(Adding, "mark", perfect)
    assert Examination(network, task, seed=5)() == (0.0, pytest.approx(0.0055))
    assert sum(lanes) == 2560


# ----------------------------------------------------------------------------------------------------------- sources


def test_the_position_is_all_there_is_to_remember_and_every_batch_is_another():
    one, other = (Sequences(Adding(8), batch_size=3, seed=4) for _ in range(2))
    batches = [one.next() for _ in range(4)]
    assert all(begins is True for *_, begins in batches)
    assert not np.array_equal(batches[0][0], batches[1][0])
    other.position = 3
    assert np.array_equal(other.next()[0], batches[3][0])
    assert not np.array_equal(Sequences(Adding(8), 3, seed=5).next()[0], batches[0][0])
