"""Split a command line into its commands and words, with the place of every character. Standard library only.

It reads what bash, zsh and fish have in common: quotes, escapes, expansions, redirections, here-documents, comments,
and the operators between commands. It runs nothing, refuses nothing (an open quote ends with the text) and takes time
linear in the length of the line. What a line runs inside itself (``sh -c '...'``, ``$(...)``, ``ssh host '...'``, a
here-document for a shell) is read as commands, too, and a word of it still knows where it stands in the whole line.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cache
from itertools import pairwise
from typing import NamedTuple

MAX_DEPTH = 4  # of commands inside commands that are read; each depth costs another pass over that part of the line

_OPERATOR = r"&&|\|\||\|&|;;&|;;|;&|[;&|()]"
_REDIRECTION = r"<<<|<<-?|<>|<&|>>|>&|>\||&>>?|[<>]"
_PLAIN = r"[^ \t\n'\"\\$`;&|<>()]+"
_IN_QUOTES = r'[^"\\$`]+'
_NAME = r"\$(?:[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-])"
_NESTING = r"[\\'\"`(){}$]"
_BACKTICKS = r"(?s)(?:[^`\\]+|\\.)*"
_BLANK = r"(?:[ \t]|\\\n)+"
_ASSIGNMENT = r"[A-Za-z_][A-Za-z0-9_]*(?:\[[^\]]*\])?\+?="

_RESERVED = r"if|then|elif|else|while|until|do|for|select|case|function|[{}!]|time|coproc"
SHELLS = frozenset(["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish", "csh", "tcsh"])
_SCRIPTED = SHELLS | {"su", "runuser", "script"}  # take a script after -c
# Programs that run the program named after their own options: the letters of the options that take a value of their
# own, and how many operands stand before that program.
_WRAPPERS: dict[str, tuple[str, int]] = {
    "sudo": ("CDghpRrTtUu", 0),
    "doas": ("Cu", 0),
    "env": ("uC", 0),
    "nice": ("n", 0),
    "ionice": ("cnp", 0),
    "chrt": ("TPD", 1),
    "taskset": ("", 1),
    "timeout": ("ks", 1),
    "time": ("fo", 0),
    "stdbuf": ("eio", 0),
    "strace": ("aeEIoOpPsSuX", 0),
    "exec": ("a", 0),
    "proxychains": ("f", 0),
    "proxychains4": ("f", 0),
    "sshpass": ("dfpPe", 0),
    "xargs": ("adEILnPs", 0),
    "parallel": ("aIjNnLSd", 0),
    "watch": ("n", 0),
    "chroot": ("", 1),
    "flock": ("wE", 1),
    "ssh": ("bcDeEFIiJlLmoOpQRSwW", 1),
    **dict.fromkeys(["nohup", "setsid", "command", "builtin", "noglob"], ("", 0)),
    **dict.fromkeys(["eval", "busybox", "fakeroot", "unbuffer", "pkexec"], ("", 0)),
}
_JOINERS = frozenset(["eval", "ssh", "watch", "parallel"])  # run their operands, joined, as a line of a shell


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Return a compiled pattern; not made at import, where the lot would cost a prompt some 10 ms."""
    return re.compile(pattern)


class Piece(NamedTuple):
    """A run of a word's characters that came from one place, ``source[start:end]``."""

    offset: int  # where in the word's text it begins
    start: int
    end: int
    outer_start: int  # with the quotes around it, if any
    outer_end: int
    kind: str  # "text"; "escape", a character and its backslash; "expansion", of a variable or a command


