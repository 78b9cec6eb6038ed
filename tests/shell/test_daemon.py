"""The daemon as a process of its own, with a fake model: one of them, never in the way, gone without a trace."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.shell.fake_daemon import COMMAND, Daemon, Peer, Start, wait_until
from typeahead import __version__, config
from typeahead.errors import DaemonError
from typeahead.history import History
from typeahead.shell.daemon import MAX_LOG_BYTES, prepare_kernel_cache
from typeahead.shell.launch import start_daemon
from typeahead.shell.protocol import MAX_LINE_BYTES, encode, request

pytestmark = pytest.mark.slow  # each test starts processes


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# One daemon, its socket and its files


def test_it_listens_privately_and_removes_its_socket_when_stopped(start: Start, path: Path) -> None:
    old = os.umask(0)
    try:
        daemon = start().wait_listening()
    finally:
        os.umask(old)
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    log = Path(request({"op": "status"}, 5)["log"])
    assert mode(log) == 0o600
    assert request({"op": "stop"}, 5)["pid"] == daemon.process.pid
    assert daemon.wait() == 0
    assert not path.exists()
    assert daemon.error() == ""
    assert f"listening on {path}" in log.read_text()
    assert "stopped: asked to" in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_cleanly(start: Start, path: Path, number: signal.Signals) -> None:
    daemon = start().wait_listening()
    daemon.process.send_signal(number)
    assert daemon.wait() == 0
    assert not path.exists()


def test_a_signal_ends_it_while_the_model_is_loading(start: Start, path: Path, tmp_path: Path) -> None:
    daemon = start(FAKE_GATE=str(tmp_path / "never")).wait_listening()
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.wait() == 0
    assert not path.exists()


def test_of_many_started_at_once_one_stays(start: Start, path: Path) -> None:
    daemons = [start() for _ in range(5)]
    losers = []
    wait_until(lambda: sum(one.process.poll() is None for one in daemons) == 1, "one is left")
    for daemon in daemons:
        if daemon.process.poll() is None:
            daemon.wait_listening()
        else:
            losers.append(daemon.error())
    assert len(losers) == 4
    assert all("a daemon runs already; typeahead daemon status" in error for error in losers), losers


def test_a_second_start_leaves_the_first_alone(start: Start, path: Path) -> None:
    first = start().wait_listening()
    second = start()
    assert second.wait() == 1
    assert request({"op": "ping"}, 5)["pid"] == first.process.pid


def test_a_stale_socket_is_replaced(start: Start, path: Path) -> None:
    dead = start().wait_listening()
    dead.process.kill()
    dead.wait()
    assert path.exists()
    daemon = start().wait_listening()
    assert request({"op": "ping"}, 5)["pid"] == daemon.process.pid


def test_a_file_in_the_sockets_place_is_not_removed(start: Start, path: Path) -> None:
    path.write_text("mine")
    daemon = start()
    assert daemon.wait() == 1
    assert "is not a socket, and it is in the way" in daemon.error()
    assert path.read_text() == "mine"


def test_it_removes_only_its_own_socket(start: Start, path: Path) -> None:
    daemon = start().wait_listening()
    path.unlink()
    other = socket.socket(socket.AF_UNIX)
    other.bind(str(path))
    daemon.process.terminate()
    assert daemon.wait() == 0
    assert path.exists()
    other.close()


@pytest.mark.parametrize("bits", [0o755, 0o770, 0o701])
def test_a_folder_that_others_may_enter_is_refused(start: Start, path: Path, bits: int) -> None:
    path.parent.chmod(bits)
    daemon = start()
    assert daemon.wait() == 1
    assert "not private to you" in daemon.error()
    assert not path.exists()


def test_a_socket_path_that_is_too_long_is_one_clear_line(start: Start, tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    daemon = start(TYPEAHEAD_SOCKET=str(deep / "s.sock"))
    assert daemon.wait() == 1
    assert "AF_UNIX path too long" in daemon.error()


def test_it_ends_when_nobody_has_been_connected_for_long(start: Start, path: Path, connect: Callable[[], Peer]) -> None:
    daemon = start(TYPEAHEAD_DAEMON_IDLE_S="1").wait_listening()
    peer = connect()
    assert peer.ask(op="hello", session="s")["op"] == "hello"
    time.sleep(1.6)
    assert daemon.process.poll() is None  # somebody is
    peer.close()
    assert daemon.wait() == 0
    assert not path.exists()


def test_the_log_does_not_grow_for_ever(start: Start) -> None:
    start().wait_listening()
    log = Path(request({"op": "status"}, 5)["log"])
    request({"op": "stop"}, 5)
    log.write_text("x" * MAX_LOG_BYTES)
    wait_until(lambda: not config.socket_path().exists(), "it has stopped")
    start().wait_state("warm")
    sizes = {file.name: file.stat().st_size for file in log.parent.iterdir()}
    assert sizes.keys() == {"daemon.log", "daemon.log.1"}
    assert max(sizes.values()) <= MAX_LOG_BYTES + 1000
    assert {mode(file) for file in log.parent.iterdir()} == {0o600}


def test_without_a_place_for_its_log_it_works(start: Start, isolated_home: Path) -> None:
    (isolated_home / ".local").mkdir()
    (isolated_home / ".local" / "state").write_text("in the way")
    start().wait_listening()
    assert request({"op": "status"}, 5)["log"] is None


def test_started_in_the_background_it_leaves_the_starters_session(path: Path, start: Start) -> None:
    status, started = start_daemon(path, 20, COMMAND)
    try:
        assert started
        pid = status["pid"]
        assert os.getsid(pid) == pid
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)} == {"/dev/null"}
        nicer = min(19, os.getpriority(os.PRIO_PROCESS, 0) + config.load().daemon.nice)
        assert os.getpriority(os.PRIO_PROCESS, pid) == nicer
        assert start_daemon(path, 20, COMMAND)[1] is False
    finally:
        request({"op": "stop"}, 5)
        os.waitpid(status["pid"], 0)


def test_a_daemon_that_cannot_start_is_one_clear_line(path: Path) -> None:
    with pytest.raises(DaemonError, match="does not start; typeahead daemon run shows why"):
        start_daemon(path, 0.3, [sys.executable, "-c", "raise SystemExit(1)"])
    with pytest.raises(DaemonError, match="cannot be started"):
        start_daemon(path, 0.3, ["/nonexistent/python"])


# What is said


def test_while_the_model_loads_the_history_answers(
    start: Start, connect: Callable[[], Peer], tmp_path: Path, isolated_home: Path
) -> None:
    store = History(config.history_file())
    store.add("git commit -m old", started=1.0)
    store.add("git push", started=2.0)
    store.add("git log\nrm x", started=3.0)
    store.close()
    gate = tmp_path / "gate"
    start(FAKE_GATE=str(gate)).wait_listening()
    peer = connect()
    assert peer.ask(op="hello", id=1, session="s")["state"] == "loading"
    reply = peer.ask(op="suggest", id=2, prefix="git ", n=5)
    texts = [one["text"] for one in reply["suggestions"]]
    assert (reply["state"], reply["id"], texts) == ("loading", 2, ["git push", "git commit -m old"])
    assert reply["suggestions"][0] == {"text": "git push", "source": "history", "log_prob": None}
    assert peer.ask(op="suggest", id=3, prefix="git push")["suggestions"] == []
    assert peer.ask(op="suggest", id=4, prefix="")["suggestions"] == []
    peer.send(op="suggest", id=5, prefix="git ", wait=True)
    assert peer.ask(op="ping", id=6)["id"] == 6  # the one that waits holds nobody up
    gate.touch()
    later = [peer.receive(), peer.receive()]
    assert {"op": "state", "state": "warm"} in [{"op": m["op"], "state": m["state"]} for m in later]
    (waited,) = [m for m in later if m["op"] == "suggest"]
    assert (waited["id"], waited["state"], waited["suggestions"][0]["source"]) == (5, "warm", "model")


def test_each_session_has_a_context_of_its_own(start: Start, connect: Callable[[], Peer]) -> None:
    start().wait_state("warm")
    one, two = connect(), connect()
    one.ask(op="hello", session="one", lines=[{"command": "ls", "cwd": None, "status": 0}])
    two.ask(op="hello", session="two")
    assert one.ask(op="record", id=1, command="make", status=2)["stored"] is True
    assert two.ask(op="suggest", prefix="x", cwd="/t")["suggestions"][0]["text"] == "x<>0@/t"
    assert one.ask(op="suggest", prefix="x")["suggestions"][0]["text"] == "x<ls=0|make=2>0@None"
    # A request may speak of another session than its connection's.
    assert two.ask(op="suggest", prefix="x", session="one")["suggestions"][0]["text"] == "x<ls=0|make=2>0@None"


def test_lines_run_while_the_model_loads_are_its_context_afterwards(
    start: Start, connect: Callable[[], Peer], tmp_path: Path
) -> None:
    daemon = start(FAKE_GATE=str(tmp_path / "gate")).wait_listening()
    peer = connect()
    peer.ask(op="hello", session="s", lines=[{"command": "a"}])
    peer.ask(op="record", id=1, command="b", status=0)
    (tmp_path / "gate").touch()
    daemon.wait_state("warm")
    assert peer.receive()["op"] == "state"
    assert peer.ask(op="suggest", prefix="")["suggestions"][0]["text"] == "<a=None|b=0>0@None"


def test_a_session_survives_its_connection_and_hears_nothing_twice(start: Start, connect: Callable[[], Peer]) -> None:
    start().wait_state("warm")
    first = connect()
    first.ask(op="hello", session="s")
    first.ask(op="record", id=7, command="a", started=1.0)
    first.close()
    again = connect()
    again.ask(op="hello", session="s", lines=[{"command": "a"}], last_record=3)
    assert again.ask(op="record", id=7, command="a", started=1.0)["stored"] is True  # no answer had come
    again.ask(op="record", id=8, command="b", started=2.0)
    assert again.ask(op="suggest", prefix="")["suggestions"][0]["text"] == "<a=None|b=None>0@None"
    store = History(config.history_file())
    assert store.recent(10) == ["a", "b"]
    store.close()


def test_commands_without_a_greeting_are_told_apart_by_nothing_but_their_session(
    start: Start, connect: Callable[[], Peer]
) -> None:
    start().wait_state("warm")
    for line in ("a", "b"):
        request({"op": "record", "session": "s", "command": line}, 5)  # each with the id 1
    text = request({"op": "suggest", "session": "s", "prefix": ""}, 5)["suggestions"][0]["text"]
    assert text == "<a=None|b=None>0@None"


def test_a_question_is_overtaken_by_a_newer_one_of_its_session(start: Start, connect: Callable[[], Peer]) -> None:
    start(FAKE_SUGGEST_S="0.2").wait_state("warm")
    peer, other = connect(), connect()
    peer.ask(op="hello", session="s")
    for i in range(1, 6):
        peer.send(op="suggest", id=i, prefix="x" * i)
    other.send(op="suggest", id=9, prefix="other")
    replies = {reply["id"]: reply["suggestions"] for reply in (peer.receive() for _ in range(5))}
    assert replies[5][0]["text"].startswith("xxxxx<")
    overtaken = [replies[i] for i in range(1, 5)].count(None)
    assert overtaken >= 3  # one may have been under way
    assert other.receive()["suggestions"][0]["text"].startswith("other")


def test_pings_are_answered_while_the_model_works(start: Start, connect: Callable[[], Peer]) -> None:
    start(FAKE_SUGGEST_S="0.5").wait_state("warm")
    peer = connect()
    peer.send(op="suggest", id=1, prefix="x")
    peer.send(op="ping", id=2)
    assert [peer.receive()["id"], peer.receive()["id"]] == [2, 1]


def test_unsafe_and_unfitting_suggestions_are_not_passed_on(start: Start, connect: Callable[[], Peer]) -> None:
    start().wait_state("warm")
    assert connect().ask(op="suggest", prefix="unsafe", n=2)["suggestions"] == []


def test_a_reply_is_never_longer_than_a_line_may_be(start: Start, connect: Callable[[], Peer]) -> None:
    start().wait_state("warm")
    reply = connect().ask(op="suggest", prefix="é" * 4000, n=50)
    assert 0 < len(reply["suggestions"]) < 50
    assert len(encode(reply)) <= MAX_LINE_BYTES


def test_a_suggester_that_fails_costs_one_answer_and_its_words_stay_out_of_the_log(
    start: Start, connect: Callable[[], Peer]
) -> None:
    start().wait_state("warm")
    peer = connect()
    assert peer.ask(op="suggest", prefix="raise")["suggestions"] == []
    assert peer.ask(op="suggest", prefix="x")["suggestions"] != []
    log = Path(request({"op": "status"}, 5)["log"]).read_text()
    assert "RuntimeError" in log
    assert "fake_daemon.py" in log
    assert "secret" not in log


def test_a_model_that_cannot_be_loaded_leaves_the_history(start: Start, connect: Callable[[], Peer]) -> None:
    start(FAKE_FAIL="1").wait_state("failed")
    peer = connect()
    assert peer.ask(op="hello", session="s")["state"] == "failed"
    peer.ask(op="record", command="git push")
    reply = peer.ask(op="suggest", prefix="git", wait=True)
    assert (reply["state"], reply["suggestions"][0]["text"]) == ("failed", "git push")
    assert request({"op": "status"}, 5)["problem"] == "fake.safetensors: is missing; make one"


def test_status_tells_what_there_is_to_know(start: Start, path: Path) -> None:
    daemon = start().wait_state("warm")
    status = request({"op": "status"}, 5)
    assert (status["pid"], status["version"], status["state"]) == (daemon.process.pid, __version__, "warm")
    assert (status["socket"], status["history"]) == (str(path), str(config.history_file()))
    assert status["memory_bytes"] > 1_000_000
    assert status["uptime_s"] >= 0


def test_records_are_stored_and_private_lines_are_not(start: Start, connect: Callable[[], Peer]) -> None:
    start().wait_state("warm")
    peer = connect()
    peer.ask(op="hello", session="s")
    peer.ask(op="record", id=1, command="make", cwd="/src", status=2, started=5.5, duration_s=0.25)
    peer.ask(op="record", id=2, command=" export TOKEN=x")
    peer.ask(op="record", id=3, command="odd \udcff name")
    store = History(config.history_file())
    assert store.recent(10, session="s") == ["make", "odd \udcff name"]
    row = store._connection.execute("SELECT cwd, status, started, duration_s FROM event LIMIT 1").fetchone()
    assert row == ("/src", 2, 5.5, 0.25)
    store.close()


def test_a_private_line_is_not_told_to_the_model(start: Start, connect: Callable[[], Peer]) -> None:
    start().wait_state("warm")
    peer = connect()
    peer.ask(op="hello", session="s", lines=[{"command": " export TOKEN=x"}])
    peer.ask(op="record", id=1, command=" export TOKEN=x")
    peer.ask(op="record", id=2, command="ls", status=0)
    assert peer.ask(op="suggest", prefix="x")["suggestions"][0]["text"] == "x<ls=0>0@None"


def test_a_record_waits_for_a_busy_store_and_nobody_else_does(start: Start, connect: Callable[[], Peer]) -> None:
    start().wait_state("warm")
    peer = connect()
    peer.ask(op="record", id=1, command="first")
    blocker = History(config.history_file())
    blocker._connection.execute("BEGIN IMMEDIATE")
    peer.send(op="record", id=2, command="second")
    assert peer.ask(op="ping", id=3)["id"] == 3
    blocker._connection.execute("ROLLBACK")
    assert peer.receive() == {"op": "record", "id": 2, "stored": True, "secrets": []}
    assert blocker.recent(5) == ["first", "second"]
    blocker.close()


def test_a_history_that_is_moved_away_is_begun_anew(start: Start, connect: Callable[[], Peer]) -> None:
    start().wait_state("warm")
    peer = connect()
    peer.ask(op="record", id=1, command="first")
    for file in config.history_file().parent.glob("history.sqlite*"):
        file.rename(file.with_name("old-" + file.name))
    assert peer.ask(op="record", id=2, command="second")["stored"] is True
    store = History(config.history_file())
    assert store.recent(5) == ["second"]
    store.close()


def test_a_damaged_history_is_told_and_left_alone(start: Start, connect: Callable[[], Peer]) -> None:
    config.history_file().parent.mkdir(parents=True)
    config.history_file().write_bytes(b"not a database" * 1000)
    start().wait_state("warm")
    peer = connect()
    reply = peer.ask(op="record", id=1, command="ls")
    assert reply["stored"] is False
    assert "move it away" in reply["problem"]
    assert "move it away" in request({"op": "status"}, 5)["problem"]
    assert peer.ask(op="suggest", prefix="l")["suggestions"] != []
    assert config.history_file().read_bytes() == b"not a database" * 1000


# What should not be said


@pytest.mark.parametrize(
    "line",
    [
        b"?",
        b"[]",
        b"{}",
        b'{"op": 5}',
        b'{"op": "fly"}',
        b'{"op": "suggest"}',
        b'{"op": "suggest", "prefix": 3}',
        b'{"op": "suggest", "prefix": "x", "n": 0}',
        b'{"op": "suggest", "prefix": "x", "n": true}',
        b'{"op": "suggest", "prefix": "x", "cwd": []}',
        b'{"op": "suggest", "prefix": "x", "session": ["a"]}',
        b'{"op": "record"}',
        b'{"op": "record", "command": "x", "status": "0"}',
        b'{"op": "record", "command": "x", "started": 1e300}',
        b'{"op": "hello", "session": "s", "lines": 5}',
        b'{"op": "hello", "session": "s", "lines": [5]}',
        b'{"op": "hello", "session": "s", "last_record": "x"}',
        b'{"op": "ping", "id": {"a": 1}}',
        b'{"op": "say"}',
        b'{"op": "say", "word": 5, "line": "ls"}',
        b'{"op": "say", "word": "go", "mode": "key", "key": ["accept"]}',
        b'{"op": "say", "word": "go", "line": "ls", "mode": "fly"}',
        b'{"op": "say", "word": "go", "line": "ls\\n"}',
        b'{"op": "say", "word": "go", "line": "ls", "confidence": 1e300}',
        b"\xff\xff",
        b"x" * (MAX_LINE_BYTES + 5000),
        b"[" * 60_000,
    ],
    ids=lambda line: repr(line[:50]),
)
def test_a_malformed_request_is_an_error_and_the_connection_stays(shared_daemon: Path, line: bytes) -> None:
    peer = Peer(shared_daemon)
    peer.socket.sendall(line + b"\n")
    reply = peer.receive()
    assert reply["op"] == "error"
    assert len(reply["error"]) < 300
    assert peer.ask(op="ping", id="after")["id"] == "after"
    peer.close()


@pytest.fixture(scope="module")
def shared_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One daemon for all the nonsense."""
    home = tmp_path_factory.mktemp("shared", numbered=True)
    home.chmod(0o700)
    places = {name: str(home / name) for name in ("HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")}
    daemon = Daemon(home / "s", **places).wait_state("warm")
    yield home / "s"
    assert daemon.process.poll() is None, "nonsense has ended the daemon"
    daemon.close()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
