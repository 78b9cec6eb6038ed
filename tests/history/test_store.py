"""The store of past commands: what goes in comes out, whoever else is writing, and nothing foreign is touched."""

from __future__ import annotations

import math
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead.errors import HistoryError
from typeahead.history import History, HistoryBusyError, Use
from typeahead.history.database import APPLICATION_ID, SCHEMA_VERSION

# Any text a terminal can deliver: characters, and bytes that are none as lone surrogates.
commands = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from("\udc80\udcff"))


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    store = History(tmp_path / "data" / "history.sqlite")
    yield store
    store.close()


def fill(history: History, *lines: str, session: str = "s") -> None:
    start = len(history.recent(1_000_000))
    for i, line in enumerate(lines):
        history.add(line, session=session, started=1000.0 + start + i)


def test_newest_returns_distinct_lines_newest_first(history: History) -> None:
    fill(history, "git add a", "git commit", "ls", "git add a", "git push")
    assert history.newest("git", 10) == ["git push", "git add a", "git commit"]
    assert history.newest("git", 2) == ["git push", "git add a"]
    assert history.newest("", 1) == ["git push"]
    assert history.newest("git commit", 5) == ["git commit"]
    assert history.newest("x", 5) == []


def test_newest_goes_by_start_not_by_order_of_storing(history: History) -> None:
    history.add("ls new", started=2000.0)
    history.add("ls old", started=1000.0)
    assert history.newest("ls", 2) == ["ls new", "ls old"]


@pytest.mark.parametrize("prefix", ["100%", "a_b", "a*b", "a?b", "[ab]", "a'b", 'a"b', "\\", "é", "日本", "GIT"])
def test_no_character_of_a_prefix_is_special(history: History, prefix: str) -> None:
    fill(history, "1000", "axb", "aab", "a", "git", "e", prefix + "!")
    assert history.newest(prefix, 10) == [prefix + "!"]


@pytest.mark.parametrize("prefix", ["\U0010ffff", "a\U0010ffff", "\udcff", "a\udcff\udcff", "\udcff\udcff"])
def test_the_last_characters_there_are_have_a_successor(history: History, prefix: str) -> None:
    fill(history, prefix + "x", "a", "b", "zz")
    assert history.newest(prefix, 10) == [prefix + "x"]


