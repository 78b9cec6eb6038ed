import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from typeahead.errors import ModelFileError, TrainingError
from typeahead.rnn import checkpoint
from typeahead.rnn.batches import Batches
from typeahead.rnn.evaluation import Evaluation, sequence_loss
from typeahead.rnn.loop import Hooks, Loop
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.rnn.train import TrainConfig, Training

pytestmark = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"),
    reason="optional: the loop is the same without the compiler, and a thousand times slower",
)

CONFIG = TrainConfig(
    steps=24, minutes=None, seq_len=8, batch_size=4, eval_interval=5, learning_rate=0.01, seed=3, checkpoint_s=3600
)
NETWORK = NetworkConfig(cell="gru", hidden_size=12, num_layers=2, dropout=0.2)


@pytest.fixture
def symbols(rng) -> np.ndarray:
    """Return a text with something to learn: three words in random order."""
    words = [b"ls -l\n", b"cd ..\n", b"git status\n"]
    return np.frombuffer(b"".join(words[i] for i in rng.integers(3, size=150)), np.uint8)


def make(symbols: np.ndarray, config: TrainConfig = CONFIG, network: NetworkConfig = NETWORK) -> Training:
    return Training.of_symbols(Network.create(network, seed=config.seed), symbols[:-200], symbols[-200:], config)


def resume(symbols: np.ndarray, path: Path, config: TrainConfig = CONFIG, network: NetworkConfig = NETWORK) -> Training:
    training = make(symbols, config, network)
    training.restore(*checkpoint.load(path))
    return training


def assert_same_bits(one: Training, other: Training) -> None:
    for a, b in ((one.network, other.network), (one.best, other.best), (one.candidate, other.candidate)):
        for name, array in a.parameters.items():
            assert np.array_equal(array, b.parameters[name]), name
    for name, array in one.optimiser.state().items():
        assert np.array_equal(array, other.optimiser.state()[name]), name
    assert np.array_equal(one.state, other.state)
    ours, theirs = one.figures(), other.figures()
    assert replace(ours, seconds=0) == replace(theirs, seconds=0)


# ------------------------------------------------------------------------------------------------------- batches


def test_each_lane_reads_its_own_contiguous_stretch():
    batches = Batches(np.arange(200, dtype=np.uint8), seq_len=5, batch_size=4, seed=1)
    windows = [batches.next() for _ in range(10)]
    lanes = np.concatenate([inputs for inputs, _, _ in windows])
    assert [begins for *_, begins in windows] == [True] + [False] * 9
    for inputs, targets, _ in windows:
        assert np.array_equal((inputs.astype(int) + 1) % 200, targets)
    assert np.array_equal(np.diff(lanes.astype(int), axis=0) % 200, np.ones((49, 4)))
    assert sorted(lanes.reshape(-1)) == list(range(200))  # a pass reads every symbol once


def test_each_pass_begins_elsewhere_and_says_so():
    batches = Batches(np.arange(200, dtype=np.uint8), seq_len=5, batch_size=4, seed=1)
    starts = []
    for _ in range(5):
        starts.append(int(batches.next()[0][0, 0]))
        assert not any(batches.next()[2] for _ in range(9))
    assert len(set(starts)) > 1


def test_the_position_is_all_there_is_to_remember():
    one = Batches(np.arange(200, dtype=np.uint8), 5, 4, seed=1)
    for _ in range(23):
        one.next()
    other = Batches(np.arange(200, dtype=np.uint8), 5, 4, seed=1)
    other.pass_index, other.position = one.pass_index, one.position
    for _ in range(23):
        for a, b in zip(one.next(), other.next(), strict=True):
            assert np.array_equal(a, b)


def test_too_little_to_train_on_says_how_much_is_needed():
    with pytest.raises(TrainingError, match=r"20 bytes .* at least 21, or lower --batch-size \(now 4\)"):
        Batches(np.zeros(20, np.uint8), 5, 4, seed=1)
    Batches(np.zeros(21, np.uint8), 5, 4, seed=1).next()


# ---------------------------------------------------------------------------------------------------- evaluation


