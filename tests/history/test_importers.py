"""Taking over a history once or again: nothing doubled, nothing lost, whatever the shell did to its file meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from typeahead.errors import HistoryError
from typeahead.history import History
from typeahead.history.importers import Imported, found_files, import_file, overlap

TOKEN = "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    store = History(tmp_path / "history.sqlite")
    yield store
    store.close()


def commands(history: History) -> list[str]:
    return [event.command for event in history.events()]


def take(history: History, path: Path, lines: list[str], format_: str = "bash") -> Imported:
    path.write_text("".join(f"{line}\n" for line in lines))
    return import_file(history, path, format_)


def test_a_plain_history_comes_in_order_and_once(history: History, tmp_path: Path) -> None:
    lines = ["ls", "cd src", "ls", "make", " private", "", "ls"]
    first = take(history, tmp_path / "h", lines)
    assert (first.read, first.new, first.known, first.private) == (6, 5, 0, 1)
    assert commands(history) == ["ls", "cd src", "ls", "make", "ls"]
    assert history.recent(9) == ["ls", "cd src", "ls", "make", "ls"]
    again = take(history, tmp_path / "h", lines)
    assert (again.new, again.known, again.private) == (0, 5, 1)
    assert len(commands(history)) == 5


def test_only_what_has_grown_comes_again(history: History, tmp_path: Path) -> None:
    lines = [f"cmd {i % 7}" for i in range(30)]
    take(history, tmp_path / "h", lines)
    grown = take(history, tmp_path / "h", [*lines, "ls", "cmd 1", "ls"])
    assert (grown.new, grown.known) == (3, 30)
    assert commands(history) == [*lines, "ls", "cmd 1", "ls"]
    assert history.recent(3) == ["ls", "cmd 1", "ls"]


def test_a_file_that_lost_its_oldest_lines_adds_only_its_newest(history: History, tmp_path: Path) -> None:
    lines = [f"cmd {i % 7}" for i in range(30)]
    take(history, tmp_path / "h", lines)
    for i in range(5):  # HISTSIZE is 30: each time four go and four come
        lines = [*lines[4:], "ls", f"new {i}", "cmd 1", "ls"]
        assert take(history, tmp_path / "h", lines).new == 4
    assert len(commands(history)) == 50


@settings(max_examples=40)
@given(
    steps=st.lists(st.tuples(st.lists(st.sampled_from("abc"), max_size=12), st.integers(0, 6)), max_size=5),
    is_cut=st.booleans(),
)
def test_a_file_that_grows_and_loses_its_oldest_lines_is_never_doubled(
    steps: list[tuple[list[str], int]], is_cut: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("import")
    run: list[str] = []
    start = 0
    with closing(History(folder / "h.sqlite")) as history:
        for more, lost in steps:
            run += more
            start = min(len(run), start + lost * is_cut)
            take(history, folder / "h", run[start:])
            stored = commands(history)
            assert not Counter(stored) - Counter(run)
            assert not Counter(run[start:]) - Counter(stored)
            assert is_cut or stored == run


def test_a_file_put_together_anew_adds_only_what_is_more(history: History, tmp_path: Path) -> None:
    take(history, tmp_path / "h", ["ls", "make", "ls", "cd"])
    shuffled = take(history, tmp_path / "h", ["cd", "make", "new", "ls", "ls", "ls"])
    assert (shuffled.new, shuffled.known) == (2, 4)
    assert Counter(commands(history)) == Counter({"ls": 3, "make": 1, "cd": 1, "new": 1})


def test_what_was_typed_here_is_not_taken_from_the_shells_file_again(history: History, tmp_path: Path) -> None:
    history.add("git push", session="live", started=1.7e9)
    history.add("make", session="live", started=1.7e9 + 60)
    assert take(history, tmp_path / "h", ["ls", "git push", "make"]).new == 1
    history.add("make", session="live", started=1.7e9 + 90)
    assert take(history, tmp_path / "h", ["ls", "git push", "make", "make", "cd"]).new == 1
    assert Counter(commands(history)) == Counter({"make": 2, "git push": 1, "ls": 1, "cd": 1})


def test_what_two_programs_saw_is_one_run(history: History, tmp_path: Path) -> None:
    history.add("make", session="live", started=1700000000.7, status=2)
    zsh = ["1700000000:3;make", "1700000009:0;make", "1700000009:0;ls"]
    imported = take(history, tmp_path / "z", [f": {line}" for line in zsh], "zsh")
    assert (imported.new, imported.known) == (2, 1)
    assert commands(history) == ["make", "make", "ls"]
    assert [event.duration_s for event in history.events()] == [None, 0.0, 0.0]


@pytest.mark.parametrize("cut", [0, 3])
def test_a_history_with_times_comes_once_however_it_is_cut(history: History, tmp_path: Path, cut: int) -> None:
    lines = [f": {1700000000 + 60 * i}:1;cmd {i % 3}" for i in range(12)]
    take(history, tmp_path / "z", lines[:8], "zsh")
    assert take(history, tmp_path / "z", lines[cut:], "zsh").new == 4
    assert take(history, tmp_path / "z", lines[::-1], "zsh").new == 0
    assert len(commands(history)) == 12


def test_a_secret_stays_in_the_other_shells_file(history: History, tmp_path: Path) -> None:
    imported = take(history, tmp_path / "h", ["ls", f"export GITHUB_TOKEN={TOKEN}", f"export GITHUB_TOKEN={TOKEN}"])
    assert sum(imported.secrets.values()) == 2
    assert all("token" in kind.lower() for kind in imported.secrets)
    assert commands(history)[1:] == ["export GITHUB_TOKEN=***"] * 2
    history.close()
    assert all(TOKEN.encode() not in file.read_bytes() for file in tmp_path.glob("history.sqlite*"))


def test_what_was_forgotten_does_not_come_back(history: History, tmp_path: Path) -> None:
    lines = [f"cmd {i}" for i in range(20)]
    take(history, tmp_path / "h", [*lines, "the canary"])
    assert len(history.forget("canary")) == 1
    assert take(history, tmp_path / "h", [*lines[9:], "the canary", "ls"]).new == 1
    assert commands(history) == [*lines, "ls"]


def test_a_dry_run_counts_and_stores_nothing(history: History, tmp_path: Path) -> None:
    path = tmp_path / "h"
    path.write_text("ls\ncd\n")
    for _ in range(2):
        assert import_file(history, path, "bash", dry_run=True).new == 2
    assert commands(history) == []
    assert import_file(history, path, "bash").new == 2


def test_an_import_that_fails_has_stored_nothing(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert, path = history.insert, tmp_path / "h"
    path.write_text("ls\ncd\nboom\n")

    def failing(event, use, names):  # type: ignore[no-untyped-def]
        if event.command == "boom":
            raise HistoryError("the disk is full")
        return insert(event, use, names)

    monkeypatch.setattr(history, "insert", failing)
    with pytest.raises(HistoryError, match="the disk is full"):
        import_file(history, path, "bash")
    assert commands(history) == []
    monkeypatch.undo()
    assert import_file(history, path, "bash").new == 3


@settings(max_examples=50)
@given(data=st.lists(st.binary(max_size=9)).map(b"\n".join))
@example(data=b"- cmd: \\\n: 1:1;\x83")
def test_any_file_at_all_can_be_imported_twice(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("import")
    (folder / "h").write_bytes(data)
    with closing(History(folder / "h.sqlite")) as history:
        for name in ("bash", "zsh", "fish", "typeahead"):
            first = import_file(history, folder / "h", name)
            again = import_file(history, folder / "h", name)
            assert first.new + first.known + first.private == first.read
            assert (again.new, again.known + again.private) == (0, again.read)


@given(st.lists(st.sampled_from([b"a", b"b"]), max_size=12), st.lists(st.sampled_from([b"a", b"b"]), max_size=12))
def test_overlap_is_the_longest_there_is(before: list[bytes], now: list[bytes]) -> None:
    lengths = range(min(len(before), len(now)) + 1)
    assert overlap(before, now) == max(n for n in lengths if before[len(before) - n :] == now[:n])


def test_histories_are_found_where_shells_keep_them(tmp_path: Path) -> None:
    for name in [".bash_history", "z/.zhistory", "d/fish/fish_history", "d/atuin/history.db", "mine"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("ls\n")
    environ = {"HOME": str(tmp_path), "ZDOTDIR": f"{tmp_path}/z", "XDG_DATA_HOME": f"{tmp_path}/d"}
    found = [(str(path.relative_to(tmp_path)), name) for path, name in found_files(environ)]
    wanted = [
        (".bash_history", "bash"),
        ("z/.zhistory", "zsh"),
        ("d/fish/fish_history", "fish"),
        ("d/atuin/history.db", "atuin"),
    ]
    assert found == wanted
    assert found_files({**environ, "HISTFILE": f"{tmp_path}/mine"})[0] == (tmp_path / "mine", "bash")
    assert found_files({"HOME": f"{tmp_path}/nowhere"}) == []
