import math
import os

import numpy as np
import pytest

from typeahead.errors import TrainingError
from typeahead.rnn.guard import Exploded
from typeahead.rnn.network import Network
from typeahead.rnn.tasks import TASKS, Examination, Marks
from typeahead.rnn.train import Training
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


def test_a_run_that_explodes_goes_back_at_half_the_rate_and_gives_up_in_the_end(monkeypatch):
    advance, rates = Training.advance, []

    def explosive(self, rate):
        rates.append(rate)
        if rate > limit:
            raise Exploded("the loss exploded")
        advance(self, rate)

    monkeypatch.setattr(Training, "advance", explosive)
    limit = 0.001
    outcome = carry_out(trial(rate=0.004))
    assert rates == [0.004, 0.002] + [0.001] * 6
    assert (outcome.result, outcome.steps, outcome.returns) == ("unsolved", 6, 2)
    limit = 0.0
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


def outcome(result: str, steps: int, loss: float | None) -> dict[str, object]:
    return {"result": result, "steps": steps, "loss": loss}


def test_pilots_are_each_rate_at_each_short_length_with_a_seed_of_their_own():
    runs = pilots("adding", "gru", 100, 4, 10)
    assert {(run.length, run.learning_rate) for run in runs} == {(T, rate) for T in (10, 25) for rate in RATES}
    assert {(run.steps, run.interval) for run in runs} == {(100, 2)}
    assert not {run.seed for run in runs} & set(range(100))
    assert {(run.steps, run.length) for run in pilots("bytes", "gru", 100, 4, 10)} == {(50, 64)}


def test_the_rate_solves_most_then_soonest_or_else_has_the_lowest_loss():
    def chosen(short, long):
        return best_rate(dict(zip(pilots("adding", "gru", 100, 4, 10), short + long, strict=True)))

    failed = [outcome("unsolved", 100, loss) for loss in (0.3, 0.1, 0.2)] + [outcome("exploded", 3, 0.01)]
    assert chosen(failed, failed) == RATES[1]
    short = [outcome("solved", steps, 0.01) for steps in (30, 20, 10, 5)]
    assert chosen(short, failed) == RATES[3]
    assert chosen(short, [outcome("solved", 90, 0.01), *failed[1:]]) == RATES[0]
    assert chosen(short, [outcome("solved", steps, 0.01) for steps in (60, 50, 40, 90)]) == RATES[2]
    equal = [outcome("solved", 60, loss) for loss in (0.04, 0.03, 0.02, 0.01)]
    assert chosen(equal, equal) == RATES[0]
    assert chosen(failed, [outcome("exploded", 3, None)] * 4) == RATES[0]


@pytest.mark.parametrize(
    ("task", "steps", "rate"), [("order", 600, 0.003), pytest.param("adding", 3000, 0.01, marks=pytest.mark.slow)]
)
def test_a_trained_gru_solves_ten_steps_and_a_fresh_one_does_not(task, steps, rate):
    run = trial(task, length=10, steps=steps, interval=50, batch_size=32, rate=rate)
    fresh = Network.create(TASKS[task](10).network("gru", run.hidden_size), seed=0)
    assert Examination(fresh, TASKS[task](10), 0)().wrong > 0.5
    assert carry_out(run).result == "solved"
