"""The cells, the loss and the optimiser again, as plainly as NumPy can say them: what the kernels must equal.

Written from the equations (PyTorch's conventions), one sequence element after another, with no thought of speed.
"""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def elman(x, h, p, activation="tanh"):
    """One step of lanes x (B, D), h (B, H); p holds w_ih, w_hh, b_ih, b_hh."""
    a = x @ p["w_ih"].T + p["b_ih"] + h @ p["w_hh"].T + p["b_hh"]
    return np.tanh(a) if activation == "tanh" else np.maximum(a, 0)


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
        elif config.cell == "gru":
            new[layer, 0] = gru(x, state[layer, 0], p)
        else:
            new[layer, 0] = elman(x, state[layer, 0], p, config.activation)
        x = new[layer, 0]
    outputs = x @ parameters["output.weight"].T + parameters["output.bias"]
    return log_softmax(outputs) if config.output == "softmax" else outputs, new


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


class Mixer:
    """Counts of contexts in a dictionary and the chain of gates: what `typeahead.rnn.mixing.ContextMixer` must equal.

    ``line`` is bytes with what came before the present line, which starts at ``begin``; ``seeds`` is a list.
    """

    def __init__(self, contexts, separators, learning_rate=0.6, decay=0.8, gate=-1.5, followers=8):
        self.contexts, self.separators = contexts, separators
        self.learning_rate, self.decay, self.gate, self.followers = learning_rate, decay, gate, followers
        self.counts = {}  # context -> [how often met, {symbol: count}]
        self.gates = {}  # (index of the kind, class) -> number

    def keys(self, line, begin, seeds):
        """What each kind of context is, at the end of ``line``."""
        units, parts, start = [], [b""], begin  # finished units of the line, parts of the present one
        for place in range(begin, len(line)):
            kind = self.separators[line[place]]
            if kind == 1:
                if place > start:
                    units.append((place, line[start:place]))
                start, parts = place + 1, [b""]
            elif kind == 2:
                parts.append(b"")
            else:
                parts[-1] += line[place : place + 1]
        for index, one in enumerate(self.contexts):
            stretch = {
                "symbols": line[max(0, len(line) - one.length) :],
                "line": line[begin:],
                "unit": line[start:],
                "part": parts[-1],
            }[one.since]
            first = line[begin : units[0][0]] if units else b""
            last = units[-1][1] if units else b""
            after = {"": None, "first unit": first, "last unit": last, "first unit and number": (first, len(units))}
            yield index, stretch, after[one.after], seeds[one.seed] if one.seed >= 0 else None

    def chain(self, line, begin, seeds):
        """[(kind, class, gate, {symbol: probability})] of the contexts met before, weakest first."""
        found = []
        for key in self.keys(line, begin, seeds):
            if key in self.counts:
                met, counts = self.counts[key]
                cls = ([1, 2, 3, 4, 6, 255].index(next(n for n in (1, 2, 3, 4, 6, 255) if met <= n)),
                       next(i for i, n in enumerate((1, 2, 4, 8)) if len(counts) <= n))  # fmt: skip
                total = sum(counts.values())
                gate = sigmoid(self.gates.get((key[0], cls), self.gate))
                found.append((key[0], cls, gate, {symbol: count / total for symbol, count in counts.items()}))
        return found

    def mix(self, line, begin, seeds, probabilities):
        """The mixture of ``probabilities`` (V,) with what is known."""
        p = np.array(probabilities, np.float64)
        for _, _, gate, q in self.chain(line, begin, seeds):
            p *= 1 - gate
            for symbol, share in q.items():
                p[symbol] += gate * share
        return p

    def learn(self, line, begin, seeds, probabilities=None):
        """Count each symbol from ``begin`` on and, given the network's (N, V), move the gates; the cost in nats."""
        nats = 0.0
        for place in range(begin, len(line)):
            symbol, before = line[place], line[:place]
            if probabilities is not None:
                chain = self.chain(before, begin, seeds)
                stages = [probabilities[place - begin][symbol]]
                for _, _, gate, q in chain:
                    stages.append((1 - gate) * stages[-1] + gate * q.get(symbol, 0.0))
                nats -= np.log(stages[-1])
                after = 1.0  # d p / d stage
                for (kind, cls, gate, q), stage in reversed(list(zip(chain, stages, strict=False))):
                    slope = after * (q.get(symbol, 0.0) - stage) * gate * (1 - gate) / stages[-1]
                    self.gates[kind, cls] = self.gates.get((kind, cls), self.gate) + self.learning_rate * slope
                    after *= 1 - gate
            for key in self.keys(before, begin, seeds):
                met, counts = self.counts.get(key, (0, {}))
                counts = {other: count * self.decay for other, count in counts.items()}
                if symbol not in counts and len(counts) == self.followers:
                    del counts[min(counts, key=counts.get)]
                counts[symbol] = counts.get(symbol, 0.0) + 1
                self.counts[key] = min(met + 1, 255), counts
        return nats


def set_loss(log_probs, targets):
    """Summed loss (nats) of log_probs (..., V) where every symbol with a weight in targets (..., V) would be right."""
    total = 0.0
    for row, right in zip(
        log_probs.reshape(-1, log_probs.shape[-1]), targets.reshape(-1, targets.shape[-1]), strict=True
    ):
        if right.max() > 0:
            total -= right.max() * np.log(np.exp(row)[right > 0].sum())
    return total


def squared_error(outputs, targets):
    """Summed (y - t)^2 / 2 where there is a target."""
    return sum((y - t) ** 2 / 2 for y, t in zip(outputs.ravel(), targets.ravel(), strict=True) if not np.isnan(t))


def mixture_nll(outputs, targets):
    """Summed -ln p(t) of targets (..., D) under outputs (..., D*K*3), the sum of densities taken as it is written."""
    D, total = targets.shape[-1], 0.0
    for row, wanted in zip(outputs.reshape(-1, outputs.shape[-1]), targets.reshape(-1, D), strict=True):
        for (a, m, s), t in zip(row.reshape(D, -1, 3).transpose(0, 2, 1), wanted, strict=True):
            if not np.isnan(t):
                densities = np.exp(-(((t - m) / np.exp(s)) ** 2) / 2) / (np.exp(s) * np.sqrt(2 * np.pi))
                total -= np.log(np.sum(np.exp(log_softmax(a)) * densities))
    return total
