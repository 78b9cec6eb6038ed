"""Files, folders and streams as one array of bytes, and the part of it that is held out.

    paths -> files -> (gunzip) -> (sessions to lines) -> bytes -> train | valid

One byte is one symbol, so there is nothing to tokenise and no byte is invalid. A single plain file is mapped into
memory where it lies; everything else is put together in a nameless temporary file, mapped in turn, so that a corpus may
be larger than memory.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import numpy as np

from typeahead.errors import CorpusError

Array = np.ndarray[Any, np.dtype[np.uint8]]

STANDARD_INPUT = "-"
_CHUNK_BYTES = 1 << 20
_PEEK_BYTES = 1 << 16  # a first line longer than this is not looked at for a session
_GZIP = b"\x1f\x8b"
_OWN = (".safetensors", ".metrics.jsonl")  # what training itself writes; never meant when found in a folder
DEFAULT_VALID_FRACTION = 0.1
_VALID_BYTES = 4 << 20  # of a large corpus held out by default: more only moves the fourth digit


@dataclass(frozen=True)
class Source:
    """One file as it went into a corpus."""

    name: str  # without its folders, which are nobody else's business
    bytes: int


@dataclass(frozen=True)
class Corpus:
    """The bytes, where they come from, and what tells them from others."""

    data: Array
    sources: tuple[Source, ...]
    sha256: str
    distinct_bytes: int

    def describe(self) -> dict[str, Any]:
        """Return what a model file says about its data."""
        files = [{"name": source.name, "bytes": source.bytes} for source in self.sources]
        return {
            "bytes": len(self.data),
            "sha256": self.sha256,
            "distinct_bytes": self.distinct_bytes,
            "files": files[:20],  # a folder may hold thousands
            "num_files": len(files),
        }


def read(paths: Sequence[str | os.PathLike[str]], scratch: str | os.PathLike[str] | None = None) -> Corpus:
    """Read files, folders (all regular files in them, hidden ones left out, sorted) and ``-`` (standard input).

    A file whose content is gzip is unpacked; one named ``.jsonl`` whose lines are objects with a text ``cmd`` gives one
    command a line, in order. Files are joined by a newline where one ends without.

    Parameters
    ----------
    paths
        What to read, in this order.
    scratch
        Folder for the temporary file of a corpus that is not one plain file; it has no name and goes away by itself.

    Raises
    ------
    CorpusError
        Something is missing, unreadable, damaged or empty, or the temporary file does not fit on the disk.
    """
    names = [os.fspath(path) for path in paths]
    if names.count(STANDARD_INPUT) > 1:
        raise CorpusError("standard input (-) is given twice; it can be read only once")
    files = [file for name in names for file in _expand(name)]
    try:
        if len(files) == 1 and _is_plain(files[0]):
            data = _map(files[0])
            sources = [Source(Path(files[0]).name, len(data))]
        else:
            data, sources = _join(files, scratch)
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else ", ".join(names)
        raise CorpusError(f"{where}: cannot be read ({error.strerror or error})") from error
    if not len(data):
        raise CorpusError(f"{', '.join(names)}: empty; give a file with some text")
    digest, distinct = _survey(data)
    return Corpus(data, tuple(sources), digest, distinct)


def split(data: Array, fraction: float | None) -> tuple[Array, Array]:
    """Return the part to train on and the last ``fraction`` of ``data``, held out; views, nothing is copied.

    ``None`` stands for a tenth, but not more than 4 MiB.
    """
    held = len(data) - int(len(data) * (1 - (DEFAULT_VALID_FRACTION if fraction is None else fraction)))
    if fraction is None:
        held = min(held, _VALID_BYTES)
    return data[: len(data) - held], data[len(data) - held :]


def _expand(name: str) -> Iterator[str]:
    """Yield the files that ``name`` stands for."""
    if name == STANDARD_INPUT:
        yield name
        return
    try:
        mode = os.stat(name).st_mode
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CorpusError(f"{name}: cannot be read ({reason}); check the path") from error
    if stat.S_ISREG(mode) or stat.S_ISFIFO(mode):  # a FIFO is what <(command) gives
        yield name
        return
    if not stat.S_ISDIR(mode):
        raise CorpusError(f"{name}: neither a file nor a folder; give one of these or - for standard input")
    found = False
    for folder, subfolders, files in os.walk(name, onerror=_raise):
        subfolders[:] = sorted(folder for folder in subfolders if not folder.startswith("."))
        for file in sorted(files):
            path = os.path.join(folder, file)
            if not file.startswith(".") and not file.endswith(_OWN) and os.path.isfile(path):
                found = True
                yield path
    if not found:
        raise CorpusError(f"{name}: no files in this folder (hidden ones do not count)")


def _raise(error: OSError) -> None:
    raise CorpusError(f"{error.filename}: cannot be read ({error.strerror})") from error


def _is_plain(name: str) -> bool:
    """Whether the file can be mapped as it is."""
    if name == STANDARD_INPUT or not os.path.isfile(name):
        return False
    with open(name, "rb") as file:
        return file.read(2) != _GZIP and not _holds_sessions(name, file)


def _map(file: str | IO[bytes]) -> Array:
    size = os.stat(file).st_size if isinstance(file, str) else os.fstat(file.fileno()).st_size
    if not size:  # cannot be mapped
        return np.zeros(0, np.uint8)
    return cast(Array, np.memmap(cast(Any, file), np.uint8, "r"))


def _join(files: Iterable[str], scratch: str | os.PathLike[str] | None) -> tuple[Array, list[Source]]:
    """Put the files' content into one temporary file and map it."""
    sources: list[Source] = []
    ends_in_newline = True
    with tempfile.TemporaryFile(dir=scratch) as joined:
        for name in files:
            size = 0
            for chunk in _content(name):
                if not size and not ends_in_newline:
                    _write(joined, b"\n")
                _write(joined, chunk)
                size += len(chunk)
                ends_in_newline = chunk.endswith(b"\n")
            sources.append(Source("standard input" if name == STANDARD_INPUT else Path(name).name, size))
        joined.flush()
        return _map(joined), sources


