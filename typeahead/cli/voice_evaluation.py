"""``typeahead evaluate`` and ``typeahead inspect`` of a voice model: figures as text, JSON and pictures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from typeahead.cli.pictures import drawn
from typeahead.errors import ConfigError

if TYPE_CHECKING:
    from typeahead.voice.classifier import Classifier
    from typeahead.voice.detector import DetectorConfig
    from typeahead.voice.evaluation import ClipFigures
    from typeahead.voice.stream_evaluation import Count, StreamFigures, Trial

STREAM_OPTIONS = ("snr", "negatives", "noise", "seed", "hours", "threshold")  # that mean nothing without --stream
_PICTURES = (".png", ".svg", ".pdf")
_CONFUSIONS = 12  # lines where a table does not fit
_PLACES = 20  # false alarms listed


def evaluate_voice(model: str, places: tuple[str, ...], given: dict[str, Any]) -> None:
    """Evaluate a voice model on recordings and print what is found.

    Parameters
    ----------
    model : str
    places : tuple of str
        At most one: a folder with one folder a word, or a tar of spectrograms.
    given : dict
        The options that were given on the command line, by name.

    Raises
    ------
    TypeaheadError
        The model or a recording cannot be read, or options do not go together.
    """
    _check(places, given)
    from typeahead.voice.classifier import Classifier

    classifier = Classifier.load(model)
    plot = Path(given["plot"]) if "plot" in given else None
    if "stream" in given:
        figures = _stream(classifier, places[0] if places else None, given)
        if plot:
            draw_trade(figures, plot)
        click.echo(json.dumps(figures.as_json()) if "json" in given else stream_text(figures, given))
        return
    clips = _clips(classifier, places[0])
    if plot:
        draw_confusion(clips, plot)
    if "json" in given:
        click.echo(json.dumps(clips.as_json()))
    else:
        click.echo(f"{places[0]}: {clips.clips} clips, accuracy {100 * clips.accuracy:.2f} %\n")
        click.echo(confusion_text(clips, shutil.get_terminal_size().columns))


def _check(places: tuple[str, ...], given: dict[str, Any]) -> None:
    if len(places) > 1:
        raise ConfigError(f"a voice model is evaluated on one folder, not {len(places)}; name the one that holds them")
    if "stream" not in given:
        if unused := [name for name in STREAM_OPTIONS if name in given]:
            raise ConfigError(f"--{unused[0]} is of use with --stream only; add that, or leave it out")
        if not places:
            raise ConfigError("no recordings to evaluate on; name a folder that has one folder a word")
    elif not places:
        if "negatives" not in given:
            raise ConfigError("--stream without recordings; name a folder that has one folder a word, or --negatives")
        if unused := [name for name in ("snr", "noise", "seed", "hours") if name in given]:
            raise ConfigError(f"--{unused[0]} is for streams composed of words; name a folder of them, too")
    if "noise" in given and "snr" not in given:
        raise ConfigError("--noise without --snr; say how far below the words the noise is, such as --snr 10")
    if plot := given.get("plot"):
        if Path(plot).suffix not in _PICTURES:
            raise ConfigError(f"--plot {plot}: not one of {', '.join(_PICTURES)}")
        if not Path(plot).absolute().parent.is_dir():
            raise ConfigError(f"--plot {plot}: no folder {Path(plot).parent}; make it first")


@contextmanager
def _progress(unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal."""
    from tqdm import tqdm

    with tqdm(unit=f" {unit}", disable=None, leave=False) as bar:

        def done(count: int, total: int) -> None:
            bar.total = total
            bar.update(count - bar.n)

        yield done


def _clips(classifier: Classifier, place: str) -> ClipFigures:
    from typeahead.voice.evaluation import of_path

    with _progress("clips") as done:
        return of_path(classifier, place, done)


def _stream(classifier: Classifier, place: str | None, given: dict[str, Any]) -> StreamFigures:
    from typeahead.voice.detector import Detector
    from typeahead.voice.stream_evaluation import stream_figures, trial_of_negatives

    config = _config(classifier, given)
    words = _words(classifier, place, config, given) if place is not None else None
    negatives = None
    if "negatives" in given:
        negatives = trial_of_negatives(Detector(classifier, config), given["negatives"])
    return stream_figures(classifier, config, words, negatives)


def _config(classifier: Classifier, given: dict[str, Any]) -> DetectorConfig:
    from typeahead.voice.detector import DetectorConfig
    from typeahead.voice.stream_evaluation import with_threshold

    config = DetectorConfig(thresholds=classifier.metadata.get("thresholds", {}))
    return with_threshold(config, classifier.words, given["threshold"]) if "threshold" in given else config


