"""Whether a command line can be right: that its commands exist, and its paths where they must."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from typeahead.text.surroundings.command_line import SimpleCommand, Token, parse
from typeahead.text.surroundings.commands import (
    BUILTINS,
    KEYWORDS,
    USAGES,
    Invocation,
    Usage,
    invocation,
    told_apart,
    word_set,
)
from typeahead.text.surroundings.disk import UNKNOWN, Glance
from typeahead.text.surroundings.listings import link_place, read_executables, read_status
from typeahead.text.surroundings.paths import absolute, path_directories, status

# Commands that leave files, directories and commands as they are: what follows them finds what is there now.
_READERS = word_set(
    "ls ll la cat less more head tail grep egrep fgrep rg echo printf pwd clear date which whereis whoami id type wc "
    "file stat du df ps free uptime uname hostname env printenv true false test [ history sleep diff cmp tree jobs"
)
_GIT_READERS = word_set("status log diff show blame grep shortlog describe rev-parse ls-files remote")
MOVERS = frozenset({"cd", "pushd", "popd", "z", "j", "autojump"})
PIPES = frozenset({"|", "|&", "("})
_SUPERUSER_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


class Judge:
    """Judges lines for one session's directory, all within one deadline."""

    def __init__(self, glance: Glance, environ: Mapping[str, str], names: Iterable[str], cwd: str | None) -> None:
        self._glance = glance
        self._environ = environ
        self._names = names if isinstance(names, frozenset) else frozenset(names)
        self._cwd = cwd

    def is_valid(self, line: str, prefix: str) -> bool:
        """Return False only if something in ``line`` beyond ``prefix`` is known to be wrong."""
        return self._may_be_right(line, prefix) or not self._is_here()

    def _is_here(self) -> bool:
        """Return whether the session's directory is there; else it is a session of another machine, or a replay."""
        if self._cwd is None:
            return True
        found = status(self._glance, self._cwd) if self._cwd.startswith("/") else UNKNOWN
        return found.known and found.value is not None and found.value.is_directory

    def _may_be_right(self, line: str, prefix: str) -> bool:
        parsed = parse(line)
        if not parsed.is_balanced:
            return True
        num_typed = len(prefix) if line.startswith(prefix) else 0
        cwd, is_changed = self._cwd, False  # changed: an earlier command may have made what is missing now
        changes = False
        for command in parsed.commands:
            if command.separator not in PIPES:
                is_changed = is_changed or changes
            call = invocation(command)
            if not command.is_opaque and not is_changed and not self._is_right(command, call, cwd, num_typed):
                return False
            if call.name is not None and call.name.literal in MOVERS:
                cwd = None
            else:
                changes = changes or may_change(command, call)
        return True

    def _is_right(self, command: SimpleCommand, call: Invocation, cwd: str | None, num_typed: int) -> bool:
        for operator, target in command.redirections:
            if operator == "<" and self.is_missing(target, cwd, num_typed):
                return False
        if call.name is None:
            return True
        name = call.name.literal
        if name is None or (call.name.end > num_typed and not self.is_command(call, name, cwd)):
            return name is None
        usage = USAGES.get(name)
        if name in ("cd", "pushd"):
            return self.is_place(call.arguments, cwd, num_typed)
        return usage is None or not any(
            self.is_missing(word, cwd, num_typed, must_be_directory=name == "rmdir")
            for word in needed(name, usage, call.arguments)
        )

    def is_command(self, call: Invocation, name: str, cwd: str | None) -> bool:
        """Return False if there is no such command for certain."""
        if call.name is not None and ("/" in name or call.name.has_tilde):
            path = absolute(name, cwd, self._environ, call.name.has_tilde)
            if path is None:
                return True
            found = status(self._glance, path)
            # A directory may stand for `cd` to it: bash's autocd, zsh's AUTO_CD.
            return not found.known or (
                found.value is not None and (found.value.is_executable or found.value.is_directory)
            )
        if name in self._names or name in BUILTINS or name in KEYWORDS or not name:
            return True
        if " " in name or name.startswith("="):  # a line for a shell (`watch 'ls -l'`); zsh's path of a command
            return True
        environ = self._environ
        if "sudo" in call.wrappers or "doas" in call.wrappers:
            environ = {**environ, "PATH": f"{environ.get('PATH', '')}:{_SUPERUSER_PATH}"}
        if cwd is None and not all(entry.startswith("/") for entry in environ.get("PATH", "").split(":")):
            return True
        return self._is_on_path(name, path_directories(environ, cwd), cwd)

    def _is_on_path(self, name: str, directories: list[str], cwd: str | None) -> bool:
        """Return False if for certain no directory has such an executable, and `cd` to ``name`` is not meant."""
        is_known = bool(directories)
        for directory in directories:
            listing = self._glance.at(read_executables, directory, place=directory)
            if listing.value is not None:
                if name in listing.value.files:
                    return True
                if name in listing.value.links:
                    path = os.path.join(directory, name)
                    target = self._glance.at(read_status, path, place=link_place(directory))
                    if not target.known or (target.value is not None and target.value.is_executable):
                        return True
                is_known = is_known and listing.value.is_complete
            is_known = is_known and listing.known
        if not is_known or cwd is None or not cwd.startswith("/"):
            return not is_known
        found = status(self._glance, os.path.join(cwd, name))
        return not found.known or (found.value is not None and found.value.is_directory)

    def is_missing(self, word: Token, cwd: str | None, num_typed: int, must_be_directory: bool = False) -> bool:
        """Return True if what ``word`` names is known not to be there."""
        value = word.literal
        # A `+5` is an option of old, `=ls` is zsh's path of a command.
        if not value or value == "-" or value[0] in "+=" or word.end <= num_typed:
            return False
        path = absolute(value, cwd, self._environ, word.has_tilde)
        return path is not None and self._leads_nowhere(path, must_be_directory)

    def _leads_nowhere(self, path: str, must_be_directory: bool) -> bool:
        found = status(self._glance, path)
        if not found.known or found.value is None:
            return found.known
        return (must_be_directory or path.endswith("/")) and not found.value.is_directory

    def is_place(self, words: list[Token], cwd: str | None, num_typed: int) -> bool:
        """Return False if `cd` with these words goes nowhere for certain."""
        places = [word for word in words if not (word.raw.startswith("-") and len(word.raw) > 1)]
        value = places[0].literal if len(places) == 1 else None
        # Two words are zsh's (replace in the path); -2 and +2 are places in the stack of directories.
        if not value or value[0] in "-+" or any(re.match(r"-\d", word.raw) for word in words):
            return True
        word = places[0]
        if word.end <= num_typed:
            return True
        bases: list[str | None] = [cwd]
        if not word.has_tilde and not re.match(r"\.{0,2}(/|$)", value):
            bases += [
                os.path.join(cwd or "", folder) for folder in self._environ.get("CDPATH", "").split(":") if folder
            ]
        for base in bases:
            path = absolute(value, base, self._environ, word.has_tilde)
            # The shell takes `..` from the path's name, though a link may have led here; else as the system does.
            if path is None or not all(self._leads_nowhere(each, True) for each in {path, os.path.normpath(path)}):
                return True
        return False


