"""Context mixing: what followed the same contexts before, mixed into a network's prediction of the next symbol.

    B lanes, V = 256 symbols, K contexts, S symbols remembered a context

A recurrent network keeps the past in its state and its weights, and is slow to take in something seen once. Data
compressors know a remedy: for each of many contexts (the last n symbols, the line so far, the unit so far after the
same first unit, ...) count which symbols followed, and mix these statistics with the model's own prediction, more
of each the more it has deserved it. Here the mixture is a chain, weakest context first::

    p_0 = network        p_k = (1 - g_k) p_{k-1} + g_k q_k        q_k = counts of context k, newer ones heavier

A context never met leaves p as it is. Each gate g_k is the sigmoid of one number, kept for the context's kind and for
what is known of it (how often met, how many different symbols followed), and learnt on-line by the gradient of the
log-probability of the symbol that came. Escape from longer to shorter contexts: Cleary and Witten 1984 (PPM); mixing
learnt on-line: Mahoney 2005 (PAQ).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numba import njit

from typeahead.rnn.network import Array

FOLLOWERS = 8  # S: symbols remembered a context; where more follow, the rarest makes room
_FIRST_SLOTS = 1 << 14
_MAX_LOAD = 0.6  # of the hash table, then it doubles
_MEETINGS, _VARIETIES = 6, 4  # classes of how often a context was met, and of how many symbols followed
_SINCE = {"symbols": 0, "line": 1, "unit": 2, "part": 3}
_AFTER = {"": 0, "first unit": 1, "last unit": 2, "first unit and number": 3}


@dataclass(frozen=True)
class Context:
    """One kind of context: a stretch of symbols that ends here, and what it is seen together with.

    Attributes
    ----------
    since : str
        Where the stretch begins: "symbols" (the last ``length``), or the present "line", "unit" or "part".
    length : int
        Of the stretch, for "symbols".
    after : str
        Seen together with: "", "first unit" of the line, "last unit" before the present one, or
        "first unit and number" of units before the present one.
    seed : int
        Seen together with this one of the caller's seeds; -1 for none.
    """

    since: str
    length: int = 0
    after: str = ""
    seed: int = -1


class ContextMixer:
    """Statistics of contexts, and the gates that mix them.

    Parameters
    ----------
    contexts : sequence of Context
        Weakest first.
    separators : (256,) array of uint8
        1 for a symbol that ends a unit, 2 for one that ends a part of a unit, else 0.
    learning_rate : float
        Of the gates.
    decay : float
        What is left of a context's older counts when it is met again.
    gate : float
        Each gate's number before anything was learnt; the sigmoid's argument.
    max_slots : int
        Contexts remembered; a power of two. Where more come, one met seldom makes room.
    """

    def __init__(
        self,
        contexts: Sequence[Context],
        separators: Array,
        learning_rate: float = 0.6,
        decay: float = 0.8,
        gate: float = -1.5,
        max_slots: int = 1 << 20,
    ) -> None:
        self._plan = np.array(
            [(_SINCE[one.since], one.length, _AFTER[one.after], one.seed) for one in contexts], np.int64
        )
        self._separators = np.ascontiguousarray(separators, np.uint8)
        self._learning_rate, self._decay, self._max_slots = learning_rate, decay, max_slots
        self.gates = np.full((len(contexts), _MEETINGS * _VARIETIES), gate)
        self._used = 0
        self._lock = Lock()  # statistics are read by one thread while another learns
        self._allocate(_FIRST_SLOTS)

    def _allocate(self, slots: int) -> None:
        self._keys = np.zeros(slots, np.uint64)
        self._meetings = np.zeros(slots, np.uint8)
        self._symbols = np.zeros((slots, FOLLOWERS), np.uint8)
        self._counts = np.zeros((slots, FOLLOWERS), np.float32)

    def mix(self, lines: Array, lengths: Array, begin: int, seeds: Array, log_probs: Array) -> None:
        """Mix what is known of each lane's contexts into ``log_probs``, in place.

        Parameters
        ----------
        lines : (B, N) array of uint8
            The symbols so far; a line may be preceded by the end of what came before it.
        lengths : (B,) array of int64
            Symbols that count of each lane.
        begin : int
            Where the present line begins.
        seeds : (any,) array of uint64
        log_probs : (B, V) array
            Of the network, in nats.
        """
        with self._lock:
            table = self._keys, self._meetings, self._symbols, self._counts
            _mix(lines, lengths, begin, seeds, self._plan, self._separators, self.gates, *table, log_probs)

    def learn(self, line: Array, begin: int, seeds: Array, log_probs: Array | None) -> float:
        """Learn from a line: count what followed each context and move the gates.

        Parameters
        ----------
        line : (N,) array of uint8
            With what came before it, up to ``begin``.
        begin : int
        seeds : (any,) array of uint64
        log_probs : (N - begin, V) array or None
            The network's prediction of each symbol from ``begin`` on; left as it is. ``None``: the gates stay.

        Returns
        -------
        nats : float
            What the line cost in all, before it was learnt; 0 without ``log_probs``.
        """
        most = (len(line) - begin) * len(self._plan)
        given = np.zeros((0, 256), np.float32) if log_probs is None else log_probs
        with self._lock:
            while self._used + most > _MAX_LOAD * len(self._keys) and len(self._keys) < self._max_slots:
                self.grow()
            table = self._keys, self._meetings, self._symbols, self._counts
            nats, used = _learn(
                line, begin, seeds, self._plan, self._separators, self.gates, *table, given,
                self._learning_rate, self._decay, self._used,
            )  # fmt: skip
            self._used = int(used)
        return float(nats)

    def grow(self) -> None:
        """Make room for twice as many contexts; `learn` does so itself when it has to."""
        old = self._keys, self._meetings, self._symbols, self._counts
        self._allocate(2 * len(old[0]))
        _move(*old, self._keys, self._meetings, self._symbols, self._counts)


@njit(cache=True, nogil=True)
def _hash(key: Any, symbol: Any) -> Any:
    key = (key ^ np.uint64(symbol)) * np.uint64(0x9E3779B97F4A7C15)
    return key ^ (key >> np.uint64(29))


@njit(cache=True, nogil=True)
def _contexts(line: Any, begin: Any, length: Any, seeds: Any, plan: Any, separators: Any, keys: Any) -> Any:
    # keys (K,): the hash of every context that ends before line[length].
    unit = part = last = begin
    first_end, number = -1, 0
    for i in range(begin, length):
        kind = separators[line[i]]
        if kind == 1:
            if i > unit:  # a unit has ended
                last = unit
                number += 1
                if first_end < 0:
                    first_end = i
            unit = part = i + 1
        elif kind == 2:
            part = i + 1
    for k in range(plan.shape[0]):
        since, after, seed = plan[k, 0], plan[k, 2], plan[k, 3]
        key = np.uint64(k + 1) * np.uint64(0xD6E8FEB86659FD93)
        if seed >= 0:
            key = _hash(key, seeds[seed])
        if after == 1 or after == 3:
            for i in range(begin, max(first_end, begin)):
                key = _hash(key, line[i])
        if after == 2 and number:
            i = last
            while separators[line[i]] != 1:
                key = _hash(key, line[i])
                i += 1
        if after == 3:
            key = _hash(key, 300 + number)
        key = _hash(key, 299)
        start = max(0, length - plan[k, 1])
        if since == 1:
            start = begin
        elif since == 2:
            start = unit
        elif since == 3:
            start = part
        for i in range(start, length):
            key = _hash(key, line[i])
        keys[k] = key | np.uint64(1)  # 0 marks a free slot


@njit(cache=True, nogil=True)
def _find(keys: Any, key: Any) -> Any:
    mask = keys.size - 1
    i = np.int64(key >> np.uint64(8)) & mask
    for _ in range(32):
        if keys[i] == key:
            return i
        if keys[i] == 0:
            return -1
        i = (i + 1) & mask
    return -1


@njit(cache=True, nogil=True)
def _claim(keys: Any, meetings: Any, counts: Any, key: Any) -> Any:
    # The slot for a new key: the first free one, as none behind it would be found, or of 32 the one met least often.
    mask = keys.size - 1
    i = np.int64(key >> np.uint64(8)) & mask
    worst = i
    for _ in range(32):
        if keys[i] == 0:
            worst = i
            break
        if meetings[i] < meetings[worst]:
            worst = i
        i = (i + 1) & mask
    keys[worst] = key
    meetings[worst] = 0
    counts[worst] = 0
    return worst


@njit(cache=True, nogil=True)
def _state(meetings: Any, counts: Any) -> Any:
    # The class of a context: how often it was met, how many symbols followed.
    variety = 0
    for s in range(counts.size):
        variety += counts[s] > 0
    seen = meetings - 1 if meetings <= 4 else (4 if meetings <= 6 else 5)
    many = variety - 1 if variety <= 2 else (2 if variety <= 4 else 3)
    return seen * 4 + many


@njit(cache=True, nogil=True)
def _mix(lines, lengths, begin, seeds, plan, separators, gates, keys, meetings, symbols, counts, log_probs):  # type: ignore[no-untyped-def]
    K = plan.shape[0]
    wanted = np.empty(K, np.uint64)
    share = np.empty(256)
    for b in range(lines.shape[0]):
        _contexts(lines[b], begin, lengths[b], seeds, plan, separators, wanted)
        share[:] = 0.0
        left = 1.0  # of the probability, for what comes before context k in the chain
        for k in range(K - 1, -1, -1):
            slot = _find(keys, wanted[k])
            if slot < 0:
                continue
            gate = 1 / (1 + np.exp(-gates[k, _state(meetings[slot], counts[slot])]))
            part = left * gate / counts[slot].sum()
            for s in range(FOLLOWERS):
                share[symbols[slot, s]] += part * counts[slot, s]
            left *= 1 - gate
        rest = np.log(left)
        for s in range(256):
            log_prob = log_probs[b, s] + rest
            if share[s] > 0:
                log_prob = np.log(np.exp(log_prob) + share[s])
            log_probs[b, s] = log_prob


@njit(cache=True, nogil=True)
def _learn(  # type: ignore[no-untyped-def]
    line, begin, seeds, plan, separators, gates, keys, meetings, symbols, counts, log_probs, rate, decay, used
):
    K = plan.shape[0]
    wanted, states = np.empty(K, np.uint64), np.empty(K, np.int64)
    gate, before, after = np.zeros(K), np.zeros(K), np.zeros(K)
    nats = 0.0
    for i in range(begin, line.size):
        symbol = line[i]
        _contexts(line, begin, i, seeds, plan, separators, wanted)
        p = np.exp(np.float64(log_probs[i - begin, symbol])) if log_probs.shape[0] else 1.0
        for k in range(K):
            slot = _find(keys, wanted[k])
            gate[k] = 0.0
            if slot >= 0:
                share = 0.0
                for s in range(FOLLOWERS):
                    if symbols[slot, s] == symbol:
                        share += counts[slot, s]
                states[k] = _state(meetings[slot], counts[slot])
                gate[k] = 1 / (1 + np.exp(-gates[k, states[k]]))
                before[k], after[k] = p, share / counts[slot].sum()
                p = (1 - gate[k]) * p + gate[k] * after[k]
        if log_probs.shape[0]:
            nats -= np.log(p)
            rest = 1.0
            for k in range(K - 1, -1, -1):
                if gate[k] > 0:
                    slope = rest * (after[k] - before[k]) / p * gate[k] * (1 - gate[k])
                    gates[k, states[k]] += rate * slope
                    rest *= 1 - gate[k]
        for k in range(K):
            slot = _find(keys, wanted[k])  # again: a context just claimed may have taken the slot
            if slot < 0:
                slot = _claim(keys, meetings, counts, wanted[k])
                used += 1
            _count(slot, symbol, meetings, symbols, counts, decay)
    return nats, used


@njit(cache=True, nogil=True)
def _count(slot: Any, symbol: Any, meetings: Any, symbols: Any, counts: Any, decay: Any) -> Any:
    if meetings[slot] < 255:
        meetings[slot] += 1
    place = rarest = 0
    found = False
    for s in range(FOLLOWERS):
        counts[slot, s] *= decay
        if symbols[slot, s] == symbol and counts[slot, s] > 0:
            place, found = s, True
        if counts[slot, s] < counts[slot, rarest]:
            rarest = s
    if not found:
        place = rarest
        symbols[slot, place] = symbol
        counts[slot, place] = 0.0
    counts[slot, place] += 1


@njit(cache=True, nogil=True)
def _move(keys, meetings, symbols, counts, new_keys, new_meetings, new_symbols, new_counts):  # type: ignore[no-untyped-def]
    for i in range(keys.size):
        if keys[i] != 0:
            slot = _claim(new_keys, new_meetings, new_counts, keys[i])
            new_meetings[slot], new_symbols[slot], new_counts[slot] = meetings[i], symbols[i], counts[i]
