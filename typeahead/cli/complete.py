"""``typeahead complete``: ranked completions of a started line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from typeahead import config
from typeahead.errors import DaemonError

_START_TIMEOUT_S = 10.0
_ANSWER_TIMEOUT_S = 180.0  # the first time ever, kernels are compiled


@click.command()
@click.argument("prefix")
@click.option("-n", "n", type=click.IntRange(1, 50), default=5, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="Weights to complete with, in this process; default: the daemon and its model.",
)
@click.option("--cwd", type=click.Path(), help="The folder in which the line would run; default: this one.")
@click.option("--no-daemon", is_flag=True, help="Load the model in this process; without what the daemon has learnt.")
def complete(prefix: str, n: int, as_json: bool, model: Path | None, cwd: str | None, no_daemon: bool) -> None:
    """Print ranked completions of PREFIX, each a whole line after its log-probability (nats) and its source.

    \b
    typeahead complete "git com"
    typeahead complete -n 1 --json "tar "
    """  # noqa: D301
    folder = os.path.abspath(cwd) if cwd is not None else os.getcwd()
    found = None if model is not None or no_daemon else _from_daemon(prefix, n, folder)
    if found is None:
        found = _in_process(prefix, n, folder, model)
    if as_json:
        click.echo(json.dumps({"prefix": prefix, "completions": found}))
        return
    for one in found:
        click.echo(f"{one['log_prob']:8.3f}  {one['source']:<7}  {one['text']}")


def _from_daemon(prefix: str, n: int, cwd: str) -> list[dict[str, Any]] | None:
    reply = ask_daemon("suggest", prefix, n, cwd)
    return None if reply is None else list(reply["suggestions"])


def ask_daemon(op: str, prefix: str, n: int, cwd: str) -> dict[str, Any] | None:
    """Ask the daemon's model; return ``None`` when there is none or it has another model than we are configured for.

    Raises
    ------
    DaemonError
        The prefix is too long, the model cannot be loaded, or no answer comes.
    """
    from typeahead.shell.launch import start_daemon
    from typeahead.shell.protocol import MAX_PREFIX, request

    if len(prefix) > MAX_PREFIX:
        raise DaemonError(f"a prefix of {len(prefix)} characters is too long; at most {MAX_PREFIX}")
    try:
        status, _ = start_daemon(config.socket_path(), _START_TIMEOUT_S)
    except DaemonError:
        return None
    if status.get("model") != os.path.abspath(config.shell_model()):
        return None
    reply = request({"op": op, "prefix": prefix, "cwd": cwd, "n": n, "wait": True}, _ANSWER_TIMEOUT_S)
    if reply.get("state") != "warm":
        raise DaemonError(reply.get("problem") or "the daemon's model is not loaded; see typeahead daemon status")
    return reply


def _in_process(prefix: str, n: int, cwd: str, model: Path | None) -> list[dict[str, Any]]:
    """Suggest without a daemon: with the weights as they are and the lines of the history."""
    from typeahead.history import History
    from typeahead.shell.daemon import load_model
    from typeahead.shell.protocol import is_safe

    loaded = load_model(model or config.shell_model(), config.load().text)
    if config.history_file().exists():
        history = History(config.history_file())
        try:
            loaded.catch_up(history, lambda: False)
        finally:
            history.close()
    suggestions = loaded.open("complete").suggest(prefix, cwd, n)
    return [
        {"text": one.text, "source": one.source, "log_prob": one.log_prob} for one in suggestions if is_safe(one.text)
    ]