def may_change(command: SimpleCommand, call: Invocation) -> bool:
    """Return whether after ``command`` there may be files, directories or commands that are not there now."""
    if any(">" in operator and target.raw not in ("/dev/null", "1", "2") for operator, target in command.redirections):
        return True
    if command.is_opaque or call.wrappers:
        return True
    if call.name is None or not call.name.raw:  # nothing but assignments: PATH may be one of them
        return bool(command.words) and bool(command.words[0].raw)
    if call.name.literal == "git":
        return not call.arguments or call.arguments[0].raw not in _GIT_READERS
    return call.name.literal not in _READERS


def needed(name: str, usage: Usage, words: list[Token]) -> list[Token]:
    """Return the arguments that must name something that exists."""
    if name == "tar":
        return _archive(words)
    arguments = told_apart(usage, words)
    if not usage.exist or arguments.options & usage.unless:
        return []
    positional = arguments.positional
    if usage.exist == "first":
        positional = positional[:1]
        if name in ("source", ".") and positional and "/" not in (positional[0].literal or ""):
            return []  # also looked for on PATH
    elif usage.exist == "but-first":
        positional = positional[1:]
    elif usage.exist == "but-last":
        positional = positional[:-1]
    return [word for word in positional if not any(word is each for each in arguments.unsure)]


def _archive(words: list[Token]) -> list[Token]:
    """Return the archive that tar is to unpack or list: `tar xzf ARCHIVE`, `tar -xf ARCHIVE`."""
    if len(words) < 2 or words[0].raw.startswith("--"):
        return []
    mode = words[0].raw.lstrip("-")
    reads = mode.isalpha() and mode.endswith("f") and set(mode) & set("xt") and not set(mode) & set("cru")
    return [words[1]] if reads and ":" not in words[1].raw else []
