"""What a suggester has to beat: nothing, four ways to look a past line up, and counted characters.

Each is one user's and learns from :meth:`record` alone, like :class:`typeahead.Suggester`, whose signatures they have.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice

from typeahead.text.suggester import Suggestion

_NUM_SYMBOLS = 256  # that the n-gram shares the probability of a character it has never seen among
_LINE_END = "\n"


class Nothing:
    """No suggestion, ever."""

    def suggest(self, prefix: str, cwd: str | None = None, limit: int = 1) -> list[Suggestion]:
        """Return nothing."""
        return []

    def record(
        self, command: str, cwd: str | None = None, exit_status: int | None = 0, time: float | None = None
    ) -> None:
        """Learn nothing."""


class NewestMatch:
    """The newest past line that starts with what is typed, as fish and zsh-autosuggestions do; on an empty line none.

    Its suggestions claim no probability.
    """

    _on_empty_line = False

    def __init__(self) -> None:
        self._lines: list[str] = []  # in the order of their runs

    def suggest(self, prefix: str, cwd: str | None = None, limit: int = 1) -> list[Suggestion]:
        """Return at most ``limit`` different past lines, best first."""
        if not prefix and not self._on_empty_line:
            return []
        matching = (line for line in self._ranked() if line.startswith(prefix) and line != prefix)
        return [Suggestion(line, "history", math.nan) for line in islice(_distinct(matching), max(limit, 0))]

    def record(
        self, command: str, cwd: str | None = None, exit_status: int | None = 0, time: float | None = None
    ) -> None:
        """Remember ``command`` as the newest line."""
        self._lines.append(command)

    def _ranked(self) -> Iterator[str]:
        """Yield past lines, best first, perhaps some of them again."""
        return reversed(self._lines)


class AfterSamePrevious(NewestMatch):
    """The newest matching line that was run after the same line as the present one; without any, the newest match.

    On an empty line, too: a bigram of lines.
    """

    _on_empty_line = True

    def __init__(self) -> None:
        super().__init__()
        self._followers: defaultdict[str, list[str]] = defaultdict(list)

    def record(
        self, command: str, cwd: str | None = None, exit_status: int | None = 0, time: float | None = None
    ) -> None:
        """Remember ``command`` as the newest line, and as one that follows the line before."""
        if self._lines:
            self._followers[self._lines[-1]].append(command)
        super().record(command, cwd, exit_status, time)

    def _ranked(self) -> Iterator[str]:
        if self._lines:
            yield from reversed(self._followers.get(self._lines[-1], []))
        yield from super()._ranked()


class MostFrequent(NewestMatch):
    """The matching line that was run most often; of several the one run last. On an empty line, too."""

    _on_empty_line = True

    def __init__(self) -> None:
        super().__init__()
        self._counts: Counter[str] = Counter()

    def record(
        self, command: str, cwd: str | None = None, exit_status: int | None = 0, time: float | None = None
    ) -> None:
        """Count a run of ``command``."""
        self._counts[command] += 1
        super().record(command, cwd, exit_status, time)

    def _ranked(self) -> Iterator[str]:
        newest_first = _distinct(reversed(self._lines))
        return iter(sorted(newest_first, key=lambda line: -self._counts[line]))  # stable: newest first among equals


class CharacterNgram:
    """Characters counted by the few before them (Witten & Bell 1991), learnt line by line, completed greedily.

    The probability of a character after a context interpolates with the next shorter context's::

        P(c | context) = (count(context c) + kinds(context) P(c | shorter)) / (count(context) + kinds(context))

    where ``kinds`` is the number of different characters seen there; below the empty context all characters are alike.
    The lines of a user are one stream, so that the end of the line before is a context too.

    Parameters
    ----------
    order : int
        Length of the n-grams: a character and the ``order - 1`` before it.
    min_probability : float
        The likeliest characters are appended, to the end of the line, for as long as their product is not below this.
    """

    def __init__(self, order: int = 6, min_probability: float = 0.25) -> None:
        self._num_before = order - 1
        self._min_probability = min_probability
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._before = _LINE_END  # the end of the stream
        self._likeliest: dict[str, tuple[str, float]] = {}  # by context, until the counts change

    def suggest(self, prefix: str, cwd: str | None = None, limit: int = 1) -> list[Suggestion]:
        """Return the greedy completion, if it is at least one character."""
        if not self._counts or limit < 1:
            return []
        context, text, probability = self._context(self._before + prefix), "", 1.0
        while True:
            character, factor = self._next(context)
            if probability * factor < self._min_probability or character == _LINE_END:
                break
            text += character
            probability *= factor
            context = self._context(context + character)
        return [Suggestion(prefix + text, "model", math.log(probability))] if text else []

    def record(
        self, command: str, cwd: str | None = None, exit_status: int | None = 0, time: float | None = None
    ) -> None:
        """Count the characters of ``command`` and of its end."""
        for character in command + _LINE_END:
            for start in range(len(self._before) + 1):
                self._counts[self._before[start:]][character] += 1
            self._before = self._context(self._before + character)
        self._likeliest.clear()

    def probability(self, character: str, context: str) -> float:
        """Return P(character | context); of a longer context its end counts."""
        seen, unseen = self._distribution(self._context(context))
        return seen.get(character, unseen)

    def _next(self, context: str) -> tuple[str, float]:
        """Return the likeliest character and its probability."""
        found = self._likeliest.get(context)
        if found is None:
            seen, _ = self._distribution(context)
            found = max(seen.items(), key=lambda item: item[1])
            self._likeliest[context] = found
        return found

    def _distribution(self, context: str) -> tuple[dict[str, float], float]:
        """Return the probability of each character seen at all, and that of any other, after ``context``.

        From the longest context down, each hands on the weight that is not its own.
        """
        weight = 1.0
        seen: defaultdict[str, float] = defaultdict(float)
        for start in range(len(context) + 1):
            counts = self._counts.get(context[start:])
            if counts is None:
                continue
            share = weight / (counts.total() + len(counts))
            for character, count in counts.items():
                seen[character] += share * count
            weight = share * len(counts)
        unseen = weight / _NUM_SYMBOLS
        return {character: probability + unseen for character, probability in seen.items()}, unseen

    def _context(self, text: str) -> str:
        return text[-self._num_before :] if self._num_before else ""


def _distinct(lines: Iterable[str]) -> Iterator[str]:
    """Yield each line once, where it comes first."""
    seen = set()
    for line in lines:
        if line not in seen:
            seen.add(line)
            yield line
