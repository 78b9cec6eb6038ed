"""``typeahead bench``: measurements that anyone can repeat."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from typeahead.cli.bench_grid import DONE, Grid, Results
from typeahead.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typeahead.cli.bench_workers import News
    from typeahead.rnn.trials import Trial

_COUNT = click.IntRange(min=1)
_ABOVE_ZERO = click.FloatRange(min=0, min_open=True)
_PICTURES = (".png", ".svg", ".pdf")
_TASKS = ("adding", "order", "copy", "bytes")
_CELLS = ("elman", "gru", "lstm")
_LENGTHS = {"adding": (10, 25, 50, 100, 200, 400), "order": (10, 25, 50, 100, 200, 400), "copy": (5, 10, 25, 50, 100)}
_QUICK_LENGTHS = {"adding": (10, 25), "order": (10, 25), "copy": (2, 5)}
_LOG_S = 20.0  # between lines that say how far the trials at work are


class _Numbers(click.ParamType[tuple[int, ...]]):
    """Whole numbers above 0, with commas between them."""

    name = "numbers"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return them, sorted."""
        parts = [part.strip() for part in str(value).split(",")]
        if not all(part.isdecimal() and 0 < int(part) <= 100_000 for part in parts):
            self.fail(f"{value!r}: give whole numbers from 1 to 100000, such as 50,100,200", param, ctx)
        return tuple(sorted({int(part) for part in parts}))


class _Rates(click.ParamType[tuple[float, ...]]):
    """Learning rates, with commas between them."""

    name = "rates"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Return them, sorted."""
        try:
            rates = tuple(sorted({float(part) for part in str(value).split(",")}))
        except ValueError:
            rates = ()
        if not rates or not all(0 < rate < 1 for rate in rates):
            self.fail(f"{value!r}: give numbers between 0 and 1, such as 0.001,0.003", param, ctx)
        return rates


class _Names(click.ParamType[tuple[str, ...]]):
    """Some of the given names, with commas between them, or all."""

    name = "names"

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return them in the order of all names."""
        parts = [part.strip() for part in str(value).split(",")]
        if parts == ["all"]:
            return self._names
        for part in parts:
            if part not in self._names:
                self.fail(f"{part!r} is not one of {', '.join(self._names)}, all", param, ctx)
        return tuple(name for name in self._names if name in parts)


@click.group()
def bench() -> None:
    """Measure what the networks can do, beside what is published."""


@bench.command()
@click.option("--task", "tasks", type=_Names(_TASKS), default="all", metavar="A,B", help="adding, order, copy, bytes.")
@click.option("--lengths", type=_Numbers(), metavar="T,T", help="Steps to bridge.  [default: 10 to 400, copy 5 to 100]")
@click.option("--cells", type=_Names(_CELLS), default="all", metavar="A,B", help="elman, gru, lstm.  [default: all]")
@click.option("--seeds", type=_COUNT, default=3, metavar="N", help="Runs of each.  [default: 3]")
@click.option("--steps", type=_COUNT, metavar="N", help="Batches that each run has at most.  [default: 5000]")
@click.option("--rates", type=_Rates(), metavar="X,X", help="Learning rates to choose from.  [default: 0.0003 to 0.01]")
@click.option("--batch-size", type=_COUNT, default=32, metavar="N", help="Sequences a batch.  [default: 32]")
@click.option("--corpus", metavar="FILE", help="Text for the task bytes, which is left out without it.")
@click.option("--jobs", type=_COUNT, default=1, metavar="N", help="Runs side by side, each on one core.  [default: 1]")
@click.option("--minutes", type=_ABOVE_ZERO, metavar="X", help="End what is not finished by then.")
@click.option("--exhaustive", is_flag=True, help="Also try lengths beyond one that no seed has solved.")
@click.option("--json", "results", metavar="OUT", help="Keep each result here as a line, and go on from there.")
@click.option("--plot", metavar="PICTURE", help="Draw it (.png, .svg, .pdf).")
@click.option("--quick", is_flag=True, help="Short lengths, one seed, one rate, 1000 steps.")
@click.pass_context
def memory(ctx: click.Context, /, **options: Any) -> None:
    """Measure at which distance each cell stops learning: the classic tasks.

    The plain network (ordinary start; orthogonal start and clipping; rectified with identity start), GRU and LSTM learn
    three tasks whose answer depends on inputs T steps back, and the next byte of a corpus. All have the same batches,
    steps and number of parameters, and the learning rate they do best with at the shortest lengths. A task is solved
    once less than 1 % of the answers on held-out sequences are wrong (copy: once half is remembered).

    \b
    typeahead bench memory --quick
    typeahead bench memory --task adding --lengths 50,100,200 --jobs 4 --json adding.jsonl --plot adding.png
    typeahead bench memory --corpus shakespeare.txt --jobs 16 --minutes 60 --json memory.jsonl

    What is published is printed below each table. With --json, the same command goes on where it was ended.
    """  # noqa: D301 (click wants the character, not a backslash)
    deadline = time.monotonic() + 60 * options["minutes"] if options["minutes"] else math.inf
    _check(options)
    settings = _settings(options, ctx.get_parameter_source("seeds") is click.core.ParameterSource.DEFAULT)
    from typeahead.cli.bench_report import draw, report

    results = Results(Path(options["results"]) if options["results"] else None, _digest(options["corpus"]))
    try:
        trials = _trials(settings, _rates(settings, results, deadline))
        left_out = _carry_out(trials, settings, results, deadline)
        outcomes = {trial: found for trial in trials if (found := results.get(trial))}
        for line in report(trials, outcomes, left_out):
            click.echo(line)
        if options["plot"]:
            draw(trials, outcomes, Path(options["plot"]))
            click.echo(f"\npicture: {options['plot']}")
    finally:
        results.close()


