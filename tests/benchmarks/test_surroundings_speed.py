"""What the surroundings cost at a key: a PATH of 3,000 executables and a directory of 10,000 files.

    uv run pytest -s -m benchmark tests/benchmarks/test_surroundings_speed.py

Cold: nothing is known yet, as after the start of the daemon. After a command: everything is looked at again, most is as
it was. Warm: the next key within the second. The caller's budget is the default one, so that answers may be missing;
how many came is printed beside the times.
"""

import os
import subprocess
import time

import pytest

from typeahead.text.surroundings import Disk, Surroundings
from typeahead.text.surroundings.listings import MAX_NAMES

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]
NUM_KEYS = 300
WORDS = ["c", "command1", "cat ", "cat file1", "cat file123", "cd ", "python ", "git switch ", "make ", "cat sub/"]
LINES = ["cat file123.txt", "cat file.none", "command12 x", "nosuch", "cd sub", "cd none", "ls | nosuch", "git status"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("speed")
    for number in range(10):
        (root / f"bin{number}").mkdir()
        for index in range(300):
            (root / f"bin{number}" / f"command{10 * index + number}").touch(mode=0o755)
    for name in ("work", "work/sub", "huge"):
        (root / name).mkdir()
    for number in range(10_000):
        (root / "work" / f"file{number}.txt").touch()
    for number in range(MAX_NAMES):
        os.close(os.open(root / "huge" / f"entry{number}", os.O_CREAT | os.O_WRONLY))
    (root / "work" / "Makefile").write_text("all: x\nclean:\n")
    (root / "work" / "sub" / "x").touch()
    git = ["git", "-C", str(root / "work"), "-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    for command in ("init -q", "commit -q --allow-empty -m x", *(f"branch topic/{number}" for number in range(100))):
        subprocess.run([*git, *command.split()], check=True)
    return root


def session(place, disk):
    path = ":".join(str(place / f"bin{number}") for number in range(10))
    return Surroundings({"PATH": path, "HOME": str(place)}, names=["ll", "gst"], disk=disk)


def report(what, times_ms, found):
    times_ms.sort()
    p50, p99 = times_ms[len(times_ms) // 2], times_ms[int(0.99 * (len(times_ms) - 1))]
    print(f"{what:45} p50 {p50:7.3f} ms   p99 {p99:7.3f} ms   max {times_ms[-1]:7.3f} ms   {found}")


def measure(what, call, prepare, num_keys=NUM_KEYS, pause_s=0.002, settle_s=0.0):
    times_ms, found = [], []
    for _ in range(num_keys):
        prepare()
        time.sleep(pause_s)
        started = time.perf_counter()
        found.append(call())
        times_ms.append(1000 * (time.perf_counter() - started))
        while found[-1] in ([], None) and time.perf_counter() < started + settle_s and call() in ([], None):
            time.sleep(0.02)  # what the measured call has begun must not run beside the next one
        time.sleep(settle_s / 5)
    known = [answer for answer in found if answer not in ([], None)]
    report(what, times_ms, f"answered {len(known)} of {len(found)}")


@pytest.mark.parametrize("line", WORDS)
def test_words(line, place):
    cwd, disks = str(place / "work"), []

    def start():
        disks.append(Disk())

    print()
    measure(f"words {line!r}, cold", lambda: session(place, disks[-1]).words(line, cwd), start, 20, settle_s=0.5)
    warm = session(place, Disk())
    deadline = time.monotonic() + 5
    while not warm.words(line, cwd) and time.monotonic() < deadline:
        time.sleep(0.2)
    measure(f"words {line!r}, after a command", lambda: warm.words(line, cwd), warm.expire)
    measure(f"words {line!r}, warm", lambda: warm.words(line, cwd), lambda: None)
    for disk in [*disks, warm.disk]:
        disk.close()


def test_is_valid(place):
    cwd = str(place / "work")
    for line in LINES:
        print()
        disks = []

        def judge(surroundings, line=line):
            return None if surroundings.is_valid(line, cwd) and "no" in line else "known"

        measure(
            f"is_valid {line!r}, cold",
            lambda judge=judge, disks=disks: judge(session(place, disks[-1])),
            lambda disks=disks: disks.append(Disk()),
            20,
            settle_s=0.5,
        )
        warm = session(place, Disk())
        warm.is_valid(line, cwd)
        time.sleep(0.1)
        measure(f"is_valid {line!r}, after a command", lambda judge=judge, warm=warm: judge(warm), warm.expire)
        measure(f"is_valid {line!r}, warm", lambda judge=judge, warm=warm: judge(warm), lambda: None)
        for disk in [*disks, warm.disk]:
            disk.close()
    warm = session(place, Disk())
    lines = LINES[:6] * 2
    warm.are_valid(lines, cwd)
    time.sleep(0.1)
    print()
    measure("are_valid of 12 lines, after a command", lambda: warm.are_valid(lines, cwd), warm.expire)
    measure("are_valid of 12 lines, warm", lambda: warm.are_valid(lines, cwd), lambda: None)
    warm.disk.close()


def test_a_directory_of_a_hundred_thousand_entries(place):
    surroundings = session(place, Disk())
    cwd = str(place / "huge")
    times_ms, started, num_keys = [], time.perf_counter(), 0
    print()
    while True:
        before = time.perf_counter()
        words = surroundings.words("cat entry9999", cwd)
        times_ms.append(1000 * (time.perf_counter() - before))
        num_keys += 1
        if words or time.perf_counter() - started > 30:
            break
        time.sleep(0.02)
    report(
        "words in 100,000 entries while they are read", times_ms, f"{time.perf_counter() - started:.2f} s until known"
    )
    measure("words in 100,000 entries, after a command", lambda: surroundings.words("cat ", cwd), surroundings.expire)
    measure("words in 100,000 entries, warm", lambda: surroundings.words("cat entry1", cwd), lambda: None)
    surroundings.disk.close()
