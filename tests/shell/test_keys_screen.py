"""Keys at the prompt of the real shell, in a real terminal."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shell.terminal import TableDaemon, Terminal, shell_command, wait_until
from typeahead import config

pytestmark = pytest.mark.slow  # each test opens a shell or a terminal

SUGGESTED = "git commit -m 'mend it'"
BLOCK, BEAM, AS_BEFORE = b"\x1b[2 q", b"\x1b[6 q", b"\x1b[0 q"  # shapes of the cursor
Open = Callable[..., Terminal]


@pytest.fixture
def daemon(serve: Callable[..., TableDaemon]) -> TableDaemon:
    return serve({"git com": SUGGESTED})


@pytest.fixture
def editor(tmp_path: Path) -> Path:
    """Return an editor: it notes the mode of its file and of the terminal, and appends what ``$ADDED`` says."""
    program = tmp_path / "editor"
    program.write_text(
        '#!/bin/sh\nstat -c %a "$2" >editor.log\nstty -a | grep -o \'.icanon\' >>editor.log\ncat "$2" >>editor.log\n'
        'printf "$1" >>"$2"\nread answer && echo "answer $answer" >>editor.log\n'
    )
    program.chmod(0o755)
    return program


def shown(terminal: Terminal) -> str:
    """Return what stands behind the prompt in the cursor's row."""
    return terminal.row().partition("❯")[2].strip()


def wait_for_input(terminal: Terminal, wanted: str) -> None:
    wait_until(lambda: shown(terminal) == wanted, lambda: f"no {wanted!r} in {terminal.screen()}")


# An editor


def test_the_editor_has_the_terminal_and_what_comes_back_is_not_run(
    open_shell: Open, folder: Path, editor: Path
) -> None:
    terminal = open_shell("--no-suggest", bashrc=f"EDITOR='{editor} \"touch made\"'")
    terminal.run("true")  # the start-up file has been read
    wait_for_input(terminal, "")
    terminal.type("echo one")
    terminal.press("C-x", "C-e")
    wait_until(lambda: (folder / "editor.log").exists(), lambda: repr(terminal.screen()))
    terminal.run("typed there")
    wait_until(lambda: "touch made" in terminal.row(), lambda: repr(terminal.screen()))
    assert (folder / "editor.log").read_text().splitlines() == ["600", " icanon", "echo one", "answer typed there"]
    assert not (folder / "made").exists()
    assert list(config.runtime_dir().glob("line-*")) == []
    terminal.press("Enter")
    wait_until((folder / "made").exists, lambda: repr(terminal.screen()))
    wait_for_input(terminal, "")
    assert "one" in terminal.screen()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("/no/such/editor -w", "typeahead: EDITOR=/no/such/editor -w: there is no such program; the line is as it was"),
        ("false", "false ended with status 1; the line is as it was"),
        ("sh -c 'kill $$'", "sh ended with status 15; the line is as it was"),
    ],
)
def test_an_editor_that_fails_is_told_of_in_one_line_and_the_line_stays(
    open_shell: Open, command: str, said: str
) -> None:
    terminal = open_shell("--no-suggest", columns=120, EDITOR=command)
    terminal.type("echo one")
    terminal.press("C-x", "C-e")
    wait_until(lambda: any(row.endswith(said) for row in terminal.screen()), lambda: repr(terminal.screen()))
    wait_for_input(terminal, "echo one")
    terminal.press("Enter")
    wait_until(lambda: "one" in terminal.screen(), lambda: repr(terminal.screen()))


def test_ctrl_c_in_the_editor_ends_the_editor_and_no_more(open_shell: Open, daemon: TableDaemon) -> None:
    terminal = open_shell(EDITOR="sh -c 'echo ready; exec sleep 60'")
    terminal.type("git com")
    wait_for_input(terminal, SUGGESTED)
    terminal.press("C-x", "C-e")
    terminal.wait_for("ready")
    terminal.press("C-c")
    terminal.wait_for("status 2; the line is as it was")
    wait_for_input(terminal, SUGGESTED)  # the suggestion, too
    terminal.press("Right")
    terminal.press("C-a")
    wait_for_input(terminal, SUGGESTED)


