"""The shell's language as Pygments reads it, for colours; loaded after the first prompt.

A line being typed is mostly unfinished, and each key waits for this. So the rules of Pygments' own lexer are put right
where an open quote is no quote to them, or takes time that doubles with each character.
"""

from __future__ import annotations

from collections.abc import Iterator

from pygments.lexer import bygroups, inherit  # type: ignore[import-untyped]
from pygments.lexers.shell import BashLexer  # type: ignore[import-untyped]
from pygments.token import (  # type: ignore[import-untyped]
    Comment,
    Keyword,
    Name,
    Operator,
    Punctuation,
    String,
    Text,
    Whitespace,
    _TokenType,
)

STRING, VARIABLE, COMMENT, RESERVED, BUILTIN, OPERATOR = (
    "string",
    "variable",
    "comment",
    "reserved",
    "builtin",
    "operator",
)

_STAYING = frozenset(["if", "then", "else", "elif", "do", "while", "until", "time", "coproc"])  # a command follows
_LISTS = frozenset(["for", "select", "case"])  # have an "in"
_STARTING = frozenset([";", "&", "|", "&&", "||", "(", "{", "$(", "`", "!"])


class _ShellLexer(BashLexer):  # type: ignore[misc]
    """Pygments' lexer for shells, also for lines without an end."""

    tokens = {  # noqa: RUF012  # as Pygments wants it
        "basic": [
            (r"(?<![^\s;&|()])#[^\n]*", Comment.Single),
            (
                r"(?s)(<<-?)([ \t]*)(['\"]?)(\w+)(?!\w)(\3)([^\n]*\n)(.*?)(^\t*\4$|\Z)",
                bygroups(Operator, Whitespace, String, String, String, Text, String, String),
            ),
            (r"<<-?(?!<)", Operator),
            inherit,
        ],
        "data": [
            (r"(?s)\$'(?:[^'\\]|\\.)*(?:'|\\?\Z)", String.Single),
            (r"'[^']*(?:'|\Z)", String.Single),
            inherit,
        ],
    }


_LEXER = _ShellLexer()
_KINDS = ((String.Interpol, VARIABLE), (String, STRING), (Name.Variable, VARIABLE), (Comment, COMMENT))


def spans(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield what has a colour by its grammar: where it begins and ends in ``text``, and its kind.

    A reserved word or a builtin counts as one only where a command may stand: ``git commit -m done`` has none.
    """
    is_start, has_list, assigns = True, False, False
    for start, token, value in _LEXER.get_tokens_unprocessed(text):
        word, kind = value.strip(), _kind(token)
        if not word:
            is_start = is_start or assigns or "\n" in value
            assigns = False
            continue
        if token in Keyword and word.isalpha():
            is_in = word == "in" and has_list
            kind = RESERVED if is_start or is_in else ""
            has_list = (word in _LISTS) if is_start else has_list and not is_in
            is_start = is_start and word in _STAYING
        elif token in Name.Builtin:
            kind = BUILTIN if is_start else ""
            is_start = False
        else:
            kind = kind or (OPERATOR if token in Operator or token in Punctuation or token in Keyword else "")
            assigns = word == "=" or (assigns and token not in Text)
            is_start = word in _STARTING
        if kind:
            yield start, start + len(value.rstrip()), kind


def _kind(token: _TokenType) -> str:
    return next((kind for family, kind in _KINDS if token in family), "")
