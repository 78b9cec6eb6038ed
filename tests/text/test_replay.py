import contextlib
import json
import math
import multiprocessing
import os
import signal
import threading
import time
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import naive_replay
from tests.text.factories import die, fail, wait
from typeahead.errors import CorpusError, TypeaheadError
from typeahead.text import replay
from typeahead.text.baselines import CharacterNgram, MostFrequent, NewestMatch, Nothing
from typeahead.text.replay import Line, Tally

WORDS = st.sampled_from(["ls", "cd", " ", "  ", "/", "a/b", "é", "x", "-l", "status", "git"])
COMMANDS = st.lists(WORDS, min_size=1, max_size=5).map("".join).map(str.strip).filter(bool)
SESSIONS = st.dictionaries(
    st.sampled_from("abc"),
    st.lists(st.builds(Line, COMMANDS, st.sampled_from([None, "/", "/tmp"])), min_size=1, max_size=6),
    min_size=1,
)


class Rambling:
    """Suggests past lines, beginnings of them, wrong and useless ones, by a generator of its own."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._lines = ["ls /a/b -l", "git status"]

    def suggest(self, prefix, cwd=None, limit=1):
        line = str(self._rng.choice(self._lines))
        cut = int(self._rng.integers(len(line) + 1))
        texts = [line, prefix + line, prefix + line[:cut], line[:cut], prefix]
        kind = int(self._rng.integers(len(texts) + 1))
        return [SimpleNamespace(text=text, log_prob=-1.0) for text in texts[kind : kind + 2]]

    def record(self, command, cwd=None):
        self._lines.append(command)


class Fixed:
    """Suggests what a table says of the prefix: (text, probability)."""

    def __init__(self, table: dict[str, tuple[str, float]]) -> None:
        self._table = table

    def suggest(self, prefix, cwd=None):
        text, probability = self._table.get(prefix, ("", 1.0))
        return [SimpleNamespace(text=text, log_prob=math.log(probability) if probability else -math.inf)]

    def record(self, command, cwd=None):
        pass


def replayed(users, factory, jobs=1):
    """Return each user's tally."""
    return {user: tally for _, user, tally in replay.replay_users(users, {"one": factory}, jobs)}


def counted(users, factory):
    """Return the figures that do not depend on the clock."""
    found = replay.figures(list(replayed(users, factory).values()))
    return {name: value for name, value in found.items() if name != "latency_ms"}


# What is read


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_lines_are_stripped_and_those_nobody_types_are_left_out(tmp_path):
    path = write(
        tmp_path / "a.jsonl",
        {"user": "late", "cmd": "  "},
        {"user": "b", "session": "b#0", "t": 1.0, "cwd": "/", "cmd": " ls \n"},
        {"user": "late", "cmd": "x" * 200},
        {"user": "b", "cmd": "two\nlines"},
        {"user": "b", "cwd": None, "cmd": "x" * 201},
        {"user": "b", "cmd": "pwd", "cwd": "/tmp"},
    )
    path.write_text(path.read_text() + "\n")
    assert replay.read_sessions(path) == {
        "b": [Line("ls", "/"), Line("pwd", "/tmp")],
        "late": [Line("x" * 200, None)],
    }
    assert list(replay.read_sessions(path)) == ["b", "late"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"user": "a", "cmd": "ls"}\nls -l\n', "line 2 is not JSON"),
        (b'{"user": "a", "cmd": "\xff"}\n', "line 1 is not JSON"),
        (b"[" * 100_000, "line 1 is not JSON"),
        (b'\n["a", "ls"]\n', "line 2 is not a JSON object"),
        (b'{"cmd": "ls"}\n', 'line 1 has no text "user"'),
        (b'{"user": "a"}\n', 'line 1 has no text "cmd"'),
        (b'{"user": 3, "cmd": "ls"}\n', 'line 1 has no text "user"'),
        (b'{"user": "a", "cmd": "ls", "cwd": 3}\n', 'line 1: "cwd" is 3'),
        (b"", "holds no command to replay"),
        (b'{"user": "a", "cmd": " "}\n', "holds no command to replay"),
    ],
)
def test_what_is_no_file_of_sessions_is_one_clear_line(tmp_path, content, message):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(CorpusError) as caught:
        replay.read_sessions(path)
    assert f"{path}" in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(CorpusError, match=r"missing\.jsonl: cannot be read \(No such file"):
        replay.read_sessions(tmp_path / "missing.jsonl")
    with pytest.raises(CorpusError, match=r"cannot be read \(Is a directory"):
        replay.read_sessions(tmp_path)


@given(st.binary(max_size=60) | st.lists(st.dictionaries(st.sampled_from(["user", "cmd", "cwd"]), st.text())).map(
    lambda rows: "\n".join(map(json.dumps, rows)).encode()
))  # fmt: skip
def test_any_file_gives_lines_that_can_be_typed_or_an_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("sessions") / "a.jsonl"
    path.write_bytes(content)
    users = {}
    with contextlib.suppress(CorpusError):
        users = replay.read_sessions(path)
        assert users
    for lines in users.values():
        assert all(line.command and "\n" not in line.command and len(line.command) <= 200 for line in lines)


