"""What a process loads before it has done anything: a prompt or a help text must not wait for numerical libraries."""

from __future__ import annotations

import json
import os
import pty
import select
import socket
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

HEAVY = {"numpy", "numba", "scipy", "librosa", "prompt_toolkit", "matplotlib", "safetensors", "tqdm"}

# Runs a module as `python -m` does and, when the process ends, writes what it has loaded.
_PROBE = """
import atexit, json, runpy, sys
report, module, *sys.argv[1:] = sys.argv[1:]
def write():
    with open(report, "w") as file:
        json.dump([sorted(sys.modules), sys.argv[1:]], file)
atexit.register(write)
if module == "-c":
    exec(sys.argv.pop(1))
else:
    runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def loaded(tmp_path: Path, module: str, *args: str) -> set[str]:
    """Run ``module`` with ``args`` in a process of its own; return the top names of the modules it has loaded."""
    report = tmp_path / "modules.json"
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, str(report), module, *args], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    modules, _ = json.loads(report.read_text())
    return {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize(
    "args",
    [
        ["--version"],
        ["--help"],
        ["daemon", "--help"],
        ["daemon", "start", "--help"],
        ["shell", "--help"],
        ["history", "--help"],
        ["history", "list"],
        ["complete", "--help"],
        ["why", "--help"],
        ["init", "--help"],
        ["init", "zsh"],
        ["forget", "--help"],
        ["stats", "--help"],
        ["watch", "--help"],
        ["keys"],
        ["train", "--help"],
        ["evaluate", "--help"],
        ["evaluate", "sessions", "--help"],
        ["inspect", "--help"],
    ],
    ids=" ".join,
)
def test_help_and_version_load_no_heavy_library(args: list[str], tmp_path: Path) -> None:
    assert loaded(tmp_path, "typeahead", *args) & HEAVY == set()


@pytest.mark.parametrize("args", [["--version"], ["--help"]], ids=" ".join)
def test_help_and_version_load_no_subcommand(args: list[str], tmp_path: Path) -> None:
    code = (
        f"import sys; sys.argv[1:] = {args!r}; import typeahead.__main__ as m\ntry: m.main()\nexcept SystemExit: pass\n"
    )
    code += "assert not [n for n in sys.modules if n.startswith('typeahead.cli.')], sorted(sys.modules)"
    loaded(tmp_path, "-c", code)


def test_printing_an_integration_loads_neither_settings_nor_the_command_line_parser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TYPEAHEAD_TEST_ALL", raising=False)  # what begins so may be a setting
    code = "import sys; sys.argv[1:] = ['init', 'zsh']; import typeahead.__main__ as m\n"
    code += "try: m.main()\nexcept SystemExit as error: assert error.code == 0\n"
    code += "assert not {'click', 'typeahead.config', 'typeahead.cli', 'pathlib'} & {*sys.modules} - before"
    loaded(tmp_path, "-c", "import sys; before = {*sys.modules}\n" + code)


def test_the_client_loads_the_standard_library_alone(tmp_path: Path) -> None:
    before = loaded(tmp_path, "-c", "pass")  # what site and .pth files bring
    outside = loaded(tmp_path, "-c", "import typeahead.shell.client") - before - set(sys.stdlib_module_names)
    assert outside == {"typeahead"}


def test_importing_the_package_loads_none_of_its_rooms(tmp_path: Path) -> None:
    code = "import sys, typeahead; assert [n for n in sys.modules if n.startswith('typeahead')] == ['typeahead']"
    assert loaded(tmp_path, "-c", code) & HEAVY == set()


def test_a_session_in_the_shell_loads_no_numerical_library_and_no_command_line_parser(
    tmp_path: Path, isolated_home: Path
) -> None:
    (isolated_home / ".bashrc").write_text("")
    runtime = Path(os.environ["XDG_RUNTIME_DIR"])
    report = tmp_path / "modules.json"
    # A session leader that opens a terminal has it as its controlling one, as in a terminal emulator.
    own_terminal = "import os; os.close(os.open(os.ttyname(0), os.O_RDWR))\n"
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    Path(os.environ["HOME"], ".bashrc").write_text("PS1='❯ '\n")
    # A daemon that accepts and never answers: one that is still loading. So none is started.
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(runtime / "silent.sock"))
        listener.listen()
        child = subprocess.Popen(
            [sys.executable, "-c", own_terminal + _PROBE, str(report), "typeahead"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, "TYPEAHEAD_SOCKET": str(runtime / "silent.sock"), "TERM": "xterm", "LC_ALL": "C.UTF-8"},
        )
        os.close(slave)
        try:
            seen = type_and_read(master, [("❯", b"echo $((6*7))\r"), ("42\r\n", b""), ("❯", b"exit 3\r")])
            assert child.wait(timeout=30) == 3, seen
        finally:
            child.kill()
            child.wait()
            os.close(master)
    modules, _ = json.loads(report.read_text())
    names = {name.partition(".")[0] for name in modules}
    assert "prompt_toolkit" in names  # it was the whole session
    assert names & (HEAVY - {"prompt_toolkit"} | {"click"}) == set()


def type_and_read(master: int, script: list[tuple[str, bytes]], timeout_s: float = 60.0) -> str:
    """Wait for each text after the one before has been seen, then type its keys; return all that was printed."""
    seen, rest = "", ""
    deadline = time.monotonic() + timeout_s
    for awaited, keys in script:
        while awaited not in rest:
            assert time.monotonic() < deadline, (awaited, seen)
            if select.select([master], [], [], 0.5)[0]:
                try:
                    data = os.read(master, 65536).decode(errors="replace")
                except OSError:  # the other side is closed
                    pytest.fail(f"ended before {awaited!r}: {seen!r}")
                if "\x1b[6n" in data:  # the line editor asks where the cursor is
                    os.write(master, b"\x1b[1;1R")
                seen, rest = seen + data, rest + data
        rest = rest.partition(awaited)[2]
        os.write(master, keys)
    return seen


@pytest.mark.parametrize("library", ["numpy", "prompt_toolkit"])
def test_the_probe_sees_a_library_that_is_loaded(library: str, tmp_path: Path) -> None:
    assert library in loaded(tmp_path, "-c", f"import {library}") & HEAVY
