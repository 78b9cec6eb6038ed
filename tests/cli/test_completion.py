"""``typeahead completion``: the printed functions at work in real shells."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which ``typeahead`` is this checkout's."""
    program = tmp_path / "bin" / "typeahead"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m typeahead "$@"\n')
    program.chmod(0o755)
    root = Path(__file__).parents[2]
    return {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(root)}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_can_read_what_is_printed(run: Run, shell: str) -> None:
    status, out, err = run("completion", shell)
    assert (status, err) == (0, "")
    subprocess.run([shell, "-n"], input=out, text=True, check=True)


def test_bash_completes_commands_and_options(run: Run, environment: dict[str, str]) -> None:
    script = (
        run("completion", "bash")[1]
        + """
        asks() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _typeahead_completion typeahead; }
        asks typeahead fo; echo "${COMPREPLY[@]}"
        asks typeahead forget --si; echo "${COMPREPLY[@]}"
    """
    )
    done = subprocess.run(["bash", "-c", script], env=environment, text=True, capture_output=True, check=True)
    assert done.stdout.splitlines() == ["forget", "--since"]


def test_fish_completes_with_descriptions(run: Run, environment: dict[str, str]) -> None:
    script = run("completion", "fish")[1] + "\ncomplete --do-complete 'typeahead forg'"
    done = subprocess.run(["fish", "-c", script], env=environment, text=True, capture_output=True, check=True)
    assert done.stdout.split("\t") == ["forget", "Forget lines for good.\n"]
