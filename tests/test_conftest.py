"""The tests' own ground: each is alone in a home of its own, leaves nothing running, and does not skip in silence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from typeahead import config

ROOT = Path(__file__).parent.parent
LINUX = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="optional: /proc is Linux's")


def run_pytest(folder: Path, source: str, **variables: str) -> str:
    """Run pytest on ``source`` under a copy of this folder's conftest; return what it prints."""
    shutil.copy(ROOT / "tests" / "conftest.py", folder / "conftest.py")
    (folder / "test_sample.py").write_text(source)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", "--rootdir", str(folder), str(folder)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120).stdout


def test_what_the_user_owns_lies_in_the_tests_folder(isolated_home: Path, tmp_path: Path) -> None:
    assert tmp_path in isolated_home.parents
    assert Path.home() == isolated_home
    for path in (config.config_file(), config.data_dir(), config.cache_dir()):
        assert isolated_home in path.parents
    assert len(os.fsencode(config.socket_path())) < 100


def test_the_users_own_settings_do_not_reach_a_test(tmp_path: Path) -> None:
    source = "import os\ndef test_a():\n    assert not {'TYPEAHEAD_TEXT_MODEL', 'HISTFILE'} & os.environ.keys()\n"
    assert "1 passed" in run_pytest(tmp_path, source, TYPEAHEAD_TEXT_MODEL="x", HISTFILE="y")


def test_the_generator_gives_the_same_numbers_in_every_run(rng: np.random.Generator) -> None:
    assert rng.integers(0, 1000, 3).tolist() == [634, 133, 669]


SKIPS = """
import pytest
@pytest.mark.skipif(True, reason="no zsh here")
def test_marked(): pass
def test_called(): pytest.skip("no tmux here")
def test_optional(): pytest.skip("optional: needs a microphone")
@pytest.mark.xfail(strict=True)
def test_known(): assert False
"""


def test_a_skip_is_a_skip(tmp_path: Path) -> None:
    assert "3 skipped, 1 xfailed" in run_pytest(tmp_path, SKIPS, TYPEAHEAD_TEST_ALL="0")


def test_where_all_is_asked_for_a_skip_is_a_failure_but_for_optional_ones(tmp_path: Path) -> None:
    printed = run_pytest(tmp_path, SKIPS, TYPEAHEAD_TEST_ALL="1")
    assert "1 failed, 1 skipped, 1 xfailed, 1 error" in printed
    assert "asks for every test: no zsh here" in printed
    assert "asks for every test: no tmux here" in printed


@LINUX
def test_a_process_that_outlives_its_test_is_killed_and_fails_it(tmp_path: Path) -> None:
    source = "import subprocess, sys\ndef test_a(tmp_path):\n    child = subprocess.Popen(['sleep', '600'])\n"
    source += f"    open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n    child.returncode = 0\n"
    assert "processes of this test that outlived it, now killed: ['sleep 600 ']" in run_pytest(tmp_path, source)
    pid = int((tmp_path / "pid").read_text())
    assert not Path(f"/proc/{pid}/cmdline").exists() or Path(f"/proc/{pid}/cmdline").read_bytes() == b""


@LINUX
def test_a_process_that_ends_with_its_test_is_no_failure(tmp_path: Path) -> None:
    source = "import subprocess\ndef test_a():\n    subprocess.Popen(['sleep', '0.3']).returncode = 0\n"
    assert "1 passed" in run_pytest(tmp_path, source)
