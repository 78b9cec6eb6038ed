import json
from pathlib import Path

import numpy as np
import pytest

from typeahead.rnn.backpropagation import Gradients
from typeahead.rnn.network import Network, NetworkConfig

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("torch.json").read_text())


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_loss_state_and_gradients_equal_those_of_torch(cell):
    golden = GOLDEN[cell]
    parameters = {name: np.array(value) for name, value in golden["parameters"].items()}
    network = Network(NetworkConfig(cell, 5, 4, 2, 5), parameters)
    inputs, targets = np.array(golden["inputs"]), np.array(golden["targets"])
    loss, gradients, state = Gradients(network, *targets.shape)(inputs, targets, np.array(golden["state"]))
    assert loss == pytest.approx(golden["loss"], abs=1e-12)
    np.testing.assert_allclose(state, golden["last_state"], atol=1e-12)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, golden["gradients"][name], atol=1e-12, err_msg=name)
