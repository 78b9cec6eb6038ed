"""What is learnt of a user's lines, on tiny random networks and a real store."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from typeahead.errors import ModelFileError
from typeahead.history import Event, History
from typeahead.rnn import checkpoint
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.text import adapt
from typeahead.text.adapt import UserModel
from typeahead.text.language_model import Context, LanguageModel
from typeahead.text.suggester import Suggester

CANARY = "zqx --canary deploy"
LINES = ["git status", "ls -la", "make test", "vim src/main.c", "git add .", "git commit -m 'x'", "cd /tmp", "é日 a"]


def tiny(seed=1):
    network = Network.create(NetworkConfig(hidden_size=16), seed=seed)
    network.quantise_steps()  # as when it is loaded
    return LanguageModel(network)


@pytest.fixture(scope="module")
def model():
    return tiny()


@pytest.fixture
def history(tmp_path):
    with_lines = History(tmp_path / "history.sqlite")
    yield with_lines
    with_lines.close()


def fill(history, lines, session="s", status=0, cwd="/a"):
    for number, line in enumerate(lines):
        history.add(line, cwd=cwd, status=status, session=session, started=1000.0 + 7 * fill.count + number)
        fill.count += len(lines)


fill.count = 0


def some_lines(count):
    return [LINES[(3 * number + number // 7) % len(LINES)] for number in range(count)]


def learnt(user):
    """All that was learnt, by name: weights, optimiser, gates, and what is served."""
    served = {f"served.{name}": array for name, array in user.network.parameters.items()}
    return user._learnt.state() | served


def assert_equal(one, other, lines=LINES):
    """Bit for bit: what was learnt, and what is predicted and recalled."""
    a, b = learnt(one), learnt(other)
    assert a.keys() == b.keys()
    for name in a:
        assert np.array_equal(a[name], b[name]), name
    assert one.num_events == other.num_events
    assert one._learnt.failed == other._learnt.failed
    for past in ([], ["git add ."], ["make test", "ls -la"]):
        got, expected = one.recall.weigh(past, "/a"), other.recall.weigh(past, "/a")
        assert got.likeliest("", 99) == expected.likeliest("", 99)
        assert got.probability_of_any == expected.probability_of_any
    rows = []
    for user in (one, other):
        context = Context(user.network, user.mixer)
        context.replay([b"ls -la", b"git add ."])
        rows.append([context.seek(line.encode(), "/a").log_probs.copy() for line in lines])
    assert np.array_equal(rows[0], rows[1])


def fresh(model, history, **options):
    user = UserModel(model, **options)
    user.catch_up(history)
    return user


# What is learnt


def test_weights_gates_and_lines_are_learnt(model, history):
    fill(history, some_lines(20))
    user = UserModel(model)
    assert user.catch_up(history) == 20
    assert user.num_events == 20
    for name, array in model.network.parameters.items():
        assert not np.array_equal(user.network.parameters[name], array), name
    assert not np.array_equal(learnt(user)["gates"], learnt(UserModel(model))["gates"])
    assert set(user.recall.weigh().likeliest("", 99)) == set(some_lines(20))
    assert user.catch_up(history) == 0


def test_the_shipped_weights_are_never_written_to(model, history):
    before = {name: array.copy() for name, array in model.network.parameters.items()}
    fill(history, some_lines(10))
    fresh(model, history)
    assert all(np.array_equal(model.network.parameters[name], array) for name, array in before.items())


def test_without_adaptation_weights_and_gates_stay_but_lines_are_remembered(model, history):
    fill(history, some_lines(12))
    user = fresh(model, history, adapt=False)
    assert user.network is model.network
    assert np.array_equal(learnt(user)["gates"], learnt(UserModel(model))["gates"])
    assert user.num_events == 12
    assert user.recall.weigh().likeliest("git st", 1) == ["git status"]
    plain, mixed = Context(user.network), Context(user.network, user.mixer)
    assert mixed.seek(b"git statu").log_probs[ord("s")] > plain.seek(b"git statu").log_probs[ord("s")]


def test_what_was_imported_is_counted_but_not_trained_on(model, history):
    fill(history, LINES, session="import bash")
    user = fresh(model, history)
    assert user.num_events == len(LINES)
    assert set(user.recall.weigh().likeliest("", 99)) == set(LINES)
    for name, array in model.network.parameters.items():
        assert np.array_equal(user.network.parameters[name], array)
    fill(history, ["ls -la"], session="typed")
    user.catch_up(history)
    assert not np.array_equal(user.network.parameters["output.bias"], model.network.parameters["output.bias"])


def test_a_line_that_only_failed_is_not_learnt(model, history, tmp_path):
    fill(history, LINES)
    other = History(tmp_path / "other.sqlite")
    fill(other, LINES)
    fill(other, ["gti status", "mkae test"], status=127)
    user = fresh(model, other)
    assert user.failed("gti status")
    assert not user.failed("git status")
    assert user.recall.weigh().likeliest("gti", 5) == []
    user._learnt.failed.clear()
    assert_equal(user, fresh(model, history))
    other.close()


def test_what_follows_a_line_that_failed_is_known_to_follow_it(model, history):
    for _ in range(2):
        fill(history, ["ls"])
        fill(history, ["gti status"], status=127)
        fill(history, ["git status", "make", "pwd"])
    user = fresh(model, history)
    assert user.recall.weigh(["gti status", "ls"]).likeliest("", 1) == ["git status"]
    session = Suggester(user=user)
    session.record("ls", "/a")
    session.record("gti status", "/a", exit_status=127)
    assert [one.text for one in session.suggest("", "/a")] == ["git status"]


@pytest.mark.parametrize("status", [0, None, 130, 148])
def test_an_exit_status_that_says_nothing_is_no_failure(model, history, status):
    fill(history, ["tail -f log"], status=status)
    user = fresh(model, history)
    assert not user.failed("tail -f log")
    assert user.num_events == 1


def test_a_line_is_no_failure_once_it_worked_and_stays_none(model, history):
    user = UserModel(model)
    for status, failed, events in ((1, True, 0), (0, False, 1), (1, False, 2)):
        fill(history, ["make all"], status=status)
        user.catch_up(history)
        assert user.failed("make all") is failed
        assert user.num_events == events


@pytest.mark.parametrize("line", ["a\nb", "x" * 2000, "   "])
def test_lines_that_are_no_lines_are_passed_over(model, line):
    user = UserModel(model)
    user.learn(Event(1, line, None, 0, "s", "", 0.0, None))
    assert user.num_events == 0
    user.learn(Event(2, "ls", None, 0, "s", "", 0.0, None))
    assert user.num_events == 1


def test_lines_of_bytes_that_are_no_text_are_learnt_but_never_recalled(model):
    user = UserModel(model)
    user.learn(Event(1, "cat \udcff\udcfe", None, 0, "s", "", 0.0, None))
    user.learn(Event(2, "echo \u202ex", None, 0, "s", "", 0.0, None))
    assert user.num_events == 2
    assert user.recall.weigh().likeliest("", 9) == []


def test_what_is_typed_often_becomes_likelier_by_the_weights_alone(model, history):
    fill(history, ["kubectl get pods"] * 40)
    user = fresh(model, history)

    def log_prob(network):
        return Context(network).seek(b"kubectl get pods").line_log_probs[-1]

    assert log_prob(user.network) > log_prob(model.network) + 0.3


def test_the_order_of_arrival_decides_not_the_session_that_learnt(model, history):
    fill(history, some_lines(9))
    at_once = fresh(model, history)
    one_by_one = UserModel(model)
    for event in history.events():
        one_by_one.learn(event)
    assert_equal(at_once, one_by_one)


# Forgetting


def test_what_was_forgotten_has_left_no_bit_anywhere(model, history, tmp_path):
    clean = History(tmp_path / "clean.sqlite")
    lines = some_lines(24)
    for number, line in enumerate(lines):
        for store in (history, clean):
            store.add(line, cwd="/a", status=0, session=f"s{number % 2}", started=float(number))
        if number % 5 == 2:
            history.add(CANARY, cwd="/a", status=0, session="s0", started=number + 0.5)
    user = UserModel(model, tmp_path / "adapted")
    user.catch_up(history)
    user.save()
    without = fresh(model, clean)
    assert not np.array_equal(learnt(user)["weights.output.bias"], learnt(without)["weights.output.bias"])
    assert user.recall.weigh().likeliest("zq", 1) == [CANARY]
    assert len(history.forget("canary")) == 5
    user.catch_up(history)
    assert_equal(user, without, [*LINES, CANARY])
    user.save()
    assert_equal(fresh(model, history, path=tmp_path / "adapted"), without, [*LINES, CANARY])
    clean.close()


def test_until_it_has_relearnt_the_shipped_weights_are_served_with_what_is_left(model, history, tmp_path):
    fill(history, [*some_lines(15), CANARY, "pwd"])
    user = fresh(model, history)
    history.forget(exact=CANARY)
    assert user.catch_up(history, should_stop=lambda: True) == 0
    assert user.network is model.network
    assert user.recall.weigh().likeliest("zq", 1) == []
    assert set(user.recall.weigh().likeliest("", 99)) == {*some_lines(15), "pwd"}
    user.catch_up(history)
    assert_equal(user, fresh(model, history))


def test_forgetting_outlives_a_restart_before_it_was_relearnt(model, history, tmp_path):
    fill(history, [*some_lines(10), CANARY])
    user = fresh(model, history, path=tmp_path / "adapted")
    user.save()
    history.forget(last=1)
    again = fresh(model, history, path=tmp_path / "adapted")  # the file still holds what was forgotten
    assert_equal(again, fresh(model, history))


def test_a_user_may_forget_without_a_store(model, history):
    fill(history, some_lines(8))
    events = list(history.events())
    user = UserModel(model)
    for event in [*events, Event(99, CANARY, None, 0, "s", "", 0.0, None)]:
        user.learn(event)
    user.forget(events)
    assert_equal(user, fresh(model, history))


# What is kept


def test_interrupted_and_taken_up_again_equals_uninterrupted(model, history, tmp_path):
    path = tmp_path / "sub" / "adapted"
    lines = some_lines(30)
    fill(history, lines[:7], session="import zsh")
    fill(history, lines[7:19])
    first = fresh(model, history, path=path)
    first.save()
    assert path.stat().st_mode & 0o777 == 0o600
    fill(history, ["nothing --here"], status=1)
    fill(history, lines[19:], session="t")
    again = UserModel(model, path)
    assert again.catch_up(history) == 12
    assert_equal(again, fresh(model, history))


@pytest.mark.parametrize("stop_after", [1, 4, 13])
def test_stopped_while_catching_up_equals_uninterrupted(model, history, tmp_path, monkeypatch, stop_after):
    monkeypatch.setattr(adapt, "SAVE_EVERY", 3)
    fill(history, some_lines(16))
    calls = iter(range(99))
    user = UserModel(model, tmp_path / "adapted")
    assert user.catch_up(history, should_stop=lambda: next(calls) >= stop_after) == stop_after
    again = UserModel(model, tmp_path / "adapted")  # the first was not asked to save
    again.catch_up(history)
    user.catch_up(history)
    whole = fresh(model, history)
    assert_equal(again, whole)
    assert_equal(user, whole)


def test_what_was_kept_is_not_learnt_again(model, history, tmp_path, monkeypatch):
    fill(history, some_lines(6))
    user = fresh(model, history, path=tmp_path / "adapted")
    user.save()
    monkeypatch.setattr(adapt._Trainer, "update", None)  # a further update fails
    again = fresh(model, history, path=tmp_path / "adapted")
    assert_equal(again, user)


def test_where_nothing_can_be_saved_all_is_learnt_and_served_and_said_in_one_line(
    model, history, tmp_path, monkeypatch
):
    monkeypatch.setattr(adapt, "SAVE_EVERY", 2)
    (tmp_path / "file").touch()
    fill(history, some_lines(7))
    user = UserModel(model, tmp_path / "file" / "adapted")
    with pytest.raises(ModelFileError, match="cannot be written"):
        user.catch_up(history)
    assert_equal(user, fresh(model, history))
    assert user.catch_up(history) == 0
    history.forget(last=1)
    with pytest.raises(ModelFileError, match="cannot be written"):
        user.catch_up(history)
    assert_equal(user, fresh(model, history))


def _flip(content):
    return content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 1]) + content[len(content) // 2 + 1 :]


@pytest.mark.parametrize(
    "damage",
    [lambda content: b"", lambda content: b"hello", lambda content: content[:-9], _flip],
    ids=["empty", "foreign", "cut", "flipped"],
)
def test_a_damaged_file_is_learnt_anew(model, history, tmp_path, damage):
    path = tmp_path / "adapted"
    fill(history, some_lines(9))
    fresh(model, history, path=path).save()
    path.write_bytes(damage(path.read_bytes()))
    user = UserModel(model, path)
    assert user.catch_up(history) == 9
    assert_equal(user, fresh(model, history))
    user.save()
    assert UserModel(model, path).catch_up(history) == 0


def test_a_file_in_which_something_is_missing_is_learnt_anew_and_what_is_left_is_served_meanwhile(
    model, history, tmp_path
):
    path = tmp_path / "adapted"
    fill(history, some_lines(9))
    fresh(model, history, path=path).save()
    arrays, metadata = checkpoint.load(path)
    del arrays["weights.output.bias"]
    checkpoint.save(path, arrays, metadata)
    user = UserModel(model, path)
    assert user.catch_up(history, should_stop=lambda: True) == 0
    assert set(user.recall.weigh().likeliest("", 99)) == set(some_lines(9))
    assert user.catch_up(history) == 9
    assert_equal(user, fresh(model, history))


def test_a_file_of_other_weights_another_kind_or_another_store_is_learnt_anew(model, history, tmp_path):
    path = tmp_path / "adapted"
    fill(history, some_lines(9))
    whole = fresh(model, history)
    checkpoint.save_model(path, model.network, {})  # a model, but no user's
    assert_equal(fresh(model, history, path=path), whole)
    fresh(tiny(seed=2), history, path=path).save()
    assert_equal(fresh(model, history, path=path), whole)
    fresh(model, history, path=path, adapt=False).save()
    assert_equal(fresh(model, history, path=path), whole)


def test_the_gates_and_weights_of_one_set_of_weights_are_not_taken_up_by_another(history, tmp_path):
    path = tmp_path / "adapted"
    fill(history, some_lines(9))
    fresh(tiny(seed=1), history, path=path).save()
    assert_equal(fresh(tiny(seed=2), history, path=path), fresh(tiny(seed=2), history))


# Starts, for each line read, a process that learns and saves until it is killed, and writes its id.
PARENT = """
import os, sys
from pathlib import Path
from typeahead.history import Event, History
from typeahead.text import adapt
from typeahead.text.language_model import LanguageModel
adapt.SAVE_EVERY = 2
weights, store, path = sys.argv[1:]
model = LanguageModel.load(weights)
for number in (1, 2):  # kernels are loaded once, here
    adapt.UserModel(model).learn(Event(number, "ls", None, 0, "", "", 0.0, None))
