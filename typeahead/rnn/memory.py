"""How far back a network's memory reaches: by gradient, by loss, and by what becomes of a disturbance.

    loss at step t  ->  d loss_t / d h_t, d h_(t-1), ..., d h_(t-K), layer by layer

What has no gradient cannot be learnt. In a plain recurrent network each step back multiplies the gradient by one more
``diag(1 - h^2) w_hh``, so that it shrinks (or grows) exponentially: the vanishing gradient. Gates are there so that a
factor near 1 can be learnt (Hochreiter 1991; Bengio et al. 1994; Pascanu et al. 2013).

One loss and one pass back give the gradient at every lag at once, and a batch of B lanes that of B losses. In a stack
the gradient of a lower layer goes through the layers above at all later steps, too, and at its own.

    T, N = steps, B = lanes, L = layers, S = states a cell (the LSTM's are h and c), H = hidden_size, K = lags
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from typeahead.errors import CorpusError
from typeahead.rnn.backpropagation import Lanes, layouts
from typeahead.rnn.network import Array, Network
from typeahead.rnn.trajectory import GATE_NAMES, Trajectory, row_losses

VANISHED = 0.01  # of the gradient at lag 0: what is less teaches next to nothing
WITHIN = 0.01  # of the loss; of a density, whose loss may be below 0, so many nats
_FEWEST_STEPS = 64
_CHUNK = 16  # steps read at a time where nothing comes back
_BLOCK = 128  # lanes read at a time, likewise
_PLACES = 32  # a lane, at which the loss is compared with that of shorter contexts
_FEWEST_PLACES, _LANE_STEPS = 64, 25_600  # of them for one length of context: so many lanes times steps at most
_SERIES = (1, 2, 5)

Done = Callable[[float], None]


def gradient_norms(
    network: Network, inputs: Array, targets: Array, state: Array | None = None, max_lag: int | None = None
) -> Array:
    """Return how large the gradient of the last step's loss is k steps earlier, for all k at once.

    Costs about what a training step on the same batch does.

    Parameters
    ----------
    network : Network
    inputs : ndarray [shape=(T, B)] of symbols, or (T, B, D) when the input is dense
    targets : ndarray
        As the network's loss takes them, (T, B) or (T, B, V); of the last step's alone the gradient is taken.
    state : ndarray [shape=(L, S, B, H)], optional
        Before the first step.  [default: zeros]
    max_lag : int, optional
        At most T - 1, which is the default and the limit.

    Returns
    -------
    norms : ndarray [shape=(L, max_lag + 1)] of float64
        ``||d loss_t / d state_(t-k)||`` of each layer, the mean over the lanes. The LSTM's state is h and c together.

    Raises
    ------
    ValueError
        Shapes do not fit.
    """
    parts = lane_norms(network, inputs, targets, state, max_lag)
    norms: Array = np.sqrt((parts**2).sum(axis=1)).mean(axis=-1)
    return norms


def lane_norms(
    network: Network, inputs: Array, targets: Array, state: Array | None = None, max_lag: int | None = None
) -> Array:
    """Return the same for each part of the state and each lane, (L, S, max_lag + 1, B).

    See `gradient_norms`, and for what belongs to which part `trajectory.Trajectory.gradient_norms`.
    """
    if inputs.shape[:2] != targets.shape[:2] or not inputs.size:
        raise ValueError(f"inputs {inputs.shape} and targets {targets.shape} are not of the same steps and lanes")
    state = network.initial_state(inputs.shape[1]) if state is None else state
    limit = len(inputs) - 1
    with threadpool_limits(limits=1, user_api="blas"):  # its threads spin where cores are busy
        norms = Trajectory(network, *inputs.shape[:2]).gradient_norms(inputs, targets, state)
    return norms[:, :, : 1 + (limit if max_lag is None else min(max_lag, limit))]


def first_below(norms: Array, limit: float) -> int | None:
    """Return the first lag from 1 on at which norms (K + 1,) are below a limit, None if that is further back."""
    below = np.flatnonzero(norms[1:] < limit)
    return 1 + int(below[0]) if len(below) else None


@dataclass(frozen=True)
class Plan:
    """How much is read: each lane first ``warm_up`` steps, then a number of windows, each with its loss at the end."""

    max_lag: int = 200
    lanes: int = 32
    windows: int = 4

    @classmethod
    def of(cls, length: int, max_lag: int = 200) -> Plan:
        """Return a plan for a sequence of so many steps; a short one allows smaller lags only.

        Raises
        ------
        CorpusError
            It is too short for any.
        """
        if length < _FEWEST_STEPS:
            raise CorpusError(f"{length} steps of data are too few to look back from; give at least {_FEWEST_STEPS}")
        max_lag = min(max_lag, (length - 1) // 3)
        windows = max(1, min(4, (length - 2 * max_lag) // (max_lag + 1)))
        # A window is kept whole for the way back, so that long ones leave room for few lanes.
        lanes = min(32, max(4, 6400 // max_lag))
        spare = length - cls(max_lag, 1, windows).steps
        return cls(max_lag, max(1, min(lanes, 1 + spare // 7)), windows)

    @property
    def warm_up(self) -> int:
        """Steps before the first window: the longest context that is compared with the full one, twice."""
        return 2 * self.max_lag

    @property
    def steps(self) -> int:
        """Steps that a lane reads."""
        return self.warm_up + self.windows * (self.max_lag + 1)

    @property
    def contexts(self) -> list[int]:
        """The numbers of steps that contexts are cut to."""
        series = [factor * 10**power for power in range(4) for factor in _SERIES]
        return [k for k in series if k <= self.max_lag]

    def lanes_of(self, sequence: Array) -> Array:
        """Return stretches (steps, lanes, ...) of a sequence (N, ...), evenly apart."""
        starts = np.linspace(0, len(sequence) - self.steps, self.lanes).astype(np.int64)
        stretches: Array = sequence[starts + np.arange(self.steps)[:, None]]
        return stretches


@dataclass(frozen=True)
class Context:
    """What the loss is when the state was zero ``steps`` steps before."""

    steps: int
    loss: float  # nats a step
    excess: float  # over that of the full context, on the same places
    error: float  # of the excess: one standard error


@dataclass(frozen=True)
class Memory:
    """What `measure` has found. Norms are means over ``places`` losses, and over the LSTM's h and c together."""

    norms: Array  # (L, K + 1) of the gradient, at lags 0 to K
    medians: Array  # (L, K + 1) likewise, the median place
    parts: Array  # (L, S, K + 1) the mean norm with respect to h and to c alone
    places: int
    full_loss: float  # nats a step, with all that came before
    contexts: tuple[Context, ...]
    effective_context: int | None  # steps from which on the loss is within 1 % of the full one; None: more than K
    growth: float  # of a small disturbance, nats a step
    growth_error: float  # one standard error, from lane to lane
    gates: dict[str, Array]  # name -> (L, 2) share of activations under 0.1 and over 0.9

    @property
    def half_lives(self) -> list[int | None]:
        """The first lag, of each layer, with less than half of the gradient at lag 0; None: beyond the last lag."""
        return [first_below(norms, 0.5 * norms[0]) for norms in self.norms]

    @property
    def reaches(self) -> list[int | None]:
        """The first lag, of each layer, with less than 1 % of the gradient at lag 0; None: beyond the last lag."""
        return [first_below(norms, VANISHED * norms[0]) for norms in self.norms]

    @property
    def part_reaches(self) -> list[list[int | None]]:
        """The same for each part of the state alone, h and c, (L, S): the first lag with less than 1 % of the whole."""
        return [
            [first_below(part, VANISHED * norms[0]) for part in parts]
            for norms, parts in zip(self.norms, self.parts, strict=True)
        ]

    def as_json(self) -> dict[str, Any]:
        """Return everything, as JSON can hold it: a number that is none is null."""
        layers = [
            {
                "gradient_norm": [_number(x) for x in self.norms[layer]],
                "gradient_norm_median": [_number(x) for x in self.medians[layer]],
                "gradient_norm_of": {
                    name: [_number(x) for x in part]
                    for name, part in zip("hc", self.parts[layer], strict=False)  # one part where there is no c
                },
                "half_life": self.half_lives[layer],
                "one_percent_lag": self.reaches[layer],
                "one_percent_lag_of": dict(zip("hc", self.part_reaches[layer], strict=False)),
                "gates": {name: {"under_0.1": s[layer, 0], "over_0.9": s[layer, 1]} for name, s in self.gates.items()},
            }
            for layer in range(len(self.norms))
        ]
        contexts = [{name: _number(value) for name, value in vars(context).items()} for context in self.contexts]
        return {
            "max_lag": self.norms.shape[1] - 1,
            "losses_looked_back_from": self.places,
            "layers": layers,
            "full_loss": _number(self.full_loss),
            "contexts": contexts,
            "effective_context": self.effective_context,
            "growth_per_step": _number(self.growth),
            "growth_error": _number(self.growth_error),
        }


