"""``typeahead shell``: the session at the terminal."""

from __future__ import annotations

import sys

import click


@click.command()
@click.option("--shell", "program", metavar="PROGRAM", help="The bash or zsh to run underneath: a name or a path.")
@click.option("--suggest/--no-suggest", default=None, help="Show completions in grey (the default), or none.")
@click.option("--private", is_flag=True, help="Keep nothing of what you run: no history, nothing learnt.")
def shell(program: str | None, suggest: bool | None, private: bool) -> None:
    """Open your shell with completions in grey (the default).

    Your own bash or zsh runs every line, one live process that has read your start-up files. Right takes a completion,
    Alt-F a word of it, Alt-N shows another; Tab completes as your shell does, Ctrl-R searches; F4 listens to what you
    say; `typeahead keys` prints all the keys. Ctrl-D or `exit` leave.
    """
    from typeahead.shell import startup
    from typeahead.voice.commands import commands

    sys.exit(startup.run(program=program, suggest=suggest, private=private, commands=commands))
