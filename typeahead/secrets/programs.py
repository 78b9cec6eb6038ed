"""Secrets that stand where a certain program takes a password: its short options, its operands, its input."""

from __future__ import annotations

import re
from collections.abc import Iterator

from typeahead.lexer import Command, Word, compiled, name_of
from typeahead.secrets.values import Secret, is_path, is_value

# Program, with a subcommand where it matters -> its options that take a password, how the password follows ("" at once,
# " " as the next word, "*" either way), and what stands before it in the value.
_OPTIONS: list[tuple[str, str, str, str, str]] = [
    (r"mysql(?:dump|admin|import|show|sh)?|mariadb(?:-dump|-admin)?|mycli", "", "p", "", ""),
    (r"sshpass|mongo(?:sh|dump|restore|export|import)?|hydra|medusa|ncrack|rdesktop", "", "p", "*", ""),
    (r"crackmapexec|netexec|nxc|evil-winrm|smbmap|useradd|usermod", "", "p", "*", ""),
    (r"docker|podman|nerdctl|buildah|skopeo|helm|oc|cf|ibmcloud|az", "login", "p", "*", ""),
    (r"atuin", "login|register", "p k", "*", ""),
    (r"twine", "upload", "p", "*", ""),
    (r"curl", "", "u U", "*", ":"),
    (r"redis-cli", "", "a", " ", ""),
    (r"ldap(?:search|add|modify|delete|whoami|passwd|compare|modrdn)", "", "w", "*", ""),
    (r"smbclient|rpcclient|smbget", "", "U", "*", "%"),
    (r"lftp", "", "u", "*", ","),
    (r"sqlcmd|bcp|ipmitool|mosquitto_(?:pub|sub)|unzip|zip", "", "P", "*", ""),
    (r"7z|7za|7zr|7zz|u?n?rar", "", "hp p", "", ""),
    (r"ssh-keygen", "", "P N", "*", ""),
    (r"snmp\w+", "", "A X", "*", ""),
    (r"security", r"\w+-keychain", "p", "*", ""),
    (r"gh", "secret", "b", " ", ""),
    (r"openssl", "enc", "k", " ", ""),
]
# Long options that take a user and a password, with what stands between the two.
_PAIRED: list[tuple[str, str, str]] = [
    (r"curl|skopeo|podman|buildah", r"--user|--proxy-user|--creds|--src-creds|--dest-creds", ":"),
    (r"smb\w+|rpcclient", r"--user", "%"),
    (r"chisel|simplehttpserver|cs|coursier", r"--?auth|--?basic-auth|--credentials", ":"),
]
# Where ``-u me -p x`` does not mean a user and a password.
_OTHER_U_AND_P = (
    r"journalctl|sudo|doas|ps|lsof|git|ssh|docker|podman|nerdctl|mysql\w*|mariadb.*|psql|pg_\w+|python.*|pytest"
)


def find(command: Command) -> Iterator[Secret]:
    """Yield the secrets of a command that stand where its program takes a password.

    Parameters
    ----------
    command : Command
        One of a line's.

    Yields
    ------
    Secret
        Placed in the line; in no particular order; they may overlap.
    """
    yield from _short_options(command)
    yield from _long_options(command)
    yield from _user_and_password(command)
    yield from _operands(command)
    yield from _fed(command)


def _short_options(command: Command) -> Iterator[Secret]:
    words = command.words
    runners = words[: len(words) - len(command.program) + 1]  # sshpass is one itself
    for pattern, subcommand, letters, how, before in _OPTIONS:
        at = next((at for at, word in enumerate(runners) if compiled(pattern).fullmatch(name_of(word))), None)
        if at is not None and _has_subcommand(words, subcommand):
            for letter in letters.split():
                yield from _short_option(words[at + 1 :], "-" + letter, how, before)


def _long_options(command: Command) -> Iterator[Secret]:
    name, rest = command.name, command.program[1:]
    is_secret = any(word.text == "secret" for word in rest)
    paired = [(options, between) for program, options, between in _PAIRED if compiled(program).fullmatch(name)]
    for index, word in enumerate(rest):
        option, _, value = word.text.partition("=")
        for options, between in paired:
            if compiled(options).fullmatch(option):
                if value:
                    yield from _password(word, len(option) + 1, between)
                elif index + 1 < len(rest):
                    yield from _password(rest[index + 1], 0, between)
        if name == "kubectl" and is_secret and (match := re.match("--from-literal=[^=]+=", word.text)):
            yield from _password(word, match.end(), "")
        elif word.text.startswith("/p:") and "freerdp" in name:
            yield from _password(word, len("/p:"), "")


