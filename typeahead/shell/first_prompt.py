"""The last prompt of each directory: painted first in a later session, while no shell is up yet.

On the way to the first paint, so it imports almost nothing.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` would keep the prompt waiting
if TYPE_CHECKING:
    from pathlib import Path

_DIRECTORIES = 50  # are remembered


def for_terminal(text: str) -> str:
    """Return a prompt for the line editor as it is written to a terminal that is raw."""
    return text.replace("\x01", "").replace("\x02", "").replace("\n", "\r\n")


def file() -> str:
    """Return the path of the remembered prompts: in `config.runtime_dir`, which takes too long to import."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and os.access(base, os.W_OK | os.X_OK):
        return f"{base}/typeahead/prompts"
    temporary = next((os.environ[name] for name in ("TMPDIR", "TEMP", "TMP") if os.environ.get(name)), "/tmp")
    return f"{temporary}/typeahead-{os.getuid()}/prompts"


def remembered(shell: str, cwd: str) -> str:
    """Return the last prompt (for the line editor) of a shell in a directory; empty where there is none."""
    for entry in reversed(_entries()):
        if entry[:2] == [shell, cwd]:
            return entry[2]
    return ""


def _entries() -> list[list[str]]:
    try:
        fd = os.open(file(), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        info = os.fstat(fd)
        data = os.read(fd, 1 << 20) if info.st_uid == os.getuid() and not info.st_mode & 0o077 else b""
    except OSError:
        data = b""
    finally:
        os.close(fd)
    entries = (entry.split("\x1f") for entry in data.decode("utf-8", "surrogateescape").split("\0"))
    return [entry for entry in entries if len(entry) == 3]


def remember(shell: str, cwd: str, text: str, path: Path) -> None:
    """Keep a prompt in ``path``, which is `file`; the oldest give way.

    Raises
    ------
    OSError
        It cannot be written.
    """
    if "\x1f" in shell + cwd + text:
        return
    others = [entry for entry in _entries() if entry[:2] != [shell, cwd]]
    entries = [*others[-_DIRECTORIES + 1 :], [shell, cwd, text]]
    data = "\0".join("\x1f".join(entry) for entry in entries).encode("utf-8", "surrogateescape")
    new = path.with_name(f"prompts.{os.getpid()}")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)
    os.replace(new, path)
