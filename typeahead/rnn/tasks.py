r"""The classic tasks that show how far back a recurrent network can learn to look.

    T = length, S = seq_len, B = sequences side by side, R = recalled, the steps at the end whose outputs are judged

    adding   two numbers are marked among T; their sum is asked for after the last       S = T
    order    an X or Y early, another in the middle; which two, and in which order?      S = T
    copy     ten symbols, T blanks, then the ten once more                               S = T + 20

Every task is drawn afresh for every batch, so nothing can be learnt by heart, and each sequence begins with a state of
zeros. A run is held to have solved its task once less than 1 % of its answers on held-out sequences are wrong; of copy,
for which no paper says when it is solved, once the loss is below half of what it is without memory.

Reference: Hochreiter and Schmidhuber 1997 (adding: experiment 4; order: experiment 6a); Pascanu, Mikolov, Bengio 2013
(what counts as wrong, and the 1 %); Le, Jaitly, Hinton 2015 (adding with numbers in [0, 1]); Arjovsky, Shah, Bengio
2016 (adding with a mark in each half; copy).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from typeahead.errors import TrainingError
from typeahead.rnn.backpropagation import Gradients
from typeahead.rnn.network import Array, Network, NetworkConfig

_SOLVED_BELOW = 0.01  # share of wrong answers (Pascanu et al. 2013, section 4.1.1)
_FAR_OFF = 0.04  # squared error of a sum that is wrong (Pascanu et al. 2013, section 4.1.2)
_LANES = 256  # examined at a time
_HELD_OUT = 10 * _LANES  # 2,560 sequences, as many as Hochreiter and Schmidhuber test on


class Marks(NamedTuple):
    """What an examination comes to.

    ``wrong`` is a share of the answers, ``loss`` the figure that papers plot: the mean squared error of the sum, the
    cross-entropy of the order (nats), the cross-entropy a step of the copy (nats).
    """

    wrong: float
    loss: float


@dataclass(frozen=True)
class Task:
    """A task at one length; the subclasses say which.

    Raises
    ------
    TrainingError
        The length is too small for the task.
    """

    length: int
    name: ClassVar[str]
    shortest: ClassVar[int] = 2
    inputs: ClassVar[int]  # symbols, or numbers a step
    outputs: ClassVar[int]
    one_hot: ClassVar[bool] = True
    output: ClassVar[str] = "softmax"
    recalled: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.length < self.shortest:
            raise TrainingError(f"length {self.length} is too short for the task {self.name}; give {self.shortest}")

    @property
    def seq_len(self) -> int:
        """Steps of a sequence (S)."""
        return self.length

    @property
    def baseline(self) -> float:
        """The loss of the best answer that remembers nothing."""
        raise NotImplementedError

    @property
    def clip_factor(self) -> float:
        """What a bound on the gradient of a sequence's loss is multiplied by to be one on that of `Gradients`.

        `Gradients` takes the mean over all steps. Where only the last step has a loss that can bear no weight, its
        gradient is so smaller by as many times as there are steps; Adam does not mind, but clipping does.
        """
        return 1.0

    def network(self, cell: str, hidden_size: int, activation: str = "tanh") -> NetworkConfig:
        """Return one layer of so many units between the task's inputs and outputs."""
        return NetworkConfig(
            cell=cell, hidden_size=hidden_size, activation=activation, input_size=self.inputs, output_size=self.outputs,
            one_hot=self.one_hot, output=self.output,
        )  # fmt: skip

    def draw(self, rng: np.random.Generator, lanes: int) -> tuple[Array, Array]:
        """Return inputs (S, B) or (S, B, D) and targets as `Gradients` takes them."""
        raise NotImplementedError

    def mark(self, outputs: Array, targets: Array) -> Marks:
        """Judge the outputs (R, B, V), log-probabilities or numbers, by the targets of those R steps."""
        raise NotImplementedError

    def solved(self, marks: Marks) -> bool:
        """Return whether so few answers are wrong that the task counts as solved."""
        return marks.wrong < _SOLVED_BELOW


