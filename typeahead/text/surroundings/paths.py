"""Paths as they are typed: where they lead, and what the entries of a directory make of the word so far."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import islice

from typeahead.text.surroundings.disk import Answer, Glance
from typeahead.text.surroundings.listings import (
    Listing,
    Status,
    link_place,
    read_executables,
    read_listing,
    read_status,
)

MAX_LOOKED_AT = 1_000  # names of a large directory that a kind of file is looked for among
MAX_LINKS = 16  # links followed for one word


def absolute(path: str, cwd: str | None, environ: Mapping[str, str], has_tilde: bool) -> str | None:
    """Return the absolute path that ``path`` means, None when that cannot be told.

    Parameters
    ----------
    path : str
        As the command gets it, but for a tilde at its start, which counts as the home's if ``has_tilde``.
    cwd : str or None
        The directory it is relative to; None: unknown.
    """
    if has_tilde:
        user, slash, rest = path.partition("/")
        home = environ.get("HOME", "")
        return home + slash + rest if user == "~" and home.startswith("/") else None  # another's home: not known
    if path.startswith("/"):
        return path
    return os.path.join(cwd, path) if cwd is not None and cwd.startswith("/") else None


def path_directories(environ: Mapping[str, str], cwd: str | None) -> list[str]:
    """Return the directories of PATH, each once; an empty or relative one counts from ``cwd``."""
    path = environ.get("PATH", "")
    found = (absolute(entry or ".", cwd, environ, False) for entry in path.split(":")) if path else ()
    return list(dict.fromkeys(entry for entry in found if entry is not None and "\0" not in entry))


def status(glance: Glance, path: str) -> Answer[Status]:
    """Return what the absolute ``path`` leads to, as far as it is known in time."""
    return glance.at(read_status, path.rstrip("/") or "/")


def entries(
    glance: Glance, directory: str, start: str, limit: int, *, runnable: bool = False, only_directories: bool = False
) -> Iterator[tuple[str, bool]]:
    """Yield the names in ``directory`` that begin with ``start``, each with whether it is a directory.

    The newest come first, in a large directory (and with ``runnable``, which leaves out files that cannot be run) the
    first of the alphabet, directories before files. Hidden ones only come when ``start`` begins with a dot.
    """
    directory = directory.rstrip("/") or "/"  # one name for it, so that it is remembered once
    listing = glance.at(read_executables if runnable else read_listing, directory, place=directory).value
    if listing is None:
        return
    num_links = 0
    for name, kind in _named(listing, start, max(limit, MAX_LOOKED_AT), only_directories):
        if name.startswith(".") and not start.startswith("."):
            continue
        if kind == "link":
            num_links += 1
            if num_links > MAX_LINKS:
                continue
            target = glance.at(read_status, os.path.join(directory, name), place=link_place(directory)).value
            if target is None or (runnable and not target.is_directory and not target.is_executable):
                continue
            yield name, target.is_directory
        else:
            yield name, kind == "directory"


def _named(listing: Listing, start: str, limit: int, only_directories: bool) -> Iterator[tuple[str, str]]:
    if listing.is_dated:
        for name, kind in listing.newest:
            if name.startswith(start) and not (only_directories and kind == "file"):
                yield name, kind
        return
    for kind, names in (("directory", listing.directories), ("file", listing.files), ("link", listing.links)):
        if not (only_directories and kind == "file"):
            for name in islice(names.starting_with(start), limit):
                yield name, kind
