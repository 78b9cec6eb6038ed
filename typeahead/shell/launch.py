"""Starting the daemon in the background. Standard library only."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from typeahead.errors import DaemonError
from typeahead.shell.protocol import Message, decode, encode, open_connection, request


def daemon_command() -> list[str]:
    """Return the arguments that start a daemon in the background.

    ``-P``: a folder of the user's that is called like one of our modules must not be imported from.
    """
    return [sys.executable, "-P", "-m", "typeahead.shell.daemon", "--detached"]


def spawn_daemon(socket_path: Path, command: Sequence[str] | None = None) -> int:
    """Start a daemon for ``socket_path`` that outlives this process and its terminal; return its process id.

    Does not wait for it. The lock makes a second one harmless: it finds the first and ends.

    Raises
    ------
    DaemonError
        The interpreter cannot be run.
    """
    import signal

    arguments = list(command or daemon_command())
    environment = {**os.environ, "TYPEAHEAD_SOCKET": os.path.abspath(socket_path)}
    nothing = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    # What a shell ignores must not stay ignored. The session of its own is the daemon's first act: not every system
    # can do that here.
    defaults = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU]
    try:
        return os.posix_spawn(
            arguments[0], arguments, environment, file_actions=nothing, setsigmask=[], setsigdef=defaults
        )
    except (OSError, ValueError) as error:
        raise DaemonError(
            f"{arguments[0] or 'python'}: the daemon cannot be started ({error}); type on without"
        ) from error


def start_daemon(socket_path: Path, timeout_s: float, command: Sequence[str] | None = None) -> tuple[Message, bool]:
    """Make sure that a daemon listens on ``socket_path``; return its status and whether it was started here.

    Raises
    ------
    DaemonError
        It cannot be started, or does not listen within ``timeout_s`` seconds.
    """
    deadline = time.monotonic() + timeout_s
    pid: int | None = None
    while True:
        try:
            return request({"op": "status"}, timeout_s, socket_path), pid is not None
        except DaemonError:
            if pid is None:
                pid = spawn_daemon(socket_path, command)
            elif _has_ended(pid):
                # Not an error by itself: it may have found another one that is just starting.
                pid = 0
            if time.monotonic() > deadline:
                raise DaemonError(f"{socket_path}: the daemon does not start; typeahead daemon run shows why") from None
        time.sleep(0.01)


def stop_daemon(socket_path: Path, timeout_s: float) -> int | None:
    """Ask the daemon to stop and wait until it has; return its process id, ``None`` if there was none.

    Raises
    ------
    DaemonError
        It does not end within ``timeout_s`` seconds.
    """
    heard = b""
    try:
        with open_connection(socket_path, timeout_s) as connection:
            connection.sendall(encode({"op": "stop"}))
            while data := connection.recv(65536):  # its last act is to hang up
                heard += data
    except TimeoutError:
        raise DaemonError(f"{socket_path}: the daemon does not stop; end its process") from None
    except OSError:
        return None
    try:
        return int(decode(heard)["pid"])
    except (ValueError, KeyError, TypeError):
        raise DaemonError(f"{socket_path}: what listens here is not the daemon; end it") from None


def _has_ended(pid: int) -> bool:
    if pid == 0:
        return False
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True
