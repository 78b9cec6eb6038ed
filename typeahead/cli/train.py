"""``typeahead train``: text in, a model file out."""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from typeahead import __version__
from typeahead.errors import ModelFileError, TrainingError

if TYPE_CHECKING:
    from typeahead.cli.progress import Metrics, Progress
    from typeahead.rnn.network import Network
    from typeahead.rnn.train import Event, Figures, TrainConfig, Training
    from typeahead.text.corpus import Array, Corpus

_SUFFIX = ".safetensors"
_MISSING = "Missing argument 'CORPUS...': files, folders or - for standard input (or --resume --output MODEL)."
_PICTURES = (".png", ".svg", ".pdf")
_PATHS = {"corpus", "valid", "init"}
# What belongs to this call of the program, not to the run that a checkpoint describes.
_CALL_ONLY = {"resume", "force", "plot", "output"}


def default_threads() -> int:
    """Return two, or one on a single core: more threads leave too few lanes to each."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(2, available)


_POSITIVE = click.IntRange(min=1)
_ABOVE_ZERO = click.FloatRange(min=0, min_open=True)
_SHARE = click.FloatRange(min=0, max=1, max_open=True)


# The defaults shown are those of TrainConfig and NetworkConfig (a test compares them): importing these here would load
# numba for --help.
@click.command()
@click.argument("corpus", nargs=-1)
@click.option("-o", "--output", metavar="MODEL", help="Where the model goes.  [default: CORPUS.safetensors, here]")
@click.option("--cell", type=click.Choice(["elman", "gru", "lstm"]), show_default="gru", help="Kind of cell.")
@click.option("--hidden-size", type=_POSITIVE, show_default="256", help="Units a layer.")
@click.option("--num-layers", type=_POSITIVE, show_default="1", help="Cells on top of one another.")
@click.option("--dropout", type=_SHARE, show_default="0.0", help="Share of each layer's output left out in training.")
@click.option("--seq-len", type=_POSITIVE, show_default="64", help="Bytes that gradients reach back.")
@click.option("--batch-size", type=_POSITIVE, show_default="32", help="Places of the corpus read side by side.")
@click.option("--learning-rate", type=_ABOVE_ZERO, show_default="0.004", help="At its peak.")
@click.option("--warmup", type=_SHARE, show_default="0.02", help="Share of the run in which the rate rises.")
@click.option("--weight-decay", type=click.FloatRange(min=0), show_default="0.0", help="AdamW's, on matrices.")
@click.option("--grad-clip", type=_ABOVE_ZERO, show_default="1.0", help="Largest norm of the gradient.")
@click.option("--ema-decay", type=_SHARE, show_default="0.0", help="Keep a running average of the weights; 0: off.")
@click.option("--steps", type=_POSITIVE, help="End after this many batches; then the same seed gives the same model.")
@click.option("--minutes", type=_ABOVE_ZERO, help="End after this long.  [default: 3, without --steps]")
@click.option("--valid", multiple=True, metavar="FILE", help="Hold this file out; may be given several times.")
@click.option(
    "--valid-fraction",
    type=_SHARE,
    help="Hold this last part of CORPUS out.  [default: 0.1, at most 4 MiB; 0: nothing]",
)
@click.option("--eval-interval", type=_POSITIVE, help="Steps between evaluations.  [default: a twentieth of the time]")
@click.option("--seed", type=click.IntRange(min=0), show_default="0", help="Draws weights, order and dropout.")
@click.option("--threads", type=_POSITIVE, help="Parts a batch is split into.  [default: 2, on one core 1]")
@click.option("--init", metavar="MODEL", help="Start from this model's weights (fine-tune).")
@click.option("--resume", is_flag=True, help="Go on with the run whose checkpoint lies beside --output.")
@click.option("--force", is_flag=True, help="Replace an existing model, and drop its checkpoint.")
@click.option("--plot", metavar="CURVE.png", help="Draw bits per byte over the steps (.png, .svg, .pdf).")
@click.pass_context
def train(ctx: click.Context, /, corpus: tuple[str, ...], **options: Any) -> None:
    """Train a network on text: files, folders or - for standard input.

    Any bytes will do; gzip is unpacked, and of a .jsonl file of sessions the "cmd" of each line is read. The weights
    that predict the held-out part best are kept. Beside MODEL lie MODEL.metrics.jsonl, one line of figures every few
    steps, and MODEL.checkpoint, from which --resume goes on after Ctrl-C or worse.

    \b
    typeahead train ~/notes
    typeahead train shakespeare.txt --minutes 10 --hidden-size 512 --plot curve.png
    cat *.log | typeahead train - --output logs.safetensors
    typeahead train --resume --output logs.safetensors
    """  # noqa: D301 (click wants the character, not a backslash)
    started = time.monotonic()
    given = {
        name: value
        for name, value in ({"corpus": corpus} | options).items()
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        and value is not False
        and value != ()
    }
    places = _places(corpus, options["output"])
    if options["plot"] and Path(options["plot"]).suffix not in _PICTURES:
        raise TrainingError(f"--plot {options['plot']}: not one of {', '.join(_PICTURES)}")
    if options["resume"]:
        run = _resumed(places, given)
    else:
        run = _fresh(places, given)
    if run is None:
        return
    ctx.exit(_carry_out(run, places, options["plot"], started))


# ------------------------------------------------------------------------------------------------------ set-up


def _absolute(paths: str | Sequence[str]) -> str | list[str]:
    """Return the path or paths so that a run may be resumed from another folder; ``-`` stays."""
    if isinstance(paths, str):
        return paths if paths == "-" else os.path.abspath(paths)
    return [path if path == "-" else os.path.abspath(path) for path in paths]


@dataclass(frozen=True)
class _Places:
    """The model and what lies beside it."""

    model: Path

    def _beside(self, ending: str) -> Path:
        return self.model.with_name(self.model.name.removesuffix(_SUFFIX) + ending)

    @property
    def checkpoint(self) -> Path:
        return self._beside(".checkpoint" + _SUFFIX)

    @property
    def metrics(self) -> Path:
        return self._beside(".metrics.jsonl")

    @property
    def resume_command(self) -> str:
        return shlex.join(["typeahead", "train", "--resume", "--output", str(self.model)])


@dataclass(frozen=True)
class _Run:
    """A training that is ready to go on, with what its files shall say about it."""

    training: Training
    about: dict[str, Any]  # for the model
    settings: dict[str, Any]  # for a later --resume
    reported_step: int


def _places(corpus: Sequence[str], output: str | None) -> _Places:
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
    return _Places(model)


def _fresh(places: _Places, given: dict[str, Any]) -> _Run:
    """Prepare a run from the options."""
    if "corpus" not in given:
        raise click.UsageError(_MISSING)
    if "steps" in given and "minutes" in given:
        raise click.UsageError("Give --steps or --minutes, not both.")
    if "valid" in given and "valid_fraction" in given:
        raise click.UsageError("Give --valid or --valid-fraction, not both.")
    for path in (places.model, places.checkpoint):
        if path.exists() and "force" not in given:
            resume = "--resume goes on with its run, " if places.checkpoint.exists() else ""
            raise TrainingError(f"{path}: exists; {resume}--force replaces it, or set another --output")

    from typeahead.rnn.train import TrainConfig

    chosen = {name: given[name] for name in TrainConfig.__dataclass_fields__ if name in given}
    if "steps" in chosen:
        chosen["minutes"] = None
    config = TrainConfig(**({"threads": default_threads()} | chosen))
    network, origin = _network(given, config.seed)
    settings = {name: value for name, value in given.items() if name not in _CALL_ONLY}
    return _prepare(places, network, config, settings, origin)


def _network(given: dict[str, Any], seed: int) -> tuple[Network, str | None]:
    """Return new weights, or those of ``--init`` and its name."""
    from typeahead.rnn.checkpoint import load_model
    from typeahead.rnn.network import Network, NetworkConfig

    chosen = {name: given[name] for name in NetworkConfig.__dataclass_fields__ if name in given}
    if "init" not in given:
        return Network.create(NetworkConfig(**chosen), seed), None
    network, _ = load_model(given["init"])
    for name in chosen.keys() - {"dropout"}:
        if chosen[name] != getattr(network.config, name):
            raise TrainingError(
                f"--{name.replace('_', '-')} {chosen[name]}: {given['init']} has {getattr(network.config, name)}; "
                "leave the option out or train without --init"
            )
    if (network.config.input_size, network.config.output_size, network.config.one_hot) != (256, 256, True):
        raise TrainingError(f"--init {given['init']}: not a model of bytes; choose one that typeahead train made")
    config = replace(network.config, dropout=given.get("dropout", network.config.dropout))
    return Network(config, network.parameters), Path(given["init"]).name


def _prepare(
    places: _Places,
    network: Network,
    config: TrainConfig,
    settings: dict[str, Any],
    origin: str | None,
    known_data: dict[str, Any] | None = None,
) -> _Run:
    """Read the data and put everything together; ``known_data`` is what a resumed run was trained on."""
    from typeahead.rnn.train import Training

    train_data, valid_data, data = _read_data(places, settings)
    for part, name in (("train", "corpus"), ("valid", "validation data")):
        if known_data is not None and data[part].get("sha256") != known_data[part].get("sha256"):
            raise TrainingError(f"the {name} is not what this run began with; give that, or start anew with --force")
    training = Training(network, train_data, valid_data, config)
    about = {
        "kind": "text",
        "program": f"typeahead {__version__}",
        "command": _command(settings),
        "train": asdict(config),
        "data": data,
        "init": origin,
    }
    return _Run(training, about, settings, -1)


def _read_data(places: _Places, settings: dict[str, Any]) -> tuple[Array, Array | None, dict[str, Any]]:
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
            words += [*option, Path(item).name if name in _PATHS else str(item)]
    return shlex.join(words)


# ------------------------------------------------------------------------------------------------------ resume


def _resumed(places: _Places, given: dict[str, Any]) -> _Run | None:
    """Prepare the run of the checkpoint; None if it has nothing left to do."""
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
        value = _absolute(value) if name in _PATHS else value  # as they are in the checkpoint
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


# --------------------------------------------------------------------------------------------------- the run


def _carry_out(run: _Run, places: _Places, plot: str | None, started: float) -> int:
    """Train, show, keep; return the exit status."""
    from typeahead.cli.progress import Metrics, Progress, draw_curve

    metrics = Metrics(places.metrics, run.reported_step)
    try:
        if run.reported_step < 0:  # --force: the old run's checkpoint must not be taken for this one's
            places.checkpoint.unlink(missing_ok=True)
        with Progress() as progress, _stopping(progress) as signals:
            finished = _loop(run, places, progress, metrics, signals, started)
    except KeyboardInterrupt:  # the second Ctrl-C
        finished, signals = False, [signal.SIGINT]
    finally:
        metrics.close()
    if not finished:
        again = f"go on with: {places.resume_command}" if places.checkpoint.exists() else "nothing was saved yet"
        click.echo(f"typeahead: stopped at step {run.training.step}; {again}", err=True)
        return 128 + signals[0]
    click.echo(_summary(places, run.training.figures()))
    if plot:
        draw_curve(places.metrics, Path(plot))
        click.echo(f"curve: {plot}")
    return 0


def _loop(run: _Run, places: _Places, progress: Progress, metrics: Metrics, signals: list[int], started: float) -> bool:
    from typeahead.rnn.checkpoint import save_model
    from typeahead.rnn.train import Hooks, Loop

    def keep(network: Network, figures: Figures) -> None:
        found = asdict(figures) | {"date": datetime.now(UTC).isoformat(timespec="seconds")}
        save_model(places.model, network, run.about | {"figures": found})

    def report(event: Event) -> None:
        progress.show(event)
        if not metrics.add(event):
            progress.say(f"{places.metrics}: cannot be written; training goes on without its lines")

    hooks = Hooks(keep=keep, report=report, warn=progress.say, stop=lambda: bool(signals))
    settings = {name: _absolute(value) if name in _PATHS else value for name, value in run.settings.items()}
    metadata = {"settings": settings, "about": run.about}
    return Loop(run.training, hooks, places.checkpoint, metadata, started).run()


@contextmanager
def _stopping(progress: Progress) -> Iterator[list[int]]:
    """Collect the signals that end the run after its current step; a second one ends it at once."""
    received: list[int] = []

    def handle(number: int, _frame: object) -> None:
        received.append(number)
        if len(received) > 1:
            raise KeyboardInterrupt
        with suppress(Exception):  # a bar in the middle of drawing itself
            progress.say("finishing the step and saving; again to stop at once")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _summary(places: _Places, figures: Figures) -> str:
    if figures.valid_loss is None:
        return f"{places.model}: {figures.steps} steps, training loss {figures.train_loss:.4f} nats, nothing held out"
    return (
        f"{places.model}: validation loss {figures.valid_loss:.4f} nats, {figures.valid_bits_per_byte:.4f} bits per "
        f"byte at step {figures.best_step} of {figures.steps}"
    )
