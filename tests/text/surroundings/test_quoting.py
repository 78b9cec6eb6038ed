"""Escaping, with real shells as the judges: what is offered for a name is exactly that name."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typeahead.text.surroundings import Surroundings, last_word

# They read standard input line by line, so that an exclamation mark calls the history as it does when typed.
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile"], "set -o history\nset -o histexpand\n"),
    "zsh": (["zsh", "-f", "-o", "extendedglob", "-o", "magicequalsubst"], ""),
}
SPECIAL = " '\"\\$`!*?[]{}()<>|&;#~^=%@+-.,:é"
names = st.text(
    st.one_of(st.sampled_from(SPECIAL + "中🙂"), st.characters(codec="utf-8", min_codepoint=32)),
    min_size=1,
    max_size=10,
).filter(lambda name: "/" not in name and name.isprintable() and name not in (".", "..") and len(name.encode()) < 200)


def arguments(shell: str, words: list[str], cwd: str) -> list[str]:
    """Return what the shell makes of ``words``."""
    done = subprocess.run(
        SHELLS[shell][0],
        input=(SHELLS[shell][1] + "printf '%s\\0' x " + " ".join(words) + "\n").encode(),
        cwd=cwd,
        capture_output=True,
        timeout=60,
        env={"PATH": os.environ["PATH"], "HOME": "/nowhere", "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().split("\0")[1:-1]


OPENINGS = ["", "'", '"', "./", '"$PWD"/', "a\\"]


def check_names(shell: str, opening: str, made: set[str]) -> None:
    """Check that the shell makes of each word offered for the files ``made`` exactly the file's name."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is missing")
    if opening == "a\\":
        made = {f"a{name}" for name in made}
    with tempfile.TemporaryDirectory() as folder:
        for name in made:
            Path(folder, name).touch()
        surroundings = Surroundings({"PWD": folder}, budget_ms=10_000)
        offered = [word.text for word in surroundings.words("cat " + opening, folder, len(made))]
        surroundings.disk.close()
        assert all(text.startswith(opening) for text in offered)
        meant = [os.path.relpath(os.path.join(folder, each), folder) for each in arguments(shell, offered, folder)]
        assert sorted(meant) == sorted(name for name in made if not name.startswith("."))


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("opening", OPENINGS)
def test_each_special_character_is_offered_as_itself_wherever_it_stands(shell: str, opening: str) -> None:
    check_names(shell, opening, {name for each in SPECIAL for name in (f"{each}x", f"x{each}y", f"x{each}")})


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("opening", OPENINGS)
@settings(max_examples=8)
@given(made=st.sets(names, min_size=1, max_size=12))
def test_the_shell_makes_of_an_offered_word_exactly_the_name(shell: str, opening: str, made: set[str]) -> None:
    check_names(shell, opening, made)


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is missing")
@settings(max_examples=25)
@given(name=names, cut=st.integers(0, 10), quote=st.sampled_from(["plain", "single", "double"]))
def test_what_is_typed_of_a_name_stays_as_it_is_and_the_rest_fits(name: str, cut: int, quote: str) -> None:
    head = name[:cut]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, name).touch()
        surroundings = Surroundings({}, budget_ms=10_000)
        typed = {
            "plain": "".join("\\" + character for character in head),
            "single": "'" + head.replace("'", "'\\''"),
            "double": '"' + "".join("\\" + each if each in '$`"\\' else each for each in head),
        }[quote]
        if quote == "double" and "!" in head:  # the shell's history
            return
        offered = [word.text for word in surroundings.words("cat " + typed, folder)]
        surroundings.disk.close()
        if name.startswith(".") and not head:
            assert offered == []
        elif offered or head != name or quote != "plain":
            assert len(offered) == 1
            assert offered[0].startswith(last_word("cat " + typed))
            meant = arguments("bash", offered, folder)
            assert [each.removeprefix("./") if not head else each for each in meant] == [name]


@pytest.mark.parametrize("name", [b"new\nline", b"esc\x1b[2J", b"\xff\xfe", "bidi\u202etxt".encode(), b"\x7f"])
def test_names_that_a_terminal_cannot_show_are_never_offered(name: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with open(os.path.join(os.fsencode(folder), name), "wb"):
        pass
    (folder / "fine").touch()
    surroundings = Surroundings({}, budget_ms=10_000)
    assert [word.text for word in surroundings.words("cat ", str(folder))] == ["fine"]
    surroundings.disk.close()