class Word:
    """One word: its ``text`` without quotes, and where in the line each of its characters stands."""

    __slots__ = ("_offsets", "parent", "pieces", "substitutions", "text")

    def __init__(self, text: str, pieces: list[Piece], parent: Word | None = None) -> None:
        self.text = text
        self.pieces = pieces
        self.parent = parent  # the word that the source is the text of; None: the source is the line
        self.substitutions: list[tuple[int, int]] = []  # what $(...) and `...` run, in the source
        self._offsets = [piece.offset for piece in pieces]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where ``text[start:end]`` stands in the line: inside one pair of quotes, or around whole pairs."""
        first, last = self._piece(start), self._piece(max(start, end - 1))
        whole = (first.outer_start, first.outer_end) != (last.outer_start, last.outer_end)  # no odd quote is left
        low = first.outer_start if whole and _is_quoted(first) else _place(first, start, 0)
        high = last.outer_end if whole and _is_quoted(last) else _place(last, max(start, end - 1), 1)
        return (low, high) if self.parent is None else self.parent.span(low, high)

    def literal(self, start: int, end: int) -> str:
        """Return what of ``text[start:end]`` is the text itself and no expansion."""
        kept = []
        for index in range(max(0, bisect_right(self._offsets, start) - 1), len(self.pieces)):
            piece = self.pieces[index]
            if piece.offset >= end:
                break
            stop = self._offsets[index + 1] if index + 1 < len(self.pieces) else len(self.text)
            if piece.kind != "expansion":
                kept.append(self.text[max(start, piece.offset) : min(end, stop)])
        return "".join(kept)

    def _piece(self, offset: int) -> Piece:
        return self.pieces[max(0, bisect_right(self._offsets, offset) - 1)]


def _is_quoted(piece: Piece) -> bool:
    return piece.kind != "escape" and (piece.outer_start, piece.outer_end) != (piece.start, piece.end)


def _place(piece: Piece, offset: int, after: int) -> int:
    """Return where a character stands (``after`` 1: where it ends); a backslash stays with what it escapes."""
    if piece.kind == "escape":
        return piece.end if after else piece.start
    return min(piece.start + offset - piece.offset + after, piece.end)


class Command:
    """A simple command: its words, its redirections, and what stands beside it and is not run."""

    __slots__ = ("_program", "into", "notes", "operator", "redirections", "words")

    def __init__(self) -> None:
        self.words: list[Word] = []
        self.redirections: list[tuple[str, Word]] = []  # of a here-document the body: ("<<", body)
        self.notes: list[Word] = []  # comments
        self.operator = ""  # what ended it: "", "\n", ";", "&&", "|" ...
        self.into: Command | None = None  # what it is piped into
        self._program: list[Word] | None = None

    @property
    def program(self) -> list[Word]:
        """The words from the name of the program that runs in the end: without ``VAR=1 sudo -u me nice env`` before."""
        if self._program is None:
            self._program = _unwrapped(self.words)
        return self._program

    @property
    def name(self) -> str:
        """The name of that program, without its folder; empty where there is none."""
        return name_of(self.program[0]) if self.program else ""


def name_of(word: Word) -> str:
    """Return a program's name without its folder."""
    return word.text.rpartition("/")[2]


def commands(line: str) -> list[Command]:
    """Return the commands of a line, or of several, in the order in which they begin; those inside others as well.

    Parameters
    ----------
    line : str
        Anything at all.

    Returns
    -------
    list of Command
        May be empty. A command inside another one follows that one.
    """
    return _Lexer(line, None, 0).run()


