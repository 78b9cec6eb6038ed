"""The network as a language model of lines: next-byte log-probabilities, with a state kept for every typed byte.

One byte is one symbol and a newline ends a line, so a prefix may stop anywhere, even inside a character. A line is
predicted in the context of its session: the hidden state runs on over the earlier lines. A :class:`Context` is one
session's place in that stream. It keeps the state after each byte of the current line, so a new byte costs one step
of the network, taking bytes back costs none, and a jump to another prefix costs what lies after the common part.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.errors import ModelFileError
from typeahead.rnn import checkpoint
from typeahead.rnn.mixing import ContextMixer
from typeahead.rnn.network import Network
from typeahead.text.occasion import NUM_PAST, Occasion

NEWLINE = 10
NUM_SYMBOLS = 256
MAX_LINE_BYTES = 1024  # states kept for one line: 3 MB at hidden size 512
MAX_REPLAY_BYTES = 1024  # of earlier lines; a recurrent state remembers little more, and each byte costs a step

_FIRST_ROWS = 64

Array = NDArray[Any]


@dataclass(frozen=True)
class Position:
    """What is known at one place of a line; the arrays are views, good until the context moves.

    Attributes
    ----------
    line : bytes
        What is typed.
    log_probs : (V,) array
        Natural logarithm of the probability of each next byte.
    state : (L, S, 1, H) array
        Hidden state, as :meth:`Network.step` takes it.
    line_log_probs : (N + 1,) array
        Log-probability of the first ``i`` of the line's N bytes, float64.
    network : Network
    occasion : Occasion
        What the line is predicted together with.
    """

    line: bytes
    log_probs: Array
    state: Array
    line_log_probs: Array
    network: Network
    occasion: Occasion


class LanguageModel:
    """A network over bytes and what its file says about it; shared by all sessions, never changed by them.

    Parameters
    ----------
    network : Network
        One-hot input and output over the 256 bytes.
    metadata : dict, optional
        As stored with the weights.

    Raises
    ------
    ModelFileError
        The network does not read and predict bytes.
    """

    def __init__(self, network: Network, metadata: dict[str, Any] | None = None) -> None:
        config = network.config
        if not config.one_hot or config.input_size != NUM_SYMBOLS or config.output_size != NUM_SYMBOLS:
            raise ModelFileError(
                f"not a model of text: {config.input_size} inputs and {config.output_size} outputs instead of "
                f"{NUM_SYMBOLS} bytes; use one made by `typeahead train`"
            )
        self.network = network
        self.metadata = metadata or {}

    @cached_property
    def digest(self) -> str:
        """What tells these weights from others."""
        digest = sha256()
        for name, array in self.network.parameters.items():
            digest.update(name.encode() + array.tobytes())
        return digest.hexdigest()

    @classmethod
    def load(cls, path: str | Path) -> LanguageModel:
        """Read the weights at ``path``.

        Raises
        ------
        ModelFileError
            The file is missing, damaged, of another program, or its network does not model bytes.
        """
        network, metadata = checkpoint.load_model(Path(path))
        if metadata.get("kind") == "voice":
            raise ModelFileError(f"{path}: a voice model, not a model of text; name one made by typeahead train")
        network.quantise_steps()  # a key must not wait; the loss in bits per byte is in the third decimal
        return cls(network, metadata)

    def context(self, mixer: ContextMixer | None = None) -> Context:
        """Return the context of a new session, at the start of its first line; ``mixer`` adds what a user typed."""
        return Context(self.network, mixer)


class Context:
    """One session's place in the stream of lines, with the states along the current line.

    The rows of ``_states`` and ``_log_probs`` belong to the positions of ``_line``: row 0 to the start of the line,
    row ``i`` to the place after ``_line[:i]``. ``_line`` is the last line asked for and, after :meth:`adopt`, the
    bytes expected next; a row is right for as long as the bytes before it are, so nothing is ever cleared.
    """

    def __init__(self, network: Network, mixer: ContextMixer | None = None) -> None:
        self._network, self._mixer = self._next = network, mixer
        self._line = bytearray()
        self._symbol = np.zeros(1, np.uint8)
        state = network.initial_state(1)
        self._states = np.empty((_FIRST_ROWS, *state.shape), state.dtype)
        self._log_probs = np.empty((_FIRST_ROWS, NUM_SYMBOLS), state.dtype)
        self._scores = np.zeros(_FIRST_ROWS)  # log-probability of the line up to each row; float64, it is a long sum
        self._past: tuple[bytes, ...] = ()
        self._cwd: str | None = None
        self._begin(state)

    def seek(self, line: bytes, cwd: str | None = None) -> Position:
        """Go to the place after ``line``, stepping only over the bytes not known yet.

        Raises
        ------
        ValueError
            ``line`` is longer than ``MAX_LINE_BYTES`` or holds a newline.
        """
        if len(line) > MAX_LINE_BYTES or NEWLINE in line:
            raise ValueError(f"a line of at most {MAX_LINE_BYTES} bytes without a newline is needed, got {len(line)}")
        if cwd != self._cwd:
            self._cwd = cwd
            self._predict()
        known = _common_length(self._line, line)
        if known < len(line):
            del self._line[known:]
            self._reserve(len(line) + 1)
            for row in range(known, len(line)):
                self._step(row, line[row])
        row = len(line)
        return Position(
            line, self._log_probs[row], self._states[row], self._scores[: row + 1], self._network, self._occasion
        )

    def use(self, network: Network, mixer: ContextMixer | None) -> None:
        """Go on with other weights and statistics, from the next line on; the state stays."""
        self._next = network, mixer

    def renew(self, network: Network, mixer: ContextMixer | None) -> None:
        """Go on with other weights and statistics at once, at the start of the line."""
        self._next = network, mixer
        self._begin(self._before)

    @property
    def past(self) -> tuple[bytes, ...]:
        """The last lines, newest first."""
        return self._past

    def rows(self, line: bytes) -> Array:
        """Return the log-probabilities (len(line) + 1, V) of each byte of ``line`` and of what follows it; a view."""
        self.seek(line, self._cwd)
        return self._log_probs[: len(line) + 1]

    def adopt(self, line: bytes, expected: bytes, log_probs: Array, states: Array) -> None:
        """Keep states computed elsewhere for ``expected``, the bytes after ``line``, in case they are typed.

        Parameters
        ----------
        line : bytes
            Where the last :meth:`seek` went.
        expected : bytes
            N bytes after it; what does not fit into ``MAX_LINE_BYTES`` is left out.
        log_probs : (N, V) array
        states : (N, L, S, 1, H) array
        """
        start = len(line)
        if self._line[:start] != line:
            raise ValueError("only the continuation of the current line can be adopted")
        known = _common_length(self._line[start:], expected)
        count = min(len(expected), MAX_LINE_BYTES - start)
        if known >= count:
            return
        self._reserve(start + count + 1)
        for index in range(known, count):
            row = start + index
            self._scores[row + 1] = self._scores[row] + self._log_probs[row, expected[index]]
            self._log_probs[row + 1] = log_probs[index]
            self._states[row + 1] = states[index]
        self._line[start:] = expected[:count]

    def advance(self, line: bytes) -> None:
        """Finish ``line``: the state runs on over it and the newline to the start of the next one."""
        head = line[:MAX_LINE_BYTES].split(b"\n")[0]
        state = self.seek(head, self._cwd).state
        for byte in line[len(head) :]:
            self._symbol[0] = byte
            state = self._network.step(self._symbol, state)[1]
        self._past = (head, *self._past[: NUM_PAST - 1])
        self._begin(state)

    def replay(self, lines: Iterable[bytes]) -> None:
        """Run over finished lines, oldest first, of which only the last ``MAX_REPLAY_BYTES`` count."""
        kept: list[bytes] = []
        room = MAX_REPLAY_BYTES
        for line in reversed(list(lines)):
            room -= len(line) + 1
            if room < 0:
                break
            kept.append(line)
        for line in reversed(kept):
            self.advance(line)

    def _begin(self, state: Array) -> None:
        """Start a line: a newline after ``state``."""
        self._network, self._mixer = self._next
        self._before = state
        self._symbol[0] = NEWLINE
        log_probs, state = self._network.step(self._symbol, state)
        self._first_log_probs, self._states[0] = log_probs, state
        self._predict()

    def _predict(self) -> None:
        """Predict a new line's first byte."""
        self._line.clear()
        self._occasion = Occasion(self._mixer, self._past, self._cwd)
        log_probs = self._first_log_probs.copy()
        self._occasion.mix([b""], log_probs)
        self._log_probs[0] = log_probs[0]

    def _step(self, row: int, byte: int) -> None:
        self._symbol[0] = byte
        after = self._states[row + 1]
        log_probs = self._network.step(self._symbol, self._states[row], out=after)[0]
        self._scores[row + 1] = self._scores[row] + self._log_probs[row, byte]
        self._line.append(byte)
        self._occasion.mix([bytes(self._line)], log_probs)
        self._log_probs[row + 1] = log_probs[0]

    def _reserve(self, rows: int) -> None:
        have = len(self._states)
        if rows <= have:
            return
        size = max(rows, 2 * have)
        self._states = np.resize(self._states, (size, *self._states.shape[1:]))
        self._log_probs = np.resize(self._log_probs, (size, NUM_SYMBOLS))
        self._scores = np.resize(self._scores, size)


def _common_length(a: bytes | bytearray, b: bytes | bytearray) -> int:
    """Return the length of the longest common prefix."""
    shorter = min(len(a), len(b))
    if a[:shorter] == b[:shorter]:
        return shorter
    return next(index for index in range(shorter) if a[index] != b[index])
