"""A day's work at the prompt: real programs in a real terminal, with bash and with zsh underneath."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shell.terminal import Terminal, is_running, wait_until

pytestmark = pytest.mark.slow

Open = Callable[..., Terminal]


def needs(program: str) -> str:
    """Return the path of a program; skip where there is none."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


@pytest.fixture(params=["bash", "zsh"])
def program(request: pytest.FixtureRequest) -> str:
    needs(request.param)
    return str(request.param)


@pytest.fixture
def open_shell(program: str, open_shell: Open, isolated_home: Path) -> Open:
    """Open a terminal with our shell over the program, and wait for its prompt."""

    def open_one(start_file: str = "", **options: object) -> Terminal:
        if program == "zsh":
            (isolated_home / ".zshrc").write_text(start_file)
        terminal = open_shell("--no-suggest", "--shell", program, bashrc=start_file, **options)
        wait_for_prompt(terminal)
        return terminal

    return open_one


@pytest.fixture
def shell(open_shell: Open) -> Terminal:
    return open_shell()


def prompt_is_there(terminal: Terminal) -> bool:
    """Return whether the cursor stands behind a prompt, and nothing else."""
    return terminal.row().endswith("❯")


def wait_for_prompt(terminal: Terminal) -> None:
    wait_until(lambda: prompt_is_there(terminal), lambda: repr(terminal.screen()))


def wait_for_output(terminal: Terminal, wanted: str) -> None:
    """Wait for a row of the command's own, and the prompt below."""
    wait_until(lambda: wanted in terminal.screen() and prompt_is_there(terminal), lambda: repr(terminal.screen()))


def works(terminal: Terminal) -> None:
    """Check that a line still runs, with its keys echoed once and its output seen."""
    terminal.run("echo still $((40 + 2))")
    wait_for_output(terminal, "still 42")


@pytest.mark.parametrize("pager", ["less", "more"])
def test_a_pager_reads_keys_and_gives_the_terminal_back(shell: Terminal, folder: Path, pager: str) -> None:
    needs(pager)
    (folder / "long").write_text("\n".join(f"row {number}" for number in range(200)))
    shell.run(f"{pager} long")
    wait_until(lambda: shell.row() in ("long", ":", "--More--(10%)"), lambda: repr(shell.screen()))
    shell.press("Space")
    shell.wait_for("row 40")
    shell.press("q")
    wait_for_prompt(shell)
    works(shell)


def test_a_manual_page_is_read_and_left(shell: Terminal, folder: Path) -> None:
    needs("man")
    (folder / "page.1").write_text(".TH PAGE 1\n.SH NAME\npage \\- a page of the manual\n")
    shell.run("man ./page.1")
    shell.wait_for("a page of the manual")
    shell.press("q")
    wait_for_prompt(shell)
    works(shell)


@pytest.mark.parametrize("monitor", ["top", "htop"])
def test_a_screenful_that_refreshes_itself_is_left(shell: Terminal, monitor: str) -> None:
    needs(monitor)
    shell.run(monitor)
    shell.wait_for("PID")
    shell.resize(60, 20)
    shell.wait_for("PID")
    shell.press("q")
    wait_for_prompt(shell)
    works(shell)


def test_vim_takes_a_new_size_and_writes_its_file(shell: Terminal, folder: Path) -> None:
    needs("vim")
    shell.run("vim -u NONE -N note")
    shell.wait_for('"note" [New]')
    shell.resize(50, 15)
    wait_until(lambda: len(shell.screen()) == 15, lambda: repr(shell.screen()))
    shell.type("ihello from vim")
    shell.wait_for("hello from vim")
    shell.press("Escape")
    shell.run(":wq")
    wait_for_prompt(shell)
    assert (folder / "note").read_text() == "hello from vim\n"
    shell.run("tput cols")
    wait_for_output(shell, "50")


def test_vim_is_stopped_and_brought_back(shell: Terminal) -> None:
    needs("vim")
    shell.run("vim -u NONE -N note")
    shell.wait_for('"note" [New]')
    shell.type("ikept")
    shell.wait_for("kept")
    shell.press("Escape")
    shell.press("C-z")
    wait_for_prompt(shell)
    shell.run("fg")
    shell.wait_for("kept")
    shell.run(":q!")
    wait_for_prompt(shell)
    works(shell)


def test_python_reads_lines_and_survives_ctrl_c(shell: Terminal) -> None:
    shell.run(f"{sys.executable} -q")
    shell.wait_for(">>>")
    shell.press("C-c")
    shell.wait_for("KeyboardInterrupt")
    shell.run("print(6 * 7)")
    shell.wait_for("42")
    shell.press("C-d")
    wait_for_prompt(shell)
    works(shell)


