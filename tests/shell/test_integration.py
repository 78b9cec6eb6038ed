"""The integration's text, and the one line that reads it: put in, kept, renewed and taken out again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shell.fake_daemon import Start
from typeahead import __version__
from typeahead.errors import ConfigError, ShellError
from typeahead.shell import integration

RC = {"zsh": ".zshrc", "bash": ".bashrc", "fish": ".config/fish/conf.d/typeahead.fish"}


@pytest.fixture(params=integration.SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_text_says_which_version_wrote_it(shell: str) -> None:
    assert __version__ in integration.script(shell).splitlines()[0]
    assert sys.executable in integration.script(shell)


def test_a_shell_that_there_is_nothing_for_is_told_the_three(isolated_home: Path) -> None:
    for given in ("tcsh", None):
        with pytest.raises(ShellError, match=r"zsh.*bash.*fish") as caught:
            integration.script(given)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)


def test_changed_settings_are_told_and_defaults_are_not(shell: str, isolated_home: Path) -> None:
    assert "__typeahead_text_empty=" not in _assignments(shell)
    folder = isolated_home / ".config" / "typeahead"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('[text]\nempty = false\n[keys]\naccept = "c-o \'"\n[daemon]\nnice = 3\n')
    text = _assignments(shell)
    assert "off" in next(line for line in text.splitlines() if "__typeahead_text_empty" in line)
    assert "c-o" in next(line for line in text.splitlines() if "__typeahead_keys_accept" in line)
    assert "daemon_nice" not in text
    (folder / "config.toml").write_text("[text\n")
    with pytest.raises(ConfigError):
        integration.script(shell)


def _assignments(shell: str) -> str:
    return "\n".join(integration.script(shell).splitlines()[:8])


@pytest.mark.parametrize("before", [None, b"", b"alias x=y\n", b"no newline", b"\xff\xfe odd\n\n"])
def test_installing_adds_one_line_and_removing_restores_the_file(
    shell: str, before: bytes | None, isolated_home: Path
) -> None:
    path = isolated_home / RC[shell]
    if before is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(before)
        path.chmod(0o640)
    assert not integration.is_installed(shell)
    assert integration.install(shell) == path
    once = path.read_bytes()
    assert once.startswith(before or b"")
    others = [line for line in once.split(b"\n") if b"--uninstall" not in line]
    assert len(others) == len(once.split(b"\n")) - 1
    assert b"\n".join(others).rstrip(b"\n") == (before or b"").rstrip(b"\n")
    assert integration.is_installed(shell)
    assert integration.install(shell) == path
    assert path.read_bytes() == once
    if before is not None:
        assert path.stat().st_mode & 0o777 == 0o640
    assert integration.installed_script(shell).stat().st_mode & 0o777 == 0o600
    assert integration.uninstall(shell) == path
    left = path.read_bytes() if path.exists() else b""
    assert left.rstrip(b"\n") == (before or b"").rstrip(b"\n")
    assert not integration.installed_script(shell).exists()
    assert integration.uninstall(shell) is None


def test_a_link_to_the_file_stays_a_link(shell: str, isolated_home: Path) -> None:
    real, path = isolated_home / "dotfiles", isolated_home / RC[shell]
    real.write_text("# mine\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(real)
    integration.install(shell)
    assert path.is_symlink()
    assert real.read_text().startswith("# mine\n")
    integration.uninstall(shell)
    assert path.is_symlink()
    assert real.read_text() == "# mine\n"


def test_the_line_is_replaced_where_it_stands(isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = integration.install("zsh")
    path.write_bytes(path.read_bytes() + b"alias after=it\n")
    monkeypatch.setenv("XDG_DATA_HOME", str(isolated_home / "it's elsewhere"))
    integration.install("zsh")
    first, second = path.read_text().splitlines()
    assert "elsewhere" in first
    assert second == "alias after=it"


@pytest.mark.skipif(os.getuid() == 0, reason="optional: root may write anywhere")
def test_a_file_that_cannot_be_written_is_one_clear_line(isolated_home: Path) -> None:
    isolated_home.chmod(0o500)
    try:
        with pytest.raises(ShellError, match=r"cannot be written|cannot be made"):
            integration.install("zsh")
    finally:
        isolated_home.chmod(0o700)


def test_a_folder_in_the_files_place_is_one_clear_line(shell: str, isolated_home: Path) -> None:
    (isolated_home / RC[shell]).mkdir(parents=True)
    with pytest.raises(ShellError, match="cannot be read"):
        integration.install(shell)


def test_a_daemon_that_starts_renews_what_another_version_wrote(start: Start, isolated_home: Path) -> None:
    integration.install("zsh")
    path = integration.installed_script("zsh")
    path.write_text("# typeahead 0.0.1\n")
    start().wait_state("warm")
    assert path.read_text() == integration.script("zsh")
    assert path.stat().st_mode & 0o777 == 0o600
    assert not integration.installed_script("bash").exists()


def test_the_command_prints_installs_and_removes(isolated_home: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "typeahead", "init", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert run("zsh").stdout == integration.script("zsh")
    assert str(isolated_home / ".zshrc") in run("zsh", "--install").stdout
    assert integration.is_installed("zsh")
    assert str(isolated_home / ".zshrc") in run("zsh", "--uninstall").stdout
    assert not integration.is_installed("zsh")
    assert "no line of ours" in run("zsh", "--uninstall").stdout
    for arguments in (["tcsh"], ["tcsh", "--install"], []):
        failed = run(*arguments)
        assert failed.returncode == 1
        assert failed.stdout == ""
        assert len(failed.stderr.splitlines()) == 1
        assert all(name in failed.stderr for name in integration.SHELLS)
