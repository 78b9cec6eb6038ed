"""Recordings, as files or from a pipe, the way the network hears everything: mono, float32, 16 kHz."""

from __future__ import annotations

import io
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from typeahead.errors import AudioError
from typeahead.voice.pipes import (
    FASTEST,
    SLOWEST,
    PipeReader,
    Reader,
    checked_rate,
    cut_off,
    is_foreign,
    missing_bytes,
    mono,
)

SAMPLE_RATE = 16_000  # Hz, of the network
STANDARD_INPUT = "-"
_RAW_SUFFIXES = frozenset({".raw", ".pcm", ".s16", ".s16le"})
_SUFFIXES = frozenset({f".{name.lower()}" for name in soundfile.available_formats()}) | {
    *(".aif", ".oga", ".opus", ".wave", ".snd"),
    *_RAW_SUFFIXES,
}
_QUIET = 10 ** (-90 / 20)  # of full scale; one step of 16 bits lies just below
_DECODED_S = 0.5  # of a file, at a time
_BEYOND = 1 << 40  # frames


def read(path: str | os.PathLike[str], sr: int = SAMPLE_RATE) -> np.ndarray:
    """Read a whole recording.

    Parameters
    ----------
    path : str or path
        Any format that libsndfile reads, any rate, any number of channels, which are averaged. Names that end in .raw,
        .pcm, .s16 or .s16le: 16 bits little-endian, mono, 16 kHz.
    sr : int
        Rate to return, Hz.

    Returns
    -------
    ndarray, shape (n,), float32
        In [-1, 1] but for what resampling may overshoot.

    Raises
    ------
    AudioError
        It is missing, a folder, empty, cut off or no sound.
    """
    with FileSource(path, sr=sr, block_s=_DECODED_S) as source:
        blocks = list(source)
    if not blocks:
        raise AudioError(f"{path} holds no sound; record it again")
    return np.concatenate(blocks)


class Resampler:
    """Another rate, as the sound comes in; however it is cut, the same samples as of the whole.

    Parameters
    ----------
    from_sr, to_sr : int
        Rates, Hz. Equal ones: the sound passes through.

    Notes
    -----
    Downwards the band is flat to 3/4 of what the new rate can hold (6 kHz at 16 kHz; the features end at 4 kHz), for
    half the delay of the steepest filter: about 20 ms from 44.1 or 48 kHz.
    """

    def __init__(self, from_sr: int, to_sr: int) -> None:
        self._stream = None
        if from_sr != to_sr:
            quality = "LQ" if from_sr > to_sr else "HQ"
            self._stream = soxr.ResampleStream(from_sr, to_sr, 1, dtype="float32", quality=quality)

    def push(self, block: np.ndarray) -> np.ndarray:
        """Return what ``block``, (n,) float32, completes: (m,) float32, at first nothing."""
        if self._stream is None:
            return block
        resampled: np.ndarray = self._stream.resample_chunk(np.ascontiguousarray(block, np.float32))
        return resampled

    def flush(self) -> np.ndarray:
        """Return the rest, as though silence followed, and be ready for another sound."""
        if self._stream is None:
            return np.zeros(0, np.float32)
        rest: np.ndarray = self._stream.resample_chunk(np.zeros(0, np.float32), last=True)
        self._stream.clear()
        return rest


class Silence:
    """How long a source has been giving nothing at all, as a muted or a wrong one does: no room is that quiet.

    Attributes
    ----------
    duration_s : float
        Seconds up to now in which the samples stayed equal to within 90 dB of full scale.
    """

    def __init__(self) -> None:
        self.duration_s = 0.0

    def push(self, block: np.ndarray, sr: int) -> None:
        """Go on with ``block``, (n,), at ``sr`` Hz."""
        if len(block) == 0:
            return
        if float(block.max()) - float(block.min()) < 2 * _QUIET:
            self.duration_s += len(block) / sr
        else:
            self.duration_s = 0.0


