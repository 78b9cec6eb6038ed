"""The thread that learns: reads the store from where it had come to, beside the one that answers.

What it works on are the events of the store alone, so that nothing is lost when the process is killed, what other
processes have stored is learnt too, and all sessions learn from each other. It also does the forgetting: a reader in
the middle of the store would keep its bytes in the file, and here there is none at that time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from typeahead.errors import TypeaheadError
from typeahead.history import History, HistoryBusyError
from typeahead.shell.background import Background
from typeahead.shell.protocol import Message
from typeahead.shell.worker import log_error

_BUSY_RETRY_S = 1.0  # after another process has kept the store to itself


class Learns(Protocol):
    """What learns from the store; `typeahead.shell.worker.Model` does."""

    def catch_up(self, history: History, should_stop: Callable[[], bool]) -> int:
        """Learn the events not known yet; start over when the store has forgotten some. Return how many."""

    def save(self) -> None:
        """Keep what was learnt; what is not kept is learnt again."""


@dataclass(frozen=True, eq=False)
class Forgetting:
    """A request to forget; ``asker`` is the loop's own note of whom to answer."""

    asker: Any
    criteria: Message  # as `History.forget` takes it


@dataclass(frozen=True)
class Forgotten:
    """What became of it."""

    request: Forgetting
    problem: str | None = None  # why nothing was forgotten
    commands: tuple[str, ...] = ()  # of each removed line


class Learner(Background[Forgotten]):
    """The learning thread.

    Parameters
    ----------
    path : path
        The store.
    wake : callable
        Called from the thread when something was forgotten.
    """

    def __init__(self, path: Path, wake: Callable[[], object]) -> None:
        self.learnt = 0  # events, since the start
        self.learning = False  # at this moment
        self.problem: str | None = None  # why it does not learn, in one line
        super().__init__("learner", wake)
        self._path = path
        self._user: Learns | None = None
        self._behind = False  # the store may hold something new
        self._to_forget: deque[Forgetting] = deque()

    def teach(self, user: Learns | None) -> None:
        """Name what shall learn from now on; from any thread.

        It takes up what it has kept before this returns, so that it answers with the user's past from the beginning.
        """
        if user is not None and self._path.exists():
            self._take_up(user)
        with self._changed:
            self._user = user
            self._behind = True
            self._changed.notify()

    def catch_up(self) -> None:
        """Tell that the store has something new; from any thread."""
        with self._changed:
            self._behind = True
            self._changed.notify()

    def forget(self, request: Forgetting) -> None:
        """Ask to forget; the outcome comes by `collect`."""
        with self._changed:
            self._to_forget.append(request)
            self._changed.notify()

    # In the thread

    def _run(self) -> None:
        # Not niced below the thread that answers: on busy cores it would wait for one while it holds the interpreter.
        pause_s: float | None = None
        while True:
            with self._changed:
                while not (self._stopping or self._to_forget or (self._can_learn and pause_s is None)):
                    if not self._changed.wait(pause_s):
                        pause_s = None
                if self._stopping:
                    break
                request = self._to_forget.popleft() if self._to_forget else None
                user = self._user
                if request is None:
                    self._behind = False
            if request is not None:
                self._results.append(self._forget(request, user))
                self.catch_up()
                self._wake()
            elif user is not None:
                pause_s = None if self._learn(user) else _BUSY_RETRY_S
        if self._user is not None:
            try:
                self._user.save()
            except Exception as error:
                self._fail(error)

    @property
    def _can_learn(self) -> bool:
        return self._behind and self._user is not None

    def _learn(self, user: Learns) -> bool:
        """Learn what is new; return whether that is done as far as it can be."""
        if not self._path.exists():
            return True

        def should_stop() -> bool:
            return self._stopping or bool(self._to_forget) or self._user is not user

        self.learning = True
        try:
            with closing(History(self._path)) as history:
                self.learnt += user.catch_up(history, should_stop)
            self.problem = None
        except HistoryBusyError:
            self._behind = True
            return False
        except Exception as error:
            self._fail(error)
        finally:
            self.learning = False
        return True

    def _forget(self, request: Forgetting, user: Learns | None) -> Forgotten:
        if not self._path.exists():
            return Forgotten(request)
        try:
            with closing(History(self._path)) as history:
                events = history.forget(**request.criteria)
            if events and user is not None:
                self._take_up(user)  # drops what was learnt, before anybody is told that it is forgotten
        except Exception as error:
            self._fail(error)
            return Forgotten(request, problem=self.problem)
        return Forgotten(request, None, tuple(event.command for event in events))

    def _take_up(self, user: Learns) -> None:
        """Have ``user`` go by what the store holds now, as far as that needs no learning."""
        try:
            with closing(History(self._path)) as history:
                user.catch_up(history, lambda: True)
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        problem = str(error) if isinstance(error, TypeaheadError) else f"{type(error).__name__} in the learning"
        if problem != self.problem:
            log_error("lines were not learnt from", error)
        self.problem = problem
