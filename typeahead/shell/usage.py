"""How a line came about: keys, suggestions seen and taken, how long they took. Figures alone, no text."""

from __future__ import annotations

from typing import Any

_MOST_LATENCIES = 64  # of one line


class Usage:
    """The figures of the line that is being typed, counted as `typeahead evaluate` counts those of a simulated user."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin a new line."""
        self._keys = self._shown = self._accepted = self._accepted_characters = 0
        self._latencies_ms: list[float] = []

    def press(self, keys: int = 1, seen: bool = False) -> None:
        """Count keys (a chord is one, a paste as many as its characters); ``seen``: a suggestion was on the screen."""
        self._keys += keys
        self._shown += seen

    def accept(self, characters: int) -> None:
        """Count a suggestion that was taken, whole or a word of it."""
        self._accepted += 1
        self._accepted_characters += characters

    def answer(self, latency_s: float) -> None:
        """Count the time from a question to its answer."""
        if len(self._latencies_ms) < _MOST_LATENCIES:
            self._latencies_ms.append(round(1000 * latency_s, 3))

    def of(self, line: str) -> dict[str, Any]:
        """Return the figures of ``line``, which has been typed: the fields of `typeahead.history.Use`."""
        return {
            "characters": len(line),
            "keys": self._keys,
            "shown": self._shown,
            "accepted": self._accepted,
            "accepted_characters": self._accepted_characters,
            "latencies_ms": list(self._latencies_ms),
        }
