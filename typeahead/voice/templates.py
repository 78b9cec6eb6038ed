"""Takes of new words, looked for in running sound: dynamic time warping that may begin anywhere.

    cost(i, j, t): how far step j of take i is from step t of the sound; 1 - cosine, so 0 ... 2
    total(i, j, t): the least sum over ways that begin anywhere and end here, by three steps
        (j-1, t-1)                                 cost(j, t)
        (j-1, t-2)   the sound is slower           (cost(j, t-1) + cost(j, t)) / 2
        (j-2, t-1)   the sound is faster           cost(j-1, t) + cost(j, t)
    distance(i, t) = total(i, last j, t) / number of steps of take i

So each step of the take counts once, and the sound may run at half to twice its speed. No step waits for another one of
the same t: all takes of all words are one array, and a step of time is a dozen operations on it.

N = takes, J = steps of the longest one, D = dimensions of the space

Reference: Sakoe and Chiba 1978 (the steps); Muller 2007, chapter 4 (the open beginning).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_FAR = np.float32(1e9)


class Templates:
    """Takes, and how far each is from what has just been heard.

    Parameters
    ----------
    takes : sequence of ndarray [shape=(n, D)]
        Each with rows of length 1, at least one.

    Raises
    ------
    ValueError
        There is no take, or one without rows.
    """

    def __init__(self, takes: Sequence[Array]) -> None:
        if not takes or not all(len(take) for take in takes):
            raise ValueError("templates need one take or more, none of them empty")
        self._lengths = np.array([len(take) for take in takes])
        N, J, D = len(takes), int(self._lengths.max()), takes[0].shape[1]
        rows = np.zeros((N, J, D), np.float32)  # beyond a take's end zeros, which nobody looks at
        for i, take in enumerate(takes):
            rows[i, : len(take)] = take
        self._rows = np.ascontiguousarray(rows.reshape(N * J, D))
        self._shape = N, J
        self._ends = np.arange(N), self._lengths + 1
        self.reset()

    def __len__(self) -> int:
        return len(self._lengths)

    def reset(self) -> None:
        """Forget what was heard."""
        N, J = self._shape
        # Column 0 is no step, column 1 the open beginning, column j + 2 step j.
        self._last = np.full((N, J + 2), _FAR, np.float32)
        self._last[:, 1] = 0.0
        self._before = self._last.copy()
        self._total = self._last.copy()
        self._cost = np.full((N, J), _FAR, np.float32)

    def push(self, x: Array) -> Array:
        """Return the distances (T, N) at each of the rows (T, D), of length 1."""
        found = np.empty((len(x), len(self)), np.float32)
        costs = 1 - x @ self._rows.T
        for t in range(len(x)):
            found[t] = self._step(costs[t].reshape(self._shape))
        return found

    def _step(self, cost: Array) -> Array:
        total, last = self._total, self._last
        new = total[:, 2:]
        np.add(last[:, 1:-1], cost, out=new)
        np.minimum(new, self._before[:, 1:-1] + 0.5 * (cost + self._cost), out=new)
        np.minimum(new[:, 1:], last[:, 1:-2] + (cost[:, 1:] + cost[:, :-1]), out=new[:, 1:])
        self._total, self._last, self._before, self._cost = self._before, total, last, cost
        distance: Array = total[self._ends] / self._lengths
        return distance
