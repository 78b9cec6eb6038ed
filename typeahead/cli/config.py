"""``typeahead config``: show and change settings."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import click

from typeahead import config as settings
from typeahead import files
from typeahead.errors import ConfigError, DaemonError

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

_ANSWER_TIMEOUT_S = 0.5  # of the daemon, if there is one


@click.group()
def config() -> None:
    """Show or change settings.

    A setting has a room and a name, as in text.adapt; the name alone will do where it is the only one. Shells and the
    daemon read their settings when they start.
    """


@config.command()
def path() -> None:
    """Print where the file of settings lies; it need not exist."""
    click.echo(settings.config_file())


@config.command()
@click.argument("name", required=False)
def show(name: str | None) -> None:
    """Print each setting, or NAME alone, with its value and where it comes from.

    That is the environment (TYPEAHEAD_TEXT_ADAPT), the file, or typeahead itself (default).
    """
    found = settings.settings()
    if name is not None:
        wanted = ".".join(settings.full_name(name))
        found = [setting for setting in found if setting.name == wanted]
    texts = [_toml(setting.value) for setting in found]
    name_width = max(len(setting.name) for setting in found)
    value_width = max(map(len, texts))
    for setting, text in zip(found, texts, strict=True):
        click.echo(f"{setting.name:<{name_width}}  {text:<{value_width}}  {setting.origin}")


@config.command("set", context_settings={"ignore_unknown_options": True})  # a value may be a negative number
@click.argument("name")
@click.argument("value")
def set_value(name: str, value: str) -> None:
    """Set NAME to VALUE in the file of settings, and keep the rest of it as it is.

    A switch is set with on or off.
    """
    room, short = settings.full_name(name)
    parsed = settings.parse(room, short, value)
    document = _read()
    table = document.setdefault(room, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{settings.config_file()}: {room} = {table!r} is not a section; write [{room}]")
    table[short] = parsed
    _write(document)
    click.echo(f"{room}.{short} = {_toml(parsed)}")
    _warn(room, short)


@config.command()
@click.argument("name")
def unset(name: str) -> None:
    """Remove NAME from the file of settings, so that its default holds again."""
    room, short = settings.full_name(name)
    document = _read()
    table = document.get(room)
    if isinstance(table, dict) and short in table:
        del table[short]
        _write(document)
        click.echo(f"{room}.{short} is no longer set")
    else:
        click.echo(f"{room}.{short} is not set in {settings.config_file()}")
    _warn(room, short)


def _warn(room: str, short: str) -> None:
    """Say what keeps a change from having its effect at once."""
    from typeahead.shell.protocol import request

    variable = f"TYPEAHEAD_{room}_{short}".upper()
    if variable in os.environ:
        click.echo(f"typeahead: {variable} is set in the environment and goes before the file", err=True)
    if room in ("text", "daemon"):
        with contextlib.suppress(DaemonError):
            request({"op": "status"}, _ANSWER_TIMEOUT_S)
            click.echo("typeahead: the daemon heeds it when it starts again: typeahead daemon stop", err=True)


def _toml(value: Any) -> str:
    import tomlkit

    return str(tomlkit.item(value).as_string())


def _read() -> TOMLDocument:
    """Return the file with its comments and order; an empty one where there is none."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    path = settings.config_file()
    try:
        return tomlkit.parse(path.read_bytes())
    except FileNotFoundError:
        return tomlkit.document()
    except (OSError, ValueError, RecursionError, TOMLKitError) as error:
        raise ConfigError(f"{path}: cannot be read as TOML ({error}); mend it or move it away") from error


def _write(document: TOMLDocument) -> None:
    path = settings.config_file()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.replace(path, document.as_string().encode())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); check the folder and its disk") from error
