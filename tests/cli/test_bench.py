import json
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from typeahead.cli.bench_grid import Grid, Results
from typeahead.cli.bench_report import curve, reach, report, shown_length
from typeahead.errors import TrainingError
from typeahead.rnn.trials import Outcome, Trial

TINY = ("bench", "memory", "--task", "order", "--cells", "gru", "--lengths", "10", "--rates", "0.003", "--steps", "4")


def trial(length: int = 10, kind: str = "gru", seed: int = 0, task: str = "adding") -> Trial:
    return Trial(task, kind, length, seed, 1000, 32, 100, 72, 0.003)


def outcome(result: str = "solved", steps: int = 300, loss: float = 0.01, curve: Any = ()) -> Outcome:
    return Outcome(result, steps, 0.0, loss, 0.25, 0, 1.0, list(curve))


# ----------------------------------------------------------------------------------------------------------- the grid


def test_the_longest_goes_first_but_waits_for_a_seed_to_solve_the_shorter_one():
    trials = [trial(length, seed=seed) for length in (10, 50, 100) for seed in (0, 1)]
    grid = Grid(trials, {})
    assert [grid.next() for _ in range(3)] == [trials[0], trials[1], None]
    grid.finish(trials[0], False)
    assert grid.next() is None
    grid.finish(trials[1], True)
    assert [grid.next() for _ in range(3)] == [trials[2], trials[3], None]
    assert grid.left_out() == []
    grid.finish(trials[2], False)
    assert grid.left() == 2
    grid.finish(trials[3], False)
    assert (grid.left_out(), grid.left(), grid.next()) == (trials[4:], 0, None)


def test_what_a_kind_cannot_do_keeps_no_other_kind_and_no_other_task_from_it():
    hopeless = [trial(length, "elman") for length in (10, 50)]
    others = [
        trial(length, kind, task=task) for kind, task in (("gru", "adding"), ("elman", "copy")) for length in (10, 50)
    ]
    grid = Grid(hopeless + others, {hopeless[0]: False})
    assert {grid.next(), grid.next()} == {others[0], others[2]}
    assert grid.left_out() == [hopeless[1]]


def test_known_results_are_not_run_again_and_unlock_what_is_longer():
    trials = [trial(length) for length in (10, 50)]
    assert Grid(trials, {trials[0]: True}).next() == trials[1]
    assert Grid(trials, {trials[0]: True, trials[1]: False}).next() is None


def test_an_exhaustive_grid_waits_for_nothing():
    trials = [trial(length) for length in (10, 50, 100)]
    grid = Grid(trials, {trials[0]: False}, exhaustive=True)
    assert (grid.next(), grid.next(), grid.left_out()) == (trials[2], trials[1], [])


# -------------------------------------------------------------------------------------------------- the file of results


def test_results_are_there_again_under_the_same_trial_only(tmp_path):
    path = tmp_path / "out.jsonl"
    results = Results(path)
    results.add(trial(), outcome(curve=[(100, 0.5), (200, float("nan"))]))
    results.add(trial(50), outcome("stopped", loss=float("nan")))
    results.close()
    again = Results(path)
    assert again.get(trial())["curve"] == [[100, 0.5], [200, None]]
    assert (again.get(trial(50))["result"], again.get(trial(50))["loss"]) == ("stopped", None)
    assert again.get(trial(seed=1)) is None
    assert again.get(replace(trial(), steps=2000)) is None
    again.add(trial(50), outcome())
    again.close()
    last = Results(path)
    assert last.get(trial(50))["result"] == "solved"
    last.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_text_is_part_of_what_a_result_of_bytes_is_of(tmp_path):
    path = tmp_path / "out.jsonl"
    for corpus in ("one", "two"):
        results = Results(path, corpus)
        assert results.get(trial(64, task="bytes")) is None
        results.add(trial(64, task="bytes"), outcome("unsolved"))
        results.add(trial(), outcome())
        results.close()
    results = Results(path, "other")
    assert (results.get(trial(64, task="bytes")), results.get(trial())["result"]) == (None, "solved")
    results.close()


def test_half_a_line_that_a_kill_left_is_written_over(tmp_path):
    path = tmp_path / "out.jsonl"
    for length in (10, 25):
        results = Results(path)
        results.add(trial(length), outcome())
        results.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    results = Results(path)
    assert (results.get(trial(10))["result"], results.get(trial(25))) == ("solved", None)
    results.add(trial(25), outcome())
    results.close()
    assert path.read_bytes() == whole


