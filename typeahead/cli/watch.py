"""``typeahead watch``: readings in, a word where they turn odd."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from typeahead.cli.watch_report import harmless
from typeahead.cli.watch_session import NO_ALARM, Options, Session
from typeahead.errors import ConfigError, SensorError
from typeahead.sensor.formats import FORMATS

if TYPE_CHECKING:
    from typeahead.sensor.anomaly import Watcher


_PICTURES = (".png", ".pdf", ".svg", ".jpg")


@click.command(epilog=f"Exit status: 0; with --until-alarm {NO_ALARM} where there was no alarm; 130 after Ctrl-C.")
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--column", "columns", multiple=True, metavar="NAME|N", help="Watch this column; may be given again.")
@click.option("--field", "fields", multiple=True, metavar="PATH", help="Watch this field of JSON lines, as in a.b.0.")
@click.option("--time", "time_column", metavar="NAME|N", help="The column or field with the time.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    help="What lines look like.  [default: what they do look like]",
)
@click.option("--follow", "-f", is_flag=True, help="Go on as the files grow.")
@click.option(
    "--one-in",
    type=click.IntRange(min=2, max=10**10),
    metavar="N",
    help="Alarm at what is so odd once in N readings.  [default: 1000]",
)
@click.option("--model", metavar="MODEL", help="Go on from a saved model, without learning first.")
@click.option("--save", metavar="MODEL", help="Save what has been learnt, at the end or at Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object an alarm.")
@click.option("--scores", is_flag=True, help="Print a line, with --json an object, for each reading.")
@click.option("--quiet", "-q", is_flag=True, help="Print alarms alone: no view, no summary.")
@click.option(
    "--exec", "command", metavar="COMMAND", help="Run it at an alarm, with the reading in TYPEAHEAD_SERIES..."
)
@click.option("--until-alarm", is_flag=True, help=f"Leave at the first alarm; status {NO_ALARM} if none comes.")
@click.option("--plot", metavar="PICTURE", help="Draw readings, expectations and alarms at the end.")
@click.pass_context
def watch(ctx: click.Context, /, files: tuple[str, ...], **options: Any) -> None:
    """Watch readings as they come, and say when they turn odd.

    Reads lines with numbers from files or standard input: columns, CSV or TSV with or without a header, or JSON, and
    learns what they are like while it reads. On a terminal it shows them beside what is expected; elsewhere it prints a
    line for each alarm.

    \b
    vmstat 1 | typeahead watch
    ping example.org | typeahead watch --column time
    typeahead watch --time timestamp --plot cpu.png cpu.csv
    typeahead watch --follow --field room.temperature --exec 'notify-send "$TYPEAHEAD_MESSAGE"' sensor.jsonl
    """  # noqa: D301 (click wants the character, not a backslash)
    ctx.exit(_watch(files or ("-",), options))


def _watch(files: Sequence[str], options: dict[str, Any]) -> int:
    from typeahead.cli.listen_keys import Keys
    from typeahead.cli.listen_view import Screen
    from typeahead.cli.watch_display import Display
    from typeahead.sensor.following import lines
    from typeahead.sensor.readings import Parser, Selection
    from typeahead.shell import prompt

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a series may be called anything, in any locale
    is_stdin_taken = "-" in files
    _check(files, options)
    is_plain = options["as_json"] or options["scores"] or options["quiet"] or prompt.is_dumb()
    is_shown = sys.stdout is not None and sys.stdout.isatty() and not is_plain
    selection = Selection(options["columns"], options["time_column"], options["fields"], options["format_"])

    def open_lines(stop: Callable[[], bool]) -> Iterable[bytes]:
        return lines(files, follow=options["follow"], stop=stop)

    session = Session(
        Parser(selection),
        open_lines,
        lambda: _prepared(options["model"], options["one_in"]),
        Options(
            is_live=is_stdin_taken or options["follow"],
            as_json=options["as_json"],
            scores=options["scores"],
            quiet=options["quiet"],
            until_alarm=options["until_alarm"],
            save=options["save"],
            source="standard input" if is_stdin_taken else files[0],
        ),
        Display(Screen(), Keys.of_terminal(is_stdin_taken)) if is_shown else None,
        options["command"],
        has_plot=options["plot"] is not None,
    )
    try:
        return session.run()
    finally:
        if session.extremes is not None:
            from typeahead.cli.watch_plot import draw

            draw(session.extremes, options["plot"])


def _check(files: Sequence[str], options: dict[str, Any]) -> None:
    """See that there is something to read, and room for what is written at the end, hours later.

    Raises
    ------
    ConfigError
        Options that do not fit together, or there is nobody to give readings.
    SensorError
        A file that could not be written.
    """
    if "-" in files:
        if sys.stdin is None or sys.stdin.isatty():
            is_closed = "is closed" if sys.stdin is None else "is the keyboard"
            raise ConfigError(
                f"standard input {is_closed}; pipe readings in (vmstat 1 | typeahead watch) or name a file"
            )
        if options["follow"]:
            raise ConfigError("--follow is for files, and standard input is none; leave it out")
    for option in ("save", "plot"):
        if (name := options[option]) is not None:
            path = Path(name).absolute()
            if path.is_dir() or not path.parent.is_dir():
                raise SensorError(f"--{option} {name}: cannot be written there; name a file in a folder that exists")
    picture = options["plot"]
    if picture is not None and not picture.lower().endswith(_PICTURES):
        raise SensorError(f"--plot {picture}: is no kind of picture; let it end in {', '.join(_PICTURES)}")


def _prepared(model: str | None, one_in: int | None) -> Callable[[Sequence[str]], Watcher]:
    """Load and compile what there is; return what makes a watcher for series of these names."""
    from typeahead.sensor.anomaly import WatchConfig, Watcher

    config = WatchConfig() if one_in is None else WatchConfig(threshold=math.log10(one_in) / 10)
    Watcher().warm_up()
    loaded = Watcher.load(model, config) if model is not None else None

    def make(names: Sequence[str]) -> Watcher:
        if loaded is None:
            return Watcher(names, config)
        if tuple(names) != tuple(loaded.names):
            raise SensorError(
                f"{model}: was learnt from {_listed(loaded.names)}, and this is {_listed(names)}; "
                "choose its series with --column or --field, in its order, or leave --model out"
            )
        return loaded

    return make


def _listed(names: Sequence[str]) -> str:
    """Return names as a short list."""
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(harmless(name) for name in names[:4]) + more
