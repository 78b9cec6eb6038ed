"""What a training run shows: a bar on a terminal, lines of a log elsewhere, a file of figures, a curve."""

from __future__ import annotations

import fcntl
import json
import math
import os
import shutil
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from typeahead.errors import TrainingError

if TYPE_CHECKING:
    from typeahead.rnn.loop import Event

_METRICS_STEPS = 10  # one line in so many steps, and one for every evaluation
_LOG_S = 10.0  # between lines of the plain log


class Progress:
    """A bar on a terminal, else one line every ten seconds and at every evaluation; both on standard error.

    Parameters
    ----------
    of_bytes : bool
        Whether a step of the sequence is a byte of text; else it is a moment of sound, and the loss is told in nats.
    """

    def __init__(self, of_bytes: bool = True) -> None:
        self._of_bytes = of_bytes
        self._bar: Any = None
        self._logged_at = -math.inf
        self._valid = ""
        if sys.stderr.isatty():
            from tqdm import tqdm

            # The bar takes what the figures leave; they are cut to the width by _fitting.
            self._bar = tqdm(total=1.0, bar_format="{percentage:3.0f}% {bar} {desc}", dynamic_ncols=True, leave=False)
            self.say("compiling the kernels", lasting=False)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, event: Event) -> None:
        """Show where the run stands."""
        if event.valid_bits_per_byte is not None:
            self._valid = f"valid {event.valid_bits_per_byte if self._of_bytes else event.valid_loss:.3f}"
        if self._bar is not None:
            self._bar.n = event.progress
            self._bar.set_description_str(
                _fitting(self._figures(event), shutil.get_terminal_size().columns), refresh=False
            )
            self._bar.update(0)
            return
        now = time.monotonic()
        if event.valid_loss is not None or now - self._logged_at >= _LOG_S:
            self._logged_at = now
            print(", ".join(figure for figure in self._figures(event) if figure), file=sys.stderr, flush=True)

    def _figures(self, event: Event) -> list[str]:
        """Return the figures, each as a short text, in the order in which they are shown."""
        speed = f"{event.bytes_per_s / 1000:.1f} {'kB/s' if self._of_bytes else 'k steps/s'}"
        return [
            f"step {event.step}",
            f"loss {event.loss:.3f}" if event.step else "",
            f"bits/byte {event.bits_per_byte:.3f}" if event.step and self._of_bytes else "",
            self._valid,
            f"clipped {event.clip_rate:.0%}" if event.step else "",
            speed if event.step else "",
            f"{_duration(event.left_s)} left" if event.left_s is not None else "",
        ]

    def say(self, message: str, lasting: bool = True) -> None:
        """Print a line above the bar; ``lasting=False``: only on the bar, until the next figures."""
        if self._bar is None:
            print(f"typeahead: {message}", file=sys.stderr, flush=True)
        elif lasting:
            self._bar.write(f"typeahead: {message}", file=sys.stderr)
        else:
            self._bar.set_description_str(message)


def _fitting(figures: list[str], columns: int) -> str:
    """Join as many figures as fit beside a bar of a few columns; the middle ones go first."""
    kept = list(figures)
    for least in (4, 0, 5, 1, 6):  # clip rate, step, bytes/s, loss in nats (bits/byte says the same), time left
        if len("100%  ") + 5 + len("  ".join(filter(None, kept))) <= columns:
            break
        kept[least] = ""
    return "  ".join(filter(None, kept))


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class Metrics:
    """The file of figures: one JSON object a line, steps rising; locked while a run writes to it.

    Parameters
    ----------
    path : Path
    last_step : int
        Lines of later steps are cut off: a resumed run makes them again. -1 empties the file.

    Raises
    ------
    TrainingError
        The file cannot be written, or another run is writing it.
    """

    def __init__(self, path: Path, last_step: int) -> None:
        self.path = path
        self._failed = False
        try:
            self._file: IO[bytes] = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
        except OSError as error:
            raise TrainingError(f"{path}: cannot be written ({error.strerror}); set --output elsewhere") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise TrainingError(f"{path}: another run is writing it; wait for it or set another --output") from error
        length = 0
        for line in self._file.read().splitlines(keepends=True):
            if not line.endswith(b"\n") or _step(line) > last_step:
                break
            length += len(line)
        self._file.truncate(length)
        self._file.seek(length)

    def add(self, event: Event) -> bool:
        """Write the event if it is one to be kept; return False the first time that this fails."""
        if event.step % _METRICS_STEPS and event.valid_loss is None and event.gradient_norms is None:
            return True
        # JSON knows no NaN, which the loss before the first step is. How long is left is for the moment only.
        figures = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in vars(event).items()
            if name != "left_s"
        }
        if event.gradient_norms is not None:
            figures["gradient_norms"] = [[_short(norm) for norm in layer] for layer in event.gradient_norms]
        try:
            self._file.write(json.dumps(figures).encode() + b"\n")
        except OSError:
            first, self._failed = not self._failed, True
            return not first
        return True

    def close(self) -> None:
        """Close the file and with it the lock."""
        self._file.close()


def _short(norm: float) -> float | None:
    return float(f"{norm:.3g}") if math.isfinite(norm) else None


def _step(line: bytes) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf


def draw_curve(metrics: Path, picture: Path, of_bytes: bool = True) -> None:
    """Draw bits per byte, or the loss, over the steps of a metrics file, on training and on validation data.

    Raises
    ------
    TrainingError
        The picture cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")  # a picture needs no window
    from matplotlib import pyplot

    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    name, figure_name = ("bits_per_byte", "bits per byte") if of_bytes else ("loss", "loss (nats)")
    for key, label in ((name, "training (smoothed)"), (f"valid_{name}", "validation")):
        points = [(line["step"], line[key]) for line in lines if line[key] is not None]
        if points:
            axes.plot(*zip(*points, strict=True), label=label, marker="o" if len(points) < 40 else None, markersize=3)
    axes.set(xlabel="step", ylabel=figure_name, title=metrics.name.removesuffix(".metrics.jsonl"))
    axes.legend()
    axes.grid(alpha=0.3)
    try:
        figure.savefig(picture, dpi=150)
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{picture}: the curve cannot be drawn ({error}); the model and metrics are kept"
        ) from error
    finally:
        pyplot.close(figure)