@pytest.mark.parametrize("content", [b"hello\n", b"[1]\n", b'{"trial": 1}\n'])
def test_a_file_of_something_else_is_left_as_it_is(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match="not a file of results"):
        Results(path)
    assert path.read_bytes() == content


def test_two_runs_do_not_write_one_file(tmp_path):
    results = Results(tmp_path / "out.jsonl")
    with pytest.raises(TrainingError, match="another run is writing it"):
        Results(tmp_path / "out.jsonl")
    results.close()


# --------------------------------------------------------------------------------------------------------- the report


def test_the_table_tells_solved_failed_left_out_and_unfinished_apart():
    trials = [trial(length, kind, seed) for kind in ("elman", "gru") for length in (10, 50, 100) for seed in range(3)]
    outcomes = {t: outcome("unsolved", 1000)._asdict() for t in trials if t.kind == "elman" and t.length == 10}
    outcomes |= {trial(10, "gru", seed): outcome(steps=steps)._asdict() for seed, steps in enumerate((100, 2000, 300))}
    outcomes |= {trial(50, "gru", 0): outcome()._asdict(), trial(50, "gru", 1): outcome("exploded")._asdict()}
    outcomes |= {trial(100, "gru", seed): outcome("stopped")._asdict() for seed in range(3)}
    left_out = {t for t in trials if t.kind == "elman" and t.length > 10}
    lines = list(report(trials, outcomes, left_out))
    head = next(index for index, line in enumerate(lines) if "T=10" in line)
    rows = {line.split()[0]: line.split()[1:] for line in lines[head : head + 3]}
    assert rows["elman"] == ["0/3", "-", "-", "-"]
    assert rows["gru"] == ["3/3", "300", "1/2!+", "300", "unfinished", "10"]
    assert any("Hochreiter and Schmidhuber 1997, table 7" in line for line in lines)


def test_a_kind_reaches_as_far_as_most_of_its_seeds_do():
    trials = [trial(length, seed=seed) for length in (10, 50) for seed in range(3)]
    outcomes = {t: outcome("solved" if (t.length, t.seed) != (50, 0) else "unsolved")._asdict() for t in trials}
    assert reach(trials, "gru", outcomes) == 50
    outcomes[trial(50, seed=1)]["result"] = "stopped"
    assert reach(trials, "gru", outcomes) == 10
    assert reach(trials, "lstm", outcomes) is None


def test_curves_are_of_the_length_that_tells_most_kinds_apart():
    trials = [trial(length, kind) for length in (10, 50, 100) for kind in ("elman", "gru", "lstm")]
    solves = {(10, "elman"), (10, "gru"), (10, "lstm"), (50, "gru"), (50, "lstm")}
    outcomes = {t: outcome("solved" if (t.length, t.kind) in solves else "unsolved")._asdict() for t in trials}
    assert shown_length(trials, outcomes) == 50
    outcomes[trial(100, "lstm")]["result"] = "solved"
    assert shown_length(trials, outcomes) == 100
    assert shown_length(trials, {}) == 100


def test_a_curve_falls_and_ends_where_the_run_does():
    drawn = curve([(step, 1 - step / 1000) for step in range(100, 600, 100)], 1000, 1.0)
    assert len(drawn) == 48
    assert drawn.rstrip() == "".join(sorted(drawn.rstrip(), reverse=True))
    assert len(drawn.rstrip()) == 24
    assert curve([(500, None), (1000, 7.0)], 1000, 1.0) == "█" * 48


# -------------------------------------------------------------------------------------------------------- the command


@pytest.fixture(autouse=True)
def command(monkeypatch):
    """Let the program know the command, whatever its table of commands says."""
    from typeahead import cli

    entry = cli.Subcommand("typeahead.cli.bench", "bench", "Measure.")
    monkeypatch.setitem(cli.SUBCOMMANDS, "bench", cli.SUBCOMMANDS.get("bench", entry))


def test_a_run_prints_its_table_and_the_same_command_goes_on_from_the_file(folder, run):
    status, out, err = run(*TINY, "--seeds", "2", "--json", "out.jsonl")
    assert status == 0
    assert "gru" in out
    assert "0/2" in out
    assert "2/2 order T=10 gru seed" in err
    lines = (folder / "out.jsonl").read_text().splitlines()
    assert [json.loads(line)["outcome"]["result"] for line in lines] == ["unsolved"] * 2
    status, out_again, err = run(*TINY, "--seeds", "3", "--json", "out.jsonl")
    assert status == 0
    assert "2 of 3 results are there already" in err
    assert "0/3" in out_again
    assert (folder / "out.jsonl").read_text().splitlines()[:2] == lines
    assert len((folder / "out.jsonl").read_text().splitlines()) == 3


