"""A voice model that needs no training: "stop" is a low tone, "go" a high one, and nothing else is a word.

Its one hidden unit looks at the second MFCC: whether the energy lies low, high or everywhere.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from typeahead.rnn.network import Network, NetworkConfig
from typeahead.voice.classifier import Classifier
from typeahead.voice.detector import Detector
from typeahead.voice.labels import SILENCE, UNKNOWN
from typeahead.voice.mfcc import Features, Tables

SR = 16_000
TONES = {"stop": 350.0, "go": 3000.0}  # Hz
LONG_S, APART_S = 0.4, 1.2


def classifier() -> Classifier:
    """Return the model."""
    features = Features()
    labels = (*TONES, UNKNOWN, SILENCE)
    config = NetworkConfig("elman", 3 * features.n_mfcc, 1, 1, len(labels), one_hot=False)
    parameters = {name: np.zeros(shape, np.float32) for name, shape in config.shapes().items()}
    parameters["cells.0.w_ih"][0, 2 * features.n_mfcc + 1] = 0.2  # of the last of three frames
    parameters["output.weight"][:, 0] = [8, -8, 0, 0]
    parameters["output.bias"][:] = [0, 0, 0, 4]
    return Classifier(
        Network(config, parameters), labels, features, _tables(features), 3, np.zeros(20), np.ones(20), {"words": 2}
    )


def _tables(features: Features) -> Tables:
    """Return tables much like the real ones, which take seconds to make."""
    bins, M = features.n_fft // 2 + 1, features.n_mels
    edges = np.linspace(0, features.fmax / features.sr * features.n_fft, M + 2)
    rise = (np.arange(bins) - edges[:-2, None]) / (edges[1] - edges[0])
    filterbank = np.maximum(0, np.minimum(rise, 2 - rise))
    m = np.arange(M)
    dct = np.cos(np.pi / M * (m + 0.5) * np.arange(features.n_mfcc)[:, None]) * np.sqrt(2 / M)
    dct[0] /= np.sqrt(2)
    return Tables(filterbank.astype(np.float32), dct.astype(np.float32))


def model(folder: Path) -> Path:
    """Write the model into a folder; return its path."""
    path = folder / "tones.safetensors"
    classifier().save(path, {"thresholds": dict.fromkeys(TONES, 0.6)})
    return path


def detector() -> Detector:
    """Return what hears its words in running sound."""
    return Detector(classifier())


def tone(word: str) -> np.ndarray:
    """Return the tone that is a word, (n,) float32, with soft edges."""
    t = np.arange(int(LONG_S * SR)) / SR
    envelope = np.minimum(1, np.minimum(t, LONG_S - t) / 0.02)
    sound: np.ndarray = (0.2 * envelope * np.sin(2 * np.pi * TONES[word] * t)).astype(np.float32)
    return sound


def sentence(*words: str) -> np.ndarray:
    """Return tones with quiet noise before, between and after them."""
    rng = np.random.default_rng(5)
    gap = int(APART_S * SR)
    pieces = [[rng.normal(0, 1e-3, gap), tone(word)] for word in words]
    sound = np.concatenate([*itertools.chain(*pieces), rng.normal(0, 1e-3, gap)])
    return sound.astype(np.float32)
