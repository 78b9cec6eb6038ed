"""What somebody is told who has just begun, and when no more."""

from __future__ import annotations

from pathlib import Path

from typeahead import config
from typeahead.history import History, importers
from typeahead.shell.welcome import offer


def test_histories_of_other_shells_are_named(isolated_home: Path) -> None:
    assert offer() == ""
    (isolated_home / ".bash_history").write_text("make all\n")
    (isolated_home / ".zsh_history").write_text(": 1700000000:0;make all\n")
    assert offer() == "typeahead: to know what you have run in bash and zsh: typeahead history import"


def test_an_empty_store_is_no_history(isolated_home: Path) -> None:
    (isolated_home / ".bash_history").write_text("make all\n")
    History(config.history_file()).close()
    assert "typeahead history import" in offer()


def test_nothing_is_offered_once_a_line_has_been_run(isolated_home: Path) -> None:
    (isolated_home / ".bash_history").write_text("make all\n")
    store = History(config.history_file())
    store.add("ls")
    store.close()
    assert offer() == ""


def test_nothing_is_offered_once_it_was_taken_over(isolated_home: Path) -> None:
    path = isolated_home / ".bash_history"
    path.write_text(" private\n")  # nothing of it is stored
    store = History(config.history_file())
    importers.import_file(store, path, "bash")
    store.close()
    assert offer() == ""


def test_a_damaged_store_is_no_reason_to_speak(isolated_home: Path) -> None:
    (isolated_home / ".bash_history").write_text("make all\n")
    config.history_file().parent.mkdir(parents=True)
    config.history_file().write_bytes(b"no database" * 99)
    assert offer() == ""
