"""The keys that `typeahead listen` takes on a terminal: at once, and without showing them."""

from __future__ import annotations

import contextlib
import os
import select
import termios
from typing import Any

_LFLAG, _CC = 3, 6  # places in termios' list


class Keys:
    """Single keys from the terminal. Ctrl-C and Ctrl-Z stay signals.

    Parameters
    ----------
    descriptor : int
        Of the terminal.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._original: list[Any] = termios.tcgetattr(descriptor)

    @classmethod
    def of_terminal(cls, is_stdin_taken: bool) -> Keys | None:
        """Return the keys of the terminal that this process is in the foreground of; None: there is none.

        Parameters
        ----------
        is_stdin_taken : bool
            Standard input is something to hear, not the terminal.
        """
        try:
            descriptor = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY) if is_stdin_taken else 0
        except OSError:
            return None
        try:
            if os.isatty(descriptor) and os.tcgetpgrp(descriptor) == os.getpgrp():
                return cls(descriptor)
        except (OSError, termios.error):
            pass
        if descriptor:
            os.close(descriptor)
        return None

    def take(self) -> None:
        """From here on get each key at once."""
        mode = [*self._original[:_CC], list(self._original[_CC])]
        mode[_LFLAG] &= ~(termios.ECHO | termios.ICANON)
        mode[_CC][termios.VMIN], mode[_CC][termios.VTIME] = 1, 0
        self._set(mode)

    def give_back(self) -> None:
        """Leave the terminal as it was found."""
        self._set(self._original)

    def forget(self) -> None:
        """Throw away what was typed before now: it cannot be the answer to a question that is only now asked."""
        with contextlib.suppress(termios.error):
            termios.tcflush(self._descriptor, termios.TCIFLUSH)

    def read(self, timeout_s: float = 0.0) -> str:
        """Return what has been typed, waiting for it no longer than that.

        Raises
        ------
        EOFError
            The terminal has gone.
        """
        if not select.select([self._descriptor], [], [], timeout_s)[0]:
            return ""
        try:
            typed = os.read(self._descriptor, 1024)
        except OSError:
            typed = b""
        if not typed:
            raise EOFError
        return typed.decode("utf-8", "replace")

    def _set(self, mode: list[Any]) -> None:
        with contextlib.suppress(termios.error):  # the terminal has gone
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, mode)
