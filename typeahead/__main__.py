"""The console script. A bare ``typeahead`` is on the screen before the command line's parser would be loaded."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # `typing` would keep the prompt waiting
if TYPE_CHECKING:
    from typing import NoReturn

    from typeahead.errors import TypeaheadError
    from typeahead.voice.commands import Command


def main() -> None:
    """Run the command line; Ctrl-C that comes before it can say what that means ends it without a word."""
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(130)


def _run() -> None:
    bare = sys.argv[1:] in ([], ["shell"], ["shell", "--private"])
    if bare and "_TYPEAHEAD_COMPLETE" not in os.environ:  # with it, a shell asks what could follow
        _open_shell(private="--private" in sys.argv)
    if len(sys.argv) == 3 and sys.argv[1] == "init" and not sys.argv[2].startswith("-"):
        _print_integration(sys.argv[2])
    from typeahead.cli import main as cli_main

    cli_main()


def _open_shell(private: bool) -> None:
    """Open the shell with the settings as they are."""
    from typeahead.errors import TypeaheadError
    from typeahead.shell import startup

    try:
        status = startup.run(private=private, commands=_spoken_commands)
    except TypeaheadError as error:
        _fail(error)
    sys.exit(status)


def _spoken_commands() -> dict[str, Command]:
    from typeahead.voice.commands import commands

    return commands()


def _print_integration(shell: str) -> None:
    """Print what ``typeahead init`` prints: a shell that is starting waits for it."""
    from typeahead.errors import TypeaheadError
    from typeahead.shell import integration

    try:
        sys.stdout.write(integration.script(shell))
        sys.stdout.flush()
    except TypeaheadError as error:
        _fail(error)
    except OSError:  # the reader has gone
        os._exit(141)
    sys.exit(0)


def _fail(error: TypeaheadError) -> NoReturn:
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(error))
    print(f"typeahead: {line}", file=sys.stderr)  # noqa: T201
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
