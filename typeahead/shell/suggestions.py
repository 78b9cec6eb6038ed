"""Suggestions while typing: asks the daemon without ever waiting for it, and does without it while it is not there."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from typeahead.shell.ghost import Ghost
from typeahead.shell.lines import PastLines
from typeahead.shell.usage import Usage

if TYPE_CHECKING:
    from typeahead.shell.client import Client
    from typeahead.shell.names import Names
    from typeahead.shell.protocol import Message

_SLOW_ANSWER_S = 0.15  # a daemon that has said nothing by then is passed over for the history
_ALTERNATIVES = 3  # lines in turn: the first suggestion and two more
_NOTICE_S = 1.0  # for which a notice stands


def load() -> None:
    """Load, for a thread, what the first suggestion without the daemon would keep a key waiting for."""
    from typeahead.secrets import redact
    from typeahead.text.safety import may_suggest

    may_suggest(redact("echo first")[0], "echo")


class Options(NamedTuple):
    """What a session's suggestions may do."""

    wanted: bool = True  # False: suggest nothing and start no daemon; lines are still recorded
    empty: bool = True  # ask at the empty prompt, too
    private: bool = False  # tell nobody what has been run


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
    options
        What may be done.
    """

    def __init__(
        self, ghost: Ghost, lines: PastLines, on_change: Callable[[], None], options: Options | None = None
    ) -> None:
        self.usage = Usage()
        self.on_state: Callable[[], None] = lambda: None  # called when the daemon has come, gone or got ready
        self.on_said: Callable[[Message], None] | None = None  # called with a spoken word, see `shell.protocol`
        self._ghost = ghost
        self._lines = lines
        self._on_change = on_change
        self._options = options or Options()
        self._cwd = ""
        self._client: Client | None = None
        self._names: Names | None = None  # what the client has been told
        self._asked_at = 0.0
        self._is_behind = False  # the line has changed since the last question
        self._previous = ""  # the last line that was recorded
        self._confidences: dict[str, float] = {}  # of the lines in the last answer, where they have been weighed
        self._completions: Sequence[str] = []  # of the present line, by the shell
        self._forgotten: set[str] = set()  # lines that the user wants to see no more
        self._alternatives: list[tuple[str, str]] = []  # (line, source) that are shown in turn
        self._turn: int | None = None  # where to go in them once they are there: 1 on, -1 back; None: nobody has asked
        self._slow_answer: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._end_of_notice: asyncio.TimerHandle | None = None

    @property
    def client(self) -> Client | None:
        """The connection to the daemon, once there is a prompt."""
        return self._client

    @property
    def is_private(self) -> bool:
        """Whether nobody is told what has been run."""
        return self._options.private

    @property
    def is_wanted(self) -> bool:
        """Whether anything is suggested in this session."""
        return self._options.wanted

    @property
    def confidence(self) -> float | None:
        """How probable the shown suggestion is held to be, in [0, 1]; None: nothing has weighed it."""
        return self._confidences.get(self._ghost.line)

    def begin_line(self, cwd: str, names: Names | None = None) -> None:
        """Begin with an empty line in the directory ``cwd``; the first time, look for the daemon."""
        self._cwd = cwd
        self._completions = []
        self._is_behind = False
        self._ghost.clear()
        self._open()
        self.know(names)
        self._begin_text()

    def know(self, names: Names | None) -> None:
        """Pass on what the shell knows, when that is news."""
        if names is not None and names is not self._names and self._client is not None:
            self._names = names
            self._client.names(names.commands, names.environ)

    def know_completions(self, lines: Sequence[str]) -> None:
        """Take what the shell has completed the present line to; it holds until the next line."""
        self._completions = lines

    def follow(self, typed: str, ask: bool = True) -> None:
        """Take note of an edit and ask for the rest of the line; with ``ask`` false, only at `catch_up`."""
        self._ghost.follow(typed)
        if self._ghost.rest and not self._may_show(self._ghost.line):  # too little is left of what allowed it
            self._ghost.withdraw()
        self._is_behind = not ask
        if ask:
            self._begin_text()

    def catch_up(self) -> None:
        """Ask what `follow` has put off."""
        if self._is_behind:
            self._is_behind = False
            self._begin_text()

    def _begin_text(self) -> None:
        self._alternatives, self._turn = [], None
        self._ask()

    # What the user does with a suggestion

    def take(self, text: str) -> str:
        """Return ``text``, all of the suggestion or a word of it, which is taken."""
        self.usage.accept(len(text))
        return text

    def dismiss(self) -> None:
        """Show nothing until the next edit."""
        self._ghost.dismiss()

    def turn(self, step: int) -> None:
        """Show the next alternative (``step`` 1) or the one before (-1); ask for them the first time."""
        if self._alternatives:
            self._show_alternative(step)
        elif self._client is not None and self._options.wanted:
            self._turn = step
            self._ask(_ALTERNATIVES)

    def forget(self) -> None:
        """Forget the shown line, wherever and however often it was run, and suggest it no more."""
        line = self._ghost.line
        if not line or self._client is None:
            return
        was_run = self._lines.remove(line) or self._ghost.source == "history"
        self._forgotten.add(line)
        self._alternatives = [each for each in self._alternatives if each[0] != line]
        self._ghost.dismiss()
        self._client.forget(line)
        if was_run:
            self.notify("forgotten")

    def forget_line(self, line: str) -> None:
        """Forget a line that the user has chosen, wherever and however often it was run."""
        self._lines.remove(line)
        self._forgotten.add(line)
        self._ghost.withdraw()
        if self._client is not None:
            self._client.forget(line)

    def toggle(self) -> None:
        """Suggest nothing any more in this session, or again."""
        wanted = not self._options.wanted
        self._options = self._options._replace(wanted=wanted)
        self._ghost.withdraw()
        if self._client is not None:
            self._client.autostart = wanted
        self.notify(f"suggestions {'on' if wanted else 'off'}")
        if wanted:
            self._tick()
            self._begin_text()

    def notify(self, notice: str) -> None:
        """Put a word in the suggestion's place for a moment."""
        if self._end_of_notice is not None:
            self._end_of_notice.cancel()
        self._ghost.notice = notice
        self._end_of_notice = asyncio.get_running_loop().call_later(_NOTICE_S, self._withdraw_notice)
        self._on_change()

    def _withdraw_notice(self) -> None:
        self._ghost.notice = ""
        self._on_change()

    # What has been run

    def record(
        self,
        line: str,
        cwd: str,
        status: int,
        started: float,
        duration_s: float,
        rules: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Tell of a line that has been run; return the kinds of secrets that were withheld.

        One that begins with a space, or that the shell's own ``rules`` (HISTCONTROL, HISTIGNORE) exclude from its
        history, is told to nobody. In a private session, none is told, and this session alone remembers it.
        """
        from typeahead.secrets import redact
        from typeahead.shell.ignore import Ignore
        from typeahead.shell.protocol import is_private

        if is_private(line) or Ignore(rules or {}).is_excluded(line, self._previous):
            return []
        self._previous = line
        redacted, kinds = redact(line)
        session = "" if self._client is None else self._client.session
        self._lines.add(redacted, status, cwd, session, started, duration_s)
        self._forgotten.discard(redacted)
        if self._options.private:
            return []
        self._open().record(redacted, cwd, status, started, duration_s, use=self.usage.of(line))
        return kinds

    def pause(self, is_running: bool) -> None:
        """Tell that a command begins to run, or has ended."""
        if self._client is not None:
            self._client.busy(is_running)

    def close(self) -> None:
        """Hang up on the daemon; what it has not taken is stored here."""
        for timer in (self._slow_answer, self._retry, self._end_of_notice):
            if timer is not None:
                timer.cancel()
        if self._client is not None:
            self._client.on_connect = self._client.on_disconnect = self._client.on_forgotten = None
            self._client.on_said = None
            self._client.close()
            self._client = None

    # The daemon

    def _open(self) -> Client:
        if self._client is None:
            from typeahead.shell.client import Client  # here: the line editor is up already

            self._lines.load()
            self._client = Client(autostart=self._options.wanted)
            self._client.on_connect = lambda fd: asyncio.get_running_loop().add_reader(fd, self._receive)
            self._client.on_disconnect = self._on_disconnect
            self._client.on_said = self.on_said
            self._client.on_forgotten = lambda num_commands: self._lines.reload() if num_commands else None
            self._tick()
        return self._client

    def _ask(self, n: int = 1) -> None:
        typed = self._ghost.typed
        if self._client is None or not self._options.wanted or "\n" in typed:
            return
        if self._slow_answer is not None:
            self._slow_answer.cancel()
        if not typed and not self._options.empty:
            return
        self._asked_at = time.monotonic()
        self._client.suggest(typed, self._cwd, n)
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
        before = self._client.state
        for reply in self._client.receive():
            if reply.prefix == self._ghost.typed:
                self.usage.answer(time.monotonic() - self._asked_at)
                if self._slow_answer is not None:
                    self._slow_answer.cancel()
                found = [(suggestion.text, suggestion.source) for suggestion in reply.suggestions]
                self._confidences = {
                    one.text: math.exp(min(0.0, one.log_prob)) for one in reply.suggestions if one.log_prob is not None
                }
                if reply.state != "warm" or self._turn is not None:
                    found += self._past(reply.prefix)
                found += self._completed(reply.prefix)
                self._offer(found)  # nothing, said by the model, is an answer, too: it has its reasons
        if self._ghost.hint:
            self._on_change()
        if self._client is not None and self._client.state != before:
            self.on_state()
        if self._client is not None and self._client.state == "warm" and before != "warm" and not self._ghost.rest:
            self._ask()

    def _suggest_from_history(self) -> None:
        if self._turn is not None or not self._ghost.rest:
            self._offer(self._past(self._ghost.typed))

    def _past(self, typed: str) -> list[tuple[str, str]]:
        """Return the newest past lines that may be suggested without the daemon, and where they are from."""
        if not typed:
            return []
        from typeahead.secrets import find

        fit = (line for line in self._lines.going_on(typed) if self._may_show(line) and not find(line))
        return [(line, "history") for line in islice(fit, _ALTERNATIVES)]

    def _completed(self, typed: str) -> list[tuple[str, str]]:
        """Return the only one of the shell's completions that still fits a word that has been begun."""
        fit = [line for line in self._completions if line.startswith(typed) and line != typed]
        return [(fit[0], "completion")] if len(fit) == 1 and not typed[-1:].isspace() else []

    def _offer(self, found: Iterable[tuple[str, str]]) -> None:
        """Show the best of what was found, or, when the user has asked for alternatives, the next of them."""
        wanted = [each for each in found if self._may_show(each[0])]
        if self._turn is None:
            if any(self._ghost.offer(line, source) for line, source in wanted):
                self._on_change()
        elif wanted:
            step, self._turn = self._turn, None
            shown = [(self._ghost.line, self._ghost.source)] if self._ghost.rest else []
            others = [each for each in wanted if each[0] != self._ghost.line]
            self._alternatives = list(dict.fromkeys(shown + others))[:_ALTERNATIVES]
            self._show_alternative(step)

    def _may_show(self, line: str) -> bool:
        """Return whether a line may be suggested at all, whoever proposes it."""
        from typeahead.text.safety import may_suggest

        return line not in self._forgotten and may_suggest(line, self._ghost.typed)

    def _show_alternative(self, step: int) -> None:
        lines = [line for line, _ in self._alternatives]
        here = lines.index(self._ghost.line) if self._ghost.line in lines else -1
        turned = ((here + step * number) % len(lines) for number in range(1, len(lines) + 1))
        if any(self._ghost.choose(*self._alternatives[place]) for place in turned):
            self._on_change()

    def _on_disconnect(self, fd: int) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(fd)
        loop.call_soon(self._tick)
        self.on_state()

    def _tick(self) -> None:
        """Connect to the daemon, or start it, when it is time to try again."""
        self._retry = None
        if self._client is not None and self._options.wanted:
            self._client.tick()
            self._schedule_retry()

    def _schedule_retry(self) -> None:
        if self._retry is None and self._client is not None and (wait_s := self._client.retry_s) is not None:
            self._retry = asyncio.get_running_loop().call_later(wait_s + 0.001, self._tick)
