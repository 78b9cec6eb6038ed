"""Beam search over bytes: the likely continuations of a line, and the places where one may be cut.

The hypotheses live side by side in one batch, so that a byte costs one step of the network whatever their number. The
states of every step are kept on a tape: a hypothesis is a chain of back pointers into it, ranking anew copies states
once, and what was computed on the way can be handed to the context when the typing follows a hypothesis.

A hypothesis never holds a control character, a newline, invalid UTF-8 or a character that is not printable (such as
the bidirectional overrides, which make a line look like another): it is rejected where it first would, never mended.
Their probability is not shared out among the others: log-probabilities stay the network's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.rnn.network import Network
from typeahead.text.language_model import NEWLINE, NUM_SYMBOLS, Context, Position

_SPACE, _SLASH = ord(" "), ord("/")
_NOT_STEPPED = np.empty((0, NUM_SYMBOLS))

Array = NDArray[Any]


@dataclass(frozen=True)
class Completion:
    """Text that may follow the prefix.

    Attributes
    ----------
    text : str
        Printable, never empty.
    log_prob : float
        In nats; with the newline's where ``ended``.
    ended : bool
        The line ends after it.
    """

    text: str
    log_prob: float
    ended: bool


@dataclass(frozen=True)
class Hypothesis:
    """One leaf of the search: a chain of bytes after the prefix.

    Attributes
    ----------
    symbols : bytes
        N bytes without a newline; they may stop inside a character.
    log_probs : (N + 1,) tuple of float
        Log-probability of the first ``i`` bytes.
    end_log_prob : float
        Of all bytes and the newline; -inf where the search did not find that likely enough.
    open_log_prob : float
        Of the likeliest way to go on that was left out; -inf for none.
    word_ends : bool
        Whether a word ends after ``symbols``: the line ended here, or a space or newline is likelier than all else.
    leaf : tuple of int
        Depth and index of its last node on the tape.
    """

    symbols: bytes
    log_probs: tuple[float, ...]
    end_log_prob: float
    open_log_prob: float
    word_ends: bool
    leaf: tuple[int, int]

    @property
    def ended(self) -> bool:
        """Whether the line ends after ``symbols``."""
        return self.end_log_prob > -math.inf


@dataclass
class _Level:
    """The nodes of one depth, best first."""

    parents: Array  # index of each node's parent in the level above
    symbols: Array
    lines: list[bytes]  # what is typed and the symbols up to each node
    scores: Array  # log-probability from the root
    places: Array  # between or inside characters, see _utf8_places
    log_probs: Array  # (nodes, V) of each next byte; filled when the network steps here


class BeamSearch:
    """A beam search with its work arrays, allocated once; one search at a time.

    Parameters
    ----------
    network : Network
        Over bytes.
    beam_width : int
        Hypotheses kept side by side, at least 1.
    max_length : int
        Bytes generated at most, at least 1.
    """

    def __init__(self, network: Network, beam_width: int = 4, max_length: int = 80) -> None:
        if beam_width < 1 or max_length < 1:
            raise ValueError(f"beam_width and max_length are at least 1, got {beam_width} and {max_length}")
        self.beam_width, self.max_length = beam_width, max_length
        self._network = network
        one = network.initial_state(1)
        self._state_shape = one.shape[:2], one.shape[3]
        self._gathered = np.empty(one.size * beam_width, one.dtype)
        self._states = np.empty((max_length, one.size * beam_width), one.dtype)
        self._levels: list[_Level] = []

    def search(self, position: Position, min_probability: float) -> list[Hypothesis]:
        """Return the leaves of the tree of continuations, in no order.

        Parameters
        ----------
        position : Position
            Where the prefix ends, between two characters.
        min_probability : float
            No node of the tree has less.
        """
        return self._search(position, min_probability, 0, words=False)

    def lines(self, position: Position, count: int, min_probability: float = 1e-6) -> list[Completion]:
        """Return the likeliest ``count`` ways to finish the line, best first."""
        leaves = self._search(position, min_probability, count, words=False)
        return _completions((leaf for leaf in leaves if leaf.ended), count)

    def words(self, position: Position, count: int, min_probability: float = 1e-6) -> list[Completion]:
        """Return the likeliest ``count`` next words, best first: up to and with a space or slash, or the line's end."""
        leaves = self._search(position, min_probability, count, words=True)
        return _completions((leaf for leaf in leaves if leaf.ended or _ends_word(leaf.symbols)), count)

    def hand_over(self, hypothesis: Hypothesis, line: bytes, context: Context) -> None:
        """Give the states along ``hypothesis``, of the last search, from the end of ``line``, to ``context``."""
        depth, index = hypothesis.leaf
        (layers, kinds), size = self._state_shape
        log_probs = np.empty((depth, NUM_SYMBOLS), self._states.dtype)
        states = np.empty((depth, layers, kinds, 1, size), self._states.dtype)
        for row in range(depth - 1, -1, -1):
            level = self._levels[row]
            log_probs[row] = level.log_probs[index]
            states[row, :, :, 0] = self._state(self._states[row], len(level.symbols))[:, :, index]
            index = int(level.parents[index])
        context.adopt(line, hypothesis.symbols, log_probs, states)

    def _search(self, position: Position, min_probability: float, wanted: int, words: bool) -> list[Hypothesis]:
        floor = math.log(min_probability)
        self._levels = []
        leaves: list[Hypothesis] = []
        finished: list[float] = []
        log_probs, state = position.log_probs[None], position.state
        self._network, self._occasion, lines = position.network, position.occasion, [position.line]
        scores, places = np.zeros(1), np.zeros(1, np.intp)
        for depth in range(self.max_length + 1):
            reach = scores[:, None] + log_probs + _MASKS[places]
            ends = reach[:, NEWLINE].copy()
            reach[:, NEWLINE] = -math.inf
            level = self._expand(reach, floor, places, lines) if depth < self.max_length else None
            if depth > 0:
                leaves += self._leaves(reach, ends, floor, level)
                finished += ends[ends >= floor].tolist()
            if level is not None:
                self._levels.append(level)
                if words:
                    leaves += (ready := self._finish_words(depth + 1, level))
                    finished += [leaf.log_probs[-1] for leaf in ready]
            if level is None or not len(level.scores) or _settled(finished, level.scores[0], wanted):
                break
            scores, places, lines = level.scores, level.places, level.lines
            log_probs, state = self._advance(depth, level, state)
        return leaves

    def _expand(self, reach: Array, floor: float, places: Array, lines: list[bytes]) -> _Level | None:
        """Return the best children, at most ``beam_width``, of nodes that reach each next byte with ``reach``."""
        children = np.flatnonzero(reach >= floor)
        parents, symbols = np.divmod(children, NUM_SYMBOLS)
        next_places = _NEXT[places[parents], symbols]
        unsafe = [
            index
            for index in np.flatnonzero((symbols >= 0x80) & (next_places == 0))
            if not self._last_character(int(parents[index]), int(symbols[index])).isprintable()
        ]
        if unsafe:
            keep = np.delete(np.arange(len(children)), unsafe)
            children, parents, symbols, next_places = children[keep], parents[keep], symbols[keep], next_places[keep]
        if not len(children):
            return None
        scores = reach.ravel()[children]
        best = np.argsort(-scores, kind="stable")[: self.beam_width]
        parents, symbols = parents[best], symbols[best]
        grown = [
            lines[parent] + bytes((symbol,)) for parent, symbol in zip(parents.tolist(), symbols.tolist(), strict=True)
        ]
        return _Level(parents, symbols, grown, scores[best], next_places[best], _NOT_STEPPED)

    def _leaves(self, reach: Array, ends: Array, floor: float, children: _Level | None) -> list[Hypothesis]:
        """Return the nodes of the last level where a line ends, and those without a child."""
        depth, scores = len(self._levels), self._levels[-1].scores
        parents = set() if children is None else set(children.parents.tolist())
        leaves = []
        for index, end in enumerate(ends):
            ended, inner = end >= floor, index in parents
            if ended or not inner:
                rest = -math.inf if inner else float(reach[index].max())
                stops = math.exp(end - scores[index]) + math.exp(reach[index, _SPACE] - scores[index])
                end_log_prob = float(end) if ended else -math.inf
                leaves.append(self._trace(depth, index, end_log_prob, rest, bool(ended or stops > 0.5)))
        return leaves

    def _finish_words(self, depth: int, level: _Level) -> list[Hypothesis]:
        """Take the nodes that end a word out of ``level`` and return them as leaves."""
        at_boundary = np.flatnonzero((level.symbols == _SPACE) | (level.symbols == _SLASH)).tolist()
        leaves = [self._trace(depth, index, -math.inf, -math.inf, True) for index in at_boundary]
        ready = {index: leaf for index, leaf in zip(at_boundary, leaves, strict=True) if _ends_word(leaf.symbols)}
        keep = np.delete(np.arange(len(level.scores)), list(ready))
        level.lines = [level.lines[index] for index in keep]
        level.parents, level.symbols = level.parents[keep], level.symbols[keep]
        level.scores, level.places = level.scores[keep], level.places[keep]
        return list(ready.values())

    def _advance(self, depth: int, level: _Level, state: Array) -> tuple[Array, Array]:
        """Step the network over the bytes of ``level``, from the states of their parents, onto the tape."""
        width = len(level.symbols)
        gathered = self._state(self._gathered, width)
        np.take(state, level.parents, axis=2, out=gathered, mode="clip")
        level.log_probs, state = self._network.step(
            level.symbols, gathered, out=self._state(self._states[depth], width)
        )
        self._occasion.mix(level.lines, level.log_probs)
        return level.log_probs, state

    def _state(self, flat: Array, width: int) -> Array:
        """Return the (L, S, width, H) array at the front of a flat one, contiguous whatever the width."""
        (layers, kinds), size = self._state_shape
        return flat[: layers * kinds * width * size].reshape(layers, kinds, width, size)

    def _trace(self, depth: int, index: int, end: float, rest: float, word_ends: bool) -> Hypothesis:
        """Follow the back pointers from a node to the root."""
        leaf = depth, index
        symbols, log_probs = bytearray(), []
        for level in reversed(self._levels[:depth]):
            symbols.append(int(level.symbols[index]))
            log_probs.append(float(level.scores[index]))
            index = int(level.parents[index])
        return Hypothesis(bytes(reversed(symbols)), (0.0, *reversed(log_probs)), end, rest, word_ends, leaf)

    def _last_character(self, parent: int, symbol: int) -> str:
        """Return the character that ``symbol`` completes after the node ``parent`` of the last level."""
        symbols = bytearray([symbol])
        for level in reversed(self._levels):
            if symbols[-1] & 0xC0 != 0x80:
                break
            symbols.append(int(level.symbols[parent]))
            parent = int(level.parents[parent])
        return bytes(reversed(symbols)).decode()


