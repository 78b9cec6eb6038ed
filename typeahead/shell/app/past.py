"""Past lines, as prompt_toolkit wants its history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable

from prompt_toolkit.history import History

from typeahead.shell.lines import PastLines

_FIRST_KEYS_S = 0.03  # between the first prompt and what takes some milliseconds
_HISTORY_LINES = 1000  # within reach of Up


class PastLinesHistory(History):
    """Past lines for Up and Down."""

    def __init__(self, lines: PastLines) -> None:
        super().__init__()
        self._lines = lines

    async def load(self) -> AsyncGenerator[str, None]:
        """Yield past lines, the newest first; those of the session at once."""
        of_session = self._lines.of_session()
        for line in of_session:
            yield line
        if not self._lines.is_loaded:
            await asyncio.sleep(_FIRST_KEYS_S)
            self._lines.load()
            await asyncio.get_running_loop().run_in_executor(None, self._lines.wait)
        for line in self._lines.older()[: max(0, _HISTORY_LINES - len(of_session))]:
            yield line

    def append_string(self, string: str) -> None:
        """Leave it to the session: what has been run is a past line, what has been abandoned is not."""

    def load_history_strings(self) -> Iterable[str]:
        """Return nothing: `load` is all that is used."""
        return []

    def store_string(self, string: str) -> None:
        """Leave it to the daemon."""
