"""Look-ups over the distinct lines, the most recently run first, in time that hardly grows with the history.

What is asked for is mostly recent, so the newest lines are looked through first, a bounded number of them, and only
then an index is asked: by prefix the one on the text, by part of a line SQLite's full-text index of trigrams. Either
step alone has a bad case (a line long not run; a prefix that a third of all lines share), together they have few.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal, NamedTuple

from typeahead.errors import HistoryError
from typeahead.history.database import FAILED, HEADS, Database, head

Mode = Literal["prefix", "substring"]

_WALKS = (200, 1000, 4000)  # lines, newest first, looked through one by one; the last takes 2 to 3 ms
_MOST_UNORDERED = 2000  # lines out of order that are read and sorted before a long walk is tried instead
_MOST_TRIGRAMS = 8
_MOST_TERMS = 200  # trigrams that begin with one or two letters and are asked for at once
_MOST_UNINDEXED = 500  # `add` leaves the full-text index alone; a search reads so many lines one by one
_NEWEST = "ORDER BY newest_started DESC, newest_run DESC"
INDEXED_TEXT = "command || char(10, 10)"  # so that the last one or two letters begin a trigram, too
_PART = "instr(CAST(command AS BLOB), ?) > 0"  # by byte: as text it would step over what is not UTF-8

# GLOB's range inside brackets is by code point: C0, DEL and C1 control characters.
SINGLE_LINE = "command NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'"
# A line that never worked though it could have: an unknown status may have been 0.
NOT_BROKEN = "(failed = 0 OR worked > 0)"


def by_prefix(database: Database, column: str, prefix: bytes, limit: int, conditions: list[str]) -> list[Any]:
    """Return ``column`` of the newest ``limit`` lines that start with ``prefix``, newest first."""
    in_range, values = _range(prefix)
    size = max((n for n in HEADS if n <= len(prefix)), default=0)
    same_head, head_value = ([f"{head(size)} = ?"], [prefix[:size]]) if size else ([], [])
    if size == len(prefix):  # these are in order: the first that fit are the answer
        query = f"SELECT {column} FROM line {_where([*same_head, *conditions])} {_NEWEST} LIMIT ?"
        return _column(database, query, [*head_value, limit])

    def walk(length: int) -> list[Any]:
        near = f"(SELECT * FROM line {_where(same_head)} {_NEWEST} LIMIT {length})"
        query = f"SELECT {column} FROM {near} {_where([*in_range, *conditions])} {_NEWEST} LIMIT ?"
        return _column(database, query, [*head_value, *values, limit])

    # INDEXED BY: the range of texts, never the order in time.
    by_text = "FROM line INDEXED BY sqlite_autoindex_line_1"
    counted = f"SELECT 1 {by_text} {_where(in_range)} LIMIT {_MOST_UNORDERED}"
    every = f"SELECT {column} {by_text} {_where([*in_range, *conditions])} {_NEWEST} LIMIT ?"
    for i, length in enumerate(_WALKS):
        found = walk(length)
        if len(found) >= limit:
            return found
        if i == 0 and len(database.rows(counted, values)) < _MOST_UNORDERED:
            break
    return _column(database, every, [*values, limit])


def by_part(database: Database, column: str, part: str, limit: int) -> list[Any]:
    """Return ``column`` of the newest ``limit`` lines that hold ``part``, newest first."""
    needle = database.encoded(part)

    def walk(length: int) -> list[Any]:
        near = f"(SELECT * FROM line {_NEWEST} LIMIT {length})"
        return _column(database, f"SELECT {column} FROM {near} WHERE {_PART} {_NEWEST} LIMIT ?", [needle, limit])

    *short, longest = _WALKS
    for length in short:
        found = walk(length)
        if len(found) >= limit:
            return found
    match = _match(database, part)
    if match is None or (match and _num_matches(database, match) == _MOST_UNORDERED):
        found = walk(longest)
        if len(found) >= limit:
            return found
    lines, values = _lines(database, part, match)
    # The +: in the order found and then sorted, never in the order in time.
    every = f"SELECT {column} FROM line WHERE id IN ({lines}) {_NEWEST.replace('BY ', 'BY +')} LIMIT ?"
    return _column(database, every, [*values, limit])


class Runs(NamedTuple):
    """Which runs a look-up is about: conditions in SQL, and their values."""

    anchor: str  # the one that an index answers in the order of time; "" for all runs
    others: list[str]
    values: list[Any]  # of the anchor, then of the others

    @classmethod
    def of(cls, database: Database, cwd: str | None, session: str | None, failed: bool | None) -> Runs:
        """Return the runs of a session, in a folder, that failed or did not."""
        where: list[str] = []
        values: list[Any] = []
        for column, text in (("session", session), ("cwd", cwd)):
            if text is not None:
                where.append(f"{column} = (SELECT id FROM name WHERE text = CAST(? AS TEXT))")
                values.append(database.encoded(text))
        if failed is not None:
            where.append(FAILED if failed else f"NOT {FAILED}")
        anchor = "" if not where or where == [f"NOT {FAILED}"] else where.pop(0)
        return cls(anchor, where, values)

    @property
    def all(self) -> list[str]:
        """The conditions, in the order of their values."""
        return [self.anchor, *self.others] if self.anchor else self.others


def by_run(database: Database, text: str, mode: Mode, limit: int, runs: Runs) -> list[int]:
    """Return the newest run of each of the newest ``limit`` lines with this prefix or part, among these runs."""
    if mode == "prefix":
        where, values = _range(database.encoded(text))
    else:
        where, values = [_PART], [database.encoded(text)]
    anchored = f"FROM run {_where([runs.anchor] if runs.anchor else [])}"
    num_anchor_values = runs.anchor.count("?")
    last = "GROUP BY line ORDER BY max(started) DESC, run.id DESC LIMIT ?"  # max() also picks the row of the id
    for length in _WALKS:
        near = f"(SELECT * {anchored} ORDER BY started DESC, id DESC LIMIT {length})"
        query = f"SELECT run.id, max(started) FROM {near} AS run JOIN line ON line.id = line"
        found = _column(database, f"{query} {_where([*runs.others, *where])} {last}", [*runs.values, *values, limit])
        walked = database.rows(f"SELECT 1 {anchored} LIMIT {length}", runs.values[:num_anchor_values])
        if len(found) >= limit or len(walked) < length:
            return found
    if mode == "prefix":
        lines = f"SELECT id FROM line {_where(where)}"
    else:
        lines, values = lines_with(database, text)
    by_line = f"FROM run INDEXED BY sqlite_autoindex_run_1 {_where([f'line IN ({lines})', *runs.all])}"
    return _column(database, f"SELECT run.id, max(started) {by_line} {last}", [*values, *runs.values, limit])


def lines_with(database: Database, part: str) -> tuple[str, list[Any]]:
    """Return the query, and its values, for the ids of all lines that hold ``part``, in no order."""
    return _lines(database, part, _match(database, part))


def _lines(database: Database, part: str, match: str | None) -> tuple[str, list[Any]]:
    needle = database.encoded(part)
    if match is None:
        # The index on the text holds all that is needed, side by side: a third of the time of reading the table.
        return f"SELECT id FROM line INDEXED BY sqlite_autoindex_line_1 WHERE {_PART}", [needle]
    unindexed = f"SELECT id FROM line WHERE id > ? AND utf8 AND {_PART}"
    lines = f"{unindexed} UNION ALL SELECT id FROM line INDEXED BY line_of_bytes WHERE NOT utf8 AND {_PART}"
    values = [database.meta("indexed"), needle, needle]
    if match:
        joined = "SELECT line.id FROM line_text JOIN line ON line.id = line_text.rowid WHERE line_text MATCH ?"
        lines, values = f"{joined} AND {_PART} UNION ALL {lines}", [match, needle, *values]
    return lines, values


def _num_matches(database: Database, match: str) -> int:
    """Return how many lines the index names, up to the number that are too many to be read and sorted."""
    return len(database.rows(f"SELECT 1 FROM line_text WHERE line_text MATCH ? LIMIT {_MOST_UNORDERED}", [match]))


def _match(database: Database, part: str) -> str | None:
    """Return what to ask the index for; "" when it holds no such line, ``None`` when it is not to be asked."""
    # Trigrams are of characters, so what is not UTF-8 is not in the index; the newline is how a text's end is marked.
    if not part or not part.isprintable() or not _is_indexed(database):
        return None
    if len(part) >= 3:
        # Every third is enough: the text itself is compared afterwards, and each one more is a list to be read.
        grams = {part[i : i + 3]: None for i in [*range(0, len(part) - 2, 3), len(part) - 3]}
        return " AND ".join(map(_quoted, list(grams)[:_MOST_TRIGRAMS]))
    high = part[:-1] + chr(ord(part[-1]) + 1)
    terms = _column(
        database, f"SELECT term FROM line_term WHERE term >= ? AND term < ? LIMIT {_MOST_TERMS}", [part, high]
    )
    return None if len(terms) == _MOST_TERMS else " OR ".join(map(_quoted, terms))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def update_index(database: Database) -> None:
    """Bring the full-text index of trigrams up to the last line."""
    if not _has_full_text(database):
        return
    with database.errors(), database.transaction():
        is_new = not database.has_table("line_text")
        if is_new:
            # Neither text nor positions: which trigrams a line holds is enough, as the text is compared afterwards.
            database.execute(
                "CREATE VIRTUAL TABLE line_text USING fts5"
                "(trigrams, content = '', tokenize = 'trigram case_sensitive 1', detail = 'none')"
            )
            database.execute("CREATE VIRTUAL TABLE line_term USING fts5vocab(line_text, row)")
        ((last,),) = database.rows("SELECT coalesce(max(id), 0) FROM line")
        database.execute(
            f"INSERT INTO line_text (rowid, trigrams) SELECT id, {INDEXED_TEXT} FROM line WHERE id > ? AND utf8",
            [database.meta("indexed")],
        )
        if is_new:
            database.execute("INSERT INTO line_text (line_text) VALUES ('optimize')")
        database.set_meta("indexed", max(last, database.meta("indexed")))


def _is_indexed(database: Database) -> bool:
    """Return whether the full-text index can be asked; bring it up to date when it lags far behind."""
    if not _has_full_text(database):
        return False
    ((last,),) = database.rows("SELECT coalesce(max(id), 0) FROM line")
    if last - database.meta("indexed") > _MOST_UNINDEXED and not database.in_transaction:
        with suppress(HistoryError):  # somebody writes, or the disk is full: reading goes on, if more slowly
            update_index(database)
    return database.has_table("line_text")


def _has_full_text(database: Database) -> bool:
    return bool(database.rows("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'"))


def _column(database: Database, query: str, values: list[Any]) -> list[Any]:
    return [row[0] for row in database.rows(query, values)]


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
