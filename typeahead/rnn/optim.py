"""Adam with decoupled weight decay, gradient clipping, and the learning rate's course."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from typeahead.rnn.network import Array


class AdamW:
    """Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019), on parameters in place.

    Parameters
    ----------
    parameters : dict of str to ndarray
        Contiguous; written to by `step`.
    betas : pair of float
        Decay of the running mean of the gradient and of its square.
    eps : float
    weight_decay : float
        Share of a matrix taken away a step, times the learning rate; biases are left alone.
    """

    def __init__(
        self,
        parameters: dict[str, Array],
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        self.parameters, self.betas, self.eps, self.weight_decay = parameters, betas, eps, weight_decay
        self.mean = {name: np.zeros_like(array) for name, array in parameters.items()}
        self.square = {name: np.zeros_like(array) for name, array in parameters.items()}
        self.steps = 0

    def step(self, gradients: dict[str, Array], learning_rate: float, grad_clip: float = math.inf) -> float:
        """Make one update; return the norm of the whole gradient before clipping.

        ``grad_clip`` bounds that norm (Pascanu et al. 2013). A norm that is not finite changes nothing.
        """
        norm = math.sqrt(sum(float(np.vdot(gradient, gradient)) for gradient in gradients.values()))
        if not math.isfinite(norm):
            return norm
        self.steps += 1
        scale = min(1.0, grad_clip / norm) if norm else 1.0
        beta1, beta2 = self.betas
        rate = learning_rate / (1 - beta1**self.steps)
        correction = 1 / math.sqrt(1 - beta2**self.steps)
        for name, array in self.parameters.items():
            decay = learning_rate * self.weight_decay if array.ndim > 1 else 0.0
            _adam(
                array.reshape(-1), gradients[name].reshape(-1), self.mean[name].reshape(-1),
                self.square[name].reshape(-1), scale, rate, correction, beta1, beta2, self.eps, decay,
            )  # fmt: skip
        return norm

    def state(self) -> dict[str, Array]:
        """Return everything that `load_state` needs to go on as if never stopped, by name."""
        state = {f"mean.{name}": array for name, array in self.mean.items()}
        state |= {f"square.{name}": array for name, array in self.square.items()}
        return state | {"steps": np.array(self.steps, np.int64)}

    def load_state(self, state: dict[str, Array]) -> None:
        """Take over what `state` of another optimiser of the same parameters returned."""
        for name in self.parameters:
            self.mean[name][...] = state[f"mean.{name}"]
            self.square[name][...] = state[f"square.{name}"]
        self.steps = int(state["steps"])


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def _adam(x, gradient, mean, square, scale, rate, correction, beta1, beta2, eps, decay):  # type: ignore[no-untyped-def]
    # One parameter (N,), in place; the gradient is multiplied by scale first.
    kind = x.dtype.type
    scale, rate, correction, eps, keep = kind(scale), kind(rate), kind(correction), kind(eps), kind(1 - decay)
    b1, b2, a1, a2 = kind(beta1), kind(beta2), kind(1 - beta1), kind(1 - beta2)
    for i in range(x.size):
        g = gradient[i] * scale
        mean[i] = b1 * mean[i] + a1 * g
        square[i] = b2 * square[i] + a2 * g * g
        x[i] = x[i] * keep - rate * mean[i] / (np.sqrt(square[i]) * correction + eps)


def schedule(progress: float, warmup: float = 0.02, final: float = 0.0) -> float:
    """Return the factor on the learning rate at ``progress`` in [0, 1]: linear warm-up, then a cosine down to final.

    Reference: Loshchilov and Hutter 2017 (cosine), Goyal et al. 2017 (warm-up).
    """
    if progress < warmup:
        return progress / warmup
    along = (min(progress, 1.0) - warmup) / (1 - warmup) if warmup < 1 else 1.0
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * along))
