"""Figures of a voice model, over recordings and posteriors of which it is known what must come out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.voice import stand_in
from typeahead.errors import AudioError
from typeahead.voice import compositions, evaluation, spectrograms
from typeahead.voice import stream_evaluation as streams
from typeahead.voice.classifier import Classifier
from typeahead.voice.compositions import Mel, Plan, Sound, Spoken
from typeahead.voice.detector import Decision, Detection, Detector, DetectorConfig
from typeahead.voice.labels import SILENCE, UNKNOWN
from typeahead.voice.mfcc import MFCC

SR = stand_in.SR
HISS = np.random.default_rng(0).normal(0, 0.05, SR).astype(np.float32)


@pytest.fixture(scope="module")
def classifier():
    return stand_in.classifier()


def clip(word: str) -> np.ndarray:
    """A second with the word in its middle."""
    y = np.zeros(SR, np.float32)
    tone = stand_in.tone(word)
    y[4800 : 4800 + len(tone)] = tone
    return y


def written(folder: Path, **clips: list[np.ndarray]) -> Path:
    """A folder of recordings, one folder a word."""
    for word, sounds in clips.items():
        (folder / word).mkdir(parents=True)
        for i, y in enumerate(sounds):
            soundfile.write(folder / word / f"{i:04}.wav", y, SR, subtype="FLOAT")
    return folder


def test_figures_are_counted_over_rows_of_what_was_said():
    figures = evaluation.ClipFigures(
        ("a", "b", UNKNOWN, SILENCE), np.array([[8, 2, 0, 0], [1, 3, 0, 0], [0] * 4, [0, 0, 1, 5]])
    )
    assert figures.clips == 20
    assert figures.accuracy == pytest.approx(16 / 20)
    assert figures.recall == pytest.approx({"a": 0.8, "b": 0.75, SILENCE: 5 / 6})
    assert figures.as_json() == {
        "accuracy": 0.8,
        "recall": figures.recall,
        "confusion": {"a": {"a": 8, "b": 2}, "b": {"a": 1, "b": 3}, SILENCE: {UNKNOWN: 1, SILENCE: 5}},
        "clips": 20,
    }


def test_folders_are_words_unknown_words_or_silence(classifier):
    names = ["go", "stop", "marvin", UNKNOWN, SILENCE, "_background_noise_", "_noise_"]
    kinds = [evaluation.label_of(name, classifier.labels) for name in names]
    assert kinds == ["go", "stop", UNKNOWN, UNKNOWN, SILENCE, SILENCE, SILENCE]


def test_a_folder_is_named_clip_by_clip(classifier, tmp_path):
    folder = written(
        tmp_path,
        go=[clip("go"), clip("go"), clip("stop")],
        stop=[clip("stop")],
        marvin=[clip("go"), HISS],
        **{SILENCE: [HISS, np.zeros(8000, np.float32)]},
    )
    told = []
    figures = evaluation.of_path(classifier, folder, lambda done, total: told.append((done, total)))
    # What is no tone is nothing to this model; it never says that it does not know a word.
    assert figures.as_json()["confusion"] == {
        "go": {"go": 2, "stop": 1},
        "stop": {"stop": 1},
        UNKNOWN: {"go": 1, SILENCE: 1},
        SILENCE: {SILENCE: 2},
    }
    assert figures.accuracy == pytest.approx(5 / 8)
    assert told[0] == (1, 8)
    assert told[-1] == (8, 8)


def test_long_noise_counts_once_a_second(classifier, tmp_path):
    long = np.concatenate([HISS, HISS, clip("go"), HISS[:8000]])
    folder = written(
        tmp_path, **{"_background_noise_": [long, HISS[:8000]]}, go=[np.concatenate([clip("go"), HISS * 0, HISS * 0])]
    )
    figures = evaluation.of_folder(classifier, folder)
    assert figures.as_json()["confusion"] == {"go": {"go": 1}, SILENCE: {"go": 1, SILENCE: 3}}


def test_other_rates_are_resampled(classifier, tmp_path):
    t = np.arange(44_100) / 44_100
    (tmp_path / "go").mkdir()
    soundfile.write(tmp_path / "go" / "a.flac", 0.2 * np.sin(2 * np.pi * 3000 * t), 44_100)
    assert evaluation.of_folder(classifier, tmp_path).accuracy == 1


@pytest.mark.parametrize("place", ["missing", ".", "file.txt"])
def test_what_holds_no_recordings_is_one_line(classifier, tmp_path, place):
    (tmp_path / "file.txt").write_text("no tar")
    with pytest.raises(AudioError) as caught:
        evaluation.of_path(classifier, tmp_path / place)
    assert str(tmp_path / place) in str(caught.value)
    assert "; " in str(caught.value)


def test_a_spectrogram_is_named_as_its_recording(classifier):
    noise = np.random.default_rng(1)
    for word in ("go", "stop"):
        y = clip(word) + noise.normal(0, 1e-3, SR).astype(np.float32)
        whole = len(y) // 160 * 160 - 320  # no frame of the recording reaches into the silence after it
        pixels = spectrograms.to_bytes(MFCC(classifier.features, classifier.tables).mel(y[:whole]))
        index, scores = evaluation.classify_frames(classifier, pixels)
        expected_index, expected = classifier.classify(y[:whole])
        assert classifier.labels[index] == classifier.labels[expected_index] == word
        np.testing.assert_allclose(scores, expected, atol=0.02)  # a byte is a tenth of a nat


def test_a_whole_set_of_spectrograms_is_counted(classifier):
    mfcc = MFCC(classifier.features, classifier.tables)
    parts = [spectrograms.to_bytes(mfcc.mel(y)) for y in (clip("go"), clip("stop"), clip("stop"))]
    starts = np.cumsum([0, *map(len, parts)])
    clips = spectrograms.Spectrograms(np.concatenate(parts), starts, ("go", "stop", "bed"), ("a", "b", "c"))
    figures = evaluation.of_spectrograms(classifier, clips)
    assert figures.as_json()["confusion"] == {"go": {"go": 1}, "stop": {"stop": 1}, UNKNOWN: {"stop": 1}}


def test_reading_ahead_keeps_the_order_and_hands_on_an_error():
    assert list(evaluation.ahead(lambda i: i * i, range(50))) == [i * i for i in range(50)]
    with pytest.raises(ZeroDivisionError):
        list(evaluation.ahead(lambda i: 1 / i, [1, 0, 2]))


# ------------------------------------------------------------------------------------------------------- streams


def said(*words: tuple[str, float, float]) -> list[Spoken]:
    return [Spoken(*word) for word in words]


def heard(*words: tuple[str, float]) -> list[Detection]:
    return [Detection(word, 0.9, time_s) for word, time_s in words]


def test_a_detection_belongs_to_the_word_it_follows():
    spoken = said(("go", 1.0, 1.4), ("stop", 3.0, 3.5), ("go", 6.0, 6.5), ("stop", 9.0, 9.4))
    found = heard(
        ("go", 1.5),  # right, 0.1 s after the end
        ("stop", 3.4),  # right, 0.1 s before it
        ("go", 5.0),  # where nothing is
        ("stop", 6.6),  # instead of go
        ("stop", 10.2),  # too late by 0.05 s
    )
    count = streams.match(spoken, found, 3600.0)
    assert dict(count.spoken) == {"go": 2, "stop": 2}
    assert dict(count.missed) == {"go": 1, "stop": 1}
    assert count.substituted == 1
    assert count.miss_rate == 0.5
    assert count.delays_s == pytest.approx([0.1, -0.1])
    assert [one.time_s for one in count.false_alarms] == [5.0, 10.2]
    assert count.per_hour == 2


def test_a_word_heard_twice_or_with_another_is_a_hit_and_a_false_alarm():
    spoken = said(("go", 1.0, 1.4), ("stop", 3.0, 3.5))
    count = streams.match(spoken, heard(("stop", 1.3), ("go", 1.5), ("stop", 3.6), ("stop", 4.0)), 1800.0)
    assert count.missed.total() == count.substituted == 0
    assert [(one.word, one.time_s) for one in count.false_alarms] == [("stop", 1.3), ("stop", 4.0)]
    assert count.per_hour == 4


def test_unknown_words_are_counted_apart():
    spoken = said((UNKNOWN, 1.0, 1.4), (UNKNOWN, 3.0, 3.5), ("go", 5.0, 5.4))
    count = streams.match(spoken, heard(("go", 1.5), ("go", 5.5)), 10.0)
    assert (count.unknown, count.triggered, len(count.false_alarms), count.missed.total()) == (2, 1, 0, 0)
    assert dict(count.spoken) == {"go": 1}


def test_a_detection_after_the_next_word_has_begun_is_the_next_words():
    spoken = said(("go", 1.0, 1.4), ("stop", 1.9, 2.3))
    count = streams.match(spoken, heard(("go", 2.0)), 10.0)
    assert dict(count.missed) == {"go": 1, "stop": 1}
    assert count.substituted == 1


@pytest.mark.parametrize(
    ("count", "low", "high"),  # Garwood's, from tables
    [(0, 0.0, 3.689), (1, 0.0253, 5.572), (2, 0.242, 7.225), (10, 4.795, 18.39), (100, 81.36, 121.63)],
)
def test_the_poisson_interval_is_that_of_the_tables(count, low, high):
    assert streams.poisson_interval(count) == pytest.approx((low, high), abs=0.005)


def test_no_alarm_in_an_hour_still_leaves_some_to_expect():
    count = streams.match([], [], 7200.0)
    figures = streams.StreamFigures({}, None, count, [])
    alarms = figures.as_json()["false_alarms"]
    assert alarms["per_hour"] == 0
    assert alarms["per_hour_95"] == pytest.approx([0, 3.689 / 2], abs=0.001)
    assert alarms["in"] == "negatives"


def test_what_was_heard_is_decided_as_the_detector_does(classifier):
    quiet = np.zeros(SR * 3, np.float32)  # the gate shuts in between
    y = np.concatenate([stand_in.sentence("go", "stop", "go"), quiet, stand_in.sentence("stop", "stop"), quiet])
    for config in (DetectorConfig(), DetectorConfig(thresholds={"go": 0.9}, patience_s=0.12, warm_up_s=2.0)):
        expected = Detector(classifier, config).push(y)
        kept = streams.listen(Detector(classifier, config), np.array_split(y, 17))
        assert streams.decide(kept, classifier.words, config, classifier.step_s) == expected
        assert kept.duration_s == pytest.approx(len(y) / SR, abs=0.03)
    assert [one.word for one in expected] == ["stop", "go", "stop", "stop"]
    assert kept.skipped.sum() > 0
    assert kept.anew.any()


def test_one_hearing_serves_every_threshold(classifier):
    kept = streams.listen(
        Detector(classifier, DetectorConfig(thresholds={"go": 0.99})), [stand_in.sentence("go", "go")]
    )
    for threshold in (0.3, 0.6, 0.95):
        config = streams.with_threshold(DetectorConfig(), classifier.words, threshold)
        expected = Detector(classifier, config).push(stand_in.sentence("go", "go"))
        assert streams.decide(kept, classifier.words, config, classifier.step_s) == expected


def decided_step_by_step(kept: streams.Heard, words: tuple[str, ...], config: DetectorConfig) -> list[Detection]:
    """The slow twin of `decide`: every step, dull or not."""
    decision, found = Decision(words, config, 0.03), []
    for row, time_s, skipped, anew in zip(*kept[:4], strict=True):
        decision.skip(skipped)
        if anew:
            decision.reset()
        best = decision.step(row)
        if best is not None and time_s >= config.warm_up_s:
            found.append(Detection(words[best], float(decision.smooth[best]), float(time_s)))
    return found


@pytest.mark.parametrize("threshold", [0.05, 0.4, 0.8])
@pytest.mark.parametrize("smoothing_s", [0.0, 0.03, 0.15, 0.6])
def test_leaving_dull_steps_out_changes_no_detection(rng, threshold, smoothing_s):
    words, T = ("a", "b", "c"), 4000
    bumps = np.zeros((T, 3))
    for t in rng.integers(0, T, 150):
        bumps[t : t + rng.integers(1, 30), rng.integers(3)] += rng.uniform(0, 1)
    posteriors = np.clip(bumps + rng.exponential(0.01, (T, 3)) * (rng.random((T, 1)) < 0.5), 0, 1).astype(np.float32)
    skipped = np.where(rng.random(T) < 0.02, rng.integers(1, 40, T), 0)
    times_s = np.cumsum(skipped + 1) * 0.03
    kept = streams.Heard(posteriors, times_s, skipped, rng.random(T) < 0.02, times_s[-1])
    config = DetectorConfig(thresholds={"a": threshold, "b": threshold * 1.1, "c": 0.7}, smoothing_s=smoothing_s)
    expected = decided_step_by_step(kept, words, config)
    assert len(expected) > 5
    assert streams.decide(kept, words, config, 0.03) == expected


def test_nothing_heard_is_nothing_decided():
    kept = streams.Heard(np.zeros((0, 2), np.float32), np.zeros(0), np.zeros(0, int), np.zeros(0, bool), 60.0)
    assert streams.decide(kept, ("a", "b"), DetectorConfig(), 0.03) == []


@pytest.fixture
def recordings(tmp_path) -> Path:
    return written(tmp_path / "words", go=[clip("go")] * 6, stop=[clip("stop")] * 5, bed=[clip("go")], _silence_=[HISS])


def test_composed_words_are_apart_and_where_they_are_said_to_be(classifier, recordings):
    features, tables = classifier.features, classifier.tables
    pieces = list(compositions.compose(Sound(recordings, [], features, tables), classifier.labels, Plan(seed=3)))
    spoken = [word for piece in pieces for word in piece.spoken]
    assert sorted(word.label for word in spoken) == ["_unknown_"] + ["go"] * 6 + ["stop"] * 5
    starts = np.array([word.start_s for word in spoken])
    assert (np.diff(starts) >= compositions.APART_S - 0.02).all()
    y = np.concatenate([piece.content for piece in pieces])
    for word in spoken:  # 0.4 s of tone; frames are of 30 ms
        assert word.end_s - word.start_s == pytest.approx(stand_in.LONG_S, abs=0.06)
        inside = y[int((word.start_s + 0.05) * SR) : int((word.end_s - 0.05) * SR)]
        assert np.abs(inside).max() > 0.1
        assert np.abs(y[int((word.start_s - 0.2) * SR) : int((word.start_s - 0.06) * SR)]).max() < 0.01


def test_the_same_seed_composes_the_same_and_another_another(classifier, recordings):
    sound = Sound(recordings, [], classifier.features, classifier.tables)

    def composed(seed: int) -> np.ndarray:
        plan = Plan(10.0, None, seed)
        return np.concatenate([piece.content for piece in compositions.compose(sound, classifier.labels, plan)])

    assert np.array_equal(composed(1), composed(1))
    assert len(composed(1)) != len(composed(2))


@pytest.mark.parametrize("hours", [0.005, 0.03])
def test_hours_make_a_stream_shorter_or_longer(classifier, recordings, hours):
    sound = Sound(recordings, [], classifier.features, classifier.tables)
    pieces = list(compositions.compose(sound, classifier.labels, Plan(hours=hours)))
    assert sum(len(piece.content) for piece in pieces) == pytest.approx(hours * 3600 * SR, rel=0.05)
    assert (sum(len(piece.spoken) for piece in pieces) > 12) == (hours == 0.03)


def test_noise_is_as_far_below_the_words_as_was_asked(classifier, recordings, tmp_path):
    soundfile.write(tmp_path / "noise.wav", HISS, SR)
    sound = Sound(recordings, [tmp_path / "noise.wav"], classifier.features, classifier.tables)
    pieces = list(compositions.compose(sound, classifier.labels, Plan(snr_db=10.0)))
    for piece, begin_s in zip(pieces, np.cumsum([0, *(len(p.content) / SR for p in pieces[:-1])]), strict=True):
        inside, around = np.zeros((2, len(piece.content)), bool)
        for word in piece.spoken:
            start, end = ((second - begin_s) * SR for second in word[1:])
            inside[int(start) : int(end)] = True
            around[max(0, int(start) - SR) : int(end) + SR] = True
        both, noise = np.mean(piece.content[inside] ** 2), np.mean(piece.content[~around] ** 2)
        assert 10 * np.log10(both / noise - 1) == pytest.approx(10, abs=0.5)


def test_a_composed_stream_is_heard_by_the_detector(classifier, recordings):
    sound = Sound(recordings, [], classifier.features, classifier.tables)
    config = DetectorConfig()
    trial = streams.trial_of_words(
        Detector(classifier, config), compositions.compose(sound, classifier.labels, Plan(snr_db=20.0))
    )
    figures = streams.stream_figures(classifier, config, trial, None, [0.5, 0.9999])
    assert figures.words is not None
    assert figures.words.miss_rate == 0
    assert (figures.words.unknown, figures.words.triggered) == (1, 1)
    assert all(-0.4 < delay < 0.4 for delay in figures.words.delays_s)
    assert [point.miss_rate for point in figures.sweep] == [0, 1]
    assert figures.best() == figures.sweep[0]


def test_spectrograms_make_the_same_stream_but_for_the_gate(classifier, recordings):
    features, tables = classifier.features, classifier.tables
    clips = spectrograms.read(recordings, features, tables)
    trial = streams.trial_of_frames(
        classifier, compositions.compose(Mel(clips, [], features, tables), classifier.labels, Plan(snr_db=40.0, seed=2))
    )
    count = trial.count(classifier.words, DetectorConfig(), classifier.step_s)
    assert (count.spoken.total(), count.missed.total(), count.unknown) == (11, 0, 1)


def test_false_alarms_are_placed_in_the_recording_that_caused_them(classifier, tmp_path):
    folder = written(tmp_path, talk=[HISS, np.concatenate([HISS * 0, stand_in.tone("stop"), HISS * 0]), HISS])
    trial = streams.trial_of_negatives(Detector(classifier), [folder])
    figures = streams.stream_figures(classifier, DetectorConfig(), None, trial, [0.5])
    (alarm,) = figures.as_json()["false_alarms"]["each"]
    assert (alarm["word"], Path(alarm["recording"]).name) == ("stop", "0001.wav")
    assert 1.0 < alarm["time_s"] < 1.8
    assert figures.sweep[0].miss_rate is None
    sweep = streams.stream_figures(classifier, DetectorConfig(), None, trial, [0.5, 0.99999, 0.7])
    assert [point.threshold for point in sweep.sweep] == [0.5, 0.7, 0.99999]
    assert [point.per_hour > 0 for point in sweep.sweep] == [True, True, False]
    assert sweep.quiet == {"stop": 0.99999, "go": 0.5}


def test_a_stream_of_nothing_but_noise_cannot_be_composed(classifier, tmp_path):
    sound = Sound(written(tmp_path, _silence_=[HISS]), [], classifier.features, classifier.tables)
    with pytest.raises(AudioError, match="no recordings of words"):
        list(compositions.compose(sound, classifier.labels, Plan()))


def test_a_readout_is_fitted_to_recordings_saved_and_used(classifier, tmp_path):
    mfcc = MFCC(classifier.features, classifier.tables)
    sounds = [
        clip("go"),
        clip("stop"),
        clip("go") * 0.3,
        clip("stop") * 0.3,
        clip("go") + clip("stop"),
        HISS,
        0.3 * HISS,
    ]
    labels = ("go", "stop", "go", "stop", "bed", "_noise_", "_noise_")
    parts = [spectrograms.to_bytes(mfcc.mel(y)) for y in sounds]
    clips = spectrograms.Spectrograms(np.concatenate(parts), np.cumsum([0, *map(len, parts)]), labels, labels)
    assert classifier.classify(clip("go"))[1].sum() != pytest.approx(1)
    evaluation.with_readout(classifier, clips).save(tmp_path / "m.safetensors", {})
    found = Classifier.load(tmp_path / "m.safetensors")
    for word in ("go", "stop"):
        index, scores = found.classify(clip(word))
        assert found.labels[index] == word
        assert scores.sum() == pytest.approx(1)
    np.testing.assert_array_equal(found.posteriors(clip("go")), classifier.posteriors(clip("go")))


def test_a_readout_needs_recordings_of_each_label(classifier):
    clips = spectrograms.Spectrograms(np.zeros((98, 40), np.uint8), np.array([0, 98]), ("go",), ("a",))
    with pytest.raises(ValueError, match="have none"):
        evaluation.with_readout(classifier, clips)
