"""The SQLite file: whose it is, its schema, how it is brought up to date, and what its errors mean to a user.

A file that is damaged, foreign or from a newer version is refused and never touched.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from typeahead.errors import HistoryError
from typeahead.statuses import INTERRUPTED, STOPPED

APPLICATION_ID = 0x74797068  # "typh"; tells this file from any other SQLite file
SCHEMA_VERSION = 2  # PRAGMA user_version
# Prefix lengths, in bytes, for which the newest lines are kept in order: what lies between is filtered.
HEADS = (1, 2, 4, 8, 16)

# What a status says, in SQL: 0 and unknown count as having worked; see `typeahead.statuses`.
WORKED = "(status IS NULL OR status = 0)"
FAILED = f"(status IS NOT NULL AND status NOT IN (0, {INTERRUPTED}, {STOPPED}))"

# Each distinct text once, with what its runs have come to: most of a history is repetition, and a look-up wants texts.
# UNIQUE makes storing again harmless: a client that has had no confirmation simply sends the record once more.
# AUTOINCREMENT never gives an id of a removed row again, so "after id N" means the same for ever.
_SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value);
CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE line (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    command TEXT NOT NULL UNIQUE COLLATE BINARY,
    utf8 INTEGER NOT NULL,
    count INTEGER NOT NULL DEFAULT 0,
    worked INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    newest_started REAL NOT NULL,
    newest_run INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX line_by_newest ON line (newest_started, newest_run);
CREATE INDEX line_of_bytes ON line (id) WHERE NOT utf8;
CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    line INTEGER NOT NULL REFERENCES line (id),
    cwd INTEGER REFERENCES name (id),
    status INTEGER,
    session INTEGER NOT NULL REFERENCES name (id),
    host INTEGER NOT NULL REFERENCES name (id),
    started REAL NOT NULL,
    duration_s REAL,
    UNIQUE (line, started, session)
);
CREATE INDEX run_by_time ON run (started);
CREATE INDEX run_by_session ON run (session, started);
CREATE INDEX run_by_cwd ON run (cwd, started) WHERE cwd IS NOT NULL;
CREATE INDEX run_that_failed ON run (started) WHERE {FAILED};
CREATE TABLE use (
    run INTEGER PRIMARY KEY REFERENCES run (id),
    characters INTEGER NOT NULL,
    keys INTEGER NOT NULL,
    shown INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    accepted_characters INTEGER NOT NULL,
    latencies_ms TEXT NOT NULL
);
CREATE TABLE source (
    name TEXT PRIMARY KEY,
    digests BLOB NOT NULL,
    last_run INTEGER NOT NULL
);
CREATE VIEW event AS
    SELECT run.id, command, folder.text AS cwd, status, session.text AS session, host.text AS host, started, duration_s
    FROM run
    JOIN line ON line.id = run.line
    LEFT JOIN name AS folder ON folder.id = run.cwd
    JOIN name AS session ON session.id = run.session
    JOIN name AS host ON host.id = run.host;
INSERT INTO meta VALUES ('generation', 0), ('indexed', 0), ('scrub', 0), ('salt', randomblob(16));
"""

# Version 1 had one table, a row a run. Ids are kept.
_FROM_VERSION_1 = f"""
INSERT OR IGNORE INTO name (text)
    SELECT session FROM command UNION SELECT host FROM command UNION SELECT cwd FROM command WHERE cwd IS NOT NULL;
INSERT INTO line (command, utf8, count, worked, failed, newest_started)
    SELECT command, is_utf8(CAST(command AS BLOB)), count(*), total({WORKED}), total({FAILED}), max(started)
    FROM command GROUP BY command ORDER BY min(id);
INSERT INTO run
    SELECT old.id, line.id, folder.id, status, session.id, host.id, started, duration_s
    FROM command AS old
    JOIN line ON line.command = old.command
    LEFT JOIN name AS folder ON folder.text = old.cwd
    JOIN name AS session ON session.text = old.session
    JOIN name AS host ON host.text = old.host
    ORDER BY old.id;
UPDATE line SET newest_run =
    (SELECT id FROM run WHERE run.line = line.id ORDER BY started DESC, id DESC LIMIT 1);
DROP TABLE command;
UPDATE meta SET value = 1 WHERE key = 'scrub';
"""


class HistoryBusyError(HistoryError):
    """Another process holds the store for longer than we were willing to wait; nothing is wrong with it."""


def head(size_bytes: int) -> str:
    """Return the SQL of a command's first bytes, as the indexes are built on it."""
    return f"substr(CAST(command AS BLOB), 1, {size_bytes})"


