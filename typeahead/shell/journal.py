"""The lines of one session on their way to the store: by the daemon, or straight there. Standard library only.

What is kept here holds no secret: that is taken out before a line is remembered at all.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from typeahead import config
from typeahead.errors import HistoryError
from typeahead.shell.protocol import MAX_LINE_BYTES, Message, encode, is_safe

if TYPE_CHECKING:
    from typeahead.history import History

REMEMBERED_LINES = 200  # of the session, sent to a new daemon
MAX_UNSENT_RECORDS = 100  # beyond, records go to the store directly
_MAX_KEPT_RECORDS = 1000  # while another process holds the store, too
_CLOSE_S = 2.0  # for the last records, when another process holds the store


class Journal:
    """Records that no daemon has confirmed, and the newest of those that one has.

    Parameters
    ----------
    session : str
        Names the session in the store.
    """

    def __init__(self, session: str) -> None:
        self.problem: str | None = None  # why nothing can be stored, in one line
        self.last_record = 0  # id of the newest confirmed record
        self.unsent: deque[Message] = deque()  # not confirmed, oldest first
        self._session = session
        self._num_sent = 0  # how many of them went out on this connection
        self._lines: deque[Message] = deque(maxlen=REMEMBERED_LINES)  # taken by a daemon
        self._history: History | None = None

    def add(self, record: Message) -> None:
        """Keep a record until a daemon has confirmed it; what no message can hold goes to the store at once."""
        if len(encode(record)) > MAX_LINE_BYTES:
            self._store(record)
            return
        self.unsent.append(record)
        if len(self.unsent) > MAX_UNSENT_RECORDS:
            self.store()

    def next_to_send(self) -> Message | None:
        """Return the oldest record that has not gone out on this connection, and take it as gone."""
        if self._num_sent == len(self.unsent):
            return None
        self._num_sent += 1
        return self.unsent[self._num_sent - 1]

    def send_again(self) -> None:
        """Begin anew with what is not confirmed: the connection has broken."""
        self._num_sent = 0

    def confirm(self, record_id: object, stored: bool) -> None:
        """Let go of a record that the daemon has stored, or will never take."""
        for i in range(min(self._num_sent, len(self.unsent))):
            record = self.unsent[i]
            if record["id"] == record_id:
                del self.unsent[i]
                self._num_sent -= 1
                self.last_record = record["id"]
                if stored:
                    self._remember(record)
                return

    def remembered(self, size_bytes: int) -> list[Message]:
        """Return as many of the newest lines as fit, oldest first: a new daemon continues from them."""
        lines: deque[Message] = deque()
        for line in reversed(self._lines):
            size_bytes -= len(encode(line))
            if size_bytes < 0:
                break
            lines.appendleft(line)
        return list(lines)

    def let_go(self) -> None:
        """Remember no line any longer: some of them have been forgotten elsewhere."""
        self._lines.clear()

    def newest(self, prefix: str, n: int) -> list[str]:
        """Return the newest lines of the store that start with ``prefix`` and may be shown."""
        from typeahead.text.safety import may_suggest

        try:
            lines = self._open().newest(prefix, n, single_line=True, worked=True)
        except HistoryError as error:
            self.problem = str(error)
            return []
        return [line for line in lines if is_safe(line) and may_suggest(line, prefix)]

    def forget(self, command: str) -> int:
        """Take a line out of the store, from here; return how many runs of it there were.

        Raises
        ------
        HistoryError
            The store cannot be opened or written.
        """
        self.unsent = deque(record for record in self.unsent if record["command"] != command)
        self.let_go()
        return len(self._open().forget(exact=command))

    def store(self) -> None:
        """Write what no daemon has confirmed to the store, as far as another process lets us."""
        while self.unsent and self._store(self.unsent[0]):
            self._remember(self.unsent.popleft())
            self._num_sent = max(0, self._num_sent - 1)
        while len(self.unsent) > _MAX_KEPT_RECORDS:
            self.unsent.popleft()
            self._num_sent = max(0, self._num_sent - 1)

    def close(self) -> None:
        """Store what no daemon has confirmed, with patience, and close the file."""
        deadline = time.monotonic() + _CLOSE_S
        while self.unsent and time.monotonic() < deadline:
            self.store()
        if self._history is not None:
            self._history.close()
            self._history = None

    def _remember(self, record: Message) -> None:
        self.last_record = record["id"]
        self._lines.append({key: record[key] for key in ("command", "cwd", "status")})

    def _open(self) -> History:
        if self._history is None:
            from typeahead.history import History  # here: a session with a daemon never needs SQLite

            self._history = History(config.history_file(), timeout_s=0.05)
        return self._history

    def _store(self, record: Message) -> bool:
        """Write a record to the store; one that the daemon has stored too changes nothing. False: try again later."""
        from typeahead.history import HistoryBusyError, Use

        use = record["use"]
        fields = {name: record[name] for name in ("command", "cwd", "status", "started", "duration_s")}
        try:
            self._open().add(session=self._session, use=None if use is None else Use(**use), **fields)
        except HistoryBusyError as error:
            self.problem = str(error)
            return False
        except HistoryError as error:
            self.problem = str(error)
        return True
