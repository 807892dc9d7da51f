"""Programs that the workload of splits times, each in a process of its own.

`python split_programs.py WHAT …` prints the seconds that the work itself took.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable

SPEAKER_TAKES = 20
LABELS = 50
SEGMENTS = 10
FOLDS = 5
DAY_US = 86_400_000_000
START_US = 1_700_000_000_000_000
ASKED = {"split": "cv:fold1", "segment": "s1", "view": "a", "minus": ["b"], "sample": "10%"}


def history(folder: str, examples: str, changesets: str, labels: str = str(LABELS)) -> float:
    """Commits examples of speakers without files, and makes splits, segments and two views."""
    from dsm import api
    from dsm.history.commit import Intent, record
    from dsm.model.rows import ADDED, Rows

    repo = api.init(folder, dataset="data")
    ds = repo.dataset()
    each, names = int(examples) // int(changesets), [f"label{n:02d}" for n in range(int(labels))]
    began = time.perf_counter()
    for _ in range(int(changesets)):
        number = ds.head
        draw = random.Random(number)
        ids = draw.randbytes(32 * each)
        speakers = [f"s{(number * each + i) // SPEAKER_TAKES:06d}" for i in range(each)]
        rows = Rows(
            [f"part{number:03d}/{speaker}_{i:07d}.wav" for i, speaker in enumerate(speakers)],
            [ADDED] * each,
            [ids[i : i + 32] for i in range(0, 32 * each, 32)],
            [draw.randrange(2_000, 20_000) for _ in range(each)],
            [START_US + number * DAY_US + draw.randrange(DAY_US) for _ in range(each)],
            [(names[draw.randrange(len(names))],) for _ in range(each)],
            [None] * each,
            [{"speaker": speaker} for speaker in speakers],
            [False] * each,
            [None] * each,
        )
        intent = Intent(f"changeset {number}", "benchmark", START_US, os.urandom(16).hex())
        record(repo, ds.log_, ds.snapshots, rows.sorted(), number, intent)
    ds.splits.create("h", "train=80%,test=20%")
    ds.splits.create("cv", folds=FOLDS, stratify="label")
    for number in range(SEGMENTS):
        ds.segments.create(f"s{number}", labels=names[number::5])
    for name, label in (("a", "label01"), ("b", "label02")):
        ds.prepare(labels=[label], name=name)
    return time.perf_counter() - began


def version(folder: str) -> float:
    """The version of a question with a split, a segment, two views and a sample; seconds for one."""
    from dsm import api

    ds = api.open(folder).dataset()
    ds.query(**ASKED)  # type: ignore[arg-type]
    began = time.perf_counter()
    for _ in range(1000):
        _ = ds.query(**ASKED).version  # type: ignore[arg-type]
    return (time.perf_counter() - began) / 1000


def figures(folder: str) -> float:
    """The figures of all segments; the snapshot is opened before."""
    from dsm import api

    ds = api.open(folder).dataset()
    ds.snapshot()
    began = time.perf_counter()
    found = ds.segments.stats()
    spent = time.perf_counter() - began
    assert len(found) == SEGMENTS
    return spent


def _columns(folder: str) -> tuple[object, object]:
    import numpy as np

    from dsm import api

    table = api.open(folder).dataset().snapshot()
    labels = table.column("labels").combine_chunks().flatten().dictionary_encode().indices
    groups = table.column("attr.speaker").combine_chunks().dictionary_encode().indices
    return np.asarray(labels), np.asarray(groups)


def folds_of_sklearn(folder: str) -> float:
    """All folds of StratifiedGroupKFold, as positions; labels and groups are numbers already."""
    from sklearn.model_selection import StratifiedGroupKFold

    labels, groups = _columns(folder)
    began = time.perf_counter()
    found = list(StratifiedGroupKFold(FOLDS).split(labels, labels, groups))
    spent = time.perf_counter() - began
    assert len(found) == FOLDS
    return spent


def folds_of_dsm(folder: str) -> float:
    """The same by dsm: a split of groups, each label alike, made and read as positions."""
    from dsm import api

    ds = api.open(folder).dataset()
    view = ds.prepare()
    view.table()
    if "timed" in ds.splits:
        ds.splits.remove("timed")
    began = time.perf_counter()
    split = ds.splits.create("timed", folds=FOLDS, stratify="label", group="speaker")
    found = list(split.fold_indices(view))
    spent = time.perf_counter() - began
    assert len(found) == FOLDS
    return spent


def near(folder: str) -> float:
    """The near-duplicates of all pictures of a dataset, fingerprints not kept yet."""
    import shutil

    from dsm import api
    from dsm.near.find import find

    ds = api.open(folder).dataset()
    shutil.rmtree(ds.repo.layout.near, ignore_errors=True)
    objects = ds.snapshot().column("object").combine_chunks().dictionary_encode().dictionary
    began = time.perf_counter()
    find(ds.repo, objects)
    return time.perf_counter() - began


PROGRAMS: dict[str, Callable[..., float]] = {
    each.__name__: each
    for each in (history, version, figures, folds_of_sklearn, folds_of_dsm, near)
}

if __name__ == "__main__":
    print(PROGRAMS[sys.argv[1]](*sys.argv[2:]))
