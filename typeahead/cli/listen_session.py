"""A session of `typeahead listen`: sound in, words out, for a microphone and for recordings alike."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import click

from typeahead.cli.listen_actions import Actions, Outcome, run
from typeahead.cli.listen_keys import Keys
from typeahead.cli.listen_view import Look, Moment, Screen, rows
from typeahead.cli.signals import Signals
from typeahead.errors import AudioError

if TYPE_CHECKING:
    from typeahead.voice.detector import Detection
    from typeahead.voice.ear import Ear

_DRAW_S = 0.125  # between two drawings
_READ_S = 0.1  # for which a key or a signal may have to wait
_CPU_S = 1.0  # over which the processor's share is taken
_SILENT_S = 5.0  # of digital silence, after which it is said
_QUESTION_S = 15.0  # for which a question waits
_LOST_S = 1.4  # after which a microphone that nobody reads loses sound


class Source(Protocol):
    """A microphone or a recording: see `voice.audio.Microphone` and `voice.recordings.FileSource`."""

    name: str

    @property
    def native_sr(self) -> int: ...  # noqa: D102
    @property
    def dropped(self) -> int: ...  # noqa: D102
    @property
    def reopened(self) -> int: ...  # noqa: D102
    @property
    def lost(self) -> bool: ...  # noqa: D102
    @property
    def silent_s(self) -> float: ...  # noqa: D102
    @property
    def ended(self) -> bool: ...  # noqa: D102
    def read(self, timeout_s: float | None = None) -> Any: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


@dataclass(frozen=True)
class Options:
    """How to listen."""

    is_live: bool = True  # a microphone, not a recording
    as_json: bool = False
    once: bool = False
    push_to_talk: bool = False
    timeout_s: float | None = None
    sleep_word: str = ""
    save_detections: bool = False


class Session:
    """Listens until it is told to stop, the sound ends or the time is over.

    Parameters
    ----------
    load : callable
        Returns the ear; may take seconds.
    open_source : callable
        Opens the microphone or the recording; of a microphone, each time that it is to be heard again.
    actions : Actions
    options : Options
    screen : Screen, optional
        Where to show a view.
    keys : Keys, optional
        Where keys come from.
    """

    def __init__(
        self,
        load: Callable[[], Ear],
        open_source: Callable[[], Source],
        actions: Actions,
        options: Options,
        screen: Screen | None = None,
        keys: Keys | None = None,
    ) -> None:
        self._load, self._open_source, self._actions, self._options = load, open_source, actions, options
        self._screen, self._keys = screen, keys
        self._ear: Ear | None = None
        self._source: Source | None = None
        self._source_name, self._native_sr = "", 0
        self._asleep = self._is_over = self._was_silent = self._was_lost = False
        self._reopened = self._dropped_before = 0
        self._num_words = 0
        self._question, self._asked_at = "", 0.0
        self._status = 0
        self._started = self._drawn_at = time.monotonic()
        self._level_db = -100.0
        self._cpu, self._cpu_from = 0.0, (time.monotonic(), time.process_time())
        self._signals = Signals()

    def run(self) -> int:
        """Listen; return the exit status.

        Raises
        ------
        TypeaheadError
            The microphone, the recording or the model cannot be used; ``--once``, and no word has come.
        KeyboardInterrupt
            Ctrl-C.
        """
        if not self._options.push_to_talk:
            self._open()  # before the model is loaded, so that nothing is lost meanwhile
        self._prepare()
        has_terminal = self._keys is not None or self._screen is not None
        with self._signals.caught(has_terminal, is_last=True):
            try:
                if self._keys is not None:
                    self._keys.take()
                self._listen()
            finally:
                self._leave_terminal()
                self._close()
        if self._signals:
            if self._signals.first == signal.SIGINT:
                raise KeyboardInterrupt
            return 128 + self._signals.first
        if self._options.once and not self._num_words:
            where = f"in {self._source_name}" if self._is_over else f"within {self._options.timeout_s:g} s"
            raise AudioError(f"no word was heard {where}; speak up, or see what typeahead listen shows on a terminal")
        return self._status

    def _prepare(self) -> None:
        if self._screen is not None:
            self._screen.draw(["loading the voice model"])
        started = time.monotonic()
        try:
            self._ear = self._load()
        except BaseException:
            self._leave_terminal()
            self._close()
            raise
        if self._options.is_live and self._source is not None and time.monotonic() - started > _LOST_S:
            while self._source.read(0) is not None:
                pass
            self._dropped_before = self._source.dropped
        if self._options.is_live and self._source is not None and self._screen is None:  # the cue to speak
            click.echo(f"typeahead: listening to {self._source_name}", err=True)
        self._started = time.monotonic()

    def _listen(self) -> None:
        assert self._ear is not None
        while not (self._signals or self._is_over or (self._options.once and self._num_words)):
            if self._signals.take_stop():
                self._stop()
            self._take_keys()
            if self._source is not None:
                self._hear()
            timeout_s = self._options.timeout_s
            if timeout_s is not None and self._now_s() >= timeout_s:
                break
            self._draw()
        while self._question and not self._signals:  # the recording has ended before the answer
            self._take_keys(_READ_S)
            self._draw()

    def _now_s(self) -> float:
        """Return how long it has been listening; a recording's own time is what counts there."""
        assert self._ear is not None
        return time.monotonic() - self._started if self._options.is_live else self._ear.detector.time_s

    # The source

    def _open(self) -> None:
        self._source = self._open_source()
        self._source_name, self._native_sr = self._source.name, self._source.native_sr
        self._reopened = 0

    def _close(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            if self._ear is not None:
                self._dropped_before -= source.dropped
            source.close()
        if self._ear is not None:
            self._ear.pause()

    @property
    def _dropped(self) -> int:
        return (self._source.dropped if self._source is not None else 0) - self._dropped_before

    def _hear(self) -> None:
        assert self._ear is not None
        assert self._source is not None
        block = self._source.read(_READ_S)
        self._watch(self._source)
        if block is not None:
            found = self._ear.hear(block)
        elif self._source.ended:
            self._is_over = True
            found = self._ear.finish()
        else:
            return
        self._level_db = max(self._level_db, self._ear.detector.level_db)
        for detection in found:
            self._take_word(detection)
            if self._options.once and self._num_words:
                break

    def _watch(self, source: Source) -> None:
        """Say what has become of the microphone, once each time."""
        assert self._ear is not None
        if not self._options.is_live:
            return
        self._native_sr, self._source_name = source.native_sr, source.name
        if source.lost != self._was_lost:
            self._was_lost = source.lost
            self._warn(f"{source.name}: gone; looking for it" if source.lost else f"{source.name}: back")
        if source.reopened != self._reopened:
            self._reopened = source.reopened
            self._ear.pause()
        is_silent = source.silent_s >= _SILENT_S
        if is_silent and not self._was_silent and self._screen is None:
            self._warn("the microphone gives only silence; is it muted? --list-devices shows the others")
        self._was_silent = is_silent

    # Words

    def _take_word(self, detection: Detection) -> None:
        assert self._ear is not None
        options = self._options
        if detection.word == options.sleep_word:
            self._asleep = not self._asleep
            self._print(detection, Outcome(mode="sleep", note="asleep" if self._asleep else "awake"))
            return
        if self._asleep:
            return
        self._num_words += 1
        if options.save_detections:
            self._ear.keep(detection)
        if options.once:
            if options.as_json:
                self._print(detection, Outcome())
            else:
                self._leave_terminal()
                click.echo(detection.word)
            return
        outcome = self._actions.act(detection, self._now_s())
        if outcome.ask and self._question:
            outcome = Outcome(outcome.mode, outcome.line, note=f"not run, a question is open: {outcome.line}")
        self._print(detection, outcome)
        if outcome.ask:
            self._ask(outcome.ask)
        if outcome.run:
            self._run(outcome.run)

    def _print(self, detection: Detection, outcome: Outcome) -> None:
        if not self._options.as_json:
            figures = f"{detection.confidence:.2f} {detection.time_s:9.2f} s"
            self._say(f"{detection.word:<10} {figures}  {outcome.note}".rstrip())
            return
        fields = {
            "word": detection.word,
            "confidence": round(detection.confidence, 4),
            "time_s": round(detection.time_s, 3),
            "mode": outcome.mode,
            "line": outcome.line,
            "key": outcome.key,
            "delivered": outcome.delivered,
        }
        self._say(json.dumps(fields, ensure_ascii=False))

    def _ask(self, line: str) -> None:
        assert self._keys is not None
        self._keys.forget()
        self._question, self._asked_at = line, time.monotonic()
        if self._screen is None:
            click.echo(f"typeahead: {self._asked()}", err=True)

    def _asked(self) -> str:
        return f"run {self._question} ? press y or n" if self._question else ""

    def _answer(self, is_yes: bool) -> None:
        line, self._question = self._question, ""
        if is_yes:
            self._run(line)
        else:
            self._say(f"not run: {line}", is_word=False)

    def _run(self, line: str) -> None:
        """Run a line in the foreground, with the microphone closed meanwhile."""
        with self._away(), self._signals.left_to_program():
            status = run(line, to_stderr=self._options.as_json)
        if status:
            self._say(f"status {status}: {line}", is_word=False)

    # The terminal

    def _say(self, text: str, is_word: bool = True) -> None:
        """Print a line that stays; what is no word goes to standard error where nothing is drawn."""
        text = "".join(c if c.isprintable() else "?" for c in text)
        if self._screen is not None:
            self._screen.draw(self._rows(), above=text)
        else:
            click.echo(text if is_word else f"typeahead: {text}", err=not is_word)

    def _warn(self, text: str) -> None:
        self._say(text, is_word=False)

    def _take_keys(self, timeout_s: float = 0.0) -> None:
        if self._question and time.monotonic() - self._asked_at > _QUESTION_S:
            self._answer(is_yes=False)
        if self._keys is None:
            if self._source is None:
                time.sleep(_READ_S)
            return
        try:
            typed = self._keys.read(timeout_s if self._source is not None else _READ_S)
        except EOFError:
            self._signals.hang_up()
            return
        for key in typed:
            if self._question:
                self._answer(key in "yY")
                break
            if key in " \r\n" and self._options.is_live:
                self._toggle()
            elif key == "q":
                self._is_over = True

    def _toggle(self) -> None:
        """Close the microphone, or open it."""
        if self._source is not None:
            self._close()
        else:
            self._open()

    def _draw(self) -> None:
        now = time.monotonic()
        if now - self._cpu_from[0] >= _CPU_S:
            used = time.process_time()
            self._cpu = (used - self._cpu_from[1]) / (now - self._cpu_from[0])
            self._cpu_from = now, used
        if self._screen is None or now - self._drawn_at < _DRAW_S:
            return
        self._drawn_at = now
        self._screen.draw(self._rows())
        self._level_db = -100.0

    def _rows(self) -> list[str]:
        from typeahead.shell import prompt

        assert self._screen is not None
        look = Look(self._screen.size().columns, not prompt.is_plain(), prompt.speaks_unicode())
        return rows(self._moment(), look)

    def _moment(self) -> Moment:
        assert self._ear is not None
        detector, is_open = self._ear.detector, self._source is not None
        state = "asleep" if self._asleep else "listening" if is_open else "microphone off"
        hint = ("Enter: stop talking" if is_open else "Enter: talk") if self._options.push_to_talk else ""
        warning = "only silence comes; is it muted? --list-devices" if self._was_silent and is_open else ""
        return Moment(
            state="gone" if self._was_lost else state,
            is_live=is_open and not self._asleep and not self._was_lost,
            source=self._source_name,
            native_sr=self._native_sr,
            level_db=self._level_db if is_open else -100.0,
            gate_db=self._ear.gate_db,
            is_open=detector.is_open and is_open,
            top=tuple(detector.top(3)),
            dropped=self._dropped,
            cpu=self._cpu,
            elapsed_s=self._now_s(),
            question=self._asked(),
            warning=warning,
            hint=hint or "Enter: microphone on or off   q: leave",
        )

    @contextmanager
    def _away(self) -> Iterator[None]:
        """Leave the terminal to somebody else for a while, with the microphone closed."""
        was_open = self._source is not None and self._options.is_live
        self._leave_terminal()
        if was_open:
            self._close()
        yield
        if self._keys is not None:
            self._keys.take()
        if was_open and not self._signals:
            self._open()

    def _stop(self) -> None:
        """Stop as Ctrl-Z wants it, until the shell says to go on."""
        with self._away():
            self._signals.stop()

    def _leave_terminal(self) -> None:
        if self._screen is not None:
            self._screen.close()
        if self._keys is not None:
            self._keys.give_back()
