"""The whole `typeahead listen`, hearing a virtual microphone through PortAudio: on a terminal, into a pipe, as a child.

What is recognised is the stand-in model's business here; with the shipped one, where there are recordings to play:
`BENCHMARK_VOICE_DATA` names the folder ``validation_clips`` of data/speech.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.shell.terminal import Terminal, children_named, is_running, wait_until
from tests.voice import stand_in
from tests.voice.virtual_microphone import VirtualMicrophone
from typeahead import config
from typeahead.cli import EXIT_BROKEN_PIPE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parent.parent.parent
PATIENCE_S = 200.0  # the machine may be busy, and kernels not compiled yet
until = partial(wait_until, patience_s=PATIENCE_S)
LISTEN = [sys.executable, "-m", "typeahead", "listen"]
READY = "dropped"  # a word that only the view has, and no other row


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return the stand-in model, whose kernels are compiled by then."""
    path = stand_in.model(tmp_path)
    stand_in.detector().push(stand_in.sentence("go"))
    return path


def heard(screen: list[str]) -> list[str]:
    """Return the words among what stands on a screen."""
    matches = [re.match(r"(\w+) +[01]\.\d\d +\d+\.\d\d s", row) for row in screen]
    return [match[1] for match in matches if match]


def shows(screen: list[str], view: list[str]) -> bool:
    """Tell whether a screen ends with rows that begin as the view's do, once."""
    found = [row for row in screen if row]
    if len(found) < len(view) or not all(
        row.startswith(tuple(starts.split())) for row, starts in zip(found[-len(view) :], view, strict=True)
    ):
        return False
    return sum(row.startswith("level") for row in found) == 1


class Live:
    """`typeahead listen` in a bash on a terminal, and what plays to it."""

    def __init__(self, terminal: Terminal, microphone: VirtualMicrophone) -> None:
        self.terminal, self.microphone = terminal, microphone

    def start(self, *args: str) -> None:
        self.terminal.run(f"{' '.join([*LISTEN, *args])}; echo status: $?")
        self.see(READY)

    def see(self, text: str) -> None:
        until(lambda: text in "\n".join(self.terminal.screen()), lambda: (text, self.terminal.screen()))

    def hear(self, *words: str) -> None:
        """Play tones and wait until these are the words on the screen, from the first one on."""
        until(lambda: heard(self.terminal.all_rows()) == list(words), lambda: (words, self.terminal.all_rows()))

    def left(self, status: int) -> list[str]:
        """Wait for the end; return the rows, of which none is the view's."""
        self.see(f"status: {status}")
        assert READY not in "\n".join(self.terminal.screen())
        assert self.terminal.shown("#{cursor_flag}") == "1"
        self.terminal.run("stty -a | grep -ow echo")
        self.see("\necho")
        return self.terminal.all_rows()


@pytest.fixture
def live(tmp_path: Path, model: Path, virtual_microphone: VirtualMicrophone) -> Iterator[Live]:
    environment = {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **virtual_microphone.environment}
    bash = ["bash", "--norc", "--noprofile"]
    terminal = Terminal(bash, tmp_path, TYPEAHEAD_VOICE_MODEL=str(model), PS1="$ ", **environment)
    try:
        yield Live(terminal, virtual_microphone)
    finally:
        terminal.close()


