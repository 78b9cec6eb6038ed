import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.naive_text import Chain
from typeahead import secrets
from typeahead.config import TextConfig
from typeahead.errors import ConfigError, HistoryError, ModelFileError
from typeahead.history import Event
from typeahead.rnn import checkpoint
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.text.adapt import UserModel
from typeahead.text.candidates import _STAY
from typeahead.text.language_model import MAX_LINE_BYTES, LanguageModel
from typeahead.text.ranking import DIALS, Candidate, Dial
from typeahead.text.recall import _AGE_EXPONENT, _SAME_PREVIOUS
from typeahead.text.suggester import Suggester

TOKEN = "ghp_" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"


def suggester(rules, history=(), least=None, **options):
    """A suggester whose network is a chain; beside the rules it is at a loss: 256 bytes, all alike."""
    chain = Chain({"": dict.fromkeys(map(chr, range(256)), 1 / 256)} | rules)
    one = Suggester(LanguageModel(chain), history, adapt=False, without=("mixing",), **options)
    if least is not None:
        one._dial = Dial(least, least, least)
    return one, chain


def spell(text, probability=1.0, after="\n"):
    """Rules by which ``text`` follows ``after``, each byte with ``probability``, else a tilde; then the line ends."""
    raw = after + text.encode().decode("latin-1") + "\n"
    first = len(after)
    return {
        raw[max(0, end - 12) : end]: {raw[end]: probability, "~": 1 - probability} for end in range(first, len(raw))
    }


def texts(suggestions):
    return [one.text for one in suggestions]


@pytest.fixture(scope="module")
def model():
    """Weights that know nothing."""
    return LanguageModel(Network.create(NetworkConfig(hidden_size=16), seed=4))


# From the network


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
    unsure = {chr(97 + letter): 0.02 for letter in range(26)}
    rules = spell("git log") | {"\ngit log": {"\n": 0.04, " ": 0.96}, "\ngit log ": unsure}
    assert texts(suggester(rules)[0].suggest("git")) == ["git log "]
    rules = spell("git log") | {"\ngit log": unsure}
    assert texts(suggester(rules)[0].suggest("g")) == ["git "]
    assert suggester(rules)[0].suggest("git") == []  # a space alone is nothing to show


def test_the_cut_is_the_one_that_is_expected_to_save_most():
    # After "a", "b cd " saves 4 keys nearly for sure; "b cd efgh" saves 8 with probability p, and if it is wrong its
    # first word still saves 1: 8 p + (1 - p) against 4, so p = 3/7 is where it turns.
    def rules(p):
        return spell("ab cd efgh") | {"\nab cd ": {"e": p, "~": 1 - p}, "\nab cd ~": {"\n": 0.1}}

    for p, expected in ((0.46, "ab cd efgh"), (0.4, "ab cd ")):
        assert texts(suggester(rules(p))[0].suggest("a")) == [expected]


@pytest.mark.parametrize("dial", DIALS)
def test_nothing_less_sure_than_the_dial_says_is_shown(dial):
    for probability, count in ((DIALS[dial].least + 0.02, 1), (DIALS[dial].least - 0.02, 0)):
        rules = spell("make") | {"\nm": {"a": probability, "~": 1 - probability}}
        assert len(suggester(rules, dial=dial)[0].suggest("m")) == count


# From the past


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

    def fresh():
        return suggester(chain_rules, ["ab cdef", "xyz"], least=0.01)[0]

    older, newer = 2**-_AGE_EXPONENT, 1.0  # neither ran after "xyz", the line before
    past, model = older / (older + newer), 0.3
    # at "a", by Bayes' rule; the past line may still be left where its second word starts
    share = 0.2 * past / (0.2 * past + 0.8 * model)
    (found,) = fresh().suggest("a")
    assert found.text == "ab cdef"
    assert math.exp(found.log_prob) == pytest.approx(share * _STAY + (1 - share) * 0.9**6, rel=1e-4)
    # after "ab c": the line has gone on to its second word, which a repetition does with _STAY
    stays = 0.2 * past * _STAY
    leaves = (0.8 * model * 0.9**2 + 0.2 * past * (1 - _STAY)) * 0.9
    (found,) = fresh().suggest("ab c")
    assert math.exp(found.log_prob) == pytest.approx((stays + leaves * 0.9**3) / (stays + leaves), rel=1e-4)


