"""Plain, slow twin of the search: every way to pick the letters of a word, every line weighed."""

from __future__ import annotations

from itertools import combinations, pairwise

LETTER, AT_WORD, NEXT, FIRST, GAP = 16, 8, 4, 8, 3


def fold(text):
    return "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in text)


def starts_a_word(line, place):
    if place == 0:
        return True
    before, here = line[place - 1], line[place]
    hump = before.islower() and here.isupper()
    return hump or not before.isalnum() or not here.isalnum()


def best_points(word, line):
    """Return the most points of any choice of places and of any cut of them into runs; None where there is none."""
    text = line if any(letter != fold(letter) for letter in word) else fold(line)
    best = None
    for places in combinations(range(len(line)), len(word)):
        if all(text[place] == letter for place, letter in zip(places, word, strict=True)):
            points = max(points_of_cut(line, places, cut) for cut in cuts(places))
            best = points if best is None else max(best, points)
    return best


def cuts(places):
    """Yield every way to cut places into runs: there must be a cut where they are no neighbours, and may be others."""
    inner = range(1, len(places))
    needed = {number for number in inner if places[number] != places[number - 1] + 1}
    for size in range(len(places)):
        for chosen in combinations(inner, size):
            if needed <= set(chosen):
                yield chosen


def points_of_cut(line, places, cut):
    points = FIRST if starts_a_word(line, places[0]) else 0
    bounds = [0, *cut, len(places)]
    for start, end in pairwise(bounds):
        length = end - start
        if start:
            between = places[start] - places[start - 1] - 1
            points -= GAP + between - 1 if between else 0
        points += LETTER * length
        points += AT_WORD * length if starts_a_word(line, places[start]) else NEXT * (length - 1)
    return points


def search(lines, query, limit):
    """Return (place, points less than the best) of the best lines, all weighed; the earlier first where equal."""
    words = query.split()
    most = sum((LETTER + AT_WORD) * len(word) + FIRST for word in words)
    found = []
    for place, line in enumerate(lines):
        points = [best_points(word, line) for word in words]
        if None not in points:
            found.append((most - sum(points), place))
    return [(place, loss) for loss, place in sorted(found)[:limit]]
