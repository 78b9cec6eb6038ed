"""The command line as a whole: the table of subcommands, help, and what each way of ending looks like."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import typeahead
from typeahead import cli, errors

Outcome = tuple[int, str, str]
Run = Callable[..., Outcome]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command line in this process: status, standard output, standard error."""

    def run_main(*args: str) -> Outcome:
        with pytest.raises(SystemExit) as ended:
            cli.main(args)
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capfd.readouterr()

    return run_main


@pytest.fixture
def subcommand(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Return a function that puts a callback into the table as the subcommand ``probe``."""

    def install(callback: Callable[[], object]) -> None:
        module = types.ModuleType("typeahead_probe")
        module.probe = click.command("probe")(callback)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "typeahead_probe", module)
        monkeypatch.setitem(cli.SUBCOMMANDS, "probe", cli.Subcommand("typeahead_probe", "probe", "Try something."))

    return install


def raising(error: BaseException) -> Callable[[], object]:
    def callback() -> object:
        raise error

    return callback


def child(code: str, **kwargs: object) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own with ``probe`` as a subcommand whose body is ``code``."""
    program = (
        "import sys, types, click\nfrom typeahead import cli\n"
        "m = types.ModuleType('typeahead_probe'); sys.modules['typeahead_probe'] = m\n"
        "@click.command()\ndef probe():\n"
        + "".join(f"    {line}\n" for line in code.splitlines())
        + "m.probe = probe\ncli.SUBCOMMANDS['probe'] = cli.Subcommand('typeahead_probe', 'probe', '')\n"
        "cli.main(['probe'])\n"
    )
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": 60, **kwargs}
    return subprocess.run([sys.executable, "-c", program], **options)  # type: ignore[call-overload, no-any-return]


def begins_with_summary(text: str, name: str) -> bool:
    """Whether a command's own help begins with its words in the table, which may end a sentence earlier."""
    summary = cli.SUBCOMMANDS[name].summary
    assert summary.endswith(".")
    return re.match(re.escape(summary[:-1]) + r"[.,:;]", text) is not None


@pytest.mark.parametrize("name", cli.SUBCOMMANDS)
def test_every_subcommand_imports_and_its_own_help_begins_with_the_tables_words(name: str) -> None:
    command = cli.cli.get_command(click.Context(cli.cli), name)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert begins_with_summary(command.get_short_help_str(limit=200), name)


@pytest.mark.parametrize("name", cli.SUBCOMMANDS)
def test_every_subcommand_prints_its_help(name: str, run: Run) -> None:
    status, out, err = run(name, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"Usage: typeahead {name} ")
    assert begins_with_summary(" ".join(out.split("\n\n")[1].split()), name)


def test_help_shows_one_whole_line_for_every_subcommand(run: Run) -> None:
    status, out, err = run("--help")
    assert (status, err) == (0, "")
    listed = out.split("Commands:\n")[1].splitlines()
    assert [line.split(None, 1) for line in listed] == [[n, entry.summary] for n, entry in cli.SUBCOMMANDS.items()]
    assert run("-h")[1] == out


def test_version_is_the_packages(run: Run) -> None:
    assert run("--version") == (0, f"typeahead {typeahead.__version__}\n", "")


def test_the_group_works_under_clicks_own_runner() -> None:
    result = CliRunner().invoke(cli.cli, ["--version"])
    assert (result.exit_code, result.output) == (0, f"typeahead {typeahead.__version__}\n")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("trian", "train"), ("eval", "evaluate"), ("demon", "daemon"), ("Completes", "complete"), ("help", "--help")],
)
def test_a_mistyped_subcommand_is_a_usage_error_that_names_the_near_one(typed: str, meant: str, run: Run) -> None:
    status, out, err = run(typed)
    assert (status, out) == (2, "")
    assert err.splitlines()[-1] == f"Error: No such command {typed!r}. Did you mean {meant!r}?"
    assert err.startswith("Usage: typeahead ")


def test_a_subcommand_unlike_any_gets_no_suggestion(run: Run) -> None:
    status, _, err = run("zzzz")
    assert status == 2
    assert err.endswith("Error: No such command 'zzzz'.\n")


@given(name=st.text(min_size=1).filter(lambda name: name not in cli.SUBCOMMANDS and not name.startswith("-")))
def test_any_unknown_word_is_a_usage_error(name: str) -> None:
    result = CliRunner().invoke(cli.cli, [name])
    assert result.exit_code == 2, result.output
    assert "No such command" in result.output


