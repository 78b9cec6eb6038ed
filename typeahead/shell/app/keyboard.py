"""Reading keys from a terminal that others use, too."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import struct
import sys
import termios
from contextlib import AbstractContextManager, nullcontext

from prompt_toolkit.input.posix_utils import PosixStdinReader
from prompt_toolkit.input.vt100 import Vt100Input

from typeahead.shell.terminal import Terminal

_PASTE_BEGINS, _PASTE_ENDS = b"\x1b[200~", b"\x1b[201~"


class Keyboard(Vt100Input):
    """The terminal's keys for prompt_toolkit."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(sys.stdin)
        self.stdin_reader = _Reader(terminal)

    def raw_mode(self) -> AbstractContextManager[None]:
        """Change nothing: the session switches modes, since the terminal is raw before and after a prompt, too."""
        return nullcontext()


class _Reader(PosixStdinReader):
    """Reads no further than the end of a line: what follows may be meant for the command on that line.

    A paste (bracketed by the terminal) is read as it comes, since nothing in it runs by itself.
    """

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(terminal.fd, encoding="utf-8")
        self._terminal = terminal

    def read(self, count: int = 4096) -> str:
        data = bytearray()
        while not self.closed and len(data) < count and self._waiting() > 0:
            pasting = data.rfind(_PASTE_BEGINS) > data.rfind(_PASTE_ENDS)
            data += self._read(count if pasting else 1)
            if data.endswith((b"\r", b"\n")) and not pasting:
                self._terminal.accept_interrupts()
                break
        if not data and not self.closed and select.select([self.stdin_fd], [], [], 0)[0]:
            data += self._read(1)  # readable, yet nothing waits: the terminal has gone
        return self._stdin_decoder.decode(bytes(data))

    def _waiting(self) -> int:
        try:
            return int(struct.unpack("i", fcntl.ioctl(self.stdin_fd, termios.FIONREAD, b"\0" * 4))[0])
        except OSError:
            return 0

    def _read(self, count: int) -> bytes:
        """Read once. A shell that is just starting takes the terminal (EIO): take it back."""
        for _ in range(2):
            try:
                data = os.read(self.stdin_fd, count)
            except InterruptedError:
                return b""
            except OSError as error:
                if error.errno != errno.EIO:
                    break
                self._terminal.take()
                continue
            if data:
                return data
            break
        self.closed = True
        return b""
