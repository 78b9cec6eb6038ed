import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead.text import ranking
from typeahead.text.ranking import DIALS, Candidate, Confidence, next_word, word_starts


def test_a_candidate_is_worth_the_keys_it_is_expected_to_save():
    # "mit -m": all of it with 0.4, saves 5 of 6 keys; else, with 0.3 more, its next word "mit ", 3 of 4.
    one = Candidate("mit -m", {"model": 0.1, "history": 0.3}, next_word=0.7)
    assert one.worth == pytest.approx(0.4 * 5 + 0.3 * 3)
    assert one.probability == pytest.approx(0.4)
    assert one.source == "history"


def test_one_character_is_worth_nothing_and_a_word_alone_what_it_saves():
    assert Candidate("x", {"model": 1.0}, next_word=1.0).worth == 0.0
    assert Candidate("abc", {"model": 0.5}, next_word=0.5).worth == pytest.approx(1.0)


def test_of_two_as_likely_the_longer_is_worth_more_and_of_two_as_long_the_likelier():
    def worth(text, probability):
        return Candidate(text, {"model": probability}, probability).worth

    assert worth("commit --amend", 0.5) > worth("commit", 0.5)
    assert worth("commit", 0.6) > worth("commit", 0.5)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("mit -m x", "mit "),
        (" -m x", " -m "),
        ("  a b", "  a "),
        ("src/text/", "src/"),
        ("/usr/bin", "/"),
        ("status", "status"),
        (" ", " "),
        ("", ""),
    ],
)
def test_the_next_word_goes_up_to_and_with_a_space_or_slash(text, word):
    assert next_word(text) == word


@given(text=st.text(st.sampled_from("ab /é"), max_size=20))
def test_words_taken_one_by_one_give_the_text_and_start_where_words_start(text):
    rest, taken = text, ""
    while rest:
        word = next_word(rest)
        assert word
        taken, rest = taken + word, rest[len(word) :]
    assert taken == text
    assert word_starts(text) == [
        place for place in range(1, len(text)) if text[place] not in " /" and text[place - 1] in " /"
    ]


# Confidence


def test_at_first_a_probability_is_believed():
    for claimed in (0.01, 0.3, 0.5, 0.99):
        assert Confidence().probability("ls", claimed) == pytest.approx(claimed)


@given(claimed=st.floats(0, 1))
def test_the_corrected_probability_is_one_whatever_is_claimed(claimed):
    confidence = Confidence()
    for number in range(20):
        confidence.learn("ls", claimed, number % 3 == 0)
    assert 0 <= confidence.probability("ls", claimed) <= 1


def test_a_line_passed_over_ten_times_is_less_sure_than_a_fresh_one_and_one_taken_is_surer():
    confidence = Confidence()
    for _ in range(10):
        confidence.learn("passed", 0.5, taken=False)
        confidence.learn("taken", 0.5, taken=True)
    passed, fresh, taken = (confidence.probability(line, 0.5) for line in ("passed", "fresh", "taken"))
    assert passed < fresh - 0.1
    assert taken > fresh + 0.1
    assert fresh == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("happens", [0.1, 0.5, 0.9])
def test_confidence_moves_towards_what_happens(happens):
    confidence = Confidence()
    before = abs(confidence.probability("a fresh line", 0.4) - happens)
    for number in range(500):
        confidence.learn(f"line {number}", 0.4, number % 10 < 10 * happens)
    after = abs(confidence.probability("a fresh line", 0.4) - happens)
    assert after < 0.1
    assert after <= before


def test_confidence_learns_by_the_gradient_of_the_log_likelihood():
    confidence = Confidence()
    confidence.weights = [0.2, 0.8, 0.3, -0.4]
    confidence._fates["ls"] = [2, 1]
    before, claimed = list(confidence.weights), 0.3

    def log_likelihood():
        return math.log(1 - confidence.probability("ls", claimed))  # it is passed over

    expected = []
    for index in range(4):
        confidence.weights[index] += 1e-6
        above = log_likelihood()
        confidence.weights[index] -= 2e-6
        expected.append((above - log_likelihood()) / 2e-6)
        confidence.weights[index] += 1e-6
    confidence.learn("ls", claimed, taken=False)
    moved = [(now - then) / ranking._LEARNING_RATE for now, then in zip(confidence.weights, before, strict=True)]
    assert moved == pytest.approx(expected, abs=1e-4)


def test_what_is_known_of_lines_is_bounded_and_can_be_forgotten(monkeypatch):
    monkeypatch.setattr(ranking, "_MAX_REMEMBERED", 3)
    confidence = Confidence()
    for number in range(10):
        confidence.learn(f"line {number}", 0.5, taken=True)
        confidence.learn("often", 0.5, taken=True)
    assert list(confidence._fates) == ["line 8", "line 9", "often"]
    assert confidence.features("often", 0.5)[2] == pytest.approx(math.log(11))
    confidence.forget()
    assert confidence.features("often", 0.5)[2:] == [0.0, 0.0]


# The dial


def test_a_quieter_dial_asks_for_more_everywhere():
    quiet, balanced, eager = (DIALS[name] for name in ("quiet", "balanced", "eager"))
    for name in ("least", "after_miss", "at_empty"):
        assert getattr(quiet, name) >= getattr(balanced, name) >= getattr(eager, name)
    assert quiet.least > balanced.least > eager.least
    assert list(DIALS) == ["quiet", "balanced", "eager"]
