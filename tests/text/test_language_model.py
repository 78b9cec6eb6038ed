import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.naive_text import Chain, from_scratch
from typeahead.errors import ModelFileError
from typeahead.rnn import checkpoint
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.text.language_model import MAX_LINE_BYTES, MAX_REPLAY_BYTES, LanguageModel


class Counted(Network):
    """A network that counts its steps."""

    steps = 0

    def step(self, inputs, state, out=None):
        self.steps += 1
        return super().step(inputs, state, out)


def small(cell="gru", layers=1, hidden=6):
    return Counted.create(NetworkConfig(cell=cell, hidden_size=hidden, num_layers=layers), seed=3)


def equals_from_scratch(position, network, lines, prefix):
    log_probs, state, total = from_scratch(network, lines, prefix)
    assert np.array_equal(position.log_probs, log_probs)
    assert np.array_equal(position.state, state)
    assert len(position.line_log_probs) == len(prefix) + 1
    assert position.line_log_probs[-1] == pytest.approx(total, abs=1e-9)


NETWORKS = {kind: small(kind, layers) for kind, layers in (("elman", 2), ("gru", 1), ("lstm", 2))}
ACTIONS = st.one_of(
    st.tuples(st.just("type"), st.sampled_from([b"a", b"b", b" ", "é".encode(), b"\xff"])),
    st.tuples(st.just("backspace"), st.integers(1, 4)),
    st.tuples(st.just("replace"), st.sampled_from([b"", b"ab", b"abab b", b"a" * 70, "日本".encode()[:4]])),
    st.tuples(st.just("finish"), st.none()),
)


@pytest.mark.parametrize("cell", NETWORKS)
@settings(max_examples=30, deadline=None)
@given(actions=st.lists(ACTIONS, max_size=25))
def test_cached_state_equals_recomputation_from_scratch_bit_for_bit(cell, actions):
    network = NETWORKS[cell]
    context = LanguageModel(network).context()
    lines, line = [], b""
    for action, argument in actions:
        if action == "type":
            line += argument
        elif action == "backspace":
            line = line[:-argument]
        elif action == "replace":
            line = argument
        else:
            context.advance(line)
            lines, line = [*lines, line], b""
        equals_from_scratch(context.seek(line), network, lines, line)


def test_a_typed_byte_costs_one_step_and_backspace_none():
    network = small()
    context = LanguageModel(network).context()
    network.steps = 0
    for length in range(1, 11):
        context.seek(b"git commit"[:length])
        assert network.steps == length
    for length in range(10, -1, -1):
        context.seek(b"git commit"[:length])
    assert network.steps == 10


def test_retyping_what_was_taken_back_costs_nothing():
    network = small()
    context = LanguageModel(network).context()
    context.seek(b"git commit")
    context.seek(b"git ")
    network.steps = 0
    context.seek(b"git comm")
    assert network.steps == 0


def test_a_jump_costs_what_lies_after_the_common_part():
    network = small()
    context = LanguageModel(network).context()
    context.seek(b"git commit")
    network.steps = 0
    context.seek(b"git checkout")
    assert network.steps == len("heckout")


def test_finishing_a_typed_line_costs_one_step():
    network = small()
    context = LanguageModel(network).context()
    context.seek(b"make test")
    network.steps = 0
    context.advance(b"make test")
    assert network.steps == 1


def test_finishing_a_line_of_several_lines_or_one_too_long_equals_from_scratch():
    network = small()
    for line in (b"for i in 1 2\ndo echo\ndone", b"x" * (MAX_LINE_BYTES + 5), b"y" * MAX_LINE_BYTES + b"\nz"):
        context = LanguageModel(network).context()
        context.advance(line)
        equals_from_scratch(context.seek(b"l"), network, [line], b"l")


def test_a_line_too_long_or_with_a_newline_is_refused():
    context = LanguageModel(small()).context()
    for line in (b"x" * (MAX_LINE_BYTES + 1), b"a\nb"):
        with pytest.raises(ValueError, match="at most"):
            context.seek(line)
    context.seek(b"x" * MAX_LINE_BYTES)


def test_replay_equals_running_the_lines_one_by_one():
    network = small()
    context = LanguageModel(network).context()
    context.replay([b"ls", b"cd src"])
    equals_from_scratch(context.seek(b"m"), network, [b"ls", b"cd src"], b"m")


def test_replay_is_bounded_to_the_newest_whole_lines():
    network = small()
    lines = [b"%04d" % number for number in range(MAX_REPLAY_BYTES)]
    context = LanguageModel(network).context()
    network.steps = 0
    context.replay(lines)
    assert 0 < network.steps <= MAX_REPLAY_BYTES
    equals_from_scratch(context.seek(b""), network, lines[-(MAX_REPLAY_BYTES // 5) :], b"")


def test_adopted_states_are_used_and_are_dropped_when_the_typing_differs():
    network = small()
    context = LanguageModel(network).context()
    context.seek(b"ab")
    rows = [from_scratch(network, [], b"abcd"[:length]) for length in (3, 4)]
    context.adopt(b"ab", b"cd", np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows]))
    network.steps = 0
    position = context.seek(b"abcd")
    assert network.steps == 0
    equals_from_scratch(position, network, [], b"abcd")
    equals_from_scratch(context.seek(b"abx"), network, [], b"abx")
    with pytest.raises(ValueError, match="current line"):
        context.adopt(b"zz", b"c", np.zeros((1, 256)), np.zeros((1, 1, 1, 1, 6)))


def test_a_network_that_does_not_model_bytes_is_refused():
    for config in (NetworkConfig(output_size=4, hidden_size=2), NetworkConfig(one_hot=False, hidden_size=2)):
        with pytest.raises(ModelFileError, match="not a model of text"):
            LanguageModel(Network.create(config, seed=0))


def test_a_model_file_is_loaded_with_its_metadata(tmp_path):
    network = Network.create(NetworkConfig(hidden_size=4), seed=1)
    checkpoint.save_model(tmp_path / "m.safetensors", network, {"data": "these words"})
    model = LanguageModel.load(tmp_path / "m.safetensors")
    assert model.metadata["data"] == "these words"
    network.quantise_steps()
    equals_from_scratch(model.context().seek(b"ab"), network, [], b"ab")


def test_the_chain_of_these_tests_has_the_probabilities_it_is_given():
    chain = Chain({"": {"a": 0.5, "b": 0.5}, "a": {"b": 0.25, "\n": 0.75}})
    position = LanguageModel(chain).context().seek(b"a")
    assert np.exp(position.line_log_probs[-1]) == pytest.approx(0.5)
    assert np.exp(position.log_probs[10]) == pytest.approx(0.75)
