"""The real shell underneath: one live process for the whole session.

It is started as an interactive shell of its own process group in our session. Its standard input is a private
pseudo-terminal without echo, so that its line editor is silent; its output is the user's terminal. To run a line, the
terminal is handed over (`Terminal.give`), the line is put into a file and one key is sent on the private terminal. A
second key, handled only when the shell is back in its line editor, makes it report status and directory on a FIFO; then
the terminal is taken back. So the kernel itself delivers Ctrl-C, Ctrl-Z and window sizes to commands, and keys that no
command has read stay in the terminal's queue for the next prompt.

`Process` knows this protocol; `typeahead.shell.process.bash` and `.zsh` know their shells. Linux (pidfd, prctl).

The shell reads three files in the session's folder and writes records to the FIFO ``records``. It is sent keys
(`Keys`) only while it is, or will be, in its line editor; it reads them in order.

===============  ======================================================================================================
``run``          run what is in ``line``; a report is asked for at once, too
``report``       report (once the line editor is idle again, so that the last line has ended)
``repair``       the same by another way, should the user have broken the first
``check``        tell whether what is in ``check`` (a number, a newline, a line) is a whole command, without running it
===============  ======================================================================================================

Each record is a letter, mostly a blank and a text, and NUL:

========================  =============================================================================================
``I``                     job control is initialised
``R``                     a report may be asked for: the key is read once the line editor runs
``L``                     ``line`` has been read
``X text``                what history expansion made of the line, where it changed it; without text: it failed, nothing
                          runs and ``$?`` stays
``P text``                the prompt after the line, expanded (see `Prompts`); each time before the report
``S text``                the prompt on the right, where the shell has one
``2 text``                the prompt of continued lines
``E emacs`` / ``E vi``    the keys of the line editor; before the first report, then as they change
``H control nl ignore``   ``HISTCONTROL`` and ``HISTIGNORE`` (what `Process.rule_names` says), as they change; a
                          newline between them
``D count status cwd``    the report: lines read so far, ``$?``, directory
``N``                     the file ``names`` says what the shell knows now
``K number answer``       to ``check``: ``whole``, ``open`` (more lines are needed), ``wrong`` (running it prints why)
``C number``              to a question of Tab: see `completing`
========================  =============================================================================================
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import tempfile
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from typeahead import config
from typeahead.shell import syntax
from typeahead.shell.names import Names
from typeahead.shell.process.completing import Completing
from typeahead.shell.process.private import OUR_SIGNALS, Aside, command_of, die_with, make_private, sweep, unread
from typeahead.shell.process.records import Prompts, Report, Told
from typeahead.shell.terminal import Terminal

_TICK_S = 0.2  # between looks at a shell that neither reports nor ends
_LOST_TICKS = 2  # looks after which a report whose key was read counts as lost
# Whether a line is whole: until the shell has read the question, then for its answer. Somebody has just pressed Enter.
_LISTEN_S, _CHECK_S = 0.05, 0.3
_PATIENCE_S = 5.0  # for the start-up file, before the user is told what is being waited for
_LEAVE = re.compile(r"\s*(exit|logout)\b[^;&|\n]*$")


class Outcome(NamedTuple):
    """How a line ended."""

    status: int  # as in ``$?``
    cwd: str  # of the shell, after the line
    ran: bool  # False: Ctrl-C came before the shell had read the line, or its history expansion failed


class Keys(NamedTuple):
    """What is sent on the private terminal, each a short sequence that the shell's start-up file binds."""

    run: bytes
    report: bytes
    repair: bytes
    check: bytes


