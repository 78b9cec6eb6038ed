"""A voice model's step and an MFCC frame against ONNX Runtime and librosa, and a detector's share of one core.

    uv run --with onnx --with onnxruntime pytest -m benchmark tests/benchmarks/test_voice_speed.py

The network has the same weights on both sides, and librosa the same frame; the results are compared before the times.
Sides take turns in one run, on one thread; figures are medians, ratios are medians of the rounds' ratios.
"""

import statistics
import time

import numpy as np
import pytest

from tests.benchmarks.test_network_speed import in_turns, ratio
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.voice.classifier import Classifier
from typeahead.voice.detector import Detector
from typeahead.voice.labels import SILENCE, UNKNOWN
from typeahead.voice.mfcc import MFCC, Features, Tables

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800), pytest.mark.filterwarnings("default")]
FEATURES = Features()
LABELS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", UNKNOWN, SILENCE)
FRAMES_PER_STEP = 3
BLOCK = 480  # samples, of 30 ms: what a microphone gives at a time
SECONDS = 60


def network(hidden_size):
    config = NetworkConfig("gru", FRAMES_PER_STEP * FEATURES.n_mfcc, hidden_size, 2, len(LABELS), one_hot=False)
    return Network.create(config, seed=0)


def our_step(network, inputs):
    state, other = network.initial_state(1), network.initial_state(1)

    def step():
        nonlocal state, other
        log_probs, other = network.step(inputs, state, other)
        state, other = other, state
        return log_probs

    return step


