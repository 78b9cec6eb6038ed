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
(the history; the model cannot be loaded). When it turns to "warm" inside `receive`, ask again.

For a command: ``request({"op": "status"}, timeout_s=1)`` waits for one answer and raises `DaemonError`.

The protocol: one JSON object a line, UTF-8, at most `MAX_LINE_BYTES`, on a Unix stream socket. Every request has one
reply with the same "op" and "id" (or "op": "error"); a question overtaken by a newer one of its session is answered
with "suggestions": null. {"op": "state"} comes unasked to whoever has said hello.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from typeahead import __version__
from typeahead.errors import ConfigError, DaemonError, HistoryError

MAX_LINE_BYTES = 64 * 1024  # of one message with its newline, either way
MAX_PREFIX = 4096  # characters; nobody wants a longer line completed
REMEMBERED_LINES = 50  # of the session, sent to a new daemon
MAX_UNSENT_RECORDS = 100  # beyond, records go to the store directly
_HELLO_BYTES = 48 * 1024  # of the remembered lines, so that the greeting stays one message
_RETRY_S = (0.02, 1.0)  # between attempts to connect: at first, at most
_START_S = (0.5, 60.0)  # between attempts to start the daemon: at first, at most

Message = dict[str, Any]


class Suggestion(NamedTuple):
    """One proposal for the whole line."""

    text: str  # starts with the prefix
    source: str  # "model" or "history"
    log_prob: float  # nats, of the text after the prefix


class Reply(NamedTuple):
    """The answer to `Client.suggest`."""

    id: int
    prefix: str
    suggestions: list[Suggestion]  # best first; empty: nothing to propose
    state: str  # "loading", "warm" or "failed"


def is_safe(text: str) -> bool:
    """Return whether a suggestion can be drawn and accepted: no newline, escape or other control character in it.

    A newline would run the line on acceptance and an escape would drive the terminal while it is drawn, so such a text
    is rejected, never mended.
    """
    return not any(c < " " or "\x7f" <= c <= "\x9f" or c in "\u2028\u2029" or "\ud800" <= c <= "\udfff" for c in text)


