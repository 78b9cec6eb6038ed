"""The program, run in a folder of the test's own: in the test's process, or in another."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from typeahead.cli import main

Run = Callable[..., tuple[int, str, str]]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, an empty one."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run(folder: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the program in this process: (status, standard output, standard error)."""

    def run(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(args)
        out, err = capfd.readouterr()
        return caught.value.code, out, err

    return run


@pytest.fixture
def start(folder: Path) -> Start:
    """Return a function that starts the program as a process of its own; its streams are pipes unless given."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": "1"}

    def start(*args: str, **streams: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "typeahead", *args]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        return subprocess.Popen(command, cwd=folder, env=environment, text=True, **streams)

    return start
