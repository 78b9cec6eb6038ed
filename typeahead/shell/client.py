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
    client.names(["ll", "gs"])              # the aliases, functions and builtins of the shell
    client.search("gco", cwd)               # lines that match; client.on_found is called with them
    client.forget("git commit")             # never suggest this again; client.on_forgotten is called when that is done
    client.suggestions_from_history("git")  # without a daemon: read the store directly
    client.close()                          # stores what the daemon has not taken

Nothing here raises because of the daemon, and nothing blocks: each call tries what it can at once and leaves the rest
to the next one. ``client.state`` says what answers: "offline", "loading" (the history), "warm" (the model) or "failed"
(the history; the model cannot be loaded). When it turns to "warm" inside `receive`, ask again. A question that the
daemon had not answered when it died is put to the next one.

For a command: ``request({"op": "status"}, timeout_s=1)`` waits for one answer and raises `DaemonError`.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from typeahead import __version__, config, secrets
from typeahead.errors import ConfigError, DaemonError, HistoryError
from typeahead.shell.journal import Journal
from typeahead.shell.launch import spawn_daemon
from typeahead.shell.protocol import (
    MAX_LINE_BYTES,
    MAX_PREFIX,
    Message,
    Suggestion,
    decode,
    encode,
    fitting_names,
    is_private,
    open_connection,
    request,
    safe_suggestions,
    told_environ,
    use_fields,
)

__all__ = ["Client", "Reply", "Suggestion", "request", "spawn_daemon"]