def test_at_the_empty_prompt_the_line_that_followed_this_one_before_comes_first():
    one, _ = suggester({}, ["cd src", "make", "ls", "vim x", "ls", "ls", "cd src"])
    (found,) = one.suggest("")
    assert (found.text, found.source) == ("make", "history")
    assert _SAME_PREVIOUS > 1


def test_a_recorded_line_is_suggested_at_once():
    one, _ = suggester({})
    assert one.suggest("frob") == []
    one.record("frobnicate --all")
    assert texts(one.suggest("frob")) == ["frobnicate --all"]


def test_a_made_up_command_typed_twice_is_suggested_after_two_letters(model):
    one = Suggester(model)
    for line in ("ls", "zqx --deploy all", "make test", "git status", "zqx --deploy all", "git push", "ls -la"):
        one.record(line, "/home")
    assert texts(one.suggest("zq", "/home")) == ["zqx --deploy all"]


def test_elsewhere_the_commands_of_that_directory_come_first(model):
    one = Suggester(model)
    for _ in range(3):
        for where in ("here", "there"):
            one.record("ls", f"/{where}")
            one.record(f"make {where}", f"/{where}")
    one.record("ls", "/there")
    assert texts(one.suggest("ma", "/here")) == ["make here"]
    assert texts(one.suggest("ma", "/there")) == ["make there"]
    assert texts(one.suggest("ma", "/here")) == ["make here"]


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


# What is never suggested


@pytest.mark.parametrize("private", [" secret --token", "", "   ", "\n"])
def test_a_line_that_starts_with_a_space_or_is_blank_leaves_no_trace(private):
    one, chain = suggester({}, [private])
    chain.steps = 0
    one.record(private)
    assert chain.steps == 0
    assert one.suggest(private[:4]) == []
    assert one.suggest("secret") == []
    assert one.suggest("") == []


@pytest.mark.parametrize("status", [1, 2, 127])
def test_a_line_that_failed_each_time_is_suggested_only_once_it_worked(model, status):
    one = Suggester(model)
    for _ in range(3):
        one.record("zqx --deploy", exit_status=status)
        assert "zqx --deploy" not in texts(one.suggest("zqx", limit=5))
    one.record("zqx --deploy", exit_status=0)
    one.record("ls")
    assert texts(one.suggest("zqx")) == ["zqx --deploy"]
    one.record("zqx --deploy", exit_status=status)
    assert texts(one.suggest("zqx")) == ["zqx --deploy"]


@pytest.mark.parametrize("line", ["rm -rf build/", "git push --force", "git reset --hard"])
def test_a_destructive_line_is_suggested_only_to_finish_its_last_word(line):
    one, _ = suggester(spell(line), [line] * 5)
    for length in range(len(line)):
        found = one.suggest(line[:length], limit=4)
        assert line not in [text.rstrip() for text in texts(found)] or line[:length].startswith("rm -rf b")
    one, _ = suggester({}, ["rm -rf build/"] * 5)
    assert texts(one.suggest("rm -rf bu")) == ["rm -rf build/"]


def test_no_secret_is_ever_suggested(model):
    line = f"export GITHUB_TOKEN={TOKEN}"
    assert secrets.find(line)
    one = Suggester(model, [line])
    for _ in range(4):
        one.record(line)
    for length in range(len(line)):
        for found in one.suggest(line[:length], limit=4):
            assert secrets.PLACEHOLDER not in found.text
            assert TOKEN[: max(8, length - 19)] not in found.text or found.text[length:] == ""
    assert all(TOKEN not in event.command for event in one._events)


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
    assert one.why(prefix) == []
    assert texts(one.suggest("l")) == ["ls -l"]


def test_a_prefix_with_bytes_that_are_no_text_goes_through():
    one, _ = suggester(spell("x yz", after="cat \xff"))
    assert one.suggest("cat \udcff") == []  # it is no printable line
    one.record("cat \udcff")
    assert one.why("cat \udcff")


def test_trailing_spaces_are_not_remembered():
    one, _ = suggester({})
    one.record("git commit ")
    assert texts(one.suggest("git")) == ["git commit"]
    assert one.suggest("git commit") == []


# What is kept while typing


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
    rules = spell("xabcdefghij") | spell("xabzyxwvutsrqponm") | {"\nxab": {"c": 0.5, "z": 0.29, "~": 0.21}}
    assert texts(suggester(rules)[0].suggest("x")) == ["xabcdefghij"]  # 0.5 x 9 against 0.29 x 15
    assert texts(suggester(rules)[0].suggest("xab")) == ["xabzyxwvutsrqponm"]  # 0.5 x 7 against 0.29 x 13
    one, _ = suggester(rules)
    for prefix in ("x", "xa", "xab", "xabc"):
        assert texts(one.suggest(prefix)) == ["xabcdefghij"]
    assert texts(one.suggest("xabz")) == ["xabzyxwvutsrqponm"]


