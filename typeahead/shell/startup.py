"""From the first instruction to a prompt: paint it, start the shell underneath, only then load the line editor.

Loading the line editor takes a fifth of a second; the prompt can be on the screen in a tenth of that. Keys typed
meanwhile wait, unechoed, in the terminal's queue.
"""

from __future__ import annotations

from typeahead.shell import first_prompt, prompt
from typeahead.shell.terminal import Terminal

TYPE_CHECKING = False  # `typing` would keep the prompt waiting
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from typeahead.config import Config
    from typeahead.voice.commands import Command

    Commands = Callable[[], Mapping[str, Command]]


def run(
    program: str | None = None, suggest: bool | None = None, private: bool = False, commands: Commands = dict
) -> int:
    """Run a session on this process's terminal; return the status to exit with.

    Parameters
    ----------
    program : str, optional
        The shell underneath, instead of the configured one.
    suggest : bool, optional
        Whether to show suggestions, instead of what is configured.
    private : bool
        Keep nothing of what is run in this session.
    commands : callable
        Returns what spoken words do; asked when the user wants to speak.

    Raises
    ------
    ShellError
        No terminal (`NoTerminalError`), or no shell to run.
    ConfigError
        The settings cannot be used.
    """
    terminal = Terminal()
    terminal.raw()
    try:
        cwd = prompt.initial_cwd()
        first = "" if private or prompt.is_dumb() else first_prompt.remembered(program or "", cwd)
        shown = first_prompt.for_terminal(first) if first else prompt.render(0, cwd, terminal.columns, private)
        # Bracketed paste from the first moment: lines pasted before the line editor is up must not run either.
        terminal.write(shown + ("" if prompt.is_dumb() else "\x1b[?2004h"))
        terminal.hold()
        return _session(terminal, cwd, {"program": program, "suggest": suggest}, private, first, commands)
    except Exception:
        # The message stands where the prompt stood.
        terminal.write("\r\n" if prompt.is_dumb() else "\r\x1b[K\x1b[?2004l")
        raise
    finally:
        terminal.restore()


def _session(terminal: Terminal, cwd: str, flags: dict[str, Any], private: bool, first: str, commands: Commands) -> int:
    from typeahead import config

    settings = config.load(shell=flags)
    if settings.keys != config.KeysConfig():  # keys that nobody has changed are good
        from typeahead.shell import keymap

        keymap.table(settings.keys)
    painted = first, flags["program"] or ""
    status, other = _run_over(settings.shell.program, terminal, cwd, settings, private, painted, commands)
    if other:  # that one, then, with start-up files of its own
        status, _ = _run_over(other, terminal, cwd, settings, private, ("", other), commands, may_change=False)
    return status


def _run_over(
    program: str,
    terminal: Terminal,
    cwd: str,
    settings: Config,
    private: bool,
    painted: tuple[str, str],
    commands: Commands,
    may_change: bool = True,
) -> tuple[int, str]:
    """Run a session over ``program``; return its status, and the path of another shell that its start-up files run."""
    import gc

    # Importing makes many objects and no garbage; looking for some costs a twentieth of the time. `App` switches the
    # collector on again.
    gc.disable()
    from typeahead.shell.process.choice import open_shell

    process = open_shell(terminal, program, cwd, private)
    try:
        process.start()  # reads its start-up files on another core while we import
        from typeahead.shell.app import App

        app = App(terminal, process, settings, *painted, may_change=may_change, commands=commands)
        return app.run(), app.other_shell
    finally:
        process.close()
