"""What is offered where: the command decides, and the plausible comes first."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from typeahead.text.surroundings import Disk, FileSystem, Surroundings, Word, last_word, listings


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory whose entries are of different ages: b.py is the newest, then a.txt, sub, c.tgz, .hidden."""
    folder = tmp_path / "place"
    for each in (folder / "sub" / "below", folder / ".config", tmp_path / "bin", tmp_path / "jump" / "far"):
        each.mkdir(parents=True)
    for age, name in enumerate(["b.py", "a.txt", "sub", "c.tgz", ".hidden", ".config"]):
        if not (folder / name).is_dir():
            (folder / name).touch()
        os.utime(folder / name, (1e9 - age, 1e9 - age))
    for name in ("tool", "tool-long", "toolbox", "other"):
        (tmp_path / "bin" / name).touch(mode=0o755)
    (tmp_path / "bin" / "tool.txt").touch(mode=0o644)
    return folder


def offered(place: Path, line: str, limit: int = 50, **environ: str) -> list[str]:
    home = str(place.parent)
    defaults = {"PATH": f"{home}/bin", "HOME": home, "TOOLS": "", "CDPATH": f"{home}/jump"}
    surroundings = Surroundings(defaults | environ, names=["toolalias", "ll"], budget_ms=10_000)
    words = surroundings.words(line, str(place), limit)
    surroundings.disk.close()
    assert all(word.text.startswith(last_word(line)) for word in words)
    return [word.text for word in words]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("too", ["toolalias", "tool", "toolbox", "tool-long"]),
        ("tool", ["toolalias", "toolbox", "tool-long"]),
        ("ls | tool-", ["tool-long"]),
        ("sudo -u bob tool-", ["tool-long"]),
        ("A=1 tool-", ["tool-long"]),
        ("if tool-", ["tool-long"]),
        ("$(tool-", ["tool-long"]),
        ('"$(tool-', ["tool-long"]),
        ("which tool-", ["tool-long"]),
        ("~/bin/tool-", ["~/bin/tool-long"]),
        ("~/bin/tool.", []),
        ("", []),
        ("ls && ", []),
    ],
)
def test_in_the_place_of_a_command_there_are_commands(line: str, expected: list[str], place: Path) -> None:
    assert offered(place, line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cat ", ["b.py", "a.txt", "sub/", "c.tgz"]),
        ("cat .", [".hidden", ".config/"]),
        ("vim a", ["a.txt"]),
        ("unknown a", ["a.txt"]),
        ("cd ", ["sub/", "far/"]),
        ("cd .", [".config/"]),
        ("cd ..", ["../"]),
        ("cd sub", ["sub/"]),
        ("cd sub/", ["sub/below/"]),
        ("cd f", ["far/"]),
        ("cd ~", ["~/"]),
        ("cd ~/pl", ["~/place/"]),
        ("cd $HOME/pl", ["$HOME/place/"]),
        ('cd "$HOME/pl', ['"$HOME/place/"']),
        ("ls -l sub/be", ["sub/below/"]),
        ("python ", ["b.py", "sub/"]),
        ("python a", ["a.txt"]),
        ("tar xzf ", ["c.tgz", "sub/"]),
        ("tar -xf ", ["c.tgz", "sub/"]),
        ("tar -C ", ["sub/"]),
        ("tar czf new.tgz a", ["a.txt"]),
        ("make -C ", ["sub/"]),
        ("grep ", []),
        ("grep x a", ["a.txt"]),
        ("gcc -o a", ["a.txt"]),
        ("echo x > a", ["a.txt"]),
        ("tool 2>>a", ["a.txt"]),
        ("tool <a", ["a.txt"]),
        ("tool --file=a", ["--file=a.txt"]),
        ("dd if=a", ["if=a.txt"]),
        ("X=a", ["X=a.txt"]),
        ("tool -", []),
        ("kill ", []),
        ("echo ", []),
        ("cat *", []),
        ("cat $x/a", []),
        ("cat # a", []),
        ("cat nosuch/a", []),
        ("cat ~nosuch/a", []),
        ("echo $TOO", ["$TOOLS"]),
        ("echo ${TOO", ["${TOOLS}"]),
        ('echo "$TOO', ['"$TOOLS"']),
        ("echo '$TOO", []),
        ("echo \\$TOO", []),
        ("export TOO", ["TOOLS"]),
        ("unset HO", ["HOME"]),
    ],
)
def test_an_argument_is_what_its_command_takes_the_newest_first(line: str, expected: list[str], place: Path) -> None:
    assert offered(place, line) == expected


def test_words_have_their_kind(place: Path) -> None:
    surroundings = Surroundings({"PATH": str(place.parent / "bin")}, budget_ms=10_000)
    found = [surroundings.words(line, str(place), 1)[0] for line in ("cat b", "cd s", "tool-", "echo $PA", "./sub/")]
    assert found == [
        Word("b.py", "file"),
        Word("sub/", "directory"),
        Word("tool-long", "executable"),
        Word("$PATH", "variable"),
        Word("./sub/below/", "directory"),
    ]
    surroundings.disk.close()


