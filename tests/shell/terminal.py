"""A real terminal for tests: tmux with a server of its own, and a daemon that answers from a table."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from typeahead import __version__, config
from typeahead.shell.ghost import Ghost
from typeahead.shell.lines import PastLines
from typeahead.shell.suggestions import Options, Suggestions

PATIENCE_S = 20.0


def wait_until(condition: Callable[[], Any], what: Callable[[], object], patience_s: float = PATIENCE_S) -> Any:
    """Return the first true value of ``condition``; fail with ``what()`` when there is none for a long time."""
    deadline = time.monotonic() + patience_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(what())
        time.sleep(0.02)
    return value


class Terminal:
    """One tmux window that runs one command."""

    def __init__(self, command: list[str], cwd: Path, columns: int = 80, rows: int = 24, **environment: str) -> None:
        if shutil.which("tmux") is None:
            pytest.skip("tmux is not installed")
        self._folder = tempfile.mkdtemp(prefix="ta-tmux-")
        # The short prompt, which tells tests status and directory, unless a test asks for the user's own.
        defaults = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TYPEAHEAD_SHELL_PROMPT": "short"}
        self._environment = {**os.environ, **defaults, **environment}
        self._environment.pop("TMUX", None)
        settings = ["set", "-g", "remain-on-exit", "on", ";", "set", "-s", "escape-time", "0", ";"]
        settings += ["set", "-g", "history-limit", "5000", ";"]
        size = ["-x", str(columns), "-y", str(rows)]
        self._tmux(*settings, "new-session", "-d", *size, "-c", str(cwd), "--", *command)
        self._server = int(self._tmux("display-message", "-p", "#{pid}"))
        # A window smaller than the client that is not there would be made larger again.
        self._tmux("set", "-g", "window-size", "manual")

    def _tmux(self, *arguments: str, timeout_s: float = PATIENCE_S) -> str:
        command = ["tmux", "-S", f"{self._folder}/socket", "-f", "/dev/null", *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=timeout_s)
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout

    def type(self, text: str) -> None:
        """Type ``text`` as it is."""
        # To tmux a semicolon at the end is one between commands.
        self._tmux("send-keys", "-l", "--", text[:-1] + r"\;" if text.endswith(";") else text)

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names: Enter, C-c, Right, M-f."""
        self._tmux("send-keys", *keys)

    def paste(self, text: str) -> None:
        """Paste as a terminal does, bracketed if the program has asked for that."""
        self._tmux("set-buffer", "--", text)
        self._tmux("paste-buffer", "-p", "-r")

    def run(self, line: str) -> None:
        """Type a line and Enter."""
        self.type(line)
        self.press("Enter")

    def resize(self, columns: int, rows: int) -> None:
        """Change the window's size."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def screen(self, colours: bool = False) -> list[str]:
        """Return the visible rows, without blanks at their ends; with ``colours``, with escape sequences."""
        return [row.rstrip() for row in self._tmux("capture-pane", "-p", *(["-e"] if colours else [])).splitlines()]

    def all_rows(self) -> list[str]:
        """Return the rows that have scrolled away and the visible ones."""
        return [row.rstrip() for row in self._tmux("capture-pane", "-p", "-S", "-").splitlines()]

    def cursor(self) -> tuple[int, int]:
        """Return column and row of the cursor, from 0."""
        column, row = self._tmux("display-message", "-p", "#{cursor_x} #{cursor_y}").split()
        return int(column), int(row)

    def shown(self, form: str) -> str:
        """Return what tmux knows of the window, as ``#{pane_pid}``."""
        return self._tmux("display-message", "-p", form).strip()

    def title(self) -> str:
        """Return the window's title."""
        return self.shown("#{pane_title}")

    def record(self, path: Path) -> None:
        """From here on write all that the command prints to a file, escape sequences and all."""
        self._tmux("pipe-pane", "-o", f"cat >{path}")
        wait_until(path.exists, lambda: f"no {path}")

    def pid(self) -> int:
        """Return the process id of the command."""
        return int(self.shown("#{pane_pid}"))

    def row(self) -> str:
        """Return the row that the cursor is in, both of one moment."""
        number, *rows = self._tmux("display-message", "-p", "#{cursor_y}", ";", "capture-pane", "-p").splitlines()
        return rows[int(number)].rstrip()

    def wait_for_row(self, wanted: str) -> None:
        """Wait until the row that the cursor is in is ``wanted``."""
        wait_until(lambda: self.row() == wanted, lambda: f"no row {wanted!r} in {self.screen()}")

    def wait_for_cursor(self, column: int, row: int) -> None:
        """Wait until the cursor is there: a text may be on the screen before the cursor has gone back to its place."""
        wait_until(lambda: self.cursor() == (column, row), lambda: f"cursor: {self.cursor()} in {self.screen()}")

    def wait_for(self, text: str) -> None:
        """Wait until ``text`` is on the screen."""
        wait_until(lambda: text in "\n".join(self.screen()), lambda: f"no {text!r} in {self.screen()}")

    def exit_status(self) -> int:
        """Wait for the command to end and return its status."""

        pid = self.pid()

        def ended() -> str:
            # tmux at times never collects its child; the status then stands in the zombie's entry.
            with suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
                if fields[0] == "Z":
                    return str(os.waitstatus_to_exitcode(int(fields[-1])))
            return self._tmux("display-message", "-p", "#{pane_dead_status}").strip()

        return int(wait_until(ended, lambda: f"still running: {self.screen()}"))

    def close(self) -> None:
        """Close the window, as a user closes a terminal's, and stop tmux."""
        pid = 0
        with suppress(AssertionError, ValueError):  # a tmux that has ended already
            pid = self.pid()
        with suppress(AssertionError, subprocess.TimeoutExpired):
            self._tmux("kill-server", timeout_s=5.0)
        self._end_server()
        if pid:
            wait_until(lambda: not is_running(pid), lambda: f"process {pid} outlives its terminal: {process_table()}")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end_server(self) -> None:
        """See that tmux itself is gone: once in some fifty times it waits for an event that has come already."""
        deadline = time.monotonic() + 1.0
        while is_running(self._server) and time.monotonic() < deadline:
            time.sleep(0.01)
        with suppress(ProcessLookupError):
            os.kill(self._server, signal.SIGKILL)


