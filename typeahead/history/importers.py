"""Taking over what other shells have kept: once or again, without doubling.

How a run is known again:

- By its start, where the file tells one: the same command, in the same file's sessions, at the same time. A command
  that another session has stored within a second of it is the same run too, seen by two programs.
- By its place. A shell appends to its file and cuts off the front when it grows too long, so the file now begins with
  the end of what it was: the longest such overlap has been taken over, the rest is new. Two bytes an entry are kept of
  each file for that, salted: enough to align a sequence, too few to tell what an entry was, which matters once it has
  been forgotten. What was taken over and then forgotten does not come back that way.
- Without a time, and if nothing overlaps (duplicates erased, another file in its place) or the first time, runs are
  counted: if the store holds a command three times and the file five times, two are new.

Runs without a time are stored as seconds 1, 2, 3... of 1970: their order is known, their time is not.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from typeahead.errors import HistoryError
from typeahead.history import formats, lookup
from typeahead.history.formats import Entry
from typeahead.history.store import Event, History, is_kept

_DIGEST_BYTES = 2
_LEAST_OVERLAP = 8  # lines; a shorter one may be chance, unless it is all there was
_NO_TIME_S = 1e8  # starts below are places in a file that tells no times; so early, 1973, no shell kept any
_SAME_RUN_S = 1.0  # how far two programs' clocks of one run lie apart: shells write whole seconds


@dataclass
class Imported:
    """What an import has come to, in numbers of commands."""

    path: Path
    format: str
    read: int = 0
    new: int = 0
    known: int = 0  # there already
    private: int = 0  # a space before them
    secrets: Counter[str] = field(default_factory=Counter)  # kind -> commands that were stored without it


class _DryRunError(Exception):
    """Ends a transaction of which nothing is to stay."""


def found_files(environ: dict[str, str] | None = None) -> list[tuple[Path, str]]:
    """Return the history files that are where the shells keep them by default, with their formats."""
    environ = dict(os.environ) if environ is None else environ
    home = Path(environ.get("HOME") or Path.home())
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    zsh = Path(environ.get("ZDOTDIR") or home)
    places = [
        (home / ".bash_history", "bash"),
        *((zsh / name, "zsh") for name in (".zsh_history", ".zhistory", ".histfile")),
        (data / "fish" / "fish_history", "fish"),
        (data / "atuin" / "history.db", "atuin"),
    ]
    if environ.get("HISTFILE"):  # rarely exported; whose it is, its content tells
        path = Path(environ["HISTFILE"])
        if path.is_file() and path not in [place for place, _ in places]:
            places.insert(0, (path, formats.recognised(path)))
    return [(path, name) for path, name in places if path.is_file()]


def import_file(history: History, path: Path, format_: str, dry_run: bool = False) -> Imported:
    """Store the commands of another program's history, in one transaction.

    Parameters
    ----------
    history : History
        Where to.
    path : path
        The file; only read.
    format_ : str
        One of `formats.FORMATS`.
    dry_run : bool
        Count only.

    Raises
    ------
    HistoryError
        The file cannot be read, or the store not written; then nothing was stored.
    """
    from typeahead.secrets import redact

    entries = formats.read(path, format_)
    # Before the transaction: it takes longer than storing, and nobody else can write meanwhile.
    redacted = {command: redact(command) for command in {entry.command for entry in entries} if is_kept(command)}
    imported = Imported(path, format_, read=len(entries))
    try:
        with history.errors(), history.transaction():
            _Import(history, imported, redacted).store(entries)
            if dry_run:
                raise _DryRunError
    except _DryRunError:
        return imported
    with suppress(HistoryError):  # the commands are stored; the first search does what is left
        lookup.update_index(history)
    return imported


class _Import:
    """One import inside its transaction."""

    def __init__(self, history: History, imported: Imported, redacted: dict[str, tuple[str, list[str]]]) -> None:
        self._history = history
        self._imported = imported
        self._redacted = redacted
        self._path = os.path.realpath(imported.path)
        # Our own export keeps the sessions it has; what others call a session could be anybody's.
        self._prefix = "" if imported.format == "typeahead" else f"import:{imported.format}:"
        self._host = socket.gethostname()
        self._names: dict[str, int] = {}

    def store(self, entries: list[Entry]) -> None:
        """Store what is new of ``entries`` and remember the file as it is now."""
        history = self._history
        name = f"{self._imported.format}:{self._path}"
        digests = self._digests(entries)
        old = history.rows("SELECT digests, last_run FROM source WHERE name = CAST(? AS TEXT)", [os.fsencode(name)])
        num_known, last_run = 0, 0
        if old:
            before = [old[0][0][i : i + _DIGEST_BYTES] for i in range(0, len(old[0][0]), _DIGEST_BYTES)]
            num_known = overlap(before, digests)
            if num_known >= min(len(before), _LEAST_OVERLAP):
                last_run = old[0][1]
            else:
                num_known = 0
        self._imported.known += sum(entry.command in self._redacted for entry in entries[:num_known])
        self._imported.private += sum(entry.command not in self._redacted for entry in entries[:num_known])
        self._store_rest(entries[num_known:], last_run)
        ((newest,),) = history.rows("SELECT coalesce(max(id), 0) FROM run")
        history.execute(
            "INSERT OR REPLACE INTO source VALUES (CAST(? AS TEXT), ?, ?)",
            [os.fsencode(name), b"".join(digests), newest],
        )

    def _digests(self, entries: Iterable[Entry]) -> list[bytes]:
        salt = self._history.meta("salt")
        texts = (f"{entry.started} {entry.command}".encode("utf-8", "surrogateescape") for entry in entries)
        return [hashlib.blake2b(text, digest_size=_DIGEST_BYTES, key=salt).digest() for text in texts]

    def _store_rest(self, entries: list[Entry], last_run: int) -> None:
        """Store entries that are not known by their place; those without a time are counted from ``last_run`` on."""
        there: dict[str, int] = {}  # command -> how many runs of it may be entries without a time
        ((last_second,),) = self._history.rows(
            "SELECT coalesce(max(started), 0) FROM run JOIN name ON name.id = session WHERE text = CAST(? AS TEXT) "
            "AND started < ?",
            [self._history.encoded(f"{self._prefix}{self._path}"), _NO_TIME_S],
        )
        second = int(last_second)
        for entry in entries:
            if entry.command not in self._redacted:
                self._imported.private += 1
                continue
            command, kinds = self._redacted[entry.command]
            if entry.started is None:
                if command not in there:
                    there[command] = self._num_runs(command, last_run)
                there[command] -= 1
                is_new = there[command] < 0
                second += is_new
            else:
                is_new = not self._is_seen(command, entry.started)
            if is_new:
                is_new = self._insert(entry._replace(command=command), float(second))
            self._imported.new += is_new
            self._imported.known += not is_new
            self._imported.secrets.update(kinds if is_new else [])

    def _num_runs(self, command: str, last_run: int) -> int:
        ((count,),) = self._history.rows(
            "SELECT count(*) FROM run WHERE line = (SELECT id FROM line WHERE command = CAST(? AS TEXT)) AND id > ?",
            [self._history.encoded(command), last_run],
        )
        return int(count)

    def _is_seen(self, command: str, started: float) -> bool:
        """Return whether another session has stored this run."""
        if not self._prefix:
            return False
        prefix = self._history.encoded(self._prefix)
        found = self._history.rows(
            "SELECT 1 FROM run JOIN name ON name.id = session "
            "WHERE line = (SELECT id FROM line WHERE command = CAST(? AS TEXT)) AND started BETWEEN ? AND ? "
            "AND substr(CAST(text AS BLOB), 1, ?) <> ? LIMIT 1",
            [self._history.encoded(command), started - _SAME_RUN_S, started + _SAME_RUN_S, len(prefix), prefix],
        )
        return bool(found)

    def _insert(self, entry: Entry, second: float) -> bool:
        event = Event(
            0,
            entry.command,
            entry.cwd,
            entry.status,
            f"{self._prefix}{self._path if entry.session is None else entry.session}",
            self._host if entry.host is None else entry.host,
            second if entry.started is None else entry.started,
            entry.duration_s,
        )
        return self._history.insert(event, None, self._names) is not None


def overlap(before: list[bytes], now: list[bytes]) -> int:
    """Return the most elements with which ``now`` begins and ``before`` ends, in linear time."""
    # The failure function of Knuth, Morris and Pratt: how much of the start of `now` ends at each element.
    borders, length = [0] * len(now), 0
    for i in range(1, len(now)):
        while length and now[i] != now[length]:
            length = borders[length - 1]
        length += now[i] == now[length]
        borders[i] = length
    length = 0
    for element in before[-len(now) :] if now else []:
        if length == len(now):
            length = borders[length - 1]
        while length and element != now[length]:
            length = borders[length - 1]
        length += element == now[length]
    return length
