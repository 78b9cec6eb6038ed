"""Completions of the word at the cursor: what the shell underneath is asked, and what its answer means.

The shell is asked with the words of the command that is being typed, and answers as its own specifications do (see
`complete.bash` and `complete.zsh` beside `shell.process`). Where it has nothing to say, files, commands and branches
are looked up without it.
"""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from typeahead.text.surroundings import Surroundings
from typeahead.text.surroundings.command_line import (
    CommandLine,
    Token,
    is_assignment,
    parse,
    parse_innermost,
    unfinished_variable,
)
from typeahead.text.surroundings.quoting import continued, plain

MAX_COMPLETIONS = 5000  # more can neither be read nor drawn quickly
_MAX_LINE = 4096  # characters; a longer line is not looked at
_QUOTES = {"single": "'", "double": '"', "double-escaped": '"'}
_KINDS = frozenset({"directory", "file", "executable", "alias", "function", "builtin", "keyword", "branch"})
_TAGS = {  # of zsh's completion system
    "commands": "executable",
    "aliases": "alias",
    "suffix-aliases": "alias",
    "functions": "function",
    "builtins": "builtin",
    "reserved-words": "keyword",
    "heads": "branch",
    "heads-local": "branch",
}
_FIELDS = 4  # of an entry of the shell's answer


class Completion(NamedTuple):
    """What the word at the cursor may become.

    Attributes
    ----------
    text : str
        The word as the shell reads it: escaped, or in the quotes that are open, which are not closed here.
    display : str
        As it is shown: of a path the last part.
    description : str
        What it does; may be empty.
    kind : str
        "directory", "file", "executable", "alias", "function", "builtin", "keyword", "variable", "option", "argument",
        what `typeahead.text.surroundings.Word` knows, or "suggestion".
    append : str
        What follows when it is taken: a closing quote, a blank, a slash, or nothing.
    """

    text: str
    display: str
    description: str
    kind: str
    append: str


class Question(NamedTuple):
    """The word at the end of ``before``, the line up to the cursor.

    ``mode`` is "argument" or "command"; "variable", when the name of one is being typed; "files", when the shell need
    not be asked. ``words`` are those of the command, the last is the one at the cursor.
    """

    before: str
    token: Token
    mode: str
    words: tuple[str, ...]

    @property
    def start(self) -> int:
        """Where the word begins in the line."""
        return self.token.start

    def encoded(self) -> bytes:
        """Return it as the shell reads it: fields that end in NUL."""
        variable = unfinished_variable(self.token)
        meant = variable[2] if self.mode == "variable" and variable else meaning(self.token)
        fields = (self.before, self.token.raw, self.mode, meant, *self.words)
        return "".join(f"{field}\0" for field in fields).encode("utf-8", "surrogateescape")


def question(before: str) -> Question | None:
    """Return what to ask for the word at the end of ``before``; ``None`` where there is nothing to complete."""
    if len(before) > _MAX_LINE or "\0" in before:
        return None
    parsed = parse_innermost(before)
    token = parsed.last
    if token is None:
        return None
    words = _words(parsed, token)
    if unfinished_variable(token) is not None:
        mode = "variable"
    elif token.state == "other":  # in a substitution that is not understood
        return None
    elif parsed.redirection or not words:
        mode = "files"
    elif len(words) > 1:
        mode = "argument"
    else:
        mode = "files" if "/" in token.raw or token.has_tilde else "command"
    return Question(before, token, mode, words)


def _words(parsed: CommandLine, token: Token) -> tuple[str, ...]:
    """Return the words of the command, without assignments before it; none where ``token`` is not one of them."""
    words = [word.raw for word in parsed.current.words]
    while words and is_assignment(words[0]):
        del words[0]
    is_last = bool(words) and parsed.current.words[-1] is token
    return tuple(words) if is_last and not parsed.current.is_opaque else ()


def meaning(token: Token) -> str:
    """Return a word without its quotes; variables and what else the shell would replace as they stand there."""
    if token.parts is None:
        return token.raw
    return "".join(f"${part.text}" if part.is_variable else part.text for part in token.parts)


def read(answer: bytes, asked: Question) -> list[Completion]:
    """Return what the shell has answered.

    Parameters
    ----------
    answer : bytes
        Fields that end in NUL: state, options, how many characters of the word stay, and then for each entry kind,
        text, what to append, description. Anything else means no completions.
    asked : Question
        What it was asked.

    Returns
    -------
    list of Completion
        In the shell's order if that is what it wants, else sorted; each text once. An entry with a control character or
        another that cannot be seen is left out.
    """
    fields = answer.decode("utf-8", "surrogateescape").split("\0")
    if len(fields) < 4 or fields[0] != "done" or fields[-1] or not fields[2].isdecimal():
        return []
    options, kept, rest = fields[1].split(","), int(fields[2][:6]), iter(fields[3:-1])
    entries = list(zip(*[rest] * _FIELDS, strict=False))
    if "nosort" not in options:
        _sort(entries, by_kind="quoted" in options)
    return _unique(
        _completion(asked, kind, text, append, description, kept, options)
        for kind, text, append, description in entries
        if text and text.isprintable() and append.isprintable()
    )


def _sort(entries: list[tuple[str, ...]], by_kind: bool) -> None:
    """Sort by text; ``by_kind``: only within a kind, and not where that begins with "+"."""
    kinds = {kind: place for place, kind in enumerate(dict.fromkeys(kind for kind, *_ in entries))}
    entries.sort(
        key=lambda entry: (kinds[entry[0]], "" if entry[0].startswith("+") else entry[1]) if by_kind else (0, entry[1])
    )


