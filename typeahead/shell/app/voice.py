"""What becomes of a spoken word at the prompt.

Words come from two places: from this session's own microphone, while the key to talk is down (`Listening`), and from
`typeahead listen` in another terminal, through the daemon. What each does is a `typeahead.voice.commands.Command`.

No word runs anything unless the user's settings say so for that very word. A line that destroys is asked for in any
case, and that question only a key answers. While a search is open nothing is done; in a menu only up and down. While a
command runs the microphone is closed; words through the daemon can interrupt it, since nothing can be drawn then, by
"stop" and a "yes" within five seconds.
"""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, is_done
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.layout.containers import ConditionalContainer, HSplit, Window
from prompt_toolkit.layout.controls import FormattedTextControl
from prompt_toolkit.layout.dimension import Dimension

from typeahead.errors import TypeaheadError
from typeahead.shell import prompt
from typeahead.shell.app import keys, listening, vi
from typeahead.shell.app.keys import Hooks
from typeahead.shell.app.listening import Listening
from typeahead.shell.ghost import Ghost
from typeahead.shell.protocol import MalformedError, Message, is_safe
from typeahead.shell.spoken import AT_ANY_TIME, Command, Spoken, spoken_fields, told
from typeahead.shell.suggestions import Suggestions
from typeahead.shell.terminal import Terminal

if TYPE_CHECKING:
    from prompt_toolkit.buffer import Buffer

_STALE_S = 2.0  # after which a word that could not be heard at once means nothing any more
_CONFIRM_S = 5.0  # for the yes that interrupts a command
_NOTE_S = 4.0  # for which a note stands
_NOTHING_DB = -110.0  # below which a microphone is switched off, or none
_ROWS = 3  # at most, of a long one

Commands = Callable[[], Mapping[str, Command]]


