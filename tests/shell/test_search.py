"""Search in past lines: the matcher, the daemon's answer, the screen in a real terminal, Up and Down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.naive_search import best_points, search
from tests.shell.fake_daemon import Peer, Start, wait_until
from typeahead import config
from typeahead.history import History
from typeahead.shell.runs import Run, Runs, Scope
from typeahead.shell.search import Index, align, fold, places

# The matcher

_LETTERS = st.text(alphabet="abAB/-_ 1é", min_size=1, max_size=9)
_WORDS = st.text(alphabet="abAB/-1é", min_size=1, max_size=4)


@given(_WORDS, _LETTERS)
@example("gc", "gitHub cg")
@example("ab", "aab a b")
def test_an_alignment_has_the_most_points_that_any_way_to_pick_the_letters_has(word: str, line: str) -> None:
    found = align(word, line)
    wanted = best_points(word, line)
    if wanted is None:
        assert found is None
        return
    assert found is not None
    assert found.points == wanted
    text = line if word != fold(word) else fold(line)
    assert "".join(text[place] for place in found.places) == word
    assert list(found.places) == sorted(set(found.places))


@given(st.lists(_LETTERS, unique=True, max_size=12), st.text(alphabet="abAB/- ", max_size=5), st.integers(1, 6))
def test_a_search_finds_what_weighing_every_line_finds(lines: list[str], query: str, limit: int) -> None:
    assert [tuple(found) for found in Index(lines).search(query, limit)] == search(lines, query, limit)


@pytest.mark.parametrize(
    ("query", "better", "worse"),
    [
        ("gst", "git status", "legistate"),
        ("gco", "git checkout", "echo go"),
        ("com", "git commit", "telecom"),
        ("make test", "make -j4 test", "make atest"),
        ("hub", "gitHub", "githbu b"),
    ],
)
def test_starts_of_words_and_neighbouring_letters_go_before_what_is_newer(query: str, better: str, worse: str) -> None:
    assert Index([worse, better]).search(query, 2)[0].place == 1


def test_small_letters_stand_for_capitals_and_capitals_for_themselves() -> None:
    lines = ["make README", "make readme"]
    assert [found.place for found in Index(lines).search("readme", 9)] == [0, 1]
    assert [found.place for found in Index(lines).search("README", 9)] == [0]


def test_of_lines_that_match_as_well_the_newer_goes_first() -> None:
    assert [found.place for found in Index(["git log", "git push", "got"]).search("git", 9)] == [0, 1]


def test_nothing_typed_finds_the_newest_lines() -> None:
    assert [found.place for found in Index(["new", "old", "older"]).search(" ", 2)] == [0, 1]


@given(st.text(max_size=30), st.lists(st.text(max_size=30), unique=True, max_size=5))
def test_no_text_breaks_the_search(query: str, lines: list[str]) -> None:
    for found in Index(lines).search(query, 5):
        assert places(query, lines[found.place]) <= set(range(len(lines[found.place])))


def test_a_line_is_found_among_many_whatever_its_age() -> None:
    lines = [f"echo number {number}" for number in range(30_000)] + ["tar czf backup.tgz src"]
    assert Index(lines).search("tzsrc", 5)[0].place == len(lines) - 1


def test_a_rare_word_beside_a_common_one_is_found_whatever_is_newer() -> None:
    lines = [f"git commit {number}" for number in range(20_000)] + ["git checkout zebra"]
    for query in ("git zb", "zb git", "gt zebra"):
        assert [found.place for found in Index(lines).search(query, 5)] == [len(lines) - 1]


@given(st.text(alphabet="ab ", max_size=5), st.lists(_LETTERS, unique=True, max_size=9))
def test_typing_on_finds_what_a_fresh_search_finds(query: str, lines: list[str]) -> None:
    index = Index(lines)
    for length in range(len(query) + 1):
        assert index.search(query[:length], 5) == Index(lines).search(query[:length], 5)


# Runs

_RUNS = [
    Run("make", "/a", 0, "one", 1.0, 2.0),
    Run("make", "/b", 2, "two", 2.0, 3.0),
    Run("make test", "/a", 2, "one", 3.0, None),
    Run("vi", None, 130, "two", 4.0, 1.0),
]


@pytest.mark.parametrize(
    ("scope", "wanted"),
    [
        (Scope(), [("vi", 130, 1), ("make test", 2, 1), ("make", 2, 2)]),
        (Scope(cwd="/a"), [("make test", 2, 1), ("make", 0, 1)]),
        (Scope(session="two"), [("vi", 130, 1), ("make", 2, 1)]),
        (Scope(failed=False), [("vi", 130, 1), ("make", 0, 1)]),
        (Scope(failed=True, cwd="/b"), [("make", 2, 1)]),
    ],
)
def test_a_scope_shows_the_newest_of_its_runs_and_counts_them(scope: Scope, wanted: list[tuple[str, int, int]]) -> None:
    found = [match for match, _ in Runs(reversed(_RUNS)).find("", scope, 9)]
    assert [(match.text, match.status, match.runs) for match in found] == wanted


def test_what_is_added_or_removed_later_is_found_or_not() -> None:
    runs = Runs(_RUNS)
    assert [match.text for match, _ in runs.find("mk", Scope(), 9)] == ["make test", "make"]
    runs.extend([Run("mk", None, 0, "", 0.5, None)])
    runs.remove("make")
    assert [match.text for match, _ in runs.find("mk", Scope(), 9)] == ["mk", "make test"]


# The daemon's answer


@pytest.fixture
def stored(isolated_home: Path) -> History:
    history = History(config.history_file())
    for number, run in enumerate(_RUNS):
        history.add(run.text, run.cwd, run.status, run.session, started=1000.0 + number, duration_s=run.duration_s)
    return history


Connect = Callable[[], Peer]


def texts(reply: dict) -> list[str]:  # type: ignore[type-arg]
    return [match["text"] for match in reply["matches"]]


def test_the_daemon_finds_lines_with_all_that_is_known_of_them(start: Start, connect: Connect, stored: History) -> None:
    start().wait_listening()
    reply = connect().ask(op="search", id=7, text="mtes", session="one")
    assert (reply["op"], reply["id"], reply["text"], reply["complete"]) == ("search", 7, "mtes", True)
    expected = {"text": "make test", "status": 2, "cwd": "/a", "started": 1002.0, "duration_s": None, "runs": 1}
    assert reply["matches"] == [expected]


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, ["vi", "make test", "make"]),
        ({"limit": 1}, ["vi"]),
        ({"scope": "directory", "cwd": "/b"}, ["make"]),
        ({"scope": "session", "session": "one"}, ["make test", "make"]),
        ({"failed": False}, ["vi", "make"]),
        ({"failed": True, "scope": "session", "session": "two"}, ["make"]),
    ],
)
def test_the_daemon_keeps_to_a_scope(
    start: Start, connect: Connect, stored: History, fields: dict[str, object], wanted: list[str]
) -> None:
    start().wait_listening()
    assert texts(connect().ask(op="search", id=1, text="", **fields)) == wanted


@pytest.mark.parametrize(
    "fields",
    [
        {"text": 1},
        {"text": "a", "scope": "galaxy"},
        {"text": "a", "scope": "directory"},
        {"text": "a", "failed": 0},
        {"text": "a", "limit": 0},
        {"text": "a", "limit": True},
        {"text": "a" * 5000},
    ],
)
def test_a_malformed_search_is_refused(start: Start, connect: Connect, fields: dict[str, object]) -> None:
    start().wait_listening()
    assert connect().ask(op="search", id=1, **fields)["op"] == "error"


def test_the_model_moves_likely_lines_up_but_not_past_a_better_match(start: Start, connect: Connect) -> None:
    history = History(config.history_file())
    for number, line in enumerate(["run likely", "run other", "x rlikely ultra nice"]):
        history.add(line, started=1000.0 + number)
    start().wait_state("warm")
    assert texts(connect().ask(op="search", id=1, text="run")) == ["run likely", "run other", "x rlikely ultra nice"]
    assert texts(connect().ask(op="search", id=1, text="")) == ["x rlikely ultra nice", "run other", "run likely"]


def test_the_daemon_sees_what_others_have_added_and_forgotten(start: Start, connect: Connect, stored: History) -> None:
    start().wait_listening()
    peer = connect()
    assert texts(peer.ask(op="search", id=1, text="make")) == ["make test", "make"]
    stored.add("make install", started=2000.0)
    assert texts(peer.ask(op="search", id=2, text="make")) == ["make install", "make test", "make"]
    stored.forget(exact="make test")
    assert texts(peer.ask(op="search", id=3, text="make")) == ["make install", "make"]


def test_older_runs_than_the_first_that_are_read_are_found_too(start: Start, connect: Connect) -> None:
    history = History(config.history_file())
    history.add("the oldest line", started=1.0)
    with history.errors(), history.transaction():
        names: dict[str, int] = {}
        for number in range(6000):
            history.insert(event(f"echo {number % 50}", 2.0 + number), None, names)
    start().wait_listening()
    peer = connect()
    first = peer.ask(op="search", id=1, text="oldest")
    assert (first["complete"], first["matches"]) == (False, [])
    reply = wait_until(lambda: _complete(peer), "all is read")
    assert texts(reply) == ["the oldest line"]


def _complete(peer: Peer) -> dict | None:  # type: ignore[type-arg]
    reply = peer.ask(op="search", id=2, text="oldest")
    return reply if reply["complete"] else None


def event(command: str, started: float):  # type: ignore[no-untyped-def]
    from typeahead.history import Event

    return Event(0, command, None, 0, "", "", started, None)


def test_a_history_that_cannot_be_read_is_no_empty_one(start: Start, connect: Connect) -> None:
    path = config.history_file()
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all" * 100)
    start().wait_listening()
    assert connect().ask(op="search", id=1, text="")["matches"] is None


def test_a_reply_never_outgrows_a_message(start: Start, connect: Connect) -> None:
    history = History(config.history_file())
    for number in range(30):
        history.add(f"echo {number} " + "x" * 5000, started=float(number))
    start().wait_listening()
    peer = connect()
    peer.send(op="search", id=1, text="echo")
    line = peer.file.readline()
    assert len(line) <= 64 * 1024
    assert line.count(b'"runs"') >= 10
