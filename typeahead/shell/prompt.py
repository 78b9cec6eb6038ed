"""The short prompt: ``[status] directory ❯``, the same for the first paint and for the line editor.

Where nothing of the session is kept, ``private`` stands before the directory. On the way to the first paint, so it
imports almost nothing. The user's own prompt: `typeahead.shell.own_prompt`.
"""

from __future__ import annotations

import os

_STATUS, _PRIVATE, _DIRECTORY, _MARK, _RESET = "\x1b[31m", "\x1b[2m", "\x1b[36m", "\x1b[1m", "\x1b[0m"
_WIDEST = 40  # columns a directory takes at most, however wide the window


def render(status: int, cwd: str, columns: int, private: bool = False) -> str:
    """Return the prompt as one line with ANSI colours (none where ``NO_COLOR`` is set or the terminal is dumb).

    Parameters
    ----------
    status
        Of the last command; shown when it is not zero.
    cwd
        The shell's directory, absolute.
    columns
        Width of the window; the directory takes about a third of it at most.
    private
        Whether to say that nothing of the session is kept.
    """
    colours = ("",) * 4 if is_plain() else (_STATUS, _DIRECTORY, _MARK, _RESET)
    status_colour, colour, bold, reset = colours
    unicode = speaks_unicode()
    failed = f"{status_colour}[{status}]{reset} " if status else ""
    directory = shorten(cwd, max(6, min(_WIDEST, columns // 3)), "…" if unicode else "..")
    mode = private_mark() if private else ""
    return f"{failed}{mode}{colour}{directory}{reset} {bold}{'❯' if unicode else '>'}{reset} "


def private_mark() -> str:
    """Return what says that nothing of the session is kept."""
    return "private " if is_plain() else f"{_PRIVATE}private{_RESET} "


def is_plain() -> bool:
    """Whether colours are not wanted, or not known to the terminal."""
    return bool(os.environ.get("NO_COLOR")) or is_dumb()


def is_dumb() -> bool:
    """Whether the terminal knows no escape sequences."""
    return os.environ.get("TERM", "") in ("", "dumb", "unknown")


def speaks_unicode() -> bool:
    """Whether the terminal's locale is UTF-8 and its font can be expected to have more than ASCII."""
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        if value := os.environ.get(name):
            return (
                value.lower().replace("-", "").endswith(("utf8", "utf8@euro"))
                and os.environ.get("TERM") != "linux"
                and not is_dumb()
            )
    return False


def shorten(path: str, limit: int, ellipsis: str = "…") -> str:
    """Return ``path`` with ``~`` for the home folder, leading folders left out until it takes ``limit`` columns.

    What cannot be printed (control characters, bytes that are no text) becomes ``?``: a folder's name must not be able
    to drive the terminal.
    """
    home = os.environ.get("HOME", "").rstrip("/")
    if home and (path == home or path.startswith(home + "/")):
        path = "~" + path[len(home) :]
    path = "".join(c if c.isprintable() else "?" for c in path) or "?"
    if width(path) <= limit:
        return path
    parts = path.split("/")
    for first in range(1, len(parts)):
        tail = f"{ellipsis}/" + "/".join(parts[first:])
        if width(tail) <= limit:
            return tail
    last = parts[-1] or path
    if width(last) <= limit:
        return last
    while last and width(last) > limit - len(ellipsis):
        last = last[1:]
    return ellipsis + last


def initial_cwd() -> str:
    """Return the directory as a shell shows it: ``$PWD`` where that is true, which keeps symbolic links."""
    claimed = os.environ.get("PWD", "")
    try:
        real = os.getcwd()
    except OSError:  # removed, or not ours to look at
        return claimed or "?"
    try:
        return claimed if claimed.startswith("/") and os.path.samefile(claimed, real) else real
    except OSError:
        return real


def width(text: str) -> int:
    """Return the columns that ``text`` takes on a terminal."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
