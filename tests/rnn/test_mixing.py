import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from typeahead.rnn import mixing
from typeahead.rnn.mixing import Context, ContextMixer

# Hashes wrap around; without compilation NumPy warns of it.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")

CONTEXTS = (
    Context("symbols", 1),
    Context("symbols", 3),
    Context("part"),
    Context("unit"),
    Context("unit", after="last unit"),
    Context("unit", after="first unit", seed=1),
    Context("unit", after="first unit and number"),
    Context("line"),
    Context("line", seed=0),
)
SEPARATORS = np.zeros(256, np.uint8)
SEPARATORS[list(b" \n")] = 1
SEPARATORS[list(b"/")] = 2
TAIL = 4  # bytes of what came before a line


def predictions(rng, count):
    """Return log-probabilities (count, 256) of a network that has its favourites."""
    return np.log(rng.dirichlet(np.full(256, 0.05), count) * 0.999 + 0.001 / 256).astype(np.float32)


def random_lines(rng, count, alphabet=b"ab /", longest=12):
    return [bytes(rng.choice(list(alphabet), rng.integers(0, longest)).tolist()) for _ in range(count)]


def learn_all(mixer, lines, rng, seeds=(3, 4)):
    before = b"\n" * TAIL
    for line in lines:
        text = before[-TAIL:] + line + b"\n"
        log_probs = predictions(rng, len(line) + 1)
        mixer.learn(np.frombuffer(text, np.uint8), TAIL, np.array(seeds, np.uint64), log_probs)
        before += line + b"\n"
    return before


def mixed(mixer, beginnings, log_probs, tail=b"\n" * TAIL, seeds=(3, 4)):
    """Return the mixture (B, 256), in nats, after each of the beginnings of a line."""
    lines = np.zeros((len(beginnings), TAIL + max(map(len, beginnings))), np.uint8)
    for row, text in zip(lines, beginnings, strict=True):
        row[: TAIL + len(text)] = np.frombuffer(tail[-TAIL:] + text, np.uint8)
    lengths = np.array([TAIL + len(text) for text in beginnings])
    out = log_probs.copy()
    mixer.mix(lines, lengths, TAIL, np.array(seeds, np.uint64), out)
    return out


LINES = st.lists(st.text("ab /", max_size=9).map(str.encode), min_size=1, max_size=14)


@settings(max_examples=20)
@given(lines=LINES, seeds=st.lists(st.sampled_from([(1, 2), (1, 3), (2, 2)]), min_size=14, max_size=14))
def test_mixing_and_learning_equal_their_plain_twins(lines, seeds):
    rng = np.random.default_rng(len(lines))
    mixer, twin = ContextMixer(CONTEXTS, SEPARATORS), naive.Mixer(CONTEXTS, SEPARATORS)
    before = b"\n" * TAIL
    for line, seed in zip(lines, seeds, strict=False):
        log_probs = predictions(rng, len(line) + 1)
        cuts = range(len(line) + 1)
        got = mixed(mixer, [line[:cut] for cut in cuts], log_probs, before, seed)
        for cut in cuts:
            expected = twin.mix(before[-TAIL:] + line[:cut], TAIL, seed, np.exp(np.float64(log_probs[cut])))
            np.testing.assert_allclose(np.exp(got[cut]), expected, atol=1e-5)
        text = before[-TAIL:] + line + b"\n"
        given_probs = None if len(line) == 5 else log_probs  # counted only
        nats = mixer.learn(np.frombuffer(text, np.uint8), TAIL, np.array(seed, np.uint64), given_probs)
        expected = twin.learn(text, TAIL, seed, None if given_probs is None else np.exp(np.float64(given_probs)))
        assert nats == pytest.approx(expected, abs=1e-4)
        before += line + b"\n"
    for (kind, (met, variety)), number in twin.gates.items():
        assert mixer.gates[kind, 4 * met + variety] == pytest.approx(number, abs=1e-6)
    assert np.count_nonzero(mixer.gates != -1.5) == sum(number != -1.5 for number in twin.gates.values())


