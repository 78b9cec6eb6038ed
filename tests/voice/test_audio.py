"""Microphones: as a stand-in for sounddevice reports them, and a virtual one through the real PortAudio."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.voice.virtual_microphone import DEVICE, VirtualMicrophone
from typeahead.errors import AudioError
from typeahead.voice.audio import Device, Microphone, find_device, input_devices
from typeahead.voice.ring import Ring

ROOT = Path(__file__).parent.parent.parent

DEVICES = """
class PortAudioError(Exception):
    pass

class default:
    device = (2, 1)

def query_devices():
    return [
        {"index": 0, "name": "mic", "max_input_channels": 1, "default_samplerate": 48000.0},
        {"index": 1, "name": "speaker", "max_input_channels": 0, "default_samplerate": 44100.0},
        {"index": 2, "name": "headset", "max_input_channels": 2, "default_samplerate": 16000.0},
    ]
"""


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """Put a module called sounddevice before the real one."""
    (folder / "sounddevice.py").write_text(source)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)


@pytest.fixture(autouse=True)
def no_module_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)  # restored, or removed, after the test


def test_sources_of_sound_are_listed_with_the_default_among_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, DEVICES)
    assert input_devices() == [Device(0, "mic", 1, 48000.0, False), Device(2, "headset", 2, 16000.0, True)]


def test_without_portaudio_the_error_names_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, "raise OSError('PortAudio library not found')")
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(AudioError, match=r"PortAudio is not installed; sudo apt install libportaudio2"):
        input_devices()


@pytest.mark.parametrize("place", ["    return [", "class default"])
def test_a_portaudio_that_fails_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    indent = place[: len(place) - len(place.lstrip())]
    stand_in(tmp_path, monkeypatch, DEVICES.replace(place, f"{indent}raise PortAudioError('no host API')\n{place}"))
    with pytest.raises(AudioError, match="no host API"):
        input_devices()


NAMES = """
class default:
    device = (3, -1)

def query_devices():
    names = ["HDA Intel: ALC257 (hw:0,0)", "USB Audio: #1 (hw:1,0)", "USB Audio: #2 (hw:2,0)", "usb"]
    shared = {"max_input_channels": 2, "default_samplerate": 48000.0}
    return [{"index": i, "name": name, **shared} for i, name in enumerate(names)]
"""


@pytest.mark.parametrize(
    ("wanted", "number"),
    [(2, 2), ("1", 1), ("alc257", 0), ("#2", 2), ("USB", 3), ("usb audio: #1 (HW:1,0)", 1), (None, 3)],
)
def test_a_device_is_found_by_number_or_a_part_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str | int | None, number: int
) -> None:
    stand_in(tmp_path, monkeypatch, NAMES)
    assert find_device(wanted).number == number


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("hw:", "'hw:' fits several microphones; take .*: 0 HDA.*, 1 USB.*, 2 USB"),
        ("webcam", "no microphone is called 'webcam'; there are 0 HDA.*, 3 usb$"),
        (7, "no microphone is called '7'; there are 0 HDA"),
    ],
)
def test_a_device_that_is_not_clear_is_one_line_with_those_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str | int, message: str
) -> None:
    stand_in(tmp_path, monkeypatch, NAMES)
    for look in (find_device, Microphone):
        with pytest.raises(AudioError, match=message):
            look(wanted)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 3)), max_size=30), st.integers(1, 20))
def test_a_ring_gives_what_was_written_in_order_or_counts_it_as_lost(writes: list[tuple[int, int]], take: int) -> None:
    ring, position = Ring(64), 0
    for num_frames, num_reads in writes:
        ring.write(np.arange(ring.num_written, ring.num_written + num_frames, dtype=np.float32)[:, np.newaxis])
        assert 0 <= ring.num_waiting <= 48
        for _ in range(num_reads):
            num_lost = ring.num_lost
            if (frames := ring.read(take)) is not None:
                position += ring.num_lost - num_lost
                assert frames.tolist() == list(range(position, position + take))
                position += take
    assert position + ring.num_waiting >= ring.num_written - 48


def test_a_ring_averages_the_channels() -> None:
    ring = Ring(64)
    ring.write(np.array([[1.0, 0.0], [0.5, -0.5]], np.float32))
    assert ring.read(3) is None
    assert ring.read(2).tolist() == [0.5, 0.0]


def test_a_ring_is_never_read_where_it_is_being_written() -> None:
    ring, num_blocks = Ring(4_096), 4_000

    def write() -> None:
        for number in range(num_blocks):
            ring.write(np.full((441, 1), number, np.float32))

    writer = threading.Thread(target=write)
    writer.start()
    last, num_read = -1.0, 0
    while writer.is_alive() or ring.num_waiting >= 300:
        if (frames := ring.read(300)) is not None:
            assert frames[0] >= last
            assert set(np.diff(frames)) <= {0.0, 1.0}
            last, num_read = frames[-1], num_read + 300
    writer.join()
    assert num_read + ring.num_lost + ring.num_waiting == 441 * num_blocks


def test_c_libraries_are_hushed_and_nobody_else() -> None:
    code = """
