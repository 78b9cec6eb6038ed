import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.naive_text import repeats
from typeahead.text.recall import Recall


def filled(lines, cwd=None):
    """What one session remembers, each line run after those before it, at the place after the last."""
    recall, past = Recall(), []
    for line in lines:
        recall.add(line, cwd, past)
        past = [line, *past]
    return recall.weigh(past, cwd)


LINES = st.lists(st.text(st.sampled_from("ab é日"), min_size=1, max_size=4), min_size=1, max_size=30)


@given(lines=LINES, prefix=st.text(st.sampled_from("ab é日"), max_size=3))
def test_the_probability_of_a_prefix_is_the_sum_over_the_lines_that_start_with_it(lines, prefix):
    past = filled(lines)
    matching = [line for line in set(lines) if line.startswith(prefix)]
    exact = {line: past.probability_of_line(line) for line in matching}
    assert past.probability(prefix) == pytest.approx(sum(exact.values()))
    assert past.probability("") == pytest.approx(1.0)
    assert sum(map(past.probability_of_line, set(lines))) == pytest.approx(1.0)
    longer = past.likeliest(prefix, 100)
    assert set(longer) == set(matching) - {prefix}
    assert [exact[line] for line in longer] == sorted((exact[line] for line in longer), reverse=True)
    assert past.likeliest(prefix, 2) == longer[:2]
    assert past.probability_of_line(prefix + "x") == 0.0


RUNS = st.lists(
    st.tuples(
        st.sampled_from(["ls", "ls -l", "make", "make a", "cd /a"]),
        st.sampled_from([None, "/a", "/a/c", "/ab", "/b"]),
        st.sampled_from(["one", "two"]),
        st.sampled_from([None, False, True]),
    ),
    max_size=25,
)


@given(
    runs=RUNS,
    cwd=st.sampled_from([None, "/a", "/new"]),
    past=st.lists(st.sampled_from(["ls", "make", "x"])),
    after_failure=st.sampled_from([None, False, True]),
    repository=st.sampled_from([None, "/", "/a"]),
)
def test_weighing_equals_its_plain_twin(runs, cwd, past, after_failure, repository):
    recall, sessions, occasions = Recall(), {}, []
    for line, where, session, failed in runs:
        before = sessions.get(session, [])
        recall.add(line, where, before, failed)
        occasions.append((line, where, list(before[:2]), failed))
        sessions[session] = [line, *before]
    got = recall.weigh(past, cwd, after_failure, repository)
    probability_of_any, expected = repeats(occasions, past, cwd, after_failure, repository)
    assert got.probability_of_any == pytest.approx(probability_of_any)
    assert {line: got.probability_of_line(line) for line in expected} == pytest.approx(expected)
    assert got.probability("") == pytest.approx(1.0 if runs else 0.0)


def test_nothing_is_recalled_before_anything_was_run():
    past = Recall().weigh((), "/")
    assert past.probability_of_any == 0.0
    assert past.probability("") == past.probability_of_line("") == 0.0
    assert past.likeliest("", 5) == []


def test_newer_runs_count_more():
    assert filled(["make a", "make b"]).likeliest("make", 2) == ["make b", "make a"]


def test_more_runs_count_more():
    past = filled(["make a", "make a", "make a", "x", "make b", "y"])
    assert past.likeliest("make", 2) == ["make a", "make b"]


def test_what_followed_the_same_line_before_counts_more():
    assert filled(["cd src", "make", "ls", "vim x", "ls", "cd src"]).likeliest("", 1) == ["make"]


def test_what_followed_the_same_two_lines_counts_more_than_what_followed_the_last_alone():
    lines = ["a", "same", "after a", "b", "same", "after b", "ls"]
    assert filled([*lines, "a", "same"]).likeliest("", 1) == ["after a"]
    assert filled([*lines, "b", "same"]).likeliest("", 1) == ["after b"]


def test_what_followed_the_same_command_counts_more():
    assert filled(["vim one.c", "make", "cat x", "vim two.c"]).likeliest("", 1) == ["make"]


def test_what_ran_in_this_directory_counts_more():
    recall = Recall()
    for line, cwd in (("make here", "/here"), ("ls", "/there"), ("make there", "/there"), ("pwd", "/there")):
        recall.add(line, cwd)
    there, here = recall.weigh((), "/there"), recall.weigh((), "/here")
    assert here.probability("make there") < there.probability("make there")
    assert here.probability("make here") > there.probability("make here") > 0


