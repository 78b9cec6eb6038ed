"""Recordings of many kinds, damaged ones too, from files and from pipes that go on or break."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given
from hypothesis import strategies as st

from typeahead.errors import AudioError
from typeahead.voice.recordings import FileSource, Resampler, Silence, read, speaker_of, word_folders

SPAN = np.random.default_rng(7).uniform(-0.5, 0.5, 50_000).astype(np.float32)


def tone(sr: int, duration_s: float = 0.6, frequency: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(sr * duration_s)) / sr)).astype(np.float32)


def written(path: Path, sound: np.ndarray, sr: int = 16_000, **kwargs: str) -> Path:
    soundfile.write(path, sound, sr, **kwargs)
    return path


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Put a pipe in the place of standard input; return its other end, which the test may close."""
    kept = os.dup(0)
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    os.close(reading)
    yield writing
    os.dup2(kept, 0)
    os.close(kept)


def feed(descriptor: int, content: bytes, piece: int = 1 << 16) -> Thread:
    """Write in a thread, as a pipe holds little, then close."""

    def write() -> None:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            for start in range(0, len(content), piece):
                try:
                    file.write(content[start : start + piece])
                except BrokenPipeError:
                    return

    thread = Thread(target=write)
    thread.start()
    return thread


@pytest.mark.parametrize("sr", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_any_rate_becomes_16_khz(tmp_path: Path, sr: int) -> None:
    sound = read(written(tmp_path / "a.wav", tone(sr), sr, subtype="FLOAT"))
    assert sound.dtype == np.float32
    assert len(sound) == pytest.approx(9_600, abs=1)
    inner = slice(1_000, -1_000)
    assert np.abs(sound - tone(16_000)[: len(sound)])[inner].max() < 1e-3


@pytest.mark.parametrize(
    ("name", "subtype"),
    [("a.wav", "PCM_U8"), ("a.wav", "PCM_24"), ("a.wav", "ULAW"), ("a.flac", "PCM_16"), ("a.ogg", "VORBIS")],
)
def test_any_format_is_read_and_channels_are_averaged(tmp_path: Path, name: str, subtype: str) -> None:
    left = tone(16_000)
    sound = read(written(tmp_path / name, np.stack([left, np.zeros_like(left)], axis=1), subtype=subtype))
    assert np.abs(sound - left / 2).max() < 0.02


def test_raw_samples_are_known_by_the_name_or_because_their_rate_is_given(tmp_path: Path) -> None:
    samples = (tone(16_000) * 32_768).astype("<i2")
    for name in ("a.raw", "b.PCM", "c.dat"):
        (tmp_path / name).write_bytes(samples.tobytes())
    assert np.array_equal(read(tmp_path / "a.raw"), samples / np.float32(32_768))
    assert np.array_equal(read(tmp_path / "b.PCM"), samples / np.float32(32_768))
    assert len(np.concatenate(list(FileSource(tmp_path / "c.dat", raw_sr=8_000)))) == 2 * len(samples)
    with pytest.raises(AudioError, match=r"c\.dat is no sound file"):
        read(tmp_path / "c.dat")


def bad_files(folder: Path) -> dict[str, Path]:
    """Return what cannot be read -> a file like that."""
    whole = written(folder / "whole.wav", tone(16_000)).read_bytes()
    flac = written(folder / "whole.flac", tone(16_000)).read_bytes()
    contents = {
        "empty": b"",
        "cut.wav": whole[: len(whole) // 2],
        "cut.flac": flac[: len(flac) * 9 // 10],
        "header.wav": written(folder / "header.wav", np.zeros(0)).read_bytes(),
        "text.wav": b"up, down, left and right\n" * 50,
        "nan.wav": written(folder / "nan.wav", np.full(100, np.nan), subtype="FLOAT").read_bytes(),
        "few.wav": whole[:20],
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in [*contents, "missing.wav", ""]}


@pytest.mark.parametrize(
    "name",
    ["empty", "cut.wav", "cut.flac", "header.wav", "text.wav", "nan.wav", "few.wav", "missing.wav", ""],
)
def test_a_file_that_cannot_be_read_is_one_line_with_its_name_and_what_to_do(tmp_path: Path, name: str) -> None:
    path = bad_files(tmp_path)[name]
    with pytest.raises(AudioError) as caught:
        read(path)
    message = str(caught.value)
    assert str(path) in message
    assert "; " in message
    assert "\n" not in message


def test_resampling_in_blocks_is_resampling_the_whole(rng: np.random.Generator) -> None:
    sound = rng.standard_normal(44_100).astype(np.float32)
    resampler = Resampler(44_100, 16_000)
    blocks = [resampler.push(block) for block in np.array_split(sound, 33)]
    joined = np.concatenate([*blocks, resampler.flush()])
    assert np.array_equal(joined, soxr.resample(sound, 44_100, 16_000, quality="LQ"))
    assert len(joined) == 16_000


@given(
    st.sampled_from([8_000, 16_000, 22_050, 44_100, 48_000, 96_000]),
    st.integers(0, 20_000),
    st.lists(st.integers(0, 3_000), max_size=12),
)
def test_resampling_does_not_depend_on_where_the_blocks_end(sr: int, length: int, sizes: list[int]) -> None:
    sound = SPAN[:length]
    whole = Resampler(sr, 16_000)
    expected = np.concatenate([whole.push(sound), whole.flush()])
    resampler = Resampler(sr, 16_000)
    for _ in range(2):  # the second time after a flush
        blocks = np.split(sound, np.cumsum(sizes))
        assert np.array_equal(np.concatenate([*map(resampler.push, blocks), resampler.flush()]), expected)


def test_downwards_the_band_of_speech_passes_and_nothing_is_folded_into_it() -> None:
    for frequency, level in [(100.0, 1.0), (4_000.0, 1.0), (5_500.0, 1.0), (9_000.0, 0.0), (12_000.0, 0.0)]:
        resampler = Resampler(48_000, 16_000)
        sound = np.concatenate([resampler.push(tone(48_000, 1.0, frequency)), resampler.flush()])[2_000:-2_000]
        assert np.sqrt(2 * np.mean(sound**2)) / 0.5 == pytest.approx(level, abs=0.01)


def test_a_file_comes_in_blocks_of_the_length_asked_for_and_a_shorter_last_one(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", tone(44_100, 1.01), 44_100)
    with FileSource(path, block_s=0.1) as source:
        blocks = list(source)
        assert source.native_sr == 44_100
        assert source.ended
        assert source.read(0.0) is None
    assert [len(block) for block in blocks] == [*[1_600] * 10, 160]
    assert np.array_equal(np.concatenate(blocks), read(path))


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("piece", [1, 7, 1 << 16])
def test_wav_from_a_pipe_is_what_the_file_is(tmp_path: Path, pipe: int, subtype: str, piece: int) -> None:
    # 3 channels of 24 bits: libsndfile writes the extensible kind of header
    sound = np.stack([tone(44_100, 0.05)] * 3, axis=1)
    path = written(tmp_path / "a.wav", sound, 44_100, subtype=subtype)
    writer = feed(pipe, path.read_bytes() + b"after the sound", piece)
    with FileSource("-") as source:
        assert np.array_equal(np.concatenate(list(source)), read(path))
        assert source.name == "standard input"
        assert source.native_sr == 44_100
    writer.join()


@pytest.mark.parametrize(("name", "subtype"), [("a.flac", "PCM_16"), ("a.ogg", "VORBIS"), ("a.wav", "ULAW")])
def test_other_formats_from_a_pipe_are_heard_when_it_ends(tmp_path: Path, pipe: int, name: str, subtype: str) -> None:
    path = written(tmp_path / name, tone(22_050), 22_050, subtype=subtype)
    writer = feed(pipe, path.read_bytes(), 1_000)
    assert np.array_equal(np.concatenate(list(FileSource("-"))), read(path))
    writer.join()


def test_a_pipe_is_heard_before_it_ends(pipe: int) -> None:
    samples = (tone(16_000) * 32_768).astype("<i2").tobytes()
    source = FileSource("-")
    assert source.read(0.0) is None
    assert source.native_sr == 0
    for start in (0, 2_001):  # the second block is half a sample late
        os.write(pipe, samples[start : start + 2_001])
        block = source.read()
        assert block is not None
        assert len(block) == 480
    assert not source.ended
    os.close(pipe)
    assert sum(map(len, source)) == 2_001 - 960
    assert source.ended


def test_a_wav_header_without_a_length_as_recorders_write_into_a_pipe_lasts_until_the_end(
    tmp_path: Path, pipe: int
) -> None:
    path = written(tmp_path / "a.wav", tone(16_000))
    content = path.read_bytes()
    for size in (0xFFFFFFFF, 0x7FFFFFFF, 0):
        endless = content[:40] + size.to_bytes(4, "little") + content[44:]
        fifo = tmp_path / f"fifo{size}"
        os.mkfifo(fifo)
        writer = Thread(target=fifo.write_bytes, args=[endless])
        writer.start()
        assert np.array_equal(read(fifo), read(path))
        writer.join()
    os.close(pipe)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "standard input is empty"),
        (b"RIFF", "standard input is no sound file"),
        (b"git status\n" * 5, "standard input is text"),
        (b"fLaC" + bytes(100), "standard input is no sound file"),
    ],
)
def test_a_pipe_without_sound_is_one_clear_line(pipe: int, content: bytes, message: str) -> None:
    writer = feed(pipe, content)
    with pytest.raises(AudioError, match=f"{message}[^\n]*; [^\n]*$"):
        list(FileSource("-"))
    writer.join()


def test_a_pipe_that_breaks_is_heard_up_to_there(tmp_path: Path, pipe: int) -> None:
    content = written(tmp_path / "a.wav", tone(16_000)).read_bytes()
    writer = feed(pipe, content[: 44 + 2 * 5_000])
    source = FileSource("-")
    heard: list[np.ndarray] = []
    with pytest.raises(AudioError, match=r"standard input is cut off after 0\.312 of 0\.6 seconds"):
        heard.extend(source)
    assert sum(map(len, heard)) == 5_000 // 480 * 480
    writer.join()


def test_a_terminal_as_standard_input_is_refused() -> None:
    code = "from typeahead.voice.recordings import FileSource; FileSource('-')"
    parent, child = os.openpty()
    done = subprocess.run([sys.executable, "-c", code], stdin=child, capture_output=True, text=True, timeout=60)
    os.close(parent)
    os.close(child)
    assert "AudioError: standard input is a terminal" in done.stderr


def test_a_rate_that_no_sound_has_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(100))
    for sr in (0, -1, 10**9):
        with pytest.raises(AudioError, match=f"raw samples at {sr} Hz"):
            FileSource(tmp_path / "a.raw", raw_sr=sr)


