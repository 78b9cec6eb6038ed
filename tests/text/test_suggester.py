import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.naive_text import Chain
from typeahead.config import TextConfig
from typeahead.errors import ModelFileError
from typeahead.rnn import checkpoint
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.text.language_model import MAX_LINE_BYTES, LanguageModel
from typeahead.text.recall import _AGE_EXPONENT
from typeahead.text.suggester import _STAY, Suggester


def suggester(rules, history=(), **settings):
    """A suggester whose network is a chain; beside the rules it is at a loss: 256 bytes, all alike."""
    chain = Chain({"": dict.fromkeys(map(chr, range(256)), 1 / 256)} | rules)
    return Suggester(LanguageModel(chain), history, TextConfig(**settings)), chain


def spell(text, probability=1.0, after="\n"):
    """Rules by which ``text`` follows ``after``, each byte with ``probability``, else a tilde; then the line ends."""
    raw = after + text.encode().decode("latin-1") + "\n"
    first = len(after)
    return {
        raw[max(0, end - 12) : end]: {raw[end]: probability, "~": 1 - probability} for end in range(first, len(raw))
    }


def texts(suggestions):
    return [one.text for one in suggestions]


def test_the_networks_line_is_suggested_with_its_probability():
    one, _ = suggester(spell("git status", 0.99))
    (found,) = one.suggest("git")
    assert (found.text, found.source) == ("git status", "model")
    assert found.log_prob == pytest.approx(7 * math.log(0.99), abs=1e-4)


def test_nothing_is_suggested_where_the_network_is_at_a_loss():
    one, _ = suggester({})
    assert one.suggest("") == []
    assert one.suggest("git ") == []


def test_a_suggestion_ends_where_confidence_ends():
    unsure = {chr(97 + letter): 0.05 for letter in range(20)}
    rules = spell("git log") | {"\ngit log": {"\n": 0.04, " ": 0.96}, "\ngit log ": unsure}
    assert texts(suggester(rules)[0].suggest("git")) == ["git log "]
    rules = spell("git log") | {"\ngit log": {"\n": 0.5, " ": 0.5}, "\ngit log ": unsure}
    assert texts(suggester(rules, min_probability=0.6)[0].suggest("git")) == ["git log"]
    rules = spell("git log") | {"\ngit log": unsure}
    assert texts(suggester(rules)[0].suggest("g")) == ["git "]
    assert suggester(rules)[0].suggest("git") == []  # a space alone is nothing to show


def test_the_cut_is_the_one_that_is_expected_to_save_most():
    # "ab cd " saves 5 keys nearly for sure; "ab cd efgh" 9 with probability p, and if not, its first word saves 2.
    def rules(p):
        return spell("ab cd efgh") | {"\nab cd ": {"e": p, "~": 1 - p}, "\nab cd ~": {"\n": 0.1}}

    # 9 p + 2 (1 - p) against 5
    for p, expected in ((0.53, "ab cd efgh"), (0.4, "ab cd ")):
        assert texts(suggester(rules(p), min_probability=0.05)[0].suggest("")) == [expected]


def test_no_suggestion_is_less_probable_than_the_setting():
    rules = spell("make") | {"\nmake": {" ": 0.5, "\n": 0.5}} | spell("install", after="\nmake ")
    for least, expected in ((0.4, ["make install"]), (0.6, ["make"])):
        assert texts(suggester(rules, min_probability=least)[0].suggest("m")) == expected
    assert suggester(spell("make", 0.5), min_probability=0.3)[0].suggest("m") == []


def test_a_past_line_is_suggested_and_named_so():
    one, _ = suggester({}, ["kubectl get pods"])
    (found,) = one.suggest("ku")
    assert (found.text, found.source) == ("kubectl get pods", "history")
    assert -1 < found.log_prob <= 0


def test_a_past_line_that_does_not_start_with_what_is_typed_is_not_suggested():
    one, _ = suggester({}, ["kubectl get pods"])
    assert one.suggest("kx") == []
    assert one.suggest("kubectl get pods") == []
    assert one.suggest("ubectl") == []


def test_both_sources_together_make_a_line_more_probable_than_either():
    rules = spell("git pull", 0.9)
    alone = suggester(rules)[0].suggest("git")[0]
    past = suggester({}, ["git pull"])[0].suggest("git")[0]
    both = suggester(rules, ["git pull"])[0].suggest("git")[0]
    assert both.text == alone.text == past.text == "git pull"
    assert both.log_prob > alone.log_prob


