"""The signals that come to a session on a terminal: those that end it, and Ctrl-Z."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

_PATIENCE_S = 2.0  # for which Ctrl-C leaves the session to end by itself
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """The signals that have come and end the session: true where there is one."""

    def __init__(self) -> None:
        self._came: list[tuple[int, float]] = []
        self._wants_stop = False

    def __bool__(self) -> bool:
        return bool(self._came)

    @property
    def first(self) -> int:
        """The number of the one that came first; there is one."""
        return self._came[0][0]

    def hang_up(self) -> None:
        """Take note that the terminal has gone, which is as good as its signal."""
        self._came.append((signal.SIGHUP, time.monotonic()))

    @contextmanager
    def caught(self, has_terminal: bool, is_last: bool = False) -> Iterator[None]:
        """Collect the signals that end the session, which does so by itself; where it hangs, the next one ends it.

        Parameters
        ----------
        has_terminal : bool
            Whether there is one to be left first at Ctrl-Z.
        is_last : bool
            Whether the process is ending after a signal, which a second Ctrl-C must not disturb.
        """
        # What nohup, or a shell for its background, has switched off stays off.
        numbers = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._take) for number in numbers}
        if has_terminal:
            before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._take_stop)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            if self._came and is_last:
                signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _take(self, number: int, _frame: object) -> None:
        now = time.monotonic()
        if self._came and now - self._came[0][1] > _PATIENCE_S:
            raise KeyboardInterrupt
        self._came.append((number, now))

    def _take_stop(self, _number: int, _frame: object) -> None:
        self._wants_stop = True

    @contextmanager
    def left_to_program(self) -> Iterator[None]:
        """Leave Ctrl-C and Ctrl-Z to a program in the foreground meanwhile: they are for it."""
        num_before = len(self._came)
        yield
        self._came[num_before:] = [each for each in self._came[num_before:] if each[0] != signal.SIGINT]
        self._wants_stop = False

    def take_stop(self) -> bool:
        """Tell, once each time, whether Ctrl-Z wants the process stopped."""
        if not self._wants_stop:
            return False
        self._wants_stop = False
        return True

    def stop(self) -> None:
        """Stop the process as Ctrl-Z wants it, until the shell says to go on; the terminal has been left."""
        own = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, own)
