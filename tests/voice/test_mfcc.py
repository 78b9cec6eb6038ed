"""MFCC frames: as librosa has them, as the definition has them, and the same however the sound is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive_sound
from tests.voice.tables import tables_of_features
from typeahead.voice.mfcc import MFCC, Features, Tables

FEATURES = Features()
SMALL = Features(sr=8000, win_length=50, hop_length=20, n_fft=64, n_mels=12, n_mfcc=5, fmax=3000.0)


@pytest.fixture(scope="module")
def tables() -> Tables:
    return Tables.of(FEATURES)


def sound(seed: int, n: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(n) / FEATURES.sr
    y = 0.3 * np.sin(2 * np.pi * (300 + 900 * t) * t) + rng.normal(0, 0.01, n)
    return y.astype(np.float32)


def test_the_shipped_model_has_the_tables_of_librosa_and_scipy(tables):
    shipped = tables_of_features()
    assert shipped.filterbank.tobytes() == tables.filterbank.tobytes()
    assert shipped.dct.tobytes() == tables.dct.tobytes()


def test_frames_equal_librosas(tables):
    import librosa

    y = sound(1, 8000)
    # librosa centres the window in the FFT's length: 16 samples later than here.
    padded = np.concatenate([np.zeros(16), y, np.zeros(16)])
    mel = librosa.feature.melspectrogram(
        y=padded, sr=16000, n_fft=512, hop_length=160, win_length=480, window="hann", center=False, power=2.0,
        n_mels=40, fmin=0, fmax=4000, htk=True, norm=None,
    )  # fmt: skip
    expected = librosa.feature.mfcc(S=np.log(mel + 1e-6), n_mfcc=20, dct_type=2, norm="ortho").T
    found = MFCC(FEATURES, tables).push(y)
    assert len(found) == len(expected) == (8000 - 480) // 160 + 1
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("features", [FEATURES, SMALL])
def test_frames_equal_those_of_the_definition(features):
    tables, y = Tables.of(features), sound(2, 1500)
    one = MFCC(features, tables)
    np.testing.assert_allclose(one.push(y), naive_sound.mfcc(y, features, tables.filterbank), atol=1e-4)
    one.reset()
    np.testing.assert_allclose(one.mel(y), naive_sound.log_mel(y, features, tables.filterbank), atol=1e-4)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 900), max_size=12))
def test_a_stream_in_any_blocks_gives_the_frames_of_the_whole(blocks):
    tables, y = Tables.of(SMALL), sound(3, sum(blocks))
    whole = MFCC(SMALL, tables).push(y)
    streaming, at, parts = MFCC(SMALL, tables), 0, []
    for size in blocks:
        parts.append(streaming.push(y[at : at + size]))
        at += size
    np.testing.assert_array_equal(np.concatenate([*parts, np.zeros((0, SMALL.n_mfcc))]), whole)


def test_after_a_reset_nothing_of_the_sound_before_is_left(tables):
    one = MFCC(FEATURES, tables)
    one.push(sound(4, 700))
    one.reset()
    np.testing.assert_array_equal(one.push(sound(5, 2000)), MFCC(FEATURES, tables).push(sound(5, 2000)))


def test_silence_is_finite_and_short_sound_has_no_frame(tables):
    one = MFCC(FEATURES, tables)
    assert one.push(np.zeros(479, np.float32)).shape == (0, 20)
    assert np.isfinite(one.push(np.zeros(1, np.float32))).all()


@pytest.mark.parametrize(
    "wrong", [{"n_fft": 500}, {"hop_length": 0}, {"win_length": 600}, {"n_mfcc": 41}, {"floor": 0.0}]
)
def test_impossible_features_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Features(**wrong)


def test_tables_of_other_features_are_refused(tables):
    with pytest.raises(ValueError, match="not of these features"):
        MFCC(SMALL, tables)
