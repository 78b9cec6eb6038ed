"""One recurrent network reads what you type, say and measure, and answers in your shell.

Importing the package costs nothing: the version is here, everything else is loaded when it is asked for.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Suggester", "__version__"]

if TYPE_CHECKING:
    from typeahead.text.suggester import Suggester


def __getattr__(name: str) -> Any:
    if name == "Suggester":
        from typeahead.text.suggester import Suggester

        return Suggester
    raise AttributeError(f"module 'typeahead' has no attribute {name!r}")
