"""Just enough of the shell's grammar to know that a line is whole, or that it cannot be finished yet.

The shell itself is the judge (`typeahead.shell.process.Process.is_complete`). It is not asked about what is plainly
whole, and where it cannot be asked, since it is busy or not up yet, judgement is passed here.
"""

from __future__ import annotations

import re

_WORDS = r"[\w./ :=@,+%~$?*-]*[\w./:=@,+%~$?*-] *"
_PLAIN = re.compile(rf"{_WORDS}(?:[;&|]+{_WORDS})*", re.ASCII)
_OPENING = re.compile(
    r"(?:^|[;&|]) *(?:if|then|elif|else|for|while|until|do|case|select|function|time|coproc|repeat|foreach)(?:[ ;&|]|$)"
)
_CLOSED_BY = {"if": "fi", "for": "done", "while": "done", "until": "done", "select": "done", "{": "}"}
_BEFORE_COMMANDS = {"then", "do", "else", "elif", "if", "while", "until", "{", "!", "time"}
_FUNCTION = re.compile(r"(^|[;&|\n])[ \t]*[\w.-]+[ \t]*\(\)", re.ASCII)
_HEREDOC = re.compile(r"(?<!<)<<-?[ \t]*([\w.]+)", re.ASCII)


def is_plain(line: str) -> bool:
    """Return whether ``line`` is a whole command beyond doubt: words with nothing special in them.

    Aliases are not looked at: one that stands for the beginning of a compound command is for the shell to complain of.
    """
    return bool(_PLAIN.fullmatch(line)) and not _OPENING.search(line)


def is_open(line: str) -> bool:
    """Return whether ``line`` goes on in the next row, as far as can be told without guessing.

    An open quote, a backslash or an operator at the end, a here-document or a compound command without its end. Says
    "no" where it would have to guess (command substitution, ``case``, arrays): the shell then reports the mistake,
    whereas a wrong "yes" would keep a good line from running.
    """
    if "$(" in line or "`" in line:
        return False
    if "<<" in line:
        return _lacks_text(line)
    bare = _unquoted(line)
    return bare is None or bare.rstrip().endswith(("|", "&&")) or _lacks_end(bare)


def _unquoted(line: str) -> str | None:
    """Return ``line`` without comments and with letters for what is quoted; ``None``: a quote or the end is open."""
    bare: list[str] = []
    quote, ansi = "", False  # the quote that is open; whether it is $'...', where a backslash escapes
    between_words = True  # only there does # begin a comment; an escaped separator is part of a word
    position = 0
    while position < len(line):
        char = line[position]
        shown = "Q"
        if quote:
            if char == "\\" and (quote == '"' or ansi):
                position += 1
            elif char == quote:
                quote = ""
        elif char == "\\":
            if position == len(line) - 1:
                return None
            position += 1
        elif char in "'\"":
            quote, ansi = char, char == "'" and line[position - 1 : position] == "$"
        elif char == "#" and between_words:
            position = line.find("\n", position)
            if position < 0:
                break
            shown = "\n"
        else:
            shown = char
        bare.append(shown)
        between_words = not quote and char in "# \t\n;&|()<>" and (char != "#" or between_words)
        position += 1
    return None if quote else "".join(bare)


def _lacks_end(bare: str) -> bool:
    """Return whether a compound command lacks its end. Where there are parentheses, nothing is said."""
    bare = _FUNCTION.sub(r"\1 ", bare)
    if any(sign in bare for sign in ("(", ")", "[[", "${")) or re.search(r"\b(?:case|function|coproc)\b", bare):
        return False
    ends: list[str] = []
    first = True  # the next word is a command's first
    for word in re.findall(r"[;&|\n]+|[^\s;&|]+", bare):
        if word[0] in ";&|\n":
            first = True
        elif first:
            if word in _CLOSED_BY:
                ends.append(_CLOSED_BY[word])
            elif word in _CLOSED_BY.values() and (not ends or ends.pop() != word):
                return False
            first = word in _BEFORE_COMMANDS
    return bool(ends)


def _lacks_text(line: str) -> bool:
    """Return whether a here-document lacks its last row: only in the plain case of one whose row is without quotes."""
    first, *rows = line.split("\n")
    if any(sign in first for sign in "'\"\\#()") or len(found := _HEREDOC.findall(first)) != 1:
        return False
    return found[0] not in (row.lstrip("\t") if "<<-" in first else row for row in rows)