def _words(classifier: Classifier, place: str, config: DetectorConfig, given: dict[str, Any]) -> Trial:
    from typeahead.voice.compositions import Mel, Plan, Sound, compose
    from typeahead.voice.detector import Detector
    from typeahead.voice.spectrograms import read
    from typeahead.voice.stream_evaluation import trial_of_frames, trial_of_words

    features, tables = classifier.features, classifier.tables
    plan = Plan(given.get("snr"), given.get("hours"), given.get("seed", 0))
    if Path(place).is_file():
        mel = Mel(read(place, features, tables), given.get("noise", ()), features, tables)
        return trial_of_frames(classifier, compose(mel, classifier.labels, plan))
    sound = Sound(place, given.get("noise", ()), features, tables)
    return trial_of_words(Detector(classifier, config), compose(sound, classifier.labels, plan))


def confusion_text(figures: ClipFigures, columns: int = 80) -> str:
    """Return a table: a row for what recordings were, a column for what they were taken for, recall at its end.

    Where ``columns`` of a terminal are too few, the most frequent confusions are listed instead.
    """
    labels, recall, counts = figures.labels, figures.recall, figures.confusion
    rows = [i for i, label in enumerate(labels) if label in recall]
    first = max((len(labels[i]) for i in rows), default=0)
    width = max(4, len(str(counts.max(initial=0))))
    if first + len(labels) * (width + 1) + 9 <= columns:
        heads = "".join(f" {label.strip('_')[:width]:>{width}}" for label in labels)
        lines = [f"{'':{first}}{heads}   recall"]
        for i in rows:
            cells = "".join(f" {n or '.':>{width}}" for n in counts[i])
            lines.append(f"{labels[i]:{first}}{cells} {100 * recall[labels[i]]:6.1f} %")
        return "\n".join(lines)
    lines = [f"{labels[i]:{first}} {100 * recall[labels[i]]:6.1f} % of {counts[i].sum()}" for i in rows]
    wrong = [
        (int(counts[i, j]), labels[i], labels[j]) for i in rows for j in range(len(labels)) if i != j and counts[i, j]
    ]
    if wrong:
        lines.append("most often confused:")
        lines += [f"  {n:5} {was} taken for {taken}" for n, was, taken in sorted(wrong, reverse=True)[:_CONFUSIONS]]
    return "\n".join(lines)


def stream_text(figures: StreamFigures, given: dict[str, Any]) -> str:
    """Return what `StreamFigures` holds as lines, the sweep as a table."""
    lines = _word_lines(figures.words, given) if figures.words is not None else []
    found = figures.as_json()["false_alarms"]
    low, high = found["per_hour_95"]
    where = (
        "recordings without words" if figures.negatives is not None else "the stream, words that it does not know apart"
    )
    lines.append(f"false alarms  {found['count']} in {found['hours']:.2f} h of {where}")
    lines.append(f"              {found['per_hour']:.2f} an hour (95 %: {low:.2f} to {high:.2f})")
    for one in found["each"][:_PLACES]:
        where = f" of {one['recording']}" if one["recording"] else ""
        lines.append(f"              {one['word']} ({one['confidence']:.2f}) at {one['time_s']:.1f} s{where}")
    lines += ["", "threshold   missed   false alarms an hour"]
    for point in figures.sweep:
        missed = "     -" if point.miss_rate is None else f"{100 * point.miss_rate:5.1f} %"
        lines.append(f"{point.threshold:9.3f}  {missed}   {point.per_hour:8.2f}")
    if figures.quiet:
        each = ", ".join(f"{word} {threshold:g}" for word, threshold in figures.quiet.items())
        lines.append(f"without any false alarm: {each}")
    if best := figures.best():
        missed = "" if best.miss_rate is None else f", {100 * best.miss_rate:.1f} % missed"
        lines.append(f"at most 1 false alarm an hour: from threshold {best.threshold:.3f} on{missed}")
    return "\n".join(lines)


