"""Completions by the real shells, with bash-completion and compsys, and what is made of their answers."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.shell.driven import Driven
from tests.shell.terminal import is_running, wait_until
from typeahead.shell import completions
from typeahead.shell.completions import Completion
from typeahead.text.surroundings import Surroundings

pytestmark = pytest.mark.slow  # each test opens a shell or a terminal

BASH_COMPLETION = "/usr/share/bash-completion/bash_completion"
BASHRC = f"""
. {BASH_COMPLETION}
alias gco='git checkout' twice='echo "a b"; ls'
greet() {{ :; }}
complete -W 'red green blue' paint
complete -o nospace -W 'key=' setting
_colon() {{ COMPREPLY=($(compgen -W 'one:two one:three' -- "$cur")); COMPREPLY=(two three); }}
complete -F _colon colon
_spoil() {{ cd /; HISTFILE=spoilt; spoilt=yes; echo noise; echo more >&2; read -r line; COMPREPLY=(done); }}
complete -F _spoil spoil
_hang() {{ while :; do :; done; }}
complete -F _hang hang
_sleep() {{ sleep 60; }}
complete -F _sleep dawdle
say() {{ printf '%s\\n' "$COMP_LINE" "$COMP_POINT" "${{COMP_WORDS[@]}}" "$COMP_CWORD" "$@" >"$HOME/said"; }}
complete -F say tell
_program() {{ echo "$2-from-$COMP_POINT"; }}
complete -C _program program
"""
ZSHRC = """
autoload -Uz compinit; compinit -D
alias gco='git checkout'
greet() { : }
_paint() { _values colour red green blue }; compdef _paint paint
_describing() { local -a what; what=('start:set it going' 'stop:bring it to an end'); _describe command what }
compdef _describing machine
_spoil() { cd /; spoilt=yes; echo noise; echo more >&2; read -r line; compadd done }; compdef _spoil spoil
_hang() { while :; do :; done }; compdef _hang hang
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir()
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    for command in ("init -q -b main", "commit -q --allow-empty -m first", "branch feature", "branch fixture"):
        subprocess.run(["git", *command.split()], cwd=path, env={**os.environ, **identity}, check=True)
    for name in ("my file.txt", "my other.txt", "it's", "a:b", "$cash", "evil\x1b[2J", "caffè"):
        (path / name).touch()
    (path / "a dir").mkdir()
    (path / "inner").mkdir()
    (path / "inner" / "deep one").mkdir()
    return path


@pytest.fixture
def bash(folder: Path, isolated_home: Path) -> Iterator[Driven]:
    if not Path(BASH_COMPLETION).exists():
        pytest.skip("bash-completion is not installed")
    yield from driven(folder, isolated_home / ".bashrc", BASHRC, "bash")


@pytest.fixture
def zsh(folder: Path, isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Driven]:
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    monkeypatch.delenv("ZDOTDIR", raising=False)
    yield from driven(folder, isolated_home / ".zshrc", ZSHRC, "zsh")


def driven(folder: Path, start_up: Path, text: str, program: str) -> Iterator[Driven]:
    start_up.write_text(text)
    shell = Driven(folder, program=program)
    shell.run("true")
    yield shell
    shell.close()
    wait_until(lambda: not is_running(shell.pid), lambda: f"{program} outlives its front-end")


def found(shell: Driven, before: str) -> list[Completion]:
    asked = completions.question(before)
    assert asked is not None
    return completions.read(shell.ask(asked.encoded()), asked)


def lines(shell: Driven, before: str) -> list[str]:
    """Return the lines that Tab may make of ``before``."""
    asked = completions.question(before)
    assert asked is not None
    return [before[: asked.start] + one.text + one.append for one in found(shell, before)]


