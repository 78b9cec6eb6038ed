"""bash underneath."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from typeahead.shell.process import Keys, Process

_SYSTEM_INPUTRC = "/etc/inputrc"
_VI = re.compile(rb"^\s*set\s+editing-mode\s+vi\s*$", re.MULTILINE | re.IGNORECASE)


class Bash(Process):
    """bash, with its start-up file beside this module."""

    keys = Keys(run=b"\x1e", report=b"\t", repair=b"n\x1f", check=b"\x1c")

    def _arguments(self) -> list[str]:
        return ["bash", "--rcfile", str(Path(__file__).with_name("rc.bash")), "-i"]

    def _environment(self) -> dict[str, str]:
        environment = super()._environment() | {"INPUTRC": "/dev/null"}
        if "INPUTRC" in os.environ:
            environment["__TA_INPUTRC"] = os.environ["INPUTRC"]
        if _wants_vi():
            environment["__TA_VI"] = "1"
        return environment


def _wants_vi() -> bool:
    """Whether the user's readline init file, which the shell underneath does without, asks for vi's keys."""
    for path in (os.environ.get("INPUTRC") or os.path.expanduser("~/.inputrc"), _SYSTEM_INPUTRC):
        with suppress(OSError):
            return bool(_VI.search(Path(path).read_bytes()))
    return False
