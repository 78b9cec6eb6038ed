import json
import math
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path

import numpy as np
import pytest

from typeahead.cli import main
from typeahead.cli.progress import Metrics, Progress
from typeahead.cli.train import train
from typeahead.errors import TrainingError
from typeahead.rnn import checkpoint
from typeahead.rnn.loop import Event
from typeahead.rnn.network import NetworkConfig
from typeahead.rnn.train import TrainConfig

pytestmark = pytest.mark.slow  # each test starts processes

SMALL = ["--hidden-size", "8", "--seq-len", "8", "--batch-size", "4", "--threads", "1"]


@pytest.fixture
def folder(folder: Path) -> Path:
    """Return the current folder, with a corpus of three words in random order."""
    (folder / "words.txt").write_bytes(words())
    return folder


def words() -> bytes:
    order = np.random.default_rng(1).integers(3, size=400)
    return b"".join([b"ls -l\n", b"cd ..\n", b"git status\n"][i] for i in order)


LONG = ["--steps", "3000", "--eval-interval", "150", "--hidden-size", "16", *SMALL[2:]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the model of a long run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "words.txt").write_bytes(words())
    with pytest.raises(SystemExit):
        main(["train", str(folder / "words.txt"), *LONG, "--output", str(folder / "words.safetensors")])
    return folder / "words.safetensors"


def wait_for_step(child: subprocess.Popen, least: int) -> None:
    """Read the plain log until it tells of a step."""
    for line in child.stderr:
        found = re.match(r"step (\d+)", line)
        if found and int(found[1]) >= least:
            return
    raise AssertionError("the run ended too early")


def steps(path: Path) -> list[int]:
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def weights(path: Path) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in checkpoint.load(path)[0].items()}


# ---------------------------------------------------------------------------------------------------- what it makes


