"""The cells, the loss and the optimiser again, as plainly as NumPy can say them: what the kernels must equal.

Written from the equations (PyTorch's conventions), one sequence element after another, with no thought of speed.
"""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def elman(x, h, p):
    """One step of lanes x (B, D), h (B, H); p holds w_ih, w_hh, b_ih, b_hh."""
    return np.tanh(x @ p["w_ih"].T + p["b_ih"] + h @ p["w_hh"].T + p["b_hh"])


def gru(x, h, p):
    H = h.shape[1]
    i = x @ p["w_ih"].T + p["b_ih"]
    a = h @ p["w_hh"].T + p["b_hh"]
    r = sigmoid(i[:, :H] + a[:, :H])
    z = sigmoid(i[:, H : 2 * H] + a[:, H : 2 * H])
    n = np.tanh(i[:, 2 * H :] + r * a[:, 2 * H :])
    return (1 - z) * n + z * h


def lstm(x, h, c, p):
    H = h.shape[1]
    a = x @ p["w_ih"].T + p["b_ih"] + h @ p["w_hh"].T + p["b_hh"]
    i, f, o = sigmoid(a[:, :H]), sigmoid(a[:, H : 2 * H]), sigmoid(a[:, 3 * H :])
    c = f * c + i * np.tanh(a[:, 2 * H : 3 * H])
    return o * np.tanh(c), c


def log_softmax(logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def step(config, parameters, inputs, state):
    """One step of the whole stack from state (L, S, B, H): log-probabilities and new state; inputs (B,) or (B, D)."""
    x = np.eye(config.input_size)[inputs] if config.one_hot else inputs
    new = np.empty_like(state)
    for layer in range(config.num_layers):
        p = {name: parameters[f"cells.{layer}.{name}"] for name in ("w_ih", "w_hh", "b_ih", "b_hh")}
        if config.cell == "lstm":
            new[layer, 0], new[layer, 1] = lstm(x, state[layer, 0], state[layer, 1], p)
        else:
            new[layer, 0] = {"elman": elman, "gru": gru}[config.cell](x, state[layer, 0], p)
        x = new[layer, 0]
    return log_softmax(x @ parameters["output.weight"].T + parameters["output.bias"]), new


def forward(config, parameters, inputs, state):
    """T steps: log-probabilities (T, B, V) and the last state."""
    out = []
    for x in inputs:
        log_probs, state = step(config, parameters, x, state)
        out.append(log_probs)
    return np.stack(out), state


def loss(config, parameters, inputs, targets, state):
    """Mean cross-entropy in nats, and the last state."""
    log_probs, state = forward(config, parameters, inputs, state)
    T, B = targets.shape
    return -np.mean([log_probs[t, b, targets[t, b]] for t in range(T) for b in range(B)]), state


def central_difference(function, array, index, epsilon=1e-5):
    """The derivative of function() with respect to one element of array, which function reads."""
    before = array[index]
    array[index] = before + epsilon
    above = function()
    array[index] = before - epsilon
    below = function()
    array[index] = before
    return (above - below) / (2 * epsilon)


def adamw(x, gradients, learning_rate, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.0):
    """The parameter after a list of gradients, from the textbook formula."""
    x, m, v = x.copy(), 0.0, 0.0
    for t, g in enumerate(gradients, start=1):
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        x = x - learning_rate * weight_decay * x
        x = x - learning_rate * (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
    return x
