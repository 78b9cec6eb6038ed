"""What a voice model is trained on: recordings of words, some of them held out, and noise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from typeahead.errors import AudioError
from typeahead.voice import noises, recordings, spectrograms
from typeahead.voice.mfcc import MFCC, Features, Tables
from typeahead.voice.spectrograms import Spectrograms

Array = np.ndarray[Any, np.dtype[Any]]


def read(
    path: str, held_path: str | None, holds_out: bool, features: Features, tables: Tables
) -> tuple[Spectrograms, Spectrograms | None]:
    """Return the recordings to train on and those held out: of another place, or some speakers of the same.

    Nothing is held out if ``holds_out`` is false, or if a word would then have no recording on either side.

    Raises
    ------
    AudioError
        As for `spectrograms.read`.
    """
    whole = spectrograms.read(path, features, tables)
    if held_path is not None:
        return whole, spectrograms.read(held_path, features, tables)
    if not holds_out:
        return whole, None
    train = whole.only(lambda label, name: not spectrograms.is_held_out(name))
    valid = whole.only(lambda label, name: spectrograms.is_held_out(name))
    words = {label for label in whole.labels if not label.startswith("_")}
    return (train, valid) if words <= set(train.labels) and words <= set(valid.labels) else (whole, None)


def read_noise(paths: Sequence[str], features: Features, tables: Tables) -> Array:
    """Return recordings of noise, files or folders of them, as power (F, M), each with a mean of 1.

    Raises
    ------
    AudioError
        One of them is no recording.
    """
    found: list[Array] = [np.zeros((0, features.n_mels), np.float32)]
    for place in map(Path, paths):
        if not place.exists():
            raise AudioError(f"--noise {place}: no such file or folder; name recordings of noise")
        for file in sorted(place.iterdir()) if place.is_dir() else [place]:
            power = noises.power_of(MFCC(features, tables).mel(recordings.read(file, features.sr)))
            found.append(power / np.float32(max(float(power.mean()), 1e-9)))
    return np.concatenate(found)
