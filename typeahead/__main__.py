"""The console script. A bare ``typeahead`` is on the screen before the command line's parser would be loaded."""

import os
import sys


def main() -> None:
    """Run the command line."""
    bare = sys.argv[1:] in ([], ["shell"], ["shell", "--private"])
    if bare and "_TYPEAHEAD_COMPLETE" not in os.environ:  # with it, a shell asks what could follow
        _open_shell(private="--private" in sys.argv)
    from typeahead.cli import main as cli_main

    cli_main()


def _open_shell(private: bool) -> None:
    """Open the shell with the settings as they are."""
    from typeahead.errors import TypeaheadError
    from typeahead.shell import startup

    try:
        status = startup.run(private=private)
    except TypeaheadError as error:
        line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(error))
        print(f"typeahead: {line}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    sys.exit(status)


if __name__ == "__main__":
    main()
