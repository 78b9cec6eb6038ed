"""A file of an earlier version is brought up to date, whole or not at all, with everything that it held."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from typeahead.errors import HistoryError
from typeahead.history import Event, History, HistoryBusyError, database
from typeahead.history.database import APPLICATION_ID, SCHEMA_VERSION

TOKEN = "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"

# Version 1 as it was; not to be changed.
VERSION_1 = """
CREATE TABLE command (
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
CREATE INDEX command_by_text ON command (command, started);
CREATE INDEX command_by_time ON command (started);
"""
ROWS = [
    (1, b"ls", b"/src", 0, b"s", "host", 10.0, 0.5),
    (2, b"make", b"/src", 2, b"s", "host", 20.0, 3.0),
    (4, b"ls", None, None, b"t", "host", 5.0, None),
    (7, b"printf '\xff'", b"/odd\xff", 0, b"t", "other", 30.0, 0.0),
    (9, b"make", b"/", 130, b"t", "host", 20.0, None),
    (11, b"export GH_TOKEN=" + TOKEN.encode(), b"/", 0, b"t", "host", 40.0, None),
]


def version_1(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(VERSION_1)
        connection.executemany(
            "INSERT INTO command VALUES (?, CAST(? AS TEXT), CAST(? AS TEXT), ?, CAST(? AS TEXT), ?, ?, ?)",
            ROWS,
        )
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
        connection.commit()
    return path


def test_version_1_is_carried_over_whole(tmp_path: Path) -> None:
    with closing(History(version_1(tmp_path / "h.sqlite"))) as history:
        assert list(history.events()) == [
            Event(1, "ls", "/src", 0, "s", "host", 10.0, 0.5),
            Event(2, "make", "/src", 2, "s", "host", 20.0, 3.0),
            Event(4, "ls", None, None, "t", "host", 5.0, None),
            Event(7, "printf '\udcff'", "/odd\udcff", 0, "t", "other", 30.0, 0.0),
            Event(9, "make", "/", 130, "t", "host", 20.0, None),
            Event(11, "export GH_TOKEN=***", "/", 0, "t", "host", 40.0, None),
        ]
        assert history.newest("", 9) == ["export GH_TOKEN=***", "printf '\udcff'", "make", "ls"]
        assert history.newest("make", 9, worked=True) == []
        assert [event.id for event in history.search("s")] == [1]
        assert history.rows("SELECT command, count, worked, failed, newest_run FROM line WHERE utf8 ORDER BY id") == [
            ("ls", 2, 2, 0, 1),
            ("make", 2, 0, 1, 9),
            ("export GH_TOKEN=***", 1, 1, 0, 11),
        ]
        assert history.rows("PRAGMA user_version") == [(SCHEMA_VERSION,)]
        assert history.rows("PRAGMA integrity_check") == [("ok",)]
        history.add("new", started=50.0)
        assert [event.id for event in history.events(after_id=11)] == [12]


def test_a_secret_that_version_1_kept_is_gone_from_the_file(tmp_path: Path) -> None:
    path = version_1(tmp_path / "h.sqlite")
    assert TOKEN.encode() in path.read_bytes()
    with closing(History(path)) as history:
        assert history.is_scrubbed
        assert all(TOKEN.encode() not in file.read_bytes() for file in tmp_path.glob("h.sqlite*"))


def test_a_migration_that_fails_leaves_version_1_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = version_1(tmp_path / "h.sqlite")
    monkeypatch.setattr(database, "_FROM_VERSION_1", database._FROM_VERSION_1 + "INSERT INTO nowhere VALUES (1);")
    with pytest.raises(HistoryError, match="no such table: nowhere"):
        History(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        kept = connection.execute("SELECT command FROM command ORDER BY id").fetchall()
        assert kept == [(row[1],) for row in ROWS]
    monkeypatch.undo()
    with closing(History(path)) as history:
        assert len(list(history.events())) == len(ROWS)


_KILLED = """
import os, sys
from typeahead.history import History, database
migrate = database.Database._migrate
database.Database._migrate = lambda self, version: (migrate(self, version), os.kill(os.getpid(), 9))
History(sys.argv[1])
"""


def test_a_migration_that_is_killed_is_done_by_who_comes_next(tmp_path: Path) -> None:
    path = version_1(tmp_path / "h.sqlite")
    done = subprocess.run([sys.executable, "-P", "-c", _KILLED, str(path)], timeout=60, check=False)
    assert done.returncode == -9
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    with closing(History(path)) as history:
        assert len(list(history.events())) == len(ROWS)


def test_two_processes_may_migrate_at_once(tmp_path: Path) -> None:
    path = version_1(tmp_path / "h.sqlite")
    code = "import sys; from typeahead.history import History; print(len(list(History(sys.argv[1], 60).events())))"
    command = [sys.executable, "-P", "-c", code, str(path)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [child.communicate(timeout=60)[0] for child in children] == [f"{len(ROWS)}\n"] * 3
    assert [child.returncode for child in children] == [0] * 3


def test_a_second_connection_of_a_process_keeps_the_locks_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    first = History(path)
    first.add("ls", session="s", started=1.0)
    History(path).close()
    # Another process that believes to be alone takes the log away when it leaves, under our feet.
    script = f"from typeahead.history import History; h = History({str(path)!r}); h.add('pwd', session='t'); h.close()"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert path.with_name(path.name + "-wal").exists()
    first.add("make", session="s", started=2.0)
    first.close()
    assert sorted(History(path).recent(10)) == ["ls", "make", "pwd"]


def test_many_processes_may_open_forget_and_close_beside_one_that_stays(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    stays = History(path)
    script = (
        "import sys; from typeahead.history import History\n"
        f"for i in range(10):\n    h = History({str(path)!r}); h.add(f'canary {{sys.argv[1]}} {{i}}', session='c')\n"
        "    h.forget('canary'); h.close()"
    )
    others = [subprocess.Popen([sys.executable, "-c", script, str(number)]) for number in range(3)]
    added = 0
    while any(other.poll() is None for other in others):
        with suppress(HistoryBusyError):
            stays.add(f"echo {added}", session="s", started=float(added + 1))
            added += 1
        History(path).close()
    assert [other.returncode for other in others] == [0, 0, 0]
    stays.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    found = History(path)
    assert sum(line.startswith("echo ") for line in found.recent(1_000_000)) == added
    found.close()
