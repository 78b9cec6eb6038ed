"""What bash, zsh, fish and atuin have written is read as they would read it; what nobody has written breaks nothing."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from typeahead.errors import HistoryError
from typeahead.history.formats import (
    Entry,
    read,
    read_bash,
    read_fish,
    read_typeahead,
    read_zsh,
    recognised,
)


def text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


# Commands of any bytes but NUL, of which none is blank; the newline is among them more often than by chance.
raw_commands = st.lists(
    st.binary(max_size=4).map(lambda data: data.replace(b"\0", b"")) | st.sampled_from([b"\n", b"\\", b" ", b"\x83"]),
    max_size=6,
).map(b"".join)
raw_commands = raw_commands.filter(lambda data: bool(text(data).strip()))
times = st.integers(1, 4_000_000_000)


def is_stamp(line: bytes) -> bool:
    return re.fullmatch(rb"#[0-9]+", line) is not None


def zsh_line(command: bytes, stamp: tuple[int, int] | None) -> bytes:
    """Write as zsh's ``savehistfile`` does: metafied, newlines after backslashes, a space after a last backslash."""
    metafied = b"".join(
        bytes([0x83, byte ^ 0x20]) if byte == 0 or 0x83 <= byte <= 0xA2 else bytes([byte]) for byte in command
    )
    line = metafied.replace(b"\n", b"\\\n")
    if re.search(rb"\\ *\Z", metafied):
        line += b" "
    return (b": %d:%d;" % stamp if stamp else b"") + line + b"\n"


@given(st.lists(st.tuples(raw_commands, st.tuples(times, st.integers(0, 10_000)))))
def test_an_extended_zsh_history_is_read_as_it_was_written(entries: list[tuple[bytes, tuple[int, int]]]) -> None:
    data = b"".join(zsh_line(command, stamp) for command, stamp in entries)
    assert list(read_zsh(data)) == [Entry(text(command), start, elapsed) for command, (start, elapsed) in entries]


@given(st.lists(raw_commands.filter(lambda data: not re.match(rb": *[0-9]+:[0-9]+;", data))))
def test_a_plain_zsh_history_is_read_as_it_was_written(lines: list[bytes]) -> None:
    assert list(read_zsh(b"".join(zsh_line(line, None) for line in lines))) == [Entry(text(line)) for line in lines]


def fish_item(command: bytes, when: int | None) -> bytes:
    escaped = command.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
    return b"- cmd: " + escaped + b"\n" + (b"  when: %d\n  paths:\n    - a b\n" % when if when else b"")


@given(st.lists(st.tuples(raw_commands, st.none() | times)))
def test_a_fish_history_is_read_as_it_was_written(items: list[tuple[bytes, int | None]]) -> None:
    data = b"".join(fish_item(command, when) for command, when in items)
    assert list(read_fish(data)) == [Entry(text(command), when) for command, when in items]


# The newlines at its end bash itself does not read again.
many_lines = raw_commands.map(lambda data: data.rstrip(b"\n")).filter(
    lambda data: bool(text(data).strip()) and not any(map(is_stamp, data.split(b"\n")))
)


@given(st.lists(st.tuples(many_lines, times)))
def test_a_bash_history_with_times_is_read_as_it_was_written(entries: list[tuple[bytes, int]]) -> None:
    data = b"".join(b"#%d\n%s\n" % (when, command) for command, when in entries)
    assert list(read_bash(data)) == [Entry(text(command), when) for command, when in entries]


@given(st.lists(many_lines.filter(lambda data: b"\n" not in data)))
def test_a_plain_bash_history_is_read_as_it_was_written(lines: list[bytes]) -> None:
    assert list(read_bash(b"".join(line + b"\n" for line in lines))) == [Entry(text(line)) for line in lines]


def test_times_may_start_in_the_middle_of_a_bash_history() -> None:
    data = b"ls\ncd\n#1700000000\nmake\nmake install\n#1700000005\nexit\n"
    assert list(read_bash(data)) == [
        Entry("ls"),
        Entry("cd"),
        Entry("make", 1.7e9),
        Entry("make install"),
        Entry("exit", 1700000005.0),
    ]


