"""What the shell underneath adds to a line, and what telling its names costs it after each.

    uv run pytest -m benchmark tests/benchmarks/test_process_speed.py

The names are told after the report that brings the prompt back; a line that follows at once, as here, waits for them.
"""

import statistics
import time

import pytest

from tests.shell.driven import Driven

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(300)]
ROUNDS = 40
_TIMED = "__s=${EPOCHREALTIME/[.,]/}; __ta_tell; __e=${EPOCHREALTIME/[.,]/}; echo $((__e-__s))"
FUNCTIONS = [0, 300, 2000]


def round_trip(bash):
    start = time.perf_counter()
    bash.run("true")
    return time.perf_counter() - start


def test_a_line_and_the_names_after_it(capsys, tmp_path, isolated_home):
    (isolated_home / ".bashrc").write_text("")
    bash = Driven(tmp_path)
    rows = []
    for functions in FUNCTIONS:
        bash.run(f'for ((i = 0; i < {functions}; i++)); do eval "a_function_$i() {{ :; }}"; done')
        lines = statistics.median(round_trip(bash) for _ in range(ROUNDS))
        names = statistics.median(int(bash.output(_TIMED).split()[-1]) for _ in range(ROUNDS))
        rows.append((functions, 1000 * lines, names / 1000))
    bash.close()
    with capsys.disabled():
        print(f"\n{'functions':>10} {'ms a line (true), one after another':>36} {'ms for the names':>18}")
        for functions, line_ms, names_ms in rows:
            print(f"{functions:10} {line_ms:36.2f} {names_ms:18.2f}")
