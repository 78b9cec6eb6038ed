"""What is forgotten is gone: from every answer, and from every byte of the files."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typeahead.errors import HistoryError
from typeahead.history import Event, History, HistoryBusyError, Use, removal
from typeahead.history.lookup import update_index

CANARY = "canary-Xq7Zw"


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    store = History(tmp_path / "history.sqlite", timeout_s=0.05)
    yield store
    store.close()


def files(history: History) -> list[Path]:
    return sorted(history.path.parent.glob("history.sqlite*"))


def holds(history: History, text: bytes) -> bool:
    return any(text in file.read_bytes() for file in files(history))


def fill(history: History, *commands: str) -> None:
    for i, command in enumerate(commands):
        history.add(command, cwd="/src", session="s", started=1000.0 + i)


def commands(history: History) -> list[str]:
    return [event.command for event in history.events()]


def test_forgetting_returns_what_it_removed_and_says_so(history: History) -> None:
    fill(history, "ls", "git push", "ls -la", "git pull")
    assert history.generation == 0
    assert [event.command for event in history.forget("git")] == ["git push", "git pull"]
    assert history.generation == 1
    assert history.forget("git") == []
    assert history.generation == 1
    assert commands(history) == ["ls", "ls -la"]
    assert history.is_scrubbed


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("git", ["ls", "a*b", "a\nb"]),
        ("git *", ["ls", "tig git", "a*b", "a\nb"]),
        ("*git", ["ls", "git push", "a*b", "a\nb"]),
        ("[*]", ["ls", "git push", "tig git", "a*b", "a\nb"]),
        ("a[*]b", ["ls", "git push", "tig git", "a\nb"]),
        ("a?b", ["ls", "git push", "tig git"]),
        ("%", ["ls", "git push", "tig git", "a*b", "a\nb"]),
        ("GIT", ["ls", "git push", "tig git", "a*b", "a\nb"]),
        ("*", []),
    ],
)
def test_a_pattern_is_a_part_unless_it_is_a_glob(history: History, pattern: str, left: list[str]) -> None:
    fill(history, "ls", "git push", "tig git", "a*b", "a\nb")
    history.forget(pattern)
    assert commands(history) == left


def test_an_empty_pattern_is_refused(history: History) -> None:
    fill(history, "ls")
    with pytest.raises(HistoryError, match=r"give \*"):
        history.forget("")
    assert commands(history) == ["ls"]


@pytest.mark.parametrize("arguments", [{}, {"last": 1, "since": 2.0}, {"exact": "a", "last": 1}])
def test_what_to_forget_must_be_said_in_one_way(history: History, arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        history.forget(**arguments)  # type: ignore[arg-type]


def test_forgetting_the_last_the_recent_and_the_exact(history: History) -> None:
    fill(history, "a", "b", "a", "aa", "c")
    assert [event.command for event in history.forget(last=2)] == ["aa", "c"]
    assert history.newest("", 9) == ["a", "b"]
    assert [event.started for event in history.forget(since=1002.0)] == [1002.0]
    assert history.newest("", 9) == ["b", "a"]  # what is left of "a" is older than "b"
    history.add("ab", started=5.0)
    assert [event.command for event in history.forget(exact="a")] == ["a"]
    assert commands(history) == ["b", "ab"]
    assert history.forget(exact="zzz") == []


def test_ids_are_never_given_again(history: History) -> None:
    fill(history, "a", "b", "c")
    assert [event.id for event in history.forget(last=2)] == [2, 3]
    history.add("d", started=2000.0)
    assert [(event.id, event.command) for event in history.events(after_id=1)] == [(4, "d")]


def test_the_figures_of_a_line_go_with_it(history: History) -> None:
    history.add("ls", started=1.0, use=Use(2, 2, 1, 0, 0, (1.5,)))
    history.add("git", started=2.0, use=Use(3, 1, 1, 1, 2, ()))
    history.forget("ls")
    assert [(row.started, row.use) for row in history.usage()] == [(2.0, Use(3, 1, 1, 1, 2, ()))]


def test_what_a_line_has_come_to_is_counted_anew(history: History) -> None:
    history.add("make", status=0, started=1.0)
    history.add("make", status=2, started=2.0)
    history.add("make", status=2, started=3.0)
    assert history.newest("make", 1, worked=True) == ["make"]
    history.forget(since=2.5)
    assert history.rows("SELECT count, worked, failed, newest_started FROM line") == [(2, 1, 1, 2.0)]


@settings(max_examples=30)
@given(
    stored=st.lists(st.tuples(st.sampled_from(["a", "ab", "b\udcff", "é", "abc"]), st.integers(0, 20)), max_size=15),
    pattern=st.sampled_from(["a", "b", "é", "\udcff", "abc", "a*", "*b*"]),
    indexed=st.integers(0, 15),
)
def test_a_store_that_forgot_answers_like_one_that_never_knew(
    stored: list[tuple[str, int]], pattern: str, indexed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("history")
    with closing(History(folder / "a.sqlite")) as one, closing(History(folder / "b.sqlite")) as other:
        for i, (command, started) in enumerate(stored):
            one.add(command, session=f"s{i}", started=started)
            if i == indexed:
                update_index(one)
        gone = {event.id for event in one.forget(pattern)}
        for i, (command, started) in enumerate(stored):
            if i + 1 not in gone:
                other.add(command, session=f"s{i}", started=started)
        for text in ("", "a", "ab", "abc", "é", "\udcff"):
            for mode in ("prefix", "substring"):
                assert [event[1:] for event in one.search(text, mode)] == [
                    event[1:] for event in other.search(text, mode)
                ]
        names = "SELECT text FROM name ORDER BY text"
        assert one.rows(names) == other.rows(names)


@pytest.mark.parametrize("size", [10, 3000])
def test_no_byte_of_what_was_forgotten_is_left_in_any_file(history: History, size: int) -> None:
    generator = random.Random(size)
    lines = [f"echo {generator.random()} {'x' * generator.randrange(80)}" for _ in range(size)]
    for i, line in enumerate(lines):  # the pages that hold the canary are split and merged again
        history.add(line, cwd=f"/{CANARY}/cwd" if i == size // 2 else "/", session="s", started=float(i))
        if i == size // 2:
            history.add(f"echo {CANARY}", session=f"{CANARY}-session", started=i + 0.5)
            history.search("xxx")
    update_index(history)
    assert holds(history, CANARY.encode())
    removed = history.forget(CANARY)
    assert [event.command for event in removed] == [f"echo {CANARY}"]
    removed = history.forget(exact=lines[size // 2])
    assert len(removed) == 1
    assert not holds(history, CANARY.encode())
    assert not holds(history, lines[size // 2].encode())
    assert history.rows("SELECT 1 FROM line_term WHERE term = 'Xq7'") == []
    assert len(commands(history)) == size - 1
    assert history.rows("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("seed", [0, 1])
def test_no_older_copy_is_left_where_pages_were_split(history: History, seed: int) -> None:
    # With these seeds, zeros over what is removed are not enough: SQLite has left a copy where a page was split.
    generator = random.Random(seed)
    names: dict[str, int] = {}
    with history.transaction():
        for i in range(3000):
            command = f"{generator.random()} {'x' * generator.choice([3, 30, 300, 1500])}"
            if generator.random() < 0.02:
                command = f"{generator.random()} {CANARY}{'y' * generator.choice([3, 300, 900])}{i}"
            for started in [float(i), i + 0.5][: 1 + (generator.random() < 0.5)]:
                history.insert(Event(0, command, "/x", 0, "s", "h", started, None), None, names)
    for _ in range(3):
        history.forget(f"0.{generator.randrange(10)}*x")
    history.forget(CANARY)
    assert not holds(history, CANARY.encode())


def test_forgetting_beside_a_reader_is_finished_later(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "_SCRUB_S", 0.05)
    fill(history, "ls", CANARY)
    with closing(History(history.path)) as reader:
        reader.execute("BEGIN")
        assert reader.newest(CANARY, 1) == [CANARY]  # it sees the file as it was until it has done
        assert len(history.forget(CANARY)) == 1
        assert not history.is_scrubbed
        reader.execute("ROLLBACK")
        assert reader.newest(CANARY, 1) == []
    with closing(History(history.path)) as later:
        assert later.is_scrubbed
    assert not holds(history, CANARY.encode())


def test_forgetting_while_another_writes_removes_nothing(history: History) -> None:
    fill(history, "ls", CANARY)
    with closing(History(history.path)) as writer, writer.transaction(), pytest.raises(HistoryBusyError):
        history.forget(CANARY)
    assert commands(history) == ["ls", CANARY]
    assert history.generation == 0


_FORGETTER = """
import os, sys
from typeahead.history import History, removal
removal.scrub = lambda database: os.kill(os.getpid(), 9)
History(sys.argv[1]).forget(sys.argv[2])
"""


def test_forgetting_that_was_killed_is_finished_by_who_comes_next(history: History) -> None:
    fill(history, "ls", CANARY)
    done = subprocess.run([sys.executable, "-P", "-c", _FORGETTER, str(history.path), CANARY], timeout=60, check=False)
    assert done.returncode == -9
    assert commands(history) == ["ls"]
    assert holds(history, CANARY.encode())  # in the log, so far
    with closing(History(history.path)) as later:
        assert later.is_scrubbed
    assert not holds(history, CANARY.encode())


def test_many_can_be_forgotten_at_once(history: History) -> None:
    rows = [json.dumps({"command": f"echo {i}", "started": i}) for i in range(3000)]
    path = history.path.parent / "many.jsonl"
    path.write_text("\n".join(rows))
    from typeahead.history.importers import import_file

    import_file(history, path, "typeahead")
    os.unlink(path)
    assert len(history.forget("echo 1")) == 1111
    assert history.search("echo 1") == []
    assert len(history.search("echo", limit=5000)) == 3000 - 1111
