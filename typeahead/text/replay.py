"""Sessions of real people, typed again key by key before a suggester, and what it would have saved them.

Each user starts with a fresh suggester, and a line is learnt only when it has been typed: predict, then learn. At
every position of the line, the empty one too, the simulated user looks at the suggestion and presses one key:

- one that takes it whole, if the wanted line starts with it;
- else one that takes its next word (up to and with the next space or slash), if that is right and longer than a
  character;
- else the next character's own.

Enter is one more key. A wrong suggestion costs no key, only attention, so what is saved is read beside how many of
those shown were of use, and how often one was replaced by another while typing.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import re
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from os import PathLike
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from typeahead.errors import CorpusError, TypeaheadError

MAX_LINE_CHARACTERS = 200  # a longer line was pasted, not typed
NUM_RESAMPLES = 10_000
_NEXT_WORD = re.compile(r" *[^ /]*[ /]?")
_NUM_BINS = 10
_DRAWN_AT_ONCE = 1 << 18  # users, so that memory stays small

Array = NDArray[np.float64]


class Line(NamedTuple):
    """One line of a session."""

    command: str
    cwd: str | None


class Suggested(Protocol):
    """A whole line, and the natural logarithm of the probability that it is right so far (NaN: none is claimed)."""

    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def log_prob(self) -> float: ...  # noqa: D102


class Suggester(Protocol):
    """What is replayed: a :class:`typeahead.Suggester`, or a baseline."""

    def suggest(self, prefix: str, cwd: str | None = None) -> Sequence[Suggested]: ...  # noqa: D102
    def record(self, command: str, cwd: str | None = None) -> None: ...  # noqa: D102


Factory = Callable[[], Suggester]


@dataclass
class Tally:
    """What was counted while one user, or several, typed."""

    commands: int = 0
    characters: int = 0  # of the lines, with each one's Enter
    keys: int = 0  # pressed, with each line's Enter
    shown: int = 0  # keys before which a suggestion was shown
    used: int = 0  # of these, taken whole or by a word
    replaced: int = 0  # times that a suggestion gave way to one that does not agree with it, within a line
    empty_shown: int = 0  # lines for which one was shown before the first key
    first_words: int = 0  # of these, with the right first word
    whole_lines: int = 0  # of these, right as they were
    latencies_s: list[float] = field(default_factory=list)  # of each call of suggest()
    claims: list[tuple[float, bool]] = field(default_factory=list)  # of each shown: probability claimed; was it right

    def __iadd__(self, other: Tally) -> Tally:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        return self


def read_sessions(path: str | PathLike[str]) -> dict[str, list[Line]]:
    """Return each user's lines in order, users in the order of their first line.

    The file holds one JSON object a line with "user", "cmd" and perhaps "cwd". Commands are stripped of spaces around
    them; empty ones, those of several lines and those of more than ``MAX_LINE_CHARACTERS`` are left out.

    Raises
    ------
    CorpusError
        The file cannot be read, a line is not such an object, or no command is left.
    """
    users: dict[str, list[Line]] = {}
    try:
        with open(path, "rb") as file:
            for number, text in enumerate(file, 1):
                if not text.strip():
                    continue
                user, line = _parse(text, f"{path}: line {number}")
                if line.command and "\n" not in line.command and len(line.command) <= MAX_LINE_CHARACTERS:
                    users.setdefault(user, []).append(line)
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror}); give a file of sessions") from error
    if not users:
        raise CorpusError(f"{path}: holds no command to replay; give a file with one JSON object a line")
    return users


def _parse(text: bytes, where: str) -> tuple[str, Line]:
    try:
        row = json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise CorpusError(f'{where} is not JSON; each line has to be an object with "user" and "cmd"') from error
    if not isinstance(row, dict):
        raise CorpusError(f'{where} is not a JSON object; it has to have "user" and "cmd"')
    for name in ("user", "cmd"):
        if not isinstance(row.get(name), str):
            raise CorpusError(f'{where} has no text "{name}"; each line has to have "user" and "cmd"')
    cwd = row.get("cwd")
    if cwd is not None and not isinstance(cwd, str):
        raise CorpusError(f'{where}: "cwd" is {cwd!r}; it has to be a text, or left out')
    return row["user"], Line(row["cmd"].strip(), cwd)


# Typing


def replay(lines: Iterable[Line], suggester: Suggester) -> Tally:
    """Type one user's lines in order before ``suggester``, which learns each when it has been typed."""
    tally = Tally()
    for line in lines:
        _type(line, suggester, tally)
        suggester.record(line.command, line.cwd)
    return tally


