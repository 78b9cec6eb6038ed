"""``typeahead listen``: words out of a microphone or a recording, and what they do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from typeahead import config
from typeahead.errors import AudioError, ConfigError

if TYPE_CHECKING:
    from typeahead.cli.listen_session import Source
    from typeahead.config import VoiceConfig
    from typeahead.voice.ear import Ear

_ABOVE_ZERO = click.FloatRange(min=0, min_open=True)


@click.command()
@click.option("--device", metavar="NAME", help="The microphone: a part of its name, or its number.")
@click.option("--list-devices", is_flag=True, help="Print the microphones and leave.")
@click.option("--model", metavar="MODEL", help="The voice model.  [default: the shipped one]")
@click.option("--input", "recording", metavar="FILE", help="Listen to a recording, or - for standard input.")
@click.option(
    "--raw-rate", type=click.IntRange(min=1), metavar="HZ", help="Rate of samples without a header (16 bits)."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a word.")
@click.option("--once", is_flag=True, help="Print the first word, do nothing about it, and leave.")
@click.option("--timeout", type=_ABOVE_ZERO, metavar="S", help="Leave after so many seconds; with --once, status 1.")
@click.option("--push-to-talk", is_flag=True, help="The microphone is open between one Enter and the next.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--sleep-word", metavar="WORD", help="After it no other word is heard until it is said again.")
@click.option(
    "--threshold",
    type=click.FloatRange(min=0, max=1, min_open=True, max_open=True),
    metavar="X",
    help="How sure a word must be, for all words.",
)
@click.option("--calibrate", is_flag=True, help="Measure the room, set thresholds for it, and leave.")
@click.option("--child", is_flag=True, hidden=True)
@click.pass_context
def listen(ctx: click.Context, /, **options: Any) -> None:
    """Listen for spoken words and do what they stand for.

    A word acts at the prompt of the typeahead shell that was typed in last; `[voice.commands]` in the file of settings
    says how: by default up, down, left and right move, go accepts the suggestion, stop is Ctrl-C, yes and no answer, on
    and off turn suggestions on and off. Where no such shell is open, its line is printed. No word runs anything unless
    its own setting says so, and what destroys is never run without a key.

    \b
    typeahead listen
    typeahead listen --list-devices
    typeahead listen --input note.wav --json
    word=$(typeahead listen --once --timeout 5)
    """  # noqa: D301 (click wants the character, not a backslash)
    if options["list_devices"]:
        _print_devices(options["as_json"])
        return
    settings = config.load(
        voice={"model": options["model"], "device": options["device"], "sleep_word": options["sleep_word"]}
    ).voice
    if options["child"]:
        from typeahead.cli.listen_child import serve

        serve(settings)
        return
    ctx.exit(_listen(settings, options))


def _print_devices(as_json: bool) -> None:
    import json

    from typeahead.voice.audio import input_devices

    devices = input_devices()
    if not devices:
        raise AudioError("there is no microphone; plug one in, and see that the system's sound settings show it")
    for device in devices:
        if as_json:
            click.echo(json.dumps(device._asdict()))
            continue
        mark = "*" if device.is_default else " "
        name = " ".join(device.name.split())
        click.echo(f"{mark} {device.number:>2}  {name}  ({device.num_channels} channels, {device.sample_rate:g} Hz)")


def _listen(settings: VoiceConfig, options: dict[str, Any]) -> int:
    from typeahead.cli.listen_actions import Actions
    from typeahead.cli.listen_keys import Keys
    from typeahead.cli.listen_session import Options, Session
    from typeahead.cli.listen_view import Screen
    from typeahead.shell import prompt
    from typeahead.voice.commands import commands

    recording = options["recording"]
    is_shown = sys.stdout.isatty() and not options["as_json"] and not prompt.is_dumb()
    keys = Keys.of_terminal(is_stdin_taken=recording == "-") if sys.stdout.isatty() else None
    if options["push_to_talk"] and (recording is not None or keys is None):
        raise ConfigError("--push-to-talk needs a microphone and a terminal with a key to press; leave it out")

    def load() -> Ear:
        from typeahead.voice import ear

        loaded = ear.load(settings, options["threshold"])
        loaded.warm_up()
        return loaded

    def open_source() -> Source:
        if recording is not None:
            from typeahead.voice.recordings import FileSource

            return FileSource(recording, options["raw_rate"])
        from typeahead.voice.audio import Microphone

        return Microphone(settings.device or None)

    screen = Screen() if is_shown else None
    if options["calibrate"]:
        from typeahead.cli.listen_calibration import DURATION_S, calibrate

        duration_s = options["timeout"] or DURATION_S
        calibrate(load, open_source, duration_s, screen, options["as_json"], options["dry_run"])
        return 0
    session = Session(
        load,
        open_source,
        Actions(commands(), options["dry_run"], may_ask=keys is not None),
        Options(
            is_live=recording is None,
            as_json=options["as_json"],
            once=options["once"],
            push_to_talk=options["push_to_talk"],
            timeout_s=options["timeout"],
            sleep_word=settings.sleep_word,
            save_detections=settings.save_detections,
        ),
        screen,
        keys,
    )
    return session.run()
