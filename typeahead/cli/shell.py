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

    Your ~/.bashrc is read, and everything you run, run by one live bash. Right, End, Ctrl-E or Ctrl-F take a
    completion, Alt-F or Ctrl-Right a word of it, Alt-N and Alt-P show others in turn, Shift-Delete or Ctrl-X K forget
    it for ever, Esc or Ctrl-G dismiss it. Ctrl-D or `exit` leave.
    """
    from typeahead.shell import startup

    sys.exit(startup.run(program=program, suggest=suggest, private=private))