class FileSource:
    """A recording, or a pipe with one, read the way a microphone is: an iterator of blocks, and a context manager.

    Parameters
    ----------
    path : str or path
        As for `read`; "-" is standard input. A pipe is taken as it comes in: WAV, or anything without a known header as
        raw samples (16 bits, little-endian, mono). FLAC, Ogg and other containers are heard when the pipe has ended.
    raw_sr : int, optional
        Rate of raw samples, Hz; by default 16 kHz. Where it is given, a file without a known header is raw, too.
    paced : bool
        Give each block when it would have been recorded, not as soon as possible.
    block_s : float
        Length of a block, seconds; the last is shorter.
    sr : int
        Rate of the blocks, Hz.

    Attributes
    ----------
    name : str
        The path, or "standard input".
    native_sr : int
        Rate of the recording, Hz; of a pipe 0 until its first sound.
    silent_s : float
        Seconds up to now of digital silence.
    ended : bool
        There is no more.
    dropped, reopened : int
        Always 0: a recording waits.
    lost : bool
        Always False.

    Raises
    ------
    AudioError
        As `read` does: for a file at once, for a pipe when it shows.
    """

    dropped = 0
    reopened = 0
    lost = False

    def __init__(
        self,
        path: str | os.PathLike[str],
        raw_sr: int | None = None,
        paced: bool = False,
        block_s: float = 0.03,
        sr: int = SAMPLE_RATE,
    ) -> None:
        if raw_sr is not None and not SLOWEST <= raw_sr <= FASTEST:
            raise AudioError(f"raw samples at {raw_sr} Hz cannot be; give a rate from {SLOWEST} to {FASTEST}")
        self.name = "standard input" if str(path) == STANDARD_INPUT else str(path)
        self.ended = False
        self._sr, self._paced = sr, paced
        self._block = max(1, round(block_s * sr))
        self._reader = _open(str(path), self.name, raw_sr)
        self._resampler: Resampler | None = None
        self._silence = Silence()
        self._waiting = np.zeros(0, np.float32)  # resampled and not yet given
        self._num_given = 0
        self._is_drained = False
        self._started: float | None = None  # on the monotonic clock: when the recording would have begun

    @property
    def native_sr(self) -> int:
        """Rate of the recording, Hz."""
        return self._reader.sr

    @property
    def silent_s(self) -> float:
        """Digital silence up to now, seconds."""
        return self._silence.duration_s

    def __enter__(self) -> FileSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[np.ndarray]:
        while (block := self.read()) is not None:
            yield block

    def read(self, timeout_s: float | None = None) -> np.ndarray | None:
        """Return the next block, (n,) float32; None at the end (`ended`), or if it does not come within the time.

        Parameters
        ----------
        timeout_s : float, optional
            Seconds to wait; by default as long as it takes.

        Raises
        ------
        AudioError
            A pipe turns out to be cut off or no sound.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while len(self._waiting) < self._block and not self._is_drained:
            left_s = None if until is None else max(0.0, until - time.monotonic())
            self._take(self._reader.read(left_s))
            if left_s == 0.0 and len(self._waiting) < self._block and not self._is_drained:
                return None
        block = self._waiting[: self._block]
        if len(block) == 0:
            self.ended = True
            return None
        if self._paced and not self._wait_for(self._num_given + len(block), until):
            return None
        self._waiting = self._waiting[len(block) :]
        self._num_given += len(block)
        return block

    def close(self) -> None:
        """Let the file go; a further `read` finds the end."""
        self._reader.close()
        self._waiting, self._is_drained, self.ended = self._waiting[:0], True, True

    def _take(self, sound: np.ndarray | None) -> None:
        if sound is None:
            rest = self._resampler.flush() if self._resampler is not None else self._waiting[:0]
            self._is_drained = True
        elif len(sound) == 0:
            return
        else:
            if self._resampler is None:
                self._resampler = Resampler(self._reader.sr, self._sr)
            self._silence.push(sound, self._reader.sr)
            rest = self._resampler.push(sound)
        self._waiting = np.concatenate([self._waiting, rest])

    def _wait_for(self, num_samples: int, until: float | None) -> bool:
        """Wait until so many would have been recorded; tell whether that was within the time."""
        if self._started is None:
            self._started = time.monotonic()
        due = self._started + num_samples / self._sr
        time.sleep(max(0.0, (due if until is None else min(due, until)) - time.monotonic()))
        return until is None or due <= until


def _open(path: str, name: str, raw_sr: int | None) -> Reader:
    if path == STANDARD_INPUT:
        if os.isatty(0):
            raise AudioError("standard input is a terminal; pipe a recording into it, or name a file")
        return PipeReader(0, name, raw_sr or SAMPLE_RATE, _FileReader)
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise AudioError(f"{name} is a folder; name one recording in it")
        if not stat.S_ISREG(mode) or Path(path).suffix.lower() in _RAW_SUFFIXES:
            return PipeReader(os.open(path, os.O_RDONLY), name, raw_sr or SAMPLE_RATE, _FileReader)
        with open(path, "rb") as file:
            start = file.read(12)
        if not start:
            raise AudioError(f"{name} is empty; record it again")
        if missing := missing_bytes(start, os.path.getsize(path)):
            raise AudioError(f"{name} is cut off, {missing} bytes before its end; copy it or record it again")
        if raw_sr is not None and not is_foreign(start) and not start.startswith(b"RIFF"):
            return PipeReader(os.open(path, os.O_RDONLY), name, raw_sr or SAMPLE_RATE, _FileReader)
        return _FileReader(path, name)
    except FileNotFoundError:
        raise AudioError(f"there is no file {name}; check the path") from None
    except OSError as error:
        raise AudioError(f"{name} cannot be read ({error.strerror}); check its permissions") from None


class _FileReader:
    """A file that can be read out of order, as libsndfile wants it."""

    def __init__(self, file: str | io.BytesIO, name: str) -> None:
        self._name = name
        try:
            self._file = soundfile.SoundFile(file)
        except soundfile.LibsndfileError:  # whose reason can be that a file that is there is not
            raise AudioError(f"{name} is no sound file that can be read; convert it to WAV or FLAC") from None
        self.sr = checked_rate(self._file.samplerate, name)
        self._num_read = 0

    def read(self, timeout_s: float | None) -> np.ndarray | None:
        if self._file.closed:
            return None
        try:
            frames = self._file.read(round(_DECODED_S * self.sr), dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            frames = np.zeros((0, 1), np.float32)
        if len(frames) == 0:
            if self._num_read == 0:
                raise AudioError(f"{self._name} holds no sound; record it again")
            # MP3 only estimates its length; a count beyond all sense says that the file does not tell.
            if self._num_read < self._file.frames < _BEYOND and self._file.format != "MP3":
                raise cut_off(self._name, self._num_read, self._file.frames, self.sr)
            return None
        self._num_read += len(frames)
        return mono(frames, self._name)

    def close(self) -> None:
        self._file.close()


def word_folders(folder: str | os.PathLike[str]) -> dict[str, list[Path]]:
    """Return the recordings of each word: one folder a word, its name the word's.

    Parameters
    ----------
    folder : str or path
        The folder of the folders. Hidden ones are left out, as are files that are no sound by their names.

    Returns
    -------
    dict of str to list of Path
        Words and their recordings, both sorted; a word without any is left out.

    Raises
    ------
    AudioError
        The folder is missing, is a file, or has no such folders.
    """
    root = Path(folder)
    try:
        children = sorted(child for child in root.iterdir() if child.is_dir() and not child.name.startswith("."))
        found = {child.name: sorted(path for path in child.iterdir() if is_recording(path)) for child in children}
    except FileNotFoundError:
        raise AudioError(f"there is no folder {root}; check the path") from None
    except NotADirectoryError:
        raise AudioError(f"{root} is no folder; name one with a folder of recordings for each word") from None
    except OSError as error:
        raise AudioError(f"{root} cannot be read ({error.strerror}); check its permissions") from None
    words = {word: paths for word, paths in found.items() if paths}
    if not words:
        raise AudioError(f"{root} has no folders with recordings; put those of each word into a folder of its name")
    return words


def is_recording(path: Path) -> bool:
    """Return whether a file is one, by the end of its name; hidden files are not."""
    return not path.name.startswith(".") and path.suffix.lower() in _SUFFIXES and path.is_file()


def speaker_of(path: str | os.PathLike[str]) -> str | None:
    """Return who speaks, where the file is called ``<speaker>_nohash_<number>`` as those of Speech Commands are."""
    match = re.fullmatch(r"(.+)_nohash_\d+", Path(path).stem)
    return match.group(1) if match else None
