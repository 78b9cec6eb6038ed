"""What a command's exit status, as in ``$?``, says of it. Standard library only."""

from __future__ import annotations

INTERRUPTED, STOPPED = 130, 148  # by Ctrl-C, by Ctrl-Z: the command itself has neither worked nor failed


def has_failed(status: int | None) -> bool | None:
    """Return whether a command failed; ``None`` where its status does not tell."""
    return None if status is None or status in (INTERRUPTED, STOPPED) else status != 0
