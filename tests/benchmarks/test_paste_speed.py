"""A paste of 200 lines, against bash's own readline, taken in turns on real ptys of the same size.

    uv run pytest -m benchmark tests/benchmarks/test_paste_speed.py

The time is from the first byte of the paste to the echo of a key that follows its last; then, after Enter, to the end
of its commands.
"""

import os
import re
import time

import pytest

from tests.benchmarks.test_shell_speed import _VISIBLE, OURS, Session, milliseconds

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]
BASH = ["bash", "--norc", "-i"]
LINES, ROUNDS = 200, 7
TEXT = "\n".join(f": git commit -m 'line {number} of a paste' -- src/part_{number}.c" for number in range(LINES))
END = b"\necho DO''NE "  # so that the word stands in the output alone


def paste(command, bracketed):
    """Return the seconds until all of a paste is drawn and until it has run."""
    session = Session(command, {"TYPEAHEAD_SHELL_SUGGEST": "0", "PS1": "$ "})
    session.until(lambda output: re.search(rb"[#$>\xaf] ", _VISIBLE.sub(b"", output)))
    session.echo_of(b"@")  # the line editor is there
    os.write(session.terminal, b"\x15")
    while session.read(1.0):
        pass
    before = len(session.output)
    text = TEXT.encode() + END
    sent = time.perf_counter()
    send(session, b"\x1b[200~" + text + b"\x1b[201~" if bracketed else text)
    if bracketed:
        send(session, b"@")
        session.until(lambda output: b"@" in output[before:])
    drawn = time.perf_counter() - sent
    send(session, b"\r")
    session.until(lambda output: b"DONE" in output[before:])
    ran = time.perf_counter() - sent
    session.close()
    return drawn, ran


def send(session, data):
    """Write all of ``data``, reading meanwhile, as a terminal does."""
    os.set_blocking(session.terminal, False)
    while data:
        try:
            data = data[os.write(session.terminal, data[:1024]) :]
        except BlockingIOError:
            session.read(0.01)
        while session.read(0.0):
            pass
    os.set_blocking(session.terminal, True)


@pytest.mark.parametrize("bracketed", [True, False], ids=["bracketed", "unbracketed"])
def test_paste(capsys, bracketed, isolated_home):
    (isolated_home / ".bashrc").write_text("PS1='$ '\n")
    times = {"bash": [], "typeahead": []}
    for _ in range(ROUNDS):
        times["bash"].append(paste(BASH, bracketed))
        times["typeahead"].append(paste(OURS, bracketed))
    with capsys.disabled():
        how = "bracketed" if bracketed else "not bracketed"
        print(f"\n{LINES} lines, {len(TEXT)} characters, {how}; load {os.getloadavg()[0]:.1f}")
        print(f"{'ms':12}{'drawn':>20}{'run':>20}")
        for name, pairs in times.items():
            drawn, ran = zip(*pairs, strict=True)
            print(f"{name:12}{milliseconds(drawn):>20}{milliseconds(ran):>20}")
        for index, what in enumerate(["drawn", "run"] if bracketed else ["", "run"]):
            if what:
                ours, theirs = (
                    sorted(pair[index] for pair in times[name])[ROUNDS // 2] for name in ("typeahead", "bash")
                )
                print(f"{what}: {ours / theirs:.2f} times bash's")