def test_even_another_that_is_surer_and_worth_more_does_not_take_the_place_of_what_stays():
    one, _ = suggester({})
    shown = Candidate(" abc def", {"model": 0.5}, next_word=0.7)
    other = Candidate(" zyxwvu tsrqponm", {"history": 0.7}, next_word=0.8)
    assert other.worth > shown.worth
    assert one._grey("x", [shown, other]) is other
    one._shown = "x abc"
    assert one._grey("x", [shown, other]) is shown
    one._shown = "y"
    assert one._grey("x", [shown, other]) is other


def test_after_a_key_that_was_not_expected_only_what_is_surer_is_shown():
    rules = spell("make all") | spell("melt ice") | {"\nm": {"a": 0.9, "e": 0.1}, "\nme": {"l": 0.4, "~": 0.6}}
    assert DIALS["balanced"].least < 0.4 < DIALS["balanced"].after_miss
    assert texts(suggester(rules)[0].suggest("me")) == ["melt ice"]
    one, _ = suggester(rules)
    assert texts(one.suggest("m")) == ["make all"]
    assert one.suggest("me") == []
    assert texts(one.suggest("mel")) == ["melt ice"]


def test_a_suggestion_grows_only_at_its_end():
    one, _ = suggester(spell("git commit --amend --no-edit", 0.9))
    shown = ""
    lengths = set()
    for length in range(1, len("git commit --amend --no-edit")):
        for found in one.suggest("git commit --amend --no-edit"[:length]):
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


def test_taking_a_suggestion_costs_no_step_for_what_it_holds(monkeypatch):
    one, chain = suggester(spell("git status", 0.99))
    (found,) = one.suggest("g")
    monkeypatch.setattr(one._user, "learn", lambda event: None)  # which reads the line on its own
    chain.steps = 0
    one.record(found.text)
    assert chain.steps == 1


def test_going_back_never_puts_a_later_completion_in_an_earlier_place():
    rules = spell("tatus", after="\ngit s")
    for prefix, expected in (("git ", "git commit"), ("git s", "git status"), ("git ", "git commit")):
        one, _ = suggester(rules, ["git commit"])
        for typed in ("git ", "git s", prefix):
            found = one.suggest(typed)
        assert texts(found) in ([expected], [])
    one, _ = suggester(rules, ["git commit"])
    for prefix in ("git s", "gi", "git", "git st", "g"):
        for found in one.suggest(prefix, limit=3):
            assert found.text.startswith(("git commit", "git status")) or found.source == "model"
            assert "tatus" not in found.text.replace("status", "")


def test_what_was_passed_over_again_and_again_is_shown_no_more_and_what_was_taken_is():
    rules = spell("git stash", 0.93)
    one, _ = suggester(rules, dial="quiet")
    assert texts(one.suggest("git s")) == ["git stash"]
    for number in range(60):
        one.suggest("git s")
        one.record(f"git show {number}")
        one.record("~" * number)
    assert "git stash" not in texts(one.suggest("git s"))


# Several suggestions


def test_alternatives_come_after_what_is_shown_and_are_different_ways_to_go_on():
    rules = spell("go build") | spell("git pull") | {"\ng": {"o": 0.7, "i": 0.3}}
    one, _ = suggester(rules)
    assert texts(one.suggest("g")) == ["go build"]
    found = one.suggest("g", limit=5)
    assert texts(found)[:2] == ["go build", "git pull"]
    assert math.exp(found[1].log_prob) == pytest.approx(0.3, abs=1e-3)
    for this in found:
        assert not any(other is not this and other.text.startswith(this.text.rstrip()) for other in found)
    assert one.suggest("g", limit=0) == []
    assert len(one.suggest("g", limit=1)) == 1


# What lies around


class Around:
    """Proposes words; ``wrong`` lines are known to be wrong."""

    def __init__(self, words=(), wrong=()):
        self.names, self.wrong, self.asked = words, wrong, []

    def words(self, line, cwd, limit=50):
        from typeahead.text.surroundings import Word, last_word

        self.asked.append((line, cwd))
        return [Word(name, "directory") for name in self.names if name.startswith(last_word(line))][:limit]

    def are_valid(self, lines, cwd, prefix=""):
        return [line.strip() not in self.wrong for line in lines]

    def expire(self):
        self.asked.append("expire")

    def prepare(self, cwd):
        self.asked.append(("prepare", cwd))

    def repository(self, cwd):
        return "/project" if (cwd or "").startswith("/project") else None


