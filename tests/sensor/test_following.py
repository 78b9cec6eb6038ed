"""Lines as they come: from files, pipes and standard input, and from files that grow, shrink and are replaced."""

from __future__ import annotations

import gzip
import io
import os
import queue
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from typeahead.errors import SensorError
from typeahead.sensor.following import lines
from typeahead.sensor.formats import MAX_LINE_BYTES

PATIENCE_S = 30.0  # after which something that should come is held to have failed


class Follower:
    """Follows sources in a thread, until it is closed."""

    def __init__(self, *sources: Path | str, follow: bool = True) -> None:
        self.found: queue.Queue[bytes] = queue.Queue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(sources, follow))
        self._thread.start()

    def _run(self, sources: tuple[Path | str, ...], follow: bool) -> None:
        for line in lines(sources, follow=follow, stop=self._stop.is_set):
            self.found.put(line)

    def take(self, count: int) -> list[bytes]:
        return [self.found.get(timeout=PATIENCE_S) for _ in range(count)]

    def close(self) -> list[bytes]:
        """Stop, which must end it although nothing more comes; return what was not taken."""
        self._stop.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        return [self.found.get_nowait() for _ in range(self.found.qsize())]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "readings.log"


@pytest.fixture
def follower(log: Path) -> Iterator[Follower]:
    """Follow a file that does not exist yet."""
    follower = Follower(log)
    yield follower
    assert follower.close() == []


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def test_files_are_read_one_after_another_and_a_last_line_needs_no_end(tmp_path, log):
    other = tmp_path / "other"
    log.write_bytes(b"1\n2")
    other.write_bytes(b"\n3\r\n4")
    assert list(lines([log, other, str(log)])) == [b"1", b"2", b"", b"3\r", b"4", b"1", b"2"]


def test_a_compressed_file_is_read_as_what_it_holds(tmp_path):
    path = tmp_path / "readings.csv.gz"
    path.write_bytes(gzip.compress(b"1\n2\n") + gzip.compress(b"3\n"))
    assert list(lines([path])) == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    "damage", [lambda whole: whole[:-9], lambda whole: b"no gzip", lambda whole: whole[:12] + b"\xff" * 20]
)
def test_a_damaged_compressed_file_is_one_clear_error(tmp_path, damage):
    path = tmp_path / "readings.gz"
    path.write_bytes(damage(gzip.compress(b"1\n" * 1000)))
    with pytest.raises(SensorError, match=r"readings\.gz: .*gzip"):
        list(lines([path]))


def test_a_file_that_is_not_there_or_is_a_folder_is_one_clear_error(tmp_path):
    with pytest.raises(SensorError, match=r"nowhere\.csv: No such file"):
        list(lines([tmp_path / "nowhere.csv"]))
    for follow in (False, True):
        with pytest.raises(SensorError, match="Is a directory"):
            list(lines([tmp_path], follow=follow))


def test_a_line_without_end_is_kept_only_as_far_as_needed(log):
    with log.open("wb") as file:
        for _ in range(40):
            file.write(b"1" * MAX_LINE_BYTES)
        file.write(b"\n2\n")
    assert [len(line) for line in lines([log])] == [MAX_LINE_BYTES + 1, 1]


def test_standard_input_is_a_source_among_others(log, monkeypatch):
    log.write_bytes(b"1\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"2\n3")))
    assert list(lines([log, "-", log])) == [b"1", b"2", b"3", b"1"]


def test_standard_input_that_is_closed_is_one_clear_error(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SensorError, match="standard input is closed"):
        list(lines())


def test_a_line_comes_out_of_a_pipe_as_soon_as_it_is_complete(monkeypatch):
    reader, writer = os.pipe()
    with os.fdopen(reader) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        found = lines()
        os.write(writer, b"1\n2\n3")
        assert [next(found), next(found)] == [b"1", b"2"]
        os.write(writer, b"4\n5")
        assert next(found) == b"34"
        os.close(writer)
        assert list(found) == [b"5"]


def test_waiting_at_a_pipe_ends_when_it_is_told_to(monkeypatch):
    reader, writer = os.pipe()
    with os.fdopen(reader) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        os.write(writer, b"1\n2")
        follower = Follower("-", follow=False)
        assert follower.take(1) == [b"1"]
        assert follower.close() == []
        os.close(writer)


def test_lines_that_wait_are_not_given_once_it_is_told_to_end(log):
    log.write_bytes(b"1\n" * 1000)
    found = []
    for line in lines([log], stop=lambda: len(found) == 3):
        found.append(line)
    assert found == [b"1"] * 3


def test_a_named_pipe_is_read_until_its_writer_has_gone(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    follower = Follower(pipe, follow=False)
    with pipe.open("wb") as file:
        file.write(b"1\n2\n")
    assert follower.take(2) == [b"1", b"2"]
    assert follower.close() == []


def test_a_named_pipe_that_is_followed_waits_for_the_next_writer(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    follower = Follower(pipe)
    for line in (b"1\n", b"2\n"):
        with pipe.open("wb") as file:
            file.write(line)
        assert follower.take(1) == [line[:-1]]
    assert follower.close() == []


def test_what_is_added_to_a_file_is_given_when_its_line_is_complete(log, follower):
    append(log, b"1\n2")
    assert follower.take(1) == [b"1"]
    append(log, b"3\n")
    assert follower.take(1) == [b"23"]


def test_a_file_that_is_cut_is_read_from_its_start(log, follower):
    append(log, b"1\n2\n3")
    assert follower.take(2) == [b"1", b"2"]
    log.write_bytes(b"4\n")
    assert follower.take(2) == [b"3", b"4"]


def test_a_file_that_another_takes_the_place_of_is_read_to_its_end_first(log, follower):
    append(log, b"1\n")
    assert follower.take(1) == [b"1"]
    with log.open("ab") as old:
        log.rename(log.with_suffix(".1"))
        old.write(b"2\n3")
        old.flush()
        log.write_bytes(b"4\n")
        assert follower.take(3) == [b"2", b"3", b"4"]
    append(log, b"5\n")
    assert follower.take(1) == [b"5"]


def test_a_file_that_is_removed_is_waited_for(log, follower):
    append(log, b"1\n")
    assert follower.take(1) == [b"1"]
    log.unlink()
    append(log, b"2\n")
    assert follower.take(1) == [b"2"]


def test_of_several_files_only_the_last_is_followed(tmp_path, log):
    first = tmp_path / "first"
    first.write_bytes(b"1\n")
    follower = Follower(first, log)
    append(log, b"2\n")
    assert follower.take(2) == [b"1", b"2"]
    append(first, b"3\n")
    append(log, b"4\n")
    assert follower.take(1) == [b"4"]
    assert follower.close() == []
