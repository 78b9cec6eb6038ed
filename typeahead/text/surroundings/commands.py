"""What the arguments of well-known commands are, and which of them must exist.

Written from the commands' manuals, for completing and for judging a line: a command that is not here takes files, and
nothing is demanded of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from typeahead.text.surroundings.command_line import SimpleCommand, Token, is_assignment

FILE, DIRECTORY, EXECUTABLE, HOST, TARGET, SCRIPT, VARIABLE = (
    "file",
    "directory",
    "executable",
    "host",
    "target",
    "script",
    "variable",
)
GIT, REMOTE_FILE, NOTHING = "git", "remote file", "nothing"

ARCHIVES = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tar.lz", ".tar.Z")


@dataclass(frozen=True, slots=True)
class Usage:
    """How a command takes its arguments.

    ``places``: the kind of each argument by its place, the last one for all that follow. ``endings``: of the file
    names that are meant first of all. ``values``: options whose next word is no path; ``paths`` and ``folders``: is a
    file, a directory. ``exist``: which arguments must exist: "", "all", "first", "but-first", "but-last".
    ``unless``: options that change what the arguments are.
    """

    places: tuple[str, ...] = (FILE,)
    endings: tuple[str, ...] = ()
    values: frozenset[str] = field(default_factory=frozenset)
    paths: frozenset[str] = field(default_factory=frozenset)
    folders: frozenset[str] = field(default_factory=frozenset)
    exist: str = ""
    unless: frozenset[str] = field(default_factory=frozenset)

    def place(self, index: int) -> str:
        """Return the kind of the argument number ``index``."""
        return self.places[min(index, len(self.places) - 1)]


def word_set(text: str) -> frozenset[str]:
    """Return the words of ``text``."""
    return frozenset(text.split())


def _usage(
    *places: str,
    endings: tuple[str, ...] = (),
    values: str = "",
    paths: str = "",
    folders: str = "",
    exist: str = "",
    unless: str = "",
) -> Usage:
    sets = [word_set(options) for options in (values, paths, folders, unless)]
    return Usage(places or (FILE,), endings, sets[0], sets[1], sets[2], exist, sets[3])


_READS_ALL = "cat less more nl tac wc file stat md5sum sha1sum sha256sum sha512sum zcat zless bzcat xzcat od hexdump"
_VALUES = {
    "less": "-p -P -b -x -j -z -o -O -t -T -k -h -D -#",
    "more": "-n",
    "nl": "-b -d -f -h -i -l -n -s -v -w",
    "tac": "-s --separator",
    "file": "-m -F -e -P -f --magic-file --separator",
    "stat": "-c --format --printf",
    "od": "-A -j -N -S -t -w",
    "hexdump": "-e -f -n -s",
}
_INTERPRETERS = {
    "python": (".py", ".pyw"),
    "python2": (".py",),
    "python3": (".py", ".pyw"),
    "pypy3": (".py",),
    "perl": (".pl", ".pm", ".t"),
    "ruby": (".rb",),
    "node": (".js", ".mjs", ".cjs"),
    "php": (".php",),
    "Rscript": (".R", ".r"),
    "lua": (".lua",),
    "bash": (".sh", ".bash"),
    "sh": (".sh",),
    "zsh": (".zsh", ".sh"),
    "fish": (".fish",),
}
_FILES_WITH_ENDINGS = {
    "unzip zipinfo": (".zip", ".jar", ".whl"),
    "gunzip zcat zless": (".gz", ".tgz"),
    "bunzip2 bzcat": (".bz2",),
    "unxz xzcat": (".xz",),
    "unzstd zstdcat": (".zst",),
    "gcc cc clang": (".c", ".o", ".s"),
    "g++ c++ clang++": (".cpp", ".cc", ".cxx", ".o"),
    "javac": (".java",),
    "rustc": (".rs",),
    "xelatex pdflatex latexmk": (".tex",),
    "dpkg": (".deb",),
    "rpm": (".rpm",),
    "jupyter": (".ipynb",),
    "evince xpdf zathura okular": (".pdf",),
}
_TAKE_NOTHING = (
    "kill killall pkill echo printf true false exit logout sleep date seq expr bg fg jobs wait disown alias history "
    "whoami id groups uname hostname uptime free ps pgrep clear reset pwd dirs popd return break continue shift "
    "bc factor yes tty who w users last su passwd useradd userdel groupadd systemctl service journalctl apt apt-get "
    "brew dnf yum pacman pip pip3 cargo docker docker-compose kubectl tmux screen let read set umask"
)


def _table() -> dict[str, Usage]:
    table = {name: _usage(NOTHING) for name in _TAKE_NOTHING.split()}
    table |= {name: _usage(exist="all", values=_VALUES.get(name, ""), unless="--files0-from") for name in
              _READS_ALL.split()}  # fmt: skip
    for names, endings in _FILES_WITH_ENDINGS.items():
        for name in names.split():
            usage = table.get(name, Usage())
            table[name] = Usage(usage.places, endings, usage.values, exist=usage.exist, unless=usage.unless)
    for name, endings in _INTERPRETERS.items():
        table[name] = _usage(
            FILE, endings=endings, values="-W -X -I -M -m -o -O --rcfile --init-file", exist="first",
            unless="-c -m -e -E -ne -pe -p -r --eval --print --version -s -S -x -n",
        )  # fmt: skip
    table |= {
        name: _usage(FILE, values="-u --user -g -t -T -f -F -d -D -O -Q -q", paths="")
        for name in ("xdg-open", "open", "touch", "vim", "vi", "nvim", "nano", "emacs", "code")
    }
    table |= {name: _usage(HOST, values="-c -i -I -s -t -W -w -p -m -M -l -Q -S") for name in _HOSTS.split()}
    return table | _OTHERS


_HOSTS = "ping ping6 traceroute tracepath mtr telnet host dig nslookup whois nmap ssh-copy-id"
_SSH_VALUES = "-b -B -c -D -e -I -J -l -L -m -O -o -p -Q -R -W -w"
_NPM = _usage(SCRIPT, SCRIPT, NOTHING)  # `npm run test`, `yarn test`
_OTHERS = {
    "cd": _usage(DIRECTORY),
    "pushd": _usage(DIRECTORY),
    "mkdir": _usage(DIRECTORY, values="-m --mode"),
    "rmdir": _usage(DIRECTORY, exist="all"),
    "tree": _usage(DIRECTORY, values="-L -P -I -o -H -T"),
    "du": _usage(values="-d --max-depth -B -t --exclude", exist="all", unless="--files0-from -X"),
    "ls": _usage(values="-I -w -T -D --ignore", exist="all"),
    "head": _usage(values="-n -c --lines --bytes", exist="all"),
    "tail": _usage(values="-n -c -s --lines --bytes --pid", exist="all", unless="-F --retry"),
    "sort": _usage(values="-k -t -S -T --parallel", paths="-o", exist="all", unless="--files0-from"),
    "uniq": _usage(values="-f -s -w", exist="first"),
    "diff": _usage(values="-x -X -I -U -C -W -L -F -D --label", exist="all", unless="-N --new-file"),
    "cmp": _usage(values="-i -n", exist="all"),
    "xxd": _usage(values="-l -s -c -g -n -R -o", exist="first"),
    "strings": _usage(values="-n -t -e -T -s", exist="all"),
    "rm": _usage(exist="all", unless="-f --force"),
    "unlink": _usage(exist="all"),
    "shred": _usage(values="-n -s", exist="all"),
    "cp": _usage(values="-S --suffix", folders="-t --target-directory", exist="but-last", unless="-t -T"),
    "mv": _usage(values="-S --suffix", folders="-t --target-directory", exist="but-last", unless="-t -T"),
    "chmod": _usage(NOTHING, FILE, exist="but-first", unless="--reference -f"),
    "chown": _usage(NOTHING, FILE, exist="but-first", unless="--reference -f"),
    "chgrp": _usage(NOTHING, FILE, exist="but-first", unless="--reference -f"),
    "source": _usage(exist="first", unless="-p"),
    ".": _usage(exist="first", unless="-p"),
    "grep": _usage(NOTHING, FILE, values="-e -m -A -B -C --color --include --exclude", paths="-f"),
    "egrep": _usage(NOTHING, FILE, values="-e -m -A -B -C", paths="-f"),
    "rg": _usage(NOTHING, FILE, values="-e -m -A -B -C -g -t -T", paths="-f"),
    "sed": _usage(NOTHING, FILE, values="-e -l", paths="-f"),
    "awk": _usage(NOTHING, FILE, values="-v -F", paths="-f"),
    "find": _usage(DIRECTORY, values="-name -iname -type -mtime -size -maxdepth -mindepth -perm -user -path"),
    "tar": _usage(NOTHING, FILE, endings=ARCHIVES, values="--exclude", paths="-f --file", folders="-C --directory"),
    "make": _usage(TARGET, values="-j -l -o -W", paths="-f --file --makefile", folders="-C -I --directory"),
    "gmake": _usage(TARGET, values="-j -l -o -W", paths="-f --file --makefile", folders="-C -I --directory"),
    "git": _usage(GIT, values="-c", folders="-C --git-dir --work-tree"),
    "npm": _NPM,
    "yarn": _NPM,
    "pnpm": _NPM,
    "bun": _NPM,
    "ssh": _usage(HOST, NOTHING, values=_SSH_VALUES, paths="-F -i -E -S"),
    "mosh": _usage(HOST, NOTHING, values="-p --ssh"),
    "sftp": _usage(HOST, NOTHING, values="-B -b -c -D -J -l -o -P -R -S -s", paths="-F -i"),
    "scp": _usage(REMOTE_FILE, values="-c -D -J -l -o -P -S -X", paths="-F -i"),
    "rsync": _usage(REMOTE_FILE, values="-e -f --exclude --include --rsh --filter --bwlimit"),
    "which": _usage(EXECUTABLE),
    "whereis": _usage(EXECUTABLE),
    "type": _usage(EXECUTABLE),
    "hash": _usage(EXECUTABLE),
    "man": _usage(EXECUTABLE),
    "export": _usage(VARIABLE),
    "unset": _usage(VARIABLE),
    "printenv": _usage(VARIABLE),
}
USAGES = _table()
# After these options of any command a file is likely, unless its usage says otherwise.
FILE_OPTIONS = frozenset({"-f", "-o", "-i", "--file", "--output", "--input", "--config", "--log", "--log-file"})


@dataclass(frozen=True, slots=True)
class _Wrapper:
    """A command that runs the command after it: its options with a value, and how many arguments come before."""

    values: frozenset[str] = field(default_factory=frozenset)
    num_arguments: int = 0
    stops: frozenset[str] = field(default_factory=frozenset)  # with one of these it runs nothing


def _wrapper(values: str = "", num_arguments: int = 0, stops: str = "") -> _Wrapper:
    return _Wrapper(word_set(values), num_arguments, word_set(stops))


WRAPPERS = {
    "sudo": _wrapper("-u -g -h -p -C -D -R -T -U -r -t --user --group", stops="-l -v -k -K -e -V --list --edit"),
    "doas": _wrapper("-u -C", stops="-L"),
    "env": _wrapper("-u -C --unset --chdir", stops="-S --split-string"),
    "nice": _wrapper("-n --adjustment"),
    "ionice": _wrapper("-c -n", stops="-p"),
    "time": _wrapper("-f -o --format --output"),
    "nohup": _wrapper(),
    "setsid": _wrapper(),
    "exec": _wrapper("-a"),
    "command": _wrapper(stops="-v -V"),
    "builtin": _wrapper(),
    "timeout": _wrapper("-k -s --kill-after --signal", 1),
    "stdbuf": _wrapper("-i -o -e"),
    "strace": _wrapper("-e -o -s -u -E -a -O -S -P", stops="-p"),
    "watch": _wrapper("-n --interval"),
    "xargs": _wrapper("-a -d -E -I -L -n -P -s --arg-file --delimiter --max-args --max-procs --replace"),
    "chrt": _wrapper("", 1, "-p"),
    "taskset": _wrapper("", 1, "-p"),
}

KEYWORDS = word_set(
    "if then else elif fi for while until do done case esac in function select time coproc { } ! [[ ]] repeat "
    "foreach end nocorrect noglob"
)
BUILTINS = word_set(
    ". : [ alias autoload bg bind bindkey break builtin caller cd command compgen complete compopt continue declare "
    "dirs disable disown echo emulate enable eval exec exit export false fc fg float functions getopts hash help "
    "history integer jobs kill let limit local logout mapfile popd print printf pushd pwd read readarray readonly "
    "rehash return sched set setopt shift shopt source suspend test times trap true type typeset ulimit umask unalias "
    "unfunction unhash unset unsetopt vared wait whence where which zle zmodload zparseopts zstyle"
)


@dataclass(slots=True)
class Invocation:
    """A simple command without assignments and wrappers: its name, None where none has begun, and its arguments."""

    name: Token | None
    arguments: list[Token]
    wrappers: list[str] = field(default_factory=list)


def invocation(command: SimpleCommand) -> Invocation:
    """Return what ``command`` runs in the end: of ``sudo -u me VAR=1 make all`` that is make."""
    words = list(command.words)
    wrappers: list[str] = []
    while True:
        while words and is_assignment(words[0].raw):
            words.pop(0)
        if not words:
            return Invocation(None, [], wrappers)
        name, wrapper = words[0], WRAPPERS.get(words[0].literal or "")
        if wrapper is None or len(words) == 1:
            return Invocation(name, words[1:], wrappers)
        rest = _wrapped(wrapper, words[1:])
        if rest is None:
            return Invocation(name, words[1:], wrappers)
        wrappers.append(name.raw)
        words = rest


def _wrapped(wrapper: _Wrapper, words: list[Token]) -> list[Token] | None:
    """Return the words from the wrapped command on, None when there will be none."""
    num_arguments = wrapper.num_arguments
    while words:
        raw = words[0].raw
        if raw in wrapper.stops:
            return None
        if raw == "--":
            return words[1:]
        if raw.startswith("-"):
            words = words[2 if raw in wrapper.values else 1 :]
        elif num_arguments:
            num_arguments -= 1
            words = words[1:]
        else:
            return words
    return []


@dataclass(slots=True)
class Arguments:
    """A command's words after its name, told apart."""

    positional: list[Token] = field(default_factory=list)
    options: set[str] = field(default_factory=set)
    unsure: list[Token] = field(default_factory=list)  # of the positional ones: maybe an option's value
    last_option: str = ""  # whose value the last word is
    last_is_option: bool = False


def told_apart(usage: Usage, words: list[Token]) -> Arguments:
    """Tell options, their values and positional arguments apart, as far as ``usage`` says which is which."""
    result = Arguments()
    valued = usage.values | usage.paths | usage.folders
    expecting, is_unsure, only_positional = "", False, False
    for number, word in enumerate(words):
        is_last = number == len(words) - 1
        raw = word.raw
        if expecting:
            result.last_option = expecting if is_last else ""
            expecting = ""
        elif only_positional or not raw.startswith("-") or raw == "-":
            result.positional.append(word)
            if is_unsure:
                result.unsure.append(word)
            is_unsure = False
        elif raw == "--" and not is_last:
            only_positional = True
        else:
            name = raw.partition("=")[0]
            result.options.add(name)
            result.last_is_option = is_last
            is_unsure = False
            if raw in valued:
                expecting = raw
            elif re.fullmatch(r"-\w+", raw):
                result.options.update("-" + letter for letter in raw[1:])
                expecting = "-" + raw[-1] if "-" + raw[-1] in valued else ""
            else:
                is_unsure = raw.startswith("--") and "=" not in raw
    return result
