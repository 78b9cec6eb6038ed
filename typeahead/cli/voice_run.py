"""A training run of a voice model, prepared from options or from a checkpoint; `training_run` does it for text."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from typeahead import __version__
from typeahead.errors import TrainingError

if TYPE_CHECKING:
    from typeahead.rnn.network import Array, Network
    from typeahead.rnn.train import TrainConfig, Training
    from typeahead.voice.spectrograms import Spectrograms

# What differs from the defaults for text, each with its reason.
NETWORK = {"hidden_size": 160, "num_layers": 2, "dropout": 0.1}  # half a megabyte, and a hundredth of a core
TRAIN = {
    "minutes": 60.0,  # a voice needs some fifty passes over some ten thousand recordings
    "seq_len": 100,  # three seconds: a word, what came before and what comes after
    "batch_size": 64,
    "learning_rate": 3e-3,
    "weight_decay": 0.01,
    "ema_decay": 0.999,  # labels at a word's edges are noisy; the average is steadier
}
# Of the options, those that are the network's.
_ARCHITECTURE = ("cell", "activation", "hidden_size", "num_layers", "dropout", "weight_dropout")
FRAMES_PER_STEP = 3
PATHS = {"corpus", "valid", "noise"}
_HELD_BATCHES = 12
_EVAL_INTERVAL = 500  # batches; the held-out ones then cost a hundredth of the time


def chosen_architecture(settings: dict[str, Any]) -> dict[str, Any]:
    """Return what was given of the network's configuration, also for a run on text."""
    return {name: settings[name] for name in _ARCHITECTURE if name in settings}


def labels_of(words: str | None, found: set[str]) -> tuple[str, ...]:
    """Return the labels: the words to know, given with commas between or all there are, and what is none of them.

    Raises
    ------
    TrainingError
        There is no word, or no folder of it.
    """
    from typeahead.voice.labels import SILENCE, UNKNOWN

    there = {label for label in found if not label.startswith("_")}
    wanted = sorted({word.strip() for word in words.split(",")} - {""}) if words else sorted(there)
    if missing := [word for word in wanted if word not in there]:
        raise TrainingError(f"--words {missing[0]}: no folder of that name; there are {', '.join(sorted(there)[:40])}")
    if not wanted:
        raise TrainingError("no folder of a word; give a folder that holds one folder of recordings for each word")
    return (*wanted, UNKNOWN, SILENCE)


class Prepared(NamedTuple):
    """A voice's training, what the model's file shall say of it, the tables that go with it, and its recordings."""

    training: Training
    about: dict[str, Any]
    tables: dict[str, Array]
    train: Spectrograms
    valid: Spectrograms | None


def prepare(network: Network | None, config: TrainConfig, settings: dict[str, Any], seed: int) -> Prepared:
    """Read the recordings and put everything together; ``network`` is that of a resumed run, None draws it anew."""
    from typeahead.rnn.network import Network, NetworkConfig
    from typeahead.rnn.train import Training
    from typeahead.voice import corpus
    from typeahead.voice.classifier import Classifier
    from typeahead.voice.lessons import HeldOut, Lessons, moments
    from typeahead.voice.mfcc import Features, Tables
    from typeahead.voice.streams import PLAIN, StreamConfig, Streams

    features = Features()
    tables = Tables.of(features)
    if len(settings["corpus"]) != 1:
        raise TrainingError(f"--voice takes one folder of recordings, not {len(settings['corpus'])}")
    held_path = settings["valid"][0] if settings.get("valid") else None
    holds = settings.get("valid_fraction") != 0
    train, valid = corpus.read(settings["corpus"][0], held_path, holds, features, tables)
    noise = corpus.read_noise(settings.get("noise", ()), features, tables)
    labels = labels_of(settings.get("words"), set(train.labels))
    shape = config.seq_len, config.batch_size
    how = StreamConfig().toned_down(settings.get("augmentation", 1.0))
    streams = Streams(train, noise, labels, shape, FRAMES_PER_STEP, seed, how)
    mean, std = moments(streams, tables)
    if "init" in settings:
        first = Classifier.load(settings["init"])
        if (first.labels, first.features, first.frames_per_step) != (labels, features, FRAMES_PER_STEP):
            raise TrainingError(
                f"--init {settings['init']}: hears other words, or other features; train without --init"
            )
        network, mean, std = network or first.network, first.mean, first.std
    if network is None:
        width = FRAMES_PER_STEP * features.n_mfcc
        sizes = {"input_size": width, "output_size": len(labels), "one_hot": False}
        chosen = NETWORK | chosen_architecture(settings) | sizes
        network = Network.create(NetworkConfig(**chosen), seed, **config.starting)
    classifier = Classifier(network, labels, features, tables, FRAMES_PER_STEP, mean, std)

    def held(candidate: Network) -> HeldOut:
        assert valid is not None
        plain = Streams(valid, noise[:0], labels, shape, FRAMES_PER_STEP, seed + 1, PLAIN)
        return HeldOut(candidate, plain, classifier, _HELD_BATCHES, config.threads)

    lessons, interval = Lessons(streams, classifier), config.eval_interval or _EVAL_INTERVAL
    training = Training(network, lessons, held if valid else None, config, interval)
    about = {
        **classifier.description(),
        "program": f"typeahead {__version__}",
        "command": _command(settings),
        "train": asdict(config),
        "data": {"train": train.describe(), "valid": valid.describe() if valid else {}, "noise_frames": len(noise)},
    }
    return Prepared(training, about, classifier.arrays(), train, valid)


def finish(model: Path, train: Spectrograms, valid: Spectrograms | None) -> str:
    """Give the model its readout of whole recordings; return what it hears of those held out, and takes for what."""
    from typeahead.cli.voice_evaluation import confusion_text
    from typeahead.voice.classifier import Classifier
    from typeahead.voice.evaluation import label_of, of_spectrograms, with_readout

    one = Classifier.load(model)
    if {label_of(label, one.labels) for label in train.labels} == set(one.labels):
        one = with_readout(one, train)
        one.save(model, one.metadata, "float16")
    if valid is None:
        return "nothing was held out: see how good it is with typeahead evaluate MODEL FOLDER"
    figures = of_spectrograms(one, valid)
    table = confusion_text(figures, shutil.get_terminal_size().columns)
    return f"accuracy {figures.accuracy:.1%} on {figures.clips} recordings held out\n{table}"


def _command(settings: dict[str, Any]) -> str:
    words = ["typeahead", "train"]
    for name, value in settings.items():
        option = [] if name == "corpus" else [f"--{name.replace('_', '-')}"]
        if value is True:
            words += option
            continue
        for item in value if isinstance(value, (tuple, list)) else [value]:
            words += [*option, Path(item).name if name in PATHS else str(item)]
    return shlex.join(words)