def onnx_step(network, inputs):
    """The same network, with the same weights, as an ONNX graph with the GRU operator."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    config, p = network.config, network.parameters
    H, layers = config.hidden_size, config.num_layers

    def reorder(w):  # ONNX wants z, r, n
        return np.concatenate([w[H : 2 * H], w[:H], w[2 * H :]])

    weights = {"w_out": np.ascontiguousarray(p["output.weight"].T), "b_out": p["output.bias"]}
    weights |= {"axes": np.array([0], np.int64), "one": np.array([1], np.int64)}
    nodes, x = [], "x"
    for layer in range(layers):
        name = f"cells.{layer}."
        weights[f"w{layer}"], weights[f"r{layer}"] = reorder(p[name + "w_ih"])[None], reorder(p[name + "w_hh"])[None]
        weights[f"b{layer}"] = np.concatenate([reorder(p[name + "b_ih"]), reorder(p[name + "b_hh"])])[None]
        given = [x, f"w{layer}", f"r{layer}", f"b{layer}", "", f"h{layer}"]
        nodes += [
            helper.make_node("GRU", given, ["", f"new{layer}"], hidden_size=H, linear_before_reset=1),
        ]
        x = f"new{layer}"  # (1, 1, H): one direction, one lane; as the next layer's input one step, one lane
    nodes += [
        helper.make_node("Squeeze", [x, "axes"], ["top"]),
        helper.make_node("Gemm", ["top", "w_out", "b_out"], ["logits"]),
        helper.make_node("LogSoftmax", ["logits"], ["log_probs"], axis=1),
    ]
    value, constant = helper.make_tensor_value_info, numpy_helper.from_array
    states = [1, 1, H]
    graph = helper.make_graph(
        nodes,
        "step",
        [value("x", TensorProto.FLOAT, [1, 1, config.input_size])]
        + [value(f"h{layer}", TensorProto.FLOAT, states) for layer in range(layers)],
        [value("log_probs", TensorProto.FLOAT, [1, config.output_size])]
        + [value(f"new{layer}", TensorProto.FLOAT, states) for layer in range(layers)],
        [constant(np.ascontiguousarray(array), name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {"x": inputs[None], **{f"h{layer}": np.zeros(states, np.float32) for layer in range(layers)}}

    def step():
        log_probs, *new = session.run(None, feed)
        feed.update({f"h{layer}": array for layer, array in enumerate(new)})
        return log_probs

    return step


def test_network_step(capsys):
    pytest.importorskip("onnxruntime", reason="optional: give onnxruntime with uv run --with")
    pytest.importorskip("onnx", reason="optional: give onnx with uv run --with")
    lines = [f"{'a step of 2 layers, us':26}{'ONNX RT':>9}{'float32':>9}{'int8':>9}   int8 (float32) faster"]
    inputs = np.random.default_rng(0).normal(size=(1, 60)).astype(np.float32)
    for hidden_size in (72, 128, 160):
        one, quantised = network(hidden_size), network(hidden_size)
        quantised.quantise_steps()
        steps = [onnx_step(one, inputs), our_step(one, inputs), our_step(quantised, inputs)]
        for _ in range(3):  # the same function, or the comparison is worth nothing
            np.testing.assert_allclose(steps[0](), steps[1](), atol=1e-4)
        times = in_turns(steps, rounds=25, calls=200)
        name = f"GRU {hidden_size}, {one.num_parameters / 1000:.0f}k parameters"
        figures = "".join(f"{1e6 * statistics.median(seconds):9.1f}" for seconds in times)
        lines.append(f"{name:26}{figures}   {ratio(times[0], times[2]):.1f}x ({ratio(times[0], times[1]):.1f}x)")
    with capsys.disabled():
        print("\n" + "\n".join(lines))


def test_mfcc_frame(capsys):
    import librosa

    tables = Tables.of(FEATURES)
    mfcc = MFCC(FEATURES, tables)
    y = np.random.default_rng(0).normal(0, 0.1, FEATURES.win_length).astype(np.float32)
    around = (FEATURES.n_fft - FEATURES.win_length) // 2  # librosa centres the window in the transform
    padded = np.pad(y, around)

    def theirs():
        mel = librosa.feature.melspectrogram(
            y=padded, sr=16000, n_fft=512, hop_length=160, win_length=480, window="hann", center=False, power=2.0,
            n_mels=40, fmin=0, fmax=4000, htk=True, norm=None,
        )  # fmt: skip
        return librosa.feature.mfcc(S=np.log(mel + 1e-6), n_mfcc=20, dct_type=2, norm="ortho").T

    def theirs_with_tables():  # the filterbank and the cosines made once
        power = np.abs(librosa.stft(padded, n_fft=512, hop_length=160, win_length=480, center=False)) ** 2
        return (tables.dct @ np.log(tables.filterbank @ power + 1e-6)).T

    def ours():
        mfcc.reset()
        return mfcc.push(y)

    for function in (theirs, theirs_with_tables):
        np.testing.assert_allclose(function(), ours(), atol=1e-3)
    times = in_turns([theirs, theirs_with_tables, ours], rounds=25, calls=40)
    lines = [f"{'one MFCC frame, us':26}{'theirs':>9}{'ours':>9}{'faster':>9}"]
    for name, seconds in zip(["librosa.feature.mfcc", "librosa.stft and tables"], times[:2], strict=True):
        figures = "".join(f"{1e6 * statistics.median(one):9.1f}" for one in (seconds, times[2]))
        lines.append(f"{name:26}{figures}{ratio(seconds, times[2]):8.1f}x")
    with capsys.disabled():
        print("\n" + "\n".join(lines))


def sounds():
    """Name -> a minute of it (n,): four syllables a second as loud as talk; a quiet room; a muted device."""
    rng = np.random.default_rng(0)
    hiss = rng.normal(0, 1, SECONDS * FEATURES.sr)
    t = np.arange(len(hiss)) / FEATURES.sr
    syllables = np.maximum(0, np.sin(2 * np.pi * 4 * t)) ** 2
    return {
        "someone speaks": (0.08 * syllables * hiss).astype(np.float32),
        "a room at -50 dBFS": (10 ** (-50 / 20) * hiss).astype(np.float32),
        "a room at -70 dBFS": (10 ** (-70 / 20) * hiss).astype(np.float32),
        "digital silence": np.zeros(len(hiss), np.float32),
    }


def share(classifier, y):
    """Return processor time over the time of the sound, fed block by block, and the share of it with an open gate."""
    detector = Detector(classifier)
    detector.push(y[: 20 * BLOCK])  # compiles
    is_open = 0
    start = time.process_time()
    for at in range(20 * BLOCK, len(y), BLOCK):
        detector.push(y[at : at + BLOCK])
        is_open += detector.is_open
    spent = time.process_time() - start
    return spent / ((len(y) - 20 * BLOCK) / FEATURES.sr), is_open / (len(y) // BLOCK - 20)


def test_detectors_share_of_a_core(capsys):
    lines = [f"{'share of one core, %':26}{'GRU 72':>9}{'GRU 160':>9}{'gate open':>11}"]
    tables = Tables.of(FEATURES)
    mean, std = np.zeros(20), np.full(20, 5.0)
    for name, y in sounds().items():
        figures = ""
        for hidden_size in (72, 160):
            classifier = Classifier(network(hidden_size), LABELS, FEATURES, tables, FRAMES_PER_STEP, mean, std)
            measured = [share(classifier, y) for _ in range(3)]
            figures += f"{100 * statistics.median(spent for spent, _ in measured):9.2f}"
        lines.append(f"{name:26}{figures}{100 * measured[0][1]:9.0f} %")
    with capsys.disabled():
        print("\n" + "\n".join(lines))
