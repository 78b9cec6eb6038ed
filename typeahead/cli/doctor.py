"""``typeahead doctor``: whether everything is in order, and what to do where it is not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from typeahead import config

if TYPE_CHECKING:
    from typeahead.shell.diagnosis import Finding

_MARKS = {"good": "ok", "note": "--", "wrong": "!!"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Look at everything typeahead needs, and say what to do.

    Nothing you have typed is printed, so the output can be pasted into a report. Exit status 1 if something is wrong.
    """
    from typeahead.shell import diagnosis

    findings = [*diagnosis.examine(), _model(), *_sound()]
    for finding in findings:
        if as_json:
            click.echo(json.dumps(finding._asdict()))
        else:
            _print(finding)
    if any(finding.state == diagnosis.WRONG for finding in findings):
        ctx.exit(1)


def _print(finding: Finding) -> None:
    from typeahead.cli import printable

    click.echo(f"{_MARKS[finding.state]}  {finding.subject:<11} {printable(finding.text)}")
    if finding.next_step:
        click.echo(f"{'':<16}{printable(finding.next_step)}")


def _model() -> Finding:
    from typeahead.shell.diagnosis import look_at

    def look() -> str:
        from typeahead.rnn.checkpoint import load_model

        path = config.shell_model()
        network, _ = load_model(path)
        shape = network.config
        return f"{path}: {shape.cell.upper()} {shape.num_layers} x {shape.hidden_size}"

    return look_at("model", look, "typeahead config unset model goes back to the shipped one")


def _sound() -> list[Finding]:
    from typeahead.errors import AudioError
    from typeahead.shell.diagnosis import GOOD, NOTE, Finding
    from typeahead.voice.audio import input_devices

    try:
        devices = input_devices()
    except AudioError as error:
        return [Finding("sound", NOTE, str(error), "only what listens needs it; typing does without")]
    if not devices:
        return [Finding("sound", NOTE, "PortAudio is there; no microphone is", "plug one in to be heard")]
    names = ", ".join(f"{device.name}{' (default)' if device.is_default else ''}" for device in devices)
    return [Finding("sound", GOOD, f"PortAudio, microphones: {names}")]
