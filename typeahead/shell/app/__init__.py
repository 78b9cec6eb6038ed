"""The session at the terminal: prompt_toolkit edits the line, the shell underneath runs it, the daemon suggests.

One event loop for the whole session. While a command runs, the loop stands still: the terminal is the command's.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from prompt_toolkit import PromptSession
from prompt_toolkit.history import DummyHistory

from typeahead.config import Config
from typeahead.shell import prompt, suggestions
from typeahead.shell.app import keys, resizing, vi
from typeahead.shell.app.editor import Editor
from typeahead.shell.app.emoji import PartedEmoji
from typeahead.shell.app.ghost_text import GhostText
from typeahead.shell.app.highlight import Highlighter
from typeahead.shell.app.keyboard import Keyboard
from typeahead.shell.app.menu import Menu
from typeahead.shell.app.prompts import PromptText
from typeahead.shell.app.search import Search
from typeahead.shell.app.status import Status
from typeahead.shell.app.style import line_style, open_output
from typeahead.shell.app.voice import Voice
from typeahead.shell.app.walking import Walking
from typeahead.shell.ghost import Ghost
from typeahead.shell.lines import PastLines
from typeahead.shell.process import Process
from typeahead.shell.process.choice import can_run
from typeahead.shell.suggestions import Options, Suggestions
from typeahead.shell.terminal import Terminal
from typeahead.shell.welcome import offer

if TYPE_CHECKING:
    from prompt_toolkit.key_binding import KeyPressEvent

    from typeahead.shell.app.voice import Commands
    from typeahead.shell.spoken import Command

_LOOK_S, _STILL_S = 0.1, 0.4  # looks at a shell that reads its start-up files; after which what it prints is shown
_FIRST_KEYS_S = 0.03  # between the first prompt and what takes some milliseconds
_LEAVE_S = 10  # whole seconds after which a session that was told to end is ended by the kernel


def _no_commands() -> Mapping[str, Command]:
    return {}


class App:
    """One session.

    Parameters
    ----------
    terminal, process
        The user's terminal (raw, with a prompt on it) and the shell underneath (started). They are closed by whoever
        made them.
    settings
        The user's.
    first, shell
        Of the user's own prompts: what has been painted, and under which name they are remembered.
    may_change
        Whether the session ends when the shell's start-up files run another bash or zsh in its place.
    commands
        Returns what spoken words do.

    Attributes
    ----------
    other_shell : str
        The path of that one.
    """

    def __init__(
        self,
        terminal: Terminal,
        process: Process,
        settings: Config,
        first: str = "",
        shell: str = "",
        may_change: bool = True,
        commands: Commands = _no_commands,
    ) -> None:
        self._terminal = terminal
        self._process = process
        self._loop: asyncio.AbstractEventLoop | None = None
        self._first: asyncio.Task[None] | None = None
        self._interrupted = False
        self._startup_output, self._still_since = b"", 0.0  # and since when that has been the same
        self._typed = ""  # before the start-up files wanted the terminal
        self._is_wanted = False  # by them
        self._instead = self.other_shell = ""  # path of a program that they have put in the shell's place
        self._may_change = may_change
        self._is_welcome = settings.shell.suggest and not process.private
        self._prompts = PromptText(terminal, process, settings.shell.prompt == "own", first, shell)
        ghost, lines = Ghost(), PastLines(os.path.basename(process.program))
        self._suggestions = Suggestions(
            ghost,
            lines,
            lambda: self._editor.app.invalidate(),
            Options(settings.shell.suggest, settings.text.empty, process.private),
        )
        self._highlighter = Highlighter(lambda: self._editor.app.invalidate()) if settings.shell.syntax else None
        ghost.hint = settings.shell.hint
        self._editing = settings.shell.editing
        self._keyboard = Keyboard(terminal, lambda: process.initialised)
        self._hooks = keys.Hooks(self._is_complete, lambda: lines)
        status = Status(settings, ghost, self._suggestions, self._prompts.right, self._prompts.rows_above)
        self._editor = PromptSession[str](
            self._prompts.left,
            input=self._keyboard,
            output=open_output(),
            style=line_style(settings.shell.style),
            include_default_pygments_style=False,
            history=DummyHistory(),  # `Walking` has the past lines
            key_bindings=keys.bindings(ghost, self._suggestions, settings.keys, self._hooks),
            input_processors=[PartedEmoji(), GhostText(ghost, self._prompts.width_before)],
            prompt_continuation=self._prompts.continuation,
            rprompt=status.right,
            cursor=vi.CursorShapes(),
        )
        self._attach(ghost, lines, status, commands)

    def _attach(self, ghost: Ghost, lines: PastLines, status: Status, commands: Commands) -> None:
        """Give the line editor all that it has besides a line."""
        process, terminal = self._process, self._terminal
        resizing.install(self._editor.app)
        keys.attach(self._editor, ghost, self._suggestions)
        self._walking = Walking(lines)
        search = Search(self._editor, lines, self._suggestions, lambda: process.cwd, terminal.raw)
        self._hooks.older, self._hooks.newer = self._walking.older, self._walking.newer
        self._hooks.oldest, self._hooks.newest = self._walking.oldest, self._walking.newest
        self._hooks.search = search.open
        menu = Menu(process, ghost, self._suggestions)
        menu.attach(self._editor)
        self._hooks.complete, self._hooks.complete_back = menu.complete, menu.complete_back
        status.attach(self._editor)
        self._voice = Voice(
            self._editor, ghost, self._suggestions, self._hooks, terminal, lambda: process.cwd, commands
        )
        process.aside = self._voice
        self._edit, self._hooks.edit = Editor(terminal, self._environ), self._open_editor
        if self._highlighter is not None:
            self._highlighter.attach(self._editor)

    def run(self) -> int:
        """Prompt and run lines until the shell has ended; return its exit status."""
        for number in (signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, _leave)
        signal.signal(signal.SIGINT, self._on_interrupt)
        return asyncio.run(self._session())

    def _on_interrupt(self, number: int, frame: object) -> None:
        """Remember a Ctrl-C that came as a signal: after Enter, before the command has the terminal."""
        self._interrupted = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._abandon_line)

    def _abandon_line(self) -> None:
        app = self._editor.app
        if self._interrupted and app.is_running and not app.is_done:
            app.exit(exception=KeyboardInterrupt())

    def _was_interrupted(self) -> bool:
        interrupted, self._interrupted = self._interrupted, False
        return interrupted

    async def _session(self) -> int:
        loop = self._loop = asyncio.get_running_loop()
        loop.add_reader(self._process.fileno(), self._on_shell)
        loop.add_reader(self._process.output, self._on_startup_output)
        loop.add_reader(self._process.pidfd, self._on_death)
        loop.call_later(_LOOK_S, self._look_at_start)
        self._prompts.return_to_start()  # the line editor paints over the first paint
        try:
            while self._process.poll() is None:
                line = await self._read_line()
                if self._is_wanted:
                    if self._may_change and can_run(self._instead):
                        self.other_shell = self._instead
                        break
                    self._leave_to_start()
                    continue
                if self._process.poll() is not None or (line.strip() and not self._run(line)):
                    break
        finally:
            self._voice.close()
            self._suggestions.close()
        self._explain_death()
        status = self._process.exit_status
        return 128 + signal.SIGHUP if status is None else status

    def _on_prompt(self) -> None:
        """Begin what a prompt can do without, once it is there."""
        loop = asyncio.get_running_loop()
        if gc.isenabled():
            loop.call_soon(self._begin_line)
        else:
            self._first = loop.create_task(self._begin_first_line())

    async def _begin_first_line(self) -> None:
        """Let keys that wait already go first; then load in a thread what would keep later ones waiting."""
        await asyncio.sleep(_FIRST_KEYS_S)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, import_module, "typeahead.shell.client")
        self._begin_line()
        await loop.run_in_executor(None, suggestions.load)
        if self._highlighter is not None:
            await self._highlighter.load()
            self._highlighter.begin_line(self._process.cwd, self._process.names, self._editor.default_buffer)
        if self._is_welcome and (text := await loop.run_in_executor(None, offer)):
            self._startup_output += f"{_dimmed(text)}\r\n".encode()
            if self._process.ready and self._editor.app.is_running:
                self._show_startup_output()

    def _begin_line(self) -> None:
        if not gc.isenabled():  # since the start of the process; what has been imported stays, and need not be searched
            gc.freeze()
            gc.enable()
        self._suggestions.begin_line(self._process.cwd, self._process.names)
        if typed := self._editor.default_buffer.text:  # keys from before the prompt was there
            self._suggestions.follow(typed)
        if self._highlighter is not None:
            self._highlighter.begin_line(self._process.cwd, self._process.names, self._editor.default_buffer)

    async def _read_line(self) -> str:
        """Return the next line; ``exit`` for Ctrl-D on an empty one, and nothing for Ctrl-C."""
        self._terminal.raw()
        self._interrupted = False
        self._prompts.begin()
        self._suggestions.usage.begin()
        self._walking.begin_line()
        self._follow_editing()
        try:
            typed, self._typed = self._typed, ""
            return await self._editor.prompt_async(default=typed, pre_run=self._on_prompt, handle_sigint=False)
        except KeyboardInterrupt:
            return ""
        except EOFError:
            if self._keyboard.closed:
                raise SystemExit(128 + signal.SIGHUP) from None
            return "exit"

    def _follow_editing(self) -> None:
        """Have emacs or vi keys, as the user's settings or else the shell underneath say."""
        vi.follow(self._editor, self._process.editing if self._editing == "auto" else self._editing)

    def _open_editor(self, event: KeyPressEvent) -> None:
        self._voice.listening.hush()  # nothing could say that it listens
        self._edit(event)

    def _environ(self) -> dict[str, str]:
        """Return the shell's variables, as far as they are known."""
        return self._process.names.environ if self._process.names else {}

    def _is_complete(self, line: str) -> bool:
        """Return whether Enter runs the line. If not, keys come as they are again (`Terminal.accept_interrupts`)."""
        complete = self._process.is_complete(line)
        if not complete:
            self._terminal.raw()
        return complete

    def _run(self, line: str) -> bool:
        """Run a line; return whether the shell is still there."""
        self._voice.listening.hush()
        self._suggestions.pause(is_running=True)
        cwd, started, began = self._process.cwd, time.time(), time.monotonic()
        outcome = self._process.run(line, self._was_interrupted)
        self._terminal.raw()
        self._suggestions.pause(is_running=False)
        if outcome is None:
            return False
        self._terminal.recover(outcome.status)
        self._terminal.finish_line()
        if outcome.ran:
            duration_s, rules = time.monotonic() - began, self._process.history_rules
            if kinds := self._suggestions.record(self._process.line, cwd, outcome.status, started, duration_s, rules):
                self._terminal.write(_withheld(kinds))
        return True

    # The shell underneath

    def _on_shell(self) -> None:
        """Take the terminal back from a shell that has just started and is ready now."""
        if self._process.receive() is not None:
            self._terminal.take()
            self._on_startup_output()
            self._show_startup_output()
            self._prompts.begin()
            self._follow_editing()
            self._editor.app.invalidate()
        self._suggestions.know(self._process.names)
        if self._highlighter is not None:
            self._highlighter.know(self._process.names)

    def _on_startup_output(self) -> None:
        self._startup_output += self._process.read_output()
        self._still_since = time.monotonic()
        if self._process.ready:
            self._show_startup_output()

    def _show_startup_output(self) -> None:
        """Put what the user's start-up file has printed above the prompt."""
        if not self._startup_output:
            return
        app = self._editor.app
        app.renderer.erase()
        self._terminal.write(self._startup_output.decode("utf-8", "surrogateescape"))
        self._startup_output = b""
        self._terminal.finish_line()
        app.invalidate()

    def _look_at_start(self) -> None:
        """Show what slow start-up files print; leave the terminal to them where they seem to want it.

        That is where they ask (a row that is not ended, and nothing more) or put another program in the shell's place.
        """
        if self._process.ready or self._loop is None:
            return
        self._loop.call_later(_LOOK_S, self._look_at_start)
        app = self._editor.app
        if not app.is_running or app.is_done:
            return
        self._instead = self._process.replaced_by()
        is_still = self._startup_output and time.monotonic() - self._still_since > _STILL_S
        if self._instead or (is_still and not self._startup_output.endswith(b"\n")):
            self._is_wanted, self._typed = True, self._editor.default_buffer.text
            app.erase_when_done = True
            app.exit(result="")
        elif is_still:
            self._show_startup_output()

    def _leave_to_start(self) -> None:
        """Let the start-up files, or what runs in the shell's place, have the terminal."""
        self._is_wanted = self._editor.app.erase_when_done = False
        if self._instead:
            self._terminal.write(_in_place(self._process.program, self._instead))
        self._terminal.write(self._startup_output.decode("utf-8", "surrogateescape"))
        self._startup_output = b""
        self._process.settle()
        self._terminal.raw()
        self._terminal.finish_line()

    def _on_death(self) -> None:
        """Leave the prompt when the shell has ended on its own."""
        asyncio.get_running_loop().remove_reader(self._process.pidfd)
        self._process.poll()
        if self._editor.app.is_running:
            self._editor.app.exit(result="")

    def _explain_death(self) -> None:
        if self._process.killed_by:
            name = os.path.basename(self._process.program)
            self._terminal.write(f"typeahead: {name} was ended by signal {self._process.killed_by}\r\n")


def _withheld(kinds: list[str]) -> str:
    """Return the row that tells of secrets in the last line."""
    found = " and ".join(f"{'an' if kind[0] in 'AEIOUaeiou' else 'a'} {kind}" for kind in kinds)
    return _dimmed(f"typeahead: {found} {'was' if len(kinds) == 1 else 'were'} withheld from the history") + "\r\n"


def _in_place(shell: str, other: str) -> str:
    """Return the row that tells of a program that runs in the shell's place."""
    shell, other = os.path.basename(shell), os.path.basename(other)
    return _dimmed(f"typeahead: the start-up files of {shell} run {other} in its place: no suggestions") + "\r\n"


def _dimmed(text: str) -> str:
    return text if prompt.is_plain() else f"\x1b[2m{text}\x1b[0m"


def _leave(number: int, frame: object) -> NoReturn:
    """End the session in good order on a signal that asks for it; without good order where that would hang."""
    signal.alarm(_LEAVE_S)
    raise SystemExit(128 + number)
