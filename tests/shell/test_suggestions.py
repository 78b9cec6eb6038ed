"""Suggestions of one session, against a daemon that answers from a table and without one."""

from __future__ import annotations

import asyncio

import pytest

from tests.shell.terminal import Table
from typeahead import config
from typeahead.history import History
from typeahead.shell.names import Names


def test_the_daemon_is_asked_at_each_edit_and_its_answer_shown() -> None:
    table = Table({"git c": "git commit", "": "make"})

    async def talk() -> None:
        table.suggestions.begin_line("/")
        await table.until(lambda: table.ghost.rest == "make")
        table.suggestions.follow("git c")
        assert table.ghost.rest == ""
        await table.until(lambda: table.ghost.rest == "ommit")
        assert table.changes == 2

    table.run(talk)


def test_an_answer_about_an_earlier_text_is_dropped() -> None:
    table = Table({"a": "abc", "x": ""})

    async def talk() -> None:
        table.suggestions.begin_line("/")
        table.suggestions.follow("a")
        table.suggestions.follow("x")
        await table.until(lambda: "x" in table.daemon.asked)
        await asyncio.sleep(0.05)
        assert table.ghost.rest == ""
        assert table.changes == 0

    table.run(talk)


def test_the_only_completion_of_the_shell_that_fits_is_suggested_where_the_model_has_nothing() -> None:
    table = Table({"git che": "git cherry-pick feature"})

    async def talk() -> None:
        table.suggestions.begin_line("/")
        table.suggestions.know_completions(["git checkout", "git cherry", "git evil\x1b[2J"])
        wanted = {"git ch": "", "git e": "", "git chec": "kout", "x": "", "git che": "rry-pick feature"}
        for typed, rest in wanted.items():
            table.suggestions.follow(typed)
            await table.until(lambda typed=typed: typed in table.daemon.asked)
            await table.until(lambda rest=rest: table.ghost.rest == rest)
            await asyncio.sleep(0.05 * (not rest))  # for an answer that should show nothing
            assert table.ghost.rest == rest
        table.suggestions.begin_line("/")
        table.suggestions.follow("git chec")
        await table.until(lambda: table.daemon.asked.count("git chec") == 2)
        await asyncio.sleep(0.05)
        assert table.ghost.rest == ""

    table.run(talk)


@pytest.mark.parametrize(("state", "wanted"), [("loading", "ync -av here there"), ("failed", "ync -av"), ("warm", "")])
def test_where_the_daemon_has_nothing_the_history_answers_unless_the_model_said_so(state: str, wanted: str) -> None:
    table = Table({})
    table.daemon.state = state
    table.lines.add("rsync -av here there")

    async def talk() -> None:
        table.suggestions.begin_line("/")
        await table.until(lambda: "" in table.daemon.asked)
        await asyncio.sleep(0.1)  # its state is known: before, it counts as absent
        table.suggestions.follow("rs")
        await table.until(lambda: "rs" in table.daemon.asked)
        await asyncio.sleep(0.1)
        assert table.ghost.rest[:7] == wanted[:7]

    table.run(talk)


def test_a_daemon_that_hangs_up_is_found_again() -> None:
    table = Table({"a": "abc", "b": "bcd"})

    async def talk() -> None:
        table.suggestions.begin_line("/")
        table.suggestions.follow("a")
        await table.until(lambda: table.ghost.rest == "bc")
        table.daemon.hang_up()
        table.suggestions.follow("b")
        await table.until(lambda: table.ghost.rest == "cd")

    table.run(talk)


def test_without_suggestions_lines_are_recorded_all_the_same() -> None:
    table = Table({"a": "abc"}, wanted=False)

    async def talk() -> None:
        table.suggestions.begin_line("/")
        table.suggestions.follow("a")
        table.suggestions.record("echo kept", "/", 0, 1.0, 0.1)
        table.suggestions.record(" echo secret", "/", 0, 1.0, 0.1)

    table.run(talk)
    assert table.daemon.asked == []
    stored = History(config.history_file())
    try:
        assert table.daemon.lines + stored.recent(10) == ["echo kept"]
    finally:
        stored.close()
    assert list(table.lines) == ["echo kept"]


def test_alternatives_come_in_turn_and_the_daemon_is_asked_for_them_once() -> None:
    table = Table({"git c": ["git commit", "git checkout", "git clone", "git cat-file"]})

    async def talk() -> None:
        table.suggestions.begin_line("/")
        table.suggestions.follow("git c")
        await table.until(lambda: table.ghost.line == "git commit")
        table.suggestions.turn(1)
        await table.until(lambda: table.ghost.line == "git checkout")
        seen = []
        for step in (1, 1, -1, -1, -1):
            table.suggestions.turn(step)
            seen.append(table.ghost.line)
        assert seen == ["git clone", "git commit", "git clone", "git checkout", "git commit"]

    table.run(talk)
    assert table.daemon.asked_for_more == ["git c"]


