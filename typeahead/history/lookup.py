"""Look-ups over the distinct lines, the most recently run first, in time that hardly grows with the history.

What is asked for is mostly recent, so the newest lines are looked through first, a bounded number of them, and only
then an index is asked: by prefix the one on the text, by part of a line SQLite's full-text index of trigrams. Either
step alone has a bad case (a line long not run; a prefix that a third of all lines share), together they have few.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal

from typeahead.errors import HistoryError
from typeahead.history.database import FAILED, HEADS, Database, head

Mode = Literal["prefix", "substring"]

# How many lines, newest first, are looked through before an index is asked: few, then as many as 2 ms allow.
_WALKS = (200, 4000)
_MAX_TRIGRAMS = 12  # of a part that is looked up: more only repeat what these have said; the text itself is compared
_TAIL = 500  # lines that the full-text index may lag behind: `add` leaves it alone, a search reads them one by one
_NEWEST = "ORDER BY newest_started DESC, newest_run DESC"
_PART = "instr(CAST(command AS BLOB), ?) > 0"  # by byte: as text it would step over what is not UTF-8

# GLOB's range inside brackets is by code point: C0, DEL and C1 control characters.
SINGLE_LINE = "command NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'"
# A line that never worked though it could have: an unknown status may have been 0.
NOT_BROKEN = "(failed = 0 OR worked > 0)"


def by_prefix(database: Database, column: str, prefix: bytes, limit: int, conditions: list[str]) -> list[Any]:
    """Return ``column`` of the newest ``limit`` lines that start with ``prefix``, newest first."""
    where, values = _range(prefix)
    where = [*where, *conditions]
    size = max((n for n in HEADS if n <= len(prefix)), default=0)
    same_head, head_value = ([f"{head(size)} = ?"], [prefix[:size]]) if size else ([], [])
    if size == len(prefix):  # these are in order: the first that fit are the answer
        found = database.rows(
            f"SELECT {column} FROM line {_where([*same_head, *conditions])} {_NEWEST} LIMIT ?", [*head_value, limit]
        )
        return [row[0] for row in found]
    for walk in _WALKS:
        near = f"(SELECT * FROM line {_where(same_head)} {_NEWEST} LIMIT {walk})"
        found = database.rows(
            f"SELECT {column} FROM {near} {_where(where)} {_NEWEST} LIMIT ?", [*head_value, *values, limit]
        )
        if len(found) >= limit:
            return [row[0] for row in found]
    # INDEXED BY: the range of texts, never the order in time, which has just been walked.
    found = database.rows(
        f"SELECT {column} FROM line INDEXED BY sqlite_autoindex_line_1 {_where(where)} {_NEWEST} LIMIT ?",
        [*values, limit],
    )
    return [row[0] for row in found]


def by_part(database: Database, column: str, part: str, limit: int) -> list[Any]:
    """Return ``column`` of the newest ``limit`` lines that hold ``part``, newest first."""
    needle = database.encoded(part)
    for walk in _WALKS:
        near = f"(SELECT * FROM line {_NEWEST} LIMIT {walk})"
        found = database.rows(f"SELECT {column} FROM {near} WHERE {_PART} {_NEWEST} LIMIT ?", [needle, limit])
        if len(found) >= limit:
            return [row[0] for row in found]
    lines, values = lines_with(database, part)
    found = database.rows(
        f"SELECT {column} FROM line WHERE id IN ({lines}) {_NEWEST.replace('BY ', 'BY +')} LIMIT ?", [*values, limit]
    )
    return [row[0] for row in found]


def runs(
    database: Database, text: str, mode: Mode, limit: int, filters: list[str], filter_values: list[Any]
) -> list[int]:
    """Return the newest run of each of the newest ``limit`` lines, among the runs that pass the filters."""
    if mode == "prefix":
        where, values = _range(database.encoded(text))
    else:
        where, values = [_PART], [database.encoded(text)]
    filtered = f"FROM run {_where(filters)}"
    last = "GROUP BY line ORDER BY max(started) DESC, id DESC LIMIT ?"  # max() also picks the row that id comes from
    for walk in _WALKS:
        near = f"(SELECT id, line, started {filtered} ORDER BY started DESC, id DESC LIMIT {walk})"
        query = f"SELECT run.id, max(started) FROM {near} AS run JOIN line ON line.id = run.line {_where(where)}"
        found = database.rows(f"{query} {last}", [*filter_values, *values, limit])
        if len(found) >= limit:
            return [row[0] for row in found]
        ((num_walked,),) = database.rows(f"SELECT count(*) FROM (SELECT 1 {filtered} LIMIT {walk})", filter_values)
        if num_walked < walk:
            return [row[0] for row in found]
    if mode == "prefix":
        lines = f"SELECT id FROM line {_where(where)}"
    else:
        lines, values = lines_with(database, text)
    query = f"SELECT id, max(started) FROM run {_where([f'line IN ({lines})', *filters])}"
    return [row[0] for row in database.rows(f"{query} {last}", [*values, *filter_values, limit])]


def lines_with(database: Database, part: str) -> tuple[str, list[Any]]:
    """Return the query, and its values, for the ids of all lines that hold ``part``, in no order."""
    needle = database.encoded(part)
    has_index = len(part) >= 3 and part.isprintable() and _is_indexed(database)
    if not has_index:
        # The index on the text holds all that is needed, side by side: a third of the time of reading the table.
        return f"SELECT id FROM line INDEXED BY sqlite_autoindex_line_1 WHERE {_PART}", [needle]
    step = max(1, -(-(len(part) - 2) // _MAX_TRIGRAMS))
    grams = [part[i : i + 3] for i in dict.fromkeys([*range(0, len(part) - 2, step), len(part) - 3])]
    match = " AND ".join('"' + gram.replace('"', '""') + '"' for gram in dict.fromkeys(grams))
    indexed = database.meta("indexed")
    # Trigrams are of characters: a line of other bytes is not in the index, nor is what came after the last search.
    return (
        "SELECT id FROM line WHERE id IN (SELECT rowid FROM line_text WHERE line_text MATCH ?) "
        f"AND {_PART} UNION ALL SELECT id FROM line WHERE id > ? AND utf8 AND {_PART} "
        f"UNION ALL SELECT id FROM line INDEXED BY line_of_bytes WHERE NOT utf8 AND {_PART}",
        [match, needle, indexed, needle, needle],
    )


def update_index(database: Database) -> None:
    """Bring the full-text index up to the last line."""
    if not _has_full_text(database):
        return
    with database.errors(), database.transaction():
        execute = database.execute
        # No positions are kept: which trigrams a line holds is enough, since the text is compared afterwards.
        execute(
            "CREATE VIRTUAL TABLE IF NOT EXISTS line_text USING fts5(command, content = 'line', content_rowid = 'id', "
            "tokenize = 'trigram case_sensitive 1', detail = 'none')"
        )
        indexed, last = database.meta("indexed"), database.rows("SELECT coalesce(max(id), 0) FROM line")[0][0]
        execute(
            "INSERT INTO line_text (rowid, command) SELECT id, command FROM line WHERE id > ? AND utf8 ORDER BY id",
            [indexed],
        )
        database.set_meta("indexed", max(indexed, last))


def _is_indexed(database: Database) -> bool:
    """Return whether the full-text index can be asked; bring it up to date when it lags far behind."""
    if not _has_full_text(database):
        return False
    (last,) = database.rows("SELECT coalesce(max(id), 0) FROM line")[0]
    if last - database.meta("indexed") > _TAIL:
        with suppress(HistoryError):  # somebody writes, or the disk is full: reading goes on, if more slowly
            update_index(database)
    return database.has_table("line_text")


def _has_full_text(database: Database) -> bool:
    return bool(database.rows("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'"))


def _range(prefix: bytes) -> tuple[list[str], list[Any]]:
    """Return the conditions, and their values, of a command that starts with ``prefix``."""
    high = _successor(prefix)
    if high:
        return ["command >= CAST(? AS TEXT)", "command < CAST(? AS TEXT)"], [prefix, high]
    return ["command >= CAST(? AS TEXT)"], [prefix]


def _successor(text: bytes) -> bytes:
    """Return the least byte string above every one that starts with ``text``; empty if there is none."""
    text = text.rstrip(b"\xff")
    return text[:-1] + bytes([text[-1] + 1]) if text else b""


def _where(conditions: list[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def filters(
    database: Database, cwd: str | None, session: str | None, failed: bool | None
) -> tuple[list[str], list[Any]]:
    """Return the conditions, and their values, on a run."""
    where: list[str] = []
    values: list[Any] = []
    for column, text in (("cwd", cwd), ("session", session)):
        if text is not None:
            where.append(f"{column} = (SELECT id FROM name WHERE text = CAST(? AS TEXT))")
            values.append(database.encoded(text))
    if failed is not None:
        where.append(FAILED if failed else f"NOT {FAILED}")
    return where, values
