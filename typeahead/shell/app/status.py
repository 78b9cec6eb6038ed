"""What is said of the session beside the line: its state below, and at the right edge where a suggestion is from."""

from __future__ import annotations

from collections.abc import Callable

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.filters import is_done
from prompt_toolkit.formatted_text import StyleAndTextTuples, fragment_list_width
from prompt_toolkit.layout import Layout, walk
from prompt_toolkit.layout.containers import ConditionalContainer, Float, FloatContainer, HSplit, Window
from prompt_toolkit.layout.controls import FormattedTextControl

from typeahead.config import Config
from typeahead.shell import keymap, prompt
from typeahead.shell.app import keys
from typeahead.shell.ghost import Ghost, cut
from typeahead.shell.suggestions import Suggestions

_SOURCES = {"model": "model", "history": "history", "path": "files", "completion": "completion"}
_DAEMON = {
    "offline": "daemon away",
    "loading": "daemon loading",
    "warm": "daemon ready",
    "failed": "no model: typeahead doctor",
}


class Status:
    """The status line and the hint of one session.

    Parameters
    ----------
    settings
        The user's.
    ghost, suggestions
        What is told of.
    right
        Returns the user's own prompt at the right edge; the hint stands before it.
    rows_above
        Returns how many rows of the prompt stand above the line.
    """

    def __init__(
        self,
        settings: Config,
        ghost: Ghost,
        suggestions: Suggestions,
        right: Callable[[], StyleAndTextTuples],
        rows_above: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._ghost = ghost
        self._suggestions = suggestions
        self._right = right
        self._rows_above = rows_above
        self._place: Float | None = None  # of what stands at the right edge

    def attach(self, editor: PromptSession[str]) -> None:
        """Put the status line below the prompt, if it is wanted, and take hold of what stands at the right edge."""
        self._place = _right_prompt(editor.layout)
        if self._settings.shell.status:
            row = Window(FormattedTextControl(self._status), height=1, dont_extend_height=True, style="class:status")
            self._suggestions.on_state = editor.app.invalidate
            editor.layout.container = HSplit([editor.layout.container, ConditionalContainer(row, ~is_done)])

    def right(self) -> StyleAndTextTuples:
        """Return what stands at the right edge; the editor leaves it out where the line needs the room."""
        own = self._right()
        if self._place is not None:
            self._place.top = self._rows_above()  # beside the line, as in zsh, not beside what stands above it
        if not (self._ghost.hint and keys.is_shown(self._ghost)):
            return own
        hint = source_text(self._ghost.source, self._suggestions.confidence)
        # The last column stays free, or a window made narrower would break the row.
        return [("class:hint", f" {hint} "), *own]

    def _status(self) -> StyleAndTextTuples:
        separator, ellipsis = (" · ", "…") if prompt.speaks_unicode() else (" | ", "..")
        columns = get_app().output.get_size().columns - 1
        first, *others = self._parts()
        shown: StyleAndTextTuples = [("", cut(first, columns, ellipsis))]
        for part in others:
            if fragment_list_width([*shown, ("", separator), ("", part)]) > columns:
                break
            shown += [("", separator), ("", part)]
        return shown

    def _parts(self) -> list[str]:
        """Return what there is to say, the most important first."""
        settings, suggestions = self._settings, self._suggestions
        if not suggestions.is_wanted:
            return [f"suggestions off{self._by('toggle', ' (', ')')}", *self._learning()]
        state = suggestions.client.state if suggestions.client is not None else "offline"
        takes = self._by("accept", "", " takes a suggestion")
        return [_DAEMON.get(state, state), *self._learning(), settings.text.dial, *([takes] if takes else [])]

    def _learning(self) -> list[str]:
        if self._suggestions.is_private:
            return ["private: nothing is kept"]
        return ["learning" if self._settings.text.adapt else "not learning"]

    def _by(self, action: str, before: str, after: str) -> str:
        """Return how the first key of an action is called, with text around it; empty where it has none."""
        sequences = keymap.parse(getattr(self._settings.keys, action))
        return f"{before}{keymap.spoken(sequences[0])}{after}" if sequences else ""


def _right_prompt(layout: Layout) -> Float | None:
    """Return the place of the right prompt in an editor's layout: the one in the upper right corner."""
    for container in walk(layout.container):
        if isinstance(container, FloatContainer):
            for place in container.floats:
                if (place.right, place.top) == (0, 0):
                    return place
    return None


def source_text(source: str, confidence: float | None) -> str:
    """Return where a suggestion is from and how probable its source holds it, for a reader.

    Parameters
    ----------
    source
        As the daemon names it.
    confidence
        A probability; None: nobody has weighed it.
    """
    name = _SOURCES.get(source, source)
    if confidence is None:
        return name
    return f"{name} {'<1' if 0 < confidence < 0.01 else round(100 * confidence)}%"