def test_where_the_daemon_says_nothing_alternatives_are_past_lines() -> None:
    table = Table({})
    table.daemon.silent = True
    for line in ("make a", "make b", "make c", "make d"):
        table.lines.add(line)

    async def talk() -> None:
        table.suggestions.begin_line("/")
        table.suggestions.follow("make")
        await table.until(lambda: table.ghost.line == "make d")
        for wanted in ("make c", "make b", "make d"):
            table.suggestions.turn(1)
            await table.until(lambda wanted=wanted: table.ghost.line == wanted)
        table.suggestions.follow("make ")
        table.suggestions.turn(-1)
        await table.until(lambda: table.ghost.line == "make b")

    table.run(talk)


def test_asking_for_another_brings_back_what_was_dismissed() -> None:
    table = Table({"a": ["ab", "ac"]})

    async def talk() -> None:
        table.suggestions.begin_line("/")
        table.suggestions.follow("a")
        await table.until(lambda: table.ghost.line == "ab")
        table.suggestions.dismiss()
        assert table.ghost.rest == ""
        table.suggestions.turn(1)
        await table.until(lambda: table.ghost.line == "ab")

    table.run(talk)


@pytest.mark.parametrize(("past", "notice"), [(["rsync -av here there"], "forgotten"), ([], "")])
def test_a_forgotten_line_goes_at_once_and_is_not_suggested_again(past: list[str], notice: str) -> None:
    line = "rsync -av here there"
    table = Table({"rs": line, "rsy": line}, past)

    async def talk() -> None:
        table.suggestions.begin_line("/")
        table.suggestions.follow("rs")
        await table.until(lambda: table.ghost.line == line)
        table.suggestions.forget()
        assert table.ghost.rest == ""
        assert table.ghost.notice == notice
        await table.until(lambda: table.daemon.forgotten == [line])
        table.suggestions.follow("rsy")
        assert table.ghost.notice == ""
        await table.until(lambda: "rsy" in table.daemon.asked)
        await asyncio.sleep(0.05)
        assert table.ghost.rest == ""
        table.suggestions.record(line, "/", 0, 1.0, 0.1)  # run again after all
        table.suggestions.follow("rs")
        await table.until(lambda: table.ghost.line == line)

    table.run(talk)


def test_nothing_is_asked_at_the_empty_prompt_when_that_is_off() -> None:
    table = Table({"": "make", "m": "make"}, empty=False)

    async def talk() -> None:
        table.suggestions.begin_line("/")
        table.suggestions.follow("m")
        await table.until(lambda: table.ghost.rest == "ake")
        table.suggestions.follow("")

    table.run(talk)
    assert "" not in table.daemon.asked


def test_a_private_session_suggests_and_tells_nothing() -> None:
    table = Table({"m": "make"}, private=True)

    async def talk() -> None:
        table.suggestions.begin_line("/")
        table.suggestions.follow("m")
        await table.until(lambda: table.ghost.rest == "ake")
        assert table.suggestions.record("canary " + "ghp_" + 36 * "x", "/", 0, 1.0, 0.1) == []
        table.suggestions.follow("can")
        await table.until(lambda: "can" in table.daemon.asked)

    table.run(talk)
    assert table.daemon.lines == []
    assert not config.history_file().exists()


def test_what_the_shells_own_rules_exclude_is_told_to_nobody() -> None:
    table = Table({}, wanted=False)

    async def talk() -> None:
        table.suggestions.begin_line("/")
        rules = {"HISTCONTROL": "", "HISTIGNORE": "vault *"}
        table.suggestions.record("vault read", "/", 0, 1.0, 0.1, rules)
        table.suggestions.record("vaulting", "/", 0, 2.0, 0.1, rules)

    table.run(talk)
    assert list(table.lines) == ["vaulting"]


def test_a_secret_is_withheld_also_in_memory_and_never_suggested() -> None:
    token = "ghp_" + "aB3dE6gH9k" * 3 + "L2n4P6"
    table = Table({})
    table.daemon.state = "loading"
    table.lines.add(f"curl -H 'Authorization: token {token}' https://api.example.org")  # as read from a file

    async def talk() -> None:
        table.suggestions.begin_line("/")
        kinds = table.suggestions.record(f"export GH={token}", "/", 0, 1.0, 0.1)
        assert len(kinds) == 1
        table.suggestions.follow("cu")
        await table.until(lambda: "cu" in table.daemon.asked)
        await asyncio.sleep(0.1)
        assert table.ghost.rest == ""
        table.suggestions.follow("export G")
        await table.until(lambda: "export G" in table.daemon.asked)
        await asyncio.sleep(0.1)
        assert table.ghost.rest == ""

    table.run(talk)
    assert token not in repr(table.daemon.records) + repr(table.lines.of_session()[:1])