def test_after_many_lines_and_many_followers_the_twin_is_still_equalled():
    rng = np.random.default_rng(5)
    mixer, twin = ContextMixer(CONTEXTS, SEPARATORS), naive.Mixer(CONTEXTS, SEPARATORS)
    for line in random_lines(rng, 200, b"abcdefghijklm /"):  # more symbols follow a context than are remembered
        text, log_probs = b"\n" * TAIL + line + b"\n", predictions(rng, len(line) + 1)
        mixer.learn(np.frombuffer(text, np.uint8), TAIL, np.array((1, 2), np.uint64), log_probs)
        twin.learn(text, TAIL, (1, 2), np.exp(np.float64(log_probs)))
    assert max(len(counts) for _, counts in twin.counts.values()) == mixing.FOLLOWERS
    assert max(met for met, _ in twin.counts.values()) == 255
    for (kind, (met, variety)), number in twin.gates.items():
        assert mixer.gates[kind, 4 * met + variety] == pytest.approx(number, abs=1e-5)
    log_probs = predictions(rng, 1)
    for line in random_lines(rng, 30, b"abcdefghijklm /"):
        got = mixed(mixer, [line], log_probs, seeds=(1, 2))[0]
        expected = twin.mix(b"\n" * TAIL + line, TAIL, (1, 2), np.exp(np.float64(log_probs[0])))
        np.testing.assert_allclose(np.exp(got), expected, atol=1e-5)


def test_where_nothing_was_met_the_networks_prediction_stays():
    rng = np.random.default_rng(1)
    log_probs = predictions(rng, 2)
    mixer = ContextMixer(CONTEXTS[1:], SEPARATORS)
    np.testing.assert_allclose(mixed(mixer, [b"", b"a b"], log_probs), log_probs, atol=1e-6)
    learn_all(mixer, [b"xyz"], rng)
    np.testing.assert_allclose(mixed(mixer, [b"qqqqq"], log_probs[:1], seeds=(8, 9)), log_probs[:1], atol=1e-6)


def test_what_followed_once_is_likelier_and_more_so_when_it_followed_again():
    rng = np.random.default_rng(2)
    log_probs = np.full((1, 256), -np.log(256), np.float32)
    mixer = ContextMixer(CONTEXTS, SEPARATORS)
    seen = [log_probs[0, ord("z")]]
    for _ in range(3):
        learn_all(mixer, [b"ab z"], rng)
        seen.append(mixed(mixer, [b"ab "], log_probs)[0, ord("z")])
    assert seen == sorted(seen)
    assert seen[1] > seen[0] + 1


def test_mixed_probabilities_sum_to_one_in_every_lane():
    rng = np.random.default_rng(3)
    mixer = ContextMixer(CONTEXTS, SEPARATORS)
    learn_all(mixer, random_lines(rng, 300, b"abcdefghijkl /"), rng)
    beginnings = random_lines(rng, 40)
    total = np.exp(mixed(mixer, beginnings, predictions(rng, 40)).astype(np.float64)).sum(axis=1)
    np.testing.assert_allclose(total, 1.0, atol=1e-5)


def test_lanes_do_not_influence_one_another():
    rng = np.random.default_rng(4)
    mixer = ContextMixer(CONTEXTS, SEPARATORS)
    learn_all(mixer, random_lines(rng, 50), rng)
    beginnings, log_probs = random_lines(rng, 9), predictions(rng, 9)
    together = mixed(mixer, beginnings, log_probs)
    for lane in range(9):
        alone = mixed(mixer, beginnings[lane : lane + 1], log_probs[lane : lane + 1])
        assert np.array_equal(alone[0], together[lane])


def test_growth_of_the_table_changes_nothing(monkeypatch):
    lines = random_lines(np.random.default_rng(6), 200, b"abcdef /")
    got = []
    for slots in (64, 1 << 17):
        monkeypatch.setattr(mixing, "_FIRST_SLOTS", slots)
        mixer, rng = ContextMixer(CONTEXTS, SEPARATORS), np.random.default_rng(7)
        learn_all(mixer, lines, rng)
        got.append((len(mixer._keys), mixer.gates, mixed(mixer, lines, predictions(rng, len(lines)))))
    assert got[0][0] < got[1][0]
    assert got[0][0] > 1 << 12
    assert np.array_equal(got[0][1], got[1][1])
    assert np.array_equal(got[0][2], got[1][2])