def _type(line: Line, suggester: Suggester, tally: Tally) -> None:
    """Type one line and count."""
    wanted = line.command
    position, before = 0, None
    while position < len(wanted):
        offered = _look(suggester, wanted[:position], line.cwd, tally)
        text = offered.text if offered else None
        step = 1
        if offered and text is not None:
            tally.shown += 1
            tally.replaced += before is not None and not (text.startswith(before) or before.startswith(text))
            tally.claims.append((math.exp(offered.log_prob), wanted.startswith(text)))
            if position == 0:
                tally.empty_shown += 1
                tally.first_words += text.partition(" ")[0] == wanted.partition(" ")[0]
                tally.whole_lines += text == wanted
            taken = _right_part(text, wanted, position)
            tally.used += taken > 0
            step = taken or 1
        before = text
        position += step
        tally.keys += 1
    tally.commands += 1
    tally.keys += 1
    tally.characters += len(wanted) + 1


def _look(suggester: Suggester, prefix: str, cwd: str | None, tally: Tally) -> Suggested | None:
    """Return the best suggestion, if it goes on from what is typed."""
    start = time.perf_counter()
    offered = suggester.suggest(prefix, cwd)
    tally.latencies_s.append(time.perf_counter() - start)
    if not offered or not offered[0].text.startswith(prefix) or len(offered[0].text) == len(prefix):
        return None
    return offered[0]


def _right_part(text: str, wanted: str, position: int) -> int:
    """Return how many characters of the suggestion one key takes: all, those of its next word, or 0 for none."""
    if wanted.startswith(text):
        return len(text) - position
    word = _NEXT_WORD.match(text, position).group()  # type: ignore[union-attr]  # it matches anything
    return len(word) if len(word) > 1 and wanted.startswith(word, position) else 0


def replay_users(
    users: Mapping[str, Sequence[Line]], factories: Mapping[str, Factory], jobs: int = 1
) -> Iterator[tuple[str, str, Tally]]:
    """Replay every user before each of several suggesters, one suggester after another.

    Parameters
    ----------
    users : mapping
        Lines by user.
    factories : mapping
        By the suggester's name, what makes a fresh one for each user. With several jobs it is sent to other processes:
        a class or function of a module, perhaps a ``partial`` of it.
    jobs : int
        Processes that share the users; 1 is this one. The counts do not depend on it, the latencies do.

    Yields
    ------
    tuple
        The suggester's name, the user, and what was counted, as they get ready.

    Raises
    ------
    TypeaheadError
        A process ended without an answer, or a suggester could not be made.
    """
    if jobs == 1:
        for name, factory in factories.items():
            for user, lines in users.items():
                yield name, user, _replay_user(lines, factory)
        return
    others = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"))
    try:
        with _interrupts_ignored():  # which the processes inherit: Ctrl-C is for this one to handle
            waiting = {
                executor.submit(_replay_user, lines, factory): (name, user)
                for name, factory in factories.items()
                for user, lines in users.items()
            }
        for done in as_completed(waiting):
            yield *waiting[done], done.result()
    except BaseException as error:
        children = set(multiprocessing.active_children()) - others
        for child in children:
            child.terminate()  # it may be in the middle of a long session
        executor.shutdown(cancel_futures=True)
        for child in children:
            child.join()
        if isinstance(error, BrokenProcessPool):
            raise TypeaheadError("a process of the replay was ended from outside; try fewer --jobs") from error
        raise
    executor.shutdown()


def _replay_user(lines: Sequence[Line], factory: Factory) -> Tally:
    return replay(lines, factory())


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only the main one may set signals, or gets them
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


# Figures


