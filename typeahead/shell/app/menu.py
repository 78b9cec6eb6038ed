"""Tab: the shell's completions of the word at the cursor, in a menu below the line.

Nobody waits: the shell is asked in the background, and any key that changes the line gives the question up.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer, CompletionState
from prompt_toolkit.completion import Completion as Entry
from prompt_toolkit.completion import DummyCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, has_completions
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.key_binding.key_processor import KeyProcessor
from prompt_toolkit.shortcuts import CompleteStyle
from prompt_toolkit.styles import DummyStyle, Style, merge_styles

from typeahead.shell.app.keys import is_lone_escape
from typeahead.shell.ghost import Ghost
from typeahead.shell.process import Process
from typeahead.shell.suggestions import Suggestions

if TYPE_CHECKING:
    from typeahead.shell.completions import Completion, Question
    from typeahead.text.surroundings import Surroundings

_ANSWER_S = 2.5  # for the shell, which itself gives up a moment earlier
_SIGN_S = 0.1  # after which the user sees that something is being waited for
_DISK_MS = 200.0  # for files, in a thread
_PAGE = 8  # entries
_SHOWN = 500  # entries; of more, those that fit what is typed on
_RANKED = 64  # entries that the model weighs, as many as the daemon takes
_ROWS = 12  # of the menu, with the line
_FORGIVEN = " /"  # what is not put twice at the cursor

_STYLE = {
    "completion-menu": "bg:default fg:default",
    "completion-menu.completion": "bg:default fg:default",
    "completion-menu.completion.current": "bg:default fg:default reverse",
    "completion-menu.meta.completion": "bg:default fg:default italic",
    "completion-menu.meta.completion.current": "bg:default fg:default italic reverse",
    "completion-menu.multi-column-meta": "bg:default fg:default italic",
    "entry.directory": "ansiblue bold",
    "entry.executable": "ansigreen",
    "entry.alias": "ansigreen",
    "entry.function": "ansigreen",
    "entry.builtin": "ansigreen",
    "entry.keyword": "ansimagenta",
    "entry.option": "ansicyan",
    "entry.variable": "ansimagenta",
    "entry.suggestion": "bold",
}


class Menu:
    """Tab and the menu of one session.

    Parameters
    ----------
    process
        The shell underneath, which knows the completions.
    ghost, suggestions
        Of the session: what the grey text says stands first, too.
    """

    def __init__(self, process: Process, ghost: Ghost, suggestions: Suggestions) -> None:
        self._process = process
        self._ghost = ghost
        self._suggestions = suggestions
        self._surroundings: Surroundings | None = None
        self._task: asyncio.Task[None] | None = None
        self._document = Document()  # for which completions are being looked for
        self._steps = 0  # in the menu, asked for by keys that came before it
        self._asked: Question | None = None  # for which the menu is open
        self._found: list[Completion] = []
        self._shown: list[Completion] = []  # in the menu
        self._num_suggested = 0  # of the first entries: those that the grey text has, too

    def attach(self, editor: PromptSession[str]) -> None:
        """Have the line editor draw the menu, and the menu follow the line."""
        editor.completer = DummyCompleter()  # without one, no room is made for a menu
        editor.complete_while_typing = False
        bindings = [editor.key_bindings] if editor.key_bindings else []
        editor.key_bindings = merge_key_bindings([*bindings, self.bindings()])
        editor.style = merge_styles([editor.style or DummyStyle(), Style.from_dict(_STYLE)])
        self._editor = editor
        editor.app.key_processor.after_key_press += self._follow

    # Keys

    def complete(self, event: KeyPressEvent) -> None:
        """Tab: complete the word; in the menu go on, and take what is the only entry."""
        self._step(event.current_buffer, 1)

    def complete_back(self, event: KeyPressEvent) -> None:
        """Shift-Tab: go back in the menu."""
        self._step(event.current_buffer, -1)

    def _step(self, buffer: Buffer, step: int) -> None:
        if self._task is not None and not self._task.done() and buffer.document == self._document:
            self._steps += step
        elif self._asked is None or buffer.complete_state is None:
            self._begin(buffer)
        elif len(self._shown) == 1:
            buffer.go_to_completion(0)
            self._take(buffer)
        else:
            self._move(buffer, step)

    def _move(self, buffer: Buffer, step: int) -> None:
        if step > 0:
            buffer.complete_next(step)
        else:
            buffer.complete_previous(-step)

    def bindings(self) -> KeyBindings:
        """Return what keys do while the menu is open; they go before all others."""
        keys = KeyBindings()
        is_open = Condition(lambda: self._asked is not None) & has_completions
        is_chosen = Condition(lambda: self._chosen(get_app().current_buffer) is not None) & is_open
        for key, step in (("down", 1), ("up", -1), ("pagedown", _PAGE), ("pageup", -_PAGE)):
            keys.add(key, filter=is_open)(lambda event, step=step: self._move(event.current_buffer, step))
        is_single = Condition(lambda: self._editor.complete_style == CompleteStyle.COLUMN) & is_open
        for key, step in (("right", 1), ("left", -1)):
            keys.add(key, filter=is_single)(lambda event, step=step: self._move(event.current_buffer, step))
        keys.add("enter", filter=is_chosen)(lambda event: self._take(event.current_buffer))
        keys.add("c-g", filter=is_open)(lambda event: self._close(event.current_buffer))
        return keys

    # Asking

    def _begin(self, buffer: Buffer) -> None:
        self._stop()
        self._document, self._steps = buffer.document, 0
        self._task = get_app().create_background_task(self._complete(buffer))

    def _stop(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
        self._task = None

    async def _complete(self, buffer: Buffer) -> None:
        """Look for completions and show them, unless the line has changed by then."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, import_module, "typeahead.shell.completions")
        from typeahead.shell import completions

        asked = completions.question(self._document.text_before_cursor)
        if asked is None:
            return
        sign = loop.call_later(_SIGN_S, self._sign, "…")
        try:
            found = await self._from_shell(asked) or await loop.run_in_executor(None, self._without_shell, asked)
        finally:
            sign.cancel()
            self._sign("")
        if buffer.document != self._document:
            return
        line = self._ghost.line if self._document.is_cursor_at_the_end else ""
        if (first := completions.suggested(found, asked, line)) is not None:
            found = [first, *(each for each in found if each is not first)]
        self._num_suggested = int(first is not None)
        if self._document.is_cursor_at_the_end:
            self._suggestions.know_completions([asked.before[: asked.start] + each.text for each in found])
        prefix = completions.common_prefix(found)
        if not found:
            self._suggestions.notify("no completions")
        elif len(found) == 1:
            self._put(buffer, asked, found[0].text, found[0].append)
        elif len(prefix) > len(asked.token.raw) and prefix.startswith(asked.token.raw):
            self._put(buffer, asked, prefix, "")
        else:
            self._open(buffer, asked, found)
            for _ in range(abs(self._steps)):
                self._move(buffer, 1 if self._steps > 0 else -1)

    def _sign(self, notice: str) -> None:
        if self._ghost.notice in ("…", ""):
            self._ghost.notice = notice
            self._editor.app.invalidate()

    async def _from_shell(self, asked: Question) -> list[Completion]:
        """Ask the shell; nothing from one that is busy, has ended, or does not answer in time."""
        from typeahead.shell import completions

        process = self._process
        is_asked = asked.mode != "files" or process.completes_files
        if not is_asked or not process.ready or process.poll() is not None:
            return []
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        process.completing.on_answer = lambda data: None if answer.done() else answer.set_result(data)
        process.completing.ask(asked.encoded())
        try:
            async with asyncio.timeout(_ANSWER_S):
                data = await answer
            return await loop.run_in_executor(None, completions.read, data, asked)
        except TimeoutError:
            return []
        finally:
            process.completing.on_answer = None
            process.completing.stop()

    def _without_shell(self, asked: Question) -> list[Completion]:
        """Look at the disk, in a thread."""
        from typeahead.shell.completions import without_shell
        from typeahead.text.surroundings import Surroundings

        names = self._process.names
        if self._surroundings is None:
            self._surroundings = Surroundings(budget_ms=_DISK_MS)
        self._surroundings.expire()
        self._surroundings.environ = dict(names.environ if names else os.environ)
        self._surroundings.names = frozenset(names.commands if names else ())
        return without_shell(self._surroundings, asked, self._process.cwd)

    # The line

    def _put(self, buffer: Buffer, asked: Question, text: str, append: str) -> None:
        """Put ``text`` in the place of the word."""
        document = buffer.document
        line, rest = document.text_before_cursor[: asked.start] + text, document.text_after_cursor
        if append[-1:] and append[-1] in _FORGIVEN and rest.startswith(append[-1]):
            line, rest = line + append, rest[1:]
        else:
            line += append
        buffer.save_to_undo_stack()
        buffer.document = Document(line + rest, len(line))

    def _open(self, buffer: Buffer, asked: Question, found: list[Completion]) -> None:
        self._asked, self._found = asked, found
        rows = self._editor.app.output.get_size().rows
        self._editor.reserve_space_for_menu = min(_ROWS, rows // 2)  # of a low window the line keeps its part
        described = any(each.description for each in found)
        self._editor.complete_style = CompleteStyle.COLUMN if described else CompleteStyle.MULTI_COLUMN
        self._fill(buffer, found)
        self._rank(buffer, asked)

    def _rank(self, buffer: Buffer, asked: Question) -> None:
        """Ask the model which of the entries is meant; until it has said so, they stand as the shell has them."""
        client = self._suggestions.client
        if client is None or client.state != "warm":
            return
        weighed = self._found[:_RANKED]
        number = client.rank([asked.before[: asked.start] + each.text for each in weighed], self._process.cwd)

        def take(answer: Mapping[str, Any]) -> None:
            if answer.get("id") == number and self._asked is asked:
                self._reorder(buffer, weighed, answer.get("log_probs"))

        client.on_found = take

    def _reorder(self, buffer: Buffer, weighed: list[Completion], log_probs: object) -> None:
        """Put the likeliest first, unless the user has moved in the menu; the grey text's entry stays the first."""
        state = buffer.complete_state
        if not isinstance(log_probs, list) or len(log_probs) != len(weighed):
            return
        if state is None or state.complete_index is not None or not all(isinstance(one, float) for one in log_probs):
            return
        order = sorted(range(self._num_suggested, len(weighed)), key=lambda place: -log_probs[place])
        first = weighed[: self._num_suggested] + [weighed[place] for place in order]
        self._found = first + self._found[len(weighed) :]
        self._narrow(buffer)

    def _fill(self, buffer: Buffer, found: list[Completion]) -> None:
        """Show entries, as many as can be drawn at each key; none is chosen yet."""
        assert self._asked is not None
        self._shown = found = found[:_SHOWN]
        back = self._asked.start - buffer.document.cursor_position
        entries = [
            Entry(each.text, back, each.display, each.description or None, style=f"class:entry.{each.kind}")
            for each in found
        ]
        buffer.complete_state = CompletionState(buffer.document, entries)
        buffer.on_completions_changed.fire()

    def _chosen(self, buffer: Buffer) -> Completion | None:
        state = buffer.complete_state
        return None if state is None or state.complete_index is None else self._shown[state.complete_index]

    def _take(self, buffer: Buffer) -> None:
        """Take the chosen entry; its text stands in the line already."""
        chosen, asked = self._chosen(buffer), self._asked
        self._forget(buffer)
        if chosen is not None and asked is not None:
            self._put(buffer, asked, chosen.text, chosen.append)

    def _close(self, buffer: Buffer) -> None:
        """Close the menu; the line is as it was when it opened, or was last typed in."""
        buffer.cancel_completion()
        self._forget(buffer)

    def _forget(self, buffer: Buffer) -> None:
        self._asked, self._found, self._shown = None, [], []
        buffer.complete_state = None
        self._editor.app.invalidate()

    # After each key

    def _follow(self, processor: KeyProcessor) -> None:
        app = get_app()
        buffer = self._editor.default_buffer
        if self._task is not None and (app.is_done or buffer.document != self._document):
            self._stop()
        if self._asked is None:
            return
        if app.is_done:
            self._forget(buffer)
        elif is_lone_escape(processor):
            self._close(buffer)
        elif buffer.complete_state is None:
            self._narrow(buffer)

    def _narrow(self, buffer: Buffer) -> None:
        """Keep what fits the word as it has been typed on; close when nothing does."""
        from typeahead.shell import completions

        asked, before = self._asked, buffer.document.text_before_cursor
        assert asked is not None
        if before.startswith(asked.before):
            typed = before[asked.start :]
            found = self._found if before == asked.before else completions.narrowed(self._found, typed)
            if found and (len(found) > 1 or found[0].text != typed):
                self._fill(buffer, found)
                return
        self._forget(buffer)
