"""``typeahead enrol``: from recordings and from a microphone, what it says of them, and what it leaves behind."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.voice.speaking import SR, hiss, say, voice
from tests.voice.tables import tables_of_features
from typeahead.cli import enrol as command
from typeahead.config import VoiceConfig
from typeahead.errors import AudioError
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.voice import audio, vocabulary
from typeahead.voice.classifier import Classifier
from typeahead.voice.labels import SILENCE, UNKNOWN
from typeahead.voice.mfcc import Features


@pytest.fixture
def model(folder: Path) -> str:
    network = Network.create(NetworkConfig("gru", 60, 8, 1, 4, one_hot=False), 0)
    labels = ("go", "stop", UNKNOWN, SILENCE)
    one = Classifier(network, labels, Features(), tables_of_features(), 3, np.linspace(-9, 0, 20), np.full(20, 6.0))
    one.save(folder / "voice.safetensors", {})
    return "voice.safetensors"


def write(path: str, y: np.ndarray) -> str:
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SR)
        file.writeframes((np.clip(y, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def recorded(vowels: str, *seeds: int) -> list[str]:
    return [write(f"{vowels}{seed}.wav", say(vowels, seed)) for seed in seeds]


def test_recordings_become_a_word_with_a_report(run, model):
    status, out, err = run("enrol", "tea time", *recorded("aiu", 1, 2, 3), "--model", model)
    assert (status, err) == (0, "")
    assert "learnt 'tea time' from 3 takes" in out
    assert "heard      3 of 3 takes, each by the others" in out
    assert [one.word for one in vocabulary.load_all()] == ["tea time"]
    status, out, _ = run("enrol", "--list")
    assert out.startswith("tea time  3 takes  20")
    assert json.loads(run("enrol", "--list", "--json")[1])[0]["takes"] == 3
    assert run("enrol", "--remove", "tea time")[1] == "forgot 'tea time'\n"
    assert run("enrol", "--list")[1] == "no word is enrolled; teach one with: typeahead enrol WORD\n"
    status, _, err = run("enrol", "--remove", "tea time")
    assert (status, err.count("\n")) == (1, 1)
    assert "no word 'tea time' is enrolled" in err


def test_a_word_is_replaced_only_by_force_and_the_report_is_json_when_asked(run, model):
    files = recorded("aiu", 1, 2)
    assert run("enrol", "tea", *files, "--model", model)[0] == 0
    status, _, err = run("enrol", "tea", *files, "--model", model)
    assert status == 2
    assert "'tea' is enrolled already; --force enrols it anew" in err
    status, out, _ = run("enrol", "tea", *files, "--model", model, "--force", "--json")
    found = json.loads(out)
    assert (found["word"], found["takes"], found["recall"]) == ("tea", 2, 1.0)
    assert Path(found["path"]).is_file()


def test_a_bad_recording_is_named_and_nothing_is_kept(run, model):
    files = [*recorded("aiu", 1, 2), write("faint.wav", say("aiu", 3) * np.float32(0.003))]
    status, _, err = run("enrol", "tea", *files, "--model", model)
    assert (status, err.count("\n")) == (1, 1)
    assert "faint.wav is too quiet" in err
    assert vocabulary.load_all() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tea"], "standard input is no terminal, so nobody can be asked to speak; name recordings of the word"),
        (["../tea", "a.wav"], "'../tea' cannot name a word"),
        (["tea", "nowhere.wav"], "there is no file nowhere.wav"),
        ([], "say which WORD to learn"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(run, arguments, message):
    status, _, err = run("enrol", *arguments)
    assert status in (1, 2)
    assert message in err


class Spoken:
    """A microphone in a room where what is given is said, each when it is asked for."""

    name = "a test's"
    silent_s = 0.0

    def __init__(self, *takes: np.ndarray) -> None:
        self._takes = list(takes)
        self._blocks: list[np.ndarray] = []

    def __call__(self, device: object) -> Spoken:
        return self

    def __enter__(self) -> Spoken:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, timeout_s: float) -> np.ndarray | None:
        if not timeout_s:
            return None
        if not self._blocks:
            if not self._takes:
                raise KeyboardInterrupt
            y = np.concatenate([hiss(0.5), self._takes.pop(0), hiss(1.5, seed=1)])
            self._blocks = [y[at : at + 480] for at in range(0, len(y), 480)]
        return self._blocks.pop(0)


def test_takes_are_asked_for_until_there_are_enough_good_ones(monkeypatch, capsys):
    faint = voice("aiu") * np.float32(0.04)
    monkeypatch.setattr(audio, "Microphone", Spoken(voice("aiu"), faint, voice("aiu", 130)))
    takes = command._record("tea", 2, VoiceConfig(), as_json=False)
    assert len(takes) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "listening to a test's; Ctrl-C leaves, and keeps nothing"
    assert lines[1:3] == ["say 'tea' now (1/2)", "say 'tea' now (2/2)"]
    assert lines[3].startswith("  too quiet")
    assert lines[4] == "say 'tea' now (2/2)"


def test_takes_that_are_never_good_end_it(monkeypatch):
    monkeypatch.setattr(audio, "Microphone", Spoken(*[voice("aiu") * np.float32(0.04)] * 5))
    with pytest.raises(AudioError, match="5 takes one after another were not good, the last too quiet"):
        command._record("tea", 2, VoiceConfig(), as_json=True)


def test_ctrl_c_keeps_nothing(monkeypatch):
    monkeypatch.setattr(audio, "Microphone", Spoken(voice("aiu")))
    with pytest.raises(KeyboardInterrupt):
        command._record("tea", 2, VoiceConfig(), as_json=False)
    assert vocabulary.load_all() == []


def test_silence_ends_it_after_a_while(monkeypatch):
    monkeypatch.setattr(audio, "Microphone", Spoken(*[hiss(1)] * 20))
    with pytest.raises(AudioError, match="nothing was heard for 15 s; come closer to a test's, and begin again"):
        command._record("tea", 2, VoiceConfig(), as_json=False)
