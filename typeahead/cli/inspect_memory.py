"""``typeahead inspect --memory``: what a model's memory is measured on, the measuring, and where the figures go."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from typeahead.cli.inspect_chart import Drawn, draw
from typeahead.cli.inspect_page import LEVEL, Subject, comparison, page
from typeahead.cli.listen_view import Look
from typeahead.errors import ConfigError

if TYPE_CHECKING:
    from typeahead.rnn.memory import Plan
    from typeahead.rnn.network import Array, Network

_PICTURES = (".png", ".svg", ".pdf")
_MOST_STEPS = 40_000  # of sound or readings: a little more than is looked at
_MADE_UP_READINGS = 10_000
_NEWLINE = ord("\n")  # made-up text begins after a line's end


class Asked(NamedTuple):
    """What was asked for beside the models."""

    data: tuple[str, ...]
    max_lag: int
    as_json: bool
    plot: str | None


class _Lesson(NamedTuple):
    """What a network is run on: inputs and targets (plan.steps, lanes, ...), and how that is told."""

    plan: Plan
    inputs: Array
    targets: Array
    data: str
    unit: str
    step_s: float | None = None
    of_bytes: bool = False


def inspect_memory(models: Sequence[str], asked: Asked) -> None:
    """Measure the memory of models and print what is found.

    Raises
    ------
    TypeaheadError
        A model or the data cannot be read, or the picture not be written.
    """
    _check(models, asked)
    subjects = []
    with _progress() as show:
        for i, model in enumerate(models):
            subjects.append(_subject(model, asked, lambda share, i=i: show((i + share) / len(models))))  # type: ignore[misc]
    if asked.as_json:
        found = [subject.as_json() for subject in subjects]
        click.echo(json.dumps(found[0] if len(found) == 1 else found))
    else:
        from typeahead.shell import prompt

        look = Look(shutil.get_terminal_size().columns, unicode=prompt.speaks_unicode())
        lines = page(subjects[0], look) if len(subjects) == 1 else comparison(subjects, look)
        click.echo("\n".join(lines))
    if asked.plot:
        _draw(subjects, Path(asked.plot))
        if not asked.as_json:
            click.echo(f"picture: {asked.plot}")


def _check(models: Sequence[str], asked: Asked) -> None:
    if len(set(models)) < len(models):
        raise ConfigError(f"{next(m for m in models if models.count(m) > 1)}: given twice; name each model once")
    if asked.data.count("-") and len(models) > 1:
        raise ConfigError("--data - with several models: standard input can be read only once; name a file")
    if plot := asked.plot:
        if Path(plot).suffix not in _PICTURES:
            raise ConfigError(f"--plot {plot}: not one of {', '.join(_PICTURES)}")
        if not Path(plot).absolute().parent.is_dir():
            raise ConfigError(f"--plot {plot}: no folder {Path(plot).parent}; make it first")


@contextmanager
def _progress() -> Iterator[Callable[[float], None]]:
    """Show a bar on a terminal."""
    from tqdm import tqdm

    with tqdm(total=1.0, disable=None, leave=False, bar_format="{percentage:3.0f}% {bar}", dynamic_ncols=True) as bar:

        def show(share: float) -> None:
            bar.update(share - bar.n)

        yield show


def _subject(model: str, asked: Asked, done: Callable[[float], None]) -> Subject:
    from typeahead.cli.training_run import default_threads
    from typeahead.rnn.checkpoint import load_model
    from typeahead.rnn.memory import measure

    network, metadata = load_model(model)
    lesson = _lesson(model, network, metadata, asked)
    done(0.1)
    memory = measure(
        network,
        lesson.inputs,
        lesson.targets,
        lesson.plan,
        default_threads(),
        lambda share: done(0.1 + 0.9 * share),
    )
    return Subject(model, network.config, memory, lesson.data, lesson.unit, lesson.step_s, lesson.of_bytes)


def _lesson(model: str, network: Network, metadata: dict[str, Any], asked: Asked) -> _Lesson:
    """Return what is of the model's own kind, from ``--data`` or made up."""
    if metadata.get("kind") == "voice":
        return _sound(model, asked)
    if metadata.get("kind") == "sensor":
        return _readings(model, asked)
    config = network.config
    if not config.one_hot or config.output != "softmax" or config.input_size != config.output_size:
        raise ConfigError(f"{model}: reads neither text, sound nor readings; its memory cannot be measured from here")
    return _text(model, network, asked)