def test_a_stopped_editor_goes_on(open_shell: Open) -> None:
    terminal = open_shell("--no-suggest", EDITOR='sh -c \'echo ready; read a; echo "echo $a" >"$1"\' -')
    terminal.press("C-x", "C-e")
    terminal.wait_for("ready")
    terminal.press("C-z")
    terminal.run("two")
    wait_for_input(terminal, "echo two")


def test_the_editor_that_zsh_knows_is_used(open_shell: Open, folder: Path, editor: Path, isolated_home: Path) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    (isolated_home / ".zshrc").write_text(f"VISUAL='{editor} \"touch made\"'\n")
    terminal = open_shell("--no-suggest", "--shell", "zsh")
    terminal.run("true")  # the start-up files have been read
    wait_for_input(terminal, "")
    terminal.press("C-x", "C-e")
    wait_until(lambda: (folder / "editor.log").exists(), lambda: repr(terminal.screen()))
    terminal.press("Enter")
    wait_for_input(terminal, "touch made")


# Emacs and vi


def test_the_editing_mode_follows_the_shell(open_shell: Open, daemon: TableDaemon) -> None:
    terminal = open_shell(bashrc="set -o vi")
    terminal.run("true")  # the start-up file has been read
    wait_for_input(terminal, "")
    terminal.type("git com")
    wait_for_input(terminal, SUGGESTED)
    terminal.press("Escape")
    time.sleep(0.1)
    terminal.type("A")
    wait_until(lambda: terminal.cursor()[0] == len(terminal.row()), lambda: repr(terminal.screen()))
    terminal.press("C-u")
    terminal.run("set -o emacs")
    wait_for_input(terminal, "")
    terminal.type("echo b")
    terminal.press("C-a")
    terminal.press("M-f")
    terminal.type("X")
    wait_for_input(terminal, "echoX b")


@pytest.mark.parametrize("bashrc", ["set -o vi", ""])
def test_the_setting_prevails_over_the_shell(open_shell: Open, bashrc: str) -> None:
    mode = "emacs" if bashrc else "vi"
    terminal = open_shell("--no-suggest", bashrc=bashrc, TYPEAHEAD_SHELL_EDITING=mode)
    terminal.run("true")  # the start-up file has been read
    wait_for_input(terminal, "")
    terminal.type("echo b")
    wait_for_input(terminal, "echo b")
    terminal.press("Escape")
    time.sleep(2.0)  # longer than an Esc may stand for Alt
    terminal.type("0x")
    wait_for_input(terminal, "echo b0x" if mode == "emacs" else "cho b")


def test_the_cursors_shape_shows_vis_mode_and_is_the_users_for_commands(open_shell: Open, tmp_path: Path) -> None:
    terminal = open_shell("--no-suggest", TYPEAHEAD_SHELL_EDITING="vi")
    terminal.record(tmp_path / "raw")
    terminal.type("echo be''gin")
    terminal.press("Escape")
    wait_until(lambda: BLOCK in (tmp_path / "raw").read_bytes(), lambda: "no block")
    terminal.press("Enter")
    terminal.wait_for_row("…/folder ❯")
    terminal.run("exit")
    terminal.exit_status()
    before, after = (tmp_path / "raw").read_bytes().split(b"begin")
    assert -1 < before.rfind(BLOCK) < before.rfind(AS_BEFORE)
    assert -1 < after.rfind(BEAM) < after.rfind(AS_BEFORE)


def test_in_emacs_mode_the_cursors_shape_is_left_alone(open_shell: Open, tmp_path: Path) -> None:
    terminal = open_shell("--no-suggest")
    terminal.record(tmp_path / "raw")
    terminal.run("echo $((6*7))")
    terminal.wait_for("42")
    terminal.run("exit")
    terminal.exit_status()
    assert b" q" not in (tmp_path / "raw").read_bytes()


# Settings


def test_changed_keys_work_and_the_old_ones_no_longer(open_shell: Open, daemon: TableDaemon) -> None:
    config.config_file().parent.mkdir(parents=True)
    config.config_file().write_text('[keys]\naccept = "f8"\naccept_word = "c-x,a"\n')
    terminal = open_shell()
    terminal.type("git com")
    wait_for_input(terminal, SUGGESTED)
    terminal.press("C-e", "C-x", "a")
    wait_until(lambda: terminal.row()[: terminal.cursor()[0]].endswith(" git commit"), lambda: repr(terminal.screen()))
    terminal.press("F8")
    wait_until(lambda: terminal.row()[: terminal.cursor()[0]].endswith(SUGGESTED), lambda: repr(terminal.screen()))


