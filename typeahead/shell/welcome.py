"""What a user is told who has just begun."""

from __future__ import annotations

from typeahead import config
from typeahead.errors import TypeaheadError


def offer() -> str:
    """Return one line that says how to bring along what other shells have kept; nothing once anything is remembered.

    For a thread: SQLite has no place on the way to a prompt.
    """
    from typeahead.history.importers import found_files

    try:
        kinds = list(dict.fromkeys(kind for _, kind in found_files()))
        if not kinds or not _is_empty():
            return ""
    except (OSError, TypeaheadError):  # `typeahead doctor` says more; a prompt goes on without
        return ""
    return f"typeahead: to know what you have run in {' and '.join(kinds)}: typeahead history import"


def _is_empty() -> bool:
    from typeahead.history import History

    path = config.history_file()
    if not path.exists():
        return True
    store = History(path, timeout_s=1.0)
    try:
        return not (store.has_imported or store.latest(1))
    finally:
        store.close()
