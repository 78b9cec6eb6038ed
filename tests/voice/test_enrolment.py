"""New words from a few takes: heard again, not heard where they are not said, kept for their owner alone."""

from __future__ import annotations

import stat

import numpy as np
import pytest

from tests.voice.speaking import SR, VOWELS, hiss, say
from tests.voice.tables import tables_of_features
from typeahead.errors import AudioError, ModelFileError
from typeahead.rnn import checkpoint
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.voice import vocabulary
from typeahead.voice.classifier import Classifier
from typeahead.voice.detector import THRESHOLD
from typeahead.voice.enrolment import EnrolledMatcher, enrol
from typeahead.voice.labels import SILENCE, UNKNOWN
from typeahead.voice.mfcc import MFCC, Features, Tables
from typeahead.voice.phonetics import Phonetics, learn
from typeahead.voice.phonetics import path as phonetics_path
from typeahead.voice.spectrograms import NOISE, Spectrograms, to_bytes

FEATURES = Features()


@pytest.fixture(scope="module")
def space() -> Phonetics:
    return Phonetics.load(phonetics_path())


@pytest.fixture(scope="module")
def classifier(space) -> Classifier:
    network = Network.create(NetworkConfig("gru", 60, 8, 1, 4, one_hot=False), 0)
    return Classifier(
        network, ("go", "stop", UNKNOWN, SILENCE), FEATURES, tables_of_features(), 3, space.mean, space.std
    )


def takes(vowels: str, *seeds: int) -> list[np.ndarray]:
    return [say(vowels, seed) for seed in seeds]


def scores(matcher: EnrolledMatcher, classifier: Classifier, y: np.ndarray, block: int | None = None) -> np.ndarray:
    """(T, W) as a detector gets them."""
    mfcc, stream = MFCC(classifier.features, classifier.tables), classifier.stream()
    matcher.reset()
    found = []
    for at in range(0, len(y), block or len(y)):
        frames = mfcc.push(y[at : at + (block or len(y))])
        posteriors, _ = stream.push_frames(frames)
        found.append(matcher.push(frames))
        assert len(found[-1]) == len(posteriors)
    return np.concatenate(found)


@pytest.fixture(scope="module")
def tea(classifier, space):
    return enrol(classifier, takes("aiu", 1, 2, 3, 4), "tea", phonetics=space)


def test_a_word_is_heard_when_it_is_said_again_and_not_when_another_is(classifier, space, tea):
    matcher = EnrolledMatcher([tea[0]], classifier, space)
    for seed in (11, 12, 13):
        assert scores(matcher, classifier, say("aiu", seed)).max() > THRESHOLD
        for other in ("uoa", "oei", "eoe", "iuo"):
            assert scores(matcher, classifier, say(other, seed)).max() < THRESHOLD


def test_each_of_several_words_is_told_from_the_others(classifier, space, tea):
    coffee, _ = enrol(classifier, takes("oeio", 1, 2, 3), "coffee", phonetics=space)
    matcher = EnrolledMatcher([tea[0], coffee], classifier, space)
    assert matcher.words == ("tea", "coffee")
    for i, vowels in enumerate(("aiu", "oeio")):
        best = scores(matcher, classifier, say(vowels, 21)).max(axis=0)
        assert best.argmax() == i
        assert best[i] > 0.9


def test_scores_are_the_same_however_the_sound_is_cut(classifier, space, tea):
    matcher = EnrolledMatcher([tea[0]], classifier, space)
    y = np.concatenate([hiss(0.3), say("aiu", 5)])
    whole = scores(matcher, classifier, y)
    assert whole.shape == (len(classifier.posteriors(y)), 1)
    for block in (160, 479, 480, 5000):
        np.testing.assert_allclose(scores(matcher, classifier, y, block), whole, atol=1e-4)


def test_a_score_stays_long_enough_to_be_averaged(classifier, space, tea):
    matcher = EnrolledMatcher([tea[0]], classifier, space)
    found = scores(matcher, classifier, np.concatenate([say("aiu", 5), hiss(1)]))[:, 0]
    assert (np.convolve(found, np.full(5, 0.2), "valid") >= found.max() - 1e-6).sum() >= 2


def test_silence_and_hiss_are_no_word(classifier, space, tea):
    matcher = EnrolledMatcher([tea[0]], classifier, space)
    for y in (np.zeros(2 * SR, np.float32), hiss(2), hiss(2, -20)):
        assert scores(matcher, classifier, y).max() < THRESHOLD


def test_the_report_says_how_well_the_takes_go_together(tea):
    enrolled, report = tea
    assert (report.word, report.recall, len(report.distances), report.level) == ("tea", 1.0, 4, enrolled.level)
    assert report.problems == ()
    assert 0 <= report.similarity < 0.5
    assert report.spread == pytest.approx(np.std(report.distances))


def test_a_take_of_another_word_is_named(classifier, space):
    _, report = enrol(classifier, [*takes("aiu", 1, 2, 3), say("oeo", 4)], "tea", phonetics=space)
    assert report.recall == 0.75
    assert report.problems == ("take 4 is unlike the others; say it the same way",)


def test_a_word_that_is_known_under_another_name_is_warned_of(classifier, space, tea):
    _, report = enrol(classifier, takes("aiu", 6, 7, 8), "chai", [tea[0]], space)
    assert report.nearest == "tea"
    assert report.similarity > 0.5
    assert "it sounds like 'tea', which may be heard instead" in report.problems[0]
    _, again = enrol(classifier, takes("aiu", 6, 7, 8), "tea", [tea[0]], space)
    assert again.nearest != "tea"


