"""Labelled recordings as log-mel spectrograms, all in one array of bytes: what a voice model is trained on.

A byte p stands for ``ln_mel = (p - 145.5) / 9.985``, from -14.6 to 11.0 in steps of a tenth of a nat: finer than what
distinguishes two recordings of one word, and a quarter of the memory. Such arrays come as grey pictures in a tar file
(``<word>/<speaker>_nohash_<n>.jpg``, a row a frame) or are made here from sound.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from typeahead.errors import AudioError
from typeahead.voice.mfcc import MFCC, Features, Tables

Array = np.ndarray[Any, np.dtype[Any]]

NOISE = "_background_noise_"  # the folder whose recordings hold no words
_ZERO, _STEPS_PER_NAT = 145.5, 9.985
_PICTURES = {".jpg", ".jpeg", ".png"}
_VALID_SHARE, _BUCKETS = 10.0, 2**27 - 1  # per cent; of the Speech Commands' rule


def to_nats(pixels: Array) -> Array:
    """Return the log-mel values (float32) that bytes stand for."""
    return (pixels.astype(np.float32) - np.float32(_ZERO)) / np.float32(_STEPS_PER_NAT)


def to_bytes(ln_mel: Array) -> Array:
    """Return the nearest bytes; what is out of range becomes the least or the greatest."""
    return np.clip(np.rint(ln_mel * _STEPS_PER_NAT + _ZERO), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Spectrograms:
    """N recordings one after another.

    frames (F, M) uint8; starts (N + 1,) int64: recording i is ``frames[starts[i]:starts[i + 1]]``; labels (N,): the
    names of their folders; names (N,): ``<folder>/<file>``.
    """

    frames: Array
    starts: Array
    labels: tuple[str, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> Array:
        return self.frames[self.starts[i] : self.starts[i + 1]]

    def only(self, wanted: Callable[[str, str], bool]) -> Spectrograms:
        """Return those of which ``wanted(label, name)`` is true."""
        chosen = [i for i in range(len(self)) if wanted(self.labels[i], self.names[i])]
        return _gathered((self.labels[i], self.names[i], self[i]) for i in chosen)

    def spans(self) -> Array:
        """Return (N, 2): the first frame of each recording's sound and the one after its last, by its loudness.

        A frame belongs if it is louder than a third of the way, in nats, from the recording's quiet frames to its
        loudest ones, but never if it is more than 6.5 nats (28 dB) below these.
        """
        found = np.zeros((len(self), 2), np.int64)
        for i in range(len(self)):
            found[i] = _span(to_nats(self[i]))
        return found

    def describe(self) -> dict[str, Any]:
        """Return what a model's file says of its data: how many of each label, and a checksum."""
        digest = hashlib.sha256(self.frames.tobytes())
        digest.update("\n".join(self.names).encode())
        return {
            "recordings": len(self),
            "frames": len(self.frames),
            "labels": dict(sorted(Counter(self.labels).items())),
            "sha256": digest.hexdigest(),
        }


def _span(ln_mel: Array) -> tuple[int, int]:
    if not len(ln_mel):
        return 0, 0
    energy = np.logaddexp.reduce(ln_mel, axis=1)
    smooth = np.convolve(np.pad(energy, 1, mode="edge"), np.full(3, 1 / 3), "valid")
    real = smooth[smooth > smooth.min() + 0.5]  # recordings may have been filled up with zeros
    if not len(real):
        return 0, len(ln_mel)
    quiet, loud = np.percentile(real, 10), np.percentile(real, 97)
    above = np.flatnonzero(smooth >= max(quiet + (loud - quiet) / 3, loud - 6.5))
    return int(above[0]), int(above[-1]) + 1


def _gathered(recordings: Iterable[tuple[str, str, Array]]) -> Spectrograms:
    labels, names, parts = [], [], []
    for label, name, pixels in recordings:
        labels.append(label)
        names.append(name)
        parts.append(pixels)
    starts = np.cumsum([0, *(len(part) for part in parts)])
    frames = np.concatenate(parts) if parts else np.zeros((0, 0), np.uint8)
    return Spectrograms(frames, starts, tuple(labels), tuple(names))


def read(path: str | Path, features: Features, tables: Tables) -> Spectrograms:
    """Read a tar of spectrograms, or a folder with one folder of recordings a word.

    Raises
    ------
    AudioError
        There is nothing there, or something that is no spectrogram or no sound.
    """
    path = Path(path)
    if path.is_dir():
        return _gathered(_of_folder(path, features, tables))
    if not path.is_file():
        raise AudioError(f"{path}: no such folder of recordings; name one that has a folder for each word")
    try:
        with tarfile.open(path) as archive:
            found = _gathered(sorted(_of_tar(path, archive, features.n_mels), key=lambda one: one[1]))
    except (tarfile.TarError, EOFError):  # whose texts have several lines
        raise AudioError(f"{path}: neither a folder nor a tar of spectrograms; name a folder of recordings") from None
    if not len(found):
        raise AudioError(f"{path}: holds no pictures of spectrograms; name a folder of recordings")
    return found


def _of_tar(path: Path, archive: tarfile.TarFile, n_mels: int) -> Iterator[tuple[str, str, Array]]:
    from PIL import Image, UnidentifiedImageError

    for member in archive:
        place = PurePosixPath(member.name)
        if not member.isfile() or place.suffix.lower() not in _PICTURES:
            continue
        content = archive.extractfile(member)
        assert content is not None  # it is a file
        try:
            pixels = np.asarray(Image.open(io.BytesIO(content.read())).convert("L"), np.uint8)
        except (UnidentifiedImageError, OSError) as error:
            raise AudioError(f"{path}: {member.name} is no picture ({error}); take it out") from None
        if pixels.shape[1] != n_mels:
            raise AudioError(f"{path}: {member.name} has {pixels.shape[1]} columns, not {n_mels}; take it out")
        yield place.parent.name, f"{place.parent.name}/{place.name}", pixels


def _of_folder(folder: Path, features: Features, tables: Tables) -> Iterator[tuple[str, str, Array]]:
    from typeahead.voice import recordings

    mfcc = MFCC(features, tables)
    for label, files in recordings.word_folders(folder).items():
        for file in files:
            mfcc.reset()
            ln_mel = mfcc.mel(recordings.read(file, features.sr))
            if not len(ln_mel):
                raise AudioError(f"{file}: shorter than {features.win_length / features.sr * 1000:.0f} ms; take it out")
            yield label, f"{label}/{file.name}", to_bytes(ln_mel)


def is_held_out(name: str) -> bool:
    """Return whether a recording belongs to the tenth that is held out: all of a speaker's, or none.

    The speaker is what stands before ``_nohash_`` in the file's name, else the file's name itself. The rule is that of
    the Speech Commands (Warden 2018), by which a speaker stays on one side for ever.
    """
    stem = PurePosixPath(name).stem
    speaker = stem.partition("_nohash_")[0]
    value = int(hashlib.sha1(speaker.encode(), usedforsecurity=False).hexdigest(), 16) % (_BUCKETS + 1)
    return value * (100.0 / _BUCKETS) < _VALID_SHARE
