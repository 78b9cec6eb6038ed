"""How likely the next line repeats one that was run before, and which.

Every past run of a line speaks for its repetition, the louder the more its occasion is like the present one: how long
ago it was (a power law, as in human memory: Anderson & Schooler 1991), which lines ran before it, whether the last of
them had failed, in which directory and repository. The sum over a line's runs, over the sum of all, is its probability
given that the next line is a repeat at all; how often that is so is counted too.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_RUNS = 10_000  # newest runs remembered

_AGE_EXPONENT = 0.6
# How much louder a run speaks that followed the same line, the same two lines, a line of the same first word, and
# that was in the same directory, or elsewhere in the same repository.
_SAME_PREVIOUS, _SAME_TWO, _SAME_COMMAND, _SAME_DIRECTORY, _SAME_REPOSITORY = 20.0, 3.0, 3.0, 6.0, 2.0
_OTHER_OUTCOME = 0.25  # of a run that followed the same line when that had worked, and now has failed, or the reverse
_NOTHING = -1  # before the first line
_UNKNOWN, _WORKED, _FAILED = range(3)
_REPEATS, _FRESH = 1.0, 2.0  # lines seen, before any was: a third are repeats

Array = NDArray[Any]


class Repeats:
    """The past lines as one occasion weighs them; what is learnt later does not change it.

    Attributes
    ----------
    probability_of_any : float
        Of the next line being one that was run before.
    """

    def __init__(self, probability_of_any: float, lines: list[str], mass: Array) -> None:
        self.probability_of_any = probability_of_any
        self._lines = lines  # distinct, in alphabetical order
        self._mass = mass  # (N + 1,): of the first i lines

    def probability(self, prefix: str) -> float:
        """Return the probability that a repeated line starts with ``prefix``."""
        first, last = self._range(prefix)
        return float(self._mass[last] - self._mass[first])

    def probability_of_line(self, line: str) -> float:
        """Return the probability that a repeated line is ``line`` and no longer one."""
        first, last = self._range(line)
        return float(self._mass[first + 1] - self._mass[first]) if first < last and self._lines[first] == line else 0.0

    def likeliest(self, prefix: str, count: int) -> list[str]:
        """Return the lines longer than ``prefix`` that start with it, likeliest first, at most ``count``."""
        first, last = self._range(prefix)
        if first < last and self._lines[first] == prefix:
            first += 1
        weights = np.diff(self._mass[first : last + 1])
        best = np.argsort(-weights, kind="stable")[:count]
        return [self._lines[first + index] for index in best]

    def _range(self, prefix: str) -> tuple[int, int]:
        """Return where the lines that start with ``prefix`` begin and stop."""
        count = len(self._lines)
        first = bisect_left(self._lines, prefix)
        length = len(prefix)
        low, high = first, count
        while low < high:
            middle = (low + high) // 2
            if self._lines[middle][:length] == prefix:
                low = middle + 1
            else:
                high = middle
        return first, low


class Recall:
    """Past runs of one user, in memory; one thread may add while others weigh."""

    def __init__(self, max_runs: int = MAX_RUNS) -> None:
        self._max_runs = max_runs
        self._repeats, self._fresh = _REPEATS, _FRESH
        self._lock = Lock()
        self._forget()

    def _forget(self) -> None:
        # Line, line before, line before that, first word of the line before, its outcome, directory.
        self._runs = np.empty((2 * self._max_runs, 6), np.int32)
        self._num_runs = 0
        self._names: dict[str | None, int] = {}  # number of each line, first word and directory
        self._lines: list[str] = []  # the distinct lines, in alphabetical order
        self._numbers: list[int] = []  # of these lines, in the same order

    def add(
        self, line: str, cwd: str | None = None, past: Sequence[str] = (), after_failure: bool | None = None
    ) -> None:
        """Remember that ``line`` was run in ``cwd`` after ``past``, the session's earlier lines, newest first.

        ``after_failure``: whether the newest of these had failed; ``None``: nobody knows.
        """
        with self._lock:
            self._add(line, (*self._before(past), _outcome(after_failure)), self._number("\0", cwd))
            if self._num_runs == len(self._runs):
                self._shrink()

    def _add(self, line: str, before: tuple[int, ...], directory: int) -> None:
        number = self._names.setdefault(line, len(self._names))
        place = bisect_left(self._lines, line)
        if place < len(self._lines) and self._lines[place] == line:
            self._repeats += 1
        else:
            self._fresh += 1
            self._lines.insert(place, line)
            self._numbers.insert(place, number)
        self._runs[self._num_runs] = number, *before, directory
        self._num_runs += 1

    def weigh(
        self,
        past: Sequence[str] = (),
        cwd: str | None = None,
        after_failure: bool | None = None,
        repository: str | None = None,
    ) -> Repeats:
        """Weigh all lines for one occasion: after ``past``, newest first, in ``cwd``.

        ``after_failure``: whether the newest line has failed, if that is known; ``repository``: the top directory of
        the one that ``cwd`` lies in.
        """
        with self._lock:
            count = self._num_runs
            if not count:
                return Repeats(0.0, [], np.zeros(1))
            lines, previous, second, command, outcomes, directories = self._runs[:count].T
            before = self._before(past)
            weights = np.arange(count, 0, -1.0) ** -_AGE_EXPONENT
            same = previous == before[0]
            weights[same] *= _SAME_PREVIOUS
            weights[same & (second == before[1])] *= _SAME_TWO
            weights[~same & (command == before[2])] *= _SAME_COMMAND
            if after_failure is not None:
                weights[same & (outcomes == _outcome(not after_failure))] *= _OTHER_OUTCOME
            if cwd is not None:
                here = directories == self._number("\0", cwd)
                weights[here] *= _SAME_DIRECTORY
                if repository is not None:
                    weights[np.isin(directories, self._inside(repository)) & ~here] *= _SAME_REPOSITORY
            per_line = np.bincount(lines, weights, minlength=len(self._names))[self._numbers]
            mass = np.concatenate([[0.0], np.cumsum(per_line / per_line.sum())])
            return Repeats(self._repeats / (self._repeats + self._fresh), list(self._lines), mass)

    def _before(self, past: Sequence[str]) -> tuple[int, int, int]:
        if not past:
            return _NOTHING, _NOTHING, _NOTHING
        second = self._number("", past[1]) if len(past) > 1 else _NOTHING
        return self._number("", past[0]), second, self._number("\1", past[0].split(" ")[0])

    def _inside(self, folder: str) -> list[int]:
        """Return the numbers of the known directories that are ``folder`` or lie in it."""
        top, below = "\0" + folder, "\0" + folder.rstrip("/") + "/"
        return [n for name, n in self._names.items() if name is not None and (name == top or name.startswith(below))]

    def _number(self, kind: str, name: str | None) -> int:
        """Return the number of a line, directory or first word; they share a table, kept apart by ``kind``."""
        return self._names.setdefault(None if name is None else kind + name, len(self._names))

    def _shrink(self) -> None:
        """Keep the newest runs only."""
        newest = self._runs[self._num_runs - self._max_runs : self._num_runs].tolist()
        names = {number: name for name, number in self._names.items()}
        repeats, fresh = self._repeats, self._fresh
        self._forget()
        numbers = {_NOTHING: _NOTHING}
        for *run, _, directory in newest:
            for number in (*run, directory):
                if number not in numbers:
                    numbers[number] = self._names.setdefault(names[number], len(self._names))
        for line, *before, outcome, directory in newest:
            self._add(str(names[line]), (*(numbers[number] for number in before), outcome), numbers[directory])
        self._repeats, self._fresh = repeats, fresh


def _outcome(failed: bool | None) -> int:
    return _UNKNOWN if failed is None else _FAILED if failed else _WORKED