def test_a_short_word_is_warned_of(classifier, space):
    _, report = enrol(classifier, takes("a", 1, 2, 3), "ah", phonetics=space)
    assert any("it is short" in problem for problem in report.problems)


@pytest.mark.parametrize(
    ("given", "word", "message"),
    [
        ([], "tea", "0 takes of 'tea'; give 2 to 20, best 3 to 5"),
        ([np.zeros(SR, np.float32)] * 2, "tea", "take 1 of 'tea' holds nothing; record it again"),
        (takes("aiu", 1, 2), "go", "'go' is known already, to the voice model itself"),
        (takes("aiu", 1, 2), "../tea", "'../tea' cannot name a word; take letters, digits, blanks, - and _"),
    ],
)
def test_what_cannot_be_learnt_is_refused_in_one_line(classifier, space, given, word, message):
    with pytest.raises(AudioError, match="^" + message.replace(".", r"\.")) as caught:
        enrol(classifier, given, word, phonetics=space)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("word", ["", " ", ".", "..", "a/b", "a\\b", ".tea", "-tea", "tea.", "t\ne\0a", "x" * 41])
def test_names_play_no_tricks_with_paths(word):
    with pytest.raises(AudioError, match="cannot name a word"):
        vocabulary.check_name(word)


def test_a_name_may_have_blanks_and_letters_of_any_language():
    assert vocabulary.check_name("  Licht   aus ") == "Licht aus"
    assert vocabulary.check_name("größer_2-x") == "größer_2-x"


def test_a_word_is_kept_for_its_owner_alone_and_heard_the_same(classifier, space, tea):
    path = vocabulary.save(tea[0])
    assert path == vocabulary.folder() / "tea.safetensors"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    (again,) = vocabulary.load_all()
    assert (again.word, again.spans, again.level) == ("tea", tea[0].spans, tea[0].level)
    y = say("aiu", 9)
    expected = scores(EnrolledMatcher([tea[0]], classifier, space), classifier, y)
    np.testing.assert_array_equal(scores(EnrolledMatcher([again], classifier, space), classifier, y), expected)
    vocabulary.remove("tea")
    assert vocabulary.load_all() == []
    with pytest.raises(AudioError, match="no word 'tea' is enrolled; typeahead enrol --list shows them"):
        vocabulary.remove("tea")


def test_a_foreign_file_among_the_words_is_one_line(tea):
    path = vocabulary.save(tea[0])
    checkpoint.save(path, {}, {"kind": "voice"})
    with pytest.raises(ModelFileError, match="a voice of typeahead, not an enrolled word; move it away"):
        vocabulary.load(path)
    checkpoint.save(path, {}, {"kind": vocabulary.KIND, "word": "tea", "spans": [[0, 9]], "level": 0.8})
    with pytest.raises(ModelFileError, match=r"parts that do not fit .*; enrol the word again"):
        vocabulary.load(path)


def test_other_features_are_refused(classifier, space, tea):
    features, tables = Features(n_mfcc=12), classifier.tables
    other = Classifier(
        Network.create(NetworkConfig("gru", 36, 8, 1, 4, one_hot=False), 0),
        classifier.labels, features, Tables(tables.filterbank, tables.dct[:12]), 3, np.zeros(12), np.ones(12),
    )  # fmt: skip
    with pytest.raises(ModelFileError, match="other features"):
        EnrolledMatcher([tea[0]], other, space)


def spectrograms(num_words: int) -> Spectrograms:
    mfcc, rng = MFCC(FEATURES, tables_of_features()), np.random.default_rng(0)
    labels, parts = [], []
    for i in range(num_words):
        vowels = "".join(rng.choice(list(VOWELS), 4))
        for seed in range(20):
            mfcc.reset()
            labels.append(f"{i}{vowels}")
            parts.append(to_bytes(mfcc.mel(say(vowels, seed, quiet_s=0.1))))
    for seed in range(5):
        labels.append(NOISE)
        mfcc.reset()
        parts.append(to_bytes(mfcc.mel(hiss(1, -40, seed))))
    starts = np.cumsum([0, *map(len, parts)])
    return Spectrograms(np.concatenate(parts), starts, tuple(labels), tuple(labels))


@pytest.mark.slow
def test_a_space_is_learnt_from_recordings_and_survives_its_file(classifier, tmp_path):
    lines: list[str] = []
    space = learn(spectrograms(20), FEATURES, tables_of_features(), 0, lines.append)
    assert [line.partition(":")[0] for line in lines] == ["round 1 of 3", "round 2 of 3", "round 3 of 3"]
    space.save(tmp_path / "space.safetensors", {"note": 1})
    again = Phonetics.load(tmp_path / "space.safetensors")
    np.testing.assert_allclose(np.linalg.norm(again.cohort, axis=1), 1, atol=1e-3)
    _, report = enrol(classifier, takes("aiu", 1, 2, 3, 4), "tea", phonetics=again)
    assert report.recall == 1.0


def test_a_space_is_not_learnt_from_a_few_words_nor_read_from_another_file(tmp_path, classifier):
    from typeahead.errors import TrainingError

    with pytest.raises(TrainingError, match="60 recordings of 3 words; take 20 or more, said by 20 people or more"):
        learn(spectrograms(3), FEATURES, tables_of_features(), 0)
    classifier.save(tmp_path / "voice.safetensors", {})
    with pytest.raises(ModelFileError, match="a voice of typeahead, not what new words are compared in"):
        Phonetics.load(tmp_path / "voice.safetensors")
