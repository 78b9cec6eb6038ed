"""What the integrations cost one's own shell: at its start, before a prompt, and on a key.

    uv run pytest -m benchmark tests/benchmarks/test_init_speed.py

At the start: ``SHELL -i -c exit`` with an empty start-up file, with the line that `typeahead init SHELL --install`
writes, and with the one that starts Python each time; in turn, so that a slow moment slows all three. Of zsh in tmux,
against the daemon with the shipped model: what our hooks take in the shell itself.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.shell.terminal import Terminal
from typeahead import config
from typeahead.shell import integration
from typeahead.shell.launch import start_daemon, stop_daemon
from typeahead.shell.protocol import request

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]
ROUNDS = 40
TYPEAHEAD = Path(sys.executable).with_name("typeahead")
WITH_PYTHON = {
    "zsh": f'eval "$({TYPEAHEAD} init zsh)"\n',
    "bash": f'eval "$({TYPEAHEAD} init bash)"\n',
    "fish": f"{TYPEAHEAD} init fish | source\n",
}


def start_ms(command):
    start = time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return 1000 * (time.perf_counter() - start)


@pytest.mark.parametrize("shell", integration.SHELLS)
def test_start(shell, capsys, isolated_home):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    file = integration.startup_file(shell)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("")
    integration.install(shell)
    forms = {"without": "", "installed": file.read_text(), "with Python": WITH_PYTHON[shell]}
    command = [shell, "-i", "-c", "exit"]
    times = {form: [] for form in forms}
    for _ in range(ROUNDS):
        for form, text in forms.items():
            file.write_text(text)
            times[form].append(start_ms(command))
    with capsys.disabled():
        print(f"\n{' '.join(command):>20} {'median ms':>10} {'beyond':>8} {'fastest':>8} {'slowest':>8}")
        base = statistics.median(times["without"])
        for form, took in times.items():
            median = statistics.median(took)
            print(f"{form:>20} {median:10.1f} {median - base:8.1f} {min(took):8.1f} {max(took):8.1f}")


_TIMED = """
for f in __typeahead_precmd __typeahead_preexec __typeahead-redraw __typeahead-answer __typeahead-line-init; do
    functions[timed-$f]=$functions[$f]
    functions[$f]='local -F began=$EPOCHREALTIME; timed-'$f' "$@"
        print -r -- "'$f' $(( (EPOCHREALTIME - began) * 1000 ))" >>$LOG'
done
"""


def test_hooks_of_zsh(capsys, isolated_home, tmp_path):
    log = tmp_path / "log"
    (isolated_home / "init.zsh").write_text(integration.script("zsh"))
    (isolated_home / ".zshrc").write_text(f"PS1='%% '\nsource ~/init.zsh\n{_TIMED}")
    start_daemon(config.socket_path(), 30)
    terminal = Terminal([shutil.which("zsh"), "-d", "-i"], tmp_path, LOG=str(log), TERM="tmux-256color")
    try:
        request({"op": "suggest", "prefix": "g", "wait": True}, 400)  # the kernels are compiled first
        for line in ["git status", "ls -l /usr/share/doc", "cd /tmp && make test", "docker run -it ubuntu"] * 10:
            for key in line:
                terminal.type(key)
                time.sleep(1 / 15)
            terminal.press("C-u")
            terminal.run("true")
    finally:
        terminal.close()
        stop_daemon(config.socket_path(), 30)
    rows = [line.split() for line in log.read_text().splitlines()]
    with capsys.disabled():
        print(f"\n{'ms in the shell':>24} {'times':>6} {'median':>8} {'p99':>8} {'slowest':>8}")
        for name in sorted({name for name, _ in rows}):
            took = sorted(float(ms) for other, ms in rows if other == name)
            p99 = took[int(0.99 * (len(took) - 1))]
            print(f"{name:>24} {len(took):6} {statistics.median(took):8.2f} {p99:8.2f} {took[-1]:8.2f}")
    assert os.path.getsize(log)
