"""Look-ups that never wait: disks that hang are made of events here, for no real one hangs on demand."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from typeahead.text.surroundings import Disk, FileSystem, Surroundings
from typeahead.text.surroundings import disk as disk_module
from typeahead.text.surroundings.disk import UNKNOWN, Answer, Glance
from typeahead.text.surroundings.listings import Status, read_status


class DeadMount(FileSystem):
    """A file system some directories of which hang until they are let go."""

    def __init__(self, *dead: Path) -> None:
        self.dead = [str(path) for path in dead]
        self.released = threading.Event()
        self.calls: list[str] = []

    def _pass(self, path: str) -> None:
        self.calls.append(path)
        if not self.released.is_set() and any(f"{path}/".startswith(f"{dead}/") for dead in self.dead):
            self.released.wait()

    def stat(self, path: str, follow: bool = True):
        self._pass(path)
        return super().stat(path, follow)

    def scandir(self, path: str) -> Iterator[tuple[str, str]]:
        self._pass(path)
        return super().scandir(path)

    def read(self, path: str, limit: int) -> bytes:
        self._pass(path)
        return super().read(path, limit)


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[DeadMount]:
    """Yield a file system in which `dead` hangs and `alive` does not; let its threads go in the end."""
    for name in ("dead", "dead/inner", "alive"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file.txt").touch()
    made = DeadMount(tmp_path / "dead")
    yield made
    made.released.set()


def ask(disk: Disk, path: Path | str, budget_s: float = 0.005) -> Answer[Status]:
    return Glance(disk, time.monotonic() + budget_s).at(read_status, str(path))


def wait_until_known(disk: Disk, path: Path | str) -> Answer[Status]:
    for _ in range(1000):
        answer = ask(disk, path, 0.01)
        if answer.known:
            return answer
        time.sleep(0.01)
    pytest.fail(f"nothing has come back for {path}")


def test_what_does_not_exist_is_known_not_to_and_what_may_not_be_looked_at_is_unknown(tmp_path: Path) -> None:
    disk = Disk()
    (tmp_path / "file").touch()
    assert ask(disk, tmp_path / "file", 5) == Answer(Status(False, False), True)
    assert ask(disk, tmp_path / "none", 5) == Answer(None, True)
    assert ask(disk, tmp_path / "file" / "below", 5) == Answer(None, True)
    assert ask(disk, "/nul\0", 5) == UNKNOWN
    disk.close()


def test_an_answer_is_served_from_memory_and_looked_for_again_after_a_command(tmp_path: Path) -> None:
    file_system = DeadMount()
    disk = Disk(file_system)
    path = tmp_path / "later"
    assert ask(disk, path, 5) == Answer(None, True)
    for _ in range(10):
        ask(disk, path, 5)
    assert file_system.calls.count(str(path)) == 1
    path.touch()
    disk.expire()
    assert ask(disk, path, 5).value == Status(False, False)
    disk.close()


def test_a_hanging_directory_is_unknown_and_the_others_answer(mount: DeadMount, tmp_path: Path) -> None:
    disk = Disk(mount)
    assert ask(disk, tmp_path / "dead" / "file.txt") == UNKNOWN
    assert ask(disk, tmp_path / "alive" / "file.txt", 5).known
    mount.released.set()
    assert wait_until_known(disk, tmp_path / "dead" / "file.txt").value == Status(False, False)
    assert disk.num_hung == 0
    disk.close()


def test_a_directory_that_hangs_is_left_alone_and_costs_few_threads(
    mount: DeadMount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_module, "LATE_S", 0.02)
    monkeypatch.setattr(disk_module, "BACK_OFF_S", 0.05)
    before = threading.active_count()
    disk = Disk(mount)
    for number in range(40):
        ask(disk, tmp_path / "dead" / f"file{number}")
        assert ask(disk, tmp_path / "alive" / "file.txt", 5).known
        time.sleep(0.01)
    assert 1 <= disk.num_hung <= disk_module.MAX_HUNG_IN_PLACE
    assert len([path for path in mount.calls if "/dead/" in path]) <= disk_module.MAX_HUNG_IN_PLACE
    assert threading.active_count() - before <= disk_module.NUM_WORKERS + disk_module.MAX_HUNG_IN_PLACE + 1
    mount.released.set()
    assert wait_until_known(disk, tmp_path / "dead" / "file3") == Answer(None, True)
    disk.close()


def test_many_hanging_directories_leave_a_bounded_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_module, "LATE_S", 0.001)
    before = threading.active_count()
    mount = DeadMount(tmp_path)
    disk = Disk(mount)
    try:
        for number in range(60):
            ask(disk, tmp_path / str(number) / "file", 0.002)
        assert disk.num_hung <= disk_module.MAX_HUNG
        assert threading.active_count() - before <= disk_module.MAX_HUNG + disk_module.NUM_WORKERS
    finally:
        mount.released.set()
    wait_until_known(disk, tmp_path / "0" / "file")
    disk.close()


def test_a_look_up_that_waits_for_threads_that_hang_is_made_when_they_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_module, "LATE_S", 0.1)
    mount = DeadMount(*(tmp_path / f"dead{number}" for number in range(disk_module.NUM_WORKERS)))
    disk = Disk(mount)
    for number in range(disk_module.NUM_WORKERS):
        assert not ask(disk, tmp_path / f"dead{number}" / "file", 0.001).known
    assert wait_until_known(disk, tmp_path).value == Status(True, False)
    mount.released.set()
    disk.close()


def test_a_mount_of_another_machine_is_left_alone_as_a_whole(
    mount: DeadMount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_module, "LATE_S", 0.02)
    read = mount.read
    table = f"36 35 98:0 / / rw - ext4 /dev/a rw\n37 36 0:5 / {tmp_path}/dead rw shared:1 - nfs4 server:/x rw\n"
    monkeypatch.setattr(
        mount, "read", lambda path, limit: table.encode() if path.startswith("/proc/") else read(path, limit)
    )
    disk = Disk(mount)
    ask(disk, tmp_path / "dead" / "inner" / "file.txt")
    time.sleep(0.05)
    ask(disk, tmp_path / "alive" / "file.txt", 5)  # this look finds the other one late
    mount.calls.clear()
    assert ask(disk, tmp_path / "dead" / "file.txt") == UNKNOWN
    assert mount.calls == []
    disk.close()


def test_words_and_judgement_go_on_while_a_disk_hangs(mount: DeadMount, tmp_path: Path) -> None:
    environ = {"PATH": f"{tmp_path}/dead:{tmp_path}/alive", "HOME": f"{tmp_path}/dead"}
    (tmp_path / "alive" / "program").touch(mode=0o755)
    surroundings = Surroundings(environ, disk=Disk(mount))
    for line in ("cat dead/", "cat ~/", "cd dead/in", "ssh ", "git checkout "):
        surroundings.words(line, str(tmp_path))
    for line in ("cat dead/none", "cat ~/none", "cd dead/none", "nosuch", "dead/none x"):
        assert surroundings.is_valid(line, str(tmp_path)), line
    cwd = str(tmp_path / "alive")
    surroundings.budget_ms = 5000
    mount.released.set()
    wait_until_known(surroundings.disk, tmp_path / "dead" / "file.txt")
    assert [word.text for word in surroundings.words("progr", cwd)] == ["program"]
    assert not surroundings.is_valid("nosuch", cwd)
    assert not surroundings.is_valid("cat ~/none", cwd)
    surroundings.disk.close()


def test_the_end_of_the_process_does_not_wait_for_a_thread_that_hangs() -> None:
    program = """
