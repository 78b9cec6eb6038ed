"""``typeahead history``: what is remembered of your commands; taking over what other shells have kept."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from typeahead import config
from typeahead.cli import printable
from typeahead.cli.moments import Moment
from typeahead.errors import HistoryError

if TYPE_CHECKING:
    from typeahead.history import Event, History
    from typeahead.history.importers import Imported
    from typeahead.history.lookup import Mode

_NO_TIME_S = 1e8  # starts before 1973 are places in an imported file that told no times


@click.group()
def history() -> None:
    """Import, export, list or search the commands that are remembered.

    They are kept in one file on this machine. `typeahead forget` removes some of them for good.
    """


@history.command("import")
@click.argument(
    "format_",
    metavar="[auto|bash|zsh|fish|atuin|typeahead]",
    type=click.Choice(["auto", "bash", "zsh", "fish", "atuin", "typeahead"]),
    default="auto",
)
@click.option("--file", "path", type=click.Path(path_type=Path), help="Read this file, not where the shell keeps it.")
@click.option("--dry-run", is_flag=True, help="Count only; store nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a file.")
def import_(format_: str, path: Path | None, dry_run: bool, as_json: bool) -> None:
    """Take over the history of bash, zsh, fish or atuin, or an export of ours (typeahead).

    By default every history that is found in its usual place; --file names another one, whose format is seen from what
    it holds. Do it as often as you like: what is there already is not stored twice, also when the file has grown or
    lost its oldest lines. Secrets that are recognised are left out of the commands that are stored, and their kinds
    are counted here. The other shell's own file is only read.
    """
    from typeahead.history import formats, importers

    if path is not None:
        sources = [(path, formats.recognised(path) if format_ == "auto" else format_)]
    else:
        sources = [source for source in importers.found_files() if format_ in ("auto", source[1])]
    if not sources:
        kind = "of bash, zsh, fish or atuin" if format_ == "auto" else f"of {format_}"
        raise HistoryError(f"no history {kind} is in its usual place; name the file with --file")
    store = _open()
    try:
        for source, name in sources:
            _print_imported(importers.import_file(store, source, name, dry_run), dry_run, as_json)
    finally:
        store.close()


def _print_imported(imported: Imported, dry_run: bool, as_json: bool) -> None:
    if as_json:
        counts = {name: getattr(imported, name) for name in ("read", "new", "known", "private")}
        found = {"file": str(imported.path), "format": imported.format, **counts, "secrets": dict(imported.secrets)}
        click.echo(json.dumps({**found, "dry_run": dry_run}))
        return
    line = f"{imported.format}: {printable(str(imported.path))}: {imported.read} read, {imported.new} new"
    line += f"{' (not stored: --dry-run)' if dry_run else ''}, {imported.known} there already"
    if imported.private:
        line += f", {imported.private} private (a space before them) left out"
    click.echo(line)
    for kind, count in sorted(imported.secrets.items()):
        click.echo(f"  {count} without the {kind} in {'it' if count == 1 else 'them'}")


@history.command()
@click.option("--since", type=Moment(), help="Only what was started since then: 2h, 3d, today, 2026-11-22T18:30.")
def export(since: float | None) -> None:
    """Print all commands as JSON lines, in the order in which they came.

    `typeahead history import --file` reads them again, on another machine for example.
    """
    store = _open()
    try:
        for event in store.events():
            if since is None or event.started >= since:
                click.echo(json.dumps(_fields(event)))
    finally:
        store.close()


_only_here = click.option("--cwd", metavar="FOLDER", help="Only those run in this folder; . is this one.")
_only_session = click.option("--session", help="Only those of this session.")
_only_failed = click.option("--failed", is_flag=True, help="Only those that failed.")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")


@history.command("list")
@click.option("-n", "n", type=click.IntRange(1), default=50, show_default=True, help="How many at most.")
@_only_here
@_only_session
@_only_failed
@_as_json
def list_(n: int, cwd: str | None, session: str | None, failed: bool, as_json: bool) -> None:
    """Print the last commands, the oldest of them first: start, exit status, command."""
    store = _open()
    try:
        events = store.latest(n, cwd=_folder(cwd), session=session, failed=failed or None)
    finally:
        store.close()
    _print_events(events[::-1], as_json)


@history.command()
@click.argument("text")
@click.option("--prefix", is_flag=True, help="Only commands that start with TEXT.")
@click.option("-n", "n", type=click.IntRange(1), default=50, show_default=True, help="How many at most.")
@_only_here
@_only_session
@_only_failed
@_as_json
def search(text: str, prefix: bool, n: int, cwd: str | None, session: str | None, failed: bool, as_json: bool) -> None:
    """Print the commands that hold TEXT, each once, the newest last: its last start, exit status, command.

    Capitals and small letters differ. Exit status 1 if there is none.
    """
    store = _open()
    try:
        where: Mode = "prefix" if prefix else "substring"
        events = store.search(text, where, cwd=_folder(cwd), session=session, failed=failed or None, limit=n)
    finally:
        store.close()
    _print_events(events[::-1], as_json)
    if not events:
        raise click.exceptions.Exit(1)


def _open() -> History:
    from typeahead.history import History

    return History(config.history_file())


def _folder(cwd: str | None) -> str | None:
    return None if cwd is None else os.path.abspath(cwd)


def _print_events(events: list[Event], as_json: bool) -> None:
    for event in events:
        if as_json:
            click.echo(json.dumps({"id": event.id, **_fields(event)}))
            continue
        moment = time.localtime(event.started)
        when = "-" if event.started < _NO_TIME_S else time.strftime("%Y-%m-%d %H:%M:%S", moment)
        status = "-" if event.status is None else str(event.status)
        click.echo(f"{when:<19}  {status:>3}  {printable(event.command)}")


def _fields(event: Event) -> dict[str, Any]:
    return {name: value for name, value in event._asdict().items() if name != "id"}
