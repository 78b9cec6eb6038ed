"""The tests' own ground: each is alone in a home of its own, leaves nothing running, and does not skip in silence."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from typeahead import config

pytestmark = pytest.mark.slow  # each test starts processes

ROOT = Path(__file__).parent.parent
LINUX = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="optional: /proc is Linux's")


SAMPLE = """
import os, subprocess
import pytest

@pytest.mark.skipif(True, reason="no zsh here")
def test_marked(): pass
def test_called(): pytest.skip("no tmux here")
def test_optional(): pytest.skip("optional: needs a microphone")
@pytest.mark.xfail(strict=True)
def test_known(): assert False
def test_alone():
    assert not {"TYPEAHEAD_TEXT_MODEL", "HISTFILE"} & os.environ.keys()
def test_ending():
    subprocess.Popen(["sleep", "0.1"]).returncode = 0
def test_outliving():
    child = subprocess.Popen(["sleep", "600"])
    child.returncode = 0
    open(os.environ["PID_FILE"], "w").write(str(child.pid))
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Return a function that runs pytest on `SAMPLE` under this folder's conftest, once for each TYPEAHEAD_TEST_ALL."""

    @cache
    def run(test_all: str) -> str:
        folder = tmp_path_factory.mktemp("sample")
        conftest = (ROOT / "tests" / "conftest.py").read_text()
        patient = "grace_s: float = 5.0"
        assert patient in conftest
        (folder / "conftest.py").write_text(conftest.replace(patient, "grace_s: float = 1.0"))
        (folder / "test_sample.py").write_text(SAMPLE)
        extra = {"TYPEAHEAD_TEST_ALL": test_all, "TYPEAHEAD_TEXT_MODEL": "x", "HISTFILE": "y"}
        environment = {**os.environ, **extra, "PYTHONPATH": str(ROOT), "PID_FILE": str(folder / "pid")}
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", f"--rootdir={folder}", str(folder)]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
        return f"{done.stdout}\nPID {(folder / 'pid').read_text()}\n"

    return run


def test_what_the_user_owns_lies_in_the_tests_folder(isolated_home: Path, tmp_path: Path) -> None:
    assert tmp_path in isolated_home.parents
    assert Path.home() == isolated_home
    for path in (config.config_file(), config.data_dir(), config.cache_dir()):
        assert isolated_home in path.parents
    assert len(os.fsencode(config.socket_path())) < 100


def test_the_generator_gives_the_same_numbers_in_every_run(rng: np.random.Generator) -> None:
    assert rng.integers(0, 1000, 3).tolist() == [634, 133, 669]


@pytest.mark.parametrize(
    ("args", "options", "is_many"),
    [
        (["tests"], {}, True),
        (["tests/rnn", "tests/test_docs.py"], {"markexpr": "not slow and not benchmark"}, True),
        (["tests/test_docs.py"], {}, False),
        (["tests/test_docs.py::test_one"], {}, False),
        (["tests"], {"markexpr": "benchmark"}, False),
        (["tests"], {"capture": "no"}, False),
        (["tests"], {"keyword": "zsh"}, False),
    ],
)
def test_folders_run_side_by_side_and_what_is_small_or_measures_in_one_process(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    args: list[str],
    options: dict[str, str],
    is_many: bool,
) -> None:
    monkeypatch.chdir(ROOT)
    defaults = {"markexpr": "not benchmark", "capture": "fd", "keyword": "", "collectonly": False}
    asked = SimpleNamespace(args=args, option=SimpleNamespace(**{**defaults, **options}))
    number = request.config.hook.pytest_xdist_auto_num_workers(config=asked)
    assert 1 <= number <= 4 if is_many else number == 0


def test_the_users_own_settings_do_not_reach_a_test(report: Callable[[str], str]) -> None:
    assert "PASSED test_sample.py::test_alone" in report("0")


def test_a_skip_is_a_skip(report: Callable[[str], str]) -> None:
    assert "3 skipped, 1 xfailed" in report("0")


def test_where_all_is_asked_for_a_skip_is_a_failure_but_for_optional_ones(report: Callable[[str], str]) -> None:
    printed = report("1")
    assert "1 skipped, 1 xfailed" in printed
    assert "asks for every test: no zsh here" in printed
    assert "asks for every test: no tmux here" in printed
    assert "asks for every test: optional" not in printed


@LINUX
def test_a_process_that_outlives_its_test_is_killed_and_fails_it(report: Callable[[str], str]) -> None:
    printed = report("0")
    assert "ERROR test_sample.py::test_outliving" in printed
    assert "processes of this test that outlived it, now killed: ['sleep 600 (state " in printed
    process = Path("/proc", printed.split()[-1], "cmdline")
    assert not process.exists() or process.read_bytes() == b""  # gone, or dead and not yet reaped


@LINUX
def test_a_process_that_ends_with_its_test_is_no_failure(report: Callable[[str], str]) -> None:
    printed = report("0")
    assert "PASSED test_sample.py::test_ending" in printed
    assert "ERROR test_sample.py::test_ending" not in printed
