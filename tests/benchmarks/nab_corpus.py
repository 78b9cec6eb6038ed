"""The Numenta Anomaly Benchmark's files: series with labelled windows, the profiles' weights, and files of results.

    DATA/data/<group>/<file>.csv         timestamp,value
    DATA/labels/combined_windows.json    {"<group>/<file>.csv": [[first timestamp, last timestamp], ...]}
    DATA/config/profiles.json            what a find, a miss and a false alarm weigh in each profile
    RESULTS/<detector>/<group>/<detector>_<file>.csv    timestamp,value,anomaly_score,label

Reference: Lavin and Ahmad 2015, Evaluating Real-Time Anomaly Detection Algorithms - the Numenta Anomaly Benchmark.
"""

import csv
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tests.benchmarks.nab_scoring import Weights

PLACES = ("data", "labels/combined_windows.json", "config/profiles.json")
HEADER = ["timestamp", "value", "anomaly_score", "label"]


@dataclass(frozen=True)
class Series:
    """One file of the benchmark.

    Attributes
    ----------
    name : str
        "<group>/<file>.csv".
    timestamps, texts : list of str
        Times and values as they are written.
    times_s, values : array (n,)
        The same as numbers; times in seconds since the epoch.
    windows : list of (int, int)
        First and last reading of each labelled window, in order.
    """

    name: str
    timestamps: list[str]
    texts: list[str]
    times_s: np.ndarray
    values: np.ndarray
    windows: list[tuple[int, int]]

    @property
    def group(self):
        return self.name.split("/")[0]

    @property
    def labels(self):
        """1 for the readings from a window's first to its last, 0 for all others (n,)."""
        labels = np.zeros(len(self.values), np.int64)
        for first, last in self.windows:
            labels[first : last + 1] = 1
        return labels


def seconds(timestamp):
    """Return the seconds since the epoch of a time as the benchmark writes it, taken for UTC."""
    return datetime.fromisoformat(timestamp).replace(tzinfo=UTC).timestamp()


def load(data):
    """Return the series that have an entry in the list of windows, by name.

    Raises
    ------
    ValueError
        A window begins or ends where its file has no reading.
    """
    windows = json.loads((Path(data) / PLACES[1]).read_text())
    return [_series(Path(data) / PLACES[0], name, windows[name]) for name in sorted(windows)]


def _series(folder, name, windows):
    with (folder / name).open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    timestamps, texts = [row[0] for row in rows], [row[1] for row in rows]
    times_s = np.array([seconds(timestamp) for timestamp in timestamps])
    places = []
    for limits in windows:
        found = [np.flatnonzero(times_s == seconds(limit)) for limit in limits]
        if not all(map(len, found)):
            raise ValueError(f"{name}: no reading at {limits[0]} or {limits[1]}, a window's first and last")
        places.append((int(found[0][0]), int(found[1][0])))
    return Series(name, timestamps, texts, times_s, np.array([float(text) for text in texts]), sorted(places))


def profiles(data):
    """Return what the profiles are called -> `Weights`."""
    given = json.loads((Path(data) / PLACES[2]).read_text())
    costs = {name: profile["CostMatrix"] for name, profile in given.items()}
    return {name: Weights(cost["tpWeight"], cost["fnWeight"], cost["fpWeight"]) for name, cost in costs.items()}


def as_written(scores):
    """Return scores (n,) as they are once they are written: with twelve digits, which decides what is equal."""
    return np.array([float(f"{score:.12g}") for score in scores])


def results_path(results, detector, series):
    group, file = series.name.split("/")
    return Path(results) / detector / group / f"{detector}_{file}"


def write_results(results, detector, series, scores):
    """Write a detector's scores (n,) of a series where and as the benchmark's own scorer looks for them.

    Raises
    ------
    ValueError
        The name has an underscore, at which that scorer cuts a file's name.
    """
    if "_" in detector:
        raise ValueError(f"detector {detector!r}: the benchmark's scorer takes no name with an underscore")
    path = results_path(results, detector, series)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        written = (f"{score:.12g}" for score in scores)
        writer.writerows(zip(series.timestamps, series.texts, written, series.labels, strict=True))


def read_results(results, detector, series):
    """Return the scores (n,) that were written of a series."""
    with results_path(results, detector, series).open(newline="") as file:
        return np.array([float(row["anomaly_score"]) for row in csv.DictReader(file)])