import threading, time
from typeahead.text.surroundings import Disk, FileSystem, Surroundings
class Dead(FileSystem):
    def stat(self, path, follow=True):
        threading.Event().wait()
surroundings = Surroundings({"PATH": "/bin"}, disk=Disk(Dead()))
assert surroundings.words("cat /", "/") == []
assert surroundings.is_valid("nosuch", "/")
print("done")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("done\n", "", 0)


def test_a_fault_in_a_reader_is_reported_and_the_look_ups_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: reported.append(args.exc_type))
    disk = Disk()

    def broken(file_system: FileSystem, path: str, old: int | None) -> int:
        raise ZeroDivisionError

    for _ in range(3):
        assert disk.look(broken, str(tmp_path / "x"), time.monotonic() + 5) == UNKNOWN
        disk.expire()
    assert ask(disk, tmp_path, 5).value == Status(True, False)
    disk.close()
    assert set(reported) == {ZeroDivisionError}


def test_look_ups_after_closing_are_answered(tmp_path: Path) -> None:
    disk = Disk()
    for _ in range(50):
        disk.expire()
        assert ask(disk, tmp_path, 30).value == Status(True, False)
        disk.close()


def test_a_thread_without_work_ends_and_work_that_comes_then_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_module, "IDLE_S", 0.002)
    before = threading.active_count()
    disk = Disk()
    for number in range(100):
        disk.expire()
        assert ask(disk, tmp_path, 30).value == Status(True, False)
        time.sleep(0.0005 * (number % 8))
    deadline = time.monotonic() + 30
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_answers_are_bounded_in_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_module, "MAX_ANSWERS", 10)
    file_system = DeadMount()
    disk = Disk(file_system)
    for number in [*range(30), 29, 0]:
        ask(disk, tmp_path / str(number), 5)
    assert file_system.calls.count(str(tmp_path / "29")) == 1
    assert file_system.calls.count(str(tmp_path / "0")) == 2
    disk.close()


def test_several_threads_may_ask_at_once(tmp_path: Path) -> None:
    disk = Disk()
    (tmp_path / "file").touch()
    wrong: list[object] = []

    def work() -> None:
        for number in range(200):
            disk.expire()
            found = ask(disk, tmp_path / ("file" if number % 2 else f"none{number % 7}"), 30)
            if found != Answer(Status(False, False) if number % 2 else None, True):
                wrong.append(found)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    disk.close()