class Database:
    """One connection to the file, for the thread that has made it.

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
        _make_private(self.path)
        with self.errors():
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
        execute("PRAGMA secure_delete = ON")  # of this connection, too: what is removed is overwritten with zeros
        execute("PRAGMA cache_size = -16000")  # KiB, at most; taken as pages are read
        with self.transaction("DEFERRED"):
            if self._version() == SCHEMA_VERSION:
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
        with self.transaction():  # two processes may be here at once; the second finds the work done
            version = self._version()
            if version < SCHEMA_VERSION:
                self._migrate(version)

    def _migrate(self, version: int) -> None:
        """Make the schema, and carry over what a file of version 1 holds."""
        if version == 1:
            self._redact_version_1()
            self._connection.create_function("is_utf8", 1, is_utf8, deterministic=True)
        heads = "".join(
            f"CREATE INDEX line_by_head_{n} ON line ({head(n)}, newest_started, newest_run);" for n in HEADS
        )
        for statement in f"{_SCHEMA}{heads}{_FROM_VERSION_1 if version == 1 else ''}".split(";"):
            self._connection.execute(statement)
        self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _redact_version_1(self) -> None:
        """Take out the secrets: version 1 wrote lines down as they were."""
        from typeahead.secrets import redact

        execute = self._connection.execute
        for (command,) in execute("SELECT DISTINCT command FROM command").fetchall():
            redacted, kinds = redact(command)
            if kinds:
                row = (self.encoded(redacted), self.encoded(command))
                execute(
                    "UPDATE OR REPLACE command SET command = CAST(? AS TEXT) WHERE command = CAST(? AS TEXT)",
                    row,
                )

    @contextmanager
    def transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        """Do all that is inside, or nothing."""
        self._connection.execute(f"BEGIN {kind}")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    def _version(self) -> int:
        """Return the schema's version, 0 for an empty file; refuse one that is not ours. Inside a transaction."""
        (num_objects,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (application_id,) = self._connection.execute("PRAGMA application_id").fetchone()
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if num_objects == 0 and application_id == 0:
            return 0
        if application_id != APPLICATION_ID:
            raise HistoryError(f"{self.path}: a database of another program; move it away and a new history is started")
        if version > SCHEMA_VERSION:
            raise HistoryError(
                f"{self.path}: written by a newer typeahead (schema {version}, this one knows {SCHEMA_VERSION}); "
                "update typeahead"
            )
        return int(version)

    def rows(self, query: str, values: Any = ()) -> list[Any]:
        """Return all rows of a query."""
        with self.errors():
            return self._connection.execute(query, values).fetchall()

    @property
    def in_transaction(self) -> bool:
        """Whether one has begun on this connection."""
        return self._connection.in_transaction

    def execute(self, statement: str, values: Any = ()) -> sqlite3.Cursor:
        """Run one statement; its errors are SQLite's own, for `errors` to translate."""
        return self._connection.execute(statement, values)

    def has_table(self, name: str) -> bool:
        """Return whether the file holds this table."""
        return bool(self.rows("SELECT 1 FROM sqlite_master WHERE name = ?", [name]))

    def meta(self, key: str) -> Any:
        """Return one of the values that the file keeps about itself."""
        return self.rows("SELECT value FROM meta WHERE key = ?", [key])[0][0]

    def set_meta(self, key: str, value: Any) -> None:
        """Change one of the values that the file keeps about itself. Inside a transaction."""
        self._connection.execute("UPDATE meta SET value = ? WHERE key = ?", [value, key])

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._connection.close()

    def encoded(self, text: str) -> bytes:
        """Return the bytes that the file holds for ``text``.

        Raises
        ------
        HistoryError
            A lone surrogate that stands for no byte.
        """
        try:
            return text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            character = text[error.start : error.start + 1]
            raise HistoryError(f"{character!a} is no character and cannot be stored in {self.path}") from None

    @contextmanager
    def errors(self) -> Iterator[None]:
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


def is_utf8(text: bytes) -> bool:
    """Return whether ``text`` is made of characters alone, with no byte that is part of none."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's primary error code; 0 where Python raised the error itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_busy(error: sqlite3.Error) -> bool:
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _make_private(path: Path) -> None:
    """Create the file and its folder for this user alone; SQLite gives its -wal and -shm files the same mode.

    A file that is there already is never opened here: closing it would drop the locks of every other connection of
    this process to it (POSIX locks are a process's, not a descriptor's), and with them what keeps the file whole.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from None
            if path.stat().st_mode & 0o077:
                path.chmod(0o600)
    except OSError as error:
        raise HistoryError(f"{path}: the history cannot be opened ({error.strerror}); check the path") from error
