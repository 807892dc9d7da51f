"""Workloads on large files and on real images: copying speed, and bytes that edits and media cost.

Invariant: sizes are read from the disk after the command has ended, never from what it prints.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from . import corpus
from .bench import Bench
from .measure import Side, always, bytes_below, lengths_below
from .report import Goal, Row, timed_row

BLOBS, BLOB_BYTES = 10, 200_000_000
JSONL_BYTES, EDITS, INSERTED = 1_000_000_000, 100, 1_000_000
NEW_BYTES = Goal(3, None, "%")
CIFAR_BYTES = Goal(22, 19, "MB")
CIFAR_PATTERN = "{split}/{label}/{name}.jpg"


def blobs(bench: Bench) -> Iterator[Row]:
    """`dsm add` of ten files of 200 MB against `cp -r`."""
    workload, programs = "large files", bench.programs
    project = bench.scratch.folder("blobs")
    size = bench.count(BLOB_BYTES)
    corpus.write_blobs(project / "data", BLOBS, size)

    def init(_: int) -> None:
        bench.scratch.only_data(project)
        bench.dsm(workload, project, "init")

    def stored(_: int) -> None:
        found = lengths_below(project / ".dsm")
        if found < BLOBS * size:
            raise AssertionError(f"dsm stored {found} of {BLOBS * size} random bytes")
        bench.scratch.only_data(project)

    trials = bench.compare(
        workload,
        [
            bench.copy_side(project),
            Side(
                "dsm",
                always(programs.dsm_command(project, "add", "data")),
                init,
                stored,
                reads=(project / "data",),
            ),
        ],
    )
    bench.scratch.discard(project)
    what = f"add of {BLOBS} x {size / 1e6:.4g} MB / cp -r"
    yield timed_row(workload, what, trials["dsm"], trials["cp"], Goal(1.3, 1.05))


def jsonl(bench: Bench) -> Iterator[Row]:
    """New bytes in packs when a large JSONL is edited, in percent of the file."""
    workload = "edited JSONL"
    project, size = bench.scratch.folder("jsonl"), bench.count(JSONL_BYTES, 20_000)
    first, file = bench.scratch.root / "first.jsonl", project / "data" / "lines.jsonl"
    base = bench.scratch.root / "jsonl-base"
    corpus.write_jsonl(first, size)
    size = first.stat().st_size
    file.parent.mkdir()
    bench.scratch.copy_state(first, file)
    bench.dsm(workload, project, "init")
    added = bench.dsm(workload, project, "add", "data")
    bench.dsm(workload, project, "commit", "-m", "first")
    bench.scratch.copy_state(project / ".dsm", base)
    before = lengths_below(base / "packs")
    edits, inserted = bench.count(EDITS), bench.count(INSERTED)
    changes: list[tuple[str, Callable[[], None]]] = [
        (f"{edits} scattered lines edited", lambda: corpus.write_edited(first, file, edits)),
        (
            f"{inserted / 1e6:g} MB inserted in front",
            lambda: corpus.write_inserted(first, file, inserted),
        ),
        ("1 % appended", lambda: corpus.write_appended(first, file, size // 100)),
    ]
    note = f"first version {before / 1e6:.1f} MB in packs, added in {added.seconds:.2f} s"
    for title, change in changes:
        change()
        bench.scratch.copy_state(base, project / ".dsm")
        bench.dsm(workload, project, "add", "data")
        bench.dsm(workload, project, "commit", "-m", title)
        new = lengths_below(project / ".dsm" / "packs") - before
        what = f"new bytes in packs, {size / 1e6:,.4g} MB JSONL, {title}"
        percent = 100 * new / size
        yield Row(workload, what, f"{new / 1e6:.2f} MB", "", percent, NEW_BYTES, note)
    for path in (project, base, first):
        bench.scratch.discard(path)


def cifar(bench: Bench) -> Iterator[Row]:
    """Bytes of `.dsm` after adding and after committing CIFAR-10."""
    workload = "CIFAR-10"
    titles = ("after add", "after add + commit")
    if bench.cifar is None:
        for title in titles:
            yield Row(
                workload, f".dsm of CIFAR-10 {title}", goal=CIFAR_BYTES, skipped="no --cifar given"
            )
        return
    project = bench.scratch.folder("cifar")
    try:
        files = corpus.unpack_cifar(bench.cifar, project / "data")
    except (OSError, subprocess.CalledProcessError) as error:
        yield Row(workload, ".dsm of CIFAR-10", goal=CIFAR_BYTES, failed=f"cannot unpack: {error}")
        return
    # The pattern is matched below the dataset's root, so train/ and test/ must lie there.
    for part in list((project / "data").iterdir()):
        part.rename(project / part.name)
    (project / "data").rmdir()
    raw = lengths_below(project)
    bench.dsm(workload, project, "init")
    steps = (("add", ".", "--pattern", CIFAR_PATTERN), ("commit", "-m", "CIFAR-10"))
    for title, words in zip(titles, steps, strict=True):
        step = bench.dsm(workload, project, *words)
        score = bytes_below(project / ".dsm") / 1e6
        took = f"{words[0]} {step.seconds:.2f} s"
        note = f"{files:,} files, {raw / 1e6:.1f} MB; {took}; {_parts(project)}"
        what = f".dsm of CIFAR-10 {title}"
        yield Row(workload, what, f"{score:.2f} MB", "", score, CIFAR_BYTES, note)
    bench.scratch.discard(project)


def _parts(project: Path) -> str:
    """Where the bytes of a repository lie, one figure a folder."""
    sizes = {
        child.name: bytes_below(child) for child in (project / ".dsm").iterdir() if child.is_dir()
    }
    return ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in sorted(sizes.items()))
