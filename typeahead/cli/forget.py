"""``typeahead forget``: lines that shall be as if they had never been typed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from typeahead import config
from typeahead.cli import printable
from typeahead.cli.moments import Moment
from typeahead.errors import DaemonError, HistoryError

if TYPE_CHECKING:
    from typeahead.history import Event

_ANSWER_TIMEOUT_S = 60.0  # the store's file is rewritten
_PING_TIMEOUT_S = 2.0
_NUM_LISTED = 10


@click.command()
@click.argument("pattern", required=False)
@click.option(
    "--last", type=click.IntRange(min=1), is_flag=False, flag_value=1, help="The newest line, or the newest N."
)
@click.option("--since", type=Moment(), help="What was run since then: 2h, 3d, today, 2026-11-22T18:30.")
@click.option("--dry-run", is_flag=True, help="Only tell what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def forget(
    ctx: click.Context, pattern: str | None, last: int | None, since: float | None, dry_run: bool, yes: bool
) -> None:
    """Forget lines for good.

    They go from the history, from what was learnt of them and from what is suggested.

    PATTERN is a part of the line; with *, ? or [...] in it, the whole line as file names are matched.

    \b
    typeahead forget hunter2
    typeahead forget 'ssh *'
    typeahead forget --last
    typeahead forget --since 2h
    """  # noqa: D301
    given: dict[str, Any] = {"pattern": pattern, "last": last, "since": since}
    criteria = {name: value for name, value in given.items() if value is not None}
    if len(criteria) != 1:
        raise click.UsageError("say what to forget by one of PATTERN, --last and --since", ctx)
    found = _matching(criteria)
    if not found:
        raise HistoryError(f"nothing in the history matches {_words(criteria)}; typeahead history list shows it all")
    _show(found)
    if dry_run:
        return
    if not yes and sys.stdin.isatty():
        click.confirm("Forget?", abort=True)
    num_lines, by_daemon = _forget(criteria)
    when = "is learning anew without them" if by_daemon else "learns anew without them when it starts next"
    click.echo(f"forgot {_count(num_lines, 'line')}; the daemon {when}")


def _matching(criteria: dict[str, Any]) -> list[Event]:
    """Return what would be forgotten; what shells have not handed to the store yet is not among it."""
    from typeahead.history import History

    path = config.history_file()
    if not path.exists():
        return []
    history = History(path)
    try:
        return history.matching(**criteria)
    finally:
        history.close()


def _forget(criteria: dict[str, Any]) -> tuple[int, bool]:
    """Have the daemon forget or, where there is none, do it here; return how many lines, and whether the daemon did."""
    from typeahead.history import History
    from typeahead.shell.protocol import request

    try:
        status = request({"op": "ping"}, _PING_TIMEOUT_S)
    except DaemonError:
        status = {}
    path = config.history_file()
    if status.get("history") == os.path.abspath(path):
        reply = request({"op": "forget", **criteria}, _ANSWER_TIMEOUT_S)
        if "problem" in reply:
            raise HistoryError(str(reply["problem"]))
        return int(reply["forgotten"]), True
    history = History(path)
    try:
        return len(history.forget(**criteria)), False
    finally:
        history.close()


def _show(events: list[Event]) -> None:
    """Print how many lines there are, and the newest of them."""
    distinct = list(dict.fromkeys(event.command for event in reversed(events)))
    click.echo(f"{_count(len(events), 'line')}, {len(distinct)} distinct:")
    for command in distinct[:_NUM_LISTED]:
        click.echo(f"  {printable(command)}")
    if len(distinct) > _NUM_LISTED:
        click.echo(f"  and {len(distinct) - _NUM_LISTED} more")


def _words(criteria: dict[str, Any]) -> str:
    if "pattern" in criteria:
        return repr(criteria["pattern"])
    return "--last" if "last" in criteria else "--since"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
