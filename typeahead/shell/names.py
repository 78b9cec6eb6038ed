"""What the live shell knows and its environment does not tell: the words that are commands there, and its variables.

The shell writes it into a file (see rc.bash); the daemon completes and checks words with it. Standard library only.
"""

from __future__ import annotations

from typing import NamedTuple

_VALUES = ("PATH", "HOME", "CDPATH")


class Names(NamedTuple):
    """What one session's shell knows."""

    commands: list[str]  # aliases, functions, builtins and keywords; what begins with an underscore last
    environ: dict[str, str]  # PATH, HOME, CDPATH, VISUAL, EDITOR; other exported variables with nothing for a value


def read(data: bytes) -> Names:
    """Return what is in the file that rc.bash writes; what is missing counts as empty.

    Parameters
    ----------
    data : bytes
        The values of PATH, HOME and CDPATH; the names of exported variables, one a line, with ``=`` and the value
        behind it where that is wanted here; the words that are commands, one a line. NUL stands between the five.
    """
    parts = data.decode("utf-8", "surrogateescape").split("\0")
    *values, variables, commands = [*parts, *[""] * 5][:5]
    environ = {name: value for name, _, value in (line.partition("=") for line in variables.splitlines()) if name}
    environ.update((name, value) for name, value in zip(_VALUES, values, strict=True) if value)
    words = {word for word in commands.splitlines() if not word.startswith("__ta_")}
    # Parts of functions, which nobody types, are the first to go where there are too many.
    return Names(sorted(words, key=lambda word: (word.startswith("_"), word)), environ)