# What is counted

TINY = {
    "ann": [Line("git status", None), Line("git stash", None), Line("git status", None)],
    "bob": [Line("ls", "/"), Line("ls", "/"), Line("ls -l", "/")],
}


def test_newest_match_on_six_lines_as_counted_by_hand():
    # ann, 32 characters with the Enters, keys pressed (shown before which):
    #   git status: nothing is known, 10 keys and Enter
    #   git stash: g; "git status" is shown: its "it " is taken; s (wrong: "status"), t, a, s, all before a wrong rest
    #     but the first; h with nothing shown: 7 keys and Enter, 5 shown, 1 of use
    #   git status: g; "git stash" is shown, the newest: its "it " is taken; s, t, a, t with it shown; then "git status"
    #     takes its place and is taken: 7 keys and Enter, 6 shown, 2 of use, 1 replaced
    # bob, 12 characters with the Enters:
    #   ls: 2 keys; ls: l, then "ls" is taken; ls -l: l, then "ls" is taken, then " -l" with nothing shown: 5 keys
    ann = replay.replay(TINY["ann"], NewestMatch())
    assert (ann.commands, ann.characters, ann.keys) == (3, 32, 10 + 1 + 7 + 1 + 7 + 1)
    assert (ann.shown, ann.used, ann.replaced) == (5 + 6, 1 + 2, 1)
    bob = replay.replay(TINY["bob"], NewestMatch())
    assert (bob.commands, bob.characters, bob.keys) == (3, 12, 3 + 3 + 6)
    assert (bob.shown, bob.used, bob.replaced) == (2, 2, 0)
    assert counted(TINY, NewestMatch) == {
        "users": 2,
        "commands": 6,
        "saved": round(1 - 39 / 44, 4),
        "saved_median_user": round(1 - 27 / 32, 4),  # of 0 and this, the upper one
        "acceptance": round(5 / 13, 4),
        "shown_per_key": round(13 / 33, 4),
        "flicker_per_command": round(1 / 6, 3),
        "next_first_word": 0.0,
        "next_line": 0.0,
        "empty_line_shown": 0.0,
    }


def test_without_suggestions_every_key_is_pressed():
    assert counted(TINY, Nothing) == {
        "users": 2,
        "commands": 6,
        **dict.fromkeys(["saved", "saved_median_user", "acceptance", "shown_per_key", "flicker_per_command"], 0.0),
        **dict.fromkeys(["next_first_word", "next_line", "empty_line_shown"], 0.0),
    }


def test_a_line_suggested_before_the_first_key_costs_one_key_and_enter():
    tally = replay.replay([Line("make all", None)] * 2, MostFrequent())
    assert (tally.empty_shown, tally.first_words, tally.whole_lines) == (1, 1, 1)
    assert tally.keys == (8 + 1) + (1 + 1)


@pytest.mark.parametrize(
    ("suggested", "keys"),
    [
        ("cd /tmp/a/b", 1),  # all of it
        ("cd /tmp/a/", 1 + 1),  # all of it, then one of one's own
        ("cd /var", 1 + 8),  # "cd ", then "/" is a word of one character, typed
        ("c", 1 + 10),
        ("cdx", 11),  # a word that is not there
        ("cd", 1 + 9),
        ("cd /tmp/a/bc", 1 + 10 - 2),  # by word: "cd "
        ("cd /tmp/a/b c", 1 + 10 - 2),
    ],
)
def test_one_key_takes_a_right_line_or_its_right_next_word(suggested, keys):
    tally = replay.replay([Line("cd /tmp/a/b", None)], Fixed({"": (suggested, 0.5)}))
    assert tally.keys == keys + 1


@given(SESSIONS, st.integers(0, 1000))
def test_figures_equal_those_of_the_slow_twin(users, seed):
    assert counted(users, partial(Rambling, seed)) == naive_replay.figures(users, partial(Rambling, seed))


@pytest.mark.parametrize("factory", [NewestMatch, MostFrequent, partial(CharacterNgram, 3, 0.1)])
@given(users=SESSIONS)
def test_figures_of_baselines_equal_those_of_the_slow_twin(factory, users):
    assert counted(users, factory) == naive_replay.figures(users, factory)


def test_latencies_are_those_of_each_suggestion_in_milliseconds():
    tallies = [Tally(1, 10, 5, latencies_s=[0.003, 0.001]), Tally(1, 10, 5, latencies_s=[0.002, 0.1])]
    assert replay.figures(tallies)["latency_ms"] == {"p50": 3.0, "p99": 100.0}
    assert len(replay.replay([Line("ls", None)], Nothing()).latencies_s) == 2


# Processes


@pytest.fixture(scope="module")
def _tracker():
    """Start the process that multiprocessing keeps for as long as this one lives, before a test could be blamed."""
    resource_tracker.ensure_running()


