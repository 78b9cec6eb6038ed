"""The thread in which the model lives, so that nothing else in the daemon ever waits for it.

It loads the model, keeps one suggester a session and works through its orders in the order given; a question that a
newer one of the same session overtakes is handed back undone. Answers are collected by the daemon's loop, which is
woken for them.
"""

from __future__ import annotations

import logging
import math
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from typeahead.errors import TypeaheadError
from typeahead.history import History
from typeahead.shell.background import Background
from typeahead.shell.protocol import Message

_MAX_ORDERS = 4096  # waiting while the model loads; beyond, the oldest lines are not learned from

_log = logging.getLogger(__name__)
logging.getLogger("typeahead").addHandler(logging.NullHandler())  # the daemon has a log file; others say nothing


class Completion(Protocol):
    """What a suggester returns; `typeahead.text.suggester.Suggestion` is one."""

    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def source(self) -> str: ...  # noqa: D102
    @property
    def log_prob(self) -> float: ...  # noqa: D102


class Reason(Protocol):
    """Why something is suggested or not; `typeahead.text.suggester.Reason` is one."""

    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def source(self) -> str: ...  # noqa: D102
    @property
    def probability(self) -> float: ...  # noqa: D102
    @property
    def worth(self) -> float: ...  # noqa: D102
    @property
    def features(self) -> Mapping[str, float]: ...  # noqa: D102
    @property
    def shown(self) -> bool: ...  # noqa: D102
    @property
    def rejected(self) -> str: ...  # noqa: D102


class Suggester(Protocol):
    """What the daemon needs of one session's model; `typeahead.text.suggester.Suggester` has it."""

    def suggest(self, prefix: str, cwd: str | None = None, limit: int = 1) -> Sequence[Completion]: ...  # noqa: D102
    def record(self, command: str, cwd: str | None = None, exit_status: int | None = 0) -> None: ...  # noqa: D102
    def why(self, prefix: str, cwd: str | None = None, limit: int = 10) -> Sequence[Reason]: ...  # noqa: D102
    def log_probs(self, lines: Sequence[str], cwd: str | None = None, ended: bool = True) -> Sequence[float]: ...  # noqa: D102


class Model(Protocol):
    """What the thread loads; `typeahead.shell.daemon.TextModel` is one."""

    def open(self, session: str) -> Suggester:
        """Begin a session."""

    def surround(self, suggester: Suggester, names: Sequence[str], environ: Mapping[str, str] | None) -> None:
        """Tell a session what its shell knows besides the file system; without ``environ``, the daemon's own holds."""

    def catch_up(self, history: History, should_stop: Callable[[], bool]) -> int:
        """Learn what the store has and the model does not know; return how many events. In the learner's thread."""

    def save(self) -> None:
        """Keep what was learnt. In the learner's thread."""


Load = Callable[[], Model]  # slow: imports, compiles, reads weights


@dataclass
class Surroundings:
    """What a session's shell has told of itself."""

    names: Sequence[str] = ()
    environ: Mapping[str, str] | None = None


@dataclass(frozen=True, eq=False)
class Question:
    """One request for suggestions, for the reasons of them, or to weigh lines.

    ``asker`` is the loop's own note of whom to answer.
    """

    asker: Any
    id: Any
    session: str
    prefix: str
    cwd: str | None
    n: int
    why: bool = False
    weigh: tuple[str, ...] = ()  # how likely is each of these as the session's next line?
    ended: bool = True  # False: as what that line begins with
    asked: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Answer:
    """What became of a question: ``None`` when a newer one overtook it."""

    question: Question
    completions: Sequence[Completion] | None
    reasons: Sequence[Reason] = ()
    log_probs: Sequence[float] | None = None  # where lines were to be weighed and that could be done


