import json
import os
import pty
import re
import termios
from functools import partial
from pathlib import Path

import pytest

from tests import naive_replay
from typeahead import Suggester
from typeahead.cli.sessions import HEADINGS, PARTS
from typeahead.rnn import checkpoint
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.text import suggester
from typeahead.text.baselines import CharacterNgram, NewestMatch
from typeahead.text.replay import read_sessions

pytestmark = pytest.mark.slow  # each test starts processes

LINES = {
    "ann": ["git status", "ls", "git status", "git stash", "ls", "git status"],
    "bob": ["cd /tmp", "ls", "cd /tmp", "ls -l"],
    "cy": ["make", "make test", "make"],
}
BASELINES = ["none", "newest match", "after the same line", "most frequent", "character n-gram"]
SESSIONS = ["evaluate", "sessions", "sessions.jsonl"]
MODEL = ["--model", "model.safetensors"]


@pytest.fixture
def folder(folder: Path) -> Path:
    """Return the current folder, with a small model and three users' sessions."""
    checkpoint.save_model(
        folder / "model.safetensors", Network.create(NetworkConfig(hidden_size=8), 1), {"kind": "text"}
    )
    rows = [{"user": user, "cmd": line, "cwd": "/"} for user, lines in LINES.items() for line in lines]
    (folder / "sessions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def evaluate(run):
    """Return a function that evaluates the sessions: the report of --json."""

    def evaluate(*args: str) -> dict:
        status, out, _ = run(*SESSIONS, "--json", *args)
        assert status == 0
        return json.loads(out)

    return evaluate


class Recorded(NewestMatch):
    """Stands in for the suggester: the newest match, unless it is called with the network turned off."""

    made: list[dict] = []  # noqa: RUF012

    def __init__(self, **keywords) -> None:
        super().__init__()
        self.made.append(keywords)
        self._off = "model" in keywords.get("without", ())

    def suggest(self, prefix, cwd=None, limit=1):
        return [] if self._off else super().suggest(prefix, cwd, limit)


@pytest.fixture
def recorded(monkeypatch):
    """Put `Recorded` in the suggester's place; return the list of what it is called with."""
    monkeypatch.setattr(suggester, "Suggester", Recorded)
    monkeypatch.setattr(Recorded, "made", [])
    return Recorded.made


def counts(row: dict, users: dict) -> dict:
    """Return those of the figures that the slow twin knows."""
    return {name: row[name] for name in naive_replay.figures(users, NewestMatch)}


def test_each_rows_figures_equal_those_of_the_slow_twin(evaluate):
    users = read_sessions("sessions.jsonl")
    report = evaluate(*MODEL, "--baselines")
    rows = {row["name"]: row for row in report["suggesters"]}
    assert list(rows) == ["typeahead", *BASELINES]
    assert (report["users"], report["commands"], report["interrupted"]) == (3, 13, False)
    assert counts(rows["typeahead"], users) == naive_replay.figures(users, partial(Suggester, "model.safetensors"))
    assert counts(rows["newest match"], users) == naive_replay.figures(users, NewestMatch)
    assert rows["none"]["saved"] == 0
    assert rows["none"]["saved_interval"] == [0, 0]


def test_differences_are_to_the_first_row_and_their_intervals_of_pairs(evaluate, recorded):
    whole, newest = (
        row for row in evaluate("--baselines")["suggesters"] if row["name"] in ("typeahead", "newest match")
    )
    assert whole["difference"] is None
    assert newest["difference"] == 0  # it is the same suggester
    assert newest["difference_interval"] == [0, 0]
    assert newest["saved_interval"][0] < newest["saved"] < newest["saved_interval"][1]


def test_ablations_are_a_row_for_each_part_turned_off(evaluate, recorded):
    rows = evaluate("--ablations")["suggesters"]
    assert [row["name"] for row in rows] == ["typeahead", *(f"typeahead without {part}" for part in PARTS)]
    assert {part for keywords in recorded for part in keywords.get("without", ())} == set(PARTS)
    saved = {row["name"]: row["saved"] for row in rows}
    assert saved["typeahead without model"] == 0 < saved["typeahead"] == saved["typeahead without adapt"]


def test_parts_may_be_turned_off_together_and_settings_are_handed_on(evaluate, recorded):
    (row,) = evaluate("--without", "model", "--without", "adapt", "--dial", "eager", *MODEL)["suggesters"]
    assert row["name"] == "typeahead without adapt, model"
    expected = {"model": "model.safetensors", "dial": "eager", "without": frozenset({"adapt", "model"})}
    assert all(keywords == expected for keywords in recorded)


def test_without_options_the_suggester_decides(evaluate, recorded):
    evaluate()
    assert all(keywords == {} for keywords in recorded)


def test_users_are_the_first_or_spread_evenly(evaluate, recorded, folder):
    assert evaluate("--users", "2")["commands"] == 10
    assert evaluate("--users", "9")["users"] == evaluate("--quick")["users"] == 3
    rows = [{"user": f"u{number}", "cmd": "x" * (number + 1)} for number in range(40)]
    (folder / "sessions.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    report = evaluate("--quick", *MODEL)
    assert (report["users"], report["commands"]) == (20, 20)
    assert report["suggesters"][0]["users"] == 20


def test_quick_and_users_exclude_each_other(run):
    status, out, err = run(*SESSIONS, "--quick", "--users", "2")
    assert (status, out) == (2, "")
    assert "leave out --users or --quick" in err


def test_the_table_has_a_row_for_each_suggester(run, recorded):
    status, out, err = run(*SESSIONS, "--baselines")
    assert (status, err) == (0, "")
    first, blank, headings, *rows = out.splitlines()
    assert (first, blank) == ("sessions.jsonl: 3 users, 13 commands", "")
    assert headings.split("  ")[-1].strip() == "p99"
    assert [row.split("  ")[0] for row in rows] == ["typeahead", *BASELINES]
    assert len({len(row) for row in [headings, *rows]}) == 1
    assert re.search(r"^newest match +\d+\.\d% \[\d+\.\d, \d+\.\d\] +\+0\.0% \[\+0\.0, \+0\.0\] ", out, re.MULTILINE)


def test_help_explains_each_column_on_a_line_of_its_own(run):
    status, out, _ = run("evaluate", "sessions", "--help")
    assert status == 0
    explained = re.findall(
        r"^  (\w\S*(?: \S+)?)  +\w", out.partition("Options:")[0].replace("p50, p99", "p50     "), re.M
    )
    assert explained == [heading for heading in HEADINGS if heading not in ("", "p99")]


def test_one_row_is_compared_with_nothing(run, recorded):
    _, out, _ = run(*SESSIONS)
    assert "vs. first" not in out
    assert len(out.splitlines()) == 4


def test_calibration_counts_every_suggestion_that_claims_a_probability(run, evaluate, recorded):
    looks = naive_replay.looks(read_sessions("sessions.jsonl"), CharacterNgram)
    shown = [look for look in looks if look.shown is not None]
    rows = {row["name"]: row for row in evaluate("--baselines", "--calibration")["suggesters"]}
    ngram = rows["character n-gram"]
    right = sum(each["shown"] * each["right"] for each in ngram["reliability"])
    assert sum(each["shown"] for each in ngram["reliability"]) == len(shown)
    assert right == pytest.approx(sum(look.wanted.startswith(look.shown) for look in shown))
    assert ngram["precision_at_coverage"][-1]["coverage"] == pytest.approx(len(shown) / len(looks))
    assert ngram["precision_at_coverage"][-1]["right"] == pytest.approx(right / len(shown))
    assert rows["newest match"]["reliability"] == []
    _, out, _ = run(*SESSIONS, "--baselines", "--calibration")
    assert [line for line in out.splitlines() if "how often" in line] == [
        "character n-gram: how often suggestions were right, by the probability they claimed",
        "character n-gram: how often the surest suggestions were right, by the keys before which they are shown",
    ]


def test_an_interrupt_prints_what_is_finished(run, monkeypatch, recorded):
    stop_at = "cd /tmp"

    class Interrupted(Recorded):
        def record(self, command, *rest):
            if command == stop_at:
                raise KeyboardInterrupt
            super().record(command, *rest)

    monkeypatch.setattr(suggester, "Suggester", Interrupted)
    status, out, err = run(*SESSIONS)
    assert (status, err) == (130, "typeahead: interrupted\n")
    assert out.splitlines()[-1].startswith("typeahead (1 of 3 users)  ")
    status, out, _ = run(*SESSIONS, "--json")
    assert status == 130
    report = json.loads(out)
    assert report["interrupted"]
    assert report["suggesters"][0]["users"] == 1
    stop_at = "ls"
    assert run(*SESSIONS) == (130, "", "typeahead: interrupted\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "here.jsonl: cannot be read (No such file or directory)"),
        ("ls\n", "here.jsonl: line 1 is not JSON"),
        ('{"user": "a", "cmd": "ls"}\n{"user": "a"}\n', 'here.jsonl: line 2 has no text "cmd"'),
        ("", "here.jsonl: holds no command to replay"),
    ],
)
def test_what_cannot_be_replayed_is_one_clear_line(folder, run, content, message):
    if content is not None:
        (folder / "here.jsonl").write_text(content)
    status, out, err = run("evaluate", "sessions", "here.jsonl")
    assert (status, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.slow
def test_processes_share_the_users_and_change_no_figure_but_latencies(start, evaluate):
    with start(*SESSIONS, *MODEL, "--baselines", "--json", "--jobs", "2") as child:
        out, err = child.communicate(timeout=120)
    assert (child.returncode, err) == (0, "")
    many, one = json.loads(out)["suggesters"], evaluate(*MODEL, "--baselines")["suggesters"]
    assert all(row.pop("latency_ms") is None for row in many)
    assert all(row.pop("latency_ms")["p50"] >= 0 for row in one)
    assert many == one


def test_a_terminal_shows_how_far_it_is(start):
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    with start(*SESSIONS, *MODEL, "--baselines", stderr=slave) as child:
        os.close(slave)
        shown = b""
        while True:
            try:
                shown += os.read(master, 65536)
            except OSError:  # the other side is closed
                break
        out, _ = child.communicate(timeout=120)
    os.close(master)
    assert child.returncode == 0
    assert re.search(rb"\d+% .* of 78 commands, .* left, newest match", shown)
    assert out.startswith("sessions.jsonl: 3 users, 13 commands\n")
