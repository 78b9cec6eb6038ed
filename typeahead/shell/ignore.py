"""What a user's shell is told to keep out of its history, and typeahead out of what it learns. Standard library only.

Bash says it with ``HISTCONTROL`` and ``HISTIGNORE``, zsh with ``HIST_IGNORE_SPACE`` and ``HISTORY_IGNORE``. What is
about *repetition* (``ignoredups``, ``erasedups``, a pattern ``&``) keeps a list short and hides nothing: the line is in
it already. How often a line is run is what a suggestion lives on, so a repetition is learnt like its first time.

Of bash's patterns ``extglob`` is left out; of zsh's, all but ``*``, ``?``, ``[...]`` and alternatives in brackets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice

_MAX_ALTERNATIVES = 256  # of one pattern; brackets multiply
_CLASSES = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r"\s",
    "blank": r" \t",
    "punct": r"!-/:-@\[-`{-~",
    "xdigit": "0-9a-fA-F",
}


class Ignore:
    """The rules of one session.

    Parameters
    ----------
    variables : mapping of str to str
        The shell's variables, as far as they are known: ``HISTCONTROL``, ``HISTIGNORE``, ``HISTORY_IGNORE``;
        ``HIST_IGNORE_SPACE`` stands for zsh's option and is on when it is not empty.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        control = variables.get("HISTCONTROL", "").split(":")
        self._repetitions = "ignoredups" in control or "ignoreboth" in control
        self._spaced = "ignorespace" in control or "ignoreboth" in control or bool(variables.get("HIST_IGNORE_SPACE"))
        self._patterns = _split(variables.get("HISTIGNORE", ""))
        self._patterns_of_zsh = list(islice(_alternatives(variables.get("HISTORY_IGNORE", "")), _MAX_ALTERNATIVES))

    def is_excluded(self, command: str, previous: str | None = None) -> bool:
        """Return whether a command is not to be learnt; a repetition of ``previous`` is no reason.

        Parameters
        ----------
        command : str
            As typed; of several lines the first is looked at, as in bash.
        previous : str, optional
            The command before it that was not excluded.
        """
        return self.is_left_out(command, None if command == previous else previous)

    def is_left_out(self, command: str, previous: str | None = None) -> bool:
        """Return whether the shell leaves a command out of its own list, for a repetition as well."""
        first = command.partition("\n")[0]
        if self._spaced and first.startswith(" "):
            return True
        if self._repetitions and command == previous:
            return True
        if any(_matches(_with_previous(pattern, previous), first) for pattern in self._patterns):
            return True
        return any(_matches(pattern, first) for pattern in self._patterns_of_zsh if pattern)


def _split(patterns: str) -> list[str]:
    """Split at the colons that are not escaped and not in ``[...]``, which may hold ``[:space:]``."""
    found = re.findall(r"((?:\\.|\[[!^]?\]?(?:\[:[a-z]*:\]|\\.|[^\]\\])*\]|[^:\\]|\\$)*)(?::|$)", patterns, re.DOTALL)
    return [pattern for pattern in found if pattern]


def _with_previous(pattern: str, previous: str | None) -> str:
    """Put the previous line for each ``&`` that is not escaped."""
    if previous is None:
        return pattern
    quoted = re.sub(r"([*?\[\]\\])", r"\\\1", previous)
    return re.sub(r"\\.|&", lambda found: quoted if found[0] == "&" else found[0], pattern, flags=re.DOTALL)


def _matches(pattern: str, line: str) -> bool:
    return _compiled(pattern).fullmatch(line) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Translate a shell pattern.

    What stands between two stars is matched at its first place and never again: a later place could not help, and
    trying it would take time that grows with each star.
    """
    parts = [""]
    for found in re.finditer(r"\\(.)|\[([!^]?)(\]?(?:\[:[a-z]*:\]|\\.|[^\]\\])*)\]|.", pattern, re.DOTALL):
        if found[0] == "*":
            parts.append("")
        elif found[0] == "?":
            parts[-1] += "."
        elif found[1] is not None:
            parts[-1] += re.escape(found[1])
        elif found[3]:
            parts[-1] += _bracket(found[2], found[3])
        else:
            parts[-1] += re.escape(found[0])
    if len(parts) == 1:
        return re.compile(parts[0], re.DOTALL)
    middle = "".join(f"(?>.*?{part})" for part in parts[1:-1])
    return re.compile(f"{parts[0]}{middle}.*{parts[-1]}", re.DOTALL)


def _bracket(negation: str, members: str) -> str:
    """Translate what stands in ``[...]``; one that makes no sense matches nothing."""
    inner = re.sub(
        r"\[:([a-z]*):\]|\\(.)|([\\\[\]^&~|])",
        lambda found: _CLASSES.get(found[1], "") if found[1] is not None else "\\" + (found[2] or found[3]),
        members,
        flags=re.DOTALL,
    )
    try:
        return re.compile(f"[{'^' if negation else ''}{inner}]").pattern
    except re.error:  # such as [z-a]
        return "(?!)"


def _alternatives(pattern: str, depth: int = 0) -> Iterator[str]:
    """Yield the patterns that one of zsh's with ``(a|b)`` stands for."""
    opening = pattern.find("(")
    if opening < 0 or depth > 8:
        yield pattern
        return
    level, start, choices = 0, opening + 1, []
    for at in range(opening, len(pattern)):
        level += {"(": 1, ")": -1}.get(pattern[at], 0)
        if (pattern[at] == "|" and level == 1) or level == 0:
            choices.append(pattern[start:at])
            start = at + 1
        if level == 0:
            break
    else:  # never closed
        yield pattern
        return
    for choice in choices:
        yield from _alternatives(pattern[:opening] + choice + pattern[start:], depth + 1)
