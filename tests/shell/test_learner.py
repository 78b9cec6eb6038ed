"""What the daemon learns from the store and forgets: nothing lost by kill -9, nothing left that was forgotten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shell.fake_daemon import Peer, Start, wait_until
from typeahead import config
from typeahead.history import History, Use
from typeahead.shell.protocol import request

TOKEN = "ghp_" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"

Connect = Callable[[], Peer]


@pytest.fixture
def learnt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Return a function that returns the commands that the model knows, in the order in which it learnt them."""
    path = tmp_path / "learnt"
    monkeypatch.setenv("FAKE_LEARNT", str(path))

    def commands() -> list[str]:
        rows = path.read_text().splitlines()[1:] if path.exists() else []
        return [row.partition(" ")[2] for row in rows]

    return commands


def store_lines(commands: list[str], session: str = "elsewhere") -> None:
    """Store lines as another process does."""
    store = History(config.history_file())
    for i, command in enumerate(commands):
        store.add(command, session=session, status=0, started=float(i))
    store.close()


def stored_bytes() -> bytes:
    """Return all that the store's files hold."""
    return b"".join(file.read_bytes() for file in config.history_file().parent.iterdir())


def context(peer: Peer) -> str:
    """Return what the session's suggester knows of."""
    text = peer.ask(op="suggest", prefix="x")["suggestions"][0]["text"]
    return str(text[2 : text.index(">")])


# Learning


def test_lines_are_learnt_in_the_order_of_their_arrival_whoever_has_run_them(
    start: Start, connect: Connect, learnt: Callable[[], list[str]]
) -> None:
    store_lines(["before"])
    start().wait_state("warm")
    one, two = connect(), connect()
    one.ask(op="hello", session="one")
    two.ask(op="hello", session="two")
    one.ask(op="record", id=1, command="first")
    two.ask(op="record", id=1, command="second")
    wait_until(lambda: learnt() == ["before", "first", "second"], "all is learnt")
    store_lines(["by another process"])
    connect().ask(op="hello", session="three")
    wait_until(lambda: learnt()[3:] == ["by another process"], "that is learnt too")
    wait_until(lambda: request({"op": "stats"}, 5)["learnt"] == 4, "it is counted")
    assert request({"op": "status"}, 5)["learning"] is False


def test_killed_while_it_learns_it_goes_on_where_it_was(start: Start, learnt: Callable[[], list[str]]) -> None:
    lines = [f"line {i}" for i in range(40)]
    store_lines(lines)
    for num_known in (5, 15):
        daemon = start(FAKE_LEARN_S="0.02").wait_listening()
        wait_until(lambda num_known=num_known: len(learnt()) >= num_known, "some is learnt")
        daemon.process.kill()
        daemon.wait()
        assert len(learnt()) < 40
    start().wait_listening()
    wait_until(lambda: len(learnt()) >= 40, "the rest is learnt")
    assert learnt() == lines


def test_a_line_confirmed_before_a_kill_is_learnt_after_it(
    start: Start, connect: Connect, learnt: Callable[[], list[str]]
) -> None:
    daemon = start(FAKE_LEARN_S="60").wait_state("warm")
    peer = connect()
    assert peer.ask(op="record", id=1, command="make", started=1.0)["stored"] is True
    wait_until(lambda: request({"op": "status"}, 5)["learning"], "it is being learnt")
    daemon.process.kill()
    daemon.wait()
    start().wait_state("warm")
    wait_until(lambda: learnt() == ["make"], "it is learnt")


def test_questions_are_answered_while_it_learns(
    start: Start, connect: Connect, learnt: Callable[[], list[str]]
) -> None:
    start(FAKE_LEARN_S="60").wait_state("warm")
    peer = connect()
    peer.ask(op="hello", session="s")
    peer.ask(op="record", id=1, command="make", status=0)
    wait_until(lambda: request({"op": "status"}, 5)["learning"], "it learns")
    assert context(peer) == "make=0"
    assert learnt() == []


def test_it_ends_in_good_order_in_the_middle_of_learning(start: Start, learnt: Callable[[], list[str]]) -> None:
    store_lines([f"line {i}" for i in range(400)])
    daemon = start(FAKE_LEARN_S="0.02").wait_state("warm")
    wait_until(learnt, "some is learnt")
    request({"op": "stop"}, 5)
    assert daemon.wait() == 0
    assert 0 < len(learnt()) < 400
    assert "asked to" in (config.log_dir() / "daemon.log").read_text()


