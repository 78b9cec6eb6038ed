"""Branches, tags and remotes, as real git makes them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead.text.surroundings import FileSystem, Surroundings
from typeahead.text.surroundings.git import is_offered, read_repository

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is missing")


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with two local branches, packed and loose, two tags and a remote."""
    origin, folder = tmp_path / "origin", tmp_path / "work"
    for each in (origin, folder):
        each.mkdir()
        git(each, "init", "-q")
    git(origin, "commit", "-q", "--allow-empty", "-m", "x")
    git(origin, "branch", "topic/far")
    (folder / "file.txt").touch()
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "x")
    git(folder, "remote", "add", "origin", str(origin))
    git(folder, "fetch", "-q", "origin")
    git(folder, "branch", "feature/packed")
    git(folder, "tag", "-a", "v1.0", "-m", "x")
    git(folder, "pack-refs", "--all")
    git(folder, "branch", "feature/loose")
    git(folder, "tag", "v1.1")
    return folder


@pytest.fixture
def surroundings() -> Surroundings:
    return Surroundings({}, budget_ms=10_000)


def offered(surroundings: Surroundings, line: str, folder: Path) -> list[tuple[str, str]]:
    surroundings.expire()
    words = [tuple(word) for word in surroundings.words(line, str(folder))]
    surroundings.disk.close()
    return words


def test_a_directory_knows_the_repository_that_it_lies_in(repository: Path, surroundings: Surroundings) -> None:
    (repository / "deep" / "er").mkdir(parents=True)
    assert surroundings.repository(str(repository / "deep" / "er")) == str(repository)
    assert surroundings.repository(str(repository.parent)) is None
    assert surroundings.repository(None) is None


def test_the_names_equal_those_that_git_lists(repository: Path) -> None:
    found = read_repository(FileSystem(), str(repository), None).value

    def listed(place: str) -> set[str]:
        return set(git(repository, "for-each-ref", "--format=%(refname:lstrip=2)", f"refs/{place}").split())

    assert set(found.branches) == listed("heads") == {"main", "feature/packed", "feature/loose"}
    assert set(found.tags) == listed("tags") == {"v1.0", "v1.1"}
    assert set(found.remote_branches) == {name for name in listed("remotes") if not name.endswith("/HEAD")}
    assert found.remotes == git(repository, "remote").split()
    assert found.head == "main"


@pytest.mark.parametrize(
    ("line", "first"),
    [
        ("git checkout fe", [("feature/loose", "branch"), ("feature/packed", "branch")]),
        ("git checkout to", [("topic/far", "branch")]),
        ("git switch ", [("feature/loose", "branch"), ("feature/packed", "branch"), ("main", "branch")]),
        ("git merge origin/", [("origin/main", "branch"), ("origin/topic/far", "branch")]),
        ("git branch -d feature/p", [("feature/packed", "branch")]),
        ("git branch ", []),
        ("git push ", [("origin", "remote")]),
        ("git push origin m", [("main", "branch")]),
        ("git rebase v", [("v1.0", "tag"), ("v1.1", "tag")]),
        ("git log main..feature/l", [("main..feature/loose", "branch")]),
        ("git checkout -b new feature/p", [("feature/packed", "branch")]),
        ("git checkout -- f", [("file.txt", "file")]),
        ("git add f", [("file.txt", "file")]),
        ("git diff 'fi", [("'file.txt'", "file")]),
        ("git tag -d v1.1", []),
        ("git commit -m fe", []),
    ],
)
def test_a_subcommand_is_offered_what_it_takes(
    line: str, first: list[tuple[str, str]], repository: Path, surroundings: Surroundings
) -> None:
    words = offered(surroundings, line, repository)
    # Packed references have no time of their own, and tags made in one second may come in either order.
    assert sorted(words[: len(first)]) == sorted(first) if first else words == []


def test_the_branch_changed_last_comes_first_and_the_present_one_last(
    repository: Path, surroundings: Surroundings
) -> None:
    git(repository, "branch", "zebra")
    assert [text for text, _ in offered(surroundings, "git switch ", repository)][:4] == [
        "zebra",
        "feature/loose",
        "feature/packed",
        "main",
    ]
    git(repository, "switch", "-q", "zebra")
    assert [text for text, _ in offered(surroundings, "git switch ", repository)][3] == "zebra"


def test_a_new_branch_and_a_removed_one_are_seen(repository: Path, surroundings: Surroundings) -> None:
    assert offered(surroundings, "git switch fresh", repository) == []
    git(repository, "branch", "fresh/one")
    assert offered(surroundings, "git switch fresh", repository) == [("fresh/one", "branch")]
    git(repository, "branch", "-D", "fresh/one")
    assert offered(surroundings, "git switch fresh", repository) == []
    git(repository, "branch", "-D", "feature/packed")  # git rewrites packed-refs
    assert offered(surroundings, "git switch feature/p", repository) == []


def test_a_worktree_and_a_folder_below_have_the_branches_of_their_repository(
    repository: Path, surroundings: Surroundings
) -> None:
    tree, below = repository.parent / "tree", repository / "a" / "b"
    git(repository, "worktree", "add", "-q", str(tree), "feature/loose")
    below.mkdir(parents=True)
    assert read_repository(FileSystem(), str(tree), None).value.head == "feature/loose"
    assert offered(surroundings, "git switch mai", tree) == [("main", "branch")]
    assert offered(surroundings, "git switch mai", below) == [("main", "branch")]
    assert offered(surroundings, "git -C ../work switch mai", tree) == [("main", "branch")]


def test_outside_of_a_repository_git_has_files_alone(tmp_path: Path, surroundings: Surroundings) -> None:
    (tmp_path / "file.txt").touch()
    assert offered(surroundings, "git checkout f", tmp_path) == [("file.txt", "file")]
    assert offered(surroundings, "git push ", tmp_path) == []


def test_a_detached_head_is_no_branch(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    assert read_repository(FileSystem(), str(repository), None).value.head == ""


@given(parts=st.tuples(st.binary(max_size=200), st.binary(max_size=60), st.binary(max_size=200)))
def test_damaged_files_of_git_are_no_fault(
    tmp_path_factory: pytest.TempPathFactory, parts: tuple[bytes, bytes, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    (folder / ".git" / "refs").mkdir(parents=True)
    for name, content in zip(("packed-refs", "HEAD", "config"), parts, strict=True):
        (folder / ".git" / name).write_bytes(content)
    found = read_repository(FileSystem(), str(folder), None).value
    assert all(is_offered(name) for name in [*found.branches, *found.remote_branches, *found.tags, *found.remotes])
