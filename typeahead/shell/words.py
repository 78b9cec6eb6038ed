"""Where the words of a line begin and end: as the shell splits them, and as readline's Alt-F and Alt-B see them.

Standard library only; a key waits for it.
"""

from __future__ import annotations

BLANKS = " \t\n"
SEPARATORS = BLANKS + ";&|()<>"  # between words of the shell, operators among them


def shell_words(line: str, separators: str = BLANKS) -> list[tuple[int, int]]:
    """Return begin and end of each word in ``line``, with its quotes; an open quote goes on to the end of the line."""
    found: list[tuple[int, int]] = []
    begin, quote, place = -1, "", 0
    while place < len(line):
        character = line[place]
        if not quote and character in separators:
            if begin >= 0:
                found.append((begin, place))
                begin = -1
        else:
            begin = place if begin < 0 else begin
            if character == "\\" and quote != "'":
                place += 1
            elif character == quote:
                quote = ""
            elif character in "'\"" and not quote:
                quote = character
        place += 1
    if begin >= 0:
        found.append((begin, len(line)))
    return found


def end_of_shell_word(line: str, place: int, separators: str = BLANKS) -> int:
    """Return where the word ends that ``place`` is in, or the one after; the end of the line where there is none."""
    return next((end for _, end in shell_words(line, separators) if end > place), len(line))


def begin_of_shell_word(line: str, place: int, separators: str = BLANKS) -> int:
    """Return where the word begins that ends at ``place`` or before, or that ``place`` is in; 0 where there is none."""
    return max((begin for begin, _ in shell_words(line, separators) if begin < place), default=0)


def end_of_word(line: str, place: int) -> int:
    """Return where the next run of letters and digits ends."""
    while place < len(line) and not line[place].isalnum():
        place += 1
    while place < len(line) and line[place].isalnum():
        place += 1
    return place


def begin_of_word(line: str, place: int) -> int:
    """Return where the last run of letters and digits before ``place`` begins."""
    while place > 0 and not line[place - 1].isalnum():
        place -= 1
    while place > 0 and line[place - 1].isalnum():
        place -= 1
    return place
