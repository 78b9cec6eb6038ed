"""The score of the Numenta Anomaly Benchmark: cases worked out by hand from its paper's formula, and a plain twin."""

import json
import math
import re
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import naive_nab
from tests.benchmarks import nab, nab_corpus, nab_detectors, nab_scoring
from tests.benchmarks.nab_scoring import Weights

STANDARD = Weights()


class Made(NamedTuple):
    """What scoring reads of a series."""

    values: np.ndarray
    windows: list
    name: str = "made/a.csv"


def made(n=100, windows=((40, 49),), name="made/a.csv"):
    return Made(np.zeros(n), list(windows), name)


def raised(n, *places, height=1.0):
    """Scores (n,) that are ``height`` at places, 0 elsewhere."""
    scores = np.zeros(n)
    scores[list(places)] = height
    return scores


def score_of(*places, series=None, weights=STANDARD):
    series = series or made()
    return nab_scoring.score_at([series], [raised(len(series.values), *places)], weights, 0.5)


# 2 / (1 + exp(5 y)) - 1 with a pocket calculator
@pytest.mark.parametrize(
    ("position", "expected"),
    [(-1, 0.986614), (-0.5, 0.848284), (0, 0), (0.5, -0.848284), (1, -0.986614), (2.99, -0.999999), (3, -1), (50, -1)],
)
def test_the_sigmoid_is_that_of_the_paper(position, expected):
    assert nab_scoring.sigmoid(position) == pytest.approx(expected, abs=1e-6)


def test_the_sigmoid_is_cut_off_at_three_widths():
    assert nab_scoring.sigmoid(3) == -1 < nab_scoring.sigmoid(3 - 1e-9)


@pytest.mark.parametrize(("n", "expected"), [(0, 0), (6, 0), (7, 1), (100, 15), (1127, 169), (5000, 750), (22695, 750)])
def test_the_probation_is_15_percent_of_at_most_5000_readings(n, expected):
    assert nab_scoring.probation(n) == expected


# The window holds readings 40 to 49, so reading i lies at y = -(50 - i) / 10. With what it finds the window is worth
# sigmoid(y) / sigmoid(-1), and of one window the scale is 100 (worth + 1) / 2.
@pytest.mark.parametrize(
    ("place", "worth"),
    [(40, 1.0), (45, 0.848284 / 0.986614), (49, 0.244919 / 0.986614)],
)
def test_a_window_is_worth_more_the_earlier_it_is_found(place, worth):
    found = score_of(place)
    assert found.normalised == pytest.approx(100 * (worth + 1) / 2, abs=1e-4)
    assert (found.found, found.windows, found.false_positives, found.detected) == (1, 1, 0, 1)


def test_only_the_earliest_reading_of_a_window_counts():
    assert score_of(45, 46, 49).normalised == score_of(45).normalised
    assert score_of(45, 46, 49).detected == 3


# A false positive lies at y = (i - 49) / 9 after the window, and costs 0.11 sigmoid(y); before all windows 0.11.
@pytest.mark.parametrize(
    ("place", "cost"),
    [(20, 0.11), (39, 0.11), (50, 0.11 * 0.270847), (58, 0.11 * 0.986614), (76, 0.11), (99, 0.11)],
)
def test_a_false_positive_costs_less_just_after_a_window(place, cost):
    found = score_of(40, place)
    assert found.normalised == pytest.approx(100 * (2 - cost) / 2, abs=1e-4)
    assert found.false_positives == 1


def test_between_two_windows_a_false_positive_is_measured_from_the_one_before():
    # The second window is longer; reading 62 is 2 after a window of 11 readings: y = 0.2, sigmoid -0.462117.
    series = made(200, ((50, 60), (70, 99)))
    found = score_of(50, 70, 62, series=series)
    assert found.normalised == pytest.approx(100 * (4 - 0.11 * 0.462117) / 4, abs=1e-4)


def test_a_window_of_one_reading_softens_no_false_positive_after_it():
    assert score_of(50, 51, series=made(100, ((50, 50),))).normalised == pytest.approx(100 * (2 - 0.11) / 2)


def test_the_probation_does_not_count():
    assert score_of(3, 14, 40) == score_of(40)
    assert score_of(3, 15, 40).false_positives == 1
    assert score_of(40).readings == 85


def test_a_missed_window_costs_the_weight_of_a_false_negative():
    # One of two windows found at once: 1 - 2, nothing found -4, all found 2.
    series = made(200, ((50, 60), (70, 99)))
    weights = Weights(true_positive=1, false_negative=2, false_positive=0.11)
    assert score_of(50, series=series, weights=weights).normalised == pytest.approx(100 * (-1 + 4) / (2 + 4))


def test_nothing_detected_is_0_and_each_window_at_once_is_100():
    corpus = [made(), made(200, ((50, 60), (70, 99)), "made/b.csv"), made(50, (), "made/c.csv")]
    nothing = [np.zeros(len(series.values)) for series in corpus]
    perfect = [raised(len(s.values), *(first for first, _ in s.windows)) for s in corpus]
    for weights in (STANDARD, Weights(1, 1, 0.22), Weights(1, 2, 0.11)):
        assert nab_scoring.best_score(corpus, nothing, weights).normalised == 0
        assert nab_scoring.best_score(corpus, perfect, weights).normalised == pytest.approx(100)


