"""``typeahead evaluate`` and ``typeahead inspect``: what a model is worth, and what it is."""

from __future__ import annotations

import json
import math
from typing import Any

import click

from typeahead.cli.sessions import sessions

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
        formatter.write_usage(ctx.command_path, "sessions [OPTIONS] FILE.jsonl", prefix="   or: ")


@click.group(cls=_Evaluate, invoke_without_command=True)
@click.argument("model")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: loss, bits_per_byte, bytes.")
def evaluate(model: str, files: tuple[str, ...], as_json: bool) -> None:
    """Print how well a model predicts files.

    The loss is the mean of -ln P(byte | all bytes before it) over every byte of a file, read from its start to its end
    with the state carried on; the first byte is predicted as if after a line's end. Files may be whatever typeahead
    train reads: folders, gzip, sessions, - for standard input. Each file starts afresh; the last line, and --json, is
    over all bytes together.

    With the word sessions first it is another command, described by typeahead evaluate sessions --help; a model file of
    that name is ./sessions.
    """
    from typeahead.rnn.checkpoint import load_model
    from typeahead.rnn.evaluation import sequence_loss
    from typeahead.text import corpus

    network, _ = load_model(model)
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


@click.command()
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print the file's whole metadata as one JSON object.")
def inspect(model: str, as_json: bool) -> None:
    """Print what a model file holds and how it was made.

    All of it is from the file itself: architecture, parameters, data, training command and figures.
    """
    from typeahead.rnn.checkpoint import load_model

    network, metadata = load_model(model)
    if as_json:
        click.echo(json.dumps({**metadata, "num_parameters": network.num_parameters}))
        return
    rows = [("file", f"{model} (format {metadata['format_version']}, {metadata.get('program', 'unknown program')})")]
    rows += _architecture(metadata["network"], network.num_parameters, str(network.dtype))
    rows += _data(metadata.get("data", {})) + _training(metadata) + _figures(metadata.get("figures", {}))
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name:{width}}  {value}")


def _architecture(config: dict[str, Any], num_parameters: int, dtype: str) -> list[tuple[str, str]]:
    layers = f"{config['num_layers']} layer{'s' if config['num_layers'] > 1 else ''}"
    return [
        ("network", f"{config['cell']}, {layers} of {config['hidden_size']} units, dropout {config['dropout']:g}"),
        ("symbols", f"{config['input_size']} in, {config['output_size']} out"),
        ("parameters", f"{num_parameters:,} ({dtype})"),
    ]


def _data(data: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for part, name in (("train", "data"), ("valid", "validation")):
        about = data.get(part, {})
        if "held_out_bytes" in about:
            held = about["held_out_bytes"]
            rows.append((name, f"the last {held:,} bytes of the data" if held else "none"))
        if "bytes" not in about:
            continue
        files = ", ".join(f"{file['name']} ({file['bytes']:,} bytes)" for file in about["files"][:5])
        more = f" and {about['num_files'] - 5} more" if about["num_files"] > 5 else ""
        rows.append((name, f"{files}{more}; {about['bytes']:,} bytes, {about['distinct_bytes']} of 256 values"))
        rows.append(("", f"sha256 {about['sha256']}"))
    return rows


def _training(metadata: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("command", metadata["command"])] if "command" in metadata else []
    if metadata.get("init"):
        rows.append(("started from", metadata["init"]))
    settings = {name: value for name, value in metadata.get("train", {}).items() if value is not None}
    if settings:
        rows.append(("settings", ", ".join(f"{name} {value:g}" for name, value in settings.items())))
    return rows


def _figures(figures: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    if figures.get("valid_loss") is not None:
        best = f"{figures['valid_loss']:.4f} nats, {figures['valid_bits_per_byte']:.4f} bits per byte"
        rows.append(("validation loss", f"{best} at step {figures['best_step']}"))
    if figures.get("train_loss") is not None:
        rows.append(("training loss", f"{figures['train_loss']:.4f} nats (smoothed)"))
    if "steps" in figures:
        took = f"{figures['seconds'] / 60:.1f} minutes"
        rows.append(
            ("trained", f"{figures['steps']:,} steps, {figures['bytes_seen']:,} bytes, {took}, {figures['date']}")
        )
    return rows
