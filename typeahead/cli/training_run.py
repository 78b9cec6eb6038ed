"""A training run, prepared from the options of a fresh one or from the checkpoint of an earlier one."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from typeahead import __version__
from typeahead.cli import voice_run
from typeahead.errors import ModelFileError, TrainingError

if TYPE_CHECKING:
    from typeahead.rnn.network import Network
    from typeahead.rnn.train import TrainConfig, Training
    from typeahead.text.corpus import Array, Corpus

_SUFFIX = ".safetensors"
_MISSING = "Missing argument 'CORPUS...': files, folders or - for standard input (or --resume --output MODEL)."
PATHS = {"corpus", "valid", "init", "noise"}
_START = ("start", "max_lag", "forget_bias")  # of new weights
# What belongs to this call of the program, not to the run that a checkpoint describes.
_CALL_ONLY = {"resume", "force", "plot", "output"}


def default_threads() -> int:
    """Return two, or one on a single core: more threads leave too few lanes to each."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(2, available)


def absolute(paths: str | Sequence[str]) -> str | list[str]:
    """Return the path or paths so that a run may be resumed from another folder; ``-`` stays."""
    if isinstance(paths, str):
        return paths if paths == "-" else os.path.abspath(paths)
    return [path if path == "-" else os.path.abspath(path) for path in paths]


@dataclass(frozen=True)
class Places:
    """The model and what lies beside it."""

    model: Path

    def _beside(self, ending: str) -> Path:
        return self.model.with_name(self.model.name.removesuffix(_SUFFIX) + ending)

    @property
    def checkpoint(self) -> Path:
        """Where a run that was stopped goes on from."""
        return self._beside(".checkpoint" + _SUFFIX)

    @property
    def metrics(self) -> Path:
        """The figures, line by line."""
        return self._beside(".metrics.jsonl")

    @property
    def resume_command(self) -> str:
        """What to type to go on."""
        return shlex.join(["typeahead", "train", "--resume", "--output", str(self.model)])


@dataclass(frozen=True)
class Run:
    """A training that is ready to go on, with what its files shall say about it."""

    training: Training
    about: dict[str, Any]  # for the model
    settings: dict[str, Any]  # for a later --resume
    reported_step: int
    tables: dict[str, Array]  # for the model: what goes with the weights but is not trained
    finish: Callable[[Path], str] | None = None  # of a voice: completes the model and tells what it hears
    stored: Callable[[Network], Network] = lambda network: network  # how the weights are written


def find_places(corpus: Sequence[str], output: str | None) -> Places:
    """Return where the model goes: ``output``, or the corpus's name in the current folder.

    Raises
    ------
    TrainingError
        No file can be written there.
    """
    if output is None:
        if not corpus:
            raise click.UsageError(_MISSING)
        name = "stdin" if corpus[0] == "-" else Path(corpus[0]).resolve().name.removesuffix(".gz")
        output = (Path(name).stem or name) + _SUFFIX
    model = Path(output)
    if model.is_dir():
        raise TrainingError(f"--output {model}: a folder; name the file, like {model / 'model.safetensors'}")
    if not model.parent.is_dir():
        raise TrainingError(f"--output {model}: no folder {model.parent}; make it first: mkdir -p {model.parent}")
    if not os.access(model.parent, os.W_OK):
        raise TrainingError(f"--output {model}: the folder {model.parent} cannot be written to; name another")
    return Places(model)


