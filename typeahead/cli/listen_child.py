"""``typeahead listen --child``: what hears for a line editor, warm, and with the microphone closed until it is told.

`typeahead.shell.app.listening` has the two sides' lines. All comes from and goes to pipes; the end of standard input is
the end of the process, so that it never outlives the editor.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Any

from typeahead.config import VoiceConfig
from typeahead.errors import TypeaheadError

if TYPE_CHECKING:
    from typeahead.voice.audio import Microphone
    from typeahead.voice.ear import Ear

_LEVEL_S = 0.2  # between two events of the level
_READ_S = 0.05  # for which an order may have to wait


def serve(settings: VoiceConfig) -> None:
    """Hear words while told to, until standard input ends."""
    # The terminal's keys are the editor's business; so is a reader that has gone: it ends quietly.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    Child(settings).serve()


class Child:
    """The microphone between "talk" and "hush"."""

    def __init__(self, settings: VoiceConfig) -> None:
        self._settings = settings
        self._ear: Ear | None = None
        self._microphone: Microphone | None = None
        self._orders = b""
        self._level_db, self._told_at = -200.0, 0.0
        self._asleep = False

    def serve(self) -> None:
        """Load, then follow orders until they end."""
        try:
            self._load()
            _tell("ready")
        except TypeaheadError as error:
            _fail(error)
        while self._follow():
            if self._microphone is not None:
                try:
                    self._hear()
                except TypeaheadError as error:
                    self._close()
                    _fail(error)
        self._close()

    def _load(self) -> None:
        from typeahead.voice import ear

        self._ear = ear.load(self._settings)
        self._ear.warm_up()

    def _follow(self) -> bool:
        """Carry out the orders that have come, waiting for one while there is nothing to hear; False: no more come."""
        while select.select([0], [], [], None if self._microphone is None else 0)[0]:
            arrived = os.read(0, 65536)
            if not arrived:
                return False
            *lines, self._orders = (self._orders + arrived).split(b"\n")
            for line in lines:
                try:
                    self._obey(line.strip())
                except TypeaheadError as error:
                    self._close()
                    _fail(error)
        return True

    def _obey(self, order: bytes) -> None:
        if order == b"talk" and self._microphone is None:
            from typeahead.voice.audio import Microphone

            if self._ear is None:  # it may be there by now
                self._load()
            self._microphone, self._asleep = Microphone(self._settings.device or None), False
            self._level_db, self._told_at = -200.0, time.monotonic()
            _tell("listening")
        elif order == b"hush":
            self._close()
            _tell("hushed")

    def _hear(self) -> None:
        assert self._ear is not None
        assert self._microphone is not None
        reopened = self._microphone.reopened
        block = self._microphone.read(_READ_S)
        if self._microphone.reopened != reopened:
            self._ear.pause()
        if block is None:
            return
        for detection in self._ear.hear(block):
            if detection.word == self._settings.sleep_word:
                self._asleep = not self._asleep
            elif not self._asleep:
                _tell("word", word=detection.word, confidence=round(detection.confidence, 4))
                if self._settings.save_detections:
                    self._ear.keep(detection)
        self._level_db = max(self._level_db, self._ear.detector.level_db)
        if time.monotonic() - self._told_at >= _LEVEL_S:
            _tell("level", db=round(self._level_db, 1))
            self._level_db, self._told_at = -200.0, time.monotonic()

    def _close(self) -> None:
        if self._microphone is not None:
            self._microphone.close()
            self._microphone = None
        if self._ear is not None:
            self._ear.pause()


def _tell(event: str, **fields: Any) -> None:
    line = json.dumps({"event": event, **fields}).encode() + b"\n"
    while line:
        line = line[os.write(1, line) :]


def _fail(error: TypeaheadError) -> None:
    from typeahead.cli import printable

    _tell("error", message=printable(str(error)))
