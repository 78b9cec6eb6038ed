"""The client against real daemons that are late, killed, stopped, foreign or not there: it never waits, never loses."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.shell.fake_daemon import COMMAND, Daemon, wait_until
from typeahead import __version__, config
from typeahead.errors import DaemonError
from typeahead.history import History
from typeahead.shell.client import Client, Reply, request
from typeahead.shell.journal import MAX_UNSENT_RECORDS
from typeahead.shell.protocol import MAX_LINE_BYTES, encode, open_connection

pytestmark = pytest.mark.slow  # each test starts processes

TOKEN = "ghp_" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"


@pytest.fixture
def open_client(path: Path) -> Iterator[Callable[..., Client]]:
    clients: list[Client] = []

    def open_one(**options: Any) -> Client:
        clients.append(Client(path, **{"command": COMMAND, **options}))
        return clients[-1]

    yield open_one
    for client in clients:
        client.autostart = False
        client.close()

    def ended() -> bool:
        with suppress(DaemonError):
            request({"op": "stop"}, 5)  # again for each: one that was slow to start takes over from one that has ended
        for client in clients:
            client._reap()
        return not any(client._children for client in clients)

    wait_until(ended, "all daemons have ended")


def settle(client: Client, condition: Callable[[], Any], what: str) -> list[Reply]:
    """Drive the client as an event loop would, until the condition holds; return the replies on the way."""
    replies: list[Reply] = []

    def turn() -> Any:
        replies.extend(client.receive())
        return condition()

    wait_until(turn, what)
    return replies


def answer(client: Client, prefix: str, **options: Any) -> Reply:
    """Ask, and return the answer."""
    question = client.suggest(prefix, **options)
    replies: list[Reply] = []

    def turn() -> Any:
        replies.extend(client.receive())
        return replies

    wait_until(turn, f"{prefix!r} is answered")
    assert replies[0].id == question
    return replies[0]


def stored() -> list[str]:
    store = History(config.history_file())
    try:
        return store.recent(10_000)
    finally:
        store.close()


def daemon_pid() -> int:
    return int(request({"op": "ping"}, 5)["pid"])


def test_it_starts_the_daemon_and_asks_the_model(open_client: Callable[..., Client]) -> None:
    client = open_client()
    assert (client.state, client.fileno()) == ("offline", -1)
    client.tick()
    settle(client, lambda: client.state == "warm", "the model is warm")
    reply = answer(client, "git", cwd="/x", n=2)
    assert [one.text for one in reply.suggestions] == ["git<>0@/x", "git<>1@/x"]
    assert (reply.prefix, reply.state, reply.suggestions[0].source) == ("git", "warm", "model")
    assert client.retry_s is None


def test_a_question_put_before_there_is_a_daemon_is_answered_by_it(open_client: Callable[..., Client]) -> None:
    assert answer(open_client(), "git").prefix == "git"


def test_a_death_costs_nothing(open_client: Callable[..., Client]) -> None:
    client = open_client()
    client.record("ls", status=0, started=1.0)
    settle(client, lambda: client.state == "warm", "the model is warm")
    answer(client, "a")
    os.kill(daemon_pid(), signal.SIGKILL)
    client.record("make", status=2, started=2.0)
    reply = answer(client, "git")
    while reply.state != "warm":
        settle(client, lambda: client.state == "warm", "the model is warm again")
        reply = answer(client, "git")
    # The new daemon knows the session's lines, those of before and that of between.
    assert reply.suggestions[0].text == "git<ls=0|make=2>0@None"
    settle(client, lambda: stored() == ["ls", "make"], "both lines are stored")


def test_a_question_that_a_daemon_took_to_its_grave_is_put_to_the_next(
    open_client: Callable[..., Client], path: Path
) -> None:
    daemon = Daemon(path, FAKE_SUGGEST_S="60").wait_state("warm")
    client = open_client(autostart=False)
    question = client.suggest("git")
    settle(client, lambda: client.state == "warm", "there is a connection")
    assert client.receive() == []
    daemon.close()
    following = Daemon(path).wait_state("warm")
    replies: list[Reply] = []
    wait_until(lambda: replies or replies.extend(client.receive()), "an answer comes")
    assert replies[0].id == question
    following.close()


def test_it_works_through_many_deaths_and_stores_each_line_once(open_client: Callable[..., Client]) -> None:
    client = open_client()
    for i in range(5):
        client._next_start = 0.0  # do not wait out the back-off
        client.record(f"line {i}", started=float(i))
        settle(client, lambda: client.state in ("warm", "loading"), "there is a daemon")
        client.record(f"more {i}", started=i + 0.5)
        os.kill(daemon_pid(), signal.SIGKILL)
        settle(client, lambda: client.state == "offline", "its end is noticed")
    client.close()
    assert stored() == [text for i in range(5) for text in (f"line {i}", f"more {i}")]


def test_only_the_newest_question_is_answered(open_client: Callable[..., Client], path: Path) -> None:
    daemon = Daemon(path, FAKE_SUGGEST_S="0.05").wait_state("warm")
    client = open_client(autostart=False)
    ids = [client.suggest("x" * i) for i in range(1, 30)]
    replies: list[Reply] = []
    wait_until(lambda: replies or replies.extend(client.receive()), "an answer comes")
    time.sleep(0.3)
    assert [reply.id for reply in [*replies, *client.receive()]] == [ids[-1]]
    daemon.close()


def test_callbacks_follow_the_socket(open_client: Callable[..., Client]) -> None:
    client = open_client()
    events: list[tuple[str, int]] = []
    client.on_connect = lambda fd: events.append(("connect", fd))
    client.on_disconnect = lambda fd: events.append(("disconnect", fd))
    client.tick()
    settle(client, lambda: client.state == "warm", "the model is warm")
    assert events == [("connect", client.fileno())]
    os.kill(daemon_pid(), signal.SIGKILL)
    settle(client, lambda: client.state == "offline", "its end is noticed")
    client.autostart = False
    client.close()
    assert [name for name, _ in events] == ["connect", "disconnect"]
    assert events[0][1] == events[1][1]


def test_the_socket_is_readable_when_there_is_an_answer(open_client: Callable[..., Client]) -> None:
    client = open_client()
    client.tick()
    settle(client, lambda: client.state == "warm", "the model is warm")
    client.suggest("git")
    replies: list[Reply] = []
    while not replies:
        assert select.select([client.fileno()], [], [], 20)[0]
        replies = client.receive()
    assert replies[0].prefix == "git"


def test_a_second_client_of_a_session_goes_on_where_the_first_left(open_client: Callable[..., Client]) -> None:
    for i, wanted in enumerate(["x<line 0=0>0@None", "x<line 0=0|line 1=0>0@None"]):
        client = open_client(session="s")
        client.record(f"line {i}", status=0)
        settle(client, lambda client=client: client.state == "warm" and not client._journal.unsent, "the daemon knows")
        assert answer(client, "x").suggestions[0].text == wanted
        client.autostart = False
        client.close()


def test_without_any_daemon_nothing_raises_and_nothing_is_lost(open_client: Callable[..., Client]) -> None:
    client = open_client(command=["/nonexistent/python"])
    for i in range(3):
        client.record(f"line {i}", cwd="/x", status=i, started=float(i), duration_s=0.5)
        client.suggest("line")
        assert client.receive() == []
    assert "cannot be started" in str(client.problem)
    assert client.state == "offline"
    client.close()
    assert stored() == ["line 0", "line 1", "line 2"]
    assert client.suggestions_from_history("line") == ["line 0"]  # the others failed


def test_a_daemon_that_dies_at_once_is_not_started_again_and_again(
    open_client: Callable[..., Client], tmp_path: Path
) -> None:
    log = tmp_path / "starts"
    code = f"open({str(log)!r}, 'a').write('x')"
    client = open_client(command=[sys.executable, "-c", code])
    client.tick()
    deadline = time.monotonic() + 1.2
    while time.monotonic() < deadline:
        client.tick()
        time.sleep(0.005)
    wait_until(lambda: log.exists(), "it was started")
    assert len(log.read_text()) <= 3  # at 0, 0.5 and 1.5 s: the pause doubles
    client.autostart = False
    wait_until(lambda: (client.tick(), not client._children)[1], "its children are collected")


def test_private_and_empty_lines_go_nowhere(open_client: Callable[..., Client]) -> None:
    client = open_client(autostart=False)
    for line in (" secret", "", "  ", "\t"):
        client.record(line)
    client.record("ls")
    client.close()
    assert stored() == ["ls"]


def test_a_line_too_long_for_the_protocol_is_stored_all_the_same(open_client: Callable[..., Client]) -> None:
    client = open_client()
    long = "cat <<END\n" + "é" * MAX_LINE_BYTES + "\nEND"
    client.record(long, started=1.0)
    client.record("ls", started=2.0)
    settle(client, lambda: not client._journal.unsent, "the daemon has confirmed")
    assert stored() == [long, "ls"]


def test_a_prefix_too_long_is_not_asked(open_client: Callable[..., Client]) -> None:
    client = open_client()
    assert client.suggest("x" * 10_000) == 0
    assert answer(client, "x").prefix == "x"


def test_odd_bytes_arrive_as_they_are(open_client: Callable[..., Client]) -> None:
    client = open_client()
    client.record("cat \udcff.txt é 日本", cwd="/tmp/\udcfe", started=1.0)
    settle(client, lambda: not client._journal.unsent, "the daemon has confirmed")
    assert stored() == ["cat \udcff.txt é 日本"]


def test_a_stopped_daemon_holds_nothing_up(open_client: Callable[..., Client], path: Path) -> None:
    daemon = Daemon(path).wait_state("warm")
    client = open_client(autostart=False)
    client.tick()
    settle(client, lambda: client.state == "warm", "there is a connection")
    daemon.process.send_signal(signal.SIGSTOP)
    text = "x" * 4000
    for i in range(3 * MAX_UNSENT_RECORDS):  # far more than the socket takes
        client.record(f"{i} {text}", started=float(i))
        client.suggest(f"{text}{i}")
    assert len(client._journal.unsent) <= MAX_UNSENT_RECORDS
    assert len(client._outbox) <= 2 * MAX_LINE_BYTES
    daemon.process.send_signal(signal.SIGCONT)
    client.close()
    wanted = [f"{i} {text}" for i in range(3 * MAX_UNSENT_RECORDS)]
    wait_until(lambda: stored() == wanted or client.problem, "every line is stored, once")
    assert (stored() == wanted, client.problem) == (True, None)
    daemon.close()


def test_the_last_lines_wait_for_a_busy_store(open_client: Callable[..., Client]) -> None:
    client = open_client(autostart=False)
    client.record("ls")
    code = (
        "import sys, time, typeahead.history\n"
        "store = typeahead.history.History(sys.argv[1])\n"
        "store._connection.execute('BEGIN IMMEDIATE'), print(flush=True), time.sleep(0.5)"
    )
    command = [sys.executable, "-P", "-c", code, str(config.history_file())]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as blocker:
        assert blocker.stdout is not None
        blocker.stdout.readline()
        client.close()
    assert stored() == ["ls"]


def test_many_clients_share_one_daemon(open_client: Callable[..., Client]) -> None:
    clients = [open_client() for _ in range(6)]
    for client in clients:
        client.tick()  # each starts one: one of them stays
    for i, client in enumerate(clients):
        client.record(f"line {i}", status=0)
        settle(client, lambda client=client: client.state == "warm" and not client._journal.unsent, "all are connected")
        assert answer(client, "x").suggestions[0].text == f"x<line {i}=0>0@None"
    assert request({"op": "status"}, 5)["connections"] == len(clients)
    assert sorted(stored()) == [f"line {i}" for i in range(6)]


def test_a_secret_is_taken_out_before_a_line_is_kept(open_client: Callable[..., Client], path: Path) -> None:
    client = open_client(autostart=False)
    assert client.record(f"curl -H 'Authorization: Bearer {TOKEN}' x", status=0) == ["GitHub token"]
    assert client.record("ls", status=0) == []
    assert TOKEN not in repr(list(client._journal.unsent))
    daemon = Daemon(path).wait_state("warm")
    settle(client, lambda: not client._journal.unsent, "the daemon has confirmed")
    assert answer(client, "x").suggestions[0].text == "x<curl -H 'Authorization: Bearer ***' x=0|ls=0>0@None"
    assert stored() == ["curl -H 'Authorization: Bearer ***' x", "ls"]
    daemon.close()


def test_a_secret_is_taken_out_without_a_daemon_too(open_client: Callable[..., Client]) -> None:
    client = open_client(autostart=False)
    client.record(f"export GITHUB_TOKEN={TOKEN}")
    client.close()
    assert stored() == ["export GITHUB_TOKEN=***"]
    assert TOKEN.encode() not in b"".join(file.read_bytes() for file in config.history_file().parent.iterdir())


def test_how_a_line_was_typed_is_stored_with_a_daemon_and_without(
    open_client: Callable[..., Client], path: Path
) -> None:
    use = {"characters": 2, "keys": 3, "shown": 1, "accepted": 0, "accepted_characters": 0, "latencies_ms": [1.5]}
    client = open_client(autostart=False)
    client.record("ls", started=1.0, use=use)
    client.close()
    daemon = Daemon(path).wait_state("warm")
    client = open_client(autostart=False)
    client.record("ls", started=2.0, use=use)
    settle(client, lambda: not client._journal.unsent, "the daemon has confirmed")
    store = History(config.history_file())
    assert [row.use for row in store.usage()] == [(2, 3, 1, 0, 0, (1.5,))] * 2
    store.close()
    daemon.close()


def test_names_and_places_are_told_to_each_daemon(open_client: Callable[..., Client], path: Path) -> None:
    environ = {"EDITOR": "a secret", "PATH": "/bin", "HOME": "/home/me"}
    wanted = "surroundings ll,gs;EDITOR=,HOME=/home/me,PATH=/bin"
    client = open_client(autostart=False, environ=environ)
    client.names(["ll", "gs"])
    for _ in range(2):
        daemon = Daemon(path).wait_state("warm")
        settle(client, lambda: client.state == "warm", "there is a connection")
        assert answer(client, "surroundings").suggestions[0].text == wanted
        daemon.close()
        settle(client, lambda: client.state == "offline", "its end is noticed")


def test_any_number_of_names_and_variables_fits_into_messages(open_client: Callable[..., Client], path: Path) -> None:
    daemon = Daemon(path).wait_state("warm")
    environ = {"PATH": "\udcff" * 20_000, **{f"VARIABLE_{i}": "x" * 100 for i in range(10_000)}}
    client = open_client(autostart=False, environ=environ)
    for i in range(250):
        client.record(f"{i} " + "é" * 200)
    client.names([f"function_{i}" for i in range(20_000)], environ)
    settle(client, lambda: not client._journal.unsent, "the daemon has confirmed")
    client.connect()
    for message in (client._hello(), client._names):
        assert message is not None
        assert len(encode(message)) <= MAX_LINE_BYTES
    assert answer(client, "surroundings").suggestions[0].text.startswith("surroundings function_0,function_1,")
    daemon.close()


def test_a_line_is_forgotten_and_all_sessions_hear_of_it(open_client: Callable[..., Client], path: Path) -> None:
    daemon = Daemon(path).wait_state("warm")
    one, two = open_client(autostart=False), open_client(autostart=False)
    heard: list[tuple[str, int]] = []
    one.on_forgotten = lambda number: heard.append(("one", number))
    two.on_forgotten = lambda number: heard.append(("two", number))
    two.tick()
    settle(two, lambda: two.state == "warm", "there is a connection")
    one.record("ls", status=0)
    one.record("echo canary", status=0)
    one.forget("echo canary")
    settle(one, lambda: heard, "it is forgotten")
    settle(two, lambda: len(heard) == 2, "the other one has heard")
    assert sorted(heard) == [("one", 1), ("two", 1)]
    assert stored() == ["ls"]
    assert answer(one, "x").suggestions[0].text == "x<ls=0>0@None"
    daemon.close()
    daemon = Daemon(path).wait_state("warm")  # a new one hears nothing of it from the sessions either
    assert "canary" not in answer(one, "x").suggestions[0].text
    heard.clear()
    one.forget("never run")
    settle(one, lambda: heard, "that is answered")
    assert heard == [("one", 0)]
    daemon.close()


def test_a_line_is_forgotten_without_a_daemon(open_client: Callable[..., Client]) -> None:
    client = open_client(autostart=False)
    client.record("ls")
    client.close()
    heard: list[int] = []
    client = open_client(autostart=False)
    client.on_forgotten = heard.append
    client.record("echo canary")
    client.forget("ls")
    client.forget("echo canary")
    assert heard == [1, 0]  # what is not stored yet only does not get there
    client.close()
    assert stored() == []


def test_what_a_daemon_took_to_its_grave_is_forgotten_by_the_next(
    open_client: Callable[..., Client], path: Path
) -> None:
    daemon = Daemon(path).wait_state("warm")
    client = open_client(autostart=False)
    client.record("echo canary")
    settle(client, lambda: client.state == "warm" and not client._journal.unsent, "the daemon has confirmed")
    daemon.process.send_signal(signal.SIGSTOP)
    client.forget("echo canary")
    daemon.close()
    following = Daemon(path).wait_state("warm")
    heard: list[int] = []
    client.on_forgotten = heard.append
    settle(client, lambda: heard, "it is forgotten")
    assert stored() == []
    following.close()


class FalseDaemon:
    """Something that listens where the daemon should, and says what the test wants."""

    def __init__(self, path: Path) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.listener.settimeout(20)
        self.peer: socket.socket | None = None

    def accept(self) -> None:
        self.peer, _ = self.listener.accept()
        self.peer.settimeout(20)

    def say(self, data: bytes) -> None:
        assert self.peer is not None
        self.peer.sendall(data)

    def heard(self) -> list[dict[str, Any]]:
        assert self.peer is not None
        return [json.loads(line) for line in self.peer.recv(1 << 20).splitlines()]

    def close(self) -> None:
        if self.peer is not None:
            self.peer.close()
        self.listener.close()


@pytest.fixture
def false_daemon(path: Path) -> Iterator[FalseDaemon]:
    false = FalseDaemon(path)
    yield false
    false.close()
    path.unlink(missing_ok=True)


def test_nonsense_from_the_other_side_is_ignored(open_client: Callable[..., Client], false_daemon: FalseDaemon) -> None:
    client = open_client(autostart=False)
    question = client.suggest("git ")
    false_daemon.accept()
    good = {"text": "git push", "source": "model", "log_prob": -0.5}
    bad: list[Any] = [
        {"text": "git \x1b[2J", "source": "model", "log_prob": 0},
        {"text": "git a\nrm -rf ~", "source": "model", "log_prob": 0},
        {"text": "rm", "source": "model", "log_prob": 0},
        {"text": "git x", "source": "model", "log_prob": "much"},
        {"source": "model"},
        5,
        None,
    ]
    for data in (b"\n", b"nonsense\n", b"[]\n", b"\xff\n", b"{}\n", encode({"op": "suggest"}), encode({"op": 5})):
        false_daemon.say(data)
    false_daemon.say(encode({"op": "hello", "version": __version__, "state": ["odd"]}))
    false_daemon.say(encode({"op": "record", "id": [1]}))
    false_daemon.say(encode({"op": "suggest", "id": question + 1, "prefix": "git ", "suggestions": [good]}))
    reply = {"op": "suggest", "id": question, "prefix": "git ", "state": "warm", "suggestions": [*bad, good]}
    false_daemon.say(encode(reply))
    replies: list[Reply] = []
    wait_until(lambda: replies or replies.extend(client.receive()), "the answer comes")
    assert [one.text for one in replies[0].suggestions] == ["git push"]
    assert client.receive() == []


def test_an_endless_line_is_hung_up_on(open_client: Callable[..., Client], false_daemon: FalseDaemon) -> None:
    client = open_client(autostart=False)
    client.tick()
    false_daemon.accept()
    false_daemon.say(b"x" * (MAX_LINE_BYTES + 1))
    client.receive()
    assert client._inbox == b"" or client.fileno() == -1 or len(client._inbox) <= MAX_LINE_BYTES


def test_a_daemon_of_another_version_is_asked_to_stop_once(
    open_client: Callable[..., Client], false_daemon: FalseDaemon
) -> None:
    client = open_client()
    client.tick()
    assert _greeted_by_another_version(client, false_daemon) == ["hello", "stop", "suggest"]
    client._next_start = time.monotonic() + 60  # nothing is started here
    settle(client, lambda: client.state == "offline", "it has hung up")
    assert _greeted_by_another_version(client, false_daemon) == ["hello", "suggest", "suggest"]


def _greeted_by_another_version(client: Client, false: FalseDaemon) -> list[str]:
    """Return what the client says to it, up to a question; then the connection ends."""
    false.accept()
    false.say(encode({"op": "hello", "version": "0.0.0", "state": "warm"}))
    settle(client, lambda: client.state == "warm", "the greeting has come")
    client.suggest("git")
    heard: list[str] = []
    wait_until(lambda: "suggest" in heard or heard.extend(m["op"] for m in false.heard()), "it is asked")
    assert false.peer is not None
    false.peer.close()
    return heard


def test_an_old_version_makes_room_for_the_new(open_client: Callable[..., Client], path: Path, tmp_path: Path) -> None:
    old = tmp_path / "old_daemon.py"
    old.write_text(
        "import typeahead\ntypeahead.__version__ = '0.0.1'\nimport runpy\n"
        f"runpy.run_path({COMMAND[2]!r}, run_name='__main__')\n"
    )
    process = subprocess.Popen([sys.executable, "-P", str(old)], env={**os.environ, "TYPEAHEAD_SOCKET": str(path)})
    wait_until(path.exists, "the old one listens")
    client = open_client()
    client.record("ls", status=0)
    settle(client, lambda: process.poll() is not None, "the old one has ended")
    assert process.returncode == 0
    settle(client, lambda: client.state == "warm", "the new one is warm")
    assert request({"op": "ping"}, 5)["version"] == __version__
    assert answer(client, "x").suggestions[0].text == "x<ls=0>0@None"


def test_a_folder_that_is_not_private_means_no_daemon_and_no_error(
    monkeypatch: pytest.MonkeyPatch, isolated_home: Path
) -> None:
    folder = config.runtime_dir()
    folder.chmod(0o755)
    config.runtime_dir.cache_clear()
    client = Client()
    client.tick()
    client.record("ls")
    client.suggest("l")
    assert client.receive() == []
    assert (client.state, client.retry_s) == ("offline", None)
    assert "not a private folder" in str(client.problem)
    client.close()
    assert stored() == ["ls"]


def test_a_request_for_a_command_waits_and_says_what_is_wrong(path: Path, false_daemon: FalseDaemon) -> None:
    with pytest.raises(DaemonError, match=r"no answer from the daemon within 0\.1 s"):
        request({"op": "ping"}, 0.1)
    with pytest.raises(DaemonError, match="too long"):
        request({"op": "x" * MAX_LINE_BYTES}, 1)
    false_daemon.listener.close()
    with pytest.raises(DaemonError, match=r"no daemon answers .*; start one: typeahead daemon start"):
        request({"op": "ping"}, 0.1)
    path.unlink()
    with pytest.raises(DaemonError, match="No such file or directory"):
        request({"op": "ping"}, 0.1)


def test_whoever_listens_as_another_user_is_not_talked_to(path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("optional: only root can listen as another user")
    folder = path.parent / "public"
    folder.mkdir()
    path.parent.parent.chmod(0o755)
    path.parent.chmod(0o755)
    folder.chmod(0o777)
    code = f"""
import os, socket, sys
os.setegid(65534), os.seteuid(65534)
one = socket.socket(socket.AF_UNIX)
one.bind({str(folder / "s")!r})
one.listen()
print("ready", flush=True)
sys.stdin.read()
"""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"ready\n"
        with pytest.raises(DaemonError, match="somebody else listens here"):
            open_connection(folder / "s", 1.0)
        other.communicate()


def test_it_is_standard_library_only_and_loads_nothing_slow(isolated_home: Path) -> None:
    code = (
        "import sys, typeahead.shell.client\n"
        "client = typeahead.shell.client.Client(autostart=False); client.tick(); client.suggest('x'); client.close()\n"
        "print([name for name in sys.modules if name.partition('.')[0] in "
        "('asyncio', 'numpy', 'numba', 'subprocess', 'logging', 'sqlite3', 'click', 'prompt_toolkit', 'platformdirs')])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