@example(data=b"\x1c")
@given(data=st.binary() | st.lists(st.sampled_from([b"#1", b"\n", b": 1:2;", b"- cmd: ", b"  when: 9", b"\\", b"{"])))
def test_no_bytes_at_all_break_a_reader(data: bytes | list[bytes]) -> None:
    whole = data if isinstance(data, bytes) else b"".join(data)
    for reader in (read_bash, read_zsh, read_fish, read_typeahead):
        for entry in reader(whole):
            assert entry.command.strip()
            assert b"\0" not in entry.command.encode("utf-8", "surrogateescape")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


@given(event=st.dictionaries(st.sampled_from(Entry._fields), values))
def test_no_json_breaks_the_reader_of_exports(event: dict[str, object]) -> None:
    for entry in read_typeahead(json.dumps(event).encode()):
        for field in (entry.command, entry.cwd, entry.session, entry.host):
            assert field is None or field.encode("utf-8", "surrogateescape") is not None


def test_a_number_too_long_for_a_time_is_no_time() -> None:
    digits = b"9" * 10_000
    assert list(read_bash(b"#" + digits + b"\nls\n")) == [Entry("ls")]
    assert list(read_zsh(b": " + digits + b":0;ls\n")) == [Entry("ls", None, 0.0)]


ATUIN = (
    "CREATE TABLE history (id TEXT PRIMARY KEY, timestamp INTEGER NOT NULL, duration INTEGER NOT NULL, "
    "exit INTEGER NOT NULL, command TEXT NOT NULL, cwd TEXT NOT NULL, session TEXT NOT NULL, "
    "hostname TEXT NOT NULL, deleted_at INTEGER)"
)


def atuin_database(path: Path, *rows: tuple[object, ...]) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(ATUIN)
    connection.executemany(
        f"INSERT INTO history VALUES (hex(randomblob(16)), {', '.join('?' * 8)})",
        rows,
    )
    connection.commit()
    connection.close()


def test_atuins_database_is_read_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "odd name?#%41.db"
    second = 1_700_000_000 * 10**9
    atuin_database(
        path,
        (second + 10**9, 2 * 10**9, 1, "make", "/src", "s1", "host:me", None),
        (second, -1, -1, "vim\nx", "/", "s1", "host:me", None),
        (second, 5, 0, "a secret that was deleted", "/", "s1", "host:me", second),
        (second, 5, 0, " ", "/", "s1", "host:me", None),
    )
    before = path.read_bytes()
    assert recognised(path) == "atuin"
    assert read(path, "atuin") == [
        Entry("vim\nx", 1.7e9, None, "/", None, "s1", "host:me"),
        Entry("make", 1.7e9 + 1, 2.0, "/src", 1, "s1", "host:me"),
    ]
    assert path.read_bytes() == before


def test_an_older_atuin_without_deletions_is_read(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with sqlite3.connect(path) as connection:
        connection.execute(ATUIN.replace(", deleted_at INTEGER", ""))
        connection.execute("INSERT INTO history VALUES ('1', 5000000000, 1, 0, x'6C73FF', '/', 's', 'h')")
    connection.close()
    assert read(path, "atuin") == []  # a blob is no command
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE history SET command = CAST(x'6C73FF' AS TEXT)")
    connection.close()
    assert [entry.command for entry in read(path, "atuin")] == ["ls\udcff"]


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + b"\xff" * 500, b"ls\n" * 500])
def test_what_is_not_atuins_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(content)
    with pytest.raises(HistoryError, match=r"history\.db: cannot be read as atuin's history"):
        read(path, "atuin")


@pytest.mark.parametrize("name", ["bash", "zsh", "fish", "atuin", "typeahead"])
def test_a_file_that_is_not_there_is_one_clear_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(HistoryError, match=r"gone: cannot be read \(No such file or directory\)"):
        read(tmp_path / "gone", name)