def measure(
    network: Network,
    inputs: Array,
    targets: Array,
    plan: Plan,
    threads: int = 1,
    done: Done = lambda share: None,
) -> Memory:
    """Measure a network's memory.

    Parameters
    ----------
    network : Network
    inputs : ndarray [shape=(plan.steps, B)] of symbols, or (plan.steps, B, D) when the input is dense
    targets : ndarray [shape=(plan.steps, B, ...)]
        As the network's loss takes them.
    plan : Plan
    threads : int
        For the losses of short contexts, which take most of the time.
    done : callable
        Is told now and then which share of the work is over.

    Raises
    ------
    ValueError
        Shapes do not fit.
    """
    if inputs.shape[:2] != targets.shape[:2] or len(inputs) != plan.steps:
        raise ValueError(f"inputs {inputs.shape} and targets {targets.shape} are not of {plan.steps} steps")
    B, window = inputs.shape[1], plan.max_lag + 1
    with threadpool_limits(limits=1, user_api="blas"):  # its threads spin where cores are busy
        state = _read(network, inputs[: plan.warm_up], network.initial_state(B))
        trajectory = Trajectory(network, window, B)
        disturbance = np.asarray(np.random.default_rng(0).standard_normal(state.shape), network.dtype)
        norms, growth, shares, places, full = [], [], [], [], []
        apart = max(1, plan.windows * window // _PLACES)
        for begin in range(plan.warm_up, plan.steps, window):
            x, y = inputs[begin : begin + window], targets[begin : begin + window]
            norms.append(trajectory.gradient_norms(x, y, state))
            growth.append(trajectory.grow(disturbance))
            shares.append(trajectory.gate_shares())
            for t in range(begin, begin + window):
                if (t - plan.warm_up) % apart == 0:
                    places += [(t, b) for b in range(B)]
                    full.append(trajectory.losses(t - begin, y[t - begin]))
            state = trajectory.final_state()
            done(0.3 * (begin + window - plan.warm_up) / (plan.steps - plan.warm_up))
        found = _Found(np.concatenate(norms, axis=-1), np.concatenate(growth), np.stack(shares).mean(axis=0))
        losses = np.concatenate(full)
        contexts = _contexts(network, inputs, targets, plan, np.array(places), losses, threads, done)
    return _summary(network, found, float(losses.mean()), contexts)


@dataclass(frozen=True)
class _Found:
    """What the windows have come to: norms (L, S, K + 1, places), growth (T, B), shares of gates (L, gates, 2)."""

    norms: Array
    growth: Array
    shares: Array


def _summary(network: Network, found: _Found, full_loss: float, contexts: list[Context]) -> Memory:
    whole = np.sqrt((found.norms**2).sum(axis=1))
    # A disturbance first has to turn to where it grows most.
    lanes = found.growth[len(found.growth) // 4 :].mean(axis=0)
    density = network.config.output == "mixture"
    allowed = WITHIN if density else WITHIN * full_loss
    near = [abs(context.excess) <= allowed for context in contexts]
    return Memory(
        norms=whole.mean(axis=-1),
        medians=np.median(whole, axis=-1),
        parts=found.norms.mean(axis=-1),
        places=whole.shape[-1],
        full_loss=full_loss,
        contexts=tuple(contexts),
        effective_context=next((c.steps for i, c in enumerate(contexts) if all(near[i:])), None),
        growth=float(lanes.mean()),
        growth_error=float(lanes.std() / np.sqrt(len(lanes))),
        gates={name: found.shares[:, i] for i, name in enumerate(GATE_NAMES[network.config.cell])},
    )


def _contexts(
    network: Network,
    inputs: Array,
    targets: Array,
    plan: Plan,
    places: Array,
    full: Array,
    threads: int,
    done: Done,
) -> list[Context]:
    """Return what the loss is in contexts cut short, at places (N, 2) of a step and a lane; full (N,) is it uncut.

    Long contexts are compared on fewer places, which is as good: they differ less from the full one.
    """
    contexts = []
    all_steps = sum(plan.contexts)
    blocks = ThreadPoolExecutor(threads)
    try:
        for k in plan.contexts:
            fewer = min(len(places), max(_FEWEST_PLACES, _LANE_STEPS // k))
            chosen = np.linspace(0, len(places) - 1, fewer).astype(np.int64)
            cuts = [
                (inputs[t - np.arange(k - 1, -1, -1)[:, None], b], targets[t, b])
                for t, b in (places[chosen[i : i + _BLOCK]].T for i in range(0, len(chosen), _BLOCK))
            ]
            losses = np.concatenate(list(blocks.map(lambda cut: _last_losses(network, *cut), cuts)))
            excess = losses - full[chosen]
            error = float(excess.std() / np.sqrt(len(excess)))
            contexts.append(Context(k, float(full.mean() + excess.mean()), float(excess.mean()), error))
            done(0.3 + 0.7 * sum(c.steps for c in contexts) / all_steps)
    finally:
        blocks.shutdown(cancel_futures=True)  # Ctrl-C does not wait for what has not begun
    return contexts


def _last_losses(network: Network, inputs: Array, targets: Array) -> Array:
    """Return the loss (B,) of the last step, targets (B, ...), after reading inputs (k, B, ...) from a zero state."""
    state = _read(network, inputs, network.initial_state(inputs.shape[1]))
    return row_losses(network, state[-1, 0], targets)


def _read(network: Network, inputs: Array, state: Array) -> Array:
    """Return the state (L, S, B, H) after inputs (T, B, ...), from ``state`` on."""
    for _, after in _chunks(network, inputs, state):
        state = after
    return state


def _chunks(network: Network, inputs: Array, state: Array) -> Iterator[tuple[Array, Array]]:
    """Yield, a few steps at a time, what the output layer reads (t, B, H), and the state after it."""
    layout, lanes = layouts(network, None), None
    for start in range(0, len(inputs), _CHUNK):
        chunk = np.ascontiguousarray(inputs[start : start + _CHUNK])
        if lanes is None or len(chunk) != lanes.T:
            lanes = Lanes(network.config, len(chunk), chunk.shape[1], network.dtype, backward=False)
        top = lanes.states(network.parameters, layout, chunk, state, None)
        state = lanes.final_state()
        yield top, state


def likeliest(network: Network, inputs: Array) -> Array:
    """Return the symbol or label (T, B) that a network holds for the likeliest at each step of inputs (T, B, ...)."""
    weight, bias = network.parameters["output.weight"], network.parameters["output.bias"]
    with threadpool_limits(limits=1, user_api="blas"):
        chunks = _chunks(network, inputs, network.initial_state(inputs.shape[1]))
        return np.concatenate([(top @ weight.T + bias).argmax(axis=-1) for top, _ in chunks])


def imagine(network: Network, steps: int, lanes: int, first: int, seed: int = 0) -> Array:
    """Return what a network of symbols itself makes up, (steps, lanes) of uint8 or int64: each symbol as often as it
    expects it.

    Parameters
    ----------
    network : Network
        Of symbols, in and out.
    steps, lanes : int
    first : int
        The symbol that each lane's first one follows; it is not part of what is returned.
    seed : int
    """  # noqa: D205
    rng, layout = np.random.default_rng(seed), layouts(network, None)
    weight, bias = network.parameters["output.weight"], network.parameters["output.bias"]
    run = Lanes(network.config, 1, lanes, network.dtype, backward=False)
    state, symbols = network.initial_state(lanes), np.empty((steps + 1, lanes), np.int64)
    symbols[0] = first
    with threadpool_limits(limits=1, user_api="blas"):
        for t in range(steps):
            top = run.states(network.parameters, layout, symbols[t : t + 1], state, None)[0]
            state = run.final_state()
            # The largest of logits plus Gumbel noise is a draw from their softmax (Gumbel 1954).
            symbols[t + 1] = (top @ weight.T + bias + rng.gumbel(size=(lanes, len(bias)))).argmax(axis=1)
    return symbols[1:]


def _number(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None
