"""How a line of text is cut into cells: columns by blanks, by a separator, JSON, or key=value.

A line in one of the first two is a list of cells, told apart by position; in the others a mapping, told apart by name.
`guesses` says which of them a line may be, from that line alone, and what each of its cells is.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from typeahead.sensor.values import AMBIGUOUS, INFINITE, MISSING, NumberReader, TimeReader

__all__ = [
    "FORMATS",
    "JSON",
    "MAX_LINE_BYTES",
    "NONE",
    "NUMBER",
    "PAIRS",
    "TEXT",
    "TIME",
    "BadLineError",
    "Guess",
    "cut",
    "cut_by_name",
    "field",
    "guesses",
    "kind_of",
    "leaves",
    "marks_of",
]

MAX_LINE_BYTES = 1 << 20  # a longer line is no reading
_DEEPEST = 50  # levels of JSON in which numbers are looked for

_SEPARATORS = {"columns": (" ",), "csv": (",", ";"), "tsv": ("\t",)}
FORMATS = ("columns", "csv", "tsv", "json", "pairs")
JSON, PAIRS = "json", "pairs"

# A pair's value: quoted, or up to a blank or a comma, with a unit that stands apart.
_PAIR = re.compile(
    r"(?:^|[\s,;(\[{])([A-Za-z_@][\w.@/-]*)="
    r'(?:"((?:[^"\\]|\\.)*)"|([^\s,;"]+(?:,[0-9]+(?![\w=.]))?(?: (?:[num]?s|µs|%)(?=\s|$))?))'
)
# What may stand before the pairs of a log's line, or of ping -D.
_STAMP = re.compile(r"\[?([0-9][0-9T:.,+-]{8,}(?: [0-9:.,]{5,})?Z?)\]?\s")
_STAMP_NAME = "timestamp"
# Numbers stay text until their own turn: an integer of a megabyte is no error of the whole line.
_JSON = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)

# What a cell is. A missing one goes with any kind.
NUMBER, TIME, NONE, TEXT = "number", "time", "none", "text"


class BadLineError(ValueError):
    """A line that cannot be cut in its format; the text says why."""


class Guess(NamedTuple):
    """What a line looks like: ``mark`` is a separator (a blank: any blanks), `JSON` or `PAIRS`."""

    mark: str
    cells: list[str]
    kinds: list[str]
    names: tuple[str, ...] = ()  # of the cells, where the line itself has them


def marks_of(format: str | None) -> tuple[str, ...]:
    """Return the marks that a format's lines may be cut by; of all formats for None."""
    if format is None:
        return ("\t", ";", ",", " ", JSON, PAIRS)
    return _SEPARATORS.get(format, (format,))


def cut(text: str, mark: str) -> list[str]:
    """Return the cells of a line of columns, without the blanks around them.

    Raises
    ------
    BadLineError
        Its quotes do not match.
    """
    if mark == " ":
        return text.split()
    if '"' not in text:
        return [cell.strip() for cell in text.split(mark)]
    try:
        cells = next(csv.reader([text], delimiter=mark, skipinitialspace=True, strict=True), [])
    except csv.Error:
        raise BadLineError("broken quotes") from None
    return [cell.strip() for cell in cells]


def cut_by_name(text: str, mark: str) -> Mapping[str, object]:
    """Return what a line of JSON or of pairs holds.

    Raises
    ------
    BadLineError
        It is no JSON object, or has no pairs.
    """
    if mark == PAIRS:
        pairs: dict[str, object] = {key: quoted or bare for key, quoted, bare in _PAIR.findall(text)}
        if not pairs:
            raise BadLineError("no key=value in it")
        stamp = _STAMP.match(text)
        return {_STAMP_NAME: stamp[1], **pairs} if stamp else pairs
    try:
        found = _JSON.decode(text)
    except (ValueError, RecursionError):
        raise BadLineError("no JSON object") from None
    if not isinstance(found, dict):
        raise BadLineError("no JSON object")
    return found


def field(row: Mapping[str, object], path: str) -> str | None:
    """Return what stands at a dotted path (``cpu.0.load``: also in lists) as text; None where nothing does.

    A key may hold dots itself; the longest goes first where it ends the path. A truth value is 1 or 0, null is empty.
    """
    if path in row:
        return _as_text(row[path])
    at = path.find(".")
    while at >= 0:
        inner = row.get(path[:at])
        if isinstance(inner, list):
            inner = dict(_items(inner))
        if isinstance(inner, dict) and (found := field(inner, path[at + 1 :])) is not None:
            return found
        at = path.find(".", at + 1)
    return None


def leaves(row: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield the dotted path of everything in a row that is no mapping or list itself, and what stands there."""
    waiting = list(reversed(_items(row)))
    while waiting:
        path, found = waiting.pop()
        if not isinstance(found, dict | list):
            yield path, found
        elif path.count(".") < _DEEPEST:
            waiting += [(f"{path}.{key}", value) for key, value in reversed(_items(found))]


def _items(found: Mapping[str, object] | list[object]) -> list[tuple[str, object]]:
    if isinstance(found, list):
        return [(str(index), value) for index, value in enumerate(found)]
    return list(found.items())


def _as_text(found: object) -> str:
    if isinstance(found, bool):
        return str(int(found))
    if isinstance(found, dict | list):
        return "{...}"
    return "" if found is None else str(found)


def guesses(text: str, marks: Sequence[str]) -> list[Guess]:
    """Return what a line may be, the likeliest first; nothing if it is text: neither a number in it nor only gaps."""
    if JSON in marks and text.lstrip().startswith("{"):
        return _named(text, JSON)
    if PAIRS in marks and (pairs := _named(text, PAIRS)):
        return pairs
    ranked = []
    by_place = [mark for mark in marks if mark not in (JSON, PAIRS)]
    for mark in [mark for mark in by_place if mark == " " or mark in text] or by_place[:1]:
        try:
            cells = cut(text, mark)
        except BadLineError:
            continue
        kinds = [kind_of(cell) for cell in cells]
        if NUMBER in kinds or (NONE in kinds and TEXT not in kinds):
            rank = kinds.count(TEXT) / len(kinds), mark == " ", -len(kinds)
            ranked.append((rank, Guess(mark, cells, kinds)))
    return [found for _, found in sorted(ranked, key=lambda item: item[0])]


def _named(text: str, mark: str) -> list[Guess]:
    try:
        row = cut_by_name(text, mark)
    except BadLineError:
        return []
    found = [(path, _as_text(value), isinstance(value, bool)) for path, value in leaves(row)]
    # A truth value is a number only for whoever asks for it.
    kinds = [TEXT if is_bool else kind_of(cell) for _, cell, is_bool in found]
    if mark == PAIRS and NUMBER not in kinds:
        return []
    return [Guess(mark, [cell for _, cell, _ in found], kinds, tuple(path for path, _, _ in found))]


def kind_of(cell: str) -> str:
    """Return whether a cell is a number, a time that is no plain number, missing, or text."""
    _, fault = NumberReader().read(cell)
    if not fault or fault in (INFINITE, AMBIGUOUS):
        return NUMBER
    if fault == MISSING:
        return NONE
    return TEXT if TimeReader().read(cell) is None else TIME
