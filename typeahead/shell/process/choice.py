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
    from typeahead.shell.process.bash import Bash

    return Bash(terminal, path, cwd, private)


def _login_shell() -> str:
    return "bash"


def find_program(program: str) -> str:
    """Return the path of the shell that ``program`` means, which may be empty (see `open_shell`).

    Raises
    ------
    ShellError
        There is none, or it cannot be run.
    """
    program = program or _login_shell()
    path = shutil.which(os.path.expanduser(program))
    if path is None:
        raise ShellError(f"{program}: no such program to run underneath; install bash, or name one: --shell PROGRAM")
    return path
