"""``typeahead stats``: what suggestions have been worth to this user."""

from __future__ import annotations

import json
from typing import Any

import click

from typeahead import config
from typeahead.cli.moments import Moment
from typeahead.errors import DaemonError

_ANSWER_TIMEOUT_S = 2.0


@click.command()
@click.option("--since", type=Moment(), help="Count lines run since then: 2h, 3d, today, 2026-11-22T18:30.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def stats(since: float | None, as_json: bool) -> None:
    """Print what suggestions have been worth to you.

    The figures come from the lines that you have typed in typeahead's own shell, and stay on this machine.
    """
    found = _used(since)
    daemon = _daemon()
    if as_json:
        click.echo(json.dumps({**found, "daemon": daemon}))
        return
    for name, value in [*_rows(found), ("daemon", _words(daemon))]:
        click.echo(f"{name:<12} {value}")


def _used(since: float | None) -> dict[str, Any]:
    from typeahead.history import History
    from typeahead.shell.figures import summarise

    path = config.history_file()
    if not path.exists():
        return summarise([])
    history = History(path)
    try:
        return summarise([usage.use for usage in history.usage(since)])
    finally:
        history.close()


def _daemon() -> dict[str, Any] | None:
    from typeahead.shell.protocol import request

    try:
        reply = request({"op": "stats"}, _ANSWER_TIMEOUT_S)
    except DaemonError:
        return None
    return {name: value for name, value in reply.items() if name not in ("op", "id")}


def _rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    if not found["lines"]:
        return [("lines", "none typed in typeahead's shell yet")]
    return [
        ("lines", f"{found['lines']}, of {found['characters']} characters with Enter"),
        ("keys saved", f"{_percent(found['saved'])}: {found['keys']} keys were pressed"),
        ("shown", f"before {_percent(found['shown_per_key'])} of the keys"),
        ("acceptance", f"{_percent(found['acceptance'])} of suggestions shown were taken, wholly or a word"),
        ("precision", f"{_percent(found['precision'])} of lines with suggestions had one taken"),
        ("latency", _milliseconds(found["latency_ms"])),
    ]


def _words(daemon: dict[str, Any] | None) -> str:
    if daemon is None:
        return "not running"
    learning = ", learning" if daemon["learning"] else ""
    answers = f"{daemon['questions']} questions answered"
    speed = f", {_milliseconds(daemon['latency_ms'])}" if daemon["latency_ms"] else ""
    return (
        f"version {daemon['version']}, model {daemon['state']}, {daemon['learnt']} lines learnt{learning}, "
        f"{answers}{speed} (since its start)"
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _milliseconds(quantiles: dict[str, float] | None) -> str:
    return "-" if quantiles is None else f"p50 {quantiles['p50']:.1f} ms, p99 {quantiles['p99']:.1f} ms"
