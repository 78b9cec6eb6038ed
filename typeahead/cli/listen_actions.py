"""What becomes of a word that `typeahead listen` hears: the running line editor acts on it, or what is here instead."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from typeahead.shell.spoken import say
from typeahead.text.safety import is_destructive
from typeahead.voice.commands import Command

if TYPE_CHECKING:
    from typeahead.voice.detector import Detection


@dataclass(frozen=True)
class Outcome:
    """What a word has done, or what there is to be done about it.

    ``run``: a line to run now. ``ask``: one to run when the user has pressed y.
    """

    mode: str = ""  # of `voice.commands.MODES`; empty: the word has no command
    line: str = ""
    key: str = ""
    delivered: bool = False  # to a line editor
    note: str = ""  # for people
    run: str = ""
    ask: str = ""


class Actions:
    """Does what the command map says.

    Parameters
    ----------
    commands : mapping
        Word -> command.
    dry_run : bool
        Only say what would be done.
    may_ask : bool
        Whether there is somebody to press a key.
    """

    def __init__(self, commands: Mapping[str, Command], dry_run: bool = False, may_ask: bool = False) -> None:
        self._commands, self._dry_run, self._may_ask = commands, dry_run, may_ask
        self._acted: dict[str, float] = {}  # word -> when it has acted here

    def act(self, detection: Detection, now_s: float) -> Outcome:
        """Do what a word stands for, but for running lines, which is the caller's.

        Parameters
        ----------
        detection : Detection
        now_s : float
            On a clock of the caller's, for cooldowns. A line editor has its own, and knows the directory.
        """
        command = self._commands.get(detection.word)
        if command is None:
            return Outcome(note="no command")
        if not self._dry_run and say(command, detection.confidence):
            return self._outcome(command, f"{described(command)}, at your prompt", delivered=True)
        if command.when and not is_within(_cwd(), command.when):
            return self._outcome(command, f"nothing: only in {command.when}")
        left_s = self._acted.get(command.word, -command.cooldown_s) + command.cooldown_s - now_s
        if left_s > 0:
            return self._outcome(command, f"nothing: {left_s:.1f} s of its cooldown are left")
        self._acted[command.word] = now_s
        return self._here(command)

    def _here(self, command: Command) -> Outcome:
        """Return what a command comes to where no line editor takes it."""
        line, destroys = command.line, command.mode != "key" and is_destructive(command.line)
        if self._dry_run:
            asked = command.mode == "confirm" or (command.mode == "run" and destroys)
            return self._outcome(command, f"would {described(command)}{' after a key' if asked else ''}")
        if command.mode == "key":
            return self._outcome(command, f"{described(command)}: no prompt of typeahead's is open")
        if command.mode == "insert":
            return self._outcome(command, line)
        if command.mode == "run" and not destroys:
            return self._outcome(command, f"run: {line}", run=line)
        why = "it destroys" if destroys else "it wants a key"
        return self._outcome(command, f"not run, {why}: {line}", ask=line if self._may_ask else "")

    @staticmethod
    def _outcome(command: Command, note: str, delivered: bool = False, run: str = "", ask: str = "") -> Outcome:
        return Outcome(command.mode, command.line, command.key, delivered, note, run, ask)


def described(command: Command) -> str:
    """Return what a command does, in a few words."""
    if command.mode == "key":
        return f"press {command.key}"
    return {"insert": "insert: ", "run": "run: ", "confirm": "ask, then run: "}[command.mode] + command.line


def run(line: str, to_stderr: bool = False) -> int:
    """Run a line with the user's shell, in the foreground, and return its status as a shell has it.

    Parameters
    ----------
    line : str
    to_stderr : bool
        Send what it prints there, since standard output has another form.
    """
    shell = os.environ.get("SHELL") or "/bin/sh"
    line = f" {line}" if line.startswith("-") else line  # no option of the shell's
    try:
        done = subprocess.run([shell, "-c", line], stdin=subprocess.DEVNULL, stdout=2 if to_stderr else None)
    except OSError:
        done = subprocess.run(["/bin/sh", "-c", line], stdin=subprocess.DEVNULL, stdout=2 if to_stderr else None)
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:  # removed
        return "/"


def is_within(path: str, folder: str) -> bool:
    """Return whether ``path`` is ``folder`` or below it, links followed."""
    path, folder = os.path.realpath(path), os.path.realpath(folder)
    return path == folder or path.startswith(folder.rstrip("/") + "/")
