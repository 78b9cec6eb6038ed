"""The voice model's figures: accuracy on clips; misses, false alarms and delay in streams.

    BENCHMARK_VOICE_DATA=data/speech uv run pytest -m benchmark tests/benchmarks/test_voice_figures.py

The folder holds speech_commands_logmel_valid.tar, validation_clips, background_noise and negatives. The model is the
one shipped, or BENCHMARK_VOICE_MODEL. Recordings without words are split by their names: the threshold is the lowest
that has no more than one false alarm an hour on one half, and false alarms are told for the other half, and for all.
"""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from typeahead.config import models_dir
from typeahead.voice import evaluation, recordings, spectrograms
from typeahead.voice import stream_evaluation as streams
from typeahead.voice.classifier import Classifier
from typeahead.voice.compositions import Mel, Plan, Sound, compose
from typeahead.voice.detector import Detector, DetectorConfig

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]
SILENT_SHARE = 1 / 11  # of the clips; in the official test set it is one in twelve of all
NOISE_DB = 10.0


@pytest.fixture(scope="module")
def data():
    if not (folder := os.environ.get("BENCHMARK_VOICE_DATA")):
        pytest.skip("optional: needs BENCHMARK_VOICE_DATA, a folder of recordings")
    return Path(folder)


@pytest.fixture(scope="module")
def classifier():
    path = Path(os.environ.get("BENCHMARK_VOICE_MODEL", models_dir() / "voice.safetensors"))
    if not path.exists():
        pytest.skip(f"optional: no model {path}")
    return Classifier.load(path)


def silence(data, count, sr):
    """Return ``count`` seconds (n,) of the noise recordings, from anywhere in them, at anything from soft to loud."""
    rng = np.random.default_rng(0)
    noises = [recordings.read(path, sr) for path in evaluation.audio_files(data / "background_noise")]
    crops = []
    for i in range(count):
        y = noises[i % len(noises)]
        at = int(rng.integers(len(y) - sr))
        crops.append(y[at : at + sr] * np.float32(rng.uniform(0.1, 1)))
    return crops


def with_silence(figures, classifier, crops):
    confusion = figures.confusion.copy()
    for y in crops:
        confusion[-1, classifier.classify(y)[0]] += 1
    return evaluation.ClipFigures(figures.labels, confusion)


def clip_line(name, figures, whole):
    mean = np.mean(list(whole.recall.values()))
    return f"{name:34}{figures.clips:6}{100 * figures.accuracy:9.2f}{100 * whole.accuracy:13.2f}{100 * mean:14.2f}"


def test_clips(data, classifier, capsys):
    sr = classifier.features.sr
    clips = spectrograms.read(data / "speech_commands_logmel_valid.tar", classifier.features, classifier.tables)
    found = {"validation spectrograms": evaluation.of_spectrograms(classifier, clips)}
    found["validation recordings"] = evaluation.of_folder(classifier, data / "validation_clips")
    lines = [
        f"{classifier.network.num_parameters:,} parameters",
        f"{'accuracy, %':34}{'clips':>6}{'as is':>9}{'and silence':>13}{'mean recall':>14}",
    ]
    for name, figures in found.items():
        crops = silence(data, round(figures.clips * SILENT_SHARE), sr)
        whole = with_silence(figures, classifier, crops)
        lines.append(clip_line(name, figures, whole))
        lines += ["  " + ", ".join(f"{label.strip('_')} {100 * share:.1f}" for label, share in whole.recall.items())]
    with capsys.disabled():
        print("\n" + "\n".join(lines))


def is_even(path):
    return hashlib.sha1(path.name.encode(), usedforsecurity=False).digest()[-1] % 2 == 0


def trials(data, classifier, config):
    """Return name -> what was heard of words: spectrograms and recordings, without noise and with other talk in it."""
    features, tables, labels = classifier.features, classifier.tables, classifier.labels
    clips = spectrograms.read(data / "speech_commands_logmel_valid.tar", features, tables)
    chosen = set(np.random.default_rng(0).permutation(len(clips))[:2000].tolist())
    names = {clips.names[i] for i in chosen}
    clips = clips.only(lambda label, name: name in names)
    noise = [data / "negatives"]
    mel, sound = Mel(clips, noise, features, tables), Sound(data / "validation_clips", noise, features, tables)
    found = {}
    for plan, name in ((Plan(seed=1), "clean"), (Plan(snr_db=NOISE_DB, seed=2), f"at {NOISE_DB:g} dB")):
        found[f"spectrograms, {name}"] = streams.trial_of_frames(classifier, compose(mel, labels, plan))
        detector = Detector(classifier, config)
        found[f"recordings, {name}"] = streams.trial_of_words(detector, compose(sound, labels, plan))
    return found


def test_streams(data, classifier, capsys):
    config = DetectorConfig(thresholds=classifier.metadata.get("thresholds", {}))
    words, step_s = classifier.words, classifier.step_s
    files = evaluation.audio_files(data / "negatives")
    halves = [
        streams.trial_of_negatives(Detector(classifier, config), [path for path in files if is_even(path) == even])
        for even in (True, False)
    ]
    settings = {"the model's thresholds": config}
    sweep = streams.stream_figures(classifier, config, None, halves[0]).sweep
    if quiet := [point.threshold for point in sweep if point.per_hour <= 1]:
        lowest = min(quiet)
        settings[f"threshold {lowest:g}, chosen on half"] = streams.with_threshold(config, words, lowest)
    heard = trials(data, classifier, config)
    lines = []
    for name, setting in settings.items():
        counts = [half.count(words, setting, step_s) for half in halves]
        alarms, hours = sum(len(c.false_alarms) for c in counts), sum(c.hours for c in counts)
        low, high = (bound / hours for bound in streams.poisson_interval(alarms))
        lines.append(
            f"{name}: {len(counts[1].false_alarms)} false alarms in {counts[1].hours:.2f} h of the other half; in all "
            f"{alarms} in {hours:.2f} h, {alarms / hours:.2f} an hour (95 %: {low:.2f} to {high:.2f})"
        )
        lines.append(
            f"  {'words in':26}{'words':>7}{'missed':>9}{'as another':>12}{'unknown heard':>15}"
            f"{'delay, ms':>11}{'p90':>6}"
        )
        for kind, trial in heard.items():
            lines.append("  " + stream_line(kind, trial.count(words, setting, step_s)))
    with capsys.disabled():
        print("\n" + "\n".join(lines))


def stream_line(name, count):
    said = count.spoken.total()
    delays = [1000 * count.delay_s(share) for share in (0.5, 0.9)] if count.delays_s else [float("nan")] * 2
    return (
        f"{name:26}{said:7}{100 * count.miss_rate:7.1f} %{100 * count.substituted / said:10.1f} %"
        f"{100 * count.triggered / max(1, count.unknown):13.1f} %{delays[0]:11.0f}{delays[1]:6.0f}"
    )
