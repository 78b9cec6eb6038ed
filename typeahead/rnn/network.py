"""A stack of recurrent cells between an input and an output layer: parameters, state, loss, one step.

    B = batch_size, T = seq_len, D = input_size, H = hidden_size, V = output_size, L = num_layers, S = states a cell

All parameters are one mapping name -> array (PyTorch's shapes and gate order)::

    cells.<l>.w_ih (G*H, D or H)   cells.<l>.w_hh (G*H, H)   cells.<l>.b_ih (G*H)   cells.<l>.b_hh (G*H)
    output.weight (V, H)           output.bias (V)

and all states one array (L, S, B, H): S = 1 holds h; the LSTM's S = 2 holds h and c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from typeahead.rnn import cells
from typeahead.rnn.initialisation import draw
from typeahead.rnn.losses import log_softmax

Array = np.ndarray[Any, np.dtype[Any]]
GATES = {"elman": 1, "gru": 3, "lstm": 4}
OUTPUTS = ("softmax", "numbers", "mixture")
ACTIVATIONS = ("tanh", "relu")


@dataclass(frozen=True)
class NetworkConfig:
    """The architecture; everything needed to lay out parameters and state.

    ``one_hot``: inputs are symbols below ``input_size``, looked up; otherwise vectors of that many numbers.
    ``dropout`` acts on the output of every layer, the last one too, ``weight_dropout`` on the recurrent matrices
    (DropConnect, once a batch: Merity et al. 2018); both in training only.
    ``output``: what the output layer's numbers are: ``"softmax"`` of symbols, ``"numbers"`` themselves, or the
    parameters of a ``"mixture"`` of Gaussians (`losses`).
    ``activation``: of the Elman cell, ``"tanh"`` or ``"relu"`` (Le, Jaitly, Hinton 2015); the others have but tanh.
    """

    cell: str = "gru"
    input_size: int = 256
    hidden_size: int = 256
    num_layers: int = 1
    output_size: int = 256
    dropout: float = 0.0
    one_hot: bool = True
    weight_dropout: float = 0.0
    output: str = "softmax"
    activation: str = "tanh"

    def __post_init__(self) -> None:
        if self.output not in OUTPUTS:
            raise ValueError(f"output {self.output!r} is unknown; choose one of {', '.join(OUTPUTS)}")
        if self.cell not in GATES:
            raise ValueError(f"cell {self.cell!r} is unknown; choose one of {', '.join(GATES)}")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation {self.activation!r} is unknown; choose one of {', '.join(ACTIVATIONS)}")
        if self.relu and self.cell != "elman":
            raise ValueError(f"activation relu is for the cell elman, not {self.cell}; choose tanh or the cell elman")
        for name in ("input_size", "hidden_size", "num_layers", "output_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)} is below 1")
        for name in ("dropout", "weight_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)} is not in [0, 1)")

    @property
    def states(self) -> int:
        """How many arrays a cell carries from step to step (S)."""
        return 2 if self.cell == "lstm" else 1

    @property
    def relu(self) -> bool:
        """Whether the Elman cell's activation is max(0, x), not tanh."""
        return self.activation == "relu"

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every parameter, in the order in which they are initialised."""
        H, gates = self.hidden_size, GATES[self.cell] * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(self.num_layers):
            width = H if layer else self.input_size
            shapes[f"cells.{layer}.w_ih"] = (gates, width)
            shapes[f"cells.{layer}.w_hh"] = (gates, H)
            shapes[f"cells.{layer}.b_ih"] = (gates,)
            shapes[f"cells.{layer}.b_hh"] = (gates,)
        shapes["output.weight"] = (self.output_size, H)
        shapes["output.bias"] = (self.output_size,)
        return shapes


class Network:
    """A network as its configuration and its parameters.

    Parameters
    ----------
    config : NetworkConfig
    parameters : dict of str to ndarray
        One array for each name of ``config.shapes()``, all of one floating dtype. Kept, not copied.

    Raises
    ------
    ValueError
        A name is missing or unknown, or a shape or dtype does not fit.
    """

    def __init__(self, config: NetworkConfig, parameters: dict[str, Array]) -> None:
        shapes = config.shapes()
        if set(parameters) != set(shapes):
            raise ValueError(f"parameters {sorted(set(parameters) ^ set(shapes))} are missing or unknown")
        for name, shape in shapes.items():
            if parameters[name].shape != shape:
                raise ValueError(f"parameter {name} has shape {parameters[name].shape}, not {shape}")
        self.config = config
        self.parameters = {name: parameters[name] for name in shapes}
        self.dtype = self.parameters["output.bias"].dtype
        if self.dtype.kind != "f" or any(array.dtype != self.dtype for array in parameters.values()):
            raise ValueError("parameters are not all of one floating dtype")
        self._step_weights: dict[str, Any] | None = None
        self._quantised = False

    @classmethod
    def create(
        cls,
        config: NetworkConfig,
        seed: int,
        dtype: Any = np.float32,
        start: str = "orthogonal",
        max_lag: int | None = None,
        forget_bias: float | None = None,
        scale: float | None = None,
    ) -> Network:
        """Draw the parameters as `initialisation.draw` does; by default so that gradients neither vanish nor explode.

        Raises
        ------
        ValueError
            The start does not go with the cell or with the other choices.
        """
        drawn = draw(config.shapes(), config.cell, seed, start, max_lag, forget_bias, scale)
        return cls(config, {name: np.ascontiguousarray(value, dtype=dtype) for name, value in drawn.items()})

    def cast(self, dtype: Any) -> Network:
        """Return the network with its parameters as another floating dtype."""
        return Network(self.config, {name: array.astype(dtype) for name, array in self.parameters.items()})

    @property
    def num_parameters(self) -> int:
        """The number of trainable numbers."""
        return sum(array.size for array in self.parameters.values())

    def initial_state(self, batch_size: int) -> Array:
        """Return the state before the first step: zeros (L, S, B, H)."""
        c = self.config
        return np.zeros((c.num_layers, c.states, batch_size, c.hidden_size), self.dtype)

    def parameters_changed(self) -> None:
        """Say that the parameters were written to: what `step` had laid out from them is laid out anew."""
        self._step_weights = None

    def quantise_steps(self) -> None:
        """Let `step` use weights rounded to int8, one scale a row: a quarter of the memory to read, so much faster.

        Each weight is then off by at most 1/254 of the largest in its row. The parameters themselves stay as they are.
        """
        self._quantised = True
        self.parameters_changed()

    def _scaled(self, name: str) -> tuple[Array, Array]:
        """Return the matrix as the step kernels read it, and the scale (N,) of its rows."""
        w = np.ascontiguousarray(self.parameters[name])
        if not self._quantised:
            return w, np.ones(len(w), self.dtype)
        scale = np.maximum(np.abs(w).max(axis=1), np.finfo(self.dtype).tiny) / 127
        return np.rint(w / scale[:, None]).astype(np.int8), scale.astype(self.dtype)

    def _lay_out(self) -> dict[str, Any]:
        """Return what `step` reads: matrices with their scales, biases, and the table of symbols."""
        p = self.parameters
        laid_out: dict[str, Any] = {name: self._scaled(name) if p[name].ndim == 2 else p[name] for name in p}
        if self.config.one_hot:
            laid_out["table"] = np.ascontiguousarray(p["cells.0.w_ih"].T) + p["cells.0.b_ih"]
        self._step_weights = laid_out
        return laid_out

    def step(self, inputs: Any, state: Array, out: Array | None = None) -> tuple[Array, Array]:
        """Advance B lanes by one symbol.

        Parameters
        ----------
        inputs : array_like [shape=(B,)] of symbols, or (B, D) of numbers when the input is dense
        state : ndarray [shape=(L, S, B, H)]
            Is left as it is.
        out : ndarray [shape=(L, S, B, H)], optional
            Where to write the new state; must not be ``state``.

        Returns
        -------
        outputs : ndarray [shape=(B, V)]
            Log-probabilities of the next symbol, in nats; of a network of numbers or mixtures, the output layer's own.
        new_state : ndarray [shape=(L, S, B, H)]
        """
        config = self.config
        weights = self._step_weights or self._lay_out()
        new = np.empty_like(state) if out is None else out
        B, width = state.shape[2], GATES[config.cell] * config.hidden_size
        gates = np.empty((B, width), self.dtype)
        x: Array | None = None if config.one_hot else np.ascontiguousarray(inputs, self.dtype)
        for layer in range(config.num_layers):
            name = f"cells.{layer}."
            if x is None:
                table, rows = weights["table"], np.asarray(inputs, np.int64)
            else:
                table, rows = np.empty((B, width), self.dtype), np.arange(B)
                cells.matmul_step(x, *weights[name + "w_ih"], weights[name + "b_ih"], table)
            given = table, rows, *weights[name + "w_hh"], weights[name + "b_hh"]
            if config.cell == "lstm":
                cells.lstm_step(*given, state[layer, 0], state[layer, 1], new[layer, 0], new[layer, 1], gates)
            elif config.cell == "gru":
                cells.gru_step(*given, state[layer, 0], new[layer, 0], gates)
            else:
                cells.elman_step(*given, state[layer, 0], new[layer, 0], gates, config.relu)
            x = new[layer, 0]
        outputs = np.empty((B, config.output_size), self.dtype)
        cells.matmul_step(x, *weights["output.weight"], weights["output.bias"], outputs)
        if config.output == "softmax":
            log_softmax(outputs)
        return outputs, new
