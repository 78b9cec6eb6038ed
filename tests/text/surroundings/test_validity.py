"""A line is held wrong only when it is known to be: missing commands, missing paths where they must exist."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typeahead.text.surroundings import Surroundings


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory with a file, a script, two directories and links, beside a folder of PATH."""
    folder = tmp_path / "place"
    for each in (folder, folder / "sub", folder / "sub dir", tmp_path / "bin", tmp_path / "jump" / "far"):
        each.mkdir(parents=True)
    (folder / "file.txt").touch()
    (folder / "script").touch(mode=0o755)
    (folder / "-dash").touch()
    (folder / "gone").symlink_to("nowhere")
    (tmp_path / "outside").symlink_to(folder / "sub")
    for name in ("tool", "cat", "ls", "cp", "rm", "python3", "head", "tar", "grep", "sort", "chmod", "git", "watch"):
        (tmp_path / "bin" / name).touch(mode=0o755)
    (tmp_path / "bin" / "data").touch(mode=0o644)
    (tmp_path / "bin" / "linked").symlink_to("tool")
    (tmp_path / "bin" / "broken").symlink_to("nowhere")
    return folder


def session(place: Path, **environ: str) -> Surroundings:
    home = str(place.parent)
    defaults = {"PATH": f"{home}/bin:/no/such/directory", "HOME": home, "CDPATH": f"{home}/jump"}
    return Surroundings(defaults | environ, names=["myalias"], budget_ms=10_000)


WRONG = [
    *("nosuch", "nosuch x", "data", "broken", "cat file.txt | nosuch", "ls; nosuch", "sudo nosuch", "A=1 nosuch"),
    *(
        "if nosuch; then ls; fi ",
        "(nosuch) ",
        "! nosuch ",
        "git status && nosuch",
        "./nosuch",
        "./file.txt",
        "~/nosuch",
    ),
    *("cd nosuch", "cd file.txt", "pushd nosuch", "cd ~/nosuch", "cd ./far", "cd -- nosuch", "cd sub/nosuch"),
    *(
        "cat nosuch",
        "cat file.txt nosuch",
        "cat 'no such'",
        "cat sub/nosuch",
        "cat file.txt/",
        "cat gone",
        "cat <nosuch",
    ),
    *(
        "ls nosuch",
        "ls -l nosuch",
        "head -n 5 nosuch",
        "head -n5 nosuch",
        "rm nosuch",
        "python3 nosuch.py",
        "source ./no",
    ),
    *(
        "cp nosuch sub",
        "chmod 755 nosuch",
        "tar xzf nosuch.tgz",
        "tar -xf nosuch.tar",
        "sort -k 2 nosuch",
        "cat -- -no",
    ),
    *(
        "ls && cat nosuch",
        "cat file.txt > /dev/null; cat nosuch",
        "myalias | cat nosuch",
        "~/bin/nosuch",
        "rmdir file.txt",
    ),
]
RIGHT = [
    *("tool", "linked", "myalias x", "cd", "cd -", "cd ..", "cd sub", "cd 'sub dir'", "cd sub\\ dir", "cd far", "cd /"),
    *(
        "export X=1",
        "if ls; then cat file.txt; fi",
        "for f in a b; do nosuch; done",
        "./script",
        "sub",
        "./sub",
        "~/bin/tool",
    ),
    *(
        "case x in nosuch) nosuch;; esac",
        "f() { nosuch; }",
        "[[ -f nosuch ]]",
        "X=nosuch",
        "$nosuch",
        "`nosuch`",
        "!nosuch",
    ),
    *("cat file.txt", "cat -", "cat $x", "cat *.nosuch", "cat {a,b}", "cat 'nosuch", "cat ~nosuch/x", "cat <(nosuch)"),
    *(
        "rm -f nosuch",
        "rm -rf nosuch",
        "cp file.txt nosuch",
        "cat > nosuch",
        "cat -- -dash",
        "chmod +x script",
        "ls -l",
    ),
    *(
        "python3 -m nosuch",
        "python3 -c nosuch",
        "head -n nosuch file.txt",
        "tar czf nosuch.tgz sub",
        "grep nosuch file.txt",
    ),
    *(
        "tool nosuch",
        "tool && nosuch",
        "tool; cat nosuch",
        "cat file.txt > new; cat new",
        "PATH=/x; nosuch",
        "alias n=ls; n",
    ),
    *(
        "cd sub && cat nosuch",
        "cd $x && ls nosuch",
        "(cd sub; ls nosuch) ",
        "watch 'ls -l'",
        "cat file.txt # nosuch",
        "",
        "  ",
    ),
    *(
        "sort -o nosuch file.txt",
        "cat 2>nosuch",
        "cat <<nosuch",
        "cat <<<nosuch",
        "time ls",
        "time -p ls",
        "cd a b",
        "cd +2",
    ),
    *("head -5 file.txt", "tail +5 file.txt", "git checkout nosuch", "ls --nosuch value", "cat /dev/null", "cd -P sub"),
]


