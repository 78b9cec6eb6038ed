"""A recurrent network over MFCC frames, with all it takes to hear with it: features, tables, labels, thresholds.

    frames (n, C) -> normalised -> k at a time -> network -> posteriors (T, V), T = n / k

V labels: the words, `UNKNOWN` (something else was said) and `SILENCE` (nothing was). At each step the network says what
has just been said; `streams` has the exact terms. So a word's posterior rises at its end and falls about 300 ms later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from typeahead.errors import ModelFileError
from typeahead.rnn import checkpoint
from typeahead.rnn.network import Network
from typeahead.voice.labels import SILENCE, UNKNOWN
from typeahead.voice.mfcc import MFCC, Features, Tables
from typeahead.voice.readout import Readout

Array = np.ndarray[Any, np.dtype[Any]]

KIND = "voice"
_SMOOTHING = 5  # steps over which a clip's posteriors are averaged
_DOUBT = 1e-3  # added to them where a readout is there to know better
AFTER_S = 0.4  # of silence after a clip, in which the network may still answer


class Classifier:
    """A voice model.

    Parameters
    ----------
    network : Network
        Dense input of ``frames_per_step`` times ``features.n_mfcc`` numbers, one output a label.
    labels : sequence of str
        The words, then `UNKNOWN` and `SILENCE`.
    features : Features
    tables : Tables
    frames_per_step : int
        MFCC frames that make one step of the network.
    mean, std : ndarray [shape=(n_mfcc,)]
        Of the coefficients in training; they are normalised by these.
    metadata : dict
        What else the file says of itself.
    readout : Readout, optional
        Tells what a whole short recording holds; without it the posteriors do.

    Raises
    ------
    ValueError
        The parts do not fit together.
    """

    def __init__(
        self,
        network: Network,
        labels: Sequence[str],
        features: Features,
        tables: Tables,
        frames_per_step: int,
        mean: Array,
        std: Array,
        metadata: dict[str, Any] | None = None,
        readout: Readout | None = None,
    ) -> None:
        self.network, self.labels, self.features, self.tables = network, tuple(labels), features, tables
        self.frames_per_step, self.metadata, self.readout = frames_per_step, metadata or {}, readout
        self.mean, self.std = np.asarray(mean, np.float32), np.asarray(std, np.float32)
        config, width = network.config, frames_per_step * features.n_mfcc
        if self.labels[-2:] != (UNKNOWN, SILENCE) or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels {self.labels} are not words, {UNKNOWN} and {SILENCE}")
        if (config.one_hot, config.input_size, config.output_size) != (False, width, len(self.labels)):
            raise ValueError(f"the network takes {config.input_size} numbers and gives {config.output_size}")
        if self.mean.shape != (features.n_mfcc,) or self.std.shape != (features.n_mfcc,) or not (self.std > 0).all():
            raise ValueError("mean and std are not one number a coefficient, the latter above 0")
        shapes = (len(self.labels), config.hidden_size), (len(self.labels),)
        if readout is not None and (readout.weight.shape, readout.bias.shape) != shapes:
            raise ValueError(f"a readout of {readout.weight.shape} is not one of this network")
        MFCC(features, tables)  # checks the tables

    @classmethod
    def load(cls, path: str | Path) -> Classifier:
        """Read a voice model.

        Raises
        ------
        ModelFileError
            The file is missing, damaged or no voice model.
        """
        network, metadata, tables = checkpoint.load_model_with_tables(path)
        if metadata.get("kind") != KIND:
            raise ModelFileError(
                f"{path}: a model of {metadata.get('kind', 'something else')}, not a voice model; "
                "make one with typeahead train --voice, or leave --model out"
            )
        try:
            return cls(
                network,
                metadata["labels"],
                Features(**metadata["features"]),
                Tables(tables["filterbank"], tables["dct"]),
                metadata["frames_per_step"],
                metadata["mean"],
                metadata["std"],
                metadata,
                Readout(tables["readout.weight"], tables["readout.bias"]) if "readout.weight" in tables else None,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{path}: a voice model whose parts do not fit ({error!r}); fetch it again") from error

    def save(self, path: str | Path, metadata: dict[str, Any], dtype: Any = np.float32) -> None:
        """Write the model, weights as ``dtype``; ``metadata`` is what the file shall say beside what it needs.

        Raises
        ------
        ModelFileError
            It cannot be written.
        """
        checkpoint.save_model(path, self.network.cast(dtype), {**metadata, **self.description()}, self.arrays())

    def description(self) -> dict[str, Any]:
        """Return what `load` needs of the metadata, beside the network's configuration."""
        return {
            "kind": KIND,
            "labels": list(self.labels),
            "features": asdict(self.features),
            "frames_per_step": self.frames_per_step,
            "mean": [float(x) for x in self.mean],
            "std": [float(x) for x in self.std],
        }

    def arrays(self) -> dict[str, Array]:
        """Return the tables as `checkpoint.save_model` takes them."""
        arrays = {"filterbank": self.tables.filterbank, "dct": self.tables.dct}
        if self.readout is not None:
            arrays |= {"readout.weight": self.readout.weight, "readout.bias": self.readout.bias}
        return arrays

    @property
    def words(self) -> tuple[str, ...]:
        """The labels that are words."""
        return self.labels[:-2]

    @property
    def step_s(self) -> float:
        """Seconds of sound a step."""
        return self.frames_per_step / self.features.frames_per_s

    def inputs(self, frames: Array) -> Array:
        """Return MFCC frames (..., k, C) as the network's inputs (..., k C)."""
        normal = (frames - self.mean) / self.std
        return normal.reshape(*frames.shape[:-2], frames.shape[-2] * frames.shape[-1]).astype(np.float32)

    def stream(self) -> Stream:
        """Return what listens from a zero state on."""
        return Stream(self)

    def posteriors(self, y: Array) -> Array:
        """Return the posteriors (T, V) float32 over a whole recording (n,) of ``features.sr``, from a zero state."""
        return self.stream().push(y)[0]

    def classify(self, y: Array) -> tuple[int, Array]:
        """Return what one short recording (n,) holds, as the index of a label, and a score (V,) for each label.

        A word's score is its highest posterior averaged over a few steps, as a detector would see it; that of silence
        is what those of the others leave. With a readout each is multiplied by what that gives the label.
        """
        after = np.zeros(int(AFTER_S * self.features.sr), np.float32)
        return self.decide(*self.stream().push(np.concatenate([np.asarray(y, np.float32), after])))

    def decide(self, posteriors: Array, hidden: Array) -> tuple[int, Array]:
        """Return the same from what `Stream.push` gave of a recording with some silence after it."""
        if not len(posteriors):
            return len(self.labels) - 1, np.eye(len(self.labels))[-1]
        padded = np.concatenate([np.zeros((1, len(self.labels))), np.cumsum(posteriors, axis=0, dtype=np.float64)])
        width = min(_SMOOTHING, len(posteriors))
        smooth = (padded[width:] - padded[:-width]) / width
        scores = smooth.max(axis=0)
        scores[-1] = 1 - scores[:-1].max()
        if self.readout is not None:
            scores = (scores + _DOUBT) * self.readout.probabilities(posteriors, hidden)
            scores /= scores.sum()
        return int(scores.argmax()), scores


