"""The daemon's loop: connections in, answers out; nothing in it waits for the model.

One thread with a selector reads requests and answers them from the history, or hands them to the model's thread
(`typeahead.shell.worker`) and sends its answers on. See `typeahead.shell.protocol` for what is said.
"""

from __future__ import annotations

import logging
import math
import os
import selectors
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from typeahead import __version__
from typeahead.shell.protocol import (
    MAX_LINE_BYTES,
    MAX_PREFIX,
    MalformedError,
    Message,
    decode,
    encode,
    is_safe,
    line_fields,
    peer_uid,
    text_field,
)
from typeahead.shell.store import BUSY_RETRY_S, Store
from typeahead.shell.worker import Answer, Load, Question, Worker, log_error

MAX_CONNECTIONS = 200
MAX_SESSIONS = 64  # kept, the least recently used of those nobody is connected to go first
MAX_SUGGESTIONS = 50
_MAX_OUTBOX_BYTES = 1 << 20  # of a client that does not read; beyond, it is hung up on
_MAX_SESSION_NAME = 200
_MAX_ID = 100
_CHECK_S = 5.0  # between looks at idleness and at the socket's file

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Connection:
    socket: socket.socket
    inbox: bytearray = field(default_factory=bytearray)
    outbox: bytearray = field(default_factory=bytearray)
    skipping: bool = False  # inside a line that was too long
    greeted: bool = False
    session: str = ""  # "" is replaced by a private one


@dataclass
class _Session:
    last_record: int = 0  # id of the newest line the suggester knows of
    connections: int = 0


