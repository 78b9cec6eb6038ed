"""``typeahead train``: text in, a model file out."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from typeahead.cli.training_run import PATHS, Places, Run, absolute, find_places, fresh, resumed
from typeahead.errors import TrainingError

if TYPE_CHECKING:
    from typeahead.cli.progress import Metrics, Progress
    from typeahead.rnn.loop import Event
    from typeahead.rnn.network import Network
    from typeahead.rnn.train import Figures

_PICTURES = (".png", ".svg", ".pdf")

_COUNT = click.IntRange(min=1)
_ABOVE_ZERO = click.FloatRange(min=0, min_open=True)
_NOT_BELOW_ZERO = click.FloatRange(min=0)
_SHARE = click.FloatRange(min=0, max=1, max_open=True)
_Command = TypeVar("_Command", bound=Callable[..., Any])


def _setting(name: str, kind: click.ParamType[Any], default: str, text: str) -> Callable[[_Command], _Command]:
    """Return an option without a value of its own: `TrainConfig` and `NetworkConfig` hold the defaults.

    They are written out a second time for the help, which would otherwise have to load numba; a test compares them.
    """
    metavar = None if isinstance(kind, click.Choice) else "N" if kind.name.startswith("integer") else "X"
    return click.option(name, type=kind, metavar=metavar, help=f"{text}  [default: {default}]")


@click.command()
@click.argument("corpus", nargs=-1)
@click.option("-o", "--output", metavar="MODEL", help="Where the model goes.  [default: CORPUS.safetensors, here]")
@_setting("--cell", click.Choice(["elman", "gru", "lstm"]), "gru", "Kind of cell.")
@_setting("--activation", click.Choice(["tanh", "relu"]), "tanh", "Of the cell elman.")
@_setting("--hidden-size", _COUNT, "256", "Units a layer.")
@_setting("--num-layers", _COUNT, "1", "Cells on top of one another.")
@_setting("--dropout", _SHARE, "0.0", "Share of each layer's output left out in training.")
@_setting("--weight-dropout", _SHARE, "0.0", "Share of the recurrent weights left out in training.")
@_setting(
    "--start",
    click.Choice(["orthogonal", "uniform", "identity", "chrono"]),
    "orthogonal",
    "How the recurrent weights begin; uniform is the usual way, identity is for elman, chrono for gru and lstm.",
)
@_setting("--max-lag", click.IntRange(min=3), "--seq-len", "With --start chrono: the longest time to remember.")
@_setting("--forget-bias", click.FLOAT, "1.0, with chrono drawn", "How far open the forget gate of lstm begins.")
@_setting("--seq-len", _COUNT, "64", "Bytes that gradients reach back.")
@_setting("--batch-size", _COUNT, "32", "Places of the corpus read side by side.")
@_setting("--learning-rate", _ABOVE_ZERO, "0.004", "At its peak.")
@_setting("--warmup", _SHARE, "0.02", "Share of the run in which the rate rises.")
@_setting("--weight-decay", _NOT_BELOW_ZERO, "0.0", "AdamW's, on matrices.")
@_setting("--grad-clip", _ABOVE_ZERO, "1.0", "Largest norm of the gradient.")
@_setting("--ema-decay", _SHARE, "0.0", "Keep a running average of the weights; 0: off.")
@click.option(
    "--steps", type=_COUNT, metavar="N", help="End after this many batches; the same seed then gives the same model."
)
@_setting("--minutes", _ABOVE_ZERO, "3.0, without --steps", "End after this long.")
@click.option("--valid", multiple=True, metavar="FILE", help="Hold this file out; may be given several times.")
@_setting("--valid-fraction", _SHARE, "0.1, at most 4 MiB; 0: nothing", "Hold this last part of CORPUS out.")
@_setting("--eval-interval", _COUNT, "a twentieth of the time", "Steps between evaluations.")
@_setting("--seed", click.IntRange(min=0), "0", "Draws weights, order and dropout.")
@_setting("--threads", _COUNT, "2, on one core 1", "Parts a batch is split into.")
@click.option("--voice", is_flag=True, help="CORPUS is a folder with one folder of recordings a word.")
@click.option(
    "--words", metavar="A,B,...", help="With --voice: the words to know; the others are unknown.  [default: all]"
)
@click.option("--noise", multiple=True, metavar="PATH", help="With --voice: recordings of noise to mix in.")
@_setting("--augmentation", click.FloatRange(min=0, max=1), "1.0", "With --voice: how much recordings are varied.")
@click.option("--init", metavar="MODEL", help="Start from this model's weights (fine-tune).")
@click.option("--resume", is_flag=True, help="Go on with the run whose checkpoint lies beside --output.")
@click.option("--force", is_flag=True, help="Replace an existing model, and drop its checkpoint.")
@click.option("--plot", metavar="CURVE.png", help="Draw bits per byte over the steps (.png, .svg, .pdf).")
@click.pass_context
def train(ctx: click.Context, /, corpus: tuple[str, ...], **options: Any) -> None:
    """Train a network on text, or with --voice on recordings of words.

    Text is files, folders or - for standard input. Any bytes will do; gzip is unpacked, and of a .jsonl file of
    sessions the "cmd" of each line is read. The weights that predict the held-out part best are kept. Beside MODEL lie
    MODEL.metrics.jsonl, one line of figures every few steps, and MODEL.checkpoint, from which --resume goes on after
    Ctrl-C or worse.

    With --voice, CORPUS is one folder that has a folder of recordings (wav, flac, ogg) for each word, or a tar of such
    folders with log-mel spectrograms as pictures. The tenth of the speakers that is held out is told by the file names,
    SPEAKER_nohash_N.wav. Other defaults hold then: 2 layers of 160 units, dropout 0.1, 60 minutes, batches of 64
    stretches of 100 steps of 30 ms, learning rate 0.003, weight decay 0.01, average 0.999.

    \b
    typeahead train ~/notes
    typeahead train --voice recordings/ --words up,down,stop --noise noises/
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
    places = find_places(corpus, options["output"])
    if plot := options["plot"]:
        if Path(plot).suffix not in _PICTURES:
            raise TrainingError(f"--plot {plot}: not one of {', '.join(_PICTURES)}")
        if not Path(plot).parent.is_dir():
            raise TrainingError(f"--plot {plot}: no folder {Path(plot).parent}; make it first")
    if options["resume"]:
        run = resumed(places, given)
    else:
        run = fresh(places, given)
    if run is None:
        return
    ctx.exit(_carry_out(run, places, plot, started))


