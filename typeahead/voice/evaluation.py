"""How well a voice model names single recordings.

Every recording goes the way of all sound: file, resampling, MFCC, network, `Classifier.decide`. Spectrograms join it
after the filterbank. V = labels
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from typeahead.errors import AudioError
from typeahead.voice import readout, recordings, spectrograms
from typeahead.voice.classifier import AFTER_S, Classifier
from typeahead.voice.labels import SILENCE, UNKNOWN
from typeahead.voice.spectrograms import Spectrograms

Array = np.ndarray[Any, np.dtype[Any]]
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_LONG_S = 2.0  # from which a recording of noise is cut into clips
_CLIP_S = 1.0
_AHEAD = 16  # recordings read while the network hears those before


@dataclass(frozen=True)
class ClipFigures:
    """What recordings were, and what they were taken for.

    labels: the model's; confusion (V, V) int64: row what it was, column what it was taken for.
    """

    labels: tuple[str, ...]
    confusion: Array

    @property
    def clips(self) -> int:
        """How many recordings."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of the recordings that were named rightly."""
        return float(np.trace(self.confusion)) / max(1, self.clips)

    @property
    def recall(self) -> dict[str, float]:
        """Share of each label's recordings that were named rightly; labels without a recording are left out."""
        totals = self.confusion.sum(axis=1)
        return {label: float(self.confusion[i, i] / totals[i]) for i, label in enumerate(self.labels) if totals[i] > 0}

    @property
    def shares(self) -> Array:
        """The confusion (V, V) as shares of each row."""
        totals = self.confusion.sum(axis=1, keepdims=True)
        return np.asarray(self.confusion / np.maximum(1, totals))

    def as_json(self) -> dict[str, Any]:
        """Return accuracy, recall (label -> share), confusion (label -> label -> count, no zeros), clips."""
        confusion = {
            label: {self.labels[j]: int(n) for j, n in enumerate(row) if n}
            for label, row in zip(self.labels, self.confusion, strict=True)
            if row.any()
        }
        return {"accuracy": self.accuracy, "recall": self.recall, "confusion": confusion, "clips": self.clips}


def label_of(folder: str, labels: Sequence[str]) -> str:
    """Return what the recordings of a folder are to a model: its word, nothing, or something that it does not know.

    A name that begins with an underscore (``_silence_``, ``_background_noise_``) holds no words, but for `UNKNOWN`.
    """
    if folder in labels:
        return folder
    return SILENCE if folder.startswith("_") else UNKNOWN


def of_folder(
    classifier: Classifier, folder: str | Path, done: Callable[[int, int], None] | None = None
) -> ClipFigures:
    """Name every recording of a folder that has one folder a word.

    Parameters
    ----------
    classifier : Classifier
    folder : str or path
        What its folders are to the model, `label_of` says. Recordings of noise of 2 s or more count as one clip for
        each whole second.
    done : callable, optional
        Is told, after each recording, how many are done, and how many there are.

    Raises
    ------
    AudioError
        There are no recordings, or one cannot be read.
    """
    sr = classifier.features.sr
    files = [
        (label_of(word, classifier.labels), path)
        for word, paths in recordings.word_folders(folder).items()
        for path in paths
    ]
    confusion = np.zeros((len(classifier.labels),) * 2, np.int64)
    for i, ((label, _), y) in enumerate(zip(files, ahead(lambda f: recordings.read(f[1], sr), files), strict=True)):
        truth = classifier.labels.index(label)
        clips = seconds(y, sr) if label == SILENCE and len(y) >= _LONG_S * sr else [y]
        for clip in clips:
            confusion[truth, classifier.classify(clip)[0]] += 1
        if done is not None:
            done(i + 1, len(files))
    return ClipFigures(classifier.labels, confusion)


