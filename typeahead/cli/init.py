"""``typeahead init``: suggestions in one's own shell."""

from __future__ import annotations

import click

from typeahead.shell import integration


@click.command()
@click.argument("shell", required=False, metavar="zsh|bash|fish")
@click.option("--install", "action", flag_value="install", help="Have the shell's start-up file read it.")
@click.option("--uninstall", "action", flag_value="uninstall", help="Take that back.")
def init(shell: str | None, action: str | None) -> None:
    """Print what brings suggestions into your own shell.

    In ~/.zshrc: eval "$(typeahead init zsh)"; in ~/.bashrc: eval "$(typeahead init bash)"; in
    ~/.config/fish/config.fish: typeahead init fish | source.

    With --install one line at the end of the start-up file reads the same from a file that is kept up to date, so that
    no Python is started for it.

    In zsh, and in bash with ble.sh, the suggestion is grey text while you type. In bash alone and in fish nobody can
    add grey text that stays right; there Alt-; fills in the suggestion (again: the next one), Alt-, a word of it.
    typeahead_off ends it for a session.
    """
    name = integration.check(shell)
    if action == "install":
        click.echo(f"{integration.install(name)}: new {name} sessions have suggestions")
    elif action == "uninstall":
        path = integration.uninstall(name)
        click.echo(f"{path}: the line is removed" if path else f"{integration.startup_file(name)}: has no line of ours")
    else:
        click.echo(integration.script(name), nl=False)
