"""typeahead train --voice: recordings in, a model that hears them out."""

from __future__ import annotations

import json
import signal
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.voice.speaking import SR, hiss, say
from typeahead.rnn import checkpoint
from typeahead.voice.classifier import Classifier
from typeahead.voice.detector import Detector, DetectorConfig
from typeahead.voice.labels import SILENCE, UNKNOWN

pytestmark = pytest.mark.slow  # networks are trained

WORDS = {"ai": "ai", "ou": "ou", "eee": "e"}
SMALL = ["--hidden-size", "24", "--batch-size", "8", "--threads", "1", "--num-layers", "1"]


def write(path: Path, y: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SR)
        file.writeframes((np.clip(y, -1, 1) * 32767).astype("<i2").tobytes())


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with three words of thirty speakers, and one of noise."""
    folder = tmp_path_factory.mktemp("words")
    for n, (word, vowels) in enumerate(WORDS.items()):
        for speaker in range(30):
            write(folder / word / f"{speaker:08x}_nohash_0.wav", say(vowels, 100 * n + speaker, 0.2))
    write(folder / "_background_noise_" / "hiss.wav", hiss(4, -30))
    return folder


def weights(path: Path) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in checkpoint.load(path)[0].items()}


def test_a_folder_gives_a_model_that_hears_its_words_in_running_sound(words, folder, run):
    command = ["train", "--voice", str(words), "--words", "ai,ou", "--steps", "250", "--learning-rate", "0.01"]
    status, out, err = run(*command, *SMALL, "--output", "v.safetensors", "--plot", "curve.png")
    assert status == 0, err
    assert "validation loss" in out
    assert "bits per byte" not in out + err
    assert "accuracy" in out  # of the speakers held out, with the confusion
    assert (folder / "curve.png").stat().st_size > 1000
    one = Classifier.load(folder / "v.safetensors")
    assert one.labels == ("ai", "ou", UNKNOWN, SILENCE)
    assert one.metadata["data"]["train"]["labels"].keys() == {"ai", "ou", "eee", "_background_noise_"}
    assert one.metadata["data"]["valid"]["recordings"] > 0
    pause = hiss(0.7)
    sound = np.concatenate([pause, say("ai", 901), pause, say("ou", 902), pause, say("ai", 903), pause])
    heard = Detector(one, DetectorConfig({"ai": 0.5, "ou": 0.5})).push(sound)
    assert [each.word for each in heard] == ["ai", "ou", "ai"]


def test_a_run_goes_on_where_it_was_stopped_and_gives_the_bits_of_an_uninterrupted_one(words, folder, run, start):
    command = ["train", "--voice", str(words), *SMALL, "--steps", "60", "--eval-interval", "20"]
    assert run(*command, "--output", "whole.safetensors")[0] == 0
    child = start(*command, "--output", "parts.safetensors")
    metrics = folder / "parts.metrics.jsonl"
    while child.poll() is None and (not metrics.exists() or len(metrics.read_bytes().splitlines()) < 3):
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    child.communicate()
    assert child.returncode == 130
    status, _, err = run("train", "--resume", "--output", "parts.safetensors")
    assert status == 0, err
    assert weights(folder / "parts.safetensors") == weights(folder / "whole.safetensors")


def test_all_folders_are_words_by_default_and_the_file_says_how_it_was_made(words, folder, run):
    status, _, err = run("train", "--voice", str(words), *SMALL, "--steps", "2", "--output", "v.safetensors")
    assert status == 0, err
    one = Classifier.load(folder / "v.safetensors")
    assert one.words == ("ai", "eee", "ou")
    assert one.metadata["command"].startswith(f"typeahead train {words.name} --voice")
    assert one.metadata["network"]["hidden_size"] == 24
    last = json.loads((folder / "v.metrics.jsonl").read_text().splitlines()[-1])
    assert last["valid_loss"] > 0


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (["--words", "ai,cat"], 1, "--words cat: no folder of that name; there are ai, eee, ou"),
        (["--noise", "nowhere"], 1, "--noise nowhere: no such file or folder"),
        (["--init", "x.safetensors"], 1, "x.safetensors"),
        (["--augmentation", "2"], 2, "augmentation"),
    ],
)
def test_bad_input_is_one_clear_line(words, folder, run, args, status, message):
    found, _, err = run("train", "--voice", str(words), *args, "--steps", "1", "--output", "v.safetensors")
    assert found == status
    assert message in err
    assert "Traceback" not in err
    assert not (folder / "v.safetensors").exists()


def test_options_of_a_voice_are_refused_for_text(folder, run):
    (folder / "a.txt").write_text("hello\n" * 1000)
    status, _, err = run("train", "a.txt", "--words", "a")
    assert status == 2
    assert "--words goes with --voice" in err


def test_an_empty_folder_is_one_clear_line(folder, run):
    (folder / "empty").mkdir()
    status, _, err = run("train", "--voice", "empty", "--steps", "1", "--output", "v.safetensors")
    assert status == 1
    assert len(err.strip().splitlines()) == 1
    assert err.startswith("typeahead: empty")