IN_BOTH = [
    ("git checkout feat", ["git checkout feature "]),
    ("gco feat", ["gco feature "]),
    ("FOO=1 git checkout feat", ["FOO=1 git checkout feature "]),
    ("ls; git checkout feat", ["ls; git checkout feature "]),
    ("true && git checkout feat", ["true && git checkout feature "]),
    ("echo $(git checkout feat", ["echo $(git checkout feature "]),
    ("if git checkout feat", ["if git checkout feature "]),
    ("cat my", ["cat my\\ file.txt ", "cat my\\ other.txt "]),
    ("cat 'my f", ["cat 'my file.txt' "]),
    ("cat caf", ["cat caffè "]),
    ("ls inner/", ["ls inner/deep\\ one/"]),
    ("paint r", ["paint red "]),
    ("gree", ["greet "]),
    ("gc", ["gco "]),
]


@pytest.mark.parametrize(("before", "wanted"), [*IN_BOTH, ("sudo git checkout feat", ["sudo git checkout feature "])])
def test_bash_completes(bash: Driven, before: str, wanted: list[str]) -> None:
    assert [line for line in lines(bash, before) if before != "gc" or line == "gco "] == wanted


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        *IN_BOTH,
        ("cat my\\ f", ["cat my\\ file.txt "]),
        ("ls a\\ d", ["ls a\\ dir/"]),
        ("echo $HOM", ["echo $HOME "]),
        ("cat evil", ["cat evil$'\\033'\\[2J "]),  # with nothing in it that could drive a terminal
        ('cat "my f', ['cat "my file.txt" ']),
        ('ls "a d', ['ls "a dir/']),
        ("ls > my\\ f", ["ls > my\\ file.txt "]),
    ],
)
def test_zsh_completes(zsh: Driven, before: str, wanted: list[str]) -> None:
    assert [line for line in lines(zsh, before) if before != "gc" or line == "gco "] == wanted


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        ("git che", ["git checkout ", "git cherry ", "git cherry-pick "]),
        ("cd in", ["cd inner/"]),
        ("cd my", []),
        ("setting k", ["setting key="]),
        ("colon one:", ["colon one:three ", "colon one:two "]),
        ("program on", ["program on-from-10 "]),
        ("cat evil", []),
        ("echo $HOM", ["echo $HOME"]),
        ('echo "$HOM', ['echo "$HOME"']),
        ("kill -HU", ["kill -HUP "]),
        ("unset PROMPT_COM", ["unset PROMPT_COMMAND "]),
    ],
)
def test_bash_completes_as_its_specifications_say(bash: Driven, before: str, wanted: list[str]) -> None:
    assert lines(bash, before) == wanted


def test_bash_tells_a_function_of_the_words_as_readline_does(bash: Driven, isolated_home: Path) -> None:
    found(bash, "x=1 tell --opt=a:b 'c d' ef")
    said = (isolated_home / "said").read_text().splitlines()
    line = "tell --opt=a:b 'c d' ef"
    assert said == [
        line,
        str(len(line)),
        "tell",
        "--opt",
        "=",
        "a",
        ":",
        "b",
        "'c d'",
        "ef",
        "7",
        "tell",
        "ef",
        "'c d'",
    ]


def test_an_alias_is_described_by_what_it_stands_for(bash: Driven) -> None:
    assert [(one.kind, one.description) for one in found(bash, "gc") if one.text == "gco"] == [
        ("alias", "git checkout")
    ]


def test_zsh_tells_its_descriptions(zsh: Driven) -> None:
    assert [(one.text, one.description) for one in found(zsh, "machine s")] == [
        ("start", "set it going"),
        ("stop", "bring it to an end"),
    ]
    described = {one.text: one.description for one in found(zsh, "git commit --am")}
    assert described == {"--amend": "amend the tip of the current branch"}