def naive_loss(network: Network, symbols: np.ndarray, first: int) -> float:
    """Sum -log p one `step` at a time."""
    state, before, total = network.initial_state(1), first, 0.0
    for symbol in symbols:
        log_probs, state = network.step(np.array([before]), state)
        total -= float(log_probs[0, symbol])
        before = int(symbol)
    return total


@pytest.mark.parametrize("length", [1, 2, 1024, 1025, 2500])
def test_sequence_loss_is_the_sum_over_single_steps(rng, length):
    network = Network.create(replace(NETWORK, hidden_size=6), seed=1, dtype=np.float64)
    symbols = rng.integers(256, size=length).astype(np.uint8)
    assert sequence_loss(network, symbols, 10) == pytest.approx(naive_loss(network, symbols, 10), rel=1e-9)


@pytest.mark.parametrize("length", [2, 300, 513])
def test_one_lane_evaluates_every_symbol_but_the_first(rng, length):
    network = Network.create(NETWORK, seed=1, dtype=np.float64)
    symbols = rng.integers(256, size=length).astype(np.uint8)
    expected = naive_loss(network, symbols[1:], int(symbols[0])) / (length - 1)
    assert Evaluation(network, symbols, lanes=1, threads=1)() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("threads", [1, 2])
def test_parallel_lanes_come_to_the_loss_of_one_long_sequence(rng, threads):
    # A network of this size has forgotten what was 128 symbols ago, so the lanes' warm-up makes them equal.
    network = Network.create(NetworkConfig(hidden_size=8), seed=1, dtype=np.float64)
    symbols = rng.integers(256, size=4 * 512 + 200).astype(np.uint8)
    evaluation = Evaluation(network, symbols, lanes=32, threads=threads)
    assert evaluation.lanes == 4
    expected = naive_loss(network, symbols[1:], int(symbols[0])) / (len(symbols) - 1)
    assert evaluation() == pytest.approx(expected, rel=1e-6)


# ------------------------------------------------------------------------------------------------------ training


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_training_learns_what_there_is_to_learn(symbols, cell):
    config = replace(CONFIG, steps=600, eval_interval=200)
    training = make(symbols, config, NetworkConfig(cell=cell, hidden_size=24))
    assert Loop(training).run()
    # Guessing the next word costs ln(3) nats and the rest nothing: about 0.15 a byte; blind is ln(256) = 5.5.
    assert training.figures().valid_loss < 0.5
    assert training.figures().train_loss < 0.5


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_twenty_four_steps_equal_eleven_a_checkpoint_and_thirteen(symbols, tmp_path, threads, ema_decay):
    config = replace(CONFIG, threads=threads, ema_decay=ema_decay)
    whole = make(symbols, config)
    Loop(whole).run()

    first = make(symbols, config)
    path = tmp_path / "run.checkpoint.safetensors"
    assert not Loop(first, Hooks(stop=lambda: first.step == 11), path).run()
    second = resume(symbols, path, config)
    assert second.step == 11
    assert Loop(second, checkpoint_path=path).run()
    assert_same_bits(whole, second)


def test_stopping_at_every_step_and_in_every_evaluation_changes_nothing(symbols, tmp_path):
    whole = make(symbols)
    events = []
    Loop(whole, Hooks(report=events.append)).run()

    path, pieces, asked = tmp_path / "run.checkpoint.safetensors", [], 0

    def stop() -> bool:  # after so many questions, whoever asks: between steps or within an evaluation
        nonlocal asked
        asked += 1
        return asked % 3 == 0

    training = make(symbols)
    for _ in range(200):
        done = Loop(training, Hooks(report=pieces.append, stop=stop), path).run()
        if done:
            break
        training = resume(symbols, path)
    assert done
    assert_same_bits(whole, training)
    clock = {"bytes_per_s": 0.0, "elapsed_s": 0.0, "left_s": 0.0}
    assert [repr(replace(event, **clock)) for event in pieces] == [repr(replace(event, **clock)) for event in events]


