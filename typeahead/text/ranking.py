"""What a candidate is worth, and whether it is shown: one scale for all sources, one dial for the user.

The scale is the number of keys that a suggestion is expected to save: P(right) x (characters - 1 for the key that
takes it), or, where only its next word is right, those of that word. Whether anything is shown depends on how sure it
is that the key which takes it, or its next word, would be pressed; this probability is corrected by what became of
earlier suggestions.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from dataclasses import dataclass, field

_NEXT_WORD = re.compile(r" *[^ /]*[ /]?")
_LEARNING_RATE = 0.05  # of the correction
_MAX_REMEMBERED = 2000  # suggestions whose fate is known
_SURE = 1e-4  # how near to 0 or 1 a probability may come


@dataclass(frozen=True)
class Dial:
    """How sure a suggestion must be to be shown.

    Attributes
    ----------
    least : float
        Probability that its next word is right.
    after_miss : float
        The same, at the key right after one that a shown suggestion did not expect: a suggestion that is replaced at
        every key is worse than none.
    at_empty : float
        The same, at the empty prompt.
    """

    least: float
    after_miss: float
    at_empty: float


DIALS = {
    "quiet": Dial(0.25, 0.65, 0.15),
    "balanced": Dial(0.12, 0.65, 0.1),
    "eager": Dial(0.05, 0.65, 0.0),
}


@dataclass
class Candidate:
    """A text that may follow what is typed.

    Attributes
    ----------
    text : str
        Without what is typed.
    sources : dict of str to float
        How much of its probability comes from where: "model", "history", "files".
    next_word : float
        Probability that its next word is right; at least that of the whole.
    whole_line : float
        Probability that the line ends after it.
    """

    text: str
    sources: dict[str, float] = field(default_factory=dict)
    next_word: float = 0.0
    whole_line: float = 0.0

    @property
    def probability(self) -> float:
        """Of the line going on like this."""
        return sum(self.sources.values())

    @property
    def source(self) -> str:
        """Where most of its probability comes from."""
        return max(self.sources, key=lambda name: self.sources[name])

    @property
    def worth(self) -> float:
        """Keys that it is expected to save."""
        p = self.probability
        return p * (len(self.text) - 1) + (self.next_word - p) * (len(next_word(self.text)) - 1)


def next_word(text: str) -> str:
    """Return what one key takes of ``text`` where not all of it is wanted: up to and with a space or slash."""
    return _NEXT_WORD.match(text).group()  # type: ignore[union-attr]  # it matches anything


def word_starts(text: str) -> list[int]:
    """Return where words start inside ``text``: after spaces and slashes."""
    return [match.end() for match in re.finditer(r"[ /](?=[^ /])", text) if match.end() < len(text)]


class Confidence:
    """How often suggestions that claimed a probability were of use, learnt on-line: a logistic regression.

    It corrects the claimed probability by what was ever shown: a line that was taken before is surer, one that was
    passed over is less so, each user in their own measure.
    """

    def __init__(self) -> None:
        self.weights = [0.0, 1.0, 0.0, 0.0]  # constant, claimed, taken before, passed over before
        self._fates: OrderedDict[str, list[int]] = OrderedDict()  # line -> times taken, passed over

    def features(self, line: str, claimed: float) -> list[float]:
        """Return what the correction looks at."""
        p = min(max(claimed, _SURE), 1 - _SURE)
        taken, passed = self._fates.get(line, (0, 0))
        return [1.0, math.log(p / (1 - p)), math.log1p(taken), math.log1p(passed)]

    def probability(self, line: str, claimed: float) -> float:
        """Return the corrected probability that a key would take the shown ``line`` or its next word."""
        z = sum(weight * value for weight, value in zip(self.weights, self.features(line, claimed), strict=True))
        return 1 / (1 + math.exp(-z)) if z > -500 else 0.0

    def learn(self, line: str, claimed: float, taken: bool) -> None:
        """Learn what became of a suggestion that was shown."""
        error = taken - self.probability(line, claimed)
        for index, value in enumerate(self.features(line, claimed)):
            self.weights[index] += _LEARNING_RATE * error * value
        fate = self._fates.setdefault(line, [0, 0])
        fate[not taken] += 1
        self._fates.move_to_end(line)
        if len(self._fates) > _MAX_REMEMBERED:
            self._fates.popitem(last=False)

    def forget(self) -> None:
        """Forget every line that was shown."""
        self._fates.clear()
