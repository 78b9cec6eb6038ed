"""The shell underneath on a real pseudo-terminal, driven without a line editor."""

from __future__ import annotations

import ast
import os
import pty
import sys
from pathlib import Path
from typing import Any

from tests.shell.terminal import wait_until
from typeahead.shell.names import Names
from typeahead.shell.process import Outcome
from typeahead.shell.process.records import Prompts

# Runs in a process that is alone on a pseudo-terminal: reads lines (as Python literals) from a pipe, answers on one.
_DRIVER = """
import ast, os, select, sys, time
from typeahead.shell import process as processes
from typeahead.shell.process.choice import open_shell
from typeahead.shell.terminal import Terminal
lines, answers = os.fdopen(int(sys.argv[1]), "r"), os.fdopen(int(sys.argv[2]), "w", buffering=1)
os.set_inheritable(lines.fileno(), False), os.set_inheritable(answers.fileno(), False)
processes._LISTEN_S = processes._CHECK_S = 10  # what the shell says is wanted, however busy the machine is
terminal = Terminal()
terminal.hold()
process = open_shell(terminal, sys.argv[3], os.getcwd(), private=sys.argv[4] == "private")
process.start()
print(process.pid, file=answers)
for line in map(ast.literal_eval, lines):
    if isinstance(line, bytes):
        found, patience = [], time.monotonic() + 10
        process.completing.on_answer = found.append
        process.completing.ask(line)
        while not found and time.monotonic() < patience:
            select.select([process.fileno()], [], [], 0.2)
            process.receive()
        print(repr(found[0] if found else b""), file=answers)
        continue
    if isinstance(line, tuple):
        print(repr(process.is_complete(line[0])), file=answers)
        continue
    if line is None:
        process.receive()
        told = process.names and tuple(process.names), process.prompts and tuple(process.prompts), process.editing
        print(repr((process.history_rules, *told, process.line)), file=answers)
        continue
    outcome = process.run(line)
    print(repr(tuple(outcome) if outcome else process.exit_status), file=answers)
process.close()
"""


class Driven:
    """A `Process` in a process of its own, since whoever hands a terminal over must own one."""

    def __init__(self, cwd: Path, private: bool = False, program: str = "bash") -> None:
        lines_in, lines_out = os.pipe()
        answers_in, answers_out = os.pipe()
        for fd in (lines_in, answers_out):
            os.set_inheritable(fd, True)
        arguments = [sys.executable, "-c", _DRIVER, str(lines_in), str(answers_out), program]
        arguments.append("private" if private else "")
        self.front_end, self.master = pty.fork()
        if self.front_end == 0:
            os.chdir(cwd)
            os.execv(sys.executable, arguments)
        os.close(lines_in)
        os.close(answers_out)
        self._lines = os.fdopen(lines_out, "w", buffering=1)
        self._answers = os.fdopen(answers_in)
        self.pid = int(self._answers.readline())
        self.printed, self.cwd = b"", str(cwd)

    def rules(self) -> dict[str, str]:
        """Return HISTCONTROL and HISTIGNORE as the shell had them when it read the last line."""
        return self._told()[0]

    def names(self) -> Names | None:
        """Return what the shell knows, as far as it has told."""
        told = self._told()[1]
        return told and Names(*told)

    def prompts(self) -> Prompts:
        """Return the prompts after the last line."""
        return Prompts(*self._told()[2])

    def editing(self) -> str:
        """Return which keys the shell's line editor has."""
        return str(self._told()[3])

    def line(self) -> str:
        """Return the last line as it was run."""
        return str(self._told()[4])

    def is_complete(self, line: str) -> bool:
        """Ask the shell."""
        print(repr((line,)), file=self._lines)
        return bool(ast.literal_eval(self._answers.readline()))

    def ask(self, question: bytes) -> bytes:
        """Ask the shell for completions; return its answer, empty when none comes."""
        print(repr(question), file=self._lines)
        return bytes(ast.literal_eval(self._answers.readline()))

    def _told(self) -> Any:
        print("None", file=self._lines)
        return ast.literal_eval(self._answers.readline())

    def send(self, line: str) -> None:
        print(repr(line), file=self._lines)

    def answer(self) -> Outcome | int:
        found = ast.literal_eval(self._answers.readline())
        return Outcome(*found) if isinstance(found, tuple) else found

    def run(self, line: str) -> Outcome | int:
        self.send(line)
        return self.answer()

    def output(self, line: str) -> str:
        """Run a line and return what it has printed."""
        self.drain()
        self.printed = b""
        self.run(line)
        self.drain()
        return self.printed.decode("utf-8", "surrogateescape").replace("\r\n", "\n")

    def drain(self) -> None:
        os.set_blocking(self.master, False)
        try:
            while data := os.read(self.master, 65536):
                self.printed += data
        except OSError:
            return

    def close(self) -> None:
        self._lines.close()
        wait_until(lambda: os.waitpid(self.front_end, os.WNOHANG)[0], lambda: "the front-end does not end")
        self._answers.close()
        os.close(self.master)


class Opener:
    """Opens zsh with start-up files.

    Attributes
    ----------
    opened : list of Driven
        For whoever closes them.
    """

    def __init__(self, folder: Path, home: Path) -> None:
        self._folder, self._home = folder, home
        self.opened: list[Driven] = []

    def __call__(self, zshrc: str = "", private: bool = False) -> Driven:
        (self._home / ".zshrc").write_text(zshrc)
        self.opened.append(Driven(self._folder, private, "zsh"))
        return self.opened[-1]
