"""Settings and places: one frozen dataclass a room, and where typeahead's files live.

A setting is taken from the first of: a command-line flag (``override``), the environment variable
``TYPEAHEAD_<ROOM>_<NAME>``, the TOML file (``[room]`` ``name = value``), the default written here. Every default has
its unit in its name or beside it. Paths follow XDG. Standard library only at import: clients read this file too.
"""

from __future__ import annotations

import math
import os
import stat
import tempfile
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from typeahead.errors import ConfigError


@dataclass(frozen=True)
class TextConfig:
    """How completions are made."""

    model: str = ""  # path of a .safetensors file; empty: the shipped shell model
    beam_width: int = 4  # hypotheses kept side by side
    max_length: int = 60  # bytes generated at most; longer guesses are rarely right
    dial: str = "balanced"  # how sure a suggestion must be before it is shown: quiet, balanced or eager
    adapt: bool = True  # learn from each command
    empty: bool = True  # predict the next command at the empty prompt


@dataclass(frozen=True)
class DaemonConfig:
    """The background process."""

    idle_s: float = 3600.0  # exits after this long without a request
    nice: int = 5  # so that loading never competes with a key being drawn


@dataclass(frozen=True)
class ShellConfig:
    """The interactive shell."""

    program: str = ""  # bash or zsh underneath, a name or a path; empty: $SHELL if it is one of the two, else bash
    suggest: bool = True  # grey text at all
    prompt: str = "own"  # own: as the shell underneath draws it; short: typeahead's
    editing: str = "auto"  # emacs or vi keys; auto: as the shell underneath is set
    syntax: bool = True  # colour the line; mark unknown commands and missing paths
    style: str = ""  # of the grey text; empty: chosen for the terminal
    status: bool = False  # a line below the prompt with the state of things
    hint: bool = False  # at the right, where the suggestion comes from


@dataclass(frozen=True)
class KeysConfig:
    """Keys at the prompt: for each thing to do, its keys with blanks between; none for nothing.

    A key is written ``right``, ``c-e`` (Ctrl), ``s-delete`` (Shift) or ``alt-f``, keys to be pressed in turn with a
    comma between: ``c-x,k``.
    """

    accept: str = "right end c-e c-f"  # the whole suggestion, at the end of the line
    accept_word: str = "alt-f c-right"
    accept_part: str = "alt-right"  # as far as the next part of a path
    accept_character: str = "alt-c-f"
    accept_and_run: str = ""
    next: str = "alt-n"  # alternative, in place
    previous: str = "alt-p"
    dismiss: str = "c-g"  # and Esc
    forget: str = "s-delete c-x,k"
    toggle: str = "c-x,s"  # suggestions off and on
    show_source: str = "c-x,w"  # of the suggestion, at the right
    search: str = "c-r"
    complete: str = "tab"
    complete_back: str = "s-tab"
    edit_in_editor: str = "c-x,c-e"
    new_line: str = "alt-enter"
    talk: str = "f4 c-x,t"  # listen to what is said, and again: no longer


@dataclass(frozen=True)
class VoiceConfig:
    """What you say. The words and what they do are a table of their own, ``[voice.commands]``: `voice.commands`."""

    model: str = ""  # path of a .safetensors file; empty: the shipped voice model
    device: str = ""  # the microphone, by its name, a part of that, or its number; empty: the system's own
    sensitivity: float = 0.5  # 0 to 1; higher hears more, also what nobody has said
    refractory_s: float = 1.0  # for which a word that was heard is not heard again
    sleep_word: str = ""  # said once, nothing is heard until it is said again; empty: none
    save_detections: bool = False  # keep the sound of each word that was heard, to look into mistakes


@dataclass(frozen=True)
class Config:
    """All settings, one field a room."""

    text: TextConfig
    daemon: DaemonConfig
    shell: ShellConfig
    keys: KeysConfig
    voice: VoiceConfig


