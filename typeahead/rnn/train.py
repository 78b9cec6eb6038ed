r"""The training loop: a source of batches in, the weights that predict what is held out best out.

    source -> Gradients -> AdamW -> (average) -> evaluation -> best weights
         \________________ checkpoint: all of it ________________/

Each of B lanes reads T steps at a time and carries its state from batch to batch (truncated backpropagation through
time), unless the source says that the lane begins anew. Of text, the source is `Batches`.
Everything that decides the next step - weights, optimiser, data position, state, dropout's seed - is in the checkpoint,
so a resumed run of a number of steps ends with the same bits as an uninterrupted one on the same number of threads.
The loop knows no files of text or sound and prints nothing.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from typeahead.errors import ModelFileError, TrainingError
from typeahead.rnn import checkpoint
from typeahead.rnn.backpropagation import Gradients
from typeahead.rnn.batches import Batches
from typeahead.rnn.evaluation import Evaluation
from typeahead.rnn.network import Array, Network
from typeahead.rnn.optim import AdamW, schedule

_SMOOTHING = 0.98  # of the reported training loss: a window of about 50 steps
_EXPLODED = 5.0  # times the loss of guessing blindly; from there no run has come back


@dataclass(frozen=True)
class TrainConfig:
    """How to train; each default with its reason."""

    steps: int | None = None  # one of steps and minutes says when to end
    minutes: float | None = 3.0  # long enough to learn a few megabytes well, short enough to wait for
    seq_len: int = 64  # gradients reach this far back; the state itself is carried on
    batch_size: int = 32  # large enough for fast matrix products, small enough for many updates a minute
    learning_rate: float = 4e-3  # at the peak; recurrent nets of this size diverge from about 1e-2
    warmup: float = 0.02  # share of the run, until Adam's averages mean something
    final_learning_rate: float = 0.0  # share of the peak at the end; zero lets the weights settle
    weight_decay: float = 0.0  # a few megabytes seen a few times do not overfit
    grad_clip: float = 1.0  # bounds the rare exploding gradient, touches few others
    beta2: float = 0.99  # Adam's memory of squares: 100 steps, for runs of a few thousand
    ema_decay: float = 0.0  # running average of the weights, evaluated and kept instead of them; 0 is off
    eval_interval: int | None = None  # steps; None: so that evaluation costs about a twentieth of the time
    checkpoint_s: float = 60.0  # what kill -9 costs at most
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise TrainingError(f"steps {self.steps} and minutes {self.minutes}: give one of them")
        for name in ("steps", "minutes", "seq_len", "batch_size", "learning_rate", "grad_clip", "eval_interval"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise TrainingError(f"{name} {value} is not above 0")
        for name in ("warmup", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise TrainingError(f"{name} {getattr(self, name)} is not in [0, 1)")
        if self.threads < 1 or self.seed < 0 or self.weight_decay < 0:
            raise TrainingError("threads must be at least 1, seed and weight_decay at least 0")


@dataclass(frozen=True)
class Event:
    """Where the run stands after a step; ``valid_loss`` only where the validation part has just been evaluated."""

    step: int
    progress: float  # share of the run that is over
    loss: float  # nats a symbol, smoothed
    bits_per_byte: float
    learning_rate: float
    grad_norm: float
    bytes_per_s: float
    elapsed_s: float
    left_s: float | None  # None where nothing is known yet
    valid_loss: float | None = None
    valid_bits_per_byte: float | None = None


@dataclass(frozen=True)
class Figures:
    """What a run has come to: the kept weights' step and validation loss, and what it took."""

    best_step: int
    valid_loss: float | None  # nats a symbol; None without validation symbols
    valid_bits_per_byte: float | None
    train_loss: float
    steps: int
    bytes_seen: int
    seconds: float


_SCALARS = (
    "step", "elapsed_s", "best_step", "valid_loss", "evaluated_step", "reported_step",
    "smoothed_loss", "learning_rate", "grad_norm",
)  # fmt: skip


class Source(Protocol):
    """Where batches come from. ``pass_index`` and ``position`` are all there is to remember of how far it is."""

    pass_index: int
    position: int

    def next(self) -> tuple[Array, Array, Array | bool]:
        """Return inputs and targets as `Gradients` takes them, and which lanes (B,), or whether all, begin anew."""
        ...


# Of a network, made once: returns its loss on what is held out (nats), or None if it was told to stop halfway.
Held = Callable[[Network], Callable[[Callable[[], bool]], float | None]]


