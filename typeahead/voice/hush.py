"""What C libraries print by themselves does not reach the screen."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Iterator

_SYMBOL = {"linux": "stderr", "darwin": "__stderrp"}
_lock = threading.Lock()
_num_inside = 0
_kept: int | None = None  # C's stream, while it is replaced
_nowhere: int | None = None


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Let PortAudio, ALSA and JACK print nothing: they report each device that is not there, also much later.

    C's variable ``stderr`` is pointed at /dev/null. The descriptor 2 stays what it is: what Python and child processes
    write to standard error is seen all the while. Does nothing where C's library is not known to allow that. May be
    entered more than once.
    """
    global _num_inside
    with _lock:
        _num_inside += 1
        if _num_inside == 1:
            _silence()
    try:
        yield
    finally:
        with _lock:
            _num_inside -= 1
            if _num_inside == 0:
                _restore()


def _silence() -> None:
    global _kept, _nowhere
    if (stream := _stream()) is None:
        return
    if _nowhere is None:
        library = ctypes.CDLL(None)
        library.fopen.restype = ctypes.c_void_p
        _nowhere = library.fopen(b"/dev/null", b"w")
    if _nowhere is not None:
        _kept, stream.value = stream.value, _nowhere


def _restore() -> None:
    global _kept
    if _kept is not None and (stream := _stream()) is not None:
        stream.value, _kept = _kept, None


def _stream() -> ctypes.c_void_p | None:
    # Elsewhere than in GNU's the variable may lie in memory that cannot be written.
    is_known = sys.platform == "darwin" or "CS_GNU_LIBC_VERSION" in os.confstr_names
    try:
        return ctypes.c_void_p.in_dll(ctypes.CDLL(None), _SYMBOL[sys.platform]) if is_known else None
    except (KeyError, ValueError):
        return None
