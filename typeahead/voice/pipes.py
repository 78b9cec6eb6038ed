"""Recordings from a pipe, as they come in: WAV and raw samples piece by piece, all else when it is whole."""

from __future__ import annotations

import io
import os
import select
import struct
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from typeahead.errors import AudioError

SLOWEST, FASTEST = 1_000, 768_000  # Hz; what lies outside is a damaged header
_READ_BYTES = 1 << 16
_TEXT = frozenset(b"\t\n\r" + bytes(range(32, 127)))
_NOTHING = np.zeros(0, np.float32)
# What begins a container that is not taken to pieces here: FLAC, Ogg, AIFF, AU, CAF, MP3 with tags, WAV's relatives.
_FOREIGN = (b"fLaC", b"OggS", b"FORM", b".snd", b"caff", b"ID3", b"RIFX", b"RF64", b"riff")
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_WIDTHS = {_PCM: (1, 2, 3, 4), _FLOAT: (4, 8)}  # bytes
_ENDLESS = 0x7FFF0000  # bytes; from here on a size is a stand-in for one that the writer of a pipe could not know


class Reader(Protocol):
    """What a source takes sound from, at its own rate and mixed to one channel."""

    sr: int  # Hz; 0: not known yet

    def read(self, timeout_s: float | None) -> np.ndarray | None:
        """Return (n,) float32, nothing if nothing came in time; None at the end."""

    def close(self) -> None:
        """Let the file go."""


