"""The private terminal of the shell underneath, and what a program that we start has from us."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import sys
import termios
import tty

# Ignored or caught by this process; the programs that it starts have them as everywhere else.
OUR_SIGNALS = (signal.SIGTTOU, signal.SIGTTIN, signal.SIGTSTP, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ)


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
