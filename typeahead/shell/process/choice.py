"""Which shell runs underneath."""

from __future__ import annotations

import os
import shutil

from typeahead.errors import ShellError
from typeahead.shell.process import Process
from typeahead.shell.terminal import Terminal


def open_shell(terminal: Terminal, program: str, cwd: str, private: bool = False) -> Process:
    """Return the shell ``program``, not yet started.

    Parameters
    ----------
    terminal : Terminal
        The user's.
    program : str
        Name or path of a bash or zsh; empty: the user's own (``$SHELL``) where that is one of the two, else bash.
    cwd : str
        Its directory at start.
    private : bool
        The shell's own history file is left alone.

    Raises
    ------
    ShellError
        There is no such program, or it is another shell.
    """
    path = find_program(program)
    kind: type[Process]
    if _kind(path) == "zsh":
        from typeahead.shell.process.zsh import Zsh

        kind = Zsh
    else:
        from typeahead.shell.process.bash import Bash

        kind = Bash
    return kind(terminal, path, cwd, private)


def find_program(program: str) -> str:
    """Return the path of the shell that ``program`` means, which may be empty (see `open_shell`).

    Raises
    ------
    ShellError
        There is none, it cannot be run, or it is another shell.
    """
    program = program or _login_shell()
    path = shutil.which(os.path.expanduser(program))
    if path is None:
        raise ShellError(f"{program}: no such program to run underneath; install bash, or name one: --shell PROGRAM")
    if not _kind(path):
        raise ShellError(f"{program}: only a bash or a zsh can run underneath; name one: --shell PROGRAM")
    return path


def can_run(path: str) -> bool:
    """Return whether a program can run underneath, going by its name."""
    return bool(_kind(path))


def _login_shell() -> str:
    """Return ``$SHELL`` where that can run underneath."""
    own = os.environ.get("SHELL", "")
    return own if _kind(own) and shutil.which(own) else "bash"


def _kind(program: str) -> str:
    """Return which shell a path is, by its name (``zsh-5.9``, ``rbash``); empty for another."""
    name = os.path.basename(program)
    return next((kind for kind in ("zsh", "bash") if kind in name), "")