def test_a_part_without_windows_has_no_score_but_false_positives():
    found = score_of(20, 30, series=made(100, ()))
    assert math.isnan(found.normalised)
    assert found.false_positives == 2


def test_the_threshold_is_swept_over_all_scores_of_the_corpus():
    # Found at 0.9: the window of b, and a false positive; at 0.7 the window of a; at 0.5 false positives of both.
    corpus = [made(), made(name="made/b.csv")]
    a = raised(100, 40, height=0.7) + raised(100, 20, 21, height=0.5)
    b = raised(100, 40, 20, height=0.9) + raised(100, 30, height=0.5)
    thresholds, sums = nab_scoring.sweep(corpus, [a, b], STANDARD)
    assert thresholds[:4].tolist() == [math.inf, 0.9, 0.7, 0.5]
    assert sums[:4] == pytest.approx([-2, -0.11, 1.89, 1.56])
    assert thresholds[4] == 0
    assert nab_scoring.best_score(corpus, [a, b], STANDARD) == pytest.approx((100 * 3.89 / 4, 0.7, 2, 2, 1, 3, 170))


def test_readings_of_the_same_score_are_detected_together():
    thresholds, sums = nab_scoring.sweep([made()], [raised(100, 20, 21, 40)], STANDARD)
    assert thresholds.tolist() == [math.inf, 1, 0]
    assert sums[1] == pytest.approx(1 - 0.22)


def test_each_half_is_scored_at_the_threshold_of_the_other():
    # Half of the corpus is right at 0.9, the other half at 0.3: there the windows of the first are found with a false
    # positive each, and at 0.9 the other half finds nothing.
    names = [f"made/{letter}.csv" for letter in "abcd"]
    corpus = [made(name=name) for name in names]
    even = raised(100, 40, height=0.9) + raised(100, 20, height=0.5)
    odd = raised(100, 40, height=0.3)
    halves = nab_scoring.crossed(corpus, [even, odd, even, odd], STANDARD)
    assert [half.threshold for half in halves] == [0.3, 0.9]
    assert [half.normalised for half in halves] == pytest.approx([100 * (4 - 0.22) / 4, 0])


