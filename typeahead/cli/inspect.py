"""``typeahead inspect``: what a model is, and with ``--memory`` how far back it remembers."""

from __future__ import annotations

import json
from typing import Any

import click

from typeahead.errors import ConfigError


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: the metadata, or what --memory found.")
@click.option("--memory", is_flag=True, help="Measure how far back the model's memory reaches.")
@click.option(
    "--data",
    multiple=True,
    metavar="PATH",
    help="With --memory: what to measure it on; may be given several times.  [default: made up]",
)
@click.option(
    "--max-lag",
    type=click.IntRange(10, 2000),
    default=200,
    metavar="N",
    help="With --memory: steps to look back.  [default: 200]",
)
@click.option("--plot", metavar="PICTURE", help="With --memory: draw the curves (.png, .svg, .pdf).")
@click.pass_context
def inspect(ctx: click.Context, /, models: tuple[str, ...], as_json: bool, memory: bool, **options: Any) -> None:
    """Print what a model file holds and how it was made.

    All of it is from the file itself: architecture, parameters, data, training command and figures.

    With --memory the model is run, and it is measured what is left of the past in it: the norm of the gradient of a
    loss with respect to the state k steps before, layer by layer; the loss when the context is cut to k steps; whether
    a small disturbance of the state grows or is forgotten; how many gates are as good as shut or open. Text models read
    files, folders or - for standard input, or text that they make up themselves; voice models recordings, folders or
    tars of them, or noise; models of readings what typeahead watch does. Several are shown side by side (--json: a
    list).

    \b
    typeahead inspect models/shell.safetensors
    typeahead inspect models/shell.safetensors --memory
    typeahead inspect elman.safetensors lstm.safetensors --memory --data shakespeare.txt --plot memory.svg
    """  # noqa: D301 (click wants the character, not a backslash)
    if memory:
        from typeahead.cli.inspect_memory import Asked, inspect_memory

        inspect_memory(models, Asked(as_json=as_json, **options))
        return
    for name in options:
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise ConfigError(f"--{name.replace('_', '-')} is of use with --memory only; add that, or leave it out")
    if len(models) > 1:
        raise ConfigError(f"{len(models)} models side by side are for --memory; add that, or name one")
    _describe(models[0], as_json)


def _describe(model: str, as_json: bool) -> None:
    from typeahead.rnn.checkpoint import load_model

    network, metadata = load_model(model)
    if as_json:
        click.echo(json.dumps({**metadata, "num_parameters": network.num_parameters}))
        return
    rows = [("file", f"{model} (format {metadata['format_version']}, {metadata.get('program', 'unknown program')})")]
    rows += _architecture(metadata["network"], network.num_parameters, str(network.dtype))
    if is_voice := metadata.get("kind") == "voice":
        from typeahead.cli.voice_evaluation import voice_rows

        rows += voice_rows(metadata)
    elif metadata.get("kind") == "sensor":
        rows += [("series", ", ".join(metadata["names"])), ("learnt from", f"{metadata['count']:,} readings")]
    else:
        rows += _data(metadata.get("data", {}))
    rows += _training(metadata) + _figures(metadata.get("figures", {}), is_voice)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name:{width}}  {value}")


def _architecture(config: dict[str, Any], num_parameters: int, dtype: str) -> list[tuple[str, str]]:
    layers = f"{config['num_layers']} layer{'s' if config['num_layers'] > 1 else ''}"
    return [
        ("network", f"{config['cell']}, {layers} of {config['hidden_size']} units, dropout {config['dropout']:g}"),
        (
            "symbols" if config.get("one_hot", True) else "numbers",
            f"{config['input_size']} in, {config['output_size']} out",
        ),
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
        told = (f"{name} {value if isinstance(value, str) else f'{value:g}'}" for name, value in settings.items())
        rows.append(("settings", ", ".join(told)))
    return rows


def _figures(figures: dict[str, Any], is_voice: bool) -> list[tuple[str, str]]:
    rows = []
    if figures.get("valid_loss") is not None:
        best = f"{figures['valid_loss']:.4f} nats"
        best += " a step" if is_voice else f", {figures['valid_bits_per_byte']:.4f} bits per byte"
        rows.append(("validation loss", f"{best} at step {figures['best_step']}"))
    if figures.get("train_loss") is not None:
        rows.append(("training loss", f"{figures['train_loss']:.4f} nats (smoothed)"))
    if "steps" in figures:
        seen = "" if is_voice else f"{figures['bytes_seen']:,} bytes, "
        took = f"{figures['seconds'] / 60:.1f} minutes"
        rows.append(("trained", f"{figures['steps']:,} steps, {seen}{took}, {figures['date']}"))
    return rows
