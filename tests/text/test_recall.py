import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead.text.recall import Recall


def filled(lines, cwd=None):
    recall = Recall()
    for line in lines:
        recall.add(line, cwd)
    recall.prepare(cwd)
    return recall


LINES = st.lists(st.text(st.sampled_from("ab é日"), min_size=1, max_size=4), min_size=1, max_size=30)


@given(lines=LINES, prefix=st.text(st.sampled_from("ab é日"), max_size=3))
def test_the_probability_of_a_prefix_is_the_sum_over_the_lines_that_start_with_it(lines, prefix):
    recall = filled(lines)
    matching = [line for line in set(lines) if line.startswith(prefix)]
    longer = recall.likeliest(prefix, 100)
    assert set(longer) == set(matching) - {prefix}
    exact = {line: recall.probability(line) - sum(map(recall.probability, _children(line, lines))) for line in matching}
    assert recall.probability(prefix) == pytest.approx(sum(exact.values()))
    assert recall.probability("") == pytest.approx(1.0)
    assert [exact[line] for line in longer] == sorted((exact[line] for line in longer), reverse=True)


def _children(line, lines):
    """The one-character-longer prefixes of other lines."""
    return {other[: len(line) + 1] for other in lines if other.startswith(line) and len(other) > len(line)}


def test_nothing_is_recalled_before_anything_was_run():
    recall = Recall()
    recall.prepare("/")
    assert recall.repeat_probability == 0.0
    assert recall.probability("") == 0.0
    assert recall.likeliest("", 5) == []


def test_newer_runs_count_more():
    recall = filled(["make a", "make b"])
    assert recall.likeliest("make", 2) == ["make b", "make a"]


def test_more_runs_count_more():
    recall = filled(["make a", "make a", "make a", "x", "make b", "y"])
    assert recall.likeliest("make", 2) == ["make a", "make b"]


def test_what_followed_the_same_line_before_counts_more():
    assert filled(["cd src", "make", "ls", "vim x", "ls", "cd src"]).likeliest("", 1) == ["make"]


def test_what_ran_in_this_directory_counts_more():
    recall = Recall()
    for line, cwd in (("make here", "/here"), ("ls", "/there"), ("make there", "/there"), ("pwd", "/there")):
        recall.add(line, cwd)
    recall.prepare("/there")
    there = recall.probability("make there")
    recall.prepare("/here")
    assert recall.probability("make there") < there
    assert recall.probability("make here") > 0


def test_the_probability_of_a_repeat_follows_what_is_seen():
    assert filled(["a"] * 50).repeat_probability > 0.9
    assert filled([str(number) for number in range(50)]).repeat_probability < 0.1


def test_a_line_named_like_a_directory_is_not_taken_for_it():
    recall = Recall()
    recall.add("/tmp", "/tmp")
    recall.add("ls", "/tmp")
    recall.prepare("/tmp")
    assert recall.probability("/") + recall.probability("l") == pytest.approx(1.0)


def test_only_the_newest_runs_are_remembered():
    recall = Recall(max_runs=4)
    for number in range(100):
        recall.add(f"line {number}", f"/{number}")
    recall.prepare("/99")
    kept = recall.likeliest("", 100)
    assert "line 99" in kept
    assert 4 <= len(kept) <= 8
    assert recall.repeat_probability == pytest.approx(1 / 103)