def test_an_unknown_option_is_a_usage_error(run: Run) -> None:
    status, out, err = run("--frobnicate")
    assert (status, out) == (2, "")
    assert "No such option" in err


@pytest.mark.parametrize(
    "error", [errors.CorpusError("a.txt: is empty; give a file with text"), errors.ConfigError("beam = 'x'; a number")]
)
def test_a_users_error_is_one_line_and_its_own_status(
    error: errors.TypeaheadError, run: Run, subcommand: Callable[..., None]
) -> None:
    subcommand(raising(error))
    assert run("probe") == (error.exit_code, "", f"typeahead: {error}\n")


def test_control_characters_in_a_message_are_shown_not_obeyed(run: Run, subcommand: Callable[..., None]) -> None:
    subcommand(raising(errors.CorpusError("a\nb\x1b[2Jc\udc80é: missing")))
    assert run("probe") == (1, "", "typeahead: a\\nb\\x1b[2Jc\\udc80é: missing\n")


def test_debug_adds_the_traceback_and_keeps_the_line_and_status(run: Run, subcommand: Callable[..., None]) -> None:
    subcommand(raising(errors.CorpusError("a.txt: is empty")))
    status, out, err = run("--debug", "probe")
    assert (status, out) == (1, "")
    assert err.startswith("Traceback (most recent call last):\n")
    assert err.endswith("\ntypeahead: a.txt: is empty\n")


def test_an_unexpected_exception_is_called_a_bug_and_says_how_to_see_more(
    run: Run, subcommand: Callable[..., None]
) -> None:
    subcommand(raising(ZeroDivisionError("division by zero")))
    line = "this is a bug: ZeroDivisionError: division by zero; for the traceback: typeahead --debug probe"
    assert run("probe") == (cli.EXIT_BUG, "", f"typeahead: {line}\n")
    status, _, err = run("--debug", "probe")
    assert status == cli.EXIT_BUG
    assert "in callback" in err
    assert err.endswith("please report the traceback above\n")


def test_a_truncated_gzip_read_somewhere_is_not_taken_for_ctrl_c(run: Run, subcommand: Callable[..., None]) -> None:
    subcommand(raising(EOFError("Compressed file ended before the end-of-stream marker was reached")))
    assert run("probe")[0] == cli.EXIT_BUG


def test_running_out_of_memory_says_so(run: Run, subcommand: Callable[..., None]) -> None:
    subcommand(raising(MemoryError("Unable to allocate 3.6 TiB")))
    status, _, err = run("probe")
    assert status == 1
    assert err.startswith("typeahead: out of memory (Unable to allocate 3.6 TiB)")


def test_a_full_disk_is_an_error_of_one_line(run: Run) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("optional: /dev/full is Linux's")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "typeahead", "--help"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert (done.returncode, done.stderr) == (
        1,
        "typeahead: the output: No space left on device; make room and run this again\n",
    )


@pytest.mark.parametrize("status", [0, 3, 255])
def test_a_command_chooses_its_status_by_exit(status: int, run: Run, subcommand: Callable[..., None]) -> None:
    subcommand(lambda: click.get_current_context().exit(status))
    assert run("probe") == (status, "", "")


def test_a_returned_value_is_not_a_status(run: Run, subcommand: Callable[..., None]) -> None:
    subcommand(lambda: 5)
    assert run("probe") == (0, "", "")


def test_ctrl_c_exits_130_without_a_traceback() -> None:
    done = child("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(30)\n")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "typeahead: interrupted\n")
    assert 128 + signal.SIGINT == cli.EXIT_INTERRUPTED


def test_ctrl_c_while_the_program_is_loading_exits_130_without_a_word() -> None:
    script = """
import signal, sys
class Slow:
    def find_spec(self, name, *_):
        if name == "typeahead.cli":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Slow())
from typeahead.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", script, "keys"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_reader_that_went_away_is_no_error_message() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = child("click.echo('x' * 100_000)\nprint('y')\n", stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_what_is_still_buffered_for_a_reader_that_went_away_is_dropped_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = child("sys.stdout.write('buffered')\n", stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_without_a_command_the_shell_is_opened(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("typeahead_probe")
    module.shell = click.command("shell")(lambda: click.echo("the shell"))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "typeahead_probe", module)
    monkeypatch.setitem(cli.SUBCOMMANDS, "shell", cli.Subcommand("typeahead_probe", "shell", ""))
    assert run() == (0, "the shell\n", "")
    assert run("--debug") == (0, "the shell\n", "")
