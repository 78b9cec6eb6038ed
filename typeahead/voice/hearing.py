"""A long stretch of what a voice model may hear, as its network's inputs.

For those who look into the network itself; recordings follow one another as they would before a microphone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from typeahead.errors import AudioError
from typeahead.voice import noises, recordings, spectrograms
from typeahead.voice.classifier import Classifier
from typeahead.voice.evaluation import audio_files
from typeahead.voice.mfcc import MFCC

Array = np.ndarray[Any, np.dtype[Any]]

_STRETCH = 1000  # frames of noise of one kind and loudness


def recorded(classifier: Classifier, places: Sequence[str], most_steps: int) -> tuple[Array, int]:
    """Return inputs (N, D) of recordings one after another, N at most ``most_steps``, and how many recordings it took.

    Parameters
    ----------
    classifier : Classifier
    places : sequence of str
        Recordings, folders of them (and of folders), tars of spectrograms. Their order is drawn once and for all, so
        that the first few of many are of all kinds.
    most_steps : int

    Raises
    ------
    AudioError
        A recording is missing or none, or there is not one frame in all of them.
    """
    wanted, frames, count = most_steps * classifier.frames_per_step, [], 0
    for found in _recordings(classifier, places):
        frames.append(found)
        count += 1
        wanted -= len(found)
        if wanted <= 0:
            break
    if not sum(map(len, frames)):
        raise AudioError(f"{', '.join(places)}: too short to hear anything in; record more")
    return _inputs(classifier, np.concatenate(frames))[:most_steps], count


def _recordings(classifier: Classifier, places: Sequence[str]) -> Iterator[Array]:
    """Yield the MFCC frames (n, C) of each recording."""
    rng, mfcc = np.random.default_rng(0), MFCC(classifier.features, classifier.tables)
    for place in places:
        if Path(place).suffix == ".tar":
            words = spectrograms.read(place, classifier.features, classifier.tables)
            for i in rng.permutation(len(words)):
                yield spectrograms.to_nats(words[int(i)]) @ classifier.tables.dct.T
            continue
        files = audio_files(place)
        for i in rng.permutation(len(files)):
            mfcc.reset()
            yield mfcc.push(recordings.read(files[int(i)], classifier.features.sr))


def made_up(classifier: Classifier, steps: int, seed: int = 0) -> Array:
    """Return inputs (steps, D) of noises of all colours, with clicks and tones in them."""
    rng, bands = np.random.default_rng(seed), classifier.features.n_mels
    noise = noises.Noise(np.zeros((0, bands)), seed)
    stretches = []
    for _ in range(-(-steps * classifier.frames_per_step // _STRETCH)):
        loudness = float(rng.uniform(-12.0, 2.0))  # nats of mean power a band
        power = noise.draw(rng, _STRETCH, loudness)
        noises.add_events(rng, power, loudness)
        stretches.append(np.log(power + np.float32(noises.FLOOR)) @ classifier.tables.dct.T)
    return _inputs(classifier, np.concatenate(stretches))[:steps]


def _inputs(classifier: Classifier, frames: Array) -> Array:
    k = classifier.frames_per_step
    count = len(frames) // k
    return classifier.inputs(frames[: count * k].reshape(count, k, -1))