def test_a_corpus_alone_names_the_model_and_what_lies_beside_it(folder, run):
    status, out, err = run("train", "words.txt", "--steps", "60", "--eval-interval", "20", *SMALL)
    assert status == 0
    assert sorted(os.listdir(folder)) == [
        "words.checkpoint.safetensors", "words.metrics.jsonl", "words.safetensors", "words.txt",
    ]  # fmt: skip
    assert re.fullmatch(
        r"words\.safetensors: validation loss \d\.\d{4} nats, \d\.\d{4} bits per byte at step 60 of 60\n", out
    )
    assert re.search(r"^step 60, loss .*, bits/byte .*, valid .*, .* kB/s, 0:00 left$", err, re.MULTILINE)
    lines = [json.loads(line) for line in (folder / "words.metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 10, 20, 30, 40, 50, 60]
    assert [line["step"] for line in lines if line["valid_loss"] is not None] == [0, 20, 40, 60]
    assert lines[-1]["valid_bits_per_byte"] == pytest.approx(lines[-1]["valid_loss"] / math.log(2))


def test_the_model_says_how_it_was_made_but_not_where(folder, run):
    run("train", str(folder / "words.txt"), "--steps", "20", *SMALL, "--output", str(folder / "m.safetensors"))
    _, metadata = checkpoint.load(folder / "m.safetensors")
    assert str(folder) not in json.dumps(metadata)
    assert metadata["kind"] == "text"
    assert metadata["command"] == (
        "typeahead train words.txt --steps 20 --hidden-size 8 --seq-len 8 --batch-size 4 --threads 1"
    )
    assert metadata["network"]["hidden_size"] == 8
    assert metadata["train"]["steps"] == 20
    size = (folder / "words.txt").stat().st_size
    assert metadata["data"]["train"]["files"] == [{"name": "words.txt", "bytes": size}]
    assert metadata["data"]["valid"] == {"held_out_bytes": size - int(size * 0.9)}
    assert metadata["figures"]["steps"] == 20
    assert metadata["figures"]["bytes_seen"] == 20 * 8 * 4
    # The command as it stands there makes the same weights again.
    again = metadata["command"].split()[1:]
    assert run(*again, "--output", "again.safetensors")[0] == 0
    assert weights(folder / "again.safetensors") == weights(folder / "m.safetensors")


def test_standard_input_is_a_corpus(folder, start):
    with open("words.txt") as corpus, start("train", "-", "--steps", "5", *SMALL, stdin=corpus) as child:
        out, _ = child.communicate()
    assert child.returncode == 0
    assert out.startswith("stdin.safetensors: validation loss")


def test_a_file_can_be_held_out(folder, run):
    (folder / "held.txt").write_bytes(b"git status\n" * 20)
    assert run("train", "words.txt", "--valid", "held.txt", "--steps", "5", *SMALL)[0] == 0
    data = checkpoint.load("words.safetensors")[1]["data"]
    assert data["valid"]["files"] == [{"name": "held.txt", "bytes": 220}]
    assert data["train"]["bytes"] == (folder / "words.txt").stat().st_size


def test_nothing_need_be_held_out(run):
    status, out, _ = run("train", "words.txt", "--valid-fraction", "0", "--steps", "5", *SMALL)
    assert status == 0
    assert "nothing held out" in out
    assert checkpoint.load("words.safetensors")[1]["figures"]["valid_loss"] is None


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_a_model_is_fine_tuned_from_its_weights(folder, run, cell):
    architecture = ["--cell", cell, "--num-layers", "2"]
    run("train", "words.txt", "--steps", "40", *architecture, *SMALL)
    before = checkpoint.load("words.safetensors")[1]["figures"]["valid_loss"]
    tune = ["--init", "words.safetensors", "--seq-len", "8", "--batch-size", "4", "--dropout", "0.1"]
    assert run("train", "words.txt", "--steps", "1", *tune, "-o", "tuned.safetensors")[0] == 0
    metadata = checkpoint.load("tuned.safetensors")[1]
    assert metadata["network"] | {"dropout": 0.0} == checkpoint.load("words.safetensors")[1]["network"]
    assert metadata["network"]["dropout"] == 0.1
    assert metadata["init"] == "words.safetensors"
    assert metadata["figures"]["valid_loss"] <= before + 1e-6


def test_the_curve_is_a_picture(folder, run):
    assert run("train", "words.txt", "--steps", "30", *SMALL, "--plot", "curve.png")[0] == 0
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_the_defaults_in_the_help_are_those_of_the_configuration():
    known = vars(TrainConfig()) | {name: value for name, value in vars(NetworkConfig()).items() if name != "output"}
    told_in_words = {"eval_interval", "threads", "max_lag", "forget_bias"}
    shown = {}
    for option in train.params:
        default = re.search(r"\[default: ([^],]*)", getattr(option, "help", None) or "")
        if default and option.name in known and option.name not in told_in_words:
            shown[option.name] = default[1]
    assert shown == {name: str(known[name]) for name in shown}
    assert {"cell", "hidden_size", "num_layers", "seq_len", "batch_size", "learning_rate", "minutes"} <= shown.keys()


def test_the_help_needs_no_compiler():
    code = (
        "import sys\nfrom typeahead.cli import main\n"
        "try:\n    main(['train', '--help'])\n"
        "except SystemExit:\n    print({'numpy', 'numba', 'tqdm', 'matplotlib', 'safetensors'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=os.getcwd())
    assert done.stdout.endswith("set()\n")
    assert "cat *.log | typeahead train - --output logs.safetensors\n" in done.stdout


# --------------------------------------------------------------------------------------------- stopping and going on


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_signal_saves_and_says_how_to_resume_to_the_same_bits(folder, run, whole, number, start):
    with start("train", "words.txt", *LONG) as child:
        wait_for_step(child, 300)
        child.send_signal(number)
        _, err = child.communicate()
    assert child.returncode == 128 + number
    step, command = re.search(r"stopped at step (\d+); go on with: typeahead (.*)$", err).groups()
    assert 300 <= int(step) < 3000
    assert "Traceback" not in err
    assert run(*command.split())[0] == 0
    assert weights(folder / "words.safetensors") == weights(whole)
    assert steps(folder / "words.metrics.jsonl") == steps(whole.with_name("words.metrics.jsonl"))


def test_after_kill_9_the_same_bits_and_no_line_twice(folder, run, whole, start):
    with start("train", "words.txt", *LONG) as child:
        wait_for_step(child, 300)
        child.send_signal(signal.SIGINT)
        child.communicate()
    saved = checkpoint.load("words.checkpoint.safetensors")[1]["run"]["step"]
    with start("train", "--resume", "-o", "words.safetensors") as child:
        wait_for_step(child, saved + 300)  # further than the checkpoint: these lines are made again
        child.kill()
    assert max(steps(folder / "words.metrics.jsonl")) > saved
    assert run("train", "--resume", "-o", "words.safetensors")[0] == 0
    assert weights(folder / "words.safetensors") == weights(whole)
    assert steps(folder / "words.metrics.jsonl") == steps(whole.with_name("words.metrics.jsonl"))


def test_a_second_interrupt_ends_at_once_and_leaves_whole_files(folder, start):
    with start("train", "words.txt", *LONG) as child:
        wait_for_step(child, 300)
        for _ in range(3):
            child.send_signal(signal.SIGINT)
        _, err = child.communicate()
    assert child.returncode == 130
    assert "Traceback" not in err
    assert "stopped" in err
    assert "interrupted" in err or "go on with" in err or "nothing was saved" in err
    for path in folder.glob("*.safetensors"):
        checkpoint.load(path)
    assert not list(folder.glob(".*"))


def test_a_finished_run_goes_on_only_to_a_later_end(folder, run):
    run("train", "words.txt", "--steps", "20", *SMALL)
    before = (folder / "words.safetensors").read_bytes()
    status, out, _ = run("train", "words.txt", "--steps", "20", "--resume")
    assert status == 0
    assert "has ended after 20 steps" in out
    assert (folder / "words.safetensors").read_bytes() == before
    assert run("train", "words.txt", "--steps", "30", "--resume")[0] == 0
    metadata = checkpoint.load("words.safetensors")[1]
    assert metadata["figures"]["steps"] == 30
    assert " --steps 30 " in metadata["command"]
    assert steps(folder / "words.metrics.jsonl") == [0, 10, 20, 30]


def test_a_lost_model_comes_back_from_the_checkpoint_of_its_run(folder, run):
    run("train", "words.txt", "--steps", "20", *SMALL)
    before = weights(folder / "words.safetensors")
    (folder / "words.safetensors").unlink()
    assert run("train", "words.txt", "--resume")[0] == 0
    assert weights(folder / "words.safetensors") == before


def test_options_that_agree_with_the_run_may_be_repeated(run):
    run("train", "words.txt", "--steps", "20", *SMALL)
    assert run("train", "words.txt", "--steps", "20", *SMALL, "--cell", "gru", "--seed", "0", "--resume")[0] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cell", "lstm"], "--cell lstm: the run to resume has gru"),
        (["--hidden-size", "9"], "--hidden-size 9: the run to resume has 8"),
        (["--learning-rate", "0.1"], "--learning-rate 0.1: the run to resume has 0.004"),
        (["--threads", "2"], "--threads 2: the run to resume has 1"),
        (["--steps", "10"], "--steps 10: the run to resume has --steps 20, which may only be raised"),
        (["--minutes", "10"], "--minutes 10.0: the run to resume has --steps 20, which may only be raised"),
        (["--valid", "words.txt"], "the run to resume has another setting"),
        (["other.txt"], "the corpus is not what this run began with"),
        (["--output", "none.safetensors"], "none.checkpoint.safetensors: no such checkpoint"),
    ],
)
def test_what_conflicts_with_the_run_is_one_clear_line(folder, run, options, message):
    (folder / "other.txt").write_bytes(b"other\n" * 200)
    run("train", "words.txt", "--steps", "20", *SMALL)
    status, _, err = run("train", "--resume", "-o", "words.safetensors", "--steps", "40", *options)
    assert status == 1
    assert message in err
    assert err.count("\n") == 1


def test_a_checkpoint_without_a_run_is_one_clear_line(folder, run):
    checkpoint.save("words.checkpoint.safetensors", {"a": np.zeros(1)}, {"kind": "checkpoint"})
    status, _, err = run("train", "--resume", "-o", "words.safetensors")
    assert status == 1
    assert "not the checkpoint of a training run" in err
    (folder / "words.checkpoint.safetensors").write_bytes(b"junk")
    status, _, err = run("train", "--resume", "-o", "words.safetensors")
    assert status == 1
    assert "damaged" in err


# --------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["missing.txt"], "missing.txt: cannot be read (No such file or directory); check the path"),
        (["empty.txt"], "empty.txt: empty"),
        (["nothing"], "no files in this folder"),
        (["short.txt"], "are less than one batch: give at least 2049, or lower --batch-size (now 32) or --seq-len"),
        (["words.txt", "-o", "nowhere/m.safetensors"], "no folder nowhere; make it first: mkdir -p nowhere"),
        (["words.txt", "-o", "nothing"], "--output nothing: a folder"),
        (["words.txt", "--plot", "curve.doc"], "--plot curve.doc: not one of .png, .svg, .pdf"),
        (["words.txt", "--plot", "nowhere/curve.png"], "--plot nowhere/curve.png: no folder nowhere"),
        (["words.txt", "--init", "short.txt"], "short.txt: damaged, truncated or not a safetensors file"),
        (["words.txt", "--valid", "empty.txt"], "empty.txt: empty"),
        (["words.txt", "-o", "taken.safetensors"], "taken.safetensors: exists; --force replaces it"),
    ],
)
def test_bad_input_is_one_clear_line_and_leaves_nothing(folder, run, args, message):
    (folder / "empty.txt").write_bytes(b"")
    (folder / "short.txt").write_bytes(b"short\n")
    (folder / "taken.safetensors").write_bytes(b"taken")
    (folder / "nothing").mkdir()
    before = sorted(os.listdir(folder))
    status, out, err = run("train", *args)
    assert status == 1
    assert message in err
    assert (out, err.count("\n")) == ("", 1)
    assert sorted(os.listdir(folder)) == before
    assert (folder / "taken.safetensors").read_bytes() == b"taken"


