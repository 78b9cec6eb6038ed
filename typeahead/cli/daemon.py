"""``typeahead daemon``: start, stop or look at the background process."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from typeahead import config
from typeahead.errors import DaemonError

_START_TIMEOUT_S = 10.0
_LOAD_TIMEOUT_S = 180.0  # the first time ever, kernels are compiled
_STOP_TIMEOUT_S = 10.0
_ANSWER_TIMEOUT_S = 2.0
_EXIT_NOT_RUNNING = 3  # what init scripts say for "status" of a program that does not run


@click.group()
def daemon() -> None:
    """Start, stop or look at the background process.

    It keeps the model warm for all of your shells and the history in order. Shells start it when they need it, and it
    ends by itself after an hour (daemon.idle_s) without any.
    """


@daemon.command()
def run() -> None:
    """Run in the foreground, until Ctrl-C."""
    from typeahead.shell.daemon import run as serve

    serve()


@daemon.command()
@click.option("--wait", is_flag=True, help="Return only when the model is loaded.")
def start(wait: bool) -> None:
    """Start in the background, if it is not running."""
    from typeahead.shell.launch import start_daemon

    status, started = start_daemon(config.socket_path(), _START_TIMEOUT_S)
    if wait:
        status = _wait_for_model()
    verb = "started" if started else "runs already"
    click.echo(f"daemon {status['pid']} {verb}; the model is {status['state']}")
    if status["state"] == "failed":
        raise DaemonError(f"the model cannot be loaded: {status['problem']}")


@daemon.command()
def stop() -> None:
    """Stop it, if it is running; shells go on with their history and start it again when they need it."""
    from typeahead.shell.launch import stop_daemon

    pid = stop_daemon(config.socket_path(), _STOP_TIMEOUT_S)
    click.echo("no daemon is running" if pid is None else f"daemon {pid} stopped")


@daemon.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Show whether it runs, with which model, since when. Exit status 3 if it does not run."""
    from typeahead.shell.protocol import request

    try:
        found = request({"op": "status"}, _ANSWER_TIMEOUT_S)
    except DaemonError as error:
        if as_json:
            click.echo(json.dumps({"running": False, "problem": str(error)}))
        else:
            click.echo("no daemon is running")
        ctx.exit(_EXIT_NOT_RUNNING)
    found = {name: value for name, value in found.items() if name not in ("op", "id")}
    if as_json:
        click.echo(json.dumps({"running": True, **found}))
        return
    for name, value in _rows(found):
        click.echo(f"{name:<12} {value}")


def _rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    load_s = found.get("load_s")
    rows = [
        ("process", f"{found['pid']}, version {found['version']}, up {found['uptime_s']:.0f} s"),
        ("model", f"{found['state']}{f' after {load_s:.1f} s' if load_s else ''}, {found.get('model')}"),
        ("memory", f"{found['memory_bytes'] / 1e6:.0f} MB"),
        ("sessions", f"{found['sessions']}, {found['connections']} connected"),
        ("learnt", f"{found['learnt']} lines since its start{', learning' if found['learning'] else ''}"),
        ("socket", found["socket"]),
        ("history", found["history"]),
        ("log", str(found.get("log"))),
    ]
    if found.get("problem"):
        rows.append(("problem", found["problem"]))
    return rows


def _wait_for_model() -> dict[str, Any]:
    from typeahead.shell.protocol import request

    deadline = time.monotonic() + _LOAD_TIMEOUT_S
    while True:
        found = request({"op": "status"}, _START_TIMEOUT_S)
        if found["state"] != "loading":
            return found
        if time.monotonic() > deadline:
            raise DaemonError(f"the model is not loaded after {_LOAD_TIMEOUT_S:.0f} s; see {found.get('log')}")
        time.sleep(0.05)