def cuts(symbols: bytes, word_ends: bool) -> list[int]:
    """Return the lengths at which a hypothesis may be cut for showing: at words' ends, also at its own end.

    A word ends before a space, after it (the next word may then be typed at once) and after a slash. What would be
    blank is no place to cut.
    """
    found = []
    blank = len(symbols) - len(symbols.lstrip(b" "))
    for length in range(blank + 1, len(symbols)):
        before, after = symbols[length - 1], symbols[length]
        if before in (_SPACE, _SLASH) or after == _SPACE:
            found.append(length)
    if len(symbols) > blank and (word_ends or symbols[-1] in (_SPACE, _SLASH)):
        found.append(len(symbols))
    return found


def _ends_word(symbols: bytes) -> bool:
    return symbols[-1:] in (b" ", b"/") and symbols.strip(b" /") != b""


def _settled(finished: list[float], best_live: float, wanted: int) -> bool:
    """Whether ``wanted`` finished hypotheses are at least as likely as any unfinished one can become."""
    return 0 < wanted <= len(finished) and sorted(finished)[-wanted] >= best_live


def _completions(leaves: Iterable[Hypothesis], count: int) -> list[Completion]:
    found = []
    for leaf in leaves:
        text = leaf.symbols.decode()  # strict: a finished hypothesis never stops inside a character
        if text.strip():
            found.append(Completion(text, leaf.end_log_prob if leaf.ended else leaf.log_probs[-1], leaf.ended))
    return sorted(found, key=lambda completion: -completion.log_prob)[:count]