class Adding(Task):
    """Numbers in [0, 1] and marks, one mark in each half; the sum of the two marked is asked for at the end.

    Always answering 1 leaves the variance of the sum of two numbers, 1/6.
    """

    name = "adding"
    inputs, outputs, one_hot, output = 2, 1, False, "numbers"

    @property
    def baseline(self) -> float:
        """Return the mean squared error of always answering 1."""
        return 1 / 6

    @property
    def clip_factor(self) -> float:
        """Return 1/T: the squared error, with no loss before the last step, takes no weights."""
        return 1 / self.length

    def draw(self, rng: np.random.Generator, lanes: int) -> tuple[Array, Array]:
        """Return numbers and marks (T, B, 2) and the sum at the last of (T, B, 1) steps, NaN before."""
        T, lane = self.length, np.arange(lanes)
        inputs = np.zeros((T, lanes, 2), np.float32)
        inputs[:, :, 0] = rng.random((T, lanes))
        first, second = rng.integers(T // 2, size=lanes), rng.integers(T // 2, T, lanes)
        inputs[first, lane, 1] = inputs[second, lane, 1] = 1
        targets = np.full((T, lanes, 1), np.nan, np.float32)
        targets[-1, :, 0] = inputs[first, lane, 0] + inputs[second, lane, 0]
        return inputs, targets

    def mark(self, outputs: Array, targets: Array) -> Marks:
        """Judge sums (1, B, 1): wrong is one whose squared error is above 0.04."""
        squares = (outputs.astype(np.float64) - targets) ** 2
        return Marks(float(np.mean(~(squares <= _FAR_OFF))), float(squares.mean()))


class Order(Task):
    """Eight symbols: E begins, B ends, between them a, b, c, d at random, but for two places with an X or a Y each.

    The first place is between a tenth and a fifth of the way, the second between half and three fifths, as in task 6a,
    whose sequences have 100 to 110 steps. Which of XX, XY, YX, YY it was is asked for at the end.
    """

    name, shortest = "order", 10
    inputs, outputs = 8, 4

    @property
    def baseline(self) -> float:
        """Return ln 4, the cross-entropy of guessing."""
        return math.log(self.outputs)

    def draw(self, rng: np.random.Generator, lanes: int) -> tuple[Array, Array]:
        """Return symbols (T, B): E 0, B 1, a-d 2-5, X 6, Y 7; and weights (T, B, 4), T for the class at the end."""
        T, lane = self.length, np.arange(lanes)
        inputs = rng.integers(2, 6, (T, lanes), dtype=np.uint8)
        inputs[0], inputs[-1] = 0, 1
        first, second = (rng.integers(T * a // 10, T * b // 10, lanes, endpoint=True) for a, b in ((1, 2), (5, 6)))
        kind = rng.integers(4, size=lanes)
        inputs[first, lane], inputs[second, lane] = 6 + kind // 2, 6 + kind % 2
        targets = np.zeros((T, lanes, 4), np.float32)
        targets[-1, lane, kind] = T  # so that the mean over all steps is the mean over sequences
        return inputs, targets

    def mark(self, outputs: Array, targets: Array) -> Marks:
        """Judge log-probabilities (1, B, 4) by the weights (1, B, 4)."""
        right = targets[0].argmax(axis=1)
        nats = -outputs[0, np.arange(len(right)), right].astype(np.float64)
        return Marks(float(np.mean(outputs[0].argmax(axis=1) != right)), float(nats.mean()))


class Copy(Task):
    """Ten of eight symbols, T blanks of which the last is the sign to begin, and ten blanks to write the ten in.

    The loss is over all T + 20 steps, as in the paper; that of writing blanks and then guessing is 10 ln 8 / (T + 20).
    """

    name, shortest = "copy", 1
    inputs, outputs, recalled = 10, 9, 10

    @property
    def seq_len(self) -> int:
        """T + 20."""
        return self.length + 20

    @property
    def baseline(self) -> float:
        """Return the cross-entropy a step of blanks, then guesses."""
        return 10 * math.log(8) / self.seq_len

    def draw(self, rng: np.random.Generator, lanes: int) -> tuple[Array, Array]:
        """Return symbols (T + 20, B), blank 8, the sign 9, and targets (T + 20, B)."""
        symbols = rng.integers(8, size=(10, lanes), dtype=np.uint8)
        inputs, targets = (np.full((self.seq_len, lanes), 8, np.uint8) for _ in range(2))
        inputs[:10], inputs[self.length + 9], targets[-10:] = symbols, 9, symbols
        return inputs, targets

    def mark(self, outputs: Array, targets: Array) -> Marks:
        """Judge log-probabilities (10, B, 9) by the ten symbols (10, B); the loss is that of a step among these ten."""
        nats = -np.take_along_axis(outputs, targets[:, :, None].astype(np.int64), axis=2).astype(np.float64)
        return Marks(float(np.mean(outputs.argmax(axis=2) != targets)), float(nats.mean()))

    def solved(self, marks: Marks) -> bool:
        """Return whether more than half of what there is to remember is remembered."""
        return marks.loss < self.baseline / 2


TASKS: dict[str, type[Task]] = {task.name: task for task in (Adding, Order, Copy)}


class Sequences:
    """A task as a `train.Source`: every batch is drawn from the seed and its number, and every lane begins anew.

    Parameters
    ----------
    task : Task
    batch_size : int
    seed : int
    """

    def __init__(self, task: Task, batch_size: int, seed: int) -> None:
        self.task, self.batch_size, self.seed = task, batch_size, seed
        self.pass_index, self.position = 0, 0

    def next(self) -> tuple[Array, Array, bool]:
        """Return inputs and targets as `Task.draw` does, and True."""
        rng = np.random.default_rng([1, self.seed, self.position])
        self.position += 1
        return *self.task.draw(rng, self.batch_size), True


class Examination:
    """A network's marks on sequences that no `Sequences` draws; the same ones for the same seed.

    Parameters
    ----------
    network : Network
        Read anew at each call.
    task : Task
    seed : int
    """

    def __init__(self, network: Network, task: Task, seed: int) -> None:
        self.network, self.task, self.seed = network, task, seed
        self._before = task.seq_len - task.recalled
        self._run = Gradients(network, self._before, _LANES, backward=False)

    def __call__(self) -> Marks:
        """Return the marks on 2,560 sequences, or, where the first 256 already say no, on those."""
        marks = self._chunk(0)
        if not self.task.solved(marks):
            return marks
        chunks = [marks] + [self._chunk(index) for index in range(1, _HELD_OUT // _LANES)]
        return Marks(*np.mean(chunks, axis=0).tolist())

    def _chunk(self, index: int) -> Marks:
        inputs, targets = self.task.draw(np.random.default_rng([2, self.seed, index]), _LANES)
        before, recalled = slice(None, self._before), slice(self._before, None)
        loss, state = self._run.loss(inputs[before], targets[before], self.network.initial_state(_LANES))
        outputs = []
        for given in inputs[recalled]:
            output, state = self.network.step(given, state)
            outputs.append(output)
        marks = self.task.mark(np.stack(outputs), targets[recalled])
        share = self.task.recalled / self.task.seq_len if self.task.recalled > 1 else 1.0
        return Marks(marks.wrong, share * marks.loss + (1 - share) * loss)
