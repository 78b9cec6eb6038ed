"""What ``typeahead inspect --memory`` prints: curves, figures and what they mean, for one model or several."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typeahead.cli.inspect_chart import Curve, chart
from typeahead.cli.listen_view import Look

if TYPE_CHECKING:
    from typeahead.rnn.memory import Memory
    from typeahead.rnn.network import NetworkConfig

LEVEL = 0.01  # of the gradient at lag 0; `rnn.memory.VANISHED`, which would load numba
_GATES = {
    "gru": (
        ("r", "r under 0.1: the new value is made without regard to the old state."),
        ("z", "z over 0.9: a unit keeps what it holds, and the gradient passes; under 0.1 it takes what is new."),
    ),
    "lstm": (
        ("i", "i under 0.1: nothing is let into the cell."),
        ("f", "f over 0.9: the cell keeps what it holds, and the gradient passes; under 0.1 it is wiped."),
        ("o", "o under 0.1: the cell is kept from view."),
    ),
    "elman": (("|h|", "|h| over 0.9: the unit is saturated, less than a fifth of the gradient passes through tanh."),),
}
_RELU = "|h| under 0.1: the unit is (nearly) off; at 0 no gradient passes."


@dataclass(frozen=True)
class Subject:
    """A model whose memory was measured, and what on."""

    model: str
    config: NetworkConfig
    memory: Memory
    data: str  # what was read, as a sentence says it
    unit: str  # of time: "byte", "step", "reading"
    step_s: float | None = None  # where a step has a length
    of_bytes: bool = False

    @property
    def units(self) -> str:
        """The unit, more than one."""
        return f"{self.unit}s"

    @property
    def loss_unit(self) -> str:
        """What the loss is measured in."""
        return "bits per byte" if self.of_bytes else f"nats a {self.unit}"

    def loss(self, nats: float) -> float:
        """Return a loss in that unit."""
        return nats / math.log(2) if self.of_bytes else nats

    def relative(self, layer: int) -> list[float]:
        """Return a layer's norms as shares of that at lag 0."""
        norms = [float(x) for x in self.memory.norms[layer]]
        return [x / norms[0] if norms[0] > 0 else 0.0 for x in norms]

    def distance(self, steps: float) -> str:
        """Return so many steps in words."""
        number = f"{steps:.2g}" if steps < 10 else f"{steps:,.0f}"
        word = self.unit if steps == 1 else self.units
        return f"{number} {word}" + (f" ({steps * self.step_s:.2g} s)" if self.step_s else "")

    def as_json(self) -> dict[str, Any]:
        """Return all of it for a program."""
        found = self.memory.as_json()
        if self.of_bytes:
            for context in found["contexts"]:
                context["bits_per_byte"] = None if context["loss"] is None else context["loss"] / math.log(2)
        shown = {"model": self.model, "cell": self.config.cell, "data": self.data, "unit": self.unit}
        return shown | ({"step_s": self.step_s} if self.step_s else {}) | found


def page(one: Subject, look: Look) -> list[str]:
    """Return what there is to say of one model, as lines."""
    mark = ["•" if look.unicode else "*"] if len(one.memory.norms) == 1 else [str(i + 1) for i in range(9)]
    curves = [Curve(mark[i % len(mark)], one.relative(i)) for i in range(len(one.memory.norms))]
    title = f"How much the loss depends on the state so many {one.units} before (lag 0 = 1)"
    if len(curves) > 1:
        title += f"; layers {mark[0]} to {mark[len(curves) - 1]}, from the input up"
    lines = [f"{one.model}: {_network(one.config)}", *_wrapped(_read(one), look), ""]
    lines += [*_wrapped(f"{title}:", look), *chart(curves, LEVEL, look.columns - 1, look.unicode)]
    sections = [_reach(one, look), _context(one, look), _wrapped(_growth(one, look), look), _gates(one, look)]
    for section in sections:
        lines += ["", *section]
    return lines


def _wrapped(text: str, look: Look) -> list[str]:
    return textwrap.wrap(text, max(20, look.columns - 1), break_on_hyphens=False)


def _network(config: NetworkConfig) -> str:
    kind = config.cell if config.activation == "tanh" else f"{config.cell} ({config.activation})"
    return f"{kind}, {config.num_layers} layer{'s' if config.num_layers > 1 else ''} of {config.hidden_size} units"


def _read(one: Subject) -> str:
    return f"Read: {one.data}. Looked back from {one.memory.places} {one.units}."


def _lag(lag: int | None, most: int) -> str:
    return f">{most}" if lag is None else str(lag)


def _reach(one: Subject, look: Look) -> list[str]:
    memory, most = one.memory, one.memory.norms.shape[1] - 1
    rows = [["gradient, lag of", "1/2", "1 %"]]
    for layer, (half, reach) in enumerate(zip(memory.half_lives, memory.reaches, strict=True)):
        rows.append([f"layer {layer + 1}", _lag(half, most), _lag(reach, most)])
        if one.config.cell == "lstm":
            parts = zip("hc", memory.part_reaches[layer], strict=True)
            rows += [[f"  {name} alone", "", _lag(part, most)] for name, part in parts]
    return [*_table(rows), *_wrapped(_reach_in_words(one, most), look)]