def test_the_best_weights_are_kept_not_the_last(symbols):
    training = make(symbols, replace(CONFIG, learning_rate=0.05, final_learning_rate=1.0, steps=60))
    kept, losses = {}, {}

    def keep(network: Network, figures) -> None:
        kept[figures.best_step] = network.parameters["output.bias"].copy()

    def report(event) -> None:
        if event.valid_loss is not None:
            losses[event.step] = event.valid_loss
        if event.step == 20:  # from here on it can only get worse
            training.network.parameters["output.weight"][...] *= -1

    Loop(training, Hooks(keep=keep, report=report)).run()
    figures = training.figures()
    assert figures.valid_loss == min(losses.values()) == losses[figures.best_step]
    assert figures.best_step == 20
    assert max(kept) == 20
    assert np.array_equal(kept[20], training.best.parameters["output.bias"])
    assert Evaluation(training.best, symbols[-200:], 4, 1)() == figures.valid_loss


def test_the_average_follows_the_weights_by_its_formula(symbols):
    training = make(symbols, replace(CONFIG, ema_decay=0.9))
    expected = training.network.parameters["output.weight"].astype(np.float64)
    for step in range(1, 30):
        training.advance(0.01)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * training.network.parameters["output.weight"]
    assert np.allclose(training.candidate.parameters["output.weight"], expected, rtol=1e-5, atol=1e-7)
    assert not np.allclose(training.network.parameters["output.weight"], expected, rtol=1e-5, atol=1e-7)


def test_without_validation_symbols_the_newest_weights_are_kept(symbols):
    training = Training.of_symbols(Network.create(NETWORK, 1), symbols, None, CONFIG)
    Loop(training).run()
    assert training.figures().valid_loss is None
    assert training.figures().best_step == 24
    assert all(np.array_equal(a, training.best.parameters[n]) for n, a in training.network.parameters.items())


def test_one_report_a_step_with_the_smoothed_loss(symbols):
    events = []
    Loop(make(symbols), Hooks(report=events.append)).run()
    assert [event.step for event in events] == list(range(25))
    assert [event.step for event in events if event.valid_loss is not None] == [0, 5, 10, 15, 20, 24]
    assert math.isnan(events[0].loss)
    assert events[1].loss == pytest.approx(math.log(256), rel=0.05)
    assert events[-1].loss < events[1].loss
    assert events[-1].progress == 1


def test_a_single_step_has_a_learning_rate_above_zero(symbols):
    events = []
    Loop(make(symbols, replace(CONFIG, steps=1)), Hooks(report=events.append)).run()
    assert events[-1].learning_rate > 0


def test_minutes_end_the_run_and_count_on_when_resumed(symbols, tmp_path):
    config = replace(CONFIG, steps=None, minutes=1.0)
    training = make(symbols, config)
    path = tmp_path / "run.checkpoint.safetensors"
    # Started 58 s ago: half a second is left, minus what the evaluation takes.
    loop = Loop(training, checkpoint_path=path, started=time.monotonic() - 58)
    assert loop.run()
    assert training.step >= 1
    resumed = resume(symbols, path, config)
    assert resumed.elapsed_s >= 58
    # Three seconds of start-up count too: the minute is over, with nothing left for another step.
    assert Loop(resumed, started=time.monotonic() - 3).run()
    assert resumed.step == training.step


def test_a_loss_that_explodes_again_and_again_is_a_clear_error_and_the_last_checkpoint_stays(symbols, tmp_path):
    path = tmp_path / "run.checkpoint.safetensors"
    training = make(symbols, replace(CONFIG, checkpoint_s=0))

    def spoil() -> bool:
        if training.step == 7:
            training.network.parameters["output.bias"][5] = math.nan
        return False

    with pytest.raises(TrainingError, match=r"exploded at step 8 .*lower --learning-rate \(now 0\.01\)"):
        Loop(training, Hooks(stop=spoil), path).run()
    training.network.parameters["output.bias"][5] = 0
    arrays, metadata = checkpoint.load(path)
    assert metadata["run"]["step"] == 7
    assert all(np.isfinite(array).all() for name, array in arrays.items() if name.startswith("best."))