def _text(model: str, network: Network, asked: Asked) -> _Lesson:
    from typeahead.rnn.memory import Plan, imagine

    if not asked.data:
        plan = Plan.of(1 << 20, asked.max_lag)
        symbols = imagine(network, plan.steps + 1, plan.lanes, _NEWLINE)
        told = f"{symbols.size:,} bytes that the model itself made up (--data FILE: yours)"
        return _Lesson(plan, symbols[:-1], symbols[1:], told, "byte", of_bytes=True)
    from typeahead.text import corpus

    if network.config.input_size != 256:
        raise ConfigError(f"{model}: a model of {network.config.input_size} symbols, not of bytes; leave --data out")
    text = corpus.read(asked.data)
    plan = Plan.of(len(text.data) - 1, asked.max_lag)
    read = min(len(text.data), plan.lanes * plan.steps)
    told = f"{_names(asked.data)}, {read:,} of {len(text.data):,} bytes"
    return _Lesson(plan, plan.lanes_of(text.data[:-1]), plan.lanes_of(text.data[1:]), told, "byte", of_bytes=True)


def _sound(model: str, asked: Asked) -> _Lesson:
    from typeahead.rnn.memory import Plan, likeliest
    from typeahead.voice.classifier import Classifier
    from typeahead.voice.hearing import made_up, recorded

    classifier = Classifier.load(model)
    if asked.data:
        inputs, count = recorded(classifier, asked.data, _MOST_STEPS)
        told = f"{_names(asked.data)}, {count} recording{'s' if count != 1 else ''}"
    else:
        inputs, told = made_up(classifier, _MOST_STEPS), "noise, which tells little (--data FOLDER: your recordings)"
    plan = Plan.of(len(inputs), asked.max_lag)
    lanes = plan.lanes_of(inputs)
    # Recordings do not say what is right at each step, so the loss is that of what the network itself says there.
    told += f", {len(inputs) * classifier.step_s / 60:.1f} minutes; the loss is that of the model's own answer"
    return _Lesson(plan, lanes, likeliest(classifier.network, lanes), told, "step", classifier.step_s)


def _readings(model: str, asked: Asked) -> _Lesson:
    from typeahead.rnn.memory import Plan
    from typeahead.sensor.anomaly import Watcher
    from typeahead.sensor.rehearsal import made_up, recorded, rehearse

    watcher = Watcher.load(model)
    if asked.data:
        inputs, targets = rehearse(watcher, recorded(watcher, asked.data, _MOST_STEPS))
        told = f"{_names(asked.data)}, {len(inputs):,} readings"
    else:
        inputs, targets = rehearse(watcher, made_up(watcher, _MADE_UP_READINGS))
        told = f"{len(inputs):,} readings with a daily rhythm, made up (--data FILE: yours)"
    plan = Plan.of(len(inputs), asked.max_lag)
    told += "; running averages of theirs are read, too, and are not counted as memory"
    return _Lesson(plan, plan.lanes_of(inputs), plan.lanes_of(targets), told, "reading")


def _names(places: Sequence[str]) -> str:
    names = ["standard input" if place == "-" else place for place in places[:3]]
    return ", ".join(names) + (f" and {len(places) - 3} more" if len(places) > 3 else "")


def _draw(subjects: Sequence[Subject], picture: Path) -> None:
    stems = [Path(subject.model).stem for subject in subjects]
    drawn = [
        Drawn(
            stem if stems.count(stem) == 1 else subject.model,
            [subject.relative(layer) for layer in range(len(subject.memory.norms))],
            [(context.steps, subject.loss(context.loss)) for context in subject.memory.contexts],
            subject.loss(subject.memory.full_loss),
        )
        for stem, subject in zip(stems, subjects, strict=True)
    ]
    units = {subject.units for subject in subjects}
    losses = {subject.loss_unit for subject in subjects}
    draw(drawn, LEVEL, units.pop() if len(units) == 1 else "steps", " or ".join(sorted(losses)), picture)
