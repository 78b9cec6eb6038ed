"""The commands of all sessions of one user: what any number of processes may add to, look up and forget at once.

A command is text of any bytes; bytes that are not UTF-8 travel as the lone surrogates that Python's ``surrogateescape``
makes of them and are stored as the bytes they are. Comparison is by byte. Secrets are taken out before anything is
written.
"""

from __future__ import annotations

import json
import math
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from typeahead.errors import HistoryError
from typeahead.history import lookup, removal
from typeahead.history.database import FAILED, WORKED, Database, is_utf8

_NOT_FOUND = 127  # a shell's status for a command that does not exist
_BATCH = 1000  # events read at a time: between two batches nobody's writing or forgetting is held up
_EVENT = "id, command, cwd, status, session, host, started, duration_s"


class Event(NamedTuple):
    """One command that has been run."""

    id: int  # grows in the order of arrival and is never given twice
    command: str
    cwd: str | None
    status: int | None  # as in ``$?``
    session: str
    host: str
    started: float  # Unix seconds
    duration_s: float | None


class Use(NamedTuple):
    """How one line came to be typed; holds no text."""

    characters: int  # of the line
    keys: int  # pressed for it
    shown: int  # suggestions shown meanwhile
    accepted: int
    accepted_characters: int
    latencies_ms: tuple[float, ...]  # from a key to its suggestion


class Usage(NamedTuple):
    """The use of suggestions for one line that is in the store."""

    started: float  # Unix seconds
    use: Use


