"""``typeahead evaluate sessions``: what suggestions would have saved people whose sessions are at hand."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from typeahead.text.replay import Factory, Line, Tally

# What --without turns off in typeahead.Suggester (its keyword of that name) and --ablations does in turn. Candidates
# from the file system are none of them: the folders of other people's sessions are not here.
PARTS = {
    "adapt": "learning the weights from each command",
    "recall": "past lines",
    "mixing": "counted characters mixed with the network's",
    "model": "the network",
}
_BASELINES = {
    "none": "Nothing",
    "newest match": "NewestMatch",
    "after the same line": "AfterSamePrevious",
    "most frequent": "MostFrequent",
    "character n-gram": "CharacterNgram",
}
_QUICK_USERS = 20
_COVERAGES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0)
_WARM_UP = ("git ", "git status")  # a prefix, and the line it becomes


class Row(NamedTuple):
    """A suggester of the table, with what has been counted so far."""

    name: str
    factory: Factory
    tallies: dict[str, Tally]  # by user


@click.command()
@click.argument("file", metavar="FILE.jsonl")
@click.option("--users", type=click.IntRange(min=1), help="Only the first N users.", metavar="N")
@click.option("--quick", is_flag=True, help=f"Only {_QUICK_USERS} users, spread evenly over the file.")
@click.option("--model", help="Weights to suggest with; default: the configured ones, else those shipped.")
@click.option(
    "--dial",
    type=click.Choice(["quiet", "balanced", "eager"]),
    help="How sure a suggestion must be before it is shown; default: balanced.",
)
@click.option(
    "--without",
    type=click.Choice(list(PARTS)),
    multiple=True,
    help=f"Turn a part off; may be repeated. {'; '.join(f'{part}: {what}' for part, what in PARTS.items())}.",
)
@click.option("--ablations", is_flag=True, help="A row more for each part, with that part turned off.")
@click.option("--baselines", is_flag=True, help="Rows for simpler suggesters.")
@click.option("--calibration", is_flag=True, help="Also how often suggestions of each claimed probability were right.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes that share the users. With more than one, latencies mean nothing and are left out.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with all figures.")
def sessions(
    file: str,
    users: int | None,
    quick: bool,
    model: str | None,
    dial: str | None,
    without: tuple[str, ...],
    ablations: bool,
    baselines: bool,
    calibration: bool,
    jobs: int,
    as_json: bool,
) -> None:
    """Print the keys that suggestions would have saved real people.

    FILE.jsonl holds one command a line, in order: {"user", "cmd", and perhaps "cwd"}. Each user starts with an empty
    history; their lines are typed again key by key, and each is learnt only when it has been typed. A user presses one
    key to take a suggestion that is right, or its right next word, else the next character's.

    \b
    keys saved   1 - keys pressed / (characters + Enter); 95 % interval by drawing users anew
    vs. first    the difference to the first row, likewise, of the same users
    median user  keys saved by the user in the middle
    used         suggestions taken, wholly or by a word, of those shown (one a key)
    shown        keys before which a suggestion was shown
    flicker      times a command that a suggestion gave way to a different one
    next line    whole lines suggested before the first key
    first word   their first words
    p50, p99     time for one suggestion, milliseconds

    Ctrl-C prints what is counted by then.
    """  # noqa: D301 (click wants the character, not a backslash)
    if quick and users is not None:
        raise click.UsageError("--quick chooses the users; leave out --users or --quick")
    _keep_to_one_thread()
    from typeahead.text.replay import read_sessions

    chosen = _choose(read_sessions(file), users, quick)
    rows = [Row(name, factory, {}) for name, factory in _suggesters(model, dial, without, ablations)]
    _compile(rows[0].factory)
    if baselines:
        rows += [Row(name, factory, {}) for name, factory in _baselines()]
    try:
        _replay(rows, chosen, jobs)
        interrupted = False
    except KeyboardInterrupt:
        interrupted = True
    if not rows[0].tallies:
        raise KeyboardInterrupt
    report = {
        "file": Path(file).name,
        "users": len(chosen),
        "commands": sum(len(lines) for lines in chosen.values()),
        "dial": dial,
        "interrupted": interrupted,
        "suggesters": [_figures(row, rows[0], chosen, jobs, calibration) for row in rows if row.tallies],
    }
    click.echo(json.dumps(report) if as_json else "\n".join(_page(report)))
    if interrupted:
        raise KeyboardInterrupt


def _keep_to_one_thread() -> None:
    """Tell BLAS not to share out steps of one line; to be done before it is loaded, here and in other processes."""
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")


def _choose(users: dict[str, list[Line]], first: int | None, quick: bool) -> dict[str, list[Line]]:
    names = list(users)[:first]
    if quick and len(names) > _QUICK_USERS:
        names = [names[index * len(names) // _QUICK_USERS] for index in range(_QUICK_USERS)]
    return {name: users[name] for name in names}


def _suggesters(
    model: str | None, dial: str | None, without: Sequence[str], ablations: bool
) -> Iterator[tuple[str, Factory]]:
    """Yield ours, and with ``ablations`` ours without each part that is left, by name."""
    from typeahead.text.suggester import Suggester

    given: dict[str, Any] = {
        name: value for name, value in (("model", model), ("dial", dial)) if value is not None
    }  # the rest is what typeahead.Suggester() does by itself
    off = frozenset(without)
    for parts in [off, *(off | {part} for part in PARTS if ablations and part not in off)]:
        name = f"typeahead without {', '.join(part for part in PARTS if part in parts)}" if parts else "typeahead"
        turned_off: dict[str, Any] = {"without": parts} if parts else {}
        yield name, partial(Suggester, **given, **turned_off)


def _baselines() -> Iterator[tuple[str, Factory]]:
    from typeahead.text import baselines

    for name, attribute in _BASELINES.items():
        yield name, getattr(baselines, attribute)


def _compile(factory: Callable[[], Any]) -> None:
    """Have every kernel compiled, once and not by several processes together, and no compiler in the latencies."""
    prefix, line = _WARM_UP
    suggester = factory()
    for _ in range(2):
        suggester.suggest(prefix, None)
        suggester.record(line, None)
        suggester.suggest("", None)


def _replay(rows: Sequence[Row], users: Mapping[str, Sequence[Line]], jobs: int) -> None:
    """Fill the rows' tallies, with a bar on a terminal."""
    from typeahead.text.replay import replay_users

    tallies = {row.name: row.tallies for row in rows}
    with _bar(len(rows) * sum(len(lines) for lines in users.values())) as show:
        show(rows[0].name, 0)
        for name, user, tally in replay_users(users, {row.name: row.factory for row in rows}, jobs):
            tallies[name][user] = tally
            show(name, tally.commands)