_ROOMS: dict[str, type] = {
    "text": TextConfig,
    "daemon": DaemonConfig,
    "shell": ShellConfig,
    "keys": KeysConfig,
    "voice": VoiceConfig,
}
_TABLES = {"voice": "commands"}  # room -> what stands in it and is no setting, but a table that others read
# The least and the greatest value that makes sense, inclusive.
_BOUNDS: dict[tuple[str, str], tuple[float, float]] = {
    ("text", "beam_width"): (1, 256),
    ("text", "max_length"): (1, 4096),
    ("daemon", "idle_s"): (0.01, 1e9),
    ("daemon", "nice"): (0, 19),
    ("voice", "sensitivity"): (0, 1),
    ("voice", "refractory_s"): (0, 60),
}
_CHOICES: dict[tuple[str, str], tuple[str, ...]] = {
    ("text", "dial"): ("quiet", "balanced", "eager"),
    ("shell", "prompt"): ("own", "short"),
    ("shell", "editing"): ("auto", "emacs", "vi"),
}
_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text in quotes"}
_Room = TypeVar("_Room")
DEFAULT = "default"  # who has given a setting that nobody has given


def load(**override: dict[str, Any]) -> Config:
    """Read all settings; ``override`` maps a room to the flags given for it (``None`` means not given).

    Raises
    ------
    ConfigError
        The file is not TOML or holds an unknown name, or a value there, in the environment or in a flag has the wrong
        type or is out of range.
    """
    table = _read_file(config_file())
    for room in table:
        if room not in _ROOMS:
            raise ConfigError(f"{config_file()}: unknown section [{room}]; known: {', '.join(_ROOMS)}")
    rooms: dict[str, Any] = {
        name: _room(kind, name, table.get(name, {}), override.get(name, {})) for name, kind in _ROOMS.items()
    }
    return Config(**rooms)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            import tomllib  # a prompt waits for these settings: not without a file

            return tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:  # ValueError: not TOML, or not UTF-8
        raise ConfigError(f"{path}: cannot be read as TOML ({error}); mend it or move it away") from error


def _room(kind: type[_Room], room: str, table: Any, override: dict[str, Any]) -> _Room:
    if not isinstance(table, dict):
        raise ConfigError(f"{config_file()}: {room} = {table!r} is not a section; write [{room}]")
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for name in table:
        if name not in known and name != _TABLES.get(room):
            raise ConfigError(f"{config_file()}: unknown setting {room}.{name}; known: {', '.join(known)}")
    _table(table, room)
    values: dict[str, Any] = {}
    for name, field in known.items():
        value, where = _given(room, name, field.default, table, override)
        if where != DEFAULT:
            values[name] = _check(value, field.default, where, room, name)
    return kind(**values)


def voice_commands() -> dict[str, Any]:
    """Return the table ``[voice.commands]`` as it stands in the file, unchecked; `typeahead.voice.commands` reads it.

    Raises
    ------
    ConfigError
        The file is not TOML, or what stands there is no table.
    """
    room = _read_file(config_file()).get("voice", {})
    return _table(room, "voice") if isinstance(room, dict) else {}


def _table(section: dict[str, Any], room: str) -> dict[str, Any]:
    """Return the table in a room's section that holds no settings."""
    name = _TABLES.get(room, "")
    table = section.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{config_file()}: {room}.{name} = {table!r} is not a section; write [{room}.{name}]")
    return table


def _given(room: str, name: str, default: Any, table: dict[str, Any], override: dict[str, Any]) -> tuple[Any, str]:
    """Return a setting's value, unchecked, and who has given it."""
    variable = _variable(room, name)
    if override.get(name) is not None:
        return override[name], f"--{name.replace('_', '-')}"
    if variable in os.environ:
        return _parse(os.environ[variable], type(default)), variable
    if name in table:
        return table[name], f"{config_file()}: {room}.{name}"
    return default, DEFAULT


def _variable(room: str, name: str) -> str:
    return f"TYPEAHEAD_{room}_{name}".upper()


@dataclass(frozen=True)
class Setting:
    """One setting as it is now."""

    name: str  # with its room: text.adapt
    value: Any
    default: Any
    origin: str  # "environment", "file" or "default"


def settings() -> list[Setting]:
    """Return all settings, in the order of this file.

    Raises
    ------
    ConfigError
        One of them cannot be used, as for `load`.
    """
    loaded, table = load(), _read_file(config_file())
    found = []
    for room, kind in _ROOMS.items():
        for field in fields(kind):
            in_file = field.name in table.get(room, {})
            origin = "environment" if _variable(room, field.name) in os.environ else "file" if in_file else DEFAULT
            value = getattr(getattr(loaded, room), field.name)
            found.append(Setting(f"{room}.{field.name}", value, field.default, origin))
    return found