def test_a_format_is_seen_from_what_the_file_holds(tmp_path: Path) -> None:
    for name, content, wanted in [
        ("a", b"ls\n", "bash"),
        ("b", b"#1700000000\nls\n", "bash"),
        ("c", b": 1700000000:0;ls\n", "zsh"),
        (".zsh_history", b"ls\n", "zsh"),
        ("d", b"- cmd: ls\n  when: 1\n", "fish"),
        ("e", b'{"command": "ls"}\n', "typeahead"),
        ("f", b"", "bash"),
    ]:
        (tmp_path / name).write_bytes(content)
        assert recognised(tmp_path / name) == wanted, name


def test_bash_itself_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "history"
    script = r"""
    HISTFILE=$1 HISTTIMEFORMAT='%s '
    history -s 'ls -la'; history -s $'for i in 1 2\ndo echo $i\ndone'; history -s 'cat <<E é \ '
    history -s $'printf \xff'
    history -w
    """
    start = int(time.time())
    subprocess.run(["bash", "--norc", "-c", script, "bash", str(path)], check=True, timeout=30)
    entries = read(path, "bash")
    wanted = ["ls -la", "for i in 1 2\ndo echo $i\ndone", "cat <<E é \\ ", "printf \udcff"]
    assert [entry.command for entry in entries] == wanted
    assert all(entry.started is not None and start <= entry.started <= time.time() for entry in entries)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh")
@pytest.mark.parametrize("extended", [True, False])
def test_zsh_itself_wrote_it(tmp_path: Path, extended: bool) -> None:
    path = tmp_path / "history"
    script = r"""
    HISTFILE=$1 HISTSIZE=99 SAVEHIST=99; setopt ${2:-no_extended_history}
    print -rs -- 'ls -la'; print -rs -- $'for i in 1 2\ndo echo $i\ndone'; print -rs -- 'echo \'
    print -rs -- 'echo \ '; print -rs -- $'echo a\\\nb'; print -rs -- 'echo é 日本 ü'
    print -rs -- $'printf \x83\xff\x9b'
    fc -W
    """
    option = "extended_history" if extended else "no_extended_history"
    subprocess.run(["zsh", "-f", "-i", "-c", script, "zsh", str(path), option], check=True, timeout=30)
    entries = read(path, "zsh")
    wanted = ["ls -la", "for i in 1 2\ndo echo $i\ndone", "echo \\", "echo \\ ", "echo a\\\nb", "echo é 日本 ü"]
    assert [entry.command for entry in entries] == [*wanted, "printf \udc83\udcff\udc9b"]
    assert [entry.started is not None for entry in entries] == [extended] * 7
    assert b"\x83" in path.read_bytes()


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish")
def test_fish_itself_wrote_it(isolated_home: Path) -> None:
    # Only what was typed at its prompt is kept. Alt-Enter puts a newline into the line.
    typed = [b"echo a\\\\b 'x\x1b\ry'\r", "echo é\r".encode(), b"exit\r"]
    pid, master = pty.fork()
    if pid == 0:
        os.execvpe("fish", ["fish"], {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"})
    try:
        for keys in typed:
            read_until(master, b"[?2004h")  # it is at its prompt: bracketed paste is on
            os.write(master, keys)
        with contextlib.suppress(OSError):  # it has closed the terminal
            read_until(master, b"nothing more")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(master)
    entries = read(isolated_home / ".local" / "share" / "fish" / "fish_history", "fish")
    assert [entry.command for entry in entries] == ["echo a\\\\b 'x\ny'", "echo é", "exit"]
    assert all(entry.started is not None and abs(entry.started - time.time()) < 100 for entry in entries)


def read_until(master: int, awaited: bytes, timeout_s: float = 30.0) -> None:
    seen, deadline = b"", time.monotonic() + timeout_s
    while awaited not in seen:
        assert time.monotonic() < deadline, seen
        if select.select([master], [], [], 0.5)[0]:
            seen += os.read(master, 65536)
