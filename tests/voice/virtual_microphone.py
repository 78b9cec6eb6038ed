"""A microphone that hears what a test plays: PulseAudio reads a FIFO, ALSA's pulse plugin shows it to PortAudio.

It needs no sound card, and no rights. Run as a program, this is what writes into the FIFO: silence in real time, and
the sounds that it is told on standard input, once somebody listens.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes.util
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

DEVICE = "virtual"  # its name, as PortAudio lists it
_PLUGIN = "alsa-lib/libasound_module_pcm_pulse.so"
_PATIENCE_S = 60.0  # the machine may be busy
_SET_PIPE_SIZE = getattr(fcntl, "F_SETPIPE_SZ", 1031)
_PIPE_BYTES = 4096  # about 0.1 s: what is played is heard soon
_CHUNKS_PER_S = 50
_BETWEEN_QUESTIONS_S = 0.2
_TAIL_S = 0.5  # of silence after a sound, before it counts as played: what lies between has a buffer, too

# ALSA's pulse plugin takes any rate. Stands before the real module, and has PortAudio refuse all rates but one.
_NARROW = """
import importlib, os, sys
here = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder) != here]
del sys.modules["sounddevice"]
real = importlib.import_module("sounddevice")

class Narrow:
    def __init__(self, library):
        self.library = library

    def __getattr__(self, name):
        return getattr(self.library, name)

    def Pa_OpenStream(self, stream, inputs, outputs, rate, *rest):
        return self.library.Pa_OpenStream(stream, inputs, outputs, rate, *rest) if rate == RATE else -9997

real._lib = Narrow(real._lib)
sys.modules["sounddevice"] = real
"""


def missing() -> str:
    """Return what a virtual microphone needs and this machine does not have; "" when all is there."""
    plugins = [*Path("/usr/lib").glob(f"*/{_PLUGIN}"), *Path("/usr").glob(f"lib*/{_PLUGIN}")]
    needs = {
        "Linux": sys.platform == "linux",
        "pulseaudio": shutil.which("pulseaudio"),
        "ALSA's pulse plugin (libasound2-plugins)": plugins,
        "PortAudio (libportaudio2)": ctypes.util.find_library("portaudio"),
    }
    return "" if all(needs.values()) else f"needs {', '.join(name for name, found in needs.items() if not found)}"


class VirtualMicrophone:
    """A context manager: one microphone, plugged in, and no other.

    ``rate`` is the one at which it is fed; with ``only_rate`` PortAudio takes it at no other. ``environment`` holds the
    variables that a child process needs beside its own to find it, as the device called `DEVICE`; with ``only_rate``
    PYTHONPATH is one of them.
    """

    def __init__(self, rate: int = 16_000, only_rate: bool = False) -> None:
        self.rate = rate
        # A socket's path has 107 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="mic-", dir=os.environ.get("XDG_RUNTIME_DIR")))
        config = self._folder / "asoundrc"
        # Without the stock file PortAudio aborts.
        config.write_text(
            "</usr/share/alsa/alsa.conf>\n"
            f'pcm.{DEVICE} {{ type pulse server "unix:{self._folder}/pulse" device "{DEVICE}" }}\n'
        )
        self.environment = {"ALSA_CONFIG_PATH": str(config)}
        if only_rate:
            (self._folder / "narrow").mkdir()
            (self._folder / "narrow" / "sounddevice.py").write_text(f"RATE = {rate}\n{_NARROW}")
            self.environment["PYTHONPATH"] = str(self._folder / "narrow")
        self._server: subprocess.Popen[bytes] | None = None
        self._feeder: subprocess.Popen[str] | None = None
        self._num_played = 0

    def __enter__(self) -> VirtualMicrophone:
        try:
            self.plug_in()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()
        shutil.rmtree(self._folder, ignore_errors=True)

    def plug_in(self) -> None:
        """Let it be there, as from the beginning; nothing is left to play."""
        fifo = self._folder / "fifo"
        with (self._folder / "log").open("wb") as log:
            self._server = subprocess.Popen(
                [
                    *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"),
                    *("--disable-shm=yes", "--realtime=no", "--high-priority=no", "--log-target=stderr"),
                    *(
                        "--log-level=error",
                        "-L",
                        f"module-native-protocol-unix socket={self._folder}/pulse auth-anonymous=1",
                    ),
                    *("-L", f"module-cli-protocol-unix socket={self._folder}/cli"),
                    *(
                        "-L",
                        f"module-pipe-source source_name={DEVICE} file={fifo} format=s16le rate={self.rate} channels=1",
                    ),
                ],
                env={**os.environ, "HOME": str(self._folder), **_private(self._folder)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self._wait_for_server(fifo)
        self._feeder = subprocess.Popen(
            [
                sys.executable,
                "-P",
                __file__,
                str(fifo),
                str(self.rate),
                str(self._folder / "cli"),
                str(self._server.pid),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._num_waiting = 0

    def unplug(self) -> None:
        """Let it vanish; what it has not played is lost."""
        if self._feeder is not None:
            self._feeder.kill()
            self._feeder.communicate()
        if self._server is not None:
            self._server.terminate()
            try:
                self._server.wait(5)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
        self._feeder = self._server = None
        for name in ("fifo", "pulse", "cli"):
            (self._folder / name).unlink(missing_ok=True)

    def freeze(self) -> None:
        """Let it stay there, and give nothing."""
        assert self._feeder is not None, "it is unplugged"
        self._feeder.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._feeder is not None, "it is unplugged"
        self._feeder.send_signal(signal.SIGCONT)

    def play(self, sound: object) -> None:
        """Queue a sound, an array (n,) at 16 kHz in [-1, 1] or a recording's path; it begins when somebody listens."""
        import numpy as np
        import soxr

        from typeahead.voice.recordings import read

        samples = sound if isinstance(sound, np.ndarray) else read(str(sound))
        if self.rate != 16_000:
            samples = soxr.resample(samples, 16_000, self.rate)
        assert self._feeder is not None, "it is unplugged"
        assert self._feeder.stdin is not None
        self._num_played += 1
        path = self._folder / f"{self._num_played}.raw"
        path.write_bytes(np.clip(np.rint(samples * 32_768), -32_768, 32_767).astype("<i2").tobytes())
        self._feeder.stdin.write(f"{path}\n")
        self._feeder.stdin.flush()
        self._num_waiting += 1

    def wait_until_played(self) -> None:
        """Wait until all that is queued, and half a second of silence after it, has gone into the microphone."""
        assert self._feeder is not None, "it is unplugged"
        assert self._feeder.stdout is not None
        while self._num_waiting:
            line = self._feeder.stdout.readline()
            assert line == "played\n", f"the feeder ended; nobody opened the microphone within {_PATIENCE_S:g} seconds?"
            self._num_waiting -= 1

    def is_open(self) -> bool:
        """Tell whether somebody listens."""
        return _listener(str(self._folder / "cli")) != ""

    def wait_until_open(self) -> None:
        """Wait until somebody listens."""
        until = time.monotonic() + _PATIENCE_S
        while not self.is_open():
            assert time.monotonic() < until, f"nobody opened the microphone within {_PATIENCE_S:g} seconds"
            time.sleep(0.05)

    def _wait_for_server(self, fifo: Path) -> None:
        assert self._server is not None
        until = time.monotonic() + _PATIENCE_S
        while True:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(self._folder / "pulse"))
                if fifo.exists():
                    return
            log = self._folder / "log"
            assert self._server.poll() is None, f"pulseaudio ended: {log.read_text()}"
            assert time.monotonic() < until, f"pulseaudio does not answer: {log.read_text()}"
            time.sleep(0.02)


