"""What is shown in grey, as one object: ``typeahead.Suggester``.

Four sources propose how the line may go on, all with the probability that they are right:

- the network, with what the user typed mixed in (:mod:`language_model`, :mod:`occasion`): the leaves of a beam search;
- the past lines that start like this (:mod:`recall`). The line is taken to repeat a past one or to be written anew,
  and Bayes' rule says, as it is typed, which; so the two sources share the probability::

      P(text | prefix) = share * P_past(text | prefix) + (1 - share) * P_network(text | prefix)

- files, programs, branches and more (:mod:`surroundings`), in the measure in which such proposals came true.

Each may be cut at any word. The cut that is expected to save most keys is shown (:mod:`ranking`), unless something
speaks against it: see :meth:`Suggester.why`. A suggestion stays for as long as the typing agrees with it and grows
only at its end.
"""

from __future__ import annotations

import math
import time as clock
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Protocol

from typeahead import config, secrets
from typeahead.errors import ConfigError
from typeahead.history import Event
from typeahead.text.adapt import UserModel
from typeahead.text.beam import BeamSearch, Hypothesis, cuts
from typeahead.text.language_model import MAX_LINE_BYTES, LanguageModel, Position
from typeahead.text.ranking import DIALS, Candidate, Confidence, next_word, word_starts
from typeahead.text.safety import may_suggest
from typeahead.text.surroundings import last_word

_NUM_PAST = 8  # past lines looked at for one suggestion
_STAY = 0.95  # P(a line that has repeated a past one so far repeats its next word too)
_MAX_SHARE = 1 - 1e-6  # so that the network keeps a say
_FLOOR = 0.03  # least probability of what the beam search follows
_LEAST_ASKED_FOR = 1e-3  # of a suggestion that fills a list
_FIRST_WORD_COUNTS = 0.3  # at the empty prompt, how much P(first word) counts beside P(line)
_NUM_WORDS = 30  # proposals of the surroundings looked at
_PLAUSIBLE = 0.7  # of two neighbours in the surroundings' order, how likely the second is beside the first
_MAX_CHECKED = 12  # candidates looked at for what speaks against them


class Surroundings(Protocol):
    """What lies around a command line; `typeahead.text.surroundings.Surroundings` is one."""

    def words(self, line: str, cwd: str | None, limit: int = 50) -> Collection[Word]: ...  # noqa: D102
    def is_valid(self, line: str, cwd: str | None, prefix: str = "") -> bool: ...  # noqa: D102


class Word(Protocol):
    """A whole word that may stand at the end of the line, and what it names."""

    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102


@dataclass(frozen=True)
class Suggestion:
    """A whole line that starts with what is typed.

    Attributes
    ----------
    text : str
        The whole line.
    source : str
        Which source gives it most of its probability: "model", "history", or a kind of file, as "directory".
    log_prob : float
        Natural logarithm of the probability that the line goes on like this.
    """

    text: str
    source: str
    log_prob: float


@dataclass(frozen=True)
class Reason:
    """Why a candidate is shown, or not.

    Attributes
    ----------
    text : str
        The whole line.
    source : str
    probability : float
        That the line goes on like this.
    worth : float
        Keys that it is expected to save.
    features : dict of str to float
        What the probability is made of, and what corrects it.
    shown : bool
    rejected : str
        What speaks against it; empty where nothing does.
    """

    text: str
    source: str
    probability: float
    worth: float
    features: dict[str, float]
    shown: bool
    rejected: str