def test_a_password_is_read_without_an_echo(shell: Terminal, folder: Path) -> None:
    program = "import getpass, pathlib; pathlib.Path('got').write_text(getpass.getpass('Password: '))"
    (folder / "ask.py").write_text(program)
    shell.run(f"{sys.executable} ask.py")
    shell.wait_for("Password:")
    shell.run("open sesame")
    wait_until((folder / "got").exists, lambda: repr(shell.screen()))
    wait_for_prompt(shell)
    assert (folder / "got").read_text() == "open sesame"
    assert "sesame" not in "\n".join(shell.screen())
    works(shell)


def test_the_shells_own_read_gets_what_is_typed(shell: Terminal) -> None:
    shell.run("read answer && echo got=$answer")
    shell.run("some thing")
    wait_for_output(shell, "got=some thing")


def test_an_editor_over_ssh_is_one_more_program(shell: Terminal, folder: Path) -> None:
    with Sshd(folder) as server:
        shell.run(server.command)
        shell.wait_for("remote$")
        shell.run("echo over $((1 + 1)); tty")
        shell.wait_for("over 2")
        shell.wait_for("/dev/pts/")
        shell.press("C-c")
        shell.run("exit 9")
        wait_until(lambda: shell.row().startswith("[9]"), lambda: repr(shell.screen()))


def test_ctrl_z_stops_and_fg_goes_on(shell: Terminal) -> None:
    shell.run("cat")
    shell.run("first")
    wait_until(lambda: "first" in shell.screen(), lambda: repr(shell.screen()))
    shell.press("C-z")
    wait_for_prompt(shell)
    shell.run("fg")
    shell.run("second")
    wait_until(lambda: "second" in shell.screen(), lambda: repr(shell.screen()))
    shell.press("C-c")
    wait_until(lambda: shell.row().startswith("[130]"), lambda: repr(shell.screen()))
    works(shell)


def test_bg_goes_on_behind_the_prompt(shell: Terminal, folder: Path) -> None:
    shell.run("sh -c 'echo be''gun; while [ ! -e stop ]; do sleep 0.05; done; touch stopped'")
    shell.wait_for("begun")
    shell.press("C-z")
    wait_for_prompt(shell)
    shell.run("bg")
    wait_for_prompt(shell)
    shell.run("touch stop; wait; ls")
    wait_until(lambda: any("stopped" in row for row in shell.screen()), lambda: repr(shell.screen()))
    works(shell)


def test_output_of_a_job_in_the_background_leaves_a_line_that_runs(shell: Terminal, folder: Path) -> None:
    shell.run("(while [ ! -e typed ]; do sleep 0.05; done; echo from behind; touch said) &")
    wait_for_prompt(shell)
    shell.type("echo half of ")
    shell.wait_for("echo half of")
    (folder / "typed").touch()
    wait_until((folder / "said").exists, lambda: repr(shell.screen()))
    shell.wait_for("from behind")
    shell.run("it")
    wait_for_output(shell, "half of it")


def test_a_heredoc_is_typed_in_several_lines(shell: Terminal) -> None:
    shell.run("cat <<end | tr a-z A-Z")
    shell.run("first")
    shell.run("second")
    shell.run("end")
    wait_for_output(shell, "SECOND")
    assert "FIRST" in shell.screen()


@pytest.mark.parametrize(
    "lines",
    [
        ["for n in 1 2", "do echo loop $n", "done"],
        ["echo 'open", "quote'"],
        ["echo continued \\", "loop 2"],
        ["if true", "then echo loop 2; fi"],
        ["f() {", "echo loop 2", "}; f"],
    ],
    ids=["for", "quote", "backslash", "if", "function"],
)
def test_an_unfinished_command_takes_another_line(shell: Terminal, lines: list[str]) -> None:
    for line in lines[:-1]:
        shell.run(line)
        wait_until(lambda: not prompt_is_there(shell), lambda: repr(shell.screen()))
    shell.run(lines[-1])
    wait_until(
        lambda: any(row in ("loop 2", "quote", "continued loop 2") for row in shell.screen()),
        lambda: repr(shell.screen()),
    )
    works(shell)


def test_a_line_of_five_hundred_characters_is_edited_and_run(shell: Terminal) -> None:
    words = " ".join(f"word{number}" for number in range(70))
    shell.type(f"echo {words} | wc -")
    shell.press("C-a")
    shell.type(" ")
    shell.press("C-e")
    shell.run("w")
    wait_for_output(shell, "70")


