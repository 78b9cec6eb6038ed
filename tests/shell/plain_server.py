"""What speaks the plain dialect as a daemon does and says just what a test wants said, also what no daemon would."""

from __future__ import annotations

import socket
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from typeahead import __version__
from typeahead.shell import dialect


class PlainServer:
    """Answers in a thread.

    Parameters
    ----------
    path
        Of its socket.
    table : mapping
        Prefix -> line.
    late : collection of str
        Prefixes that are answered when `tell_late` is called.

    Attributes
    ----------
    asked : list of str
        Prefixes, as they came.
    """

    def __init__(self, path: Path, table: Mapping[str, str], late: Collection[str] = ()) -> None:
        self.asked: list[str] = []
        self._table, self._late = table, late
        self._held: list[tuple[socket.socket, bytes]] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> PlainServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for one in (self._listener, *self._connections):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._thread.join(20)

    def tell_late(self) -> None:
        """Send the answers that were held back."""
        while self._held:
            connection, answer = self._held.pop()
            with suppress(OSError):
                connection.sendall(answer)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, ValueError), connection.makefile("rb") as requests:
            for request in requests:
                op, *fields = dialect.split_fields(request)
                if op == "hello":
                    connection.sendall(dialect.join_fields(["hello", __version__, "warm"]))
                if op == "suggest":
                    self._answer(connection, fields[0], fields[3])

    def _answer(self, connection: socket.socket, question_id: str, prefix: str) -> None:
        lines = [self._table[prefix]] if prefix in self._table else []
        answer = dialect.join_fields(["suggest", question_id, "warm", *lines])
        if prefix in self._late:
            self._held.append((connection, answer))
        else:
            connection.sendall(answer)
        self.asked.append(prefix)
