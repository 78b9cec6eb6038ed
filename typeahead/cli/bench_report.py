"""What ``typeahead bench memory`` prints and draws of its results, and what the papers report."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING, Any

from typeahead.cli.pictures import drawn

if TYPE_CHECKING:
    from typeahead.rnn.trials import Trial

Outcomes = dict["Trial", dict[str, Any]]

_BLOCKS = "▁▂▃▄▅▆▇█"
_COLUMNS = 48  # of a curve
_COLOURS = ("tab:red", "tab:orange", "tab:olive", "tab:green", "tab:blue", "tab:purple", "tab:brown", "tab:gray")
_ABOUT = {
    "adding": "adding: the sum of two marked numbers among T (solved: under 1 % of squared errors are above 0.04)",
    "order": "order: an X or Y early and one in the middle of T symbols, which was which? (solved: under 1 % wrong)",
    "copy": "copy: ten symbols, once more after T blanks (solved: the loss is below half of that without memory)",
    "bytes": "bytes: the next byte of the corpus; bits per byte of its last tenth, mean over seeds (lowest to highest)",
}
_LOSS = {
    "adding": "mean squared error",
    "order": "cross-entropy (nats)",
    "copy": "cross-entropy (nats a step)",
    "bytes": "bits per byte",
}
PUBLISHED = {
    "adding": (
        ("Hochreiter and Schmidhuber 1997, table 7", "LSTM solves T = 100, 500 and 1,000"),
        ("Pascanu et al. 2013, section 4.1.2", "tanh with clipping and a regulariser: up to 200, 5 of 5 seeds"),
        ("Le et al. 2015, section 4.1", "tanh and LSTM begin to struggle at about 150; relu, identity start as LSTM"),
        ("Arjovsky et al. 2016, figure 2", "T = 100, 200, 400, 750: tanh at none, LSTM at all"),
    ),
    "order": (
        ("Hochreiter and Schmidhuber 1997, table 9", "LSTM solves T = 100 to 110 (task 6a)"),
        (
            "Pascanu et al. 2013, figure 7",
            "tanh: the longer T, the more a success needs clipping, and the start matters",
        ),
        ("Pascanu et al. 2013, section 4.1.1", "tanh with clipping and a regulariser: T = 50 to 200, 5 of 5 seeds"),
    ),
    "copy": (
        ("Arjovsky et al. 2016, figure 1", "T = 100, 200, 300, 500: LSTM below the baseline at 100 only, tanh at none"),
        ("Tallec and Ollivier 2018", "LSTM learns long copies with the chrono start, not with forget bias 1"),
    ),
    "bytes": (),
}


def report(trials: list[Trial], outcomes: Outcomes, left_out: set[Trial]) -> Iterator[str]:
    """Yield the lines of the tables, task by task, with curves in characters and the published results."""
    for task in dict.fromkeys(trial.task for trial in trials):
        mine = [trial for trial in trials if trial.task == task]
        yield ""
        yield _ABOUT[task]
        yield from _setting(mine)
        yield from (_bytes_table if task == "bytes" else _table)(mine, outcomes, left_out)
        yield from _curves(mine, outcomes)
        if PUBLISHED[task]:
            yield "published"
            width = max(len(source) for source, _ in PUBLISHED[task])
            yield from (f"  {source:{width}}  {finding}" for source, finding in PUBLISHED[task])


def _setting(trials: list[Trial]) -> Iterator[str]:
    from typeahead.rnn.trials import KINDS, num_parameters

    first = trials[0]
    yield f"  at most {first.steps:,} steps of {first.batch_size} sequences, examined every {first.interval}"
    for name in _kinds(trials):
        trial = next(trial for trial in trials if trial.kind == name)
        size = num_parameters(trial.task, name, trial.length, trial.hidden_size)
        yield (
            f"  {name:16}  {trial.hidden_size:3} units, {size:,} parameters, rate {trial.learning_rate:g}; "
            f"{KINDS[name].title}"
        )


def _kinds(trials: list[Trial]) -> list[str]:
    return list(dict.fromkeys(trial.kind for trial in trials))


def _table(trials: list[Trial], outcomes: Outcomes, left_out: set[Trial]) -> Iterator[str]:
    """Yield a row a kind: at each length the seeds that solved it of those that ended, and their median steps."""
    lengths = sorted({trial.length for trial in trials})
    yield f"  {'':16}" + "".join(f"{f'T={length}':>12}" for length in lengths) + f"{'solves up to':>14}"
    for kind in _kinds(trials):
        row = [[trial for trial in trials if (trial.kind, trial.length) == (kind, length)] for length in lengths]
        cells = "".join(f"{_cell(cell, outcomes, left_out):>12}" for cell in row)
        yield f"  {kind:16}{cells}{reach(trials, kind, outcomes) or '-':>14}"
    yield "  solved/run seeds, their median steps; !: exploded; +: others are unfinished; -: a shorter T was too long"


def _cell(trials: list[Trial], outcomes: Outcomes, left_out: set[Trial]) -> str:
    found = [outcomes[trial] for trial in trials if trial in outcomes]
    ended = [outcome for outcome in found if outcome["result"] != "stopped"]
    if not found:
        return "-" if all(trial in left_out for trial in trials) else "not run"
    if not ended:
        return "unfinished"
    solved = [outcome["steps"] for outcome in ended if outcome["result"] == "solved"]
    marks = "!" * sum(outcome["result"] == "exploded" for outcome in ended) + "+" * (len(ended) < len(trials))
    return f"{len(solved)}/{len(ended)}{marks}" + (f" {median(solved):,.0f}" if solved else "")


def reach(trials: list[Trial], kind: str, outcomes: Outcomes) -> int | None:
    """Return the longest length that most of the kind's seeds have solved, None if there is none."""
    lengths = []
    for length in {trial.length for trial in trials}:
        row = [trial for trial in trials if (trial.kind, trial.length) == (kind, length)]
        solved = sum(outcomes.get(trial, {}).get("result") == "solved" for trial in row)
        if 2 * solved > len(row):
            lengths.append(length)
    return max(lengths, default=None)