import ctypes, os, subprocess, sys
from typeahead.voice.hush import hushed
library = ctypes.CDLL(None)
with hushed(), hushed():
    library.perror(b"library")
    print("python", file=sys.stderr)
    subprocess.run(["sh", "-c", "echo child >&2"])
library.perror(b"afterwards")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["python", "child", "afterwards"]


class Listener:
    """A process that records what its `Microphone` gives, and tells about it."""

    def __init__(self, environment: dict[str, str], path: Path, **options: Any) -> None:
        self._path = path
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.voice.recorder", str(path), json.dumps({"device": DEVICE, **options})],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.state: dict[str, Any] = {}

    def wait_for(self, has_come: Callable[[dict[str, Any]], bool]) -> None:
        """Read states until one is as wanted."""
        assert self._process.stdout is not None
        while not (self.state and has_come(self.state)):
            line = self._process.stdout.readline()
            assert line, f"it ended in {self.state}: {self.close()}"
            self.state = json.loads(line)

    def sleep(self, duration_s: float) -> None:
        """Let it read nothing for so long."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"sleep {duration_s}\n")
        self._process.stdin.flush()

    def last_words(self) -> str:
        """Wait until it ends; return what it has printed to standard error."""
        assert self._process.stdout is not None
        self._process.stdout.read()
        assert self._process.wait(120) == 1
        return self.close()

    def close(self) -> str:
        """End it; return what it has printed to standard error."""
        return self._process.communicate(timeout=120)[1]

    def heard(self) -> np.ndarray:
        """End it; return all that it has heard. It has printed nothing."""
        assert self.close() == ""
        return np.load(self._path)


@pytest.fixture
def listen(tmp_path: Path) -> Iterator[Callable[..., Listener]]:
    listeners: list[Listener] = []

    def listen_one(microphone: VirtualMicrophone, **options: Any) -> Listener:
        listeners.append(Listener(microphone.environment, tmp_path / f"{len(listeners)}.npy", **options))
        return listeners[-1]

    yield listen_one
    for listener in listeners:
        listener._process.kill()
        listener._process.communicate()


@pytest.fixture
def sound(rng: np.random.Generator) -> np.ndarray:
    """Return two seconds of noise below 4 kHz, which is like nothing but itself."""
    spectrum = np.fft.rfft(rng.standard_normal(32_000))
    spectrum[8_000:] = 0
    noise = np.fft.irfft(spectrum)
    return (0.5 * noise / np.abs(noise).max()).astype(np.float32)


def snr_db(heard: np.ndarray, played: np.ndarray) -> float:
    """Return how much of ``played`` is found in ``heard``, against all else there, at the delay that fits best.

    The delay is no whole number of samples where the rate was another on the way.
    """
    size = len(heard) + len(played)
    match = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(played, size)), size)
    start = int(match[: max(1, len(heard) - len(played))].argmax())
    part = heard[start : start + len(played)]
    assert len(part) == len(played)
    frequencies, spectrum = np.fft.rfftfreq(len(played)), np.fft.rfft(played)
    inner = slice(200, -200)
    best = -np.inf
    for delay in np.linspace(-1, 1, 81):
        shifted = np.fft.irfft(spectrum * np.exp(-2j * np.pi * frequencies * delay), len(played))[inner]
        rest = part[inner] - shifted * (part[inner] @ shifted) / (shifted @ shifted)
        best = max(best, 10 * np.log10((shifted @ shifted) / (rest @ rest)))
    return float(best)


@pytest.mark.slow
def test_a_microphone_hears_what_is_played(
    virtual_microphone: VirtualMicrophone, listen: Callable[..., Listener], sound: np.ndarray
) -> None:
    listener = listen(virtual_microphone)
    virtual_microphone.play(sound)
    virtual_microphone.wait_until_played()
    listener.wait_for(lambda state: state["num_samples"] >= len(sound))
    assert snr_db(listener.heard(), sound) > 35
    assert listener.state["name"] == DEVICE
    assert listener.state["native_sr"] == 44_100  # its own, that is: PortAudio's default for what takes any
    assert listener.state["dropped"] == listener.state["reopened"] == 0


@pytest.mark.slow
@pytest.mark.usefixtures("needs_virtual_microphone")
@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_a_device_that_takes_one_rate_only_is_heard(
    listen: Callable[..., Listener], sound: np.ndarray, rate: int
) -> None:
    with VirtualMicrophone(rate, only_rate=True) as microphone:
        listener = listen(microphone)
        microphone.play(sound)
        microphone.wait_until_played()
        listener.wait_for(lambda state: state["num_samples"] >= len(sound))
        assert snr_db(listener.heard(), sound) > 35
        assert listener.state["native_sr"] == rate


@pytest.mark.slow
def test_a_wrong_name_is_one_line_with_the_devices_there_are(
    virtual_microphone: VirtualMicrophone, listen: Callable[..., Listener]
) -> None:
    message = listen(virtual_microphone, device="webcam").last_words()
    assert re.fullmatch(rf"error: no microphone is called 'webcam'; there are .*\d {DEVICE}.*\n", message)


@pytest.mark.slow
@pytest.mark.usefixtures("needs_virtual_microphone")
@pytest.mark.skipif(any(Path("/proc/asound").glob("card*")), reason="optional: this machine has a sound card")
def test_no_device_at_all_is_one_line(listen: Callable[..., Listener]) -> None:
    with VirtualMicrophone() as microphone:
        microphone.unplug()
        message = listen(microphone, device=None).last_words()
    assert re.fullmatch(r"error: there is no microphone; plug one in[^\n]*\n", message)


@pytest.mark.slow
def test_a_device_that_nobody_can_open_is_one_line(
    needs_virtual_microphone: None, listen: Callable[..., Listener]
) -> None:
    with VirtualMicrophone(rate=11_025, only_rate=True) as microphone:
        message = listen(microphone).last_words()
    assert re.fullmatch(rf"error: microphone '{DEVICE}' cannot be opened \(.*Invalid sample rate\); [^\n]*\n", message)


@pytest.mark.slow
def test_a_device_that_vanishes_is_opened_again_when_it_is_back(
    virtual_microphone: VirtualMicrophone, listen: Callable[..., Listener], sound: np.ndarray
) -> None:
    listener = listen(virtual_microphone, retry_s=120)
    listener.wait_for(lambda state: state["num_samples"] > 0)
    virtual_microphone.unplug()
    listener.wait_for(lambda state: state["lost"])
    virtual_microphone.plug_in()
    listener.wait_for(lambda state: state["reopened"] == 1)
    assert not listener.state["lost"]
    virtual_microphone.play(sound)
    virtual_microphone.wait_until_played()
    assert snr_db(listener.heard(), sound) > 35


@pytest.mark.slow
def test_a_device_that_comes_after_the_program_has_looked_is_found(virtual_microphone: VirtualMicrophone) -> None:
    code = f"""