def test_how_a_line_was_typed_is_stored(start: Start, connect: Connect) -> None:
    start().wait_state("warm")
    use = {"characters": 8, "keys": 3, "shown": 2, "accepted": 1, "accepted_characters": 6, "latencies_ms": [0.5, 2]}
    connect().ask(op="record", command="git push", started=5.0, use=use)
    store = History(config.history_file())
    assert [(row.started, row.use) for row in store.usage()] == [(5.0, Use(8, 3, 2, 1, 6, (0.5, 2)))]
    store.close()


# Forgetting


def test_a_forgotten_line_is_gone_from_the_store_from_what_was_learnt_and_from_open_sessions(
    start: Start, connect: Connect, learnt: Callable[[], list[str]]
) -> None:
    start().wait_state("warm")
    one, two = connect(), connect()
    one.ask(op="hello", session="one")
    two.ask(op="hello", session="two")
    for i, line in enumerate(["ls", "echo canary", "make"]):
        one.ask(op="record", id=i + 1, command=line, status=0, started=float(i))
    two.ask(op="record", id=1, command="cat canary", status=0)
    assert (context(one), context(two)) == ("ls=0|echo canary=0|make=0", "cat canary=0")
    wait_until(lambda: len(learnt()) == 4, "all is learnt")
    assert b"canary" in stored_bytes()
    two.send(op="forget", id=9, pattern="canary")
    assert two.receive() == {"op": "forgot", "commands": 2}
    assert two.receive() == {"op": "forget", "id": 9, "forgotten": 2, "commands": 2}
    assert one.receive() == {"op": "forgot", "commands": 2}
    assert b"canary" not in stored_bytes()
    assert (context(one), context(two)) == ("ls=0|make=0", "")
    wait_until(lambda: learnt() == ["ls", "make"], "the rest is learnt anew")


@pytest.mark.parametrize(
    ("criteria", "left"),
    [
        ({"last": 1}, ["a", "b"]),
        ({"since": 1.0}, ["a"]),
        ({"exact": "a"}, ["b", "b c"]),
        ({"pattern": "b*"}, ["a"]),
        ({"pattern": "nothing"}, ["a", "b", "b c"]),
    ],
    ids=str,
)
def test_what_is_forgotten_can_be_said_in_four_ways(
    start: Start, connect: Connect, criteria: dict[str, object], left: list[str]
) -> None:
    store_lines(["a", "b", "b c"])
    start()
    wait_until(lambda: config.socket_path().exists(), "it listens")
    reply = request({"op": "forget", **criteria}, 20)
    assert (reply["forgotten"], reply["commands"]) == (3 - len(left), 3 - len(left))
    store = History(config.history_file())
    assert store.recent(10) == left
    store.close()


def test_a_line_that_still_waits_for_the_store_is_forgotten_too(start: Start, connect: Connect) -> None:
    start().wait_state("warm")
    peer = connect()
    peer.ask(op="record", id=1, command="first")
    blocker = History(config.history_file())
    blocker._connection.execute("BEGIN IMMEDIATE")
    peer.send(op="record", id=2, command="canary")
    peer.send(op="forget", id=3, exact="canary")
    assert peer.ask(op="ping", id=4)["id"] == 4
    blocker._connection.execute("ROLLBACK")
    assert [peer.receive()["op"], peer.receive()] == [
        "record",
        {"op": "forget", "id": 3, "forgotten": 1, "commands": 1},
    ]
    assert blocker.recent(5) == ["first"]
    blocker.close()


def test_forgetting_does_not_wait_for_the_learning_of_a_long_history(
    start: Start, connect: Connect, learnt: Callable[[], list[str]]
) -> None:
    store_lines([f"line {i}" for i in range(1000)])
    start(FAKE_LEARN_S="0.05").wait_state("warm")
    wait_until(learnt, "some is learnt")
    assert request({"op": "forget", "exact": "line 0"}, 20)["forgotten"] == 1
    wait_until(lambda: learnt()[:1] == ["line 1"], "it has begun anew")


def test_what_is_told_to_be_forgotten_is_not_remembered_by_that(start: Start, connect: Connect) -> None:
    start().wait_state("warm")
    peer = connect()
    peer.ask(op="hello", session="s", lines=[{"command": "typeahead forget canary"}])
    assert peer.ask(op="record", id=1, command="typeahead forget 'canary'")["stored"] is True
    assert peer.ask(op="record", id=2, command="/usr/bin/typeahead --debug forget canary")["stored"] is True
    peer.ask(op="record", id=3, command="typeahead forgetful", status=0)
    assert context(peer) == "typeahead forgetful=0"
    assert b"canary" not in stored_bytes()


def test_a_history_that_cannot_be_read_says_why_nothing_is_forgotten(start: Start) -> None:
    config.history_file().parent.mkdir(parents=True)
    config.history_file().write_bytes(b"not a database" * 1000)
    start().wait_state("warm")
    reply = request({"op": "forget", "last": 1}, 5)
    assert reply["forgotten"] == 0
    assert "move it away" in reply["problem"]


