"""What a line is predicted together with: the lines before it and the directory, as contexts to be mixed in.

The contexts are those in which people repeat themselves: the last few bytes, the word so far, alone or after the same
word, in the same command, in the same directory, the line so far, alone or after the same line or in the same
directory.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.rnn.mixing import Context, ContextMixer

NUM_PAST = 2  # earlier lines that count

_CWD, _PREVIOUS, _PREVIOUS_TWO, _PREVIOUS_FIRST = range(4)  # seeds
_TAIL = 8  # bytes of the earlier lines before this one: the longest of the "symbols" contexts reaches into them
_CONTEXTS = (
    *(Context("symbols", length) for length in range(1, 7)),
    Context("part"),
    Context("unit", after="last unit"),
    Context("unit", after="first unit"),
    Context("unit", seed=_CWD),
    Context("unit", after="first unit and number"),
    Context("line"),
    Context("line", seed=_CWD),
    Context("line", seed=_PREVIOUS_FIRST),
    Context("line", seed=_PREVIOUS),
    Context("line", seed=_PREVIOUS_TWO),
)

Array = NDArray[Any]


def mixer() -> ContextMixer:
    """Return statistics of lines, with nothing learnt yet."""
    separators = np.zeros(256, np.uint8)
    separators[list(b" \n")] = 1
    separators[list(b"/=")] = 2
    return ContextMixer(_CONTEXTS, separators)


class Occasion:
    """One line's place: after which lines, in which directory.

    Parameters
    ----------
    mixer : ContextMixer or None
        ``None``: nothing is mixed in.
    past : sequence of bytes
        The session's earlier lines, newest first.
    cwd : str, optional
    """

    def __init__(self, mixer: ContextMixer | None, past: Sequence[bytes], cwd: str | None) -> None:
        self._mixer = mixer
        before = [*past, b"", b""][:NUM_PAST]
        seeds = ((cwd or "").encode("utf-8", "surrogateescape"),), before[:1], before, before[0].split()[:1]
        self._seeds = np.array([_digest(*texts) for texts in seeds], np.uint64)
        self._tail = (b"\n" * _TAIL + b"\n".join(reversed(before)) + b"\n")[-_TAIL:]

    def mix(self, lines: Sequence[bytes], log_probs: Array) -> None:
        """Mix what is known of the beginnings ``lines`` (B) into the network's ``log_probs`` (B, V), in place."""
        if self._mixer is None:
            return
        lengths = np.array([len(line) for line in lines]) + _TAIL
        symbols = np.zeros((len(lines), lengths.max()), np.uint8)
        for row, line in zip(symbols, lines, strict=True):
            row[: _TAIL + len(line)] = np.frombuffer(self._tail + line, np.uint8)
        self._mixer.mix(symbols, lengths, _TAIL, self._seeds, log_probs)

    def learn(self, line: bytes, log_probs: Array | None) -> float:
        """Learn ``line`` with its newline and return its cost in nats, before it was learnt.

        ``log_probs`` (len(line) + 1, V) are the network's; without them only the counts are learnt, and the cost is 0.
        """
        if self._mixer is None:
            return 0.0
        symbols = np.frombuffer(self._tail + line + b"\n", np.uint8)
        return self._mixer.learn(symbols, _TAIL, self._seeds, log_probs)


def _digest(*texts: bytes) -> int:
    """Return a number for texts that is the same in every process, as hash() is not."""
    return int.from_bytes(blake2b(b"\0".join(texts), digest_size=8).digest(), "little")