def test_destructive_and_failed_lines_are_not_offered_from_memory() -> None:
    table = Table({})
    table.daemon.state = "loading"

    async def talk() -> None:
        table.suggestions.begin_line("/")
        table.suggestions.record("rm -rf build", "/", 0, 1.0, 0.1)
        table.suggestions.record("rmdir nothing", "/", 1, 2.0, 0.1)
        table.suggestions.follow("rm")
        await table.until(lambda: "rm" in table.daemon.asked)
        await asyncio.sleep(0.1)
        assert table.ghost.rest == ""
        table.suggestions.record("rmdir nothing", "/", 0, 3.0, 0.1)
        table.suggestions.follow("rmd")
        await table.until(lambda: table.ghost.line == "rmdir nothing")

    table.run(talk)


@pytest.mark.parametrize("line", ["rm -rf build", "export TOKEN=***"])
def test_an_unsafe_line_is_not_shown_even_if_the_daemon_proposes_it(line: str) -> None:
    table = Table({line[:2]: [line, "fine"], line[:4]: line[:4] + " fine"})

    async def talk() -> None:
        table.suggestions.begin_line("/")
        table.suggestions.follow(line[:2])
        await table.until(lambda: line[:2] in table.daemon.asked)
        await asyncio.sleep(0.1)
        assert table.ghost.rest == ""
        table.suggestions.follow(line[:4])
        await table.until(lambda: table.ghost.rest == " fine")

    table.run(talk)


def test_a_destructive_line_goes_when_too_little_of_it_is_left() -> None:
    table = Table({"rm -rf bui": "rm -rf build"})

    async def talk() -> None:
        table.suggestions.begin_line("/")
        table.suggestions.follow("rm -rf bui")
        await table.until(lambda: table.ghost.rest == "ld")
        table.suggestions.follow("rm -rf")
        assert table.ghost.rest == ""

    table.run(talk)


def test_the_daemon_is_told_what_the_shell_knows_when_that_is_news() -> None:
    table = Table({})
    names = Names(["ll", "_part"], {"PATH": "/bin", "TOKEN": ""})

    async def talk() -> None:
        table.suggestions.begin_line("/", names)
        await table.until(lambda: table.daemon.names)
        assert (table.daemon.names["names"], table.daemon.names["environ"]) == (names.commands, names.environ)
        table.daemon.names = {}
        table.suggestions.begin_line("/", names)
        table.suggestions.follow("x")
        await table.until(lambda: "x" in table.daemon.asked)
        assert table.daemon.names == {}

    table.run(talk)


def test_a_record_carries_how_the_line_was_typed() -> None:
    table = Table({"a": "abc def"})

    async def talk() -> None:
        suggestions, usage = table.suggestions, table.suggestions.usage
        suggestions.begin_line("/")
        usage.begin()
        usage.press()
        suggestions.follow("a")
        await table.until(lambda: table.ghost.rest)
        usage.press(seen=True)
        suggestions.follow("a" + suggestions.take(table.ghost.rest))
        usage.press()
        suggestions.record("abc def", "/", 0, 1.0, 0.1)
        await table.until(lambda: table.daemon.records)

    table.run(talk)
    use = table.daemon.records[0]["use"]
    assert len(use.pop("latencies_ms")) >= 1
    assert use == {"characters": 7, "keys": 3, "shown": 1, "accepted": 1, "accepted_characters": 6}


def test_keys_that_have_been_read_already_are_asked_about_once() -> None:
    table = Table({"git c": "git commit"})

    async def talk() -> None:
        table.suggestions.begin_line("/")
        await table.until(lambda: "" in table.daemon.asked)
        for end in range(1, 5):
            table.suggestions.follow("git c"[:end], ask=False)
        table.suggestions.follow("git c")
        await table.until(lambda: table.ghost.rest == "ommit")
        table.suggestions.follow("git", ask=False)
        table.suggestions.catch_up()
        table.suggestions.catch_up()
        await table.until(lambda: "git" in table.daemon.asked)
        assert [asked for asked in table.daemon.asked if asked] == ["git c", "git"]

    table.run(talk)


def test_suggestions_that_were_off_from_the_start_can_be_switched_on() -> None:
    table = Table({"git c": "git commit"}, wanted=False)

    async def talk() -> None:
        table.suggestions.begin_line("/")
        table.suggestions.follow("git c")
        await asyncio.sleep(0.1)
        assert table.daemon.asked == []
        table.suggestions.toggle()
        assert table.ghost.notice == "suggestions on"
        await table.until(lambda: table.ghost.rest == "ommit")
        table.suggestions.toggle()
        assert (table.ghost.rest, table.ghost.notice) == ("", "suggestions off")

    table.run(talk)
