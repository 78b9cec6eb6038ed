import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from tests.voice import stand_in
from typeahead.errors import AudioError
from typeahead.voice.hearing import made_up, recorded

SR = stand_in.SR


def write(folder: Path, name: str, seconds: float) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / name, np.random.default_rng(len(name)).normal(0, 0.01, int(seconds * SR)), SR)


def test_recordings_of_folders_in_folders_follow_one_another_until_there_is_enough(tmp_path):
    for name in ("a.wav", "word/b.wav", "word/c.wav"):
        write(tmp_path, name, 1)
    one = stand_in.classifier()
    inputs, count = recorded(one, [str(tmp_path)], 10_000)
    assert count == 3
    assert inputs.shape == (3 * 98 // 3, 60)  # 98 frames of 30 ms every 10 ms fit into a second, three of them a step
    few, count = recorded(one, [str(tmp_path)], 40)
    assert count == 2
    np.testing.assert_array_equal(few, inputs[:40])


def test_a_tar_of_spectrograms_is_read_too(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40), np.uint8)
    picture = io.BytesIO()
    Image.fromarray(pixels).save(picture, "png")
    with tarfile.open(tmp_path / "words.tar", "w") as archive:
        member = tarfile.TarInfo("go/one_nohash_0.png")
        member.size = len(picture.getvalue())
        archive.addfile(member, io.BytesIO(picture.getvalue()))
    inputs, count = recorded(stand_in.classifier(), [str(tmp_path / "words.tar")], 100)
    assert (inputs.shape, count) == ((10, 60), 1)


def test_sound_shorter_than_a_frame_is_one_clear_line(tmp_path):
    write(tmp_path, "click.wav", 0.01)
    with pytest.raises(AudioError, match=r"click\.wav: too short to hear anything in"):
        recorded(stand_in.classifier(), [str(tmp_path / "click.wav")], 100)


def test_noise_is_made_up_the_same_way_each_time_and_varies():
    one = stand_in.classifier()
    inputs = made_up(one, 700)
    np.testing.assert_array_equal(inputs, made_up(one, 700))
    assert inputs.shape == (700, 60)
    assert np.isfinite(inputs).all()
    assert (inputs.std(axis=0) > 0.1).all()
