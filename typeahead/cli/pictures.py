"""Pictures that commands draw into files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from typeahead.errors import ConfigError


@contextmanager
def drawn(picture: Path, *shape: int, dpi: int = 150, **setup: Any) -> Iterator[tuple[Any, Any]]:
    """Give a figure and its axes, as `pyplot.subplots` does, to draw on; at the end the picture is written.

    Parameters
    ----------
    picture : Path
        Its ending says what kind of file.
    shape : int
        Rows and columns of axes; one of each where nothing is said.
    dpi : int
        Dots an inch.
    setup
        More for `pyplot.subplots`.

    Raises
    ------
    ConfigError
        The picture cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")  # a picture needs no window
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(*shape, layout="constrained", **setup)
    try:
        yield figure, axes
        try:
            figure.savefig(picture, dpi=dpi)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{picture}: the picture cannot be drawn ({error}); name another place") from error
    finally:
        pyplot.close(figure)
