"""Ctrl-R: the history searched as one types, in a list below the prompt.

=============================  ==========================================================================
Enter, Tab                     put the line on the prompt, to be changed or run
Up, Down, Ctrl-P, Ctrl-N       the line above, below; Page Up, Page Down
Ctrl-R                         where: all, run in this directory, run in this session
Ctrl-S                         only what worked, or whatever it came to
Ctrl-D, Shift-Delete           forget the line for ever; asks for the key once more
Esc, Ctrl-G, Ctrl-C            leave, the prompt as it was
=============================  ==========================================================================

Typing waits for nobody: the daemon's answers are drawn when they come, and those about an older text are dropped.
While the daemon is away or slow, the lines in memory are searched in another thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.key_binding import KeyBindings, KeyPress, KeyPressEvent
from prompt_toolkit.key_binding.key_processor import KeyProcessor
from prompt_toolkit.key_binding.vi_state import InputMode
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout.containers import ConditionalContainer, HSplit, Window
from prompt_toolkit.layout.controls import BufferControl, FormattedTextControl
from prompt_toolkit.layout.dimension import Dimension
from prompt_toolkit.layout.processors import BeforeInput

from typeahead.shell import prompt
from typeahead.shell.app.keys import is_lone_escape
from typeahead.shell.ghost import cut
from typeahead.shell.lines import PastLines
from typeahead.shell.matches import Fragments, Looks, columns_of, facts, preview, row, visible
from typeahead.shell.protocol import SCOPES, Message
from typeahead.shell.runs import Match, Runs, Scope, read_matches
from typeahead.shell.search import places
from typeahead.shell.suggestions import Suggestions

_LIMIT = 100  # lines in the list
_SLOW_ANSWER_S = 0.15  # a daemon that has said nothing by then is passed over for the lines in memory
_INCOMPLETE_S = 0.3  # after which a daemon that is still reading is asked again
_LABELS = {"all": "history", "directory": "this directory", "session": "this session"}
_SHORT_LABELS = {"all": "all", "directory": "dir", "session": "ses"}
_WIDE = 44  # columns from which there is room for more than the lines themselves
_MOST_ROWS = 16
_HELP = "Enter takes, Ctrl-R where, Ctrl-S what worked, Ctrl-D forgets, Esc leaves"


class Search:
    """The screen of one session.

    Parameters
    ----------
    editor
        The prompt, below which the list is put.
    lines
        Past lines in memory.
    suggestions
        Has the connection to the daemon.
    cwd
        Returns the shell's directory.
    on_enter
        Called after each Enter: the keyboard takes it for the end of a command line.
    """

    def __init__(
        self,
        editor: PromptSession[str],
        lines: PastLines,
        suggestions: Suggestions,
        cwd: Callable[[], str],
        on_enter: Callable[[], None],
    ) -> None:
        self._editor, self._lines, self._suggestions, self._cwd, self._on_enter = (
            editor,
            lines,
            suggestions,
            cwd,
            on_enter,
        )
        self.is_open = False
        self._query = Buffer(name="SEARCH_HISTORY", multiline=False, on_text_changed=lambda _: self._change())
        self._scope, self._worked = "all", False
        self._matches: list[Match] = []
        self._shown_for: tuple[str, str, bool] | None = None  # the question that they answer
        self._from_memory = False
        self._selected, self._top = 0, 0  # places in the matches: of the line that Enter takes, of the first in sight
        self._doomed: str | None = None  # the line that the same key would forget now
        self._forgotten: set[str] = set()  # since the screen was opened
        self._taking = False  # Enter came before the answer
        self._held: list[KeyPress] = []  # after that Enter: they are meant for the prompt
        self._number, self._asked = 0, 0  # of the question; its id at the daemon
        self._runs: Runs | None = None  # what is in memory, as it was when the screen was opened
        self._timer: asyncio.TimerHandle | None = None
        self._vi_mode = InputMode.INSERT  # before the screen was opened
        self._tasks: set[asyncio.Task[None]] = set()
        self._put_below(editor)

    def _put_below(self, editor: PromptSession[str]) -> None:
        query = Window(
            BufferControl(self._query, input_processors=[BeforeInput(self._label)]), height=1, dont_extend_height=True
        )
        found = Window(
            FormattedTextControl(self._draw, show_cursor=False),
            height=lambda: Dimension(min=0, preferred=self._num_rows() - 1, max=self._num_rows() - 1),
            wrap_lines=False,
        )
        panel = HSplit([query, found], key_bindings=self._bindings())
        self._window = query
        layout = editor.layout
        below = ConditionalContainer(panel, Condition(lambda: self.is_open and not editor.app.is_done))
        layout.container = HSplit([layout.container, below])
        editor.app.on_reset += lambda _: self.close()
        editor.app.key_processor.after_key_press += self._hurry_escape

    # Coming and going

    def open(self, event: KeyPressEvent) -> None:
        """Open the screen on what stands on the prompt."""
        if self.is_open:
            return
        self.is_open = True
        self._scope, self._worked, self._matches, self._shown_for = "all", False, [], None
        self._runs, self._doomed, self._taking, self._forgotten = None, None, False, set()
        self._lines.load()
        vi_state = event.app.vi_state
        self._vi_mode, vi_state.input_mode = vi_state.input_mode, InputMode.INSERT
        self._editor.default_buffer.complete_state = None  # a menu makes room
        typed = self._editor.default_buffer.text
        self._query.reset(Document(typed if "\n" not in typed else ""))
        event.app.layout.focus(self._window)
        self._ask()

    def close(self) -> None:
        """Leave; the prompt is as it was."""
        if not self.is_open:
            return
        self.is_open = self._taking = False
        self._held = []
        self._number += 1
        self._cancel_timer()
        if (client := self._suggestions.client) is not None:
            client.on_found = None
        self._editor.app.vi_state.input_mode = self._vi_mode
        self._editor.layout.focus(self._editor.default_buffer)

    def _take(self) -> None:
        """Put the selected line on the prompt; when the answer to what is typed is still to come, then."""
        if self._shown_for != self._question:
            self._taking = True
            return
        match, held = self._match(), self._held
        self.close()
        if match is not None:
            self._editor.app.vi_state.input_mode = InputMode.INSERT
            self._editor.default_buffer.document = Document(match.text)
        if held:
            self._editor.app.key_processor.feed_multiple(held)
            self._editor.app.key_processor.process_keys()

    # Questions and answers

    @property
    def _question(self) -> tuple[str, str, bool]:
        return self._query.text, self._scope, self._worked

    def _change(self) -> None:
        """Ask another question."""
        self._doomed, self._taking = None, False
        self._ask()

    def _ask(self) -> None:
        self._number += 1
        self._cancel_timer()
        client = self._suggestions.client
        text, scope, worked = self._question
        private = self._suggestions.is_private and scope == "session"  # of which the daemon knows nothing
        if client is None or private:
            self._search_memory()
            if client is None:  # the first prompt is just being drawn
                self._timer = asyncio.get_running_loop().call_later(_SLOW_ANSWER_S, self._ask)
            return
        client.on_found = self._take_answer
        self._asked = client.search(text, self._cwd(), scope, False if worked else None, _LIMIT)
        if client.state == "offline" or not self._asked:
            self._search_memory()
        else:
            self._timer = asyncio.get_running_loop().call_later(_SLOW_ANSWER_S, self._search_memory)

    def _take_answer(self, message: Message) -> None:
        """Take what the daemon has found; an answer about something else than the present question is dropped."""
        if not self.is_open or message.get("id") != self._asked:
            return
        matches = read_matches(message.get("matches"))
        if matches is None:  # it does not know how to
            self._search_memory()
            return
        self._cancel_timer()
        self._show(matches, from_memory=False)
        if self.is_open and message.get("complete") is False:
            self._timer = asyncio.get_running_loop().call_later(_INCOMPLETE_S, self._ask)

    def _search_memory(self) -> None:
        task = asyncio.get_running_loop().create_task(self._search_in_thread(self._number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _search_in_thread(self, number: int) -> None:
        text, scope, worked = self._question
        client = self._suggestions.client
        session = client.session if client is not None else ""
        chosen = Scope(
            self._cwd() if scope == "directory" else None,
            session if scope == "session" else None,
            False if worked else None,
        )

        def find() -> list[Match]:
            self._lines.wait()
            if self._runs is None:
                self._runs = Runs(self._lines.runs())
            return [match for match, _ in self._runs.find(text, chosen, _LIMIT)]

        matches = await asyncio.get_running_loop().run_in_executor(None, find)
        if self.is_open and number == self._number and self._shown_for != self._question:
            self._show(matches, from_memory=True)

    def _show(self, matches: list[Match], from_memory: bool) -> None:
        again = self._shown_for == self._question  # a fuller answer to the same: the selection stays
        selected = self._match()
        self._matches = [match for match in matches if match.text not in self._forgotten]
        self._from_memory, self._shown_for = from_memory, self._question
        self._selected = self._top = 0
        if again and selected is not None:
            texts = [match.text for match in self._matches]
            self._selected = texts.index(selected.text) if selected.text in texts else 0
        if self._taking:
            self._take()
        get_app().invalidate()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _match(self) -> Match | None:
        return self._matches[self._selected] if self._selected < len(self._matches) else None

    # Keys

    def _bindings(self) -> KeyBindings:
        keys = KeyBindings()

        def bind(*names: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
            def decorate(act: Callable[[], None]) -> Callable[[], None]:
                for name in names:
                    keys.add(name)(lambda event: act())
                return act

            return decorate

        bind("escape", "c-g", "c-c")(self.close)
        bind("c-i")(self._take)
        bind("c-s")(self._toggle_worked)
        bind("c-r")(self._next_scope)
        bind("c-d", "s-delete")(self._forget)
        for name, step in (("up", -1), ("c-p", -1), ("down", 1), ("c-n", 1)):
            bind(name)(lambda step=step: self._move(step))  # type: ignore[misc]
        bind("pageup")(lambda: self._move(-self._num_listed()))
        bind("pagedown")(lambda: self._move(self._num_listed()))
        bind("c-z", "c-x")(lambda: None)

        @keys.add("enter")
        def _enter(event: KeyPressEvent) -> None:
            self._on_enter()
            self._take()

        @keys.add(Keys.Any, filter=Condition(lambda: self._taking), eager=True)
        def _hold(event: KeyPressEvent) -> None:
            if event.key_sequence[0].key in (Keys.Escape, Keys.ControlG, Keys.ControlC):
                self.close()
            else:
                self._held += event.key_sequence

        @keys.add(Keys.BracketedPaste)
        def _paste(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text(" ".join(event.data.split("\n")).replace("\r", " "))

        return keys

    def _hurry_escape(self, processor: KeyProcessor) -> None:
        """After each key: a lone Esc leaves at once; the two halves of an Alt key come together."""
        if self.is_open and is_lone_escape(processor):
            get_app().timeoutlen = 0

    def _next_scope(self) -> None:
        self._scope = SCOPES[(SCOPES.index(self._scope) + 1) % len(SCOPES)]
        self._change()

    def _toggle_worked(self) -> None:
        self._worked = not self._worked
        self._change()

    def _move(self, step: int) -> None:
        self._doomed, self._taking = None, False
        self._selected = max(0, min(self._selected + step, len(self._matches) - 1))

    def _forget(self) -> None:
        """Forget the selected line at the second press."""
        match = self._match()
        if match is None or self._doomed != match.text:
            self._doomed = None if match is None else match.text
            return
        self._doomed = None
        self._suggestions.forget_line(match.text)
        self._forgotten.add(match.text)  # an answer may be on its way still
        self._runs = None
        del self._matches[self._selected]
        self._selected = max(0, min(self._selected, len(self._matches) - 1))

    # Drawing

    def _looks(self) -> Looks:
        # The last column stays free: some terminals scroll when it is filled.
        return Looks(max(1, get_app().output.get_size().columns - 1), prompt.speaks_unicode())

    def _num_rows(self) -> int:
        """Return the rows of the screen: about half the window, with one left for the prompt."""
        rows = get_app().output.get_size().rows
        return max(2, min(rows // 2 if rows >= 12 else rows - 2, _MOST_ROWS))

    def _num_listed(self) -> int:
        return max(1, self._num_rows() - 1 - len(self._foot()))

    def _label(self) -> FormattedText:
        looks = self._looks()
        wide = looks.columns >= _WIDE
        name = (_LABELS if wide else _SHORT_LABELS)[self._scope]
        worked = (", what worked" if wide else "+ok") if self._worked else ""
        return FormattedText([("bold", f"{name}{worked}"), ("", ": ")])

    def _draw(self) -> FormattedText:
        """Return the list and what is below it."""
        if not self.is_open:
            return FormattedText()
        foot = self._foot()
        num_listed = max(1, self._num_rows() - 1 - len(foot))
        self._top = max(min(self._top, self._selected), self._selected - num_listed + 1, 0)
        rows = [self._row(place) for place in range(self._top, min(self._top + num_listed, len(self._matches)))]
        if not rows and self._shown_for is not None:
            rows = [[("italic", cut("nothing found", self._looks().columns, self._looks().ellipsis))]]
        rows += [[] for _ in range(num_listed - len(rows))]
        drawn: Fragments = []
        for fragments in [*rows, *foot]:
            drawn += [*fragments, ("", "\n")]
        return FormattedText(drawn[:-1])

    def _row(self, place: int) -> Fragments:
        match, looks = self._matches[place], self._looks()
        is_selected = place == self._selected
        mark = ("❯ " if looks.unicode else "> ") if is_selected else "  "
        room = looks.columns - len(mark)
        fragments = row(match.text, self._found(match), room, looks)
        if is_selected:
            blanks = " " * (room - columns_of(fragments))
            return [("reverse", mark), *((f"{style} reverse", text) for style, text in fragments), ("reverse", blanks)]
        return [("", mark), *fragments]

    def _found(self, match: Match) -> set[int]:
        return places(self._shown_for[0], match.text) if self._shown_for is not None else set()

    def _foot(self) -> list[Fragments]:
        """Return the rows below the list: the selected line as a whole, what is known of it, the keys."""
        looks, match, room = self._looks(), self._match(), self._num_rows() - 1
        rows: list[Fragments] = []
        if self._doomed is not None:
            return (
                [[("ansired bold", cut("press again to forget it for ever", looks.columns, looks.ellipsis))]]
                if room > 1
                else []
            )
        if match is not None and room >= 4:
            length = columns_of([("", visible(character)) for character in match.text[: looks.columns]])
            if room >= 6 and ("\n" in match.text or length > looks.columns - 2 or len(match.text) > looks.columns):
                rows += preview(match.text, self._found(match), min(4, room - 4), looks)
            rows.append(facts(match, time.time(), looks))
        if room >= 6:
            said = "the daemon is away: only the newest lines" if self._from_memory else _HELP
            rows.append([("italic", cut(said, looks.columns, looks.ellipsis))])
        return rows