class _Lexer:
    """One pass over a text; ``parent`` is the word that the text is of."""

    def __init__(self, text: str, parent: Word | None, depth: int) -> None:
        self._text = text
        self._parent = parent
        self._depth = depth
        self._at = 0
        self._commands = [Command()]
        self._heredocs: list[tuple[Command, str, bool]] = []  # whose, up to which line, are tabs stripped

    def run(self) -> list[Command]:
        text = self._text
        while self._at < len(text):
            blank = compiled(_BLANK).match(text, self._at)
            character = text[self._at]
            if blank:
                self._at = blank.end()
            elif character == "\n":
                self._end_command("\n")
                self._at += 1
                self._read_heredocs()
            elif character == "#":
                end = self._find("\n", self._at)
                self._commands[-1].notes.append(self._slice(self._at, end))
                self._at = end
            elif (character in "<>" and text[self._at + 1 : self._at + 2] != "(") or text.startswith("&>", self._at):
                self._redirect()
            elif match := compiled(_OPERATOR).match(text, self._at):
                self._end_command(match[0])
                self._at = match.end()
            else:
                word = self._word()
                if not (word.text.isdecimal() and text[self._at : self._at + 1] in ("<", ">")):  # a file descriptor
                    self._commands[-1].words.append(word)
        return self._with_inner()

    def _find(self, what: str, start: int) -> int:
        found = self._text.find(what, start)
        return len(self._text) if found < 0 else found

    def _slice(self, start: int, end: int) -> Word:
        return Word(self._text[start:end], [Piece(0, start, end, start, end, "text")], self._parent)

    def _end_command(self, operator: str) -> None:
        last, following = self._commands[-1], Command()
        last.operator = operator
        if operator in ("|", "|&"):
            last.into = following
        self._commands.append(following)

    def _redirect(self) -> None:
        match = compiled(_REDIRECTION).match(self._text, self._at)
        assert match is not None
        self._at = match.end()
        if blank := compiled(_BLANK).match(self._text, self._at):
            self._at = blank.end()
        if self._text[self._at : self._at + 1] in ("", *"\n;&|()<>"):
            return
        word = self._word()
        if match[0] in ("<<", "<<-"):
            self._heredocs.append((self._commands[-1], word.text, match[0] == "<<-"))
        else:
            self._commands[-1].redirections.append((match[0], word))

    def _read_heredocs(self) -> None:
        for command, delimiter, stripped in self._heredocs:
            start = self._at
            while self._at < len(self._text):
                end = self._find("\n", self._at)
                line = self._text[self._at : end]
                if (line.lstrip("\t") if stripped else line) == delimiter:
                    command.redirections.append(("<<", self._slice(start, self._at)))
                    self._at = min(end + 1, len(self._text))
                    break
                self._at = min(end + 1, len(self._text))
            else:
                command.redirections.append(("<<", self._slice(start, self._at)))
        self._heredocs = []

    def _word(self) -> Word:
        """Read the word that begins here, up to the next blank or operator outside of quotes."""
        text, begin = self._text, self._at
        parts: list[str] = []
        pieces: list[Piece] = []
        substitutions: list[tuple[int, int]] = []
        offset = 0

        def add(start: int, end: int, kind: str, outer: tuple[int, int]) -> None:
            nonlocal offset
            part = text[end - 1 : end] if kind == "escape" else text[start:end]
            parts.append(part)
            pieces.append(Piece(offset, start, end, *outer, kind))
            offset += len(part)

        while self._at < len(text):
            start = self._at
            character = text[start]
            if match := compiled(_PLAIN).match(text, start):
                self._at = match.end()
                add(start, self._at, "text", (start, self._at))
            elif character == "'" or text.startswith("$'", start):
                inner = start + (1 if character == "'" else 2)
                end = self._find("'", inner) if character == "'" else self._end_of_ansi(inner)
                self._at = min(end + 1, len(text))
                add(inner, end, "text", (start, self._at))
            elif character == '"' or text.startswith('$"', start):
                inner = start + (1 if character == '"' else 2)
                found: list[tuple[int, int, str]] = []
                end = self._double_quoted(inner, found, substitutions)
                self._at = min(end + 1, len(text))
                for low, high, kind in found or [(inner, inner, "text")]:
                    add(low, high, kind, (start, self._at))
            elif character == "\\":
                self._at = min(start + 2, len(text))
                if text[start : self._at] != "\\\n":
                    add(start, self._at, "escape", (start, self._at))
            elif character in "$`" or (character in "<>" and start == begin):
                self._at = self._expansion(start, substitutions)
                add(start, self._at, "expansion" if self._at > start + 1 else "text", (start, self._at))
            else:
                break
        word = Word("".join(parts), pieces or [Piece(0, begin, begin, begin, begin, "text")], self._parent)
        word.substitutions = substitutions
        return word

    def _double_quoted(self, at: int, found: list[tuple[int, int, str]], substitutions: list[tuple[int, int]]) -> int:
        """Collect what double quotes hold from ``at`` on; return where they close."""
        text = self._text
        while at < len(text) and text[at] != '"':
            start = at
            if match := compiled(_IN_QUOTES).match(text, at):
                at = match.end()
                found.append((start, at, "text"))
            elif text[at] == "\\":
                at = min(at + 2, len(text))
                if text[at - 1] in '$`"\\':
                    found.append((start, at, "escape"))
                elif text[at - 1] != "\n":
                    found.append((start, at, "text"))
            else:
                at = self._expansion(at, substitutions)
                found.append((start, at, "expansion" if at > start + 1 else "text"))
        return at

    def _end_of_ansi(self, at: int) -> int:
        while at < len(self._text) and self._text[at] != "'":
            at += 2 if self._text[at] == "\\" else 1
        return min(at, len(self._text))

    def _expansion(self, at: int, substitutions: list[tuple[int, int]]) -> int:
        """Return where the expansion at a ``$``, ``<(`` or backtick ends; one further on where there is none."""
        text = self._text
        if text[at] == "`":
            end = self._end_of_backticks(at + 1)
            substitutions.append((at + 1, end))
            return min(end + 1, len(text))
        if text[at + 1 : at + 2] in ("(", "{"):
            end = self._closing(at + 1)
            if text[at + 1] == "(" and not text.startswith("((", at + 1):
                substitutions.append((at + 2, end))
            return min(end + 1, len(text))
        match = compiled(_NAME).match(text, at)
        return match.end() if match else at + 1

    def _end_of_backticks(self, at: int) -> int:
        match = compiled(_BACKTICKS).match(self._text, at)
        assert match is not None  # it matches nothing, too
        return match.end()

    def _closing(self, at: int) -> int:
        """Return where the bracket at ``at`` closes, quotes and brackets within it skipped."""
        text = self._text
        open_ones: list[str] = []
        while match := compiled(_NESTING).search(text, at):
            at = match.end()
            character, top = match[0], open_ones[-1] if open_ones else ""
            if character == "\\":
                at += 1
            elif character == top:
                open_ones.pop()
                if not open_ones:
                    return match.start()
            elif character == "`":
                at = self._end_of_backticks(at) + 1
            elif character == "$":
                if text[at : at + 1] in ("(", "{"):
                    open_ones.append(")" if text[at] == "(" else "}")
                    at += 1
            elif top == '"':
                continue
            elif character == "'":
                at = self._find("'", at) + 1
            elif character == '"':
                open_ones.append('"')
            elif character == "(" or not open_ones:
                open_ones.append(")" if character == "(" else "}")
        return len(text)

    def _with_inner(self) -> list[Command]:
        """Return the commands that are not empty, each followed by those that it runs inside itself."""
        found = []
        for command in self._commands:
            if not (command.words or command.redirections or command.notes):
                continue
            found.append(command)
            if self._depth < MAX_DEPTH:
                for word in [*command.words, *(word for _, word in command.redirections)]:
                    for start, end in word.substitutions:
                        # A slice is a word of the same source, so positions need no further arithmetic.
                        found += _Lexer(self._text[start:end], self._slice(start, end), self._depth + 1).run()
                for script in _scripts(command):
                    found += _Lexer(script.text, script, self._depth + 1).run()
        return found


