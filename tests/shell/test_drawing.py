"""What stands on the screen, in a real terminal: after any change of the window's size, in any script and colours."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shell.terminal import TableDaemon, Terminal, shell_command, wait_until
from typeahead.shell.app.emoji import parted
from typeahead.shell.app.resizing import rows_above

pytestmark = pytest.mark.slow  # each test opens a shell or a terminal

LONG = "echo " + " ".join(f"word{number}" for number in range(20))
WIDE = "echo 漢字かな交じり文 " * 6
TABLE = {"git com": "git commit -m 'mend it'", "日本": "日本語の長い提案 " + "長い" * 40, "a\u0301": "a\u0301bc"}

Open = Callable[..., Terminal]


@pytest.fixture
def daemon(serve: Callable[..., TableDaemon]) -> TableDaemon:
    return serve(TABLE)


@pytest.fixture
def open_shell(open_shell: Open) -> Open:
    """As a terminal with 256 colours, in whatever alphabet."""
    return partial(open_shell, prompt="folder", term="xterm-256color")


def typed(terminal: Terminal) -> str:
    """Return what stands from the last prompt on, rows joined, blanks left out."""
    text = "".join(row.ljust(1) for row in terminal.screen())
    return text.rpartition("❯")[2].replace(" ", "")


def wait_for_line(terminal: Terminal, line: str) -> None:
    """Wait until ``line`` alone stands behind the one prompt in sight."""
    wanted = line.replace(" ", "")
    wait_until(
        lambda: typed(terminal) == wanted and "".join(terminal.screen()).count("❯") == 1,
        lambda: f"not once {line!r} in {terminal.screen()} but {typed(terminal)!r}",
    )


# The size of the window


@pytest.mark.parametrize("line", ["short", LONG, WIDE, "x" * 500], ids=["short", "words", "wide", "500"])
@pytest.mark.parametrize("home", [False, True], ids=["cursor at the end", "cursor at the beginning"])
def test_a_line_is_drawn_once_after_each_change_of_the_windows_width(open_shell: Open, line: str, home: bool) -> None:
    terminal = open_shell("--no-suggest", columns=60, rows=40)
    terminal.type(line)
    wait_for_line(terminal, line)
    if home:
        terminal.press("C-a")
    for columns in (41, 20, 77, 59, 23, 100):
        terminal.resize(columns, 40)
        wait_for_line(terminal, line)


def test_nothing_above_the_prompt_is_lost_when_the_window_changes(open_shell: Open) -> None:
    terminal = open_shell("--no-suggest", columns=60, rows=40)
    terminal.run("seq 100 106")
    wait_until(lambda: "106" in terminal.screen() and terminal.row().endswith("❯"), lambda: repr(terminal.screen()))
    terminal.type(LONG)
    wanted = [str(number) for number in range(100, 107)]

    def nothing_is_lost() -> bool:
        text = "".join(f"{row} " for row in terminal.all_rows())
        # From the last "seq" on: above it, tmux keeps what was cleared when the prompt stood in the first row.
        output, prompt, line = text[text.rindex(" seq ") :].partition("❯")
        return output.split()[-8:-1] == wanted and line.replace(" ", "") == LONG.replace(" ", "") and bool(prompt)

    for columns in (30, 20, 90, 61):
        terminal.resize(columns, 40)
        wait_until(nothing_is_lost, lambda: repr(terminal.all_rows()))


def test_grey_text_is_drawn_anew_with_the_window_and_can_be_taken_after(daemon: TableDaemon, open_shell: Open) -> None:
    terminal = open_shell(columns=50)
    terminal.type("git com")
    wait_for_line(terminal, TABLE["git com"])
    terminal.resize(24, 24)
    wait_until(lambda: typed(terminal).endswith("…"), lambda: repr(terminal.screen()))
    assert "".join(terminal.screen()).count("❯") == 1
    terminal.resize(90, 24)
    wait_for_line(terminal, TABLE["git com"])
    terminal.press("Right")
    terminal.resize(33, 24)
    wait_for_line(terminal, TABLE["git com"])


def test_a_window_changed_while_vim_runs_leaves_a_right_prompt(open_shell: Open) -> None:
    terminal = open_shell("--no-suggest", columns=70)
    terminal.run("vim -u NONE note.txt")
    terminal.wait_for("~")
    terminal.resize(32, 18)
    terminal.run(":q!")
    wait_until(lambda: "~\n" not in "\n".join(terminal.screen()), lambda: repr(terminal.screen()))
    terminal.type(LONG)
    wait_until(lambda: typed(terminal) == LONG.replace(" ", ""), lambda: repr(terminal.screen()))
    terminal.resize(70, 18)
    wait_until(lambda: typed(terminal) == LONG.replace(" ", ""), lambda: repr(terminal.screen()))


def test_a_line_on_the_last_row_scrolls_and_is_edited_in_place(open_shell: Open) -> None:
    terminal = open_shell("--no-suggest", columns=40, rows=8)
    terminal.run("seq 20")
    wait_until(lambda: terminal.row().endswith("❯") and "20" in terminal.screen(), lambda: repr(terminal.screen()))
    assert terminal.cursor()[1] == 7
    terminal.type("x" * 100)
    wait_until(lambda: typed(terminal) == "x" * 100, lambda: repr(terminal.screen()))
    terminal.press("C-u")
    terminal.type("echo short")
    wait_for_line(terminal, "echo short")


@given(
    st.lists(st.lists(st.sampled_from([1, 1, 1, 2]), max_size=60), min_size=1, max_size=6),
    st.integers(2, 40),
    st.integers(0, 60),
)
def test_rows_above_the_cursor_are_those_of_a_terminal_that_breaks_rows(
    rows: list[list[int]], columns: int, column: int
) -> None:
    def broken(widths: list[int]) -> int:
        """Return how many rows a terminal makes of one, by putting its characters into cells."""
        number, used = 1, 0
        for width in widths:
            if used + width > columns:
                number, used = number + 1, 0
            used += width
        return number

    above = rows_above(rows, column, columns)
    assert sum(map(broken, rows[:-1])) <= above
    assert above <= sum(map(broken, rows[:-1])) + max(broken(rows[-1]) - 1, column // (columns - 1 or 1))


# Scripts


@pytest.mark.parametrize(
    "line",
    ["echo 漢字 done", "echo e\u0301te\u0301 done", "echo 👍 done", "echo שלום עולם done", "echo ｆｕｌｌ done"],
    ids=["CJK", "combining", "emoji", "right to left", "full width"],
)
def test_any_script_is_shown_and_edited_in_place(open_shell: Open, line: str) -> None:
    terminal = open_shell("--no-suggest", columns=40)
    terminal.type(line)
    wait_for_line(terminal, line)
    terminal.press("C-a")
    terminal.type("x")
    wait_for_line(terminal, "x" + line)
    terminal.press("C-e")
    for _ in " done":
        terminal.press("BSpace")
    wait_for_line(terminal, "x" + line.removesuffix(" done"))
    terminal.press("BSpace", "z")
    wait_until(lambda: typed(terminal).endswith("z"), lambda: repr(terminal.screen()))


@pytest.mark.parametrize(
    ("emoji", "shown"),
    [("👨\u200d👩\u200d👧", "👨👩👧"), ("❤\ufe0f", "❤"), ("👍\U0001f3fd", "👍"), ("🏳\ufe0f\u200d🌈", "🏳🌈")],
    ids=["family", "selector", "skin tone", "flag"],
)
def test_emoji_put_together_are_drawn_in_parts_and_run_whole(
    open_shell: Open, tmp_path: Path, emoji: str, shown: str
) -> None:
    terminal = open_shell("--no-suggest", columns=40)
    terminal.type(f"echo {emoji} end >out")
    wait_for_line(terminal, f"echo {shown} end >out")
    terminal.press("C-a")
    terminal.type("# ")
    wait_for_line(terminal, f"# echo {shown} end >out")
    terminal.press("BSpace", "BSpace", "C-e", "2", "Enter")
    wait_until((tmp_path / "folder" / "out2").exists, lambda: repr(terminal.screen()))
    wait_until(lambda: (tmp_path / "folder" / "out2").read_text() == f"{emoji} end\n", lambda: repr(terminal.screen()))


@given(st.text(st.sampled_from("a👨❤🏳漢\u200d\ufe0f\U0001f3fd"), max_size=12))
def test_only_what_joins_emoji_is_left_out(text: str) -> None:
    left = parted(text)
    assert [c for c in left if c in "a👨❤🏳漢"] == [c for c in text if c in "a👨❤🏳漢"]
    assert "a\u200d" not in text or "a\u200d" in left  # in scripts that join letters it has a meaning


def test_wide_grey_text_is_cut_within_its_row(daemon: TableDaemon, open_shell: Open) -> None:
    terminal = open_shell(columns=30)
    terminal.type("日本")
    wait_until(lambda: typed(terminal).endswith("…"), lambda: repr(terminal.screen()))
    assert len([row for row in terminal.screen() if row]) == 1


def test_control_characters_in_a_paste_are_shown_as_what_they_are(daemon: TableDaemon, open_shell: Open) -> None:
    terminal = open_shell(columns=40)
    terminal.paste("echo \x01\x1b[31mred\x07 end")
    wait_for_line(terminal, "echo ^A^[[31mred^G end")
    assert "\x1b[31mred" not in "\n".join(terminal.screen(colours=True))
    terminal.press("C-u")
    terminal.type("echo ok")
    wait_for_line(terminal, "echo ok")


# Colours


def colours_of(terminal: Terminal, line: str) -> str:
    terminal.type(line)
    wait_until(lambda: terminal.cursor()[0] > len(line), lambda: repr(terminal.screen()))
    return "\n".join(terminal.screen(colours=True))


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({"term": "xterm-256color"}, "\x1b[38;5;244mmit"),
        ({"term": "xterm-256color", "COLORFGBG": "0;15"}, "\x1b[38;5;242mmit"),
        ({"term": "xterm-256color", "COLORFGBG": "15;default;0"}, "\x1b[38;5;245mmit"),
        ({"term": "xterm", "COLORTERM": ""}, "\x1b[90mmit"),
        ({"term": "vt100", "COLORTERM": ""}, "\x1b[4mmit"),
        ({"term": "xterm-256color", "NO_COLOR": "1"}, "\x1b[4mmit"),
        ({"term": "xterm-256color", "TYPEAHEAD_SHELL_STYLE": "ansiblue"}, "\x1b[34mmit"),
    ],
    ids=["unknown", "light", "dark", "16 colours", "monochrome", "NO_COLOR", "the user's"],
)
def test_grey_text_can_be_told_from_typed_text(
    daemon: TableDaemon, open_shell: Open, environment: dict[str, str], wanted: str
) -> None:
    terminal = open_shell(**{"NO_COLOR": "", "COLORTERM": "", "COLORFGBG": "", **environment})
    terminal.type("git com")
    wait_until(lambda: wanted in "\n".join(terminal.screen(colours=True)), lambda: repr(terminal.screen(colours=True)))


def test_a_style_that_is_none_is_one_clear_line(open_shell: Open, tmp_path: Path) -> None:
    terminal = Terminal(shell_command("--shell", "bash"), tmp_path, TYPEAHEAD_SHELL_STYLE="blurple")
    try:
        terminal.wait_for("shell.style = 'blurple' is not a style")
        assert "Traceback" not in "\n".join(terminal.screen())
    finally:
        terminal.close()


# Beside the line


def test_the_hint_stands_at_the_right_edge_where_there_is_room(daemon: TableDaemon, open_shell: Open) -> None:
    terminal = open_shell(columns=60, TYPEAHEAD_SHELL_HINT="on")
    terminal.type("git com")
    wait_until(lambda: terminal.row().endswith("mend it'".ljust(24) + "model 90%"), lambda: repr(terminal.screen()))
    assert len(terminal.row()) == 59
    terminal.resize(40, 24)
    wait_for_line(terminal, TABLE["git com"])
    terminal.resize(60, 24)
    terminal.press("Right", "Enter")
    terminal.wait_for("git")
    wait_until(lambda: "model" not in "\n".join(terminal.screen()), lambda: repr(terminal.screen()))


def test_a_key_asks_where_a_suggestion_is_from(daemon: TableDaemon, open_shell: Open) -> None:
    terminal = open_shell(columns=60)
    terminal.type("git com")
    wait_for_line(terminal, TABLE["git com"])
    terminal.press("C-x", "w")
    wait_until(lambda: terminal.row().endswith("model 90%"), lambda: repr(terminal.screen()))
    terminal.press("C-x", "w")
    wait_for_line(terminal, TABLE["git com"])


def test_the_status_line_stands_below_the_prompt_and_goes_with_it(daemon: TableDaemon, open_shell: Open) -> None:
    terminal = open_shell(columns=70, rows=6, TYPEAHEAD_SHELL_STATUS="on")
    wanted = "daemon ready · learning · balanced · Right takes"
    terminal.wait_for(wanted)
    terminal.run("seq 20")
    wait_until(lambda: terminal.screen()[3:4] == ["20"], lambda: repr(terminal.screen()))
    wait_until(lambda: terminal.screen()[5].startswith(wanted), lambda: repr(terminal.screen()))
    assert terminal.cursor()[1] == 4
    terminal.type("git com")
    wait_until(lambda: "mend it" in terminal.row(), lambda: repr(terminal.screen()))
    assert terminal.cursor()[1] == 4  # nothing has jumped
    assert "".join(terminal.screen()).count("daemon") == 1
    terminal.press("C-u", "C-x", "s")
    wait_until(lambda: terminal.screen()[5] == "suggestions off (Ctrl-X S) · learning", lambda: repr(terminal.screen()))
    terminal.resize(20, 6)
    wait_until(lambda: "suggestions off (C…" in terminal.screen(), lambda: repr(terminal.screen()))
