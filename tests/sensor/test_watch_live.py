"""The whole `typeahead watch` on a terminal: readings through a pipe, keys from the keyboard."""

from __future__ import annotations

import math
import os
import random
import re
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.shell.terminal import Terminal, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parent.parent.parent
PATIENCE_S = 120.0  # the machine may be busy, and kernels not compiled yet
until = partial(wait_until, patience_s=PATIENCE_S)
WATCH = [sys.executable, "-m", "typeahead", "watch"]
ALARM = r"[\d-]+ [\d:]+  load: \d{4,}, expected \d+"


class Live:
    """`typeahead watch` in a bash on a terminal, at the end of a pipe that the test fills."""

    def __init__(self, terminal: Terminal, pipe: Path) -> None:
        self.terminal, self._path = terminal, pipe
        self._pipe = -1
        self._draw = random.Random(5)
        self._count = 0

    def start(self, *args: str, header: str = "load,other", environment: str = "") -> None:
        command = f"cat {self._path} | {environment} {' '.join([*WATCH, *args])}"
        self.terminal.run(command)
        self._pipe = os.open(self._path, os.O_WRONLY)  # waits for the cat
        self.write(header)

    def write(self, text: str) -> None:
        os.write(self._pipe, f"{text}\n".encode())

    def read(self, count: int) -> None:
        """Give steady readings."""
        for _ in range(count):
            self._count += 1
            load, other = (50 + 5 * math.sin(self._count / phase) + self._draw.gauss(0, 1) for phase in (9, 40))
            self.write(f"{load:.2f},{other:.2f}")

    def read_odd(self) -> None:
        """Give ever larger readings, some steady ones apart, until one is alarming."""
        spike = 1000

        def is_alarming() -> bool:
            nonlocal spike
            self.write(f"{spike},50")
            self._count, spike = self._count + 1, spike * 3
            self.read(60)
            time.sleep(0.5)
            return any(re.match(ALARM, row) for row in self.terminal.screen())

        until(is_alarming, self.terminal.screen)

    def see(self, pattern: str) -> str:
        """Wait until a row begins like this; return it."""

        def row() -> str | None:
            return next((row for row in self.terminal.screen() if re.match(pattern, row)), None)

        return str(until(row, lambda: (pattern, self.terminal.screen())))

    def close_pipe(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def left(self, status: int) -> list[str]:
        """Wait for the end; return the rows, of which none is the view's."""
        self.close_pipe()  # `cat`, too, ends then
        self.see(rf"status {status} \$$")
        assert not any(re.match(r"(calm|learning|ALARM) |load +[▁-█▲▼]", row) for row in self.terminal.screen())
        assert self.terminal.shown("#{cursor_flag}") == "1"
        self.terminal.run("stty -a | grep -ow echo")
        self.see("echo$")
        return self.terminal.all_rows()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    os.mkfifo(tmp_path / "pipe")
    bash = ["bash", "--norc", "--noprofile"]
    terminal = Terminal(bash, tmp_path, PS1="status $? $ ", PYTHONPATH=str(ROOT), TERM="xterm-256color")
    live = Live(terminal, tmp_path / "pipe")
    try:
        yield live
    finally:
        live.close_pipe()
        terminal.close()


def test_an_alarm_is_shown_as_it_comes_stays_when_the_view_goes_and_q_leaves(live: Live) -> None:
    live.terminal.run("echo before")
    live.start("--exec", "'echo ran for $TYPEAHEAD_SERIES'")
    live.read(1200)
    live.see("calm  score")
    live.see("1,200 readings")
    live.read_odd()
    live.see("--exec: ran for ")
    for columns, lines in [(40, 10), (20, 5), (100, 30), (80, 24)]:
        live.terminal.resize(columns, lines)
        live.read(3)
        # One view, no row of which is broken, and nothing left of the one before.
        until(lambda: is_view(live.terminal.screen(), lines), live.terminal.screen)  # noqa: B023 (called here)
    live.terminal.press("q")
    live.see("typeahead: [0-9,]+ readings of 2 series")  # the pipe is still open
    rows = live.left(0)
    assert "before" in rows
    assert any(re.match(ALARM, row) for row in rows)


def is_view(screen: list[str], lines: int) -> bool:
    """Tell whether a screen ends with one view."""
    found = [number for number, row in enumerate(screen) if re.match(r"(calm|learning|ALARM)\b.*", row)]
    series = [number for number, row in enumerate(screen) if re.match(r"(load|other)\b", row)]
    return len(found) == 1 and (lines < 10 or len(series) == 2) and all(number > found[0] for number in series)


def test_a_hostile_header_drives_nothing_ctrl_z_gives_the_terminal_back_and_ctrl_c_saves(
    live: Live, tmp_path: Path
) -> None:
    live.start("--save", "m.safetensors", header='"lo\x1b[2J\x1b]0;pwned\x07ad",b', environment="LC_ALL=C NO_COLOR=1")
    live.read(300)
    live.see(r"lo\\x1b\[2J\\x1b")
    live.see("300 readings")
    screen = "\n".join(live.terminal.screen(colours=True))
    assert screen.isascii()
    assert "\x1b[3" not in screen  # no colour
    assert live.terminal.title() != "pwned"
    live.terminal.press("C-z")
    live.see(r"\[1\]\+ +Stopped")
    live.terminal.run("clear; stty -a | grep -ow echo; fg")
    live.see("echo$")
    live.see("300 readings")
    live.read(5)
    live.see("305 readings")
    live.terminal.press("C-c")
    rows = live.left(130)
    assert "Traceback" not in "\n".join(rows)
    assert (tmp_path / "m.safetensors").exists()
