import math
import os

import numpy as np
import pytest

from typeahead.errors import TrainingError
from typeahead.rnn.network import Network
from typeahead.rnn.tasks import TASKS, Examination, Marks
from typeahead.rnn.trials import KINDS, RATES, baseline, best_rate, carry_out, num_parameters, pilots, plan

pytestmark = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"),
    reason="optional: the trials are the same without the compiler, and a thousand times slower",
)


def trial(task="order", kind="gru", length=10, seed=0, steps=6, interval=2, rate=0.003, batch_size=4):
    return plan(task, kind, length, seed, steps, batch_size, interval, rate)


@pytest.mark.parametrize("task", [*TASKS, "bytes"])
def test_all_kinds_have_about_as_many_parameters(task):
    sizes = [num_parameters(task, kind, 50, trial(task, kind, 50).hidden_size) for kind in KINDS]
    assert max(sizes) < 1.25 * min(sizes)


def test_a_trial_is_the_same_run_each_time_and_another_with_another_seed():
    first, again, other = carry_out(trial()), carry_out(trial()), carry_out(trial(seed=1))
    assert first._replace(seconds=0) == again._replace(seconds=0)
    assert [step for step, _ in first.curve] == [2, 4, 6]
    assert first.curve != other.curve
    assert (first.result, first.steps) == ("unsolved", 6)


def test_a_trial_stops_where_it_is_told_to():
    asked = iter([False] * 4 + [True] * 9)
    outcome = carry_out(trial(), stop=lambda: next(asked))
    assert (outcome.result, outcome.steps) == ("stopped", 4)


def test_a_trial_ends_once_less_than_one_in_a_hundred_answers_is_wrong(monkeypatch):
    marks = iter([(0.5, 1.0), (0.01, 0.2), (0.009, 0.1)])
    monkeypatch.setattr(Examination, "__call__", lambda self: Marks(*next(marks)))
    seen = []
    outcome = carry_out(trial(steps=100), report=lambda step, marks: seen.append((step, marks.wrong)))
    assert (outcome.result, outcome.steps, outcome.wrong, outcome.loss) == ("solved", 6, 0.009, 0.1)
    assert seen == [(2, 0.5), (4, 0.01), (6, 0.009)]


def test_a_run_whose_gradient_is_no_number_is_told_as_exploded(monkeypatch):
    def broken(self, rate):
        raise TrainingError("the loss exploded")

    monkeypatch.setattr("typeahead.rnn.train.Training.advance", broken)
    outcome = carry_out(trial())
    assert (outcome.result, outcome.steps, outcome.curve) == ("exploded", 0, [])
    assert math.isnan(outcome.loss)


def test_bytes_are_trained_on_the_text_and_told_in_bits_of_its_held_out_tenth(rng):
    text = np.frombuffer(b"abcd" * 2000, np.uint8)
    outcome = carry_out(trial("bytes", "gru", steps=40, interval=20, rate=0.01, batch_size=8), text)
    assert outcome.result == "unsolved"
    assert outcome.loss < 4 < baseline("bytes", 64)
    with pytest.raises(TrainingError, match="--corpus FILE"):
        carry_out(trial("bytes"))


def test_the_rate_is_that_of_the_first_to_solve_or_else_of_the_lowest_loss():
    runs = pilots("adding", "gru", 100, 4, 10)
    assert [run.learning_rate for run in runs] == list(RATES)
    assert len({run.length for run in runs}) == len({run.seed for run in runs}) == 1

    def outcome(result, steps, loss):
        return {"result": result, "steps": steps, "loss": loss}

    unsolved = [outcome("unsolved", 100, loss) for loss in (0.3, 0.1, 0.2)] + [outcome("exploded", 3, 0.01)]
    assert best_rate(dict(zip(runs, unsolved, strict=True))) == RATES[1]
    solved = [unsolved[0], outcome("solved", 80, 0.01), outcome("solved", 60, 0.02), outcome("exploded", 3, None)]
    assert best_rate(dict(zip(runs, solved, strict=True))) == RATES[2]
    equal = [outcome("solved", 60, loss) for loss in (0.04, 0.03, 0.02, 0.01)]
    assert best_rate(dict(zip(runs[::-1], equal, strict=True))) == RATES[0]


@pytest.mark.parametrize(
    ("task", "steps", "rate"), [("order", 600, 0.003), pytest.param("adding", 3000, 0.01, marks=pytest.mark.slow)]
)
def test_a_trained_gru_solves_ten_steps_and_a_fresh_one_does_not(task, steps, rate):
    run = trial(task, length=10, steps=steps, interval=50, batch_size=32, rate=rate)
    fresh = Network.create(TASKS[task](10).network("gru", run.hidden_size), seed=0)
    assert Examination(fresh, TASKS[task](10), 0)().wrong > 0.5
    assert carry_out(run).result == "solved"
