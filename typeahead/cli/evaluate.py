"""``typeahead evaluate``: what a model is worth."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import click

from typeahead.cli.sessions import sessions
from typeahead.errors import ConfigError

if TYPE_CHECKING:
    from typeahead.rnn.network import Network

_ABOVE_ZERO = click.FloatRange(min=0, min_open=True)
_SHARE = click.FloatRange(min=0, max=1, min_open=True, max_open=True)
_START = ord("\n")  # what the first byte of a file is predicted from: a line begins after a line's end


class _Evaluate(click.Group):
    """A group that evaluates files, unless the first argument is one of its commands."""

    allow_interspersed_args = True  # typeahead evaluate MODEL FILE --json

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        command = self.commands.get(args[0]) if args else None
        if command is None:
            return super().make_context(info_name, args, parent, **extra)
        return command.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[OPTIONS] MODEL FILE...")
        formatter.write_usage(ctx.command_path, "[OPTIONS] VOICE_MODEL FOLDER", prefix="   or: ")
        formatter.write_usage(ctx.command_path, "sessions [OPTIONS] FILE.jsonl", prefix="   or: ")


@click.group(cls=_Evaluate, invoke_without_command=True)
@click.argument("model")
@click.argument("files", nargs=-1, metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--plot", metavar="PICTURE", help="Voice: draw the confusion matrix, or misses over false alarms.")
@click.option("--stream", is_flag=True, help="Voice: let the detector listen to long recordings composed of FOLDER's.")
@click.option("--snr", type=float, metavar="DB", help="With --stream: words in noise so far below them.")
@click.option("--noise", multiple=True, metavar="PATH", help="With --snr: recordings of noise.  [default: white noise]")
@click.option(
    "--negatives", multiple=True, metavar="PATH", help="With --stream: recordings without words, for false alarms."
)
@click.option("--hours", type=_ABOVE_ZERO, metavar="H", help="With --stream: its length.  [default: each clip once]")
@click.option(
    "--seed", type=click.IntRange(min=0), metavar="N", help="With --stream: draws order and noise.  [default: 0]"
)
@click.option("--threshold", type=_SHARE, metavar="X", help="With --stream: of all words.  [default: the model's]")
@click.pass_context
def evaluate(ctx: click.Context, /, model: str, files: tuple[str, ...], as_json: bool, **voice: Any) -> None:
    """Print how well a model predicts files, or how well a voice model hears words.

    Text: the loss is the mean of -ln P(byte | all bytes before it) over every byte of a file, read from its start to
    its end with the state carried on; the first byte is predicted as if after a line's end. Files may be whatever
    typeahead train reads: folders, gzip, sessions, - for standard input. Each file starts afresh; the last line, and
    --json (loss, bits_per_byte, bytes), is over all bytes together.

    Voice: FOLDER holds one folder of recordings a word; of other words (_unknown_ or any name) and of none (_silence_)
    too; or it is a tar of spectrograms. Printed are accuracy, recall and confusion (--json: accuracy, recall,
    confusion, clips). With --stream it is misses, false alarms and delay of the detector, and all of it at other
    thresholds.

    \b
    typeahead evaluate models/voice.safetensors recordings
    typeahead evaluate models/voice.safetensors recordings --stream --snr 10 --noise kitchen.wav --negatives talk

    With the word sessions first it is another command, described by typeahead evaluate sessions --help; a model file of
    that name is ./sessions.
    """  # noqa: D301 (click wants the character, not a backslash)
    given = {
        name: value
        for name, value in voice.items()
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }
    if not files and "stream" not in given:
        raise click.MissingParameter(ctx=ctx, param_hint="'FILE...'", param_type="argument")
    from typeahead.rnn.checkpoint import load_model

    network, metadata = load_model(model)
    if metadata.get("kind") == "voice":
        from typeahead.cli.voice_evaluation import evaluate_voice

        evaluate_voice(model, files, given | ({"json": True} if as_json else {}))
        return
    if given:
        raise ConfigError(f"--{next(iter(given))} is for voice models, and {model} is none; leave it out")
    _evaluate_text(network, files, as_json)


def _evaluate_text(network: Network, files: tuple[str, ...], as_json: bool) -> None:
    from typeahead.rnn.evaluation import sequence_loss
    from typeahead.text import corpus

    corpora = [(name, corpus.read([name]).data) for name in files]  # all, before minutes are spent on the first
    total_nats, total_bytes = 0.0, 0
    for name, data in corpora:
        nats = sequence_loss(network, data, _START)
        total_nats, total_bytes = total_nats + nats, total_bytes + len(data)
        if not as_json and len(files) > 1:
            _print_loss(name, nats / len(data), len(data))
    loss = total_nats / total_bytes
    if as_json:
        click.echo(json.dumps({"loss": loss, "bits_per_byte": loss / math.log(2), "bytes": total_bytes}))
    else:
        _print_loss(files[0] if len(files) == 1 else "all", loss, total_bytes)


def _print_loss(name: str, loss: float, size: int) -> None:
    click.echo(f"{name}: loss {loss:.4f} nats, {loss / math.log(2):.4f} bits per byte, {size} bytes")


evaluate.add_command(sessions)