@given(lines=st.lists(commands, max_size=20), prefix=commands)
def test_newest_equals_a_search_through_the_list(
    lines: list[str], prefix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    history = History(tmp_path_factory.mktemp("history") / "h.sqlite")
    fill(history, *lines)
    # By character, not by byte, the same: a prefix made of whole characters begins no other character.
    wanted = []
    for line in reversed(lines):
        kept = line.strip() and not line.startswith(" ")
        if kept and line.encode("utf-8", "surrogateescape").startswith(prefix.encode("utf-8", "surrogateescape")):
            wanted += [line] if _same(line) not in map(_same, wanted) else []
    assert [_same(line) for line in history.newest(prefix, 100)] == [_same(line) for line in wanted]
    history.close()


def _same(line: str) -> bytes:
    return line.encode("utf-8", "surrogateescape")


def test_old_lines_are_found_behind_a_thousand_newer_ones(history: History) -> None:
    fill(history, "rare line", *(f"ls {i}" for i in range(1200)))
    assert history.newest("rare", 1) == ["rare line"]
    assert history.newest("ls 1", 2000)[0] == "ls 1199"
    assert len(history.newest("ls", 2000)) == 1200


def test_a_look_up_by_prefix_uses_the_index(history: History) -> None:
    queries: list[str] = []
    history._connection.set_trace_callback(queries.append)
    history.newest("git", 1)
    plans = [
        row[3]
        for query in queries
        for row in history._connection.execute(f"EXPLAIN QUERY PLAN {query}")
        if "SELECT" in query
    ]
    history._connection.set_trace_callback(None)
    assert any("line_by_head_2 (<expr>=?)" in plan for plan in plans), plans
    assert any("sqlite_autoindex_line_1 (command>? AND command<?)" in plan for plan in plans), plans
    assert not any(plan.startswith("SCAN line") for plan in plans), plans


@given(line=commands.filter(lambda text: text.strip() and not text.startswith(" ")), cwd=commands)
def test_any_text_comes_out_as_it_went_in(line: str, cwd: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    history = History(tmp_path_factory.mktemp("history") / "h.sqlite")
    history.add(line, cwd=cwd, session=cwd)
    assert [_same(found) for found in history.recent(5, session=cwd)] == [_same(line)]
    history.close()


def test_what_is_no_text_at_all_is_refused_in_one_line(history: History) -> None:
    with pytest.raises(HistoryError, match=r"'\\ud800' is no character"):
        history.add("a\ud800")
    assert history.newest("\ud800", 5) == []


def test_single_line_leaves_out_control_characters(history: History) -> None:
    fill(history, "a\nb", "a\x1b[2J", "a\x7f", "a\x9b2J", "a\tb", "a fine é 日本", "a-b", "a]b")
    assert history.newest("a", 9, single_line=True) == ["a]b", "a-b", "a fine é 日本"]
    assert len(history.newest("a", 9)) == 8


@pytest.mark.parametrize("line", [" secret", " ", "", "\t", "\n", "  ls"])
def test_private_and_empty_lines_are_never_stored(history: History, line: str) -> None:
    history.add(line)
    assert history.recent(10) == []
    assert b"secret" not in history.path.read_bytes()


def test_storing_again_changes_nothing(history: History) -> None:
    for _ in range(3):
        history.add("ls", session="s", started=5.0, status=0)
    history.add("ls", session="s", started=6.0)
    history.add("ls", session="t", started=5.0)
    assert history.recent(10) == ["ls", "ls", "ls"]


def test_recent_is_oldest_first_and_can_leave_out(history: History) -> None:
    fill(history, "a", "b", "a", session="s")
    fill(history, "c", "d", session="t")
    history.add("typo", session="u", started=9999.0, status=127)
    assert history.recent(4) == ["a", "c", "d", "typo"]
    assert history.recent(10, session="s") == ["a", "b", "a"]
    assert history.recent(10, without="s") == ["c", "d", "typo"]
    assert history.recent(10, without="s", found_only=True) == ["c", "d"]
    assert history.recent(0) == []


def test_every_column_is_kept(history: History) -> None:
    history.add("make", cwd="/src", status=2, session="s", started=12.5, duration_s=3.25)
    row = history._connection.execute("SELECT command, cwd, status, session, started, duration_s FROM event").fetchall()
    assert row == [("make", "/src", 2, "s", 12.5, 3.25)]


def test_files_are_the_users_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "h.sqlite"
    old = os.umask(0)
    try:
        history = History(path)
        history.add("ls")
    finally:
        os.umask(old)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert {file.name for file in path.parent.iterdir()} == {"h.sqlite", "h.sqlite-wal", "h.sqlite-shm"}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    history.close()


def test_an_open_file_is_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    History(path).close()
    path.chmod(0o644)
    History(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_store_is_reopened_with_what_it_held(tmp_path: Path) -> None:
    first = History(tmp_path / "h.sqlite")
    first.add("ls")
    first.close()
    second = History(tmp_path / "h.sqlite")
    assert second.recent(5) == ["ls"]
    second.close()
    second.close()


@pytest.mark.parametrize(
    "content", [b"#1700000000\nls -la\n" * 100, os.urandom(5000), b"SQLite format 3\0" + b"\xff" * 5000], ids=len
)
def test_a_foreign_file_is_refused_and_untouched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "h.sqlite"
    path.write_bytes(content)
    with pytest.raises(HistoryError, match=r"h\.sqlite: .*; move it away"):
        History(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE urls (url TEXT)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(HistoryError, match="another program"):
        History(path)
    assert path.read_bytes() == before


def test_a_store_of_a_newer_version_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    History(path).close()
    with sqlite3.connect(path) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    newer.close()
    before = path.read_bytes()
    with pytest.raises(HistoryError, match="newer typeahead"):
        History(path)
    assert path.read_bytes() == before


def test_a_store_that_is_damaged_later_is_an_error_not_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    history = History(path)
    fill(history, *(f"line {i}" for i in range(2000)))
    history.close()
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(HistoryError, match=r"h\.sqlite: damaged"):
        History(path).newest("line", 5)
    assert path.read_bytes() == content


def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HistoryError, match=r"cannot be opened \(Not a directory\)|cannot be opened \(File exists\)"):
        History(tmp_path / "file" / "h.sqlite")
    with pytest.raises(HistoryError, match="Is a directory"):
        History(tmp_path)


def test_a_busy_store_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    history = History(path, timeout_s=0.01)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(HistoryBusyError):
        history.add("ls")
    assert history.newest("l", 1) == []  # reading goes on
    other.execute("ROLLBACK")
    history.add("ls")
    assert history.newest("l", 1) == ["ls"]
    other.close()
    history.close()


_WRITER = """
import os, sys, time
from typeahead.history import History
path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
open(f"{path}.{name}", "w").close()
while not os.path.exists(path + ".go"):  # all make the store at once
    time.sleep(0.001)
history = History(path, timeout_s=60)
for i in range(count):
    history.add(f"{name} {i}", session=name, started=float(i))
    if i % 10 == 0:
        assert history.newest(name, 1) == [f"{name} {i}"]
history.close()
"""


def test_many_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    path, count, names = tmp_path / "h.sqlite", 100, ["a", "b", "c", "d", "e"]
    writers = [
        subprocess.Popen([sys.executable, "-P", "-c", _WRITER, str(path), name, str(count)], stderr=subprocess.PIPE)
        for name in names
    ]
    while len(list(tmp_path.glob("h.sqlite.?"))) < len(names):
        assert all(writer.poll() is None for writer in writers)
        time.sleep(0.005)
    Path(f"{path}.go").touch()
    errors = [writer.communicate(timeout=120)[1].decode() for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * len(names), errors
    history = History(path)
    assert sorted(history.recent(10_000)) == sorted(f"{name} {i}" for name in names for i in range(count))
    assert history._connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    history.close()


def test_a_killed_writer_leaves_what_it_had_stored(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    Path(f"{path}.go").touch()
    code = _WRITER + "\nimport os\nhistory = History(path)\nhistory.add('last', started=1e9)\nos.kill(os.getpid(), 9)\n"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, str(path), "a", "20"],
        timeout=60,
        check=False,
    )
    assert done.returncode == -9
    history = History(path)
    assert len(history.recent(100)) == 21
    assert history.recent(1) == ["last"]
    history.close()


_CONFIRMER = """
import sys
from typeahead.history import History, Use
history = History(sys.argv[1])
for i in range(100_000):
    line = f"echo {i % 50} {'x' * (i % 300)}"
    history.add(line, cwd="/src", session="s", started=float(i), use=Use(1, 1, 1, 0, 0, ()))
    print(i, flush=True)
"""


@pytest.mark.parametrize("num_confirmed", [1, 37, 400])
def test_a_writer_killed_at_any_moment_has_stored_what_it_confirmed(tmp_path: Path, num_confirmed: int) -> None:
    path = tmp_path / "h.sqlite"
    writer = subprocess.Popen(
        [sys.executable, "-P", "-c", _CONFIRMER, str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert writer.stdout is not None
    for _ in range(num_confirmed):
        assert writer.stdout.readline()
    writer.kill()
    num_confirmed += len(writer.stdout.read().splitlines())
    assert writer.wait(timeout=60) == -signal.SIGKILL
    writer.stdout.close()
    history = History(path)
    started = [event.started for event in history.events()]
    assert started == [float(i) for i in range(len(started))]
    assert num_confirmed <= len(started) <= num_confirmed + 1
    assert len(history.usage()) == len(started)
    assert history.rows("SELECT sum(count) FROM line") == [(len(started),)]
    assert history.rows("PRAGMA integrity_check") == [("ok",)]
    history.add("goes on")
    history.close()


_FILLER = """
import resource, sys
from typeahead.errors import HistoryError
from typeahead.history import History
history = History(sys.argv[1])
limit = 6_000_000  # bytes of any file from now on: what a full disk does, without filling one
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
for i in range(100_000):
    try:
        history.add(f"echo {i} {'x' * 200}", session="s", started=float(i))
    except HistoryError as error:
        print(i, error, sep="\\n", flush=True)
        break
try:
    print(len(history.forget("echo 1")))
except HistoryError as error:
    print("not forgotten:", error)
print(history.newest("echo 0", 1))
"""


def test_a_full_disk_is_one_clear_line_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    done = subprocess.run(
        [sys.executable, "-P", "-c", _FILLER, str(path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    count, message, forgotten, newest = done.stdout.splitlines()
    assert int(count) > 100
    assert re.fullmatch(r".*h\.sqlite: the history cannot be used \(.*\); check the file and its disk", message)
    assert newest.startswith("['echo 0 ")
    history = History(path)  # the limit is gone: there is room again
    stored = [event.started for event in history.events()]
    lost = {float(i) for i in range(int(count)) if f"echo {i} ".startswith("echo 1")}
    wanted = [float(i) for i in range(int(count))]
    assert stored == wanted or (not forgotten.startswith("not") and stored == [i for i in wanted if i not in lost])
    assert history.is_scrubbed
    assert history.rows("PRAGMA integrity_check") == [("ok",)]
    history.add("goes on")
    assert history.recent(1) == ["goes on"]
    history.close()


def test_a_secret_is_redacted_before_it_is_written_and_its_kind_is_told(history: History) -> None:
    token = "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"
    assert history.add("ls -la") == []
    kinds = history.add(f"export GITHUB_TOKEN={token}", started=9e9)
    assert len(kinds) == 1
    assert "token" in kinds[0].lower()
    assert history.recent(1) == ["export GITHUB_TOKEN=***"]
    assert all(token.encode() not in file.read_bytes() for file in history.path.parent.iterdir())


def test_events_come_in_the_order_of_arrival_and_go_on_where_one_stopped(history: History) -> None:
    for i in range(2500):
        history.add(f"echo {i % 9}", session="s", started=5000.0 - i)
    events = list(history.events())
    assert [event.id for event in events] == list(range(1, 2501))
    assert [event.command for event in events[:3]] == ["echo 0", "echo 1", "echo 2"]
    assert [event.id for event in history.events(after_id=2490, limit=3)] == [2491, 2492, 2493]
    assert list(history.events(after_id=2500)) == []
    assert list(history.events(limit=0)) == []


def test_one_may_write_and_forget_while_events_are_read(history: History) -> None:
    fill(history, *(f"echo {i}" for i in range(1500)))
    seen = []
    for event in history.events():
        if event.id == 10:
            history.forget(exact="echo 1400")
            history.add("new", started=9e9)
        seen.append(event.command)
    assert seen == [f"echo {i}" for i in range(1500) if i != 1400] + ["new"]


def test_figures_of_use_are_kept_without_text(history: History) -> None:
    use = Use(12, 5, 3, 1, 7, (1.25, 0.5))
    history.add("git status", started=20.0, use=use)
    history.add("git status", started=20.0, use=Use(1, 1, 1, 1, 1, ()))  # stored already: counted once
    history.add("ls", started=10.0, use=Use(2, 2, 0, 0, 0, ()))
    history.add("cd", started=30.0)
    assert [(row.started, row.use) for row in history.usage()] == [(10.0, Use(2, 2, 0, 0, 0, ())), (20.0, use)]
    assert [row.started for row in history.usage(since=15.0)] == [20.0]


@pytest.mark.parametrize("started", [math.nan, math.inf])
def test_a_start_that_is_no_time_is_refused(history: History, started: float) -> None:
    with pytest.raises(HistoryError, match="is no time"):
        history.add("ls", started=started)
    assert history.recent(1) == []
    assert history.rows("SELECT * FROM line") == []


def test_the_file_says_whose_it_is(history: History) -> None:
    assert history._connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert history._connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    assert history._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
