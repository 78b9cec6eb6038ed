"""Around the shell underneath: its private terminal, what a program that we start has from us, who else may speak."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import struct
import sys
import termios
import tty
from pathlib import Path
from typing import Protocol

# Ignored or caught by this process; the programs that it starts have them as everywhere else.
OUR_SIGNALS = (signal.SIGTTOU, signal.SIGTTIN, signal.SIGTSTP, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ)


class Aside(Protocol):
    """Somebody else who may have something to say while a command runs."""

    def fileno(self) -> int:
        """Return a file descriptor that is readable then; -1 for none just now."""

    def receive(self) -> object:
        """Listen, without waiting."""


def make_private(slave: int) -> None:
    """Let every byte through as it is: no echo, no key with a meaning, also when a line editor asks for signals."""
    tty.setraw(slave)
    mode = termios.tcgetattr(slave)
    mode[6] = [b"\0"] * len(mode[6])
    mode[6][termios.VMIN] = 1
    termios.tcsetattr(slave, termios.TCSANOW, mode)


def die_with(parent: int) -> None:
    """Have the kernel hang up on this process when the thread that forked it dies, however that happens."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGHUP, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)


def command_of(pid: int) -> tuple[str, list[str]]:
    """Return the path of a process's program, empty where it cannot be known, and its arguments."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return os.readlink(f"/proc/{pid}/exe"), os.fsdecode(file.read()).split("\0")[1:-1]
    except OSError:
        return "", []


def unread(fd: int) -> int:
    """Return how many bytes wait in a terminal or FIFO for whoever reads it."""
    return int(struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))[0])


def sweep(runtime: Path) -> None:
    """Remove what sessions left behind that were killed before they could clean up."""
    for folder in runtime.glob("shell-*-*"):
        try:
            os.kill(int(folder.name.split("-")[1]), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (ValueError, OSError):
            continue