def _bytes_table(trials: list[Trial], outcomes: Outcomes, _left_out: set[Trial]) -> Iterator[str]:
    for kind in _kinds(trials):
        row = [outcomes[trial] for trial in trials if trial.kind == kind and trial in outcomes]
        bits = [outcome["loss"] for outcome in row if outcome["result"] == "unsolved"]
        if bits:
            yield f"  {kind:16}  {mean(bits):.3f}  ({min(bits):.3f} to {max(bits):.3f}, {len(bits)} seeds)"
        else:
            yield f"  {kind:16}  {row[0]['result'] if row else 'not run'}"


def shown_length(trials: list[Trial], outcomes: Outcomes) -> int:
    """Return the length whose curves say most, where some kinds solve it and some do not; of equals the longest."""

    def contrast(length: int) -> tuple[int, int, int]:
        row = [
            (trial.kind, outcomes[trial]["result"]) for trial in trials if trial.length == length and trial in outcomes
        ]
        kinds, solving = {kind for kind, _ in row}, {kind for kind, result in row if result == "solved"}
        return min(len(solving), len(kinds - solving)), len(kinds), length

    return max({trial.length for trial in trials}, key=contrast)


def _curves(trials: list[Trial], outcomes: Outcomes) -> Iterator[str]:
    """Yield a line a kind: the loss of its median seed over the steps, in eighths of the loss without memory."""
    from typeahead.rnn.trials import baseline

    task, length = trials[0].task, shown_length(trials, outcomes)
    row = [trial for trial in trials if trial.length == length and outcomes.get(trial, {}).get("curve")]
    if not row:
        return
    full = baseline(task, length)
    without = "" if task == "bytes" else f"; full height is {full:.3g}, without memory"
    yield f"  {_LOSS[task]} over {row[0].steps:,} steps at T={length}{without}"
    for kind in _kinds(row):
        seeds = sorted((outcomes[trial] for trial in row if trial.kind == kind), key=_badness)
        middle = seeds[(len(seeds) - 1) // 2]
        end = f"{middle['result']}, {_number(middle['loss'])}"
        yield f"  {kind:16}  {curve(middle['curve'], row[0].steps, full)}  {end}"


def _badness(outcome: dict[str, Any]) -> tuple[bool, float]:
    return outcome["result"] != "solved", outcome["steps"] if outcome["result"] == "solved" else outcome["loss"] or 0


def _number(loss: float | None) -> str:
    return "no loss" if loss is None else f"{loss:.3g}"


def curve(points: list[tuple[int, float | None]], steps: int, full: float) -> str:
    """Return a curve in characters: a column for every 1/48 of the steps, as high as the loss is, blank after its end.

    Parameters
    ----------
    points : list of step and loss, or None where it was no number
    steps : int
        Of the full width.
    full : float
        The loss of the full height; more is cut off.
    """
    drawn = []
    for column in range(_COLUMNS):
        began, end = steps * column / _COLUMNS, steps * (column + 1) / _COLUMNS
        inside = [loss for step, loss in points if began < step <= end]
        later = [loss for step, loss in points if step > began]
        if not later:
            break
        height = (inside or later)[-1 if inside else 0]
        level = full if height is None else min(max(height, 0.0), full)
        drawn.append(_BLOCKS[min(len(_BLOCKS) - 1, int(level / full * len(_BLOCKS)))])
    return "".join(drawn).ljust(_COLUMNS)


def draw(trials: list[Trial], outcomes: Outcomes, picture: Path) -> None:
    """Draw, a row a task, the share of seeds that solve each length, and the losses over the steps at one of them.

    Raises
    ------
    ConfigError
        The picture cannot be written.
    """
    tasks = list(dict.fromkeys(trial.task for trial in trials))
    with drawn(picture, len(tasks), 2, figsize=(11, 3.3 * len(tasks)), squeeze=False) as (_, axes):
        for task, (left, right) in zip(tasks, axes, strict=True):
            mine = [trial for trial in trials if trial.task == task]
            _draw_shares(left, mine, outcomes)
            _draw_losses(right, mine, outcomes)


def _draw_shares(axes: Any, trials: list[Trial], outcomes: Outcomes) -> None:
    task, lengths = trials[0].task, sorted({trial.length for trial in trials})
    if task == "bytes":
        _draw_bars(axes, trials, outcomes)
        return
    for index, (kind, colour) in enumerate(zip(_kinds(trials), _COLOURS, strict=False)):
        points = []
        for length in lengths:
            row = [outcomes[t]["result"] for t in trials if (t.kind, t.length) == (kind, length) and t in outcomes]
            ended = [result for result in row if result != "stopped"]
            if ended:  # lines side by side where they would be the same
                points.append((length, ended.count("solved") / len(ended) + 0.008 * index))
        if points:
            axes.plot(*zip(*points, strict=True), label=kind, color=colour, marker="o", markersize=4)
    axes.set(xscale="log", xlabel="T", ylabel="share of seeds that solve it", title=task, ylim=(-0.05, 1.1))
    axes.set_xticks(lengths, [str(length) for length in lengths])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


def _draw_bars(axes: Any, trials: list[Trial], outcomes: Outcomes) -> None:
    def bits(kind: str) -> list[float]:
        return [outcomes[t]["loss"] or math.nan for t in trials if t.kind == kind and t in outcomes]

    kinds = [kind for kind in _kinds(trials) if bits(kind)]
    axes.barh(kinds, [mean(bits(kind)) for kind in kinds], color=_COLOURS[: len(kinds)])
    axes.invert_yaxis()
    axes.set(xlabel="bits per byte", title="bytes")


def _draw_losses(axes: Any, trials: list[Trial], outcomes: Outcomes) -> None:
    from typeahead.rnn.trials import baseline

    task, length = trials[0].task, shown_length(trials, outcomes)
    for kind, colour in zip(_kinds(trials), _COLOURS, strict=False):
        for trial in trials:
            if (trial.kind, trial.length) == (kind, length) and outcomes.get(trial, {}).get("curve"):
                points = [(step, math.nan if loss is None else loss) for step, loss in outcomes[trial]["curve"]]
                axes.plot(*zip(*points, strict=True), color=colour, linewidth=1)
    if task != "bytes":
        axes.axhline(baseline(task, length), color="black", linestyle=":", linewidth=1)
        axes.set_yscale("log")
    axes.set(
        xlabel="step", ylabel=_LOSS[task], title=f"T={length}" + ("" if task == "bytes" else " (dotted: no memory)")
    )
    axes.grid(alpha=0.3)
