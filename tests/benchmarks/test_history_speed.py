"""Look-ups in a history of a million commands, and how fast commands are stored.

    uv run pytest -m benchmark tests/benchmarks/test_history_speed.py -s

The history is made here: 1,000,000 runs (`BENCHMARK_NUM_RUNS`) of about 300,000 distinct lines of 36 bytes in the mean,
the frequent ones much more frequent than the rest, in the way people repeat themselves. Every case is asked for
`ROUNDS` times in one process that holds the file open; the first answer, from a cold connection, is printed apart. On a
machine that does other things, too, the processor's time is what tells.
"""

import os
import random
import time

import pytest

from typeahead.history import History
from typeahead.history.database import FAILED, WORKED
from typeahead.history.lookup import update_index

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]
NUM_RUNS = int(os.environ.get("BENCHMARK_NUM_RUNS", "1000000"))
ROUNDS = 100
WORDS = [
    *("src", "tests", "docs", "main", "build", "config", "data", "model", "train", "server", "client", "report"),
    *("index", "lib", "cache", "parser", "login", "user", "image", "video", "notes", "draft", "backup", "release"),
    *("feature", "fix", "issue", "query", "schema", "table", "worker"),
]
# Where a started line of a third of a history goes on.
PROGRAMS = {
    "git commit -m 'fix {w} in {w}.{w} {n}'": 20,
    "git checkout feature/{w}-{w}-{n}": 10,
    "git push origin {w}": 3,
    "cd ~/projects/{w}/{w}{n}": 14,
    "ls -la {w}/{w}": 9,
    "vim {w}/{w}_{n}.py": 12,
    "python -m {w}.{w} --lr 0.0{n} --out runs/{w}{n}": 10,
    "docker run --rm -it {w}:{n} bash": 5,
    "ssh {w}@host{n}.example.org": 5,
    "make {w}": 4,
    "grep -rn '{w}_{w}' {w}/ | head -{n}": 6,
    "cat {w}/{w}.log.{n} | sort | uniq -c": 5,
}


def lines(rng):
    """Yield runs for ever: 7 in 10 repeat an earlier one, a recent one more likely than an old one."""
    seen = []
    kinds, weights = list(PROGRAMS), list(PROGRAMS.values())
    for number in range(1 << 60):
        if seen and rng.random() < 0.70:
            back = min(len(seen), int(rng.paretovariate(0.35)))
            yield seen[-back]
            continue
        if number % 1000 == 0:
            line = f"terraform apply -target=module.{rng.choice(WORDS)}{number}"  # rare, and evenly spread
        elif number < NUM_RUNS // 4 and rng.random() < 0.2:
            line = (
                f"svn commit -m '{rng.choice(WORDS)} {rng.choice(WORDS)} {rng.randrange(100000)}'"  # given up long ago
            )
        else:
            line = rng.choices(kinds, weights)[0]
            while "{w}" in line:
                line = line.replace("{w}", rng.choice(WORDS), 1)
            while "{n}" in line:
                line = line.replace("{n}", str(rng.randrange(10000)), 1)
        seen.append(line)
        yield line