def test_lines_of_the_same_repository_are_likelier_there():
    one, _ = suggester({}, surroundings=Around())
    for command, cwd in (("make in", "/project/src"), ("make out", "/elsewhere"), ("ls", "/elsewhere")):
        one.record(command, cwd)
    inside, outside = (
        {reason.text: reason.features["history"] for reason in one.why("make ", cwd)} for cwd in ("/project", "/new")
    )
    assert inside["make in"] > outside["make in"]
    assert inside["make out"] < outside["make out"]


def test_what_followed_a_failure_is_likelier_after_a_failure():
    one, _ = suggester({})
    for command, status in (("make", 2), ("vim x", 0), ("make", 0), ("make install", 0), ("make", 2)):
        one.record(command, "/project", status)
    after_failure = {reason.text: reason.features.get("history", 0.0) for reason in one.why("", "/project")}
    one.record("make", "/project", 0)
    after_success = {reason.text: reason.features.get("history", 0.0) for reason in one.why("", "/project")}
    assert after_failure["vim x"] > after_success["vim x"]
    assert after_failure["make install"] < after_success["make install"]


def test_what_lies_around_is_suggested_and_named():
    around = Around(["src/", "tests/"])
    one, _ = suggester({}, surroundings=around)
    (found,) = one.suggest("cd s", "/work")
    assert (found.text, found.source) == ("cd src/", "directory")
    assert around.asked[-1] == ("cd s", "/work")
    assert 0 < math.exp(found.log_prob) < 1


def test_such_words_become_likelier_as_they_come_true_and_less_so_otherwise():
    def claimed(typed):
        one, _ = suggester({}, surroundings=Around(["src/"]), least=0.0)
        for _ in range(10):
            one.suggest("cd s")
            one.record(typed)
        one.record("ls")
        return one.suggest("cd s", limit=3)

    at_first = suggester({}, surroundings=Around(["src/"]), least=0.0)[0].suggest("cd s")[0].log_prob
    after = {typed: {found.text: found.log_prob for found in claimed(typed)} for typed in ("cd src/", "cd sauce")}
    assert after["cd src/"]["cd src/"] > at_first
    assert after["cd sauce"].get("cd src/", -math.inf) < at_first


def test_what_is_known_to_be_wrong_is_not_suggested():
    one, _ = suggester(spell("cat gone"), ["cat gone"] * 3, surroundings=Around(wrong=("cat gone",)))
    assert one.suggest("cat") == []
    assert "cat gone" not in texts(one.suggest("cat", limit=5))
    assert "does not exist" in {reason.rejected for reason in one.why("cat") if reason.text == "cat gone"}
    assert texts(suggester(spell("cat gone"), surroundings=Around())[0].suggest("cat")) == ["cat gone"]


# Why


@pytest.mark.parametrize("dial", DIALS)
def test_why_agrees_with_what_is_suggested(model, dial):
    lines = ["git status", "git stash pop", "make test", "git status", "rm -rf build", "ls -la", "make", "git status"]
    one = Suggester(model, lines, dial=dial, surroundings=Around(["src/"]))
    one.record("gti status", exit_status=127)
    shown = 0
    for line in ["git status", "make test", "rm -rf build", "gti", "cd s", ""]:
        for length in range(len(line) + 1):
            reasons = one.why(line[:length], "/a", limit=100)
            found = one.suggest(line[:length], "/a")
            assert [reason.text for reason in reasons if reason.shown] == texts(found)
            for reason in reasons:
                assert reason.text.startswith(line[:length])
                assert not (reason.shown and reason.rejected)
                assert 0 < reason.probability <= 1 + 1e-9
                assert reason.probability == pytest.approx(
                    sum(reason.features[name] for name in ("model", "history", "directory") if name in reason.features)
                )
            if found:
                assert reasons[0].shown
                assert reasons[0].source == found[0].source
                assert math.log(reasons[0].probability) == pytest.approx(found[0].log_prob)
                shown += 1
            else:
                assert not any(reason.shown for reason in reasons)
        one.record("ls", "/a")
    assert shown
    assert len(one.why("g", limit=2)) <= 2


