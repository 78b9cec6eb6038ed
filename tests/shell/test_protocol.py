"""The protocol: what is encoded is decoded, and no bytes whatever do more than raise one kind of error."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead.shell.protocol import (
    MAX_LINE_BYTES,
    MalformedError,
    decode,
    encode,
    is_safe,
    line_fields,
    text_field,
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
any_text = st.text(st.characters())  # lone surrogates too


@given(st.dictionaries(st.text(), values | any_text))
def test_what_is_encoded_is_decoded(message: dict[str, object]) -> None:
    line = encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == message


@given(st.binary())
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    with contextlib.suppress(MalformedError):
        assert isinstance(decode(data), dict)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b'"op"',
        b"{",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b"\xff\xfe{}",
        b'{"a": "\xff"}',
        b"[" * 50_000,
        b'{"a":' * 50_000,
        b'{"a": ' + b"9" * 5000 + b"}",  # more digits than Python converts
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_is_no_object_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decode(data)


@given(st.dictionaries(st.sampled_from(["command", "cwd", "status", "started", "duration_s", "x"]), values) | values)
def test_line_fields_returns_checked_fields_or_malformed(message: object) -> None:
    try:
        line = line_fields(message)
    except MalformedError:
        return
    assert isinstance(line["command"], str)
    assert line["cwd"] is None or isinstance(line["cwd"], str)
    assert line["status"] is None or type(line["status"]) is int
    for name in ("started", "duration_s"):
        assert line[name] is None or abs(line[name]) < 1 << 53


def test_an_error_does_not_quote_what_was_typed() -> None:
    for data in (b'{"command": "my secret"', b'"my secret"', b"my secret"):
        with pytest.raises(MalformedError) as caught:
            decode(data)
        assert "secret" not in str(caught.value)
    with pytest.raises(MalformedError) as caught:
        text_field({"prefix": "my secret" * 100}, "prefix", 10)
    assert "secret" not in str(caught.value)


@given(any_text)
def test_safe_text_is_printable_in_one_line(text: str) -> None:
    if is_safe(text):
        assert len(text.splitlines()) <= 1
        assert text.isascii() is False or text.isprintable()
        text.encode()


@pytest.mark.parametrize(
    "character", ["\0", "\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\x9b", "\u2028", "\u202e", "\u2066", "\udc80"]
)
def test_a_text_with_a_control_character_is_not_safe(character: str) -> None:
    assert not is_safe(f"ls {character}")


@pytest.mark.parametrize("text", ["", "ls -la ~/x | grep 'é'", "日本語", "👩\u200d💻", "\ufffd"])
def test_ordinary_text_is_safe(text: str) -> None:
    assert is_safe(text)


def test_a_line_of_json_has_room_for_a_long_command() -> None:
    assert len(encode({"op": "record", "command": "é" * 20_000})) < MAX_LINE_BYTES
    assert json.loads(encode({"a": "é"})) == {"a": "é"}