def _utf8_places() -> tuple[Array, Array]:
    """Return the automaton of printable UTF-8 (Unicode, table 3-7): the next place, and which bytes may come.

    Places: 0 between characters; 1, 2, 3 with so many continuation bytes to come; 4 to 8 after C2, E0, ED, F0, F4,
    whose next byte is restricted (for C2 this leaves out the control characters U+0080 to U+009F).
    """
    ranges = [  # place, first and last byte, next place
        (0, 0x20, 0x7E, 0),
        (0, NEWLINE, NEWLINE, 0),
        (0, 0xC2, 0xC2, 4),
        (0, 0xC3, 0xDF, 1),
        (0, 0xE0, 0xE0, 5),
        (0, 0xE1, 0xEF, 2),
        (0, 0xED, 0xED, 6),
        (0, 0xF0, 0xF0, 7),
        (0, 0xF1, 0xF3, 3),
        (0, 0xF4, 0xF4, 8),
        (1, 0x80, 0xBF, 0),
        (2, 0x80, 0xBF, 1),
        (3, 0x80, 0xBF, 2),
        (4, 0xA0, 0xBF, 0),
        (5, 0xA0, 0xBF, 1),
        (6, 0x80, 0x9F, 1),
        (7, 0x90, 0xBF, 2),
        (8, 0x80, 0x8F, 2),
    ]
    following = np.zeros((9, NUM_SYMBOLS), np.intp)
    masks = np.full((9, NUM_SYMBOLS), -np.inf)
    for place, first, last, then in ranges:
        following[place, first : last + 1] = then
        masks[place, first : last + 1] = 0.0
    return following, masks


_NEXT, _MASKS = _utf8_places()
