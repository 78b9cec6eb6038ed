"""A command line taken apart: its simple commands, their words, and how the word at the end is quoted.

This is the part of the shell's grammar that bash and zsh share and that people type on one line. It never fails: what
it does not understand (a `case`, a here-document, arithmetic) it marks as not understood, and what the shell would
replace (`*`, `$x`, `{a,b}`, a command in a command) it marks as unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

_BLANKS = " \t"
_ENDS = frozenset(" \t\n;&|()<>")
# The longest first: each is tried in turn.
_SEPARATORS = (";;&", "&&", "||", ";;", ";&", "|&", ";", "&", "|", "\n")
_REDIRECTIONS = ("&>>", "<<<", "<<-", "&>", "<<", "<>", ">>", ">&", ">|", "<&", "<", ">")
_VARIABLE = re.compile(r"\$(?:\{(\w*)\}|(\w+|[@*#?$!-]))")
_UNFINISHED_VARIABLE = re.compile(r"\$(\{?)([A-Za-z_]\w*)?$")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(\[[^]]*\])?\+?=")
_OPENING = frozenset({"if", "then", "else", "elif", "while", "until", "do", "{", "!"})
_CLOSING = frozenset({"fi", "done", "esac", "}"})
_OPAQUE = frozenset({"for", "select", "[[", "function", "case", "coproc"})
_OPAQUE_TO_THE_END = frozenset({"case", "function"})


class Part(NamedTuple):
    """A piece of a word: text as it is, or the name of a variable whose value stands there."""

    text: str
    is_variable: bool


@dataclass(slots=True)
class Token:
    """One word as it stands in the line.

    ``parts`` is what it means, None when that cannot be told. ``state`` is the quoting at its end: "plain",
    "escaped" (after a backslash), "single", "double", "double-escaped" or "other" (a substitution that is open).
    """

    raw: str
    start: int
    parts: list[Part] | None = field(default_factory=list)
    state: str = "plain"
    has_tilde: bool = False  # starts with a ~ that the shell replaces

    @property
    def end(self) -> int:
        """Where it ends in the line."""
        return self.start + len(self.raw)

    @property
    def literal(self) -> str | None:
        """The word the command gets, if nothing in it is replaced but a tilde, and all its quotes are closed."""
        if self.parts is None or self.state != "plain" or any(part.is_variable for part in self.parts):
            return None
        return "".join(part.text for part in self.parts)

    def expanded(self, environ: Mapping[str, str]) -> str | None:
        """Return the word so far with its variables' values; None when one is not known or would be split."""
        if self.parts is None:
            return None
        texts = [environ.get(part.text, "") if part.is_variable else part.text for part in self.parts]
        if any(
            part.is_variable and not re.fullmatch(r"[\w/.,:+-]+", text)
            for part, text in zip(self.parts, texts, strict=True)
        ):
            return None
        return "".join(texts)


@dataclass(slots=True)
class SimpleCommand:
    """The words of one command without its redirections, from after the reserved words that open a block."""

    words: list[Token] = field(default_factory=list)
    redirections: list[tuple[str, Token]] = field(default_factory=list)
    separator: str = ""  # what stands before it
    is_opaque: bool = False  # not understood


@dataclass(slots=True)
class CommandLine:
    """A whole line. ``last`` is the word being typed, empty after a blank; None inside a comment."""

    commands: list[SimpleCommand]
    last: Token | None
    redirection: str = ""  # the operator whose target ``last`` is
    is_balanced: bool = True
    unclosed: int | None = None  # where the command begins that a substitution still open holds

    @property
    def current(self) -> SimpleCommand:
        """The command that ``last`` belongs to."""
        return self.commands[-1]


def parse(line: str) -> CommandLine:
    """Take ``line`` apart; any text will do."""
    return _Parser(line).parse()


def parse_innermost(line: str) -> CommandLine:
    """Take apart the command being typed at the end of ``line``: within ``$(`` that is the inner one."""
    offset = 0
    while True:
        parsed = parse(line[offset:])
        if parsed.unclosed is None:
            for command in parsed.commands:
                for token in [*command.words, *(target for _, target in command.redirections)]:
                    token.start += offset
            return parsed
        offset += parsed.unclosed


