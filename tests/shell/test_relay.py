"""The process between a shell and the daemon, without a shell: a sleeping process stands for it."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shell.own_shell import relay_folder, relay_folders, wait_for_end
from tests.shell.terminal import TableDaemon, is_running, wait_until
from typeahead import __version__, config
from typeahead.shell.client import Client
from typeahead.shell.dialect import join_fields, split_fields
from typeahead.shell.relay import Relay, sweep


class Shell:
    """What bash and fish do, in Python: a process that the relay watches, and the two FIFOs."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(["sleep", "1000"])
        self.folder = relay_folder(self.process.pid)
        self.relay = Relay(self.folder, self.process.pid, Client(autostart=False))
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.relay.run()
        finally:
            self.relay.close()

    def say(self, *fields: str) -> None:
        (self.folder / "questions").write_bytes(join_fields(fields))

    def hear(self) -> list[str]:
        fd = os.open(self.folder / "answers", os.O_RDWR)
        try:
            assert select.select([fd], [], [], 20)[0], "no answer"
            return split_fields(os.read(fd, 65536))
        finally:
            os.close(fd)

    def ask(self, *fields: str) -> list[str]:
        self.say(*fields)
        return self.hear()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def table(serve: Callable[..., TableDaemon]) -> TableDaemon:
    return serve({"a": ["ab", "ac"], "é\t": "é\tx", "long": ["long" + "x" * 900] * 9})


@pytest.fixture
def shell(isolated_home: Path) -> Iterator[Shell]:
    one = Shell()
    yield one
    one.close()


def test_a_question_is_answered_in_the_dialect(table: TableDaemon, shell: Shell) -> None:
    assert shell.ask("suggest", "7", "2", "/tmp", "a") == ["suggest", "7", "warm", "ab", "ac"]
    assert shell.ask("hello", "") == ["hello", __version__, "warm"]


def test_without_a_daemon_a_question_is_answered_with_nothing(shell: Shell) -> None:
    assert shell.ask("suggest", "7", "2", "/tmp", "a") == ["suggest", "7", "offline"]


def test_a_daemon_that_says_nothing_leaves_a_question_with_an_empty_answer(table: TableDaemon, shell: Shell) -> None:
    table.silent = True
    assert shell.ask("suggest", "7", "2", "/tmp", "a")[:2] == ["suggest", "7"]
    assert len(shell.ask("suggest", "8", "2", "/tmp", "a")) == 3


def test_a_question_asked_ahead_is_answered_without_the_daemon_until_something_is_run(
    table: TableDaemon, shell: Shell
) -> None:
    shell.say("ahead", "2", "/tmp", "a")
    wait_until(lambda: table.asked == ["a"], lambda: f"asked: {table.asked}")
    shell.ask("suggest", "1", "2", "/tmp", "a")
    assert shell.ask("suggest", "2", "2", "/tmp", "a")[3:] == ["ab", "ac"]
    assert table.asked == ["a"]
    shell.say("record", "0", "", "0.5", "0", "/tmp", "ls")
    assert shell.ask("suggest", "3", "2", "/tmp", "a")[3:] == ["ab", "ac"]
    assert table.asked == ["a", "a"]


def test_an_answer_that_was_not_read_gives_way_to_the_next(table: TableDaemon, shell: Shell) -> None:
    shell.say("hello", "")
    shell.say("suggest", "1", "1", "/tmp", "nothing")
    wait_until(lambda: table.asked == ["nothing"], lambda: f"asked: {table.asked}")
    heard = shell.ask("suggest", "2", "1", "/tmp", "a")
    while heard[:2] != ["suggest", "2"]:
        heard = shell.hear()
    assert heard[3:] == ["ab"]


def test_an_answer_fits_into_one_write(table: TableDaemon, shell: Shell) -> None:
    heard = shell.ask("suggest", "7", "9", "/tmp", "long")
    assert heard[3:] == ["long" + "x" * 900] * 4


def test_a_record_reaches_the_daemon_whole(table: TableDaemon, shell: Shell) -> None:
    shell.say("record", "0", "1000,5", "2,5", "3", "/a\tb", "one\n\\two")
    shell.say("record", "0", "1000.5", "2.5", "3", "/a\tb", "one\n\\two")
    shell.say("record", "0", "", "", "", "", "bare")
    wait_until(lambda: "bare" in table.lines, lambda: f"recorded: {table.lines}")
    record = table.records[-2]
    told = {name: record[name] for name in ("command", "cwd", "status", "started", "duration_s")}
    assert told == {"command": "one\n\\two", "cwd": "/a\tb", "status": 3, "started": 1000.5, "duration_s": 2.5}
    assert (table.records[-1]["status"], table.records[-1]["cwd"]) == (None, None)


@given(st.binary(max_size=200))
def test_whatever_a_shell_writes_the_next_question_is_answered(junk: bytes) -> None:
    config.runtime_dir.cache_clear()
    shell = Shell()
    try:
        (shell.folder / "questions").write_bytes(junk.replace(b"stop", b"") + b"\n")
        heard = shell.ask("suggest", "last", "1", "/tmp", "a")
        while heard[:2] != ["suggest", "last"]:
            heard = shell.hear()
    finally:
        shell.close()


def test_it_ends_with_its_shell_and_stores_what_no_daemon_took(isolated_home: Path) -> None:
    from tests.shell.own_shell import stored

    shell = Shell()
    shell.say("record", "0", "1000.5", "2.5", "3", "/tmp", "last words")
    shell.close()
    assert [(one.command, one.status, one.started) for one in stored()] == [("last words", 3, 1000.5)]
    assert not relay_folders()


def test_a_shell_has_one_relay_only(shell: Shell) -> None:
    with pytest.raises(BlockingIOError):
        Relay(shell.folder, shell.process.pid, Client(autostart=False))
    assert shell.ask("hello", "")[0] == "hello"


def test_folders_of_dead_shells_are_swept_and_of_living_ones_kept(shell: Shell) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    for name in (f"relay-{dead.pid}", "relay-x", "other-1"):
        (shell.folder.parent / name).mkdir()
    sweep(shell.folder.parent)
    left = {path.name for path in shell.folder.parent.iterdir()} - {"daemon.sock"}
    assert left == {shell.folder.name, "relay-x", "other-1"}
    shutil.rmtree(shell.folder.parent / "relay-x")


def test_started_as_a_job_it_leaves_the_session_and_ends_on_sigterm(table: TableDaemon) -> None:
    shell = subprocess.Popen(["sleep", "1000"])
    command = [sys.executable, "-P", "-m", "typeahead.shell.relay", str(shell.pid), "s"]
    job = subprocess.Popen(command, process_group=0)  # of which it is the leader, as under job control
    assert job.wait(20) == 0
    path = relay_folder(shell.pid) / "pid"
    pid = int(wait_until(lambda: path.exists() and path.read_text(), lambda: "no process"))
    assert os.getsid(pid) != os.getsid(0)
    assert is_running(pid)
    os.kill(pid, signal.SIGTERM)
    wait_for_end(pid)
    assert not relay_folders()
    shell.kill()
    shell.wait()