def test_the_rate_is_chosen_by_trials_of_their_own(folder, run):
    args = [*TINY[:-4], "--rates", "0.0000001,0.01", "--steps", "30", "--seeds", "1", "--json", "out.jsonl"]
    status, out, err = run(*args)
    assert status == 0
    assert "first the learning rates" in err
    assert "rate 0.01;" in out
    found = [json.loads(line)["trial"] for line in (folder / "out.jsonl").read_text().splitlines()]
    pilots = sorted((t["learning_rate"], t["length"]) for t in found if t["seed"] != 0)
    assert pilots == [(1e-7, 10), (1e-7, 25), (0.01, 10), (0.01, 25)]
    assert [(t["learning_rate"], t["length"]) for t in found[4:]] == [(0.01, 10)]


def test_what_the_time_ends_is_told_as_not_finished_and_run_the_next_time(folder, run):
    args = [*TINY[:-1], "100000", "--seeds", "1", "--json", "out.jsonl"]
    status, out, _ = run(*args, "--minutes", "0.0001")
    assert status == 0
    assert "not run" in out or "unfinished" in out
    status, out, err = run(*TINY, "--seeds", "1", "--json", "out.jsonl")
    assert (status, "already" in err, "0/1" in out) == (0, False, True)


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (["--task", "bytes"], 2, "--task bytes needs a text; give it with --corpus FILE"),
        (["--task", "bytes", "--corpus", "missing.txt"], 1, "missing.txt: cannot be read"),
        (["--task", "chess"], 2, "'chess' is not one of adding, order, copy, bytes, all"),
        (["--lengths", "50,x"], 2, "give whole numbers"),
        (
            ["--lengths", "3", "--task", "order", "--rates", "0.1"],
            1,
            "length 3 is too short for the task order; give 10",
        ),
        (["--rates", "0"], 2, "give numbers between 0 and 1"),
        (["--plot", "a.txt"], 2, "--plot a.txt: not one of .png, .svg, .pdf"),
        (["--plot", "nowhere/a.png"], 2, "no folder nowhere; make it first"),
        (["--json", "nowhere/a.jsonl"], 1, "nowhere/a.jsonl: cannot be written"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything_runs(folder, run, args, status, message):
    found, out, err = run("bench", "memory", *args)
    assert (found, out) == (status, "")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.slow  # of a new home, matplotlib reads all fonts first
def test_a_picture_is_drawn_of_solved_unsolved_and_bytes(folder, run):
    (folder / "text.txt").write_bytes(b"git status\ncd ..\nls -l\n" * 400)
    args = ["--task", "order,bytes", "--corpus", "text.txt", "--lengths", "10,25", "--steps", "8", "--seeds", "1"]
    args += ["--cells", "gru", "--rates", "0.003"]
    status, out, _ = run("bench", "memory", *args, "--plot", "out.svg")
    assert (status, out.splitlines()[-1]) == (0, "picture: out.svg")
    assert "<svg" in (folder / "out.svg").read_text()


@pytest.mark.slow
def test_runs_side_by_side_give_what_they_give_one_by_one(folder, run, start):
    (folder / "text.txt").write_bytes(b"git status\ncd ..\nls -l\n" * 400)
    args = ["bench", "memory", "--task", "order,bytes", "--corpus", "text.txt", "--lengths", "10", "--rates", "0.003"]
    args += ["--cells", "gru", "--steps", "4", "--seeds", "2"]
    assert run(*args, "--json", "1.jsonl")[0] == 0
    process = start(*args, "--jobs", "2", "--json", "2.jsonl")
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err

    def read(name: str) -> dict[str, Any]:
        records = [json.loads(line) for line in (folder / name).read_text().splitlines()]
        return {json.dumps(r["trial"]): {**r["outcome"], "seconds": 0} for r in records}

    assert read("1.jsonl") == read("2.jsonl")
    assert len(read("1.jsonl")) == 4


@pytest.mark.slow
def test_ctrl_c_ends_all_processes_and_says_how_to_go_on(folder, start):
    args = ["bench", "memory", "--task", "order", "--cells", "gru", "--lengths", "10,400", "--rates", "0.003"]
    args += ["--jobs", "2"]
    process = start(*args, "--json", "out.jsonl", start_new_session=True)
    path = Path(folder) / "out.jsonl"
    until = time.monotonic() + 120
    while not (path.exists() and path.read_text().count("\n")) and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "what is finished is in out.jsonl; the same command goes on" in err
    assert "Traceback" not in err
    assert all(json.loads(line)["outcome"] for line in path.read_text().splitlines())