def is_running(pid: int) -> bool:
    """Return whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[0] != "Z"
    except OSError:
        return False


def children_named(pid: int, name: str) -> list[int]:
    """Return the ids of descendants of ``pid`` that run ``name``."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command, _, rest = (entry / "stat").read_text().partition(") ")
            except OSError:
                continue
            parents[int(entry.name)] = (int(rest.split()[1]), command.partition("(")[2])

    def descends(child: int) -> bool:
        while child in parents:
            child = parents[child][0]
            if child == pid:
                return True
        return False

    return [child for child in parents if parents[child][1] == name and descends(child)]


def process_table() -> list[str]:
    """Return one line for each process of this test: ids, state, what it waits in, which signals wait; command."""
    mark = f"XDG_RUNTIME_DIR={os.environ['XDG_RUNTIME_DIR']}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                state, *ids = (folder / "stat").read_text().rpartition(") ")[2].split()[:6]
                signals = [line for line in (folder / "status").read_text().splitlines() if "Pnd" in line]
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found.append(f"{folder.name} {state} {ids} {(folder / 'wchan').read_text()} {signals} {command}")
    return found


class TableDaemon:
    """A daemon in a thread that completes from a table, for a client that need not start one.

    Attributes
    ----------
    lines : list of str
        What has been recorded.
    records : list of dict
        The same, as they came.
    asked, asked_for_more : list of str
        What it was asked to complete, and where alternatives were wanted.
    forgotten : list of str
        What it was asked to forget.
    names : dict
        What the session's shell has told of itself last.
    table : mapping
        Prefix -> whole line, or several, best first; one that is in ``past`` is from the history.
    state : str
        What it says of its model.
    silent : bool
        Take questions and say nothing.
    """

    def __init__(self, path: Path, table: Mapping[str, str | list[str]], past: Collection[str] = ()) -> None:
        self.table, self.silent, self.past = dict(table), False, past
        self.state = "warm"
        self.lines: list[str] = []
        self.records: list[dict[str, Any]] = []
        self.forgotten: list[str] = []
        self.names: dict[str, Any] = {}
        self.asked: list[str] = []
        self.asked_for_more: list[str] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        self._connections: list[socket.socket] = []
        self._lock, self._closed = threading.Lock(), False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with self._lock:
                if self._closed:
                    connection.close()
                    return
                self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection.makefile("rb") as requests:
                for request in requests:
                    reply = self._answer(json.loads(request))
                    if reply is not None:
                        connection.sendall(json.dumps(reply).encode() + b"\n")
        except OSError:
            return

    def _answer(self, request: dict[str, Any]) -> dict[str, Any] | None:
        reply = {"op": request["op"], "id": request.get("id"), "state": self.state, "version": __version__, "pid": 0}
        if request["op"] == "record":
            self.lines.append(request["command"])
            self.records.append(request)
        if request["op"] == "forget":
            self.forgotten.append(request["exact"])
            reply |= {"forgotten": [1], "commands": 1}
        if request["op"] == "names":
            self.names = request
        if request["op"] == "suggest":
            prefix = request["prefix"]
            self.asked.append(prefix)
            if request["n"] > 1:
                self.asked_for_more.append(prefix)
            if self.silent:
                return None
            texts = self.table.get(prefix, [])
            texts = [texts] if isinstance(texts, str) else texts[: request["n"]]
            found = [(text, "history" if text in self.past else "model") for text in texts]
            suggestions = [{"text": text, "source": source, "log_prob": -0.1} for text, source in found]
            reply |= {"prefix": prefix, "suggestions": suggestions}
        return reply

    def hang_up(self) -> None:
        """Drop every connection, as a daemon does that is killed; the next one is welcome."""
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()
            self._connections.clear()

    def close(self) -> None:
        """End."""
        self._closed = True
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(PATIENCE_S)
        self.hang_up()


class Table:
    """One session's suggestions, without a terminal, against a daemon that answers from a table."""

    def __init__(self, table: Mapping[str, str | list[str]], past: Collection[str] = (), **options: bool) -> None:
        self.daemon = TableDaemon(config.socket_path(), table, past)
        self.ghost, self.lines, self.changes = Ghost(), PastLines(), 0
        self.suggestions = Suggestions(self.ghost, self.lines, self._count, Options(**options))

    def _count(self) -> None:
        self.changes += 1

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.005)

    def run(self, talk: Callable[[], Awaitable[None]]) -> None:
        async def session() -> None:
            try:
                await talk()
            finally:
                self.suggestions.close()

        try:
            asyncio.run(session())
        finally:
            self.daemon.close()


def shell_command(*options: str) -> list[str]:
    """Return what starts our shell in a test."""
    return [sys.executable, "-m", "typeahead", *(["shell", *options] if options else [])]