def _unwrapped(words: list[Word]) -> list[Word]:
    """Drop assignments, reserved words and the programs that only run another one."""
    index = 0
    while index < len(words):
        text = words[index].text
        if compiled(_RESERVED).fullmatch(text) or compiled(_ASSIGNMENT).match(text):
            index += 1
            continue
        options, operands = _WRAPPERS.get(name_of(words[index]), (None, 0))
        if options is None:
            break
        following = after_options(words, index + 1, options) + operands
        while following < len(words) and compiled(_ASSIGNMENT).match(words[following].text):
            following += 1
        if following >= len(words):
            break
        index = following
    return words[index:]


def after_options(words: list[Word], index: int, with_value: str) -> int:
    """Return the place of the first word that is no option and no option's value."""
    while index < len(words) and len(words[index].text) > 1 and words[index].text[0] in "-+":
        text = words[index].text
        index += 1
        if text == "--":
            break
        if not text.startswith("--") and text[-1] in with_value and len(text) == 2:
            index += 1
    return index


def _scripts(command: Command) -> list[Word]:
    """Return the words of a command that are lines of a shell themselves."""
    program, name = command.program, command.name
    scripts = []
    if name in _SCRIPTED:
        for option, word in pairwise(program):
            if re.fullmatch("-[a-z]*c", option.text):
                scripts.append(word)
                break
    if name in SHELLS or name == "ssh":
        scripts += [word for operator, word in command.redirections if operator in ("<<", "<<<")]
    if command.into is not None and command.into.name in SHELLS:
        scripts += [word for operator, word in command.redirections if operator == "<<"]
    if program and " " in program[0].text and any(name_of(word) in _JOINERS for word in command.words):
        scripts.append(program[0])
    if name in ("docker", "podman", "kubectl", "nsenter"):  # their own options are many; the shell they run is plain
        for place, word in enumerate(program[:-2]):
            if name_of(word) in SHELLS and program[place + 1].text.endswith("c"):
                scripts.append(program[place + 2])
                break
    return scripts
