"""Fuzzy search in past lines: which lines hold the letters that were typed, in their order, and how well.

A query is words with blanks between; each must be found, in any order of words, and small letters also stand for
capitals. A word may have gaps: ``gco`` finds ``git checkout``. It is cut into runs of neighbouring letters so that its
points are most:

- each letter counts `_LETTER`; in a run that starts at the start of a word `_AT_WORD` more, in another run each but the
  first letter `_NEXT` more; a first letter that starts a word `_FIRST` more;
- a gap between two runs costs `_GAP`, and one for each letter in it beyond the first.

So nothing has more points than a run from the start of a word, and lines that hold every word so are found without
weighing any other. Python is too slow to weigh 100,000 lines: the few that come into question are picked out by what
runs in C, finding and regular expressions over all lines as one text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

MAX_QUERY = 200  # characters; more are not looked for
MAX_SEARCHED = 1000  # characters at the beginning of a line, which alone are searched
_MOST_FOUND = 8000  # newest lines that hold the letters, of which the tightest are weighed
_MOST_WEIGHED = 300

_LETTER, _AT_WORD, _NEXT, _FIRST, _GAP = 16, 8, 4, 8, 3
_NOWHERE = 1 << 20  # longer than any line
_END = "\0"  # between two lines; no command can hold it


class Found(NamedTuple):
    """One line that was found."""

    place: int  # of the line, in the order given
    loss: int  # points less than the best that these words could have; 0: each stands at the start of a word


class Alignment(NamedTuple):
    """Where a word was found best."""

    points: int
    places: tuple[int, ...]  # of its letters


class Index:
    """Distinct lines, made ready for search.

    Parameters
    ----------
    lines : sequence of str
        The newest first; of two that match as well, the earlier in this order is the better one.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        folded = [fold(line[:MAX_SEARCHED]) for line in lines]
        self._text = _END.join(folded)
        self._starts = [0, *accumulate(len(line) + 1 for line in folded)]  # of each line, and of one after the last
        self._counts: dict[str, int] = {}  # of letters that have been looked for
        self._known: tuple[str, list[int]] = "", []  # letters looked for last, and the lines that hold them in order

    def search(self, query: str, limit: int) -> list[Found]:
        """Return at most ``limit`` lines that match, the best first."""
        words = split(query)
        if not words:
            return [Found(place, 0) for place in range(min(limit, len(self._lines)))]
        if limit < 1 or any(_END in word for word in words):
            return []
        perfect, close = self._whole(words, limit)
        if len(perfect) < limit:
            others = self._weigh(words, set(perfect), close)
            return [*(Found(place, 0) for place in perfect), *others][:limit]
        return [Found(place, 0) for place in perfect]

    def _whole(self, words: list[str], limit: int) -> tuple[list[int], list[int]]:
        """Return the newest lines with each word at the start of a word, and the newest with each word in one run."""
        rarest, text = self._rarest(words), self._text
        folded, others = fold(rarest), [fold(word) for word in words if word != rarest]
        perfect: list[int] = []
        close: list[int] = []
        start = text.find(folded)
        for _ in range(_MOST_FOUND):
            if start < 0:
                break
            place = bisect_right(self._starts, start) - 1
            begin, end = self._bounds(place)
            line = self._searched(place) if all(text.find(other, begin, end) >= 0 for other in others) else ""
            if line and all(_find(word, line) for word in words):
                if all(_starts_a_word(word, line) for word in words):
                    perfect.append(place)
                    if len(perfect) == limit:
                        break
                elif len(close) < _MOST_WEIGHED:
                    close.append(place)
            start = text.find(folded, self._starts[place + 1])
        return perfect, close

    def _weigh(self, words: list[str], perfect: set[int], close: list[int]) -> list[Found]:
        """Return the lines that are not perfect, the best first: those with words in one run, and the tightest."""
        rarest = self._rarest(words)
        others = [_pattern(word) for word in words if word != rarest]
        spans: dict[int, int] = {}  # of the rarest word, and of the others at their first places
        for place, span in self._tight(rarest):
            if place not in spans:
                spans[place] = span + sum(self._span(other, place) for other in others)
            elif not others:
                spans[place] = min(spans[place], span)
        fit = (place for place, span in spans.items() if span < _NOWHERE and place not in perfect)
        chosen = sorted(fit, key=lambda place: (spans[place], place))[:_MOST_WEIGHED]
        weighed = []
        for place in {*close, *chosen}:
            points = score(words, self._searched(place))
            if points is not None:
                weighed.append(Found(place, most_points(words) - points))
        return sorted(weighed, key=lambda found: (found.loss, found.place))

    def _tight(self, word: str) -> Iterator[tuple[int, int]]:
        """Yield the newest lines with the letters of ``word`` in order, and how far apart the first and last are."""
        pattern = _pattern(word)
        known, known_places = self._known
        if known and fold(word).startswith(known):  # as one types on: they are among those
            matches: Iterator[re.Match[str]] = (
                match for place in known_places for match in pattern.finditer(self._text, *self._bounds(place))
            )
        else:
            matches = pattern.finditer(self._text)
        place, seen = -1, []
        for match in matches:
            start, end = match.span()
            if start >= self._starts[place + 1]:
                place = bisect_right(self._starts, start) - 1
                seen.append(place)
                if len(seen) > _MOST_FOUND:
                    return
            yield place, end - start
        self._known = fold(word), seen

    def _span(self, pattern: re.Pattern[str], place: int) -> int:
        match = pattern.search(self._text, *self._bounds(place))
        return _NOWHERE if match is None else match.end() - match.start()

    def _rarest(self, words: Sequence[str]) -> str:
        """Return the word with the rarest letter: fewest lines hold it, so fewest must be looked at."""
        if len(words) == 1:
            return words[0]
        for letter in set(fold("".join(words))) - self._counts.keys():
            self._counts[letter] = self._text.count(letter)
        return min(words, key=lambda word: (min(self._counts[letter] for letter in fold(word)), -len(word)))

    def _bounds(self, place: int) -> tuple[int, int]:
        return self._starts[place], self._starts[place + 1] - 1

    def _searched(self, place: int) -> str:
        return self._lines[place][:MAX_SEARCHED]