field_names = ["id", "session", "prefix", "cwd", "n", "wait", "command", "status", "started", "lines", "last_record"]
field_names += ["said", "word", "line", "mode", "key", "confidence", "cooldown_s", "when"]
requests = st.builds(
    lambda op, fields: {"op": op, **fields},
    st.sampled_from(["hello", "suggest", "record", "status", "ping", "say"]) | json_values,
    st.dictionaries(st.sampled_from(field_names), json_values),
).filter(lambda message: message["op"] != "stop")


@given(st.lists(requests.map(lambda message: json.dumps(message).encode()) | st.binary(max_size=200), max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_no_requests_whatever_end_the_daemon(shared_daemon: Path, lines: list[bytes]) -> None:
    peer = Peer(shared_daemon)
    peer.socket.sendall(b"\n".join(lines) + b"\n")
    peer.send(op="ping", id="the last")
    while b'"the last"' not in peer.file.readline():  # bytes that begin with a letter are answered in the plain dialect
        pass
    peer.close()


def test_requests_arrive_in_any_pieces(shared_daemon: Path) -> None:
    peer = Peer(shared_daemon)
    data = encode({"op": "ping", "id": "é"}) + encode({"op": "ping", "id": 2})
    for i in range(len(data)):
        peer.socket.sendall(data[i : i + 1])
    assert [peer.receive()["id"], peer.receive()["id"]] == ["é", 2]
    peer.close()


def test_a_client_that_does_not_read_is_hung_up_on(shared_daemon: Path) -> None:
    peer = Peer(shared_daemon)
    line = encode({"op": "suggest", "prefix": "x" * 4000, "n": 50, "wait": True})

    def flood() -> None:
        for _ in range(10_000):
            peer.socket.sendall(line)

    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        flood()
    peer.close()
    assert request({"op": "ping"}, 20, shared_daemon)["op"] == "ping"


def test_too_many_connections_are_turned_away_and_later_ones_welcome(shared_daemon: Path) -> None:
    peers = []
    for _ in range(260):
        one = socket.socket(socket.AF_UNIX)
        one.settimeout(20)
        while one.connect_ex(str(shared_daemon)) != 0:  # the queue of those not yet accepted is full
            time.sleep(0.01)
        peers.append(one)
    assert peers[-1].recv(1) == b""
    for one in peers:
        one.close()

    def answers() -> bool:
        try:
            return request({"op": "ping"}, 20, shared_daemon)["op"] == "ping"
        except DaemonError:
            return False

    wait_until(answers, "there is room again")


def test_another_user_is_turned_away(shared_daemon: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("optional: only root can speak as another user")
    code = f"""
import os, socket
one = socket.socket(socket.AF_UNIX)
os.setegid(65534), os.seteuid(65534)
try:
    one.connect({str(shared_daemon)!r})
except PermissionError:
    print("refused")
os.seteuid(0)
two = socket.socket(socket.AF_UNIX)
two.connect({str(shared_daemon)!r})
two.sendall(b'{{"op": "ping"}}\\n')
print(two.recv(4096)[:6])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[0] == "refused"


def test_what_a_client_said_before_it_left_is_stored_under_its_session(
    start: Start, connect: Callable[[], Peer]
) -> None:
    daemon = start().wait_state("warm")
    peer = connect()
    peer.ask(op="hello", session="s")
    daemon.process.send_signal(signal.SIGSTOP)
    for i in range(20):
        peer.send(op="record", id=i + 1, command=f"line {i}", started=float(i))
    peer.close()
    daemon.process.send_signal(signal.SIGCONT)
    wait_until(lambda: request({"op": "status"}, 5)["connections"] == 0, "its end is noticed")
    store = History(config.history_file())
    assert store.recent(50, session="s") == store.recent(50) == [f"line {i}" for i in range(20)]
    store.close()


# Where compiled kernels go


def test_compiled_kernels_go_to_a_private_folder_of_ours(monkeypatch: pytest.MonkeyPatch, isolated_home: Path) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")  # put back afterwards
    folder = prepare_kernel_cache()
    assert folder == config.cache_dir() / "numba"
    assert os.environ["NUMBA_CACHE_DIR"] == str(folder)
    assert mode(folder) == 0o700


def test_compiled_kernels_go_beside_the_socket_when_the_cache_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, isolated_home: Path
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    (isolated_home / ".cache").write_text("in the way")
    folder = prepare_kernel_cache()
    assert folder == config.runtime_dir() / "numba"
    assert mode(folder) == 0o700


def test_a_place_for_compiled_kernels_that_was_chosen_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/chosen")
    assert prepare_kernel_cache() is None
    assert os.environ["NUMBA_CACHE_DIR"] == "/chosen"


def test_beginnings_of_lines_are_weighed_by_the_model(start: Start, connect: Callable[[], Peer]) -> None:
    start().wait_state("warm")
    reply = connect().ask(op="rank", id=3, lines=["make likely", "make other"], cwd="/")
    assert (reply["op"], reply["id"], reply["log_probs"]) == ("rank", 3, [-1.0, -100.0])


@pytest.mark.parametrize("lines", [None, [], "ls", [1], ["x" * 5000], ["x"] * 65])
def test_a_malformed_ranking_is_refused(start: Start, connect: Callable[[], Peer], lines: object) -> None:
    start().wait_listening()
    assert connect().ask(op="rank", id=1, lines=lines)["op"] == "error"
