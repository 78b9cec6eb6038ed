"""How lines that were found are drawn: nothing in them reaches the terminal but what can be printed."""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import NamedTuple

from typeahead.shell.prompt import shorten, width
from typeahead.shell.protocol import is_safe
from typeahead.shell.runs import Match
from typeahead.statuses import INTERRUPTED, STOPPED

Fragments = list[tuple[str, str]]  # style and text, as prompt_toolkit has it

FOUND = "bold underline"  # letters that the query was found at
FAILED = "ansired"
_BEFORE = 4  # columns shown before the first letter found, where the beginning of a line does not fit
_NO_TIME_S = 1e8  # starts before 1973 are places in an imported file that told no times
_UNITS = ((365 * 86400, "y"), (86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


class Looks(NamedTuple):
    """What the terminal can show."""

    columns: int
    unicode: bool

    @property
    def ellipsis(self) -> str:
        """What stands for what is left out."""
        return "…" if self.unicode else ".."

    @property
    def separator(self) -> str:
        """What stands between two facts."""
        return " · " if self.unicode else " | "


def visible(character: str, unicode: bool = True) -> str:
    """Return a character as it can be shown, a control character by a name of its own."""
    code = ord(character)
    if character == "\n":
        return "↵ " if unicode else "\\n "
    if character == "\t":
        return " "
    if code < 0x20 or code == 0x7F:
        return f"^{chr(code ^ 0x40)}"
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if not is_safe(character):
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return character


def row(text: str, places: Set[int], columns: int, looks: Looks) -> Fragments:
    """Return a line as one row of at most so many columns, the letters at ``places`` made to stand out."""
    shown = [visible(character, looks.unicode) for character in text[:4000]]
    widths = [width(one) for one in shown]
    start = 0
    if places and sum(widths[: max(places) + 1]) > columns:
        start = max(0, min(min(places), len(shown) - 1) - _BEFORE)
    room = columns - (len(looks.ellipsis) if start else 0)
    fits = sum(widths[start:]) <= room and len(text) <= len(shown)
    end = start
    room -= 0 if fits else len(looks.ellipsis)
    while end < len(shown) and widths[end] <= room:
        room -= widths[end]
        end += 1
    fragments: Fragments = [("", looks.ellipsis)] if start else []
    for place in range(start, end):
        style = FOUND if place in places else ""
        if fragments and fragments[-1][0] == style:
            fragments[-1] = style, fragments[-1][1] + shown[place]
        else:
            fragments.append((style, shown[place]))
    return fragments if fits else [*fragments, ("", looks.ellipsis)]


def preview(text: str, places: Set[int], num_rows: int, looks: Looks) -> list[Fragments]:
    """Return a whole line with its line breaks, folded into at most ``num_rows`` rows."""
    rows: list[list[tuple[str, str]]] = [[]]
    used = 0
    for place, character in enumerate(text):
        shown = "" if character == "\n" else visible(character, looks.unicode)
        if character == "\n" or used + width(shown) > looks.columns:
            if len(rows) == num_rows:
                if used + len(looks.ellipsis) > looks.columns:
                    del rows[-1][-len(looks.ellipsis) :]
                rows[-1].append(("", looks.ellipsis))
                break
            rows.append([])
            used = 0
        if shown:
            rows[-1].append((FOUND if place in places else "", shown))
            used += width(shown)
    return rows


def facts(match: Match, now: float, looks: Looks) -> Fragments:
    """Return where a line was run last, how it ended, how long ago, for how long and how often, as far as that fits."""
    found: Fragments = []
    if match.status in (INTERRUPTED, STOPPED):
        found.append(("", "interrupted" if match.status == INTERRUPTED else "stopped"))
    elif match.status is not None:
        found.append((FAILED, f"failed: {match.status}") if match.status else ("", "worked"))
    if match.started >= _NO_TIME_S:
        found.append(("", f"{age(now - match.started)} ago"))
    if match.duration_s is not None and match.duration_s >= 0.05:
        found.append(("", f"took {duration(match.duration_s)}"))
    if match.runs > 1:
        found.append(("", f"{match.runs} runs"))
    if match.cwd is not None:
        found.insert(0, ("", shorten(match.cwd, max(6, looks.columns // 3), looks.ellipsis)))
    room = looks.columns
    fragments: Fragments = []
    for style, text in found:
        separator = looks.separator if fragments else ""
        room -= width(separator + text)
        if room < 0:
            break
        fragments += [("", separator), (style, text)]
    return fragments


def age(seconds: float) -> str:
    """Return a time span in its largest unit: 5s, 12m, 3h, 40d, 2y."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds / size)}{unit}"
    return "0s"


def duration(seconds: float) -> str:
    """Return how long something took: 0.3s, 42s, 3m 20s, 2h 5m."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes = whole // 60
    return f"{minutes}m {whole % 60}s" if minutes < 60 else f"{minutes // 60}h {minutes % 60}m"


def columns_of(fragments: Iterable[tuple[str, str]]) -> int:
    """Return the columns that fragments take."""
    return sum(width(text) for _, text in fragments)