def _reach_in_words(one: Subject, most: int) -> str:
    if not any(one.relative(i)[0] > 0 for i in range(len(one.memory.norms))):
        return "There is no gradient to follow back: the loss does not depend on the state, or is no number."
    if max(one.relative(i)[-1] for i in range(len(one.memory.norms))) > 1:
        return "The gradient grows on its way back: it explodes, and needs clipping (train --grad-clip) or a new start."
    reaches = one.memory.reaches
    if None in reaches:
        return f"More than 1 % is left {one.distance(most)} back, the furthest looked at (--max-lag)."
    furthest = max(reach for reach in reaches if reach is not None)
    return f"What lies more than {one.distance(furthest)} back has less than 1 % of the say: it is hardly learnt from."


def _context(one: Subject, look: Look) -> list[str]:
    memory = one.memory
    heads = [one.units, *(str(context.steps) for context in memory.contexts), "all"]
    losses = [*(context.loss for context in memory.contexts), memory.full_loss]
    values = [one.loss_unit, *(f"{one.loss(loss):.3f}" for loss in losses)]
    title = f"Loss when the state is zero so many {one.units} before:"
    table = [list(pair) for pair in zip(heads, values, strict=True)]
    wide = _table([heads, values])
    fits = max(map(len, wide)) < look.columns
    return [*_wrapped(title, look), *(wide if fits else _table(table)), *_wrapped(_context_in_words(one), look)]


def _context_in_words(one: Subject) -> str:
    near = "0.01 nats" if one.config.output == "mixture" else "1 %"
    if one.memory.effective_context is None:
        return f"The loss is not within {near} of the last for any of these: more context is used than was tried."
    enough = one.distance(one.memory.effective_context)
    return f"{enough} of context bring the loss within {near} of the last one: that much is used."


def _growth(one: Subject, look: Look) -> str:
    growth, error = one.memory.growth, one.memory.growth_error
    plus_minus = "±" if look.unicode else "+-"
    told = f"A small disturbance of the state changes by {growth:.4f} {plus_minus} {error:.4f} nats a {one.unit}: "
    if not math.isfinite(growth):
        return "What becomes of a small disturbance cannot be told: the state holds numbers that are none."
    if abs(growth) <= 2 * error:
        return told + "it neither grows nor shrinks, on the edge between forgetting and chaos."
    if growth > 0:
        return f"{told}it grows e-fold in {one.distance(1 / growth)}, and two runs a hair apart part: this is chaos."
    if growth < -10:
        return told + "it is gone at once."
    return told + f"it shrinks to 1/e in {one.distance(-1 / growth)}, and so is forgotten."


def _gates(one: Subject, look: Look) -> list[str]:
    known = _GATES[one.config.cell]
    rows = [["activations" if one.config.cell == "elman" else "gates", "", "<0.1", ">0.9"]]
    for layer in range(len(one.memory.norms)):
        for name, _ in known:
            low, high = one.memory.gates[name][layer]
            rows.append([f"layer {layer + 1}", name, f"{100 * low:.0f} %", f"{100 * high:.0f} %"])
    told = [_RELU] if one.config.activation == "relu" else [meaning for _, meaning in known]
    return [*_table(rows), *(line for sentence in told for line in _wrapped(sentence, look))]


def comparison(several: Sequence[Subject], look: Look) -> list[str]:
    """Return what there is to say of several models side by side, as lines."""
    marks = [chr(ord("a") + i) for i in range(len(several))]
    curves = [Curve(mark, one.relative(_longest(one))) for mark, one in zip(marks, several, strict=True)]
    unit = several[0].unit if len({one.unit for one in several}) == 1 else "step"
    lines: list[str] = []
    for i, (mark, one) in enumerate(zip(marks, several, strict=True)):
        lines.append(f"{mark}  {one.model}: {_network(one.config)}")
        if i + 1 == len(several) or _read(one) != _read(several[i + 1]):  # once for all that read the same
            lines += _wrapped(_read(one), look)
    title = f"How much the loss depends on the state so many {unit}s before (lag 0 = 1), in the layer that reaches back"
    lines += ["", *_wrapped(f"{title} furthest:", look), *chart(curves, LEVEL, look.columns - 1, look.unicode), ""]
    rows = [["", "1/2", "1 %", "context", "loss", "growth"]]
    for mark, one in zip(marks, several, strict=True):
        memory, most = one.memory, one.memory.norms.shape[1] - 1
        layer = _longest(one)
        context = _lag(memory.effective_context, most)
        lags = [_lag(memory.half_lives[layer], most), _lag(memory.reaches[layer], most)]
        rows.append([mark, *lags, context, f"{one.loss(memory.full_loss):.3f}", f"{memory.growth:.4f}"])
    lines += _table(rows)
    losses = " or ".join(sorted({one.loss_unit for one in several}))
    told = (
        "1/2, 1 %: the lag at which the gradient is below that. context: what brings the loss (in "
        f"{losses}) within 1 %. growth: of a small disturbance, nats a {unit}; below 0 it is forgotten."
    )
    return [*lines, *_wrapped(told, look)]


def _longest(one: Subject) -> int:
    """Return the layer whose gradient stays above 1 % for longest."""
    reaches = [math.inf if reach is None else reach for reach in one.memory.reaches]
    return reaches.index(max(reaches))


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows with their columns below one another, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            f"{cell:{'>' if i else '<'}{width}}" for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
