"""zsh underneath: which shell that is, and what it reads before the first line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.shell.driven import Opener
from typeahead import config
from typeahead.errors import ShellError
from typeahead.shell.process.bash import Bash
from typeahead.shell.process.choice import open_shell
from typeahead.shell.process.zsh import Zsh
from typeahead.shell.terminal import Terminal

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed"),
]  # each test opens a shell or a terminal


# Start-up files


def test_the_users_start_up_files_are_read_as_zsh_reads_them(open_zsh: Opener, isolated_home: Path) -> None:
    own = isolated_home / "own"
    own.mkdir()
    (isolated_home / ".zshenv").write_text(f"export ZDOTDIR={own}; in_env=${{(%):-%x}}\n")
    (own / ".zshrc").write_text("in_rc=${(%):-%x}; is=$options[zle]$ZDOTDIR; terminal=$(tty); [[ -t 1 ]] && is+=t\n")
    zsh = open_zsh("wrong=yes\n")
    assert zsh.output("print -r -- $in_env $in_rc $is $wrong") == f"{isolated_home}/.zshenv {own}/.zshrc on{own}t\n"
    assert zsh.output("[[ $terminal == $TTY && $TTY == $(tty) ]] && echo same") == "same\n"
    assert zsh.output("typeset -p ZDOTDIR; zsh -c 'echo $ZDOTDIR'") == f"export ZDOTDIR={own}\n{own}\n"


def test_a_folder_for_start_up_files_in_the_environment_is_kept(
    open_zsh: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZDOTDIR", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / ".zshrc").write_text("from=own\n")
    assert open_zsh().output("echo $from; typeset -p ZDOTDIR") == f"own\nexport ZDOTDIR={tmp_path}/own\n"


@pytest.mark.parametrize(
    "zshrc", ["print -u2 oops; false\n", "return 3\n", "echo )\n", "setopt no_rcs err_return ksh_arrays\n"]
)
def test_a_start_up_file_that_goes_wrong_leaves_a_working_shell(open_zsh: Opener, zshrc: str) -> None:
    assert open_zsh(zshrc).output("echo fine").endswith("fine\n")


def test_without_start_up_files_the_shell_works(open_zsh: Opener, isolated_home: Path) -> None:
    (isolated_home / ".zshenv").write_text("setopt no_rcs\n")
    zsh = open_zsh("wrong=yes\n")
    assert zsh.output("echo fine $wrong $ZDOTDIR") == "fine\n"


def test_a_start_up_file_that_leaves_ends_the_shell(open_zsh: Opener) -> None:
    assert open_zsh("exit 5\n").run("true") == 5


SUGGESTIONS = Path("/usr/share/zsh-autosuggestions/zsh-autosuggestions.zsh")
COLOURS = Path("/usr/share/zsh-syntax-highlighting/zsh-syntax-highlighting.zsh")


@pytest.mark.skipif(not (SUGGESTIONS.exists() and COLOURS.exists()), reason="the plugins are not installed")
def test_plugins_of_the_line_editor_neither_disturb_nor_are_disturbed(open_zsh: Opener) -> None:
    zsh = open_zsh(
        f"autoload -Uz compinit; compinit -D; source {SUGGESTIONS}; source {COLOURS}\n"
        "bindkey -v; zle-line-init() { print -n NOISE }; zle -N zle-line-init; zle-keymap-select() { print -n NOISE }\n"
        "zle -N zle-keymap-select; TMOUT=100\n"
        "[[ -o zle && -t 0 && -t 1 && -t 2 ]] && (( ! ${+__p9k_instant_prompt_disabled} )) && exec >/dev/null\n"
    )
    assert zsh.output("echo one") == "one\n"
    assert "autosuggest-accept" in zsh.output("print -r -- $widgets[autosuggest-accept]")
    assert zsh.output("bindkey -M viins '^I'") == '"^I" expand-or-complete\n'


# Which shell


def test_the_shell_is_chosen_by_name_setting_or_login_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    for kind in (Bash, Zsh):
        monkeypatch.setattr(kind, "__init__", lambda self, terminal, program, cwd, private: made.append(program))
    terminal = Terminal.__new__(Terminal)
    found = shutil.which("zsh")
    assert isinstance(open_shell(terminal, "zsh", "/"), Zsh)
    assert isinstance(open_shell(terminal, "bash", "/"), Bash)
    monkeypatch.setenv("SHELL", str(found))
    assert isinstance(open_shell(terminal, "", "/"), Zsh)
    for other in ("/bin/sh", "/no/such/zsh", ""):
        monkeypatch.setenv("SHELL", other)
        assert isinstance(open_shell(terminal, "", "/"), Bash)
    assert made == [found, shutil.which("bash"), found, *[shutil.which("bash")] * 3]


@pytest.mark.parametrize("program", ["sh", "/bin/cat"])
def test_another_shell_is_one_clear_line(program: str) -> None:
    with pytest.raises(ShellError, match=rf"^{program}: only a bash or a zsh .* --shell PROGRAM$"):
        open_shell(Terminal.__new__(Terminal), program, "/")
    assert list(config.runtime_dir().glob("shell-*")) == []