def test_kinds_are_told_apart(zsh: Driven) -> None:
    kinds = {one.text: one.kind for line in ("ls ", "gree", "git checkout feat", "ls -") for one in found(zsh, line)}
    wanted = {"a\\ dir": "directory", "caffè": "file", "greet": "function", "feature": "branch", "-l": "option"}
    assert {text: kinds[text] for text in wanted} == wanted


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_a_completion_changes_nothing_in_the_shell(name: str, request: pytest.FixtureRequest) -> None:
    shell: Driven = request.getfixturevalue(name)
    shell.run("true | false; (exit 3)")
    shell.drain()
    shell.printed = b""
    assert [one.text for one in found(shell, "spoil ")] == ["done"]
    shell.drain()
    assert shell.printed == b""  # nor does it write to the terminal
    pipes = {"bash": "${PIPESTATUS[@]}", "zsh": "$pipestatus"}[name]
    assert shell.output(f"echo {pipes} $? ${{spoilt-clean}} ${{PWD##*/}}; jobs") == "3 3 clean folder\n"
    listed = shell.output({"bash": "history", "zsh": "fc -l 1"}[name])
    assert "__ta" not in listed
    assert "spoil " not in listed


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_a_completion_that_hangs_is_ended_and_the_shell_goes_on(name: str, request: pytest.FixtureRequest) -> None:
    shell: Driven = request.getfixturevalue(name)
    assert name == "zsh" or lines(shell, "hang ") == lines(shell, "dawdle ") == []
    if name == "zsh":  # its shell does not wait: the next question, or line, ends it
        asked = completions.question("hang ")
        assert asked is not None
        assert shell.ask(asked.encoded()) == b""
    assert lines(shell, "git checkout feat") == ["git checkout feature "]
    assert shell.output("echo on") == "on\n"
    assert busy_children(shell.pid) == []


def busy_children(pid: int) -> list[str]:
    """Return the processes that a shell has left behind."""
    return [
        line
        for line in subprocess.run(
            ["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True
        ).stdout.splitlines()
    ]


def test_a_specification_that_was_loaded_stays_loaded(bash: Driven) -> None:
    assert "no completion specification" in bash.output("complete -p tar 2>&1")
    assert lines(bash, "tar --extr") == ["tar --extract "]
    assert bash.output("complete -p tar | grep -c tar") == "1\n"


@pytest.mark.parametrize("setting", ["set -u", "set -e", "set -o vi", "set -f", "set -o posix", "shopt -s extdebug"])
def test_bash_completes_under(bash: Driven, setting: str) -> None:
    bash.run(setting)
    assert lines(bash, "git checkout feat") == ["git checkout feature "]
    assert bash.output("echo still there") == "still there\n"


@pytest.mark.parametrize(
    "setting", ["bindkey -v", "setopt noglob", "setopt ksh_arrays", "setopt err_exit", "setopt no_unset"]
)
def test_zsh_completes_under(zsh: Driven, setting: str) -> None:
    zsh.run(setting)
    assert lines(zsh, "git checkout feat") == ["git checkout feature "]
    assert zsh.output("echo still there") == "still there\n"


def test_zsh_completes_for_a_user_who_has_not_set_it_up(zsh: Driven, isolated_home: Path) -> None:
    zsh.run("unset _comps; unfunction _main_complete compinit")
    assert lines(zsh, "git checkout feat") == ["git checkout feature "]
    assert not list(isolated_home.glob(".zcompdump*"))


# Without a shell


@pytest.mark.parametrize(
    ("before", "mode", "words"),
    [
        ("git che", "argument", ("git", "che")),
        ("git ", "argument", ("git", "")),
        ("gi", "command", ("gi",)),
        ("./gi", "files", ("./gi",)),
        ("ls > fi", "files", ()),
        ("x=fi", "files", ()),
        ("ls | gr", "command", ("gr",)),
        ("echo ${HO", "variable", ("echo", "${HO")),
        ("cat 'a b' \"c d", "argument", ("cat", "'a b'", '"c d')),
    ],
)
def test_the_question_is_about(before: str, mode: str, words: tuple[str, ...]) -> None:
    asked = completions.question(before)
    assert asked is not None
    assert (asked.mode, asked.words) == (mode, words)


@pytest.mark.parametrize("before", ["# a comm", "nul\0", "x" * 5000])
def test_there_is_nothing_to_ask_in(before: str) -> None:
    assert completions.question(before) is None


@given(st.binary(max_size=200))
def test_any_answer_is_read_without_harm(data: bytes) -> None:
    asked = completions.question("cat my")
    assert asked is not None
    for one in completions.read(data, asked) + completions.read(b"done\0\x000\0" + data, asked):
        assert one.text.isprintable()
        assert one.append.isprintable()
        assert one.description.isprintable()


NAMES = st.text(st.characters(exclude_characters="\0/", exclude_categories=("Cs",)), min_size=1, max_size=12)


@given(NAMES, st.sampled_from(["cat ", "cat 'x", 'cat "x', "cat x", "cat x\\ ", "echo hi | cat "]))
@example("-", "cat ")
@example("-rf", "echo hi | cat ")
@example("-", "cat x")
def test_a_file_of_any_name_is_one_word_of_the_shell_and_means_that_name(name: str, before: str) -> None:
    asked = completions.question(before)
    assert asked is not None
    typed = completions.meaning(asked.token)
    answer = f"done\0filenames\x000\0file\0{typed}{name}\0 \0\0".encode()
    read = completions.read(answer, asked)
    if not name.isprintable():
        assert read == []
        return
    line = before[: asked.start] + read[0].text + read[0].append
    meant = subprocess_words(line)
    # A file whose name begins as an option does must not be taken for one.
    assert meant == (f"./{name}" if name.startswith("-") and not typed else typed + name)


def subprocess_words(line: str) -> str:
    """Return what bash makes of the last word of a line."""
    word = line.rpartition("cat ")[2]
    done = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, text=True)
    return done.stdout


