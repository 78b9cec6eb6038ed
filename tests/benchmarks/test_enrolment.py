"""How well words are heard that were learnt from five takes, and how often where nobody says them.

    BENCHMARK_VOICE_DATA=data/speech uv run pytest -m benchmark -s tests/benchmarks/test_enrolment.py

The folder holds ``custom_phrases`` (a folder of takes for each phrase) and ``negatives`` (recordings without any). In
each draw five takes of every phrase are learnt; the others, and the negatives, go through features, matcher and
decision as running sound. BENCHMARK_VOICE_MODEL names another voice model than the shipped one.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from typeahead import config
from typeahead.voice import recordings
from typeahead.voice.classifier import Classifier
from typeahead.voice.detector import Decision, DetectorConfig
from typeahead.voice.enrolment import EnrolledMatcher, enrol
from typeahead.voice.mfcc import MFCC
from typeahead.voice.phonetics import Phonetics
from typeahead.voice.phonetics import path as phonetics_path

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600), pytest.mark.filterwarnings("default")]

TAKES, DRAWS = 5, 3
BEFORE_S, AFTER_S, HISS_DB = 1.0, 0.6, -70.0


@pytest.fixture(scope="module")
def data() -> Path:
    folder = os.environ.get("BENCHMARK_VOICE_DATA")
    if not folder:
        pytest.skip("optional: BENCHMARK_VOICE_DATA names no folder with custom_phrases and negatives")
    return Path(folder)


def hiss(seconds: float) -> np.ndarray:
    n = round(seconds * recordings.SAMPLE_RATE)
    return (np.random.default_rng(0).standard_normal(n) * 10 ** (HISS_DB / 20)).astype(np.float32)


def detections(matcher: EnrolledMatcher, classifier: Classifier, frames: np.ndarray) -> list[str]:
    decision = Decision(matcher.words, DetectorConfig(), classifier.step_s)
    matcher.reset()
    found = [decision.step(row) for row in matcher.push(frames)]
    return [matcher.words[i] for i in found if i is not None]


def contained(word: str, other: str) -> bool:
    return word in other.split("_")


def test_recall_and_false_alarms_of_words_learnt_from_five_takes(data: Path, capsys: pytest.CaptureFixture[str]):
    classifier = Classifier.load(os.environ.get("BENCHMARK_VOICE_MODEL") or config.models_dir() / "voice.safetensors")
    space = Phonetics.load(phonetics_path())

    def frames(y: np.ndarray) -> np.ndarray:
        return MFCC(classifier.features, classifier.tables).push(y)

    takes = {
        word: [recordings.read(file) for file in files]
        for word, files in recordings.word_folders(data / "custom_phrases").items()
    }
    heard_as = {
        word: [frames(np.concatenate([hiss(BEFORE_S), y, hiss(AFTER_S)])) for y in ys] for word, ys in takes.items()
    }
    files = sorted(file for file in (data / "negatives").rglob("*") if file.suffix in (".flac", ".ogg", ".wav"))
    negatives = [frames(recordings.read(file)) for file in files]
    minutes = sum(map(len, negatives)) / classifier.features.frames_per_s / 60
    rng = np.random.default_rng(0)
    hits = {word: [0, 0, 0, 0] for word in takes}  # heard, of so many, in the negatives, in other phrases
    reported = []
    for _ in range(DRAWS):
        orders = {word: rng.permutation(len(ys)) for word, ys in takes.items()}
        learnt = [
            enrol(classifier, [ys[i] for i in orders[word][:TAKES]], word, phonetics=space)
            for word, ys in takes.items()
        ]
        reported += [report.recall for _, report in learnt]
        matcher = EnrolledMatcher([enrolled for enrolled, _ in learnt], classifier, space)
        for word, order in orders.items():
            for i in order[TAKES:]:
                found = detections(matcher, classifier, heard_as[word][i])
                hits[word][0] += word in found
                hits[word][1] += 1
                for other in found:
                    hits[other][3] += other != word and not contained(other, word)
        for sound in negatives:
            for word in detections(matcher, classifier, sound):
                hits[word][2] += 1
    with capsys.disabled():
        print(f"\n{TAKES} takes learnt, {DRAWS} draws; {minutes:.1f} minutes of negatives a draw")
        print(f"{'phrase':<16} {'recall':>7} {'false alarms':>13} {'in other phrases':>17}")
        for word, (heard, count, alarms, crossed) in hits.items():
            print(f"{word:<16} {heard / count:>7.1%} {alarms:>13} {crossed:>17}")
        heard, count, alarms, crossed = np.sum(list(hits.values()), axis=0)
        print(f"{'all':<16} {heard / count:>7.1%} {alarms:>13} {crossed:>17}")
        per_hour = alarms / (DRAWS * len(takes) * minutes / 60)
        print(f"{per_hour:.2f} false alarms a phrase and hour; recall in the reports {np.mean(reported):.1%}")
