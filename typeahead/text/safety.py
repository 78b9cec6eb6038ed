"""Lines that destroy, and when a suggestion may be shown all the same.

A line is *destructive* when it can lose what no undo brings back: files without asking (``rm -rf build``, not
``rm notes.txt``), disks, uncommitted or published work (``git reset --hard``, ``git checkout .``, ``git push --force``
and ``--force-with-lease``, which replaces what is there just as well), databases, clusters, accounts, or the running
machine. A script run as it comes from the network (``curl ... | sh``) counts, too. It is read as the shell
would read it: through ``sudo``, ``env``, ``xargs`` and ``sh -c '...'``, in every part of a pipeline, list or loop, and
behind any quoting or path of the program. Unknown programs, aliases and scripts are believed to be harmless.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from typeahead import secrets
from typeahead.lexer import SHELLS, Command, Word, after_options, commands, compiled, name_of

_MAX_NAME = 60  # characters of a program's name; no rule has a longer one
_CACHED_LENGTH = 1000  # characters; longer lines are read again each time, so that the cache stays small


class _Danger(NamedTuple):
    """What makes a command destructive, in places of the line."""

    end: int  # behind the last character that it takes: of the program's name, a flag, an operand
    command_end: int


def is_destructive(line: str) -> bool:
    """Return whether running a line could destroy something for good.

    Parameters
    ----------
    line : str
        Anything at all; several lines, too.
    """
    return bool(_dangers(line))


def may_suggest(line: str, prefix: str) -> bool:
    """Return whether ``line`` may be shown to somebody who has typed ``prefix``.

    It may not when what would be added holds a hidden secret, when the line holds a control character, or when it is
    destructive and the user has not said so themselves. They have when (1) all that makes a command destructive is in
    the prefix, program and flags alike, and (2) the rest only finishes the word that the prefix ends with, without
    making it a pattern or a variable; or when the whole of that command is in the prefix. So ``rm -rf bu`` may become
    ``rm -rf build``, but neither ``rm -rf`` nor ``rm -rf `` is completed.

    Parameters
    ----------
    line : str
        The whole line that would stand there.
    prefix : str
        What has been typed.

    Returns
    -------
    bool
        False as well where ``line`` does not start with ``prefix``.
    """
    if not line.startswith(prefix) or not line.isprintable():
        return False
    rest = line[len(prefix) :]
    if secrets.PLACEHOLDER in rest:
        return False
    open_dangers = [danger for danger in _dangers(line) if danger.command_end > len(prefix)]
    if not open_dangers:
        return True
    finishes_a_word = prefix[-1:].strip() != "" and compiled(_WORD_REST).fullmatch(rest) is not None
    return finishes_a_word and all(danger.end <= len(prefix) for danger in open_dangers)


def _dangers(line: str) -> tuple[_Danger, ...]:
    return _cached_dangers(line) if len(line) <= _CACHED_LENGTH else tuple(_find(line))


@lru_cache(maxsize=4096)
def _cached_dangers(line: str) -> tuple[_Danger, ...]:
    return tuple(_find(line))


def _find(line: str) -> Iterator[_Danger]:
    if not _is_suspect(line):
        return
    for match in compiled(_FORK_BOMB).finditer(line):
        yield _Danger(match.end(), match.end())
    for command in commands(line):
        words = [*command.words, *(word for _, word in command.redirections)]
        command_end = max((_end(word) for word in words), default=0)
        for end in (*_by_rule(command), *_elsewhere(command)):
            yield _Danger(end, max(end, command_end))


def _end(word: Word) -> int:
    return word.span(0, len(word.text))[1]


_WORD_REST = r"[^\s;&|<>()*?\[\]{}$`~]*"
_FORK_BOMB = r"([\w:.]{1,40})\s{0,3}\(\)\s{0,3}\{\s{0,3}\1\s{0,3}\|\s{0,3}\1\s{0,3}&\s{0,3}\}"
_SYSTEM = r"/(?:bin|boot|dev|etc|home|lib\w*|opt|proc|root|run|sbin|srv|sys|usr|var)"
_ROOTS = rf"/\*?|(?:~|\$\{{?HOME\}}?)/?\*?|\.\./?\*?|{_SYSTEM}/?\*?"
_BROAD = rf"{_ROOTS}|\*|\./?\*?"
_BLOCK_DEVICE = r"/dev/(?:[shv]d[a-z]|xvd|nvme|mmcblk|disk|mapper|dm-|loop|md|zd|sr|nbd).*"
_RECURSIVE = r"-[a-zA-Z]*R[a-zA-Z]*|--recursive"
_FORCE = r"-[a-zA-Z]*f[a-zA-Z]*|--force"
_CLOUD_VERBS = r"(?:delete|destroy|terminate|purge)(?:-.*)?|.*:(?:delete|destroy)"

# Program; patterns that words of it must match whole, each of them one word; pattern that none may match.
_RULES: list[tuple[str, tuple[str, ...], str]] = [
    ("rm", (rf"-[a-zA-Z]*[rRf][a-zA-Z]*|--recursive|--force|{_BROAD}|.*/\*",), "--help|--version"),
    (r"shred|srm|blkdiscard|dropdb|dropuser|userdel|deluser|groupdel|delgroup|killall5|[lvp]vremove|vgremove", (), ""),
    (r"mkfs(?:\..*)?|mke2fs|mkswap|newfs(?:_.*)?|mkntfs|mkdosfs", (), "--help|-V|--version"),
    (r"reboot|halt|poweroff|shutdown", (), "-c|--help|--version|--show"),
    (r"init|telinit", ("[016sS]",), ""),
    ("systemctl", (r"poweroff|reboot|halt|kexec|rescue|emergency|isolate",), ""),
    ("wipefs", (r"-[a-zA-Z]*[aof].*|--all|--force|--offset.*",), "-n|--no-act"),
    (r"fdisk|cfdisk|gdisk|sfdisk|sgdisk", ("/dev/.*",), r"-l|--list|-p|--print|-d|--dump|-v|--verify"),
    ("parted", (r"mk.*|rm|resize.*|rescue|move",), ""),
    ("dd", (r"of=/dev/(?!null$|stdout$|stderr$|zero$|tty|fd/|shm/|dsp).*",), ""),
    (r"tee|cp|mv|install", (_BLOCK_DEVICE,), ""),
    ("mv", ("/dev/null",), ""),
    (
        r"cryptsetup|zpool|zfs|nvme|mdadm|hdparm",
        (r"luksFormat|luksErase|erase|destroy|format|--zero-.*|--security-e.*",),
        "",
    ),
    ("btrfs", ("subvolume|su|sub", "delete|del"), ""),
    (r"chmod|chown|chgrp|setfacl", (_RECURSIVE, _ROOTS), ""),
    ("chmod", (_RECURSIVE, r"0?777|a?[+=]rwx"), ""),
    ("truncate", (r"-[a-z]*s0|--size=0|-s=0",), ""),
    ("truncate", (r"-[a-z]*s|--size", "0"), ""),
    (r"find|fd|fdfind|bfs", (r"-delete",), ""),
    (r"find|fd|fdfind|bfs", (r"-exec(?:dir)?|-ok(?:dir)?|-x|-X|--exec.*", r"(?:.*/)?(?:rm|shred|unlink|dd)"), ""),
    ("rsync", (r"--delete.*|--del|--remove-source-files",), r"-[a-zA-Z]*n[a-zA-Z]*|--dry-run"),
    (r"kill", (r"-(?:9|15|KILL|TERM|SIGKILL|SIGTERM|s|-)", "-1"), ""),
    (r"killall|pkill|skill", (r"-(?:9|KILL|SIGKILL)|--signal=(?:9|KILL|SIGKILL)",), ""),
    ("crontab", (r"-[a-z]*r[a-z]*",), ""),
    (r"ip6?tables|ebtables|arptables", (r"-F|--flush|-X|--delete-chain",), ""),
    (r"nft|ufw", (r"flush|reset|disable",), ""),
    ("history", (r"-[a-z]*c[a-z]*",), ""),
    ("gpg2?", (r"--delete-.*",), ""),
    ("git", ("push", rf"{_FORCE}|--force-with-lease.*|--mirror|--delete|-d|\+.+|:.+"), ""),
    ("git", ("reset", "--hard"), ""),
    ("git", ("clean", _FORCE), r"-[a-zA-Z]*n[a-zA-Z]*|--dry-run"),
    ("git", ("checkout|switch", rf"{_FORCE}|--discard-changes|\.|:/|\*"), ""),
    ("git", ("restore", r"\.|:/|\*"), "--staged|-S"),
    ("git", ("branch", "-[a-zA-Z]*D[a-zA-Z]*"), ""),
    ("git", ("branch", "-d|--delete", _FORCE), ""),
    ("git", ("rm", _FORCE), "--cached"),
    ("git", ("stash", "drop|clear"), ""),
    ("git", ("reflog", "expire|delete"), ""),
    ("git", ("filter-branch|filter-repo",), ""),
    ("git", ("worktree", "remove", _FORCE), ""),
    ("git", ("gc", "--prune=(?:now|all)"), ""),
    (r"docker|podman|nerdctl", ("prune",), ""),
    (r"docker|podman|nerdctl", ("rm|rmi|remove", _FORCE), ""),
    (r"docker|podman|nerdctl", ("volume", "rm|remove"), ""),
    (r"docker|podman|nerdctl|docker-compose|podman-compose", ("down", r"-v|--volumes|--rmi.*"), ""),
    (r"kubectl|oc|k3s|helm", (r"delete|drain|uninstall|del|un",), r"--dry-run.*"),
    (r"terraform|tofu|terragrunt|pulumi|cdk|vagrant|cdktf", (r"destroy|-destroy|down|--destroy",), ""),
    (r"aws|gcloud|az|gh|glab|doctl|flyctl|fly|heroku|hcloud|oci|ibmcloud|linode-cli|eksctl", (_CLOUD_VERBS,), ""),
    ("aws", ("s3", "rb"), ""),
    (r"aws|gsutil|s3cmd|mc|rclone", ("rm|del|purge|delete", r"--recursive|-r|-R|--force|-rf"), ""),
    ("npm", ("unpublish",), ""),
    ("mysqladmin", ("drop",), ""),
    ("redis-cli", ("(?i:flushall|flushdb)",), ""),
    ("(?i:drop)", ("(?i:table|database|schema|user|role|view|index)",), ""),  # at a client's own prompt
]
_DATABASES = r"(?:mysql|mariadb|psql|sqlite3?|duckdb|sqlcmd|sqlplus|mongosh?|cockroach|clickhouse(?:-client)?|cqlsh)"
_SQL = (
    r"(?i)\bdrop\s+(?:database|table|schema|user|role|view|index|keyspace)\b|\btruncate\s+table\b|\bdropDatabase\s*\("
    r"|\bdelete\s+from\s+[\w.\"`]+\s*(?:;|$)"
)
_DOWNLOADERS = frozenset(["curl", "wget", "fetch", "aria2c", "http", "xh"])
_DOWNLOADED = r"(?:[$<]\(|`)\s*(?:curl|wget)\b"
# Only a line with one of these words, and with the pattern beside them in it, is read as the shell would read it: fifty
# candidates are judged at each key.
_SUSPICIOUS = {
    "": "rm srm rmi shred blkdiscard dropdb dropuser userdel deluser groupdel delgroup killall5 lvremove vgremove"
    " pvremove mkfs mke2fs mkswap newfs mkntfs mkdosfs reboot halt poweroff shutdown init telinit wipefs fdisk cfdisk"
    " gdisk sfdisk sgdisk parted cryptsetup zpool zfs nvme mdadm hdparm btrfs truncate drop unpublish mysqladmin"
    " crontab ufw nft terraform tofu terragrunt pulumi cdk cdktf vagrant",
    r"(?i)del|destroy|terminate|purge|drain|\brb\b|\brm\b|\bun|--remove": "aws gcloud az gh glab doctl flyctl fly"
    " heroku hcloud oci ibmcloud linode-cli eksctl gsutil s3cmd mc rclone kubectl oc k3s helm rsync",
    "-R|--recursive": "chmod chown chgrp setfacl",
    "-": "kill killall pkill skill iptables ip6tables ebtables arptables history",
    "-delete|-exec|-ok|-x|-X": "find fd fdfind bfs",
    "--delete": "gpg gpg2",
    "prune|rm|remove|down": "docker podman nerdctl docker-compose podman-compose",
    r"\s-[a-zA-Z]*[fdD]|--[fhmdp]|\s[+:.*]|drop|clear|filter-|expire|delete|remove": "git",
    "poweroff|reboot|halt|kexec|rescue|emergency|isolate": "systemctl",
    "(?i)drop|truncate|delete|flush": "mysql mariadb psql sqlite sqlite3 duckdb sqlcmd sqlplus mongo mongosh cockroach"
    " cqlsh clickhouse clickhouse-client redis-cli",
    r"[|(`]": "curl wget fetch aria2c http xh",
}
_SUSPECTS = {word: pattern for pattern, words in _SUSPICIOUS.items() for word in words.split()}


def _is_suspect(line: str) -> bool:
    if "/dev/" in line or "()" in line:
        return True
    for word in compiled(r"[A-Za-z0-9_-]+").findall(line):
        pattern = _SUSPECTS.get(word.lower())
        if pattern is not None and (not pattern or compiled(pattern).search(line)):
            return True
    return False


@lru_cache(maxsize=512)
def _rules_of(name: str) -> list[tuple[tuple[str, ...], str]]:
    return [(needed, never) for program, needed, never in _RULES if compiled(program).fullmatch(name)]


def _by_rule(command: Command) -> Iterator[int]:
    """Yield where each rule that a command breaks has been broken in full."""
    if not 0 < len(command.name) < _MAX_NAME:
        return
    program, words = command.program[0], command.program[1:]
    if command.name == "git":  # whose subcommands are words like any others
        words = words[after_options(words, 0, "Cc") :]
    for needed, never in _rules_of(command.name):
        if command.name == "git" and not (words and compiled(needed[0]).fullmatch(words[0].text)):
            continue
        if never and any(compiled(never).fullmatch(word.text) for word in words):
            continue
        end = _end(program)
        for pattern in needed:
            match = next((word for word in words if compiled(pattern).fullmatch(word.text)), None)
            if match is None:
                break
            end = max(end, _end(match))
        else:
            yield end


def _elsewhere(command: Command) -> Iterator[int]:
    """Yield where a command turns destructive by what it is fed, feeds, or is run by."""
    program = command.program
    if command.name in ("rm", "shred", "unlink"):  # of files that the line does not name
        runners = command.words[: len(command.words) - len(program)]
        if any(name_of(word) in ("xargs", "parallel") for word in runners):
            yield _end(program[0])
    for operator, word in command.redirections:
        if ">" in operator and compiled(_BLOCK_DEVICE).fullmatch(word.text):
            yield _end(word)
    reader = command.into
    if reader is not None and reader.name in SHELLS and command.name in _DOWNLOADERS:
        yield _end(reader.program[0])
    if command.name in SHELLS or command.name in ("source", "."):
        for word in program[1:]:
            if match := compiled(_DOWNLOADED).search(word.text):
                yield word.span(*match.span())[1]
    clients = [command.name] if reader is None else [command.name, reader.name]
    if any(compiled(_DATABASES).fullmatch(name) for name in clients):
        fed = [word for operator, word in command.redirections if operator in ("<<", "<<<")]
        yield from _statements([*program[1:], *fed])


def _statements(words: list[Word]) -> Iterator[int]:
    """Yield where a statement of SQL, or what a database has in its place, begins to destroy."""
    for word in words:
        for match in compiled(_SQL).finditer(word.text):
            yield word.span(*match.span())[1]
