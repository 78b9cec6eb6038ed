"""What was run when, where and how it ended, in memory: searched by the daemon, and by a shell without one."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from typeahead.shell.search import Found, Index
from typeahead.statuses import has_failed

MAX_LINES = 100_000  # distinct ones, the newest, in which is searched
_MOST_SCOPES = 4  # made ready for search at a time


class Run(NamedTuple):
    """One command that has been run."""

    text: str
    cwd: str | None
    status: int | None  # as in ``$?``
    session: str
    started: float  # Unix seconds
    duration_s: float | None

    @property
    def failed(self) -> bool:
        """Whether it failed; an unknown status is no failure, nor is Ctrl-C or Ctrl-Z."""
        return bool(has_failed(self.status))


class Scope(NamedTuple):
    """Which runs are meant; ``None`` for all."""

    cwd: str | None = None
    session: str | None = None
    failed: bool | None = None

    def holds(self, run: Run) -> bool:
        """Return whether a run is meant."""
        return (
            (self.cwd is None or run.cwd == self.cwd)
            and (self.session is None or run.session == self.session)
            and (self.failed is None or run.failed == self.failed)
        )


class Match(NamedTuple):
    """A line that was found: its newest run, and how often it was run."""

    text: str
    status: int | None
    cwd: str | None
    started: float
    duration_s: float | None
    runs: int


def read_matches(rows: object) -> list[Match] | None:
    """Return the matches in a daemon's answer; ``None`` where there is no list of them."""
    if not isinstance(rows, list):
        return None
    matches = []
    for row in rows:
        with suppress(KeyError, TypeError, ValueError):
            cwd, status, duration_s = row["cwd"], row["status"], row["duration_s"]
            started, runs = float(row["started"]), int(row["runs"])
            if all(isinstance(text, str) for text in (row["text"], cwd or "")):
                matches.append(
                    Match(
                        row["text"],
                        None if status is None else int(status),
                        cwd,
                        started,
                        None if duration_s is None else float(duration_s),
                        runs,
                    )
                )
    return matches


class Runs:
    """Runs of any order in time, to be searched by line."""

    def __init__(self, runs: Iterable[Run] = ()) -> None:
        self._runs: list[Run] = []  # oldest first
        self._ready: OrderedDict[Scope, tuple[list[Match], Index]] = OrderedDict()
        self.extend(runs)

    def __len__(self) -> int:
        return len(self._runs)

    def extend(self, runs: Iterable[Run]) -> None:
        """Add runs."""
        before = len(self._runs)
        for run in runs:
            cwd = None if run.cwd is None else sys.intern(run.cwd)
            self._runs.append(run._replace(cwd=cwd, session=sys.intern(run.session)))
        if len(self._runs) > before:
            self._runs.sort(key=lambda run: run.started)
            self._ready.clear()

    def remove(self, text: str) -> None:
        """Let go of a line."""
        self._runs = [run for run in self._runs if run.text != text]
        self._ready.clear()

    def find(self, query: str, scope: Scope, limit: int) -> list[tuple[Match, int]]:
        """Return at most ``limit`` lines, the best first, and how many points each lacks; see `search.Index`."""
        matches, index = self._in(scope)
        found: list[Found] = index.search(query, limit)
        return [(matches[one.place], one.loss) for one in found]

    def _in(self, scope: Scope) -> tuple[list[Match], Index]:
        if scope not in self._ready:
            newest: dict[str, Run] = {}
            counts: dict[str, int] = {}
            for run in reversed(self._runs):
                if scope.holds(run):
                    if run.text in counts:
                        counts[run.text] += 1
                    elif len(newest) < MAX_LINES:
                        newest[run.text], counts[run.text] = run, 1
            matches = [
                Match(text, run.status, run.cwd, run.started, run.duration_s, counts[text])
                for text, run in newest.items()
            ]
            self._ready[scope] = matches, Index(list(newest))
            if len(self._ready) > _MOST_SCOPES:
                self._ready.popitem(last=False)
        self._ready.move_to_end(scope)
        return self._ready[scope]
