"""The daemon's hold on a history that another process is writing."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from tests.shell.fake_daemon import wait_until
from typeahead import config
from typeahead.history import History
from typeahead.shell.store import Store


def test_a_line_that_comes_while_another_process_writes_is_stored_later_even_when_the_file_is_not_open_yet() -> None:
    path = config.history_file()
    with closing(History(path)) as history:
        history.add("before", session="s", started=1.0)
    told: list[str | None] = []
    line = {"command": "ls", "cwd": None, "status": 0, "started": 2.0, "duration_s": None, "use": None}
    store = Store(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        store.add("s", line, told.append)
        assert (told, store.num_waiting) == ([], 1)
        other.execute("COMMIT")

    def is_stored() -> bool:
        store.work()
        return bool(told)

    wait_until(is_stored, "the line is stored")
    store.close()
    assert told == [None]
    with closing(History(path)) as history:
        assert sorted(history.recent(10)) == ["before", "ls"]