def test_without_a_history_there_is_nothing_to_forget(start: Start) -> None:
    start().wait_state("warm")
    assert request({"op": "forget", "last": 1}, 5)["forgotten"] == 0


# Secrets


def test_a_secret_is_kept_nowhere_and_its_kind_is_told(
    start: Start, connect: Connect, learnt: Callable[[], list[str]]
) -> None:
    start().wait_state("warm")
    peer = connect()
    peer.ask(op="hello", session="s", lines=[{"command": f"echo {TOKEN}"}])
    reply = peer.ask(op="record", id=1, command=f"export GITHUB_TOKEN={TOKEN}", status=0)
    assert reply == {"op": "record", "id": 1, "stored": True, "secrets": ["GitHub token"]}
    assert context(peer) == "echo ***=None|export GITHUB_TOKEN=***=0"
    wait_until(lambda: learnt() == ["export GITHUB_TOKEN=***"], "it is learnt without the secret")
    assert TOKEN.encode() not in stored_bytes()
    assert TOKEN not in (config.log_dir() / "daemon.log").read_text()


# What else a session tells and asks


def test_the_names_of_a_shell_reach_its_suggester_and_are_replaced_by_newer_ones(
    start: Start, connect: Connect
) -> None:
    start().wait_state("warm")
    peer, other = connect(), connect()

    def told(peer: Peer) -> str:
        return str(peer.ask(op="suggest", prefix="surroundings")["suggestions"][0]["text"]).partition(" ")[2]

    peer.ask(op="hello", session="s", names=["ll"], environ={"PATH": "/bin", "EDITOR": ""})
    other.ask(op="hello", session="other")
    assert (told(peer), told(other)) == ("ll;EDITOR=,PATH=/bin", "")
    assert peer.ask(op="names", id=1, names=["gs", "la"]) == {"op": "names", "id": 1, "names": 2}
    assert told(peer) == "gs,la;EDITOR=,PATH=/bin"
    peer.ask(op="names", environ={"PATH": "/opt"})
    assert told(peer) == "gs,la;PATH=/opt"


def test_why_tells_of_each_candidate_what_is_a_number(start: Start, connect: Connect) -> None:
    start().wait_state("warm")
    reply = connect().ask(op="why", id=1, prefix="git")
    assert (reply["op"], reply["prefix"], reply["state"]) == ("why", "git", "warm")
    shown, rejected = reply["reasons"]
    assert shown == {
        "text": "git!",
        "source": "history",
        "probability": 0.5,
        "worth": 3.0,
        "features": {"age": 2.0, "odd": None},
        "shown": True,
        "rejected": "",
    }
    assert (rejected["worth"], rejected["rejected"]) == (None, "holds a control character")


def test_a_question_why_does_not_overtake_a_suggestion(start: Start, connect: Connect) -> None:
    start(FAKE_SUGGEST_S="0.1").wait_state("warm")
    peer = connect()
    peer.ask(op="hello", session="s")
    for i, op in enumerate(["suggest", "suggest", "why"]):
        peer.send(op=op, id=i, prefix="x")
    replies = {reply["id"]: reply for reply in (peer.receive() for _ in range(3))}
    assert replies[1]["suggestions"]
    assert replies[2]["reasons"]


def test_stats_count_the_answers(start: Start, connect: Connect) -> None:
    start().wait_state("warm")
    peer = connect()
    assert peer.ask(op="stats")["latency_ms"] is None
    peer.ask(op="suggest", prefix="x")
    stats = peer.ask(op="stats")
    assert (stats["questions"], stats["state"]) == (1, "warm")
    assert 0 < stats["latency_ms"]["p50"] <= stats["latency_ms"]["p99"]


# Weights that come later


def test_weights_that_could_not_be_loaded_are_tried_again_when_they_have_changed(
    start: Start, connect: Connect, tmp_path: Path
) -> None:
    weights, loadable = tmp_path / "m.safetensors", tmp_path / "loadable"
    start(FAKE_FAIL=str(loadable), TYPEAHEAD_TEXT_MODEL=str(weights)).wait_state("failed")
    peer = connect()
    peer.ask(op="hello", session="s")
    peer.ask(op="record", id=1, command="make", status=0)
    loadable.touch()
    assert connect().ask(op="hello", session="other")["state"] == "failed"  # the file is as it was
    weights.write_bytes(b"weights")
    connect().ask(op="hello", session="third")
    while (told := peer.receive()) != {"op": "state", "state": "warm"}:
        assert told == {"op": "state", "state": "loading"}
    assert context(peer) == "make=0"
