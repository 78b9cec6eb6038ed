"""Forgetting: which runs, what goes with them, and how the file is made to hold no byte of them."""

from __future__ import annotations

import json
import time
from typing import Any

from typeahead.errors import HistoryError
from typeahead.history import lookup
from typeahead.history.database import FAILED, WORKED, Database

_SCRUB_S = 5.0  # how long it waits for those who read, so that the write-ahead log can be emptied
_THESE = "(SELECT value FROM json_each(?))"  # JSON, because a statement takes only so many values


def chosen(
    database: Database, pattern: str | None, last: int, since: float | None, exact: str | None
) -> tuple[str, list[Any]]:
    """Return the query, and its values, for the ids of the runs to remove; see `History.forget`."""
    of_line = "SELECT id FROM run WHERE line IN (SELECT id FROM line WHERE {})"
    if pattern == "":
        raise HistoryError("an empty pattern is in every command; to forget all of them, give *")
    if pattern is not None and any(character in pattern for character in "*?["):
        return of_line.format("command GLOB CAST(? AS TEXT)"), [database.encoded(pattern)]
    if pattern is not None:
        lines, values = lookup.lines_with(database, pattern)
        return f"SELECT id FROM run WHERE line IN ({lines})", values
    if exact is not None:
        return of_line.format("command = CAST(? AS TEXT)"), [database.encoded(exact)]
    if since is not None:
        return "SELECT id FROM run WHERE started >= ?", [since]
    return "SELECT id FROM run ORDER BY started DESC, id DESC LIMIT ?", [last]


def remove(database: Database, runs: list[int]) -> None:
    """Remove runs and whatever only they have held. Inside a transaction."""
    execute, ids = database.execute, json.dumps(runs)
    lines = json.dumps([row[0] for row in execute(f"SELECT DISTINCT line FROM run WHERE id IN {_THESE}", [ids])])
    names = set()
    for row in execute(f"SELECT DISTINCT cwd, session, host FROM run WHERE id IN {_THESE}", [ids]):
        names |= set(row)
    execute(f"DELETE FROM use WHERE run IN {_THESE}", [ids])
    execute(f"DELETE FROM run WHERE id IN {_THESE}", [ids])
    gone = f"id IN {_THESE} AND NOT EXISTS (SELECT 1 FROM run WHERE run.line = line.id)"
    if database.has_table("line_text"):  # it holds no text of its own: what is to be taken out must be said
        execute(
            f"INSERT INTO line_text (line_text, rowid, trigrams) SELECT 'delete', id, {lookup.INDEXED_TEXT} FROM line "
            f"WHERE {gone} AND utf8 AND id <= (SELECT value FROM meta WHERE key = 'indexed')",
            [lines],
        )
    execute(f"DELETE FROM line WHERE {gone}", [lines])
    own = "FROM run WHERE run.line = line.id"
    execute(
        f"UPDATE line SET (count, worked, failed) = (SELECT count(*), total({WORKED}), total({FAILED}) {own}), "
        "(newest_run, newest_started) = "
        f"(SELECT id, started {own} ORDER BY started DESC, id DESC LIMIT 1) WHERE id IN {_THESE}",
        [lines],
    )
    # Hosts are few and have no index: those still in use are read once.
    names -= {row[0] for row in execute("SELECT DISTINCT host FROM run")} | {None}
    execute(
        f"DELETE FROM name WHERE id IN {_THESE} AND NOT EXISTS (SELECT 1 FROM run WHERE cwd = name.id) "
        "AND NOT EXISTS (SELECT 1 FROM run WHERE session = name.id)",
        [json.dumps(sorted(names))],
    )


def scrub(database: Database) -> bool:
    """Rewrite the file, so that no byte of what was removed is left; return whether that could be done.

    Zeros are written over what is removed, but a page that was split before may hold an older copy of it, the
    full-text index keeps trigrams until its parts are merged, and the write-ahead log keeps whole pages.
    """
    deadline = time.monotonic() + _SCRUB_S
    try:
        with database.errors():
            if database.has_table("line_text"):
                database.execute("INSERT INTO line_text (line_text) VALUES ('optimize')")
            database.execute("VACUUM")
            while database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.02)
            with database.transaction():
                database.set_meta("scrub", 0)
    except HistoryError:
        return False
    return True
