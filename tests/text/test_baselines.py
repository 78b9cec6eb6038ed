import inspect
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.naive_replay import ngram_probability
from typeahead.text.baselines import AfterSamePrevious, CharacterNgram, MostFrequent, NewestMatch, Nothing
from typeahead.text.suggester import Suggester

LINES = st.lists(st.text("ab /é", min_size=1, max_size=5), max_size=8)


def learnt(suggester, *lines):
    for line in lines:
        suggester.record(line)
    return suggester


def texts(suggester, prefix, limit=1):
    return [one.text for one in suggester.suggest(prefix, None, limit)]


@pytest.mark.parametrize("kind", [Nothing, NewestMatch, AfterSamePrevious, MostFrequent, CharacterNgram])
@pytest.mark.parametrize("method", ["suggest", "record"])
def test_baselines_are_called_as_the_suggester_is(kind, method):
    def called(owner):
        return [(each.name, each.default) for each in inspect.signature(getattr(owner, method)).parameters.values()]

    assert called(kind) == called(Suggester)


@pytest.mark.parametrize("kind", [Nothing, NewestMatch, AfterSamePrevious, MostFrequent, CharacterNgram])
@pytest.mark.parametrize("prefix", ["", "g"])
def test_nothing_is_suggested_to_a_new_user(kind, prefix):
    assert kind().suggest(prefix, "/", 5) == []


@given(LINES, st.text("ab /é", max_size=3), st.integers(0, 3))
def test_what_is_suggested_goes_on_from_what_is_typed(lines, prefix, limit):
    for kind in (NewestMatch, AfterSamePrevious, MostFrequent, CharacterNgram):
        found = texts(learnt(kind(), *lines), prefix, limit)
        assert len(found) == len(set(found)) <= limit
        assert all(text.startswith(prefix) and text != prefix for text in found)


def test_newest_match_is_the_newest_line_longer_than_what_is_typed():
    suggester = learnt(NewestMatch(), "git add", "git add -A", "git add", "ls")
    assert texts(suggester, "git") == ["git add"]
    assert texts(suggester, "git add") == ["git add -A"]
    assert texts(suggester, "g", 5) == ["git add", "git add -A"]
    assert texts(suggester, "") == []
    assert all(math.isnan(one.log_prob) for one in suggester.suggest("git"))


def test_after_the_same_line_comes_what_came_after_it_last():
    suggester = learnt(AfterSamePrevious(), "cd a", "make", "cd a", "make test", "ls", "make all", "cd a")
    assert texts(suggester, "") == ["make test"]
    assert texts(suggester, "m", 3) == ["make test", "make", "make all"]
    assert texts(suggester, "l") == ["ls"]  # it never came after "cd a": the newest match


def test_on_an_empty_line_after_a_new_line_the_newest_is_repeated():
    assert texts(learnt(AfterSamePrevious(), "ls", "pwd"), "") == ["pwd"]


def test_most_frequent_is_counted_and_the_newest_of_equals():
    suggester = learnt(MostFrequent(), "aa", "ab", "ab", "aa", "ac")
    assert texts(suggester, "a", 3) == ["aa", "ab", "ac"]
    assert texts(suggester, "") == ["aa"]
    assert texts(learnt(suggester, "ab"), "a") == ["ab"]


@given(LINES, st.text("ab /é\n", max_size=7), st.sampled_from("ab /éz\n"), st.integers(1, 4))
def test_ngram_probabilities_equal_those_counted_anew(lines, before, character, order):
    suggester = learnt(CharacterNgram(order), *lines)
    assert suggester.probability(character, before) == pytest.approx(ngram_probability(lines, order, character, before))


@given(LINES.filter(bool), st.text("ab /é\n", max_size=4))
def test_ngram_probabilities_sum_to_one(lines, before):
    suggester = learnt(CharacterNgram(3), *lines)
    kinds = set("".join(lines) + "\n")
    total = sum(suggester.probability(character, before) for character in kinds)
    assert total + (256 - len(kinds)) * suggester.probability("\0", before) == pytest.approx(1)


@given(LINES, st.text("ab /é", max_size=3), st.sampled_from([0.05, 0.25, 0.6]))
def test_ngram_completes_greedily_while_it_is_sure_enough(lines, prefix, least):
    suggester = learnt(CharacterNgram(4, least), *lines)
    stream = "".join(["\n", *(line + "\n" for line in lines), prefix])
    kinds = sorted(set("".join(lines) + "\n"))
    text, probability = "", 1.0
    (found,) = suggester.suggest(prefix) or [None]
    for character in found.text[len(prefix) :] if found else "":
        each = {kind: ngram_probability(lines, 4, kind, stream + text) for kind in kinds}
        assert each[character] == pytest.approx(max(each.values()))
        text, probability = text + character, probability * each[character]
    if found:
        assert math.exp(found.log_prob) == pytest.approx(probability)
        assert probability >= least - 1e-9
    if lines:
        each = {kind: ngram_probability(lines, 4, kind, stream + text) for kind in kinds}
        ends = each["\n"] == pytest.approx(max(each.values()))
        assert ends or probability * max(each.values()) < least + 1e-9


def test_ngram_learns_from_each_line_and_suggests_the_next_one():
    suggester = CharacterNgram()
    for _ in range(6):
        learnt(suggester, "cd src", "make test")
    assert texts(suggester, "") == ["cd src"]
    assert texts(suggester, "m") == ["make test"]
    assert suggester.suggest("m")[0].source == "model"
    learnt(suggester, "cd src")
    assert texts(suggester, "") == ["make test"]
