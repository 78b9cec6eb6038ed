"""Fuzzy search: the matcher over 100,000 distinct lines, and all of a search, through the daemon's socket.

    uv run pytest -m benchmark tests/benchmarks/test_search_speed.py

Each beginning of each query is searched for, as it is while one types. The daemon's part has 100,000 runs in the store;
the first search of all reads the newest of them, the others are read after it.
"""

import os
import random
import select
import time

import pytest

from tests.benchmarks.test_history_speed import fill, lines
from tests.benchmarks.test_socket import PAUSE_S, quantiles, warm_client
from typeahead import config
from typeahead.history import History
from typeahead.shell.launch import start_daemon, stop_daemon
from typeahead.shell.search import Index

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]
NUM_LINES, NUM_RUNS, LIMIT, ROUNDS = 100_000, 100_000, 50, 5
QUERIES = (
    "git push",
    "gco feature",
    "docker run",
    "dcrun",
    "mktest",
    "pymtrain",
    "sshex",
    "terra 42000",
    "grhd",
    "logsort",
    "nothing like it",
)


def beginnings():
    return [query[:length] for query in QUERIES for length in range(1, len(query) + 1)]


def distinct_lines(count):
    found = {}
    source = lines(random.Random(1))
    while len(found) < count:
        found[next(source)] = None
    return list(found)[::-1]


def test_matching_among_many_lines(capfd):
    past = distinct_lines(NUM_LINES)
    start = time.perf_counter()
    index = Index(past)
    build_s = time.perf_counter() - start
    latencies, worst = [], (0.0, "")
    for query in beginnings():
        times = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            index.search(query, LIMIT)
            times.append(time.perf_counter() - start)
        latencies.append(sorted(times)[ROUNDS // 2])
        worst = max(worst, (latencies[-1], query))
    with capfd.disabled():
        mean, build_ms = sum(map(len, past)) / len(past), 1000 * build_s
        print(
            f"\n{NUM_LINES} lines of {mean:.0f} characters, ready in {build_ms:.0f} ms; load {os.getloadavg()[0]:.1f}"
        )
        print(f"{'':<14}{'count':>7}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}")
        print(f"{'matching':<14}{len(latencies):7d}{quantiles(latencies)}   the slowest: {worst[1]!r}")


def ask(client, text):
    """Return the seconds until the matches are there, and the answer."""
    found = []
    client.on_found = found.append
    start = time.perf_counter()
    client.search(text, "/tmp", limit=LIMIT)
    while not found:
        assert select.select([client], [], [], 20)[0]
        client.receive()
    return time.perf_counter() - start, found[0]


def test_searching_through_the_socket(capfd, isolated_home):
    history = History(config.history_file())
    fill(history, NUM_RUNS)
    history.close()
    start_daemon(config.socket_path(), 60)
    client = warm_client()
    first_s, answer = ask(client, "")
    start = time.perf_counter()
    while not answer["complete"]:
        time.sleep(PAUSE_S)
        answer = ask(client, "")[1]
    complete_s = time.perf_counter() - start
    index_s, _ = ask(client, "q")
    latencies = []
    for text in beginnings():
        time.sleep(PAUSE_S)
        latencies.append(ask(client, text)[0])
    client.close()
    stop_daemon(config.socket_path(), 20)
    with capfd.disabled():
        print(f"\n{NUM_RUNS} runs; load {os.getloadavg()[0]:.1f}; all read {complete_s:.1f} s after the first search")
        print(f"first search {1000 * first_s:.0f} ms, first letter {1000 * index_s:.0f} ms")
        print(f"{'':<14}{'count':>7}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}")
        print(f"{'each key':<14}{len(latencies):7d}{quantiles(latencies)}")
