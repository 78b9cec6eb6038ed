"""What typeahead leaves on a machine, and how it is taken away."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from typeahead import config
from typeahead.errors import ShellError
from typeahead.shell import integration
from typeahead.shell.launch import stop_daemon

_STOP_TIMEOUT_S = 10.0


class Trace(NamedTuple):
    """One file or folder."""

    path: Path
    what: str
    shell: str = ""  # whose start-up file it is, of which one line goes


def find(history: bool = False) -> list[Trace]:
    """Return what there is, in the order in which it is removed.

    Parameters
    ----------
    history : bool
        The remembered commands, too, and what was learnt from them.
    """
    return [trace for trace in _known(history) if trace.shell or trace.path.exists()]


def _known(history: bool) -> Iterator[Trace]:
    for shell in integration.SHELLS:
        if integration.is_installed(shell):
            yield Trace(integration.startup_file(shell), f"the line that brings suggestions into {shell}", shell)
    yield Trace(config.cache_dir(), "compiled kernels")
    yield Trace(config.log_dir(), "the daemon's log")
    if any(config.runtime_dir().iterdir()):  # the folder itself comes into being by asking for it
        yield Trace(config.runtime_dir(), "the daemon's socket, and what sessions keep while they run")
    yield Trace(config.config_file(), "settings")
    if history:
        yield Trace(config.data_dir(), "your history, and what was learnt from it")


def remove(traces: list[Trace]) -> None:
    """Stop the daemon, then take away what `find` has found.

    Raises
    ------
    ShellError
        Something cannot be removed.
    DaemonError
        The daemon does not stop.
    """
    stop_daemon(config.socket_path(), _STOP_TIMEOUT_S)
    for trace in traces:
        try:
            if trace.shell:
                integration.uninstall(trace.shell)
            elif trace.path.is_dir() and not trace.path.is_symlink():
                shutil.rmtree(trace.path)
            else:
                trace.path.unlink(missing_ok=True)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ShellError(f"{error.filename}: cannot be removed ({error.strerror}); remove it yourself") from error
