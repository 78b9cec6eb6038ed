"""What a git repository has names for, read from its files: branches, tags and remotes.

The layout is that of gitrepository-layout(5): a worktree's `.git` is a file that names its own directory, whose
`commondir` names the one with the references; a reference is a file below `refs`, or a line of `packed-refs`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from typeahead.text.surroundings.commands import DIRECTORY, FILE, Usage, word_set
from typeahead.text.surroundings.disk import FileSystem
from typeahead.text.surroundings.listings import Extract, extract, nearest, read_text

MAX_REFERENCES = 5_000
_REMOTE = re.compile(r'^\s*\[\s*remote\s+"((?:[^"\\]|\\.)*)"\s*\]', re.MULTILINE)
_SAFE_NAME = re.compile(r"[^\x00-\x20\x7f~^:?*\[\\]+")  # git-check-ref-format(1)


@dataclass(slots=True)
class Repository:
    """The names in a repository; branches and remote branches with the one changed last first."""

    top: str  # the directory that holds ".git"
    head: str  # the branch checked out, "" when there is none
    branches: list[str]
    remote_branches: list[str]  # origin/main
    tags: list[str]
    remotes: list[str]


def read_repository(file_system: FileSystem, path: str, old: Extract[Repository] | None) -> Extract[Repository]:
    """Return the names in the repository that the directory ``path`` belongs to.

    Raises
    ------
    FileNotFoundError
        It belongs to none.
    """
    return extract(file_system, path, old, _repository)


def _repository(file_system: FileSystem, path: str) -> Repository:
    top, git_dir = _git_dir(file_system, path)
    common_dir = git_dir
    if (line := _first_line(file_system, os.path.join(git_dir, "commondir"))) is not None:
        common_dir = os.path.normpath(os.path.join(git_dir, line))
    times = dict.fromkeys(_packed(file_system, os.path.join(common_dir, "packed-refs")), 0.0)
    for name, mtime in _loose(file_system, common_dir):
        times[name] = mtime
        if len(times) >= MAX_REFERENCES:
            break
    head = _first_line(file_system, os.path.join(git_dir, "HEAD")) or ""
    return Repository(
        top,
        head.removeprefix("ref: refs/heads/") if head.startswith("ref: refs/heads/") else "",
        _newest_first(times, "refs/heads/"),
        [name for name in _newest_first(times, "refs/remotes/") if not name.endswith("/HEAD")],
        _newest_first(times, "refs/tags/"),
        _remotes(file_system, os.path.join(common_dir, "config")),
    )


def _git_dir(file_system: FileSystem, path: str) -> tuple[str, str]:
    """Return the top directory of the repository and where git keeps what is its own."""
    found = nearest(file_system, path, ".git")
    if found is None:
        raise FileNotFoundError(path)
    if stat.S_ISDIR(file_system.stat(found).st_mode):
        return os.path.dirname(found), found
    line = _first_line(file_system, found)
    if line is None or not line.startswith("gitdir:"):
        raise FileNotFoundError(found)
    top = os.path.dirname(found)
    return top, os.path.normpath(os.path.join(top, line.removeprefix("gitdir:").strip()))


def _first_line(file_system: FileSystem, path: str) -> str | None:
    text = read_text(file_system, path)
    return text.partition("\n")[0].strip() if text is not None else None


def _packed(file_system: FileSystem, path: str) -> Iterator[str]:
    for line in (read_text(file_system, path) or "").split("\n")[:MAX_REFERENCES]:
        if line and line[0] not in "#^":  # a comment; what the tag in the line before leads to
            yield line.partition(" ")[2].strip()


def _loose(file_system: FileSystem, common_dir: str) -> Iterator[tuple[str, float]]:
    """Yield name and time of each reference that is a file."""
    waiting, num_folders = ["refs"], 0
    while waiting and num_folders < MAX_REFERENCES:
        folder = waiting.pop()
        num_folders += 1
        try:
            entries = list(file_system.scandir(os.path.join(common_dir, folder)))
        except OSError:
            continue
        for entry, kind in entries:
            name = f"{folder}/{entry}"
            if kind == "directory":
                waiting.append(name)
            elif kind == "file" and not entry.endswith(".lock"):
                try:
                    yield name, file_system.stat(os.path.join(common_dir, name), follow=False).st_mtime
                except OSError:  # removed meanwhile
                    continue


def _newest_first(times: dict[str, float], prefix: str) -> list[str]:
    names = [name for name in times if name.startswith(prefix)]
    names.sort(key=lambda name: (-times[name], name))
    return [name for name in (name.removeprefix(prefix) for name in names) if is_offered(name)]


def is_offered(name: str) -> bool:
    """Return whether git would take ``name`` for a reference, and a terminal can show it."""
    return name.isprintable() and _SAFE_NAME.fullmatch(name) is not None and not name.startswith("-")


def _remotes(file_system: FileSystem, config: str) -> list[str]:
    names = [re.sub(r"\\(.)", r"\1", name) for name in _REMOTE.findall(read_text(file_system, config) or "")]
    return [name for name in dict.fromkeys(names) if is_offered(name)]


LOCAL, ANY, NEW, REMOTE, TAG = "local", "any", "new", "remote", "tag"
# What a subcommand's arguments are, by their place, the last one for all that follow.
SUBCOMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "checkout": ((LOCAL, NEW, TAG, FILE), (FILE,)),
    "switch": ((LOCAL, NEW), ()),
    "merge": ((ANY, TAG),),
    "rebase": ((ANY, TAG),),
    "cherry-pick": ((ANY, TAG),),
    "revert": ((ANY, TAG),),
    "reset": ((ANY, TAG, FILE),),
    "log": ((ANY, TAG, FILE),),
    "diff": ((ANY, TAG, FILE),),
    "show": ((ANY, TAG, FILE),),
    "shortlog": ((ANY, TAG),),
    "describe": ((ANY, TAG),),
    "rev-parse": ((ANY, TAG),),
    "branch": ((LOCAL, ANY),),
    "push": ((REMOTE,), (LOCAL, TAG)),
    "pull": ((REMOTE,), (LOCAL, NEW)),
    "fetch": ((REMOTE,), (LOCAL, NEW)),
    "remote": ((), (REMOTE,), ()),
    "tag": ((TAG,), (ANY,)),
    "worktree": ((), (DIRECTORY,), (LOCAL, ANY)),
    "clone": ((), (DIRECTORY,)),
    "init": ((DIRECTORY,),),
    "commit": ((FILE,),),
    "stash": ((),),
    "config": ((),),
    "help": ((),),
}
_DEFAULT: tuple[tuple[str, ...], ...] = ((FILE,),)
USAGE = Usage(values=word_set("-m -b -B -c -u -n -F -S -X -s --author --date --format --since --until --depth"))
_WITH_BRANCH = frozenset({"-d", "-D", "-m", "-M", "--delete", "-f", "--force", "-u"})


def kinds(subcommand: str, index: int, options: set[str]) -> tuple[str, ...]:
    """Return what the argument number ``index`` of a git subcommand may be, the likeliest kind first."""
    if subcommand == "branch" and index == 0 and not options & _WITH_BRANCH:
        return ()  # a name that is new
    if subcommand in ("checkout", "switch") and options & {"-b", "-B", "-c", "-C"}:
        return (LOCAL, ANY)
    places = SUBCOMMANDS.get(subcommand, _DEFAULT)
    return places[min(index, len(places) - 1)]


def names(repository: Repository, kind: str) -> list[tuple[str, str]]:
    """Return name and kind ("branch", "tag", "remote") of what ``kind`` stands for; the present branch last."""
    branches = sorted(repository.branches, key=lambda name: name == repository.head)
    if kind == LOCAL:
        return [(name, "branch") for name in branches]
    if kind == ANY:
        return [(name, "branch") for name in branches + repository.remote_branches]
    if kind == NEW:  # git makes a local branch of it
        short = [name.partition("/")[2] for name in repository.remote_branches]
        return [(name, "branch") for name in dict.fromkeys(short) if name not in repository.branches]
    if kind == TAG:
        return [(name, "tag") for name in repository.tags]
    return [(name, "remote") for name in repository.remotes] if kind == REMOTE else []
