"""The words that the user has added: what is kept of each, and where.

A word is one safetensors file in `folder`, which nobody else may read, with the sound of its takes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from typeahead import config
from typeahead.errors import AudioError, ModelFileError
from typeahead.rnn import checkpoint

Array = np.ndarray[Any, np.dtype[Any]]

KIND = "enrolled word"
LEVEL = 0.84  # of c in `enrolment`, at which a word counts as said
_NAME = re.compile(r"[^\W_](?:[\w -]{0,38}[\w-])?")


@dataclass(frozen=True)
class EnrolledWord:
    """A word of the user's own.

    ``takes``: its sound, (n,) int16 of 16 kHz each; ``spans``: where in each the word starts and ends, in samples.
    """

    word: str
    takes: tuple[Array, ...]
    spans: tuple[tuple[int, int], ...]
    level: float = LEVEL
    created: str = ""


def check_name(word: str) -> str:
    """Return the word as it is kept.

    Raises
    ------
    AudioError
        It is no name for a word.
    """
    word = " ".join(word.split())
    if not _NAME.fullmatch(word):
        raise AudioError(f"{word!r} cannot name a word; take letters, digits, blanks, - and _, 40 at most")
    return word


def folder() -> Path:
    """Return where the user's own words lie; it may not exist yet."""
    return config.data_dir() / "voice"


def _path(word: str, where: Path) -> Path:
    return where / f"{check_name(word)}.safetensors"


def save(enrolled: EnrolledWord, where: Path | None = None) -> Path:
    """Write a word to a file that only its owner can read, in place of one of the same name.

    Raises
    ------
    ModelFileError
        It cannot be written.
    """
    where = where or folder()
    path = _path(enrolled.word, where)
    try:
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        where.chmod(0o700)
    except OSError as error:
        raise ModelFileError(f"{where}: cannot be made ({error.strerror}); see to its permissions") from None
    arrays = {f"take{i}": take for i, take in enumerate(enrolled.takes)}
    metadata = {
        "kind": KIND,
        "word": enrolled.word,
        "spans": [list(span) for span in enrolled.spans],
        "level": enrolled.level,
        "created": enrolled.created,
    }
    checkpoint.save(path, arrays, metadata)
    return path


def load(path: Path) -> EnrolledWord:
    """Read a word.

    Raises
    ------
    ModelFileError
        The file is missing, damaged or something else.
    """
    arrays, metadata = checkpoint.load(path)
    if metadata.get("kind") != KIND:
        raise ModelFileError(
            f"{path}: a {metadata.get('kind', 'file')} of typeahead, not an enrolled word; move it away"
        )
    try:
        word = check_name(metadata["word"])
        spans = tuple((int(start), int(end)) for start, end in metadata["spans"])
        takes = tuple(arrays[f"take{i}"] for i in range(len(spans)))
        fits = all(
            take.dtype == np.int16 and take.ndim == 1 and 0 <= start < end <= len(take)
            for take, (start, end) in zip(takes, spans, strict=True)
        )
        if not takes or not fits:
            raise ValueError("takes and spans")
        return EnrolledWord(word, takes, spans, float(metadata["level"]), str(metadata.get("created", "")))
    except (KeyError, TypeError, ValueError, AudioError) as error:
        raise ModelFileError(f"{path}: parts that do not fit ({error!r}); enrol the word again") from error


def load_all(where: Path | None = None) -> list[EnrolledWord]:
    """Read all words of a folder, by name; none if there is no such folder.

    Raises
    ------
    ModelFileError
        One of them cannot be used.
    """
    return [load(path) for path in sorted((where or folder()).glob("*.safetensors"))]


def remove(word: str, where: Path | None = None) -> None:
    """Forget a word for good.

    Raises
    ------
    AudioError
        There is none of that name.
    """
    path = _path(word, where or folder())
    try:
        path.unlink()
    except FileNotFoundError:
        raise AudioError(f"no word {word!r} is enrolled; typeahead enrol --list shows them") from None
    except OSError as error:
        raise AudioError(f"{path}: cannot be removed ({error.strerror}); see to its permissions") from None
