"""What typeahead needs around it, looked at piece by piece: each in order or not, and what to do where it is not.

Nothing that the user has typed is in it, so that it can be shown to others.
"""

from __future__ import annotations

import os
import platform
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from typeahead import __version__, config
from typeahead.errors import ConfigError, DaemonError, HistoryError, TypeaheadError
from typeahead.shell import prompt
from typeahead.shell.protocol import Message, request

GOOD, NOTE, WRONG = "good", "note", "wrong"  # a note is no fault, yet worth knowing

_ANSWER_TIMEOUT_S = 2.0
_LOCALES = ("LC_ALL", "LC_CTYPE", "LANG")


class Finding(NamedTuple):
    """What one look has found."""

    subject: str
    state: str  # GOOD, NOTE or WRONG
    text: str
    next_step: str = ""  # where there is something to be done


def examine() -> Iterator[Finding]:
    """Look at everything that this room knows of, in the order in which it is needed.

    A look that fails in a way nobody has foreseen is a finding, too.
    """
    for look in (_program, _terminal, _settings, _shell, _integration, _socket, _daemon, _kernels, _history):
        try:
            yield from look()
        except (TypeaheadError, OSError) as error:
            yield Finding(look.__name__.lstrip("_"), WRONG, str(error))


def _program() -> Iterator[Finding]:
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield Finding("typeahead", GOOD, f"{__version__}, {python}, {os.cpu_count()} cores")


def _terminal() -> Iterator[Finding]:
    name = os.environ.get("TERM", "")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        yield Finding("terminal", NOTE, f"this output goes elsewhere (TERM={name})")
        return
    size = os.get_terminal_size()
    colours = "no colours (NO_COLOR)" if os.environ.get("NO_COLOR") else os.environ.get("COLORTERM", "") or "colours"
    text = f"{name or 'unknown'}, {size.columns} x {size.lines}, {colours}"
    if prompt.is_dumb():
        yield Finding("terminal", WRONG, text, "set TERM to your terminal's type; without it nothing grey can be drawn")
    elif not prompt.speaks_unicode():
        locale = next((f"{each}={os.environ[each]}" for each in _LOCALES if os.environ.get(each)), "no locale")
        yield Finding("terminal", NOTE, f"{text}, {locale}", "set LANG=C.UTF-8 for letters beyond ASCII")
    else:
        yield Finding("terminal", GOOD, f"{text}, UTF-8")


def _settings() -> Iterator[Finding]:
    path = config.config_file()
    try:
        changed = [setting.name for setting in config.settings() if setting.origin != config.DEFAULT]
    except ConfigError as error:
        yield Finding("settings", WRONG, str(error), f"mend {path}, or move it away")
        return
    yield Finding("settings", GOOD, f"{path}: {', '.join(changed) or 'all at their defaults'}")


def _shell() -> Iterator[Finding]:
    from typeahead.shell.process.choice import find_program

    program = config.load().shell.program
    path = find_program(program)
    yield Finding("shell", GOOD, f"{path} underneath `typeahead`" + ("" if program else " ($SHELL or bash)"))


_DOES = {
    "own": "draws suggestions",
    "zsh-autosuggestions": "suggests through zsh-autosuggestions",
    "ble": "suggests through ble.sh",
    "keys": "suggests at the press of a key",
    "nothing": "records only",
    "off": "does nothing: PROMPT_COMMAND or PS0 is readonly",
}


def _integration() -> Iterator[Finding]:
    from typeahead.shell import integration

    told = os.environ.get("TYPEAHEAD_INTEGRATION", "").split(" ")
    if len(told) == 4 and told[3] in map(str, _ancestors()):
        shell, does, version, _ = told
        text = f"{shell} {_DOES.get(does, does)}"
        if version == __version__:
            yield Finding("this shell", GOOD, text)
        else:
            yield Finding("this shell", WRONG, f"{text}, as of version {version}", f"open another {shell}")
    for shell in integration.SHELLS:
        path = integration.startup_file(shell)
        if integration.is_installed(shell):
            yield Finding(f"own {shell}", GOOD, f"{path} reads {integration.installed_script(shell)}")
        elif path.is_file() and b"typeahead init" in path.read_bytes():
            yield Finding(f"own {shell}", GOOD, f"{path} runs typeahead init {shell}")
        elif shutil.which(shell):
            step = f"for suggestions in {shell} itself: typeahead init {shell} --install"
            yield Finding(f"own {shell}", NOTE, f"{path}: nothing of ours", step)


