"""How many readings a second a watcher judges and learns from, and that its memory does not grow with them.

    uv run pytest -m benchmark tests/benchmarks/test_sensor_speed.py -s

Beside it, in turns, a plain Python baseline: the distance from an exponential moving average in deviations. Times are
the process's own ("CPU") and the clock's, the median of rounds of `BENCHMARK_NUM_READINGS` readings each; the network
learns all the time. For the memory a process of its own takes `BENCHMARK_NUM_WATCHED` readings (default 1 million).
"""

import math
import os
import random
import statistics
import subprocess
import sys
import time

import pytest

from typeahead.sensor.anomaly import Watcher

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]
NUM_READINGS = int(os.environ.get("BENCHMARK_NUM_READINGS", "20000"))
NUM_WATCHED = int(os.environ.get("BENCHMARK_NUM_WATCHED", "1000000"))
ROUNDS = 5


class MovingAverage:
    """The baseline: how many deviations a reading lies from a moving average of those before, in plain Python."""

    def __init__(self):
        self.mean, self.variance = 0.0, 1.0

    def observe(self, value, time_s=None):
        distance = value - self.mean
        score = abs(distance) / math.sqrt(self.variance + 1e-12)
        self.mean += 0.02 * distance
        self.variance += 0.02 * (distance * distance - self.variance)
        return score


def readings(count, series=1):
    """Return readings that swing daily, one every five minutes, as (value or values, seconds)."""
    rng = random.Random(1)
    found = []
    for i in range(count):
        values = tuple(20 + 5 * math.sin(i * 2 * math.pi / 288 + d) + rng.gauss(0, 1) for d in range(series))
        found.append((values[0] if series == 1 else values, 1.7e9 + 300.0 * i))
    return found


def spend(watcher, given):
    """Return the CPU seconds and the seconds that it takes to observe readings."""
    cpu, clock = time.process_time(), time.perf_counter()
    for values, time_s in given:
        watcher.observe(values, time_s)
    return time.process_time() - cpu, time.perf_counter() - clock


def test_readings_a_second(capsys):
    one, eight = readings(NUM_READINGS), readings(NUM_READINGS, 8)
    kinds = {
        "moving average, plain Python": (MovingAverage(), one),
        "watcher": (Watcher(), one),
        "watcher, no times": (Watcher(), [(value, None) for value, _ in one]),
        "watcher, 8 series at once": (Watcher([f"series {d}" for d in range(8)]), eight),
    }
    spent = {name: [] for name in kinds}
    for watcher, given in kinds.values():
        spend(watcher, given[:200])  # kernels are compiled, the network begins to learn
    for _ in range(ROUNDS):
        for name, (watcher, given) in kinds.items():
            spent[name].append(spend(watcher, given))
    lines = [f"{'':30}{'readings/s, CPU':>18}{'by the clock':>16}{'us a reading, CPU':>20}"]
    for name, times in spent.items():
        cpu, clock = (statistics.median(each) for each in zip(*times, strict=True))
        rates = f"{NUM_READINGS / cpu:18,.0f}{NUM_READINGS / clock:16,.0f}{1e6 * cpu / NUM_READINGS:20.2f}"
        lines.append(f"{name:30}{rates}")
    with capsys.disabled():
        print("\n" + "\n".join(lines))


WATCH = """
import math, os, random, resource, sys
from typeahead.sensor.anomaly import Watcher

def resident_bytes():
    if sys.platform != "linux":  # the peak, there; a peak that stays tells as much
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

count, rng, watcher = int(sys.argv[1]), random.Random(1), Watcher()
told = {100_000, *range(count // 5, count, max(1, count // 5)), count}
alarms = 0
for i in range(1, count + 1):
    value = 20 + 5 * math.sin(i * 2 * math.pi / 288) + rng.gauss(0, 1) + 40 * (rng.random() < 1e-4)
    alarms += watcher.observe(value, 1.7e9 + 300.0 * i).alarm is not None
    if i in told:
        print(f"{i:12,} readings {resident_bytes() / 2**20:8.1f} MiB {alarms:6,} alarms", flush=True)
"""


def test_memory_over_many_readings(capsys):
    with capsys.disabled():
        print()
        subprocess.run([sys.executable, "-c", WATCH, str(NUM_WATCHED)], check=True)