def full_table():
    """Return a mixer with room for few of the contexts that it has met."""
    rng = np.random.default_rng(8)
    mixer = ContextMixer(CONTEXTS, SEPARATORS, max_slots=1 << 10)
    learn_all(mixer, random_lines(rng, 400, b"abcdefghijklmnopqrstuvwxyz /"), rng)
    return mixer


def test_a_full_table_loses_no_probability(monkeypatch):
    monkeypatch.setattr(mixing, "_FIRST_SLOTS", 64)
    rng, mixer = np.random.default_rng(9), full_table()
    assert len(mixer._keys) == 1 << 10
    assert np.isfinite(mixer.gates).all()
    beginnings = random_lines(rng, 50, b"abcdefghij /")
    log_probs = mixed(mixer, beginnings, predictions(rng, 50))
    np.testing.assert_allclose(np.exp(log_probs.astype(np.float64)).sum(axis=1), 1.0, atol=1e-5)


def test_a_full_table_still_takes_in_what_is_new(monkeypatch):
    monkeypatch.setattr(mixing, "_FIRST_SLOTS", 64)
    rng, mixer = np.random.default_rng(10), full_table()
    unknown = np.full((1, 256), -np.log(256), np.float32)
    for number in range(10, 50):
        line = b"%02d" % number
        learn_all(mixer, [line, line], rng)
        assert mixed(mixer, [line[:1]], unknown)[0].argmax() == line[1]


def test_the_gates_gradient_equals_central_differences_of_the_log_probability():
    rng = np.random.default_rng(11)
    lines = random_lines(rng, 60)
    mixer = ContextMixer(CONTEXTS, SEPARATORS, learning_rate=0.0)
    learn_all(mixer, lines, rng)
    mixer.gates[...] = rng.normal(-1, 1, mixer.gates.shape)
    before = mixer.gates.copy()
    text = np.frombuffer(b"\n" * TAIL + b"ab a\n", np.uint8)[: TAIL + 3]
    log_probs, seeds = predictions(rng, 3), np.array((3, 4), np.uint64)

    def log_prob(epsilon):
        """The last symbol's; the others are given, so that only it is learnt from."""
        mixer.gates[...] = before + epsilon
        out = log_probs[-1:].astype(np.float64)
        mixer.mix(text[None, :-1].copy(), np.array([len(text) - 1]), TAIL, seeds, out)
        return out[0, text[-1]]

    expected = np.zeros_like(before)
    for index in np.ndindex(*before.shape):
        step = np.zeros_like(before)
        step[index] = 1e-5
        expected[index] = (log_prob(step) - log_prob(-step)) / 2e-5
    assert np.count_nonzero(np.abs(expected) > 1e-3) >= 5
    # learn() moves the gates for every symbol of the line; that of the last one is the difference it makes.
    moved = []
    for last in (len(text), len(text) - 1):
        again = ContextMixer(CONTEXTS, SEPARATORS, learning_rate=0.0)
        learn_all(again, lines, np.random.default_rng(0))
        again.gates[...] = before
        again._learning_rate = 1e-4
        again.learn(text[:last], TAIL, seeds, log_probs)
        moved.append(again.gates - before)
    np.testing.assert_allclose((moved[0] - moved[1]) / 1e-4, expected, atol=1e-3)


def test_one_thread_may_learn_while_another_mixes(monkeypatch):
    monkeypatch.setattr(mixing, "_FIRST_SLOTS", 64)  # so that the table grows meanwhile
    rng = np.random.default_rng(12)
    lines = random_lines(rng, 300, b"abcdef /")
    alone, shared = ContextMixer(CONTEXTS, SEPARATORS), ContextMixer(CONTEXTS, SEPARATORS)
    learn_all(alone, lines, np.random.default_rng(13))
    beginnings, log_probs = random_lines(rng, 20), predictions(rng, 20)
    learner = threading.Thread(target=learn_all, args=(shared, lines, np.random.default_rng(13)))
    learner.start()
    rounds = 0
    while learner.is_alive() or not rounds:
        total = np.exp(mixed(shared, beginnings, log_probs).astype(np.float64)).sum(axis=1)
        np.testing.assert_allclose(total, 1.0, atol=1e-5)
        rounds += 1
    learner.join()
    assert np.array_equal(shared.gates, alone.gates)
    assert np.array_equal(mixed(shared, beginnings, log_probs), mixed(alone, beginnings, log_probs))
