"""The prompts as the line editor draws them: the user's own, or the short one."""

from __future__ import annotations

import os
from contextlib import suppress

from prompt_toolkit.formatted_text import ANSI, StyleAndTextTuples, fragment_list_width, to_formatted_text

from typeahead import config
from typeahead.errors import ConfigError
from typeahead.shell import first_prompt, own_prompt, prompt
from typeahead.shell.process import Process
from typeahead.shell.terminal import Terminal


class PromptText:
    """What stands before, beside and between the rows of a line.

    Parameters
    ----------
    terminal, process
        The session's.
    own
        Whether the user's own prompt is wanted.
    first
        The user's own prompt from an earlier session, which has been painted; empty: the short one has.
    shell
        What the session was asked to run; under this name its prompts are remembered.
    """

    def __init__(self, terminal: Terminal, process: Process, own: bool, first: str, shell: str) -> None:
        self._terminal = terminal
        self._process = process
        self._own = own and not prompt.is_dumb()
        self._shell = shell
        self._painted, self._first = first, first if self._own else ""
        self._expanded: str | None = None
        self._text, self._controls = "", ""
        self._remembered: tuple[str, str] | None = None
        self._fragments: dict[str, StyleAndTextTuples] = {}  # of the texts in use, which are drawn again at each key

    def return_to_start(self) -> None:
        """Move the cursor to where the first paint began."""
        up = own_prompt.rows_above(self._painted, self._terminal.columns)
        self._terminal.write(f"\r\x1b[{up}A\x1b[J" if up else "\r")

    def left(self) -> StyleAndTextTuples:
        """Return the prompt; the last of its lines is the editor's, those before stand above."""
        return self._parse(self._left())

    def _left(self) -> str:
        process = self._process
        text = self._own_text() if process.prompts is not None else self._first
        if not text:
            return prompt.render(process.status, process.cwd, self._terminal.columns, process.private)
        return own_prompt.mark_private(text) if process.private else text

    def _own_text(self) -> str:
        """Return the user's prompt; empty where there is nothing to see in it, or it is not wanted."""
        prompts = self._process.prompts
        if not self._own or prompts is None:
            return ""
        if prompts.left != self._expanded:
            self._expanded = prompts.left
            text, self._controls = own_prompt.split(prompts.left)
            self._text = text if own_prompt.visible(text).strip() else ""
        return self._text

    def right(self) -> StyleAndTextTuples:
        """Return what stands at the right edge."""
        prompts = self._process.prompts
        return self._parse(own_prompt.split(prompts.right)[0]) if self._own and prompts and prompts.right else []

    def rows_above(self) -> int:
        """Return how many rows of the prompt stand above the line."""
        return self._left().count("\n")

    def continuation(self, _width: int, _line_number: int, wrapped: int) -> StyleAndTextTuples:
        """Return what stands before each further line of a command that has several."""
        prompts = self._process.prompts
        if wrapped or not self._own or prompts is None:
            return []
        return self._parse(own_prompt.split(prompts.continuation)[0].rpartition("\n")[2])

    def width_before(self, line_number: int) -> int:
        """Return the columns that the prompt takes before a line of the command, counted from 0."""
        if line_number:
            return fragment_list_width(self.continuation(0, line_number, 0))
        return fragment_list_width(self._parse(self._left().rpartition("\n")[2]))

    def begin(self) -> None:
        """Before a prompt is drawn: set the window's title and the like, as the prompt asks for."""
        if self._own_text() or self._controls:
            self._terminal.write(self._controls)
        self._remember()

    def _remember(self) -> None:
        """Keep the prompt for the first paint of a later session: of a command that has failed, it would be none."""
        process = self._process
        if not self._own:
            with suppress(OSError):
                os.unlink(first_prompt.file())
        if process.private or process.status or not self._text or not self._own:
            return
        kept = process.cwd, self._text
        if kept != self._remembered:
            self._remembered = kept
            with suppress(OSError, ConfigError):
                first_prompt.remember(self._shell, *kept, config.runtime_dir() / "prompts")

    def _parse(self, text: str) -> StyleAndTextTuples:
        if text not in self._fragments:
            if len(self._fragments) > 8:
                self._fragments.clear()
            self._fragments[text] = to_formatted_text(ANSI(text))
        return self._fragments[text]
