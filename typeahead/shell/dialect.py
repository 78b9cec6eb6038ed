r"""The protocol's plain dialect, for shells that cannot read JSON. Standard library only.

On the daemon's one socket a message that begins with a small letter instead of "{" is in this dialect, and so are the
replies to it, and what is told unasked from then on. A message is one line, its fields are separated by tabs, and in a
field a backslash, tab, newline and carriage return are written ``\\ \t \n \r``. UTF-8; other bytes, as in odd
names of folders, go through as they are. An empty field is one that is not told.

========================================================== =============================================================
request                                                    reply
========================================================== =============================================================
hello SESSION                                              hello VERSION STATE
suggest ID N CWD PREFIX                                    suggest ID STATE LINE...   (best first; none: nothing; the
                                                           state is "overtaken" when a newer question has come)
record ID STARTED DURATION_S STATUS CWD COMMAND            record ID KIND...          (of secrets that were withheld)
names NAME...                                              names NUMBER               (aliases, functions, builtins)
environ NAME=VALUE...                                      names NUMBER               (PATH, HOME, CDPATH; of others the
                                                           mere name: ``VIRTUAL_ENV=``)
forget ID LINE                                             forget ID NUMBER           (of distinct lines)
stop                                                       stop
anything else                                              error ID TEXT
(sent unasked to whoever has said hello)                   state STATE;  forgot NUMBER
========================================================== =============================================================

What the fields mean stands in `typeahead.shell.protocol`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from typeahead.shell.protocol import MalformedError, Message

_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_UNESCAPES = {written: char for char, written in _ESCAPES.items()}
_SPECIAL = re.compile(r"[\\\t\n\r]")
_WRITTEN = re.compile(r"\\.?", re.DOTALL)


def is_plain(line: bytes) -> bool:
    """Return whether a message is in the dialect."""
    return b"a" <= line[:1] <= b"z"


def join_fields(fields: Sequence[str]) -> bytes:
    """Return a message of these fields, with its newline.

    Lone surrogates that stand for bytes become these bytes again; half a character of another kind becomes "?".
    """
    text = "\t".join(_SPECIAL.sub(lambda found: _ESCAPES[found[0]], field) for field in fields)
    try:
        return text.encode("utf-8", "surrogateescape") + b"\n"
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace") + b"\n"


def split_fields(line: bytes) -> list[str]:
    """Return the fields of a message.

    Raises
    ------
    MalformedError
        A backslash stands before something that is never written so.
    """
    text = line.decode("utf-8", "surrogateescape").removesuffix("\n")
    return [_WRITTEN.sub(_unescaped, field) for field in text.split("\t")]


def _unescaped(found: re.Match[str]) -> str:
    try:
        return _UNESCAPES[found[0]]
    except KeyError:
        raise MalformedError(r"a backslash must be one of \\ \t \n \r") from None


def decode(line: bytes) -> Message:
    r"""Return the message in a line as the protocol has it: of ``suggest\t7\t1\t/tmp\tgit`` an op, an id, a prefix...

    Raises
    ------
    MalformedError
        It has fields too few, or a number that is none.
    """
    op, *fields = split_fields(line)
    reader = _READERS.get(op)
    if reader is None:
        return {"op": op, "id": _identifier(fields[0]) if fields else None}
    try:
        return {"op": op, **reader(fields)}
    except (IndexError, ValueError) as error:
        if isinstance(error, MalformedError):
            raise
        raise MalformedError(f"{op}: a field is missing or is no number") from None


def _identifier(field: str) -> int | str | None:
    return int(field) if re.fullmatch("[0-9]{1,18}", field) else field or None


def _number(field: str) -> float | None:
    return float(field.replace(",", ".")) if field else None  # some shells write numbers as the user's language does


def _suggest(fields: list[str]) -> Message:
    question_id, n, cwd, prefix = fields[:4]
    return {"id": _identifier(question_id), "n": int(n), "cwd": cwd or None, "prefix": prefix}


def _record(fields: list[str]) -> Message:
    record_id, started, duration_s, status, cwd, command = fields[:6]
    numbers = {"started": _number(started), "duration_s": _number(duration_s)}
    told = {"status": int(status) if status else None, "cwd": cwd or None, "command": command}
    return {"id": _identifier(record_id), **numbers, **told}


def _environ(fields: list[str]) -> Message:
    pairs = (field.partition("=") for field in fields if field)
    return {"op": "names", "environ": {name: value for name, _, value in pairs}}


_READERS: dict[str, Callable[[list[str]], Message]] = {
    "hello": lambda fields: {"session": fields[0]},
    "suggest": _suggest,
    "record": _record,
    "names": lambda fields: {"names": [field for field in fields if field]},
    "environ": _environ,
    "forget": lambda fields: {"id": _identifier(fields[0]), "exact": fields[1]},
}


def encode(message: Message) -> bytes:
    """Return what the daemon says, in the dialect."""
    op = str(message.get("op"))
    message_id = "" if message.get("id") is None else str(message["id"])
    if message.get("error") is not None or (message.get("problem") and op in ("record", "forget")):
        return join_fields(["error", message_id, str(message.get("error") or message["problem"])])
    fields = [op, message_id] if message_id else [op]
    if op == "hello":
        fields = [op, str(message["version"]), str(message["state"])]
    elif op == "suggest":
        found = message["suggestions"]
        fields += ["overtaken"] if found is None else [str(message["state"]), *(one["text"] for one in found)]
    elif op == "record":
        fields += message["secrets"]
    elif op == "forget":
        fields += [str(message["commands"])]
    elif op in ("names", "forgot", "state"):
        fields = [op, str(message[_TOLD[op]])]
    return join_fields(fields)


_TOLD = {"names": "names", "forgot": "commands", "state": "state"}