def test_why_says_what_speaks_against_a_line():
    one, _ = suggester(spell("rm -rf /tmp/x"), ["rm -rf /tmp/x"] * 3)
    one.record("mkae all", exit_status=2)
    reasons = {reason.text: reason.rejected for reason in one.why("rm")}
    assert "destructive" in reasons["rm -rf /tmp/x"]
    one, _ = suggester(spell("mkae all"))
    one.record("mkae all", exit_status=2)
    assert {reason.rejected for reason in one.why("mk") if reason.text == "mkae all"} == {"failed each time"}
    one, _ = suggester(spell("ls -la"))
    one.forget(exact="ls -la")
    assert {reason.rejected for reason in one.why("ls") if reason.text == "ls -la"} == {"not wanted"}


# The empty prompt and the dial


def test_without_the_empty_prompt_nothing_is_suggested_there():
    one, _ = suggester(spell("make"), ["make"], empty=False)
    assert one.suggest("", limit=5) == []
    assert one.why("")
    assert not any(reason.shown for reason in one.why(""))
    assert texts(one.suggest("m")) == ["make"]
    assert texts(suggester(spell("make"), ["make"])[0].suggest("")) == ["make"]


def test_an_unknown_dial_is_one_clear_line(model):
    with pytest.raises(ConfigError, match="'loud' is none of quiet, balanced, eager"):
        Suggester(model, dial="loud")


WORDS = st.sampled_from(
    ["ls", "git", "git status", "cd /tmp", "é", "日本 x", " hid", "a  b", "git stash pop", "make a"]
)


@settings(max_examples=25)
@given(lines=st.lists(WORDS, max_size=10), typed=WORDS, data=st.data())
def test_a_quieter_dial_shows_nothing_that_a_louder_one_does_not(model, lines, typed, data):
    prefix = typed[: data.draw(st.integers(0, len(typed)))]
    counts = [len(Suggester(model, lines, adapt=False, dial=dial).suggest(prefix)) for dial in DIALS]
    assert counts == sorted(counts)


# Forgetting


def test_forgetting_a_line_is_as_if_it_had_never_been_typed(model):
    one, clean = Suggester(model), Suggester(model)
    for number, line in enumerate(["git status", "zqx --canary", "ls", "git push", "zqx --canary", "make"]):
        one.record(line, "/a", time=number)
        if "canary" not in line:
            clean.record(line, "/a", time=number)
    assert texts(one.suggest("zq", "/a")) == ["zqx --canary"]
    assert one.forget("canary") == 2
    for prefix in ("", "z", "zq", "g", "git ", "m", "l"):
        found, expected = one.suggest(prefix, "/a", limit=4), clean.suggest(prefix, "/a", limit=4)
        assert texts(found) == texts(expected)
        # Not bit by bit: the state of a session that was interrupted has run over its lines with the last weights.
        assert [this.log_prob for this in found] == pytest.approx([this.log_prob for this in expected], abs=1e-3)
    one.record("zqx --canary", "/a")
    assert texts(one.suggest("zq", "/a")) == ["zqx --canary"]


@pytest.mark.parametrize(
    ("which", "left"),
    [
        ({"pattern": "git"}, ["ls", "ls *"]),
        ({"pattern": "git p*"}, ["ls", "git status", "ls *"]),
        ({"pattern": "*[*]"}, ["ls", "git status", "git push"]),
        ({"exact": "ls"}, ["git status", "git push", "ls *"]),
        ({"last": 2}, ["ls", "git status"]),
        ({"last": 9}, []),
        ({"since": 2.0}, ["ls", "git status"]),
        ({"pattern": "nothing"}, ["ls", "git status", "git push", "ls *"]),
    ],
)
def test_lines_are_forgotten_by_pattern_by_number_by_time_or_exactly(model, which, left):
    one = Suggester(model)
    lines = ["ls", "git status", "git push", "ls *"]
    for number, line in enumerate(lines):
        one.record(line, time=float(number))
    assert one.forget(**which) == len(lines) - len(left)
    assert [event.command for event in one._events] == left
    assert set(one._user.recall.weigh().likeliest("", 9)) == set(left)


def test_what_was_shown_of_forgotten_lines_is_forgotten_too(model):
    one = Suggester(model, ["zqx --canary"] * 2)
    one.suggest("zq")
    one.record("zqx --canary")
    assert "zqx --canary" in one._confidence._fates
    one.suggest("zq")
    one.forget("canary")
    one.record("zqx")
    assert not any("canary" in line for line in one._confidence._fates)