_HELLO_BYTES = 40 * 1024  # of the remembered lines, so that the greeting stays one message
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
    environ : mapping, optional
        The variables of the shell; default: this process's.
    """

    def __init__(
        self,
        socket_path: str | Path | None = None,
        session: str | None = None,
        *,
        autostart: bool = True,
        command: Sequence[str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.session = session or os.urandom(8).hex()
        self.autostart = autostart
        self.command = command
        self.state = "offline"
        self.on_connect: Callable[[int], object] | None = None
        self.on_disconnect: Callable[[int], object] | None = None
        self.on_forgotten: Callable[[int], object] | None = None  # with the number of commands; of other sessions too
        self.on_found: Callable[[Message], object] | None = None  # with the answer to the newest search
        self.on_said: Callable[[Message], object] | None = None  # of a line editor: with a spoken word, see `protocol`
        self._problem: str | None = None
        self.socket_path: Path | None = None
        try:
            self.socket_path = Path(socket_path) if socket_path else config.socket_path()
        except ConfigError as error:
            self._problem = str(error)
        self._socket: socket.socket | None = None
        self._inbox = bytearray()
        self._outbox = bytearray()  # bytes that must go out whole: a message begun is a message ended
        self._question: Message | None = None  # the newest one, until it is answered
        self._question_sent = False
        self._search: Message | None = None  # likewise
        self._search_sent = False
        self._next_id = time.time_ns() // 1_000_000  # above those of an earlier client of the same session
        self._journal = Journal(self.session)
        self._names: Message | None = None  # the newest, for a new daemon
        self._environ = told_environ(os.environ if environ is None else environ)
        self._forgettings: list[Message] = []  # not answered yet
        self._num_forgettings_sent = 0
        self._next_connect = 0.0
        self._connect_delay_s = _RETRY_S[0]
        self._next_start = 0.0
        self._start_delay_s = _START_S[0]
        self._absent = False  # nothing listened at the last attempt to connect
        self._children: list[int] = []
        self._dismissed: set[str] = set()  # versions of daemons asked to stop

    @property
    def problem(self) -> str | None:
        """Why there is no daemon, or why nothing can be stored, in one line."""
        return self._problem or self._journal.problem

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
            self._problem = str(error)
            return False
        self._problem = None
        self._inbox.clear()
        self._outbox = bytearray(encode(self._hello()) + (encode(self._names) if self._names else b""))
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
            self._problem = str(error)
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

    def search(
        self, text: str, cwd: str | None = None, scope: str = "all", failed: bool | None = None, limit: int = 50
    ) -> int:
        """Ask for past lines that match ``text``, see `protocol`; return the id of the question (0: too long)."""
        if len(text) > MAX_PREFIX:
            self._search = None
            return 0
        fields = {"text": text, "cwd": cwd, "scope": scope, "failed": failed, "limit": limit}
        self._search, self._search_sent = {"op": "search", "id": self._new_id(), **fields}, False
        self.tick()
        return int(self._search["id"])

    def rank(self, lines: Sequence[str], cwd: str | None = None) -> int:
        """Ask how likely the next line begins with each of ``lines``; `on_found` is called as for `search`."""
        self._search, self._search_sent = {"op": "rank", "id": self._new_id(), "lines": list(lines), "cwd": cwd}, False
        self.tick()
        return int(self._search["id"])

    def record(
        self,
        command: str,
        cwd: str | None = None,
        status: int | None = None,
        started: float | None = None,
        duration_s: float | None = None,
        use: Mapping[str, object] | None = None,
    ) -> list[str]:
        """Tell that a line has been run; return the kinds of secrets in it, which are replaced before it is kept.

        ``started`` in Unix seconds (default: now), ``status`` as in ``$?``, ``use`` with the fields of
        `typeahead.history.Use`. A line that starts with a space is not recorded anywhere.
        """
        if is_private(command):
            return []
        command, kinds = secrets.redact(command)
        line: Message = {"op": "record", "id": self._new_id(), "command": command, "cwd": cwd, "status": status}
        line |= {"started": time.time() if started is None else started, "duration_s": duration_s}
        self._journal.add(line | {"use": use_fields(use)})
        self.tick()
        return kinds

    def names(self, names: Iterable[str], environ: Mapping[str, str] | None = None) -> None:
        """Tell what the shell knows now: its aliases, functions and builtins, and if it has changed, its variables."""
        if environ is not None:
            self._environ = told_environ(environ)
        message = {"op": "names", "id": None, "names": fitting_names(names)}
        self._names = message if environ is None else message | {"environ": self._environ}
        self._tell(self._names)
        self.tick()

    def busy(self, is_busy: bool) -> None:
        """Tell that the prompt is gone, or there again: what is said meanwhile is for others."""
        self._tell({"op": "busy", "id": None, "busy": is_busy})

    def forget(self, exact: str) -> None:
        """Ask that a line be forgotten, wherever and however often it was run; `on_forgotten` tells when it is.

        Without a daemon that is done here and now.
        """
        if self._socket is None:
            try:
                self._forgot(min(1, self._journal.forget(exact)))
            except HistoryError as error:
                self._problem = str(error)
            return
        self._forgettings.append({"op": "forget", "id": self._new_id(), "exact": exact})
        self._flush()

    def receive(self) -> list[Reply]:
        """Read what has arrived, without waiting; return the answers to the newest question."""
        replies = [reply for message in self._read() if (reply := self._take(message)) is not None]
        if self._socket is None:
            self.state = "offline"  # whatever its last words were
        self.tick()
        return replies

    def suggestions_from_history(self, prefix: str, n: int = 1) -> list[str]:
        """Return the newest lines that start with ``prefix``, read from the store itself; none if it cannot be read."""
        return self._journal.newest(prefix, n)

    def close(self) -> None:
        """Hang up. Records that the daemon has not confirmed are written to the store here, with patience."""
        self._flush()
        self._await_confirmations(0.05)
        self._disconnect()
        self._journal.close()
        self._reap()

    # The conversation

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _tell(self, message: Message) -> None:
        if self._socket is not None:
            self._outbox += encode(message)
            self._flush()

    def _hello(self) -> Message:
        """Return the greeting, with as many of the newest lines as fit: a new daemon continues from them."""
        lines, last_record = self._journal.remembered(_HELLO_BYTES), self._journal.last_record
        greeting = {"op": "hello", "session": self.session, "version": __version__, "environ": self._environ}
        return greeting | {"lines": lines, "last_record": last_record, "said": self.on_said is not None}

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
        if op in ("search", "rank", "error") and self._search is not None and message.get("id") == self._search["id"]:
            self._search = None
            if self.on_found is not None:
                self.on_found(message)
        if op in ("record", "error"):
            self._journal.confirm(message.get("id"), stored=op == "record")
        if op in ("forget", "error"):
            self._settle(message)
        if op == "forgot":
            self._forgot(message.get("commands"))
        if op == "said" and self.on_said is not None:
            self.on_said(message)
        return None

    def _settle(self, message: Message) -> None:
        """Let go of a request to forget that has been answered."""
        for i in range(self._num_forgettings_sent):
            if self._forgettings[i]["id"] == message.get("id"):
                del self._forgettings[i]
                self._num_forgettings_sent -= 1
                self._problem = message.get("problem") or self._problem
                if not message.get("forgotten"):  # else all sessions are told, this one too
                    self._forgot(0)
                return

    def _forgot(self, num_commands: object) -> None:
        if num_commands:
            self._journal.let_go()
        if self.on_forgotten is not None:
            self.on_forgotten(num_commands if isinstance(num_commands, int) else 0)

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
        return Reply(int(message["id"]), prefix, safe_suggestions(found, prefix), self.state)

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
        """Send what the socket takes: records in order, what to forget, then the newest question."""
        while self._socket is not None:
            if not self._outbox:
                if (record := self._journal.next_to_send()) is not None:
                    self._outbox += encode(record)
                elif self._num_forgettings_sent < len(self._forgettings):
                    self._outbox += encode(self._forgettings[self._num_forgettings_sent])
                    self._num_forgettings_sent += 1
                elif self._question is not None and not self._question_sent:
                    self._outbox += encode(self._question)
                    self._question_sent = True
                elif self._search is not None and not self._search_sent:
                    self._outbox += encode(self._search)
                    self._search_sent = True
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
        self._journal.send_again()
        self._num_forgettings_sent = 0
        self._question_sent = self._search_sent = False
        self._next_connect = 0.0
        self.state = "offline"

    def _reap(self) -> None:
        """Collect daemons that we started and that have ended, so that they do not stay as zombies."""
        for pid in list(self._children):
            with suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0] == 0:
                    continue
            self._children.remove(pid)

    def _await_confirmations(self, timeout_s: float) -> None:
        """Give the daemon a moment to confirm the last records, so that leaving the shell opens no database."""
        deadline = time.monotonic() + timeout_s
        while self._journal.unsent and self._socket is not None and time.monotonic() < deadline:
            for message in self._read():
                self._take(message)
            time.sleep(0.001)