def test_what_ran_elsewhere_in_the_repository_counts_more_than_what_ran_outside():
    recall = Recall()
    for line, cwd in (("make in", "/home/me/project/src"), ("make out", "/home/me/projects"), ("ls", "/tmp")):
        recall.add(line, cwd)
    assert recall.weigh((), "/home/me/project").likeliest("make", 2) == ["make out", "make in"]
    inside = recall.weigh((), "/home/me/project", repository="/home/me/project")
    assert inside.likeliest("make", 2) == ["make in", "make out"]


def test_after_a_failure_what_followed_failures_counts_more():
    recall = Recall()
    for line, failed in (("vim main.c", True), ("make install", False), ("make install", False)):
        recall.add("make", None, [])
        recall.add(line, None, ["make"], failed)
    assert recall.weigh(["make"], after_failure=True).likeliest("", 1) == ["vim main.c"]
    assert recall.weigh(["make"], after_failure=False).likeliest("", 1) == ["make install"]


def test_a_line_of_another_session_counts_with_its_own_past():
    recall = Recall()
    recall.add("cd src", None, [])
    recall.add("vim notes", None, [])  # meanwhile, in another session
    recall.add("make", None, ["cd src"])
    recall.add("cat notes", None, ["vim notes"])
    assert recall.weigh(["cd src"]).likeliest("", 1) == ["make"]
    assert recall.weigh(["vim notes"]).likeliest("", 1) == ["cat notes"]


def test_the_probability_of_a_repeat_follows_what_is_seen():
    assert filled(["a"] * 50).probability_of_any > 0.9
    assert filled([str(number) for number in range(50)]).probability_of_any < 0.1


def test_a_line_named_like_a_directory_or_a_command_is_not_taken_for_it():
    recall = Recall()
    recall.add("/tmp", "/tmp", ["make all"])
    recall.add("make", "/tmp", ["/tmp"])
    past = recall.weigh(["make all"], "/tmp")
    assert past.probability("/") + past.probability("m") == pytest.approx(1.0)
    assert past.likeliest("", 2) == ["/tmp", "make"]
    # "make", the first word of a line before, is not the line "make".
    runs = [("/tmp", "/tmp", ["make all"], None), ("make", "/tmp", ["/tmp"], None)]
    _, expected = repeats(runs, ["make"], None)
    got = recall.weigh(["make"])
    assert {line: got.probability_of_line(line) for line in expected} == pytest.approx(expected)


def test_what_was_weighed_does_not_change_when_lines_are_added():
    recall = Recall(max_runs=8)
    for number in range(12):
        recall.add(f"line {number % 5}", "/a", [f"line {(number - 1) % 5}"])
    past = recall.weigh(["line 1"], "/a")

    def all_of_it():
        return (
            past.probability_of_any,
            past.likeliest("", 99),
            [past.probability(f"line {number}") for number in range(9)],
        )

    before = all_of_it()
    for number in range(50):  # several times more than are kept
        recall.add(f"line {number}", "/b", ["line 1"])
        assert all_of_it() == before


def test_only_the_newest_runs_are_remembered_each_with_its_occasion():
    recall, occasions = Recall(max_runs=6), []
    past = []
    for number in range(100):
        run = f"line {number % 5}", f"/{number % 3}", past[:2], (None, False, True)[number % 3]
        recall.add(*run)
        occasions.append(run)
        past = [run[0], *past]
    for before, cwd in (([], None), (past, "/1"), (["line 3"], "/2"), (["line 3", "line 2"], "/gone")):
        got = recall.weigh(before, cwd, True)
        kept = 6 + (100 - 12) % 6  # at 12 runs 6 are let go
        _, expected = repeats(occasions[-kept:], before, cwd, True)
        assert {line: got.probability_of_line(line) for line in expected} == pytest.approx(expected)
        assert set(got.likeliest("", 99)) == set(expected)
        assert got.probability_of_any == pytest.approx((1 + 95) / (3 + 100))  # counted over all runs


def test_one_thread_may_add_while_another_weighs():
    recall = Recall(max_runs=50)

    def add():
        for number in range(2000):
            recall.add(f"line {number % 60}", f"/{number % 9}", [f"line {(number + 1) % 60}"])

    adder = threading.Thread(target=add)
    adder.start()
    rounds = 0
    while adder.is_alive() or not rounds:
        past = recall.weigh([f"line {rounds % 70}"], f"/{rounds % 11}")
        if past.probability_of_any:
            assert past.probability("") == pytest.approx(1.0)
            assert sum(map(past.probability_of_line, past.likeliest("", 99))) == pytest.approx(1.0)
        rounds += 1
    adder.join()
