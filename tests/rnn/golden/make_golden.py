"""Write torch.json: loss, last state and gradients of small ``torch.nn`` networks, for test_golden.py to compare with.

    uv run --with torch python tests/rnn/golden/make_golden.py

Only this script needs torch. It was last run with torch 2.13.0.
"""

import json
from pathlib import Path

import torch

T, B, D, H, V, L = 6, 2, 5, 4, 5, 2
NAMES = {"weight_ih": "w_ih", "weight_hh": "w_hh", "bias_ih": "b_ih", "bias_hh": "b_hh"}


def golden(cell: str) -> dict[str, object]:
    """Return inputs, parameters, loss, state and gradients of a two-layer network, as nested lists of float64."""
    torch.manual_seed(7)
    kind = {"elman": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[cell]
    rnn, output = kind(D, H, L).double(), torch.nn.Linear(H, V).double()
    inputs, targets = torch.randint(0, D, (T, B)), torch.randint(0, V, (T, B))
    h, c = torch.randn(L, B, H).double(), torch.randn(L, B, H).double()
    y, last = rnn(torch.nn.functional.one_hot(inputs, D).double(), (h, c) if cell == "lstm" else h)
    loss = torch.nn.functional.cross_entropy(output(y).reshape(-1, V), targets.reshape(-1))
    loss.backward()
    parameters = {}
    for name, value in rnn.named_parameters():
        kind_name, layer = name.rsplit("_l", 1)
        parameters[f"cells.{layer}.{NAMES[kind_name]}"] = value
    parameters |= {"output.weight": output.weight, "output.bias": output.bias}
    states = [h, c] if cell == "lstm" else [h]
    lasts = list(last) if cell == "lstm" else [last]
    return {
        "inputs": inputs.tolist(),
        "targets": targets.tolist(),
        "state": torch.stack(states, dim=1).tolist(),
        "parameters": {name: value.tolist() for name, value in parameters.items()},
        "loss": loss.item(),
        "last_state": torch.stack(lasts, dim=1).tolist(),
        "gradients": {name: value.grad.tolist() for name, value in parameters.items()},
    }


if __name__ == "__main__":
    text = json.dumps({cell: golden(cell) for cell in ("elman", "gru", "lstm")})
    Path(__file__).with_name("torch.json").write_text(text + "\n")
