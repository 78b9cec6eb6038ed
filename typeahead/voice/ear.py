"""An ear: a detector with the user's own words and thresholds, and the last moments of what it has heard."""

from __future__ import annotations

import os
import wave
from collections import deque
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from typeahead import config
from typeahead.config import VoiceConfig
from typeahead.errors import AudioError, ConfigError
from typeahead.voice.classifier import AFTER_S, Classifier
from typeahead.voice.detector import Detection, Detector, DetectorConfig

Array = np.ndarray[Any, np.dtype[Any]]

KEPT_S = 2.0  # of sound before a detection, where the user wants it kept
MAX_KEPT = 1000  # recordings; 64 MB


def model_path(settings: VoiceConfig) -> Path:
    """Return the voice model: the configured file, else the shipped one."""
    return Path(settings.model).expanduser() if settings.model else config.models_dir() / "voice.safetensors"


def data_folder() -> Path:
    """Return the folder of the user's own words, thresholds and kept detections; it may not exist yet."""
    return config.data_dir() / "voice"


def load(settings: VoiceConfig, threshold: float | None = None) -> Ear:
    """Return an ear as the settings want it.

    Parameters
    ----------
    settings : VoiceConfig
    threshold : float, optional
        One for all words, in (0, 1), in place of the model's, the calibrated ones and the sensitivity.

    Raises
    ------
    ModelFileError
        The model, or an enrolled word, cannot be used.
    AudioError
        The calibrated thresholds are damaged.
    ConfigError
        The sleep word is none that is known.
    """
    from typeahead.voice import calibration, vocabulary

    classifier = Classifier.load(model_path(settings))
    enrolled = vocabulary.load_all()
    matcher = None
    if enrolled:
        from typeahead.voice.enrolment import EnrolledMatcher

        matcher = EnrolledMatcher(enrolled, classifier)
    own = [one.word for one in enrolled]
    if threshold is not None:
        found = dict.fromkeys([*classifier.words, *own], threshold)
    else:
        found = calibration.thresholds(classifier, settings.sensitivity, own)
    detector = Detector(classifier, DetectorConfig(found, refractory_s=settings.refractory_s), matcher)
    if settings.sleep_word and settings.sleep_word not in detector.words:
        raise ConfigError(
            f"the sleep word {settings.sleep_word!r} is none that is known; choose one of {', '.join(detector.words)}"
        )
    return Ear(detector)


def joined(blocks: Iterable[Array]) -> Array:
    """Return blocks (n,) of sound as one."""
    return np.concatenate([np.zeros(0, np.float32), *blocks])


class Ear:
    """Hears words, and can keep what it has heard.

    Parameters
    ----------
    detector : Detector
    """

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self.sr = detector.classifier.features.sr
        self._recent: deque[Array] = deque()
        self._num_recent = 0  # samples

    @property
    def gate_db(self) -> float:
        """Loudness above which it listens just now, dBFS."""
        gate, settings = self.detector.gate, self.detector.config
        return max(settings.gate_db, gate.noise_db + settings.above_noise_db)

    def hear(self, block: Array) -> list[Detection]:
        """Listen to samples (n,) float32; return the words said by now."""
        self._recent.append(block)
        self._num_recent += len(block)
        while self._num_recent - len(self._recent[0]) >= KEPT_S * self.sr:
            self._num_recent -= len(self._recent.popleft())
        return self.detector.push(block)

    def finish(self) -> list[Detection]:
        """Return what was said at the very end of a recording, as though silence followed."""
        return self.hear(np.zeros(int(AFTER_S * self.sr), np.float32))

    def pause(self) -> None:
        """Forget what was heard: there is a gap in the sound."""
        self.detector.reset()
        self._recent.clear()
        self._num_recent = 0

    def warm_up(self) -> None:
        """Load the kernels, which the first sound would otherwise wait for."""
        self.detector.classifier.posteriors(np.zeros(self.sr // 10, np.float32))

    def keep(self, detection: Detection) -> Path:
        """Write the last `KEPT_S` seconds as a WAV file that nobody else may read; the oldest of very many go.

        Raises
        ------
        AudioError
            It cannot be written.
        """
        folder = data_folder() / "detections"
        sound = joined(self._recent)[-int(KEPT_S * self.sr) :]
        safe = "".join(c if c.isalnum() else "-" for c in detection.word)
        name = f"{datetime.now().strftime('%Y-%m-%dT%H-%M-%S-%f')}-{safe}-{detection.confidence:.2f}.wav"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file, wave.open(file, "wb") as recording:
                recording.setnchannels(1)
                recording.setsampwidth(2)
                recording.setframerate(self.sr)
                recording.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
            for old in sorted(folder.glob("*.wav"))[:-MAX_KEPT]:
                old.unlink(missing_ok=True)
        except OSError as error:
            raise AudioError(
                f"{folder}: what was heard cannot be kept ({error.strerror}); make room, "
                "or set voice.save_detections to false"
            ) from None
        return folder / name