@pytest.mark.parametrize("line", WRONG)
def test_a_line_known_to_be_wrong_is_not_valid(line: str, place: Path) -> None:
    surroundings = session(place)
    assert not surroundings.is_valid(line, str(place))
    assert surroundings.is_valid(line, str(place), prefix=line)  # what the user has typed is not judged
    surroundings.disk.close()


@pytest.mark.parametrize("line", RIGHT)
def test_a_line_that_may_be_right_is_valid(line: str, place: Path) -> None:
    if line.startswith("tail"):
        (place.parent / "bin" / "tail").touch(mode=0o755)
    surroundings = session(place)
    assert surroundings.is_valid(line, str(place))
    surroundings.disk.close()


def test_words_typed_by_the_user_are_not_judged_but_the_rest_is(place: Path) -> None:
    surroundings = session(place)
    judged = [("cat nosuch | ls", "cat nosuch "), ("cat nosuch", "cat no"), ("nosuch | cat other", "nosuch |")]
    assert [surroundings.is_valid(line, str(place), prefix) for line, prefix in judged] == [True, False, False]
    surroundings.disk.close()


def test_in_an_unknown_directory_relative_paths_are_valid_and_absolute_ones_judged(place: Path) -> None:
    surroundings = session(place)
    lines = ["cat nosuch", "cd nosuch", "./nosuch", f"cat {place}/file.txt", f"cat {place}/nosuch", "nosuch"]
    assert [surroundings.is_valid(line, None) for line in lines] == [True, True, True, True, False, False]
    surroundings.disk.close()


def test_in_a_directory_that_is_not_here_everything_is_valid(place: Path) -> None:
    surroundings = session(place)
    assert all(surroundings.are_valid(WRONG, str(place / "elsewhere")))
    assert all(surroundings.are_valid(WRONG, "relative"))
    surroundings.disk.close()


def test_without_path_every_command_is_valid_but_not_every_file(place: Path) -> None:
    surroundings = session(place, PATH="")
    assert surroundings.is_valid("nosuch", str(place))
    assert not surroundings.is_valid("cat nosuch", str(place))
    surroundings.disk.close()


def test_a_parent_directory_is_that_of_the_name_through_a_link_too(place: Path) -> None:
    surroundings = session(place)
    link = str(place.parent / "outside")  # leads to place/sub
    assert surroundings.is_valid("cd ../bin", link)  # by name
    assert surroundings.is_valid("cd ../sub", link)  # by the system
    assert not surroundings.is_valid("cd ../nosuch", link)
    surroundings.disk.close()


def test_what_is_made_meanwhile_is_seen_after_the_command(place: Path) -> None:
    surroundings = session(place)
    assert not surroundings.is_valid("fresh file.new", str(place))
    assert not surroundings.is_valid("cat file.new", str(place))
    (place.parent / "bin" / "fresh").touch(mode=0o755)
    (place / "file.new").touch()
    surroundings.expire()
    assert surroundings.is_valid("fresh file.new", str(place))
    assert surroundings.is_valid("cat file.new", str(place))
    surroundings.disk.close()


def test_lines_judged_together_get_the_judgement_each_gets_alone(place: Path) -> None:
    surroundings = session(place)
    judged = surroundings.are_valid(WRONG + RIGHT, str(place))
    assert judged == [surroundings.is_valid(line, str(place)) for line in WRONG + RIGHT]
    surroundings.disk.close()


@settings(max_examples=200)
@given(line=st.text(alphabet=" ;|&()<>'\"\\$`{}#!*~=-+/.acdlst\n", max_size=25), cut=st.integers(0, 25))
def test_any_line_is_judged_and_completed_without_a_fault(line: str, cut: int) -> None:
    surroundings = Surroundings({"PATH": "/bin", "HOME": "/"}, budget_ms=10_000)
    surroundings.is_valid(line, "/", line[:cut])
    last = [word.text for word in surroundings.words(line, "/")]
    assert len(last) == len(set(last))
    surroundings.disk.close()
