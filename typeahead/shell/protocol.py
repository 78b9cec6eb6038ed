"""What client and daemon say to each other, and how a command asks one question. Standard library only.

One JSON object a line, UTF-8, at most `MAX_LINE_BYTES`, on a Unix stream socket. A request is {"op": ..., "id": ...}
and its reply carries the same two; a request that cannot be understood is answered with {"op": "error", "id", "error"}
and the connection stays.

======== ============================================ ==============================================================
op       request                                      reply
======== ============================================ ==============================================================
hello    session, lines, last_record, names, environ, version, pid, state; ``lines`` are the session's earlier ones;
         said                                         ``said``: true of a line editor that wants to hear of words
names    names, environ                               names: how many; what the session's shell knows replaces what
                                                      it knew (``names``: aliases, functions, builtins; ``environ``:
                                                      PATH, HOME, CDPATH and the mere names of other variables)
suggest  prefix, cwd, n, wait                         prefix, state, suggestions [{text, source, log_prob}]; null when
                                                      a newer question of the session came; ``wait`` for the model
record   command, cwd, status, started, duration_s,   stored, secrets: the kinds that were found in the line and
         use {characters, keys, shown, accepted,      replaced before anything was kept of it
         accepted_characters, latencies_ms}
why      prefix, cwd, n, wait                         prefix, state, reasons [{text, source, probability, worth,
                                                      features {name: number}, shown, rejected}]
search   text, cwd, scope, failed, limit              text, complete, matches [{text, status, cwd, started, duration_s,
                                                      runs}], distinct lines, the best first; null as for suggest,
                                                      or where the history cannot be read.
                                                      ``scope``: all, directory (run in cwd) or session; ``failed``:
                                                      true or false for runs that did or did not
rank     lines, cwd                                   log_probs: how likely the session's next line begins with each
                                                      of ``lines``; null without a model or as for suggest
forget   pattern, last, since or exact                forgotten: lines removed; commands: distinct ones among them
status   (also: ping)                                 version, pid, uptime_s, state, model, memory_bytes, sessions...
stats                                                 version, state, learnt, learning, questions, latency_ms
say      word, line, mode, key, confidence,           delivered: whether there is such a line editor, of which the
         cooldown_s, when                             one that was typed or spoken in last is told; session: its name
busy     busy                                         nothing more; a line editor with ``busy`` true has no prompt now,
                                                      and is told only what can interrupt a command
stop                                                  nothing more; the daemon ends
state    (sent unasked to whoever has said hello)     state
forgot   (sent unasked to whoever has said hello)     commands: whoever remembers lines should let go of them
said     (sent unasked to who wants it: see hello)     the fields of say, which `shell.spoken` explains, and ``at``:
                                                      when, by the machine's monotonic clock in seconds
======== ============================================ ==============================================================

``session`` may stand in any request; by default it is the one of the hello. ``state`` is "loading" or "failed" (the
history answers) or "warm" (the model does).
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from typeahead import config
from typeahead.errors import DaemonError

MAX_LINE_BYTES = 64 * 1024  # of one message with its newline, either way
MAX_PREFIX = 4096  # characters; nobody wants a longer line completed
MAX_NAME = 255  # characters of an alias, a function or a variable

ENVIRON_BYTES = 16 * 1024  # of a shell's variables in one message
NAMES_BYTES = 60 * 1024  # of a shell's names, of which some have thousands
ENVIRON_VALUES = ("PATH", "HOME", "CDPATH")  # of other variables the daemon hears the name alone

Message = dict[str, Any]

# Telling to forget something would otherwise be remembered, with what it names.
_FORGETTING = re.compile(r"(?:\S*/)?typeahead\s+(?:--debug\s+)?forget\b")
# C0, DEL, C1; line and paragraph separators and what reverses the direction of writing; surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class MalformedError(ValueError):
    """A message that cannot be understood; the text says why and quotes nothing of it."""


class Suggestion(NamedTuple):
    """One proposal for the whole line."""

    text: str  # starts with the prefix
    source: str  # "model" or "history"
    log_prob: float | None  # nats, of the text after the prefix; None when nothing has weighed it


def is_safe(text: str) -> bool:
    """Return whether a suggestion can be drawn and accepted: no newline, escape or other control character in it.

    A newline would run the line on acceptance and an escape would drive the terminal while it is drawn, so such a text
    is rejected, never mended. Nor may it hold half a character, or what makes a line read other than it runs.
    """
    return _UNSAFE.search(text) is None


def safe_suggestions(rows: Iterable[Any], prefix: str) -> list[Suggestion]:
    """Return the suggestions in a reply that go on from ``prefix`` and can be shown."""
    suggestions = []
    for row in rows:
        with suppress(KeyError, TypeError, ValueError):
            log_prob = None if row["log_prob"] is None else float(row["log_prob"])
            suggestion = Suggestion(str(row["text"]), str(row["source"]), log_prob)
            if suggestion.text.startswith(prefix) and is_safe(suggestion.text[len(prefix) :]):
                suggestions.append(suggestion)
    return suggestions


def is_private(command: str) -> bool:
    """Return whether a line that has been run leaves no trace: blank, begun with a space, or a telling to forget."""
    return command.startswith(" ") or not command.strip() or _FORGETTING.match(command) is not None


def encode(message: Message) -> bytes:
    """Return a message as one line of UTF-8; of ASCII if it holds lone surrogates, as odd file names do."""
    try:
        return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Message:
    """Return the message in a line.

    Raises
    ------
    MalformedError
        It is not UTF-8, not JSON or not an object.
    """
    try:
        message = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"not JSON in UTF-8 ({type(error).__name__})") from None
    if not isinstance(message, dict):
        raise MalformedError("not a JSON object")
    return message


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_REQUIRED: Any = object()


def text_field(message: Message, name: str, max_length: int, default: Any = _REQUIRED) -> Any:
    """Return a field that must be text, or ``default`` where it is left out or null."""
    value = message.get(name)
    if value is None and default is not _REQUIRED:
        return default
    if not isinstance(value, str) or len(value) > max_length:
        raise MalformedError(f"{name} must be text of at most {max_length} characters")
    return value


def _number(message: Message, name: str, whole: bool = False) -> Any:
    value = message.get(name)
    if value is None:
        return None
    # So written, NaN and infinity are outside.
    if type(value) in ((int,) if whole else (int, float)) and -(1 << 53) < value < 1 << 53:
        return value
    raise MalformedError(f"{name} must be a number")


def line_fields(message: Any) -> Message:
    """Return what a record tells about a line that has been run."""
    if not isinstance(message, dict):
        raise MalformedError("a line must be an object")
    return {
        "command": text_field(message, "command", MAX_LINE_BYTES),
        "cwd": text_field(message, "cwd", MAX_LINE_BYTES, default=None),
        "status": _number(message, "status", whole=True),
        "started": _number(message, "started"),
        "duration_s": _number(message, "duration_s"),
        "use": use_fields(message.get("use")),
    }


USE_COUNTS = ("characters", "keys", "shown", "accepted", "accepted_characters")
_MAX_LATENCIES = 2000  # of one line


def use_fields(use: Any) -> Message | None:
    """Return how a line was typed: counts, and the milliseconds that suggestions took; ``None`` if that is not told."""
    if use is None:
        return None
    if not isinstance(use, dict):
        raise MalformedError("use must be an object")
    counts = {name: _number(use, name, whole=True) or 0 for name in USE_COUNTS}
    latencies = use.get("latencies_ms") or []
    if not isinstance(latencies, list) or len(latencies) > _MAX_LATENCIES:
        raise MalformedError(f"latencies_ms must be a list of at most {_MAX_LATENCIES} numbers")
    latencies_ms = tuple(_number({"latencies_ms": one}, "latencies_ms") for one in latencies)
    if min(counts.values()) < 0 or any(one is None or one < 0 for one in latencies_ms):
        raise MalformedError("use must hold no negative and no missing number")
    return {**counts, "latencies_ms": latencies_ms}


def surroundings_fields(message: Message) -> tuple[list[str] | None, dict[str, str] | None]:
    """Return the names that a session's shell knows and its environment; ``None`` for what is left out."""
    names, environ = message.get("names"), message.get("environ")
    if names is not None and not (isinstance(names, list) and all(map(_is_name, names))):
        raise MalformedError(f"names must be a list of texts of at most {MAX_NAME} characters")
    if environ is not None and not (
        isinstance(environ, dict) and all(map(_is_name, environ)) and all(isinstance(v, str) for v in environ.values())
    ):
        raise MalformedError("environ must map names to texts")
    return names, environ


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME


SCOPES = ("all", "directory", "session")
MAX_MATCHES = 200
MAX_RANKED = 64


def search_fields(message: Message) -> Message:
    """Return what a search is for: text, cwd, scope, failed and limit."""
    fields: Message = {
        "text": text_field(message, "text", MAX_PREFIX),
        "cwd": text_field(message, "cwd", MAX_PREFIX, default=None),
        "scope": text_field(message, "scope", MAX_NAME, default="all"),
        "failed": message.get("failed"),
        "limit": message.get("limit", 50),
    }
    if fields["scope"] not in SCOPES or (fields["scope"] == "directory" and fields["cwd"] is None):
        raise MalformedError(f"scope must be one of {', '.join(SCOPES)}, and directory needs cwd")
    if type(fields["failed"]) not in (bool, type(None)):
        raise MalformedError("failed must be true, false or null")
    if type(fields["limit"]) is not int or not 1 <= fields["limit"] <= MAX_MATCHES:
        raise MalformedError(f"limit must be a whole number from 1 to {MAX_MATCHES}")
    return fields


def rank_fields(message: Message) -> tuple[tuple[str, ...], str | None]:
    """Return the lines to be weighed, and the directory."""
    lines = message.get("lines")
    if not isinstance(lines, list) or not 1 <= len(lines) <= MAX_RANKED:
        raise MalformedError(f"lines must be a list of 1 to {MAX_RANKED} lines")
    if not all(isinstance(line, str) and len(line) <= MAX_PREFIX for line in lines):
        raise MalformedError(f"each of lines must be a text of at most {MAX_PREFIX} characters")
    return tuple(lines), text_field(message, "cwd", MAX_PREFIX, default=None)