def test_the_probability_is_that_of_the_mixture_of_both_sources():
    # Two lines were run, none twice: with the three counted beforehand, 1 of 5 lines repeats a past one.
    chain_rules = spell("ab cdef", 0.9) | spell("xyz", 0.9) | {"\n": {"a": 0.3, "x": 0.7}}
    one, _ = suggester(chain_rules, ["ab cdef", "xyz"], min_probability=0.01)
    older, newer = 2**-_AGE_EXPONENT, 1.0
    past, model = older / (older + newer), 0.3
    # empty line: each source with its prior; the past line may still be left where its second word starts
    expected = 0.2 * past * _STAY + 0.8 * model * 0.9**6
    found = {suggestion.text: math.exp(suggestion.log_prob) for suggestion in one.suggest("", limit=4)}
    assert found["ab cdef"] == pytest.approx(expected, rel=1e-4)
    # after "a": Bayes' rule
    share = 0.2 * past / (0.2 * past + 0.8 * model)
    (found,) = one.suggest("a")
    assert math.exp(found.log_prob) == pytest.approx(share * _STAY + (1 - share) * 0.9**6, rel=1e-4)
    # after "ab c": the line has gone on to its second word, which a repetition does with _STAY
    stays = 0.2 * past * _STAY
    leaves = (0.8 * model * 0.9**2 + 0.2 * past * (1 - _STAY)) * 0.9
    (found,) = one.suggest("ab c")
    assert math.exp(found.log_prob) == pytest.approx((stays + leaves * 0.9**3) / (stays + leaves), rel=1e-4)


def test_a_recorded_line_is_suggested_at_once():
    one, _ = suggester({})
    assert one.suggest("frob") == []
    one.record("frobnicate --all")
    assert texts(one.suggest("frob")) == ["frobnicate --all"]


def test_lines_are_predicted_in_the_context_of_the_lines_before():
    rules = {"d src\n": {"m": 0.99, "l": 0.01}} | spell("make", after="d src\n")
    one, _ = suggester(rules)
    one.record("ls")
    assert "make" not in texts(one.suggest(""))
    one.record("cd src")
    assert texts(one.suggest("")) == ["make"]


def test_a_history_given_at_the_start_is_context_too():
    rules = spell("make", after="d src\n")
    assert texts(suggester(rules, ["ls", "cd src"])[0].suggest("")) == ["make"]


@pytest.mark.parametrize("private", [" secret --token", "", "   ", "\n"])
def test_a_line_that_starts_with_a_space_or_is_blank_leaves_no_trace(private):
    one, chain = suggester({}, [private])
    chain.steps = 0
    one.record(private)
    assert chain.steps == 0
    assert one.suggest(private[:4]) == []
    assert one.suggest("secret") == []
    assert one.suggest("") == []


def test_a_command_that_was_not_found_is_not_suggested():
    one, _ = suggester({})
    one.record("gti status", exit_status=127)
    assert one.suggest("gt") == []
    one.record("gto status", exit_status=1)
    assert texts(one.suggest("gt")) == ["gto status"]


@pytest.mark.parametrize("line", ["printf '\x1b[31m'", "echo a\necho b", "echo \u202edcba", "x" * (MAX_LINE_BYTES + 1)])
def test_a_past_line_that_is_not_fit_to_be_shown_never_is(line):
    one, _ = suggester({}, [line])
    one.record(line)
    for prefix in ("", line[:3], line[:6]):
        assert one.suggest(prefix) == []


@pytest.mark.parametrize("prefix", ["a\nb", "x" * (MAX_LINE_BYTES + 1), "\ud800 lone"])
def test_an_odd_prefix_gives_no_suggestion_and_no_error(prefix):
    one, _ = suggester({}, ["ls -l"])
    assert one.suggest(prefix, limit=3) == []
    assert texts(one.suggest("l")) == ["ls -l"]


def test_a_prefix_with_bytes_that_are_no_text_goes_through():
    one, _ = suggester(spell("x yz", after="cat \xff"))
    assert texts(one.suggest("cat \udcff")) == ["cat \udcffx yz"]


def test_trailing_spaces_are_not_remembered():
    one, _ = suggester({})
    one.record("git commit ")
    assert texts(one.suggest("git")) == ["git commit"]
    assert one.suggest("git commit") == []


def test_a_suggestion_stays_while_the_typing_agrees_with_it_and_costs_no_search():
    one, chain = suggester(spell("git commit --amend", 0.995))
    (first,) = one.suggest("g")
    chain.steps = 0
    for length in range(2, len("git commit --amend")):
        (found,) = one.suggest(first.text[:length])
        assert found.text == first.text
        assert found.log_prob >= first.log_prob
    assert chain.steps == 0


def test_a_suggestion_stays_even_when_another_becomes_worth_more():
    rules = spell("abcdefghij") | spell("abzyxwvutsrqponm") | {"\nab": {"c": 0.5, "z": 0.29, "~": 0.21}}
    assert texts(suggester(rules)[0].suggest("")) == ["abcdefghij"]  # 0.5 x 9 against 0.29 x 15
    assert texts(suggester(rules)[0].suggest("ab")) == ["abzyxwvutsrqponm"]  # 0.5 x 7 against 0.29 x 13
    one, _ = suggester(rules)
    for prefix in ("", "a", "ab", "abc"):
        assert texts(one.suggest(prefix)) == ["abcdefghij"]
    assert texts(one.suggest("abz")) == ["abzyxwvutsrqponm"]


