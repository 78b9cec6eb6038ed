"""Somebody's own bash or fish in a terminal, with the process beside it; daemons that it starts have a fake model."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from tests.shell.fake_daemon import COMMAND
from tests.shell.terminal import TableDaemon, Terminal, is_running, process_table, wait_until
from typeahead import config
from typeahead.errors import DaemonError
from typeahead.history import Event, History
from typeahead.shell import integration
from typeahead.shell.launch import stop_daemon
from typeahead.shell.protocol import request

SUGGEST, WORD = "\x1b;", "\x1b,"  # Alt-; and Alt-,
TABLE: dict[str, str | list[str]] = {
    "echo h": ["echo hello world", "echo hash", "echo hill"],
    "echo hello": "echo hello world",
    "": "echo empty",
    "echo ü": "echo über alles",
    "echo \\": "echo \\\\ back",
    "echo bad": "echo bad\x1b[2J",
    "echo ba": ["echo bare", "echo ba\x1b[2J", "echo ba\nrm", "echo baddest"],
}

_RELAY = f"""
import sys
from typeahead.shell import launch
launch.daemon_command = lambda: {COMMAND!r}
from typeahead.shell import relay
relay._detach()
relay.run(int(sys.argv[4]), sys.argv[5])
"""


def integration_text(shell: str, folder: Path) -> str:
    """Return what `typeahead init` prints, but for what starts the process beside the shell: no real daemon."""
    program = folder / "python"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c {shlex.quote(_RELAY)} "$@"\n')
    program.chmod(0o755)
    return integration.script(shell).replace(sys.executable, str(program))


def relay_folder(pid: int) -> Path:
    """Return where the FIFOs of the shell ``pid`` are."""
    return config.runtime_dir() / f"relay-{pid}"


def relay_folders() -> list[Path]:
    """Return the folders of all shells."""
    return list(config.runtime_dir().glob("relay-*"))


def relay_pid(shell: Terminal) -> int:
    """Wait until the process beside the shell listens; return its id."""
    path = relay_folder(shell.pid()) / "pid"

    def read() -> str:
        with suppress(OSError):
            return path.read_text()
        return ""

    return int(wait_until(read, lambda: f"no {path}: {shell.screen()}"))


def wait_for_records(daemon: TableDaemon, *lines: str) -> None:
    """Wait until exactly these lines have been recorded."""
    wait_until(lambda: daemon.lines == list(lines), lambda: f"recorded: {daemon.lines}")


def wait_for_end(pid: int) -> None:
    """Wait until a process has ended."""
    wait_until(lambda: not is_running(pid), lambda: f"process {pid} goes on")


def stored() -> list[Event]:
    """Return what is in the store, oldest first."""
    if not config.history_file().exists():
        return []
    with closing(History(config.history_file())) as history:
        return list(history.events())


def _is_stopped() -> bool:
    """Stop the daemon that a relay has started, should there be one."""
    with suppress(DaemonError):
        if request({"op": "ping"}, 5)["pid"]:  # none of the test's own
            stop_daemon(config.socket_path(), timeout_s=10)
    return not any("--detached" in process for process in process_table())


@contextmanager
def shells() -> Iterator[list[Terminal]]:
    """Close the terminals that are put into the list, then stop the daemon that was started for them."""
    terminals: list[Terminal] = []
    try:
        yield terminals
    finally:
        for terminal in terminals:
            terminal.close()
        wait_until(lambda: not relay_folders(), lambda: f"left behind: {relay_folders()}")
        wait_until(_is_stopped, lambda: f"goes on: {process_table()}")
