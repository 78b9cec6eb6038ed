"""MFCCs again, straight from the definition: what the kernel must equal."""

import numpy as np


def log_mel(y, f, filterbank):
    """(T, M) of samples y (n,): each frame cut out, windowed, filled up with zeros, transformed by its sums."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(f.win_length) / f.win_length)
    n, k = np.arange(f.n_fft), np.arange(f.n_fft // 2 + 1)
    basis = np.exp(-2j * np.pi * np.outer(k, n) / f.n_fft)
    rows = []
    for start in range(0, len(y) - f.win_length + 1, f.hop_length):
        frame = np.zeros(f.n_fft)
        frame[: f.win_length] = y[start : start + f.win_length] * window
        rows.append(np.log(filterbank @ np.abs(basis @ frame) ** 2 + f.floor))
    return np.array(rows).reshape(-1, f.n_mels)


def mfcc(y, f, filterbank):
    """(T, C): the cosine transform of type II, orthonormal, of the log-mel rows."""
    m, c = np.arange(f.n_mels), np.arange(f.n_mfcc)
    dct = np.sqrt(2 / f.n_mels) * np.cos(np.pi * np.outer(c, m + 0.5) / f.n_mels)
    dct[0] /= np.sqrt(2)
    return log_mel(y, f, filterbank) @ dct.T
