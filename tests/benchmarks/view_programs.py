"""Programs that the view workloads time, each in a process of its own: `python view_programs.py WHAT …`.

Prints the seconds that the work itself took, without the start of the interpreter.
"""

from __future__ import annotations

import os
import random
import sys
import tarfile
import time
from collections.abc import Callable, Iterable

LABELS = 50
DAY_US = 86_400_000_000
START_US = 1_700_000_000_000_000


def history(folder: str, examples: str, changesets: str) -> float:
    """Commits examples without files (nothing below reads objects): so many more changesets."""
    from dsm import api
    from dsm.history.commit import Intent, record
    from dsm.model.rows import ADDED, Rows

    repo = api.init(folder, dataset="data")
    ds = repo.dataset()
    each = int(examples) // int(changesets)
    began = time.perf_counter()
    for _ in range(int(changesets)):
        number = ds.head
        draw = random.Random(number)
        ids = draw.randbytes(32 * each)
        rows = Rows(
            [f"class{i % 1000:04d}/part{number:03d}/example{i:07d}.jpg" for i in range(each)],
            [ADDED] * each,
            [ids[i : i + 32] for i in range(0, 32 * each, 32)],
            [draw.randrange(2_000, 20_000) for _ in range(each)],
            [START_US + number * DAY_US + draw.randrange(DAY_US) for _ in range(each)],
            [(f"label{draw.randrange(LABELS):02d}",) for _ in range(each)],
            [None] * each,
            [{}] * each,
            [False] * each,
            [None] * each,
        )
        intent = Intent(f"changeset {number}", "benchmark", START_US, os.urandom(16).hex())
        record(repo, ds.log_, ds.snapshots, rows.sorted(), number, intent)
    return time.perf_counter() - began


def version(folder: str) -> float:
    """The version of a view, a thousand times; seconds for one."""
    from dsm import api

    ds = api.open(folder).dataset()
    asked = {"labels": ["label01", "label02"], "since": "2023-11-20", "percent": "80%"}
    ds.query(**asked)
    began = time.perf_counter()
    for _ in range(1000):
        _ = ds.query(**asked).version  # type: ignore[arg-type]
    return (time.perf_counter() - began) / 1000


def tar_with_tarfile(root: str, out: str) -> float:
    """A tar of a folder by Python's tarfile."""
    began = time.perf_counter()
    with tarfile.open(out, "w") as target:
        target.add(root, arcname=".")
    return time.perf_counter() - began


def shards_with_webdataset(root: str, out: str) -> float:
    """The shards that `dsm get` writes, by the package's own writer."""
    import webdataset

    paths = sorted(_paths(root))
    classes = {name: number for number, name in enumerate(sorted({p.split("/")[0] for p in paths}))}
    began = time.perf_counter()
    with webdataset.ShardWriter(f"{out}/shard-%06d.tar", maxsize=256_000_000, verbose=0) as sink:
        for path in paths:
            with open(os.path.join(root, path), "rb") as file:
                payload = file.read()
            key, _, suffix = path.rpartition(".")
            label = path.split("/")[0]
            about = {"path": path, "labels": [label], "size": len(payload)}
            sink.write({"__key__": key, suffix: payload, "cls": classes[label], "json": about})
    return time.perf_counter() - began


def read_files(root: str) -> float:
    """Every file read by its path."""
    paths = [os.path.join(root, path) for path in sorted(_paths(root))]
    began = time.perf_counter()
    total = 0
    for path in paths:
        with open(path, "rb") as file:
            total += len(file.read())
    return _spent(began, total)


def iterate(folder: str, view: str, shuffled: str = "") -> float:
    """Every example of a view, verified, in order or shuffled."""
    from dsm import api

    opened = api.open(folder).view(view)
    opened.table()
    began = time.perf_counter()
    source: Iterable[object] = opened.iterate(seed=1) if shuffled else opened
    return _spent(began, sum(len(example.bytes) for example in source))  # type: ignore[attr-defined]


def loader_of_files(root: str) -> float:
    """A DataLoader over a folder of class folders, two workers, no decoding."""
    from torch.utils.data import DataLoader, Dataset

    paths = sorted(_paths(root))
    classes = {name: number for number, name in enumerate(sorted({p.split("/")[0] for p in paths}))}

    class Files(Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return len(paths)

        def __getitem__(self, index: int) -> tuple[bytes, int]:
            with open(os.path.join(root, paths[index]), "rb") as file:
                return file.read(), classes[paths[index].split("/")[0]]

    return _drain(DataLoader(Files(), batch_size=64, num_workers=2, collate_fn=_bytes_only))


def loader_of_view(folder: str, view: str) -> float:
    """A DataLoader over a view, two workers, no decoding."""
    from torch.utils.data import DataLoader

    import dsm.torch
    from dsm import api

    found = dsm.torch.ViewDataset(api.open(folder).view(view), transform=_payload)
    return _drain(DataLoader(found, batch_size=64, num_workers=2, collate_fn=_bytes_only))


def _payload(example: object) -> tuple[bytes, int]:
    return example.bytes, 0  # type: ignore[attr-defined]


def _bytes_only(batch: list[tuple[bytes, int]]) -> int:
    return sum(len(payload) for payload, _ in batch)


def _drain(loader: Iterable[int]) -> float:
    began = time.perf_counter()
    return _spent(began, sum(loader))


def _spent(began: float, total: int) -> float:
    spent = time.perf_counter() - began
    assert total > 0
    return spent


def _paths(root: str) -> list[str]:
    return [
        os.path.relpath(os.path.join(folder, name), root)
        for folder, _, names in os.walk(root)
        for name in names
    ]


PROGRAMS: dict[str, Callable[..., float]] = {
    f.__name__: f
    for f in (
        history, version, tar_with_tarfile, shards_with_webdataset, read_files, iterate,
        loader_of_files, loader_of_view,
    )
}  # fmt: skip

if __name__ == "__main__":
    print(PROGRAMS[sys.argv[1]](*sys.argv[2:]))