class Header(NamedTuple):
    """Where the samples of a WAV file begin, and what they are."""

    sr: int  # Hz
    num_channels: int
    is_float: bool
    width: int  # bytes of a sample
    offset: int  # bytes before the first one
    num_bytes: int | None  # of samples; None: until the end

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of each channel."""
        return self.num_channels * self.width


def is_foreign(start: bytes) -> bool:
    """Tell whether the bytes begin as a container does that libsndfile must have whole."""
    return start.startswith(_FOREIGN)


def parse_header(start: bytes) -> Header | None:
    """Return what the first bytes of a WAV file say; None: too few so far, or samples coded in another way."""
    if start[:4] != b"RIFF" or start[8:12] != b"WAVE":
        return None
    position, fields = 12, None
    while len(start) >= position + 8:
        name, size = struct.unpack_from("<4sI", start, position)
        if name == b"data" and fields is not None:
            known = None if size == 0 or size >= _ENDLESS else size
            return Header(*fields, position + 8, known)
        if name == b"fmt ":
            if size < 16 or len(start) < position + 8 + size:
                return None
            if (fields := _fields(start[position + 8 : position + 8 + size])) is None:
                return None
        position += 8 + size + size % 2
    return None


def _fields(chunk: bytes) -> tuple[int, int, bool, int] | None:
    code, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if code == _EXTENSIBLE and len(chunk) >= 26:
        code = struct.unpack_from("<H", chunk, 24)[0]
    if bits % 8 or bits // 8 not in _WIDTHS.get(code, ()) or channels == 0:
        return None
    return rate, channels, code == _FLOAT, bits // 8


def decode(content: bytes, header: Header) -> np.ndarray:
    """Return whole frames, bytes, as (n, num_channels) float32; integers span [-1, 1)."""
    samples: np.ndarray
    if header.is_float:
        samples = np.frombuffer(content, f"<f{header.width}").astype(np.float32)
    elif header.width == 1:  # the only ones without a sign
        samples = (np.frombuffer(content, np.uint8).astype(np.float32) - 128) / 128
    else:
        # Left-aligned in 32 bits: those of 24 fit no type.
        wide = np.zeros((len(content) // header.width, 4), np.uint8)
        wide[:, 4 - header.width :] = np.frombuffer(content, np.uint8).reshape(-1, header.width)
        samples = (wide.view("<i4")[:, 0] / (1 << 31)).astype(np.float32)
    return samples.reshape(-1, header.num_channels)


def missing_bytes(start: bytes, size_bytes: int) -> int:
    """Return how much shorter a file is than its first bytes say: WAV and AIFF do; 0 where nothing is known."""
    order = {b"RIFF": "<I", b"FORM": ">I"}.get(start[:4])
    if order is None or len(start) < 8:
        return 0
    told = struct.unpack_from(order, start, 4)[0]
    # One byte may be the padding that some writers forget.
    return 0 if told >= _ENDLESS or told + 8 - size_bytes <= 1 else told + 8 - size_bytes


class PipeReader:
    """What can be read only once: decoded as it comes in, once the first bytes have told what it is."""

    def __init__(
        self, descriptor: int, name: str, raw_sr: int, open_whole: Callable[[io.BytesIO, str], Reader]
    ) -> None:
        self.sr = 0
        self._descriptor, self._name = descriptor, name
        self._raw_sr, self._open_whole = raw_sr, open_whole
        self._bytes = bytearray()  # not decoded yet
        self._is_over = False
        self._header: Header | None = None
        self._num_decoded = 0  # bytes
        self._whole: Reader | None = None  # what could not be decoded piece by piece

    def read(self, timeout_s: float | None) -> np.ndarray | None:
        """Return what has come in since, (n,) float32; None at the end."""
        if self._descriptor < 0:
            return None
        if self._whole is not None:
            return self._whole.read(timeout_s)
        if not self._is_over and not self._fetch(timeout_s):
            return _NOTHING
        if self._header is None and (header := self._sniff()) is not None:
            self.sr = checked_rate(header.sr, self._name)
            self._header = header
            del self._bytes[: header.offset]
        if self._header is not None:
            return self._decode(self._header)
        if not self._is_over:
            return _NOTHING
        self._whole = self._open_whole(io.BytesIO(bytes(self._bytes)), self._name)
        self.sr = self._whole.sr
        return self._whole.read(timeout_s)

    def close(self) -> None:
        """Read no more."""
        if self._descriptor > 0:  # standard input stays open, for whoever comes after
            os.close(self._descriptor)
        self._descriptor = -1

    def _fetch(self, timeout_s: float | None) -> bool:
        """Read what is there; tell whether anything is, be it the end."""
        try:
            if not select.select([self._descriptor], [], [], timeout_s)[0]:
                return False
            arrived = os.read(self._descriptor, _READ_BYTES)
        except OSError as error:
            raise AudioError(f"{self._name} cannot be read ({error.strerror}); pipe a recording into it") from None
        self._bytes += arrived
        self._is_over = not arrived
        return True

    def _sniff(self) -> Header | None:
        """Return what comes in; None: it cannot be told yet, or must be had whole."""
        start = bytes(self._bytes)
        if not start and self._is_over:
            raise AudioError(f"{self._name} is empty; pipe a recording into it")
        if is_foreign(start) or (len(start) < 12 and not self._is_over):
            return None
        if start.startswith(b"RIFF"):
            return parse_header(start)
        if all(byte in _TEXT for byte in start):
            raise AudioError(f"{self._name} is text, no sound; pipe a WAV file into it, or raw samples of 16 bits")
        return Header(self._raw_sr, 1, False, 2, 0, None)

    def _decode(self, header: Header) -> np.ndarray | None:
        size = len(self._bytes)
        if header.num_bytes is not None:
            size = min(size, header.num_bytes - self._num_decoded)
        if size := size - size % header.frame_bytes:
            frames = decode(bytes(self._bytes[:size]), header)
            del self._bytes[:size]
            self._num_decoded += size
            return mono(frames, self._name)
        if header.num_bytes is not None and self._num_decoded + header.frame_bytes > header.num_bytes:
            return None
        if not self._is_over:
            return _NOTHING
        if self._num_decoded == 0:
            raise AudioError(f"{self._name} holds no sound; record it again")
        if header.num_bytes is not None:
            raise cut_off(
                self._name, self._num_decoded // header.frame_bytes, header.num_bytes // header.frame_bytes, header.sr
            )
        return None


def checked_rate(sr: int, name: str) -> int:
    """Return the rate, Hz, if sound can have it."""
    if not SLOWEST <= sr <= FASTEST:
        raise AudioError(f"{name} has {sr} samples a second, which no sound has; record it again")
    return sr


def mono(frames: np.ndarray, name: str) -> np.ndarray:
    """Return the mean of the channels of (n, channels) float32, within [-1, 1]."""
    sound: np.ndarray = frames[:, 0] if frames.shape[1] == 1 else frames.mean(axis=1, dtype=np.float32)
    if not np.isfinite(sound).all():
        raise AudioError(f"{name} has samples that are no numbers; record it again")
    clipped: np.ndarray = np.clip(sound, -1.0, 1.0)
    return clipped


def cut_off(name: str, num_read: int, num_told: int, sr: int) -> AudioError:
    """Return what to raise when so many frames of those that the header told are there."""
    return AudioError(
        f"{name} is cut off after {num_read / sr:.3g} of {num_told / sr:.3g} seconds; copy it or record it again"
    )