class Voice:
    """Acts on the words of one session, and says below the prompt that it listens.

    Parameters
    ----------
    editor, ghost, suggestions, hooks, terminal
        Of the session.
    cwd
        Returns the shell's directory.
    commands
        Returns what words do, or raises `ConfigError`; asked at each press of the key to talk.
    """

    def __init__(
        self,
        editor: PromptSession[str],
        ghost: Ghost,
        suggestions: Suggestions,
        hooks: Hooks,
        terminal: Terminal,
        cwd: Callable[[], str],
        commands: Commands,
    ) -> None:
        self._editor, self._ghost, self._suggestions, self._hooks = editor, ghost, suggestions, hooks
        self._terminal, self._cwd, self._read_commands = terminal, cwd, commands
        self._commands: Mapping[str, Command] = {}
        self._question: _Question | None = None
        self._heard = self._note = ""  # the last word, and what else there is to say
        self._end_of_note: asyncio.TimerHandle | None = None
        self._acted: dict[str, float] = {}  # word -> when, by the monotonic clock
        self._interrupt_at = -_CONFIRM_S  # when a command that runs was to be interrupted
        self._keys: dict[str, Callable[[Buffer], object]] = {
            "up": lambda _: hooks.older(self._event()),
            "down": lambda _: hooks.newer(self._event()),
            "left": lambda buffer: buffer.cursor_left(),
            "right": lambda buffer: buffer.cursor_right(),
            "accept": lambda buffer: self._take(buffer, ghost.rest),
            "accept_word": lambda buffer: self._take(buffer, ghost.next_word()),
            "next": lambda _: suggestions.turn(1) if keys.is_followed(ghost) else None,
            "previous": lambda _: suggestions.turn(-1) if keys.is_followed(ghost) else None,
            "dismiss": lambda _: suggestions.dismiss(),
            "interrupt": self._abandon,
            "yes": lambda _: None,
            "no": lambda _: None,
            "suggestions_on": lambda _: None if suggestions.is_wanted else suggestions.toggle(),
            "suggestions_off": lambda _: suggestions.toggle() if suggestions.is_wanted else None,
        }
        self.listening = Listening(self._hear, editor.app.invalidate, self._notify)
        hooks.talk = self._press
        suggestions.on_said = self._on_said
        self._attach()

    @property
    def known_keys(self) -> set[str]:
        """What words of mode key can do."""
        return {*self._keys}

    def close(self) -> None:
        """End what listens."""
        if self._end_of_note is not None:
            self._end_of_note.cancel()
        self.listening.close()

    # While a command runs: see `Process.aside`

    def fileno(self) -> int:
        """Return the daemon's socket, -1 while there is none."""
        return -1 if self._suggestions.client is None else self._suggestions.client.fileno()

    def receive(self) -> None:
        """Take what the daemon has sent; answers to questions are too late now."""
        if self._suggestions.client is not None:
            self._suggestions.client.receive()

    # Hearing

    def _press(self, _: KeyPressEvent) -> None:
        self._heard = ""
        if self.listening.state == listening.OFF:
            self._notify("")
            try:
                self._commands = self._read_commands()
            except TypeaheadError as error:
                self._notify(str(error))
                return
        self.listening.press()

    def _hear(self, word: str, confidence: float) -> None:
        """Take a word from the session's own microphone."""
        if not is_safe(word):
            return
        self._heard = f"{word} {confidence:.2f}"
        if (command := self._commands.get(word)) is not None:
            self._act(told(command, confidence))
        self._editor.app.invalidate()

    def _on_said(self, message: Message) -> None:
        """Take a word from the daemon."""
        said_at = message.get("at")
        if type(said_at) is not float or abs(time.monotonic() - said_at) > _STALE_S:
            return
        try:
            self._act(spoken_fields(message))
        except MalformedError:  # a daemon of another version
            return

    # Acting

    def _act(self, spoken: Spoken) -> None:
        app = self._editor.app
        if not app.is_running or app.is_done:
            self._act_aside(spoken)
            return
        buffer = self._editor.default_buffer
        key = spoken.key if spoken.mode == "key" else None
        if app.current_buffer is not buffer or (buffer.complete_state is not None and key not in ("up", "down")):
            return
        if self._question is not None:
            self._answer(key)
        elif (key is None or key in self._keys) and self._may_act(spoken):
            if key is None:
                self._put(buffer, spoken)
            else:
                self._keys[key](buffer)
        app.invalidate()

    def _act_aside(self, spoken: Spoken) -> None:
        """Act while a command runs: it can be interrupted, and that is all."""
        now, asked_at = time.monotonic(), self._interrupt_at
        self._interrupt_at = -_CONFIRM_S
        if spoken.key not in AT_ANY_TIME or not self._may_act(spoken):
            return
        if spoken.key == "interrupt":
            self._interrupt_at = now
        elif spoken.key == "yes" and now - asked_at < _CONFIRM_S:
            self._terminal.interrupt()

    def _may_act(self, spoken: Spoken) -> bool:
        """Return whether a word acts here and now; say why where it does not."""
        now = time.monotonic()
        if spoken.when and not _is_within(self._cwd(), spoken.when):
            self._notify(f"{spoken.word}: only in {spoken.when}")
            return False
        if now - self._acted.get(spoken.word, -spoken.cooldown_s) < spoken.cooldown_s:
            self._notify(f"{spoken.word}: a moment ago")
            return False
        self._acted[spoken.word] = now
        return True

    def _event(self) -> KeyPressEvent:
        """Return what a handler of a key is called with."""
        return KeyPressEvent(weakref.ref(self._editor.app.key_processor), None, [], [], False)

    def _take(self, buffer: Buffer, text: str) -> None:
        if keys.is_shown(self._ghost):
            vi.go_behind(buffer)
            buffer.insert_text(self._suggestions.take(text))

    def _abandon(self, buffer: Buffer) -> None:
        """Leave the line, as Ctrl-C does."""
        if buffer.text:
            self._editor.app.exit(exception=KeyboardInterrupt())

    # Lines

    def _put(self, buffer: Buffer, spoken: Spoken) -> None:
        """Put a line on the prompt; run it, or ask, where the word is to run it."""
        from typeahead.text.safety import is_destructive

        if spoken.mode != "insert" and buffer.text.strip():
            self._notify(f"{spoken.word}: not run, the line is not empty")
            return
        before = buffer.document
        buffer.save_to_undo_stack()
        if spoken.mode != "insert" or vi.is_at_the_end(buffer):
            vi.go_behind(buffer)
        self._suggestions.usage.press(len(spoken.line))  # nobody has saved these keys: it counts as if typed
        buffer.insert_text(spoken.line)
        destroys = is_destructive(buffer.text)
        if spoken.mode == "run" and not destroys:
            self._run(buffer)
        elif spoken.mode != "insert":
            self._question = _Question(before.text, buffer.text, destroys)

    def _run(self, buffer: Buffer) -> None:
        if not self._hooks.is_complete(buffer.text):
            self._notify("not run: it is no whole command")
            return
        self._terminal.accept_interrupts()
        buffer.validate_and_handle()

    def _answer(self, key: str | None) -> None:
        """Take a spoken answer; other words wait for better times."""
        assert self._question is not None
        if key in ("no", "interrupt"):
            self._drop()
        elif key == "yes" and self._question.destroys:
            self._notify("it destroys: press y")
        elif key == "yes":
            self._confirm()

    def _confirm(self) -> None:
        self._question = None
        self._run(self._editor.default_buffer)

    def _drop(self) -> None:
        """Take the line away again."""
        question, self._question = self._question, None
        buffer = self._editor.default_buffer
        if question is not None and buffer.text == question.line:
            buffer.text = question.before
            buffer.cursor_position = len(question.before)

    def _let_be(self) -> None:
        """Leave the line where it is: it is the user's now."""
        self._question = None

    # What is seen

    def _attach(self) -> None:
        """Put a row below the prompt, and the keys that answer before all others."""
        editor = self._editor
        row = Window(
            FormattedTextControl(self._row),
            height=Dimension(max=_ROWS),
            dont_extend_height=True,
            wrap_lines=True,
            style="class:status",
        )
        seen = Condition(lambda: bool(self._parts())) & ~is_done
        editor.layout.container = HSplit([editor.layout.container, ConditionalContainer(row, seen)])
        asked = Condition(lambda: self._question is not None and get_app().current_buffer.name == DEFAULT_BUFFER)
        answers = KeyBindings()
        for key in ("y", "Y"):
            answers.add(key, filter=asked, eager=True)(lambda _: self._confirm())
        for key in ("n", "N", "c-c", "c-g"):
            answers.add(key, filter=asked, eager=True)(lambda _: self._drop())
        # It may have been pressed for the line that stood there before the question came.
        answers.add("enter", filter=asked, eager=True)(lambda _: self._let_be())
        editor.key_bindings = merge_key_bindings([editor.key_bindings or KeyBindings(), answers])
        editor.app.key_processor.after_key_press += lambda _: self._let_be()  # any other key
        editor.app.on_reset += lambda _: self._let_be()

    def _row(self) -> StyleAndTextTuples:
        return [("", (" · " if prompt.speaks_unicode() else " | ").join(self._parts()))]

    def _parts(self) -> list[str]:
        """Return what there is to say, the most important first."""
        parts = []
        if self._question is not None:
            parts.append("it destroys; run it? press y or n" if self._question.destroys else "run it? y/n")
        if self._note:
            parts.append(self._note)
        if self.listening.state == listening.STARTING:
            parts.append("starting the microphone...")
        elif self.listening.state == listening.ON:
            level_db = self.listening.level_db
            level = "" if level_db is None else " nothing" if level_db < _NOTHING_DB else f" {level_db:.0f} dB"
            parts.append(f"listening{level}{'  ' if self._heard else ''}{self._heard}")
        return parts

    def _notify(self, note: str) -> None:
        """Say something for some seconds."""
        self._note = "".join(c if c.isprintable() else " " for c in note)
        if self._end_of_note is not None:
            self._end_of_note.cancel()
        self._end_of_note = asyncio.get_running_loop().call_later(_NOTE_S, self._withdraw_note)
        self._editor.app.invalidate()

    def _withdraw_note(self) -> None:
        self._note = ""
        self._editor.app.invalidate()


class _Question:
    """Whether a line that stands on the prompt is to be run."""

    def __init__(self, before: str, line: str, destroys: bool) -> None:
        self.before, self.line, self.destroys = before, line, destroys


def _is_within(path: str, folder: str) -> bool:
    """Return whether ``path`` is ``folder`` or below it, links followed."""
    path, folder = os.path.realpath(path), os.path.realpath(folder)
    return path == folder or path.startswith(folder.rstrip("/") + "/")
