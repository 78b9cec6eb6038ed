"""The console script."""


def main() -> None:
    """Run the command line."""
    from typeahead.cli import main as cli_main

    cli_main()


if __name__ == "__main__":
    main()