from typeahead.voice.audio import Microphone, input_devices
print([device.name for device in input_devices()])
input()
with Microphone("{DEVICE}") as microphone:
    print(microphone.name)
"""
    virtual_microphone.unplug()
    program = subprocess.Popen(
        [sys.executable, "-u", "-c", code],
        env={**os.environ, **virtual_microphone.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert DEVICE not in program.stdout.readline()
    virtual_microphone.plug_in()
    assert program.communicate("\n", timeout=120)[0] == f"{DEVICE}\n"
    assert program.returncode == 0


@pytest.mark.slow
def test_a_device_that_stays_away_is_one_line(
    virtual_microphone: VirtualMicrophone, listen: Callable[..., Listener]
) -> None:
    listener = listen(virtual_microphone, retry_s=2)
    listener.wait_for(lambda state: state["num_samples"] > 0)
    virtual_microphone.unplug()
    assert re.fullmatch(
        rf"error: nothing has come from microphone '{DEVICE}' for 2 seconds; plug it in [^\n]*\n", listener.last_words()
    )


@pytest.mark.slow
def test_a_device_that_goes_dumb_is_opened_again(
    virtual_microphone: VirtualMicrophone, listen: Callable[..., Listener]
) -> None:
    listener = listen(virtual_microphone, retry_s=120)
    listener.wait_for(lambda state: state["num_samples"] > 0)
    virtual_microphone.freeze()
    listener.wait_for(lambda state: state["lost"])
    virtual_microphone.thaw()
    listener.wait_for(lambda state: state["reopened"] == 1)
    assert listener.close() == ""


@pytest.mark.slow
def test_blocks_that_nobody_reads_in_time_are_counted_and_what_follows_is_whole(
    virtual_microphone: VirtualMicrophone, listen: Callable[..., Listener], sound: np.ndarray
) -> None:
    listener = listen(virtual_microphone)
    listener.wait_for(lambda state: state["num_samples"] > 0)
    assert listener.state["dropped"] == 0
    listener.sleep(4)
    listener.wait_for(lambda state: state["dropped"] > 0)
    assert not listener.state["lost"]
    virtual_microphone.play(sound)
    virtual_microphone.wait_until_played()
    assert snr_db(listener.heard(), sound) > 35


@pytest.mark.slow
def test_the_seconds_of_digital_silence_are_counted_from_the_last_sound(
    virtual_microphone: VirtualMicrophone, listen: Callable[..., Listener], sound: np.ndarray
) -> None:
    listener = listen(virtual_microphone)
    listener.wait_for(lambda state: state["silent_s"] == 2)
    virtual_microphone.play(sound)
    listener.wait_for(lambda state: state["silent_s"] == 0)
    listener.wait_for(lambda state: state["silent_s"] == 1)
    assert listener.close() == ""
