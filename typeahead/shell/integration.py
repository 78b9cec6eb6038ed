"""The integration into one's own shell: the text that it reads, and the one line in its start-up file that has it read.

The text is one of the files ``init.zsh``, ``init.bash`` and ``init.fish`` beside this module, after a few assignments:
``__typeahead_python`` and ``__typeahead_version``, and those settings that are not the defaults, by their names
(``__typeahead_text_empty=off``). Installed, it is kept in the folder of the user's data, where a daemon that starts
renews it. Standard library only, and little of it: a shell waits for `script`.
"""

from __future__ import annotations

import os
import sys

from typeahead import __version__
from typeahead.errors import ShellError

TYPE_CHECKING = False  # `typing` and `pathlib` would be half of what a shell waits for
if TYPE_CHECKING:
    from pathlib import Path

PARTS = {"zsh": ("init.zsh", "init_line.zsh"), "bash": ("init.bash",), "fish": ("init.fish",)}
SHELLS = tuple(PARTS)
_ROOMS = ("text", "shell", "keys")  # whose settings a shell is told


def check(shell: str | None) -> str:
    """Return ``shell`` if there is an integration for it.

    Raises
    ------
    ShellError
        There is none.
    """
    if shell not in PARTS:
        given = "no shell is named" if shell is None else f"{shell!r} is none of the shells this is for"
        raise ShellError(f"{given}; choose one: typeahead init zsh, typeahead init bash, typeahead init fish")
    return shell


def script(shell: str) -> str:
    """Return the integration's text.

    Raises
    ------
    ShellError
        There is none for this shell, or its file is missing.
    ConfigError
        The settings cannot be used.
    """
    folder = os.path.dirname(os.path.abspath(__file__))
    texts = []
    for part in PARTS[check(shell)]:
        path = os.path.join(folder, part)
        try:
            with open(path, encoding="utf-8") as file:
                texts.append(file.read())
        except OSError as error:
            raise ShellError(f"{path}: cannot be read ({error.strerror}); install typeahead again") from error
    values = {"python": sys.executable, "version": __version__, **_changed_settings()}
    lines = [f"# typeahead {__version__} in one's own {shell}"]
    lines += [_assignment(shell, f"__typeahead_{name}", value) for name, value in values.items()]
    return "\n".join([*lines, *texts])


def _changed_settings() -> dict[str, str]:
    """Return the settings that are not the defaults; a switch is on or off."""
    if not _may_differ():
        return {}
    from typeahead import config

    found = {}
    for setting in config.settings():
        if setting.name.partition(".")[0] in _ROOMS and setting.value != setting.default:
            value = setting.value
            text = ("off", "on")[value] if isinstance(value, bool) else str(value)
            found[setting.name.replace(".", "_")] = text
    return found


def _may_differ() -> bool:
    """Return whether anybody may have changed a setting: reading them takes longer than all the rest."""
    if sys.platform != "linux" or any(name.startswith("TYPEAHEAD_") for name in os.environ):
        return True
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.exists(os.path.join(base, "typeahead", "config.toml"))


def _assignment(shell: str, name: str, value: str) -> str:
    if shell == "fish":
        return f"set -g {name} {_quoted(shell, value)}"
    return f"{'typeset -g ' if shell == 'zsh' else ''}{name}={_quoted(shell, value)}"


def _quoted(shell: str, text: str) -> str:
    if shell == "fish":
        text = text.replace("\\", "\\\\").replace("'", "\\'")
    else:
        text = text.replace("'", "'\\''")
    return f"'{text}'"


# The installed form


def installed_script(shell: str) -> Path:
    """Return the path of the installed text; it need not exist."""
    from typeahead import config

    return config.data_dir() / f"init.{check(shell)}"


def startup_file(shell: str) -> Path:
    """Return the path of the start-up file that reads the installed text; it need not exist."""
    from pathlib import Path

    home = Path.home()
    if check(shell) == "zsh":
        return Path(os.environ.get("ZDOTDIR") or home) / ".zshrc"
    if shell == "bash":
        return home / ".bashrc"
    return Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "fish" / "conf.d" / "typeahead.fish"


def is_installed(shell: str) -> bool:
    """Return whether the start-up file reads the installed text."""
    path = startup_file(shell)
    return any(_is_ours(line, shell) for line in _read(path).split(b"\n"))


def install(shell: str) -> Path:
    """Write the text, and the line that reads it at the end of the start-up file; return that file's path.

    A line that is there already is replaced where it stands. The rest of the file stays as it is, as does a link to it.

    Raises
    ------
    ShellError
        A file cannot be read or written.
    ConfigError
        The settings cannot be used.
    """
    target, path = installed_script(shell), startup_file(shell)
    _replace(target, script(shell).encode())
    content = _read(path)
    line = _line(shell, target)
    lines = content.split(b"\n")
    places = [i for i in range(len(lines)) if _is_ours(lines[i], shell)]
    if places:
        lines[places[0]] = line
        lines = [text for i, text in enumerate(lines) if i not in places[1:]]
    else:
        lines[-1:] = [*([lines[-1]] if lines[-1] else []), line, b""]
    if b"\n".join(lines) != content:
        _replace(path, b"\n".join(lines))
    return path


def uninstall(shell: str) -> Path | None:
    """Remove the line and the text; return the path of the file the line stood in, ``None`` if it stood nowhere.

    Raises
    ------
    ShellError
        A file cannot be read or written.
    """
    path = startup_file(shell)
    lines = _read(path).split(b"\n")
    kept = [line for line in lines if not _is_ours(line, shell)]
    try:
        if len(kept) < len(lines):
            if shell == "fish" and not any(kept) and not path.is_symlink():
                path.unlink()  # a file of its own, made by `install`
            else:
                _replace(path, b"\n".join(kept))
        installed_script(shell).unlink(missing_ok=True)
    except OSError as error:
        raise ShellError(f"{error.filename}: cannot be removed ({error.strerror}); remove it yourself") from error
    return path if len(kept) < len(lines) else None


def refresh() -> None:
    """Bring the installed texts up to date: after an upgrade, or when settings have changed.

    Raises
    ------
    ShellError
        One cannot be read or written.
    ConfigError
        The settings cannot be used.
    """
    for shell in SHELLS:
        path = installed_script(shell)
        if path.is_file() and _read(path) != (text := script(shell).encode()):
            _replace(path, text)


def _mark(shell: str) -> bytes:
    return f"# typeahead; typeahead init {shell} --uninstall removes this line".encode()


def _is_ours(line: bytes, shell: str) -> bool:
    return line.rstrip().endswith(_mark(shell))


def _line(shell: str, target: Path) -> bytes:
    path = os.fsencode(_quoted(shell, str(target)))
    words = (b"test -r ", b"; and source ") if shell == "fish" else (b"[ ! -r ", b" ] || . ")
    return words[0] + path + words[1] + path + b"  " + _mark(shell)


def _read(path: Path) -> bytes:
    """Return what is in a file; nothing where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ShellError(f"{path}: cannot be read ({error.strerror}); see to it and run this again") from error


def _replace(path: Path, content: bytes) -> None:
    """Replace a file whole, so that no shell reads half of it; it keeps its mode."""
    from typeahead import files

    try:
        os.makedirs(os.path.dirname(os.path.realpath(path)), mode=0o700, exist_ok=True)
        files.replace(path, content, mode=None)
    except OSError as error:
        raise ShellError(f"{path}: cannot be written ({error.strerror}); check the folder and its disk") from error