class Training:
    """One run: the network and everything that goes with it from step to step.

    Parameters
    ----------
    network : Network
        Trained in place.
    source : Source
        Of batches of ``config.seq_len`` steps and ``config.batch_size`` lanes.
    held : callable, or None
        Makes the evaluation of a network. Without it the newest weights count as the best.
    config : TrainConfig
    eval_interval : int
        Steps between evaluations.
    """

    @classmethod
    def of_symbols(cls, network: Network, train: Array, valid: Array | None, config: TrainConfig) -> Training:
        """Return the run that trains on symbols, train (N,) and valid (M,) of uint8, each predicted from those before.

        Evaluations are as far apart as sizes say, never the clock, so that two runs evaluate at the same steps: a
        forward pass costs a third of a step's work a symbol.
        """
        batches = Batches(train, config.seq_len, config.batch_size, config.seed)
        if valid is None:
            held, length = None, 0
        else:
            if len(valid) < 2:
                raise TrainingError(f"{len(valid)} bytes to validate with are too few: give 2, or --valid-fraction 0")
            symbols, length = valid, len(valid)

            def held(candidate: Network) -> Evaluation:
                return Evaluation(candidate, symbols, config.batch_size, config.threads)

        cheap = max(50, math.ceil(length / 3 / 0.05 / (config.seq_len * config.batch_size)))
        return cls(network, batches, held, config, config.eval_interval or cheap)

    def __init__(
        self, network: Network, source: Source, held: Held | None, config: TrainConfig, eval_interval: int
    ) -> None:
        self.network, self.config, self.batches = network, config, source
        self.gradients = Gradients(network, config.seq_len, config.batch_size, config.threads)
        self.optimiser = AdamW(network.parameters, betas=(0.9, config.beta2), weight_decay=config.weight_decay)
        self.state = network.initial_state(config.batch_size)
        # What is evaluated and kept: the weights themselves, or their running average.
        self.candidate = network
        if config.ema_decay:
            self.candidate = Network(network.config, {name: a.copy() for name, a in network.parameters.items()})
        self.best = Network(network.config, {name: a.copy() for name, a in network.parameters.items()})
        self.evaluation = held(self.candidate) if held else None
        self.eval_interval = eval_interval
        self.step, self.elapsed_s, self.best_step, self.valid_loss = 0, 0.0, 0, math.inf
        self.evaluated_step, self.reported_step = -1, -1
        self.smoothed_loss, self.learning_rate, self.grad_norm = 0.0, 0.0, 0.0

    @property
    def loss(self) -> float:
        """The training loss, smoothed over about 50 steps (nats a symbol); NaN before the first step."""
        return self.smoothed_loss / (1 - _SMOOTHING**self.step) if self.step else math.nan

    def figures(self) -> Figures:
        """Return the figures of the best weights so far."""
        known = math.isfinite(self.valid_loss)
        return Figures(
            best_step=self.best_step,
            valid_loss=self.valid_loss if known else None,
            valid_bits_per_byte=self.valid_loss / math.log(2) if known else None,
            train_loss=self.loss,
            steps=self.step,
            bytes_seen=self.step * self.config.seq_len * self.config.batch_size,
            seconds=self.elapsed_s,
        )

    def compile(self) -> None:
        """Compile the kernels, or read them from their cache, by a batch that leaves no trace."""
        shape, network = (self.config.seq_len, self.config.batch_size), self.network.config
        if network.one_hot:
            blank = np.zeros(shape, np.uint8)
            self.gradients(blank, blank, self.state)
        else:
            dtype = self.network.dtype
            inputs, targets = (np.zeros((*shape, n), dtype) for n in (network.input_size, network.output_size))
            self.gradients(inputs, targets, self.state)

    def advance(self, learning_rate: float) -> None:
        """Make one step.

        Raises
        ------
        TrainingError
            The loss or the gradient is no longer a sensible number; the weights are as before the step.
        """
        inputs, targets, begins = self.batches.next()
        self.state[:, :, np.broadcast_to(begins, self.config.batch_size)] = 0
        dropout_seed = self.config.seed * 1_000_003 + self.step
        loss, gradients, self.state = self.gradients(inputs, targets, self.state, dropout_seed)
        norm = math.nan
        if loss < _EXPLODED * math.log(self.network.config.output_size):
            norm = self.optimiser.step(gradients, learning_rate, self.config.grad_clip)
        if not math.isfinite(norm):  # also where the loss itself is NaN or too large
            raise TrainingError(
                f"the loss exploded at step {self.step + 1} (loss {loss:.4g}, gradient norm {norm:.4g}); start again "
                f"with a lower --learning-rate (now {self.config.learning_rate:g}) or --grad-clip; "
                f"the best weights so far (step {self.best_step}) are kept"
            )
        self.step, self.learning_rate, self.grad_norm = self.step + 1, learning_rate, norm
        self.smoothed_loss = _SMOOTHING * self.smoothed_loss + (1 - _SMOOTHING) * loss
        self.network.parameters_changed()
        if self.candidate is not self.network:
            self._average()

    def _average(self) -> None:
        """Move the average towards the weights; at first faster, so that it forgets where it began."""
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        for name, average in self.candidate.parameters.items():
            average += (1 - decay) * (self.network.parameters[name] - average)
        self.candidate.parameters_changed()

    def evaluate(self, stop: Callable[[], bool]) -> float | None:
        """Evaluate the weights and keep them if they are the best; return the loss in nats a symbol.

        None: there is nothing to validate with, or ``stop`` ended it halfway; then ``evaluated_step`` is behind.
        """
        loss = self.evaluation(stop) if self.evaluation else None
        if self.evaluation and loss is None:
            return None
        self.evaluated_step = self.step
        if loss is None or loss < self.valid_loss:
            self.valid_loss = math.inf if loss is None else loss
            self.best_step = self.step
            for name, array in self.best.parameters.items():
                array[...] = self.candidate.parameters[name]
            self.best.parameters_changed()
        return loss

    def save(self, path: str | os.PathLike[str], metadata: dict[str, Any], finished: bool) -> None:
        """Write the checkpoint: all that `restore` needs, beside ``metadata`` of the caller's."""
        groups = {"weights": self.network.parameters, "best": self.best.parameters, "optimiser": self.optimiser.state()}
        if self.candidate is not self.network:
            groups["average"] = self.candidate.parameters
        arrays = {f"{group}.{name}": array for group, members in groups.items() for name, array in members.items()}
        run = {name: getattr(self, name) for name in _SCALARS} | {"finished": finished}
        run |= {"pass_index": self.batches.pass_index, "position": self.batches.position}
        described = {"network": asdict(self.network.config), "train": asdict(self.config), "run": run}
        checkpoint.save(path, arrays | {"state": self.state}, {**metadata, "kind": "checkpoint", **described})

    def restore(self, arrays: dict[str, Array], metadata: dict[str, Any]) -> None:
        """Take over everything from what `save` wrote and `checkpoint.load` read.

        Raises
        ------
        TrainingError
            The checkpoint is of another run: names or shapes do not fit.
        """
        groups = {"weights": self.network.parameters, "best": self.best.parameters}
        if self.candidate is not self.network:
            groups["average"] = self.candidate.parameters
        try:
            for group, members in groups.items():
                for name, array in members.items():
                    array[...] = arrays[f"{group}.{name}"]
            optimiser = {name.removeprefix("optimiser."): a for name, a in arrays.items() if "optimiser." in name}
            self.optimiser.load_state(optimiser)
            self.state[...] = arrays["state"]
            for name in _SCALARS:
                setattr(self, name, metadata["run"][name])
            self.batches.pass_index = metadata["run"]["pass_index"]
            self.batches.position = metadata["run"]["position"]
        except (KeyError, ValueError) as error:
            raise TrainingError(
                f"the checkpoint does not fit this run ({error}); start anew without --resume"
            ) from error
        for network in (self.network, self.candidate, self.best):
            network.parameters_changed()


