"""Suggestions while typing: asks the daemon without ever waiting for it, and does without it while it is not there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from typeahead.shell.ghost import Ghost
from typeahead.shell.lines import PastLines

if TYPE_CHECKING:
    from typeahead.shell.client import Client

_SLOW_ANSWER_S = 0.15  # a daemon that has said nothing by then is passed over for the history


class Suggestions:
    """What fills the ghost text of one session. All methods are for the event loop's thread.

    Parameters
    ----------
    ghost
        Where suggestions go.
    lines
        Past lines, for when the daemon has nothing or is not there.
    on_change
        Called when something new is to be drawn.
    wanted
        False: suggest nothing and start no daemon; lines are still recorded.
    """

    def __init__(self, ghost: Ghost, lines: PastLines, on_change: Callable[[], None], wanted: bool = True) -> None:
        self._ghost = ghost
        self._lines = lines
        self._on_change = on_change
        self._wanted = wanted
        self._cwd = ""
        self._client: Client | None = None
        self._slow_answer: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None

    def begin_line(self, cwd: str) -> None:
        """Begin with an empty line in the directory ``cwd``; the first time, look for the daemon."""
        self._cwd = cwd
        self._ghost.clear()
        self._open()
        self._ask()

    def follow(self, typed: str) -> None:
        """Take note of an edit and ask for the rest of the line."""
        self._ghost.follow(typed)
        self._ask()

    def record(self, line: str, cwd: str, status: int, started: float, duration_s: float) -> None:
        """Tell of a line that has been run; one that begins with a space is told to nobody."""
        if line.startswith(" ") or not line.strip():
            return
        self._lines.add(line)
        self._open().record(line, cwd, status, started, duration_s)

    def close(self) -> None:
        """Hang up on the daemon; what it has not taken is stored here."""
        for timer in (self._slow_answer, self._retry):
            if timer is not None:
                timer.cancel()
        if self._client is not None:
            self._client.on_connect = self._client.on_disconnect = None
            self._client.close()
            self._client = None

    def _open(self) -> Client:
        if self._client is None:
            from typeahead.shell.client import Client  # here: the line editor is up already

            self._lines.load()
            self._client = Client(autostart=self._wanted)
            self._client.on_connect = lambda fd: asyncio.get_running_loop().add_reader(fd, self._receive)
            self._client.on_disconnect = self._on_disconnect
            self._tick()
        return self._client

    def _ask(self) -> None:
        typed = self._ghost.typed
        if self._client is None or not self._wanted or "\n" in typed:
            return
        if self._slow_answer is not None:
            self._slow_answer.cancel()
        self._client.suggest(typed, self._cwd)
        if self._client.state == "offline":
            self._suggest_from_history()
        else:
            loop = asyncio.get_running_loop()
            self._slow_answer = loop.call_later(_SLOW_ANSWER_S, self._suggest_from_history)
        self._schedule_retry()

    def _receive(self) -> None:
        """Take what the daemon has sent; an answer about another text than the present one is dropped."""
        if self._client is None:
            return
        was_warm = self._client.state == "warm"
        for reply in self._client.receive():
            if reply.prefix == self._ghost.typed:
                if self._slow_answer is not None:
                    self._slow_answer.cancel()
                self._offer(suggestion.text for suggestion in reply.suggestions)
                self._suggest_from_history()  # where it has nothing: it need not know this user's past yet
        if self._client.state == "warm" and not was_warm and not self._ghost.rest:
            self._ask()

    def _suggest_from_history(self) -> None:
        if not self._ghost.rest and (line := self._lines.newest(self._ghost.typed)) is not None:
            self._offer([line])

    def _offer(self, lines: Iterable[str]) -> None:
        if any(self._ghost.offer(line) for line in lines):
            self._on_change()

    def _on_disconnect(self, fd: int) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(fd)
        loop.call_soon(self._tick)

    def _tick(self) -> None:
        """Connect to the daemon, or start it, when it is time to try again."""
        self._retry = None
        if self._client is not None and self._wanted:
            self._client.tick()
            self._schedule_retry()

    def _schedule_retry(self) -> None:
        if self._retry is None and self._client is not None and (wait_s := self._client.retry_s) is not None:
            self._retry = asyncio.get_running_loop().call_later(wait_s + 0.001, self._tick)
