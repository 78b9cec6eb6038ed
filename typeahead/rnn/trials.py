"""One run of a classic task: a network of a given kind is trained until it has solved the task, or its budget is spent.

All kinds get the same number of steps, the same batches and about as many parameters. The learning rate is the one of
a few that the kind learns the task best with in `pilots`, at short lengths, and then the same at every length. A run
whose loss explodes goes back at half its rate, as every training run does (`guard`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from typeahead.errors import TrainingError
from typeahead.rnn.guard import Exploded
from typeahead.rnn.network import Array, Network, NetworkConfig
from typeahead.rnn.optim import schedule
from typeahead.rnn.subnormals import flushed
from typeahead.rnn.tasks import TASKS, Examination, Marks, Sequences, Task
from typeahead.rnn.train import TrainConfig, Training

_BYTES_SEQ_LEN = 64
BYTES = "bytes"  # the task beside `TASKS`: the next byte of a corpus
RATES = (0.0003, 0.001, 0.003, 0.01)
_PARAMETERS = {BYTES: 200_000}  # a row of 256 for each unit is most of it
_FEW_PARAMETERS = 18_000  # of the other tasks
_PILOT_LENGTHS = {"copy": (5,), BYTES: (_BYTES_SEQ_LEN,)}
_FEW_STEPS = (10, 25)  # of the other tasks: short enough for all kinds to learn something, so that rates differ
_PILOT_SEED = 1000  # none of those that count
_VALID_BYTES = 200_000  # at most, the last tenth of the corpus: a twentieth of the time goes into them
_HELD_OUT_SEED = 0


@dataclass(frozen=True)
class Kind:
    """A cell with its start and its remedies."""

    name: str
    cell: str
    title: str
    start: str = "orthogonal"
    activation: str = "tanh"
    grad_clip: float = 1.0


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("elman", "elman", "tanh, ordinary start, no clipping", "uniform", grad_clip=math.inf),
        Kind("elman-orthogonal", "elman", "tanh, orthogonal start, clipping"),
        Kind("elman-identity", "elman", "relu, identity start, clipping", "identity", "relu"),
        Kind("gru", "gru", "orthogonal start, clipping"),
        Kind("lstm", "lstm", "orthogonal start, forget bias 1, clipping"),
        Kind("lstm-chrono", "lstm", "chrono start for T steps, clipping", "chrono"),
    )
}


@dataclass(frozen=True)
class Trial:
    """Which run: everything that decides what comes out of it, but for the corpus.

    ``length`` is T; of bytes, how many steps gradients reach back.
    """

    task: str
    kind: str
    length: int
    seed: int
    steps: int
    batch_size: int
    interval: int  # steps between examinations
    hidden_size: int
    learning_rate: float

    @property
    def work(self) -> int:
        """What the trial costs at most, in no unit: symbols read."""
        return self.steps * self.batch_size * (self.length + (20 if self.task == "copy" else 0))


class Outcome(NamedTuple):
    """What a trial came to.

    ``result`` is "solved", "unsolved", "exploded" or "stopped"; of bytes, "unsolved" with the bits per byte as
    ``loss``. ``clipped`` is the share of steps whose gradient was clipped, ``returns`` is how often the loss exploded
    and the run went back, ``curve`` has the loss at each examination.
    """

    result: str
    steps: int
    wrong: float
    loss: float
    clipped: float
    returns: int
    seconds: float
    curve: list[tuple[int, float]]


def plan(
    task: str, kind: str, length: int, seed: int, steps: int, batch_size: int, interval: int, learning_rate: float
) -> Trial:
    """Return the trial, with the size that goes with its task and kind; bytes have a length of their own.

    Raises
    ------
    TrainingError
        The length is too small for the task.
    """
    reach = _BYTES_SEQ_LEN if task == BYTES else length
    hidden_size = _fitting(task, KINDS[kind], reach)
    return Trial(task, kind, reach, seed, steps, batch_size, interval, hidden_size, learning_rate)


def pilots(
    task: str, kind: str, steps: int, batch_size: int, interval: int, rates: tuple[float, ...] = RATES
) -> list[Trial]:
    """Return the trials, of each learning rate at each of the shortest lengths, that `best_rate` chooses by.

    They are examined five times as often as those that count, and on bytes, where no run ends early, half as long.
    """
    steps, interval = max(1, steps // 2) if task == BYTES else steps, max(1, interval // 5)
    return [
        plan(task, kind, length, _PILOT_SEED, steps, batch_size, interval, rate)
        for length in _PILOT_LENGTHS.get(task, _FEW_STEPS)
        for rate in rates
    ]


def best_rate(outcomes: Mapping[Trial, Mapping[str, Any]]) -> float:
    """Return the rate that solved most, of these the one that took the fewest steps or else has the lowest loss.

    Of equals it is the smaller one, which is safer where T is longer.

    Parameters
    ----------
    outcomes : mapping
        Trials to the fields of their `Outcome`; at least one.
    """

    def badness(rate: float) -> tuple[int, int, float]:
        found = [outcome for trial, outcome in outcomes.items() if trial.learning_rate == rate]
        solved = [outcome for outcome in found if outcome["result"] == "solved"]
        losses = [outcome["loss"] if outcome["result"] == "unsolved" else math.inf for outcome in found]
        lost = sum(math.inf if loss is None else loss for loss in losses)
        return -len(solved), sum(outcome["steps"] for outcome in solved), lost if len(solved) < len(found) else 0.0

    return min(sorted({trial.learning_rate for trial in outcomes}), key=badness)


def _config(task: str, kind: Kind, length: int, hidden_size: int) -> NetworkConfig:
    if task == BYTES:
        return NetworkConfig(cell=kind.cell, hidden_size=hidden_size, activation=kind.activation)
    return TASKS[task](length).network(kind.cell, hidden_size, kind.activation)


def _fitting(task: str, kind: Kind, length: int) -> int:
    """Return the size, a multiple of 8, whose number of parameters is nearest to what the task gives everyone."""
    wanted = _PARAMETERS.get(task, _FEW_PARAMETERS)
    return min(range(8, 513, 8), key=lambda size: abs(num_parameters(task, kind.name, length, size) - wanted))


def num_parameters(task: str, kind: str, length: int, hidden_size: int) -> int:
    """Return how many numbers such a network has to learn."""
    return sum(math.prod(shape) for shape in _config(task, KINDS[kind], length, hidden_size).shapes().values())


def baseline(task: str, length: int) -> float:
    """Return the loss that an answer without memory comes to; of bytes, the bits of one."""
    return 8.0 if task == BYTES else TASKS[task](length).baseline


def carry_out(
    trial: Trial,
    corpus: Array | None = None,
    report: Callable[[int, Marks], None] = lambda step, marks: None,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Train until the task is solved, the budget is spent or ``stop`` says so.

    Parameters
    ----------
    trial : Trial
    corpus : ndarray [shape=(N,)] of uint8, optional
        Of bytes; the last tenth is held out.
    report : callable
        Told each examination's step and marks.
    stop : callable
        Asked at each step.

    Raises
    ------
    TrainingError
        There is no corpus, or too little of it.
    """
    kind, began = KINDS[trial.kind], time.monotonic()
    network = Network.create(
        _config(trial.task, kind, trial.length, trial.hidden_size), trial.seed, start=kind.start,
        max_lag=max(3, trial.length) if kind.start == "chrono" else None,
    )  # fmt: skip
    training, examine = _of_bytes(trial, network, corpus) if trial.task == BYTES else _of_task(trial, network)
    result, marks, curve = _learn(trial, training, examine, report, stop)
    share, seconds = training.clipped_steps / max(1, training.step), time.monotonic() - began
    return Outcome(result, training.step, *marks, share, training.guard.returns, seconds, curve)