def test_keys_that_cannot_be_used_are_told_of_instead_of_a_prompt(folder: Path) -> None:
    command = f"{shlex.join(shell_command())}; echo status $?; sleep 600"
    terminal = Terminal(["sh", "-c", command], folder, columns=150, TYPEAHEAD_KEYS_ACCEPT="rigth")
    try:
        terminal.wait_for("status 2")
        said = "typeahead: keys.accept = 'rigth': there is no key 'rigth' (did you mean 'right'?); "
        assert terminal.screen()[0].startswith(said)
    finally:
        terminal.close()


# Past lines


def test_arguments_of_lines_that_have_been_run_come_back(open_shell: Open) -> None:
    terminal = open_shell("--no-suggest")
    terminal.run("echo one 'two three'")
    terminal.wait_for("one two three")
    terminal.run("true >/dev/null last")
    wait_for_input(terminal, "")
    terminal.type("echo ")
    terminal.press("M-.")
    wait_for_input(terminal, "echo last")
    terminal.press("M-_")
    wait_for_input(terminal, "echo 'two three'")


def test_running_a_past_line_brings_the_one_after_it(open_shell: Open) -> None:
    terminal = open_shell("--no-suggest")
    for line in ("echo one", "echo two", "true"):
        terminal.run(line)
        wait_for_input(terminal, "")
    terminal.press("Up", "Up", "Up")
    wait_for_input(terminal, "echo one")
    terminal.press("C-o")
    wait_for_input(terminal, "echo two")


# Paste


def test_a_long_paste_waits_and_runs_whole(open_shell: Open, folder: Path) -> None:
    terminal = open_shell("--no-suggest")
    lines = [f"echo 'number {number} of a long paste' >>pasted" for number in range(200)]
    terminal.paste("\n".join(lines))
    wait_until(lambda: "number 199" in terminal.row(), lambda: repr(terminal.screen()))
    assert not (folder / "pasted").exists()
    terminal.press("Enter")
    wanted = [f"number {number} of a long paste" for number in range(200)]
    wait_until(lambda: (folder / "pasted").exists(), lambda: repr(terminal.screen()))
    wait_until(
        lambda: (folder / "pasted").read_text().splitlines() == wanted, lambda: (folder / "pasted").read_text()[-200:]
    )


def test_a_terminal_without_bracketed_paste_runs_the_lines_one_after_the_other(open_shell: Open, folder: Path) -> None:
    terminal = open_shell("--no-suggest")
    terminal.type("".join(f"echo {number} >>pasted\r" for number in range(20)))
    wanted = "".join(f"{number}\n" for number in range(20))
    wait_until(
        lambda: (folder / "pasted").exists() and (folder / "pasted").read_text() == wanted,
        lambda: repr(terminal.screen()),
    )


def test_keys_that_come_with_enter_are_read_by_the_command(open_shell: Open) -> None:
    terminal = open_shell("--no-suggest")
    terminal.type("cat -n\rfirst\rsecond\r")
    wait_until(
        lambda: {"     1\tfirst".expandtabs(), "     2\tsecond".expandtabs()} <= set(terminal.screen()),
        lambda: repr(terminal.screen()),
    )
    terminal.press("C-c")
    wait_for_input(terminal, "")


def test_many_vi_commands_that_come_at_once_are_commands(open_shell: Open) -> None:
    terminal = open_shell("--no-suggest", TYPEAHEAD_SHELL_EDITING="vi")
    terminal.type("echo one two")
    terminal.press("Escape")
    wait_until(lambda: terminal.cursor()[0] == len(terminal.row()) - 1, lambda: repr(terminal.screen()))
    terminal.type("hhhhhhhhhhhhx")
    wait_for_input(terminal, "cho one two")


def test_text_that_comes_at_once_is_typed_where_the_cursor_is(open_shell: Open) -> None:
    terminal = open_shell("--no-suggest")
    terminal.type("echo  end")
    terminal.press("C-a", "M-f", "Right")
    wait_until(lambda: terminal.cursor()[0] == len("…/folder ❯ echo "), lambda: repr(terminal.screen()))
    terminal.type("'grüße aus der mitte' 'a\\b'\x05 # end")
    wait_for_input(terminal, "echo 'grüße aus der mitte' 'a\\b' end # end")
