"""Files that are replaced whole: a reader, or a crash, finds the old one or the new one. Standard library only."""

from __future__ import annotations

import os
import tempfile

TYPE_CHECKING = False  # a shell's start-up comes through here
if TYPE_CHECKING:
    from pathlib import Path


def replace(path: Path, content: bytes, mode: int | None = 0o600) -> None:
    """Put ``content`` in the place of the file, which need not exist yet, in a folder that must. A link stays a link.

    Parameters
    ----------
    path : Path
        The file.
    content : bytes
        All of it.
    mode : int or None
        Its permissions; ``None``: those of the old file, where there is one.

    Raises
    ------
    OSError
        It cannot be written; the old file is untouched.
    """
    real = os.path.realpath(path)
    folder = os.path.dirname(real)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(real)}.", suffix=".part", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is None and os.path.exists(real):
            mode = os.stat(real).st_mode & 0o7777
        os.chmod(temporary, 0o600 if mode is None else mode)
        os.replace(temporary, real)
    except BaseException:  # also KeyboardInterrupt: leave no part behind
        os.unlink(temporary)
        raise
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Make the rename itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
