"""The daemon's end of its sockets: whole lines in, whole lines out; nobody who does not read holds anybody else up."""

from __future__ import annotations

import os
import selectors
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from typeahead.shell import dialect
from typeahead.shell.protocol import MAX_LINE_BYTES, Message, encode, peer_uid

MAX_CONNECTIONS = 200
_MAX_OUTBOX_BYTES = 1 << 20  # of a client that does not read; beyond, it is hung up on


@dataclass(eq=False)
class Connection:
    """One client."""

    socket: socket.socket
    inbox: bytearray = field(default_factory=bytearray)
    outbox: bytearray = field(default_factory=bytearray)
    skipping: bool = False  # inside a line that was too long
    greeted: bool = False
    plain: bool = False  # speaks the plain dialect
    session: str = ""  # "" is replaced by a private one
    wants_said: bool = False  # is a line editor, which wants to be told of spoken words
    typed: float = 0.0  # when somebody typed or spoke there last, by the monotonic clock
    busy: bool = False  # a command runs there, so that it has no prompt


class Connections:
    """All clients of one listening socket.

    Parameters
    ----------
    listener : socket
        Bound and listening.
    on_line : callable
        Called with a connection and a line that it has said.
    on_end : callable
        Called with a connection that has been hung up on.
    """

    def __init__(
        self,
        listener: socket.socket,
        on_line: Callable[[Connection, bytes], None],
        on_end: Callable[[Connection], None],
    ) -> None:
        self._listener = listener
        self._on_line = on_line
        self._on_end = on_end
        self._open: set[Connection] = set()
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = socket.socketpair()
        for end in (listener, self._woken, self._waker):
            end.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._open))  # whoever is sent something may have gone

    @property
    def wake_fd(self) -> int:
        """A file descriptor to which `signal.set_wakeup_fd` may write."""
        return self._waker.fileno()

    def wake(self) -> None:
        """Make `work` return; from any thread."""
        with suppress(OSError):  # full: it will wake anyway; closed: it has ended
            self._waker.send(b"\0")

    def work(self, timeout_s: float) -> None:
        """Wait for something to happen, at most ``timeout_s``, and do what is due."""
        for key, events in self._selector.select(timeout_s):
            if key.fileobj is self._listener:
                self._accept()
            elif key.fileobj is self._woken:
                with suppress(BlockingIOError):
                    self._woken.recv(4096)
            else:
                self._serve(key.data, events)

    def send(self, connection: Connection, message: Message) -> None:
        """Say something; of a list that makes the message too long, what fits."""
        encoded = dialect.encode if connection.plain else encode
        line = encoded(message)
        rows = message.get("suggestions") or message.get("reasons")
        while len(line) > MAX_LINE_BYTES and rows:
            rows.pop()
            line = encoded(message)
        connection.outbox += line
        self._flush(connection)

    def stop_listening(self) -> None:
        """Let nobody else in."""
        self._listener.close()

    def close(self) -> None:
        """Say what is left to say and hang up on all."""
        self.stop_listening()
        for connection in self:
            connection.socket.settimeout(0.2)
            with suppress(OSError):
                connection.socket.sendall(connection.outbox)
            self._hang_up(connection)
        self._selector.close()
        self._woken.close()
        self._waker.close()

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except OSError:
            return
        if peer_uid(accepted) not in (None, os.getuid()) or len(self._open) >= MAX_CONNECTIONS:
            accepted.close()
            return
        accepted.setblocking(False)
        connection = Connection(accepted)
        self._open.add(connection)
        self._selector.register(accepted, selectors.EVENT_READ, connection)

    def _serve(self, connection: Connection, events: int) -> None:
        if connection not in self._open:  # hung up on a moment ago
            return
        if events & selectors.EVENT_WRITE:
            self._flush(connection)
        if not events & selectors.EVENT_READ:
            return
        try:
            data = connection.socket.recv(MAX_LINE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._hang_up(connection)
            return
        connection.inbox += data
        *lines, rest = bytes(connection.inbox).split(b"\n")
        connection.inbox = bytearray(rest)
        for line in lines:
            if connection.skipping:
                connection.skipping = False
            elif line.strip() and connection in self._open:
                self._on_line(connection, line)
        if len(connection.inbox) >= MAX_LINE_BYTES:
            if not connection.skipping:
                self.send(connection, {"op": "error", "id": None, "error": f"a line over {MAX_LINE_BYTES} bytes"})
            connection.skipping = True
            connection.inbox.clear()

    def _flush(self, connection: Connection) -> None:
        if connection not in self._open:
            return
        try:
            while connection.outbox:
                del connection.outbox[: connection.socket.send(connection.outbox)]
        except BlockingIOError:
            if len(connection.outbox) > _MAX_OUTBOX_BYTES:
                self._hang_up(connection)
                return
        except OSError:
            connection.outbox.clear()  # it has gone, but what it said before may still be unread: records, perhaps
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.outbox else 0)
        self._selector.modify(connection.socket, events, connection)

    def _hang_up(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._selector.unregister(connection.socket)
        connection.socket.close()
        self._on_end(connection)
