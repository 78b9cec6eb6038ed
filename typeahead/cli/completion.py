"""``typeahead completion``: Tab for our own command line."""

from __future__ import annotations

import os

import click

VARIABLE = "_TYPEAHEAD_COMPLETE"  # set by the shells' functions when they ask


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes Tab complete our own commands.

    \b
    eval "$(typeahead completion bash)"       in ~/.bashrc, and with zsh in ~/.zshrc
    typeahead completion fish | source        in ~/.config/fish/config.fish
    """  # noqa: D301
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(click.get_current_context().find_root().command, {}, "typeahead", VARIABLE).source())


def answer(command: click.Command) -> int:
    """Answer the question that a shell's function asks by the environment; return the exit status."""
    from click.shell_completion import shell_complete

    return shell_complete(command, {}, "typeahead", VARIABLE, os.environ[VARIABLE])
