"""What the shell underneath tells of itself, record by record."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from typeahead.shell.names import Names
from typeahead.shell.names import read as read_names


class Prompts(NamedTuple):
    r"""The user's own prompts as the shell expands them, escape sequences and all.

    ``\x01`` and ``\x02`` stand around what takes no columns, where the user has said so.
    """

    left: str  # PS1 or PROMPT; may have several lines
    right: str = ""  # RPROMPT
    continuation: str = ""  # PS2 or PROMPT2


class Report(NamedTuple):
    """A ``D`` record."""

    lines_run: int
    status: int
    cwd: str


class Told:
    """What the shell has told so far.

    Parameters
    ----------
    folder : Path
        Where the shell writes what is too long for a record.
    rule_names : tuple of str
        Names of the two fields of record ``H``.

    Attributes
    ----------
    initialised : bool
        ``I`` has come.
    prompts : Prompts or None
        After the last line; ``None`` before the first.
    editing : str
        ``emacs`` or ``vi``.
    history_rules : dict
        What the shell keeps out of its history now, by those names.
    names : Names or None
        The shell's commands and variables.
    expanded : str or None
        The last line after history expansion, where that has changed it; empty where it has failed.
    """

    def __init__(self, folder: Path, rule_names: tuple[str, str]) -> None:
        self._rule_names = rule_names
        self._names_file = folder / "names"
        self._names_data = b""
        self.initialised = False
        self.prompts: Prompts | None = None
        self.editing = "emacs"
        self.history_rules: dict[str, str] = {}
        self.names: Names | None = None
        self.expanded: str | None = None

    def take(self, record: bytes) -> Report | None:
        """Take one record that asks for nothing in return; return a report."""
        kind, _, text = record.decode("utf-8", "surrogateescape").partition(" ")
        prompts = self.prompts or Prompts("")
        if kind == "I":
            self.initialised = True
        elif kind == "P":
            self.prompts = prompts._replace(left=text)
        elif kind == "S":
            self.prompts = prompts._replace(right=text)
        elif kind == "2":
            self.prompts = prompts._replace(continuation=text)
        elif kind == "E":
            self.editing = "vi" if text == "vi" else "emacs"
        elif kind == "H":
            control, _, ignore = text.partition("\n")
            self.history_rules = dict(zip(self._rule_names, (control, ignore), strict=True))
        elif kind == "N":
            self._read_names()
        elif kind == "X":
            self.expanded = text
        elif kind == "D":
            count, status, cwd = text.split(" ", 2)
            return Report(int(count), int(status), cwd)
        return None

    def _read_names(self) -> None:
        """Take what the shell knows, if it differs from what it knew."""
        with suppress(OSError):
            data = b"\0".join(self._names_file.read_bytes().split(b"\0", 5)[:5])
            if data != self._names_data:
                self._names_data, self.names = data, read_names(data)
