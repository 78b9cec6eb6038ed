"""What is read of directories and files: plain data, read by a helper thread and kept while nothing has changed."""

from __future__ import annotations

import os
import stat
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import merge
from itertools import chain
from typing import Generic, TypeVar

from typeahead.text.surroundings.disk import PAUSE_EVERY, FileSystem

MAX_NAMES = 100_000  # of a directory; the rest is not looked at
MAX_DATED = 4_000  # a directory with more names is in alphabetical order, not in that of time
MAX_FILE_BYTES = 1 << 20
_CHUNK = 2_000  # names sorted at once: a sort holds the interpreter
_MERGED = 16_000  # names in one sequence: to sort what is sorted in parts takes a millisecond
_PAUSE_S = 0.0002
_RACE_NS = 50_000_000  # a change within that time after a look may leave the directory's mtime as it was
_COSTLY_S = 0.05  # a directory that takes longer to scan and changes all the time
_COST_RATIO = 20.0  # is scanned a twentieth of the time

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Status:
    """What a path leads to, links followed."""

    is_directory: bool
    is_executable: bool


def read_status(file_system: FileSystem, path: str, old: Status | None) -> Status:
    """Return what ``path`` leads to."""
    found = file_system.stat(path)
    is_directory = stat.S_ISDIR(found.st_mode)
    return Status(is_directory, not is_directory and file_system.is_executable(path))


