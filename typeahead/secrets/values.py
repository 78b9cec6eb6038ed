"""What a secret is: the names that announce one, and the values that are none."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from typeahead.lexer import Word, compiled


class Secret(NamedTuple):
    """One secret: ``line[start:end]``, and what it is in words a user knows."""

    kind: str
    start: int
    end: int


# Words of a name that call its value a secret, with what to call it; and words that do so before "key".
_NAMING = {
    "password": r"password|passwort|passwd|passphrase|passcode|passin|passout"
    r"|(?<!by)(?<!com)(?<!tres)(?<!sur)(?<!multi)pass"
    "|^pwd|^pw",
    "token": r"token",
    "secret": r"secret",
    "API key": r"(?:api|access|secret|private|auth|account|encryption|shared|service|client|master|storage|consumer"
    r"|subscription|license)key",
}
_BEFORE_KEY = frozenset(_NAMING["API key"][3:].partition(")")[0].split("|"))
# A value behind one of these is a secret only if it looks random.
_VAGUE = r"(?:key|auth|creds?|credentials?|cookie|session|sig|signature)"
# A name that ends with one of the first or begins with one of the others speaks about a secret and is none.
_ABOUT_LAST = (
    r"(?:file|path|dir|url|uri|name|id|len|length|ttl|expiry|expires|type|min|max|policy|command|cmd|endpoint|host|port"
    r"|user|username|arn|count|timeout|regex|helper|stdin|prompt|mode|method|age|days|date|version|ref|field|label|fd"
    r"|format|manager|store|provider|list|limit|size|hint|rotation|login|index|authentication|expire|warn|identity)s?"
)
_ABOUT_FIRST = (
    r"(?:no|use|with|show|without|ask|get|list|is|has|allow|disable|enable|require|print|reset|generate"
    r"|next|page|num|export|delete)"
)
_PLACEHOLDER = (
    r"(?is)\*+|x{3,}|[.…]+|-+|<.*>|\{.*\}|\[.*\]|%.*%|\(.*\)|_+|your[-_ ].*|.*change[-_]?(?:me|it|this).*"
    r"|replace[-_]?me|example|placeholder|redacted|todo|true|false|yes|no|on|off|none|null|nil|auto|default|required"
    r"|optional|stdin|prompt|ask|env|0|1|\$\{.*\}|(?-i:\$[A-Z_0-9]+)"
)
_PATH = (  # or what else says where the secret is
    r"(?:~|\.{1,2})?/[a-z0-9_.-]*(?:/[\w.@-]*)*|[\w./-]+\.(?:pem|key|json|ya?ml|txt|crt|env|gpg|asc|p12|pfx|jks|ini|conf"
    r"|cfg|toml|pub|xml|lst|list|dict|sh|md|log|py|csv|sql|zip|gz|tar|bak|html?|svg|rar)|id_(?:rsa|dsa|ecdsa|ed25519)|@[\w./~-]+|(?:file|env|fd|id|type|src):.*|id=.*|[.\[\\^(|].*|.*\.\*.*"
)
_MAX_NAME = 100  # characters; a longer "name" is data


def is_placeholder(text: str) -> bool:
    """Return whether a value was never filled in, or has been hidden already."""
    return compiled(_PLACEHOLDER).fullmatch(text) is not None


def is_path(text: str) -> bool:
    """Return whether a value says where a secret is, or is a pattern for one."""
    return compiled(_PATH).fullmatch(text) is not None


def is_value(word: Word, start: int, end: int) -> bool:
    """Return whether that part of a word can be a secret: itself, not a reference to one, and filled in."""
    text = word.text[start:end]
    literal = word.literal(start, end)
    if literal != text and sum(character.isalnum() for character in literal) < 4:
        return False
    return bool(text.strip()) and not is_placeholder(text.strip())


def _looks_random(text: str) -> bool:
    return (
        len(text) >= 16
        and len(set(text)) >= 8
        and compiled("[0-9]").search(text) is not None
        and compiled("[A-Za-z]").search(text) is not None
        and compiled("[A-Za-z0-9+/=_.%~-]+").fullmatch(text) is not None
    )


@lru_cache(maxsize=512)
def named(name: str) -> tuple[str, bool]:
    """Return what a variable or option of this name holds ("": no secret), and whether its value must look random."""
    if len(name) > _MAX_NAME:
        return "", False
    parts = [part.lower() for part in compiled(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+").findall(name)]
    if not parts or name in ("PWD", "OLDPWD", "pwd"):
        return "", False
    if compiled(_ABOUT_LAST).fullmatch(parts[-1]) or (len(parts) > 1 and compiled(_ABOUT_FIRST).fullmatch(parts[0])):
        return "", False
    if parts[-1] == "key" and len(parts) > 1 and parts[-2] in _BEFORE_KEY:
        return ("AWS secret key" if "aws" in parts else "Azure key" if "azure" in parts else "API key"), False
    for part in reversed(parts):
        for kind, pattern in _NAMING.items():
            if compiled(f"(?:{pattern})$").search(part):
                return ("AWS session token" if "aws" in parts and kind == "token" else kind), False
    return ("secret", True) if compiled(_VAGUE).fullmatch(parts[-1]) else ("", False)


def behind(name: str, word: Word, start: int, end: int) -> Iterator[Secret]:
    """Yield ``word.text[start:end]`` if it is a secret behind this name."""
    kind, vague = named(name.strip("-_.:/"))
    if word.text.startswith("pass:", start, end):  # openssl's way to say that it follows
        start += len("pass:")
    text = word.text[start:end]
    if not kind or not is_value(word, start, end) or (vague and not _looks_random(text)):
        return
    if is_path(text) or (kind == "token" and len(text) < 6):
        return
    yield Secret(kind, *word.span(start, end))
