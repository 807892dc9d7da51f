"""Programs that the remote workload times, each in a process of its own: `python remote_programs.py
WHAT …`.

Prints, in its last line, the seconds that the work itself took, without the start of the
interpreter. The bucket is that of `s3_server.py`, whose address is in `AWS_ENDPOINT_URL`.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any

START_US = 1_700_000_000_000_000
REQUESTS_AT_ONCE = 16
BATCH = 64
# A plain download writes as dsm does: larger writes may wait for larger pages.
WRITE_BYTES = 512 << 10


def history(folder: str, examples: str, changesets: str) -> float:
    """Commits examples of 16 bytes without files: so many, in so many changesets."""
    from blake3 import blake3

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
        data = [draw.randbytes(16) for _ in range(each)]
        ids = [repo.store.put(one) for one in data]
        assert ids[0] == blake3(data[0]).digest()
        repo.store.flush()
        rows = Rows(
            [f"class{i % 1000:04d}/part{number:03d}/example{i:07d}.jpg" for i in range(each)],
            [ADDED] * each, ids, [16] * each,
            [START_US + number * 1000 + draw.randrange(1000) for _ in range(each)],
            [(f"label{draw.randrange(50):02d}",) for _ in range(each)],
            [None] * each, [{}] * each, [False] * each, [None] * each,
        )  # fmt: skip
        intent = Intent(f"changeset {number}", "benchmark", START_US, os.urandom(16).hex())
        record(repo, ds.log_, ds.snapshots, rows.sorted(), number, intent)
    return time.perf_counter() - began


def small_commits(folder: str, commits: str, files: str) -> float:
    """Commits a few new files, again and again, each pushed by itself."""
    from dsm import api

    repo = api.open(folder)
    began = time.perf_counter()
    for number in range(int(commits)):
        ds = repo.dataset()
        paths = []
        for each in range(int(files)):
            path = os.path.join(folder, "data", f"more{number:04d}-{each:02d}.bin")
            with open(path, "wb") as file:
                file.write(random.Random(f"{number}/{each}").randbytes(8192))
            paths.append(path)
        ds.add(paths)
        ds.commit(f"more {number}")
        repo.push()
    return time.perf_counter() - began


def download(prefix: str, folder: str) -> float:
    """Every pack of a remote, to files, by ranges of 8 MiB, many at once: a plain download."""
    from concurrent.futures import ThreadPoolExecutor

    import obstore

    store = _store()
    found = [each for part in obstore.list(store, prefix=f"{prefix}/packs") for each in part]
    os.makedirs(folder)
    size = 8 << 20
    parts = [
        (each["path"], at, min(at + size, each["size"]))
        for each in found for at in range(0, each["size"], size)
    ]  # fmt: skip
    files = {
        each["path"]: os.open(os.path.join(folder, str(n)), os.O_CREAT | os.O_WRONLY)
        for n, each in enumerate(found)
    }

    def bring(part: tuple[str, int, int]) -> int:
        path, start, end = part
        data = memoryview(obstore.get_range(store, path, start=start, end=end))
        for at in range(0, len(data), WRITE_BYTES):
            os.pwrite(files[path], data[at : at + WRITE_BYTES], start + at)
        return len(data)

    began = time.perf_counter()
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as threads:
        total = sum(threads.map(bring, parts))
    return _spent(began, total)


def upload(packs: str, prefix: str) -> float:
    """Every pack of a folder to the bucket, by `s3fs.put`."""
    files = _s3fs()
    began = time.perf_counter()
    files.put(packs, f"bucket/{prefix}", recursive=True)
    return time.perf_counter() - began


def forget(prefix: str) -> float:
    """Removes everything below a prefix of the bucket: the server holds it in memory."""
    import obstore

    store = _store()
    began = time.perf_counter()
    for part in obstore.list(store, prefix=prefix):
        obstore.delete(store, [each["path"] for each in part])
    return time.perf_counter() - began


def get_view(folder: str, view: str, out: str) -> float:
    """Writes a view as shards; prints the bytes of its examples before the seconds."""
    from dsm import api

    opened = api.open(folder).view(view)
    began = time.perf_counter()
    opened.get(out)
    spent = time.perf_counter() - began
    print(sum(opened.table().column("size").to_pylist()))
    return spent


def epoch(place: str, view: str, epochs: str = "1") -> float:
    """Epochs of a view by a DataLoader with two workers, shuffled; seconds of the last one."""
    import dsm
    from dsm.torch import IterableViewDataset, ViewLoader

    opened = dsm.open(place).view(view)
    found = IterableViewDataset(opened, seed=1, batch_size=BATCH, transform=_size, collate=sum)
    loader = ViewLoader(found, num_workers=2)
    spent = 0.0
    for _ in range(int(epochs)):
        began = time.perf_counter()
        spent = _spent(began, sum(loader))
    return spent


def _size(example: object) -> int:
    return len(example.bytes)  # type: ignore[attr-defined]


def _spent(began: float, total: int) -> float:
    spent = time.perf_counter() - began
    assert total > 0
    return spent


def _store() -> Any:
    from obstore.store import S3Store

    return S3Store(
        "bucket", endpoint=os.environ["AWS_ENDPOINT_URL"], virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )  # fmt: skip


def _s3fs() -> Any:
    import s3fs

    return s3fs.S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"])


PROGRAMS: dict[str, Callable[..., float]] = {
    f.__name__: f
    for f in (history, small_commits, download, upload, forget, get_view, epoch)
}  # fmt: skip

if __name__ == "__main__":
    print(PROGRAMS[sys.argv[1]](*sys.argv[2:]))
