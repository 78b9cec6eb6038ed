"""``typeahead why``: what could be suggested, and what speaks for and against it."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from typeahead.cli import printable
from typeahead.cli.complete import ask_daemon
from typeahead.errors import DaemonError


@click.command()
@click.argument("prefix")
@click.option("-n", "n", type=click.IntRange(1, 50), default=10, show_default=True, help="How many at most.")
@click.option("--cwd", type=click.Path(), help="The folder in which the line would run; default: this one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def why(prefix: str, n: int, cwd: str | None, as_json: bool) -> None:
    """Print what could complete PREFIX, and why it is shown or not.

    What would be shown comes first, marked >; the others follow by what they are worth.

    \b
    worth     keystrokes that it is expected to save
    chance    that the line goes on like this
    source    where it comes from
    """  # noqa: D301
    folder = os.path.abspath(cwd) if cwd is not None else os.getcwd()
    reply = ask_daemon("why", prefix, n, folder)
    if reply is None:
        raise DaemonError("no daemon with your model answers; restart it: typeahead daemon stop, then start")
    reasons = reply["reasons"]
    if as_json:
        click.echo(json.dumps({"prefix": prefix, "reasons": reasons}))
        return
    if not reasons:
        click.echo("nothing completes this")
        return
    width = max(len(one["source"]) for one in reasons)
    click.echo(f"  {'worth':>7} {'chance':>8}  {'source':<{width}}  line")
    for one in reasons:
        for line in _rows(one, max(width, len("source"))):
            click.echo(line)


def _rows(reason: dict[str, Any], width: int) -> list[str]:
    """Return a candidate's line of the table, and the one below it with its features and what speaks against it."""
    chance = "-" if reason["probability"] is None else f"{100 * reason['probability']:.1f} %"
    worth = "-" if reason["worth"] is None else f"{reason['worth']:.2f}"
    mark = ">" if reason["shown"] else " "
    rows = [f"{mark} {worth:>7} {chance:>8}  {reason['source']:<{width}}  {printable(reason['text'])}"]
    details = [f"{name} {_number(value)}" for name, value in reason["features"].items()]
    if reason["rejected"]:
        details.insert(0, f"not shown: {printable(reason['rejected'])}")
    if details:
        rows.append(f"{'':{width + 22}}{'; '.join(details)}")
    return rows


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
