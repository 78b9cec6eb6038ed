"""Look-ups find what a search through the list finds, whichever of their ways they take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typeahead.errors import HistoryError
from typeahead.history import History, lookup

# Few letters, so that lines share beginnings and parts; and what a trigram or a query could trip over.
texts = st.text(st.sampled_from("aab é日\"'*%_\n\\\udc80\udcff"), max_size=8)
commands = texts.filter(lambda text: bool(text.strip()) and not text.startswith(" "))


class Run(NamedTuple):
    command: str
    cwd: str | None
    status: int | None
    session: str
    started: int


runs = st.lists(
    st.builds(
        Run,
        commands,
        st.sampled_from([None, "/a", "/b"]),
        st.sampled_from([None, 0, 1, 127, 130, 148]),
        st.sampled_from(["s", "t"]),
        st.integers(0, 30),
    ),
    max_size=25,
    unique_by=lambda run: (run.command, run.session, run.started),
)


def raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def fails(status: int | None) -> bool:
    return status not in (None, 0, 130, 148)


WAYS = ["one by one", "by index", "without full text"]


@contextmanager
def taking(way: str) -> Iterator[None]:
    """Make look-ups take this way whatever they are asked."""
    with pytest.MonkeyPatch.context() as patch:
        if way != "one by one":  # bounds so small that a handful of lines goes beyond them
            patch.setattr(lookup, "_WALKS", (1, 2))
            patch.setattr(lookup, "_MOST_UNORDERED", 2)
            patch.setattr(lookup, "_MOST_UNINDEXED", 3)
        if way == "without full text":
            patch.setattr(lookup, "_has_full_text", lambda database: False)
        yield


class Case(NamedTuple):
    stored: list[Run]
    later: list[Run]
    text: str
    limit: int
    cwd: str | None
    session: str | None
    failed: bool | None


cases = st.builds(
    Case,
    runs,
    runs,
    texts,
    st.integers(1, 6),
    st.sampled_from([None, None, "/a", "/none"]),
    st.sampled_from([None, None, "s", "none"]),
    st.sampled_from([None, None, True, False]),
)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=40)  # each in a file of its own
@given(case=cases)
def test_search_equals_a_search_through_the_list(
    case: Case, way: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    later = [run for run in case.later if not _has(case.stored, run)]
    stored = [*case.stored, *later]
    with taking(way), closing(History(tmp_path_factory.mktemp("history") / "h.sqlite")) as history:
        for run in case.stored:
            history.add(run.command, run.cwd, run.status, run.session, run.started)
        history.search("aab")  # brings the index up to here: what follows is not in it, or only partly
        for run in later:
            history.add(run.command, run.cwd, run.status, run.session, run.started)
        for mode in ("prefix", "substring"):
            found = history.search(
                case.text, mode, cwd=case.cwd, session=case.session, failed=case.failed, limit=case.limit
            )
            assert [(raw(event.command), event.started) for event in found] == through_the_list(stored, case, mode)


def through_the_list(stored: list[Run], case: Case, mode: str) -> list[tuple[bytes, int]]:
    newest: dict[bytes, tuple[int, int]] = {}
    for arrival, run in enumerate(stored):
        text, command = raw(case.text), raw(run.command)
        if not (command.startswith(text) if mode == "prefix" else text in command):
            continue
        if case.cwd not in (None, run.cwd) or case.session not in (None, run.session):
            continue
        if case.failed is not None and fails(run.status) is not case.failed:
            continue
        newest[command] = max(newest.get(command, (-1, -1)), (run.started, arrival))
    order = sorted(newest, key=lambda command: newest[command], reverse=True)[: case.limit]
    return [(command, newest[command][0]) for command in order]


def _has(stored: list[Run], run: Run) -> bool:
    return any((run.command, run.session, run.started) == (one.command, one.session, one.started) for one in stored)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=40)
@given(stored=runs, prefix=texts, limit=st.integers(1, 5), single_line=st.booleans(), worked=st.booleans())
def test_newest_equals_a_search_through_the_list_for_each_choice(
    stored: list[Run],
    prefix: str,
    limit: int,
    single_line: bool,
    worked: bool,
    way: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    stored = [run for run in stored if "\udc80" not in run.command]  # alone, this byte is a control character, too
    statuses: dict[bytes, set[int | None]] = {}
    for run in stored:
        statuses.setdefault(raw(run.command), set()).add(run.status)
    every = through_the_list(stored, Case(stored, [], prefix, len(stored) + 1, None, None, None), "prefix")
    wanted = [
        command
        for command, _ in every
        if not (single_line and b"\n" in command)
        and not (worked and any(map(fails, statuses[command])) and not {0, None} & statuses[command])
    ]
    with taking(way), closing(History(tmp_path_factory.mktemp("history") / "h.sqlite")) as history:
        for run in stored:
            history.add(run.command, run.cwd, run.status, run.session, run.started)
        found = history.newest(prefix, limit, single_line=single_line, worked=worked)
    assert [raw(line) for line in found] == wanted[:limit]


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    store = History(tmp_path / "history.sqlite")
    yield store
    store.close()


def test_a_command_that_failed_each_time_is_left_out_until_it_works(history: History) -> None:
    history.add("gti status", status=127, started=1.0)
    history.add("make", status=2, started=2.0)
    history.add("make", status=0, started=3.0)
    history.add("sleep 9", status=130, started=4.0)
    history.add("vim", status=148, started=5.0)
    history.add("imported", status=None, started=6.0)
    history.add("imported", status=1, started=7.0)
    everything = ["imported", "vim", "sleep 9", "make", "gti status"]
    assert history.newest("", 9) == everything
    assert history.newest("", 9, worked=True) == everything[:-1]
    history.add("gti status", status=0, started=8.0)
    assert history.newest("gti", 9, worked=True) == ["gti status"]


def test_a_part_that_is_rare_and_old_is_found_by_its_trigrams(history: History) -> None:
    history.add("rare: terraform apply", started=1.0)
    for i in range(600):
        history.add(f"ls {i}", started=2.0 + i)
    assert [event.command for event in history.search("terraform")] == ["rare: terraform apply"]
    queries: list[str] = []
    history._connection.set_trace_callback(queries.append)
    history.search("terraform")
    history._connection.set_trace_callback(None)
    assert any("line_text MATCH" in query for query in queries)


def test_a_lone_half_of_a_character_is_in_no_command(history: History) -> None:
    history.add("ls")
    assert history.search("\ud800") == []


def test_an_unknown_mode_is_a_mistake_of_the_caller(history: History) -> None:
    with pytest.raises(ValueError, match="fuzzy"):
        history.search("ls", "fuzzy")  # type: ignore[arg-type]


def test_latest_repeats_and_filters(history: History) -> None:
    for i, (command, cwd, status) in enumerate([("a", "/x", 0), ("b", "/y", 1), ("a", "/x", 0), ("c", None, None)]):
        history.add(command, cwd, status, "s" if i < 3 else "t", started=float(i))
    assert [event.command for event in history.latest(3)] == ["c", "a", "b"]
    assert [event.command for event in history.latest(9, cwd="/x")] == ["a", "a"]
    assert [event.command for event in history.latest(9, failed=True)] == ["b"]
    assert [event.command for event in history.latest(9, failed=False, session="s")] == ["a", "a"]
    with pytest.raises(HistoryError):
        history.latest(9, cwd="\ud800")