def _private(folder: Path) -> Mapping[str, str]:
    """Return the variables that keep the server out of what belongs to a real one. XDG_RUNTIME_DIR marks survivors."""
    return {"PULSE_RUNTIME_PATH": str(folder / "run"), "PULSE_STATE_PATH": str(folder / "state")}


def _listener(path: str) -> str:
    """Ask the server which stream takes sound from its microphone; "" when none does."""
    answer = ""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as server:
        server.settimeout(5)
        server.connect(path)
        server.sendall(b"list-source-outputs\nlist-clients\n")  # the second tells where the answer to the first ends
        while "client(s)" not in answer and (received := server.recv(1 << 16)):
            answer += received.decode()
    match = re.search(r"index: (\d+)\s(?:(?!index:).)*?state: RUNNING", answer, re.DOTALL)
    return match.group(1) if match else ""


def feed(fifo: str, rate: int, cli: str, server: int) -> None:
    """Write silence, and the queued sounds when somebody listens, at the rate; report each that has been played."""
    descriptor = os.open(fifo, os.O_RDWR)  # which never waits for a reader, and never fails for want of one
    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, _SET_PIPE_SIZE, _PIPE_BYTES)
    queue: collections.deque[str] = collections.deque()
    threading.Thread(target=_listen, args=[queue, server], daemon=True).start()
    size = 2 * (rate // _CHUNKS_PER_S)
    tail = b"\0" * (2 * round(rate * _TAIL_S))
    sound = b""
    ends: collections.deque[int] = collections.deque()  # how many chunks from now a sound has been played
    started, num_chunks, asked = time.monotonic(), 0, 0.0
    seen: list[str] = []  # the stream that took sound, whenever the server was asked
    waiting_since = None
    while True:
        now = time.monotonic()
        if queue and len(sound) < size and now - asked > _BETWEEN_QUESTIONS_S:
            asked, waiting_since = now, waiting_since or now
            seen.append(_listener(cli))
            # PortAudio opens a device for a moment to see what it can do: that is no listener.
            if seen[-1] and seen[-3:] == [seen[-1]] * 3:
                waiting_since = None
                sound += Path(queue.popleft()).read_bytes()
                ends.append(num_chunks + -(-(len(sound) + len(tail)) // size))
            elif now - waiting_since > _PATIENCE_S:
                return
        os.write(descriptor, sound[:size].ljust(size, b"\0"))
        sound = sound[size:]
        num_chunks += 1
        while ends and ends[0] <= num_chunks:
            ends.popleft()
            print("played", flush=True)
        late_s = time.monotonic() - started - num_chunks / _CHUNKS_PER_S
        if late_s < 0:
            time.sleep(-late_s)
        elif late_s > 0.5:  # the machine slept, or nobody took anything: what is lost is lost
            started += late_s


def _listen(queue: collections.deque[str], server: int) -> None:
    for line in sys.stdin:
        queue.append(line.rstrip("\n"))
    os.kill(server, signal.SIGTERM)  # the tests were killed
    os._exit(0)


if __name__ == "__main__":
    feed(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