@flushed()  # of a network that cannot bridge T, all gradients pass through subnormal numbers
def _learn(
    trial: Trial,
    training: Training,
    examine: Callable[[], Marks],
    report: Callable[[int, Marks], None],
    stop: Callable[[], bool],
) -> tuple[str, Marks, list[tuple[int, float]]]:
    """Train as `carry_out` does; return the result, the last marks and the curve."""
    marks = Marks(math.nan, math.nan)
    curve: list[tuple[int, float]] = []
    while training.step < trial.steps:
        if stop():
            return "stopped", marks, curve
        training.keep()
        try:
            training.advance(_rate(trial, training.step) * training.guard.factor)
        except Exploded as error:
            if _goes_back(training, error):
                continue
            return "exploded", marks, curve
        if training.step % trial.interval == 0 or training.step == trial.steps:
            marks = examine()
            curve.append((training.step, marks.loss))
            report(training.step, marks)
            if trial.task != BYTES and TASKS[trial.task](trial.length).solved(marks):
                return "solved", marks, curve
    return "unsolved", marks, curve


def _goes_back(training: Training, error: Exploded) -> bool:
    """Return whether the run has gone back to before the explosion, as it may some times."""
    try:
        training.go_back(error)
    except Exploded:
        return False
    return True


def compile_kernels(trials: Iterable[Trial]) -> None:
    """Compile what the trials need, or read it from its cache: at once in several processes it has crashed before."""
    for trial in {(trial.task, KINDS[trial.kind].cell): trial for trial in trials}.values():
        small = replace(trial, steps=1, batch_size=2, hidden_size=8, length=16)
        carry_out(small, corpus=np.zeros(400, np.uint8))


def _rate(trial: Trial, step: int) -> float:
    """Return the rate of the coming step: constant, as nobody knows when a task will be solved; of bytes it falls."""
    if trial.task != BYTES:
        return trial.learning_rate
    return trial.learning_rate * schedule((step + 0.5) / trial.steps)


def _training_config(trial: Trial, seq_len: int, grad_clip: float) -> TrainConfig:
    return TrainConfig(
        steps=trial.steps, minutes=None, seq_len=seq_len, batch_size=trial.batch_size, seed=trial.seed,
        learning_rate=trial.learning_rate, grad_clip=grad_clip, eval_interval=trial.interval,
    )  # fmt: skip


def _of_task(trial: Trial, network: Network) -> tuple[Training, Callable[[], Marks]]:
    task: Task = TASKS[trial.task](trial.length)
    sequences = Sequences(task, trial.batch_size, trial.seed)
    config = _training_config(trial, task.seq_len, KINDS[trial.kind].grad_clip * task.clip_factor)
    return Training(network, sequences, None, config, trial.interval), Examination(network, task, _HELD_OUT_SEED)


def _of_bytes(trial: Trial, network: Network, corpus: Array | None) -> tuple[Training, Callable[[], Marks]]:
    if corpus is None:
        raise TrainingError("the task bytes needs a text; give it with --corpus FILE")
    held = min(len(corpus) // 10, _VALID_BYTES)
    config = _training_config(trial, trial.length, KINDS[trial.kind].grad_clip)
    training = Training.of_symbols(network, corpus[: len(corpus) - held], corpus[len(corpus) - held :], config)

    def examine() -> Marks:
        nats = training.evaluate(lambda: False)
        return Marks(math.nan, math.nan if nats is None else nats / math.log(2))

    return training, examine
