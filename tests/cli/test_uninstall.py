"""``typeahead uninstall``: what it lists is what goes, and the history stays unless it is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run, Start
from tests.shell.fake_daemon import Daemon
from typeahead import config
from typeahead.history import History
from typeahead.shell import integration


@pytest.fixture
def used(isolated_home: Path) -> Path:
    """A machine on which typeahead has been used; returns the user's ~/.zshrc."""
    (isolated_home / ".zshrc").write_text("alias ll='ls -l'\n")
    integration.install("zsh")
    for path in (config.cache_dir() / "numba" / "kernel", config.log_dir() / "daemon.log", config.config_file()):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    history = History(config.history_file())
    history.add("make test")
    history.close()
    return isolated_home / ".zshrc"


def test_everything_but_the_history_goes(run: Run, used: Path) -> None:
    status, out, err = run("uninstall", "--yes")
    assert (status, err) == (0, "")
    assert used.read_text() == "alias ll='ls -l'\n"
    for path in (config.cache_dir(), config.log_dir(), config.config_file(), integration.installed_script("zsh")):
        assert str(path.name) not in {one.name for one in path.parent.glob("*")}
    history = History(config.history_file())
    assert [event.command for event in history.latest(9)] == ["make test"]
    history.close()
    assert f"stays: {config.data_dir()}" in out


def test_with_history_nothing_stays(run: Run, used: Path) -> None:
    assert run("uninstall", "--history", "--yes")[0] == 0
    assert not config.data_dir().exists()
    assert run("uninstall", "--history", "--yes") == (0, "nothing else is here\n", "")


def test_a_dry_run_lists_and_removes_nothing(run: Run, used: Path) -> None:
    status, out, _ = run("uninstall", "--history", "--dry-run")
    assert status == 0
    for path in (used, config.cache_dir(), config.log_dir(), config.config_file(), config.data_dir()):
        assert f"{path}: " in out
        assert path.exists()


def test_without_a_yes_nothing_is_removed(start: Start, used: Path) -> None:
    process = start("uninstall", stdin=-1)
    out, err = process.communicate("n\n")
    assert process.returncode == 130
    assert "Remove this?" in out
    assert err == "typeahead: interrupted\n"
    assert config.config_file().exists()


def test_a_running_daemon_is_stopped_first(run: Run, used: Path) -> None:
    daemon = Daemon(config.socket_path()).wait_listening()
    try:
        assert run("uninstall", "--yes")[0] == 0
        assert daemon.wait() == 0
    finally:
        daemon.close()
