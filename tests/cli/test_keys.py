"""``typeahead keys``."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Run
from typeahead import config


def row(out: str, name: str) -> list[str]:
    """Return the words of the row of ``name``."""
    return next(line.split() for line in out.splitlines() if line.split()[:1] == [name])


def test_keys_are_printed_as_they_are_now_and_changed_ones_marked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    config.config_file().parent.mkdir(parents=True)
    config.config_file().write_text('[keys]\naccept = "tab c-e"\n')
    monkeypatch.setenv("TYPEAHEAD_KEYS_TOGGLE", "")
    status, out, _ = run("keys")
    assert status == 0
    assert row(out, "accept_word")[1:3] == ["Alt-F,", "Ctrl-Right"]
    assert "  accept *                  Tab, Ctrl-E " in out
    assert "  toggle *                  - " in out
    assert row(out, "yank-last-arg")[1:3] == ["Alt-.,", "Alt-_"]


def test_keys_are_printed_as_json(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TYPEAHEAD_KEYS_FORGET", "alt-del C-x,K")
    status, out, _ = run("keys", "--json")
    assert status == 0
    found = {action["name"]: action for action in json.loads(out)["actions"]}
    assert found["forget"]["keys"] == ["alt-delete", "c-x,K"]
    assert (found["forget"]["changed"], found["accept"]["changed"]) == (True, False)


def test_keys_that_cannot_be_used_are_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TYPEAHEAD_KEYS_ACCEPT", "rigth")
    status, out, err = run("keys")
    assert (status, out) == (2, "")
    assert err.startswith("typeahead: keys.accept = 'rigth': there is no key 'rigth' (did you mean 'right'?); ")
    assert err.count("\n") == 1
