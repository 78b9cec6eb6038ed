"""The loop around a `Training`: steps, evaluations, reports and checkpoints, until its end or until it is told to stop.

It goes back where the loss has exploded (`guard`), and says where gradients vanish or explode (`symptoms`). It prints
nothing: `Hooks` do.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from typeahead.errors import ModelFileError
from typeahead.rnn import symptoms
from typeahead.rnn.guard import Exploded
from typeahead.rnn.network import Array, Network
from typeahead.rnn.optim import schedule
from typeahead.rnn.train import Figures, Training

_HALFWAY = 0.5


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
    clip_rate: float = 0.0  # share of about the last 50 steps whose gradient was clipped
    gradient_norms: tuple[tuple[float, ...], ...] | None = None  # by layer and lag, see `memory`; as seldom


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
        Exploded
            The loss exploded, and again each time that the run had gone back.
        ModelFileError
            The last weights or the last checkpoint cannot be written; the checkpoint before it is untouched.
        """
        training = self.training
        while True:
            finished = training.step > 0 and self._progress() >= 1
            valid_loss, norms = None, None
            if training.evaluated_step < training.step and (finished or training.step % training.eval_interval == 0):
                valid_loss = self._evaluate()
                if training.evaluated_step < training.step:
                    self._save(last=True)
                    return False
                norms = training.gradient_norms()
                self._look_at(norms)
            if training.reported_step < training.step:
                training.reported_step = training.step
                self.hooks.report(self._event(valid_loss, norms))
            if finished:
                self._keep(last=True)
                self._save(last=True, finished=True)
                return True
            if self.hooks.stop():
                self._save(last=True)
                return False
            if time.monotonic() - self._saved_at >= training.config.checkpoint_s:
                self._save()
            training.keep()
            try:
                training.advance(self._learning_rate())
            except Exploded as error:
                self.hooks.warn(training.go_back(error))

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
        share = schedule(min(1.0, progress), config.warmup, config.final_learning_rate)
        return config.learning_rate * self.training.guard.factor * share

    def _evaluate(self) -> float | None:
        began, best_step = time.monotonic(), self.training.best_step
        loss = self.training.evaluate(self.hooks.stop)
        self._evaluation_s = time.monotonic() - began
        if self.training.best_step != best_step:  # not what is there before the first step
            self._keep()
        return loss

    def _look_at(self, norms: Array) -> None:
        """Say, once each, that gradients vanish or explode; halfway through, as until then it may pass."""
        training, config, network = self.training, self.training.config, self.training.network.config
        rate = config.learning_rate * training.guard.factor
        told = {
            "exploding": symptoms.exploding(norms, training.clip_rate, rate, config.grad_clip, training.step),
            "vanishing": symptoms.vanishing(norms, network.cell, config.start, training.step)
            if self._progress() >= _HALFWAY
            else None,
        }
        for kind, message in told.items():
            if message is not None and kind not in training.warned:
                training.warned.append(kind)
                self.hooks.warn(message)

    def _event(self, valid_loss: float | None, norms: Array | None) -> Event:
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
            clip_rate=training.clip_rate,
            gradient_norms=None if norms is None else tuple(map(tuple, norms.tolist())),
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
