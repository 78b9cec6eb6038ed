"""Trials carried out one after another here, or side by side in processes of their own, each on one core."""

from __future__ import annotations

import json
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, NamedTuple

from typeahead.errors import TypeaheadError

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from typeahead.cli.bench_grid import Grid
    from typeahead.rnn.network import Array
    from typeahead.rnn.tasks import Marks
    from typeahead.rnn.trials import Outcome, Trial

_TICK_S = 0.5  # between looks at the clock while processes work
_GRACE_S = 5.0  # that a process has to tell how far it is once the time is over


class News(NamedTuple):
    """What is heard of a trial: how far it is, or, with ``outcome``, what it came to."""

    trial: Trial
    step: int
    loss: float
    outcome: Outcome | None = None


Hear = Callable[[News], None]


def carry_out_all(grid: Grid, jobs: int, corpus: str | None, deadline: float, hear: Hear) -> None:
    """Carry out the grid's trials until all are over or the clock says so.

    Parameters
    ----------
    grid : Grid
        Is told of each outcome.
    jobs : int
        Processes; 1 is this one.
    corpus : str, optional
        The text that the task bytes reads.
    deadline : float
        By `time.monotonic`; trials that it ends have the result "stopped".
    hear : callable

    Raises
    ------
    TypeaheadError
        A process was ended from outside, or a trial cannot be carried out.
    """
    from typeahead.rnn.trials import compile_kernels

    compile_kernels(grid.trials)
    if jobs == 1:
        _here(grid, corpus, deadline, hear)
    else:
        _side_by_side(grid, jobs, corpus, deadline, hear)


def _text(corpus: str | None) -> Array | None:
    from typeahead.text.corpus import read

    return None if corpus is None else read([corpus]).data


def _over(deadline: float) -> bool:
    return time.monotonic() >= deadline


def _take(grid: Grid, hear: Hear, news: News) -> None:
    """Pass the news on, and an outcome to the grid."""
    if news.outcome is not None:
        grid.finish(news.trial, news.outcome.result == "solved")
    hear(news)


def _here(grid: Grid, corpus: str | None, deadline: float, hear: Hear) -> None:
    from typeahead.rnn.trials import carry_out

    def report(trial: Trial, step: int, marks: Marks) -> None:
        hear(News(trial, step, marks.loss))

    text = _text(corpus)
    while not _over(deadline) and (trial := grid.next()) is not None:
        outcome = carry_out(trial, text, partial(report, trial), partial(_over, deadline))
        _take(grid, hear, News(trial, outcome.steps, outcome.loss, outcome))


def _side_by_side(grid: Grid, jobs: int, corpus: str | None, deadline: float, hear: Hear) -> None:
    """Give trials to processes that are as many as there is work for, and listen."""
    context = multiprocessing.get_context("spawn")
    idle: list[Connection] = []
    busy: dict[Connection, Trial] = {}
    processes: dict[Connection, BaseProcess] = {}
    try:
        while True:
            while time.monotonic() < deadline and len(busy) < jobs and (trial := grid.next()) is not None:
                if not idle:
                    idle.append(_start(context, corpus, processes))
                connection = idle.pop()
                connection.send_bytes(json.dumps([asdict(trial), deadline - time.monotonic()]).encode())
                busy[connection] = trial
            if not busy or time.monotonic() > deadline + _GRACE_S:
                return
            ready = wait(list(busy), _TICK_S)
            for connection in [each for each in busy if each in ready]:
                news = _heard(connection, busy[connection])
                if news.outcome is not None:
                    del busy[connection]
                    idle.append(connection)
                _take(grid, hear, news)
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            process.join()


def _start(context: Any, corpus: str | None, processes: dict[Connection, BaseProcess]) -> Connection:
    ours, theirs = context.Pipe()
    with _interrupts_ignored():  # which the process inherits: Ctrl-C is for this one to handle
        process = context.Process(target=serve, args=(theirs, corpus), daemon=True)
        process.start()
    theirs.close()
    processes[ours] = process
    connection: Connection = ours
    return connection


def _heard(connection: Connection, trial: Trial) -> News:
    from typeahead.rnn.trials import Outcome

    try:
        step, loss, outcome, error = json.loads(connection.recv_bytes())
    except (EOFError, OSError) as gone:
        raise TypeaheadError(
            f"the process of {trial.task} T={trial.length} {trial.kind} was ended from outside; run this again, with "
            f"fewer --jobs if memory was short; with the same --json it goes on"
        ) from gone
    if error is not None:
        raise TypeaheadError(error)
    return News(trial, step, loss, None if outcome is None else Outcome(**outcome))


def serve(connection: Connection, corpus: str | None) -> None:
    """Carry out the trials that come in, in a process of its own, until the other end is gone."""
    from typeahead.rnn.trials import Trial, carry_out

    def tell(step: int, loss: float, outcome: Outcome | None = None, error: str | None = None) -> None:
        connection.send_bytes(json.dumps([step, loss, outcome and outcome._asdict(), error]).encode())

    with suppress(EOFError, OSError):
        text = None
        while True:
            described, left_s = json.loads(connection.recv_bytes())
            over = partial(_over, time.monotonic() + left_s)
            try:
                text = _text(corpus) if text is None else text
                outcome = carry_out(Trial(**described), text, lambda step, marks: tell(step, marks.loss), over)
            except TypeaheadError as error:
                tell(0, 0.0, error=str(error))
            else:
                tell(outcome.steps, outcome.loss, outcome)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
