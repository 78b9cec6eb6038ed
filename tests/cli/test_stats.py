"""``typeahead stats``: the figures of a few lines, worked out by hand, with a daemon and without."""

from __future__ import annotations

import json
import time

from tests.cli.conftest import Run
from tests.shell.fake_daemon import Daemon
from typeahead import __version__, config
from typeahead.history import History, Use
from typeahead.shell.figures import summarise
from typeahead.shell.protocol import request

# 20 and 5 characters and two Enters; 9 + 6 keys; suggestions before 5 of them.
USES = [Use(19, 9, 4, 2, 12, (1.0, 3.0)), Use(4, 6, 1, 0, 0, (2.0,))]


def store(age_s: float = 0.0) -> None:
    history = History(config.history_file())
    for i, use in enumerate(USES):
        history.add(f"line {i}", session="s", started=time.time() - age_s + i, use=use)
    history.add("typed elsewhere", session="s")
    history.close()


def test_the_figures_of_two_lines_are_as_by_hand() -> None:
    assert summarise(USES) == {
        "lines": 2,
        "characters": 25,
        "keys": 15,
        "saved": 0.4,
        "shown_per_key": 0.3333,
        "acceptance": 0.4,
        "precision": 0.5,
        "accepted_characters": 12,
        "latency_ms": {"p50": 2.0, "p99": 3.0},
    }


def test_no_lines_have_no_shares() -> None:
    figures = summarise([])
    assert (figures["lines"], figures["keys"]) == (0, 0)
    assert [figures[name] for name in ("saved", "shown_per_key", "acceptance", "precision", "latency_ms")] == [None] * 5


def test_figures_are_printed_with_what_they_are_of(run: Run) -> None:
    store()
    status, out, error = run("stats")
    assert (status, error) == (0, "")
    assert out.splitlines() == [
        "lines        2, of 25 characters with Enter",
        "keys saved   40.0 %: 15 keys were pressed",
        "shown        before 33.3 % of the keys",
        "acceptance   40.0 % of suggestions shown were taken, wholly or a word",
        "precision    50.0 % of lines with suggestions had one taken",
        "latency      p50 2.0 ms, p99 3.0 ms",
        "daemon       not running",
    ]


def test_since_leaves_older_lines_out(run: Run) -> None:
    store(age_s=7200.0)
    assert json.loads(run("stats", "--json", "--since", "1h")[1])["lines"] == 0
    assert json.loads(run("stats", "--json", "--since", "3h")[1])["lines"] == 2


def test_without_a_history_there_are_no_figures_and_no_error(run: Run) -> None:
    status, out, error = run("stats")
    assert (status, error) == (0, "")
    assert out.startswith("lines        none typed in typeahead's shell yet\n")
    assert not config.history_file().exists()


def test_a_running_daemon_tells_of_itself(run: Run) -> None:
    daemon = Daemon(config.socket_path()).wait_state("warm")
    request({"op": "suggest", "prefix": "x"}, 5)
    status, out, _ = run("stats")
    assert status == 0
    assert f"daemon       version {__version__}, model warm, 0 lines learnt, 1 questions answered, p50" in out
    found = json.loads(run("stats", "--json")[1])["daemon"]
    assert (found["version"], found["questions"], found["learning"]) == (__version__, 1, False)
    daemon.close()