def _user_and_password(command: Command) -> Iterator[Secret]:
    """Yield X of ``-u me -p X``, and of ``me:X@host`` for the tools that say it so."""
    rest = command.program[1:]
    if not compiled(_OTHER_U_AND_P).fullmatch(command.name):
        for option, user, next_option, word in zip(rest, rest[1:], rest[2:], rest[3:], strict=False):
            is_pair = option.text == "-u" and next_option.text == "-p" and not user.text.startswith("-")
            if is_pair and compiled(r"(?!-)\D[^:/]*").fullmatch(word.text):
                yield from _password(word, 0, "")
    if compiled(r"impacket-.*|.*\.py").fullmatch(command.name):
        for word in rest:
            match = compiled(r"(?:[\w.-]+/)?[\w.$-]+:([^\s@/]+)@[\w.-]+").fullmatch(word.text)
            if match and is_value(word, *match.span(1)):
                yield Secret("password", *word.span(*match.span(1)))


def _operands(command: Command) -> Iterator[Secret]:
    name, rest = command.name, command.program[1:]
    texts = [word.text for word in rest]
    operands = [word for word in rest if not word.text.startswith("-")]
    if name == "pulumi" and "--secret" in texts and len(operands) == 4:  # config set NAME VALUE
        yield from _password(operands[3], 0, "")
    elif name == "gh" and "secret" in texts and "--body" in texts[:-1]:
        yield from _password(rest[texts.index("--body") + 1], 0, "")
    elif name == "nmcli" and "password" in texts[:-1]:
        yield from _password(rest[texts.index("password") + 1], 0, "")
    elif (
        (name == "htpasswd" and len(operands) > 1 and any(re.fullmatch("-[a-zA-Z]*b[a-zA-Z]*", text) for text in texts))
        or (name == "vault" and texts[:1] == ["login"] and len(operands) == 2 and "=" not in operands[1].text)
        or (name == "wpa_passphrase" and len(operands) == 2)
        or (name == "rabbitmqctl" and len(operands) == 3 and texts[0] in ("add_user", "change_password"))
    ):
        yield from _password(operands[-1], 0, "")


def _has_subcommand(words: list[Word], pattern: str) -> bool:
    return not pattern or any(compiled(pattern).fullmatch(word.text) for word in words)


def _short_option(words: list[Word], option: str, how: str, before: str) -> Iterator[Secret]:
    for index, word in enumerate(words):
        if not word.text.startswith(option):
            continue
        if len(word.text) > len(option):
            if how in ("", "*"):
                yield from _password(word, len(option), before)
        elif how in (" ", "*") and index + 1 < len(words) and not words[index + 1].text.startswith("-"):
            yield from _password(words[index + 1], 0, before)


def _password(word: Word, start: int, before: str) -> Iterator[Secret]:
    """Yield a word, from ``start`` and from what stands ``before`` the password on."""
    if before:
        start = word.text.find(before, start) + 1
    if (start or not before) and is_value(word, start, len(word.text)) and not is_path(word.text[start:]):
        yield Secret("password", *word.span(start, len(word.text)))


def _fed(command: Command) -> Iterator[Secret]:
    """Yield what is fed to a program that reads a password: ``echo x | sudo -S``, ``chpasswd <<< me:x``."""
    reader = command.into
    if reader is not None and command.name in ("echo", "printf", "yes") and _reads_password(reader):
        for word in command.program[1:]:
            if not re.fullmatch(r"-[neE]+|(?:%s|\\n)+", word.text):
                end = len(re.sub(r"(?:\\n)+$", "", word.text))
                pair = reader.name == "chpasswd"
                start = word.text.find(":") + 1 if pair else 0
                if (start or not pair) and is_value(word, start, end):
                    yield Secret("password", *word.span(start, end))
    for operator, word in command.redirections:
        if operator == "<<<" and _reads_password(command):
            yield from _password(word, 0, ":" if command.name == "chpasswd" else "")


def _reads_password(command: Command) -> bool:
    texts = [word.text for word in command.words]
    return (
        command.name in ("chpasswd", "passwd", "su", "smbpasswd", "cryptsetup")
        or ("sudo" in texts and any(re.fullmatch("-[a-zA-Z]*S|--stdin", text) for text in texts))
        or any(text in ("--password-stdin", "--with-token", "--passphrase-fd", "--pinentry-mode") for text in texts)
    )
