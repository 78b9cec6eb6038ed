"""Reading keys from a terminal that others use, too."""

from __future__ import annotations

import errno
import os
import select
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from prompt_toolkit.application import get_app
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import emacs_insert_mode, has_focus, vi_insert_mode
from prompt_toolkit.input.posix_utils import PosixStdinReader
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.keys import Keys

from typeahead.shell.process.private import unread
from typeahead.shell.terminal import Terminal

_FASTEST = 12  # keys that nobody presses between two looks at the keyboard
_PASTE_BEGINS, _PASTE_ENDS = b"\x1b[200~", b"\x1b[201~"


class Keyboard(Vt100Input):
    """The terminal's keys for prompt_toolkit.

    Parameters
    ----------
    terminal
        To read from.
    may_take
        Whether the terminal may be taken back from a shell that has just started.
    """

    def __init__(self, terminal: Terminal, may_take: Callable[[], bool]) -> None:
        super().__init__(sys.stdin)
        self.stdin_reader = _Reader(terminal, may_take)

    def read_keys(self) -> list[KeyPress]:
        """Return what has been typed; text that came faster than anybody types as one paste.

        That is what terminals without bracketed paste send, and what was typed ahead: each key would cost a fraction
        of a millisecond, and there are hundreds.
        """
        keys = super().read_keys()
        size = next(
            (place for place, press in enumerate(keys) if not press.key.isprintable() or len(press.key) > 1), len(keys)
        )
        if size < _FASTEST or not _takes_text():
            return keys
        text = "".join(press.data for press in keys[:size])
        return [KeyPress(Keys.BracketedPaste, text), *keys[size:]]

    def raw_mode(self) -> AbstractContextManager[None]:
        """Change nothing: the session switches modes, since the terminal is raw before and after a prompt, too."""
        return nullcontext()

    def cooked_mode(self) -> AbstractContextManager[None]:
        """Change nothing: whoever gets the terminal meanwhile is given it in the user's mode."""
        return nullcontext()


def _takes_text() -> bool:
    """Return whether a letter that is typed now would stand in the line, and do nothing else."""
    app = get_app()
    processor = app.key_processor
    plain = not (processor.key_buffer or processor.input_queue or processor.arg or app.quoted_insert)
    return plain and bool(has_focus(DEFAULT_BUFFER)() and (emacs_insert_mode() or vi_insert_mode()))


class _Reader(PosixStdinReader):
    """Reads no further than the end of a line: what follows may be meant for the command on that line.

    A paste (bracketed by the terminal) is read as it comes, since nothing in it runs by itself.
    """

    def __init__(self, terminal: Terminal, may_take: Callable[[], bool]) -> None:
        super().__init__(terminal.fd, encoding="utf-8")
        self._terminal = terminal
        self._may_take = may_take
        self._pasting = False  # a paste has begun and its end has not been read
        self._last = b""  # what was read before, as far as a mark may begin there

    def read(self, count: int = 4096) -> str:
        if get_app().is_done:  # the line is complete, and the event loop calls once more before it lets go
            return ""
        data = bytearray()
        while not self.closed and len(data) < count and self._waiting() > 0:
            pasting = self._pasting
            got = self._read(count - len(data) if pasting else 1)
            if not got:
                break
            data += got
            self._look_for_marks(got)
            if got in (b"\r", b"\n") and not pasting:
                data[-1:] = b"\r"  # the terminal makes a newline of Enter; prompt_toolkit knows it as this
                self._terminal.accept_interrupts()
                break
        if not data and not self.closed and select.select([self.stdin_fd], [], [], 0)[0]:
            data += self._read(1)  # readable, yet nothing waits: the terminal has gone
        return self._stdin_decoder.decode(bytes(data))

    def _look_for_marks(self, got: bytes) -> None:
        """Take note of where a paste begins and ends; a mark may come in pieces."""
        seen = self._last + got
        begins, ends = seen.rfind(_PASTE_BEGINS), seen.rfind(_PASTE_ENDS)
        if begins != ends:  # not both -1
            self._pasting = begins > ends
        self._last = seen[-len(_PASTE_BEGINS) + 1 :] if begins == ends else b""

    def _waiting(self) -> int:
        try:
            return unread(self.stdin_fd)
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
                if not self._may_take():
                    time.sleep(0.001)  # the key stays where it is; the event loop comes back for it
                    return b""
                self._terminal.take()
                continue
            if data:
                return data
            break
        self.closed = True
        return b""
