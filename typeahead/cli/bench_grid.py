"""The trials of a benchmark: which of them comes next, and the file that holds what they came to."""

from __future__ import annotations

import fcntl
import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from typeahead.errors import TrainingError

if TYPE_CHECKING:
    from typeahead.rnn.trials import Outcome, Trial

DONE = ("solved", "unsolved", "exploded")  # results that another run would only repeat


class Grid:
    """Which trial comes next.

    Longest first, but a length waits until one of the kind's seeds has solved the next shorter one, and is left out if
    none does: what cannot bridge 50 steps need not be tried, for the longest time of all, at 400.

    Parameters
    ----------
    trials : list of Trial
    solved : dict of Trial to bool
        Those with a result already, and whether they were solved.
    exhaustive : bool
        Let no trial wait and leave none out.
    """

    def __init__(self, trials: list[Trial], solved: dict[Trial, bool], exhaustive: bool = False) -> None:
        self.trials, self._solved, self._exhaustive = trials, dict(solved), exhaustive
        self._waiting = sorted((trial for trial in trials if trial not in solved), key=lambda trial: -trial.work)

    def next(self) -> Trial | None:
        """Return a trial to start now, which the grid then forgets; None: there is none, or none yet."""
        for trial in self._waiting:
            if trial.length <= self._reach(trial)[0]:
                self._waiting.remove(trial)
                return trial
        return None

    def finish(self, trial: Trial, solved: bool) -> None:
        """Take note of a result."""
        self._solved[trial] = solved

    def left_out(self) -> list[Trial]:
        """Return the trials that need not run, because no seed of their kind solved a shorter length."""
        return [trial for trial in self._waiting if (found := self._reach(trial))[1] and trial.length > found[0]]

    def left(self) -> int:
        """Return how many trials have not been given out and are not left out."""
        return len(self._waiting) - len(self.left_out())

    def _reach(self, trial: Trial) -> tuple[float, bool]:
        """Return the longest length that may run of the trial's kind and task, and whether that will stay so."""
        row = [other for other in self.trials if (other.task, other.kind) == (trial.task, trial.kind)]
        for length in sorted({other.length for other in row}):
            results = [self._solved.get(other) for other in row if other.length == length]
            if not self._exhaustive and not any(results):
                return length, all(result is False for result in results)
        return math.inf, False


class Results:
    """The file of results: one JSON object a trial, in the order in which they ended; locked while it is written to.

    A line holds what identifies the trial beside what it came to, so the same command, run again, goes on where it was
    ended. Of several lines of a trial the last one counts. Without a path nothing is kept.

    Raises
    ------
    TrainingError
        The file cannot be written, is no file of results, or another run is writing it.
    """

    def __init__(self, path: Path | None, corpus: str | None = None) -> None:
        self._path, self._corpus = path, corpus
        self._file: IO[bytes] | None = None
        self._known: dict[str, dict[str, Any]] = {}
        if path is None:
            return
        try:
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
        except OSError as error:
            raise TrainingError(f"{path}: cannot be written ({error.strerror}); set --json elsewhere") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._read(self._file.read())
        except BlockingIOError as error:
            self._file.close()
            raise TrainingError(f"{path}: another run is writing it; wait for it or set another --json") from error
        except (ValueError, KeyError, TypeError) as error:
            self._file.close()
            raise TrainingError(f"{path}: not a file of results of bench memory; set another --json") from error

    def _read(self, content: bytes) -> None:
        whole = content[: content.rfind(b"\n") + 1]  # what kill -9 left of a line is written anew
        for line in whole.splitlines():
            record = json.loads(line)
            self._known[self._key(record["trial"], record["corpus"])] = record["outcome"]
        assert self._file is not None
        self._file.truncate(len(whole))
        self._file.seek(len(whole))

    @staticmethod
    def _key(trial: dict[str, Any], corpus: str | None) -> str:
        return json.dumps([trial, corpus], sort_keys=True)

    def _record(self, trial: Trial) -> tuple[dict[str, Any], str | None]:
        return asdict(trial), self._corpus if trial.task == "bytes" else None

    def get(self, trial: Trial) -> dict[str, Any] | None:
        """Return what the trial came to, by the names of `Outcome`, or None."""
        return self._known.get(self._key(*self._record(trial)))

    def add(self, trial: Trial, outcome: Outcome) -> None:
        """Keep what the trial came to, on the disk at once.

        Raises
        ------
        TrainingError
            The file cannot be written.
        """
        # JSON knows no NaN, which the loss is before the first examination.
        figures = {name: None if value != value else value for name, value in outcome._asdict().items()}
        figures["curve"] = [[step, loss if math.isfinite(loss) else None] for step, loss in outcome.curve]
        described, corpus = self._record(trial)
        self._known[self._key(described, corpus)] = figures
        if self._file is None:
            return
        try:
            self._file.write(json.dumps({"trial": described, "corpus": corpus, "outcome": figures}).encode() + b"\n")
        except OSError as error:
            raise TrainingError(
                f"{self._path}: cannot be written ({error.strerror}); make room and run this again, it goes on"
            ) from error

    def close(self) -> None:
        """Close the file and with it the lock."""
        if self._file is not None:
            self._file.close()