class History(Database):
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
        self._host = socket.gethostname()
        super().__init__(path, timeout_s)
        try:
            if self.meta("scrub"):  # whoever forgot last was killed, or could not have the file to itself
                removal.scrub(self)
        except BaseException:
            self.close()
            raise

    def add(
        self,
        command: str,
        cwd: str | None = None,
        status: int | None = None,
        session: str = "",
        started: float | None = None,
        duration_s: float | None = None,
        use: Use | None = None,
    ) -> list[str]:
        """Store one command that has been run, without the secrets in it.

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
        use : Use, optional
            How it was typed.

        Returns
        -------
        list of str
            The kinds of secrets that were found in it; mostly none.

        Raises
        ------
        HistoryBusyError
            Another process kept on writing; try again later.
        HistoryError
            Not text, disk full, damaged file.
        """
        from typeahead.secrets import redact

        if not is_kept(command):
            return []
        redacted, kinds = redact(command)
        moment = time.time() if started is None else float(started)
        event = Event(0, redacted, cwd, status, session, self._host, moment, duration_s)
        with self.errors(), self.transaction():
            self.insert(event, use, {})
        return kinds

    def insert(self, event: Event, use: Use | None, names: dict[str, int]) -> int | None:
        """Write one event down as it is; return its id, ``None`` if it is there already. Inside a transaction.

        ``names`` remembers rows of the table of names from one call to the next of the same transaction.
        """
        if not math.isfinite(event.started):
            raise HistoryError(f"a start of {event.started} s is no time; give Unix seconds")
        execute = self.execute
        line = self._line(event)
        row = (
            line,
            None if event.cwd is None else self._name(event.cwd, names),
            event.status,
            self._name(event.session, names),
            self._name(event.host, names),
            event.started,
            event.duration_s,
        )
        inserted = execute(
            "INSERT OR IGNORE INTO run (line, cwd, status, session, host, started, duration_s) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        if not inserted.rowcount:
            return None
        run = inserted.lastrowid
        execute(
            f"UPDATE line SET count = count + 1, worked = worked + ({WORKED.replace('status', '?1')}), "
            f"failed = failed + ({FAILED.replace('status', '?1')}), "
            "newest_run = iif(?2 >= newest_started, ?3, newest_run), newest_started = max(?2, newest_started) "
            "WHERE id = ?4",
            (event.status, event.started, run, line),
        )
        if use is not None:
            execute("INSERT INTO use VALUES (?, ?, ?, ?, ?, ?, ?)", (run, *use[:-1], json.dumps(use.latencies_ms)))
        return run

    def _line(self, event: Event) -> int:
        command = self.encoded(event.command)
        find = "SELECT id FROM line WHERE command = CAST(? AS TEXT)"
        for (line,) in self.execute(find, [command]):
            return int(line)
        new = "INSERT INTO line (command, utf8, newest_started) VALUES (CAST(? AS TEXT), ?, ?)"
        row = self.execute(new, (command, is_utf8(command), event.started)).lastrowid
        assert row is not None
        return row

    def _name(self, text: str, names: dict[str, int]) -> int:
        if text not in names:
            name = [self.encoded(text)]
            self.execute("INSERT OR IGNORE INTO name (text) VALUES (CAST(? AS TEXT))", name)
            find = "SELECT id FROM name WHERE text = CAST(? AS TEXT)"
            names[text] = self.execute(find, name).fetchone()[0]
        return names[text]

    def newest(self, prefix: str, limit: int, single_line: bool = False, worked: bool = False) -> list[str]:
        """Return distinct commands that start with ``prefix``, the most recently started first.

        Parameters
        ----------
        prefix : str
            Compared byte by byte; may be empty, or be a whole command.
        limit : int
            At most so many.
        single_line : bool
            Leave out commands that hold a newline or another control character.
        worked : bool
            Leave out commands that failed each time they ran. An unknown status is no failure; Ctrl-C (130) and
            Ctrl-Z (148) say nothing.

        Raises
        ------
        HistoryError
            The file is damaged or has gone.
        """
        try:
            start = self.encoded(prefix)
        except HistoryError:
            return []
        conditions = [lookup.SINGLE_LINE] * single_line + [lookup.NOT_BROKEN] * worked
        return lookup.by_prefix(self, "command", start, limit, conditions)

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
        runs = lookup.Runs.of(self, None, session, None)
        if without is not None:
            # IS NOT: a session that has stored nothing has no row, and then nothing is left out.
            runs.others.append("session IS NOT (SELECT id FROM name WHERE text = CAST(? AS TEXT))")
            runs.values.append(self.encoded(without))
        if found_only:
            runs.others.append(f"status IS NOT {_NOT_FOUND}")
        return [event.command for event in self._last(n, runs)][::-1]

    def latest(
        self, limit: int, cwd: str | None = None, session: str | None = None, failed: bool | None = None
    ) -> list[Event]:
        """Return the last ``limit`` events, the most recently started first, repetitions and all.

        Parameters
        ----------
        limit : int
            At most so many.
        cwd, session : str, optional
            Only those run there, or in that session.
        failed : bool, optional
            Only those that failed, or only those that did not.

        Raises
        ------
        HistoryError
            The file is damaged or has gone.
        """
        return self._last(limit, lookup.Runs.of(self, cwd, session, failed))

    def _last(self, limit: int, runs: lookup.Runs) -> list[Event]:
        condition = f"WHERE {' AND '.join(runs.all)}" if runs.all else ""
        query = f"SELECT id FROM run {condition} ORDER BY started DESC, id DESC LIMIT ?"
        return self._in_order([row[0] for row in self.rows(query, [*runs.values, limit])])

    def search(
        self,
        text: str,
        mode: lookup.Mode = "substring",
        cwd: str | None = None,
        session: str | None = None,
        failed: bool | None = None,
        limit: int = 50,
    ) -> list[Event]:
        """Return the newest run of each distinct command that holds ``text``, the most recently started first.

        Parameters
        ----------
        text : str
            Compared byte by byte, capitals and small letters apart.
        mode : "substring" or "prefix"
            Where in the command.
        cwd, session, failed
            Of the runs, as in `latest`.
        limit : int
            At most so many.

        Raises
        ------
        HistoryError
            The file is damaged or has gone.
        """
        if mode not in ("substring", "prefix"):
            raise ValueError(f"mode {mode!r} is neither 'substring' nor 'prefix'")
        try:
            start = self.encoded(text)
        except HistoryError:
            return []
        runs = lookup.Runs.of(self, cwd, session, failed)
        if runs.all:
            found = lookup.by_run(self, text, mode, limit, runs)
        elif mode == "prefix":
            found = lookup.by_prefix(self, "newest_run", start, limit, [])
        else:
            found = lookup.by_part(self, "newest_run", text, limit)
        return self._in_order(found)

    def _in_order(self, ids: list[int]) -> list[Event]:
        """Return these events, in this order; one that has just been forgotten is left out."""
        if not ids:
            return []
        # JSON, because a statement takes only so many values.
        rows = self.rows(f"SELECT {_EVENT} FROM event WHERE id IN (SELECT value FROM json_each(?))", [json.dumps(ids)])
        events = {row[0]: Event(*row) for row in rows}
        return [events[id_] for id_ in ids if id_ in events]

    def events(self, after_id: int = 0, limit: int | None = None) -> Iterator[Event]:
        """Yield the events that arrived after the one with this id, in the order of arrival.

        Raises
        ------
        HistoryError
            The file is damaged or has gone.
        """
        left = math.inf if limit is None else limit
        while left > 0:
            size = int(min(_BATCH, left))
            rows = self.rows(f"SELECT {_EVENT} FROM event WHERE id > ? ORDER BY id LIMIT ?", [after_id, size])
            for row in rows:
                yield Event(*row)
            if len(rows) < size:
                return
            left, after_id = left - size, rows[-1][0]

    def usage(self, since: float | None = None) -> list[Usage]:
        """Return how the lines of the store were typed, in the order of their start, where that is known.

        Parameters
        ----------
        since : float, optional
            Only lines started then (Unix seconds) or later.
        """
        rows = self.rows(
            "SELECT started, characters, keys, shown, accepted, accepted_characters, latencies_ms "
            "FROM use JOIN run ON run.id = use.run WHERE started >= ? ORDER BY started, run.id",
            [-math.inf if since is None else since],
        )
        return [Usage(row[0], Use._make([*row[1:6], tuple(json.loads(row[6]))])) for row in rows]

    @property
    def has_imported(self) -> bool:
        """Whether the history of another shell has been taken over."""
        with self.errors():
            return bool(self.rows("SELECT 1 FROM source LIMIT 1", []))

    @property
    def generation(self) -> int:
        """How often something was forgotten; whoever has learnt from the store learns anew when it has grown."""
        return int(self.meta("generation"))

    @property
    def is_scrubbed(self) -> bool:
        """Whether no byte of what was forgotten is left in the file; false while others kept it from being rewritten.

        The next `forget`, or the next process that opens the file, tries again.
        """
        return not self.meta("scrub")

    def forget(
        self, pattern: str | None = None, *, last: int = 0, since: float | None = None, exact: str | None = None
    ) -> list[Event]:
        """Remove events for good: from the tables, the indexes, the write-ahead log and the file's free space.

        Exactly one of the arguments says which.

        Parameters
        ----------
        pattern : str
            Commands that hold this text; with ``*``, ``?`` or ``[...]`` in it, commands that match it as a whole, as
            file names do (``[*]`` is the asterisk itself). Compared byte by byte, capitals and small letters apart.
        last : int
            The most recently started so many.
        since : float
            Whatever was started then (Unix seconds) or later.
        exact : str
            This command, whenever it was run.

        Returns
        -------
        list of Event
            What was removed, in the order of arrival.

        Raises
        ------
        HistoryBusyError
            Another process kept on writing; nothing was removed.
        HistoryError
            The pattern is empty; disk full; damaged file. Nothing was removed.
        """
        with self.errors(), self.transaction():
            events = self.matching(pattern, last=last, since=since, exact=exact)
            if events:
                removal.remove(self, [event.id for event in events])
                self.set_meta("generation", self.generation + 1)
                self.set_meta("scrub", 1)
        if events:
            removal.scrub(self)
        return events

    def matching(
        self, pattern: str | None = None, *, last: int = 0, since: float | None = None, exact: str | None = None
    ) -> list[Event]:
        """Return what `forget` would remove, in the order of arrival."""
        if [pattern is not None, last > 0, since is not None, exact is not None].count(True) != 1:
            raise ValueError("say which to forget by exactly one of pattern, last (above 0), since and exact")
        chosen, values = removal.chosen(self, pattern, last, since, exact)
        return [
            Event(*row) for row in self.rows(f"SELECT {_EVENT} FROM event WHERE id IN ({chosen}) ORDER BY id", values)
        ]


def is_kept(command: str) -> bool:
    """Return whether a command is one to remember: not blank, and not meant to be private by a space before it."""
    return bool(command.strip()) and not command.startswith(" ")
