"""Find passwords, tokens and keys in a command line, and put `PLACEHOLDER` in their place.

What is looked for: tokens that say what they are by their shape; values behind a name that says so (``API_KEY=``,
``--password``, ``"token":``, ``X-Auth-Token:``); and the places where certain programs take a password (``mysql -pX``,
``curl -u user:X``, ``echo X | sudo -S``). A value that is only referred to (``$TOKEN``, ``$(pass show x)``, a path) or
was never filled in (``<token>``, ``xxx``) is none. Random-looking text alone is none either: it is a commit, a digest,
a UUID or a file name far more often.

Why no library does this: `detect-secrets` is the well-kept one, but it is made for source files (a secret must be in
quotes to be found by its name, and no option of a program is known), tells the line and not the place within it, and
its import alone takes 220 ms, beside a prompt. The shapes of the tokens are the facts that it, atuin's and gitleaks'
rules and the issuers' own pages agree on. Standard library only; takes time linear in the length of the line.
"""

from __future__ import annotations

from typeahead.lexer import commands
from typeahead.secrets import names, programs, shapes
from typeahead.secrets.values import Secret

__all__ = ["PLACEHOLDER", "Secret", "find", "redact"]

PLACEHOLDER = "***"
_MAX_PASSES = 8  # of `redact`: what is left may read differently without the secret; two do in practice
# Only a line with one of these in it has its words looked at.
_HINTED = (
    "pass pwd pw secret token key cred auth cookie session sig sudo vault curl mysql maria mycli docker podman nerdctl"
    " buildah skopeo helm mongo redis ldap smb rpcclient exec nxc winrm hydra medusa ncrack sqlcmd bcp zip 7z rar"
    " openssl useradd usermod rdesktop freerdp ipmi twine login mosquitto lftp wpa_ kubectl nmcli rabbitmq pulumi"
    " ssh-keygen snmp .py impacket -u chisel"
)
_HINTS = _HINTED.split()


def find(line: str) -> list[Secret]:
    """Return the secrets in a command line, or in several, from left to right; no two overlap.

    Parameters
    ----------
    line : str
        Anything at all, newlines and lone surrogates included.

    Returns
    -------
    list of Secret
        Each stands inside one pair of quotes or around whole ones, so that a line stays a line without it.
    """
    # The surest kind first: where two overlap, its name is the one that is told.
    found = [(0, secret) for secret in shapes.find(line)]
    lower = line.lower()
    if any(hint in lower for hint in _HINTS):
        for command in commands(line):
            found += [(1, secret) for secret in [*names.find(command), *programs.find(command)]]
    merged: list[tuple[int, Secret]] = []
    for rank, secret in sorted(found, key=lambda item: (item[1].start, item[0])):
        if merged and secret.start < merged[-1][1].end:
            other_rank, other = merged[-1]
            kind = secret.kind if rank < other_rank else other.kind
            merged[-1] = min(rank, other_rank), Secret(kind, other.start, max(secret.end, other.end))
        elif secret.start < secret.end:
            merged.append((rank, secret))
    return [secret for _, secret in merged]


def redact(line: str) -> tuple[str, list[str]]:
    """Return the line with `PLACEHOLDER` for each secret, and the distinct kinds that were found.

    Parameters
    ----------
    line : str
        Anything at all.

    Returns
    -------
    line : str
        The same line where there is nothing to hide; redacting it again changes nothing.
    kinds : list of str
        In the order in which they stand in the line; empty where nothing was found.
    """
    kinds: dict[str, None] = {}
    for _ in range(_MAX_PASSES):
        secrets = find(line)
        if not secrets:
            break
        kinds.update(dict.fromkeys(secret.kind for secret in secrets))
        parts, at = [], 0
        for secret in secrets:
            parts += [line[at : secret.start], PLACEHOLDER]
            at = secret.end
        line = "".join(parts) + line[at:]
    return line, list(kinds)