@contextmanager
def _bar(num_commands: int) -> Iterator[Callable[[str, int], None]]:
    from tqdm import tqdm

    with tqdm(
        total=num_commands,
        bar_format="{percentage:3.0f}% {bar} {n_fmt} of {total_fmt} commands, {remaining} left, {desc}",
        dynamic_ncols=True,
        leave=False,
        disable=None,  # where standard error is no terminal
    ) as bar:

        def show(name: str, num_commands: int) -> None:
            bar.set_description_str(name, refresh=False)
            bar.update(num_commands)
            bar.refresh()

        yield show


# Figures


def _figures(row: Row, first: Row, users: Mapping[str, Sequence[Line]], jobs: int, calibration: bool) -> dict[str, Any]:
    """Return one row's figures; users in the order of the file, so that it does not matter who was ready first."""
    from typeahead.text import replay

    tallies = [row.tallies[user] for user in users if user in row.tallies]
    found = {"name": row.name, **replay.figures(tallies)}
    found["saved_interval"] = replay.interval(replay.resampled_savings(tallies))
    both = [user for user in users if user in row.tallies and user in first.tallies]
    found |= {"difference": None, "difference_interval": None}
    if row is not first and both:
        pair = [[each.tallies[user] for user in both] for each in (row, first)]
        ours, firsts = (replay.figures(each)["saved"] for each in pair)
        drawn, firsts_drawn = (replay.resampled_savings(each) for each in pair)
        found["difference"] = round(ours - firsts, 4)
        found["difference_interval"] = replay.interval(drawn - firsts_drawn)
    if jobs > 1:
        found["latency_ms"] = None
    if calibration:
        found["reliability"] = [each._asdict() for each in replay.reliability(tallies)]
        found["precision_at_coverage"] = [each._asdict() for each in replay.precision_at_coverage(tallies, _COVERAGES)]
    return found


# The page


HEADINGS = (
    "", "keys saved", "vs. first", "median user", "used", "shown", "flicker", "next line", "first word", "p50", "p99",
)  # fmt: skip


def _page(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that are printed."""
    yield f"{report['file']}: {_count(report['users'], 'user')}, {_count(report['commands'], 'command')}"
    rows = report["suggesters"]
    table = [list(HEADINGS), *([*_cells(row, report["users"])] for row in rows)]
    if len(rows) < 2:
        for cells in table:
            del cells[2]
    yield ""
    yield from _aligned(table)
    for row in rows:
        if row.get("reliability"):
            yield from _calibration(row)


def _cells(row: Mapping[str, Any], num_users: int) -> Iterator[str]:
    part = "" if row["users"] == num_users else f" ({row['users']} of {num_users} users)"
    yield row["name"] + part
    yield f"{row['saved']:.1%} {_span(row['saved_interval'])}"
    yield "" if row["difference"] is None else f"{row['difference']:+.1%} {_span(row['difference_interval'], '+')}"
    yield f"{row['saved_median_user']:.1%}"
    yield f"{row['acceptance']:.1%}"
    yield f"{row['shown_per_key']:.1%}"
    yield f"{row['flicker_per_command']:.2f}"
    yield f"{row['next_line']:.1%}"
    yield f"{row['next_first_word']:.1%}"
    latencies = row["latency_ms"]
    yield from (f"{latencies[name]:.2f}" if latencies else "-" for name in ("p50", "p99"))


def _calibration(row: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield f"{row['name']}: how often suggestions were right, by the probability they claimed"
    table = [["from", "to", "shown", "claimed", "right"]]
    table += [
        [f"{each['low']:.1f}", f"{each['high']:.1f}", f"{each['shown']:,}", f"{each['claimed']:.1%}",
         f"{each['right']:.1%}"]
        for each in row["reliability"]
    ]  # fmt: skip
    yield from _aligned(table)
    yield ""
    yield f"{row['name']}: how often the surest suggestions were right, by the keys before which they are shown"
    table = [["shown", "least claimed", "right"]]
    table += [[f"{each[name]:.1%}" for name in ("coverage", "least", "right")] for each in row["precision_at_coverage"]]
    yield from _aligned(table)


def _aligned(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the rows with their cells below one another, the first column to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for first, *others in table:
        cells = [first.ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(others, widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()


def _span(bounds: Sequence[float], sign: str = "") -> str:
    return "[" + ", ".join(f"{100 * bound:{sign}.1f}" for bound in bounds) + "]"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