def test_a_paced_recording_never_runs_ahead(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", tone(16_000, 0.2))
    started = time.monotonic()
    with FileSource(path, paced=True) as source:
        assert source.read(0.001) is None  # the first block is not recorded yet
        assert not source.ended
        for position, block in enumerate(source):
            assert len(block) == 480 or position == 6
            assert time.monotonic() - started >= position * 0.03
    assert source.ended


def test_a_closed_source_gives_nothing_more(tmp_path: Path) -> None:
    source = FileSource(written(tmp_path / "a.wav", tone(16_000)))
    source.close()
    assert list(source) == []


def test_digital_silence_is_counted_and_a_quiet_room_is_not(rng: np.random.Generator) -> None:
    silence = Silence()
    offset = np.full(16_000, 0.25, np.float32)
    dither = rng.integers(0, 2, 8_000).astype(np.float32) / 32_768
    for block in (np.zeros(16_000, np.float32), offset, np.zeros(0, np.float32), dither):
        silence.push(block, 16_000)
    assert silence.duration_s == pytest.approx(2.5)
    silence.push(rng.standard_normal(1_600).astype(np.float32) * 10 ** (-80 / 20), 16_000)
    assert silence.duration_s == 0.0


def test_a_folder_a_word_and_nothing_hidden(tmp_path: Path) -> None:
    for name in ("up/b.wav", "up/a.FLAC", "up/.c.wav", "up/notes.txt", "down/a.wav", ".git/a.wav", "a.wav", "no/a.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert word_folders(tmp_path) == {
        "down": [tmp_path / "down" / "a.wav"],
        "up": [tmp_path / "up" / "a.FLAC", tmp_path / "up" / "b.wav"],
    }


def test_a_folder_without_words_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    for path, message in [
        (tmp_path, "has no folders with recordings; put"),
        (tmp_path / "a.wav", "is no folder; name"),
        (tmp_path / "missing", "missing; check"),
    ]:
        with pytest.raises(AudioError, match=message):
            word_folders(path)


def test_speakers_are_read_off_names_as_speech_commands_has_them() -> None:
    assert speaker_of("data/up/0a2b400e_nohash_12.wav") == "0a2b400e"
    assert speaker_of(Path("up/anna.wav")) is None
    assert speaker_of("_nohash_1.wav") is None