@pytest.mark.parametrize(
    "args",
    [[], ["words.txt", "--steps", "5", "--minutes", "1"], ["words.txt", "--valid", "x", "--valid-fraction", "0.1"],
     ["words.txt", "--steps", "0"], ["words.txt", "--cell", "transformer"], ["words.txt", "--dropout", "1"]],
)  # fmt: skip
def test_wrong_usage_exits_with_2(folder, run, args):
    status, out, err = run("train", *args)
    assert (status, out) == (2, "")
    assert "Error: " in err
    assert os.listdir(folder) == ["words.txt"]


def test_an_architecture_other_than_the_models_is_refused(run):
    run("train", "words.txt", "--steps", "5", *SMALL)
    status, _, err = run("train", "words.txt", "--init", "words.safetensors", "--cell", "lstm", "-o", "b.safetensors")
    assert status == 1
    assert "--cell lstm: words.safetensors has gru; leave the option out" in err


def test_a_full_disk_loses_neither_the_old_model_nor_the_run(folder, run):
    """A real limit on the size of files: the metrics fit, the weights do not."""
    assert run("train", "words.txt", "--steps", "5", *SMALL)[0] == 0
    before = (folder / "words.safetensors").read_bytes()
    limit = (
        "import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); sys.argv[0] = 'typeahead'; "
        "sys.dont_write_bytecode = True; runpy.run_module('typeahead', run_name='__main__')"
    )
    args = ["train", "words.txt", "--steps", "30", "--eval-interval", "10", *SMALL, "--force"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", limit, *args], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last == "typeahead: words.safetensors: cannot be written (File too large); the old file is untouched"
    assert "Traceback" not in done.stderr
    assert (folder / "words.safetensors").read_bytes() == before
    assert not list(folder.glob(".*"))


def test_two_runs_never_write_the_same_files(folder, run, start):
    with start("train", "words.txt", *LONG) as child:
        wait_for_step(child, 200)
        status, _, err = run("train", "words.txt", "--force", "--steps", "5", *SMALL)
        child.kill()
    assert status == 1
    assert "words.metrics.jsonl: another run is writing it" in err


# ---------------------------------------------------------------------------------------------------------- progress


def event(step: int, valid: float | None = None) -> Event:
    return Event(
        step=step, progress=step / 1000, loss=1.5, bits_per_byte=2.164, learning_rate=0.004, grad_norm=0.5,
        bytes_per_s=123456.0, elapsed_s=10.0, left_s=3723.0, valid_loss=valid,
        valid_bits_per_byte=None if valid is None else valid / math.log(2),
    )  # fmt: skip


def read_all(descriptor: int) -> str:
    """Read what is written to a terminal until nobody has it open."""
    content = b""
    with suppress(OSError), os.fdopen(descriptor, "rb", buffering=0) as file:  # Linux: EIO at the end
        while chunk := file.read(4096):
            content += chunk
    return content.decode()


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 200])
def test_the_bar_never_wraps_and_gives_its_place_to_the_figures(monkeypatch, columns):
    leader, follower = pty.openpty()
    ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    monkeypatch.setenv("COLUMNS", str(columns))
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with ThreadPoolExecutor(1) as pool:
            shown = pool.submit(read_all, leader)
            with Progress() as progress:
                for step in range(1, 400):
                    progress.show(event(step, 1.4 if step % 50 == 0 else None))
                progress.say("a message")
            terminal.close()
    shown = shown.result()
    frames = [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", frame).rstrip() for frame in re.split(r"[\r\n]+", shown)]
    assert max(map(len, frames)) <= columns
    assert any("%" in frame for frame in frames)
    assert "typeahead: a message" in frames
    if columns >= 80:
        assert any("loss 1.500  bits/byte 2.164  valid 2.020" in frame for frame in frames)
        assert any(frame.endswith("1:02:03 left") for frame in frames)


def test_the_metrics_file_holds_each_step_once_and_rising(folder):
    path = folder / "m.metrics.jsonl"
    metrics = Metrics(path, -1)
    for step in range(35):
        assert metrics.add(event(step, 1.0 if step == 33 else None))
    metrics.close()
    assert steps(path) == [0, 10, 20, 30, 33]
    with path.open("a") as file:
        file.write('{"step": 40, "los')  # killed while writing
    metrics = Metrics(path, 30)
    metrics.add(event(40))
    metrics.close()
    assert steps(path) == [0, 10, 20, 30, 40]
    assert path.stat().st_mode & 0o777 == 0o600
    Metrics(path, -1).close()
    assert path.read_bytes() == b""


def test_metrics_that_cannot_be_written_are_a_clear_error(folder):
    (folder / "m.metrics.jsonl").mkdir()
    with pytest.raises(TrainingError, match="cannot be written"):
        Metrics(folder / "m.metrics.jsonl", -1)
