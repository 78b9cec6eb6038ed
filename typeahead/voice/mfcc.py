"""Mel-frequency cepstral coefficients, frame by frame as the sound comes in.

    n = win_length, N = n_fft, K = N/2 + 1 frequencies, M = n_mels, C = n_mfcc

    frame i = samples [i hop_length, i hop_length + n), times a periodic Hann window, filled up with zeros to N
    power   = |FFT|^2 (K,)        mel = ln(filterbank power + floor) (M,)        mfcc = dct mel (C,)

Nothing is centred and nothing depends on the rest of the recording, so a stream gives the very frames that the whole
recording gives. The tables come from librosa (filterbank) and SciPy (DCT) once, when a model is made, and lie in its
file: reading them there spares every other process two seconds of imports, and a model never meets other features.

Reference: Davis and Mermelstein 1980.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Features:
    """What decides the numbers: ``sr`` and frequencies in Hz, lengths in samples; ``floor`` is added to the power."""

    sr: int = 16000
    win_length: int = 480
    hop_length: int = 160
    n_fft: int = 512
    n_mels: int = 40
    fmin: float = 0.0
    fmax: float = 4000.0
    n_mfcc: int = 20
    floor: float = 1e-6

    def __post_init__(self) -> None:
        if self.n_fft < 4 or self.n_fft & (self.n_fft - 1):
            raise ValueError(f"n_fft {self.n_fft} is not a power of two of 4 or more")
        if not 0 < self.hop_length <= self.win_length <= self.n_fft:
            raise ValueError(f"hop_length {self.hop_length}, win_length {self.win_length}: not rising up to n_fft")
        if not 0 < self.n_mfcc <= self.n_mels:
            raise ValueError(f"n_mfcc {self.n_mfcc} is not between 1 and n_mels {self.n_mels}")
        if not self.floor > 0:
            raise ValueError(f"floor {self.floor} is not above 0")

    @property
    def frames_per_s(self) -> float:
        """Frames a second."""
        return self.sr / self.hop_length


@dataclass(frozen=True)
class Tables:
    """The two matrices: filterbank (M, K) float32, HTK's mel scale, not normalised; dct (C, M) float32, orthonormal."""

    filterbank: Array
    dct: Array

    @classmethod
    def of(cls, features: Features) -> Tables:
        """Make them; loads librosa and SciPy."""
        import librosa
        import scipy.fft

        filterbank = librosa.filters.mel(
            sr=features.sr,
            n_fft=features.n_fft,
            n_mels=features.n_mels,
            fmin=features.fmin,
            fmax=features.fmax,
            htk=True,
            norm=None,
        )
        dct = scipy.fft.dct(np.eye(features.n_mels), type=2, norm="ortho", axis=0)[: features.n_mfcc]
        return cls(np.ascontiguousarray(filterbank, np.float32), np.ascontiguousarray(dct, np.float32))


