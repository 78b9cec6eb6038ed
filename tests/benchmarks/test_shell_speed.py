"""Time to the first prompt and to a key's echo, against a bare prompt_toolkit session, taken in turns on real ptys.

    uv run pytest -m benchmark tests/benchmarks/test_shell_speed.py

A key is sent the moment the process is started: its echo says when the line editor is ready. Then a key follows every
40 ms while the daemon, started by the shell, loads the network; its echo says what handling a key takes meanwhile. At
last lines are typed at 15 keys a second, with 100,000 commands in the history and the daemon answering each key.
"""

import os
import pty
import re
import select
import signal
import statistics
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from tests.benchmarks.test_socket import LINES, NUM_HISTORY, fill_history, quantiles
from typeahead import config
from typeahead.shell.launch import start_daemon, stop_daemon
from typeahead.shell.protocol import request

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]
BARE = [sys.executable, "-c", "from prompt_toolkit import PromptSession; PromptSession('$ ').prompt()"]
OURS = [os.path.join(os.path.dirname(sys.executable), "typeahead")]
ROUNDS, KEYS = 9, 100
PAUSE_S = 1 / 15  # from key to key
_VISIBLE = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|[\r\n]")


class Session:
    """A program on a pty of its own, timed from its start."""

    def __init__(self, command, environment):
        self.start = time.perf_counter()
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, {**os.environ, **environment, "TERM": "xterm-256color"})
        self.output = b""

    def read(self, timeout_s):
        """Take what is there within the time; False if nothing came."""
        if not select.select([self.terminal], [], [], timeout_s)[0]:
            return False
        chunk = os.read(self.terminal, 65536)
        if b"\x1b[6n" in chunk:  # a terminal answers where its cursor is
            os.write(self.terminal, b"\x1b[1;1R")
        self.output += chunk
        return True

    def until(self, found, timeout_s=30.0):
        """Read until ``found(output)``; return the seconds since the start."""
        deadline = time.perf_counter() + timeout_s
        while not found(self.output):
            assert time.perf_counter() < deadline, self.output
            self.read(0.5)
        return time.perf_counter() - self.start

    def echo_of(self, key):
        """Send a key and return the seconds until something is drawn that holds it; anything will do for a space.

        Where a grey space stands, nothing but the cursor changes.
        """
        while self.read(0.0):
            pass
        before = len(self.output)
        sent = time.perf_counter()
        os.write(self.terminal, key)
        while len(self.output) == before or key.strip() not in _VISIBLE.sub(b"", self.output[before:]):
            assert time.perf_counter() - sent < 30, self.output[before:]
            self.read(0.5)
        return time.perf_counter() - sent

    def close(self):
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGHUP)
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


def start_up(command, environment):
    """Return the seconds to the first visible byte and to the echo of a key sent at once."""
    session = Session(command, environment)
    os.write(session.terminal, b"@")
    first = session.until(lambda output: _VISIBLE.sub(b"", output).strip(b"@") != b"")
    # The terminal itself may echo the key before the program has switched that off; the editor's echo comes after a
    # prompt.
    ready = session.until(lambda output: re.search(rb"[#$>\xaf] ?@", _VISIBLE.sub(b"", output)))
    session.close()
    return first, ready


def milliseconds(seconds):
    return f"{1000 * statistics.median(seconds):7.0f} (min {1000 * min(seconds):.0f})"


def test_first_prompt(capsys, tmp_path):
    no_daemon = {"TYPEAHEAD_SHELL_SUGGEST": "0"}
    times = {"bare PromptSession": [], "typeahead": []}
    for _ in range(ROUNDS):
        times["bare PromptSession"].append(start_up(BARE, {}))
        times["typeahead"].append(start_up(OURS, no_daemon))
    with capsys.disabled():
        print(f"\n{'ms after start':22} {'first paint':>18} {'line editor ready':>20}")
        for name, pairs in times.items():
            first, ready = zip(*pairs, strict=True)
            print(f"{name:22} {milliseconds(first):>18} {milliseconds(ready):>20}")
        rows = zip(times["bare PromptSession"], times["typeahead"], strict=True)
        later = statistics.median(ours[1] - bare[1] for bare, ours in rows)
        print(f"line editor ready: {1000 * later:+.0f} ms against the bare session (median of pairs)")


def type_keys(session):
    session.until(lambda output: re.search(rb"[#$>\xaf] ", _VISIBLE.sub(b"", output)))
    time.sleep(0.3)
    session.echo_of(b"@")
    times = []
    for index in range(KEYS):
        time.sleep(0.04)
        times.append(session.echo_of(b"@" if index % 2 else b"%"))
    session.close()
    return sorted(times)


def test_keys_while_the_daemon_loads(capsys, tmp_path):
    rows = {
        "bare PromptSession": type_keys(Session(BARE, {})),
        "typeahead, daemon loading": type_keys(Session(OURS, {})),
    }
    subprocess.run([*OURS, "daemon", "stop"], capture_output=True, check=True)
    with capsys.disabled():
        print(f"\n{'a key, ms':28} {'median':>8} {'p99':>8} {'worst':>8}")
        for name, times in rows.items():
            figures = [1000 * times[len(times) // 2], 1000 * times[int(0.99 * len(times))], 1000 * times[-1]]
            print(f"{name:28}" + "".join(f" {figure:8.1f}" for figure in figures))


def type_lines(session):
    """Type lines without running them; return the seconds from each key to its echo."""
    session.until(lambda output: re.search(rb"[#$>\xaf] ", _VISIBLE.sub(b"", output)))
    time.sleep(1.0)
    times = []
    for line in LINES:
        for key in line.encode():
            began = time.perf_counter()
            times.append(session.echo_of(bytes([key])))
            time.sleep(max(0.0, began + PAUSE_S - time.perf_counter()))
        os.write(session.terminal, b"\x05\x15")  # to the end, whatever is suggested there; then all of it away
        time.sleep(0.2)
    session.close()
    return times


def test_key_to_screen_with_a_long_history(capsys, isolated_home):
    fill_history(NUM_HISTORY)
    start_daemon(config.socket_path(), 60)
    while request({"op": "status"}, 60)["state"] == "loading":  # the lines are learnt while others are typed
        time.sleep(0.2)
    rows = {"bare PromptSession": type_lines(Session(BARE, {})), "typeahead": type_lines(Session(OURS, {}))}
    stop_daemon(config.socket_path(), 60)
    with capsys.disabled():
        print(f"\nload {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        print(f"{'key to screen':<20}{'count':>7}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}")
        for name, times in rows.items():
            print(f"{name:<20}{len(times):7d}{quantiles(times)}")
