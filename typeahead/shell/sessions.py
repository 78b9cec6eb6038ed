"""The sessions that a daemon knows, and which connection is whose."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from typeahead.shell.connections import Connection
from typeahead.shell.protocol import Message, text_field

MAX_SESSIONS = 64  # kept, the least recently used of those nobody is connected to go first
_MAX_NAME = 200  # characters
_NAMELESS = "\0"  # begins the name of a session that is known by its connection alone


@dataclass
class Session:
    """One session."""

    last_record: int = 0  # id of the newest line the suggester knows of
    connections: int = 0


class Sessions:
    """Sessions by their names.

    Parameters
    ----------
    on_drop : callable
        Called with the name of a session that is known no longer.
    """

    def __init__(self, on_drop: Callable[[str], object]) -> None:
        self._on_drop = on_drop
        self._known: OrderedDict[str, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._known  # a client may say anything

    def __getitem__(self, name: str) -> Session:
        return self._known[name]

    def named(self) -> list[str]:
        """Return the names of those that somebody can come back to."""
        return [name for name in self._known if stored_name(name)]

    def name(self, connection: Connection, message: Message) -> str:
        """Return the name of the session a request speaks of, made known if it is new."""
        name = text_field(message, "session", _MAX_NAME, default=connection.session) or f"{_NAMELESS}{id(connection)}"
        if not connection.session:
            self.bind(connection, name)
        self._known.setdefault(name, Session())
        self._known.move_to_end(name)
        if len(self._known) > MAX_SESSIONS:
            unused = (other for other, session in self._known.items() if not session.connections and other != name)
            oldest = next(unused, None)
            if oldest is not None:
                self._drop(oldest)
        return str(name)

    def bind(self, connection: Connection, name: str) -> None:
        """Make ``name`` the connection's own session; "" for none."""
        left = self._known.get(connection.session)
        if left is not None:
            left.connections -= 1
            if not stored_name(connection.session):  # nobody can come back to it
                self._drop(connection.session)
        connection.session = name
        if name:
            self._known.setdefault(name, Session()).connections += 1

    def _drop(self, name: str) -> None:
        del self._known[name]
        self._on_drop(name)


def stored_name(name: str) -> str:
    """Return the name under which a session's lines are stored; empty for a nameless one."""
    return "" if name.startswith(_NAMELESS) else name
