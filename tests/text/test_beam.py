import math
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.naive_text import Chain, best, every_line, every_word, from_scratch
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.text.beam import BeamSearch, cuts
from typeahead.text.language_model import Context, LanguageModel
from typeahead.text.occasion import Occasion, mixer

EVERYTHING = 10_000


def at(network, prefix=b""):
    return LanguageModel(network).context().seek(prefix)


def random_chain(seed, alphabet="ab \n", memory=2):
    """A chain over ``alphabet`` whose every row is drawn anew."""
    rng = np.random.default_rng(seed)
    ends = [""] + list(alphabet) + [a + b for a in alphabet for b in alphabet]
    return Chain(
        {end: dict(zip(alphabet, rng.dirichlet(np.ones(len(alphabet))).tolist(), strict=True)) for end in ends}
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("prefix", [b"", b"a", b"ab "])
def test_a_beam_wide_enough_finds_the_lines_of_exhaustive_search(seed, prefix):
    chain = random_chain(seed)
    expected = best(every_line(chain, prefix, b"ab ", 5), 12, 1e-6)
    got = BeamSearch(chain, EVERYTHING, max_length=5).lines(at(chain, prefix), 12, 1e-9)
    assert [(one.text, one.ended) for one in got] == [(text, True) for text, _ in expected]
    assert [one.log_prob for one in got] == pytest.approx([log_prob for _, log_prob in expected], abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("prefix", [b"", b"a", b"ab /"])
def test_a_beam_wide_enough_finds_the_words_of_exhaustive_search(seed, prefix):
    chain = random_chain(seed, "ab /\n")
    expected = best(every_word(chain, prefix, b"ab /", 4), 10, 1e-6)
    got = BeamSearch(chain, EVERYTHING, max_length=4).words(at(chain, prefix), 10, 1e-9)
    assert [one.text for one in got] == [text for text, _ in expected]
    assert [one.log_prob for one in got] == pytest.approx([log_prob for _, log_prob in expected], abs=1e-5)


def test_all_lines_are_found_however_unlikely_when_everything_is_kept():
    chain = random_chain(7)
    found = every_line(chain, b"", b"ab ", 3)
    got = BeamSearch(chain, EVERYTHING, max_length=3).lines(at(chain), EVERYTHING, 1e-11)
    assert {one.text for one in got} == {text for text, log_prob in found.items() if log_prob >= math.log(1e-11)}


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_log_probabilities_are_those_of_the_network(cell):
    network = Network.create(NetworkConfig(cell=cell, hidden_size=12, num_layers=2), seed=5)
    leaves = BeamSearch(network, 4, max_length=6).search(at(network, b"ls"), 1e-30)
    assert leaves
    for leaf in leaves:
        start = from_scratch(network, [], b"ls")[2]
        for length, log_prob in enumerate(leaf.log_probs):
            expected = from_scratch(network, [], b"ls" + leaf.symbols[:length])[2] - start
            assert log_prob == pytest.approx(expected, abs=1e-4)


def test_no_node_is_less_probable_than_asked_and_no_more_are_kept_than_the_beam_is_wide():
    chain = random_chain(1)
    leaves = BeamSearch(chain, 3, max_length=8).search(at(chain), 0.01)
    assert all(leaf.log_probs[-1] >= math.log(0.01) for leaf in leaves)
    for length in range(1, 9):
        assert len({leaf.symbols[:length] for leaf in leaves if len(leaf.symbols) >= length}) <= 3


def test_what_was_left_open_is_no_likelier_than_the_search_went():
    chain = random_chain(2)
    leaves = BeamSearch(chain, EVERYTHING, max_length=20).search(at(chain), 0.02)
    assert any(leaf.open_log_prob > -math.inf for leaf in leaves)
    assert all(leaf.open_log_prob < math.log(0.02) for leaf in leaves)


def test_hypotheses_share_one_step_a_byte():
    chain = Chain({"": {"a": 0.5, "b": 0.5}, "aaa": {"\n": 1}, "bbb": {"\n": 1}, "a": {"a": 1}, "b": {"b": 1}})
    position = at(chain)
    chain.steps = chain.lanes = 0
    assert len(BeamSearch(chain, 4, max_length=10).lines(position, 2)) == 2
    assert (chain.steps, chain.lanes) == (3, 6)


def test_the_search_stops_when_no_unfinished_line_can_win():
    chain = Chain({"": {"a": 1}, "a": {"\n": 0.6, "b": 0.4}, "b": {"b": 1}})
    position = at(chain)
    chain.steps = 0
    assert [one.text for one in BeamSearch(chain, 4, max_length=50).lines(position, 1)] == ["a"]
    assert chain.steps == 1


def test_a_beam_of_one_is_greedy():
    chain = Chain({"": {"a": 0.6, "b": 0.4}, "a": {"x": 0.6, "y": 0.4}, "x": {"\n": 1}, "b": {"\n": 1}})
    assert [one.text for one in BeamSearch(chain, 1, max_length=5).lines(at(chain), 5)] == ["ax"]


def test_generation_ends_at_max_length():
    chain = Chain({"": {"a": 1}})
    (leaf,) = BeamSearch(chain, 2, max_length=7).search(at(chain), 0.5)
    assert leaf.symbols == b"a" * 7
    assert not leaf.ended


@pytest.mark.parametrize(
    "loved",
    ["\x1b", "\x00", "\t", "\r", "\x7f", "\x80", "\xff", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80"]
    + [chr(code).encode().decode("latin-1") for code in (0x85, 0x9B, 0x202A, 0x202E, 0x2066, 0x2069, 0x200B, 0x2028)]
    + [chr(code).encode().decode("latin-1") for code in (0xFEFF, 0xE0041, 0xAD)],
)
def test_what_is_unsafe_never_comes_out_even_where_the_network_loves_it(loved):
    rules = {"": {loved[0]: 0.9, "a": 0.1}, "a": {"\n": 0.5, "b": 0.5}, "b": {"\n": 1}}
    for length in range(1, len(loved)):
        rules[loved[:length]] = {loved[length]: 1.0}
    rules[loved] = {"a": 1.0}
    chain = Chain(rules)
    beam = BeamSearch(chain, 3, max_length=6)
    assert [one.text for one in beam.lines(at(chain), 9)] == ["a", "ab"]
    assert [one.text for one in beam.words(at(chain), 9)] == ["a", "ab"]
    for leaf in beam.search(at(chain), 1e-6):
        assert loved not in leaf.symbols.decode("latin-1")


def test_an_unsafe_character_takes_no_place_in_the_beam():
    rules = {"": {"\xe2": 0.9, "a": 0.1}, "\xe2": {"\x80": 1.0}, "\xe2\x80": {"\xae": 0.99, "\x9c": 0.01}}
    rules |= {"\x9c": {"\n": 1}, "a": {"b": 1}, "b": {"c": 1}, "c": {"\n": 1}}
    chain = Chain(rules)
    assert {one.text for one in BeamSearch(chain, 2, max_length=6).lines(at(chain), 9, 1e-4)} == {"“", "abc"}


@given(seed=st.integers(0, 1000), hidden=st.integers(2, 12))
def test_completions_of_any_network_are_printable_and_not_blank(seed, hidden):
    network = Network.create(NetworkConfig(hidden_size=hidden), seed=seed)
    for name in network.parameters:
        network.parameters[name] *= 6  # so that it prefers some bytes, at random
    network.parameters_changed()
    beam = BeamSearch(network, 8, max_length=8)
    position = at(network, "é".encode())
    for one in [*beam.lines(position, 20), *beam.words(position, 20)]:
        assert one.text.strip()
        assert one.text.isprintable()
        assert not any(unicodedata.category(character).startswith("C") for character in one.text)


def test_characters_of_several_bytes_are_completed_whole():
    text = "é日🙂"
    raw = text.encode().decode("latin-1")
    rules = {raw[:length]: {raw[length]: 1.0} for length in range(len(raw))} | {raw: {"\n": 1.0}}
    chain = Chain(rules)
    assert [one.text for one in BeamSearch(chain, 2, max_length=20).lines(at(chain), 3)] == [text]
    assert BeamSearch(chain, 2, max_length=8).lines(at(chain), 3) == []


def test_an_ended_prefix_has_no_empty_completion():
    chain = Chain({"": {"a": 1}, "a": {"\n": 1.0}})
    assert BeamSearch(chain, 4).lines(at(chain, b"a"), 5, 0.01) == []
    assert BeamSearch(chain, 4).words(at(chain, b"a"), 5, 0.01) == []


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_states_handed_over_equal_stepping_through_the_hypothesis(cell):
    network = Network.create(NetworkConfig(cell=cell, hidden_size=9, num_layers=2), seed=2)
    context = LanguageModel(network).context()
    beam = BeamSearch(network, 5, max_length=7)
    for number in range(3):
        leaves = beam.search(context.seek(b"cd"), 1e-40)
        leaf = leaves[-1 - number]
        beam.hand_over(leaf, b"cd", context)
        network.step = None  # any step from here on fails
        for length in range(len(leaf.symbols) + 1):
            position = context.seek(b"cd" + leaf.symbols[:length])
            del network.step
            log_probs, state, total = from_scratch(network, [], b"cd" + leaf.symbols[:length])
            network.step = None
            np.testing.assert_allclose(position.log_probs, log_probs, atol=1e-5)
            np.testing.assert_allclose(position.state, state, atol=1e-5)
            assert position.line_log_probs[-1] == pytest.approx(total, abs=1e-4)
        del network.step


@pytest.fixture(scope="module")
def statistics():
    """What was learnt of a few lines."""
    learnt = mixer()
    past = []
    for line in [b"git status", b"cd src", b"make test", b"git stash pop", b"cd src/a", b"make all", b"git status"] * 3:
        rows = np.full((len(line) + 1, 256), -np.log(256), np.float32)
        Occasion(learnt, past, "/a").learn(line, rows)
        past = [line, *past]
    return learnt


def mixed_context(network, statistics):
    context = Context(network, statistics)
    context.replay([b"ls", b"cd src"])
    return context


def test_with_statistics_the_searchs_log_probabilities_are_those_of_stepping(statistics):
    network = Network.create(NetworkConfig(hidden_size=9), seed=2)
    leaves = BeamSearch(network, 5, max_length=12).search(mixed_context(network, statistics).seek(b"gi", "/a"), 1e-3)
    assert any(leaf.symbols.startswith(b"t sta") for leaf in leaves)
    for leaf in leaves:
        stepping = mixed_context(network, statistics)
        start = stepping.seek(b"gi", "/a").line_log_probs[-1]
        for length, log_prob in enumerate(leaf.log_probs):
            position = stepping.seek(b"gi" + leaf.symbols[:length], "/a")
            assert log_prob == pytest.approx(position.line_log_probs[-1] - start, abs=1e-4)
        if leaf.ended:
            end = leaf.log_probs[-1] + float(position.log_probs[ord("\n")])
            assert leaf.end_log_prob == pytest.approx(end, abs=1e-4)


def test_states_handed_over_after_a_mixed_search_equal_stepping(statistics):
    network = Network.create(NetworkConfig(hidden_size=9), seed=2)
    context, beam = mixed_context(network, statistics), BeamSearch(network, 5, max_length=12)
    leaves = beam.search(context.seek(b"gi", "/a"), 1e-3)
    leaf = max(leaves, key=lambda leaf: len(leaf.symbols))
    beam.hand_over(leaf, b"gi", context)
    stepping = mixed_context(network, statistics)
    for length in range(len(leaf.symbols) + 1):
        expected = stepping.seek(b"gi" + leaf.symbols[:length], "/a")
        network.step = None  # any step fails: all of it has been handed over
        got = context.seek(b"gi" + leaf.symbols[:length], "/a")
        del network.step
        np.testing.assert_allclose(got.log_probs, expected.log_probs, atol=1e-5)
        np.testing.assert_allclose(got.state, expected.state, atol=1e-5)
        np.testing.assert_allclose(got.line_log_probs, expected.line_log_probs, atol=1e-4)


def test_the_search_is_that_of_the_positions_network():
    first, second = (Network.create(NetworkConfig(hidden_size=9), seed=seed) for seed in (2, 3))
    beam = BeamSearch(first, 5, max_length=5)
    got = beam.search(at(second, b"cd"), 1e-40)
    assert got == BeamSearch(second, 5, max_length=5).search(at(second, b"cd"), 1e-40)
    assert got != beam.search(at(first, b"cd"), 1e-40)


@pytest.mark.parametrize(
    ("symbols", "ended", "shown"),
    [
        (b"mit -m fix", False, ["mit", "mit ", "mit -m", "mit -m "]),
        (b"mit -m", True, ["mit", "mit ", "mit -m"]),
        (b"src/text/be", False, ["src/", "src/text/"]),
        (b" status", True, [" status"]),
        (b" ", True, []),
        (b" /tmp", False, [" /"]),
        (b"a  b", False, ["a", "a ", "a  "]),
        (b"", True, []),
    ],
)
def test_a_hypothesis_is_cut_at_words_ends(symbols, ended, shown):
    assert [symbols[:length].decode() for length in cuts(symbols, ended)] == shown


def test_a_beam_needs_width_and_length():
    chain = Chain({"": {"a": 1}})
    for width, length in ((0, 5), (5, 0)):
        with pytest.raises(ValueError, match="at least 1"):
            BeamSearch(chain, width, length)
