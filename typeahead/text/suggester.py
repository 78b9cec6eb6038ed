"""What is shown in grey, as one object: ``typeahead.Suggester``.

Of the candidates (:mod:`candidates`) the one that is expected to save most keys is shown (:mod:`ranking`), unless it
is not sure enough or something speaks against it: see :meth:`Suggester.why`. A suggestion stays for as long as the
typing agrees with it and grows only at its end.
"""

from __future__ import annotations

import math
import time as clock
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import count
from pathlib import Path

from typeahead import config, secrets
from typeahead.errors import ConfigError, HistoryError
from typeahead.history import Event
from typeahead.rnn.mixing import ContextMixer
from typeahead.statuses import has_failed
from typeahead.text.adapt import UserModel
from typeahead.text.candidates import Sources, Surroundings
from typeahead.text.language_model import MAX_LINE_BYTES, Context, LanguageModel, Position
from typeahead.text.ranking import DIALS, Candidate, Confidence, next_word
from typeahead.text.safety import may_suggest

_FIRST_WORD_COUNTS = 0.3  # at the empty prompt, how much P(first word) counts beside P(line)
_MAX_CHECKED = 12  # candidates looked at for what speaks against them
_CARRIED_ON = 20  # lines that a session's state is built from anew after forgetting


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
        self._dial, self._empty, self._surroundings = DIALS[dial], empty, surroundings
        self._without = frozenset(without)
        self._shared = user is not None
        if user is None:
            if not isinstance(model, LanguageModel):
                path = Path(model or config.shell_model())
                model = _shared_model(path, path.stat().st_mtime_ns if path.exists() else 0)
            user = UserModel(model, adapt=adapt and "adapt" not in self._without)
        self._user = user
        self._sources = Sources(user.network, settings or config.TextConfig(), surroundings, self._without)
        self._confidence = Confidence()
        self._hidden: set[str] = set()  # lines that the user does not want to see again
        self._past: list[str] = []
        self._after_failure: bool | None = None  # whether the newest of them has failed
        self._cwd: str | None = None
        self._ids = count(1)
        self._events: list[Event] = []  # kept only by a user of its own, for `forget`
        self._context = self._new_context([])
        for line in history or ():
            self.record(line)

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
        candidates = self._candidates(prefix, line, cwd)
        best = self._grey(prefix, candidates)
        self._note(prefix, line, best)
        found = [best] if best else []
        if limit > 1:
            found += self._alternatives(prefix, line, candidates, found, limit)
        return [Suggestion(prefix + one.text, one.source, math.log(max(one.probability, 1e-300))) for one in found]

    def why(self, prefix: str, cwd: str | None = None, limit: int = 10) -> list[Reason]:
        """Return what was thought of for ``prefix``, the most worthwhile first, and why it is shown or not."""
        line = _encode(prefix)
        if line is None:
            return []
        candidates = self._candidates(prefix, line, cwd)
        best = self._grey(prefix, candidates)
        ranked = sorted(candidates, key=lambda one: (one is not best, -one.worth))[:limit]
        objections = self._objections(prefix, ranked)
        reasons = []
        for one, objection in zip(ranked, objections, strict=True):
            features = dict(one.sources) | {"next word": one.next_word, "line ends": one.whole_line}
            features["confidence"] = self._confidence.probability(prefix + one.text, one.next_word)
            rejected = "" if one is best else objection or self._reserve(prefix, one)
            reasons.append(
                Reason(prefix + one.text, one.source, one.probability, one.worth, features, one is best, rejected)
            )
        return reasons

    def log_probs(self, lines: Sequence[str], cwd: str | None = None, ended: bool = True) -> list[float]:
        """Return the log-probability of each as the next line to be run in ``cwd``; not ``ended``: as its beginning."""
        return self._sources.log_probs(lines, self._seek(b"", cwd), ended)

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
        if not self._shared:
            started = clock.time() if time is None else time
            event = Event(next(self._ids), line, cwd, exit_status, "", "", started, None)
            self._events.append(event)
            self._user.learn(event)
        self._past, self._after_failure = [line, *self._past[:1]], has_failed(exit_status)
        self._context.use(self._user.network, self._mixer)
        self._context.advance(line.encode("utf-8", "surrogateescape"))
        self._start_line()
        if self._surroundings is not None:  # the command may have changed them
            self._surroundings.expire()
            self._surroundings.prepare(cwd)

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
            This very line; it will not be suggested again until it is run again.

        Raises
        ------
        HistoryError
            An empty pattern, which every line holds.
        """
        if pattern == "":
            raise HistoryError("an empty pattern is in every command; to forget all of them, give *")

        def is_meant(index: int, event: Event) -> bool:
            return (
                (pattern is not None and _matches(event.command, pattern))
                or index >= len(self._events) - last
                or (since is not None and event.started >= since)
                or event.command == exact
            )

        left = [event for index, event in enumerate(self._events) if not is_meant(index, event)]
        forgotten = len(self._events) - len(left)
        self._confidence.forget()
        if not self._shared:
            self._events = left
            self._user.forget(left)
        self._context = self._new_context([event.command for event in left[-_CARRIED_ON:]])
        if exact is not None:
            self._hidden.add(exact)
        return forgotten

    @property
    def _mixer(self) -> ContextMixer | None:
        return None if "mixing" in self._without else self._user.mixer

    def _new_context(self, lines: list[str]) -> Context:
        """Return the context after ``lines``, oldest first, at the start of a line."""
        context = Context(self._user.network, self._mixer)
        context.replay(line.encode("utf-8", "surrogateescape") for line in lines)
        self._past, self._after_failure = lines[:-3:-1], None
        self._start_line()
        return context

    def _start_line(self) -> None:
        self._shown = ""  # the line last suggested; "" for none
        self._claims: list[tuple[int, str, float]] = []  # of this line: where it was typed to, what was shown, how sure
        # Once a line: it may wait for a disk.
        self._repository = self._surroundings.repository(self._cwd) if self._surroundings is not None else None
        self._weigh()

    def _weigh(self) -> None:
        """Weigh the past lines for the present occasion."""
        self._version = self._user.version
        repeats = self._user.recall.weigh(self._past, self._cwd, self._after_failure, self._repository)
        self._sources.start_line(repeats, self._cwd)

    def _judge(self, line: str) -> None:
        """Learn what became of this line's suggestions, now that it is known."""
        self._hidden.discard(line)
        self._sources.finish_line(line)
        for typed, shown, claimed in self._claims:
            if line.startswith(shown[:typed]):
                word = next_word(shown[typed:])
                taken = line.startswith(shown) or (len(word) > 1 and line.startswith(word, typed))
                self._confidence.learn(shown, claimed, taken)

    # Choice

    def _candidates(self, prefix: str, line: bytes, cwd: str | None) -> list[Candidate]:
        return self._sources.find(prefix, self._seek(line, cwd))

    def _seek(self, line: bytes, cwd: str | None) -> Position:
        """Return the place after what is typed, weighed anew when the directory or what was learnt has changed."""
        if cwd != self._cwd:
            self._cwd = cwd
            self._start_line()
        elif self._version != self._user.version:  # another thread has learnt more: the line recorded last, above all
            self._weigh()
            if not line:
                self._context.renew(self._user.network, self._mixer)
        return self._context.seek(line, cwd)

    def _grey(self, prefix: str, candidates: list[Candidate]) -> Candidate | None:
        """Return what to show: the suggestion that still agrees with the typing, grown if it can be, or a new one."""
        ranked = sorted(candidates, key=lambda one: -one.worth) if prefix else _whole_lines(candidates)
        if self._shown.startswith(prefix):
            ranked.sort(key=lambda one: not (prefix + one.text).startswith(self._shown))
        wanted = [one for one in ranked if not self._reserve(prefix, one)][:_MAX_CHECKED]
        objections = self._objections(prefix, wanted)
        return next((one for one, objection in zip(wanted, objections, strict=True) if not objection), None)

    def _reserve(self, prefix: str, one: Candidate) -> str:
        """Return why a candidate is not worth showing; empty where it is."""
        if not prefix and not self._empty:
            return "nothing is shown at the empty prompt"
        stays = bool(self._shown) and (prefix + one.text).startswith(self._shown)
        least = self._dial.least if prefix else self._dial.at_empty
        if self._shown and not stays:  # it would take another one's place
            least = max(least, self._dial.after_miss)
        if one.worth <= 0 and not stays:
            return "saves no key"
        if self._confidence.probability(prefix + one.text, one.next_word) < least:
            return "not sure enough"
        return ""

    def _objections(self, prefix: str, candidates: list[Candidate]) -> list[str]:
        """Return what speaks against showing each candidate at all; empty where nothing does."""
        lines = [prefix + one.text for one in candidates]
        valid = [True] * len(lines)
        if self._surroundings is not None and lines:
            valid = list(self._surroundings.are_valid(lines, self._cwd, prefix))
        return [self._objection(prefix, line) or ("" if right else "does not exist")
                for line, right in zip(lines, valid, strict=True)]  # fmt: skip

    def _objection(self, prefix: str, line: str) -> str:
        if not may_suggest(line, prefix):
            return "destructive, or with a secret in it"
        if line.rstrip() in self._hidden:
            return "not wanted"
        return "failed each time" if self._user.failed(line.rstrip()) else ""

    def _alternatives(
        self, prefix: str, line: bytes, candidates: list[Candidate], found: list[Candidate], limit: int
    ) -> list[Candidate]:
        """Return more candidates, of less probability if need be, each another way to go on."""
        ranked = sorted((one for one in candidates if one.worth > 0), key=lambda one: -one.worth)
        if len(ranked) < 2 * limit:
            ranked += self._sources.more(self._context.seek(line, self._cwd), limit)
        taken = [one.text.rstrip() for one in found]
        more: list[Candidate] = []
        for one, objection in zip(ranked, self._objections(prefix, ranked), strict=True):
            if len(more) + len(found) >= limit:
                break
            text = one.text.rstrip()
            if not objection and not any(other.startswith(text) or text.startswith(other) for other in taken):
                taken.append(text)
                more.append(one)
        return more

    def _note(self, prefix: str, line: bytes, best: Candidate | None) -> None:
        """Remember what is shown, and have its states at hand for when it is typed or taken."""
        shown = prefix + best.text if best else ""
        if best and shown != self._shown:
            self._claims.append((len(prefix), shown, best.next_word))
            self._sources.keep_states(line, best.text.encode(), self._context)
        self._shown = shown


def _whole_lines(candidates: list[Candidate]) -> list[Candidate]:
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