def _pattern(word: str) -> re.Pattern[str]:
    """Return what finds the letters of a word in order, within one line."""
    first, *rest = map(re.escape, fold(word))
    # Possessive: a letter that is not in the rest of the line ends the attempt at once.
    return re.compile(first + "".join(f"[^{letter}{_END}]*+{letter}" for letter in rest))


def split(query: str) -> list[str]:
    """Return the words of a query."""
    return query[:MAX_QUERY].split()


def score(words: Sequence[str], line: str) -> int | None:
    """Return the points of ``line`` for a query of these words; ``None`` if one of them is not in it."""
    total = 0
    for word in words:
        found = align(word, line)
        if found is None:
            return None
        total += found.points
    return total


def most_points(words: Sequence[str]) -> int:
    """Return the points of a line in which each of these words starts a word."""
    return sum(len(word) * (_LETTER + _AT_WORD) + _FIRST for word in words)


def places(query: str, line: str) -> set[int]:
    """Return the places in ``line`` that a query is found at, for drawing."""
    found = (align(word, line[:MAX_SEARCHED]) for word in split(query))
    return {place for one in found if one is not None for place in one.places}


class _Cell(NamedTuple):
    """The best way to match the letters so far with the last one at one place."""

    points: int
    trace: tuple[int, tuple | None]  # type: ignore[type-arg]  # the place, and the trace before it