def _carry_out(run: Run, places: Places, plot: str | None, started: float) -> int:
    """Train, show, keep; return the exit status."""
    from typeahead.cli.progress import Metrics, Progress, draw_curve

    metrics = Metrics(places.metrics, run.reported_step)
    try:
        if run.reported_step < 0:  # --force: the old run's checkpoint must not be taken for this one's
            places.checkpoint.unlink(missing_ok=True)
        with Progress(of_bytes=run.finish is None) as progress, _stopping(progress) as signals:
            finished = _loop(run, places, progress, metrics, signals, started)
    except KeyboardInterrupt:  # the second Ctrl-C
        finished, signals = False, [signal.SIGINT]
    finally:
        metrics.close()
    if not finished:
        again = f"go on with: {places.resume_command}" if places.checkpoint.exists() else "nothing was saved yet"
        click.echo(f"typeahead: stopped at step {run.training.step}; {again}", err=True)
        return 128 + signals[0]
    click.echo(_summary(places, run.training.figures(), run.finish is None))
    if run.finish is not None:
        click.echo(run.finish(places.model))
    if plot:
        draw_curve(places.metrics, Path(plot), run.finish is None)
        click.echo(f"curve: {plot}")
    return 0


def _loop(run: Run, places: Places, progress: Progress, metrics: Metrics, signals: list[int], started: float) -> bool:
    from typeahead.rnn.checkpoint import save_model
    from typeahead.rnn.loop import Hooks, Loop

    def keep(network: Network, figures: Figures) -> None:
        found = asdict(figures) | {"date": datetime.now(UTC).isoformat(timespec="seconds")}
        save_model(places.model, run.stored(network), run.about | {"figures": found}, run.tables)

    def report(event: Event) -> None:
        progress.show(event)
        if not metrics.add(event):
            progress.say(f"{places.metrics}: cannot be written; training goes on without its lines")

    hooks = Hooks(keep=keep, report=report, warn=progress.say, stop=lambda: bool(signals))
    settings = {name: absolute(value) if name in PATHS else value for name, value in run.settings.items()}
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


def _summary(places: Places, figures: Figures, of_bytes: bool) -> str:
    if figures.valid_loss is None:
        return f"{places.model}: {figures.steps} steps, training loss {figures.train_loss:.4f} nats, nothing held out"
    bits = f", {figures.valid_bits_per_byte:.4f} bits per byte" if of_bytes else ""
    return (
        f"{places.model}: validation loss {figures.valid_loss:.4f} nats{bits} at step {figures.best_step} of "
        f"{figures.steps}"
    )
