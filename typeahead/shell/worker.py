"""The thread in which the model lives, so that nothing else in the daemon ever waits for it.

It loads the model, keeps one suggester a session and works through its orders in the order given; a question that a
newer one of the same session overtakes is handed back undone. Answers are collected by the daemon's loop, which is
woken for them.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from typeahead.errors import TypeaheadError
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


class Suggester(Protocol):
    """What the daemon needs of one session's model; `typeahead.text.suggester.Suggester` has it."""

    def suggest(self, prefix: str, cwd: str | None = None, limit: int = 1) -> Sequence[Completion]: ...  # noqa: D102
    def record(self, command: str, cwd: str | None = None, exit_status: int | None = 0) -> None: ...  # noqa: D102


OpenSuggester = Callable[[str], Suggester]  # of a session's name
Load = Callable[[], OpenSuggester]  # slow: imports, compiles, reads weights


@dataclass(frozen=True, eq=False)
class Question:
    """One request for suggestions; ``asker`` is the loop's own note of whom to answer."""

    asker: Any
    id: Any
    session: str
    prefix: str
    cwd: str | None
    n: int


@dataclass(frozen=True)
class Answer:
    """What became of a question: ``None`` when a newer one overtook it."""

    question: Question
    completions: Sequence[Completion] | None


class Worker:
    """The model's thread.

    Parameters
    ----------
    load : callable
        Called once in the thread; returns what opens a session's suggester.
    wake : callable
        Called from the thread when there are answers to collect or `state` has changed.
    """

    def __init__(self, load: Load, wake: Callable[[], object]) -> None:
        self.state = "loading"  # then "warm" or "failed"
        self.problem: str | None = None  # why it failed, in one line
        self.load_s: float | None = None
        self._load = load
        self._wake = wake
        self._suggesters: dict[str, Suggester] = {}  # the thread's own
        self._orders: deque[Callable[[], None] | Question] = deque()
        self._answers: deque[Answer] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._open: OpenSuggester | None = None
        # A daemon thread: leaving must not wait for a compiler.
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)

    def start(self) -> None:
        """Begin to load."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Ask the thread to end and wait for that; return whether it has."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def open(self, session: str, lines: Sequence[Message]) -> None:
        """Begin a session in which ``lines`` have been run already."""

        def order() -> None:
            self._suggesters.pop(session, None)
            for line in lines:
                self._suggester(session).record(line["command"], line.get("cwd"), line.get("status"))

        self._give(order)

    def close(self, session: str) -> None:
        """Forget a session."""

        def order() -> None:
            self._suggesters.pop(session, None)

        self._give(order)

    def record(self, session: str, line: Message) -> None:
        """Tell a session's suggester that a line has been run."""

        def order() -> None:
            self._suggester(session).record(line["command"], line.get("cwd"), line.get("status"))

        self._give(order)

    def ask(self, question: Question) -> None:
        """Ask for suggestions; those not begun that this session asked for before are handed back undone."""
        with self._changed:
            for order in list(self._orders):
                if isinstance(order, Question) and order.session == question.session:
                    self._orders.remove(order)
                    self._answers.append(Answer(order, None))
            self._orders.append(question)
            self._changed.notify()
        if self._answers:
            self._wake()

    def collect(self) -> list[Answer]:
        """Return the answers since the last call."""
        answers = []
        while self._answers:
            answers.append(self._answers.popleft())
        return answers

    def _give(self, order: Callable[[], None]) -> None:
        with self._changed:
            if len(self._orders) >= _MAX_ORDERS:
                oldest = self._orders.popleft()
                if isinstance(oldest, Question):
                    self._answers.append(Answer(oldest, None))
            self._orders.append(order)
            self._changed.notify()

    # In the thread

    def _run(self) -> None:
        began = time.monotonic()
        try:
            self._open = self._load()
        except BaseException as error:  # whatever it is, the history goes on answering
            self.problem = str(error) if isinstance(error, TypeaheadError) else f"{type(error).__name__} in the loading"
            log_error("the model cannot be loaded", error)
            self.state = "failed"
        else:
            self.load_s = time.monotonic() - began
            self.state = "warm"
        self._wake()
        while (order := self._next()) is not None:
            if isinstance(order, Question):
                self._answers.append(Answer(order, self._answer(order)))
                self._wake()
            elif self.state == "warm":
                try:
                    order()
                except Exception as error:
                    log_error("a line was not learned from", error)

    def _next(self) -> Callable[[], None] | Question | None:
        with self._changed:
            while not self._orders and not self._stopping:
                self._changed.wait()
            return None if self._stopping else self._orders.popleft()

    def _answer(self, question: Question) -> Sequence[Completion]:
        if self.state != "warm":
            return []
        try:
            return self._suggester(question.session).suggest(question.prefix, question.cwd, question.n)
        except Exception as error:
            log_error("a question was not answered", error)
            return []

    def _suggester(self, session: str) -> Suggester:
        if session not in self._suggesters:
            assert self._open is not None
            self._suggesters[session] = self._open(session)
        return self._suggesters[session]


def log_error(what: str, error: BaseException) -> None:
    """Log where an error arose, without its message, which may quote what the user typed; our own messages may stay."""
    message = str(error) if isinstance(error, TypeaheadError) else ""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    where = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    _log.error("%s: %s %s (%s)", what, type(error).__name__, message, where)
