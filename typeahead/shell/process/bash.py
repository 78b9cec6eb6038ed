"""bash underneath."""

from __future__ import annotations

import os
from pathlib import Path

from typeahead.shell.process import Process


class Bash(Process):
    """bash, with its start-up file beside this module."""

    def _arguments(self) -> list[str]:
        return ["bash", "--rcfile", str(Path(__file__).with_name("rc.bash")), "-i"]

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ, __TA_DIR=str(self._folder), __TA_TTY=self.terminal.path, INPUTRC="/dev/null")
        if self.private:
            environment["__TA_PRIVATE"] = "1"
        if "INPUTRC" in os.environ:
            environment["__TA_INPUTRC"] = os.environ["INPUTRC"]
        return environment

    def _leave_now(self, line: str) -> str:
        return f"builtin jobs &>/dev/null; {line}"