def encode(message: Message) -> bytes:
    """Return a message as one line; all ASCII, so that lone surrogates of odd file names survive."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


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
    """

    def __init__(
        self, socket_path: str | Path | None = None, session: str | None = None, *, autostart: bool = True
    ) -> None:
        self.session = session or os.urandom(8).hex()
        self.autostart = autostart
        self.state = "offline"
        self.problem: str | None = None  # why there is no daemon, in one line
        self.on_connect: Callable[[int], object] | None = None
        self.on_disconnect: Callable[[int], object] | None = None
        self.socket_path: Path | None = None
        try:
            self.socket_path = Path(socket_path) if socket_path else _default_socket_path()
        except ConfigError as error:
            self.problem = str(error)
        self._socket: socket.socket | None = None
        self._inbox = bytearray()
        self._outbox = bytearray()  # bytes that must go out whole: a message begun is a message ended
        self._question: Message | None = None  # the newest question, while it is not in the outbox
        self._next_id = 1
        self._asked = 0  # id of the newest question
        self._lines: deque[Message] = deque(maxlen=REMEMBERED_LINES)  # taken by a daemon
        self._unsent: deque[Message] = deque()  # records that no daemon has confirmed, oldest first
        self._num_sent = 0  # how many of them went out on this connection
        self._last_record = 0  # id of the newest confirmed record
        self._next_connect = 0.0
        self._connect_delay_s = _RETRY_S[0]
        self._next_start = 0.0
        self._start_delay_s = _START_S[0]
        self._children: list[int] = []
        self._dismissed: set[str] = set()  # versions of daemons asked to stop
        self._history: Any = None

    def fileno(self) -> int:
        """Return the socket's file descriptor, -1 while there is none."""
        return -1 if self._socket is None else self._socket.fileno()

    @property
    def retry_s(self) -> float | None:
        """Seconds until the next `tick` has something to do; ``None`` while connected."""
        if self._socket is not None or self.socket_path is None:
            return None
        return max(0.0, self._next_connect - time.monotonic())

    def tick(self) -> None:
        """Do what is due: connect, start the daemon, send. Takes well under a millisecond (a start: a few)."""
        self._reap()
        if self._socket is None and time.monotonic() >= self._next_connect and not self.connect() and self.autostart:
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
        try:
            self._socket = _open_socket(self.socket_path, timeout_s=0)
        except (OSError, DaemonError) as error:
            self.problem = str(error)
            return False
        self.problem = None
        self._inbox.clear()
        self._num_sent = 0
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
        self._next_start = now + self._start_delay_s
        self._start_delay_s = min(self._start_delay_s * 2, _START_S[1])
        self._connect_delay_s = _RETRY_S[0]
        try:
            self._children.append(spawn_daemon(self.socket_path))
        except DaemonError as error:
            self.problem = str(error)
            return False
        return True

    def suggest(self, prefix: str, cwd: str | None = None, n: int = 1) -> int:
        """Ask for completions of ``prefix``; return the id of the question (0: too long, not asked)."""
        if len(prefix) > MAX_PREFIX:
            return 0
        self._asked = self._new_id()
        self._question = {"op": "suggest", "id": self._asked, "prefix": prefix, "cwd": cwd, "n": n}
        self.tick()
        return self._asked

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
            self._store([line])
            return
        self._unsent.append(line)
        if len(self._unsent) > MAX_UNSENT_RECORDS:
            self._store_unsent()
        self.tick()

    def receive(self) -> list[Reply]:
        """Read what has arrived, without waiting; return the answers to the newest question."""
        replies = []
        for message in self._read():
            reply = self._take(message)
            if reply is not None:
                replies.append(reply)
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
        """Hang up. Records that the daemon has not confirmed are written to the store here."""
        self._flush()
        if self._socket is not None:
            self._read_confirmations()
        self._disconnect()
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
        """Return the greeting, with as many of the newest lines as fit: a new daemon continues the session from them."""
        lines: deque[Message] = deque()
        size = 0
        for line in reversed(self._lines):
            size += len(encode(line))
            if size > _HELLO_BYTES:
                break
            lines.appendleft(line)
        return {
            "op": "hello",
            "session": self.session,
            "version": __version__,
            "lines": list(lines),
            "last_record": self._last_record,
        }

    def _take(self, message: Message) -> Reply | None:
        """Act on one message of the daemon; return it when it answers the newest question."""
        op = message.get("op")
        if op == "hello":
            self._connect_delay_s, self._start_delay_s = _RETRY_S[0], _START_S[0]
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
        if message.get("id") != self._asked or not isinstance(prefix, str) or not isinstance(found, list):
            return None
        suggestions = []
        for item in found:
            with suppress(KeyError, TypeError, ValueError):
                suggestion = Suggestion(str(item["text"]), str(item["source"]), float(item["log_prob"]))
                if suggestion.text.startswith(prefix) and is_safe(suggestion.text[len(prefix) :]):
                    suggestions.append(suggestion)
        return Reply(self._asked, prefix, suggestions, self.state)

    def _confirm(self, record_id: object, stored: bool) -> None:
        """Forget a record that the daemon has stored, or will never take."""
        for line in self._unsent:
            if line["id"] == record_id:
                self._unsent.remove(line)
                self._num_sent -= 1
                self._last_record = line["id"]
                if stored:
                    self._lines.append({key: line[key] for key in ("command", "cwd", "status")})
                return

    # The socket

    def _read(self) -> list[Message]:
        """Return the whole messages that have arrived; hang up on end of file, an error or nonsense."""
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
            with suppress(ValueError, RecursionError):
                message = json.loads(line)
                if isinstance(message, dict):
                    messages.append(message)
        return messages

    def _flush(self) -> None:
        """Send what the socket takes: records in order, then the newest question."""
        while self._socket is not None:
            if not self._outbox:
                if self._num_sent < len(self._unsent):
                    self._outbox += encode(self._unsent[self._num_sent])
                    self._num_sent += 1
                elif self._question is not None:
                    self._outbox += encode(self._question)
                    self._question = None
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

    def _open_history(self) -> Any:
        if self._history is None:
            from typeahead.history import open_history  # here: most sessions never need SQLite

            self._history = open_history()
        return self._history

    def _read_confirmations(self) -> None:
        """Wait a moment for the daemon's word on the last records, so that they are not stored by both."""
        deadline = time.monotonic() + 0.05
        while self._unsent and self._socket is not None and time.monotonic() < deadline:
            for message in self._read():
                self._take(message)
            time.sleep(0.002)

    def _store_unsent(self) -> None:
        self._store(list(self._unsent))
        self._unsent.clear()
        self._num_sent = 0

    def _store(self, lines: list[Message]) -> None:
        """Write records to the store ourselves; storing one that the daemon has stored too changes nothing."""
        for line in lines:
            try:
                self._open_history().add(
                    line["command"],
                    cwd=line["cwd"],
                    status=line["status"],
                    session=self.session,
                    started=line["started"],
                    duration_s=line["duration_s"],
                )
            except HistoryError as error:
                self.problem = str(error)