def _check(options: dict[str, Any]) -> None:
    if plot := options["plot"]:
        if Path(plot).suffix not in _PICTURES:
            raise ConfigError(f"--plot {plot}: not one of {', '.join(_PICTURES)}")
        if not Path(plot).parent.is_dir():
            raise ConfigError(f"--plot {plot}: no folder {Path(plot).parent}; make it first")


def _digest(corpus: str | None) -> str | None:
    """Return what tells the corpus from another one."""
    if corpus is None:
        return None
    from typeahead.text.corpus import read

    return read([corpus]).sha256


def _settings(options: dict[str, Any], default_seeds: bool) -> dict[str, Any]:
    """Return the options with what is not given filled in."""
    from typeahead.rnn.trials import RATES

    quick = options["quick"]
    tasks = tuple(task for task in options["tasks"] if task != "bytes" or options["corpus"] is not None)
    if not tasks:
        raise ConfigError("--task bytes needs a text; give it with --corpus FILE")
    return options | {
        "tasks": tasks,
        "steps": options["steps"] or (1000 if quick else 5000),
        "seeds": 1 if quick and default_seeds else options["seeds"],
        "lengths": {
            task: options["lengths"] or (_QUICK_LENGTHS if quick else _LENGTHS).get(task, (64,)) for task in tasks
        },
        "rates": options["rates"] or (RATES[2:3] if quick else RATES),
        "interval": 50 if quick else 100,
    }


def _kinds(settings: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each task with each kind of network that tries it."""
    from typeahead.rnn.trials import KINDS

    for task in settings["tasks"]:
        for kind in KINDS.values():
            if kind.cell in settings["cells"] and (task != "bytes" or kind.start != "chrono"):
                yield task, kind.name


def _rates(settings: dict[str, Any], results: Results, deadline: float) -> dict[tuple[str, str], float]:
    """Return the learning rate of each kind on each task, found by short trials of each rate."""
    from typeahead.rnn.trials import best_rate, pilots

    rates = settings["rates"]
    given = {pair: rates[len(rates) // 2] for pair in _kinds(settings)}
    if len(rates) == 1:
        return given
    fixed = settings["steps"], settings["batch_size"], settings["interval"]
    tried = {pair: pilots(*pair, *fixed, rates) for pair in given}
    print("typeahead: first the learning rates", file=sys.stderr, flush=True)
    _carry_out([trial for trials in tried.values() for trial in trials], settings, results, deadline)
    for pair, trials in tried.items():
        outcomes = {trial: found for trial in trials if (found := results.get(trial)) and found["result"] in DONE}
        if outcomes:
            given[pair] = best_rate(outcomes)
    return given


def _trials(settings: dict[str, Any], rates: dict[tuple[str, str], float]) -> list[Trial]:
    """Return what to run, by task, kind, length and seed."""
    from typeahead.rnn.trials import plan

    fixed = settings["steps"], settings["batch_size"], settings["interval"]
    return [
        plan(task, kind, length, seed, *fixed, rates[task, kind])
        for task, kind in _kinds(settings)
        for length in ((64,) if task == "bytes" else settings["lengths"][task])
        for seed in range(settings["seeds"])
    ]


def _carry_out(trials: list[Trial], settings: dict[str, Any], results: Results, deadline: float) -> set[Trial]:
    """Carry out what there is no result of yet, say on standard error how it goes, and return what was left out."""
    from typeahead.cli.bench_workers import carry_out_all

    known = {trial: found for trial in trials if (found := results.get(trial)) and found["result"] in DONE}
    grid = Grid(trials, {t: found["result"] == "solved" for t, found in known.items()}, settings["exhaustive"])
    if known:
        print(f"typeahead: {len(known)} of {len(trials)} results are there already", file=sys.stderr, flush=True)
    if grid.left():
        watch = _Watch(grid, results, len(known))
        try:
            carry_out_all(grid, settings["jobs"], settings["corpus"], deadline, watch.hear)
        except KeyboardInterrupt:
            if path := settings["results"]:
                click.echo(f"typeahead: what is finished is in {path}; the same command goes on", err=True)
            raise
    return set(grid.left_out())


class _Watch:
    """Keeps results as they come, and prints a line for each, and now and then one of those at work."""

    def __init__(self, grid: Grid, results: Results, done: int) -> None:
        self._grid, self._results, self._done = grid, results, done
        self._at_work: dict[Trial, str] = {}
        self._said_at = time.monotonic()

    def hear(self, news: News) -> None:
        trial, outcome = news.trial, news.outcome
        name = f"{trial.task} T={trial.length} {trial.kind} seed {trial.seed}"
        if outcome is None:
            self._at_work[trial] = f"{name} {news.step:,}: {news.loss:.3g}"
            if time.monotonic() - self._said_at >= _LOG_S:
                shown, more = list(self._at_work.values())[:3], len(self._at_work) - 3
                self._say("at work: " + "; ".join(shown) + (f"; and {more} more" if more > 0 else ""))
            return
        self._at_work.pop(trial, None)
        self._results.add(trial, outcome)
        self._done += outcome.result != "stopped"
        total = len(self._grid.trials) - len(self._grid.left_out())
        self._say(
            f"{self._done}/{total} {name}: {outcome.result} after {outcome.steps:,} steps, {outcome.seconds:.0f} s, "
            f"loss {outcome.loss:.3g}, {100 * outcome.clipped:.0f} % clipped"
            + (f", explosions gone back from: {outcome.returns}" if outcome.returns else "")
        )

    def _say(self, line: str) -> None:
        self._said_at = time.monotonic()
        print(line, file=sys.stderr, flush=True)
