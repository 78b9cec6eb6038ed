"""Curves over lags: in characters, the height a logarithm, and as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typeahead.cli.pictures import drawn

_DECADES = 6  # shown at most below the top: what is smaller is as good as nothing
_LABEL = 6  # columns before the axis
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")  # told apart by all (Okabe and Ito 2008)
_STYLES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Curve:
    """``values[k]`` belongs to lag k; ``mark`` is the character that draws it."""

    mark: str
    values: Sequence[float]


def chart(curves: Sequence[Curve], level: float, columns: int, unicode: bool = True) -> list[str]:
    """Return rows, none wider than ``columns``: values above 0 over lags, and a dashed line at ``level``.

    The ends of the scale are powers of ten. Where two curves meet, the later one is seen.
    """
    wide = max(8, columns - _LABEL - 1)
    top, bottom = _scale(curves, level)
    a_decade = 3 if top - bottom <= 3 else 2
    high = a_decade * (top - bottom) + 1

    def row(value: float) -> int | None:
        if not (value > 0 and math.isfinite(value)):
            return None
        at = round((top - math.log10(value)) * a_decade)
        return at if at < high else None

    grid = [[" "] * wide for _ in range(high)]
    dashed = row(level)
    if dashed is not None:
        grid[dashed] = list(("╌" if unicode else "- ") * wide)[:wide]
    for curve in curves:
        before: int | None = None
        for column in range(wide):
            at = row(_between(curve.values, column / (wide - 1)))
            if at is not None:
                steep = range(min(before, at) + 1, max(before, at)) if before is not None else ()
                for other in (*steep, at):
                    grid[other][column] = curve.mark
            before = at
    bar, tick = ("│", "┤") if unicode else ("|", "+")
    labels = {i * a_decade: _power(top - i) for i in range(top - bottom + 1)}
    rows = [f"{labels.get(i, ''):>{_LABEL}}{tick if i in labels else bar}{''.join(grid[i])}" for i in range(high)]
    return [line.rstrip() for line in (*rows, *_axis(len(curves[0].values) - 1, wide, unicode))]


def _scale(curves: Sequence[Curve], level: float) -> tuple[int, int]:
    """Return the powers of ten at the top and at the bottom."""
    logs = [math.log10(v) for curve in curves for v in curve.values if v > 0 and math.isfinite(v)] or [0.0]
    top = max(0, math.ceil(max(logs) - 0.02))
    lowest = min(math.floor(min(logs) + 0.02), math.floor(math.log10(level)) - 1)
    return top, max(lowest, top - _DECADES)


def _between(values: Sequence[float], share: float) -> float:
    """Return the value at a share of the way along the lags, between two of them geometrically."""
    at = share * (len(values) - 1)
    low = min(int(at), len(values) - 2)
    one, other = values[low], values[low + 1]
    if not (one > 0 and other > 0):
        return one if at - low < 0.5 else other
    return math.exp(math.log(one) + (at - low) * (math.log(other) - math.log(one)))


def _power(exponent: int) -> str:
    return {2: "100", 1: "10", 0: "1", -1: "0.1", -2: "0.01"}.get(exponent, f"1e{exponent}")


def _axis(last: int, wide: int, unicode: bool) -> list[str]:
    """Return the axis with its ticks, and the lags below them."""
    steps = [factor * 10**power for power in range(6) for factor in (1, 2, 5)]
    step = next(step for step in steps if last / step <= max(1, wide // 9))
    line, tick, corner = ("─", "┬", "└") if unicode else ("-", "+", "+")
    axis, labels = [line] * wide, [" "] * (_LABEL + 1 + wide + 8)
    for lag in range(0, last + 1, step):
        column = round(lag / last * (wide - 1))
        axis[column] = tick
        text = str(lag)
        begin = min(_LABEL + 1 + column - (len(text) - 1) // 2, _LABEL + 1 + wide - len(text))
        labels[begin : begin + len(text)] = text
    return [" " * _LABEL + corner + "".join(axis), "".join(labels)]


@dataclass(frozen=True)
class Drawn:
    """What a picture shows of one model: norms of each layer over lags, and the loss over contexts."""

    name: str
    layers: Sequence[Sequence[float]]
    contexts: Sequence[tuple[float, float]]
    full: float  # the loss with all context


def draw(models: Sequence[Drawn], level: float, units: str, loss: str, picture: Path) -> None:
    """Draw the gradient over lags and the loss over contexts side by side; the file's ending says what kind of file.

    Parameters
    ----------
    models : sequence of Drawn
    level : float
        Of the dashed line.
    units, loss : str
        What lags are counted in, and what the loss is measured in.
    picture : Path

    Raises
    ------
    ConfigError
        The picture cannot be written.
    """
    from matplotlib import rc_context

    sizes: Any = {"font.size": 8.5, "axes.spines.top": False, "axes.spines.right": False, "svg.fonttype": "none"}
    with rc_context(sizes), drawn(picture, 1, 2, dpi=160, figsize=(8, 3), width_ratios=(1.25, 1)) as (_, (left, right)):
        for i, model in enumerate(models):
            colour = _COLOURS[i % len(_COLOURS)]
            for layer, norms in enumerate(model.layers):
                told = f"{model.name}, layer {layer + 1}" if len(model.layers) > 1 else model.name
                hue = colour if len(models) > 1 else _COLOURS[layer % len(_COLOURS)]
                style = _STYLES[layer % len(_STYLES)]
                left.plot([x or math.nan for x in norms], style, color=hue, label=told, linewidth=1.6)
            if model.contexts:
                right.plot(*zip(*model.contexts, strict=True), "o-", color=colour, markersize=3, linewidth=1.4)
                right.axhline(model.full, color=colour, linewidth=0.8, linestyle=":")
        left.axhline(level, color="0.4", linewidth=0.8, linestyle="--")
        left.text(1, level * 1.25, f"{100 * level:g} %", color="0.4", ha="right", transform=left.get_yaxis_transform())
        left.set(yscale="log", xlabel=f"lag ({units} back)", ylabel="gradient, lag 0 = 1", xlim=(0, None))
        shown = [x for model in models for norms in model.layers for x in norms if x > 0] or [1.0]
        left.set_ylim(max(10.0**-_DECADES, min(*shown, level) / 2), max(2.0, 2 * max(shown)))
        right.set(xscale="log", xlabel=f"context ({units})", ylabel=f"loss ({loss})")
        steps = [steps for steps, _ in models[0].contexts]
        right.set_xticks(steps, [str(k) for k in steps], minor=False)
        right.minorticks_off()
        for axes in (left, right):
            axes.grid(alpha=0.25, linewidth=0.6)
        left.legend(frameon=False, loc="best")
