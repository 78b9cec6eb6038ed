"""Training step and generation step against PyTorch and ONNX Runtime: same network, same threads, taken in turns.

    uv run --with torch --with onnx --with onnxruntime pytest -m benchmark tests/benchmarks/test_network_speed.py

The network is the same to the last parameter: one-hot bytes in, `torch.nn.GRU` or `LSTM`, logits of the next byte.
PyTorch gets the bytes as an embedding of width 256 (cheaper for it than a one-hot product); a step holds forward,
loss, backward, clipping and AdamW on both sides. Figures are medians, ratios are medians of the rounds' ratios.
"""

import itertools
import statistics
import subprocess
import sys
import time

import numpy as np
import pytest

from typeahead.rnn.backpropagation import Gradients
from typeahead.rnn.network import Network, NetworkConfig
from typeahead.rnn.optim import AdamW

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800), pytest.mark.filterwarnings("default")]
T, B, V = 64, 64, 256


def in_turns(functions, rounds, calls=1):
    """Call each function in turn, ``rounds`` times; return the seconds a call, (functions, rounds)."""
    times = [[] for _ in functions]
    for function in functions:
        function()
        function()
    for _ in range(rounds):
        for function, seconds in zip(functions, times, strict=True):
            start = time.perf_counter()
            for _ in range(calls):
                function()
            seconds.append((time.perf_counter() - start) / calls)
    return times


def ratio(theirs, ours):
    return statistics.median(a / b for a, b in zip(theirs, ours, strict=True))


def our_training_step(cell, hidden_size, threads):
    network = Network.create(NetworkConfig(cell, V, hidden_size, 1, V), seed=0)
    run, optimiser = Gradients(network, T, B, threads), AdamW(network.parameters)
    rng = np.random.default_rng(0)
    inputs, targets = rng.integers(0, V, (2, T, B)).astype(np.uint8)
    state = network.initial_state(B)

    def step():
        nonlocal state
        _, gradients, state = run(inputs, targets, state)
        optimiser.step(gradients, 1e-3, grad_clip=1.0)

    return step


def torch_training_step(cell, hidden_size, threads):
    import torch

    torch.set_num_threads(threads)
    embedding, output = torch.nn.Embedding(V, V), torch.nn.Linear(hidden_size, V)
    rnn = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[cell](V, hidden_size)
    parameters = [p for module in (embedding, rnn, output) for p in module.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=1e-3)
    inputs, targets = torch.randint(0, V, (2, T, B))
    state = None

    def step():
        nonlocal state
        optimiser.zero_grad()
        y, state = rnn(embedding(inputs), state)
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        torch.nn.functional.cross_entropy(output(y).view(-1, V), targets.view(-1)).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()

    return step


def test_training_step(capsys):
    pytest.importorskip("torch")
    lines = [f"{'training step, ms':22} {'threads':>7} {'torch.nn':>9} {'ours':>9} {'faster':>7}"]
    for cell, hidden_size, threads in itertools.product(["gru", "lstm"], [128, 256, 512], [1, 2]):
        steps = [torch_training_step(cell, hidden_size, threads), our_training_step(cell, hidden_size, threads)]
        theirs, ours = in_turns(steps, rounds=9)
        name = f"{cell} {hidden_size}, batch {B} x {T}"
        figures = [1000 * statistics.median(times) for times in (theirs, ours)]
        lines.append(f"{name:22} {threads:7} {figures[0]:9.1f} {figures[1]:9.1f} {ratio(theirs, ours):6.2f}x")
    with capsys.disabled():
        print("\n" + "\n".join(lines))


def our_generation_step(network):
    state, symbol = network.initial_state(1), np.zeros(1, np.uint8)

    def step():
        nonlocal state
        log_probs, state = network.step(symbol, state)
        symbol[0] = log_probs.argmax()

    return step


def torch_generation_step(hidden_size):
    import torch

    torch.set_num_threads(1)
    embedding, cell, output = (
        torch.nn.Embedding(V, V),
        torch.nn.GRUCell(V, hidden_size),
        torch.nn.Linear(hidden_size, V),
    )
    state, symbol = torch.zeros(1, hidden_size), torch.zeros(1, dtype=torch.long)

    def step():
        nonlocal state, symbol
        with torch.inference_mode():
            state = cell(embedding(symbol), state)
            symbol = torch.log_softmax(output(state), dim=1).argmax(dim=1)

    return step