class Worker(Background[Answer]):
    """The model's thread.

    Parameters
    ----------
    load : callable
        Called in the thread, again for `reload`; returns what opens a session's suggester.
    wake : callable
        Called from the thread when there are answers to collect or `state` has changed.
    on_load : callable
        Called from the thread with what was loaded, before anything is asked of it.
    """

    def __init__(self, load: Load, wake: Callable[[], object], on_load: Callable[[Model], object]) -> None:
        self.state = "loading"  # then "warm" or "failed"
        self.problem: str | None = None  # why it failed, in one line
        self.load_s: float | None = None
        super().__init__("model", wake)
        self._load = load
        self._on_load = on_load
        self._suggesters: dict[str, Suggester] = {}  # the thread's own, as is the next
        self._surroundings: dict[str, Surroundings] = {}
        self._orders: deque[Callable[[], None] | Question] = deque()
        self._model: Model | None = None

    def reload(self, lines: Mapping[str, Sequence[Message]]) -> None:
        """Load the model once more; sessions go on in it from their ``lines``."""
        self.state = "loading"

        def order() -> None:
            self._begin()
            if self.state == "warm":
                self._reopen(lines)

        self._give(order, always=True)

    def open(self, session: str, lines: Sequence[Message]) -> None:
        """Begin a session in which ``lines`` have been run already."""
        self._give(lambda: self._reopen({session: lines}))

    def reopen(self, lines: Mapping[str, Sequence[Message]]) -> None:
        """Let every session begin anew, from its ``lines``: those that are left after some were forgotten."""

        def order() -> None:
            self._suggesters.clear()
            self._reopen(lines)

        self._give(order)

    def close(self, session: str) -> None:
        """Forget a session."""

        def order() -> None:
            self._suggesters.pop(session, None)
            self._surroundings.pop(session, None)

        self._give(order, always=True)

    def surround(self, session: str, names: Sequence[str] | None, environ: Mapping[str, str] | None) -> None:
        """Tell what a session's shell knows; ``None`` leaves what was told before."""

        def order() -> None:
            known = self._surroundings.setdefault(session, Surroundings())
            known.names = known.names if names is None else names
            known.environ = known.environ if environ is None else environ
            if self._model is not None and session in self._suggesters:
                self._model.surround(self._suggesters[session], known.names, known.environ)

        self._give(order, always=True)

    def record(self, session: str, line: Message) -> None:
        """Tell a session's suggester that a line has been run."""
        self._give(lambda: self._suggester(session).record(line["command"], line.get("cwd"), line.get("status")))

    def ask(self, question: Question) -> None:
        """Ask for suggestions; those not begun that this session asked for before are handed back undone."""

        def kind(one: Question) -> tuple[str, bool, bool, bool]:
            return one.session, one.why, bool(one.weigh), one.ended

        with self._changed:
            for order in list(self._orders):
                if isinstance(order, Question) and kind(order) == kind(question):
                    self._orders.remove(order)
                    self._results.append(Answer(order, None))
            self._orders.append(question)
            self._changed.notify()
        if self._results:
            self._wake()

    def _give(self, order: Callable[[], None], always: bool = False) -> None:
        """Give an order; ``always``: one to be followed without a model, too."""

        def when_warm() -> None:
            if self.state == "warm":
                order()

        with self._changed:
            if len(self._orders) >= _MAX_ORDERS:
                oldest = self._orders.popleft()
                if isinstance(oldest, Question):
                    self._results.append(Answer(oldest, None))
            self._orders.append(order if always else when_warm)
            self._changed.notify()

    # In the thread

    def _run(self) -> None:
        self._begin()
        while (order := self._next()) is not None:
            if isinstance(order, Question):
                self._results.append(self._answer(order))
                self._wake()
                continue
            try:
                order()
            except Exception as error:
                log_error("a line was not learned from", error)

    def _begin(self) -> None:
        """Load the model."""
        began = time.monotonic()
        self._suggesters.clear()
        try:
            model = self._load()
            self._on_load(model)
            self._model = model
        except BaseException as error:  # whatever it is, the history goes on answering
            self._model = None
            self.problem = str(error) if isinstance(error, TypeaheadError) else f"{type(error).__name__} in the loading"
            log_error("the model cannot be loaded", error)
            self.state = "failed"
        else:
            self.load_s = time.monotonic() - began
            self.problem = None
            self.state = "warm"
        self._wake()

    def _next(self) -> Callable[[], None] | Question | None:
        with self._changed:
            while not self._orders and not self._stopping:
                self._changed.wait()
            return None if self._stopping else self._orders.popleft()

    def _answer(self, question: Question) -> Answer:
        if self.state != "warm":
            return Answer(question, [])
        try:
            suggester = self._suggester(question.session)
            if question.weigh:
                weighed = suggester.log_probs(question.weigh, question.cwd, question.ended)
                return Answer(question, [], log_probs=weighed)
            if question.why:
                return Answer(question, [], suggester.why(question.prefix, question.cwd, question.n))
            return Answer(question, suggester.suggest(question.prefix, question.cwd, question.n))
        except Exception as error:
            log_error("a question was not answered", error)
            return Answer(question, [])

    def _reopen(self, sessions: Mapping[str, Sequence[Message]]) -> None:
        for session, lines in sessions.items():
            self._suggesters.pop(session, None)
            for line in lines:
                self._suggester(session).record(line["command"], line.get("cwd"), line.get("status"))

    def _suggester(self, session: str) -> Suggester:
        if session not in self._suggesters:
            assert self._model is not None
            suggester = self._suggesters[session] = self._model.open(session)
            if (known := self._surroundings.get(session)) is not None:
                self._model.surround(suggester, known.names, known.environ)
        return self._suggesters[session]


def row_of(reason: Reason) -> Message:
    """Return a reason as it is sent; what is not finite has no number in JSON."""
    numbers = {"probability": reason.probability, "worth": reason.worth}
    return {
        "text": reason.text,
        "source": reason.source,
        **{name: _finite(value) for name, value in numbers.items()},
        "features": {name: _finite(value) for name, value in reason.features.items()},
        "shown": bool(reason.shown),
        "rejected": reason.rejected,
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def log_error(what: str, error: BaseException) -> None:
    """Log where an error arose, without its message, which may quote what the user typed; our own messages may stay."""
    message = str(error) if isinstance(error, TypeaheadError) else ""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    where = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    _log.error("%s: %s %s (%s)", what, type(error).__name__, message, where)