class Process:
    """A shell as a child process.

    Parameters
    ----------
    terminal : Terminal
        The user's.
    program : str
        Path of the shell.
    cwd : str
        Its directory at start.
    private : bool
        The shell's own history file is left alone, even where the user's start-up file names one.

    Attributes
    ----------
    status, cwd
        Of the last line.
    line : str
        The last line as it was run: after the shell's history expansion.
    history_rules : dict
        What the shell kept out of its history when it read the last line: see `shell.ignore`.
    ready : bool
        The start-up files have been read and the shell waits for a line.
    completing : Completing
        Asks the shell, once it is ready, what may stand at the cursor.
    aside : Aside or None
        Who else is listened to while a command runs.
    exit_status : int or None
        Once the shell has ended: its status, 128 + n if signal n killed it.
    killed_by : int
        That signal, or 0.
    """

    keys: Keys
    rule_names = ("HISTCONTROL", "HISTIGNORE")  # what the two fields of record H are
    completes_files = False  # the shell is asked also for what can only be a file

    def __init__(self, terminal: Terminal, program: str, cwd: str, private: bool = False) -> None:
        self.terminal = terminal
        self.private = private
        self.program = program
        self.status, self.cwd = 0, cwd
        self.ready = False
        self.line = ""
        self.history_rules: dict[str, str] = {}
        self.exit_status: int | None = None
        self.killed_by = 0
        self.pid = 0
        self.pidfd = -1
        self._folder = Path(tempfile.mkdtemp(prefix=f"shell-{os.getpid()}-", dir=config.runtime_dir()))
        self._told = Told(self._folder, self.rule_names)
        self._line_file = self._folder / "line"
        os.mkfifo(self._folder / "records", 0o600)
        # Read-write, so that it never reads as ended between two records.
        self._records = os.open(self._folder / "records", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._master, self._slave = os.openpty()
        make_private(self._slave)
        os.set_blocking(self._master, False)
        self.completing = Completing(self._folder, self._send)
        self.aside: Aside | None = None
        self._inbox = b""
        self._asked = False  # a report has been asked for and has not come
        self._lost_ticks = 0
        self._lines_run = 0
        self._checks, self._answer = 0, ""  # questions whether a line is whole, and what was said to the last
        self._size: tuple[int, int] | None = None
        self._leaving = False  # the last line asked to leave

    # What a kind of shell has to say

    def _arguments(self) -> list[str]:
        raise NotImplementedError

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ, __TA_DIR=str(self._folder), __TA_TTY=self.terminal.path)
        return environment | {"__TA_PRIVATE": "1"} if self.private else environment

    def _open_input(self) -> int:
        """Return what is to be the shell's standard input; called in its process."""
        return self._slave

    def _leave_now(self, line: str) -> str:
        """Return ``line``, which asks to leave for the second time, so that stopped jobs no longer hold it back."""
        return f"builtin jobs &>/dev/null; {line}"

    # What the shell has told

    @property
    def initialised(self) -> bool:
        """The shell has set up job control.

        Until then the terminal must change hands only as the shell itself does it: finding another owner than it
        expects, it would do without job control for the whole session.
        """
        return self._told.initialised

    @property
    def names(self) -> Names | None:
        """What the shell knows, told after each line."""
        return self._told.names

    @property
    def prompts(self) -> Prompts | None:
        """The user's own prompts after the last line; ``None`` until the shell is ready."""
        return self._told.prompts if self.ready else None

    @property
    def editing(self) -> str:
        """Which keys the shell's line editor has: ``emacs`` or ``vi``."""
        return self._told.editing

    # Life

    def start(self) -> None:
        """Fork and run the shell. Returns at once; its start-up files take up to half a second."""
        self._follow_size()
        environment, arguments = self._environment(), self._arguments()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                die_with(parent)
                for number in OUR_SIGNALS:
                    signal.signal(number, signal.SIG_DFL)
                os.dup2(self._open_input(), 0)
                os.closerange(3, 256)
                # Not a process group of its own: an interactive shell makes one and takes the terminal itself.
                os.execve(self.program, arguments, environment)
            finally:
                os._exit(127)
        self.pidfd = os.pidfd_open(self.pid)

    def fileno(self) -> int:
        """Return a file descriptor that is readable when `receive` has something to do."""
        return self._records

    def receive(self) -> Outcome | None:
        """Read what the shell has reported, without waiting; return a report."""
        with suppress(BlockingIOError):
            self._inbox += os.read(self._records, 65536)
        outcome = None
        while b"\0" in self._inbox:
            record, _, self._inbox = self._inbox.partition(b"\0")
            if record == b"R":
                self._ask()
            elif record == b"L":
                self._line_file.unlink(missing_ok=True)  # what has been read need not lie about
            elif record.startswith(b"C "):
                self.completing.receive(record)
            elif record.startswith(b"K "):
                _, number, answer = record.decode("ascii").split(" ")
                self._answer = answer if int(number) == self._checks else ""
            elif (told := self._told.take(record)) is not None and (report := self._report(told)) is not None:
                outcome = report
        return outcome

    def _report(self, report: Report) -> Outcome | None:
        """Take one report; ``None`` for a second answer to a question that was asked twice."""
        if self._unread() > 0:  # our keys are still ahead of the shell, so this answers an earlier one
            return None
        ran = report.lines_run >= self._lines_run
        self._lines_run = report.lines_run
        interrupted = not ran and self._told.expanded != ""
        self.status, self.cwd = 128 + signal.SIGINT if interrupted else report.status, report.cwd
        self._asked, self.ready = False, True
        return Outcome(self.status, self.cwd, ran)

    @property
    def output(self) -> int:
        """A file descriptor that is readable when `read_output` has something."""
        return self._master

    def read_output(self) -> bytes:
        """Return what the start-up files have printed since the last call, without waiting."""
        output = b""
        with suppress(OSError):  # nothing there, or the shell has gone
            while data := os.read(self._master, 65536):
                output += data
        return output

    def poll(self) -> int | None:
        """Return the shell's exit status if it has ended, and keep it in `exit_status`."""
        if self.exit_status is None:
            with suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    code = os.waitstatus_to_exitcode(status)
                    self.killed_by = max(0, -code)
                    self.exit_status = code if code >= 0 else 128 - code
        return self.exit_status

    def close(self) -> None:
        """Hang up on the shell, as a terminal that is closed does, and remove what lies in the runtime folder."""
        if self.pid and self.poll() is None:
            with suppress(ProcessLookupError):
                # What runs in the shell's place must not set the terminal as it goes.
                os.kill(self.pid, signal.SIGKILL if not self.ready and self.replaced_by() else signal.SIGHUP)
                os.kill(self.pid, signal.SIGCONT)
        for fd in (self._master, self._slave, self._records, self.pidfd):
            with suppress(OSError):
                os.close(fd)
        # The shell may still be writing: into a folder of another name it can put nothing more.
        gone = self._folder.with_name(f"{self._folder.name}-gone")
        with suppress(OSError):
            self._folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        sweep(self._folder.parent)

    def replaced_by(self) -> str:
        """Return the path of the program that the start-up files have put in the shell's place; empty for none."""
        path, arguments = command_of(self.pid)
        same = os.path.basename(path) == os.path.basename(os.path.realpath(self.program))
        return "" if not self.initialised or (same and arguments == self._arguments()[1:]) else path

    def settle(self) -> None:
        """Leave the terminal to the start-up files until they have been read, or the shell has ended."""
        with suppress(ProcessLookupError):  # bash's `exec` goes back to the group in which it was started
            self.terminal.give(os.getpgid(self.pid))
        if not self.ready:
            self._wait()
        self.terminal.take()

    # Lines

    def run(self, line: str, interrupted: Callable[[], bool] = lambda: False) -> Outcome | None:
        """Run a line with the terminal handed over, and wait for its end; ``None``: the shell itself has ended.

        Parameters
        ----------
        line : str
            NUL characters, which no shell knows, are left out.
        interrupted : callable
            Asked once Ctrl-C would go to the shell: whether it came before that.
        """
        while not self.initialised and self.poll() is None:
            select.select([self._records, self.pidfd], [], [])
            self.receive()
        self.terminal.give(self.pid)
        try:
            if not self.ready and self._wait(self._explain_the_wait) is None:
                return None
            if interrupted():
                self.status = 128 + signal.SIGINT
                return Outcome(self.status, self.cwd, ran=False)
            self._follow_size()
            leaving = bool(_LEAVE.match(line))
            text = self._leave_now(line) if leaving and self._leaving else line
            self._leaving = leaving
            self._write(self._line_file, text)
            self.completing.stop()
            self.receive()
            self.history_rules, self._told.expanded = self._told.history_rules, None
            self._lines_run += 1
            self._send(self.keys.run)
            self._ask()
            outcome = self._wait()
            self.line = self._told.expanded or line
        finally:
            self.terminal.take()
        if outcome is not None:
            self.terminal.keep(outcome.status)
        return outcome

    def is_complete(self, line: str) -> bool:
        """Return whether Enter should run ``line``: ``False`` where it goes on in the next row.

        The live shell is asked, with its aliases and options; nothing of the line is run. A line that is no command is
        complete, so that the shell says why. That takes some milliseconds, at most 50 where the shell does not listen
        and 300 on a machine that is very busy; then, and for lines that are whole whatever the shell's options are,
        `typeahead.shell.syntax` decides.
        """
        if syntax.is_plain(line):
            return True
        if not self.ready or self._asked:
            return not syntax.is_open(line)
        self.completing.stop()
        self._checks, self._answer = self._checks + 1, ""
        self._write(self._folder / "check", f"{self._checks}\n{line}")
        self._send(self.keys.check)
        asked = time.monotonic()
        while not self._answer and self.poll() is None:
            passed_s = time.monotonic() - asked
            if passed_s > _CHECK_S or (passed_s > _LISTEN_S and unread(self._slave) > 0):
                break
            select.select([self._records, self.pidfd], [], [], _LISTEN_S)
            self.receive()
        return self._answer != "open" if self._answer else not syntax.is_open(line)

    def _write(self, path: Path, text: str) -> None:
        path.unlink(missing_ok=True)  # some file systems flush a file that is written over at once
        path.write_bytes(text.replace("\0", "").encode("utf-8", "surrogateescape"))

    def _wait(self, on_patience: Callable[[], None] | None = None) -> Outcome | None:
        """Wait for the next report, or for the shell's end (``None``)."""
        patience = time.monotonic() + _PATIENCE_S
        while True:
            aside = -1 if self.aside is None else self.aside.fileno()
            watched = [self._records, self.pidfd, self._master, *([aside] if aside >= 0 else [])]
            ready = set(select.select(watched, [], [], _TICK_S)[0])
            if self.aside is not None and aside in ready:
                self.aside.receive()
            if self._master in ready and (output := self.read_output()):
                self.terminal.write(output.decode("utf-8", "surrogateescape"))
            if self._records in ready and (outcome := self.receive()) is not None:
                return outcome
            if self.pidfd in ready and self.poll() is not None:
                return None
            if not ready - {aside}:
                self._look_after()
            if on_patience is not None and time.monotonic() > patience:
                on_patience()
                on_patience = None

    def _look_after(self) -> None:
        """Wake a shell that has stopped itself, and ask again when a report was lost to Ctrl-C."""
        with suppress(ChildProcessError):
            if os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG) is not None:
                os.kill(self.pid, signal.SIGCONT)
        # A command never reads the private terminal: where the key is gone, the line editor has had it.
        if self._asked and self._unread() == 0:
            self._lost_ticks += 1
            if self._lost_ticks >= _LOST_TICKS:
                self._ask(self.keys.report if self._lost_ticks < 2 * _LOST_TICKS else self.keys.repair)
        else:
            self._lost_ticks = 0

    def _explain_the_wait(self) -> None:
        name = os.path.basename(self.program)
        self.terminal.write(f"typeahead: {name} is still reading its start-up files (Ctrl-C interrupts them)\r\n")

    def _ask(self, key: bytes | None = None) -> None:
        self._asked = True
        self._send(key or self.keys.report)

    def _send(self, keys: bytes) -> None:
        with suppress(OSError):  # the shell has gone: its pidfd says so
            os.write(self._master, keys)

    def _unread(self) -> int:
        """Bytes on the private terminal that the shell has not read."""
        return unread(self._slave)

    def _follow_size(self) -> None:
        """Give the private terminal the user's window size, from which the shell sets ``LINES`` and ``COLUMNS``."""
        size = os.get_terminal_size(1)
        if (size.lines, size.columns) != self._size:
            self._size = (size.lines, size.columns)
            termios.tcsetwinsize(self._slave, (size.lines, size.columns))
            if self.ready:
                os.kill(self.pid, signal.SIGWINCH)
