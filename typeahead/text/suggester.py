"""What is shown in grey: the model's completions and the user's past lines on one scale.

The next line is taken to come from one of two sources: it repeats a past line (:mod:`recall`) or the network writes
it. Both give every prefix a probability, so Bayes' rule says, as the line is typed, which source it comes from, and
their mixture gives the probability that a continuation is right::

    P(text | prefix) = share * P_past(text | prefix) + (1 - share) * P_network(text | prefix)

A suggestion is worth the keystrokes it is expected to save, P(right) x (characters - 1 for the key that takes it),
or, where only its first word is right, those of that word. Past lines and hypotheses may be cut at any word; the cut
worth most among those that are probable enough is shown. A suggestion stays for as long as the typing agrees with it
and grows only at its end.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path

from typeahead import config
from typeahead.text.beam import BeamSearch, Hypothesis, cuts
from typeahead.text.language_model import MAX_LINE_BYTES, LanguageModel, Position
from typeahead.text.recall import Recall

_FIRST_WORD = re.compile(r" *[^ /]*[ /]?")
_NUM_PAST = 8  # past lines looked at for one suggestion
_STAY = 0.95  # P(a line that has repeated a past one so far repeats its next word too)
_LEAST_ASKED_FOR = 1e-3  # probability of a suggestion that fills a list
_MAX_WIDTH = 16  # of the beam that looks for a list; the network steps small batches
_MAX_SHARE = 1 - 1e-6  # so that the network keeps a say
_NOT_FOUND = 127  # a shell's status for a command that does not exist


@dataclass(frozen=True)
class Suggestion:
    """A whole line that starts with what is typed.

    Attributes
    ----------
    text : str
        The whole line.
    source : str
        Which source gives it most of its probability: "model" or "history".
    log_prob : float
        Natural logarithm of the probability that the line goes on like this.
    """

    text: str
    source: str
    log_prob: float


@dataclass(frozen=True)
class _Candidate:
    """A continuation of the prefix: its probability by source, and what it is worth in keystrokes."""

    text: str
    past: float
    model: float
    worth: float

    @property
    def probability(self) -> float:
        return self.past + self.model


class Suggester:
    """Suggestions for the lines of one session; learns what was run from :meth:`record`.

    Parameters
    ----------
    model : LanguageModel or path, optional
        Default: the configured model, else the shipped one.
    history : iterable of str, optional
        Lines run before this session, oldest first.
    settings : TextConfig, optional
        Beam width, length and least probability of a suggestion.

    Raises
    ------
    ModelFileError
        The weights cannot be read.
    """

    def __init__(
        self,
        model: LanguageModel | str | Path | None = None,
        history: Iterable[str] | None = None,
        settings: config.TextConfig | None = None,
    ) -> None:
        if not isinstance(model, LanguageModel):
            path = Path(model or config.shell_model())
            model = _shared_model(path, path.stat().st_mtime_ns if path.exists() else 0)
        self._settings = settings or config.TextConfig()
        self._context = model.context()
        self._network = model.network
        self._beam = BeamSearch(model.network, self._settings.beam_width, self._settings.max_length)
        self._recall = Recall()
        self._cwd: str | None = None
        lines = [line for line in history or () if _is_recorded(line)]
        for line in lines:
            self._remember(line)
        self._context.replay(line.encode("utf-8", "surrogateescape") for line in lines)
        self._start_line()

    def suggest(self, prefix: str, cwd: str | None = None, limit: int = 1) -> list[Suggestion]:
        """Return at most ``limit`` suggestions for a line that starts with ``prefix``, best first.

        The first is what would be shown in grey, if anything is probable enough; the others, asked for by ``limit > 1``,
        may be less probable.

        Parameters
        ----------
        prefix : str
            What is typed; it may be empty.
        cwd : str, optional
            Where the line would run.
        limit : int
        """
        line = _encode(prefix)
        if limit < 1 or line is None:
            return []
        if cwd != self._cwd:
            self._cwd = cwd
            self._start_line()
        position = self._context.seek(line)
        shown = self._grey(prefix, line, position)
        self._shown = shown.text if shown else ""
        found = [shown] if shown else []
        if limit > 1:
            found += self._alternatives(prefix, line, position, limit - len(found))
        return found

    def record(
        self, command: str, cwd: str | None = None, exit_status: int | None = 0, time: float | None = None
    ) -> None:
        """Learn that ``command`` was run: later lines are predicted in its context, and it may be suggested again.

        A line that starts with a space is private and leaves no trace.

        Parameters
        ----------
        command : str
        cwd : str, optional
            Where it ran.
        exit_status : int, optional
            How it ended; a command that was not found (127) is not suggested again for this.
        time : float, optional
            When it began, in Unix seconds.
        """
        if not _is_recorded(command):
            return
        self._context.advance(command.encode("utf-8", "surrogateescape"))
        if exit_status != _NOT_FOUND:
            self._remember(command, cwd)
        self._start_line()

    def _remember(self, command: str, cwd: str | None = None) -> None:
        line = command.rstrip(" ")
        if line.isprintable() and len(line.encode()) <= MAX_LINE_BYTES:
            self._recall.add(line, cwd)

    def _start_line(self) -> None:
        self._recall.prepare(self._cwd)
        self._root = b""  # where the leaves' search began
        self._leaves: list[Hypothesis] = []
        self._shown = ""  # the line last suggested

    def _grey(self, prefix: str, line: bytes, position: Position) -> Suggestion | None:
        """Return what to show: the suggestion that still agrees with the typing, grown if it can be, or a new one."""
        least = self._settings.min_probability
        kept = self._shown[len(prefix) :] if self._shown.startswith(prefix) else ""
        share = self._share(prefix, line, position)
        fresh = not (kept and self._covered(line, least / (1 - share)))
        if fresh:
            self._search(self._beam, line, position, least / (1 - share))
        candidates = [one for one in self._candidates(prefix, line, share) if one.probability >= least]
        if kept:
            candidates = [one for one in candidates if one.text.startswith(kept)] or candidates
        best = max(candidates, key=lambda one: one.worth, default=None)
        if best is None or (best.worth <= 0 and best.text != kept):
            return None
        if fresh:
            self._keep_states(line, best.text.encode())
        return _suggestion(prefix, best)

    def _alternatives(self, prefix: str, line: bytes, position: Position, n: int) -> list[Suggestion]:
        """Return ``n`` more suggestions, of less probability if need be, none the beginning of a better one."""
        share = self._share(prefix, line, position)
        beam = BeamSearch(
            self._network, max(self._settings.beam_width, min(n + 1, _MAX_WIDTH)), self._settings.max_length
        )
        self._search(beam, line, position, self._settings.min_probability / (n + 1) / (1 - share))
        candidates = sorted(self._candidates(prefix, line, share), key=lambda one: -one.worth)
        found = [_suggestion(prefix, one) for one in candidates if one.worth > 0]
        if len(found) < n:
            ways = beam.words(position, 2 * n, _LEAST_ASKED_FOR), beam.lines(position, n, _LEAST_ASKED_FOR)
            found += [
                Suggestion(prefix + way.text, "model", way.log_prob + math.log(1 - share)) for way in chain(*ways)
            ]
        taken = [self._shown] if self._shown else []
        chosen = []
        for one in found:
            if not any(text.startswith(one.text) or text == one.text.rstrip() for text in taken):
                taken.append(one.text)
                chosen.append(one)
        return chosen[:n]

    def _share(self, prefix: str, line: bytes, position: Position) -> float:
        """Return the probability that the line is still repeating a past one, given ``prefix``.

        It begins to with the probability that lines are repeated. A repetition goes on at the start of a further word
        with probability ``_STAY``; else the network writes the rest. Each source is as likely as what it says about
        the bytes that were typed.
        """
        repeating = self._recall.repeat_probability
        if not repeating or not self._recall.probability(prefix):
            return 0.0
        share, mass, done = repeating, 1.0, 0
        for end in [*_word_starts(prefix), len(prefix)]:
            stop = len(line) if end == len(prefix) else len(prefix[:end].encode("utf-8", "surrogateescape"))
            now = self._recall.probability(prefix[:end])
            past = share * now / mass
            fresh = (1 - share) * math.exp(position.line_log_probs[stop] - position.line_log_probs[done])
            share = past / (past + fresh) * (_STAY if end < len(prefix) else 1.0)
            mass, done = now, stop
        return min(share, _MAX_SHARE)

    def _covered(self, line: bytes, floor: float) -> bool:
        """Whether the leaves at hand still say all that is likelier than ``floor`` along what has been typed."""
        typed = line[len(self._root) :]
        leaves = [leaf for leaf in self._leaves if leaf.symbols.startswith(typed)]
        if not line.startswith(self._root) or not leaves or floor > 1:
            return False
        return all(leaf.open_log_prob - leaf.log_probs[len(typed)] < math.log(floor) for leaf in leaves)

    def _search(self, beam: BeamSearch, line: bytes, position: Position, floor: float) -> None:
        self._root = line
        self._leaves = beam.search(position, floor) if floor <= 1 else []

    def _candidates(self, prefix: str, line: bytes, share: float) -> list[_Candidate]:
        """Return every cut of every hypothesis and of the likeliest past lines, with its probability and worth."""
        typed = line[len(self._root) :]
        model: dict[str, float] = {}
        for leaf in self._leaves:
            if leaf.symbols.startswith(typed):
                rest, log_probs = leaf.symbols[len(typed) :], leaf.log_probs[len(typed) :]
                for length in cuts(rest, leaf.word_ends):
                    model[rest[:length].decode()] = (1 - share) * math.exp(log_probs[length] - log_probs[0])
        texts = dict.fromkeys(model)
        for past_line in self._recall.likeliest(prefix, _NUM_PAST):
            rest = past_line[len(prefix) :].encode()
            texts.update((rest[:length].decode(), None) for length in cuts(rest, True))
        scale = share / (self._recall.probability(prefix) or 1.0)
        past = {
            text: scale * self._recall.probability(prefix + text) * _STAY ** len(_word_starts(prefix[-1:] + text))
            for text in texts
        }
        return [_candidate(text, past, model) for text in texts]

    def _keep_states(self, line: bytes, text: bytes) -> None:
        """Have the states along the hypothesis that is shown at hand when it is typed or taken."""
        for leaf in self._leaves:
            if leaf.symbols.startswith(text):
                self._beam.hand_over(leaf, line, self._context)
                break


def _candidate(text: str, past: dict[str, float], model: dict[str, float]) -> _Candidate:
    """Return a candidate with what it is worth: all of it where it is right, its first word where only that is."""
    probability = past[text] + model.get(text, 0.0)
    word = _FIRST_WORD.match(text).group()  # type: ignore[union-attr]  # it matches anything
    of_word = max(past.get(word, 0.0) + model.get(word, 0.0), probability)
    worth = probability * (len(text) - 1) + (of_word - probability) * (len(word) - 1)
    return _Candidate(text, past[text], model.get(text, 0.0), worth)


def _suggestion(prefix: str, one: _Candidate) -> Suggestion:
    source = "model" if one.model >= one.past else "history"
    return Suggestion(prefix + one.text, source, math.log(one.probability))


def _word_starts(text: str) -> list[int]:
    """Return where words start inside ``text``: after spaces and slashes."""
    return [match.end() for match in re.finditer(r"[ /](?=[^ /])", text) if match.end() < len(text)]


def _is_recorded(command: str) -> bool:
    """Whether a line may leave a trace: not when it is blank or starts with a space."""
    return bool(command.strip()) and not command.startswith(" ")


def _encode(prefix: str) -> bytes | None:
    """Return the bytes of what is typed, or None where nothing can be suggested for it."""
    try:
        line = prefix.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None
    return line if len(line) <= MAX_LINE_BYTES and b"\n" not in line else None


@lru_cache(maxsize=2)
def _shared_model(path: Path, modified_ns: int) -> LanguageModel:
    """Load the weights once for all sessions, again when the file has changed."""
    return LanguageModel.load(path)
