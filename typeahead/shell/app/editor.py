"""The line in the user's own editor."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from prompt_toolkit.application import in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.key_binding import KeyPressEvent

from typeahead import config
from typeahead.errors import ShellError
from typeahead.shell.process.private import OUR_SIGNALS
from typeahead.shell.terminal import Terminal

_USUAL = ("editor", "vi", "nano")  # where neither $VISUAL nor $EDITOR says something


class Editor:
    """Edits the line in ``$VISUAL`` or ``$EDITOR``; what comes back stands at the prompt and is not run.

    Parameters
    ----------
    terminal
        The user's, which the editor gets meanwhile.
    environ
        Returns the variables of the shell, as far as they are known; the process's own stand behind them.
    """

    def __init__(self, terminal: Terminal, environ: Callable[[], Mapping[str, str]]) -> None:
        self._terminal = terminal
        self._environ = environ

    def __call__(self, event: KeyPressEvent) -> None:
        """Edit the line of the prompt, for a key."""
        event.app.create_background_task(self._edit(event.current_buffer))

    async def _edit(self, buffer: Buffer) -> None:
        async with in_terminal():
            try:
                text = self._edited(buffer.text)
            except (ShellError, OSError) as error:  # OSError: no place for the file
                self._terminal.write(f"typeahead: {error}\r\n")
                return
        buffer.save_to_undo_stack()
        buffer.document = Document(text, len(text))

    def _edited(self, text: str) -> str:
        """Return ``text`` as the user leaves it in the editor; raise `ShellError` where that fails."""
        command = self._command()
        fd, name = tempfile.mkstemp(prefix="line-", suffix=".sh", dir=config.runtime_dir())
        try:
            with open(fd, "wb") as file:
                file.write((text and f"{text}\n").encode("utf-8", "surrogateescape"))
            status = self._run([*command, name])
            if status:
                raise ShellError(f"{command[0]} ended with status {status}; the line is as it was")
            # By name: an editor may have put another file into its place.
            return Path(name).read_bytes().decode("utf-8", "surrogateescape").rstrip("\n")
        finally:
            with suppress(OSError):
                os.unlink(name)

    def _command(self) -> list[str]:
        environ = {**os.environ, **{name: value for name, value in self._environ().items() if value}}
        for variable in ("VISUAL", "EDITOR"):
            if value := environ.get(variable, "").strip():
                try:
                    command = shlex.split(value)
                except ValueError:
                    command = [value]
                if program := shutil.which(command[0], path=environ.get("PATH")):
                    return [program, *command[1:]]
                raise ShellError(f"{variable}={value}: there is no such program; the line is as it was")
        for name in _USUAL:
            if program := shutil.which(name, path=environ.get("PATH")):
                return [program]
        raise ShellError("no editor: set EDITOR; the line is as it was")

    def _run(self, command: list[str]) -> int:
        """Run the editor in the foreground; return its status."""
        environ = {**os.environ, "PATH": self._environ().get("PATH", os.environ.get("PATH", os.defpath))}
        pid = os.posix_spawn(command[0], command, environ, setpgroup=0, setsigdef=OUR_SIGNALS)
        try:
            self._terminal.give(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)  # it may have asked for the terminal before it had it
            while True:
                _, status = os.waitpid(pid, os.WUNTRACED)
                if not os.WIFSTOPPED(status):
                    return abs(os.waitstatus_to_exitcode(status))
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGCONT)  # nobody could bring it back: there is no prompt meanwhile
        finally:
            self._terminal.take()
            self._terminal.raw()