class MFCC:
    """Frames out of sound that comes in blocks of any size.

    Parameters
    ----------
    features : Features
    tables : Tables
        Those of ``features``.

    Raises
    ------
    ValueError
        The tables have other shapes.
    """

    def __init__(self, features: Features, tables: Tables) -> None:
        bins = features.n_fft // 2 + 1
        if tables.filterbank.shape != (features.n_mels, bins) or tables.dct.shape != (features.n_mfcc, features.n_mels):
            raise ValueError(f"tables of {tables.filterbank.shape} and {tables.dct.shape} are not of these features")
        self.features = features
        half = features.n_fft // 2
        angle = 2 * np.pi * np.arange(half) / features.n_fft
        self._turn = np.cos(angle), np.sin(angle)  # of the whole transform; every second one is of its half
        bits = half.bit_length() - 1
        self._order = np.array([int(format(i, f"0{bits}b")[::-1], 2) for i in range(half)], np.int64)
        self._window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(features.win_length) / features.win_length)
        self._filterbank = tables.filterbank.astype(np.float64)
        nonzero = self._filterbank != 0
        self._reach = np.stack([nonzero.argmax(axis=1), bins - nonzero[:, ::-1].argmax(axis=1)], axis=1)
        self._dct = tables.dct.astype(np.float64)
        self._scratch = np.zeros((2, half)), np.zeros(bins)
        self._left = np.zeros(0, np.float32)

    def reset(self) -> None:
        """Forget the samples that no frame has been complete with: the next sound is another recording."""
        self._left = np.zeros(0, np.float32)

    def push(self, y: Array) -> Array:
        """Return the coefficients (T, C) float32 of the frames that ``y`` (n,) completes; T may be 0."""
        return self._frames(y, mel=False)

    def mel(self, y: Array) -> Array:
        """Return the log-mel spectrogram (T, M) float32 instead, likewise."""
        return self._frames(y, mel=True)

    def _frames(self, y: Array, mel: bool) -> Array:
        f = self.features
        y = np.concatenate([self._left, y]) if len(self._left) else y
        count = max(0, (len(y) - f.win_length) // f.hop_length + 1)
        self._left = np.array(y[count * f.hop_length :], np.float32)
        logs = np.empty((count, f.n_mels))
        out = np.empty((0 if mel else count, f.n_mfcc), np.float32)
        if count:
            y = np.ascontiguousarray(y, np.float32)
            _frames(
                y, f.hop_length, self._window, self._order, *self._turn, self._filterbank, self._reach, self._dct,
                f.floor, *self._scratch, logs, out,
            )  # fmt: skip
        return logs.astype(np.float32) if mel else out


# Both kernels in one file: Numba's cache does not see a change in another one.
_kernel = njit(cache=True, nogil=True, fastmath={"nsz", "contract", "reassoc"}, error_model="numpy")


@_kernel
def _fft(re, im, order, cos, sin):  # type: ignore[no-untyped-def]
    # In place, radix 2 (Cooley and Tukey 1965); cos, sin are of a transform twice as long.
    n = re.size
    for i in range(n):
        j = order[i]
        if j > i:
            re[i], re[j] = re[j], re[i]
            im[i], im[j] = im[j], im[i]
    size = 2
    while size <= n:
        half, stride = size // 2, 2 * n // size
        for start in range(0, n, size):
            for k in range(half):
                a, b = start + k, start + k + half
                c, s = cos[k * stride], sin[k * stride]
                x, y = re[b] * c + im[b] * s, im[b] * c - re[b] * s
                re[b], im[b] = re[a] - x, im[a] - y
                re[a] += x
                im[a] += y
        size *= 2


@_kernel
def _power(re, im, cos, sin, power):  # type: ignore[no-untyped-def]
    # |FFT|^2 (half + 1,) of real x, from the transform of x[2k] + i x[2k+1].
    half = re.size
    for k in range(half // 2 + 1):
        j = (half - k) % half
        even_re, even_im = (re[k] + re[j]) / 2, (im[k] - im[j]) / 2
        odd_re, odd_im = (im[k] + im[j]) / 2, (re[j] - re[k]) / 2
        x = odd_re * cos[k] + odd_im * sin[k]
        y = odd_im * cos[k] - odd_re * sin[k]
        power[k] = (even_re + x) ** 2 + (even_im + y) ** 2
        power[half - k] = (even_re - x) ** 2 + (even_im - y) ** 2


@_kernel
def _frames(y, hop, window, order, cos, sin, filterbank, reach, dct, floor, scratch, power, logs, out):  # type: ignore[no-untyped-def]
    # scratch (2, N/2) and power (K,) are work arrays; logs (T, M) is always written, out (T, C) if it has rows.
    re, im = scratch[0], scratch[1]
    n = window.size
    for t in range(logs.shape[0]):
        at = t * hop
        for k in range(re.size):
            i = 2 * k
            re[k] = y[at + i] * window[i] if i < n else 0.0
            im[k] = y[at + i + 1] * window[i + 1] if i + 1 < n else 0.0
        _fft(re, im, order, cos, sin)
        _power(re, im, cos, sin, power)
        for m in range(logs.shape[1]):
            total = 0.0
            for k in range(reach[m, 0], reach[m, 1]):
                total += filterbank[m, k] * power[k]
            logs[t, m] = math.log(total + floor)
        if out.shape[0]:
            for c in range(out.shape[1]):
                total = 0.0
                for m in range(logs.shape[1]):
                    total += dct[c, m] * logs[t, m]
                out[t, c] = total