def align(word: str, line: str) -> Alignment | None:
    """Return the alignment of ``word`` in ``line`` that has most points; ``None`` if its letters are not there."""
    sensitive = word != fold(word)
    text = line if sensitive else fold(line)
    cells: dict[int, tuple[_Cell | None, _Cell]] = {}  # place -> in a run from the start of a word, in any run
    for number, letter in enumerate(word):
        cells = _first_cells(text, line, letter) if number == 0 else _next_cells(text, line, letter, cells)
        if not cells:
            return None
    best = max((cell for _, cell in cells.values()), key=lambda cell: cell.points)
    found: list[int] = []
    trace: tuple | None = best.trace  # type: ignore[type-arg]
    while trace is not None:
        place, trace = trace
        found.append(place)
    return Alignment(best.points, tuple(reversed(found)))


def _first_cells(text: str, line: str, letter: str) -> dict[int, tuple[_Cell | None, _Cell]]:
    cells: dict[int, tuple[_Cell | None, _Cell]] = {}
    for place in _occurrences(text, letter, 0):
        if _starts_at(line, place):
            cell = _Cell(_LETTER + _AT_WORD + _FIRST, (place, None))
            cells[place] = cell, cell
        else:
            cells[place] = None, _Cell(_LETTER, (place, None))
    return cells


def _next_cells(
    text: str, line: str, letter: str, before: dict[int, tuple[_Cell | None, _Cell]]
) -> dict[int, tuple[_Cell | None, _Cell]]:
    """Return the cells of one letter more: in the run of the letter before, or at the start of a new one."""
    cells: dict[int, tuple[_Cell | None, _Cell]] = {}
    earlier = iter(before.items())
    upcoming = next(earlier, None)
    reach: _Cell | None = None  # the best cell before, after a gap that ends at `reach_at`
    reach_at = 0
    for place in _occurrences(text, letter, next(iter(before)) + 1):
        while upcoming is not None and upcoming[0] < place - 1:
            at, (_, cell) = upcoming
            if reach is None or cell.points >= reach.points - (at - reach_at):
                reach, reach_at = cell, at
            upcoming = next(earlier, None)
        neighbour = before.get(place - 1)
        origin, points = None, -1 << 30
        if reach is not None:
            origin, points = reach, reach.points - _GAP - (place - reach_at - 2)
        if neighbour is not None and neighbour[1].points >= points:
            origin, points = neighbour[1], neighbour[1].points
        if origin is None:
            continue
        at_word: _Cell | None = None
        any_run = _Cell(points + _LETTER, (place, origin.trace))
        if neighbour is not None:
            if neighbour[0] is not None:
                at_word = _Cell(neighbour[0].points + _LETTER + _AT_WORD, (place, neighbour[0].trace))
            if neighbour[1].points + _LETTER + _NEXT > any_run.points:
                any_run = _Cell(neighbour[1].points + _LETTER + _NEXT, (place, neighbour[1].trace))
        if _starts_at(line, place) and (at_word is None or points + _LETTER + _AT_WORD > at_word.points):
            at_word = _Cell(points + _LETTER + _AT_WORD, (place, origin.trace))
        if at_word is not None and at_word.points >= any_run.points:
            any_run = at_word
        cells[place] = at_word, any_run
    return cells


def _occurrences(text: str, letter: str, start: int) -> Iterator[int]:
    place = text.find(letter, start)
    while place >= 0:
        yield place
        place = text.find(letter, place + 1)


def fold(text: str) -> str:
    """Return ``text`` in small letters, as long as it was: a letter that would become two stays."""
    low = text.lower()
    if len(low) == len(text):
        return low
    return "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in text)


def _starts_at(line: str, place: int) -> bool:
    """Return whether a word starts here: no letter or digit before, none here, or a hump, as in ``gitHub``."""
    if place == 0:
        return True
    before, here = line[place - 1], line[place]
    return not (before.isalnum() and here.isalnum()) or (before.islower() and here.isupper())


def _find(word: str, line: str) -> bool:
    return word in line if word != fold(word) else word in fold(line)


def _starts_a_word(word: str, line: str) -> bool:
    """Return whether ``word`` is in ``line`` in one run from the start of a word."""
    text = line if word != fold(word) else fold(line)
    place = text.find(word)
    while place >= 0:
        if _starts_at(line, place):
            return True
        place = text.find(word, place + 1)
    return False
