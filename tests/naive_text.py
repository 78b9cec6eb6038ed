"""Plain, slow twins of the text room: a network that is a Markov chain with known probabilities, exhaustive search."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from typeahead.rnn.network import NetworkConfig
from typeahead.text import recall

NEWLINE = 10
IMPOSSIBLE = 1e-12  # probability of what a chain leaves out


class Chain:
    """Stands in for a network: the next byte depends on the last few bytes, by a table.

    ``rules`` maps the end of the text so far to the probabilities of the next character; the longest end that is
    known counts. The hidden state is those last bytes, newest first, so a wrong state gives wrong probabilities.
    """

    memory = 12

    def __init__(self, rules: dict[str, dict[str, float]]) -> None:
        self.config = NetworkConfig(hidden_size=self.memory)
        self.rules = {end.encode("latin-1"): _row(probabilities) for end, probabilities in rules.items()}
        self.steps = 0
        self.lanes = 0

    def initial_state(self, batch_size):
        return np.zeros((1, 1, batch_size, self.memory), np.float32)

    def step(self, inputs, state, out=None):
        self.steps += 1
        self.lanes += len(inputs)
        new = np.empty_like(state) if out is None else out
        assert new is not state
        new[0, 0, :, 1:] = state[0, 0, :, :-1]
        new[0, 0, :, 0] = inputs
        rows = [self.row(bytes(lane[::-1].astype(np.uint8))) for lane in new[0, 0]]
        return np.log(np.array(rows, np.float32)), new

    def row(self, text):
        ends = (text[start:] for start in range(len(text) + 1))
        return next(self.rules[end] for end in ends if end in self.rules)


def _row(probabilities):
    row = np.full(256, IMPOSSIBLE)
    for character, probability in probabilities.items():
        row[ord(character)] = max(probability, IMPOSSIBLE)
    return row / row.sum()


def from_scratch(network, lines, prefix):
    """Return (log_probs, state, log_prob of the prefix) after ``lines`` and ``prefix``, one step a byte, no cache."""
    state = network.initial_state(1)
    log_probs, state = network.step(np.array([NEWLINE], np.uint8), state)
    for byte in b"".join(line + b"\n" for line in lines):
        log_probs, state = network.step(np.array([byte], np.uint8), state)
    total = 0.0
    for byte in prefix:
        total += float(log_probs[0, byte])
        log_probs, state = network.step(np.array([byte], np.uint8), state)
    return log_probs[0], state, total


def every_line(network, prefix, alphabet, max_length):
    """Return {text: log_prob with the newline} of every line end of at most ``max_length`` bytes of ``alphabet``."""
    return _every_end(network, prefix, alphabet, max_length, ())


def every_word(network, prefix, alphabet, max_length):
    """Return {text: log_prob} of every next word: up to and with a space or slash, or with the line's end."""
    return _every_end(network, prefix, alphabet, max_length, (b" ", b"/"))


def _every_end(network, prefix, alphabet, max_length, word_ends):
    """Return {text: log_prob}: a text that is more than word ends goes on to the first of them, else to the line's."""
    found = {}
    start = from_scratch(network, [], prefix)[2]

    def visit(text):
        log_probs, _, score = from_scratch(network, [], prefix + text)
        if text.strip(b" /") and text.endswith(word_ends):
            found[text.decode()] = score - start
            return
        if text.strip():
            found[text.decode()] = score - start + float(log_probs[NEWLINE])
        if len(text) < max_length:
            for byte in alphabet:
                visit(text + bytes([byte]))

    visit(b"")
    return found


def best(found, count, least):
    """Return the ``count`` likeliest items of at least ``least`` log-probability, best first."""
    ranked = sorted(found.items(), key=lambda item: -item[1])
    return [item for item in ranked if item[1] >= math.log(least)][:count]


def repeats(occasions, past, cwd, after_failure=None, repository=None):
    """What `typeahead.text.recall` weighs: P(the next line is a repeat), {line: P(it is this one | a repeat)}.

    ``occasions``: (line, directory, lines before it, newest first, whether the newest of these had failed) of every
    run, oldest first.
    """

    def first_word(lines):
        return lines[0].split(" ")[0] if lines else None

    weights = {}
    for age, (line, where, before, failed) in enumerate(reversed(occasions), start=1):
        weight = age**-recall._AGE_EXPONENT
        if before[:1] == list(past[:1]):
            weight *= recall._SAME_PREVIOUS
            if before[1:2] == list(past[1:2]):
                weight *= recall._SAME_TWO
            if {failed, after_failure} == {False, True}:
                weight *= recall._OTHER_OUTCOME
        elif first_word(before) == first_word(past):
            weight *= recall._SAME_COMMAND
        if cwd is not None and where == cwd:
            weight *= recall._SAME_DIRECTORY
        elif None not in (cwd, where, repository) and Path(where).is_relative_to(repository):
            weight *= recall._SAME_REPOSITORY
        weights[line] = weights.get(line, 0.0) + weight
    lines = [line for line, *_ in occasions]
    seen = len(lines) - len(set(lines))
    total = sum(weights.values())
    return (1 + seen) / (3 + len(lines)) if lines else 0.0, {line: weights[line] / total for line in weights}
