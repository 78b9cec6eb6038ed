"""Make the README's pictures: run the real shell on a made-up history, press keys, draw the screen as SVG.

    python -m tests.screenshots [FOLDER]

needs tmux and the shipped model, and takes about a minute. Nothing outside of a temporary folder and FOLDER (by
default `tests/screenshots`) is read or written.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import NamedTuple

from prompt_toolkit.utils import get_cwidth

from tests.shell.terminal import Terminal, shell_command, wait_until
from typeahead.history import History
from typeahead.shell.protocol import request

HISTORY = [
    "git status",
    "git checkout -b parser",
    "vim src/parser.py",
    "python3 -m pytest tests/test_parser.py -x",
    "git add src/parser.py tests/test_parser.py",
    "git commit -m 'Parser: empty input is an empty list'",
    "git push --set-upstream origin parser",
    "docker compose up -d database",
    "docker compose logs -f database",
    "tar czf backup.tar.gz src",
    "rsync -av src/ backup:projects/parser/",
    "ssh backup ls projects",
    "grep -rn 'def parse' src",
    "less README.md",
    "make docs",
    "git log --oneline -5",
]
FILES = ["src/parser.py", "src/lexer.py", "tests/test_parser.py", "README.md", "Makefile"]
SIZE, CELL_WIDTH, CELL_HEIGHT, MARGIN = 15, 9.0, 20, 14  # pixels


class Palette(NamedTuple):
    """A terminal's colours: the sixteen, and what text has without any."""

    name: str
    background: str
    foreground: str
    colours: tuple[str, ...]
    colorfgbg: str  # as such a terminal sets it


_DARK = (
    "#1c1f26 #e06c75 #98c379 #e5c07b #61afef #c678dd #56b6c2 #c8ccd4 #7f8694 #e06c75 #98c379 #e5c07b #61afef #c678dd"
)
_LIGHT = (
    "#383a42 #ca1243 #3c7d34 #986801 #2f5fd0 #a626a4 #0f6f99 #a0a1a7 #71737c #ca1243 #3c7d34 #986801 #2f5fd0 #a626a4"
)
DARK = Palette("dark", "#1c1f26", "#dcdfe4", (*_DARK.split(), "#56b6c2", "#ffffff"), "15;0")
LIGHT = Palette("light", "#fafafa", "#383a42", (*_LIGHT.split(), "#0f6f99", "#ffffff"), "0;15")


class Look(NamedTuple):
    """How a run of text looks."""

    colour: str | None = None
    background: str | None = None
    bold: bool = False
    dim: bool = False
    underline: bool = False
    reverse: bool = False


@dataclass
class Picture:
    """One picture: its file's name, its window, and what is done in it until it is right."""

    name: str
    palette: Palette
    columns: int
    rows: int
    act: Callable[[Terminal], None]


# The screen as SVG


def runs(row: str, palette: Palette) -> Iterator[tuple[str, Look]]:
    """Yield the texts of one row of ``tmux capture-pane -e`` with their looks."""
    look = Look()
    for part in re.split(r"(\x1b\[[\d;]*m)", row):
        if part.startswith("\x1b["):
            look = _changed(look, [int(number or 0) for number in part[2:-1].split(";")], palette)
        elif part:
            yield part, look


def _changed(look: Look, numbers: list[int], palette: Palette) -> Look:
    codes = iter(numbers)
    for code in codes:
        if code == 0:
            look = Look()
        elif code in (1, 2, 4, 7):
            name = {1: "bold", 2: "dim", 4: "underline", 7: "reverse"}[code]
            look = look._replace(**{name: True})
        elif code in (22, 24, 27):
            names = {22: ("bold", "dim"), 24: ("underline",), 27: ("reverse",)}[code]
            look = look._replace(**dict.fromkeys(names, False))
        elif code in (38, 48):
            colour = _extended(codes, palette)
            look = look._replace(**{"colour" if code == 38 else "background": colour})
        elif code in (39, 49):
            look = look._replace(**{"colour" if code == 39 else "background": None})
        elif code in range(30, 38) or code in range(90, 98):
            look = look._replace(colour=palette.colours[code - 30 if code < 90 else code - 82])
        elif code in range(40, 48) or code in range(100, 108):
            look = look._replace(background=palette.colours[code - 40 if code < 100 else code - 92])
    return look


