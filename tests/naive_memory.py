"""Plain twins of what measures memory: one number of the state is moved, and the loss is looked at."""

import numpy as np

from tests import naive


def last_loss(config, parameters, inputs, targets, state, at, layer, part, disturbance):
    """The losses (B,) of the last step when ``disturbance`` (B, H) is added to a layer's state after step ``at``.

    part 0 is h, which the layers above read at the same step; part 1 is the LSTM's c, as it is carried on.
    """
    state = state.copy()
    for t, given in enumerate(inputs):
        x = np.eye(config.input_size)[given] if config.one_hot else given
        for i in range(config.num_layers):
            p = {name: parameters[f"cells.{i}.{name}"] for name in ("w_ih", "w_hh", "b_ih", "b_hh")}
            if config.cell == "lstm":
                state[i, 0], state[i, 1] = naive.lstm(x, state[i, 0], state[i, 1], p)
            else:
                state[i, 0] = {"elman": naive.elman, "gru": naive.gru}[config.cell](x, state[i, 0], p)
            if t == at and i == layer:
                state[i, part] += disturbance
            x = state[i, 0]
    log_probs = naive.log_softmax(x @ parameters["output.weight"].T + parameters["output.bias"])
    return -log_probs[np.arange(len(log_probs)), targets[-1]]


def gradient_norms(config, parameters, inputs, targets, state, epsilon=1e-5):
    """The norms (L, S, T, B) at lags 0 to T - 1, each element of each state by a central difference."""
    T, (L, S, B, H) = len(inputs), state.shape
    norms = np.zeros((L, S, T, B))
    for layer, part, lag in np.ndindex(L, S, T):
        gradient = np.zeros((B, H))
        for j in range(H):
            moved = np.zeros((B, H))
            moved[:, j] = epsilon
            above, below = (
                last_loss(config, parameters, inputs, targets, state, T - 1 - lag, layer, part, sign * moved)
                for sign in (1, -1)
            )
            gradient[:, j] = (above - below) / (2 * epsilon)
        norms[layer, part, lag] = np.sqrt((gradient**2).sum(axis=1))
    return norms


def growth(config, parameters, inputs, state, disturbance, epsilon=1e-6):
    """The logarithms (T, B) of how much a disturbance (L, S, B, H) of length 1 grows at each step.

    Two runs on the same inputs, ``epsilon`` apart, and brought back to that after each step.
    """
    logs = []
    for x in inputs:
        _, near = naive.step(config, parameters, x, state + epsilon * disturbance)
        _, state = naive.step(config, parameters, x, state)
        disturbance = (near - state) / epsilon
        length = np.sqrt((disturbance**2).sum(axis=(0, 1, 3)))
        logs.append(np.log(length))
        disturbance = disturbance / length[:, None]
    return np.array(logs)


def gate_shares(config, parameters, inputs, state):
    """The share of gates (L, gates, 2) under 0.1 and over 0.9; of the Elman cell of |h|."""
    found = []
    for given in inputs:
        x = np.eye(config.input_size)[given] if config.one_hot else given
        _, new = naive.step(config, parameters, given, state)
        layers = []
        for layer in range(config.num_layers):
            w_ih, w_hh, b_ih, b_hh = (parameters[f"cells.{layer}.{n}"] for n in ("w_ih", "w_hh", "b_ih", "b_hh"))
            a = x @ w_ih.T + b_ih + state[layer, 0] @ w_hh.T + b_hh
            blocks = np.split(naive.sigmoid(a), {"elman": 1, "gru": 3, "lstm": 4}[config.cell], axis=1)
            x = new[layer, 0]
            layers.append({"elman": [np.abs(x)], "gru": blocks[:2], "lstm": [*blocks[:2], blocks[-1]]}[config.cell])
        found.append(layers)
        state = new
    gates = np.array(found)  # (T, L, gates, B, H)
    return np.stack([(gates < 0.1).mean(axis=(0, 3, 4)), (gates > 0.9).mean(axis=(0, 3, 4))], axis=-1)
