"""Plain twins of what is fast in the voice room: loops, no carried state."""

from __future__ import annotations

import math

import numpy as np


def subsequence_distances(take: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """Distance (T,) of the take (J, D) from what ends at each row of the sound (T, D), by the recursion itself."""
    J, T = len(take), len(sound)
    cost = [[1.0 - float(take[j] @ sound[t]) for t in range(T)] for j in range(J)]

    def total(j: int, t: int) -> float:
        if j == -1:
            return 0.0  # it may begin at any time
        if j < -1 or t < 0:
            return math.inf
        if (j, t) not in known:
            ways = [total(j - 1, t - 1) + cost[j][t]]
            if t > 0:
                ways.append(total(j - 1, t - 2) + (cost[j][t - 1] + cost[j][t]) / 2)
            if j > 0:
                ways.append(total(j - 2, t - 1) + cost[j - 1][t] + cost[j][t])
            known[j, t] = min(ways)
        return known[j, t]

    known: dict[tuple[int, int], float] = {}
    return np.array([total(J - 1, t) / J for t in range(T)])
