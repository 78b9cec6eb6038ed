import gzip
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead.errors import CorpusError
from typeahead.text import corpus


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def text(data: np.ndarray) -> bytes:
    return data.tobytes()


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@given(content=st.binary(min_size=1).filter(lambda content: not content.startswith(b"\x1f\x8b")))
def test_any_bytes_are_read_as_they_are(content):
    with tempfile.TemporaryDirectory() as name:
        path = write(Path(name) / "any", content)
        read = corpus.read([path])
        assert text(read.data) == content
        assert read.sha256 == hashlib.sha256(content).hexdigest()
        assert read.distinct_bytes == len(set(content))
        assert read.sources == (corpus.Source("any", len(content)),)
        assert text(corpus.read([write(Path(name) / "any.gz", gzip.compress(content))]).data) == content


def test_a_single_file_is_mapped_not_read(folder):
    path = write(folder / "big", b"x" * 100)
    data = corpus.read([path]).data
    assert isinstance(data, np.memmap)
    assert Path(data.filename) == path
    assert not data.flags.writeable


def test_files_are_joined_by_a_newline_where_one_lacks_it(folder):
    paths = [write(folder / name, content) for name, content in [("a", b"1\n"), ("b", b"2"), ("c", b"3")]]
    read = corpus.read(paths)
    assert text(read.data) == b"1\n2\n3"
    assert [source.bytes for source in read.sources] == [2, 1, 1]
    assert isinstance(read.data, np.memmap)


def test_an_empty_file_adds_nothing_between_others(folder):
    paths = [write(folder / name, content) for name, content in [("a", b"1"), ("b", b""), ("c", b"2")]]
    assert text(corpus.read(paths).data) == b"1\n2"


def test_the_joined_file_has_no_name_and_is_private(folder):
    paths = [write(folder / name, b"x\n") for name in "ab"]
    scratch = folder / "scratch"
    scratch.mkdir()
    data = corpus.read(paths, scratch=scratch).data
    assert os.listdir(scratch) == []
    assert text(data) == b"x\nx\n"


def test_folders_are_read_sorted_and_whole_but_for_hidden_and_own_files(folder):
    for name in ("b/2", "b/1", "a", "c.gz", ".hidden", ".git/config", "old.safetensors", "old.metrics.jsonl"):
        content = f"{name}\n".encode()
        write(folder / name, gzip.compress(content) if name.endswith(".gz") else content)
    os.mkfifo(folder / "fifo")
    (folder / "broken").symlink_to(folder / "nowhere")
    (folder / "link").symlink_to(folder / "a")
    read = corpus.read([folder])
    assert text(read.data) == b"a\nc.gz\na\nb/1\nb/2\n"
    assert [source.name for source in read.sources] == ["a", "c.gz", "link", "1", "2"]


def test_sessions_become_one_command_a_line(folder):
    lines = [{"cmd": "ls -l", "t": 0}, {"cmd": "echo é"}, {"cmd": "for f in *; do\n  ls\ndone\n"}]
    content = "\n\n".join(json.dumps(line) for line in lines).encode()
    expected = "ls -l\necho é\nfor f in *; do\n  ls\ndone\n".encode()
    assert text(corpus.read([write(folder / "s.jsonl", content)]).data) == expected
    assert text(corpus.read([write(folder / "s.jsonl.gz", gzip.compress(content))]).data) == expected
    # Its content makes a session file, not its name alone; and its name, not its content alone.
    assert text(corpus.read([write(folder / "s.txt", content)]).data) == content
    assert text(corpus.read([write(folder / "other.jsonl", b'{"a": 1}\n')]).data) == b'{"a": 1}\n'


@pytest.mark.parametrize("line", [b'{"cmd": 3}', b'{"cmd": "ls"', b"[]", b"\xff", b'{"command": "ls"}'])
def test_a_damaged_line_of_a_session_is_named(folder, line):
    path = write(folder / "s.jsonl", b'{"cmd": "ls"}\n' + line + b"\n")
    with pytest.raises(CorpusError, match=r"s\.jsonl: line 2 is not a JSON object with a text"):
        corpus.read([path])


def test_standard_input_is_read_plain_and_packed(folder):
    code = "import sys; from typeahead.text import corpus; sys.stdout.buffer.write(corpus.read(['-']).data.tobytes())"
    for piped in (b"typed\x00\xff", gzip.compress(b"typed\x00\xff")):
        done = subprocess.run(
            [sys.executable, "-c", code], input=piped, capture_output=True, check=True, cwd=os.getcwd()
        )
        assert done.stdout == b"typed\x00\xff"


