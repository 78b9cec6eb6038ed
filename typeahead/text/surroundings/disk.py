"""Look-ups in the file system that never keep the caller waiting.

A call on a dead mount can hang for ever, so the calls are made by a few helper threads. Whoever asks waits until a
deadline; what has not come back by then is unknown, arrives later, and is then answered from memory. A thread that
hangs is given up, its directory (and with it the mount) is left alone for a while that doubles each time, and nobody
waits for it when the process ends.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Generic, NamedTuple, TypeVar

NUM_WORKERS = 4  # threads that answer
MAX_HUNG = 12  # threads given up at most; beyond it a thread that hangs is not replaced
MAX_HUNG_IN_PLACE = 2  # of them in one directory or mount
MAX_WAITING = 128  # look-ups under way at most
MAX_ANSWERS = 1024  # answers remembered
MAX_WEIGHT = 250_000  # of them in all; a listing weighs what it has names
STUCK_S = 0.05  # when all calls under way take longer, another thread is started beside them
LATE_S = 0.25  # a call that takes longer has its thread given up
IDLE_S = 30.0  # a thread without work for that long ends
FRESH_S = 1.0  # an answer is good for that long without another look
BACK_OFF_S, MAX_BACK_OFF_S = 1.0, 300.0
PAUSE_EVERY = 256  # entries of a directory between two short rests: a scan must not hold the interpreter

_REMOTE_TYPES = ("nfs", "cifs", "smb", "fuse", "9p", "afs", "autofs", "ceph", "gfs", "gluster", "lustre", "ncpfs")

T = TypeVar("T")


class FileSystem:
    """The calls that may hang. Tests put another one in its place."""

    def stat(self, path: str, follow: bool = True) -> os.stat_result:
        """Return what the system knows of ``path``, or of the link itself."""
        return os.stat(path, follow_symlinks=follow)

    def is_executable(self, path: str) -> bool:
        """Return whether this user may run ``path``."""
        return os.access(path, os.X_OK)

    def scandir(self, path: str) -> Iterator[tuple[str, str]]:
        """Yield name and kind ("directory", "file", "link" or "other") of a directory's entries; follow no link."""
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_symlink():
                    kind = "link"
                elif entry.is_dir(follow_symlinks=False):
                    kind = "directory"
                else:
                    kind = "file" if entry.is_file(follow_symlinks=False) else "other"
                yield entry.name, kind

    def read(self, path: str, limit: int) -> bytes:
        """Return the first ``limit`` bytes of a regular file.

        Raises
        ------
        OSError
            The file cannot be read, or is none: a FIFO would wait for its writer.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(f"not a regular file: {path}")
            return file.read(limit)


Reader = Callable[[FileSystem, str, T | None], T]
"""Reads something at a path; given what it read last time, it may return that when nothing has changed."""


class Answer(NamedTuple, Generic[T]):
    """What is known of one thing: ``value`` None and ``known``: it does not exist; a value not ``known``: it was so."""

    value: T | None
    known: bool


UNKNOWN: Answer[Any] = Answer(None, False)


@dataclass(slots=True)
class _Entry:
    """A remembered answer."""

    answer: Answer[Any]
    checked: float
    generation: int
    weight: int


@dataclass(slots=True, eq=False)
class _Job:
    """One look-up under way."""

    key: Hashable
    place: str
    read: Callable[[], Any]
    generation: int
    done: threading.Event = field(default_factory=threading.Event)
    started: float | None = None
    hung_in: str | None = None  # given up; the directory or mount that is left alone


@dataclass(slots=True)
class _BackOff:
    """A directory or mount in which a call hung."""

    length_s: float
    until: float
    num_hung: int = 0


class Disk:
    """The file system as seen from a thread that must not wait; any number of threads may ask.

    Parameters
    ----------
    file_system : FileSystem
        What makes the calls; the system's own by default.
    """

    def __init__(self, file_system: FileSystem | None = None) -> None:
        self._file_system = file_system or FileSystem()
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._under_way: dict[Hashable, _Job] = {}
        self._busy: dict[str, _Job] = {}  # place -> its one look-up under way
        self._answers: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._back_offs: dict[str, _BackOff] = {}
        self._mounts: tuple[str, ...] = ()
        self._weight = 0
        self._generation = 0
        self._num_threads = 0
        self._has_begun = False
        self._num_hung = 0

    def expire(self) -> None:
        """Look again at everything when it is asked for: a command has run, anything may have changed."""
        with self._lock:
            self._generation += 1

    def close(self) -> None:
        """Let the threads that are not stuck end; a later look-up starts new ones."""
        with self._lock:
            while self._num_threads > self._num_hung:
                self._dismiss()

    def _dismiss(self) -> None:
        """Let one thread end: whichever comes to it first."""
        self._num_threads -= 1
        self._jobs.put(None)

    @property
    def num_hung(self) -> int:
        """Number of threads that are given up and have not come back."""
        return self._num_hung

    def look(self, reader: Reader[T], path: str, deadline: float, place: str | None = None) -> Answer[T]:
        """Return what ``reader`` finds at ``path``, as far as it is known by ``deadline``.

        Parameters
        ----------
        reader : function
            Runs in a helper thread; an `OSError` of a missing file is the answer "does not exist", any other one
            "unknown".
        path : str
            An absolute path.
        deadline : float
            On the clock of `time.monotonic`.
        place : str, optional
            The directory whose disk is asked, by default the one ``path`` lies in. One look-up at a time is made in
            each, so that a dead one holds few threads.
        """
        key = (reader, path)
        place = place or os.path.dirname(path)
        while True:
            now = time.monotonic()
            with self._lock:
                entry = self._answers.get(key)
                if entry is not None:
                    self._answers.move_to_end(key)
                    if entry.generation == self._generation and now - entry.checked < FRESH_S:
                        return entry.answer
                job = self._job(key, place, reader, path, entry, now)
            wait_s = deadline - time.monotonic()
            is_done = job is not None and job.done.wait(max(0.0, min(wait_s, STUCK_S)))
            if job is not None and not is_done and wait_s > STUCK_S:  # is it waiting for a thread that is stuck?
                continue
            if job is None or not is_done:
                return Answer(entry.answer.value, False) if entry is not None else UNKNOWN
            if job.key == key:
                with self._lock:
                    entry = self._answers.get(key)
                return entry.answer if entry is not None else UNKNOWN

    def _job(
        self, key: Hashable, place: str, reader: Reader[T], path: str, entry: _Entry | None, now: float
    ) -> _Job | None:
        """Return the look-up to wait for: this one, or the one that the place is busy with; None: leave it alone."""
        self._give_up_late(now)
        job = self._under_way.get(key) or self._busy.get(place)
        if job is not None:
            self._ensure_worker(now)
            return job
        if len(self._under_way) >= MAX_WAITING or self._is_left_alone(path, now) or self._is_left_alone(place, now):
            return None
        old = entry.answer.value if entry is not None else None
        if not self._has_begun:
            self._has_begun = True
            self._begin(_Job("mounts", "/proc/self", self._read_mounts, self._generation))
        job = _Job(key, place, lambda: reader(self._file_system, path, old), self._generation)
        self._begin(job)
        self._ensure_worker(now)
        return job

    def _begin(self, job: _Job) -> None:
        self._under_way[job.key] = self._busy[job.place] = job
        self._jobs.put(job)

    def _ensure_worker(self, now: float) -> None:
        """Have one thread that works, and others while it seems stuck.

        Not more at once: several threads that read directories would take turns with the interpreter, and the one
        that answers a key would wait for all of them.
        """
        num_stuck = sum(job.started is not None and now - job.started > STUCK_S for job in self._under_way.values())
        if self._num_threads - self._num_hung < min(NUM_WORKERS, num_stuck + 1):
            self._num_threads += 1
            # A daemon thread: nobody waits for one that hangs when the process ends.
            threading.Thread(target=self._work, name="typeahead-disk", daemon=True).start()

    def _give_up_late(self, now: float) -> None:
        for job in list(self._under_way.values()):
            if job.started is None or now - job.started < LATE_S or self._num_hung >= MAX_HUNG:
                continue
            self._drop(job)
            job.hung_in = self._mount_of(job.place) or job.place
            back_off = self._back_offs.setdefault(job.hung_in, _BackOff(BACK_OFF_S / 2, 0.0))
            back_off.length_s = min(2 * back_off.length_s, MAX_BACK_OFF_S)
            back_off.until = now + back_off.length_s
            back_off.num_hung += 1
            self._num_hung += 1

    def _is_left_alone(self, path: str, now: float) -> bool:
        return any(
            (now < back_off.until or back_off.num_hung >= MAX_HUNG_IN_PLACE)
            and (path == place or path.startswith(place.rstrip("/") + "/"))
            for place, back_off in self._back_offs.items()
        )

    def _mount_of(self, place: str) -> str | None:
        """Return the mount of another machine or program that ``place`` lies in by its name."""
        return next((mount for mount in self._mounts if f"{place}/".startswith(mount.rstrip("/") + "/")), None)

    def _read_mounts(self) -> None:
        """Remember where there are mounts that can die as a whole, the deepest first.

        Others are left out: a path below `/home` may lead elsewhere through a link, and `/home` is not to blame then.
        """
        points = []
        for line in (
            self._file_system.read("/proc/self/mountinfo", 1 << 20).decode(errors="surrogateescape").split("\n")
        ):
            mount, _, source = line.partition(" - ")  # proc_pid_mountinfo(5)
            if source.startswith(_REMOTE_TYPES) and mount.count(" ") >= 4:
                points.append(mount.split(" ")[4].replace("\\040", " "))
        self._mounts = tuple(sorted(points, key=len, reverse=True))

    def _work(self) -> None:
        try:
            while (job := self._next()) is not None:
                self._run(job)
        except BaseException:  # a fault of ours: it is reported as that of any thread, and another thread goes on
            with self._lock:
                self._num_threads -= 1
            raise

    def _next(self) -> _Job | None:
        """Wait for work; None: this thread has been dismissed, or has had nothing to do for long."""
        while True:
            try:
                job = self._jobs.get(timeout=IDLE_S)
            except Empty:
                with self._lock:
                    if self._jobs.empty():  # else something came in the moment we turned away
                        self._num_threads -= 1
                        return None
                continue
            if job is not None:
                job.started = time.monotonic()
            return job

    def _run(self, job: _Job) -> None:
        answer: Answer[Any] = UNKNOWN
        try:
            answer = Answer(job.read(), True)
        except (FileNotFoundError, NotADirectoryError):
            answer = Answer(None, True)
        except (OSError, ValueError):  # not allowed to look, a NUL in the name, an error of the disk
            pass
        finally:
            with self._lock:
                self._drop(job)
                if job.hung_in is not None:
                    self._come_back(job.hung_in)
                self._remember(job, answer)
            job.done.set()

    def _drop(self, job: _Job) -> None:
        if self._under_way.get(job.key) is job:
            del self._under_way[job.key]
        if self._busy.get(job.place) is job:
            del self._busy[job.place]

    def _come_back(self, place: str) -> None:
        self._num_hung -= 1
        back_off = self._back_offs.get(place)
        if back_off is not None:
            back_off.num_hung -= 1
            back_off.until = 0.0
            if back_off.num_hung == 0:
                del self._back_offs[place]
        if self._num_threads - self._num_hung > NUM_WORKERS:  # another one has stood in for it
            self._dismiss()

    def _remember(self, job: _Job, answer: Answer[Any]) -> None:
        entry = _Entry(answer, time.monotonic(), job.generation, getattr(answer.value, "weight", 1))
        old = self._answers.pop(job.key, None)
        self._answers[job.key] = entry
        self._weight += entry.weight - (old.weight if old is not None else 0)
        while len(self._answers) > 1 and (len(self._answers) > MAX_ANSWERS or self._weight > MAX_WEIGHT):
            _, forgotten = self._answers.popitem(last=False)
            self._weight -= forgotten.weight


@dataclass(frozen=True, slots=True)
class Glance:
    """The look-ups of one call: they share its deadline."""

    disk: Disk
    deadline: float

    def at(self, reader: Reader[T], path: str, place: str | None = None) -> Answer[T]:
        """Return what ``reader`` finds at ``path``, as far as it is known in time; see :meth:`Disk.look`."""
        return self.disk.look(reader, path, self.deadline, place)
