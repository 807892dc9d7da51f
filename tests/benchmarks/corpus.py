"""Generated inputs: the same seed, names and sizes give the same bytes on every machine.

Invariant: bytes of a file depend on its seed and name only, never on the order or number of
writers. Everything is written by forked children, so that this process stays small: Linux counts
the memory of a parent into the peak of the program it starts.
"""

from __future__ import annotations

import base64
import hashlib
import math
import multiprocessing
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

MEDIAN_BYTES = 8 * 1024
SIGMA = 1.0
"""Spread of the lognormal sizes: two in three lie between 3 KB and 22 KB, the mean is 13.5 KB."""
BLOCK = 1 << 20
LINE_BYTES = (200, 1800)
Job = tuple[Path, int, str]
"""One file to write: where, how many bytes, and the name that its bytes are made from."""


def content(name: str, size: int) -> bytes:
    """Random-looking bytes that no codec shrinks, the same for the same name and size."""
    return hashlib.shake_128(name.encode()).digest(size)


def in_child(function: Callable[..., Any], *arguments: Any) -> None:
    """Runs the function in a forked child and raises what it raises."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.apply(function, arguments)


def tree_sizes(files: int, seed: str) -> list[int]:
    """Lognormal sizes in bytes around `MEDIAN_BYTES`."""
    draw = random.Random(f"sizes of {seed}")
    return [round(draw.lognormvariate(math.log(MEDIAN_BYTES), SIGMA)) for _ in range(files)]


def tree_paths(files: int, folders: int) -> list[str]:
    """Relative paths of `files` files, dealt in runs of equal length to `folders` folders."""
    each = math.ceil(files / folders)
    return [f"class{i // each:04d}/example{i:07d}.bin" for i in range(files)]


def write_tree(root: Path, files: int, folders: int, seed: str = "tree") -> list[str]:
    """A tree of lognormal files; returns their paths below the root."""
    paths = tree_paths(files, folders)
    sizes = tree_sizes(files, seed)
    write_files([(root / p, n, f"{seed}/{p}") for p, n in zip(paths, sizes, strict=True)])
    return paths


def write_equal_files(root: Path, files: int, folders: int, size: int, seed: str = "equal") -> None:
    """A tree of files of one size in bytes."""
    write_files([(root / p, size, f"{seed}/{p}") for p in tree_paths(files, folders)])


def write_examples(root: Path, count: int, per_folder: int, seed: str = "examples") -> list[str]:
    """Many tiny files of 64 to 200 bytes; returns their paths below the root."""
    paths = tree_paths(count, math.ceil(count / per_folder))
    draw = random.Random(f"sizes of {seed}")
    write_files([(root / p, draw.randint(64, 200), f"{seed}/{p}") for p in paths])
    return paths


def write_blobs(root: Path, count: int, size: int, seed: str = "blobs") -> None:
    """A few large files of random bytes."""
    write_files([(root / f"blob{i:02d}.bin", size, f"{seed}/{i}") for i in range(count)])


def rewrite(root: Path, paths: Iterable[str], seed: str) -> None:
    """Overwrites the files in place with new bytes; each grows by one byte."""
    write_files(
        [(root / p, (root / p).stat().st_size + 1, f"{seed}/{p}") for p in paths],
    )


def scattered(paths: Sequence[str], count: int, seed: str) -> list[str]:
    """`count` of the paths, spread over all folders."""
    return sorted(random.Random(seed).sample(paths, min(count, len(paths))))


def write_files(jobs: list[Job]) -> None:
    """Writes all files from as many children as there are cores."""
    workers = max(1, min(len(os.sched_getaffinity(0)), len(jobs)))
    share = math.ceil(len(jobs) / workers)
    parts = [jobs[i : i + share] for i in range(0, len(jobs), share)]
    if parts:
        with multiprocessing.get_context("fork").Pool(workers) as pool:
            pool.map(_write_jobs, parts, chunksize=1)


def _write_jobs(jobs: list[Job]) -> None:
    made: set[Path] = set()
    for path, size, name in jobs:
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        with path.open("wb", buffering=0) as out:
            for start in range(0, max(size, 1), BLOCK):
                out.write(content(f"{name}/{start}", min(BLOCK, size - start)))


# --- the large text file ------------------------------------------------------------------------


def jsonl_lines(size: int, seed: str) -> Iterator[bytes]:
    """Unique lines of random text, together at least `size` bytes; zstd saves a quarter at best."""
    draw = random.Random(seed)
    written = number = block = 0
    text = b""
    while written < size:
        length = draw.randint(*LINE_BYTES)
        if len(text) < length:
            text = base64.b64encode(content(f"{seed}/{block}", 3 * BLOCK // 4))
            block += 1
        line = b'{"id": "%b-%d", "text": "%b"}\n' % (seed.encode(), number, text[:length])
        text = text[length:]
        number += 1
        written += len(line)
        yield line


def write_jsonl(path: Path, size: int, seed: str = "jsonl") -> None:
    """A JSONL file of about `size` bytes in unique lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    in_child(_write_lines, path, size, seed)


def _write_lines(path: Path, size: int, seed: str) -> None:
    with path.open("wb", buffering=BLOCK) as out:
        out.writelines(jsonl_lines(size, seed))


def write_edited(source: Path, target: Path, edits: int) -> None:
    """A copy in which `edits` scattered lines are longer than before."""
    in_child(_write_edited, source, target, edits)


def _write_edited(source: Path, target: Path, edits: int) -> None:
    with source.open("rb", buffering=BLOCK) as lines:
        total = sum(1 for _ in lines)
    chosen = set(random.Random("edits").sample(range(total), min(edits, total)))
    with source.open("rb", buffering=BLOCK) as lines, target.open("wb", buffering=BLOCK) as out:
        for number, line in enumerate(lines):
            out.write(b'{"edited": %d, %b' % (number, line[1:]) if number in chosen else line)


def write_inserted(source: Path, target: Path, size: int) -> None:
    """A copy with `size` bytes of new lines in front."""
    in_child(_write_joined, [size, source], target)


def write_appended(source: Path, target: Path, size: int) -> None:
    """A copy with `size` bytes of new lines at the end."""
    in_child(_write_joined, [source, size], target)


def _write_joined(parts: list[Path | int], target: Path) -> None:
    with target.open("wb", buffering=BLOCK) as out:
        for part in parts:
            if isinstance(part, int):
                out.writelines(jsonl_lines(part, "new"))
            else:
                with part.open("rb") as source:
                    shutil.copyfileobj(source, out, BLOCK)


# --- real data ----------------------------------------------------------------------------------


def unpack_cifar(source: Path, target: Path) -> int:
    """Copies or unpacks CIFAR-10 (`train/` and `test/` with class folders); returns its file count.

    Raises FileNotFoundError when the source holds no such folders, CalledProcessError when tar
    cannot read it (a .zst needs the zstd program).
    """
    target.mkdir(parents=True)
    if source.is_dir():
        for part in ("train", "test"):
            shutil.copytree(source / part, target / part)
    else:
        command = ["tar", "-xf", str(source), "-C", str(target)]
        subprocess.run(command, check=True, capture_output=True)
        found = next((p.parent for p in sorted(target.rglob("train")) if p.is_dir()), None)
        if found is None:
            raise FileNotFoundError(f"no folder train/ in {source}")
        if found != target:
            for child in list(found.iterdir()):
                child.rename(target / child.name)
    return sum(len(files) for _, _, files in os.walk(target))
