"""The store of past commands: one SQLite file that any number of processes may use at once.

A command is text of any bytes; bytes that are not UTF-8 travel as the lone surrogates that Python's ``surrogateescape``
makes of them and are stored as the bytes they are. Comparison is by byte, so a look-up by prefix is one range of an
index. A file that is damaged, foreign or from a newer version is refused and never touched.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from typeahead.errors import HistoryError

APPLICATION_ID = 0x74797068  # "typh"; tells this file from any other SQLite file
SCHEMA_VERSION = 1  # PRAGMA user_version
_NOT_FOUND = 127  # a shell's status for a command that does not exist
_NEWEST_WINDOW = 1000  # lines looked through one by one before the index is asked

# UNIQUE makes storing again harmless: a client that has had no confirmation simply sends the record once more.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS command (
    id INTEGER PRIMARY KEY,
    command TEXT NOT NULL COLLATE BINARY,
    cwd TEXT,
    status INTEGER,
    session TEXT NOT NULL,
    host TEXT NOT NULL,
    started REAL NOT NULL,
    duration_s REAL,
    UNIQUE (session, started, command)
);
CREATE INDEX IF NOT EXISTS command_by_text ON command (command, started);
CREATE INDEX IF NOT EXISTS command_by_time ON command (started);
"""

# GLOB's range inside brackets is by code point: C0, DEL and C1 control characters.
_SINGLE_LINE = "AND command NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'"


class HistoryBusyError(HistoryError):
    """Another process holds the store for longer than we were willing to wait; nothing is wrong with it."""


