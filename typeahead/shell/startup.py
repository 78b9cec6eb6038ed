"""From the first instruction to a prompt: paint it, start the shell underneath, only then load the line editor.

Loading the line editor takes a fifth of a second; the prompt can be on the screen in a tenth of that. Keys typed
meanwhile wait, unechoed, in the terminal's queue.
"""

from __future__ import annotations

from typeahead.shell import prompt
from typeahead.shell.terminal import Terminal


def run(bash: str | None = None, suggest: bool | None = None) -> int:
    """Run a session on this process's terminal; return the status to exit with.

    Parameters
    ----------
    bash : str, optional
        The program underneath, instead of the configured one.
    suggest : bool, optional
        Whether to show suggestions, instead of what is configured.

    Raises
    ------
    ShellError
        No terminal, or no shell to run.
    ConfigError
        The settings cannot be used.
    """
    terminal = Terminal()
    terminal.raw()
    try:
        cwd = prompt.initial_cwd()
        terminal.write(prompt.render(0, cwd, terminal.columns))
        return _session(terminal, cwd, bash, suggest)
    except Exception:
        terminal.write("\r\x1b[K")  # the message stands where the prompt stood
        raise
    finally:
        terminal.restore()


def _session(terminal: Terminal, cwd: str, bash: str | None, suggest: bool | None) -> int:
    from typeahead import config
    from typeahead.shell.process import Bash

    settings = config.load(shell={"bash": bash, "suggest": suggest}).shell
    process = Bash(terminal, settings.bash, cwd)
    try:
        process.start()  # reads its start-up files on another core while we import
        from typeahead.shell.app import App
        from typeahead.shell.client import Client

        client = Client(autostart=settings.suggest)
        try:
            return App(terminal, process, client, settings).run()
        finally:
            client.close()
    finally:
        process.close()
