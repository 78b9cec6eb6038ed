"""``typeahead evaluate`` and ``inspect`` of a voice model whose answers are known: two tones are its words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.voice import stand_in
from typeahead.cli.voice_evaluation import confusion_text
from typeahead.rnn import checkpoint
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.voice.evaluation import ClipFigures
from typeahead.voice.labels import SILENCE, UNKNOWN

SR = stand_in.SR


def written(folder: Path, **clips: str) -> Path:
    for label, words in clips.items():
        (folder / label).mkdir(parents=True)
        for i, word in enumerate(words.split()):
            y = np.random.default_rng(i).normal(0, 1e-3, SR)
            if word != "-":
                y[5000 : 5000 + int(stand_in.LONG_S * SR)] += stand_in.tone(word)
            soundfile.write(folder / label / f"{i}.wav", y, SR)
    return folder


@pytest.fixture
def folder(folder: Path) -> Path:
    """Return the current folder, with a voice model, one of text, recordings and talk without words."""
    stand_in.model(folder)
    checkpoint.save_model(
        folder / "text.safetensors", Network.create(NetworkConfig(hidden_size=8), 1), {"kind": "text"}
    )
    written(folder / "clips", go="go go go stop", stop="stop stop", bed="go -", _silence_="- -")
    written(folder / "talk", talk="- - stop -")
    (folder / "one.txt").write_text("ls\n")
    return folder


def test_clips_are_counted_into_accuracy_recall_and_confusion(run):
    status, out, _ = run("evaluate", "tones.safetensors", "clips", "--json")
    assert status == 0
    assert json.loads(out) == {
        "accuracy": 0.7,
        "recall": {"stop": 1.0, "go": 0.75, UNKNOWN: 0.0, SILENCE: 1.0},
        "confusion": {
            "go": {"go": 3, "stop": 1},
            "stop": {"stop": 2},
            UNKNOWN: {"go": 1, SILENCE: 1},
            SILENCE: {SILENCE: 2},
        },
        "clips": 10,
    }


def test_plain_output_is_accuracy_and_a_table(run):
    _, out, _ = run("evaluate", "tones.safetensors", "clips")
    assert out.startswith("clips: 10 clips, accuracy 70.00 %\n")
    assert [line.split() for line in out.splitlines()[2:]] == [
        ["stop", "go", "unkn", "sile", "recall"],
        ["stop", "2", ".", ".", ".", "100.0", "%"],
        ["go", "1", "3", ".", ".", "75.0", "%"],
        [UNKNOWN, ".", "1", ".", "1", "0.0", "%"],
        [SILENCE, ".", ".", ".", "2", "100.0", "%"],
    ]


def test_a_table_too_wide_for_the_terminal_is_a_list():
    labels = (*(f"word{i}" for i in range(30)), UNKNOWN, SILENCE)
    confusion = np.diag(np.full(32, 9))
    confusion[3, 5] = 1
    text = confusion_text(ClipFigures(labels, confusion), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "90.0 % of 10" in text
    assert "1 word3 taken for word5" in text
    assert len(confusion_text(ClipFigures(labels, confusion), 400).splitlines()) == 33


def test_a_table_of_twelve_labels_fits_eighty_columns():
    words = ["down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes"]
    labels = (*words, UNKNOWN, SILENCE)
    lines = confusion_text(ClipFigures(labels, np.full((12, 12), 400)), 80).splitlines()
    assert len(lines) == 13
    assert max(map(len, lines)) <= 80


def test_a_stream_tells_misses_false_alarms_and_delay(run):
    args = ["evaluate", "tones.safetensors", "clips", "--stream", "--snr", "30", "--negatives", "talk", "--seed", "4"]
    status, out, _ = run(*args, "--json")
    assert status == 0
    found = json.loads(out)
    assert (found["words"], found["missed"], found["substituted"]) == (6, 1, 1)  # one lies in the wrong folder
    assert found["miss_rate"] == found["substitution_rate"] == pytest.approx(1 / 6)
    assert found["miss_rate_by_word"] == {"go": 0.25, "stop": 0}
    assert (found["unknown"], found["unknown_heard_as_a_word"]) == (2, 1)
    assert -0.4 < found["delay_s"]["median"] <= found["delay_s"]["p90"] < 0.4
    alarms = found["false_alarms"]
    assert (alarms["count"], alarms["in"], alarms["by_word"]) == (1, "negatives", {"stop": 1})
    assert alarms["each"][0]["recording"] == "talk/talk/2.wav"
    assert alarms["hours"] == pytest.approx(6 / 3600, rel=0.02)  # four seconds and what is between them
    assert found["thresholds"] == {"stop": 0.6, "go": 0.6}
    assert found["sweep"][0]["threshold"] < 0.3
    assert found == json.loads(run(*args, "--json")[1])  # the seed decides
    _, text, _ = run(*args)
    assert "missed        1 (16.7 %), 1 of them heard as another word" in text
    assert "other words   1 of 2 heard as one of these (50.0 %)" in text
    assert "stop (" in text


def test_negatives_need_no_words_and_a_threshold_can_be_given(run):
    status, out, _ = run(
        "evaluate", "tones.safetensors", "--stream", "--negatives", "talk", "--threshold", "0.99", "--json"
    )
    assert status == 0
    found = json.loads(out)
    assert found["thresholds"] == {"stop": 0.99, "go": 0.99}
    assert "words" not in found
    assert all(point["miss_rate"] is None for point in found["sweep"])


@pytest.mark.parametrize(
    "args",
    [["clips"], ["clips", "--stream"], ["--stream", "--negatives", "talk"]],
    ids=["confusion", "trade-off", "negatives"],
)
def test_a_picture_is_drawn(folder, run, args):
    status, _, err = run("evaluate", "tones.safetensors", *args, "--plot", "picture.png")
    assert (status, err) == (0, "")
    assert (folder / "picture.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["text.safetensors", "one.txt", "--stream"], "--stream is for voice models"),
        (["text.safetensors", "one.txt", "--plot", "a.png"], "--plot is for voice models"),
        (["tones.safetensors", "clips", "--snr", "10"], "--snr is of use with --stream only"),
        (["tones.safetensors", "clips", "talk"], "a voice model is evaluated on one folder, not 2"),
        (["tones.safetensors", "--stream"], "--stream without recordings"),
        (["tones.safetensors", "--stream", "--negatives", "talk", "--snr", "3"], "--snr is for streams composed"),
        (["tones.safetensors", "clips", "--stream", "--noise", "talk"], "--noise without --snr"),
        (["tones.safetensors", "clips", "--plot", "a.txt"], "--plot a.txt: not one of .png, .svg, .pdf"),
        (["tones.safetensors", "clips", "--plot", "no/a.png"], "--plot no/a.png: no folder no"),
    ],
)
def test_options_that_do_not_fit_are_one_clear_line(run, args, message):
    status, out, err = run("evaluate", *args)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("place", ["missing", "one.txt", "empty"])
def test_a_place_without_recordings_is_one_clear_line(folder, run, place):
    (folder / "empty").mkdir()
    status, out, err = run("evaluate", "tones.safetensors", place)
    assert (status, out) == (1, "")
    assert place in err
    assert err.count("\n") == 1


def test_without_anything_to_evaluate_on_usage_is_shown(run):
    assert run("evaluate", "tones.safetensors")[0] == 2
    assert run("evaluate", "text.safetensors")[0] == 2


def test_inspect_tells_words_features_and_data(folder, run):
    data = {
        "train": {"recordings": 12, "frames": 900, "labels": {"go": 5, "stop": 7}, "sha256": "abc"},
        "valid": {},
        "noise_frames": 1200,
    }
    stand_in.classifier().save(folder / "m.safetensors", {"data": data, "thresholds": {"go": 0.5, "stop": 0.65}})
    status, out, _ = run("inspect", "m.safetensors")
    assert status == 0
    rows = dict(line.split("  ", maxsplit=1) for line in out.splitlines() if not line.startswith(" "))
    rows = {name: value.strip() for name, value in rows.items()}
    assert rows["words"] == "stop, go"
    assert rows["features"] == "20 MFCC of 40 mel bands up to 4000 Hz, 30 ms every 10 ms, 16000 Hz"
    assert rows["step"] == "3 frames, 30 ms"
    assert rows["thresholds"] == "go 0.5, stop 0.65"
    assert rows["data"] == "12 recordings: go 5, stop 7"
    assert rows["noise"] == "12 s"
    assert "sha256 abc" in out


def test_a_voice_model_completes_no_line(run):
    status, out, err = run("complete", "--model", "tones.safetensors", "git ")
    assert (status, out) == (1, "")
    assert "tones.safetensors: a voice model, not a model of text" in err
    assert err.count("\n") == 1
