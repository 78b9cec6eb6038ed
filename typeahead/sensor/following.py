"""Lines from pipes and files as they come, from growing files too, never more than a chunk at a time."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import select
import stat
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from typeahead.errors import SensorError
from typeahead.sensor.formats import MAX_LINE_BYTES

__all__ = ["LineCutter", "lines"]

STDIN = "-"
_CHUNK_BYTES = 1 << 16
_LOOK_S = 0.1  # how long a wait goes on before `stop` is asked again, and between looks at a growing file


class LineCutter:
    """Cuts chunks into lines; of a line longer than `MAX_LINE_BYTES` it keeps just enough to show that."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def push(self, chunk: bytes) -> list[bytes]:
        """Take any bytes; return the lines that end in them, without their ends."""
        found = chunk.split(b"\n")
        tail = found.pop()
        if found:
            self._keep(found[0])
            found[0] = bytes(self._rest)
            self._rest.clear()
        self._keep(tail)
        return found

    def finish(self) -> list[bytes]:
        """Return the last line, if it did not end."""
        found = [bytes(self._rest)] if self._rest else []
        self._rest.clear()
        return found

    def _keep(self, part: bytes) -> None:
        self._rest += part[: MAX_LINE_BYTES + 1 - len(self._rest)]


def lines(
    sources: Sequence[str | os.PathLike[str]] = (STDIN,),
    follow: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[bytes]:
    r"""Yield the lines of files, one file after another, each as soon as it is complete.

    Parameters
    ----------
    sources : sequence of str or path
        Files, named pipes, ``-`` for standard input; what ends in ``.gz`` is decompressed.
    follow : bool
        Go on with the last file at its end: what is added to it, what replaces it, the file itself if it does not exist
        yet; a file that has become shorter is read from its start. Never ends but by ``stop``.
    stop : callable
        Asked before each line, and every 0.1 s while there is none; true ends it.

    Yields
    ------
    bytes
        A line without ``\n``; of one longer than `MAX_LINE_BYTES` that many and one more. What stands before the end of
        a file is a line, too.

    Raises
    ------
    SensorError
        A file cannot be opened or read, or is a damaged ``.gz``.
    """
    for number, source in enumerate(sources, start=1):
        name = os.fspath(source)
        cutter = LineCutter()
        for chunk in _chunks(name, follow and number == len(sources), stop):
            # No chunk: here a file ends, though another may follow in its place.
            for line in cutter.push(chunk) if chunk else cutter.finish():
                if stop():
                    return
                yield line
        if stop():
            return
        yield from cutter.finish()


def _chunks(name: str, follow: bool, stop: Callable[[], bool]) -> Iterator[bytes]:
    """Yield what a source holds; an empty chunk where a new file takes the place of the old."""
    try:
        if name == STDIN:
            yield from _of_stdin(stop)
        elif name.endswith(".gz"):
            with gzip.open(name, "rb") as file:
                while not stop() and (chunk := file.read(_CHUNK_BYTES)):
                    yield chunk
        elif follow:
            yield from _of_growing(name, stop)
        else:
            with _opened(name) as descriptor:
                yield from _until_end(descriptor, stop)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SensorError(f"{name}: a damaged gzip file ({error}); read a whole one") from error
    except OSError as error:
        raise SensorError(f"{name}: {error.strerror}; give a file of readings, or - for standard input") from error


def _of_stdin(stop: Callable[[], bool]) -> Iterator[bytes]:
    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    stream: BinaryIO = sys.stdin.buffer
    try:
        descriptor = stream.fileno()
    except OSError:  # not the process's own: a buffer in memory
        while not stop() and (chunk := stream.read(_CHUNK_BYTES)):
            yield chunk
    else:
        yield from _until_end(descriptor, stop)


@contextlib.contextmanager
def _opened(name: str) -> Iterator[int]:
    # Without O_NONBLOCK, opening a named pipe waits for its writer, and nobody can stop it; without O_NOCTTY, a serial
    # line may become this process's terminal.
    descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        yield descriptor
    finally:
        os.close(descriptor)


def _until_end(descriptor: int, stop: Callable[[], bool]) -> Iterator[bytes]:
    """Yield what can be read, waiting for it, until the end."""
    while not stop():
        if not select.select([descriptor], [], [], _LOOK_S)[0]:
            continue
        try:
            chunk = os.read(descriptor, _CHUNK_BYTES)
        except BlockingIOError:  # another reader of the same pipe was quicker
            continue
        if not chunk:
            return
        yield chunk


def _of_growing(name: str, stop: Callable[[], bool]) -> Iterator[bytes]:
    """Yield what a file holds and what comes to it, like ``tail -F`` from the first line."""
    while not stop():
        try:
            with _opened(name) as descriptor:
                yield from _growth(name, descriptor, stop)
            yield b""
        except FileNotFoundError:
            time.sleep(_LOOK_S)


def _growth(name: str, descriptor: int, stop: Callable[[], bool]) -> Iterator[bytes]:
    """Yield what an open file holds and what comes to it, to its end once another file has its name."""
    replaced = False
    while not stop():
        try:
            chunk = os.read(descriptor, _CHUNK_BYTES)
        except BlockingIOError:  # a pipe whose writer is silent
            chunk = b""
        if chunk:
            yield chunk
        elif replaced:
            return
        else:
            # What was written between the last read and the renaming is still read: one round more.
            replaced = _is_other(name, descriptor)
            if not replaced and _is_cut(descriptor):
                os.lseek(descriptor, 0, os.SEEK_SET)
                yield b""
            elif not replaced:
                time.sleep(_LOOK_S)


def _is_other(name: str, descriptor: int) -> bool:
    """Return whether another file has the name by now; one that was only removed is waited for."""
    try:
        return not os.path.samestat(os.stat(name), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _is_cut(descriptor: int) -> bool:
    found = os.fstat(descriptor)
    return stat.S_ISREG(found.st_mode) and found.st_size < os.lseek(descriptor, 0, os.SEEK_CUR)
