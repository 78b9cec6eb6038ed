"""``typeahead keys``: what the keys do at typeahead's own prompt."""

from __future__ import annotations

import json
from typing import Any

import click

from typeahead import config


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def keys(as_json: bool) -> None:
    r"""Print what the keys do.

    First what typeahead's own shell adds, with the settings' names, as it is now (* marks what you have changed); then
    the line editor's keys worth knowing, which are readline's.

    \b
    In the settings a key is written:
      c-e          Ctrl and E
      s-delete     Shift and Delete
      alt-f        Alt and F; alt-c-f: Alt, Ctrl and F
      c-x,k        Ctrl and X, then K
      right end    two keys for the same thing
      ""           none
    The named keys are left right up down home end insert delete pageup pagedown tab enter backspace space comma
    f1 ... f24.
    """
    from typeahead.shell import keymap

    settings = config.load().keys
    table = keymap.table(settings)
    if as_json:
        click.echo(json.dumps(_object(settings, table)))
        return
    for where in (keymap.SHOWN, keymap.PROMPT):
        rows = [
            (
                f"{action.name}{' *' * keymap.is_changed(action, settings)}",
                _spoken(table[action.name]),
                action.description,
            )
            for action in keymap.ACTIONS
            if action.where == where
        ]
        _print(where, rows)
    descriptions = {action.name: action.description for action in keymap.ACTIONS}
    _print(
        "in vi's command mode",
        [
            (name, ", ".join(pressed).replace("escape", "Esc"), descriptions[name])
            for name, pressed in keymap.VI.items()
        ],
    )
    _print(
        "the line editor, as readline",
        [(command.name, _spoken(keymap.parse(command.keys)), command.description) for command in keymap.COMMANDS],
    )


def _spoken(sequences: tuple[tuple[str, ...], ...]) -> str:
    from typeahead.shell import keymap

    return ", ".join(keymap.spoken(sequence) for sequence in sequences) or "-"


def _print(title: str, rows: list[tuple[str, str, str]]) -> None:
    """Print a name, keys and a description in columns."""
    click.echo(f"{title}:")
    for name, pressed, description in rows:
        click.echo(f"  {name:<25} {pressed:<29} {description}")


def _object(settings: config.KeysConfig, table: dict[str, tuple[tuple[str, ...], ...]]) -> dict[str, Any]:
    from typeahead.shell import keymap

    actions = [
        {
            "name": action.name,
            "keys": [keymap.written(sequence) for sequence in table[action.name]],
            "changed": keymap.is_changed(action, settings),
            "where": action.where,
            "description": action.description,
        }
        for action in keymap.ACTIONS
    ]
    commands = [
        {"name": command.name, "keys": command.keys.split(), "description": command.description}
        for command in keymap.COMMANDS
    ]
    return {"actions": actions, "commands": commands}
