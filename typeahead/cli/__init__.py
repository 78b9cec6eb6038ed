"""The command line: each command parses, calls one function, prints.

A subcommand's module is imported only when that subcommand runs or prints its own help; ``typeahead --help`` takes the
one-line descriptions from the table below, so it loads none of them.

Exit status: 0 done; 1 (or the error's own) an error the user can act on; 2 wrong usage; 70 a bug of ours; 130 Ctrl-C;
141 the reader of standard output went away.
"""

from __future__ import annotations

import difflib
import errno
import importlib
import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from typing import NamedTuple, NoReturn, cast

import click

from typeahead import __version__
from typeahead.errors import TypeaheadError

EXIT_BUG = 70  # EX_SOFTWARE of sysexits.h
EXIT_INTERRUPTED = 130  # 128 + SIGINT, what a shell reports for a program that Ctrl-C ended
EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE


class Subcommand(NamedTuple):
    """Where a subcommand lives, and the words that its own help begins with."""

    module: str
    attribute: str
    summary: str


SUBCOMMANDS: dict[str, Subcommand] = {
    "shell": Subcommand("typeahead.cli.shell", "shell", "Open your shell with completions in grey (the default)."),
    "init": Subcommand("typeahead.cli.init", "init", "Print what brings suggestions into your own shell."),
    "complete": Subcommand("typeahead.cli.complete", "complete", "Print ranked completions of PREFIX."),
    "why": Subcommand("typeahead.cli.why", "why", "Print what could complete PREFIX, and why it is shown or not."),
    "forget": Subcommand("typeahead.cli.forget", "forget", "Forget lines for good."),
    "stats": Subcommand("typeahead.cli.stats", "stats", "Print what suggestions have been worth to you."),
    "history": Subcommand(
        "typeahead.cli.history", "history", "Import, export, list or search the commands that are remembered."
    ),
    "keys": Subcommand("typeahead.cli.keys", "keys", "Print what the keys do."),
    "config": Subcommand("typeahead.cli.config", "config", "Show or change settings."),
    "train": Subcommand(
        "typeahead.cli.train", "train", "Train a network on text, or with --voice on recordings of words."
    ),
    "listen": Subcommand("typeahead.cli.listen", "listen", "Listen for spoken words and do what they stand for."),
    "enrol": Subcommand("typeahead.cli.enrol", "enrol", "Teach a word or a short phrase, from a few takes."),
    "watch": Subcommand("typeahead.cli.watch", "watch", "Watch readings as they come, and say when they turn odd."),
    "evaluate": Subcommand("typeahead.cli.evaluate", "evaluate", "Print how well a model predicts files."),
    "inspect": Subcommand("typeahead.cli.inspect", "inspect", "Print what a model file holds and how it was made."),
    "bench": Subcommand("typeahead.cli.bench", "bench", "Measure what the networks can do, beside what is published."),
    "daemon": Subcommand("typeahead.cli.daemon", "daemon", "Start, stop or look at the background process."),
    "doctor": Subcommand("typeahead.cli.doctor", "doctor", "Look at everything typeahead needs, and say what to do."),
    "uninstall": Subcommand(
        "typeahead.cli.uninstall",
        "uninstall",
        "Remove all that typeahead keeps here, but for your history.",
    ),
    "completion": Subcommand(
        "typeahead.cli.completion", "completion", "Print what makes Tab complete our own commands."
    ),
}


class _LazyGroup(click.Group):
    """A group that reads `SUBCOMMANDS` and imports a subcommand's module on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = SUBCOMMANDS.get(cmd_name)
        if entry is None:
            return None
        return cast(click.Command, getattr(importlib.import_module(entry.module), entry.attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in SUBCOMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in SUBCOMMANDS:
            near = difflib.get_close_matches(args[0], [*SUBCOMMANDS, "--help", "--version"], n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=_LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="typeahead", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Print the traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Complete what you type, in your own shell, with a recurrent network.

    Without a command, open the shell.
    """
    if ctx.invoked_subcommand is None:
        shell = cli.get_command(ctx, "shell")
        assert shell is not None
        with shell.make_context("shell", [], parent=ctx) as shell_ctx:
            shell.invoke(shell_ctx)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line on ``args`` (default: the process's own) and exit with its status."""
    arguments = list(sys.argv[1:] if args is None else args)
    try:
        status = _run(arguments)
    except KeyboardInterrupt:  # while an error was being printed
        status = EXIT_INTERRUPTED
    sys.exit(status)


def _run(arguments: list[str]) -> int:
    """Run one command and turn whatever ends it into an exit status and at most one line on standard error."""
    debug = False
    try:
        if "_TYPEAHEAD_COMPLETE" in os.environ:  # a shell's function asks (typeahead completion)
            from typeahead.cli.completion import answer

            return answer(cli)
        with cli.make_context("typeahead", list(arguments)) as ctx:
            debug = ctx.params["debug"]
            cli.invoke(ctx)
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where a failure has a status, not in the interpreter's last breath
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _explain("interrupted", debug)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _abandon_stdout()
        return EXIT_BROKEN_PIPE
    except Exception as error:
        return report(error, arguments, debug)
    return 0


def report(error: Exception, arguments: Sequence[str], debug: bool = False) -> int:
    """Print one line about the error that ended ``typeahead ARGUMENTS...`` and return the status to exit with.

    To be called while the error is handled: ``debug`` puts its traceback before the line.
    """
    if isinstance(error, TypeaheadError):
        _explain(str(error), debug)
        return error.exit_code
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        _abandon_stdout()
        where = error.filename if isinstance(error.filename, str) else "the output"
        _explain(f"{where}: {error.strerror}; make room and run this again", debug)
        return TypeaheadError.exit_code
    if isinstance(error, MemoryError):
        _explain(f"out of memory ({error or 'no details'}); ask for less, or run this on a larger machine", debug)
        return TypeaheadError.exit_code
    rerun = shlex.join(["typeahead", "--debug", *arguments])
    hint = "please report the traceback above" if debug else f"for the traceback: {rerun}"
    _explain(f"this is a bug: {type(error).__name__}: {error}; {hint}", debug)
    return EXIT_BUG


def _explain(message: str, debug: bool) -> None:
    """Print ``message`` as one line on standard error, after the current exception's traceback with ``--debug``."""
    if debug:
        click.echo(traceback.format_exc(), err=True, nl=False)
    # A file name or a shell's answer inside a message may hold newlines or terminal sequences.
    click.echo(f"typeahead: {printable(message)}", err=True)


def printable(text: str) -> str:
    """Return ``text`` with what would drive a terminal, or end the line, written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _abandon_stdout() -> None:
    """Let what is still buffered go nowhere, so that the interpreter's own last flush does not fail again."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
