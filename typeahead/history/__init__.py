"""The store of past commands: one SQLite file for all of a user's shells, and what other shells have kept."""

from typeahead.history.database import HistoryBusyError
from typeahead.history.store import Event, History, Use

__all__ = ["Event", "History", "HistoryBusyError", "Use"]
