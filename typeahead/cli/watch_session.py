"""A session of `typeahead watch`: readings in, alarms out, on a terminal with a view or without."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from typeahead.cli.signals import Signals
from typeahead.cli.watch_action import Action
from typeahead.cli.watch_display import Display
from typeahead.cli.watch_report import counted, explained, fields, harmless, no_readings, scored, when
from typeahead.cli.watch_traces import Extremes
from typeahead.cli.watch_view import Moment
from typeahead.errors import SensorError

if TYPE_CHECKING:
    from typeahead.sensor.anomaly import Alarm, Verdict, Watcher
    from typeahead.sensor.readings import Parser, Reading

NO_ALARM = 3  # the exit status of --until-alarm without one
_TICK_S = 0.1  # between two drawings, and for which a key may have to wait
_SLOW_START_S = 5.0  # after which it is said what is being waited for


@dataclass(frozen=True)
class Options:
    """How to watch."""

    is_live: bool = True  # readings come as they are made; else they are in files that have ended
    as_json: bool = False
    scores: bool = False
    quiet: bool = False
    until_alarm: bool = False
    save: str | None = None
    source: str = ""


class Session:
    """Watches until the input ends or it is told to stop.

    Parameters
    ----------
    parser : Parser
    open_lines : callable
        Returns the lines of the input; gets a function that is to be called ten times a second and more, also while
        there is nothing to read, and returns whether to stop.
    prepare : callable
        Compiles and loads whatever there is, which may take long; returns what makes a watcher for series of these
        names.
    options : Options
    display : Display, optional
        Where to show a view.
    command : str, optional
        What to run at an alarm.
    has_plot : bool
        Whether `extremes` is to be kept for a plot.

    Attributes
    ----------
    extremes : Extremes or None
        What to plot.
    """

    def __init__(
        self,
        parser: Parser,
        open_lines: Callable[[Callable[[], bool]], Iterable[bytes]],
        prepare: Callable[[], Callable[[Sequence[str]], Watcher]],
        options: Options,
        display: Display | None = None,
        command: str | None = None,
        has_plot: bool = False,
    ) -> None:
        self._parser, self._open_lines, self._prepare, self._options = parser, open_lines, prepare, options
        self._display, self._has_plot = display, has_plot
        self._action = Action(command, self._warn, is_hidden=display is not None) if command else None
        self._watcher: Watcher | None = None
        self.extremes: Extremes | None = None
        self._alarms = self._before = 0  # readings that the model had seen before
        self._verdict: Verdict | None = None
        self._since = ""  # when the state of alarm began
        self._is_over = self._is_done = self._is_saved = False
        self._started = time.monotonic()
        self._tick_at = 0.0
        self._failure: OSError | None = None  # of standard output
        self._signals = Signals()

    def run(self) -> int:
        """Watch; return the exit status.

        Raises
        ------
        TypeaheadError
            There is nothing to read, no reading in it, a model that does not fit, or no way to save one.
        KeyboardInterrupt
            Ctrl-C, before anything was read.
        """
        make = self._prepared()
        self._started = time.monotonic()
        has_ended = False
        try:
            with self._signals.caught(has_terminal=self._display is not None):
                try:
                    if self._display is not None:
                        self._display.take_keys()
                    self._watch(make)
                finally:
                    self._leave_terminal()
                    self._save()
                self._summarise()
            has_ended = not (self._signals or self._is_over)
        finally:
            if self._action is not None:
                self._action.finish(is_patient=has_ended)
        if self._signals:
            return 128 + self._signals.first
        return NO_ALARM if self._options.until_alarm and not self._alarms else 0

    def _prepared(self) -> Callable[[Sequence[str]], Watcher]:
        if self._display is not None:
            self._display.tell("loading")
        timer = threading.Timer(_SLOW_START_S, self._say_compiling)
        timer.daemon = True
        timer.start()
        try:
            return self._prepare()
        except BaseException:
            timer.cancel()
            self._leave_terminal()
            raise
        finally:
            timer.cancel()

    def _say_compiling(self) -> None:
        text = "loading; the first time the network's kernels are compiled, which may take a minute"
        if self._display is not None:
            self._display.tell(text)
        elif not self._options.quiet:
            click.echo(f"typeahead: {text}", err=True)

    # Readings

    def _watch(self, make: Callable[[Sequence[str]], Watcher]) -> None:
        push, is_busy = self._parser.push, self._display is not None or self._has_plot or self._options.scores
        for line in self._open_lines(self._tick):
            for reading in push(line):
                watcher = self._watcher or self._begin(make)
                if is_busy:
                    self._take(reading, watcher)
                    continue
                verdict = watcher.observe(reading.values, reading.time_s)
                if verdict.alarm is not None:
                    self._alarm(reading, verdict.alarm)
        # Asked before each line, the tick has ended the input where it should.
        for reading in self._parser.finish():
            self._take(reading, self._watcher or self._begin(make))
        if self._failure is not None:
            raise self._failure

    def _begin(self, make: Callable[[Sequence[str]], Watcher]) -> Watcher:
        self._watcher = make(self._parser.names)
        self._before = self._watcher.count
        if self._display is not None:
            self._display.begin(self._parser.names)
        if self._has_plot:
            self.extremes = Extremes(self._parser.names)
        return self._watcher

    def _take(self, reading: Reading, watcher: Watcher) -> None:
        """Take a reading for all that wants to know of it."""
        if self._display is not None:
            self._display.note(reading, watcher)
        if self.extremes is not None:
            self.extremes.add(reading, watcher)
        verdict = watcher.observe(reading.values, reading.time_s)
        if verdict.state == "alarm" and (self._verdict is None or self._verdict.state != "alarm"):
            self._since = when(reading, self._options.is_live)
        self._verdict = verdict
        if self._options.scores and sys.stdout is not None:
            sys.stdout.write(scored(reading, verdict, self._options.as_json) + "\n")
        if verdict.alarm is not None:
            self._alarm(reading, verdict.alarm)
        self._tick()

    def _alarm(self, reading: Reading, alarm: Alarm) -> None:
        self._alarms += 1
        self._is_done = self._options.until_alarm
        if self._display is not None:
            self._display.mark(alarm)
        if self.extremes is not None:
            self.extremes.mark(alarm)
        time_text = when(reading, self._options.is_live)
        text = f"{time_text}  {explained(alarm)}"
        if not self._options.scores:
            self._say(json.dumps(fields(reading, alarm)) if self._options.as_json else text)
        elif not self._options.as_json:
            self._warn(f"alarm: {text}")
        if self._action is not None:
            self._action.start({**fields(reading, alarm), "value": alarm.seen, "time": time_text, "message": text})

    @property
    def _readings(self) -> int:
        return self._watcher.count - self._before if self._watcher is not None else 0

    # The end

    def _save(self) -> None:
        """Save the model, whatever has ended the session."""
        if self._options.save is not None and self._watcher is not None and self._watcher.count:
            self._watcher.save(self._options.save)
            self._is_saved = True

    def _summarise(self) -> None:
        """Say what has been read and what not.

        Raises
        ------
        SensorError
            There was no reading.
        """
        counts = self._parser.counts
        if not self._readings and not (self._signals or self._is_over):
            raise SensorError(no_readings(counts, self._options.source))
        if self._options.quiet:
            return
        took_s = max(time.monotonic() - self._started, 1e-3)
        names = self._parser.names
        of = f" of {harmless(names[0])}" if len(names) == 1 else f" of {len(names)} series" if names else ""
        pace = f"{self._readings / took_s:,.0f} a second" if self._readings > 2 * took_s else f"{took_s:,.0f} s"
        self._warn(f"{counted(self._readings, 'reading')}{of} ({pace}), {counted(self._alarms, 'alarm')}")
        for complaint in counts.complaints():
            self._warn(complaint)
        if self._is_saved:
            self._warn(f"{self._options.save}: saved; --model {self._options.save} goes on from here")

    # The terminal

    def _say(self, text: str) -> None:
        """Print a line that stays, at once or with the next drawing."""
        if self._display is None:
            click.echo(text)
        elif self._display.say(text):
            self._draw()

    def _warn(self, text: str) -> None:
        """Print a line that is no alarm."""
        if self._display is not None and self._display.is_drawn:
            self._say(text)
        else:
            click.echo(f"typeahead: {text}", err=True)

    def _tick(self) -> bool:
        """Do what is to be done ten times a second; return whether to stop.

        Called by who reads the input, to whom an error would look like one of the input's: it is kept for `_watch`.
        """
        now = time.monotonic()
        if now >= self._tick_at:
            self._tick_at = now + _TICK_S
            try:
                self._attend()
            except OSError as error:
                self._failure = error
        return bool(self._signals) or self._is_over or self._is_done or self._failure is not None

    def _attend(self) -> None:
        if self._signals.take_stop():
            self._stop()
        if self._action is not None:
            self._action.poll()
        if self._options.scores and sys.stdout is not None:
            sys.stdout.flush()
        if self._display is not None:
            try:
                self._is_over = self._is_over or self._display.wants_end()
            except EOFError:
                self._signals.hang_up()
            if self._display.is_stale(self._parser.counts.lines, self._verdict):
                self._draw()

    def _draw(self) -> None:
        if self._display is None:
            return
        verdict, watcher = self._verdict, self._watcher
        moment = Moment(
            state=verdict.state if verdict is not None else "waiting",
            since=self._since,
            score=verdict.score if verdict is not None else 0.0,
            series=self._display.series(watcher) if watcher is not None else (),
            readings=self._readings,
            per_s=self._display.per_s(self._readings),
            skipped=sum(self._parser.counts.skipped.values()),
            alarms=self._alarms,
            source=self._options.source,
            hint="q: leave" if self._display.has_keys else "",
        )
        try:
            self._display.draw(moment)
        except OSError:  # the terminal has gone
            self._signals.hang_up()

    def _stop(self) -> None:
        """Stop as Ctrl-Z wants it, until the shell says to go on."""
        self._leave_terminal()
        self._signals.stop()
        if self._display is not None:
            self._display.take_keys()

    def _leave_terminal(self) -> None:
        if self._display is not None:
            if self._display.is_drawn:
                self._draw()  # the lines that wait
            self._display.close()
