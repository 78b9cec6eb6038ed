"""How a name is written in a command line, going on in the quotes that are open."""

from __future__ import annotations

import re

from typeahead.text.surroundings.command_line import Token

# What neither bash nor zsh gives a meaning, wherever it stands in a word; letters of any script are fine too.
_PLAIN_SPECIAL = re.compile(r"[^\w./@%+:,-]")
_DOUBLE_SPECIAL = re.compile(r'[$`"\\]')


def continued(token: Token, rest: str) -> str | None:
    """Return the word ``token`` with ``rest`` put to its end as literal text, its quotes closed.

    What has been typed stays as it is, so that the text can be shown behind the cursor. None when that is impossible.
    """
    if token.state == "plain":
        start = "./" if not token.raw and rest.startswith("-") else ""
        return token.raw + start + plain(rest)
    if token.state == "single":
        return token.raw + rest.replace("'", "'\\''") + "'"
    if token.state == "double":
        return token.raw + _double(rest) + '"'
    if token.state == "escaped":
        return token.raw + rest[0] + plain(rest[1:]) if rest else None
    if token.state == "double-escaped":
        return token.raw + rest[0] + _double(rest[1:]) + '"' if rest and _DOUBLE_SPECIAL.match(rest) else None
    return None


def plain(text: str) -> str:
    """Return ``text`` with a backslash before what a shell could take for something else."""
    return _PLAIN_SPECIAL.sub(r"\\\g<0>", text)


def _double(text: str) -> str:
    # An exclamation mark calls the history within double quotes, and a backslash before it would stay: outside, then.
    return _DOUBLE_SPECIAL.sub(r"\\\g<0>", text).replace("!", '"\\!"')
