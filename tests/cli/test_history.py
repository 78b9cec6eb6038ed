"""``typeahead history``: what a user gets to see of their commands, and what comes in from other shells."""

from __future__ import annotations

import json
import os
import pty
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from typeahead import config
from typeahead.history import History

TOKEN = "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"


@pytest.fixture
def history(isolated_home: Path) -> Iterator[History]:
    store = History(config.history_file())
    yield store
    store.close()


def commands(history: History) -> list[str]:
    return [event.command for event in history.events()]


def test_import_takes_every_history_that_is_found(run, isolated_home, history):
    (isolated_home / ".bash_history").write_text(f"ls\nexport GITHUB_TOKEN={TOKEN}\n private\n")
    (isolated_home / ".zsh_history").write_text(": 1700000000:0;make\n")
    status, out, err = run("history", "import")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"bash: {isolated_home}/.bash_history: 3 read, 2 new, 0 there already, 1 private")
    assert "1 without the" in lines[1]
    assert "oken" in lines[1]
    assert lines[2] == f"zsh: {isolated_home}/.zsh_history: 1 read, 1 new, 0 there already"
    assert commands(history) == ["ls", "export GITHUB_TOKEN=***", "make"]
    assert TOKEN not in out
    _, out, _ = run("history", "import", "--json")
    again = [json.loads(line) for line in out.splitlines()]
    assert [(found["format"], found["new"], found["known"]) for found in again] == [("bash", 0, 2), ("zsh", 0, 1)]


def test_import_can_be_tried_first(run, isolated_home, history):
    (isolated_home / ".bash_history").write_text("ls\n")
    _, out, _ = run("history", "import", "bash", "--dry-run")
    assert "1 new (not stored: --dry-run)" in out
    assert commands(history) == []


def test_import_of_one_file_sees_its_format(run, folder, history):
    Path("kept").write_text("- cmd: echo a\\nb\n  when: 1700000000\n")
    status, out, _ = run("history", "import", "--file", "kept")
    assert (status, out) == (0, "fish: kept: 1 read, 1 new, 0 there already\n")
    assert commands(history) == ["echo a\nb"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--file", "gone"], "gone: cannot be read (No such file or directory); name the file with --file"),
        (["fish"], "no history of fish is in its usual place; name the file with --file"),
        ([], "no history of bash, zsh, fish or atuin is in its usual place; name the file with --file"),
        (["atuin", "--file", "text"], "text: cannot be read as atuin's history (file is not a database)"),
    ],
)
def test_an_import_that_cannot_be_is_one_line(run, folder, args, message):
    Path("text").write_text("ls\n" * 300)
    status, out, err = run("history", "import", *args)
    assert (status, out) == (1, "")
    assert err.startswith(f"typeahead: {message}")
    assert err.count("\n") == 1


def test_export_import_export_are_equal(run, folder, history, monkeypatch):
    history.add("printf '\udcff\n'", "/odd\udcff", 2, "s", 1.7e9 + 0.1234567, 0.1)
    history.add("é 日本 \u2028", None, None, "t", 1.7e9 + 1)
    history.add("printf '\udcff\n'", "/", 0, "t", 1.7e9 - 1)
    _, first, _ = run("history", "export")
    assert len(first.splitlines()) == 3
    Path("export.jsonl").write_text(first)
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "elsewhere"))
    _, out, _ = run("history", "import", "--file", "export.jsonl")
    assert out == "typeahead: export.jsonl: 3 read, 3 new, 0 there already\n"
    assert run("history", "export")[1] == first
    assert "0 new, 3 there already" in run("history", "import", "--file", "export.jsonl")[1]
    assert run("history", "export")[1] == first


def test_export_since_leaves_out_what_is_older(run, history):
    history.add("old", started=time.time() - 7200)
    history.add("new", started=time.time() - 60)
    _, out, _ = run("history", "export", "--since", "1h")
    assert [json.loads(line)["command"] for line in out.splitlines()] == ["new"]


def test_list_shows_the_last_commands_and_filters(run, folder, history):
    def shown(started):
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(started))

    history.add("ls", str(folder), 0, "s", 1.7e9)
    history.add("make", str(folder), 2, "s", 1.7e9 + 1)
    history.add("imported", session="t", started=3.0)
    history.add("cd", "/", 0, "t", 1.7e9 + 2)
    status, out, _ = run("history", "list")
    assert status == 0
    assert out.splitlines() == [
        "-                      -  imported",
        f"{shown(1.7e9)}    0  ls",
        f"{shown(1.7e9 + 1)}    2  make",
        f"{shown(1.7e9 + 2)}    0  cd",
    ]
    assert run("history", "list", "-n", "1")[1].endswith("  cd\n")
    assert [line.split()[-1] for line in run("history", "list", "--cwd", ".")[1].splitlines()] == ["ls", "make"]
    assert [line.split()[-1] for line in run("history", "list", "--failed")[1].splitlines()] == ["make"]
    found = [json.loads(line) for line in run("history", "list", "--session", "t", "--json")[1].splitlines()]
    assert [one["command"] for one in found] == ["imported", "cd"]
    assert found[1].keys() == {"id", "command", "cwd", "status", "session", "host", "started", "duration_s"}


def test_search_shows_each_command_once_and_says_when_there_is_none(run, history):
    for i, command in enumerate(["git push", "legit", "git push", "ls"]):
        history.add(command, started=1.7e9 + i)
    status, out, _ = run("history", "search", "git")
    assert status == 0
    assert [line.split(None, 3)[-1] for line in out.splitlines()] == ["legit", "git push"]
    assert run("history", "search", "git", "--prefix")[1].count("\n") == 1
    assert run("history", "search", "nothing like it")[:2] == (1, "")


def test_control_characters_are_shown_not_obeyed(history):
    history.add("echo '\x1b]0;owned\x07'\nrm \x9b2J \u202e \udcff é", started=1.7e9)
    master, slave = pty.openpty()
    done = subprocess.run([sys.executable, "-m", "typeahead", "history", "list"], stdout=slave, timeout=60, check=True)
    os.close(slave)
    shown = os.read(master, 65536)
    os.close(master)
    assert done.returncode == 0
    assert rb"echo '\x1b]0;owned\x07'\nrm \x9b2J \u202e \udcff" in shown
    assert "é\r\n".encode() in shown
    assert not any(byte < 32 for byte in shown.rstrip(b"\r\n"))


def test_a_foreign_file_in_the_stores_place_is_one_line(run, isolated_home):
    config.history_file().parent.mkdir(parents=True)
    with sqlite3.connect(config.history_file()) as other:
        other.execute("CREATE TABLE urls (url TEXT)")
    other.close()
    status, out, err = run("history", "list")
    assert (status, out) == (1, "")
    assert "a database of another program; move it away" in err