def test_a_fifo_is_read_like_a_stream(folder):
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["sh", "-c", f"printf 'from a pipe' > '{fifo}'"]):
        assert text(corpus.read([fifo]).data) == b"from a pipe"


def test_a_corpus_of_many_chunks_is_the_same_bytes(folder, rng):
    content = rng.integers(256, size=3_000_001).astype(np.uint8).tobytes()
    read = corpus.read([write(folder / "big", content), write(folder / "big.gz", gzip.compress(content, 1))])
    assert text(read.data) == content + b"\n" + content
    assert read.sha256 == hashlib.sha256(content + b"\n" + content).hexdigest()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "cannot be read .No such file or directory.; check the path"),
        ("nothing", "no files in this folder"),
        ("empty", "empty; give a file with some text"),
        ("empty.gz", "empty; give a file with some text"),
        ("cut.gz", "damaged gzip"),
        ("wrong.gz", "damaged gzip"),
        ("socket", "neither a file nor a folder"),
        ("a\0b", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(folder, name, message):
    import socket

    (folder / "nothing").mkdir()
    packed = gzip.compress(b"some text that is long enough to be cut")
    write(folder / "empty", b"")
    write(folder / "empty.gz", gzip.compress(b""))
    write(folder / "cut.gz", packed[:-10])
    write(folder / "wrong.gz", packed[:15] + b"\xff\xff" + packed[17:])
    with socket.socket(socket.AF_UNIX) as listener:
        before = os.getcwd()
        os.chdir(folder)  # a socket's path has 107 bytes
        try:
            listener.bind("socket")
        finally:
            os.chdir(before)
        with pytest.raises(CorpusError, match=message) as caught:
            corpus.read([os.path.join(folder, name)])
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="optional: root reads everything")
def test_a_file_without_permission_is_a_clear_error(folder):
    path = write(folder / "secret", b"x")
    path.chmod(0)
    with pytest.raises(CorpusError, match=r"cannot be read \(Permission denied"):
        corpus.read([path])


def test_standard_input_twice_is_refused():
    with pytest.raises(CorpusError, match="given twice"):
        corpus.read(["-", "-"])


def test_a_full_disk_while_joining_is_a_clear_error(folder):
    """A real limit on the size of files, in a process of its own."""
    write(folder / "big", b"x" * 100_000)
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "from typeahead.errors import CorpusError\n"
        "from typeahead.text import corpus\n"
        "try:\n    corpus.read([sys.argv[1], sys.argv[1]], scratch=sys.argv[2])\n"
        "except CorpusError as error:\n    print(error)\n"
    )
    args = [sys.executable, "-c", code, str(folder / "big"), str(folder)]
    done = subprocess.run(args, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("the joined corpus does not fit on the disk (File too large")
    assert done.stdout.count("\n") == 1
    assert os.listdir(folder) == ["big"]


def test_the_last_tenth_is_held_out():
    data = np.arange(250, dtype=np.uint8)
    train, valid = corpus.split(data, 0.1)
    assert np.array_equal(train, data[:225])
    assert np.array_equal(valid, data[225:])
    assert [len(part) for part in corpus.split(np.zeros(1_115_394, np.uint8), None)] == [1_003_854, 111_540]


def test_by_default_no_more_than_four_mebibytes_are_held_out():
    data = np.broadcast_to(np.zeros(1, np.uint8), 100 << 20)
    assert len(corpus.split(data, None)[1]) == 4 << 20
    assert len(corpus.split(data, 0.5)[1]) == 50 << 20


@given(size=st.integers(0, 2000), fraction=st.floats(0, 1, exclude_max=True))
def test_the_parts_are_the_whole(size, fraction):
    data = np.arange(size, dtype=np.uint16).view(np.uint8)[:size]
    train, valid = corpus.split(data, fraction)
    assert np.array_equal(np.concatenate([train, valid]), data)


def test_names_in_the_description_have_no_folders(folder):
    write(folder / "private" / "diary.txt", b"dear diary\n")
    description = corpus.read([folder, folder]).describe()
    assert str(folder) not in json.dumps(description)
    assert description["files"] == [{"name": "diary.txt", "bytes": 11}] * 2
    assert description["num_files"] == 2
