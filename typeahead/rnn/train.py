r"""A training run, step by step: a source of batches in, the weights that predict what is held out best out.

    source -> Gradients -> AdamW -> (average) -> evaluation -> best weights
         \________________ checkpoint: all of it ________________/

Each of B lanes reads T steps at a time and carries its state from batch to batch (truncated backpropagation through
time), unless the source says that the lane begins anew. Of text, the source is `Batches`.
Everything that decides the next step - weights, optimiser, data position, state, dropout's seed, what to go back to
after an explosion - is in the checkpoint, so a resumed run of a number of steps ends with the same bits as an
uninterrupted one on the same number of threads. `loop` carries a run out. Neither knows files of text or sound.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from typeahead.errors import TrainingError
from typeahead.rnn import checkpoint
from typeahead.rnn.backpropagation import Gradients
from typeahead.rnn.batches import Batches
from typeahead.rnn.evaluation import Evaluation
from typeahead.rnn.guard import MOST_RETURNS, Exploded, Guard
from typeahead.rnn.memory import gradient_norms
from typeahead.rnn.network import Array, Network
from typeahead.rnn.optim import AdamW

_SMOOTHING = 0.98  # of the reported training loss and clip rate: a window of about 50 steps
_EXPLODED = 5.0  # times the loss of guessing blindly; from there no run has come back
_MEASURED_LANES = 16  # of a batch, for gradients by lag: the mean over fewer is too rough, and more cost more


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
    start: str = "orthogonal"  # of the weights, see `initialisation`; gradients then neither vanish nor explode at once
    max_lag: int | None = None  # of the start chrono: the longest time to remember; None: seq_len
    forget_bias: float | None = None  # of the LSTM; None: 1, or what chrono draws

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

    @property
    def starting(self) -> dict[str, Any]:
        """How `Network.create` is to draw the weights."""
        max_lag = self.seq_len if self.start == "chrono" and self.max_lag is None else self.max_lag
        return {"start": self.start, "max_lag": max_lag, "forget_bias": self.forget_bias}


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
    clipped_steps: int = 0  # whose gradient was longer than grad_clip
    returns: int = 0  # to earlier weights, after an explosion


_SCALARS = (
    "step", "elapsed_s", "best_step", "valid_loss", "evaluated_step", "reported_step",
    "smoothed_loss", "learning_rate", "grad_norm",
)  # fmt: skip
_LATER_SCALARS = ("smoothed_clips", "clipped_steps", "warned")  # not in the checkpoints of older versions


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
        self.smoothed_clips, self.clipped_steps = 0.0, 0
        self.warned: list[str] = []  # of which kinds of trouble the loop has told
        self.guard = Guard()

    @property
    def loss(self) -> float:
        """The training loss, smoothed over about 50 steps (nats a symbol); NaN before the first step."""
        return self.smoothed_loss / (1 - _SMOOTHING**self.step) if self.step else math.nan

    @property
    def clip_rate(self) -> float:
        """The share of about the last 50 steps whose gradient was clipped."""
        return self.smoothed_clips / (1 - _SMOOTHING**self.step) if self.step else 0.0

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
            clipped_steps=self.clipped_steps,
            returns=self.guard.returns,
        )

    def compile(self) -> None:
        """Compile the kernels, or read them from their cache, by a batch that leaves no trace."""
        inputs, targets, _ = self._coming()
        self.gradients(inputs, targets, self.state)

    def _coming(self) -> tuple[Array, Array, Array]:
        """Return the coming batch, which `advance` will read again, and which lanes (B,) begin anew."""
        place = self.batches.pass_index, self.batches.position
        inputs, targets, begins = self.batches.next()
        self.batches.pass_index, self.batches.position = place
        return inputs, targets, np.broadcast_to(begins, self.config.batch_size)

    def gradient_norms(self) -> Array:
        """Return how large the gradient of a loss is with respect to the states before it: (L, seq_len), by lag.

        At the last step of the coming batch; see `memory.gradient_norms`. Costs about half a step on one thread.
        """
        inputs, targets, begins = self._coming()
        few = slice(_MEASURED_LANES)
        state = self.state[:, :, few].copy()
        state[:, :, begins[few]] = 0
        return gradient_norms(self.network, inputs[:, few], targets[:, few], state)

    def advance(self, learning_rate: float) -> None:
        """Make one step.

        Raises
        ------
        Exploded
            The loss or the gradient is no longer a sensible number; the weights are as before the step.
        """
        inputs, targets, begins = self.batches.next()
        self.state[:, :, np.broadcast_to(begins, self.config.batch_size)] = 0
        dropout_seed = self.config.seed * 1_000_003 + self.step
        loss, gradients, self.state = self.gradients(inputs, targets, self.state, dropout_seed)
        norm = math.nan
        if loss < self._limit():
            norm = self.optimiser.step(gradients, learning_rate, self.config.grad_clip)
        if not math.isfinite(norm):  # also where the loss itself is NaN or too large
            kept = f"; the best weights so far (step {self.best_step}) are kept" if self.best_step else ""
            raise Exploded(
                f"the loss exploded at step {self.step + 1} (loss {loss:.4g}, gradient norm {norm:.4g}); start again "
                f"with a lower --learning-rate (now {self.config.learning_rate:g}) or --grad-clip{kept}"
            )
        self.step, self.learning_rate, self.grad_norm = self.step + 1, learning_rate, norm
        clipped = norm > self.config.grad_clip
        self.clipped_steps += clipped
        self.smoothed_clips = _SMOOTHING * self.smoothed_clips + (1 - _SMOOTHING) * clipped
        self.smoothed_loss = _SMOOTHING * self.smoothed_loss + (1 - _SMOOTHING) * loss
        self.network.parameters_changed()
        if self.candidate is not self.network:
            self._average()

    def _limit(self) -> float:
        """Return the loss that no sensible network has; of one that predicts numbers nobody can say."""
        network = self.network.config
        return _EXPLODED * math.log(max(2, network.output_size)) if network.output == "softmax" else math.inf

    def keep(self) -> None:
        """Copy, every so often, what `go_back` may need."""
        if self.guard.wants(self.step):
            self.guard.keep(self.step, self._moving())

    def go_back(self, error: Exploded) -> str:
        """Return to an earlier state, past the batch that ``error`` came from, at half the rate; say so in one line.

        The count of steps is not turned back: those since have been made, to no avail.

        Raises
        ------
        Exploded
            ``error``, with what was tried: it has happened too often in a row.
        """
        found = self.guard.go_back(self.step)
        if found is None:
            raise Exploded(f"{error}; going back did not help, {MOST_RETURNS} times in a row") from error
        step, arrays = found
        self._take_over(arrays)
        return (
            f"{str(error).split(';')[0]}; back to the weights of step {step}, past this batch and with half the "
            f"learning rate, {self.config.learning_rate * self.guard.factor:g} at its peak"
        )

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
        best = {f"best.{name}": array for name, array in self.best.parameters.items()}
        run = {name: getattr(self, name) for name in (*_SCALARS, *_LATER_SCALARS)} | {"finished": finished}
        run |= {"pass_index": self.batches.pass_index, "position": self.batches.position, "guard": self.guard.scalars()}
        described = {"network": asdict(self.network.config), "train": asdict(self.config), "run": run}
        arrays = self._moving() | best | self.guard.arrays()
        checkpoint.save(path, arrays, {**metadata, "kind": "checkpoint", **described})

    def _moving(self) -> dict[str, Array]:
        """Return everything that a step changes, each array by a name of its own."""
        groups = {"weights": self.network.parameters, "optimiser": self.optimiser.state()}
        if self.candidate is not self.network:
            groups["average"] = self.candidate.parameters
        arrays = {f"{group}.{name}": array for group, members in groups.items() for name, array in members.items()}
        return arrays | {"state": self.state}

    def _take_over(self, arrays: Mapping[str, Array]) -> None:
        """Take over what `_moving` returned."""
        groups = {"weights": self.network}
        if self.candidate is not self.network:
            groups["average"] = self.candidate
        for group, network in groups.items():
            for name, array in network.parameters.items():
                array[...] = arrays[f"{group}.{name}"]
            network.parameters_changed()
        prefix = "optimiser."
        self.optimiser.load_state({n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)})
        self.state[...] = arrays["state"]

    def restore(self, arrays: dict[str, Array], metadata: dict[str, Any]) -> None:
        """Take over everything from what `save` wrote and `checkpoint.load` read.

        Raises
        ------
        TrainingError
            The checkpoint is of another run: names or shapes do not fit.
        """
        run = metadata["run"]
        try:
            self._take_over(arrays)
            for name, array in self.best.parameters.items():
                array[...] = arrays[f"best.{name}"]
            for name in (*_SCALARS, *(later for later in _LATER_SCALARS if later in run)):
                setattr(self, name, run[name])
            self.batches.pass_index, self.batches.position = run["pass_index"], run["position"]
            if "guard" in run:
                self.guard.restore(arrays, run["guard"])
        except (KeyError, ValueError) as error:
            raise TrainingError(
                f"the checkpoint does not fit this run ({error}); start anew without --resume"
            ) from error
        self.best.parameters_changed()
