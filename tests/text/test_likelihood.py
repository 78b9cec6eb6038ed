import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.naive_text import from_scratch
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.text.language_model import LanguageModel
from typeahead.text.likelihood import MAX_WEIGHED_BYTES, line_log_probs

NETWORKS = [
    Network.create(NetworkConfig(cell=cell, hidden_size=6, num_layers=layers), seed=3)
    for cell, layers in (("gru", 1), ("lstm", 2))
]


@pytest.mark.parametrize("network", NETWORKS, ids=["gru", "lstm"])
@settings(max_examples=30, deadline=None)
@given(lines=st.lists(st.binary(max_size=12), max_size=6))
def test_lines_weighed_together_are_as_likely_as_each_alone_from_scratch(network, lines):
    context = LanguageModel(network).context()
    context.advance(b"before")
    wanted = [from_scratch(network, [b"before"], line + b"\n")[2] for line in lines]
    assert np.allclose(line_log_probs(lines, context.seek(b"")), wanted, atol=1e-4)


def test_of_a_long_line_only_the_beginning_is_weighed():
    position = LanguageModel(NETWORKS[0]).context().seek(b"")
    one, other = line_log_probs([b"a" * MAX_WEIGHED_BYTES + b"b", b"a" * MAX_WEIGHED_BYTES + b"cd"], position)
    assert one == other


def test_lines_are_weighed_at_the_start_of_a_line_only():
    with pytest.raises(ValueError, match="start of a line"):
        line_log_probs([b"ls"], LanguageModel(NETWORKS[0]).context().seek(b"l"))


def test_a_beginning_is_as_likely_as_all_that_goes_on_from_it() -> None:
    position = LanguageModel(NETWORKS[0]).context().seek(b"")
    longer = [b"ls" + bytes([byte]) for byte in range(256)]  # with a newline: the line ends
    goes_on = line_log_probs(longer, position, ended=False)
    assert np.isclose(np.logaddexp.reduce(goes_on), line_log_probs([b"ls"], position, ended=False)[0], atol=1e-4)
    assert np.isclose(goes_on[10], line_log_probs([b"ls"], position)[0], atol=1e-4)