def last_word(line: str) -> str:
    """Return the word being typed at the end of ``line`` as it stands there; "" after a blank."""
    last = parse_innermost(line).last
    return last.raw if last is not None else ""


def unfinished_variable(token: Token) -> tuple[int, str, str] | None:
    """Return where in ``token.raw`` a variable's name is being typed, how it begins (``$`` or ``${``), and the name."""
    if token.state not in ("plain", "double", "other"):
        return None
    found = _UNFINISHED_VARIABLE.search(token.raw)
    if found is None or (token.state == "other" and not found[1]):
        return None
    backslashes = len(token.raw[: found.start()]) - len(token.raw[: found.start()].rstrip("\\"))
    return None if backslashes % 2 else (found.start(), "$" + found[1], found[2] or "")


def is_assignment(raw: str) -> bool:
    """Return whether a word in a command's place sets a variable."""
    return _ASSIGNMENT.match(raw) is not None


class _Parser:
    """One pass over a line."""

    def __init__(self, line: str) -> None:
        self._line = line
        self._result = CommandLine([SimpleCommand()], None)
        self._redirection = ""
        self._is_opaque = False  # to the end of the line

    def parse(self) -> CommandLine:
        line, result, position = self._line, self._result, 0
        while position < len(line):
            character = line[position]
            if character in _BLANKS or line.startswith("\\\n", position):
                position += 1 if character in _BLANKS else 2
            elif character == "#" and (position == 0 or line[position - 1] in _ENDS):
                return result
            elif character in _ENDS:
                position = self._operator(position)
            else:
                token = self._word(position)
                position = token.end
                self._add(token)
            if result.unclosed is not None:
                result.is_balanced = False
                return result
        if result.last is None:
            self._add(Token("", len(line)))
        result.is_balanced = result.last is not None and result.last.state == "plain"
        return result

    def _add(self, token: Token) -> None:
        command = self._result.current
        if token.end == len(self._line):
            self._result.last = token
        if self._redirection:
            command.redirections.append((self._redirection, token))
            if token.end == len(self._line):
                self._result.redirection = self._redirection
            self._redirection = ""
            return
        # A reserved word is one only when it is finished: "do" at the end of the line may become "docker".
        if not command.words and token.end < len(self._line):
            if token.raw in _OPENING:
                return
            if token.raw in _OPAQUE:
                command.is_opaque = True
                self._is_opaque = self._is_opaque or token.raw in _OPAQUE_TO_THE_END
            elif token.raw in _CLOSING:
                command.is_opaque = True
        command.words.append(token)

    def _operator(self, position: int) -> int:
        line, command = self._line, self._result.current
        if line[position] in "()":
            return self._parenthesis(position)
        if line.startswith(("<(", ">("), position):
            token = Token("", position, None)
            end = self._substitution(position + 2, token)
            token.raw = line[position:end]
            self._add(token)
            return end
        for operator in _REDIRECTIONS:
            if line.startswith(operator, position):
                words = command.words
                if words and words[-1].end == position and re.fullmatch(r"\d+|\{\w+\}", words[-1].raw):
                    words.pop()  # the number of what is redirected
                if operator.startswith("<<") and operator != "<<<":
                    self._is_opaque = command.is_opaque = True
                self._redirection = operator
                return position + len(operator)
        separator = next(each for each in _SEPARATORS if line.startswith(each, position))
        self._begin(separator)
        return position + len(separator)

    def _parenthesis(self, position: int) -> int:
        command = self._result.current
        if self._line[position] == "(" and (command.words or self._line.startswith("((", position)):
            self._is_opaque = command.is_opaque = True  # a function, an array, arithmetic
        elif command.words or command.redirections or self._line[position] == ")":
            self._begin(self._line[position])
        return position + 1

    def _begin(self, separator: str) -> None:
        self._redirection = ""
        self._result.commands.append(SimpleCommand(separator=separator, is_opaque=self._is_opaque))

    def _word(self, start: int) -> Token:
        """Read the word at ``start``: plain and quoted stretches one after another."""
        line = self._line
        token = Token("", start, [], "plain", line.startswith("~", start))
        position = start
        while position < len(line) and line[position] not in _ENDS:
            character = line[position]
            if character == "\\":
                position = self._escape(position, token)
            elif character == "'":
                position = self._single(position + 1, token)
            elif character == '"':
                position = self._double(position + 1, token)
            elif character == "$" and line[position + 1 : position + 2] == "'":
                position = self._ansi(position + 2, token)
            elif character in "$`":
                position = self._expansion(position, token)
            else:
                if character in "*?[" or (character == "{" and line[position + 1 : position + 2] not in ("", " ")):
                    token.parts = None
                elif character == "!" and line[position + 1 : position + 2] not in ("", " ", "\t", "\n", "="):
                    token.parts = None  # the shell's history
                _append(token, character)
                position += 1
        token.raw = line[start:position]
        return token

    def _escape(self, position: int, token: Token) -> int:
        following = self._line[position + 1 : position + 2]
        if not following:
            token.state = "escaped"
        elif following != "\n":
            _append(token, following)
        return min(position + 2, len(self._line))

    def _single(self, position: int, token: Token) -> int:
        end = self._line.find("'", position)
        _append(token, self._line[position : end if end >= 0 else None])
        if end < 0:
            token.state = "single"
        return end + 1 if end >= 0 else len(self._line)

    def _double(self, position: int, token: Token) -> int:
        line = self._line
        while position < len(line):
            character = line[position]
            if character == '"':
                return position + 1
            if character == "\\":
                following = line[position + 1 : position + 2]
                if not following:
                    token.state = "double-escaped"
                    return len(line)
                if following != "\n":
                    _append(token, following if following in '$`"\\' else character + following)
                position += 2
            elif character in "$`":
                position = self._expansion(position, token)
            else:
                if character == "!" and line[position + 1 : position + 2] not in ("", " ", '"', "="):
                    token.parts = None
                _append(token, character)
                position += 1
        if token.state == "plain":
            token.state = "double"
        return position

    def _ansi(self, position: int, token: Token) -> int:
        token.parts = None
        found = re.compile(r"(?:[^'\\]|\\.)*'", re.DOTALL).match(self._line, position)
        if found is None:
            token.state = "other"
        return found.end() if found is not None else len(self._line)

    def _expansion(self, position: int, token: Token) -> int:
        """Read a variable or a substitution, at its ``$`` or backquote."""
        line = self._line
        if line[position] == "`":
            token.parts = None
            end = line.find("`", position + 1)
            if end < 0:
                self._result.unclosed, token.state = position + 1, "other"
            return end + 1 if end >= 0 else len(line)
        if line.startswith("$(", position):
            if line.startswith("$((", position):
                token.parts = None
                end = line.find("))", position)
                if end < 0:
                    token.state = "other"
                return end + 2 if end >= 0 else len(line)
            return self._substitution(position + 2, token)
        found = _VARIABLE.match(line, position)
        if found is not None:
            if token.parts is not None:
                token.parts.append(Part(found[1] or found[2] or "", True))
            return found.end()
        if line.startswith("${", position):
            token.parts = None
            end = line.find("}", position)
            if end < 0:
                token.state = "other"
            return end + 1 if end >= 0 else len(line)
        _append(token, "$")
        return position + 1

    def _substitution(self, position: int, token: Token) -> int:
        """Skip the command that begins at ``position`` up to its closing parenthesis."""
        token.parts = None
        begin, depth, line = position, 1, self._line
        inner = Token("", position)
        while position < len(line):
            character = line[position]
            if character == "\\":
                position = self._escape(position, inner)
            elif character == "'":
                position = self._single(position + 1, inner)
            elif character == '"':
                position = self._double(position + 1, inner)
                if self._result.unclosed is not None:
                    return len(line)
            else:
                depth += {"(": 1, ")": -1}.get(character, 0)
                position += 1
                if depth == 0:
                    return position
        token.state = "other"
        if self._result.unclosed is None:
            self._result.unclosed = begin
        return len(line)


def _append(token: Token, text: str) -> None:
    if token.parts is not None and text:
        token.parts.append(Part(text, False))