@contextmanager
def process(microphone: VirtualMicrophone | None, *args: str, **streams: Any) -> Iterator[subprocess.Popen[str]]:
    """Start `typeahead listen` with pipes, and see that it ends."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(microphone.environment if microphone else {})}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    with subprocess.Popen([*LISTEN, *args], env=environment, text=True, **pipes) as started:
        try:
            yield started
        finally:
            started.kill()


def test_words_are_heard_in_order_once_each_and_ctrl_c_leaves_cleanly(live: Live) -> None:
    live.start()
    live.microphone.play(stand_in.sentence("stop", "go", "go", "stop"))
    live.see(" s  press")
    live.hear("stop", "go", "go", "stop")
    screen = live.terminal.screen()
    assert any(re.match(r"listening +virtual, \d+(\.\d)? kHz", row) for row in screen)
    assert any(re.match(r"level .+ -\d+ dBFS$", row) for row in screen)
    assert {row.split()[0] for row in screen if re.match(r"(stop|go) .+ [01]\.\d\d$", row)} == {"stop", "go"}
    live.terminal.press("C-c")
    live.terminal.press("C-c")
    rows = live.left(130)
    assert heard(rows) == ["stop", "go", "go", "stop"]
    assert "Traceback" not in "\n".join(rows)


def test_the_view_survives_other_widths_and_leaves_what_stood_above_alone(live: Live) -> None:
    live.terminal.run("echo before")
    live.start()
    for columns, lines in [(40, 20), (20, 10), (30, 4), (200, 30), (80, 24)]:
        live.terminal.resize(columns, lines)
        # One view, as much of it as there is room for, and nothing left of the one before.
        view = ["listening", "level", "go stop", "go stop", "0 1 2 3 4 5 6 7 8 9", "Enter:"][: lines - 1]
        until(lambda view=view: shows(live.terminal.screen(), view), live.terminal.screen)
    assert "before" in live.terminal.all_rows()
    live.terminal.press("q")
    live.left(0)  # what tmux has scrolled away while the window shrank is its own business
    assert not any(row.startswith(("level", "listening")) for row in live.terminal.screen())


def test_enter_closes_the_microphone_and_opens_it_again(live: Live) -> None:
    live.start("--push-to-talk")
    assert not live.microphone.is_open()
    live.see("Enter: talk")
    live.terminal.press("Enter")
    live.microphone.wait_until_open()
    live.microphone.play(stand_in.sentence("go"))
    live.hear("go")
    live.terminal.press("Space")
    live.see("microphone off")
    until(lambda: not live.microphone.is_open(), lambda: "it is still open")
    live.terminal.press("C-c")
    live.left(130)


def test_a_microphone_that_was_unplugged_is_heard_again(live: Live) -> None:
    live.start()
    live.microphone.unplug()
    live.see("gone")
    live.microphone.plug_in()
    live.see("virtual: back")
    live.microphone.play(stand_in.sentence("go"))
    live.hear("go")
    live.terminal.press("C-c")
    live.left(130)


def test_a_line_is_run_only_after_a_key(live: Live) -> None:
    config.config_file().parent.mkdir(parents=True, exist_ok=True)
    config.config_file().write_text(
        '[voice.commands]\ngo = { line = "echo ran $((6 * 7))", mode = "confirm" }\nstop = { key = "yes" }\n'
    )
    live.start()
    live.microphone.play(stand_in.sentence("go", "stop"))
    live.see("run echo ran $((6 * 7)) ?")
    live.hear("go", "stop")  # a spoken yes is none
    assert "ran 42" not in live.terminal.screen()
    live.terminal.type("n")
    live.see("not run: echo")
    live.microphone.play(stand_in.sentence("go"))
    live.hear("go", "stop", "go")
    live.see("run echo ran $((6 * 7)) ?")
    live.terminal.type("y")
    live.see("\nran 42")
    live.see(READY)
    live.terminal.press("C-c")
    live.left(130)


def test_ctrl_z_gives_terminal_and_microphone_back_until_it_goes_on(live: Live) -> None:
    live.start()
    live.terminal.press("C-z")
    live.see("Stopped")
    until(lambda: not live.microphone.is_open(), lambda: "it is still open")
    live.terminal.run("stty -a | grep -ow echo")
    live.see("\necho")
    live.terminal.run("clear; fg")
    live.see(READY)
    live.microphone.play(stand_in.sentence("go"))
    live.hear("go")
    live.terminal.press("q")
    until(lambda: live.terminal.row() == "$", lambda: live.terminal.screen())


def test_sigterm_leaves_the_terminal_as_it_was(live: Live) -> None:
    live.start()
    (pid,) = children_named(live.terminal.pid(), Path(sys.executable).name[:15])
    os.kill(pid, signal.SIGTERM)
    live.left(128 + signal.SIGTERM)


def test_into_a_pipe_each_word_is_a_line_at_once(model: Path, virtual_microphone: VirtualMicrophone) -> None:
    with process(virtual_microphone, "--model", str(model), "--json") as listening:
        assert listening.stdout is not None
        assert listening.stderr is not None
        assert listening.stderr.readline() == "typeahead: listening to virtual\n"
        virtual_microphone.play(stand_in.sentence("go", "stop"))
        found = [json.loads(listening.stdout.readline()) for _ in range(2)]
        assert [word["word"] for word in found] == ["go", "stop"]
        listening.send_signal(signal.SIGINT)
        assert listening.wait(PATIENCE_S) == 130
        assert (listening.stdout.read(), listening.stderr.read()) == ("", "typeahead: interrupted\n")


def test_five_seconds_of_nothing_are_told_once(model: Path, virtual_microphone: VirtualMicrophone) -> None:
    with process(virtual_microphone, "--model", str(model), "--timeout", "8") as listening:
        out, err = listening.communicate(timeout=PATIENCE_S)
        assert (listening.returncode, out, err.count("\n")) == (0, "", 2)
        assert "gives only silence; is it muted? --list-devices" in err


def test_a_reader_that_has_gone_ends_it_as_a_pipe_does(model: Path, tmp_path: Path) -> None:
    samples = (stand_in.sentence("go") * 32767).astype("<i2").tobytes()
    read, write = os.pipe()
    with process(None, "--model", str(model), "--input", "-", stdout=write) as listening:
        os.close(read)
        os.close(write)
        assert listening.stdin is not None
        listening.stdin.buffer.write(samples)
        _, err = listening.communicate(timeout=PATIENCE_S)
        assert (listening.returncode, err) == (EXIT_BROKEN_PIPE, "")


def test_what_comes_through_a_pipe_is_heard_as_it_comes(model: Path) -> None:
    samples = (stand_in.sentence("go") * 32767).astype("<i2").tobytes()
    with process(None, "--model", str(model), "--input", "-", "--json") as listening:
        assert listening.stdin is not None
        assert listening.stdout is not None
        listening.stdin.buffer.write(samples)
        listening.stdin.flush()
        assert json.loads(listening.stdout.readline())["word"] == "go"  # the pipe is still open
        assert listening.communicate(timeout=PATIENCE_S)[0] == ""
        assert listening.returncode == 0


# As a child


def events(child: subprocess.Popen[str], *kinds: str) -> list[dict[str, Any]]:
    """Read events up to the first one of these kinds."""
    assert child.stdout is not None
    found = []
    while not found or found[-1]["event"] not in kinds:
        line = child.stdout.readline()
        assert line, f"it has ended after {found}"
        found.append(json.loads(line))
    return found


def order(child: subprocess.Popen[str], text: str) -> None:
    assert child.stdin is not None
    child.stdin.write(f"{text}\n")
    child.stdin.flush()


def test_a_child_hears_between_talk_and_hush_alone(model: Path, virtual_microphone: VirtualMicrophone) -> None:
    with process(virtual_microphone, "--child", "--model", str(model)) as child:
        assert events(child, "ready") == [{"event": "ready"}]
        assert not virtual_microphone.is_open()
        for word in ("go", "stop"):
            order(child, "talk")
            assert events(child, "listening") == [{"event": "listening"}]
            virtual_microphone.play(stand_in.sentence(word))
            *levels, told = events(child, "word")
            assert (told["word"], told.keys()) == (word, {"event", "word", "confidence"})
            assert 0.6 < told["confidence"] <= 1
            assert levels
            assert all(level.keys() == {"event", "db"} and level["event"] == "level" for level in levels)
            order(child, "hush")
            events(child, "hushed")
            until(lambda: not virtual_microphone.is_open(), lambda: "it is still open")
        child.send_signal(signal.SIGINT)  # the terminal's keys are not for it
        order(child, "hush")
        assert events(child, "hushed") == [{"event": "hushed"}]
        out, err = child.communicate(timeout=PATIENCE_S)
        assert (child.returncode, out, err) == (0, "", "")


def test_a_child_whose_microphone_is_missing_says_so_and_goes_on(
    model: Path, virtual_microphone: VirtualMicrophone
) -> None:
    virtual_microphone.unplug()
    with process(virtual_microphone, "--child", "--model", str(model)) as child:
        events(child, "ready")
        order(child, "talk")
        *_, error = events(child, "error")
        assert "microphone" in error["message"]
        virtual_microphone.plug_in()
        order(child, "talk")
        events(child, "listening")
        child.communicate(timeout=PATIENCE_S)
        assert child.returncode == 0


def test_a_child_without_a_model_says_so(tmp_path: Path) -> None:
    with process(None, "--child", "--model", str(tmp_path / "missing")) as child:
        assert "missing: no such file" in events(child, "error")[-1]["message"]
        assert child.communicate(timeout=PATIENCE_S) == ("", "")


def test_a_child_does_not_outlive_who_started_it(model: Path, tmp_path: Path) -> None:
    # A parent that is killed closes nothing by itself: the system does.
    parent = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen({[*LISTEN, '--child', '--model', str(model)]!r}, stdin=subprocess.PIPE)\n"
        "print(child.pid, flush=True)\ntime.sleep(1000)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", parent]
    with subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        pid = int(started.stdout.readline())
        started.kill()
    until(lambda: not is_running(pid), lambda: f"process {pid} goes on")


# With the shipped model


def test_spoken_words_are_recognised_in_order(tmp_path: Path, virtual_microphone: VirtualMicrophone) -> None:
    shipped = config.models_dir() / "voice.safetensors"
    data = os.environ.get("BENCHMARK_VOICE_DATA")
    if not shipped.exists() or not data:
        pytest.skip("optional: BENCHMARK_VOICE_DATA names recordings of words, and there is a voice model")
    from typeahead.voice import recordings

    words = ["up", "stop", "go"]
    rng = np.random.default_rng(7)
    pieces = [rng.normal(0, 2e-3, 24_000)]
    for word in words:
        clips = recordings.word_folders(data)[word]
        pieces += [recordings.read(clips[len(clips) // 2]), rng.normal(0, 2e-3, 24_000)]
    with process(virtual_microphone, "--json", "--timeout", "60") as listening:
        assert listening.stderr is not None
        assert listening.stderr.readline() == "typeahead: listening to virtual\n"
        virtual_microphone.play(np.concatenate(pieces).astype(np.float32))
        virtual_microphone.wait_until_played()
        listening.send_signal(signal.SIGINT)
        out, _ = listening.communicate(timeout=PATIENCE_S)
        assert [json.loads(line)["word"] for line in out.splitlines()] == words
