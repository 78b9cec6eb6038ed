import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.naive_text import Chain, from_scratch
from typeahead.errors import ModelFileError
from typeahead.rnn import checkpoint
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.text.language_model import MAX_LINE_BYTES, MAX_REPLAY_BYTES, Context, LanguageModel
from typeahead.text.occasion import Occasion, mixer


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


# With other weights, and with statistics


def other():
    return Network.create(NetworkConfig(hidden_size=6), seed=9)


def statistics(*lines):
    learnt = mixer()
    for line in lines:
        Occasion(learnt, [], "/a").learn(line, None)
    return learnt


def test_other_weights_and_statistics_count_from_the_next_line_on_over_the_same_state():
    network, later = small(), other()
    context = LanguageModel(network).context()
    context.advance(b"ls")
    context.seek(b"c")
    context.use(later, None)
    equals_from_scratch(context.seek(b"cd s"), network, [b"ls"], b"cd s")
    context.advance(b"cd s")
    position = context.seek(b"m")
    state = from_scratch(network, [b"ls"], b"cd s")[1]
    for byte in b"\nm":
        log_probs, state = later.step(np.array([byte], np.uint8), state)
    assert position.network is later
    assert np.array_equal(position.state, state)
    assert np.array_equal(position.log_probs, log_probs[0])


def test_what_is_renewed_counts_at_once_at_the_start_of_a_line():
    network, later = small(), other()
    context = LanguageModel(network).context()
    context.advance(b"ls")
    context.seek(b"")
    context.renew(later, statistics(b"make"))
    before = from_scratch(network, [], b"ls")[1]
    log_probs, state = later.step(np.array([10], np.uint8), before)
    position = context.seek(b"")
    assert np.array_equal(position.state, state)
    assert position.log_probs[ord("m")] > log_probs[0, ord("m")]
    assert position.log_probs[ord("x")] < log_probs[0, ord("x")]


def test_statistics_are_mixed_into_every_position_however_it_was_reached():
    network, learnt = small(), statistics(b"make all", b"git status")
    jumping = Context(network, learnt)
    for line in (b"make", b"git st", b"gi", b"", b"make al", b"make a"):
        got = jumping.seek(line, "/a")
        fresh = Context(network, learnt)
        for length in range(len(line) + 1):
            expected = fresh.seek(line[:length], "/a")
        assert np.array_equal(got.log_probs, expected.log_probs)
        assert np.array_equal(got.line_log_probs, expected.line_log_probs)
        log_probs = from_scratch(network, [], line)[0][None].copy()
        Occasion(learnt, [], "/a").mix([line], log_probs)
        np.testing.assert_allclose(got.log_probs, log_probs[0], atol=1e-5)
        assert got.line == line


def test_elsewhere_the_same_line_is_predicted_anew():
    network, learnt = small(), mixer()
    for line, cwd in ((b"make x", "/a"), (b"make y", "/b")):
        Occasion(learnt, [], cwd).learn(line, None)
    context = Context(network, learnt)
    at_a, at_b = (context.seek(b"make ", cwd).log_probs.copy() for cwd in ("/a", "/b"))
    again = context.seek(b"make ", "/a").log_probs
    assert at_a[ord("x")] > at_b[ord("x")]
    assert at_a[ord("y")] < at_b[ord("y")]
    assert np.array_equal(at_a, again)


def test_the_rows_of_a_line_are_the_predictions_of_each_byte_and_of_its_end():
    network = small()
    context = LanguageModel(network).context()
    context.advance(b"ls")
    rows = context.rows(b"cd s")
    assert len(rows) == 5
    for length, row in enumerate(rows):
        assert np.array_equal(row, from_scratch(network, [b"ls"], b"cd s"[:length])[0])


def test_the_last_lines_are_known_newest_first():
    context = LanguageModel(small()).context()
    for line in (b"one", b"two", b"three\nfour"):
        context.advance(line)
    assert context.past == (b"three", b"two")


def test_the_digest_tells_weights_apart():
    assert LanguageModel(small()).digest == LanguageModel(small()).digest
    changed = small()
    changed.parameters["output.bias"][7] += 1e-3
    assert LanguageModel(changed).digest != LanguageModel(small()).digest


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