def fresh(places: Places, given: dict[str, Any]) -> Run:
    """Prepare a run from the options that were given.

    Raises
    ------
    TypeaheadError
        The data, the model to start from or an option cannot be used, or there is a model already.
    """
    if "corpus" not in given:
        raise click.UsageError(_MISSING)
    if "steps" in given and "minutes" in given:
        raise click.UsageError("Give --steps or --minutes, not both.")
    if "valid" in given and "valid_fraction" in given:
        raise click.UsageError("Give --valid or --valid-fraction, not both.")
    if "init" in given and (alone := [name for name in _START if name in given]):
        raise click.UsageError(f"--{alone[0].replace('_', '-')} is for new weights; --init has some.")
    if "voice" not in given and (only := {"words", "noise", "augmentation"} & given.keys()):
        raise click.UsageError(f"--{min(only)} goes with --voice.")
    for path in (places.model, places.checkpoint):
        if path.exists() and "force" not in given:
            resume = "--resume goes on with its run, " if places.checkpoint.exists() else ""
            raise TrainingError(f"{path}: exists; {resume}--force replaces it, or set another --output")

    from typeahead.rnn.train import TrainConfig

    chosen = {name: given[name] for name in TrainConfig.__dataclass_fields__ if name in given}
    if "steps" in chosen:
        chosen["minutes"] = None
    defaults = voice_run.TRAIN if "voice" in given else {}
    config = TrainConfig(**(defaults | {"threads": default_threads()} | chosen))
    settings = {name: value for name, value in given.items() if name not in _CALL_ONLY}
    if "init" not in given:
        _check_start(voice_run.chosen_architecture(given), config)
    if "voice" in given:
        return _prepare(places, None, config, settings, None)
    network, origin = _network(given, config)
    return _prepare(places, network, config, settings, origin)


def _check_start(chosen: dict[str, Any], config: TrainConfig) -> None:
    """Raise a TrainingError if the cell, its activation and its start do not go together."""
    from typeahead.rnn import initialisation
    from typeahead.rnn.network import NetworkConfig

    try:
        initialisation.check(NetworkConfig(**chosen).cell, **config.starting)
    except ValueError as error:  # begins with the name of what does not fit
        name, _, reason = str(error).partition(" ")
        raise TrainingError(f"--{name.replace('_', '-')} {reason}") from error


def _network(given: dict[str, Any], train: TrainConfig) -> tuple[Network, str | None]:
    """Return new weights, or those of ``--init`` and its name."""
    from typeahead.rnn.checkpoint import load_model
    from typeahead.rnn.network import Network, NetworkConfig

    chosen = voice_run.chosen_architecture(given)
    if "init" not in given:
        return Network.create(NetworkConfig(**chosen), train.seed, **train.starting), None
    network, _ = load_model(given["init"])
    for name in chosen.keys() - {"dropout", "weight_dropout"}:
        if chosen[name] != getattr(network.config, name):
            raise TrainingError(
                f"--{name.replace('_', '-')} {chosen[name]}: {given['init']} has {getattr(network.config, name)}; "
                "leave the option out or train without --init"
            )
    if (network.config.input_size, network.config.output_size, network.config.one_hot) != (256, 256, True):
        raise TrainingError(f"--init {given['init']}: not a model of bytes; choose one that typeahead train made")
    config = replace(network.config, **{name: chosen[name] for name in ("dropout", "weight_dropout") if name in chosen})
    return Network(config, network.parameters), Path(given["init"]).name


def _prepare(
    places: Places,
    network: Network | None,
    config: TrainConfig,
    settings: dict[str, Any],
    origin: str | None,
    known_data: dict[str, Any] | None = None,
) -> Run:
    """Read the data and put everything together; ``known_data`` is what a resumed run was trained on."""
    from typeahead.rnn.train import Training

    if settings.get("voice"):
        training, about, tables, heard, held = voice_run.prepare(network, config, settings, config.seed)
        _check_data(about["data"], known_data)

        def finish(model: Path) -> str:
            return voice_run.finish(model, heard, held)

        return Run(
            training,
            about | {"init": Path(settings["init"]).name if "init" in settings else None},
            settings,
            -1,
            tables,
            finish,
            lambda network: network.cast("float16"),
        )
    assert network is not None  # only a voice's is drawn when its words are known
    train_data, valid_data, data = _read_data(places, settings)
    _check_data(data, known_data)
    training = Training.of_symbols(network, train_data, valid_data, config)
    about = {
        "kind": "text",
        "program": f"typeahead {__version__}",
        "command": _command(settings),
        "train": asdict(config),
        "data": data,
        "init": origin,
    }
    return Run(training, about, settings, -1, {})