def _extended(codes: Iterator[int], palette: Palette) -> str:
    """Return a colour of the 256 (``5;N``) or any (``2;R;G;B``)."""
    if next(codes, 0) == 2:
        return "#{:02x}{:02x}{:02x}".format(*(next(codes, 0) for _ in range(3)))
    number = next(codes, 0)
    if number < 16:
        return palette.colours[number]
    if number >= 232:
        return "#{0:02x}{0:02x}{0:02x}".format(8 + 10 * (number - 232))
    levels = (0, 95, 135, 175, 215, 255)
    number -= 16
    return f"#{levels[number // 36]:02x}{levels[number // 6 % 6]:02x}{levels[number % 6]:02x}"


def svg(rows: list[str], columns: int, cursor: tuple[int, int], palette: Palette, title: str) -> str:
    """Return a picture of a screen.

    Parameters
    ----------
    rows
        As tmux captures them, with escape sequences.
    columns
        Width of the window.
    cursor
        Its column and row.
    palette
        Colours of the terminal.
    title
        What a screen reader says of the picture.
    """
    width, height = columns * CELL_WIDTH + 2 * MARGIN, len(rows) * CELL_HEIGHT + 2 * MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="100%" height="100%" rx="8" fill="{palette.background}"/>',
        f'<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="{SIZE}" xml:space="preserve">',
    ]
    out.append(_box(cursor[0], cursor[1], 1, palette.foreground, opacity=0.35))
    for number, row in enumerate(rows):
        column = 0
        for text, look in runs(row, palette):
            cells = sum(get_cwidth(character) for character in text)
            out += _run(text, look, column, number, cells, palette)
            column += cells
    return "\n".join([*out, "</g>", "</svg>", ""])


def _box(column: int, row: int, cells: int, colour: str, opacity: float = 1) -> str:
    x, y = MARGIN + column * CELL_WIDTH, MARGIN + row * CELL_HEIGHT
    width = cells * CELL_WIDTH
    return f'<rect x="{x:g}" y="{y}" width="{width:g}" height="{CELL_HEIGHT}" fill="{colour}" opacity="{opacity:g}"/>'


def _run(text: str, look: Look, column: int, row: int, cells: int, palette: Palette) -> list[str]:
    colour, background = look.colour or palette.foreground, look.background
    if look.reverse:
        colour, background = background or palette.background, colour
    found = [_box(column, row, cells, background)] if background else []
    if not text.strip():
        return found
    x, y = MARGIN + column * CELL_WIDTH, MARGIN + row * CELL_HEIGHT + SIZE
    styles = f' fill="{colour}"'
    styles += ' font-weight="bold"' if look.bold else ""
    styles += ' opacity="0.6"' if look.dim else ""
    styles += ' text-decoration="underline"' if look.underline else ""
    # The length is given, so that columns are where they are in a terminal whatever font there is.
    length = f'textLength="{cells * CELL_WIDTH:g}" lengthAdjust="spacingAndGlyphs"'
    return [*found, f'<text x="{x:g}" y="{y}" {length}{styles}>{escape(text, quote=False)}</text>']


# The session