for _ in sys.stdin:
    if pid := os.fork():
        print(pid, flush=True)
        os.waitpid(pid, 0)
        print("ended", flush=True)
        continue
    history, user = History(store), adapt.UserModel(model, Path(path))
    while True:
        user.catch_up(history)
        user._unsaved = 1  # save again and again, so that a kill may fall into it
        user.save()
"""


def test_a_process_killed_while_it_learns_or_saves_leaves_what_can_be_taken_up(model, history, tmp_path):
    weights, path = tmp_path / "m.safetensors", tmp_path / "adapted"
    checkpoint.save_model(weights, model.network, {})
    fill(history, some_lines(60))
    command = [sys.executable, "-c", PARENT, weights, history.path, path]
    progress = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        for number in range(8):
            before = path.stat().st_ino if path.exists() else None
            parent.stdin.write("\n")
            parent.stdin.flush()
            pid = int(parent.stdout.readline())
            deadline = time.monotonic() + 60
            while (path.stat().st_ino if path.exists() else None) == before and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(0.004 * number)
            os.kill(pid, signal.SIGKILL)
            assert parent.stdout.readline() == "ended\n"
            progress.append(checkpoint.load(path)[1]["events"])
        parent.stdin.close()
    assert progress[0] + progress[1] > 0
    assert progress == sorted(progress)
    assert min(progress) < 60
    again = UserModel(LanguageModel.load(weights), path)
    again.catch_up(history)
    assert again.num_events == 60
    assert_equal(again, fresh(LanguageModel.load(weights), history))


# The guard


def test_updates_that_make_other_lines_worse_are_undone(model, history, tmp_path, monkeypatch):
    monkeypatch.setattr(adapt, "_LEARNING_RATE", 3.0)
    fill(history, some_lines(40))
    user = fresh(model, history, path=tmp_path / "adapted")
    assert user.num_undone > 0
    held_out = b"grep -r error .\nsudo apt update\nls\n"

    def nats_a_byte(network):
        return -Context(network).seek(held_out.replace(b"\n", b" ")).line_log_probs[-1] / len(held_out)

    assert nats_a_byte(user.network) < nats_a_byte(model.network) + 1
    user.save()
    again = fresh(model, history, path=tmp_path / "adapted")
    assert again.num_undone == user.num_undone
    assert_equal(again, user)


def test_an_update_that_is_not_a_number_is_undone(model, monkeypatch):
    monkeypatch.setattr(adapt, "_LEARNING_RATE", float("nan"))
    user = UserModel(model)
    for number, line in enumerate(LINES):
        user.learn(Event(number + 1, line, None, 0, "s", "", 0.0, None))
    assert user.num_undone == len(LINES)
    for name, array in model.network.parameters.items():
        assert np.array_equal(user.network.parameters[name], array)


def test_at_the_rate_that_is_used_no_update_is_undone(model, history):
    fill(history, some_lines(30))
    assert fresh(model, history).num_undone == 0


# Threads


def test_one_thread_may_learn_while_another_suggests(model, history, tmp_path):
    fill(history, some_lines(60))
    user, whole = UserModel(model), fresh(model, history)
    one = Suggester(user=user)
    failures = []

    def learn():
        own = History(history.path)
        try:
            user.catch_up(own)
        except Exception as error:  # shown by the test
            failures.append(error)
        own.close()

    learner = threading.Thread(target=learn)
    learner.start()
    rounds = 0
    while learner.is_alive() or not rounds:
        line = LINES[rounds % len(LINES)]
        for length in (0, 1, 3):
            for suggestion in one.suggest(line[:length], "/a", limit=3):
                assert suggestion.text.startswith(line[:length])
        one.record(line, "/a")
        rounds += 1
    learner.join()
    assert failures == []
    assert_equal(user, whole)


def test_lines_run_while_everything_is_learnt_again_are_served_at_once(model, history):
    user = UserModel(model)
    fill(history, [*some_lines(20), CANARY])
    user.catch_up(history)
    history.forget(CANARY)
    asked = []

    def after_one():
        asked.append(1)
        return len(asked) % 2 == 0

    assert user.catch_up(history, should_stop=after_one) == 1
    fill(history, ["brand new line"])
    assert user.recall.weigh().probability("brand") == 0
    assert user.catch_up(history, should_stop=after_one) == 1
    assert user.recall.weigh().probability("brand") > 0
    assert user.recall.weigh().probability("ls -la") > 0
    assert user.recall.weigh().probability("zqx") == 0
    user.catch_up(history)
    assert user.num_events == 21
