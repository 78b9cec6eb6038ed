"""``typeahead enrol``: words of the user's own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from typeahead import config
from typeahead.cli import printable
from typeahead.errors import AudioError, ConfigError

if TYPE_CHECKING:
    from typeahead.config import VoiceConfig
    from typeahead.voice.enrolment import Report
    from typeahead.voice.takes import Array

_PATIENCE_S = 15.0  # for which a take is waited for
_READ_S = 0.2
_MOST_BAD = 5  # takes one after another


@click.command()
@click.argument("word", required=False)
@click.argument("files", nargs=-1, metavar="[FILES]...")
@click.option("--takes", type=click.IntRange(2, 20), default=4, show_default=True, metavar="N", help="To record.")
@click.option("--device", metavar="NAME", help="The microphone: its name, a part of that, or its number.")
@click.option("--model", metavar="FILE", help="The voice model beside whose words this one shall be.")
@click.option("--force", is_flag=True, help="Replace a word of that name; take recordings that are not good.")
@click.option("--list", "is_list", is_flag=True, help="Print the words that are enrolled.")
@click.option("--remove", metavar="WORD", help="Forget a word.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--learn-from", metavar="RECORDINGS", hidden=True)
@click.option("-o", "--output", metavar="FILE", hidden=True)
@click.pass_context
def enrol(ctx: click.Context, /, word: str | None, files: tuple[str, ...], **options: Any) -> None:
    """Teach a word or a short phrase, from a few takes.

    Say it when asked, as you will say it later; or name recordings of it, one take each. They stay on this machine, as
    does all that is made of them. `typeahead listen` hears the word from then on; what it does stands in
    `[voice.commands]` of the file of settings.

    \b
    typeahead enrol "lights out"
    typeahead enrol tea tea1.wav tea2.flac tea3.ogg
    typeahead enrol --list
    typeahead enrol --remove tea
    """  # noqa: D301
    if options["learn_from"]:
        _learn(options["learn_from"], options["output"])
    elif options["is_list"]:
        _list(options["as_json"])
    elif options["remove"] is not None:
        from typeahead.voice import vocabulary

        vocabulary.remove(options["remove"])
        click.echo(f"forgot {options['remove']!r}")
    elif word is None:
        raise click.UsageError("say which WORD to learn, or one of --list and --remove", ctx)
    else:
        settings = config.load(voice={"model": options["model"], "device": options["device"]}).voice
        _enrol(word, files, settings, options)


def _list(as_json: bool) -> None:
    from typeahead.voice import vocabulary

    words = vocabulary.load_all()
    if as_json:
        click.echo(json.dumps([{"word": one.word, "takes": len(one.takes), "created": one.created} for one in words]))
        return
    if not words:
        click.echo("no word is enrolled; teach one with: typeahead enrol WORD")
    width = max((len(one.word) for one in words), default=0)
    for one in words:
        click.echo(f"{one.word:<{width}}  {len(one.takes)} takes  {one.created[:10]}")


def _enrol(word: str, files: tuple[str, ...], settings: VoiceConfig, options: dict[str, Any]) -> None:
    from typeahead.voice import vocabulary

    word = vocabulary.check_name(word)
    known = vocabulary.load_all()
    if any(one.word == word for one in known) and not options["force"]:
        raise ConfigError(f"{word!r} is enrolled already; --force enrols it anew, --remove {word!r} forgets it")
    if not files and not sys.stdin.isatty():
        raise AudioError("standard input is no terminal, so nobody can be asked to speak; name recordings of the word")
    if not files:
        takes = _record(word, options["takes"], settings, options["as_json"])
    else:
        takes = [_read(file, options["force"]) for file in files]
    from typeahead.voice import ear
    from typeahead.voice.classifier import Classifier
    from typeahead.voice.enrolment import enrol as learn

    classifier = Classifier.load(ear.model_path(settings))
    enrolled, report = learn(classifier, takes, word, known)
    path = vocabulary.save(enrolled)
    _print(report, len(takes), path, options["as_json"])


def _read(file: str, is_forced: bool) -> Array:
    from typeahead.voice import recordings
    from typeahead.voice.takes import check_take

    y = recordings.read(file)
    if (reason := check_take(y)) and not is_forced:
        raise AudioError(f"{file} is {reason}; record it again, or take it as it is with --force")
    return y


def _record(word: str, num_takes: int, settings: VoiceConfig, as_json: bool) -> list[Array]:
    """Ask for takes until there are enough good ones."""
    from typeahead.voice.audio import Microphone
    from typeahead.voice.takes import check_take

    takes: list[Array] = []
    num_bad = 0
    with Microphone(settings.device or None) as microphone:
        click.echo(f"listening to {printable(microphone.name)}; Ctrl-C leaves, and keeps nothing", err=as_json)
        while len(takes) < num_takes:
            click.echo(f"say {printable(word)!r} now ({len(takes) + 1}/{num_takes})", err=as_json)
            take = _take(microphone)
            reason = check_take(take)
            if reason is None:
                takes.append(take)
                num_bad = 0
                continue
            num_bad += 1
            if num_bad == _MOST_BAD:
                raise AudioError(f"{num_bad} takes one after another were not good, the last {reason}; nothing is kept")
            click.echo(f"  {reason}; once more", err=as_json)
    return takes


def _take(microphone: Any) -> Array:
    """Wait for one take.

    Raises
    ------
    AudioError
        Nothing is said, or the microphone has gone.
    """
    from typeahead.voice.takes import SAMPLE_RATE, EndPointer

    pointer = EndPointer()
    while microphone.read(0) is not None:  # what was said before the question
        pass
    waited_s = 0.0
    while waited_s < _PATIENCE_S:
        block = microphone.read(_READ_S)
        waited_s += _READ_S if block is None else len(block) / SAMPLE_RATE
        if block is not None and (take := pointer.push(block)) is not None:
            return take
    if microphone.silent_s >= _PATIENCE_S / 2:
        raise AudioError(f"{microphone.name} gives only silence; is it muted? typeahead listen --list-devices")
    raise AudioError(f"nothing was heard for {_PATIENCE_S:g} s; come closer to {microphone.name}, and begin again")


def _print(report: Report, num_takes: int, path: Path, as_json: bool) -> None:
    if as_json:
        found = {
            "word": report.word,
            "takes": num_takes,
            "recall": report.recall,
            "distances": [round(distance, 3) for distance in report.distances],
            "level": report.level,
            "spread": round(report.spread, 3),
            "nearest": report.nearest,
            "similarity": round(report.similarity, 3),
            "problems": list(report.problems),
            "path": str(path),
        }
        click.echo(json.dumps(found))
        return
    num_heard = sum(distance <= report.level for distance in report.distances)
    distances = " ".join(f"{distance:.2f}" for distance in report.distances)
    click.echo(f"learnt {report.word!r} from {num_takes} takes")
    click.echo(f"  heard      {num_heard} of {num_takes} takes, each by the others")
    click.echo(f"  distances  {distances} (heard up to {report.level:.2f})")
    if report.nearest:
        click.echo(f"  nearest    {report.nearest!r}, similarity {report.similarity:.2f} of 1")
    click.echo(f"  kept in    {printable(str(path))}")
    for problem in report.problems:
        click.echo(f"  {problem}")


def _learn(source: str, output: str | None) -> None:
    """Make the space that words are compared in, as it is shipped."""
    from typeahead.voice import phonetics, spectrograms
    from typeahead.voice.mfcc import Features, Tables

    if output is None:
        raise ConfigError("--learn-from needs --output FILE")
    features = Features()
    tables = Tables.of(features)
    words = spectrograms.read(source, features, tables)
    space = phonetics.learn(words, features, tables, 0, lambda line: click.echo(line, err=True))
    space.save(output, {"data": words.describe()})
    click.echo(output)
