"""What keeps an explosion from ending a run: earlier states of it to go back to, and how often that was needed.

A gradient that has grown from step to step through time throws the weights far away at one blow (Pascanu et al. 2013),
and whoever watches finds NaN in the morning. Clipping makes that rare, not impossible. So every `KEPT_STEPS` steps all
that a step changes is copied. After an explosion the run goes on from such a copy, past the batch it happened in, with
half the learning rate for good. The copies are part of the checkpoint, so a resumed run goes back to the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typeahead.errors import TrainingError
from typeahead.rnn.network import Array

KEPT_STEPS = 50  # between copies: a copy costs about as much as a step
MOST_RETURNS = 5  # in a row: the rate is a 32nd then, and the fault another
_PREFIX = "kept"


class Exploded(TrainingError):
    """A batch whose loss or gradient is no sensible number; the weights are as they were before it."""


class Guard:
    """Two earlier states of a run, and the count of returns to them.

    The run goes back to the older one: when the loss explodes the weights have been going wrong for a while, but the
    older state has proved good for `KEPT_STEPS` steps or more by then.
    """

    def __init__(self) -> None:
        self._kept: list[tuple[int, dict[str, Array]]] = []  # step and arrays, the older first
        self.returns = 0  # of the whole run
        self._in_a_row, self._returned_at = 0, 0

    @property
    def factor(self) -> float:
        """What the learning rate is multiplied by."""
        return float(0.5**self.returns)

    def keep(self, step: int, arrays: Mapping[str, Array]) -> None:
        """Copy the arrays of the state after ``step``, once."""
        if self._kept and self._kept[-1][0] == step:
            return
        self._kept = [*self._kept[-1:], (step, {name: array.copy() for name, array in arrays.items()})]
        if step - self._returned_at >= 2 * KEPT_STEPS:  # the state gone back to has been left behind
            self._in_a_row = 0

    def wants(self, step: int) -> bool:
        """Return whether the state after ``step`` is one to keep."""
        return not self._kept or step % KEPT_STEPS == 0

    def go_back(self, step: int) -> tuple[int, dict[str, Array]] | None:
        """Return the step and the arrays to go on from after an explosion; None if that has failed too often."""
        if self._in_a_row == MOST_RETURNS or not self._kept:
            return None
        self.returns, self._in_a_row, self._returned_at = self.returns + 1, self._in_a_row + 1, step
        del self._kept[1:]
        return self._kept[0]

    # ---------------------------------------------------------------------------------------------- checkpoint

    def arrays(self) -> dict[str, Array]:
        """Return what is kept, each array with a name of its own."""
        return {f"{_PREFIX}.{i}.{name}": a for i, (_, kept) in enumerate(self._kept) for name, a in kept.items()}

    def scalars(self) -> dict[str, Any]:
        """Return the rest of what `restore` needs."""
        steps = [step for step, _ in self._kept]
        return {"steps": steps, "returns": self.returns, "in_a_row": self._in_a_row, "returned_at": self._returned_at}

    def restore(self, arrays: Mapping[str, Array], scalars: Mapping[str, Any]) -> None:
        """Take over what `arrays` and `scalars` of another guard returned.

        Raises
        ------
        KeyError
            Something is missing.
        """
        self.returns, self._in_a_row, self._returned_at = (
            int(scalars[name]) for name in ("returns", "in_a_row", "returned_at")
        )
        self._kept = []
        for i, step in enumerate(scalars["steps"]):
            start = f"{_PREFIX}.{i}."
            found = {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}
            self._kept.append((int(step), found))
