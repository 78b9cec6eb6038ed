"""The history files of bash, zsh, fish and atuin, and our own export, read into entries.

Readers never fail on what a file holds: what cannot be an entry is left out. Text is bytes of any kind, those that are
not UTF-8 as lone surrogates. How the shells write was learnt from their own sources (bash ``lib/readline/histfile.c``,
zsh ``Src/hist.c`` and ``Src/utils.c``, fish ``history_file``) and by letting them write.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from typeahead.errors import HistoryError

_MAX_SECONDS = 1e11  # a start later than the year 5000 is damage


class Entry(NamedTuple):
    """One command of another program's history."""

    command: str
    started: float | None = None  # Unix seconds; None where the file does not tell
    duration_s: float | None = None
    cwd: str | None = None
    status: int | None = None
    session: str | None = None
    host: str | None = None


def read_bash(data: bytes) -> Iterator[Entry]:
    """Yield the entries of a bash history file.

    With HISTTIMEFORMAT set, a line ``#`` and Unix seconds precedes each entry, and, as in bash, an entry then goes on
    to the next such line if the file begins with one. Without, each line is an entry.
    """
    lines = data.split(b"\n")
    many_lines = bool(lines and _BASH_TIME.fullmatch(lines[0]))
    started, entry = None, list[bytes]()
    for line in [*lines, b"#0"]:
        stamp = _BASH_TIME.fullmatch(line)
        if not stamp:
            entry.append(line)
        if stamp or not many_lines:
            yield from _entry(b"\n".join(entry).rstrip(b"\n"), started)
            entry.clear()
            started = _seconds(stamp[1]) if stamp else None


_BASH_TIME = re.compile(rb"#([0-9]+)")


def read_zsh(data: bytes) -> Iterator[Entry]:
    """Yield the entries of a zsh history file, plain or extended (``: start:elapsed;command``).

    A newline inside an entry has a backslash before it; one space keeps a backslash at the end from meaning that. A
    byte 0x83 says that the next one has its bit 5 turned over.
    """
    entry = b""
    for line in data.split(b"\n"):
        if line.endswith(b"\\"):
            entry += line[:-1] + b"\n"
            continue
        entry += line
        if re.search(rb"\\ +\Z", line):
            entry = entry[:-1]
        stamp = _ZSH_TIME.match(entry)
        if stamp:
            yield from _entry(_unmetafied(entry[stamp.end() :]), _seconds(stamp[1]), _seconds(stamp[2]))
        else:
            yield from _entry(_unmetafied(entry))
        entry = b""


_ZSH_TIME = re.compile(rb": *([0-9]+):([0-9]+);")


def _unmetafied(data: bytes) -> bytes:
    return re.sub(rb"\x83(.)", lambda match: bytes([match[1][0] ^ 0x20]), data, flags=re.DOTALL)


def read_fish(data: bytes) -> Iterator[Entry]:
    r"""Yield the entries of a fish history file: ``- cmd: text``, ``\n`` and ``\\`` escaped, then ``when: seconds``."""
    command, started = None, None
    for line in [*data.split(b"\n"), b"- cmd: "]:
        if line.startswith(b"- cmd: "):
            if command is not None:
                yield from _entry(command, started)
            command, started = re.sub(rb"\\(n|\\)", _fish_unescaped, line.removeprefix(b"- cmd: ")), None
        elif started is None and (stamp := _FISH_TIME.fullmatch(line)):
            started = _seconds(stamp[1])


_FISH_TIME = re.compile(rb" +when: ([0-9]+)")


def _fish_unescaped(match: re.Match[bytes]) -> bytes:
    return b"\n" if match[1] == b"n" else b"\\"


def read_typeahead(data: bytes) -> Iterator[Entry]:
    """Yield the entries of our own export: a JSON object a line."""
    for line in data.split(b"\n"):
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(event, dict) or not isinstance(event.get("command"), str):
            continue
        entry = Entry(
            event["command"],
            _number(event.get("started"), -_MAX_SECONDS, _MAX_SECONDS),
            _number(event.get("duration_s"), -_MAX_SECONDS, _MAX_SECONDS),
            _text(event.get("cwd")),
            _whole(event.get("status")),
            _text(event.get("session")),
            _text(event.get("host")),
        )
        if _is_writable(entry):
            yield entry