def test_more_than_can_be_shown_is_left_out() -> None:
    asked = completions.question("cat ")
    assert asked is not None
    answer = "done\0filenames\x000\0" + "".join(f"file\0name{number}\0 \0\0" for number in range(20_000))
    assert len(completions.read(answer.encode(), asked)) == completions.MAX_COMPLETIONS


def entry(text: str, append: str = " ") -> Completion:
    return Completion(text, text, "", "argument", append)


@pytest.mark.parametrize(
    ("texts", "prefix"),
    [
        (["checkout", "cherry"], "che"),
        (["a\\ b", "a\\ c"], "a\\ "),
        (["a\\ b", "a\\(b"], "a"),
        (["\\\\a", "\\\\b"], "\\\\"),
        (["x", "y"], ""),
    ],
)
def test_the_common_prefix_ends_between_characters(texts: list[str], prefix: str) -> None:
    assert completions.common_prefix([entry(text) for text in texts]) == prefix


def firsts(before: str, line: str, *texts: str) -> list[str]:
    asked = completions.question(before)
    assert asked is not None
    found = [entry(text) for text in texts]
    first = completions.suggested(found, asked, line)
    return [one.text for one in ([first] if first else []) + [one for one in found if one is not first]]


def test_what_the_grey_text_says_stands_first() -> None:
    assert firsts("git ch", "git cherry -v", "checkout", "cherry") == ["cherry", "checkout"]
    assert firsts("git ch", "git chapter 1", "checkout", "cherry") == ["chapter", "checkout", "cherry"]
    assert firsts("git ch", "svn checkout", "checkout", "cherry") == ["checkout", "cherry"]
    assert firsts("git ", "git commit -m 'a b'", "add", "commit") == ["commit", "add"]
    assert firsts("ls in", "ls inner/deep", "inner", "into") == ["inner/deep", "inner", "into"]


def test_without_a_shell_files_and_directories_are_offered(folder: Path) -> None:
    surroundings = Surroundings(budget_ms=5000)

    def offered(before: str) -> list[tuple[str, str, str]]:
        asked = completions.question(before)
        assert asked is not None
        return [
            (one.text, one.append, one.display) for one in completions.without_shell(surroundings, asked, str(folder))
        ]

    assert offered("nosuchprogram > my\\ f") == [("my\\ file.txt", " ", "my file.txt")]
    assert offered('cat "a d') == [('"a dir', "/", "a dir/")]
    assert offered("ls inner/d") == [("inner/deep\\ one", "/", "deep one/")]
