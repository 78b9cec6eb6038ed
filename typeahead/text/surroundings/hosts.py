"""The hosts one has a name for: those of ssh's configuration, and those it has met."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex

from typeahead.text.surroundings.disk import FileSystem
from typeahead.text.surroundings.listings import Extract, extract, read_text

MAX_HOSTS = 5_000
_MAX_DEPTH = 5  # of files that include files
_MAX_FILES = 50
_HOST = re.compile(r"[\w][\w.:-]*")


def read_hosts(file_system: FileSystem, path: str, old: Extract[list[str]] | None) -> Extract[list[str]]:
    """Return the hosts that the directory ``path`` (`~/.ssh`) names: those of `config` first, in its order."""
    return extract(file_system, path, old, _hosts)


def _hosts(file_system: FileSystem, path: str) -> list[str]:
    names: dict[str, None] = {}
    _configured(file_system, os.path.join(path, "config"), path, names, [0], 0)
    for name in known_hosts(read_text(file_system, os.path.join(path, "known_hosts")) or ""):
        names.setdefault(name)
    return list(names)[:MAX_HOSTS]


def _configured(
    file_system: FileSystem, path: str, folder: str, names: dict[str, None], files: list[int], depth: int
) -> None:
    files[0] += 1
    if depth > _MAX_DEPTH or files[0] > _MAX_FILES:
        return
    for keyword, values in directives(read_text(file_system, path) or ""):
        if keyword == "host":
            for value in values:
                if _HOST.fullmatch(value):  # no wildcard, no negation
                    names.setdefault(value)
        elif keyword == "include":
            for value in values:
                for included in _expanded(file_system, value, folder):
                    _configured(file_system, included, folder, names, files, depth + 1)


def directives(text: str) -> list[tuple[str, list[str]]]:
    """Return the keyword (in small letters) and the values of each line of an ssh_config(5)."""
    found = []
    for line in text.splitlines():
        match = re.match(r"\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.*)", line)
        if match is None:
            continue
        try:
            values = shlex.split(match[2], comments=True)
        except ValueError:  # a quote that is not closed
            values = match[2].split()
        found.append((match[1].lower(), values))
    return found


def _expanded(file_system: FileSystem, pattern: str, folder: str) -> list[str]:
    """Return the files that an Include means; wildcards in the last part of its path alone are followed."""
    if pattern.startswith("~/"):
        pattern = os.path.join(os.path.dirname(folder), pattern[2:])
    pattern = os.path.join(folder, pattern)
    parent, name = os.path.split(pattern)
    if not re.search(r"[*?\[]", name):
        return [pattern]
    try:
        entries = sorted(entry for entry, kind in file_system.scandir(parent) if kind in ("file", "link"))
    except OSError:
        return []
    return [os.path.join(parent, entry) for entry in entries if fnmatch.fnmatchcase(entry, name)]


def known_hosts(text: str) -> list[str]:
    """Return the names in a known_hosts file that are not hashed; of a name with a port the name."""
    names: dict[str, None] = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 3 or fields[0].startswith(("#", "|", "@")):  # a remark, hashed, a certificate's authority
            continue
        for name in fields[0].split(","):
            name = re.sub(r"^\[(.*)\]:\d+$", r"\1", name)
            if _HOST.fullmatch(name):
                names.setdefault(name)
    return list(names)