def test_a_loss_beyond_sense_counts_as_exploded(symbols):
    training = make(symbols)
    training.network.parameters["output.bias"][:] = 1000 * np.arange(256)
    with pytest.raises(TrainingError, match="exploded at step 1 "):
        training.advance(0.01)


def test_a_full_disk_in_the_middle_is_a_warning_and_at_the_end_an_error(symbols, tmp_path):
    warnings, full = [], True

    def keep(network: Network, figures) -> None:
        if full:
            raise ModelFileError("model.safetensors: cannot be written (No space left on device)")

    def report(event) -> None:
        nonlocal full
        full = event.step < 15

    Loop(make(symbols), Hooks(keep=keep, report=report, warn=warnings.append)).run()
    assert warnings
    assert "training goes on" in warnings[0]

    def report_full(event) -> None:
        nonlocal full
        full = True

    with pytest.raises(ModelFileError, match="No space left"):
        Loop(make(symbols), Hooks(keep=keep, report=report_full)).run()


def test_a_checkpoint_of_another_run_is_refused(symbols, tmp_path):
    path = tmp_path / "run.checkpoint.safetensors"
    make(symbols).save(path, {}, finished=False)
    with pytest.raises(TrainingError, match="does not fit this run"):
        resume(symbols, path, network=replace(NETWORK, hidden_size=13))
    with pytest.raises(TrainingError, match="does not fit this run"):
        resume(symbols, path, replace(CONFIG, ema_decay=0.5))


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": None},
        {"minutes": 1.0},
        {"steps": 0},
        {"learning_rate": 0.0},
        {"learning_rate": math.nan},
        {"warmup": 1.0},
        {"ema_decay": -0.1},
        {"threads": 0},
        {"weight_decay": -1.0},
    ],
)
def test_settings_without_sense_are_refused(wrong):
    with pytest.raises(TrainingError):
        replace(CONFIG, **wrong)


# ---------------------------------------------------------------------------------------------------------- kill

CHILD = """
import json, sys
from dataclasses import replace
import numpy as np
from typeahead.rnn import checkpoint
from typeahead.rnn.loop import Hooks, Loop
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.rnn.train import TrainConfig, Training

settings = json.loads(sys.argv[2])
symbols = np.fromfile(settings["text"], np.uint8)
config = TrainConfig(**settings["train"])
network = Network.create(NetworkConfig(**settings["network"]), 1)
training = Training.of_symbols(network, symbols[:-200], symbols[-200:], config)
path = sys.argv[1]
if settings["resume"]:
    training.restore(*checkpoint.load(path))
report = lambda event: print(event.step, flush=True)
Loop(training, Hooks(report=report), path).run()
"""


@pytest.mark.slow
def test_a_run_killed_at_any_moment_ends_with_the_same_bits(symbols, tmp_path):
    """Kill -9 a real process again and again, each time a little further, until one gets through."""
    network = {"hidden_size": 16, "dropout": 0.1}
    train = {"steps": 200, "minutes": None, "seq_len": 8, "batch_size": 4, "eval_interval": 20, "threads": 2}
    text, path = tmp_path / "text", tmp_path / "run.checkpoint.safetensors"
    symbols.tofile(text)
    whole = Training.of_symbols(
        Network.create(NetworkConfig(**network), 1), symbols[:-200], symbols[-200:], TrainConfig(**train)
    )
    Loop(whole).run()

    settings = {"text": str(text), "network": network, "train": {**train, "checkpoint_s": 0.0}}
    kills, reached = 0, 0
    while True:
        settings["resume"] = path.exists()
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CHILD), str(path), json.dumps(settings)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert child.stdout is not None
        with child.stdout:
            for line in child.stdout:
                if int(line) >= reached + 60:  # a checkpoint is being written nearly all the time
                    reached = int(line)
                    child.send_signal(signal.SIGKILL)
                    kills += 1
                    break
        if child.wait() == 0:
            break
        assert child.returncode == -signal.SIGKILL
    assert kills >= 3
    final = Training.of_symbols(
        Network.create(NetworkConfig(**network), 2), symbols[:-200], symbols[-200:], TrainConfig(**train)
    )
    final.restore(*checkpoint.load(path))
    assert_same_bits(whole, final)
