"""The daemon's threads beside its loop: how each begins, hands back what it has done, and ends."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

_Result = TypeVar("_Result")


class Background(Generic[_Result]):
    """A thread that the loop gives orders and collects results from.

    What both sides touch is changed under `_changed`, which is notified; `_run`, in the thread, ends when `_stopping`.

    Parameters
    ----------
    name : str
        Of the thread.
    wake : callable
        Called from the thread when there are results to collect.
    """

    def __init__(self, name: str, wake: Callable[[], object]) -> None:
        self._wake = wake
        self._changed = threading.Condition()
        self._stopping = False
        self._results: deque[_Result] = deque()
        # A daemon thread: leaving must not wait for a compiler.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Ask the thread to end and wait for that; return whether it has."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def collect(self) -> list[_Result]:
        """Return the results since the last call."""
        results = []
        while self._results:
            results.append(self._results.popleft())
        return results

    def _run(self) -> None:
        raise NotImplementedError
