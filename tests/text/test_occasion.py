import numpy as np
import pytest

from typeahead.text.occasion import NUM_PAST, Occasion, mixer

UNSURE = np.full((1, 256), -np.log(256), np.float32)


def learnt(*runs):
    """Statistics of runs, each (line, lines before it, directory)."""
    statistics = mixer()
    for line, past, cwd in runs:
        Occasion(statistics, past, cwd).learn(line, np.repeat(UNSURE, len(line) + 1, axis=0))
    return statistics


def likeliest(statistics, beginning=b"", past=(), cwd=None):
    log_probs = UNSURE.copy()
    Occasion(statistics, past, cwd).mix([beginning], log_probs)
    return chr(log_probs[0].argmax())


def test_without_statistics_nothing_is_mixed_in_and_nothing_learnt():
    log_probs = UNSURE.copy()
    occasion = Occasion(None, [b"ls"], "/a")
    occasion.mix([b"", b"x"], log_probs)
    assert np.array_equal(log_probs, UNSURE)
    assert occasion.learn(b"ls", UNSURE) == 0.0


def test_statistics_without_a_line_leave_the_prediction_alone():
    log_probs = UNSURE.copy()
    Occasion(mixer(), [], None).mix([b""], log_probs)
    np.testing.assert_allclose(log_probs, UNSURE, atol=1e-6)


def test_a_line_is_finished_as_it_was_before():
    statistics = learnt((b"make all", [], None))
    assert [likeliest(statistics, b"make all"[:length]) for length in range(8)] == list("make all")
    assert likeliest(statistics, b"make all") == "\n"


def test_what_followed_the_same_line_is_preferred():
    statistics = learnt((b"make", [b"cd src"], None), (b"ls", [b"pwd"], None), *[(b"git", [b"x"], None)] * 2)
    assert likeliest(statistics, past=[b"cd src"]) == "m"
    assert likeliest(statistics, past=[b"pwd"]) == "l"


def test_what_followed_the_same_two_lines_is_preferred():
    statistics = learnt(
        (b"after a", [b"same", b"a"], None), (b"behind b", [b"same", b"b"], None), (b"cut", [b"x", b"y"], None)
    )
    assert likeliest(statistics, past=[b"same", b"a"]) == "a"
    assert likeliest(statistics, past=[b"same", b"b"]) == "b"


def test_what_was_run_in_the_same_directory_is_preferred():
    statistics = learnt(*[(b"make x", [], "/here"), (b"make y", [], "/there")] * 3)
    assert likeliest(statistics, b"make ", cwd="/here") == "x"
    assert likeliest(statistics, b"make ", cwd="/there") == "y"


def test_a_path_is_continued_after_another_command():
    statistics = learnt((b"vim src/typeahead/shell.py", [], None))
    assert likeliest(statistics, b"cat src/typea") == "h"
    assert likeliest(statistics, b"cat other/shell") == "."


def test_only_the_last_lines_count():
    past = [b"one", b"two"][:NUM_PAST]
    statistics = learnt((b"make", past, None))
    same, more = UNSURE.copy(), UNSURE.copy()
    Occasion(statistics, past, None).mix([b""], same)
    Occasion(statistics, [*past, b"three"], None).mix([b""], more)
    assert np.array_equal(same, more)


def test_the_cost_of_a_line_falls_as_it_is_learnt():
    statistics = mixer()
    rows = np.repeat(UNSURE, 9, axis=0)
    costs = [Occasion(statistics, [b"ls"], "/a").learn(b"make all", rows) for _ in range(4)]
    assert costs[0] == pytest.approx(9 * np.log(256), rel=0.2)
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < costs[0] / 3


def test_directories_and_lines_of_any_bytes_are_told_apart():
    seeds = [
        Occasion(mixer(), past, cwd)._seeds.tolist()
        for past, cwd in [([], None), ([b"\xff"], None), ([b"\xfe"], None), ([], "/\udcff"), ([], "/é")]
    ]
    assert len({tuple(each) for each in seeds}) == 5