@st.composite
def corpora(draw):
    corpus, scores = [], []
    for number in range(draw(st.integers(1, 3))):
        n = draw(st.integers(8, 40))
        start = nab_scoring.probation(n)  # no window of the benchmark reaches into it
        ends = sorted(draw(st.sets(st.integers(start, n - 1), max_size=6)))
        ends = ends[: len(ends) // 2 * 2]
        corpus.append(made(n, tuple(zip(ends[::2], ends[1::2], strict=True)), f"made/{number}.csv"))
        scores.append(np.array(draw(st.lists(st.sampled_from([0, 0.1, 0.2, 0.5, 0.9]), min_size=n, max_size=n))))
    return corpus, scores


weights = st.builds(Weights, st.floats(0.5, 2), st.floats(0.5, 2), st.floats(0.01, 1))


@given(corpora(), weights)
def test_every_threshold_gives_the_sum_of_the_plain_twin(made, weights):
    corpus, scores = made
    for threshold, total in zip(*nab_scoring.sweep(corpus, scores, weights), strict=True):
        assert total == pytest.approx(naive_nab.raw(corpus, scores, weights, threshold))


@given(corpora(), weights)
def test_the_best_score_is_that_of_the_plain_twin(made, weights):
    corpus, scores = made
    ours = nab_scoring.best_score(corpus, scores, weights)
    if not ours.windows:
        assert math.isnan(ours.normalised)
        return
    score, threshold = naive_nab.best(corpus, scores, weights)
    assert ours.normalised == pytest.approx(score)
    assert naive_nab.raw(corpus, scores, weights, ours.threshold) == pytest.approx(
        naive_nab.raw(corpus, scores, weights, threshold)
    )


PROFILES = {
    "standard": {"CostMatrix": {"tpWeight": 1.0, "fnWeight": 1.0, "fpWeight": 0.11, "tnWeight": 1.0}},
    "reward_low_FP_rate": {"CostMatrix": {"tpWeight": 1.0, "fnWeight": 1.0, "fpWeight": 0.22, "tnWeight": 1.0}},
    "reward_low_FN_rate": {"CostMatrix": {"tpWeight": 1.0, "fnWeight": 2.0, "fpWeight": 0.11, "tnWeight": 1.0}},
}
START = datetime(2014, 4, 1)


def clock(i):
    return f"{START + timedelta(minutes=30 * i):%Y-%m-%d %H:%M:%S}"


@pytest.fixture
def data(tmp_path):
    """A benchmark of two series that swing daily, one of them with a window about a jump."""
    folder = tmp_path / "nab"
    for name in ("labels", "config", "data/calm", "data/odd"):
        (folder / name).mkdir(parents=True)
    limits = [f"{clock(i)}.000000" for i in (380, 419)]
    windows = {"calm/day_one.csv": [], "odd/day_two.csv": [limits]}
    (folder / "labels/combined_windows.json").write_text(json.dumps(windows))
    (folder / "config/profiles.json").write_text(json.dumps(PROFILES))
    rng = np.random.default_rng(0)
    for name in windows:
        y = 20 + 5 * np.sin(np.arange(500) * 2 * np.pi / 48) + rng.normal(0, 0.3, 500)
        y[400:410] += 60 * bool(windows[name])
        lines = [f"{clock(i)},{x:.{i % 5 + 6}f}\n" for i, x in enumerate(y)]
        (folder / "data" / name).write_text("timestamp,value\n" + "".join(lines))
    return folder


def test_a_file_of_results_repeats_the_data_and_has_labels_and_twelve_digits(data, tmp_path):
    series = nab_corpus.load(data)[1]
    scores = np.linspace(0, 1, 500) / 3
    scores[7] = 0.99999999999977
    nab_corpus.write_results(tmp_path / "results", "ours", series, scores)
    path = tmp_path / "results/ours/odd/ours_day_two.csv"
    assert nab_corpus.results_path(tmp_path / "results", "ours", series) == path
    lines = path.read_text().splitlines()
    given = (data / "data/odd/day_two.csv").read_text().splitlines()
    assert lines[0] == "timestamp,value,anomaly_score,label"
    assert [line.rsplit(",", 2)[0] for line in lines[1:]] == given[1:]
    assert lines[2].endswith(",0.000668002672011,0")
    assert lines[8].endswith(",1,0")
    assert [i for i, line in enumerate(lines[1:]) if line.endswith(",1")] == list(range(380, 420))
    assert nab_corpus.read_results(tmp_path / "results", "ours", series).tolist() == pytest.approx(
        nab_corpus.as_written(scores).tolist(), abs=0
    )


def test_a_detector_with_an_underscore_is_refused(data, tmp_path):
    with pytest.raises(ValueError, match="underscore"):
        nab_corpus.write_results(tmp_path, "my_own", nab_corpus.load(data)[0], np.zeros(500))


def test_a_window_at_no_reading_is_an_error(data):
    windows = {"calm/day_one.csv": [["2014-04-01 00:00:01", clock(9)]]}
    (data / "labels/combined_windows.json").write_text(json.dumps(windows))
    with pytest.raises(ValueError, match="no reading at 2014-04-01 00:00:01"):
        nab_corpus.load(data)


def test_the_command_writes_results_and_prints_scores_by_profile(data, tmp_path, capsys):
    asked = ["--output", str(tmp_path / "results"), "--detector", "network", "--detector", "null", "--thresholds"]
    nab.main([str(data), *asked])
    written = sorted(str(path.relative_to(tmp_path / "results")) for path in tmp_path.glob("results/*/*/*"))
    assert written == [
        f"{name}/{group}/{name}_{file}.csv"
        for name in ("network", "networkplain", "null")
        for group, file in (("calm", "day_one"), ("odd", "day_two"))
    ]
    printed = capsys.readouterr().out
    summary = {line.split()[0]: line.split()[1:] for line in printed.split("\n\n")[1].splitlines()}
    assert summary["null"][:3] == ["0.00", "0.00", "0.00"]
    assert summary["network"][0] != "0.00"
    assert re.search(r"all at 0\.2 .* 1/1 ", printed)
    series = nab_corpus.load(data)[1]
    alarms, plain = (nab_corpus.read_results(tmp_path / "results", row, series) for row in ("network", "networkplain"))
    assert (alarms[alarms > 0] == plain[alarms > 0]).all()
    assert 0 < (alarms > 0).sum() < (plain >= nab_detectors.NAB_CONFIG.threshold).sum()


def test_the_command_names_what_a_folder_lacks(data, capsys):
    (data / "config/profiles.json").unlink()
    with pytest.raises(SystemExit):
        nab.main([str(data)])
    assert "nab has no config/profiles.json; name a folder" in capsys.readouterr().err


@pytest.mark.parametrize("name", nab_detectors.DETECTORS)
def test_no_detector_looks_ahead(name, data):
    series = nab_corpus.load(data)[1]
    cut = 405
    begun = nab_corpus.Series(
        series.name, series.timestamps[:cut], series.texts[:cut], series.times_s[:cut], series.values[:cut], []
    )
    detect = nab_detectors.DETECTORS[name][1]
    config = nab_detectors.NAB_CONFIG
    for whole, part in zip(detect(series, config), detect(begun, config), strict=True):
        assert (whole is None and part is None) or whole[:cut].tolist() == part.tolist()


def test_alarms_are_replayed_as_they_were_raised(data):
    for series in nab_corpus.load(data):
        alarms, plain = nab_detectors.network(series, nab_detectors.NAB_CONFIG)
        assert nab_detectors.replay(plain, nab_detectors.NAB_CONFIG).tolist() == alarms.tolist()
