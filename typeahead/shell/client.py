"""The way from a prompt to the daemon: never waits, survives the daemon's death, standard library only.

For an event loop::

    client = Client()                       # opens nothing yet
    client.on_connect = lambda fd: loop.add_reader(fd, ready)   # the socket changes when the daemon is replaced
    client.on_disconnect = loop.remove_reader                   # called with the same fd, before it is closed
    client.tick()                           # connects, or starts the daemon; call it again after client.retry_s
    client.suggest("git com", cwd)          # asks; an older question of this client is forgotten
    def ready():
        for reply in client.receive():      # only the answer to the newest question
            reply.prefix, reply.suggestions[0].text, reply.suggestions[0].log_prob
    client.record("git commit", cwd, 0)     # a line has been run; kept and sent again until the daemon has stored it
    client.suggestions_from_history("git")  # without a daemon: read the store directly
    client.close()                          # stores what the daemon has not taken

Nothing here raises because of the daemon, and nothing blocks: each call tries what it can at once and leaves the rest
to the next one. ``client.state`` says what answers: "offline", "loading" (the history), "warm" (the model) or "failed"
(the history; the model cannot be loaded). When it turns to "warm" inside `receive`, ask again. A question that the
daemon had not answered when it died is put to the next one by itself.

For a command: ``request({"op": "status"}, timeout_s=1)`` waits for one answer and raises `DaemonError`.
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from typeahead import __version__, config
from typeahead.errors import ConfigError, DaemonError, HistoryError
from typeahead.shell.launch import spawn_daemon
from typeahead.shell.protocol import (
    MAX_LINE_BYTES,
    MAX_PREFIX,
    Message,
    Suggestion,
    decode,
    encode,
    history_file,
    is_safe,
    open_connection,
    request,
)

if TYPE_CHECKING:
    from typeahead.history import History

__all__ = ["Client", "Reply", "Suggestion", "request", "spawn_daemon"]

REMEMBERED_LINES = 200  # of the session, sent to a new daemon
MAX_UNSENT_RECORDS = 100  # beyond, records go to the store directly
_MAX_KEPT_RECORDS = 1000  # while another process holds the store, too
_HELLO_BYTES = 48 * 1024  # of the remembered lines, so that the greeting stays one message
_CLOSE_S = 2.0  # for the last records, when another process holds the store
_RETRY_S = (0.02, 1.0)  # between attempts to connect: at first, at most
_START_S = (0.5, 60.0)  # between attempts to start the daemon: at first, at most


class Reply(NamedTuple):
    """The answer to `Client.suggest`."""

    id: int
    prefix: str
    suggestions: list[Suggestion]  # best first; empty: nothing to propose
    state: str  # "loading", "warm" or "failed"


class Client:
    """One session's connection to the daemon.

    Parameters
    ----------
    socket_path : path, optional
        Default: `typeahead.config.socket_path`.
    session : str, optional
        Names the session in the history; default: a new one.
    autostart : bool
        Start the daemon when nothing listens.
    command : sequence of str, optional
        What starts it; default: `typeahead.shell.launch.daemon_command`.
    """

    def __init__(
        self,
        socket_path: str | Path | None = None,
        session: str | None = None,
        *,
        autostart: bool = True,
        command: Sequence[str] | None = None,
    ) -> None:
        self.session = session or os.urandom(8).hex()
        self.autostart = autostart
        self.command = command
        self.state = "offline"
        self.problem: str | None = None  # why there is no daemon, in one line
        self.on_connect: Callable[[int], object] | None = None
        self.on_disconnect: Callable[[int], object] | None = None
        self.socket_path: Path | None = None
        try:
            self.socket_path = Path(socket_path) if socket_path else config.socket_path()
        except ConfigError as error:
            self.problem = str(error)
        self._socket: socket.socket | None = None
        self._inbox = bytearray()
        self._outbox = bytearray()  # bytes that must go out whole: a message begun is a message ended
        self._question: Message | None = None  # the newest one, until it is answered
        self._question_sent = False
        self._next_id = time.time_ns() // 1_000_000  # above those of an earlier client of the same session
        self._lines: deque[Message] = deque(maxlen=REMEMBERED_LINES)  # taken by a daemon
        self._unsent: deque[Message] = deque()  # records that no daemon has confirmed, oldest first
        self._num_sent = 0  # how many of them went out on this connection
        self._last_record = 0  # id of the newest confirmed record
        self._next_connect = 0.0
        self._connect_delay_s = _RETRY_S[0]
        self._next_start = 0.0
        self._start_delay_s = _START_S[0]
        self._absent = False  # nothing listened at the last attempt to connect
        self._children: list[int] = []
        self._dismissed: set[str] = set()  # versions of daemons asked to stop
        self._history: History | None = None

    def fileno(self) -> int:
        """Return the socket's file descriptor, -1 while there is none."""
        return -1 if self._socket is None else self._socket.fileno()

    @property
    def retry_s(self) -> float | None:
        """Seconds until the next `tick` has something to do; ``None`` while connected, or when there is no hope."""
        if self._socket is not None or self.socket_path is None:
            return None
        return max(0.0, self._next_connect - time.monotonic())

    def tick(self) -> None:
        """Do what is due: connect, start the daemon, send. Takes well under a millisecond (a start: a few)."""
        self._reap()
        if self._socket is None and time.monotonic() >= self._next_connect:
            self.connect()
            if self._absent and self.autostart:
                self.start_daemon()
        self._flush()

    def connect(self) -> bool:
        """Try once to connect and say hello; return whether there is a connection."""
        if self._socket is not None:
            return True
        if self.socket_path is None:
            return False
        self._next_connect = time.monotonic() + self._connect_delay_s
        self._connect_delay_s = min(self._connect_delay_s * 1.5, _RETRY_S[1])
        self._absent = False
        try:
            self._socket = open_connection(self.socket_path, timeout_s=0)
        except (OSError, DaemonError) as error:
            self._absent = isinstance(error, (FileNotFoundError, ConnectionRefusedError))
            self.problem = str(error)
            return False
        self.problem = None
        self._inbox.clear()
        self._outbox = bytearray(encode(self._hello()))
        if self.on_connect is not None:
            self.on_connect(self._socket.fileno())
        self._flush()
        return self._socket is not None

    def start_daemon(self) -> bool:
        """Start the daemon in the background unless that was tried a moment ago; return whether it was tried now."""
        now = time.monotonic()
        if self.socket_path is None or now < self._next_start:
            return False
        if now > self._next_start + _START_S[1]:
            self._start_delay_s = _START_S[0]  # the last one has lived; one that dies soon is started ever more slowly
        self._next_start = now + self._start_delay_s
        self._start_delay_s = min(self._start_delay_s * 2, _START_S[1])
        self._next_connect, self._connect_delay_s = now + _RETRY_S[0], _RETRY_S[0]
        try:
            self._children.append(spawn_daemon(self.socket_path, self.command))
        except DaemonError as error:
            self.problem = str(error)
        return True

    def suggest(self, prefix: str, cwd: str | None = None, n: int = 1) -> int:
        """Ask for completions of ``prefix``; return the id of the question (0: too long, not asked)."""
        if len(prefix) > MAX_PREFIX:
            self._question = None
            return 0
        question_id = self._new_id()
        question = {"op": "suggest", "id": question_id, "prefix": prefix, "cwd": cwd, "n": n}
        self._question, self._question_sent = question, False
        self.tick()
        return question_id

    def record(
        self,
        command: str,
        cwd: str | None = None,
        status: int | None = None,
        started: float | None = None,
        duration_s: float | None = None,
    ) -> None:
        """Tell that a line has been run: ``started`` in Unix seconds (default: now), ``status`` as in ``$?``.

        A line that starts with a space is not recorded anywhere.
        """
        if not command.strip() or command.startswith(" "):
            return
        line: Message = {"op": "record", "id": self._new_id(), "command": command, "cwd": cwd, "status": status}
        line |= {"started": time.time() if started is None else started, "duration_s": duration_s}
        if len(encode(line)) > MAX_LINE_BYTES:
            self._store(line)
            return
        self._unsent.append(line)
        if len(self._unsent) > MAX_UNSENT_RECORDS:
            self._store_unsent()
        self.tick()

    def receive(self) -> list[Reply]:
        """Read what has arrived, without waiting; return the answers to the newest question."""
        replies = [reply for message in self._read() if (reply := self._take(message)) is not None]
        if self._socket is None:
            self.state = "offline"  # whatever its last words were
        self.tick()
        return replies

    def suggestions_from_history(self, prefix: str, n: int = 1) -> list[str]:
        """Return the newest lines that start with ``prefix``, read from the store itself; none if it cannot be read."""
        try:
            return [line for line in self._open_history().newest(prefix, n, single_line=True) if is_safe(line)]
        except HistoryError as error:
            self.problem = str(error)
            return []

    def close(self) -> None:
        """Hang up. Records that the daemon has not confirmed are written to the store here, with patience."""
        self._flush()
        self._await_confirmations(0.05)
        self._disconnect()
        deadline = time.monotonic() + _CLOSE_S
        while self._unsent and time.monotonic() < deadline:
            self._store_unsent()
        if self._history is not None:
            self._history.close()
            self._history = None
        self._reap()

    # The conversation

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _hello(self) -> Message:
        """Return the greeting, with as many of the newest lines as fit: a new daemon continues from them."""
        lines: deque[Message] = deque()
        size = 0
        for line in reversed(self._lines):
            size += len(encode(line))
            if size > _HELLO_BYTES:
                break
            lines.appendleft(line)
        greeting = {"op": "hello", "session": self.session, "version": __version__}
        return greeting | {"lines": list(lines), "last_record": self._last_record}

    def _take(self, message: Message) -> Reply | None:
        """Act on one message of the daemon; return it when it answers the newest question."""
        op = message.get("op")
        if op == "hello":
            self._connect_delay_s = _RETRY_S[0]
            self._greet(str(message.get("version")))
        if op in ("hello", "state", "suggest") and isinstance(message.get("state"), str):
            self.state = message["state"]
        if op == "suggest":
            return self._reply(message)
        if op in ("record", "error"):
            self._confirm(message.get("id"), stored=op == "record")
        return None

    def _greet(self, version: str) -> None:
        """Ask a daemon of another version to make room for ours; once, so that two versions do not fight for ever."""
        if version != __version__ and self.autostart and version not in self._dismissed:
            self._dismissed.add(version)
            self._outbox += encode({"op": "stop"})
            self._next_start = 0.0

    def _reply(self, message: Message) -> Reply | None:
        prefix, found = message.get("prefix"), message.get("suggestions")
        if self._question is None or message.get("id") != self._question["id"]:
            return None
        self._question = None
        if not isinstance(prefix, str) or not isinstance(found, list):
            return None
        suggestions = []
        for item in found:
            with suppress(KeyError, TypeError, ValueError):
                log_prob = None if item["log_prob"] is None else float(item["log_prob"])
                suggestion = Suggestion(str(item["text"]), str(item["source"]), log_prob)
                if suggestion.text.startswith(prefix) and is_safe(suggestion.text[len(prefix) :]):
                    suggestions.append(suggestion)
        return Reply(int(message["id"]), prefix, suggestions, self.state)

    def _confirm(self, record_id: object, stored: bool) -> None:
        """Forget a record that the daemon has stored, or will never take."""
        for i in range(min(self._num_sent, len(self._unsent))):
            line = self._unsent[i]
            if line["id"] == record_id:
                del self._unsent[i]
                self._num_sent -= 1
                self._last_record = line["id"]
                if stored:
                    self._remember(line)
                return

    def _remember(self, line: Message) -> None:
        self._last_record = line["id"]
        self._lines.append({key: line[key] for key in ("command", "cwd", "status")})

    # The socket

    def _read(self) -> list[Message]:
        """Return the whole messages that have arrived; hang up at end of file, an error or an endless line."""
        while self._socket is not None:
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            self._inbox += data
            if not data or (len(self._inbox) > MAX_LINE_BYTES and b"\n" not in self._inbox):
                self._disconnect()
        *lines, rest = bytes(self._inbox).split(b"\n")
        self._inbox = bytearray(rest)
        messages = []
        for line in lines:
            with suppress(ValueError):
                messages.append(decode(line))
        return messages

    def _flush(self) -> None:
        """Send what the socket takes: records in order, then the newest question."""
        while self._socket is not None:
            if not self._outbox:
                if self._num_sent < len(self._unsent):
                    self._outbox += encode(self._unsent[self._num_sent])
                    self._num_sent += 1
                elif self._question is not None and not self._question_sent:
                    self._outbox += encode(self._question)
                    self._question_sent = True
                else:
                    return
            try:
                del self._outbox[: self._socket.send(self._outbox)]
            except BlockingIOError:
                return
            except OSError:
                self._disconnect()

    def _disconnect(self) -> None:
        if self._socket is None:
            return
        if self.on_disconnect is not None:
            self.on_disconnect(self._socket.fileno())
        self._socket.close()
        self._socket = None
        self._outbox.clear()
        self._num_sent = 0
        self._question_sent = False
        self._next_connect = 0.0
        self.state = "offline"

    def _reap(self) -> None:
        """Collect daemons that we started and that have ended, so that they do not stay as zombies."""
        for pid in list(self._children):
            with suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0] == 0:
                    continue
            self._children.remove(pid)

    # The store, when no daemon takes what must not be lost

    def _open_history(self) -> History:
        if self._history is None:
            from typeahead.history import History  # here: a session with a daemon never needs SQLite

            self._history = History(history_file(), timeout_s=0.05)
        return self._history

    def _await_confirmations(self, timeout_s: float) -> None:
        """Give the daemon a moment to confirm the last records, so that leaving the shell opens no database."""
        deadline = time.monotonic() + timeout_s
        while self._unsent and self._socket is not None and time.monotonic() < deadline:
            for message in self._read():
                self._take(message)
            time.sleep(0.001)

    def _store_unsent(self) -> None:
        """Write the records that no daemon has confirmed to the store, as far as another process lets us."""
        while self._unsent and self._store(self._unsent[0]):
            self._remember(self._unsent.popleft())
            self._num_sent = max(0, self._num_sent - 1)
        while len(self._unsent) > _MAX_KEPT_RECORDS:
            self._unsent.popleft()
            self._num_sent = max(0, self._num_sent - 1)

    def _store(self, line: Message) -> bool:
        """Write a record to the store; one that the daemon has stored too changes nothing. False: try again later."""
        from typeahead.history import HistoryBusyError

        fields = ("command", "cwd", "status", "started", "duration_s")
        try:
            self._open_history().add(session=self.session, **{name: line[name] for name in fields})
        except HistoryBusyError as error:
            self.problem = str(error)
            return False
        except HistoryError as error:
            self.problem = str(error)
        return True
