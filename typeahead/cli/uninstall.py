"""``typeahead uninstall``: everything that typeahead has left on this machine goes."""

from __future__ import annotations

import click

from typeahead import config


@click.command()
@click.option("--history", is_flag=True, help="Your history and what was learnt from it, too.")
@click.option("--dry-run", is_flag=True, help="Only tell what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def uninstall(history: bool, dry_run: bool, yes: bool) -> None:
    """Remove all that typeahead keeps here, but for your history.

    That is its line in the start-up files of your shells, settings, compiled kernels, log and socket. The program
    itself is removed by what has installed it.
    """
    from typeahead.cli import printable
    from typeahead.shell import traces

    found = traces.find(history)
    for trace in found:
        click.echo(f"{printable(str(trace.path))}: {trace.what}")
    if not history and config.history_file().exists():
        click.echo(f"stays: {printable(str(config.data_dir()))}: your history (--history removes it, too)")
    if not found:
        click.echo("nothing else is here")
    if dry_run or not found:
        return
    if not yes:
        click.confirm("Remove this?", abort=True)
    traces.remove(found)
    click.echo("removed; the program itself goes with: uv tool uninstall typeahead, or pip uninstall typeahead")