@contextmanager
def stage(folder: Path) -> Iterator[Path]:
    """Make a home with a history, a project and a daemon of its own; yield the project."""
    home, project = folder / "home", folder / "home" / "parser"
    for name in FILES:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("")
    (home / ".bashrc").write_text("")
    (folder / "run").mkdir(mode=0o700)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMUX_TMPDIR") if name in os.environ}
    # What is compiled is kept where it always is: it says nothing of anybody, and takes long.
    cache = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
    os.environ.clear()
    os.environ.update(kept, HOME=str(home), XDG_RUNTIME_DIR=str(folder / "run"), XDG_CACHE_HOME=cache)
    os.environ.update(SHELL="/bin/bash", TYPEAHEAD_SHELL_PROMPT="short")
    from typeahead import config

    history = History(config.history_file())
    for number, line in enumerate(HISTORY * 3):
        started = time.time() - 86400 + 60 * number
        history.add(line, cwd=str(project), status=0, session="past", started=started, duration_s=0.2)
    history.close()
    subprocess.run(["git", "init", "-q", str(project)], check=False)
    subprocess.run([sys.executable, "-m", "typeahead", "daemon", "start"], check=True, capture_output=True)
    wait_until(lambda: request({"op": "status"}, timeout_s=5)["state"] == "warm", lambda: "the model is not loaded")
    try:
        yield project
    finally:
        subprocess.run([sys.executable, "-m", "typeahead", "daemon", "stop"], check=False, capture_output=True)


def take(picture: Picture, project: Path, folder: Path) -> Path:
    """Run the shell, act, and write the picture; return its file."""
    environment = {"COLORFGBG": picture.palette.colorfgbg, "COLORTERM": "truecolor", "TYPEAHEAD_SHELL_HINT": "on"}
    command = ["env", "TERM=xterm-256color", *shell_command("--shell", "bash")]
    terminal = Terminal(command, project, picture.columns, picture.rows, **environment)
    try:
        wait_until(lambda: "❯" in terminal.row(), lambda: repr(terminal.screen()))
        time.sleep(1)  # for what is loaded after the first prompt: colours, suggestions
        picture.act(terminal)
        time.sleep(1)  # for what is drawn a moment later: marks, and a suggestion that grows
        rows, cursor = terminal.screen(colours=True), terminal.cursor()
    finally:
        terminal.close()
    while rows and not rows[-1] and len(rows) > cursor[1] + 1:
        rows.pop()
    path = folder / f"{picture.name}-{picture.palette.name}.svg"
    title = " / ".join(re.sub(r"\x1b\[[\d;]*m", "", row).strip() for row in rows if row)
    path.write_text(svg(rows, picture.columns, cursor, picture.palette, title), encoding="utf-8")
    return path


def type_slowly(terminal: Terminal, text: str) -> None:
    """Type as a person does: suggestions come between two keys."""
    for character in text:
        terminal.type(character)
        time.sleep(0.08)


def _ghost(terminal: Terminal) -> None:
    type_slowly(terminal, "cat READM.md src/parser.py | gti -x 'a b'")
    time.sleep(1)
    terminal.press("Enter")
    wait_until(lambda: "❯" in terminal.row() and terminal.cursor()[1] > 1, lambda: repr(terminal.screen()))
    type_slowly(terminal, "git com")
    wait_until(lambda: "%" in terminal.row(), lambda: repr(terminal.screen()))  # the hint


def _search(terminal: Terminal) -> None:
    terminal.press("C-r")
    type_slowly(terminal, "parser")


def _menu(terminal: Terminal) -> None:
    type_slowly(terminal, "git add ")
    terminal.press("Tab")
    time.sleep(1)
    terminal.press("Tab")


def _narrow(terminal: Terminal) -> None:
    type_slowly(terminal, "git commit -m 'Pars")


PICTURES = [
    *[Picture("suggestion", palette, 86, 8, _ghost) for palette in (DARK, LIGHT)],
    *[Picture("search", palette, 76, 14, _search) for palette in (DARK, LIGHT)],
    Picture("menu", DARK, 76, 12, _menu),
    Picture("narrow", LIGHT, 30, 6, _narrow),
]


def main() -> None:
    """Take all pictures."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "screenshots").resolve()
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ta-shots-") as temporary, stage(Path(temporary)) as project:
        for picture in PICTURES:
            print(take(picture, project, folder))


if __name__ == "__main__":
    main()