def _word_lines(count: Count, given: dict[str, Any]) -> list[str]:
    said = count.spoken.total()
    noise = f"noise {given['snr']:g} dB below them" if "snr" in given else "no noise added"
    missed, substituted = count.missed.total(), count.substituted
    lines = [
        f"words         {said} in {count.hours:.2f} h, {noise}",
        f"missed        {missed} ({100 * count.miss_rate:.1f} %), {substituted} of them heard as another word",
    ]
    worst = sorted(((count.missed[word] / n, word) for word, n in count.spoken.items()), reverse=True)
    lines.append("              " + ", ".join(f"{word} {100 * share:.0f} %" for share, word in worst[:10]))
    if count.unknown:
        share = 100 * count.triggered / count.unknown
        lines.append(f"other words   {count.triggered} of {count.unknown} heard as one of these ({share:.1f} %)")
    if count.delays_s:
        median_s, p90_s = count.delay_s(0.5), count.delay_s(0.9)
        lines.append(f"delay         median {1000 * median_s:.0f} ms, 90 % below {1000 * p90_s:.0f} ms,")
        lines.append("              from the end of the word's loud part to the detection")
    return lines


def draw_confusion(figures: ClipFigures, picture: Path) -> None:
    """Draw the confusion matrix, shaded by the share of each row.

    Raises
    ------
    ConfigError
        The picture cannot be written.
    """
    rows = [i for i, label in enumerate(figures.labels) if label in figures.recall]
    counts, shares = figures.confusion[rows], figures.shares[rows]
    names = [label.strip("_") for label in figures.labels]
    with drawn(picture, figsize=(2 + 0.5 * len(names), 1.8 + 0.45 * len(rows))) as (_, axes):
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(names)), names, rotation=60, ha="right")
        axes.set_yticks(range(len(rows)), [names[i] for i in rows])
        for y, row in enumerate(counts):
            for x, n in enumerate(row):
                if n:
                    axes.text(
                        x, y, n, ha="center", va="center", color="white" if shares[y, x] > 0.5 else "black", size=8
                    )
        axes.set(xlabel="taken for", ylabel="was", title=f"{figures.clips} clips, {100 * figures.accuracy:.2f} % right")


def draw_trade(figures: StreamFigures, picture: Path) -> None:
    """Draw the sweep: misses over false alarms an hour (detection error trade-off), or the latter over the threshold.

    Raises
    ------
    ConfigError
        The picture cannot be written.
    """
    with drawn(picture, figsize=(7, 5)) as (_, axes):
        if figures.words is None:
            axes.plot(
                [p.threshold for p in figures.sweep], [p.per_hour for p in figures.sweep], marker="o", markersize=3
            )
            axes.set(xlabel="threshold", ylabel="false alarms an hour")
        else:
            missed = [100 * (p.miss_rate or 0.0) for p in figures.sweep]
            axes.plot([p.per_hour for p in figures.sweep], missed, marker="o", markersize=3)
            for point, share in list(zip(figures.sweep, missed, strict=True))[::4]:
                axes.annotate(
                    f"{point.threshold:g}", (point.per_hour, share), size=7, xytext=(4, 4), textcoords="offset points"
                )
            axes.set(xlabel="false alarms an hour", ylabel="words missed, %", title="by threshold")
            axes.set_xscale("symlog", linthresh=1)
        axes.grid(alpha=0.3)


def voice_rows(metadata: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what ``typeahead inspect`` prints of a voice model beside its network and its training."""
    features, words = metadata["features"], [label for label in metadata["labels"] if not label.startswith("_")]
    step_ms = 1000 * metadata["frames_per_step"] * features["hop_length"] / features["sr"]
    rows = [
        ("words", ", ".join(words)),
        (
            "features",
            f"{features['n_mfcc']} MFCC of {features['n_mels']} mel bands up to {features['fmax']:g} Hz, "
            f"{1000 * features['win_length'] / features['sr']:g} ms every "
            f"{1000 * features['hop_length'] / features['sr']:g} ms, {features['sr']} Hz",
        ),
        ("step", f"{metadata['frames_per_step']} frames, {step_ms:g} ms"),
    ]
    if thresholds := metadata.get("thresholds"):
        rows.append(("thresholds", ", ".join(f"{word} {value:g}" for word, value in thresholds.items())))
    for part, name in (("train", "data"), ("valid", "validation")):
        about = metadata.get("data", {}).get(part, {})
        if "recordings" in about:
            counts = ", ".join(f"{label} {n}" for label, n in about["labels"].items())
            rows += [(name, f"{about['recordings']:,} recordings: {counts}"), ("", f"sha256 {about['sha256']}")]
    if "noise_frames" in metadata.get("data", {}):
        seconds = metadata["data"]["noise_frames"] * features["hop_length"] / features["sr"]
        rows.append(("noise", f"{seconds:.0f} s"))
    return rows