def _check_data(data: dict[str, Any], known: dict[str, Any] | None) -> None:
    for part, name in (("train", "corpus"), ("valid", "validation data")):
        if known is not None and data[part].get("sha256") != known[part].get("sha256"):
            raise TrainingError(f"the {name} is not what this run began with; give that, or start anew with --force")


def _read_data(places: Places, settings: dict[str, Any]) -> tuple[Array, Array | None, dict[str, Any]]:
    """Return the bytes to train on, those held out (None without any), and a description of both."""
    from typeahead.text import corpus

    def read(paths: Sequence[str]) -> Corpus:
        return corpus.read(paths, scratch=places.model.parent)

    whole = read(settings["corpus"])
    if settings.get("valid"):
        held = read(settings["valid"])
        return whole.data, held.data, {"train": whole.describe(), "valid": held.describe()}
    fraction = settings.get("valid_fraction")
    train_data, valid_data = corpus.split(whole.data, fraction)
    data = {"train": whole.describe(), "valid": {"held_out_bytes": len(valid_data)}}
    return train_data, None if fraction == 0 else valid_data, data


def _command(settings: dict[str, Any]) -> str:
    """Return the command that began the run, with the names of files but not their folders."""
    words = ["typeahead", "train"]
    for name, value in settings.items():
        option = [] if name == "corpus" else [f"--{name.replace('_', '-')}"]
        for item in value if isinstance(value, (tuple, list)) else [value]:
            words += [*option, Path(item).name if name in PATHS else str(item)]
    return shlex.join(words)


# ------------------------------------------------------------------------------------------------------ resume


def resumed(places: Places, given: dict[str, Any]) -> Run | None:
    """Prepare the run of the checkpoint; None if it has nothing left to do.

    Raises
    ------
    TypeaheadError
        There is no checkpoint, it is damaged, or an option or the data is not that of its run.
    """
    from typeahead.rnn import checkpoint
    from typeahead.rnn.network import Network, NetworkConfig
    from typeahead.rnn.train import TrainConfig

    if not places.checkpoint.exists():
        raise TrainingError(f"{places.checkpoint}: no such checkpoint; --resume needs the --output of the run")
    arrays, metadata = checkpoint.load(places.checkpoint)
    try:
        settings, config = dict(metadata["settings"]), TrainConfig(**metadata["train"])
        network_config, run = NetworkConfig(**metadata["network"]), metadata["run"]
        weights = {name: arrays[f"weights.{name}"] for name in network_config.shapes()}
        network, about = Network(network_config, weights), metadata["about"]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{places.checkpoint}: not the checkpoint of a training run ({error!r})") from error
    settings = _merged(settings, given, asdict(network_config) | asdict(config) | settings)
    end = {name: settings[name] for name in ("steps", "minutes") if name in settings}
    if run["finished"] and places.model.exists() and all(getattr(config, name) == value for name, value in end.items()):
        click.echo(f"{places.model}: this run has ended after {run['step']} steps; raise --steps or --minutes to go on")
        return None
    prepared = _prepare(places, network, replace(config, **end), settings, about["init"], about["data"])
    prepared.training.restore(arrays, metadata)
    return replace(prepared, reported_step=run["reported_step"])


def _merged(settings: dict[str, Any], given: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Return the run's settings with what may change on resume: the same data by another path, a later end.

    ``known`` is every value that the run was made with, also those that nobody gave.
    """
    merged = dict(settings)
    for name, value in given.items():
        value = absolute(value) if name in PATHS else value  # as they are in the checkpoint
        if name in _CALL_ONLY or value == known.get(name):
            continue
        option, was = f"--{name.replace('_', '-')} {value}", known.get(name)
        if name in ("corpus", "valid") and (name == "corpus" or was):
            merged[name] = value  # the data's checksum is compared
        elif name in ("steps", "minutes"):
            if was is None or value < was:
                end = f"--steps {known['steps']}" if known["steps"] else f"--minutes {known['minutes']:g}"
                raise TrainingError(f"{option}: the run to resume has {end}, which may only be raised")
            merged[name] = value
        else:
            before = "another setting" if was is None else was
            raise TrainingError(f"{option}: the run to resume has {before}; leave it out or start anew with --force")
    return merged