def test_a_window_that_changes_while_a_line_is_edited_loses_nothing(shell: Terminal) -> None:
    words = "echo one two three four five six seven eight nine ten"
    shell.type(words)
    shell.wait_for("ten")
    shell.resize(30, 24)
    wait_until(lambda: "ten" in "".join(shell.screen()), lambda: repr(shell.screen()))
    shell.type(" eleven")
    shell.resize(100, 24)
    shell.press("Enter")
    wait_for_output(shell, "one two three four five six seven eight nine ten eleven")


def test_a_paste_with_newlines_waits_for_enter(shell: Terminal, folder: Path) -> None:
    shell.paste("touch one\ntouch two\n")
    shell.wait_for("touch two")
    assert not list(folder.iterdir())
    shell.press("Enter")
    wait_until(lambda: {path.name for path in folder.iterdir()} == {"one", "two"}, lambda: repr(shell.screen()))


def test_ctrl_d_on_an_empty_line_leaves_with_the_last_status(shell: Terminal) -> None:
    shell.run("(exit 3)")
    wait_until(lambda: shell.row().startswith("[3]"), lambda: repr(shell.screen()))
    shell.press("C-d")
    assert shell.exit_status() == 3


def test_exit_with_a_number_is_the_sessions_status(shell: Terminal) -> None:
    shell.run("exit 7")
    assert shell.exit_status() == 7


def test_a_shell_put_in_place_of_the_one_underneath_is_used_and_left(shell: Terminal, program: str) -> None:
    shell.run("exec bash --norc")
    shell.wait_for("bash-")
    shell.run("echo replaced $((1 + 2)); exit 4")
    shell.wait_for("replaced 3")
    assert shell.exit_status() == 4


def test_a_shell_that_is_killed_ends_the_session(shell: Terminal) -> None:
    shell.run("kill -9 $$")
    assert shell.exit_status() == 128 + signal.SIGKILL


def test_modes_that_a_program_has_left_behind_are_set_right(shell: Terminal) -> None:
    shell.run("stty raw -echo; printf '\\033[?1049h\\033[?1000h\\033[?25l\\033[?1h\\033[31m'; false")
    wait_for_prompt(shell)
    works(shell)
    shell.press("Up")
    wait_until(lambda: shell.row().endswith("echo still $((40 + 2))"), lambda: repr(shell.screen()))
    shell.press("C-c")


def test_a_title_without_an_end_does_not_swallow_the_prompt(shell: Terminal) -> None:
    shell.run("printf '\\033]2;half a title'")
    wait_for_prompt(shell)
    works(shell)


def test_a_shell_that_leaves_as_an_interrupted_one_was_not_killed(shell: Terminal) -> None:
    shell.run("(exit 7); trap 'exit 130' EXIT; eval exit")
    assert shell.exit_status() == 130
    assert "signal" not in "\n".join(shell.screen())


class Sshd:
    """An ssh server on the loopback interface for this user, with keys of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "ssh"
        self._folder.mkdir(mode=0o700)
        program, keygen = needs("sshd") if shutil.which("sshd") else self._usual(), needs("ssh-keygen")
        for name in ("host", "user"):
            subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", self._folder / name], check=True)
        shutil.copy(self._folder / "user.pub", self._folder / "authorized")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        (self._folder / "config").write_text(
            f"ListenAddress 127.0.0.1\nPort {self._port}\nHostKey {self._folder}/host\nPidFile none\nStrictModes no\n"
            f"AuthorizedKeysFile {self._folder}/authorized\nPasswordAuthentication no\nUsePAM no\nPrintMotd no\n"
        )
        self._process = subprocess.Popen(
            [program, "-D", "-e", "-f", self._folder / "config"], stderr=subprocess.PIPE, text=True
        )

    @staticmethod
    def _usual() -> str:
        path = "/usr/sbin/sshd"
        if not os.access(path, os.X_OK):
            pytest.skip("sshd is not installed")
        return path

    @property
    def command(self) -> str:
        """What opens a bash over it."""
        options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o IdentitiesOnly=yes"
        key = f"-i {self._folder}/user -p {self._port}"
        return f"ssh -F none {options} {key} -tt 127.0.0.1 \"PS1='remote$ ' bash --norc\""

    def __enter__(self) -> Sshd:
        def listens() -> bool:
            if self._process.poll() is not None:
                reason = self._process.communicate()[1].strip()
                pytest.skip(f"sshd does not run here: {reason}")
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self._port)) == 0

        wait_until(listens, lambda: "sshd does not listen")
        return self

    def __exit__(self, *_: object) -> None:
        if is_running(self._process.pid):
            self._process.terminate()
        self._process.communicate()
