"""zsh underneath."""

from __future__ import annotations

import os
import termios
from pathlib import Path

from typeahead.shell.process import Keys, Outcome, Process
from typeahead.shell.process.private import unread
from typeahead.shell.terminal import Terminal

_STEP = b" __ta_line\n"  # all that zsh reads: see rc.zsh
_STEPS = 20  # lines that wait in the FIFO; each Ctrl-C at a bad moment costs one
_END_OF_STARTUP = b"\x1f\x1e\x1f"  # on the private terminal; what comes after it is the line editor's
_FILES = {".zshenv": "zshenv.zsh", ".zshrc": "zshrc.zsh"}


class Zsh(Process):
    """zsh, with its start-up files beside this module."""

    keys = Keys(run=b"\x1e", report=b"\t", repair=b"n\x1f", check=b"\x07")
    rule_names = ("HIST_IGNORE_SPACE", "HISTORY_IGNORE")
    completes_files = True

    def __init__(self, terminal: Terminal, program: str, cwd: str, private: bool = False) -> None:
        super().__init__(terminal, program, cwd, private)
        self._started = False  # the start-up files have been read
        # zsh takes the private terminal's modes for those to restore after a command that was killed.
        termios.tcsetattr(self._slave, termios.TCSANOW, terminal.cooked)
        folder = Path(__file__).parent
        for name, source in _FILES.items():
            (self._folder / name).symlink_to(folder / source)
        # Where a start-up file that does not know better looks for it: /etc/zsh/zshrc, which is read with our ZDOTDIR.
        home = os.environ.get("ZDOTDIR") or os.path.expanduser("~")
        (self._folder / ".zcompdump").symlink_to(os.path.join(home, ".zcompdump"))
        os.mkfifo(self._folder / "input", 0o600)
        self._steps = os.open(self._folder / "input", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._refill()

    def _refill(self) -> None:
        """See that there are lines to read for zsh."""
        os.write(self._steps, _STEP * (_STEPS - unread(self._steps) // len(_STEP)))

    def _arguments(self) -> list[str]:
        return ["zsh", "-i"]

    def _environment(self) -> dict[str, str]:
        environment = super()._environment() | {
            "ZDOTDIR": str(self._folder),
            "__TA_KEYS": os.ttyname(self._slave),
            "__TA_RC": str(Path(__file__).with_name("rc.zsh")),
        }
        if "ZDOTDIR" in os.environ:
            environment["__TA_ZDOTDIR"] = os.environ["ZDOTDIR"]
        return environment

    def _open_input(self) -> int:
        return os.open(self._folder / "input", os.O_RDWR)

    def receive(self) -> Outcome | None:
        """Read what the shell has reported, without waiting; return a report."""
        outcome = super().receive()
        if outcome is not None:
            self._refill()
        return outcome

    def read_output(self) -> bytes:
        """Return what the start-up files have printed since the last call; what the line editor draws is no output."""
        output = super().read_output()
        if self._started:
            return b""
        output, mark, _ = output.partition(_END_OF_STARTUP)
        self._started = bool(mark)
        return output

    def close(self) -> None:
        """Hang up on the shell and remove what lies in the runtime folder."""
        os.close(self._steps)
        super().close()