def figures(tallies: Sequence[Tally]) -> dict[str, Any]:
    """Return what was counted of some users as shares, rounded.

    - ``saved``: 1 - keys / (characters + Enter), over all users together; ``saved_median_user`` (the upper one of two);
    - ``acceptance``: suggestions used / shown, one a key;
    - ``shown_per_key``: keys, Enter left out, before which a suggestion was shown;
    - ``flicker_per_command``: suggestions replaced by one that does not agree;
    - ``next_first_word``, ``next_line``: lines whose first word, or all, was suggested before the first key;
    - ``empty_line_shown``: lines before whose first key anything was;
    - ``latency_ms``: of one suggestion, median and 99th percentile.
    """
    total = Tally()
    for tally in tallies:
        total += tally
    savings = sorted(1 - tally.keys / tally.characters for tally in tallies)
    latencies_s = sorted(total.latencies_s)
    return {
        "users": len(tallies),
        "commands": total.commands,
        "saved": round(1 - total.keys / total.characters, 4),
        "saved_median_user": round(savings[len(savings) // 2], 4),
        "acceptance": round(total.used / total.shown, 4) if total.shown else 0.0,
        "shown_per_key": round(total.shown / (total.keys - total.commands), 4),
        "flicker_per_command": round(total.replaced / total.commands, 3),
        "next_first_word": round(total.first_words / total.commands, 4),
        "next_line": round(total.whole_lines / total.commands, 4),
        "empty_line_shown": round(total.empty_shown / total.commands, 4),
        "latency_ms": {"p50": _quantile_ms(latencies_s, 0.5), "p99": _quantile_ms(latencies_s, 0.99)},
    }


def _quantile_ms(ordered_s: Sequence[float], quantile: float) -> float:
    return round(1000 * ordered_s[min(len(ordered_s) - 1, int(quantile * len(ordered_s)))], 3)


def resampled_savings(tallies: Sequence[Tally], num_resamples: int = NUM_RESAMPLES, seed: int = 0) -> Array:
    """Return the share of keys saved in ``num_resamples`` draws of as many users, with replacement.

    The draws depend on the number of users and the seed alone, so that of two suggesters replayed on the same users
    the differences are those of pairs.
    """
    rng = np.random.default_rng(seed)
    keys = np.array([tally.keys for tally in tallies])
    characters = np.array([tally.characters for tally in tallies])
    at_once = max(1, _DRAWN_AT_ONCE // len(tallies))
    savings = []
    for start in range(0, num_resamples, at_once):
        drawn = rng.integers(len(tallies), size=(min(at_once, num_resamples - start), len(tallies)))
        savings.append(1 - keys[drawn].sum(1) / characters[drawn].sum(1))
    return np.concatenate(savings)


def interval(resampled: Array) -> tuple[float, float]:
    """Return the bootstrap's percentile interval, 95 % wide, rounded."""
    low, high = np.percentile(resampled, [2.5, 97.5])
    return round(float(low), 4), round(float(high), 4)


# Calibration


class Bin(NamedTuple):
    """The suggestions whose claimed probability lies between ``low`` and ``high``, the upper end left out but for 1."""

    low: float
    high: float
    shown: int
    claimed: float  # mean probability claimed
    right: float  # share that was right


class Precision(NamedTuple):
    """How good the surest suggestions are."""

    coverage: float  # keys, Enter left out, before which one would be shown
    least: float  # probability claimed by the least sure of them
    right: float  # share that was right


def reliability(tallies: Sequence[Tally], num_bins: int = _NUM_BINS) -> list[Bin]:
    """Return, for each range of claimed probabilities that occurs, how often such a suggestion was right.

    Right means that the wanted line starts with the suggestion. Suggestions that claim nothing are left out.
    """
    claimed, right = _claims(tallies)
    numbers = np.minimum((claimed * num_bins).astype(int), num_bins - 1)
    bins = []
    for number in np.unique(numbers):
        inside = numbers == number
        means = float(claimed[inside].mean()), float(right[inside].mean())
        bins.append(Bin(int(number) / num_bins, (int(number) + 1) / num_bins, int(inside.sum()), *means))
    return bins


def precision_at_coverage(tallies: Sequence[Tally], coverages: Sequence[float]) -> list[Precision]:
    """Return how many of the surest suggestions are right, for several shares of keys at which one is shown.

    A coverage that is more than was shown gives what was shown, once.
    """
    claimed, right = _claims(tallies)
    looks = sum(tally.keys - tally.commands for tally in tallies)
    order = np.argsort(-claimed, kind="stable")
    counts = sorted({min(round(coverage * looks), len(order)) for coverage in coverages} - {0})
    return [
        Precision(count / looks, float(claimed[order[count - 1]]), float(right[order[:count]].mean()))
        for count in counts
    ]


def _claims(tallies: Sequence[Tally]) -> tuple[Array, Array]:
    """Return the probabilities claimed, and 1 where the suggestion was right, else 0: two arrays [shown]."""
    pairs = [pair for tally in tallies for pair in tally.claims if not math.isnan(pair[0])]
    claimed, right = np.array(pairs, float).reshape(-1, 2).T
    return claimed, right
