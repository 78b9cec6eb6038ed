"""The executables of PATH, put together from its directories."""

from __future__ import annotations

from bisect import bisect_left
from itertools import islice

from typeahead.text.surroundings.disk import Glance
from typeahead.text.surroundings.listings import Listing, read_executables

_FEW = 300  # names that are put in order when they are asked for; more are looked for in the order of all


class Executables:
    """The names in a session's PATH, kept while its directories are as they were."""

    def __init__(self) -> None:
        self._listings: list[Listing | None] = []
        self._names: list[str] = []
        self._shortest: list[str] = []

    def starting_with(self, glance: Glance, directories: list[str], start: str, limit: int) -> list[str]:
        """Return at most ``limit`` names that begin with ``start``, the shortest first.

        Whether a link among them leads to something that can be run is not looked at.
        """
        listings = [glance.at(read_executables, directory, place=directory).value for directory in directories]
        # By identity: a directory that has not changed keeps its listing, and comparing the names would take long.
        if list(map(id, listings)) != list(map(id, self._listings)):
            self._put_together(listings)
        first, last = (bisect_left(self._names, bound) for bound in (start, start + chr(0x10FFFF)))
        if last - first <= _FEW:
            return sorted(self._names[first:last], key=_by_length)[:limit]
        return list(islice((name for name in self._shortest if name.startswith(start)), limit))

    def _put_together(self, listings: list[Listing | None]) -> None:
        found: set[str] = set()
        for listing in listings:
            if listing is not None:
                found.update(listing.files.starting_with(""), listing.links.starting_with(""))
        self._listings, self._names = listings, sorted(found)
        self._shortest = sorted(found, key=_by_length)


def _by_length(name: str) -> tuple[int, str]:
    return len(name), name