def _ancestors() -> Iterator[int]:
    """Yield the processes that this one descends from, as far as the system tells."""
    pid = os.getppid()
    while pid > 1:
        yield pid
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])
        except OSError:
            return


def _socket() -> Iterator[Finding]:
    path = config.socket_path()
    if not path.exists():
        yield Finding("socket", GOOD, f"{path}: not there while no daemon runs")
        return
    info = path.stat()
    if not stat.S_ISSOCK(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o077:
        yield Finding("socket", WRONG, f"{path}: not a socket of yours alone", f"rm {path}; typeahead daemon start")
    else:
        yield Finding("socket", GOOD, f"{path}, yours alone")


def _daemon() -> Iterator[Finding]:
    try:
        status = request({"op": "status"}, _ANSWER_TIMEOUT_S)
    except DaemonError as error:
        start = "the first shell starts it; or: typeahead daemon start"
        if config.socket_path().exists():
            yield Finding("daemon", WRONG, str(error), "typeahead daemon stop; typeahead daemon start")
        else:
            yield Finding("daemon", NOTE, "does not run", start)
        return
    yield from _running(status)


def _running(status: Message) -> Iterator[Finding]:
    text = f"process {status['pid']}, up {status['uptime_s']:.0f} s, {status['memory_bytes'] / 1e6:.0f} MB"
    if status.get("version") != __version__:
        other = f"{text}, version {status.get('version')}"
        yield Finding("daemon", WRONG, other, "typeahead daemon stop; the next shell starts this version")
    elif status.get("problem"):
        yield Finding("daemon", WRONG, f"{text}: {status['problem']}", f"its log: {status.get('log')}")
    else:
        learning = ", learning" if status.get("learning") else ""
        yield Finding("daemon", GOOD, f"{text}, model {status['state']}, {status['sessions']} sessions{learning}")


def _kernels() -> Iterator[Finding]:
    path = Path(os.environ.get("NUMBA_CACHE_DIR") or config.cache_dir() / "numba")
    compiled = list(path.rglob("*.nbc")) if path.is_dir() else []
    folder = next(folder for folder in (path, *path.parents) if folder.exists())
    if not os.access(folder, os.W_OK | os.X_OK):
        fallback = config.runtime_dir() / "numba"
        step = f"make {folder} writable; until then kernels are compiled into {fallback}, again after each restart"
        yield Finding("kernels", WRONG, f"{path}: cannot be written", step)
    elif not compiled:
        yield Finding(
            "kernels", NOTE, f"{path}: none compiled yet", "the daemon's first start does it, in some seconds"
        )
    else:
        size_mb = sum(file.stat().st_size for file in compiled) / 1e6
        yield Finding("kernels", GOOD, f"{path}: {len(compiled)} compiled, {size_mb:.1f} MB")


def _history() -> Iterator[Finding]:
    from typeahead.history import History
    from typeahead.history.importers import found_files

    path = config.history_file()
    others = ", ".join(sorted({kind for _, kind in found_files()}))
    if not path.exists():
        step = f"take over what {others} kept: typeahead history import" if others else ""
        yield Finding("history", NOTE, f"{path}: nothing stored yet", step)
        return
    try:
        history = History(path)
        try:
            latest, imported = history.latest(1), history.has_imported
        finally:
            history.close()
    except HistoryError as error:
        yield Finding("history", WRONG, str(error))
        return
    text = f"{path}: {path.stat().st_size / 1e6:.1f} MB, {'in use' if latest else 'empty'}"
    if others and not imported:
        yield Finding("history", NOTE, text, f"take over what {others} kept: typeahead history import")
    else:
        yield Finding("history", GOOD, text)


def look_at(subject: str, look: Callable[[], str], next_step: str = "") -> Finding:
    """Return what one look has found: what it returns, or the error that it raises."""
    try:
        return Finding(subject, GOOD, look())
    except TypeaheadError as error:
        return Finding(subject, WRONG, str(error), next_step)