def _completion(
    asked: Question, kind: str, value: str, append: str, description: str, kept: int, options: Sequence[str]
) -> Completion:
    token, quote = asked.token, _QUOTES.get(asked.token.state, "")
    description = " ".join(description.split()).removeprefix("-- ") if description.isprintable() else ""
    if "quoted" in options:  # by the shell
        kind = _kind(kind.removeprefix("+"), value)
        closing = quote + append if append == " " else append
        return Completion(token.raw[:kept] + value, _shown(kind, value), description, kind, closing)
    if kind == "variable":
        return _variable(token, value, description)
    kind = _kind(kind, value)
    if value != (stripped := value.rstrip(" ")) and stripped and not append:
        value, append = stripped, " "
    elif kind == "option" and value.endswith("="):
        append = ""
    if kind in ("file", "directory", "executable") or "filenames" in options:
        text = _escaped(token, value, kept)
    else:  # a specification quotes what it wants quoted
        begins = token.raw[kept : kept + 1] if quote else ""
        text = token.raw[:kept] + (begins if begins == quote else "") + value
    return Completion(text, _shown(kind, value), description, kind, quote + append if append == " " else append)


def _escaped(token: Token, value: str, kept: int) -> str:
    """Return the word with ``value``, meant as it is, from character ``kept`` on; open quotes stay open."""
    stays, part = token.raw[:kept], token if kept == 0 else parse(token.raw[kept:]).last or Token("", 0)
    quote = _QUOTES.get(part.state, "")
    typed = meaning(part)
    if value.startswith(typed) and (text := continued(part, value[len(typed) :])) is not None:
        return stays + (text[:-1] if quote else text)
    if quote:
        text = continued(Token(quote, 0, state="single" if quote == "'" else "double"), value)
        return stays + (text or quote)[:-1]
    return stays + plain(value)


def _variable(token: Token, name: str, description: str) -> Completion:
    start, opening, _ = unfinished_variable(token) or (0, "$", "")
    closing = "}" if opening == "${" else ""
    quote = _QUOTES.get(token.state, "")
    return Completion(token.raw[:start] + opening + name + closing, "$" + name, description, "variable", quote)


def _kind(kind: str, value: str) -> str:
    """Return the kind of an entry; the shell's own may be anything."""
    kind = _TAGS.get(kind, kind)
    if kind in _KINDS:
        return kind
    return "option" if value.startswith("-") else "variable" if value.startswith("$") else "argument"


def _shown(kind: str, value: str) -> str:
    """Return how an entry is shown: without quotes, of a path the last part."""
    if any(special in value for special in "\\\"'") and (token := parse(value).last) is not None:
        value = meaning(token)
    if kind not in ("file", "directory", "executable"):
        return value
    return (os.path.basename(value.rstrip("/")) or value) + ("/" if kind == "directory" else "")


def without_shell(surroundings: Surroundings, asked: Question, cwd: str | None) -> list[Completion]:
    """Return what is known without the shell: files, commands, branches. It may wait for a disk, for a short time.

    Parameters
    ----------
    surroundings : Surroundings
        Of the session.
    asked : Question
        Where.
    cwd : str or None
        The session's directory.
    """
    quote = _QUOTES.get(asked.token.state, "")
    found = []
    for word in surroundings.words(asked.before, cwd, limit=MAX_COMPLETIONS):
        text = word.text.removesuffix(quote) if quote else word.text
        if word.kind == "directory":
            text, append = text.rstrip("/"), "/"
        else:
            append = quote + " "
        display = _shown("file", word.text).rstrip("/")
        found.append(Completion(text, display + ("/" if append == "/" else ""), "", word.kind, append))
    return _unique(found)


def _unique(found: Iterable[Completion]) -> list[Completion]:
    """Return each text once, as it came first, no more than can be shown."""
    unique: dict[str, Completion] = {}
    for each in found:
        unique.setdefault(each.text, each)
        if len(unique) == MAX_COMPLETIONS:
            break
    return list(unique.values())


def suggested(found: Sequence[Completion], asked: Question, line: str) -> Completion | None:
    """Return what a suggested ``line`` has for the same word, one of ``found`` if it is there; ``None`` for nothing."""
    word = next((token for token in _tokens(line) if token.start == asked.start), None)
    typed = asked.token.raw
    if not line.startswith(asked.before) or word is None or len(word.raw) <= len(typed):
        return None
    fitting = [each for each in found if f"{each.text}{each.append}".strip() == word.raw or each.text == word.raw]
    # A directory, or an option that wants a value: the suggestion goes on behind it.
    fitting += [each for each in found if len(each.text) > len(typed) and word.raw.startswith(each.text + each.append)]
    return fitting[0] if fitting else Completion(word.raw, word.raw, "suggested", "suggestion", " ")


def _tokens(line: str) -> Iterator[Token]:
    for command in parse_innermost(line).commands:
        yield from command.words
        for _, target in command.redirections:
            yield target


def common_prefix(found: Sequence[Completion]) -> str:
    """Return what all texts begin with; no backslash is left without what it escapes."""
    prefix = os.path.commonprefix([each.text for each in found])  # noqa: RUF071  # of characters
    backslashes = len(prefix) - len(prefix.rstrip("\\"))
    return prefix[:-1] if backslashes % 2 else prefix


def narrowed(found: Iterable[Completion], typed: str) -> list[Completion]:
    """Return what begins with ``typed``, the word as it stands in the line now."""
    return [each for each in found if each.text.startswith(typed)]
