"""Plain, slow twin of the replay: every look is written down first, every figure is counted from the list."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple


class Look(NamedTuple):
    """What stood on the screen when a key was pressed, and what the key did."""

    user: str
    line: int
    wanted: str
    typed: str
    shown: str | None
    use: str  # "all", "word" or "" for a key of the user's own


def next_word(rest):
    """Return the leading spaces, what follows up to a space or slash, and that."""
    length = 0
    while length < len(rest) and rest[length] == " ":
        length += 1
    while length < len(rest) and rest[length] not in " /":
        length += 1
    return rest[: length + 1]


def looks(users, factory):
    """Return every look of every user, in order; ``users`` maps to lists of (command, cwd)."""
    found = []
    for user, lines in users.items():
        suggester = factory()
        for number, (wanted, cwd) in enumerate(lines):
            typed = ""
            while typed != wanted:
                offers = suggester.suggest(typed, cwd)
                shown = offers[0].text if offers else None
                if shown is not None and not (shown.startswith(typed) and shown != typed):
                    shown = None
                use, further = "", wanted[len(typed)]
                if shown is not None:
                    rest = shown[len(typed) :]
                    word = next_word(rest)
                    if wanted[: len(shown)] == shown:
                        use, further = "all", rest
                    elif len(word) >= 2 and wanted[len(typed) :][: len(word)] == word:
                        use, further = "word", word
                found.append(Look(user, number, wanted, typed, shown, use))
                typed += further
            suggester.record(wanted, cwd)
    return found


def agree(one, other):
    """Whether one of two suggestions goes on from the other."""
    return one.startswith(other) or other.startswith(one)


def figures(users, factory):
    """Return the figures of the judge, without the latencies."""
    all_looks = looks(users, factory)
    num_lines = sum(len(lines) for lines in users.values())
    shown = [look for look in all_looks if look.shown is not None]
    first = [look for look in shown if look.typed == ""]
    savings = []
    for user, lines in users.items():
        characters = sum(len(wanted) + 1 for wanted, _ in lines)
        keys = sum(look.user == user for look in all_looks) + len(lines)
        savings.append((1 - keys / characters, keys, characters))
    replaced = [
        (before, after)
        for before, after in pairwise(all_looks)
        if (before.user, before.line) == (after.user, after.line)
        if before.shown is not None and after.shown is not None and not agree(before.shown, after.shown)
    ]
    all_keys, all_characters = sum(keys for _, keys, _ in savings), sum(size for _, _, size in savings)
    return {
        "users": len(users),
        "commands": num_lines,
        "saved": round(1 - all_keys / all_characters, 4),
        "saved_median_user": round(sorted(saving for saving, _, _ in savings)[len(users) // 2], 4),
        "acceptance": round(sum(look.use != "" for look in shown) / len(shown), 4) if shown else 0.0,
        "shown_per_key": round(len(shown) / len(all_looks), 4),
        "flicker_per_command": round(len(replaced) / num_lines, 3),
        "next_first_word": round(
            sum(look.shown.split(" ")[0] == look.wanted.split(" ")[0] for look in first) / num_lines, 4
        ),
        "next_line": round(sum(look.shown == look.wanted for look in first) / num_lines, 4),
        "empty_line_shown": round(len(first) / num_lines, 4),
    }


def ngram_probability(lines, order, character, before):
    """Return the Witten-Bell probability of a character after the text ``before``, counted from the lines anew."""
    stream = "\n" + "".join(line + "\n" for line in lines)
    probability = 1 / 256
    for length in range(order):
        context = before[len(before) - length :]
        if length > len(before):
            break
        seen = [stream[i] for i in range(1, len(stream)) if i >= length and stream[i - length : i] == context]
        if seen:
            kinds = len(set(seen))
            probability = (seen.count(character) + kinds * probability) / (len(seen) + kinds)
    return probability
