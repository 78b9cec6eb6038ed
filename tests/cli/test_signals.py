"""The signals of a session, sent to this very process."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from typeahead.cli import signals
from typeahead.cli.signals import Signals

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP)


@pytest.fixture(autouse=True)
def before() -> Iterator[dict[int, object]]:
    """Return who handles what before a test, and let them do so after it."""
    handlers = {number: signal.getsignal(number) for number in NUMBERS}
    yield dict(handlers)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS[:3])
def test_signals_that_end_are_collected_and_the_first_counts(number: int, before: dict[int, object]) -> None:
    came = Signals()
    with came.caught(has_terminal=False):
        assert not came
        signal.raise_signal(number)
        signal.raise_signal(signal.SIGTERM)
        assert came
    assert came.first == number
    assert {each: signal.getsignal(each) for each in NUMBERS} == before


def test_one_that_comes_long_after_the_first_ends_a_session_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    came = Signals()
    with came.caught(has_terminal=False):
        signal.raise_signal(signal.SIGTERM)
        monkeypatch.setattr(signals, "_PATIENCE_S", -1.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert came.first == signal.SIGTERM


def test_what_was_switched_off_stays_off() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    came = Signals()
    with came.caught(has_terminal=True):
        signal.raise_signal(signal.SIGHUP)
    assert not came
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.parametrize("is_last", [False, True])
def test_a_second_ctrl_c_disturbs_no_process_that_is_ending(is_last: bool, before: dict[int, object]) -> None:
    with Signals().caught(has_terminal=False, is_last=is_last):
        pass
    assert signal.getsignal(signal.SIGINT) == before[signal.SIGINT]  # nothing came
    came = Signals()
    with came.caught(has_terminal=False, is_last=is_last):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGINT) == (signal.SIG_IGN if is_last else before[signal.SIGINT])


def test_ctrl_z_is_told_once() -> None:
    came = Signals()
    with came.caught(has_terminal=True):
        signal.raise_signal(signal.SIGTSTP)
        assert [came.take_stop(), came.take_stop()] == [True, False]
    assert not came


def test_keys_for_a_program_in_the_foreground_are_not_the_sessions() -> None:
    came = Signals()
    with came.caught(has_terminal=True):
        with came.left_to_program():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTSTP)
        assert not came
        assert not came.take_stop()
        with came.left_to_program():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGHUP)
        assert came.first == signal.SIGHUP