def test_a_suggestion_grows_only_at_its_end():
    one, _ = suggester(spell("git commit --amend --no-edit", 0.97), min_probability=0.5)
    shown = ""
    lengths = set()
    for length in range(len("git commit --amend --no-edit")):
        (found,) = one.suggest("git commit --amend --no-edit"[:length])
        assert found.text.startswith(shown)
        shown = found.text
        lengths.add(len(shown))
    assert len(lengths) > 1
    assert shown == "git commit --amend --no-edit"


def test_a_key_costs_one_step_where_the_network_is_at_a_loss_and_backspace_none():
    one, chain = suggester({})
    one.suggest("")
    chain.steps = 0
    for length in range(1, 8):
        one.suggest("unknown"[:length])
        assert chain.steps == length
    for length in range(6, -1, -1):
        one.suggest("unknown"[:length])
    assert chain.steps == 7


def test_taking_a_suggestion_costs_no_step_for_what_it_holds():
    one, chain = suggester(spell("git status", 0.99))
    (found,) = one.suggest("g")
    chain.steps = 0
    one.record(found.text)
    assert chain.steps == 1


def test_alternatives_come_after_what_is_shown_and_are_distinct():
    rules = spell("go build") | spell("git pull") | {"\ng": {"o": 0.7, "i": 0.3}}
    one, _ = suggester(rules, min_probability=0.5)
    assert texts(one.suggest("g")) == ["go build"]
    found = one.suggest("g", limit=5)
    assert texts(found)[:2] == ["go build", "git pull"]
    assert len(set(texts(found))) == len(found)
    assert math.exp(found[1].log_prob) == pytest.approx(0.3, abs=1e-3)
    assert one.suggest("g", limit=0) == []


def test_the_model_is_named_by_its_path_and_a_missing_one_is_one_clear_line(tmp_path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(ModelFileError, match=r"m\.safetensors"):
        Suggester(path)
    checkpoint.save_model(path, Network.create(NetworkConfig(hidden_size=3), seed=0), {})
    one = Suggester(path)
    one.record("ls -l")
    assert texts(one.suggest("l")) == ["ls -l"]


def test_weights_replaced_on_disk_are_read_again(tmp_path):
    path = tmp_path / "m.safetensors"
    for hidden in (3, 5):
        checkpoint.save_model(path, Network.create(NetworkConfig(hidden_size=hidden), seed=0), {"hidden": hidden})
        assert Suggester(path)._context.seek(b"").state.shape[-1] == hidden


WORDS = st.sampled_from(["ls", "git", "git status", "cd /tmp", "é", "日本 x", " hid", "a  b", "git stash pop"])


@given(lines=st.lists(WORDS, max_size=8), typed=WORDS, n=st.integers(1, 4), seed=st.integers(0, 5))
def test_every_suggestion_goes_on_from_what_is_typed_is_distinct_and_printable(lines, typed, n, seed):
    network = Network.create(NetworkConfig(hidden_size=5), seed=seed)
    for name in network.parameters:
        network.parameters[name] *= 5
    network.parameters_changed()
    one = Suggester(LanguageModel(network), lines[:3], TextConfig(max_length=12, min_probability=0.05))
    for line in lines[3:]:
        one.record(line)
    for length in [*range(len(typed) + 1), *range(len(typed) - 1, -1, -1)]:
        found = one.suggest(typed[:length], limit=n)
        assert len(found) <= n
        assert len(set(texts(found))) == len(found)
        for suggestion in found:
            assert suggestion.text.startswith(typed[:length])
            assert suggestion.text[length:].strip()
            assert suggestion.text.isprintable()
            assert suggestion.log_prob <= 1e-6


@given(lines=st.lists(WORDS, max_size=8), order=st.permutations(range(6)))
def test_the_probability_of_a_past_line_does_not_depend_on_how_the_prefix_was_reached(lines, order):
    chain = Chain({"": {"a": 0.2, "\n": 0.2, "g": 0.3, "l": 0.3}})

    def fresh():
        return Suggester(LanguageModel(chain), lines, TextConfig())

    jumping = fresh()
    for length in order:
        got = jumping.suggest("git st"[:length])
        expected = fresh().suggest("git st"[:length])
        if got and expected and got[0].text == expected[0].text:
            assert got[0].log_prob == pytest.approx(expected[0].log_prob, abs=1e-5)


def test_going_back_never_puts_a_later_completion_in_an_earlier_place():
    rules = spell("tatus", after="\ngit s")
    one, _ = suggester(rules, ["git commit"])
    for prefix, expected in (("git ", "git commit"), ("git s", "git status"), ("git ", "git commit")):
        assert texts(one.suggest(prefix)) == [expected]
    for prefix in ("git s", "gi", "git", "git st", "g"):
        for found in one.suggest(prefix, limit=3):
            assert found.text.startswith(("git commit", "git status")) or found.source == "model"
            assert "tatus" not in found.text.replace("status", "")
