"""The terminal of `typeahead watch`: lines that stay, the view below them, and keys."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from typeahead.cli.listen_keys import Keys
from typeahead.cli.listen_view import Look, Screen
from typeahead.cli.watch_traces import Traces
from typeahead.cli.watch_view import Moment, Shown, rows
from typeahead.shell import prompt

if TYPE_CHECKING:
    from typeahead.sensor.anomaly import Alarm, Watcher
    from typeahead.sensor.readings import Reading

_REDRAW_S = 1.0  # after which a drawing is old, though no reading has come
_ORDER_S = 3.0  # for which series keep their places
_RATE_S, _RATE_SAMPLES = 1.0, 10  # over how long readings are counted
_MAX_WAITING = 100  # lines that wait for the next drawing
_CONTROL_D = "\x04"


class Display:
    """What is drawn, and what is typed.

    Parameters
    ----------
    screen : Screen
    keys : Keys or None
        None: nobody types.
    """

    def __init__(self, screen: Screen, keys: Keys | None) -> None:
        self._screen, self._keys = screen, keys
        self._traces: Traces | None = None
        self._waiting: list[str] = []  # lines that are to stay above the view
        self._ordered_at, self._oddness = 0.0, [0.0]
        self._rates: deque[tuple[float, int]] = deque(maxlen=_RATE_SAMPLES)
        self._shown: object = None  # what the last drawing was of
        self._drawn_at = 0.0
        self.is_drawn = False

    @property
    def has_keys(self) -> bool:
        """Whether there is somebody to type."""
        return self._keys is not None

    def tell(self, text: str) -> None:
        """Show one row in the place of the view."""
        self.is_drawn = True
        self._screen.draw([text[: self._screen.size().columns - 1]])

    def begin(self, names: Sequence[str]) -> None:
        """Take note of what the series are called."""
        self._traces = Traces(names)

    def take_keys(self) -> None:
        """From here on get each key at once."""
        if self._keys is not None:
            self._keys.take()

    def wants_end(self) -> bool:
        """Return whether the key has been pressed that ends.

        Raises
        ------
        EOFError
            The terminal has gone.
        """
        typed = self._keys.read() if self._keys is not None else ""
        return "q" in typed or _CONTROL_D in typed

    def note(self, reading: Reading, watcher: Watcher) -> None:
        """Take note of a reading that the watcher has not seen yet."""
        now = time.monotonic()
        if self._traces is not None and self._traces.is_due(now):
            self._traces.add(reading, watcher)
            self._traces.added(now, time.monotonic())

    def mark(self, alarm: Alarm) -> None:
        """Take note that the last reading began an alarm."""
        self._ordered_at = 0.0
        if self._traces is not None:
            self._traces.mark(alarm)

    def say(self, text: str) -> bool:
        """Have a line stay above the view from the next drawing on; return whether that should be at once."""
        self._waiting.append(text)
        return len(self._waiting) >= _MAX_WAITING

    def is_stale(self, *state: object) -> bool:
        """Return whether to draw again: something has changed since the last time, or that is a second ago."""
        now, shown = time.monotonic(), (*state, self._screen.size())
        if self.is_drawn and shown == self._shown and not self._waiting and now - self._drawn_at < _REDRAW_S:
            return False
        self._shown, self._drawn_at = shown, now
        return True

    def per_s(self, count: int) -> float | None:
        """Return how many readings a second there have been in the last ones, by how many there are now."""
        now = time.monotonic()
        if not self._rates or now - self._rates[-1][0] >= _RATE_S:
            self._rates.append((now, count))
        (began, before), (ended, last) = self._rates[0], self._rates[-1]
        return (last - before) / (ended - began) if ended > began else None

    def series(self, watcher: Watcher) -> tuple[Shown, ...]:
        """Return what there is to show of each series; places change only now and then."""
        if self._traces is None:
            return ()
        traces, now = self._traces.traces, time.monotonic()
        if now - self._ordered_at > _ORDER_S:
            self._ordered_at, self._oddness = now, [trace.oddness for trace in traces]
        known = zip(traces, self._oddness, watcher.scores, strict=True)
        return tuple(
            Shown(trace.name, trace.points, *watcher.forecast(number)[1:], score, oddness)
            for number, (trace, oddness, score) in enumerate(known)
        )

    def draw(self, moment: Moment) -> None:
        """Draw the view, and the lines that are to stay above it.

        Raises
        ------
        OSError
            The terminal has gone.
        """
        size = self._screen.size()
        look = Look(size.columns, not prompt.is_plain(), prompt.speaks_unicode())
        above, self._waiting, self.is_drawn = "\n".join(self._waiting), [], True
        self._screen.draw(rows(moment, look, size.lines), above=above)

    def close(self) -> None:
        """Take the view away and leave the terminal as it was found; drawing again brings it back."""
        with suppress(OSError):  # the terminal has gone
            self._screen.close()
        self.is_drawn = False
        if self._keys is not None:
            self._keys.give_back()
