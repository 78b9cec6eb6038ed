"""The process between one's own bash or fish and the daemon: neither can read a socket. Standard library only.

A shell starts one in the background at its first prompt::

    python -P -m typeahead.shell.relay PID SESSION

It makes the folder ``relay-PID`` (mode 0700) in `typeahead.config.runtime_dir`, ``PID`` the shell's. In it lie two
FIFOs, ``questions`` and ``answers``, and, once both can be used, the file ``pid`` with this process's id. This process
holds both ends of both, so that neither side ever waits in an open. The shell writes requests of the plain dialect
(`typeahead.shell.dialect`):

==================================================== =================================================================
suggest ID N CWD PREFIX                              answered within `DEADLINE_S`, whatever the daemon does, by
                                                     suggest ID STATE LINE...; none of a daemon that is away or slow
ahead N CWD PREFIX                                   not answered; the same question will come
record ID STARTED DURATION_S STATUS CWD COMMAND      not answered; kept until a daemon has stored it
names                                                not answered; the shell has written into the file ``names`` what it
                                                     knows (`typeahead.shell.names`)
names NAME...                                        not answered; the same for aliases and functions alone
forget ID LINE                                       not answered
hello SESSION                                        hello VERSION STATE
stop                                                 this process ends
==================================================== =================================================================

What the daemon says too late is kept: the same question, asked again, is answered at once.

It ends with its shell, however that ends: what no daemon has taken is written to the store, and the folder removed.
"""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from typeahead import __version__, config
from typeahead.shell import names
from typeahead.shell.client import Client
from typeahead.shell.dialect import join_fields, split_fields
from typeahead.shell.protocol import MAX_PREFIX, is_safe

DEADLINE_S = 0.015  # for an answer; the shell itself gives up after 20 ms
_PATIENCE_S = 2.0  # with a question that is asked again before it is answered
_CHECK_S = 5.0  # between looks whether the shell's process has become another program
_MAX_ANSWER_BYTES = 4000  # written to a FIFO in one piece
_MAX_REQUEST_BYTES = 1 << 20
_MAX_KEPT = 50  # answers

Question = tuple[str, str, int]  # prefix, directory, number of suggestions


class Relay:
    """One shell's way to the daemon.

    Parameters
    ----------
    folder : path
        Where the FIFOs are made; a name of its own in a private folder.
    pid : int
        The shell's process.
    client : Client
        The connection to the daemon.
    """

    def __init__(self, folder: Path, pid: int, client: Client) -> None:
        self._folder = folder
        self._shell = _Shell(pid)
        self._client = client
        self._inbox = bytearray()
        self._asked: tuple[int, Question, float] | None = None  # the client's id, what it is about, since when
        self._kept: dict[Question, list[str]] = {}
        self._waiting: tuple[str, Question, float] | None = None  # the shell's id, its question, until when
        self._state = client.state
        self._names = b""
        self._stopping = False
        client.on_forgotten = lambda _: self._kept.clear()
        folder.mkdir(mode=0o700, exist_ok=True)
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._questions = _open_fifo(folder / "questions")
        self._answers = _open_fifo(folder / "answers")
        _write_whole(folder / "pid", f"{os.getpid()}\n")

    def run(self) -> None:
        """Answer until the shell has ended."""
        while not self._stopping:
            self._client.tick()
            ready = self._wait()
            if self._client.fileno() in ready:
                self._receive()
            ended = self._shell.has_ended()
            self._read_questions()  # also the last words of a shell that has ended
            self._stopping = self._stopping or ended
            self._keep_the_deadline()

    def close(self) -> None:
        """Store what the daemon has not taken and leave nothing behind."""
        self._client.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait(self) -> list[int]:
        waits = [_CHECK_S, self._client.retry_s]
        if self._waiting is not None:
            waits.append(max(0.0, self._waiting[2] - time.monotonic()))
        descriptors = [fd for fd in (self._questions, self._shell.fileno(), self._client.fileno()) if fd >= 0]
        return select.select(descriptors, [], [], min(wait for wait in waits if wait is not None))[0]

    def _read_questions(self) -> None:
        self._inbox += _read_all(self._questions)
        *lines, rest = bytes(self._inbox).split(b"\n")
        self._inbox = bytearray(rest if len(rest) < _MAX_REQUEST_BYTES else b"")
        for line in lines:
            # What a shell of another version says may be anything: it goes unheard.
            with suppress(ValueError, IndexError):
                self._handle(*split_fields(line))

    def _handle(self, op: str, *fields: str) -> None:
        if op == "suggest":
            question_id, n, cwd, prefix = fields
            self._suggest(question_id, (prefix, cwd, int(n)))
        elif op == "ahead":
            n, cwd, prefix = fields
            self._ask((prefix, cwd, int(n)))
        elif op == "record":
            self._record(list(fields))
        elif op == "names":
            self._tell_names(list(fields))
        elif op == "forget":
            self._kept.clear()
            self._client.forget(fields[1])
        elif op == "hello":
            self._answer("hello", __version__, self._client.state)
        elif op == "stop":
            self._stopping = True

    def _suggest(self, question_id: str, question: Question) -> None:
        if question in self._kept:
            self._answer("suggest", question_id, self._client.state, *self._kept[question])
            return
        self._waiting = (question_id, question, time.monotonic() + DEADLINE_S)
        if len(question[0]) > MAX_PREFIX or not self._ask(question):
            self._waiting = None
            self._answer("suggest", question_id, self._client.state)

    def _ask(self, question: Question) -> bool:
        """Put a question to the daemon; return whether one is there. The one before is forgotten."""
        now = time.monotonic()
        if self._asked is None or self._asked[1] != question or now > self._asked[2] + _PATIENCE_S:
            prefix, cwd, n = question
            self._asked = (self._client.suggest(prefix, cwd, n), question, now)
        return self._client.fileno() >= 0

    def _record(self, fields: list[str]) -> None:
        _, started, duration, status, cwd, command = fields
        self._kept.clear()
        self._asked = None
        duration_s = float(duration) if duration else None
        # A shell that has no clock tells the duration alone.
        began = float(started) if started else time.time() - (duration_s or 0.0)
        self._client.record(command, cwd or None, int(status) if status else None, began, duration_s)

    def _tell_names(self, known: list[str]) -> None:
        """Tell the daemon what the shell knows now, where that has changed."""
        if known:
            self._client.names(known)
            return
        with suppress(OSError):
            data = (self._folder / "names").read_bytes()
            if data != self._names:
                self._names = data
                self._client.names(*names.read(data))

    def _receive(self) -> None:
        replies = self._client.receive()
        if self._client.state != self._state:  # another model answers now
            self._state = self._client.state
            self._kept.clear()
        for reply in replies:
            if self._asked is None or reply.id != self._asked[0]:
                continue
            question, self._asked = self._asked[1], None
            texts = [one.text for one in reply.suggestions if is_safe(one.text)]
            self._keep(question, texts)
            if self._waiting is not None and self._waiting[1] == question:
                question_id, self._waiting = self._waiting[0], None
                self._answer("suggest", question_id, reply.state, *texts)

    def _keep(self, question: Question, texts: list[str]) -> None:
        if len(self._kept) >= _MAX_KEPT:
            self._kept.clear()
        self._kept[question] = texts

    def _keep_the_deadline(self) -> None:
        if self._waiting is not None and time.monotonic() >= self._waiting[2]:
            question_id, self._waiting = self._waiting[0], None
            self._answer("suggest", question_id, self._client.state)

    def _answer(self, *fields: str) -> None:
        """Write an answer in place of whatever the shell has not read."""
        kept = list(fields)
        while len(line := join_fields(kept)) > _MAX_ANSWER_BYTES and len(kept) > 3:
            kept.pop()
        _read_all(self._answers)
        with suppress(BlockingIOError):
            os.write(self._answers, line)


