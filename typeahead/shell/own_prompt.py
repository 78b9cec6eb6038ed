"""The user's own prompt: what the shell underneath makes of PS1, made fit for a line editor."""

from __future__ import annotations

import re

from typeahead.shell import prompt

# Colours; strings for the terminal (titles, marks, the directory); all other sequences; what begins one and ends none.
_SEQUENCE = re.compile(
    r"(?P<style>\x1b\[[0-9;:]*m)"
    r"|(?P<string>\x1b[]PX^_].*?(?:\x07|\x1b\\))"
    r"|(?P<charset>\x1b[()*+].|[\x0e\x0f])"
    r"|(?P<other>\x1b\[[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~])"
    r"|(?P<lone>\x1b)",
    re.DOTALL,
)
_HIDDEN = re.compile("\x01([^\x01\x02]*)\x02")
_CONTROLS = re.compile("[\x00-\x06\x08\x0b-\x1a\x1c-\x1f\x7f\x80-\x9f]")  # not \a \t \n \e
_LINK = "\x1b]8;"


def split(expanded: str) -> tuple[str, str]:
    r"""Return a prompt for the line editor, and what is to be sent to the terminal once, before it is drawn.

    Parameters
    ----------
    expanded
        As the shell has expanded it, ``\x01`` and ``\x02`` around what takes no columns.

    Returns
    -------
    text
        Printable characters, newlines, colours (``\x1b[...m``), and other sequences that take no columns between
        ``\x01`` and ``\x02``.
    controls
        The window's title, marks of prompts and the like.
    """
    controls: list[str] = []
    pieces, end = [], 0
    for hidden in _HIDDEN.finditer(expanded):
        pieces += [_shown(expanded[end : hidden.start()], controls), _hidden(hidden[1], controls)]
        end = hidden.end()
    pieces.append(_shown(expanded[end:], controls))
    # Two hidden pieces side by side are one: the line editor's parser knows it no other way.
    return "".join(pieces).replace("\x02\x01", ""), "".join(controls)


def _shown(text: str, controls: list[str]) -> str:
    """Return what takes columns, with colours; sequences that would move the cursor behind the editor's back go."""

    def keep(match: re.Match[str]) -> str:
        kept = _sequence(match, controls)
        return "" if match["other"] else kept

    text = _SEQUENCE.sub(keep, text.replace("\x01", "").replace("\x02", ""))
    if "\x07" in text:
        controls.append("\x07")
    return _CONTROLS.sub(_zero_width, text.replace("\x07", "").replace("\r", "")).expandtabs()


def _zero_width(match: re.Match[str]) -> str:
    return match[0] if match[0] in "\x01\x02" else ""


def _hidden(text: str, controls: list[str]) -> str:
    """Return what takes no columns: colours for the line editor to know of, other things as they are."""
    if _SEQUENCE.sub("", text).replace("\x07", ""):  # text, of which the user says that it takes no columns
        return f"\x01{text}\x02"
    return "".join(_sequence(match, controls) for match in _SEQUENCE.finditer(text))


def _sequence(match: re.Match[str], controls: list[str]) -> str:
    if match["style"]:
        return _style(match[0])
    if match["charset"] or match["lone"]:
        return ""
    if match["string"] and not match[0].startswith(_LINK):
        controls.append(match[0])
        return ""
    return f"\x01{match[0]}\x02"


def _style(sequence: str) -> str:
    """Return a colour in the spelling that the line editor knows: with semicolons, without a colour space."""
    if ":" not in sequence:
        return sequence
    parts = []
    for part in sequence[2:-1].split(";"):
        fields = part.split(":")
        if fields[0] in ("38", "48") and len(fields) == 6:
            del fields[2]
        parts.append(fields[0] if fields[0] not in ("38", "48") else ";".join(fields))
    return f"\x1b[{';'.join(parts)}m"


def visible(text: str) -> str:
    """Return what of a prompt for the line editor takes columns."""
    return _SEQUENCE.sub("", _HIDDEN.sub("", text))


def mark_private(text: str) -> str:
    """Return the prompt with a mark on its last line that nothing of the session is kept."""
    above, newline, last = text.rpartition("\n")
    return f"{above}{newline}{prompt.private_mark()}{last}"


def rows_above(text: str, columns: int) -> int:
    """Return how many rows the cursor goes down when ``text`` is written from the first column on."""
    *above, last = visible(text).split("\n")
    full = sum(max(1, -(-prompt.width(line) // columns)) for line in above)
    return full + max(0, prompt.width(last) - 1) // columns
