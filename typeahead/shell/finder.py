"""The thread that searches: holds the newest runs of the store in memory, so that a search reads no file.

They are read at the first search, a few at once and the others afterwards, and brought up to date before each; the
text of a line is matched here (`typeahead.shell.search`), then the model's thread says which of the best are likely.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from typeahead.errors import TypeaheadError
from typeahead.history import Event, History
from typeahead.shell.background import Background
from typeahead.shell.protocol import MAX_LINE_BYTES, Message, encode
from typeahead.shell.runs import Match, Run, Runs, Scope
from typeahead.shell.worker import log_error

NUM_RANKED = 12  # of the best matches, which the model weighs
MODEL_POINTS = 12  # most that the model counts beside how a line matches; a gap costs 3, not starting a word 16 or more
LEAST_LOG_PROB = -24.0  # nats; a line less likely than that is as good as not expected
_FIRST_RUNS = 5000  # read before the first answer
_MOST_RUNS = 200_000
_BATCH = 1000
_TIMEOUT_S = 1.0
_REPLY_BYTES = MAX_LINE_BYTES - 2048  # of the matches, which are as many as fit


@dataclass(frozen=True, eq=False)
class Search:
    """One request; ``asker`` is the loop's own note of whom to answer."""

    asker: Any
    session: str  # that asks
    text: str
    cwd: str | None  # of the session
    scope: Scope
    limit: int


@dataclass(frozen=True)
class Findings:
    """What was found for a search: the best first; ``None`` when a newer one overtook it, or nothing can be read."""

    search: Search
    matches: Sequence[tuple[Match, int]] | None  # and how many points each lacks
    complete: bool = True  # the whole store was searched, or as much of it as is kept in memory

    op = "search"

    @property
    def asker(self) -> Any:
        """Whom to answer."""
        return self.search.asker

    @property
    def to_rank(self) -> tuple[str, ...]:
        """The lines that the model is to weigh: none while nothing is typed, for then the newest come first."""
        if not self.search.text.strip():
            return ()
        return tuple(match.text for match, _ in (self.matches or ())[:NUM_RANKED])

    def reply(self, log_probs: Sequence[float] | None = None) -> Message:
        """Return the fields of the answer; ``log_probs`` is what the model says of `to_rank`."""
        reply: Message = {"text": self.search.text, "complete": self.complete, "matches": None}
        if self.matches is None:
            return reply
        rows, room = [], _REPLY_BYTES
        for match in _ranked(self.matches, log_probs or ()):
            row = match._asdict()
            room -= len(encode(row))
            if room >= 0:
                rows.append(row)
        return reply | {"matches": rows}


@dataclass(frozen=True)
class Ranking:
    """A request to weigh what a line may begin with."""

    asker: Any
    op = "rank"

    def reply(self, log_probs: Sequence[float] | None = None) -> Message:
        """Return the fields of the answer; ``None`` without a model, or when a newer request overtook it."""
        return {"log_probs": None if log_probs is None else [round(one, 3) for one in log_probs]}


def _ranked(matches: Sequence[tuple[Match, int]], log_probs: Sequence[float]) -> list[Match]:
    """Return the matches in the order of their points, to which the model's opinion adds a few."""
    points = [
        MODEL_POINTS * (1 - max(log_prob, LEAST_LOG_PROB) / LEAST_LOG_PROB) - loss
        for (_, loss), log_prob in zip(matches, log_probs, strict=False)
    ]
    order = sorted(range(len(points)), key=lambda place: -points[place])
    return [matches[place][0] for place in order] + [match for match, _ in matches[len(points) :]]


class Finder(Background[Findings]):
    """The searching thread.

    Parameters
    ----------
    path : path
        The store.
    wake : callable
        Called from the thread when something was found.
    """

    def __init__(self, path: Path, wake: Callable[[], object]) -> None:
        super().__init__("finder", wake)
        self._path = path
        self._searches: deque[Search] = deque()
        self._runs = Runs()  # the thread's own, as is what follows
        self._identity: tuple[int, int] | None = None  # of the file that they are from
        self._generation = -1
        self._last_id = 0
        self._complete = False
        self._older: list[Event] = []  # read so far of all that is to be read

    def ask(self, search: Search) -> None:
        """Ask for lines; what this session has asked for before and is not begun is handed back undone."""
        with self._changed:
            for older in [one for one in self._searches if one.session == search.session]:
                self._searches.remove(older)
                self._results.append(Findings(older, None))
            self._searches.append(search)
            self._changed.notify()
        if self._results:
            self._wake()

    # In the thread

    def _run(self) -> None:
        while (search := self._next()) is not None:
            try:
                self._refresh()
                found = self._runs.find(search.text, search.scope, search.limit)
                self._results.append(Findings(search, found, self._complete))
            except Exception as error:
                self._fail(error)
                self._results.append(Findings(search, None))
            self._wake()
            if not self._complete:
                try:
                    self._read_all()
                except Exception as error:
                    self._fail(error)

    def _next(self) -> Search | None:
        with self._changed:
            while not self._searches and not self._stopping:
                self._changed.wait()
            return None if self._stopping else self._searches.popleft()

    def _refresh(self) -> None:
        """Take in what the store has got since, or read anew when it has forgotten something."""
        if not self._path.exists():
            self._runs, self._identity, self._complete = Runs(), None, True
            return
        with closing(History(self._path, timeout_s=_TIMEOUT_S)) as history:
            info = self._path.stat()
            identity = info.st_dev, info.st_ino
            if (identity, history.generation) == (self._identity, self._generation):
                new = list(history.events(self._last_id))
                if new:
                    self._last_id = new[-1].id
                    self._runs.extend(map(_run_of, new))
                return
            self._identity, self._generation = identity, history.generation
            events = history.latest(_FIRST_RUNS)
            self._runs = Runs(map(_run_of, events))
            self._last_id = max((event.id for event in events), default=0)
            self._complete, self._older = len(events) < _FIRST_RUNS, []

    def _read_all(self) -> None:
        """Read all runs that are to be kept in memory; stop, to go on later, when there is something else to do."""
        events = self._older
        with closing(History(self._path, timeout_s=_TIMEOUT_S)) as history:
            if history.generation != self._generation:
                return  # the next search reads anew
            last = events[-1].id if events else max(0, self._last_id - _MOST_RUNS)
            while not self._stopping and not self._searches:
                batch = list(islice(history.events(last, _BATCH), _BATCH))
                if not batch:
                    break
                events += batch
                last = batch[-1].id
            else:
                return
        self._runs, self._last_id, self._complete, self._older = Runs(map(_run_of, events)), last, True, []

    def _fail(self, error: Exception) -> None:
        self._identity = None  # read anew the next time
        if not isinstance(error, TypeaheadError):
            log_error("a search failed", error)


def _run_of(event: Event) -> Run:
    return Run(event.command, event.cwd, event.status, event.session, event.started, event.duration_s)
