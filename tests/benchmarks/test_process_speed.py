"""What the shell underneath adds to a line: to bash's own time, to a command's output, and after it.

    uv run pytest -m benchmark tests/benchmarks/test_process_speed.py

Both shells run on ptys of the same size with the same ~/.bashrc, in turns. The overhead of a command is the time from
Enter to the command's start plus that from its end to the next prompt; the command prints the clock. The names are told
after the report that brings the prompt back; a line that follows at once, as in the last test, waits for them.
"""

import os
import re
import statistics
import time

import pytest

from tests.benchmarks.test_shell_speed import _VISIBLE, OURS, Session
from tests.shell.driven import Driven

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]
BASH = ["bash", "-i"]
ROUNDS, LINES, PASSES = 4, 25, 3
SIZE = 100_000_000
FUNCTIONS = [0, 300, 2000]
_TIMED = "__s=${EPOCHREALTIME/[.,]/}; __ta_tell; __e=${EPOCHREALTIME/[.,]/}; echo $((__e-__s))"
_CLOCK = 'echo "<$EPOCHREALTIME>"'
_PROMPT = b"@@"


def open_session(command):
    """Start a shell and wait until it has been used once."""
    session = Session(command, {"TYPEAHEAD_SHELL_SUGGEST": "0", "LC_ALL": "C.UTF-8"})
    session.until(lambda output: _PROMPT in output)
    time.sleep(1.0)
    clock(session)
    return session


def clock(session, line=_CLOCK):
    """Run a line; return when Enter was pressed, when the command ran and when the next prompt was there."""
    while session.read(0.02):
        pass
    os.write(session.terminal, line.encode())
    while session.read(0.1):  # all of it echoed
        pass
    session.output = b""
    pressed = time.time()
    os.write(session.terminal, b"\r")
    session.until(lambda output: re.search(rb"<([\d.]+)>.*@@", _VISIBLE.sub(b"", output), re.DOTALL))
    drawn = time.time()
    return pressed, float(re.search(rb"<([\d.]+)>", session.output)[1]), drawn


def test_the_overhead_of_a_command(capsys, isolated_home):
    (isolated_home / ".bashrc").write_text("PS1='@@ '\n")
    shells = {"bash": BASH, "typeahead": OURS}
    before, after = {name: [] for name in shells}, {name: [] for name in shells}
    for _ in range(ROUNDS):
        for name, command in shells.items():
            session = open_session(command)
            for _ in range(LINES):
                pressed, ran, drawn = clock(session)
                before[name].append(1000 * (ran - pressed))
                after[name].append(1000 * (drawn - ran))
            session.close()
    with capsys.disabled():
        print(f"\nload {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; medians of {ROUNDS * LINES}")
        print(f"{'':12}{'Enter to start, ms':>20}{'end to prompt, ms':>20}{'both, ms':>10}{'p90':>8}")
        both = {name: [sum(pair) for pair in zip(before[name], after[name], strict=True)] for name in shells}
        for name in shells:
            parts = [statistics.median(times[name]) for times in (before, after, both)]
            p90 = statistics.quantiles(both[name], n=10)[-1]
            print(f"{name:12}{parts[0]:20.2f}{parts[1]:20.2f}{parts[2]:10.2f}{p90:8.2f}")
        beyond = statistics.median(both["typeahead"]) - statistics.median(both["bash"])
        print(f"beyond bash: {beyond:.2f} ms")


def throughput(command):
    """Return the bytes a second that `yes` gets to the screen."""
    session = open_session(command)
    os.write(session.terminal, f"yes | head -c {SIZE}".encode())
    while session.read(0.2):
        pass
    began, tail = time.perf_counter(), b""
    os.write(session.terminal, b"\r")
    seen = 0
    while seen < SIZE or _PROMPT not in tail:
        chunk = os.read(session.terminal, 1 << 20)
        seen += len(chunk)
        tail = tail[-4096:] + chunk
    passed = time.perf_counter() - began
    session.close()
    return SIZE / passed


def test_the_throughput_of_a_command(capsys, isolated_home):
    (isolated_home / ".bashrc").write_text("PS1='@@ '\n")
    shells = {"bash": BASH, "typeahead": OURS}
    rates = {name: [] for name in shells}
    for _ in range(PASSES):
        for name, command in shells.items():
            rates[name].append(throughput(command) / 1e6)
    with capsys.disabled():
        print(f"\nload {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; yes | head -c {SIZE}")
        for name in shells:
            print(f"{name:12}{statistics.median(rates[name]):8.1f} MB/s (best {max(rates[name]):.1f})")
        print(f"ratio of medians: {statistics.median(rates['typeahead']) / statistics.median(rates['bash']):.2f}")


def round_trip(bash):
    start = time.perf_counter()
    bash.run("true")
    return time.perf_counter() - start


def test_a_line_and_the_names_after_it(capsys, tmp_path, isolated_home):
    (isolated_home / ".bashrc").write_text("")
    bash = Driven(tmp_path)
    rows = []
    for functions in FUNCTIONS:
        bash.run(f'for ((i = 0; i < {functions}; i++)); do eval "a_function_$i() {{ :; }}"; done')
        lines = statistics.median(round_trip(bash) for _ in range(ROUNDS * 10))
        names = statistics.median(int(bash.output(_TIMED).split()[-1]) for _ in range(ROUNDS * 10))
        rows.append((functions, 1000 * lines, names / 1000))
    bash.close()
    with capsys.disabled():
        print(f"\n{'functions':>10} {'ms a line (true), one after another':>36} {'ms for the names':>18}")
        for functions, line_ms, names_ms in rows:
            print(f"{functions:10} {line_ms:36.2f} {names_ms:18.2f}")