def onnx_generation_step(network):
    """The same network, with the same weights, as an ONNX graph with the GRU operator."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    H, p = network.config.hidden_size, network.parameters

    def reorder(w):  # ONNX wants z, r, n
        return np.concatenate([w[H : 2 * H], w[:H], w[2 * H :]])

    bias = np.concatenate([reorder(p["cells.0.b_ih"]), reorder(p["cells.0.b_hh"])])[None]
    weights = {
        "identity": np.eye(V, dtype=np.float32),
        "w": reorder(p["cells.0.w_ih"])[None],
        "r": reorder(p["cells.0.w_hh"])[None],
        "b": bias,
        "w_out": np.ascontiguousarray(p["output.weight"].T),
        "b_out": p["output.bias"],
        "axes": np.array([0], np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["identity", "symbol"], ["x0"]),
        helper.make_node("Unsqueeze", ["x0", "axes"], ["x"]),
        helper.make_node("GRU", ["x", "w", "r", "b", "", "h"], ["", "h_new"], hidden_size=H, linear_before_reset=1),
        helper.make_node("Squeeze", ["h_new", "axes"], ["h2"]),
        helper.make_node("Gemm", ["h2", "w_out", "b_out"], ["logits"]),
        helper.make_node("LogSoftmax", ["logits"], ["log_probs"], axis=1),
    ]
    value, constant = helper.make_tensor_value_info, numpy_helper.from_array
    graph = helper.make_graph(
        nodes,
        "step",
        [value("symbol", TensorProto.INT64, [1]), value("h", TensorProto.FLOAT, [1, 1, H])],
        [value("log_probs", TensorProto.FLOAT, [1, V]), value("h_new", TensorProto.FLOAT, [1, 1, H])],
        [constant(np.ascontiguousarray(array), name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    state, symbol = np.zeros((1, 1, H), np.float32), np.zeros(1, np.int64)

    def step():
        nonlocal state
        log_probs, state = session.run(None, {"symbol": symbol, "h": state})
        symbol[0] = log_probs.argmax()
        return log_probs

    return step


def test_generation_step(capsys):
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    names = ["GRUCell", "ONNX RT", "float32", "int8"]
    lines = [f"{'batch-1 GRU step, us':22}" + "".join(f"{name:>9}" for name in names) + "   int8 (float32) faster than"]
    for hidden_size in (128, 256, 512):
        config = NetworkConfig("gru", V, hidden_size, 1, V)
        network, quantised = Network.create(config, seed=0), Network.create(config, seed=0)
        quantised.quantise_steps()
        onnx_step = onnx_generation_step(network)
        # The same function, or the comparison is worth nothing.
        expected, _ = network.step([0], network.initial_state(1))
        np.testing.assert_allclose(onnx_step(), expected, atol=1e-4)
        steps = [torch_generation_step(hidden_size), onnx_step]
        steps += [our_generation_step(network), our_generation_step(quantised)]
        times = in_turns(steps, rounds=15, calls=200)
        line = f"hidden {hidden_size:<15}" + "".join(f"{1e6 * statistics.median(seconds):9.1f}" for seconds in times)
        for name, theirs in zip(names[:2], times[:2], strict=True):
            line += f"   {name} {ratio(theirs, times[3]):.1f}x ({ratio(theirs, times[2]):.1f}x)"
        lines.append(line)
    with capsys.disabled():
        print("\n" + "\n".join(lines))


def peak_memory_mib(step):
    """Peak resident memory of a fresh process that makes 10 training steps."""
    code = f"from tests.benchmarks.test_network_speed import *; f = {step}('gru', 512, 1); [f() for _ in range(10)]"
    # Not getrusage: its maximum is handed down from the process that forked.
    code += "; print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(run.stdout) / 1024


def test_peak_memory_of_training(capsys):
    pytest.importorskip("torch")
    theirs, ours = peak_memory_mib("torch_training_step"), peak_memory_mib("our_training_step")
    with capsys.disabled():
        print(f"\npeak memory of training, GRU 512, batch {B} x {T}: torch.nn {theirs:.0f} MiB, ours {ours:.0f} MiB")