class Names:
    """Names in alphabetical order, looked up by prefix; filled bit by bit, so that no step takes long."""

    def __init__(self) -> None:
        self._chunks: list[list[str]] = [[]]
        self._num_names = 0

    def __len__(self) -> int:
        return self._num_names

    def add(self, name: str) -> None:
        """Add a name; :meth:`finish` must be called before the next look-up."""
        if len(self._chunks[-1]) == _CHUNK:
            self._chunks[-1].sort()
            self._chunks.append([])
        self._chunks[-1].append(name)
        self._num_names += 1

    def finish(self) -> None:
        """Make ready for look-ups."""
        self._chunks[-1].sort()
        step = max(1, _MERGED // _CHUNK)
        parts = [self._chunks[place : place + step] for place in range(0, len(self._chunks), step)]
        self._chunks = [sorted(chain.from_iterable(part)) for part in parts]

    def __contains__(self, name: str) -> bool:
        for chunk in self._chunks:
            place = bisect_left(chunk, name)
            if place < len(chunk) and chunk[place] == name:
                return True
        return False

    def starting_with(self, prefix: str) -> Iterator[str]:
        """Yield the names that begin with ``prefix``, in alphabetical order."""
        runs = [_run(chunk, prefix) for chunk in self._chunks]
        return runs[0] if len(runs) == 1 else merge(*runs)


def _run(names: list[str], prefix: str) -> Iterator[str]:
    # No name has the last code point of all: it is not printable.
    last = bisect_left(names, prefix + chr(0x10FFFF))
    return map(names.__getitem__, range(bisect_left(names, prefix), last))


@dataclass(slots=True)
class Listing:
    """The entries of a directory that may be offered: their names are printable text."""

    directories: Names = field(default_factory=Names)
    files: Names = field(default_factory=Names)
    links: Names = field(default_factory=Names)
    newest: list[tuple[str, str]] = field(default_factory=list)  # name and kind of all, the newest first; if dated
    is_dated: bool = False  # a large directory is not
    is_complete: bool = True  # False: there are more names than were looked at
    stamp: tuple[int, int, int] | None = None
    scanned: float = 0.0
    cost_s: float = 0.0

    @property
    def weight(self) -> int:
        """How many names it holds."""
        return len(self.directories) + len(self.files) + len(self.links)


def read_listing(file_system: FileSystem, path: str, old: Listing | None) -> Listing:
    """Return the entries of the directory ``path``, with their times where there are not too many."""
    listing = _scan(file_system, path, old, None)
    if listing is old or listing.weight > MAX_DATED:
        return listing
    dated = []
    for kind, names in (("directory", listing.directories), ("file", listing.files), ("link", listing.links)):
        for number, name in enumerate(names.starting_with("")):
            _rest(number)
            try:
                dated.append((-file_system.stat(os.path.join(path, name), follow=False).st_mtime, name, kind))
            except OSError:  # removed meanwhile
                continue
    dated.sort()
    listing.newest = [(name, kind) for _, name, kind in dated]
    listing.is_dated = True
    listing.cost_s = time.monotonic() - listing.scanned
    return listing


def read_executables(file_system: FileSystem, path: str, old: Listing | None) -> Listing:
    """Return what may be run in the directory ``path``, and its directories; a link is in it whatever it leads to."""
    return _scan(file_system, path, old, file_system.is_executable)


def _scan(file_system: FileSystem, path: str, old: Listing | None, accepts: Callable[[str], bool] | None) -> Listing:
    found = file_system.stat(path)
    stamp = (found.st_dev, found.st_ino, found.st_mtime_ns)
    started = time.monotonic()
    if old is not None:
        is_costly = old.cost_s > _COSTLY_S and started - old.scanned < _COST_RATIO * old.cost_s
        if old.stamp == stamp or is_costly:
            return old
    listing = Listing(scanned=started)
    # A directory changed a moment ago may change once more within the same tick of the file system's clock.
    listing.stamp = stamp if abs(time.time_ns() - found.st_mtime_ns) > _RACE_NS else None
    by_kind = {"directory": listing.directories, "file": listing.files, "link": listing.links}
    for number, (name, kind) in enumerate(file_system.scandir(path)):
        if number == MAX_NAMES:
            listing.is_complete = False
            break
        _rest(number)
        if kind not in by_kind or not name.isprintable():
            continue
        if accepts is None or kind != "file" or accepts(os.path.join(path, name)):
            by_kind[kind].add(name)
    for names in by_kind.values():
        names.finish()
    listing.cost_s = time.monotonic() - started
    return listing


def _rest(number: int) -> None:
    """Let other threads run now and then: the one that answers a key must get the interpreter when it asks."""
    if number % PAUSE_EVERY == PAUSE_EVERY - 1:
        time.sleep(_PAUSE_S)


Stamp = tuple[int, int, int, int]


class _Recorder(FileSystem):
    """A file system that notes the state of all that is read of it, before it is read."""

    def __init__(self, file_system: FileSystem) -> None:
        self._file_system = file_system
        self.stamps: dict[str, Stamp | None] = {}

    def stat(self, path: str, follow: bool = True) -> os.stat_result:
        try:
            return self._file_system.stat(path, follow)
        except OSError:
            self.stamps[path] = None
            raise

    def scandir(self, path: str) -> Iterator[tuple[str, str]]:
        self.stamps[path] = stamp_of(self._file_system, path)
        return self._file_system.scandir(path)

    def read(self, path: str, limit: int) -> bytes:
        self.stamps[path] = stamp_of(self._file_system, path)
        return self._file_system.read(path, limit)


def stamp_of(file_system: FileSystem, path: str) -> Stamp | None:
    """Return what changes when the file or directory changes, None when there is none."""
    try:
        found = file_system.stat(path)
    except OSError:
        return None
    # Changed a moment ago: it may change once more within the same tick of the file system's clock, so look again.
    is_settled = abs(time.time_ns() - found.st_mtime_ns) > _RACE_NS
    return (found.st_dev, found.st_ino, found.st_mtime_ns if is_settled else time.monotonic_ns(), found.st_size)


@dataclass(frozen=True, slots=True)
class Extract(Generic[T]):
    """What some files say, and the state of each of them that says so."""

    value: T
    stamps: dict[str, Stamp | None]

    @property
    def weight(self) -> int:
        """How much is kept, in names or files."""
        return len(self.stamps) + (len(self.value) if isinstance(self.value, list) else 1)


def extract(
    file_system: FileSystem, path: str, old: Extract[T] | None, read: Callable[[FileSystem, str], T]
) -> Extract[T]:
    """Return what ``read`` makes of files at ``path``, or ``old`` if each file it was made of is as it was."""
    if old is not None and all(stamp_of(file_system, each) == stamp for each, stamp in old.stamps.items()):
        return old
    recorder = _Recorder(file_system)
    return Extract(read(recorder, path), recorder.stamps)


def read_text(file_system: FileSystem, path: str) -> str | None:
    """Return the text of a file, of its first megabyte; None when it cannot be read."""
    try:
        return file_system.read(path, MAX_FILE_BYTES).decode(errors="surrogateescape")
    except OSError:
        return None


def link_place(directory: str) -> str:
    """Return the place that look-ups through the links in ``directory`` are counted to, not to the directory."""
    return os.path.join(directory, "->")


def nearest(file_system: FileSystem, path: str, name: str) -> str | None:
    """Return the path of the entry ``name`` in ``path`` or, failing that, in the nearest directory above it."""
    while True:
        candidate = os.path.join(path, name)
        try:
            file_system.stat(candidate)
            return candidate
        except (FileNotFoundError, NotADirectoryError):
            pass
        if path in ("/", ""):
            return None
        path = os.path.dirname(path)