def _write(file: IO[bytes], chunk: bytes) -> None:
    try:
        file.write(chunk)
    except OSError as error:
        reason = f"{error.strerror}; make room in the folder of --output, or set --output elsewhere"
        raise CorpusError(f"the joined corpus does not fit on the disk ({reason})") from error


def _content(name: str) -> Iterator[bytes]:
    """Yield the file's bytes in chunks: unpacked, and as lines of commands if it holds sessions."""
    with _open(name) as raw:
        file: BinaryIO = raw
        packed = raw.peek(2)[:2] == _GZIP
        if packed:
            unpacked = cast(io.RawIOBase, gzip.GzipFile(fileobj=raw))
            file = cast(BinaryIO, io.BufferedReader(unpacked, _PEEK_BYTES))
        try:
            if _names_sessions(name) and _is_session(_first_line(file)):
                yield from _commands(name, file)
                return
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise CorpusError(f"{name}: damaged gzip ({error}); fetch it again") from error


def _open(name: str) -> io.BufferedReader:
    # Standard input is left open: it is not ours to close.
    file = os.dup(sys.stdin.fileno()) if name == STANDARD_INPUT else name
    return cast(io.BufferedReader, open(file, "rb", buffering=_PEEK_BYTES))


def _names_sessions(name: str) -> bool:
    return name.removesuffix(".gz").endswith(".jsonl")


def _first_line(file: BinaryIO) -> bytes:
    """Return the start of the file, up to the first line's end, without moving on; at most what the buffer holds."""
    return cast(bytes, cast(Any, file).peek(_PEEK_BYTES)).split(b"\n", 1)[0]


def _holds_sessions(name: str, file: BinaryIO) -> bool:
    file.seek(0)
    return _names_sessions(name) and _is_session(file.readline(_PEEK_BYTES))


def _is_session(line: bytes) -> bool:
    try:
        record = json.loads(line)
    except ValueError:
        return False
    return isinstance(record, dict) and isinstance(record.get("cmd"), str)


def _commands(name: str, file: BinaryIO) -> Iterator[bytes]:
    """Yield the commands of a file of sessions, each ended by a newline."""
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)["cmd"].rstrip("\n").encode("utf-8", "surrogatepass") + b"\n"
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorpusError(f'{name}: line {number} is not a JSON object with a text "cmd" ({error!r})') from error


def _survey(data: Array) -> tuple[str, int]:
    """Return the SHA-256 and the number of distinct bytes, in one pass and a little memory."""
    digest, counts = hashlib.sha256(), np.zeros(256, np.int64)
    for start in range(0, len(data), _CHUNK_BYTES):
        chunk = np.ascontiguousarray(data[start : start + _CHUNK_BYTES])
        digest.update(chunk.data)
        counts += np.bincount(chunk, minlength=256)
    return digest.hexdigest(), int((counts > 0).sum())
