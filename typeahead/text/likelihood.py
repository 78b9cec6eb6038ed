"""How likely given lines are: weighed side by side in one batch, where a byte costs one step for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from typeahead.text.language_model import Array, Position

MAX_WEIGHED_BYTES = 64  # of a line; what comes after counts as sure


def line_log_probs(lines: Sequence[bytes], position: Position) -> Array:
    """Return the log-probability of each line, with its newline, as the one that is typed at ``position``.

    Parameters
    ----------
    lines : sequence of bytes
        N whole lines; only the first ``MAX_WEIGHED_BYTES`` of each are weighed.
    position : Position
        The start of a line.

    Returns
    -------
    (N,) array of float64
        In nats.
    """
    if position.line:
        raise ValueError(f"lines are weighed at the start of a line, not after {len(position.line)} bytes")
    whole = [(line + b"\n")[:MAX_WEIGHED_BYTES] for line in lines]
    # The longest first: those that have ended are the last lanes, which are left out of the next step.
    order = sorted(range(len(whole)), key=lambda place: -len(whole[place]))
    ordered = [whole[place] for place in order]
    totals = np.zeros(len(whole))
    num_live = len(whole)
    log_probs = np.repeat(position.log_probs[None], num_live, axis=0)
    state = np.repeat(position.state, num_live, axis=2)
    for depth in range(len(ordered[0]) if ordered else 0):
        symbols = np.array([line[depth] for line in ordered[:num_live]], np.uint8)
        totals[:num_live] += log_probs[np.arange(num_live), symbols]
        going_on = int(sum(len(line) > depth + 1 for line in ordered[:num_live]))
        if going_on == 0:
            break
        log_probs, state = position.network.step(
            symbols[:going_on], np.ascontiguousarray(state[:, :, :going_on]), out=None
        )
        position.occasion.mix([line[: depth + 1] for line in ordered[:going_on]], log_probs)
        num_live = going_on
    found = np.empty(len(whole))
    found[order] = totals
    return found
