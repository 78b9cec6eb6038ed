"""The Numenta Anomaly Benchmark's score of the watcher, and whether ours is the benchmark's way of scoring.

    BENCHMARK_NAB_DATA=data/sensor/nab uv run pytest -m benchmark tests/benchmarks/test_nab_figures.py

The folder holds the benchmark's data, labels and config. All detectors, and files of results, are had of the command
`python -m tests.benchmarks.nab`.
"""

import os

import pytest

from tests.benchmarks import nab, nab_corpus, nab_scoring
from tests.benchmarks.nab_detectors import NAB_CONFIG

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def data():
    if not (folder := os.environ.get("BENCHMARK_NAB_DATA")):
        pytest.skip("optional: needs BENCHMARK_NAB_DATA, the benchmark's folder")
    return folder


@pytest.mark.parametrize(
    ("detector", "published"),  # NAB's README, its files of final results
    [("nabgaussian", (39.65, 20.87, 47.41)), ("null", (0, 0, 0))],
)
def test_what_is_published_comes_out(data, detector, published):
    corpus, profiles = nab_corpus.load(data), nab_corpus.profiles(data)
    rows, _ = nab.run(detector, corpus, NAB_CONFIG)
    names = ("standard", "reward_low_FP_rate", "reward_low_FN_rate")
    found = [nab_scoring.best_score(corpus, rows[detector], profiles[name]).normalised for name in names]
    assert found == pytest.approx(published, abs=0.005)


def test_figures(data, capsys):
    with capsys.disabled():
        print()
        nab.main([data, "--thresholds"])