def fill(history, num_runs):
    """Put the runs in as one transaction, by the statements that a migration uses: `add` would take minutes."""
    rng = random.Random(1)
    start, folders = 1.6e9, [f"/home/me/projects/{word}" for word in WORDS]
    source = lines(rng)
    with history.transaction():
        names = [*folders, "host", *(f"session-{i}" for i in range(num_runs // 200 + 1))]
        history._connection.executemany("INSERT INTO name (text) VALUES (?)", [[name] for name in names])
        history.execute("CREATE TEMP TABLE coming (id INTEGER PRIMARY KEY, command, cwd, status, session, started)")

        def rows():
            for i in range(num_runs):
                session = len(folders) + 2 + i // 200
                folder = min(len(folders), int(rng.paretovariate(0.8)))
                yield next(source), folder, rng.choices((0, 1, 127), (90, 8, 2))[0], session, start + 60.0 * i

        history._connection.executemany(
            "INSERT INTO coming (command, cwd, status, session, started) VALUES (?, ?, ?, ?, ?)", rows()
        )
        history.execute(
            "INSERT INTO line (command, utf8, count, worked, failed, newest_started, newest_run) "
            f"SELECT command, 1, count(*), total({WORKED}), total({FAILED}), max(started), max(id) FROM coming "
            "GROUP BY command ORDER BY min(id)"
        )
        history.execute(
            "INSERT INTO run SELECT coming.id, line.id, cwd, status, session, ?, started, 0.5 FROM coming "
            "JOIN line USING (command) ORDER BY coming.id",
            [len(folders) + 1],
        )
    history.execute("DROP TABLE coming")


def measured(call):
    """Call ``ROUNDS`` times; return p50 and p99 of the wall's and of the processor's ms, and how many were found."""
    times = []
    for _ in range(ROUNDS):
        start, spent = time.perf_counter(), time.thread_time()
        found = call()
        times.append(((time.perf_counter() - start) * 1e3, (time.thread_time() - spent) * 1e3))
    wall, processor = (sorted(column) for column in zip(*times, strict=True))
    return (
        wall[ROUNDS // 2],
        wall[int(0.99 * ROUNDS)],
        processor[ROUNDS // 2],
        processor[int(0.99 * ROUNDS)],
        len(found),
    )


def test_looking_up_in_a_million_commands(tmp_path):
    path = tmp_path / "history.sqlite"
    start = time.perf_counter()
    history = History(path)
    fill(history, NUM_RUNS)
    filled = time.perf_counter()
    update_index(history)
    indexed = time.perf_counter()
    history.close()
    ((num_lines, mean_bytes),) = (history := History(path)).rows(
        "SELECT count(*), sum(length(CAST(command AS BLOB)) * count) * 1.0 / sum(count) FROM line"
    )
    print(
        f"\n{NUM_RUNS} runs of {num_lines} lines, {mean_bytes:.1f} bytes in the mean, "
        f"{path.stat().st_size / 1e6:.0f} MB; made in {filled - start:.0f} s, trigrams in {indexed - filled:.0f} s"
    )
    last = history.newest("", 1)[0]
    ((some_session,),) = history.rows("SELECT text FROM name WHERE id = ?", [len(WORDS) + 2 + NUM_RUNS // 400])
    cases = {
        "newest: empty prefix": lambda: history.newest("", 10),
        "newest: 'g', a third of all": lambda: history.newest("g", 10),
        "newest: 'git ' (fish asks so), worked": lambda: history.newest("git ", 10, single_line=True, worked=True),
        "newest: 'git commit -m ', 50 of them": lambda: history.newest("git commit -m ", 50),
        "newest: 'git commit -m 'fix src', many": lambda: history.newest("git commit -m 'fix src", 10),
        "newest: 'svn commit', many, all old": lambda: history.newest("svn commit", 10),
        "newest: 'svn commit -m 'src', all old": lambda: history.newest("svn commit -m 'src", 10),
        "newest: 'terraform', rare": lambda: history.newest("terraform", 10),
        "newest: matches nothing": lambda: history.newest("zzz", 10),
        "newest: 'git zzz', matches nothing": lambda: history.newest("git zzz", 10),
        "newest: the whole last line": lambda: history.newest(last, 10),
        "prefix 'git ch', here": lambda: history.search("git ch", "prefix", cwd="/home/me/projects/src"),
        "substring 'ma', two letters": lambda: history.search("ma", limit=50),
        "substring 'xq', two letters, nothing": lambda: history.search("xq", limit=50),
        "substring 'ommit -m', a fifth of all": lambda: history.search("ommit -m", limit=50),
        "substring 'example.org'": lambda: history.search("example.org", limit=50),
        "substring 'module.', rare": lambda: history.search("module.", limit=50),
        "substring 'svn com', many, all old": lambda: history.search("svn com", limit=50),
        "substring 'src in tests', middling": lambda: history.search("src in tests", limit=50),
        "substring '4242', middling": lambda: history.search("4242", limit=50),
        "substring: matches nothing": lambda: history.search("no such thing", limit=50),
        "substring: frequent trigrams, nothing": lambda: history.search("it commix", limit=50),
        "substring 'model', in a session": lambda: history.search("model", session=some_session, limit=50),
        "substring 'model', in a folder": lambda: history.search("model", cwd="/home/me/projects/docs", limit=50),
        "substring 'model', failed": lambda: history.search("model", failed=True, limit=50),
        "recent 1000": lambda: history.recent(1000),
    }
    print(f"{'case':<42}{'found':>6}{'first ms':>10}{'p50 ms':>9}{'p99 ms':>9}{'CPU p50':>9}{'CPU p99':>9}")
    for name, call in cases.items():
        history.close()
        history.__init__(path)
        start = time.perf_counter()
        call()
        first = (time.perf_counter() - start) * 1e3
        *figures, found = measured(call)
        print(f"{name:<42}{found:>6}{first:>10.2f}" + "".join(f"{figure:>9.2f}" for figure in figures))
    times = []
    for i in range(1000):
        start = time.perf_counter()
        history.add(f"new line {i}" if i % 3 == 0 else last, "/home/me", 0, "bench", 2e9 + i, 0.1)
        times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    print(
        f"add: p50 {times[500]:.2f} ms, p99 {times[990]:.2f} ms, most {times[-1]:.1f} ms, "
        f"{1000 / sum(times) * 1e3:.0f} a second"
    )
    start = time.perf_counter()
    gone = len(history.forget("terraform"))
    print(f"forget {gone} of them: {time.perf_counter() - start:.1f} s")
    history.close()