class Server:
    """Answers on ``listener`` until it is told to stop or has been idle for long.

    Parameters
    ----------
    listener : socket
        Bound and listening.
    load : callable
        Loads the model, in the worker's thread.
    store : Store
        Past commands.
    idle_s : float
        Ends after so many seconds without a connection.
    about : dict
        More to tell in answer to "status".
    """

    def __init__(self, listener: socket.socket, load: Load, store: Store, idle_s: float, about: Message) -> None:
        self.stopping: str | None = None  # why
        self._listener = listener
        self._path = Path(listener.getsockname())
        self._identity = _identity(self._path)
        self._store = store
        self._idle_s = idle_s
        self._about = about
        self._began = self._last_active = time.monotonic()
        self._connections: set[_Connection] = set()
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._operations: dict[str, Callable[[_Connection, Message], Message | None]] = {
            "hello": self._hello,
            "suggest": self._suggest,
            "record": self._record,
            "status": self._status,
            "ping": self._status,
            "stop": self._stop,
        }
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = socket.socketpair()
        for end in (listener, self._woken, self._waker):
            end.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._worker = Worker(load, self.wake)
        self._told = self._worker.state

    @property
    def wake_fd(self) -> int:
        """A file descriptor to which `signal.set_wakeup_fd` may write."""
        return self._waker.fileno()

    def wake(self) -> None:
        """Make the loop look at `stopping` and at the worker's answers; from any thread."""
        with suppress(OSError):  # full: it will wake anyway; closed: it has ended
            self._waker.send(b"\0")

    def run(self) -> bool:
        """Serve; return whether the model's thread has ended too."""
        self._worker.start()
        try:
            while self.stopping is None:
                timeout_s = BUSY_RETRY_S if self._store.num_waiting else min(_CHECK_S, self._idle_s)
                for key, events in self._selector.select(timeout_s):
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj is self._woken:
                        with suppress(BlockingIOError):
                            self._woken.recv(4096)
                    else:
                        self._serve(key.data, events)
                self._send_answers()
                self._store.work()
                self._check_idle()
        finally:
            ended = self._close()
        return ended

    def _close(self) -> bool:
        if self._identity == _identity(self._path):  # only our own: a successor may have bound the name already
            with suppress(OSError):
                self._path.unlink()
        self._listener.close()
        ended = self._worker.stop(timeout_s=0.5)
        self._store.close()
        for connection in list(self._connections):  # last: who asked us to stop waits for it
            connection.socket.settimeout(0.2)
            with suppress(OSError):
                connection.socket.sendall(connection.outbox)
            self._hang_up(connection)
        self._selector.close()
        self._woken.close()
        self._waker.close()
        return ended

    def _check_idle(self) -> None:
        if self._connections:
            self._last_active = time.monotonic()
        elif self._identity != _identity(self._path):
            self.stopping = "the socket's file has gone"
        elif time.monotonic() - self._last_active >= self._idle_s:
            self.stopping = "idle"

    # Connections

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except OSError:
            return
        if peer_uid(accepted) not in (None, os.getuid()) or len(self._connections) >= MAX_CONNECTIONS:
            accepted.close()
            return
        accepted.setblocking(False)
        connection = _Connection(accepted)
        self._connections.add(connection)
        self._selector.register(accepted, selectors.EVENT_READ, connection)

    def _serve(self, connection: _Connection, events: int) -> None:
        if connection not in self._connections:  # hung up on a moment ago
            return
        if events & selectors.EVENT_WRITE:
            self._flush(connection)
        if not events & selectors.EVENT_READ:
            return
        try:
            data = connection.socket.recv(MAX_LINE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._hang_up(connection)
            return
        connection.inbox += data
        *lines, rest = bytes(connection.inbox).split(b"\n")
        connection.inbox = bytearray(rest)
        for line in lines:
            if connection.skipping:
                connection.skipping = False
            elif line.strip() and connection in self._connections:
                self._handle(connection, line)
        if len(connection.inbox) >= MAX_LINE_BYTES:
            if not connection.skipping:
                self._send(connection, {"op": "error", "id": None, "error": f"a line over {MAX_LINE_BYTES} bytes"})
            connection.skipping = True
            connection.inbox.clear()

    def _handle(self, connection: _Connection, line: bytes) -> None:
        message: Message = {}
        try:
            message = decode(line)
            if not isinstance(message.get("id"), (int, str, type(None))) or len(str(message.get("id"))) > _MAX_ID:
                message["id"] = None
                raise MalformedError(f"id must be a number or text of at most {_MAX_ID} characters")
            operation = self._operations.get(text_field(message, "op", 20))
            if operation is None:
                raise MalformedError(f"unknown op; known: {', '.join(self._operations)}")
            reply = operation(connection, message)
        except MalformedError as error:
            reply = {"op": "error", "error": str(error)}
        except Exception as error:  # a bug must not take the other sessions down
            log_error("a request failed", error)
            reply = {"op": "error", "error": "a bug; the daemon's log says where"}
        if reply is not None:
            self._send(connection, {"op": message.get("op"), "id": message.get("id"), **reply})

    def _send(self, connection: _Connection, message: Message) -> None:
        line = encode(message)
        while len(line) > MAX_LINE_BYTES and message.get("suggestions"):
            message["suggestions"].pop()
            line = encode(message)
        connection.outbox += line
        self._flush(connection)

    def _flush(self, connection: _Connection) -> None:
        if connection not in self._connections:
            return
        try:
            while connection.outbox:
                del connection.outbox[: connection.socket.send(connection.outbox)]
        except BlockingIOError:
            if len(connection.outbox) > _MAX_OUTBOX_BYTES:
                self._hang_up(connection)
                return
        except OSError:
            connection.outbox.clear()  # it has gone, but what it said before may still be unread: records, perhaps
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.outbox else 0)
        self._selector.modify(connection.socket, events, connection)

    def _hang_up(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        self._selector.unregister(connection.socket)
        connection.socket.close()
        self._bind(connection, "")

    # Sessions

    def _session(self, connection: _Connection, message: Message) -> str:
        """Return the name of the session a request speaks of, made known if it is new."""
        name = text_field(message, "session", _MAX_SESSION_NAME, default=connection.session) or f"\0{id(connection)}"
        if not connection.session:
            self._bind(connection, name)
        self._sessions.setdefault(name, _Session())
        self._sessions.move_to_end(name)
        if len(self._sessions) > MAX_SESSIONS:
            unused = (other for other, session in self._sessions.items() if not session.connections and other != name)
            oldest = next(unused, None)
            if oldest is not None:
                self._forget(oldest)
        return name

    def _bind(self, connection: _Connection, name: str) -> None:
        """Make ``name`` the connection's own session; "" for none."""
        left = self._sessions.get(connection.session)
        if left is not None:
            left.connections -= 1
            if connection.session.startswith("\0"):  # nobody can come back to it
                self._forget(connection.session)
        connection.session = name
        if name:
            self._sessions.setdefault(name, _Session()).connections += 1

    def _forget(self, name: str) -> None:
        del self._sessions[name]
        self._worker.close(name)

    # Operations: each returns its reply, or None when that comes later

    def _hello(self, connection: _Connection, message: Message) -> Message:
        lines = message.get("lines", [])
        last_record = message.get("last_record", 0)
        if not isinstance(lines, list) or type(last_record) is not int:
            raise MalformedError("lines must be a list and last_record a whole number")
        earlier = [line for line in map(line_fields, lines) if not line["command"].startswith(" ")]
        known = message.get("session") in self._sessions
        name = self._session(connection, message)
        if connection.session != name:
            self._bind(connection, name)
        if not known:
            self._sessions[name].last_record = last_record
            self._worker.open(name, earlier)
        connection.greeted = True
        return {"version": __version__, "pid": os.getpid(), "state": self._worker.state}

    def _suggest(self, connection: _Connection, message: Message) -> Message | None:
        prefix = text_field(message, "prefix", MAX_PREFIX)
        cwd = text_field(message, "cwd", MAX_PREFIX, default=None)
        n = message.get("n", 1)
        if type(n) is not int or not 1 <= n <= MAX_SUGGESTIONS:
            raise MalformedError(f"n must be a whole number from 1 to {MAX_SUGGESTIONS}")
        name = self._session(connection, message)
        question = Question((connection, message.get("id")), message.get("id"), name, prefix, cwd, n)
        if self._worker.state == "warm" or (message.get("wait") is True and self._worker.state == "loading"):
            self._worker.ask(question)
            return None
        return self._from_history(prefix, n)

    def _from_history(self, prefix: str, n: int) -> Message:
        lines = self._store.newest(prefix, n)
        suggestions = [{"text": line, "source": "history", "log_prob": None} for line in lines]
        reply: Message = {"prefix": prefix, "state": self._worker.state, "suggestions": suggestions}
        return reply | ({"problem": self._worker.problem} if self._worker.state == "failed" else {})

    def _record(self, connection: _Connection, message: Message) -> Message | None:
        line = line_fields(message)
        name = self._session(connection, message)
        session = self._sessions[name]
        record_id = message.get("id")
        # A client sends again what it has had no answer to; the suggester must not hear it twice.
        heard = connection.greeted and type(record_id) is int and record_id <= session.last_record
        if not heard and not line["command"].startswith(" "):
            self._worker.record(name, line)
        if connection.greeted and type(record_id) is int:
            session.last_record = max(session.last_record, record_id)

        def done(problem: str | None) -> None:
            outcome = {"stored": problem is None} | ({"problem": problem} if problem else {})
            self._send(connection, {"op": "record", "id": record_id, **outcome})

        self._store.add("" if name.startswith("\0") else name, line, done)
        return None

    def _status(self, connection: _Connection, message: Message) -> Message:
        return {
            "version": __version__,
            "pid": os.getpid(),
            "uptime_s": round(time.monotonic() - self._began, 3),
            "state": self._worker.state,
            "problem": self._worker.problem or self._store.problem,
            "load_s": self._worker.load_s,
            "memory_bytes": _memory_bytes(),
            "sessions": len(self._sessions),
            "connections": len(self._connections) - 1,  # but for the one that asks
            "socket": str(self._path),
            "history": str(self._store.path),
            **self._about,
        }

    def _stop(self, connection: _Connection, message: Message) -> Message:
        self.stopping = "asked to"
        return {"pid": os.getpid()}

    # The worker's answers

    def _send_answers(self) -> None:
        for answer in self._worker.collect():
            connection, question_id = answer.question.asker
            self._send(connection, {"op": "suggest", "id": question_id, **self._completed(answer)})
        if self._told != self._worker.state:
            self._told = self._worker.state
            _log.info("the model is %s%s", self._told, f": {self._worker.problem}" if self._worker.problem else "")
            for connection in list(self._connections):
                if connection.greeted:
                    self._send(connection, {"op": "state", "state": self._told})

    def _completed(self, answer: Answer) -> Message:
        prefix, n = answer.question.prefix, answer.question.n
        if answer.completions is None:
            return {"prefix": prefix, "state": self._worker.state, "suggestions": None}
        if self._worker.state != "warm":
            return self._from_history(prefix, n)
        suggestions = [
            {"text": one.text, "source": one.source, "log_prob": float(one.log_prob)}
            for one in answer.completions
            if one.text.startswith(prefix) and is_safe(one.text) and math.isfinite(one.log_prob)
        ]
        return {"prefix": prefix, "state": "warm", "suggestions": suggestions}


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        info = path.lstat()
    except OSError:
        return None
    return info.st_dev, info.st_ino


def _memory_bytes() -> int:
    """Return the resident memory of this process (where the system does not tell: its peak)."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource
        import sys

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
