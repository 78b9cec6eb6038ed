"""Secrets that a name announces: variables, long options, fields of a query or of JSON, headers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from typeahead.lexer import Command, Word, compiled, name_of
from typeahead.secrets.values import Secret, behind, is_value, named

# Their --password takes no value, or takes one only after an equals sign.
_WITHOUT_VALUE = (
    r"mysql\w*|mariadb[\w-]*|psql|pg_\w+|(?:drop|create|vacuum|reindex|cluster)(?:db|user)|gocryptfs|pulumi|kdialog"
    r"|systemd-cryptenroll|zenity|yad|whiptail|dialog"
)
_SINGLE_DASH = r"-(?:password|passwd|pass|passin|passout|token|secret|storepass|keypass|apikey|.*[a-z0-9_.-][A-Z_.-].*)"
_SEARCHING = r"[efz]?grep|rg|ag|ack|pgrep|locate|find|fd|man|apropos|which|type|whereis"
_PAIR = r"""(?<![A-Za-z0-9_.\-])([A-Za-z0-9_.\-]++)(\\?["']?)\s{0,3}+(:=|=>|=|:)\s{0,3}+"""
_NEXT_PAIR = r"[&;,\s]\s{0,3}[\w.][\w. -]{0,40}="  # user=me&password=x&host=y, Password=x;Server=y
_VALUE = r"""\\?"((?:[^"\\]++|\\[^"])*+)|'([^']*+)|([^\s&;,"'}\]<>|]+)"""
_HEADER = (
    r"(?i)^(?:--header=)?\s*([A-Za-z][A-Za-z-]{0,60}):\s{0,3}"
    r"(?:(?:bearer|basic|token|digest|apikey|negotiate)\s+)?(?=\S)"
)


def find(command: Command) -> Iterator[Secret]:
    """Yield the secrets in a command's words, here-documents and comments that a name announces.

    Parameters
    ----------
    command : Command
        One of a line's.

    Yields
    ------
    Secret
        Placed in the line; in no particular order; they may overlap.
    """
    if not compiled(_SEARCHING).fullmatch(command.name):  # what is searched for is a pattern
        for word in command.words:
            yield from _pairs(word)
            yield from _header(word)
        yield from _after_options(command.words)
    for operator, word in command.redirections:
        if operator in ("<<", "<<<"):
            yield from _pairs(word, in_file=True)
    for word in command.notes:
        yield from _pairs(word)


def _pairs(word: Word, in_file: bool = False) -> Iterator[Secret]:
    """Yield the values of pairs: ``NAME=x``, ``--name=x``, ``"name": "x"``, ``a=b&name=x``; in a file ``name: x``."""
    text, at = word.text, 0
    while match := compiled(_PAIR).search(text, at):
        at = match.end()
        name, quote, sign = match.groups()
        if sign == ":" and not (quote or (in_file and text[match.start() - 1 : match.start()] in ("", " ", "\n"))):
            continue
        if not named(name.strip("-_."))[0]:
            continue
        if match.start() == 0 and not quote and not in_file:  # the word is the pair, blanks and all
            following = compiled(_NEXT_PAIR).search(text, at)
            start, end = at, following.start() if following else len(text)
        elif value := compiled(_VALUE).match(text, at):
            start, end = value.span(value.lastindex or 0)
        else:
            continue
        yield from behind(name, word, start, end)
        at = max(at, end)


def _header(word: Word) -> Iterator[Secret]:
    """Yield what ``Authorization: Bearer x``, ``X-Api-Key: x`` and the like hold."""
    match = compiled(_HEADER).search(word.text)
    if match is None or not ("-" in match[1] or match[1].lower() == "authorization"):
        return
    if match[1].lower() in ("authorization", "proxy-authorization"):
        if is_value(word, match.end(), len(word.text)):
            yield Secret("authorization header", *word.span(match.end(), len(word.text.rstrip())))
    else:
        yield from behind(match[1], word, match.end(), len(word.text.rstrip()))


def _after_options(words: list[Word]) -> Iterator[Secret]:
    """Yield the words that follow ``--password``, or a name that a program is told to set."""
    without_value = any(compiled(_WITHOUT_VALUE).fullmatch(name_of(word)) for word in words[:3])
    is_setting = False
    for word, following in pairwise(words):
        name, value = word.text, following.text
        was_setting, is_setting = is_setting, is_setting or name in ("set", "config", "setenv")
        if value.startswith("-") or "=" in name:
            continue
        if compiled(r"--?[A-Za-z][A-Za-z0-9_.-]{3,60}").fullmatch(name):
            # -ppassword is no option called ppassword.
            if not without_value and (name.startswith("--") or compiled(_SINGLE_DASH).fullmatch(name)):
                yield from behind(name, following, 0, len(value))
        elif was_setting and len(value) >= 4 and compiled(r"(?://[\w./-]{1,90}:)?[\w.-]{2,90}").fullmatch(name):
            yield from behind(name.rpartition(":")[2], following, 0, len(value))