class Suggester:
    """Suggestions for the lines of one session; learns what was run from :meth:`record`.

    Without arguments it is a fresh user with the shipped model: no file of the user's is read or written.

    Parameters
    ----------
    model : LanguageModel or path, optional
        Default: the configured model, else the shipped one.
    history : iterable of str, optional
        Lines run before this session, oldest first.
    adapt : bool
        Whether weights are learnt, too.
    dial : str
        "quiet", "balanced" or "eager": how sure a suggestion must be to be shown.
    empty : bool
        Whether the next line is predicted at the empty prompt.
    surroundings : Surroundings, optional
        Proposes files and more, and knows what cannot be right; without it nothing on this machine is looked at.
    user : UserModel, optional
        Shared by a user's sessions; what is recorded here is then learnt by whoever calls its ``catch_up``.
    settings : TextConfig, optional
        Beam width and length.
    without : collection of str
        Parts left out, to see what they are worth: "adapt", "mixing", "recall", "model".

    Raises
    ------
    ModelFileError
        The weights cannot be read.
    ConfigError
        No such dial.
    """

    def __init__(
        self,
        model: LanguageModel | str | Path | None = None,
        history: Iterable[str] | None = None,
        adapt: bool = True,
        dial: str = "balanced",
        *,
        empty: bool = True,
        surroundings: Surroundings | None = None,
        user: UserModel | None = None,
        settings: config.TextConfig | None = None,
        without: Collection[str] = (),
    ) -> None:
        if dial not in DIALS:
            raise ConfigError(f"dial {dial!r} is none of {', '.join(DIALS)}")
        self._settings = settings or config.TextConfig()
        self._dial, self._empty, self._surroundings = DIALS[dial], empty, surroundings
        self._without = frozenset(without)
        self._shared = user is not None
        if user is None:
            if not isinstance(model, LanguageModel):
                path = Path(model or config.shell_model())
                model = _shared_model(path, path.stat().st_mtime_ns if path.exists() else 0)
            user = UserModel(model, adapt=adapt and "adapt" not in self._without)
        self._user = user
        self._context = user.model.context()
        self._beam = BeamSearch(user.model.network, self._settings.beam_width, self._settings.max_length)
        self._confidence = Confidence()
        self._came_true = [1.0, 2.0]  # words of the surroundings that were typed, and that were not
        self._hidden: set[str] = set()  # lines that the user does not want to see again
        self._past: list[str] = []
        self._cwd: str | None = None
        self._ids = count(1)
        self._events: list[Event] = []  # kept only by a user of its own, for `forget`
        for line in history or ():
            self.record(line)
        self._start_line()

    # What is asked

    def suggest(self, prefix: str, cwd: str | None = None, limit: int = 1) -> list[Suggestion]:
        """Return at most ``limit`` suggestions for a line that starts with ``prefix``, best first.

        The first is what would be shown in grey, if anything is sure enough; the others, asked for by ``limit > 1``,
        may be less so.

        Parameters
        ----------
        prefix : str
            What is typed; it may be empty.
        cwd : str, optional
            Where the line would run.
        limit : int
        """
        line = _encode(prefix)
        if limit < 1 or line is None or (not prefix and not self._empty):
            return []
        self._move(cwd)
        position = self._context.seek(line, cwd)
        candidates = self._candidates(prefix, line, position)
        best = self._grey(prefix, candidates)
        self._note(prefix, line, best)
        found = [_suggestion(prefix, best)] if best else []
        if limit > 1:
            found += self._alternatives(prefix, candidates, position, found, limit)
        return found

    def why(self, prefix: str, cwd: str | None = None, limit: int = 10) -> list[Reason]:
        """Return what was thought of for ``prefix``, the most worthwhile first, and why it is shown or not."""
        line = _encode(prefix)
        if line is None:
            return []
        self._move(cwd)
        candidates = self._candidates(prefix, line, self._context.seek(line, cwd))
        best = self._grey(prefix, candidates)
        reasons = []
        for one in sorted(candidates, key=lambda one: (one is not best, -one.worth))[:limit]:
            whole = prefix + one.text
            confidence = self._confidence.probability(whole, one.next_word)
            features = dict(one.sources) | {"next word": one.next_word, "line ends": one.whole_line}
            features["confidence"] = confidence
            rejected = self._objection(prefix, one) or ("" if one is best else self._reserve(prefix, one))
            reasons.append(
                Reason(
                    whole,
                    one.source,
                    one.probability,
                    one.worth,
                    features,
                    one is best,
                    "" if one is best else rejected,
                )
            )
        return reasons

    # What is told

    def record(
        self, command: str, cwd: str | None = None, exit_status: int | None = 0, time: float | None = None
    ) -> None:
        """Learn that ``command`` was run: later lines are predicted in its context, and it may be suggested again.

        A line that starts with a space is private and leaves no trace; secrets are replaced before anything is learnt.

        Parameters
        ----------
        command : str
        cwd : str, optional
            Where it ran.
        exit_status : int, optional
            How it ended; a command that failed each time it ran is not suggested.
        time : float, optional
            When it began, in Unix seconds.
        """
        if not command.strip() or command.startswith(" "):
            return
        line = secrets.redact(command)[0].rstrip()
        self._judge(line)
        self._move(cwd)
        if not self._shared:
            started = clock.time() if time is None else time
            event = Event(next(self._ids), line, cwd, exit_status, "", "", started, None)
            self._events.append(event)
            self._user.learn(event)
        self._past = [line, *self._past[:1]]
        self._follow(line)

    def forget(
        self, pattern: str | None = None, *, last: int = 0, since: float | None = None, exact: str | None = None
    ) -> int:
        """Forget lines, as if they had never been typed; return how many runs that were.

        A session of a shared user forgets what it holds itself; store and weights are others' business.

        Parameters
        ----------
        pattern : str, optional
            Lines that hold this text or, with ``*``, ``?`` or ``[``, match it whole.
        last : int
            The last so many.
        since : float, optional
            Those begun at this time (Unix seconds) or later.
        exact : str, optional
            This very line; it will not be suggested again, wherever it came from.
        """

        def is_meant(index: int, event: Event) -> bool:
            return (
                (pattern is not None and _matches(event.command, pattern))
                or index >= len(self._events) - last
                or (since is not None and event.started >= since)
                or event.command == exact
            )

        left = [event for index, event in enumerate(self._events) if not is_meant(index, event)]
        forgotten = len(self._events) - len(left)
        if exact is not None:
            self._hidden.add(exact)
        self._confidence.forget()
        if not self._shared:
            self._events = left
            self._user.forget(left)
        self._context = self._user.model.context()
        self._past = [event.command for event in reversed(left[-2:])]
        if left:
            self._context.replay(event.command.encode("utf-8", "surrogateescape") for event in left[-20:])
        self._start_line()
        return forgotten

    def _follow(self, line: str) -> None:
        """Let the session's context run on over a finished line."""
        user = self._user
        self._context.use(user.network, None if "mixing" in self._without else user.mixer)
        self._context.advance(line.encode("utf-8", "surrogateescape"))
        self._start_line()

    def _move(self, cwd: str | None) -> None:
        if cwd != self._cwd:
            self._cwd = cwd
            self._start_line()

    def _start_line(self) -> None:
        self._repeats = self._user.recall.weigh(self._past, self._cwd)
        self._root = b""  # where the leaves' search began
        self._leaves: list[Hypothesis] = []
        self._floor = 2.0  # of that search
        self._shown = ""  # the line last suggested; "" for none
        self._claims: list[tuple[int, str, float]] = []  # of this line: where it was typed to, what was shown, how sure
        self._words: dict[int, tuple[int, list[str]]] = {}  # by the word's place: where it was typed to, proposals

    def _judge(self, line: str) -> None:
        """Learn what became of this line's suggestions, now that it is known."""
        for typed, shown, claimed in self._claims:
            if line.startswith(shown[:typed]):
                word = next_word(shown[typed:])
                taken = line.startswith(shown) or (len(word) > 1 and line.startswith(word, typed))
                self._confidence.learn(shown, claimed, taken)
        for typed_to, rests in self._words.values():
            came_true = any(line.startswith(rest, typed_to) for rest in rests)
            self._came_true[not came_true] += 1

    def _note(self, prefix: str, line: bytes, best: Candidate | None) -> None:
        """Remember what is shown, and have its states at hand for when it is typed or taken."""
        shown = prefix + best.text if best else ""
        if best and shown != self._shown:
            self._claims.append((len(prefix), shown, best.next_word))
            self._keep_states(line, best.text.encode())
        self._shown = shown

    # Candidates

    def _candidates(self, prefix: str, line: bytes, position: Position) -> list[Candidate]:
        """Return every cut of every hypothesis, of the likeliest past lines, and the surroundings' words."""
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

    # Choice

    def _grey(self, prefix: str, candidates: list[Candidate]) -> Candidate | None:
        """Return what to show: the suggestion that still agrees with the typing, grown if it can be, or a new one."""
        kept = self._shown[len(prefix) :] if self._shown.startswith(prefix) else ""
        if not prefix:
            ranked = _lines(candidates)
        else:
            ranked = sorted(candidates, key=lambda one: -one.worth)
            if kept:
                ranked = [one for one in ranked if one.text.startswith(kept)] + [
                    one for one in ranked if not one.text.startswith(kept)
                ]
        for one in ranked[:_MAX_CHECKED]:
            if not self._reserve(prefix, one) and not self._objection(prefix, one):
                return one
        return None

    def _reserve(self, prefix: str, one: Candidate) -> str:
        """Return why a candidate is not worth showing; empty where it is."""
        kept = bool(self._shown) and (prefix + one.text).startswith(self._shown)
        missed = bool(self._shown) and not self._shown.startswith(prefix)
        least = self._dial.at_empty if not prefix else self._dial.least
        if missed or (self._shown and not kept):
            least = max(least, self._dial.after_miss)
        if one.worth <= 0 and not kept:
            return "saves no key"
        if self._confidence.probability(prefix + one.text, one.next_word) < least:
            return "not sure enough"
        return ""

    def _objection(self, prefix: str, one: Candidate) -> str:
        """Return what speaks against showing a candidate at all; empty where nothing does."""
        line = prefix + one.text
        if not may_suggest(line, prefix):
            return "destructive, or with a secret in it"
        if line.rstrip() in self._hidden:
            return "not wanted"
        if self._user.failed(line.rstrip()):
            return "failed each time"
        if self._surroundings is not None and not self._surroundings.is_valid(line, self._cwd, prefix):
            return "does not exist"
        return ""

    def _alternatives(
        self, prefix: str, candidates: list[Candidate], position: Position, found: list[Suggestion], limit: int
    ) -> list[Suggestion]:
        """Return more suggestions, of less probability if need be, none the beginning of a better one."""
        ranked = sorted((one for one in candidates if one.worth > 0), key=lambda one: -one.worth)
        if len(ranked) < 2 * limit and "model" not in self._without:
            beam = BeamSearch(
                self._user.model.network, max(self._settings.beam_width, limit), self._settings.max_length
            )
            for way in [*beam.words(position, limit, _LEAST_ASKED_FOR), *beam.lines(position, limit, _LEAST_ASKED_FOR)]:
                probability = math.exp(way.log_prob)
                ranked.append(Candidate(way.text, {"model": probability}, probability))
        taken = [one.text for one in found]
        more: list[Suggestion] = []
        for one in ranked:
            line = prefix + one.text
            if len(more) + len(found) >= limit:
                break
            if not any(text.startswith(line) or text == line.rstrip() for text in taken) and not self._objection(
                prefix, one
            ):
                taken.append(line)
                more.append(_suggestion(prefix, one))
        return more

    def _keep_states(self, line: bytes, text: bytes) -> None:
        """Have the states along the hypothesis that is shown at hand when it is typed or taken."""
        if self._root != line:
            return
        for leaf in self._leaves:
            if leaf.symbols.startswith(text):
                self._beam.hand_over(leaf, line, self._context)
                break


def _lines(candidates: list[Candidate]) -> list[Candidate]:
    """Return the whole lines among the candidates for the empty prompt, the likeliest, with its first word, first."""
    first: dict[str, float] = {}
    for one in candidates:
        word = one.text.split(" ")[0]
        if one.text in (word, word + " "):
            first[word] = first.get(word, 0.0) + (one.probability if one.text != word else one.whole_line)
    ends = [one for one in candidates if one.whole_line > 0]
    for one in ends:
        one.next_word = max(first.get(one.text.split(" ")[0], 0.0), one.next_word)
    return sorted(ends, key=lambda one: -one.whole_line - _FIRST_WORD_COUNTS * one.next_word)


def _suggestion(prefix: str, one: Candidate) -> Suggestion:
    return Suggestion(prefix + one.text, one.source, math.log(max(one.probability, 1e-300)))


def _matches(command: str, pattern: str) -> bool:
    return fnmatchcase(command, pattern) if any(sign in pattern for sign in "*?[") else pattern in command


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