def forget_fields(message: Message) -> Message:
    """Return what is to be forgotten, as `typeahead.history.History.forget` takes it."""
    fields: Message = {
        "pattern": text_field(message, "pattern", MAX_LINE_BYTES, default=None),
        "last": _number(message, "last", whole=True) or 0,
        "since": _number(message, "since"),
        "exact": text_field(message, "exact", MAX_LINE_BYTES, default=None),
    }
    if fields["last"] < 0 or fields["pattern"] == "" or fields["exact"] == "":
        raise MalformedError("last must not be negative, pattern and exact not empty")
    given = {name: value for name, value in fields.items() if value is not None and (name != "last" or value)}
    if len(given) != 1:
        raise MalformedError("forget needs one of pattern, last, since and exact")
    return given


def told_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what a daemon may know of a shell's variables: where to look for programs and folders, and names."""
    told: dict[str, str] = {}
    room = ENVIRON_BYTES
    for name in (*(name for name in ENVIRON_VALUES if name in environ), *environ):
        value = environ[name] if name in ENVIRON_VALUES else ""
        size = len(encode({name: value}))
        if name not in told and 0 < len(name) <= MAX_NAME and size <= room:
            told[name] = value
            room -= size
    return told


def fitting_names(names: Iterable[str]) -> list[str]:
    """Return as many names as one message can hold."""
    fitting, room = [], NAMES_BYTES - ENVIRON_BYTES
    for name in names:
        size = len(encode({"": name}))
        if 0 < len(name) <= MAX_NAME and size <= room:
            fitting.append(name)
            room -= size
    return fitting


def peer_uid(connection: socket.socket) -> int | None:
    """Return the user at the other end of a Unix socket; ``None`` where the system does not tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    return int(struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1])


def open_connection(path: Path, timeout_s: float) -> socket.socket:
    """Return a connection to a daemon of this very user; with ``timeout_s`` 0 it never waits.

    Raises
    ------
    OSError
        Nothing listens.
    DaemonError
        What listens belongs to another user.
    """
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


def request(message: Message, timeout_s: float, socket_path: str | Path | None = None) -> Message:
    """Send one message on a connection of its own, wait for the reply and return that.

    Raises
    ------
    DaemonError
        Nothing listens, no answer within ``timeout_s`` seconds, or the daemon says that the request is wrong.
    """
    path = Path(socket_path) if socket_path else config.socket_path()
    line = encode({"id": 1, **message})
    if len(line) > MAX_LINE_BYTES:
        raise DaemonError(f"a request of {len(line)} bytes is too long; at most {MAX_LINE_BYTES}")
    deadline = time.monotonic() + timeout_s
    inbox = bytearray()
    try:
        with open_connection(path, timeout_s) as connection:
            connection.sendall(line)
            while b"\n" not in inbox:
                connection.settimeout(max(0.001, deadline - time.monotonic()))
                data = connection.recv(65536)
                if not data:
                    raise DaemonError(f"{path}: the daemon hung up; `typeahead daemon status` says how it is")
                inbox += data
    except TimeoutError:
        raise DaemonError(f"{path}: no answer from the daemon within {timeout_s:g} s; try again") from None
    except OSError as error:
        raise DaemonError(f"{path}: no daemon answers ({error.strerror}); start one: typeahead daemon start") from error
    try:
        reply = decode(bytes(inbox[: inbox.index(b"\n")]))
    except ValueError:
        raise DaemonError(f"{path}: what answers is not the daemon; set TYPEAHEAD_SOCKET to another path") from None
    if reply.get("op") == "error":
        raise DaemonError(f"{path}: the daemon refuses the request: {reply.get('error')}")
    return reply
