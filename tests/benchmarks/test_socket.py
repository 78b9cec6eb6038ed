"""From a key to its suggestion through the daemon's socket, with the shipped model; and how soon the daemon is warm.

    BENCHMARK_LINES=data/text/shell_test.txt uv run pytest -m benchmark tests/benchmarks/test_socket.py

Every prefix of every line is asked for as if it were typed, by the client that the shell uses, and each line is
recorded when it is complete, so that the model's state runs on. `BENCHMARK_LINES` names a file of command lines
(default: a few written here); the first `BENCHMARK_NUM_LINES` (default: 200) are typed.
"""

import os
import select
import statistics
import time
from pathlib import Path

import pytest

from typeahead import config
from typeahead.history import Event, History
from typeahead.shell.client import Client
from typeahead.shell.launch import start_daemon, stop_daemon
from typeahead.shell.protocol import request

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]
LINES = """cd src
ls -la
git status
git add -p README.md
git commit -m "Fix the build"
git push origin main
python3 -m venv .venv && . .venv/bin/activate
pip install --upgrade pip
tar xzf archive.tar.gz -C /tmp
find . -name '*.py' -newer setup.cfg -print0 | xargs -0 wc -l
ssh -p 2222 user@example.org
docker run --rm -it -v "$PWD":/src debian:12 bash
grep -rn "TODO" --include=*.c .
sudo systemctl restart nginx
make -j4 test
rsync -av --delete build/ server:/var/www/""".splitlines()
NUM_HISTORY = 100_000
PAUSE_S = 0.03  # between keys; back to back, the daemon's caches stay warmer than a typist keeps them


def typed_lines():
    path = os.environ.get("BENCHMARK_LINES")
    lines = Path(path).read_text(errors="surrogateescape").splitlines() if path else LINES
    return [line for line in lines if line.strip()][: int(os.environ.get("BENCHMARK_NUM_LINES", "200"))]


def warm_client():
    client = Client(autostart=False)
    client.connect()
    while client.state != "warm":
        select.select([client], [], [], 1.0)
        client.receive()
    return client


def ask(client, prefix):
    """Return the seconds until the suggestion for ``prefix`` is there, and whether there is any."""
    start = time.perf_counter()
    client.suggest(prefix, "/tmp")
    while True:
        assert select.select([client], [], [], 20)[0]
        replies = client.receive()
        if replies:
            return time.perf_counter() - start, bool(replies[0].suggestions)


def type_lines(client, lines, pause_s):
    """Return the latencies of the first key of each line (the empty prompt) and of all the others."""
    first, later, shown = [], [], 0
    for line in lines:
        for length in range(len(line)):
            time.sleep(pause_s)
            latency, found = ask(client, line[:length])
            (later if length else first).append(latency)
            shown += found
        client.record(line, "/tmp", 0)
        while client._journal.unsent:
            select.select([client], [], [], 1.0)
            client.receive()
    return first, later, shown


def quantiles(latencies):
    ordered = sorted(latencies)
    picks = (ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)], ordered[-1])
    return "".join(f"{1000 * pick:9.2f}" for pick in picks)


def fill_history(count):
    store = History(config.history_file())
    names = {}
    with store.transaction():
        for i in range(count):
            line = f"{LINES[i % len(LINES)]} {i // 7}"
            store.insert(Event(0, line, "/tmp", 0, f"before {i // 200}", "host", float(i), 0.1), None, names)
    store.close()


def num_learnt():
    return request({"op": "status"}, 60)["learnt"]


def test_suggestions_through_the_socket(capfd, isolated_home):
    lines = typed_lines()
    rows = []
    for history in (0, NUM_HISTORY):
        fill_history(history)
        status, _ = start_daemon(config.socket_path(), 20)
        client = warm_client()
        ask(client, "")  # opens the session
        for pause_s in (0.0, PAUSE_S):
            some = lines if pause_s == 0 else lines[: len(lines) // 4]
            first, later, shown = type_lines(client, some, pause_s)
            for name, latencies in (("empty line", first), ("later keys", later), ("all", first + later)):
                rows.append((history, 1000 * pause_s, name, len(latencies), quantiles(latencies)))
        share = shown / (len(first) + len(later))
        client.close()
        pings = []
        for _ in range(500):
            start = time.perf_counter()
            request({"op": "ping"}, 5)
            pings.append(time.perf_counter() - start)
        memory = request({"op": "status"}, 5)["memory_bytes"]
        stop_daemon(config.socket_path(), 20)
        rows.append((history, 0.0, "connect + ping", len(pings), quantiles(pings)))
    with capfd.disabled():
        load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        print(f"\n{load}; {status['model']}; daemon {memory / 1e6:.0f} MB")
        print(f"suggestions shown for {share:.0%} of the keys\n")
        print(f"{'history':>8}{'pause ms':>9}  {'what':<16}{'count':>7}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}")
        for history, pause_ms, name, count, text in rows:
            print(f"{history:8d}{pause_ms:9.0f}  {name:<16}{count:7d}{text}")


def test_learning_holds_no_answer_up(capfd, isolated_home):
    start_daemon(config.socket_path(), 20)
    client = warm_client()
    ask(client, "")
    client.record(LINES[0], "/tmp", 0)
    while num_learnt() < 1:  # the first lesson of all compiles
        time.sleep(0.1)
    lines = [f"{line} {i}" for i in range(4) for line in LINES]
    idle, busy = [], []
    for line in lines:
        for length in range(0, len(line), 3):
            time.sleep(PAUSE_S)
            idle.append(ask(client, line[:length])[0])
    lesson_s = []
    for i, line in enumerate(lines):
        client.record(f"{line} again", "/tmp", 0)
        start, length = time.perf_counter(), 0
        while num_learnt() < i + 2:
            busy.append(ask(client, line[: length % len(line)])[0])
            length += 1
        lesson_s.append(time.perf_counter() - start)
    rows = [("idle", idle), ("while it learns", busy), ("until it has learnt", lesson_s)]
    learnt = num_learnt()
    client.close()
    stop_daemon(config.socket_path(), 20)
    with capfd.disabled():
        print(f"\nload {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {learnt} lines learnt")
        print(f"{'':<20}{'count':>7}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}")
        for name, latencies in rows:
            print(f"{name:<20}{len(latencies):7d}{quantiles(latencies)}")


def test_from_nothing_to_a_warm_model(capfd, monkeypatch, isolated_home):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)  # the first start of all compiles
    listening, warm = [], []
    for _ in range(6):
        start = time.perf_counter()
        start_daemon(config.socket_path(), 60)
        listening.append(time.perf_counter() - start)
        while request({"op": "ping"}, 60)["state"] == "loading":
            time.sleep(0.01)
        warm.append(time.perf_counter() - start)
        assert request({"op": "ping"}, 5)["state"] == "warm"
        stop_daemon(config.socket_path(), 20)
    with capfd.disabled():
        print(f"\n{'':<28}{'listening s':>12}{'warm s':>9}")
        print(f"{'first start, compiling':<28}{listening[0]:12.2f}{warm[0]:9.2f}")
        later = statistics.median(listening[1:]), statistics.median(warm[1:])
        print(f"{'later starts, median of 5':<28}{later[0]:12.2f}{later[1]:9.2f}")
