"""The candidates for the word being typed: files, executables, branches, targets, hosts and variables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

from typeahead.text.surroundings import git
from typeahead.text.surroundings.command_line import CommandLine, Token, is_assignment, unfinished_variable
from typeahead.text.surroundings.commands import (
    DIRECTORY,
    EXECUTABLE,
    FILE,
    FILE_OPTIONS,
    GIT,
    HOST,
    REMOTE_FILE,
    SCRIPT,
    TARGET,
    USAGES,
    VARIABLE,
    Arguments,
    Invocation,
    Usage,
    invocation,
    told_apart,
)
from typeahead.text.surroundings.disk import Glance
from typeahead.text.surroundings.executables import Executables
from typeahead.text.surroundings.hosts import read_hosts
from typeahead.text.surroundings.paths import absolute, entries, path_directories
from typeahead.text.surroundings.quoting import continued
from typeahead.text.surroundings.targets import read_scripts, read_targets


class Word(NamedTuple):
    """What may stand at the end of the line instead of the word typed so far, which it begins with.

    ``kind`` is "directory", "file", "executable" (a session's alias, function or builtin, too), "branch", "tag",
    "remote", "target" (of make), "script" (of a package.json), "variable" or "host".
    """

    text: str
    kind: str


class Completion:
    """One question for words."""

    def __init__(
        self,
        environ: Mapping[str, str],
        names: Iterable[str],
        executables: Executables,
        glance: Glance,
        cwd: str | None,
        limit: int,
        parsed: CommandLine,
        token: Token,
    ) -> None:
        self._environ = environ
        self._names = names
        self._executables = executables
        self._glance = glance
        self._cwd = cwd
        self._limit = limit
        self._parsed = parsed
        self._token = token
        self._typed = token.expanded(environ)

    def words(self) -> Iterator[Word]:
        """Yield the words, the more plausible first."""
        variable = unfinished_variable(self._token)
        if variable is not None:
            return self._variables(*variable)
        if self._typed is None:
            return iter(())
        if self._parsed.redirection:
            return self._paths() if not self._parsed.redirection.startswith("<<") else iter(())
        command = self._parsed.current
        if command.is_opaque and command.words and command.words[0].raw != "for":
            return iter(())
        if command.words == [self._token] or command.words[-1:] == [self._token]:
            call = invocation(command)
            if call.name is self._token:
                return self._commands()
            if call.name is not None:
                return self._arguments(call)
            return self._paths(self._after_equals()) if is_assignment(self._token.raw) else iter(())
        return iter(())

    def _continue(self, names: Iterable[str], kind: str, offset: int = 0) -> Iterator[Word]:
        """Yield the ``names`` that begin with what is typed from ``offset`` on."""
        typed = (self._typed or "")[offset:]
        if self._token.has_tilde and offset == 0:
            return
        for name in names:
            if name.startswith(typed) and name.isprintable():
                text = continued(self._token, name[len(typed) :])
                if text is not None:
                    yield Word(text, kind)

    def _variables(self, start: int, opening: str, typed: str) -> Iterator[Word]:
        closing = ("}" if opening == "${" else "") + ('"' if self._token.state == "double" else "")
        for name in sorted(self._environ):
            if name.startswith(typed) and name != typed and name.isidentifier() and name.isascii():
                yield Word(self._token.raw[:start] + opening + name + closing, "variable")

    def _commands(self) -> Iterator[Word]:
        typed = self._typed or ""
        if "/" in typed or self._token.has_tilde:
            yield from self._paths(runnable=True)
            return
        if not typed:
            return
        shortest = sorted((name for name in self._names if name.startswith(typed)), key=lambda name: (len(name), name))
        yield from self._continue(shortest, "executable")
        directories = path_directories(self._environ, self._cwd)
        longer = self._executables.starting_with(self._glance, directories, typed, self._limit + len(shortest))
        yield from self._continue(longer, "executable")

    def _arguments(self, call: Invocation) -> Iterator[Word]:
        name = os.path.basename((call.name.literal if call.name is not None else None) or "")
        usage = USAGES.get(name, Usage())
        arguments = told_apart(usage, call.arguments)
        if usage.place(0) == GIT:
            return self._git(call.arguments)
        if arguments.last_is_option:
            is_path = "=" in self._token.raw and self._token.raw.startswith("--")
            return self._paths(self._after_equals()) if is_path else iter(())
        if arguments.last_option:
            return self._option_value(usage, arguments)
        if len(call.arguments) > 1 and call.arguments[-2].raw in FILE_OPTIONS:
            return self._paths(endings=usage.endings)
        return self._positional(name, usage, arguments, call)

    def _option_value(self, usage: Usage, arguments: Arguments) -> Iterator[Word]:
        if arguments.last_option in usage.folders:
            return self._paths(only_directories=True)
        if arguments.last_option in usage.paths:
            packs = "-x" in arguments.options or "-t" in arguments.options
            return self._paths(endings=usage.endings if usage.endings and packs else ())
        return iter(())

    def _positional(self, name: str, usage: Usage, arguments: Arguments, call: Invocation) -> Iterator[Word]:
        index = len(arguments.positional) - 1
        kind = usage.place(index)
        if kind == DIRECTORY:
            return self._directories(name)
        if kind == FILE:
            wanted = usage.endings if index == 0 or name not in ("tar", "python", "python3") else ()
            if name == "tar":
                mode = arguments.positional[0].raw if index > 0 else ""
                wanted = usage.endings if index == 1 and set(mode) & set("xt") else ()
            return self._paths(self._after_equals(), endings=wanted)
        if kind == EXECUTABLE:
            return self._commands()
        if kind == HOST:
            return self._hosts("")
        if kind == REMOTE_FILE:
            return self._remote_files()
        if kind == TARGET:
            return self._targets(call)
        if kind == SCRIPT:
            is_script = index == 1 and arguments.positional[0].raw in ("run", "run-script")
            return self._scripts() if is_script or (index == 0 and name != "npm") else iter(())
        return self._continue(sorted(self._environ), "variable") if kind == VARIABLE else iter(())

    def _after_equals(self) -> int:
        raw, typed = self._token.raw, self._typed or ""
        return typed.find("=") + 1 if raw.startswith("-") or is_assignment(raw) else 0

    def _directories(self, name: str) -> Iterator[Word]:
        yield from self._paths(only_directories=True)
        typed = self._typed or ""
        if name not in ("cd", "pushd") or typed.startswith((".", "/")) or self._token.has_tilde:
            return
        for folder in self._environ.get("CDPATH", "").split(":"):
            if folder.startswith("/"):
                yield from self._paths(only_directories=True, base=folder)

    def _paths(
        self,
        offset: int = 0,
        *,
        endings: tuple[str, ...] = (),
        only_directories: bool = False,
        runnable: bool = False,
        base: str | None = None,
    ) -> Iterator[Word]:
        """Yield paths: of the wanted ``endings`` and directories, or if there are none of these all others."""
        typed = (self._typed or "")[offset:]
        has_tilde = self._token.has_tilde and offset == 0
        if typed == "~" and has_tilde:
            yield Word("~/", "directory")
            return
        head, slash, start = typed.rpartition("/")
        directory = absolute(head + slash, base or self._cwd, self._environ, has_tilde)
        if directory is None or "\0" in directory:
            return
        if start == "..":
            yield Word(self._token.raw + "/", "directory")
        found: list[tuple[str, bool]] = []
        num_wanted = 0
        for name, is_directory in entries(
            self._glance, directory, start, self._limit, runnable=runnable, only_directories=only_directories
        ):
            if is_directory or not only_directories:
                found.append((name, is_directory))
                num_wanted += not endings or name.endswith(endings)
            if num_wanted >= 2 * self._limit:
                break
        if endings and (num_wanted or any(is_directory for _, is_directory in found)):
            wanted = [each for each in found if not each[1] and each[0].endswith(endings)]
            found = wanted + [each for each in found if each[1]]
        for name, is_directory in found:
            text = continued(self._token, name[len(start) :] + ("/" if is_directory else ""))
            if text is not None:
                yield Word(text, "directory" if is_directory else "executable" if runnable else "file")

    def _hosts(self, ending: str) -> Iterator[Word]:
        home = self._environ.get("HOME", "")
        if not home.startswith("/"):
            return
        known = self._glance.at(read_hosts, os.path.join(home, ".ssh"), place=os.path.join(home, ".ssh")).value
        if known is not None:
            offset = (self._typed or "").find("@") + 1
            yield from self._continue((name + ending for name in known.value), "host", offset)

    def _remote_files(self) -> Iterator[Word]:
        if ":" in (self._typed or ""):  # a file on another machine
            return
        if self._typed:
            yield from self._hosts(":")
        yield from self._paths()

    def _folder(self, option_words: list[Token], option: str) -> str | None:
        """Return the directory that the command looks at: that of its ``option`` (`-C`), else the session's."""
        folder = self._cwd
        for word, following in pairwise(option_words):
            if word.raw == option:
                value = following.literal
                folder = absolute(value, folder, self._environ, following.has_tilde) if value is not None else None
        return folder

    def _targets(self, call: Invocation) -> Iterator[Word]:
        folder = self._folder(call.arguments, "-C")
        if folder is None:
            return
        path = os.path.join(folder, "")
        for word, following in pairwise(call.arguments):
            if word.raw in ("-f", "--file", "--makefile"):
                path = os.path.join(folder, following.literal or "")
        known = self._glance.at(read_targets, path)
        if known.value is not None:
            yield from self._continue(known.value.value, "target")

    def _scripts(self) -> Iterator[Word]:
        if self._cwd is not None and self._cwd.startswith("/"):
            known = self._glance.at(read_scripts, self._cwd, place=self._cwd).value
            if known is not None:
                yield from self._continue(known.value, "script")

    def _git(self, words: list[Token]) -> Iterator[Word]:
        """Yield what an argument of git may be; of its own options and subcommands nothing is known here."""
        start = 0
        while start < len(words) and words[start].raw.startswith("-"):
            start += 2 if words[start].raw in ("-C", "-c", "--git-dir", "--work-tree", "--exec-path") else 1
        if start >= len(words) - 1:  # the word typed is the subcommand, or stands before it
            is_folder = len(words) > 1 and words[-2].raw in ("-C", "--git-dir", "--work-tree")
            return self._paths(only_directories=True) if start >= len(words) and is_folder else iter(())
        folder = self._folder(words[:start], "-C")
        subcommand, rest = words[start].raw, words[start + 1 :]
        arguments = told_apart(git.USAGE, rest)
        if arguments.last_is_option or arguments.last_option:
            return iter(())
        if any(word.raw == "--" for word in rest[:-1]):
            return self._paths(base=folder)
        return self._git_names(folder, git.kinds(subcommand, len(arguments.positional) - 1, arguments.options))

    def _git_names(self, folder: str | None, kinds: tuple[str, ...]) -> Iterator[Word]:
        typed = self._typed or ""
        known = None
        if folder is not None and folder.startswith("/") and not set(kinds) <= {FILE, DIRECTORY}:
            known = self._glance.at(git.read_repository, folder, place=folder).value
        for kind in kinds:
            if kind in (FILE, DIRECTORY):
                yield from self._paths(only_directories=kind == DIRECTORY, base=folder)
            elif known is not None:
                # Behind `main..` and `here:` stands a reference of its own.
                offset = max(typed.rfind("..") + 2 if ".." in typed else 0, typed.rfind(":") + 1)
                for name, word_kind in git.names(known.value, kind):
                    yield from self._continue([name], word_kind, offset)
