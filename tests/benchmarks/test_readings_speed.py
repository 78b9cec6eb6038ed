"""How many lines a second become readings on one core, and that a gigabyte of them takes no more memory than a line.

    uv run pytest -m benchmark tests/benchmarks/test_readings_speed.py -s

Each kind of text has a million lines (`BENCHMARK_NUM_LINES`). The time is the process's own, of reading the file,
cutting it into lines and parsing them. For the memory a file of 50 MB is read 20 times over in a process of its own
(`BENCHMARK_NUM_TIMES`); its peak is printed as it grows.
"""

import os
import random
import subprocess
import sys
import time
from datetime import datetime, timedelta

import pytest

from typeahead.sensor.following import lines
from typeahead.sensor.readings import Parser, Selection

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]
NUM_LINES = int(os.environ.get("BENCHMARK_NUM_LINES", "1000000"))
NUM_TIMES = int(os.environ.get("BENCHMARK_NUM_TIMES", "20"))
START = datetime(2014, 4, 1)


def clock(i):
    return f"{START + timedelta(minutes=5 * i):%Y-%m-%d %H:%M:%S}"


# What it is: header, a line, what is selected.
KINDS = {
    "CSV, ISO times, one value": ("timestamp,value\n", lambda i, x: f"{clock(i)},{x:.10f}", ()),
    "CSV, epoch times, 2 of 3": ("time,a,b,c\n", lambda i, x: f"{1.7e9 + i:.3f},{x:.4f},{2 * x:.4f},7", ("a", "b")),
    "columns, 1 of 6": ("r b us sy id wa\n", lambda i, x: f"{i % 7}  0  {x:.2f}  5 33  0", ("us",)),
    "columns, 2 of 6": ("r b us sy id wa\n", lambda i, x: f"{i % 7}  0  {x:.2f}  5 33  0", ("us", "id")),
    "one number a line": ("", lambda i, x: f"{x:.6f}", ()),
    "JSON lines": ("", lambda i, x: f'{{"ts": {1.7e9 + i}, "cpu": {{"load": {x:.4f}}}, "host": "a"}}', ("cpu.load",)),
    "ping": ("", lambda i, x: f"64 bytes from 127.0.0.1: icmp_seq={i} ttl=57 time={x:.1f} ms", ("time",)),
}


def write(path, kind, num_lines):
    header, line, _ = KINDS[kind]
    rng = random.Random(1)
    with path.open("w") as file:
        file.write(header)
        file.writelines(f"{line(i, abs(rng.gauss(20, 3)))}\n" for i in range(num_lines))


@pytest.mark.parametrize("kind", KINDS)
def test_lines_a_second(kind, tmp_path):
    path = tmp_path / "readings"
    write(path, kind, NUM_LINES)
    parser = Parser(Selection(columns=KINDS[kind][2]))
    start = time.process_time()
    for _ in parser.read(lines([path])):
        pass
    passed = time.process_time() - start
    assert parser.counts.readings == NUM_LINES
    print(f"\n{kind:27} {NUM_LINES / passed:10,.0f} lines/s")


READER = """
import resource, sys
from typeahead.sensor.following import lines
from typeahead.sensor.readings import Parser
path, times = sys.argv[1], int(sys.argv[2])
for count, _ in enumerate(Parser().read(lines([path] * times)), start=1):
    if count % 4_000_000 == 0:
        print(f"{count:12,} readings {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.1f} MB", flush=True)
"""


def test_memory_over_a_gigabyte(tmp_path):
    path = tmp_path / "readings.csv"
    kind = "CSV, ISO times, one value"
    write(path, kind, 1_500_000)
    print(f"\n{path.stat().st_size * NUM_TIMES / 1e6:,.0f} MB")
    subprocess.run([sys.executable, "-c", READER, str(path), str(NUM_TIMES)], check=True)