def test_no_more_than_the_limit_are_offered(place: Path) -> None:
    assert offered(place, "cat ", limit=2) == ["b.py", "a.txt"]
    assert offered(place, "cat ", limit=0) == []
    assert offered(place, "too", limit=2) == ["toolalias", "tool"]


def test_a_link_is_what_it_leads_to_and_one_that_leads_nowhere_is_not_offered(place: Path) -> None:
    (place / "linkdir").symlink_to("sub")
    (place / "linkfile").symlink_to("a.txt")
    (place / "linknone").symlink_to("nowhere")
    assert sorted(offered(place, "cat link")) == ["linkdir/", "linkfile"]
    assert offered(place, "cd link") == ["linkdir/"]


def test_in_an_unknown_directory_there_are_absolute_paths_alone(place: Path) -> None:
    surroundings = Surroundings({"PATH": "", "HOME": str(place)}, budget_ms=10_000)
    for line in ("cat ", "cat a", "make ", "git switch ", "npm run ", "./x"):
        assert surroundings.words(line, None) == []
    assert surroundings.words("cat ~/a", None) == [Word("~/a.txt", "file")]
    surroundings.disk.close()


def test_a_large_directory_is_offered_in_the_alphabets_order_and_looked_up_by_prefix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "MAX_DATED", 100)
    monkeypatch.setattr(listings, "_CHUNK", 64)
    folder = tmp_path / "large"
    folder.mkdir()
    names = [f"{number:04}" for number in range(500)]
    for number, name in enumerate(names):
        (folder / name).touch()
        os.utime(folder / name, (1e9 + number, 1e9 + number))
    assert offered(folder, "cat ", 30) == names[:30]
    assert offered(folder, "cat 03", 200) == names[300:400]
    assert offered(folder, "cat 0499x") == []


def test_no_more_names_than_the_bound_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings, "MAX_NAMES", 10)
    folder = tmp_path / "large"
    folder.mkdir()
    for number in range(30):
        (folder / str(number)).touch(mode=0o755)
    assert len(offered(folder, "cat ")) == 10
    surroundings = Surroundings({"PATH": str(folder)}, budget_ms=10_000)
    assert surroundings.is_valid("nosuch", None)  # there are more names than are known
    surroundings.disk.close()


def test_what_is_prepared_is_there_without_waiting(place: Path) -> None:
    scanned: list[str] = []

    class Noted(FileSystem):
        def scandir(self, path: str) -> Iterator[tuple[str, str]]:
            scanned.append(path)
            return super().scandir(path)

    surroundings = Surroundings({"PATH": str(place.parent / "bin")}, budget_ms=0.0, disk=Disk(Noted()))
    surroundings.prepare(str(place))
    for _ in range(1000):
        if surroundings.words("tool-", None) and surroundings.words("cat a", str(place)):
            break
        time.sleep(0.01)
    assert set(scanned) == {str(place.parent / "bin"), str(place)}
    assert surroundings.words("tool-", str(place)) == [Word("tool-long", "executable")]
    assert surroundings.words("cat a", str(place)) == [Word("a.txt", "file")]
    surroundings.disk.close()


def test_new_files_are_offered_after_a_command_and_removed_ones_are_not(place: Path) -> None:
    surroundings = Surroundings({}, budget_ms=10_000)
    assert surroundings.words("cat a", str(place)) == [Word("a.txt", "file")]
    (place / "ab").touch()
    (place / "a.txt").unlink()
    surroundings.expire()
    assert surroundings.words("cat a", str(place)) == [Word("ab", "file")]
    surroundings.disk.close()


def test_a_small_directory_that_changes_again_and_again_is_seen_as_it_is_each_time(tmp_path: Path) -> None:
    folder = tmp_path / "busy"
    folder.mkdir()
    surroundings = Surroundings({}, budget_ms=10_000)
    for number in range(40):
        (folder / f"file{number}").touch()
        surroundings.expire()
        assert len(surroundings.words("cat ", str(folder))) == number + 1
    surroundings.disk.close()


def test_what_changed_a_moment_ago_is_looked_at_again_though_its_time_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "_RACE_NS", 600 * 10**9)
    folder, makefile = tmp_path / "coarse", tmp_path / "Makefile"
    folder.mkdir()
    surroundings = Surroundings({}, budget_ms=10_000)
    for number in range(3):
        (folder / f"file{number}").touch()
        makefile.write_text(f"all{number}:\n")
        for each in (folder, makefile):
            os.utime(each, (1e9, (time.time() // 100) * 100))
        surroundings.expire()
        assert len(surroundings.words("cat ", str(folder))) == number + 1
        assert surroundings.words("make ", str(tmp_path)) == [Word(f"all{number}", "target")]
    surroundings.disk.close()


def test_a_costly_directory_that_changes_again_and_again_is_not_scanned_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "_COSTLY_S", 0.0)
    monkeypatch.setattr(listings, "_COST_RATIO", 1e9)
    folder = tmp_path / "busy"
    folder.mkdir()
    surroundings = Surroundings({}, budget_ms=10_000)
    (folder / "a").touch()
    assert len(surroundings.words("cat ", str(folder))) == 1
    (folder / "b").touch()
    surroundings.expire()
    assert len(surroundings.words("cat ", str(folder))) == 1
    surroundings.disk.close()