def of_spectrograms(
    classifier: Classifier, clips: Spectrograms, done: Callable[[int, int], None] | None = None
) -> ClipFigures:
    """Name every recording that is there as a spectrogram; see `of_folder`."""
    confusion = np.zeros((len(classifier.labels),) * 2, np.int64)
    for i in range(len(clips)):
        truth = classifier.labels.index(label_of(clips.labels[i], classifier.labels))
        confusion[truth, classify_frames(classifier, clips[i])[0]] += 1
        if done is not None:
            done(i + 1, len(clips))
    return ClipFigures(classifier.labels, confusion)


def of_path(classifier: Classifier, path: str | Path, done: Callable[[int, int], None] | None = None) -> ClipFigures:
    """Name what is in a folder of recordings or in a tar of spectrograms.

    Raises
    ------
    AudioError
        It is neither, or something in it cannot be read.
    """
    if Path(path).is_file():
        return of_spectrograms(classifier, spectrograms.read(path, classifier.features, classifier.tables), done)
    return of_folder(classifier, path, done)


def classify_frames(classifier: Classifier, pixels: Array) -> tuple[int, Array]:
    """Return what `Classifier.classify` would of the recording with this log-mel spectrogram of bytes (n, M)."""
    return classifier.decide(*hear(classifier, pixels))


def hear(classifier: Classifier, pixels: Array) -> tuple[Array, Array]:
    """Return what `Stream.push` would give of the recording with this spectrogram and the silence after it."""
    features = classifier.features
    after = np.full((round(AFTER_S * features.frames_per_s), features.n_mels), np.log(features.floor), np.float32)
    frames = np.concatenate([spectrograms.to_nats(pixels), after]) @ classifier.tables.dct.T
    return classifier.stream().push_frames(frames)


def with_readout(
    classifier: Classifier,
    clips: Spectrograms,
    most: int = 1000,
    seed: int = 0,
    done: Callable[[int, int], None] | None = None,
) -> Classifier:
    """Return the classifier with a readout fitted to the recordings it was trained on.

    Parameters
    ----------
    classifier : Classifier
    clips : Spectrograms
    most : int
        Recordings of a word that are heard, and three times as many of other words.
    seed : int
        Draws them.
    done : callable, optional
        Is told, after each recording, how many are done, and how many there are.

    Raises
    ------
    ValueError
        A label has no recording.
    """
    labels = classifier.labels
    kinds = np.array([labels.index(label_of(label, labels)) for label in clips.labels])
    rng = np.random.default_rng(seed)
    chosen = np.concatenate(
        [
            rng.permutation(np.flatnonzero(kinds == k))[: most if label != UNKNOWN else 3 * most]
            for k, label in enumerate(labels)
        ]
    )
    inputs = np.empty((len(chosen), classifier.network.config.hidden_size), np.float32)
    for n, i in enumerate(chosen):
        inputs[n] = readout.pooled(*hear(classifier, clips[int(i)]))
        if done is not None:
            done(n + 1, len(chosen))
    c = classifier
    fitted = readout.fit(inputs, kinds[chosen], len(labels))
    return Classifier(c.network, labels, c.features, c.tables, c.frames_per_step, c.mean, c.std, c.metadata, fitted)


def seconds(y: Array, sr: int) -> list[Array]:
    """Return the whole seconds of a recording (n,), at least one."""
    length = round(_CLIP_S * sr)
    return [y[at : at + length] for at in range(0, max(1, len(y) - length + 1), length)]


def ahead(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Yield ``function(item)`` for each item in order, some of them worked out in a thread beforehand."""
    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[_Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()


def audio_files(place: str | Path) -> list[Path]:
    """Return a recording, or all recordings in a folder and the folders in it, sorted.

    Raises
    ------
    AudioError
        There is none.
    """
    path = Path(place)
    if path.is_file():
        return [path]
    found = sorted(file for file in path.rglob("*") if recordings.is_recording(file)) if path.is_dir() else []
    if not found:
        raise AudioError(f"{path}: no recordings there; name a recording or a folder of some")
    return found
