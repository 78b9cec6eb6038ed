"""How likely given lines are: weighed side by side, a byte in one step for all of them, common beginnings once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from typeahead.text.language_model import Array, Position

MAX_WEIGHED_BYTES = 64  # of a line; what comes after counts as sure


def line_log_probs(lines: Sequence[bytes], position: Position, ended: bool = True) -> Array:
    """Return the log-probability of each line as the one that is typed at ``position``.

    Parameters
    ----------
    lines : sequence of bytes
        N whole lines; only the first ``MAX_WEIGHED_BYTES`` of each are weighed.
    position : Position
        The start of a line.
    ended : bool
        The newline counts, too; else each is what the typed line begins with.

    Returns
    -------
    (N,) array of float64
        In nats.
    """
    if position.line:
        raise ValueError(f"lines are weighed at the start of a line, not after {len(position.line)} bytes")
    whole = [(line + b"\n" * ended)[:MAX_WEIGHED_BYTES] for line in lines]
    totals = np.zeros(len(whole))
    log_probs, state = position.log_probs[None], position.state
    lanes = [0] * len(whole)  # of each line: lines that begin alike go on in one
    for depth in range(max(map(len, whole), default=0)):
        heads: dict[bytes, tuple[int, int]] = {}  # beginning -> its lane after this byte, and the lane before
        for place, line in enumerate(whole):
            if len(line) > depth:
                totals[place] += log_probs[lanes[place], line[depth]]
            if len(line) > depth + 1:
                lanes[place] = heads.setdefault(line[: depth + 1], (len(heads), lanes[place]))[0]
        if heads:
            parents = [parent for _, parent in heads.values()]
            symbols = np.array([head[depth] for head in heads], np.uint8)
            log_probs, state = position.network.step(symbols, np.take(state, parents, axis=2))
            position.occasion.mix(list(heads), log_probs)
    return totals