def _default_socket_path() -> Path:
    from typeahead import config

    return config.socket_path()


def _open_socket(path: Path, timeout_s: float) -> socket.socket:
    """Return a connection to a daemon of this very user; ``timeout_s`` 0: never waits."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect(str(path))
        if peer_uid(connection) not in (None, os.getuid()):
            raise DaemonError(f"{path}: somebody else listens here; set TYPEAHEAD_SOCKET to a path of your own")
    except BaseException:
        connection.close()
        raise
    return connection


def peer_uid(connection: socket.socket) -> int | None:
    """Return the user at the other end of a Unix socket; ``None`` where the system does not tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    return int(struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1])


def spawn_daemon(socket_path: Path) -> int:
    """Start a daemon for ``socket_path`` that outlives this process and its terminal; return its process id.

    Does not wait for it. The lock makes a second one harmless: it finds the first and ends.

    Raises
    ------
    DaemonError
        The interpreter cannot be run.
    """
    import signal

    # -P: a folder of the user's that is called like a module of ours must not be imported from.
    arguments = [sys.executable, "-P", "-m", "typeahead.shell.daemon", "--detached"]
    environment = {**os.environ, "TYPEAHEAD_SOCKET": os.path.abspath(socket_path)}
    nothing = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    # What a shell ignores must not stay ignored; no new session here, the daemon does that first of all itself.
    defaults = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU]
    try:
        return os.posix_spawn(
            sys.executable, arguments, environment, file_actions=nothing, setsigmask=[], setsigdef=defaults
        )
    except OSError as error:
        raise DaemonError(f"{sys.executable or 'python'}: the daemon cannot be started ({error.strerror})") from error


def request(message: Message, timeout_s: float, socket_path: str | Path | None = None) -> Message:
    """Send one message, wait for its reply and return that.

    Raises
    ------
    DaemonError
        Nothing listens, no answer within ``timeout_s`` seconds, or the daemon says that the request is wrong.
    """
    path = Path(socket_path) if socket_path else _default_socket_path()
    line = encode({"id": 1, **message})
    if len(line) > MAX_LINE_BYTES:
        raise DaemonError(f"a request of {len(line)} bytes is too long; at most {MAX_LINE_BYTES}")
    deadline = time.monotonic() + timeout_s
    inbox = bytearray()
    try:
        with _open_socket(path, timeout_s) as connection:
            connection.sendall(line)
            while b"\n" not in inbox:
                connection.settimeout(max(0.001, deadline - time.monotonic()))
                data = connection.recv(65536)
                if not data:
                    raise DaemonError(f"{path}: the daemon hung up; `typeahead daemon status` says how it is")
                inbox += data
    except TimeoutError:
        raise DaemonError(f"{path}: no answer from the daemon within {timeout_s:g} s") from None
    except OSError as error:
        raise DaemonError(f"{path}: no daemon answers ({error.strerror}); start one: typeahead daemon start") from error
    try:
        reply = json.loads(inbox[: inbox.index(b"\n")])
    except ValueError:
        raise DaemonError(f"{path}: what answers is not the daemon; set TYPEAHEAD_SOCKET to another path") from None
    if not isinstance(reply, dict) or reply.get("op") == "error":
        raise DaemonError(f"{path}: the daemon refuses: {reply.get('error') if isinstance(reply, dict) else reply}")
    return reply