def full_name(name: str) -> tuple[str, str]:
    """Return the room and the name of the setting that ``name`` (``text.adapt``, or ``adapt`` alone) means.

    Raises
    ------
    ConfigError
        There is none, or one in several rooms.
    """
    every = [(room, field.name) for room, kind in _ROOMS.items() for field in fields(kind)]
    found = [(room, short) for room, short in every if name in (short, f"{room}.{short}")]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{room}.{short}" for room, short in found or every)
    raise ConfigError(f"{name!r} is {'more than one setting' if found else 'no setting'}; choose one of {known}")


def parse(room: str, name: str, text: str) -> Any:
    """Return what ``text`` means as a value of a setting: "off" of a switch is false.

    Raises
    ------
    ConfigError
        It is of the wrong type or out of range.
    """
    (default,) = (field.default for field in fields(_ROOMS[room]) if field.name == name)
    return _check(_parse(text, type(default)), default, f"{room}.{name}", room, name)


def _parse(text: str, kind: type) -> Any:
    """Read an environment variable as ``kind``; text that is none comes back as it is."""
    try:
        return _WORDS[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        return text


def _check(value: Any, default: Any, where: str, room: str, name: str) -> Any:
    """Return ``value`` if it has the type of ``default`` (a float may be written as an int) and is permitted."""
    kind = type(default)
    bounds, choices = _BOUNDS.get((room, name)), _CHOICES.get((room, name))
    if kind is float and type(value) is int:
        value = float(value) if abs(value) < 1 << 53 else math.inf
    if type(value) is not kind:
        raise ConfigError(f"{where} = {value!r} is not {_NAMES[kind]}; the default is {default!r}")
    if bounds is not None and not bounds[0] <= value <= bounds[1]:  # so written, NaN is outside
        raise ConfigError(f"{where} = {value!r} is not between {bounds[0]} and {bounds[1]}; the default is {default!r}")
    if choices is not None and value not in choices:
        raise ConfigError(f"{where} = {value!r} is not one of {', '.join(choices)}; the default is {default!r}")
    return value


def _platform_dir(kind: str) -> Path:
    import platformdirs

    return Path(getattr(platformdirs, f"user_{kind}_dir")("typeahead", appauthor=False))


def config_file() -> Path:
    """Return the path of the TOML file; it need not exist."""
    explicit = os.environ.get("TYPEAHEAD_CONFIG")
    return Path(explicit) if explicit else _platform_dir("config") / "config.toml"


def data_dir() -> Path:
    """Return the folder of the user's own data (history, adapted weights); it may not exist yet."""
    return _platform_dir("data")


def history_file() -> Path:
    """Return the path of the store of past commands; it need not exist."""
    return data_dir() / "history.sqlite"


def cache_dir() -> Path:
    """Return the folder of what can be made again (compiled kernels); it may not exist yet."""
    return _platform_dir("cache")


def log_dir() -> Path:
    """Return the folder of the daemon's log; it may not exist yet."""
    return _platform_dir("log")


@cache
def runtime_dir() -> Path:
    """Return the private folder (mode 0700) of the socket, made if need be: XDG's, else one in the temporary folder.

    Raises
    ------
    ConfigError
        The fallback folder belongs to somebody else or is open to others.
    """
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and os.access(base, os.W_OK | os.X_OK):
        path = Path(base) / "typeahead"
    else:
        path = Path(tempfile.gettempdir()) / f"typeahead-{os.getuid()}"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be made ({error.strerror}); set XDG_RUNTIME_DIR to your own folder"
        ) from error
    info = path.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o077:
        raise ConfigError(f"{path}: not a private folder of yours; remove it or set XDG_RUNTIME_DIR")
    return path


def socket_path() -> Path:
    """Return the daemon's socket; ``TYPEAHEAD_SOCKET`` overrides it."""
    explicit = os.environ.get("TYPEAHEAD_SOCKET")
    return Path(explicit) if explicit else runtime_dir() / "daemon.sock"


def models_dir() -> Path:
    """Return the folder of the shipped weights: inside an installed package, beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "models"
    return installed if installed.is_dir() else package.parent / "models"


def shell_model() -> Path:
    """Return the weights that complete command lines: the configured file, else the shipped one."""
    explicit = load().text.model
    return Path(explicit).expanduser() if explicit else models_dir() / "shell.safetensors"
