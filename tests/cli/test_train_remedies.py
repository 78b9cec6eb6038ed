"""`typeahead train`: how the weights begin, and what is said and done where gradients vanish or explode."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from typeahead.cli.train import train
from typeahead.rnn import checkpoint
from typeahead.rnn.initialisation import STARTS
from typeahead.rnn.network import ACTIVATIONS, Network, NetworkConfig

pytestmark = pytest.mark.slow  # each test starts processes

SMALL = ["--hidden-size", "8", "--seq-len", "8", "--batch-size", "4", "--threads", "1"]


@pytest.fixture
def folder(folder: Path) -> Path:
    """Return the current folder, with a corpus of three words in random order."""
    order = np.random.default_rng(1).integers(3, size=400)
    (folder / "words.txt").write_bytes(b"".join([b"ls -l\n", b"cd ..\n", b"git status\n"][i] for i in order))
    return folder


def test_the_choices_of_start_and_activation_are_those_there_are():
    offered = {option.name: option.type.choices for option in train.params if option.name in ("start", "activation")}
    assert {name: sorted(choices) for name, choices in offered.items()} == {
        "start": sorted(STARTS), "activation": sorted(ACTIVATIONS),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "network", "trained"),
    [
        (["--cell", "elman", "--start", "uniform"], {}, {"start": "uniform"}),
        (["--cell", "elman", "--start", "identity", "--activation", "relu"], {"activation": "relu"},
         {"start": "identity"}),
        (["--cell", "gru", "--start", "chrono"], {}, {"start": "chrono", "max_lag": None}),
        (["--cell", "lstm", "--start", "chrono", "--max-lag", "30"], {}, {"start": "chrono", "max_lag": 30}),
        (["--cell", "lstm", "--forget-bias", "2.5"], {}, {"forget_bias": 2.5}),
    ],
)  # fmt: skip
def test_the_network_starts_as_it_is_told_and_the_model_says_so(folder, run, options, network, trained):
    given = [*options, *SMALL, "--learning-rate", "1e-9", "--steps", "1", "-o", "m.safetensors"]
    assert run("train", "words.txt", *given)[0] == 0
    arrays, metadata = checkpoint.load("m.safetensors")
    assert metadata["network"].items() >= network.items()
    assert metadata["train"].items() >= trained.items()
    assert " ".join(options) in metadata["command"]
    config = NetworkConfig(cell=options[1], hidden_size=8, **network)
    if "max_lag" in trained:
        trained["max_lag"] = trained["max_lag"] or 8  # --seq-len
    drawn = Network.create(config, 0, **trained).parameters
    for name, array in drawn.items():
        np.testing.assert_allclose(arrays[name], array, atol=1e-6, err_msg=name)
    # Going on keeps it, and does not take another.
    assert run("train", "--resume", "-o", "m.safetensors", "--steps", "2", *options)[0] == 0
    assert checkpoint.load("m.safetensors")[1]["train"] == metadata["train"] | {"steps": 2}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--start", "identity"], "--start identity is for the cell elman, not gru; choose orthogonal or chrono"),
        (["--cell", "elman", "--start", "chrono"], "--start chrono sets the biases of gates, and elman has none"),
        (["--max-lag", "50"], "--max-lag 50 goes with the start chrono, not with orthogonal; leave it out"),
        (["--forget-bias", "2"], "--forget-bias 2 goes with the cell lstm, and gru has no forget gate"),
        (["--cell", "lstm", "--start", "chrono", "--forget-bias", "2"], "--forget-bias 2: the start chrono draws"),
        (["--activation", "relu"], "--activation relu is for the cell elman, not gru"),
        (["--start", "chrono", "--seq-len", "2"], "--max-lag 2: the start chrono needs"),
    ],
)
def test_starts_that_make_no_sense_are_one_clear_line(folder, run, options, message):
    status, out, err = run("train", "words.txt", "--steps", "5", *options)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert message in err
    assert os.listdir(folder) == ["words.txt"]


def test_a_start_for_weights_that_there_are_is_wrong_usage(run):
    run("train", "words.txt", "--steps", "1", *SMALL)
    status, _, err = run(
        "train", "words.txt", "--init", "words.safetensors", "--start", "uniform", "-o", "b.safetensors"
    )
    assert status == 2
    assert "--start is for new weights; --init has some." in err


def test_another_start_than_the_runs_is_refused(run):
    run("train", "words.txt", "--steps", "1", *SMALL)
    status, _, err = run("train", "--resume", "-o", "words.safetensors", "--start", "uniform", "--steps", "2")
    assert status == 1
    assert "--start uniform: the run to resume has orthogonal" in err


def test_the_metrics_hold_the_clip_rate_and_gradient_norms_by_lag(folder, run):
    shape = ["--hidden-size", "8", "--seq-len", "24", "--batch-size", "4", "--num-layers", "2"]
    run("train", "words.txt", "--steps", "40", "--eval-interval", "20", *shape, "--grad-clip", "1e-9")
    lines = [json.loads(line) for line in (folder / "words.metrics.jsonl").read_text().splitlines()]
    assert [line["clip_rate"] for line in lines] == pytest.approx([0, 1, 1, 1, 1])
    norms = {line["step"]: line["gradient_norms"] for line in lines}
    assert [step for step, found in norms.items() if found is not None] == [0, 20, 40]
    assert np.shape(norms[40]) == (2, 24)
    assert norms[40][0][0] > norms[40][0][20] > 0


def test_a_plain_network_whose_gradients_vanish_is_told_what_helps_once(folder, run):
    shape = ["--cell", "elman", "--start", "uniform", "--hidden-size", "8", "--seq-len", "64", "--batch-size", "8"]
    status, _, err = run("train", "words.txt", "--steps", "400", "--eval-interval", "50", *shape)
    assert status == 0
    warnings = [line for line in err.splitlines() if line.startswith("typeahead: ")]
    assert len(warnings) == 1
    assert re.search(r"gradients vanish: \d+ steps back .* go back 64; start anew with --cell gru or lstm", warnings[0])


def test_an_absurd_learning_rate_is_halved_and_the_run_goes_on(folder, run):
    status, out, err = run("train", "words.txt", "--steps", "200", "--learning-rate", "10", *SMALL)
    assert status == 0
    told = r"^typeahead: the loss exploded at step \d+ \(.*\); back to the weights of step 0, past this batch and with"
    assert re.search(told + " half the learning rate, 5 at its peak$", err, re.MULTILINE)
    assert out.startswith("words.safetensors: validation loss ")
    assert checkpoint.load("words.checkpoint.safetensors")[1]["run"]["guard"]["returns"] >= 1
    assert "Traceback" not in err


def test_a_run_that_explodes_whatever_is_done_ends_with_one_error(folder, run):
    status, out, err = run("train", "words.txt", "--steps", "200", "--learning-rate", "1e6", *SMALL)
    assert (status, out) == (1, "")
    assert len(re.findall("^typeahead: .*back to the weights of step 0", err, re.MULTILINE)) == 5
    last = err.splitlines()[-1]
    assert last.startswith("typeahead: the loss exploded at step ")
    assert "start again with a lower --learning-rate (now 1e+06) or --grad-clip" in last
    assert last.endswith("; going back did not help, 5 times in a row")
