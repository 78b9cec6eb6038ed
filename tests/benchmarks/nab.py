"""The Numenta Anomaly Benchmark: our scores by its published formula, and files that its own scorer reads.

    uv run python -m tests.benchmarks.nab data/sensor/nab [--output RESULTS] [--detector all] [--thresholds] [--jobs 2]

The folder holds the benchmark's data/, labels/combined_windows.json and config/profiles.json. All series are judged by
one setting, each from its first reading to its last, with nothing learnt before. As in the benchmark itself, the
threshold is the one that is best on the labelled corpus; "crossed" is the score where each half of the files has the
threshold that is best for the other half.

Each detector is shown as it is, and "plain", without the pause that it makes after an alarm. Its own threshold decides
which alarms begin, and the benchmark's chooses among them: so detectors are compared fairly by "own best", the score of
all alarms at the best of several thresholds of its own, and "own crossed", where each half of the files has the one of
these that is best for the other half.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from tests.benchmarks import nab_corpus, nab_scoring
from tests.benchmarks.nab_detectors import DETECTORS, NAB_CONFIG, replay
from typeahead.sensor.anomaly import Watcher

STANDARD = "standard"
OWN_THRESHOLDS = (0.12, 0.16, 0.2, 0.24, 0.28, 0.32, 0.4, 0.5)  # of a watcher; 0.3 stands for one in 1,000


def warm_up():
    Watcher().warm_up()


def detect(name, series, config):
    """Return the scores of a series as they are written, by row ("" and "plain"), and the CPU seconds they took."""
    start = time.process_time()
    scores, plain = DETECTORS[name][1](series, config)
    passed_s = time.process_time() - start
    rows = {"": scores} if plain is None else {"": scores, "plain": plain}
    return {row: nab_corpus.as_written(scores) for row, scores in rows.items()}, passed_s


def run(name, corpus, config, jobs=1):
    """Return a detector's scores of a corpus, name of the row -> one array a series, and the readings a CPU second."""
    if jobs == 1:
        warm_up()
        found = [detect(name, series, config) for series in corpus]
    else:
        with ProcessPoolExecutor(jobs, initializer=warm_up) as pool:
            found = list(pool.map(detect, [name] * len(corpus), corpus, [config] * len(corpus)))
    rows = {name + row: [scores[row] for scores, _ in found] for row in found[0][0]}
    return rows, sum(len(series.values) for series in corpus) / max(sum(passed_s for _, passed_s in found), 1e-9)


def profile_line(profile, score):
    return (
        f"  {profile:20}{score.normalised:7.2f}{score.threshold:11.6g}{score.found:6}/{score.windows}"
        f"{score.false_positives:8}{100 * score.detected / score.readings:11.3f} %"
    )


def report(row, what, corpus, scores, profiles):
    """Return the lines on one row: the score by profile, crossed halves, and what each group comes to."""
    lines = [f"{row}: {what}"]
    lines.append(f"  {'profile':20}{'score':>7}{'threshold':>11}{'windows':>10}{'false':>8}{'detected':>13}")
    best = {name: nab_scoring.best_score(corpus, scores, weights) for name, weights in profiles.items()}
    lines += [profile_line(name, score) for name, score in best.items()]
    weights = profiles[STANDARD]
    halves = nab_scoring.crossed(corpus, scores, weights)
    told = ", ".join(f"{half.normalised:.2f} at {half.threshold:.6g}" for half in halves)
    lines.append(f"  halves, each at the other's best threshold, {STANDARD}: {told}")
    for group in dict.fromkeys(series.group for series in corpus):
        chosen = [i for i, series in enumerate(corpus) if series.group == group]
        part = [corpus[i] for i in chosen], [scores[i] for i in chosen]
        lines.append(profile_line(group, nab_scoring.score_at(*part, weights, best[STANDARD].threshold)))
    return "\n".join(lines)


