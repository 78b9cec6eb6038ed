"""``typeahead listen --calibrate``: thresholds for the room that the microphone stands in."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from typeahead.cli.listen_view import Screen

if TYPE_CHECKING:
    from typeahead.cli.listen_session import Source
    from typeahead.voice.calibration import Calibration
    from typeahead.voice.ear import Ear

DURATION_S = 30.0
_DRAW_S = 0.125


def calibrate(
    load: Callable[[], Ear],
    open_source: Callable[[], Source],
    duration_s: float,
    screen: Screen | None = None,
    as_json: bool = False,
    dry_run: bool = False,
) -> None:
    """Measure the room, print the thresholds that suit it and how often they will be wrong, and keep them.

    Parameters
    ----------
    load : callable
        Returns the ear.
    open_source : callable
        Opens the microphone, or a recording of the room.
    duration_s : float
        How long to measure, at most.
    screen : Screen, optional
        Where to show how far it is.
    as_json : bool
        Print one JSON object.
    dry_run : bool
        Keep nothing.
    """
    from typeahead.voice import calibration
    from typeahead.voice.ear import joined

    if screen is not None:
        screen.draw(["loading the voice model"])
    else:
        click.echo(f"typeahead: measuring the room for {duration_s:g} s; say nothing to it", err=True)
    try:
        ear = load()
        source = open_source()
        try:
            blocks, words = _measure(ear, source, duration_s, screen)
        finally:
            source.close()
        if screen is not None:
            screen.draw(["working out thresholds"])
        detector = ear.detector
        found = calibration.calibrate(detector.classifier, detector.matcher, joined(blocks))  # type: ignore[arg-type]
    finally:
        if screen is not None:
            screen.close()
    where = "" if dry_run else str(calibration.save(found, detector.classifier, source.name))
    click.echo(json.dumps(_object(found, words, where)) if as_json else "\n".join(_lines(found, words, where)))


def _measure(ear: Ear, source: Source, duration_s: float, screen: Screen | None) -> tuple[list[Any], list[str]]:
    """Return the room's sound, and the words that were taken to be in it."""
    blocks: list[Any] = []
    words: list[str] = []
    drawn_at, level_db = 0.0, -100.0
    while ear.detector.time_s < duration_s and not source.ended:
        block = source.read(0.1)
        if block is not None:
            blocks.append(block)
            words += [detection.word for detection in ear.hear(block)]
            level_db = max(level_db, ear.detector.level_db)
        if screen is not None and time.monotonic() - drawn_at >= _DRAW_S:
            drawn_at = time.monotonic()
            figures = f"{ear.detector.time_s:.0f} of {duration_s:.0f} s, {level_db:.0f} dBFS"
            row = f"measuring the room: {figures}; say nothing to it"
            screen.draw([row[: screen.size().columns - 1]])
            level_db = -100.0
    return blocks, words


def _object(found: Calibration, words: list[str], where: str) -> dict[str, Any]:
    return {
        "thresholds": dict(found.thresholds),
        "false_alarms_per_hour": {word: round(rate, 3) for word, rate in found.per_hour.items()},
        "total_per_hour": round(found.total_per_hour, 3),
        "at_most_per_hour": round(found.at_most_per_hour, 1),
        "seconds": round(60 * found.minutes, 1),
        "heard": words,
        "file": where,
    }


def _lines(found: Calibration, words: list[str], where: str) -> list[str]:
    width = max(len("word"), *(len(word) for word in found.thresholds))
    lines = [f"{'word':<{width}}  threshold  false alarms an hour"]
    lines += [
        f"{word:<{width}}  {threshold:9.2f}  {found.per_hour[word]:20.2f}"
        for word, threshold in found.thresholds.items()
    ]
    measured = f"{60 * found.minutes:.0f} s of this room"
    lines.append(f"{'all':<{width}}  {'':9}  {found.total_per_hour:20.2f}")
    lines.append(
        f"after {measured}, at most {found.at_most_per_hour:.0f} an hour are sure; more time tells more: --timeout"
    )
    if words:
        lines.append(f"words were heard meanwhile: {', '.join(words)}; if you have said them, do this again in silence")
    lines.append(f"kept in {where}" if where else "nothing was kept")
    return lines