class _Shell:
    """The process that the relay serves."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._program = self._executable()
        self._fd = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1

    def fileno(self) -> int:
        """Return what becomes readable when the shell ends; -1 where the system has no such thing."""
        return self._fd

    def has_ended(self) -> bool:
        """Return whether the shell is gone, or its process runs another program now (``exec zsh``)."""
        if self._fd >= 0 and select.select([self._fd], [], [], 0)[0]:
            return True
        try:
            os.kill(self._pid, 0)
        except OSError:
            return True
        return self._executable() != self._program

    def _executable(self) -> str:
        try:
            return os.readlink(f"/proc/{self._pid}/exe")
        except OSError:
            return ""


def _open_fifo(path: Path) -> int:
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK)  # both ends: nobody waits for the other side to open


def _read_all(fd: int) -> bytes:
    data = b""
    with suppress(BlockingIOError):
        while more := os.read(fd, 65536):
            data += more
    return data


def _write_whole(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}")
    draft.write_text(text)
    draft.replace(path)


def sweep(folder: Path) -> None:
    """Remove what relays that were killed have left behind: folders ``relay-PID`` of processes that have ended."""
    for path in folder.glob("relay-*"):
        pid = path.name.partition("-")[2]
        if pid.isdecimal():
            try:
                os.kill(int(pid), 0)
            except ProcessLookupError:
                shutil.rmtree(path, ignore_errors=True)
            except OSError:
                continue


def _detach() -> None:
    """Leave the shell's terminal, job table, folder and open files."""
    try:
        os.setsid()
    except PermissionError:  # a job of its own, as in fish
        if os.fork():
            os._exit(0)
        os.setsid()
    os.chdir("/")
    os.closerange(3, 256)
    for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGTSTP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def run(pid: int, session: str) -> None:
    """Be the relay of the shell ``pid`` until that ends.

    Raises
    ------
    ConfigError
        There is no private folder.
    """
    folder = config.runtime_dir()
    sweep(folder)
    try:
        relay = Relay(folder / f"relay-{pid}", pid, Client(session=session))
    except (BlockingIOError, ProcessLookupError):  # the shell has one already, or has ended
        return
    try:
        relay.run()
    finally:
        relay.close()


if __name__ == "__main__":
    _detach()
    run(int(sys.argv[1]), sys.argv[2])
