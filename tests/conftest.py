"""What every test gets: a home of its own, a seeded generator, and no quiet skip where everything must run."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from typeahead import config

# A shell that starts the tests in the background has them ignore Ctrl-C, and all they start with them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if TYPE_CHECKING:
    import numpy as np

# A loaded machine must not turn a property into a failure: no test asserts a time, so neither does hypothesis.
hypothesis.settings.register_profile(
    "typeahead",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("typeahead")

_MOST_WORKERS = 4


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run folders side by side, since most tests wait; in this process a few files, and what measures or is watched."""
    option = config.option
    measures = "benchmark" in option.markexpr.replace("not benchmark", "")
    is_watched = option.collectonly or option.capture == "no"
    is_small = option.keyword or not any(Path(arg).is_dir() for arg in config.args)
    if measures or is_watched or is_small:
        return 0
    return min(_MOST_WORKERS, os.cpu_count() or 1)


def pytest_configure(config: pytest.Config) -> None:
    """Keep compiled kernels in one folder: each test has a home, in which a daemon would compile them all anew.

    Each process that runs tests has its own, since two that write into one at once mix up what its index names.
    """
    cache = getattr(config, "cache", None)
    if cache is not None:
        os.environ["NUMBA_CACHE_DIR"] = str(cache.mkdir(f"numba-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"))


_KEPT = frozenset({"TYPEAHEAD_TEST_ALL"})
_SHELL_VARIABLES = (
    *("SHELL", "HISTFILE", "BASH_ENV", "ENV", "ZDOTDIR", "PROMPT_COMMAND", "PS1", "INPUTRC"),
    *("TMUX", "EDITOR", "VISUAL", "COLUMNS", "LINES"),
)


@pytest.fixture(autouse=True)
def isolated_home(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Point everything a user owns into ``tmp_path``, but for the runtime folder: a socket's path has 107 bytes."""
    for variable in list(os.environ):
        if variable.startswith("TYPEAHEAD_") and variable not in _KEPT:
            monkeypatch.delenv(variable)
    for variable in _SHELL_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    runtime = tempfile.mkdtemp(prefix="ta-")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / ".local" / "share"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / ".local" / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    # Shared by the session: matplotlib builds its font list once.
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path_factory.getbasetemp() / "matplotlib"))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    config.runtime_dir.cache_clear()
    yield home
    config.runtime_dir.cache_clear()
    left = _stop_survivors(runtime)
    shutil.rmtree(runtime, ignore_errors=True)
    if left:
        pytest.fail(f"processes of this test that outlived it, now killed: {left}")


def _stop_survivors(runtime: str, grace_s: float = 5.0) -> list[str]:
    """Return the command lines of processes with this test's environment that do not end by themselves; kill them."""
    deadline = time.monotonic() + grace_s
    while (running := _processes_in(runtime)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return list(running.values())


def _processes_in(runtime: str) -> dict[int, str]:
    """Return pid -> state, parent and command line of the processes whose runtime folder is this; none but on Linux."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"XDG_RUNTIME_DIR={runtime}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                state, parent = (folder / "stat").read_text().rpartition(") ")[2].split()[:2]
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found[int(folder.name)] = f"{command}(state {state}, parent {parent})"
        except OSError:  # it has ended meanwhile, or is somebody else's
            continue
    return found


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a generator that gives the same numbers in every run."""
    import numpy as np

    return np.random.default_rng(20240607)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None]:  # the report is what the inner hook returns
    """With ``TYPEAHEAD_TEST_ALL=1``, fail a test that skips, unless its reason starts with "optional"."""
    report = yield
    if os.environ.get("TYPEAHEAD_TEST_ALL") == "1" and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        if not reason.startswith("optional"):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid}: skipped, but TYPEAHEAD_TEST_ALL=1 asks for every test: {reason}"
    return report
