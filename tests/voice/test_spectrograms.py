"""Labelled spectrograms: read from pictures and from sound, and split by speaker."""

from __future__ import annotations

import io
import tarfile
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.voice.tables import tables_of_features
from typeahead.errors import AudioError
from typeahead.voice import spectrograms
from typeahead.voice.mfcc import MFCC, Features, Tables

FEATURES = Features()


@pytest.fixture(scope="module")
def tables() -> Tables:
    return tables_of_features()


def picture(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def sound_file(path: Path, y: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((y * 32767).astype("<i2").tobytes())


def test_bytes_and_nats_are_within_half_a_step():
    values = np.linspace(-14, 10.5, 500)
    assert np.abs(spectrograms.to_nats(spectrograms.to_bytes(values)) - values).max() <= 0.5 / 9.985 + 1e-5


def test_pictures_of_a_tar_come_back_by_name(tmp_path, tables, rng):
    pixels = rng.integers(0, 256, (3, 98, 40), dtype=np.uint8)
    members = {"yes/b_nohash_0.png": picture(pixels[0]), "no/a_nohash_0.png": picture(pixels[1, :50]), "README": b"x"}
    found = spectrograms.read(tar(tmp_path / "a.tar", members), FEATURES, tables)
    assert found.labels == ("no", "yes")
    assert found.names == ("no/a_nohash_0.png", "yes/b_nohash_0.png")
    np.testing.assert_array_equal(found[0], pixels[1, :50])
    np.testing.assert_array_equal(found[1], pixels[0])


def test_a_folder_of_recordings_gives_the_spectrograms_of_their_sound(tmp_path, tables, rng):
    y = rng.normal(0, 0.1, 8000)
    sound_file(tmp_path / "yes" / "one.wav", y)
    sound_file(tmp_path / "no" / "two.wav", y[:4000])
    found = spectrograms.read(tmp_path, FEATURES, tables)
    assert found.labels == ("no", "yes")
    heard = np.round(y * 32767) / 32768
    expected = MFCC(FEATURES, tables).mel(heard.astype(np.float32))
    assert np.abs(spectrograms.to_nats(found[1]) - expected).max() < 0.1


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"yes/a.png": b"nothing"}, "no picture"),
        ({"yes/a.png": picture(np.zeros((98, 30), np.uint8))}, "30 columns, not 40"),
        ({"yes/a.txt": b"x"}, "no pictures"),
    ],
)
def test_a_tar_of_something_else_is_one_clear_line(tmp_path, tables, members, message):
    with pytest.raises(AudioError, match=message):
        spectrograms.read(tar(tmp_path / "a.tar", members), FEATURES, tables)


def test_no_folder_and_no_tar_are_one_clear_line(tmp_path, tables):
    with pytest.raises(AudioError, match="no such folder"):
        spectrograms.read(tmp_path / "none", FEATURES, tables)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(AudioError, match="neither a folder nor a tar"):
        spectrograms.read(tmp_path / "text", FEATURES, tables)


def test_a_span_is_where_the_sound_is(tables):
    y = np.random.default_rng(1).normal(0, 1e-3, 16000)
    t = np.arange(4800) / 16000
    y[6400:11200] += 0.3 * np.sin(2 * np.pi * 500 * t)
    ln_mel = MFCC(FEATURES, tables).mel(y.astype(np.float32))
    pixels = spectrograms.to_bytes(ln_mel)
    one = spectrograms.Spectrograms(pixels, np.array([0, len(pixels)]), ("a",), ("a/a",))
    start, end = one.spans()[0]
    assert abs(start - 39) <= 2  # 0.4 s
    assert abs(end - 69) <= 3


def test_a_span_of_silence_or_of_one_frame_is_all_of_it(tables):
    for length in (1, 2, 98):
        pixels = np.zeros((length, 40), np.uint8)
        one = spectrograms.Spectrograms(pixels, np.array([0, length]), ("a",), ("a/a",))
        assert one.spans().tolist() == [[0, length]]


def test_a_speaker_is_on_one_side_and_a_tenth_of_speakers_are_held_out():
    names = [
        f"{word}/{speaker:08x}_nohash_{n}.wav" for speaker in range(3000) for word in ("yes", "no") for n in (0, 1)
    ]
    held = [spectrograms.is_held_out(name) for name in names]
    assert all(len(set(held[i : i + 4])) == 1 for i in range(0, len(held), 4))
    assert 0.08 < np.mean(held) < 0.12


def test_the_split_is_that_of_the_speech_commands():
    # From the data's own list of validation files, and from its training files.
    assert spectrograms.is_held_out("bed/026290a7_nohash_0.wav")
    assert not spectrograms.is_held_out("bed/00176480_nohash_0.wav")