class Stream:
    """A classifier that listens: state, and what no step has been complete with, are carried on.

    The network runs k times side by side, each a frame behind the one before, and their posteriors are averaged: which
    frames happen to make a step together then matters less.
    """

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier
        self._mfcc = MFCC(classifier.features, classifier.tables)
        self.reset()

    def reset(self) -> None:
        """Forget all that was heard."""
        self._mfcc.reset()
        self._left = np.zeros((0, self.classifier.features.n_mfcc), np.float32)
        self._before: Array | None = None  # the last k - 1 frames that made a step, for the lanes that are behind
        self._state = self.classifier.network.initial_state(self.classifier.frames_per_step)
        self._other = np.empty_like(self._state)

    def push(self, y: Array) -> tuple[Array, Array]:
        """Listen to samples (n,) of ``features.sr``.

        Returns
        -------
        posteriors : ndarray [shape=(T, V)]
            At each step that the samples complete.
        hidden : ndarray [shape=(T, H)]
            The top layer's hidden state after it, the mean of the lanes.
        """
        return self.push_frames(self.frames(y))

    def frames(self, y: Array) -> Array:
        """Return the MFCC frames (n, C) that samples (n,) complete, for `push_frames`."""
        return self._mfcc.push(y)

    def push_frames(self, frames: Array) -> tuple[Array, Array]:
        """Listen to MFCC frames (n, C) instead."""
        one, k = self.classifier, self.classifier.frames_per_step
        if len(self._left):
            frames = np.concatenate([self._left, frames])
        count = len(frames) // k
        self._left = frames[count * k :].copy()
        inputs = self._lanes(frames[: count * k])
        posteriors = np.empty((count, len(one.labels)), np.float32)
        hidden = np.empty((count, one.network.config.hidden_size), np.float32)
        for t in range(count):
            log_probs, self._other = one.network.step(inputs[t], self._state, self._other)
            self._state, self._other = self._other, self._state
            np.exp(log_probs, out=log_probs).mean(axis=0, out=posteriors[t])
            self._state[-1, 0].mean(axis=0, out=hidden[t])
        return posteriors, hidden

    def _lanes(self, frames: Array) -> Array:
        """Return the inputs (T, k, D) of the lanes from frames (T k, C); before the first one they see it repeated."""
        k, count = self.classifier.frames_per_step, len(frames) // self.classifier.frames_per_step
        if not count:
            return np.zeros((0, k, k * frames.shape[1]), np.float32)
        before = self._before if self._before is not None else np.repeat(frames[:1], k - 1, axis=0)
        run = np.concatenate([before, frames])
        self._before = run[len(run) - (k - 1) :]
        lanes = [run[k - 1 - p : k - 1 - p + count * k].reshape(count, k, -1) for p in range(k)]
        return self.classifier.inputs(np.stack(lanes, axis=1))