@pytest.mark.usefixtures("_tracker")
def test_the_number_of_processes_does_not_change_a_count():
    factories = {"counted": partial(CharacterNgram, 3), "none": Nothing}
    one, many = (list(replay.replay_users(TINY, factories, jobs)) for jobs in (1, 2))
    assert [found[:2] for found in one] == [(name, user) for name in factories for user in TINY]
    for _, _, tally in (*one, *many):
        tally.latencies_s = []
    assert sorted(many, key=one.index) == one


@pytest.mark.usefixtures("_tracker")
def test_an_error_in_a_process_is_the_callers():
    with pytest.raises(CorpusError, match="no suggester today"):
        replayed(TINY, fail, 2)


@pytest.mark.usefixtures("_tracker")
def test_a_process_that_is_killed_is_an_error_and_leaves_no_other():
    with pytest.raises(TypeaheadError, match="ended from outside"):
        replayed(TINY, die, 2)
    assert multiprocessing.active_children() == []


@pytest.mark.usefixtures("_tracker")
def test_an_interrupt_ends_the_processes_at_once(tmp_path):
    started = tmp_path / "started"

    def interrupt():
        while not started.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        replayed(TINY, partial(wait, started), 2)
    thread.join()
    assert multiprocessing.active_children() == []


# Intervals


def test_the_interval_of_alike_users_is_a_point():
    tallies = [Tally(commands=1, characters=10 * n, keys=4 * n) for n in (1, 2, 3)]
    assert replay.interval(replay.resampled_savings(tallies)) == (0.6, 0.6)


def test_resampled_savings_are_ratios_of_sums_over_drawn_users():
    tallies = [Tally(characters=10, keys=5), Tally(characters=1000, keys=100)]
    drawn = replay.resampled_savings(tallies, 4000)
    values, counts = np.unique(drawn.round(6), return_counts=True)
    assert values.tolist() == [0.5, round(1 - 105 / 1010, 6), 0.9]  # both the one, one of each, both the other
    assert (counts / 4000).tolist() == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_the_interval_is_near_that_of_the_normal_distribution(rng):
    keys = rng.integers(30, 70, size=200)
    tallies = [Tally(characters=100, keys=int(each)) for each in keys]
    error = 1.96 * keys.std() / 100 / math.sqrt(200)
    low, high = replay.interval(replay.resampled_savings(tallies))
    assert low == pytest.approx(1 - keys.mean() / 100 - error, abs=0.003)
    assert high == pytest.approx(1 - keys.mean() / 100 + error, abs=0.003)


def test_draws_are_the_same_for_each_suggester():
    ones = [Tally(characters=100, keys=keys) for keys in (10, 50, 90)]
    others = [Tally(characters=100, keys=keys + 5) for keys in (10, 50, 90)]
    assert replay.resampled_savings(ones) - replay.resampled_savings(others) == pytest.approx(0.05)


# Calibration


def test_reliability_of_claims_as_counted_by_hand():
    tallies = [
        Tally(claims=[(0.05, False), (0.5, True), (0.52, False)]),
        Tally(claims=[(1.0, True), (0.95, False), (0.59, True), (0.0, False), (math.nan, True)]),
    ]
    found = [(*bin[:3], round(bin.claimed, 4), round(bin.right, 4)) for bin in replay.reliability(tallies)]
    assert found == [
        (0.0, 0.1, 2, 0.025, 0.0),
        (0.5, 0.6, 3, round(1.61 / 3, 4), round(2 / 3, 4)),
        (0.9, 1.0, 2, 0.975, 0.5),
    ]


def test_a_claim_is_right_when_the_wanted_line_starts_with_the_suggestion():
    lines = [Line("git status", None), Line("go", None)]
    tally = replay.replay(lines, Fixed({"": ("git st", 0.25), "g": ("go", 1.0), "git st": ("git stop", 0.5)}))
    assert tally.claims == [(0.25, True), (0.5, False), (0.25, False), (1.0, True)]


def test_claims_that_are_true_lie_on_the_diagonal(rng):
    claimed = rng.random(20_000)
    claims = list(zip(claimed.tolist(), (rng.random(20_000) < claimed).tolist(), strict=True))
    for bin in replay.reliability([Tally(claims=claims)]):
        assert bin.right == pytest.approx(bin.claimed, abs=0.04)


def test_precision_at_coverage_takes_the_surest_first():
    claims = [(0.9, True), (0.2, False), (0.8, True), (0.7, False)]
    tally = Tally(commands=2, keys=12, claims=claims)
    found = replay.precision_at_coverage([tally], [0.01, 0.1, 0.3, 0.4, 1.0])
    assert found == [(0.1, 0.9, 1.0), (0.3, 0.7, pytest.approx(2 / 3)), (0.4, 0.2, 0.5)]


def test_nothing_claimed_is_nothing_to_calibrate():
    tally = replay.replay(TINY["ann"], NewestMatch())
    assert tally.shown > 0
    assert replay.reliability([tally]) == []
    assert replay.precision_at_coverage([tally], [0.1, 1.0]) == []
