"""The daemon's loop: connections in, answers out; nothing in it waits for the model.

One thread reads requests and answers them from the history, or hands them to the model's thread
(`typeahead.shell.worker`) and sends its answers on; a third learns and forgets (`typeahead.shell.learner`). What is
secret in a line is replaced here, before anything else sees the line. See `typeahead.shell.protocol` for what is said.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from typeahead import __version__, secrets
from typeahead.shell import dialect
from typeahead.shell.connections import Connection, Connections
from typeahead.shell.figures import memory_bytes, quantiles
from typeahead.shell.finder import Finder, Findings, Ranking, Search
from typeahead.shell.learner import Forgetting, Forgotten, Learner
from typeahead.shell.protocol import (
    MAX_PREFIX,
    MalformedError,
    Message,
    decode,
    forget_fields,
    is_private,
    is_safe,
    line_fields,
    rank_fields,
    search_fields,
    surroundings_fields,
    text_field,
)
from typeahead.shell.runs import Scope
from typeahead.shell.sessions import Sessions, stored_name
from typeahead.shell.spoken import AT_ANY_TIME, spoken_fields
from typeahead.shell.store import BUSY_RETRY_S, Store
from typeahead.shell.worker import Answer, Load, Question, Worker, log_error, row_of

MAX_SUGGESTIONS = 50
_MAX_ID = 100
_CHECK_S = 5.0  # between looks at idleness, at the socket's file and at weights that could not be loaded
_CONTEXT_LINES = 200  # of a session, from which it goes on in another model
_NUM_LATENCIES = 1000  # newest, for "stats"

_log = logging.getLogger(__name__)


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
    weights : path
        Where the model comes from: loaded again when another file stands there.
    idle_s : float
        Ends after so many seconds without a connection.
    about : dict
        More to tell in answer to "status".
    """

    def __init__(
        self, listener: socket.socket, load: Load, store: Store, weights: Path, idle_s: float, about: Message
    ) -> None:
        self.stopping: str | None = None  # why
        self._path = Path(listener.getsockname())
        self._identity = _identity(self._path)
        self._store = store
        self._weights, self._loaded = weights, _version_of(weights)
        self._next_look = 0.0  # at the weights
        self._idle_s = idle_s
        self._about = about
        self._began = self._last_active = time.monotonic()
        self._forgettings: deque[Forgetting] = deque()  # that wait for records before them to be stored
        self._num_questions = 0
        self._latencies_ms: deque[float] = deque(maxlen=_NUM_LATENCIES)
        self._operations: dict[str, Callable[[Connection, Message], Message | None]] = {
            "hello": self._hello,
            "names": self._names,
            "suggest": self._suggest,
            "why": self._why,
            "search": self._search,
            "rank": self._rank,
            "record": self._record,
            "forget": self._forget,
            "status": self._status,
            "ping": self._status,
            "stats": self._stats,
            "say": self._say,
            "busy": self._busy,
            "stop": self._stop,
        }
        self._connections = Connections(listener, self._handle, lambda connection: self._sessions.bind(connection, ""))
        self._learner = Learner(store.path, self.wake)
        self._finder = Finder(store.path, self.wake)
        self._worker = Worker(load, self.wake, self._learner.teach)
        self._sessions = Sessions(self._worker.close)
        self._told = self._worker.state

    @property
    def wake_fd(self) -> int:
        """A file descriptor to which `signal.set_wakeup_fd` may write."""
        return self._connections.wake_fd

    def wake(self) -> None:
        """Make the loop look at `stopping` and at what its threads have done; from any thread."""
        self._connections.wake()

    def run(self) -> bool:
        """Serve; return whether the other threads have ended too."""
        self._worker.start()
        self._learner.start()
        self._finder.start()
        try:
            while self.stopping is None:
                self._connections.work(BUSY_RETRY_S if self._store.num_waiting else min(_CHECK_S, self._idle_s))
                self._send_answers()
                self._store.work()
                self._send_forgotten()
                self._check_weights()
                self._check_idle()
        finally:
            ended = self._close()
        return ended

    def _close(self) -> bool:
        if self._identity == _identity(self._path):  # only our own: a successor may have bound the name already
            with suppress(OSError):
                self._path.unlink()
        self._connections.stop_listening()
        ended = self._worker.stop(timeout_s=0.5)
        ended = self._learner.stop(timeout_s=1.0) and ended
        ended = self._finder.stop(timeout_s=0.5) and ended
        self._store.close()
        self._connections.close()  # last: who asked us to stop waits for it
        return ended

    def _check_idle(self) -> None:
        if len(self._connections):
            self._last_active = time.monotonic()
        elif self._identity != _identity(self._path):
            self.stopping = "the socket's file has gone"
        elif time.monotonic() - self._last_active >= self._idle_s:
            self.stopping = "idle"

    def _check_weights(self, now: bool = False) -> None:
        """Load the model again when its file has changed: where loading failed, soon; else at a greeting (``now``)."""
        state = self._worker.state
        if state == "loading" or (not now and (state == "warm" or time.monotonic() < self._next_look)):
            return
        self._next_look = time.monotonic() + _CHECK_S
        version = _version_of(self._weights)
        if version != self._loaded and version is not None:
            self._loaded = version
            _log.info("%s has changed", self._weights)
            self._learner.teach(None)
            self._worker.reload(self._context())

    def _context(self) -> dict[str, list[Message]]:
        """Return the lines of each session that are in the store, oldest first."""
        return {name: self._store.of_session(name, _CONTEXT_LINES) for name in self._sessions.named()}

    def _handle(self, connection: Connection, line: bytes) -> None:
        message: Message = {}
        try:
            connection.plain = dialect.is_plain(line)
            message = dialect.decode(line) if connection.plain else decode(line)
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
            self._connections.send(connection, {"op": message.get("op"), "id": message.get("id"), **reply})

    # Operations: each returns its reply, or None when that comes later

    def _hello(self, connection: Connection, message: Message) -> Message:
        lines = message.get("lines", [])
        last_record = message.get("last_record", 0)
        if not isinstance(lines, list) or type(last_record) is not int:
            raise MalformedError("lines must be a list and last_record a whole number")
        earlier = [_without_secrets(line)[0] for line in map(line_fields, lines) if not is_private(line["command"])]
        names, environ = surroundings_fields(message)
        known = message.get("session") in self._sessions
        name = self._sessions.name(connection, message)
        if connection.session != name:
            self._sessions.bind(connection, name)
        if not known:
            self._sessions[name].last_record = last_record
            # Who speaks plainly does not tell them; they are in the store.
            self._worker.open(name, self._store.of_session(name, _CONTEXT_LINES) if connection.plain else earlier)
        if names is not None or environ is not None:
            self._worker.surround(name, names, environ)
        connection.greeted, connection.wants_said = True, message.get("said") is True
        connection.typed = time.monotonic()
        self._check_weights(now=True)
        self._learner.catch_up()  # other processes may have stored something
        return {"version": __version__, "pid": os.getpid(), "state": self._worker.state}

    def _names(self, connection: Connection, message: Message) -> Message:
        names, environ = surroundings_fields(message)
        self._worker.surround(self._sessions.name(connection, message), names, environ)
        return {"names": len(names or ())}

    def _suggest(self, connection: Connection, message: Message) -> Message | None:
        return self._ask(self._question(connection, message, default_n=1), message.get("wait") is True)

    def _why(self, connection: Connection, message: Message) -> Message | None:
        return self._ask(self._question(connection, message, default_n=10, why=True), message.get("wait") is True)

    def _question(self, connection: Connection, message: Message, default_n: int, why: bool = False) -> Question:
        prefix = text_field(message, "prefix", MAX_PREFIX)
        if prefix:  # the empty line is asked about also when a command ends where nobody looks
            connection.typed = time.monotonic()
        cwd = text_field(message, "cwd", MAX_PREFIX, default=None)
        n = message.get("n", default_n)
        if type(n) is not int or not 1 <= n <= MAX_SUGGESTIONS:
            raise MalformedError(f"n must be a whole number from 1 to {MAX_SUGGESTIONS}")
        name = self._sessions.name(connection, message)
        return Question((connection, message.get("id")), message.get("id"), name, prefix, cwd, n, why)

    def _search(self, connection: Connection, message: Message) -> None:
        fields = search_fields(message)
        name, scope, cwd = self._sessions.name(connection, message), fields["scope"], fields["cwd"]
        chosen = Scope(cwd if scope == "directory" else None, name if scope == "session" else None, fields["failed"])
        self._finder.ask(Search((connection, message.get("id")), name, fields["text"], cwd, chosen, fields["limit"]))

    def _rank(self, connection: Connection, message: Message) -> None:
        lines, cwd = rank_fields(message)
        name, asked = self._sessions.name(connection, message), Ranking((connection, message.get("id")))
        self._worker.ask(Question(asked, None, name, "", cwd, 1, weigh=lines, ended=False))

    def _ask(self, question: Question, wait: bool) -> Message | None:
        """Hand a question to the model; where it is not there (nor waited for), the history answers."""
        if self._worker.state == "warm" or (wait and self._worker.state == "loading"):
            self._worker.ask(question)
            return None
        return self._without_model(question)

    def _without_model(self, question: Question) -> Message:
        reply: Message = {"prefix": question.prefix, "state": self._worker.state}
        if question.why:
            reply["reasons"] = []
        else:
            lines = self._store.newest(question.prefix, question.n)
            reply["suggestions"] = [{"text": line, "source": "history", "log_prob": None} for line in lines]
        return reply | ({"problem": self._worker.problem} if self._worker.state == "failed" else {})

    def _record(self, connection: Connection, message: Message) -> Message | None:
        line, kinds = _without_secrets(line_fields(message))
        name = self._sessions.name(connection, message)
        session = self._sessions[name]
        record_id = message.get("id")
        private = is_private(line["command"])
        # A client sends again what it has had no answer to; the suggester must not hear it twice.
        heard = connection.greeted and type(record_id) is int and record_id <= session.last_record
        if not heard and not private:
            self._worker.record(name, line)
        if connection.greeted and type(record_id) is int:
            session.last_record = max(session.last_record, record_id)
        if private:
            return {"stored": True, "secrets": []}

        def done(problem: str | None) -> None:
            outcome = {"stored": problem is None, "secrets": kinds} | ({"problem": problem} if problem else {})
            self._connections.send(connection, {"op": "record", "id": record_id, **outcome})
            if problem is None:
                self._learner.catch_up()

        self._store.add(stored_name(name), line, done)
        return None

    def _forget(self, connection: Connection, message: Message) -> None:
        criteria = forget_fields(message)
        self._sessions.name(connection, message)
        self._forgettings.append(Forgetting((connection, message.get("id")), criteria))

    def _status(self, connection: Connection, message: Message) -> Message:
        return {
            "version": __version__,
            "pid": os.getpid(),
            "uptime_s": round(time.monotonic() - self._began, 3),
            "state": self._worker.state,
            "problem": self._worker.problem or self._store.problem or self._learner.problem,
            "load_s": self._worker.load_s,
            "memory_bytes": memory_bytes(),
            "sessions": len(self._sessions),
            "connections": len(self._connections) - 1,  # but for the one that asks
            "learnt": self._learner.learnt,
            "learning": self._learner.learning,
            "socket": str(self._path),
            "history": str(self._store.path),
            **self._about,
        }

    def _stats(self, connection: Connection, message: Message) -> Message:
        return {
            "version": __version__,
            "state": self._worker.state,
            "learnt": self._learner.learnt,
            "learning": self._learner.learning,
            "questions": self._num_questions,
            "latency_ms": quantiles(sorted(self._latencies_ms)),
        }

    def _say(self, connection: Connection, message: Message) -> Message:
        spoken = spoken_fields(message)
        editors = [other for other in self._connections if other.wants_said and not other.plain]
        if not (spoken.mode == "key" and spoken.key in AT_ANY_TIME):
            editors = [editor for editor in editors if not editor.busy]
        if not editors:
            return {"delivered": False, "session": None}
        last = max(editors, key=lambda editor: editor.typed)
        last.typed = time.monotonic()
        self._connections.send(last, {"op": "said", **spoken._asdict(), "at": last.typed})
        return {"delivered": True, "session": stored_name(last.session)}

    def _busy(self, connection: Connection, message: Message) -> Message:
        connection.busy = message.get("busy") is True
        return {}

    def _stop(self, connection: Connection, message: Message) -> Message:
        self.stopping = "asked to"
        return {"pid": os.getpid()}

    # What the other threads have done

    def _send_findings(self) -> None:
        """Have what was found weighed by the model, if that is there, and send the rest as it is."""
        for found in self._finder.collect():
            if found.to_rank and self._worker.state == "warm":
                search = found.search
                self._worker.ask(Question(found, None, search.session, "", search.cwd, 1, weigh=found.to_rank))
            else:
                self._send_found(found)

    def _send_found(self, found: Findings | Ranking, log_probs: Sequence[float] | None = None) -> None:
        connection, search_id = found.asker
        self._connections.send(connection, {"op": found.op, "id": search_id, **found.reply(log_probs)})

    def _send_answers(self) -> None:
        self._send_findings()
        for answer in self._worker.collect():
            if isinstance(answer.question.asker, Findings | Ranking):
                self._send_found(answer.question.asker, answer.log_probs)
                continue
            connection, question_id = answer.question.asker
            op = "why" if answer.question.why else "suggest"
            self._connections.send(connection, {"op": op, "id": question_id, **self._completed(answer)})
        if self._told != self._worker.state:
            self._told = self._worker.state
            _log.info("the model is %s%s", self._told, f": {self._worker.problem}" if self._worker.problem else "")
            self._tell_all({"op": "state", "state": self._told})

    def _completed(self, answer: Answer) -> Message:
        question = answer.question
        if answer.completions is None:
            nothing = {"reasons": None} if question.why else {"suggestions": None}
            return {"prefix": question.prefix, "state": self._worker.state, **nothing}
        if self._worker.state != "warm":
            return self._without_model(question)
        reply = {"prefix": question.prefix, "state": "warm"}
        if question.why:
            return reply | {"reasons": [row_of(reason) for reason in answer.reasons]}
        self._num_questions += 1
        self._latencies_ms.append(round(1000 * (time.monotonic() - question.asked), 3))
        suggestions = [
            {"text": one.text, "source": one.source, "log_prob": float(one.log_prob)}
            for one in answer.completions
            if one.text.startswith(question.prefix) and is_safe(one.text) and math.isfinite(one.log_prob)
        ]
        return reply | {"suggestions": suggestions}

    def _send_forgotten(self) -> None:
        while self._forgettings and not self._store.num_waiting:
            self._learner.forget(self._forgettings.popleft())
        for outcome in self._learner.collect():
            if outcome.commands:
                self._worker.reopen(self._context())
                self._tell_all({"op": "forgot", "commands": len(set(outcome.commands))})
            connection, request_id = outcome.request.asker
            self._connections.send(connection, {"op": "forget", "id": request_id, **_summary(outcome)})

    def _tell_all(self, message: Message) -> None:
        for connection in self._connections:
            if connection.greeted:
                self._connections.send(connection, message)


def _without_secrets(line: Message) -> tuple[Message, list[str]]:
    """Return a line with each secret in it replaced, and the kinds that were found."""
    command, kinds = secrets.redact(line["command"])
    return {**line, "command": command}, kinds


def _summary(outcome: Forgotten) -> Message:
    reply: Message = {"forgotten": len(outcome.commands), "commands": len(set(outcome.commands))}
    return reply | ({"problem": outcome.problem} if outcome.problem else {})


def _identity(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        info = path.lstat()
        return info.st_dev, info.st_ino
    return None


def _version_of(weights: Path) -> tuple[int, int] | None:
    """Return what changes when another file is put there."""
    with suppress(OSError):
        info = weights.stat()
        return info.st_mtime_ns, info.st_size
    return None
