"""Just enough of the shell's grammar to know that a line cannot be finished yet."""

from __future__ import annotations

import re

_WORDS = r"[\w./ :=@,+%~$?*-]*[\w./:=@,+%~$?*-] *"
_PLAIN = re.compile(rf"{_WORDS}(?:[;&|]+{_WORDS})*", re.ASCII)
_OPENING = re.compile(
    r"(?:^|[;&|]) *(?:if|then|elif|else|for|while|until|do|case|select|function|time|coproc|repeat|foreach)(?: |$)"
)


def is_plain(line: str) -> bool:
    """Return whether ``line`` is a whole command beyond doubt: words with nothing special in them.

    Aliases are not looked at: one that stands for the beginning of a compound command is for the shell to complain of.
    """
    return bool(_PLAIN.fullmatch(line)) and not _OPENING.search(line)


def is_open(line: str) -> bool:
    """Return whether a quote is open at the end of ``line``, or a backslash stands there.

    Deliberately says "no" where it would have to guess (here-documents, command substitution inside quotes): the shell
    then reports the mistake, whereas a wrong "yes" would keep a good line from running.
    """
    if "<<" in line or "$(" in line or "`" in line:
        return False
    quote, ansi = "", False  # the quote that is open; whether it is $'...', where a backslash escapes
    between_words = True  # only there does # begin a comment; an escaped separator is part of a word
    position = 0
    while position < len(line):
        char = line[position]
        if quote:
            if char == "\\" and (quote == '"' or ansi):
                position += 1
            elif char == quote:
                quote = ""
        elif char == "\\":
            if position == len(line) - 1:
                return True
            position += 1
        elif char in "'\"":
            quote, ansi = char, char == "'" and line[position - 1 : position] == "$"
        elif char == "#" and between_words:
            position = line.find("\n", position)
            if position < 0:
                return False
        between_words = not quote and char in "# \t\n;&|()<>" and (char != "#" or between_words)
        position += 1
    return bool(quote)
