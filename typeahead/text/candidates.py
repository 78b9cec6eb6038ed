"""How a line may go on: candidates from four sources, all with the probability that they are right.

- the network, with what the user typed mixed in (:mod:`language_model`, :mod:`occasion`): the leaves of a beam search;
- the past lines that start like this (:mod:`recall`). The line is taken to repeat a past one or to be written anew,
  and Bayes' rule says, as it is typed, which; so the two sources share the probability::

      P(text | prefix) = share * P_past(text | prefix) + (1 - share) * P_network(text | prefix)

- files, programs, branches and more (:mod:`surroundings`), in the measure in which such proposals came true.

Each may be cut at any word.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

import numpy as np

from typeahead.config import TextConfig
from typeahead.rnn.network import Network
from typeahead.text.beam import BeamSearch, Hypothesis, cuts
from typeahead.text.language_model import Context, Position
from typeahead.text.likelihood import line_log_probs
from typeahead.text.ranking import Candidate, next_word, word_starts
from typeahead.text.recall import Repeats
from typeahead.text.surroundings import last_word

_NUM_PAST = 8  # past lines looked at for one suggestion
_STAY = 0.95  # P(a line that has repeated a past one so far repeats its next word too)
_MAX_SHARE = 1 - 1e-6  # so that the network keeps a say
_FLOOR = 0.03  # least probability of what the beam search follows
_LEAST_ASKED_FOR = 1e-3  # of a suggestion that fills a list
_NUM_WORDS = 30  # proposals of the surroundings looked at
_PLAUSIBLE = 0.7  # of two neighbours in the surroundings' order, how likely the second is beside the first


class Surroundings(Protocol):
    """What lies around a command line; `typeahead.text.surroundings.Surroundings` is one."""

    def words(self, line: str, cwd: str | None, limit: int = 50) -> Sequence[Word]: ...  # noqa: D102
    def expire(self) -> None: ...  # noqa: D102
    def prepare(self, cwd: str | None) -> None: ...  # noqa: D102
    def repository(self, cwd: str | None) -> str | None: ...  # noqa: D102
    def are_valid(self, lines: Iterable[str], cwd: str | None, prefix: str = "") -> Sequence[bool]: ...  # noqa: D102


class Word(Protocol):
    """A whole word that may stand at the end of the line, and what it names."""

    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102


class Sources:
    """The sources of one session's candidates; what they remember is of one line.

    Parameters
    ----------
    network : Network
        Of the kind that will be searched with; the positions bring their own.
    settings : TextConfig
        Beam width and length.
    surroundings : Surroundings, optional
    without : collection of str
        Sources left out: "model", "recall".
    """

    def __init__(
        self, network: Network, settings: TextConfig, surroundings: Surroundings | None, without: Collection[str] = ()
    ) -> None:
        self._beam = BeamSearch(network, settings.beam_width, settings.max_length)
        self._network, self._settings = network, settings
        self._surroundings, self._without = surroundings, frozenset(without)
        self._came_true = [1.0, 2.0]  # words of the surroundings that were typed, and that were not
        self.start_line(Repeats(0.0, [], np.zeros(1)), None)

    def start_line(self, repeats: Repeats, cwd: str | None) -> None:
        """Begin a line in the directory ``cwd``, for which past lines count as ``repeats`` says."""
        self._repeats, self._cwd = repeats, cwd
        self._root = b""  # where the leaves' search began
        self._leaves: list[Hypothesis] = []
        self._words: dict[int, tuple[int, list[str]]] = {}  # by the word's place: where it was typed to, proposals

    def finish_line(self, line: str) -> None:
        """Learn which proposals of the surroundings came true."""
        for typed_to, rests in self._words.values():
            came_true = any(line.startswith(rest, typed_to) for rest in rests)
            self._came_true[not came_true] += 1

    def keep_states(self, line: bytes, text: bytes, context: Context) -> None:
        """Have the states along the hypothesis that is shown at hand when it is typed or taken."""
        if self._root != line:
            return
        for leaf in self._leaves:
            if leaf.symbols.startswith(text):
                self._beam.hand_over(leaf, line, context)
                break

    def more(self, position: Position, count: int) -> list[Candidate]:
        """Return ways of the network to go on that are too unlikely to be found otherwise."""
        if "model" in self._without:
            return []
        beam = BeamSearch(self._network, max(self._settings.beam_width, count), self._settings.max_length)
        ways = [*beam.words(position, count, _LEAST_ASKED_FOR), *beam.lines(position, count, _LEAST_ASKED_FOR)]
        return [Candidate(way.text, {"model": math.exp(way.log_prob)}, math.exp(way.log_prob)) for way in ways]

    def log_probs(self, lines: Sequence[str], position: Position, ended: bool = True) -> list[float]:
        """Return each line's log-probability at ``position``, the start of one; not ``ended``: of what begins so."""
        share = _MAX_SHARE if "model" in self._without else self._repeats.probability_of_any
        weighed = line_log_probs([line.encode("utf-8", "surrogateescape") for line in lines], position, ended)
        weigh = self._repeats.probability_of_line if ended else self._repeats.probability
        past = [weigh(line) for line in lines]
        mixed = share * np.array(past) + (1 - share) * np.exp(weighed)
        return [float(one) for one in np.log(np.maximum(mixed, 1e-300))]

    def find(self, prefix: str, position: Position) -> list[Candidate]:
        """Return every cut of every hypothesis and of the likeliest past lines, and the surroundings' words.

        ``prefix`` is the text of the position's line.
        """
        line = position.line
        share = self._share(prefix, line, position)
        self._search(line, position, share)
        found = self._from_model(line, share)
        self._from_history(prefix, share, found)
        self._from_surroundings(prefix, position, found)
        for one in found.values():
            word = next_word(one.text)
            first = found[word].probability if word in found else 0.0
            one.next_word = max(first, one.probability)
        return list(found.values())

    def _share(self, prefix: str, line: bytes, position: Position) -> float:
        """Return the probability that the line is still repeating a past one, given ``prefix``.

        It begins to with the probability that lines are repeated. A repetition goes on at the start of a further word
        with probability ``_STAY``; else the network writes the rest. Each source is as likely as what it says about
        the bytes that were typed.
        """
        repeats = self._repeats
        if "model" in self._without:
            return _MAX_SHARE
        if "recall" in self._without or not repeats.probability(prefix):
            return 0.0
        share, mass, done = repeats.probability_of_any, 1.0, 0
        for end in [*word_starts(prefix), len(prefix)]:
            stop = len(line) if end == len(prefix) else len(prefix[:end].encode("utf-8", "surrogateescape"))
            now = repeats.probability(prefix[:end])
            past = share * now / mass
            fresh = (1 - share) * math.exp(position.line_log_probs[stop] - position.line_log_probs[done])
            share = past / (past + fresh) * (_STAY if end < len(prefix) else 1.0)
            mass, done = now, stop
        return min(share, _MAX_SHARE)

    def _search(self, line: bytes, position: Position, share: float) -> None:
        """Search anew, unless the leaves at hand still say all that is likely enough along what has been typed."""
        floor = min(_FLOOR / (1 - share), 0.5)
        typed = line[len(self._root) :]
        leaves = (
            [leaf for leaf in self._leaves if leaf.symbols.startswith(typed)] if line.startswith(self._root) else []
        )
        if leaves and all(leaf.open_log_prob - leaf.log_probs[len(typed)] < math.log(floor) for leaf in leaves):
            return
        self._root = line
        self._leaves = [] if "model" in self._without else self._beam.search(position, floor)

    def _from_model(self, line: bytes, share: float) -> dict[str, Candidate]:
        typed = line[len(self._root) :]
        found: dict[str, Candidate] = {}
        for leaf in self._leaves:
            if not leaf.symbols.startswith(typed):
                continue
            rest, log_probs = leaf.symbols[len(typed) :], leaf.log_probs[len(typed) :]
            for length in cuts(rest, leaf.word_ends):
                one = found.setdefault(rest[:length].decode(), Candidate(rest[:length].decode()))
                one.sources["model"] = (1 - share) * math.exp(log_probs[length] - log_probs[0])
            if leaf.ended and (whole := found.get(rest.decode())) is not None:
                whole.whole_line = (1 - share) * math.exp(leaf.end_log_prob - log_probs[0])
        return found

    def _from_history(self, prefix: str, share: float, found: dict[str, Candidate]) -> None:
        if not share:
            return
        repeats = self._repeats
        for past_line in repeats.likeliest(prefix, _NUM_PAST):
            rest = past_line[len(prefix) :].encode()
            for length in cuts(rest, True):
                found.setdefault(rest[:length].decode(), Candidate(rest[:length].decode()))
        scale = share / (repeats.probability(prefix) or 1.0)
        for text, one in found.items():
            stays = _STAY ** len(word_starts(prefix[-1:] + text))
            mass = repeats.probability(prefix + text)
            if mass:
                one.sources["history"] = scale * mass * stays
                one.whole_line += scale * repeats.probability_of_line(prefix + text) * stays

    def _from_surroundings(self, prefix: str, position: Position, found: dict[str, Candidate]) -> None:
        """Add the words that the surroundings propose: as likely as such proposals have come true, and as their bytes.

        Among them a word is as likely as the network finds its next byte, and as its place in their order.
        """
        if self._surroundings is None or not prefix:
            return
        words = list(self._surroundings.words(prefix, self._cwd, _NUM_WORDS))
        typed = len(last_word(prefix))
        weighed: dict[str, tuple[float, str]] = {}
        for rank, word in enumerate(words):
            rest = word.text[typed:]
            if rest and rest.isprintable() and rest not in weighed:
                likely = math.exp(float(position.log_probs[rest.encode()[0]]))
                weighed[rest] = likely * _PLAUSIBLE**rank, word.kind
        if weighed:
            self._words.setdefault(len(prefix) - typed, (len(prefix), list(weighed)))
        total = sum(weight for weight, _ in weighed.values())
        share = self._came_true[0] / sum(self._came_true)
        for rest, (weight, kind) in weighed.items():
            one = found.setdefault(rest, Candidate(rest))
            own = one.probability
            for name in one.sources:
                one.sources[name] *= 1 - share
            one.sources[kind] = share * max(weight / total, own)
