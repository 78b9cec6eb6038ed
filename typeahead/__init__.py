"""One recurrent network reads what you type, say and measure, and answers in your shell.

Importing the package costs nothing: the version is here, everything else is loaded when it is asked for.
"""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["Suggester", "Watcher", "__version__"]

TYPE_CHECKING = False  # as type checkers read it; importing typing would be most of what the first prompt waits for
if TYPE_CHECKING:
    from typing import Any

    from typeahead.sensor.anomaly import Watcher
    from typeahead.text.suggester import Suggester


def __getattr__(name: str) -> Any:
    if name == "Suggester":
        from typeahead.text.suggester import Suggester

        return Suggester
    if name == "Watcher":
        from typeahead.sensor.anomaly import Watcher

        return Watcher
    raise AttributeError(f"module 'typeahead' has no attribute {name!r}")