def read_atuin(path: Path) -> Iterator[Entry]:
    """Yield the entries of atuin's database, which is opened for reading only.

    Raises
    ------
    HistoryError
        It is not atuin's, damaged, or busy.
    """
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
            columns = {row[1] for row in connection.execute("PRAGMA table_info(history)")}
            kept = "WHERE deleted_at IS NULL" if "deleted_at" in columns else ""
            rows = connection.execute(
                "SELECT command, timestamp, duration, cwd, exit, session, hostname FROM history "
                f"{kept} ORDER BY timestamp, rowid"
            ).fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise HistoryError(f"{path}: cannot be read as atuin's history ({error}); name the file with --file") from error
    for command, timestamp, duration, cwd, exit_status, session, hostname in rows:
        started = _number(timestamp, 0, _MAX_SECONDS * 1e9)
        elapsed = _number(duration, 0, _MAX_SECONDS * 1e9)
        # atuin writes -1 for what has not ended.
        status = exit_status if exit_status != -1 else None
        entry = Entry(
            command if isinstance(command, str) else "",
            None if started is None else started / 1e9,
            None if elapsed is None else elapsed / 1e9,
            _text(cwd),
            _whole(status),
            _text(session),
            _text(hostname),
        )
        if _is_writable(entry):
            yield entry


def _entry(command: bytes, started: float | None = None, duration_s: float | None = None) -> Iterator[Entry]:
    """Yield the entry, if it is one: no shell has run a command that is blank or holds a NUL."""
    text = command.decode("utf-8", "surrogateescape")
    if text.strip() and "\0" not in text:
        yield Entry(text, started, duration_s)


def _is_writable(entry: Entry) -> bool:
    texts = [text for text in (entry.command, entry.cwd, entry.session, entry.host) if text is not None]
    return bool(entry.command.strip()) and not any("\0" in text or _UNENCODABLE.search(text) for text in texts)


_UNENCODABLE = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # lone surrogates that stand for no byte


def _seconds(digits: bytes) -> float | None:
    return _number(int(digits), 0, _MAX_SECONDS) if len(digits) < 20 else None


def _number(value: Any, low: float, high: float) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) and low <= value <= high else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int and -(1 << 31) <= value < 1 << 31 else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


_READERS: dict[str, Callable[[bytes], Iterable[Entry]]] = {
    "bash": read_bash,
    "zsh": read_zsh,
    "fish": read_fish,
    "typeahead": read_typeahead,
}
FORMATS = ("bash", "zsh", "fish", "atuin", "typeahead")


def read(path: Path, format_: str) -> list[Entry]:
    """Return the entries of a history file, in its order.

    Raises
    ------
    HistoryError
        The file cannot be read, or is not atuin's where it should be.
    """
    try:
        if format_ == "atuin":
            path.open("rb").close()  # SQLite would only say that it cannot open it
            return list(read_atuin(path))
        return list(_READERS[format_](path.read_bytes()))
    except OSError as error:
        raise HistoryError(f"{path}: cannot be read ({error.strerror}); name the file with --file") from error


def recognised(path: Path) -> str:
    """Return the format of a history file, by what it holds, else by its name; bash's when nothing tells.

    Raises
    ------
    HistoryError
        The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(65536)
    except OSError as error:
        raise HistoryError(f"{path}: cannot be read ({error.strerror}); name the file with --file") from error
    if start.startswith(b"SQLite format 3\0"):
        return "atuin"
    if start.startswith(b'{"command"'):
        return "typeahead"
    if start.startswith(b"- cmd: "):
        return "fish"
    if _ZSH_TIME.match(start) or (path.name.startswith((".z", "zsh")) and not _BASH_TIME.match(start)):
        return "zsh"
    return "bash"