def own_thresholds(corpus, plain, weights, config):
    """Return what all alarms that a watcher raises come to, as (thresholds of its own -> `Score`, crossed halves)."""
    found = {}
    for threshold in OWN_THRESHOLDS:
        changed = replace(config, threshold=threshold)
        found[threshold] = [nab_corpus.as_written(replay(scores, changed)) for scores in plain]
    halves = [[(corpus[i], i) for i in range(half, len(corpus), 2)] for half in (0, 1)]
    crossed = []
    for here, there in (halves, reversed(halves)):
        best = max(OWN_THRESHOLDS, key=lambda threshold: _part(there, found, threshold, weights).normalised)
        crossed.append(_part(here, found, best, weights))
    scores = {one: nab_scoring.score_at(corpus, found[one], weights, one) for one in OWN_THRESHOLDS}
    return scores, crossed


def _part(part, found, threshold, weights):
    series, places = zip(*part, strict=True)
    return nab_scoring.score_at(series, [found[threshold][i] for i in places], weights, threshold)


def own_report(scores, crossed):
    lines = [f"  all alarms at the watcher's own threshold, {STANDARD}; each half at the other's best of these"]
    lines += [profile_line(f"all at {threshold:g}", score) for threshold, score in scores.items()]
    lines += [profile_line(f"half at {score.threshold:g}", score) for score in crossed]
    return "\n".join(lines)


def mean_of(halves):
    """Return the normalised score of a corpus of that of its halves, each with as much weight as it has windows."""
    windows = sum(half.windows for half in halves)
    return sum(half.normalised * half.windows for half in halves if half.windows) / windows


def summary_line(row, corpus, scores, profiles, own, speed):
    """Return a row of the last table; ``own`` is what `own_thresholds` returns, or None."""
    best = [nab_scoring.best_score(corpus, scores, weights).normalised for weights in profiles.values()]
    crossed = mean_of(nab_scoring.crossed(corpus, scores, profiles[STANDARD]))
    line = f"{row:17}" + "".join(f"{score:10.2f}" for score in [*best, crossed])
    if own is None:
        return f"{line}{'':28}{speed:12,.0f}"
    highest = max(own[0].values(), key=lambda score: score.normalised)
    return f"{line}{f'{highest.normalised:.2f} at {highest.threshold:g}':>15}{mean_of(own[1]):13.2f}{speed:12,.0f}"


def arguments_of(arguments):
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.nab", description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="the benchmark's folder, with data, labels and config")
    parser.add_argument("--output", help="folder to write files of results to")
    parser.add_argument("--detector", action="append", choices=[*DETECTORS, "all"], help="default: network; repeatable")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--seed", type=int, default=NAB_CONFIG.seed, help=f"of the network (default {NAB_CONFIG.seed})")
    parser.add_argument("--thresholds", action="store_true", help="also replay alarms at other thresholds of a watcher")
    given = parser.parse_args(arguments)
    missing = [name for name in nab_corpus.PLACES if not (given.data / name).exists()]
    if missing:
        parser.error(f"{given.data} has no {' and no '.join(missing)}; name a folder with the benchmark's files")
    names = given.detector or ["network"]
    given.detector = list(DETECTORS if "all" in names else dict.fromkeys(names))
    return given


def main(arguments=None):
    given = arguments_of(arguments)
    corpus, profiles = nab_corpus.load(given.data), nab_corpus.profiles(given.data)
    config, summary = replace(NAB_CONFIG, seed=given.seed), []
    for name in given.detector:
        rows, speed = run(name, corpus, config, given.jobs)
        for row, scores in rows.items():
            what = DETECTORS[name][0] + (", without a pause after an alarm" if row != name else "")
            print(report(row, what, corpus, scores, profiles), flush=True)
            own = None
            if given.thresholds and row == name and len(rows) > 1:
                own = own_thresholds(corpus, rows[f"{name}plain"], profiles[STANDARD], config)
                print(own_report(*own), flush=True)
            summary.append(summary_line(row, corpus, scores, profiles, own, speed))
            if given.output:
                for series, one in zip(corpus, scores, strict=True):
                    nab_corpus.write_results(given.output, row, series, one)
    columns = [*(name.removeprefix("reward_").removesuffix("_rate") for name in profiles), "crossed"]
    print(
        f"\n{'detector':17}"
        + "".join(f"{name:>10}" for name in columns)
        + f"{'own best':>15}{'own crossed':>13}{'readings/s':>12}"
    )
    print("\n".join(summary))


if __name__ == "__main__":
    main()