class History:
    """The commands of all sessions of one user.

    Parameters
    ----------
    path : path
        The SQLite file; made, with its folder, when missing (modes 0600 and 0700).
    timeout_s : float
        How long to wait for another process that is writing.

    Raises
    ------
    HistoryError
        The file cannot be made or opened, is damaged, or is of another program or of a newer typeahead.
    """

    def __init__(self, path: str | Path, timeout_s: float = 5.0) -> None:
        self.path = Path(path)
        self._host = socket.gethostname()
        _make_private(self.path)
        with self._errors():
            self._connection = sqlite3.connect(self.path, timeout=timeout_s, isolation_level=None)
            try:
                self._prepare(timeout_s)
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self, timeout_s: float) -> None:
        """Check whose file it is before anything is written, then bring it to this version's schema."""
        execute = self._connection.execute
        # surrogateescape: bytes that are not UTF-8 come back as they went in.
        self._connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        execute("PRAGMA synchronous = NORMAL")  # of this connection; loses at most what a power cut interrupts
        with self._transaction("DEFERRED"):
            if self._check_owner():
                return
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:  # the one statement for which SQLite does not wait itself
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
        with self._transaction("IMMEDIATE"):  # two processes may be here at once; the second finds the work done
            if not self._check_owner():
                for statement in _SCHEMA.split(";"):
                    execute(statement)
                execute(f"PRAGMA application_id = {APPLICATION_ID}")
                execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[None]:
        self._connection.execute(f"BEGIN {kind}")
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _check_owner(self) -> bool:
        """Return whether the schema is there; refuse a file that is not ours. Inside a transaction: three look-ups."""
        (num_objects,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (application_id,) = self._connection.execute("PRAGMA application_id").fetchone()
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if num_objects == 0 and application_id == 0:
            return False
        if application_id != APPLICATION_ID:
            raise HistoryError(f"{self.path}: a database of another program; move it away and a new history is started")
        if version > SCHEMA_VERSION:
            raise HistoryError(
                f"{self.path}: written by a newer typeahead (schema {version}, this one knows {SCHEMA_VERSION}); "
                "update typeahead"
            )
        return True

    def add(
        self,
        command: str,
        cwd: str | None = None,
        status: int | None = None,
        session: str = "",
        started: float | None = None,
        duration_s: float | None = None,
    ) -> None:
        """Store one command that has been run.

        A command that starts with a space, or is nothing but white space, is not stored; one that is there already
        (same session, start and text) is left as it is.

        Parameters
        ----------
        command : str
            The line, or lines, as typed.
        cwd : str, optional
            Where it was run.
        status : int, optional
            Exit status as in ``$?``.
        session : str
            Names the shell session.
        started : float, optional
            Unix seconds; default: now.
        duration_s : float, optional
            How long it ran.

        Raises
        ------
        HistoryBusyError
            Another process kept on writing; try again later.
        HistoryError
            Not text, disk full, damaged file.
        """
        if command.startswith(" ") or not command.strip():
            return
        row = (
            self._bytes(command),
            None if cwd is None else self._bytes(cwd),
            status,
            self._bytes(session),
            self._host,
            time.time() if started is None else float(started),
            duration_s,
        )
        with self._errors():
            self._connection.execute(
                "INSERT OR IGNORE INTO command (command, cwd, status, session, host, started, duration_s) "
                "VALUES (CAST(? AS TEXT), CAST(? AS TEXT), ?, CAST(? AS TEXT), ?, ?, ?)",
                row,
            )

    def newest(self, prefix: str, limit: int, single_line: bool = False) -> list[str]:
        """Return distinct commands that start with ``prefix``, the most recently started first.

        Parameters
        ----------
        prefix : str
            Compared byte by byte; may be empty, or be a whole command.
        limit : int
            At most so many.
        single_line : bool
            Leave out commands that hold a newline or another control character.

        Raises
        ------
        HistoryError
            The file is damaged or has gone.
        """
        try:
            low = self._bytes(prefix)
        except HistoryError:
            return []
        where, values = "WHERE command >= CAST(? AS TEXT)", [low]
        high = _successor(low)
        if high:
            where, values = f"{where} AND command < CAST(? AS TEXT)", [low, high]
        if single_line:
            where = f"{where} {_SINGLE_LINE}"
        newest = "GROUP BY command ORDER BY MAX(started) DESC, MAX(id) DESC LIMIT ?"
        recent = f"(SELECT id, command, started FROM command ORDER BY started DESC, id DESC LIMIT {_NEWEST_WINDOW})"
        found: list[str] = []
        for table in (recent, "command"):  # a common prefix is answered by the first: its range can be a third of all
            found = self._column(f"SELECT command FROM {table} {where} {newest}", [*values, limit])
            if len(found) == limit:
                break
        return found

    def recent(
        self, n: int, session: str | None = None, *, without: str | None = None, found_only: bool = False
    ) -> list[str]:
        """Return the last ``n`` commands, oldest first, repetitions and all.

        Parameters
        ----------
        n : int
            At most so many.
        session : str, optional
            Of this session only.
        without : str, optional
            Leave out this session's.
        found_only : bool
            Leave out those that the shell did not find (status 127): most are typing errors.

        Raises
        ------
        HistoryError
            The file is damaged or has gone.
        """
        where = "WHERE 1"
        values: list[Any] = []
        if session is not None:
            where, values = f"{where} AND session = CAST(? AS TEXT)", [*values, self._bytes(session)]
        if without is not None:
            where, values = f"{where} AND session <> CAST(? AS TEXT)", [*values, self._bytes(without)]
        if found_only:
            where = f"{where} AND status IS NOT {_NOT_FOUND}"
        query = f"SELECT command FROM command {where} ORDER BY started DESC, id DESC LIMIT ?"
        return self._column(query, [*values, n])[::-1]

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._connection.close()

    def _column(self, query: str, values: list[Any]) -> list[str]:
        with self._errors():
            return [row[0] for row in self._connection.execute(query, values)]

    def _bytes(self, text: str) -> bytes:
        try:
            return text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            character = text[error.start : error.start + 1]
            raise HistoryError(f"{character!a} is no character and cannot be stored in {self.path}") from None

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn SQLite's errors into one line that says what to do."""
        try:
            yield
        except sqlite3.Error as error:
            if _is_busy(error):
                raise HistoryBusyError(f"{self.path}: another process is writing; try again in a moment") from error
            if _code(error) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                raise HistoryError(
                    f"{self.path}: damaged or not a history file ({error}); "
                    "nothing was changed; move it away and a new one is started"
                ) from error
            raise HistoryError(
                f"{self.path}: the history cannot be used ({error}); check the file and its disk"
            ) from error


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's primary error code; 0 where Python raised the error itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_busy(error: sqlite3.Error) -> bool:
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _make_private(path: Path) -> None:
    """Create the file and its folder for this user alone; SQLite gives its -wal and -shm files the same mode."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(fd).st_mode & 0o077:
                os.fchmod(fd, 0o600)
        finally:
            os.close(fd)
    except OSError as error:
        raise HistoryError(f"{path}: the history cannot be opened ({error.strerror}); check the path") from error


def _successor(text: bytes) -> bytes:
    """Return the least byte string above every one that starts with ``text``; empty if there is none."""
    text = text.rstrip(b"\xff")
    return text[:-1] + bytes([text[-1] + 1]) if text else b""