@dataclass(frozen=True)
class Hooks:
    """What the loop calls on its way; each may be left out."""

    keep: Callable[[Network, Figures], None] = lambda network, figures: None  # the best weights have changed
    report: Callable[[Event], None] = lambda event: None  # once for every step
    warn: Callable[[str], None] = lambda message: None  # something failed that will be tried again
    stop: Callable[[], bool] = lambda: False  # asked between steps; True saves and returns


class Loop:
    """Advances a `Training` to its end, evaluating, reporting and saving on the way.

    Parameters
    ----------
    training : Training
    hooks : Hooks
    checkpoint_path : path, optional
        Where the checkpoint goes; without it there is none.
    metadata : dict
        What else the checkpoint shall hold.
    started : float, optional
        `time.monotonic` at the start of the program, for runs of minutes; default: now.
    """

    def __init__(
        self,
        training: Training,
        hooks: Hooks | None = None,
        checkpoint_path: str | os.PathLike[str] | None = None,
        metadata: dict[str, Any] | None = None,
        started: float | None = None,
    ) -> None:
        now = time.monotonic()
        self.training, self.hooks = training, hooks or Hooks()
        self._checkpoint_path, self._metadata = checkpoint_path, metadata or {}
        training.compile()  # before the clock is asked how long anything takes
        self._zero = (now if started is None else started) - training.elapsed_s
        self._saved_at = now
        self._evaluation_s = 0.0
        self._speed_from = (time.monotonic(), training.step)

    def run(self) -> bool:
        """Train until the end (True) or until ``stop`` says so (False).

        Raises
        ------
        TrainingError
            The loss exploded.
        ModelFileError
            The last weights or the last checkpoint cannot be written; the checkpoint before it is untouched.
        """
        training = self.training
        while True:
            finished = training.step > 0 and self._progress() >= 1
            valid_loss = None
            if training.evaluated_step < training.step and (finished or training.step % training.eval_interval == 0):
                valid_loss = self._evaluate()
                if training.evaluated_step < training.step:
                    self._save(last=True)
                    return False
            if training.reported_step < training.step:
                training.reported_step = training.step
                self.hooks.report(self._event(valid_loss))
            if finished:
                self._keep(last=True)
                self._save(last=True, finished=True)
                return True
            if self.hooks.stop():
                self._save(last=True)
                return False
            if time.monotonic() - self._saved_at >= training.config.checkpoint_s:
                self._save()
            training.advance(self._learning_rate())

    def _progress(self) -> float:
        """Return the share of the run that is over; by the clock, the last evaluation's time is left for it."""
        config, training = self.training.config, self.training
        training.elapsed_s = time.monotonic() - self._zero
        if config.steps is not None:
            return training.step / config.steps
        assert config.minutes is not None
        available = 60 * config.minutes - 1.2 * self._evaluation_s - 0.3
        return training.elapsed_s / available if available > 0 else 1.0

    def _learning_rate(self) -> float:
        config = self.training.config
        # The middle of the coming step: neither the first nor, at the end, the last is spent on a rate of zero.
        progress = self._progress() + (0.5 / config.steps if config.steps else 0.0)
        return config.learning_rate * schedule(min(1.0, progress), config.warmup, config.final_learning_rate)

    def _evaluate(self) -> float | None:
        began, best_step = time.monotonic(), self.training.best_step
        loss = self.training.evaluate(self.hooks.stop)
        self._evaluation_s = time.monotonic() - began
        if self.training.best_step != best_step:  # not what is there before the first step
            self._keep()
        return loss

    def _event(self, valid_loss: float | None) -> Event:
        training, now = self.training, time.monotonic()
        began, step = self._speed_from
        steps, spent_s, config = training.step - step, now - began, training.config
        left_s = spent_s / steps * (config.steps - training.step) if config.steps and steps else None
        if config.minutes:
            left_s = max(0.0, 60 * config.minutes - training.elapsed_s)
        return Event(
            step=training.step,
            progress=min(1.0, self._progress()),
            loss=training.loss,
            bits_per_byte=training.loss / math.log(2),
            learning_rate=training.learning_rate,
            grad_norm=training.grad_norm,
            bytes_per_s=steps * config.seq_len * config.batch_size / spent_s if spent_s else 0.0,
            elapsed_s=training.elapsed_s,
            left_s=left_s,
            valid_loss=valid_loss,
            valid_bits_per_byte=None if valid_loss is None else valid_loss / math.log(2),
        )

    def _keep(self, last: bool = False) -> None:
        self._attempt(lambda: self.hooks.keep(self.training.best, self.training.figures()), last)

    def _save(self, last: bool = False, finished: bool = False) -> None:
        path = self._checkpoint_path
        if path is not None:
            self._attempt(lambda: self.training.save(path, self._metadata, finished), last)
        self._saved_at = time.monotonic()

    def _attempt(self, write: Callable[[], None], last: bool) -> None:
        """Write; a full disk in the middle of a run is no reason to lose the run, as there will be another attempt."""
        try:
            write()
        except ModelFileError as error:
            if last:
                raise
            self.hooks.warn(f"{error}; training goes on and will try again")
