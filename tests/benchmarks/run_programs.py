"""Programs that the workload of runs times or needs, each in a process of its own.

`python run_programs.py WHAT …` prints the seconds that the work itself took.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from typing import Any

PACKAGES = {f"package-{n}": f"1.{n}" for n in range(140)}
METRICS = {"f1": 0.9, "loss": 0.1, "accuracy": 0.95}
LABELS, SITES, SPEAKER_TAKES = 10, 10, 20


def _made(repo: Any, count: int, views: list[Any], name: str = "run") -> None:
    """Records runs that are complete; each read one of the views, in turn."""
    from dsm.runs.run import End, Start

    for number in range(count):
        start = Start(
            name, ["python", "train.py"], number, "Ada", {"lr": str(number)},
            None, None, "3.11", PACKAGES,
        )  # fmt: skip
        run = repo.runs.begin(start)
        if views:
            repo.runs.note_view(run.id, views[number % len(views)])
        run.end(End(0, number + 1, 1, METRICS, []))


def runs(folder: str, count: str) -> float:
    """Records runs that read no view."""
    from dsm import api

    began = time.perf_counter()
    _made(api.init(folder, dataset="data"), int(count), [])
    return time.perf_counter() - began


def used(folder: str, views: str, count: str) -> float:
    """Prepares views of every changeset by label, and records runs that read them.

    Its segments are of as many speakers each, as the sites that data comes from.
    """
    from dsm import api

    repo = api.open(folder)
    ds = repo.dataset()
    began = time.perf_counter()
    for each in list(ds.segments):
        ds.segments.remove(each.name)
    speakers = [-(-len(ds.snapshot()) * n // (SPEAKER_TAKES * SITES)) for n in range(SITES + 1)]
    for site, (first, last) in enumerate(itertools.pairwise(speakers)):
        ds.segments.create(
            f"site{site}", where=[f"speaker >= s{first:06d}", f"speaker < s{last:06d}"]
        )
    made = [
        ds.prepare(labels=[f"label{n % LABELS:02d}"], at=1 + n * ds.head // int(views))
        for n in range(int(views) - 1)
    ]
    made.append(ds.prepare(name="all"))
    _made(repo, int(count), made)
    return time.perf_counter() - began


def predictions(folder: str, file: str) -> float:
    """Writes probabilities of each class for every example, and records the run `model`."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from dsm import api

    repo = api.open(folder)
    view = repo.view("all")
    table = view.table()
    labels = table.column("labels").combine_chunks().flatten().dictionary_encode()
    names = labels.dictionary.to_pylist()
    began = time.perf_counter()
    draw = np.random.default_rng(1)
    raw = draw.random((len(table), len(names)), np.float32)
    raw[np.arange(len(table)), labels.indices.to_numpy()] += 0.5
    raw /= raw.sum(axis=1, keepdims=True)
    columns = {f"prob.{name}": raw[:, at] for at, name in enumerate(names)}
    pq.write_table(pa.table({"path": table.column("path"), **columns}), file)
    _made(repo, 1, [view], name="model")
    return time.perf_counter() - began


PROGRAMS: dict[str, Callable[..., float]] = {
    each.__name__: each for each in (runs, used, predictions)
}

if __name__ == "__main__":
    print(PROGRAMS[sys.argv[1]](*sys.argv[2:]))