def test_a_line_not_wanted_comes_back_only_when_it_is_run_again():
    one, _ = suggester(spell("git status"))  # the network would still say so
    assert texts(one.suggest("git")) == ["git status"]
    assert one.forget(exact="git status") == 0
    assert "git status" not in texts(one.suggest("git", limit=5))
    one.record("ls")
    assert one.suggest("git") == []
    one.record("git status")
    assert texts(one.suggest("git")) == ["git status"]


# A user of several sessions


def test_sessions_of_one_user_share_what_is_learnt_and_learn_nothing_themselves(model):
    user = UserModel(model)
    one, two = Suggester(user=user), Suggester(user=user)
    one.record("zqx --deploy", "/a")
    assert user.num_events == 0
    for number in (1, 2):
        user.learn(Event(number, "zqx --deploy", "/a", 0, "one", "", float(number), None))
    assert texts(one.suggest("zq", "/a")) == ["zqx --deploy"]
    assert texts(two.suggest("zq", "/a")) == ["zqx --deploy"]
    user.forget([])
    for session in (one, two):
        assert session.forget("zqx") == 0
        assert "zqx --deploy" not in texts(session.suggest("zq", "/a", limit=5))


def test_what_is_learnt_while_the_prompt_is_empty_counts_for_this_line(model):
    user = UserModel(model)
    one = Suggester(user=user)
    assert one.suggest("", "/a") == []
    for number in range(1, 6):
        user.learn(Event(number, "make all", "/a", 0, "other", "", float(number), None))
    assert texts(one.suggest("", "/a")) == ["make all"]
    assert Suggester(user=user).suggest("m", "/a") == one.suggest("m", "/a")


# Files


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


def test_a_fresh_user_writes_no_file(model, isolated_home):
    one = Suggester(model, ["ls"])
    one.record("make")
    one.suggest("m")
    assert list(isolated_home.rglob("*")) == []


# Anything at all


@settings(max_examples=30)
@given(lines=st.lists(WORDS, max_size=8), typed=WORDS, n=st.integers(1, 4), seed=st.integers(0, 5))
def test_every_suggestion_goes_on_from_what_is_typed_is_distinct_and_printable(lines, typed, n, seed):
    network = Network.create(NetworkConfig(hidden_size=5), seed=seed)
    for name in network.parameters:
        network.parameters[name] *= 5
    network.parameters_changed()
    one = Suggester(LanguageModel(network), lines[:3], dial="eager", settings=TextConfig(max_length=12))
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


@pytest.fixture(scope="module")
def experienced(model):
    around = Around(["src/", "日本/", "'a b'", "é"])
    one = Suggester(
        model, ["git status", "é日 🙂", "cat 'a b'", "x" * 300, "ls | wc"], surroundings=around, dial="eager"
    )
    one.record("gti", exit_status=1)
    return one


@settings(max_examples=40)
@given(text=st.text(max_size=30).filter(str.isprintable), n=st.integers(1, 3))
def test_any_printable_text_may_be_typed(experienced, text, n):
    for length in range(len(text) + 1):
        for found in experienced.suggest(text[:length], "/a", limit=n):
            assert found.text.startswith(text[:length])
            assert len(found.text) > length
            assert found.text.isprintable()
        experienced.why(text[:length], "/a")
    experienced.record(text, "/a")


@given(lines=st.lists(WORDS, max_size=8), order=st.permutations(range(6)))
@example(["ls", "ls", "git status", "ls", "git status", "ls", "git stash pop"], [0, 1, 2, 3, 4, 5])
def test_the_probability_of_a_past_line_does_not_depend_on_how_the_prefix_was_reached(lines, order):
    chain = Chain({"": {"a": 0.2, "\n": 0.2, "g": 0.3, "l": 0.3}})

    def fresh():
        return Suggester(LanguageModel(chain), lines, adapt=False)

    jumping = fresh()
    for length in order:
        jumping.suggest("git st"[:length])
        got, expected = (
            {reason.text: reason.features["history"] for reason in one.why("git st"[:length]) if reason.text in lines}
            for one in (jumping, fresh())
        )
        # What the network adds depends on how far it was searched before; what is remembered does not.
        assert {text: got[text] for text in got.keys() & expected} == pytest.approx(
            {text: expected[text] for text in got.keys() & expected}, abs=1e-5
        )


def test_an_empty_pattern_is_no_order_to_forget_everything(model):
    one = Suggester(model, ["git status"])
    with pytest.raises(HistoryError, match="give \\*"):
        one.forget("")
    assert one.forget("*") == 1
