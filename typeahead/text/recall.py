"""How likely the next line repeats one that was run before, and which.

Every past run of a line speaks for its repetition, the louder the more its occasion is like the present one: how long
ago it was (a power law, as in human memory: Anderson & Schooler 1991), what ran before it, in which directory. The
sum over a line's runs, over the sum of all, is its probability given that the next line is a repeat at all; how often
that is so is counted too.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_RUNS = 10_000  # newest runs remembered

_AGE_EXPONENT = 0.6
_SAME_PREVIOUS = 6.0  # how much louder a run speaks that followed the same line
_SAME_DIRECTORY = 1.5
_REPEATS, _FRESH = 1.0, 2.0  # lines seen, before any was: a third are repeats

Array = NDArray[Any]


class Recall:
    """Past runs of one user, in memory."""

    def __init__(self, max_runs: int = MAX_RUNS) -> None:
        self._max_runs = max_runs
        self._repeats, self._fresh = _REPEATS, _FRESH
        self._forget()

    def _forget(self) -> None:
        self._runs = np.empty((2 * self._max_runs, 3), np.int32)  # line, line before, directory
        self._num_runs = 0
        self._names: dict[str | None, int] = {}  # number of each line and directory
        self._numbers: list[int] = []  # of the distinct lines, in the lines' alphabetical order
        self._lines: list[str] = []  # the distinct lines in that order
        self._previous = -1
        self._mass = np.zeros(1)

    def add(self, line: str, cwd: str | None = None) -> None:
        """Remember that ``line`` was run in ``cwd``; :meth:`prepare` makes it count."""
        number = self._names.setdefault(line, len(self._names))
        place = bisect_left(self._lines, line)
        if place < len(self._lines) and self._lines[place] == line:
            self._repeats += 1
        else:
            self._fresh += 1
            self._lines.insert(place, line)
            self._numbers.insert(place, number)
        self._runs[self._num_runs] = number, self._previous, self._directory(cwd)
        self._num_runs += 1
        self._previous = number
        self._mass = np.zeros(1)
        if self._num_runs == len(self._runs):
            self._shrink()

    @property
    def repeat_probability(self) -> float:
        """Of the next line being one that was run before."""
        return self._repeats / (self._repeats + self._fresh) if self._num_runs else 0.0

    def prepare(self, cwd: str | None = None) -> None:
        """Weigh all lines for the present occasion: after the line added last, in ``cwd``."""
        if not self._num_runs:
            return
        lines, previous, directories = self._runs[: self._num_runs].T
        weights = np.arange(self._num_runs, 0, -1.0) ** -_AGE_EXPONENT
        weights[previous == self._previous] *= _SAME_PREVIOUS
        if cwd is not None:
            weights[directories == self._directory(cwd)] *= _SAME_DIRECTORY
        per_line = np.bincount(lines, weights, minlength=len(self._names))[self._numbers]
        self._mass = np.concatenate([[0.0], np.cumsum(per_line / per_line.sum())])

    def probability(self, prefix: str) -> float:
        """Return the probability that a repeated line starts with ``prefix``."""
        first, last = self._range(prefix)
        return float(self._mass[last] - self._mass[first])

    def likeliest(self, prefix: str, count: int) -> list[str]:
        """Return the lines longer than ``prefix`` that start with it, likeliest first, at most ``count``."""
        first, last = self._range(prefix)
        if first < last and self._lines[first] == prefix:
            first += 1
        weights = np.diff(self._mass[first : last + 1])
        best = np.argsort(-weights, kind="stable")[:count]
        return [self._lines[first + index] for index in best]

    def _range(self, prefix: str) -> tuple[int, int]:
        """Return where the lines that start with ``prefix`` begin and stop, of those weighed."""
        count = len(self._mass) - 1
        first = bisect_left(self._lines, prefix, 0, count)
        length = len(prefix)
        low, high = first, count
        while low < high:
            middle = (low + high) // 2
            if self._lines[middle][:length] == prefix:
                low = middle + 1
            else:
                high = middle
        return first, low

    def _directory(self, cwd: str | None) -> int:
        return self._names.setdefault(None if cwd is None else f"\0{cwd}", len(self._names))

    def _shrink(self) -> None:
        """Keep the newest runs only."""
        names = {number: name for name, number in self._names.items()}
        newest = self._runs[self._num_runs - self._max_runs : self._num_runs].tolist()
        repeats, fresh = self._repeats, self._fresh
        self._forget()
        for line, _, directory in newest:
            name = names[directory]
            self.add(str(names[line]), None if name is None else name[1:])
        self._repeats, self._fresh = repeats, fresh
