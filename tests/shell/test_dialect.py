"""The plain dialect: fields survive any characters, and the daemon answers in it as it does in JSON."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shell.fake_daemon import Daemon, Peer, Start
from typeahead import __version__, config
from typeahead.history import History
from typeahead.shell import dialect
from typeahead.shell.protocol import MalformedError

fields = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\\\t\n\rtnr"))


@given(st.lists(fields, min_size=1))
def test_fields_survive(texts: list[str]) -> None:
    line = dialect.join_fields(texts)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert dialect.split_fields(line) == texts


@given(st.binary().filter(lambda data: not set(data) & set(b"\t\n\r\\")))
def test_bytes_that_are_no_utf_8_survive(data: bytes) -> None:
    assert dialect.join_fields(dialect.split_fields(data)) == data + b"\n"


@given(st.binary())
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    with contextlib.suppress(MalformedError):
        assert isinstance(dialect.decode(data), dict)


@given(st.text(st.characters()))
def test_half_a_character_is_no_reason_to_fail(text: str) -> None:
    assert dialect.join_fields([text]).endswith(b"\n")


@given(st.integers(0, 10**17), st.integers(1, 50), fields.filter(bool), fields)
def test_a_question_is_the_protocols(question_id: int, n: int, cwd: str, prefix: str) -> None:
    line = dialect.join_fields(["suggest", str(question_id), str(n), cwd, prefix])
    assert dialect.decode(line) == {"op": "suggest", "id": question_id, "n": n, "cwd": cwd, "prefix": prefix}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"hello\ts", {"op": "hello", "session": "s"}),
        (b"suggest\ta\t1\t\t", {"op": "suggest", "id": "a", "n": 1, "cwd": None, "prefix": ""}),
        (
            b"record\t7\t1700000000.5\t0,25\t130\t/a\\tb\tfor x; do\\necho; done",
            {
                **{"op": "record", "id": 7, "started": 1700000000.5, "duration_s": 0.25, "status": 130},
                **{"cwd": "/a\tb", "command": "for x; do\necho; done"},
            },
        ),
        (
            b"record\t8\t\t\t\t\tls",
            {
                **{"op": "record", "id": 8, "started": None, "duration_s": None, "status": None},
                **{"cwd": None, "command": "ls"},
            },
        ),
        (b"names\tll\tgs", {"op": "names", "names": ["ll", "gs"]}),
        (b"names", {"op": "names", "names": []}),
        (b"environ\tPATH=/a=b\tVIRTUAL_ENV=", {"op": "names", "environ": {"PATH": "/a=b", "VIRTUAL_ENV": ""}}),
        (b"forget\t9\tls \\\\", {"op": "forget", "id": 9, "exact": "ls \\"}),
        (b"fly\t3", {"op": "fly", "id": 3}),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_requests_are_the_protocols(line: bytes, message: dict[str, Any]) -> None:
    assert dialect.decode(line) == message


@pytest.mark.parametrize(
    "line", [b"suggest\t1\tone\t/\tls", b"suggest\t1", b"record\t1\tx\t\t\t\tls", b"hello", b"a\\b"]
)
def test_what_is_missing_or_no_number_is_malformed(line: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        dialect.decode(line)
    assert "\n" not in str(caught.value)


class PlainPeer(Peer):
    """A connection that speaks the dialect."""

    def say(self, *texts: str) -> list[str]:
        self.socket.sendall(dialect.join_fields(texts))
        return self.hear()

    def hear(self) -> list[str]:
        line = self.file.readline()
        assert line, "the daemon hung up"
        return dialect.split_fields(line)


@pytest.fixture
def daemon(start: Start) -> Daemon:
    return start().wait_state("warm")


@pytest.fixture
def peer(daemon: Daemon, path: Path) -> Iterator[PlainPeer]:
    one = PlainPeer(path)
    yield one
    one.close()


def test_the_daemon_answers_in_the_dialect(peer: PlainPeer) -> None:
    assert peer.say("hello", "s") == ["hello", __version__, "warm"]
    assert peer.say("suggest", "5", "2", "/tmp", "git c") == ["suggest", "5", "warm", "git c<>0@/tmp", "git c<>1@/tmp"]
    assert peer.say("names", "ll", "gs") == ["names", "2"]
    assert peer.say("environ", "PATH=/bin") == ["names", "0"]
    assert peer.say("suggest", "6", "1", "", "surroundings") == ["suggest", "6", "warm", "surroundings ll,gs;PATH=/bin"]
    assert peer.say("suggest", "7", "1", "", "unsafe") == ["suggest", "7", "warm"]
    assert peer.say("fly", "8")[:2] == ["error", "8"]
    assert peer.say("suggest", "8", "0", "", "x")[:2] == ["error", "8"]


def test_a_record_is_stored_with_all_it_tells_but_secrets(peer: PlainPeer) -> None:
    started = time.time() - 60
    peer.say("hello", "s")
    assert peer.say("record", "1", f"{started}", "1.5", "3", "/a\tb", "make\nall") == ["record", "1"]
    secret = "curl -H 'Authorization: Bearer " + "abcdefghij0123456789abcdefghij0123456789'"
    reply = peer.say("record", "2", f"{started + 5}", "0", "0", "/", secret)
    assert reply[:2] == ["record", "2"]
    assert len(reply) > 2
    with contextlib.closing(History(config.history_file())) as history:
        last, first = history.latest(2)
    assert (first.command, first.cwd, first.status, first.duration_s) == ("make\nall", "/a\tb", 3, 1.5)
    assert first.started == pytest.approx(started)
    assert "abcdefghij0123456789" not in last.command


def test_forgetting_is_told_to_all_in_their_own_tongue(peer: PlainPeer, connect: Callable[[], Peer]) -> None:
    peer.say("hello", "s")
    peer.say("record", "1", "", "", "0", "/", "ls -l")
    other = connect()
    other.ask(op="hello", session="t")
    assert peer.say("forget", "2", "ls -l") == ["forgot", "1"]
    assert peer.hear() == ["forget", "2", "1"]
    assert other.receive()["op"] == "forgot"


def test_a_session_goes_on_where_it_was_with_the_next_daemon(start: Start, path: Path) -> None:
    for i in range(2):
        daemon = start().wait_state("warm")
        peer = PlainPeer(path)
        peer.say("hello", "s")
        peer.say("record", str(i), str(1000.0 + i), "", "0", "/", f"line {i}")
        peer.say("stop")
        daemon.wait()
        peer.close()
    start().wait_state("warm")
    peer = PlainPeer(path)
    peer.say("hello", "s")
    assert peer.say("suggest", "7", "1", "", "x")[3] == "x<line 0=0|line 1=0>0@None"
    peer.close()


def test_a_connection_may_change_its_tongue(peer: PlainPeer) -> None:
    peer.say("hello", "s")
    assert peer.ask(op="suggest", id=1, prefix="a")["suggestions"][0]["text"].startswith("a<")
    assert peer.say("suggest", "2", "1", "", "b")[:3] == ["suggest", "2", "warm"]


def test_a_session_hears_that_the_model_is_ready(start: Start, path: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    start(FAKE_GATE=str(gate)).wait_state("loading")
    peer = PlainPeer(path)
    assert peer.say("hello", "s") == ["hello", __version__, "loading"]
    gate.touch()
    assert peer.hear() == ["state", "warm"]
    peer.close()


def test_the_daemon_stops_when_told_in_the_dialect(peer: PlainPeer, daemon: Daemon) -> None:
    assert peer.say("stop") == ["stop"]
    assert daemon.wait() == 0
