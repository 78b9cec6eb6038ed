"""Sound devices, through PortAudio: which there are, and what a microphone hears."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from typeahead.errors import AudioError
from typeahead.voice.hush import hushed
from typeahead.voice.recordings import SAMPLE_RATE, Resampler, Silence
from typeahead.voice.ring import Ring

_INSTALL = {"darwin": "brew install portaudio", "linux": "sudo apt install libportaudio2"}
_LIST = "see `typeahead listen --list-devices`"
_COMMON_RATES = (48_000, 44_100, 16_000)  # Hz, tried where a device refuses its own
_RING_S = 2.0
_CALLBACK_S = 0.03
_BUFFER_S = 0.1  # in the driver: a busy machine must not lose sound before it comes here
_STALLED_S = 1.0  # without a sample: the device is gone
_SLOW_START_S = 3.0  # as much before the first one, as for Bluetooth
_BETWEEN_RETRIES_S = 1.0
_POLL_S = (0.005, 0.05)


class Device(NamedTuple):
    """One source of sound."""

    number: int  # PortAudio's number for it
    name: str
    num_channels: int
    sample_rate: float  # Hz, its own
    is_default: bool


def _sounddevice() -> Any:
    """Return the module, which PortAudio comes with, started."""
    try:
        with hushed():
            import sounddevice
    except OSError:  # the library that the module is a door to, which no Python package brings along here
        command = _INSTALL.get(sys.platform, "install PortAudio with your system's package manager")
        raise AudioError(f"PortAudio is not installed; {command}") from None
    except Exception as error:  # PortAudioError, of a module that is not there to name it
        raise AudioError(f"PortAudio cannot start ({error}); see that sound works on this machine") from None
    return sounddevice


def _start_again() -> None:
    """Have PortAudio look for devices: it knows those that were there when it started. No stream may be open."""
    sounddevice = _sounddevice()
    if not hasattr(sounddevice, "_initialize"):  # nothing that it promises: then what it knows must do
        return
    with contextlib.suppress(sounddevice.PortAudioError):
        sounddevice._terminate()
    try:
        sounddevice._initialize()
    except sounddevice.PortAudioError as error:
        raise AudioError(f"PortAudio cannot start ({error}); see that sound works on this machine") from None


def input_devices() -> list[Device]:
    """Return the microphones and other sources that there are, as PortAudio numbers them.

    Raises
    ------
    AudioError
        PortAudio is not installed, or cannot start.
    """
    sounddevice = _sounddevice()
    try:
        with hushed():
            found = sounddevice.query_devices()
            default = sounddevice.default.device[0]
    except sounddevice.PortAudioError as error:
        raise AudioError(f"PortAudio cannot look for devices ({error}); see that sound works on this machine") from None
    return [
        Device(
            device["index"],
            device["name"],
            device["max_input_channels"],
            device["default_samplerate"],
            device["index"] == default,
        )
        for device in found
        if device["max_input_channels"] > 0
    ]


def find_device(name_or_index: str | int | None = None) -> Device:
    """Return the source of sound that is meant.

    Parameters
    ----------
    name_or_index : str, int or None
        Its number, also as text; or its name or a part of it that no other has, in small or capital letters; None: the
        system's default, or else the first.

    Raises
    ------
    AudioError
        There is none, or more than one.
    """
    devices = input_devices()
    if not devices:
        raise AudioError("there is no microphone; plug one in, and see that the system's sound settings show it")
    if name_or_index is None:
        return next((device for device in devices if device.is_default), devices[0])
    wanted = str(name_or_index).strip()
    if wanted.isdecimal():
        matches = [device for device in devices if device.number == int(wanted)]
    else:
        matches = [device for device in devices if wanted.lower() in device.name.lower()]
        exact = [device for device in matches if wanted.lower() == device.name.lower()]
        matches = exact if len(exact) == 1 else matches
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise AudioError(f"no microphone is called {wanted!r}; there are {_listed(devices)}")
    raise AudioError(f"{wanted!r} fits several microphones; take the number of one of them: {_listed(matches)}")


def _listed(devices: list[Device]) -> str:
    return ", ".join(f"{device.number} {' '.join(device.name.split())}" for device in devices)


class Microphone:
    """What a device hears, at the network's rate: a context manager, and an iterator of blocks that only `close` ends.

    It is opened at its own rate, since many refuse any other, and resampled here. Where it vanishes (unplugged, the
    system suspended, its server restarted) it is opened again as soon as it is back.

    Parameters
    ----------
    device : str, int or None
        As for `find_device`.
    block_s : float
        About how much a block holds, seconds.
    sr : int
        Rate of the blocks, Hz.
    retry_s : float
        How long to look for a device that has vanished, seconds.

    Attributes
    ----------
    name : str
        The device's.
    native_sr : int
        Its rate, Hz.
    dropped : int
        Blocks that came when nobody had read for more than 1.5 s, or that the driver lost.
    reopened : int
        How often it has come back.
    lost : bool
        It is gone just now, and looked for.
    silent_s : float
        Seconds up to now of digital silence, which is what a muted device gives.
    ended : bool
        It is closed.

    Raises
    ------
    AudioError
        PortAudio is missing; there is no such device, or it cannot be opened.
    """

    def __init__(
        self,
        device: str | int | None = None,
        block_s: float = 0.03,
        sr: int = SAMPLE_RATE,
        retry_s: float = 30.0,
    ) -> None:
        self._wanted, self._block_s, self._sr, self._retry_s = device, block_s, sr, retry_s
        self.reopened = 0
        self.ended = False
        self._num_overflows = 0  # in the driver
        self._num_dropped = 0  # of earlier streams
        self._lost_at: float | None = None  # on the monotonic clock, as all below
        self._retry_at = 0.0
        self._read_at = time.monotonic()
        self._stream: Any = None
        self._hush = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:  # PortAudio complains for as long as a stream is open
            stack.enter_context(hushed())
            try:
                self._open(find_device(device))
            except AudioError:
                _start_again()
                self._open(find_device(device))
            self._hush = stack.pop_all()

    @property
    def dropped(self) -> int:
        """Blocks that were lost, of those that this device has given since it was first opened."""
        return self._num_dropped + self._num_dropped_now() + self._num_overflows

    @property
    def silent_s(self) -> float:
        """Digital silence up to now, seconds."""
        return self._silence.duration_s

    @property
    def lost(self) -> bool:
        """Whether the device is gone just now."""
        return self._lost_at is not None

    def __enter__(self) -> Microphone:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[np.ndarray]:
        while not self.ended:
            if (block := self.read(_STALLED_S)) is not None:
                yield block

    def read(self, timeout_s: float | None = None) -> np.ndarray | None:
        """Return the next block, (n,) float32; None if it does not come within the time, or after `close`.

        Parameters
        ----------
        timeout_s : float, optional
            Seconds to wait; by default as long as it takes. Looking for a lost device can take a little longer.

        Raises
        ------
        AudioError
            The device has vanished and not come back within ``retry_s``.
        """
        now = time.monotonic()
        until = math.inf if timeout_s is None else now + timeout_s
        if now - self._read_at > _STALLED_S / 2:
            self._seen_at = now  # it was the reader that was away
        try:
            while not self.ended:
                now = time.monotonic()
                if self._stream is None:
                    self._retry(now)
                elif (native := self._ring.read(self._native_block)) is not None:
                    self._note_arrival(now)
                    self._silence.push(native, self.native_sr)
                    if len(block := self._resampler.push(native)):
                        return block
                    continue
                else:
                    self._watch(now)
                if now >= until:
                    return None
                time.sleep(max(0.0, min(until - now, self._pause_s())))
            return None
        finally:
            self._read_at = time.monotonic()

    def close(self) -> None:
        """Let the device go."""
        self.ended = True
        self._close_stream()
        self._hush.close()

    def _pause_s(self) -> float:
        """Return in how long there may be something to do."""
        shortest, longest = _POLL_S
        if self._stream is None:
            return longest
        missing_s = (self._native_block - self._ring.num_waiting) / self.native_sr
        return min(max(shortest, missing_s), longest)

    def _open(self, device: Device) -> None:
        """Open the device at the first rate and number of channels that it takes."""
        sounddevice = _sounddevice()
        reason = ""
        for rate in dict.fromkeys([round(device.sample_rate), *_COMMON_RATES]):
            for num_channels in dict.fromkeys([1, min(2, device.num_channels), device.num_channels]):
                try:
                    self._start(sounddevice, device, rate, num_channels)
                    return
                except sounddevice.PortAudioError as error:
                    reason = " ".join(str(error.args[0]).split())
        raise AudioError(
            f"microphone {device.name!r} cannot be opened ({reason}); close what else uses it, or take another: {_LIST}"
        )

    def _start(self, sounddevice: Any, device: Device, rate: int, num_channels: int) -> None:
        ring = Ring(round(_RING_S * rate))

        def take(frames: np.ndarray, num_frames: int, when: object, status: Any) -> None:
            # In PortAudio's own thread: copies, and never waits.
            ring.write(frames)
            if status.input_overflow:
                self._num_overflows += 1

        stream = sounddevice.InputStream(
            device=device.number,
            samplerate=rate,
            channels=num_channels,
            dtype="float32",
            blocksize=max(1, round(_CALLBACK_S * rate)),
            latency=_BUFFER_S,
            callback=take,
        )
        try:
            stream.start()
        except sounddevice.PortAudioError:
            stream.close()
            raise
        self.name, self.native_sr = device.name, rate
        self._number = device.number
        self._ring, self._native_block = ring, max(1, round(self._block_s * rate))
        self._resampler, self._silence = Resampler(rate, self._sr), Silence()
        self._stream = stream
        self._num_seen, self._seen_at = 0, time.monotonic()

    def _close_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(_sounddevice().PortAudioError):
                stream.close()

    def _num_dropped_now(self) -> int:
        return math.ceil(self._ring.num_lost / self._native_block)

    def _note_arrival(self, now: float) -> None:
        self._num_seen, self._seen_at = self._ring.num_written, now
        if self._lost_at is not None:
            self._lost_at = None
            self.reopened += 1

    def _watch(self, now: float) -> None:
        """Look whether the device is still there."""
        if self._num_seen != self._ring.num_written:
            self._note_arrival(now)
            return
        patience_s = _STALLED_S if self._num_seen else _SLOW_START_S
        if now - self._seen_at < patience_s and self._stream.active:
            return
        self._num_dropped += self._num_dropped_now()
        self._ring.num_lost = 0
        self._close_stream()
        if self._lost_at is None:
            self._lost_at = now
        self._retry_at = max(self._retry_at, now)

    def _retry(self, now: float) -> None:
        """Open the device again if it is time to try and it is there."""
        lost_at = self._lost_at if self._lost_at is not None else now
        if now - lost_at > self._retry_s:
            raise AudioError(
                f"nothing has come from microphone {self.name!r} for {self._retry_s:g} seconds; plug it in and start "
                f"again, or take another: {_LIST}"
            )
        if now < self._retry_at:
            return
        self._retry_at = now + _BETWEEN_RETRIES_S
        with contextlib.suppress(AudioError):
            _start_again()
            self._open(self._find_again())

    def _find_again(self) -> Device:
        """Return the same device, whose number may be another by now; or the new default, if that was asked for."""
        same = [device for device in input_devices() if device.name == self.name]
        if same:
            return next((device for device in same if device.number == self._number), same[0])
        if self._wanted is None:
            return find_device(None)
        raise AudioError(f"microphone {self.name!r} is gone; plug it in")
