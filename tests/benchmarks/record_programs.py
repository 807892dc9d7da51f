"""Programs that the workload of records times or needs: `python record_programs.py WHAT …`.

Prints the seconds that the work itself took, or what it has counted.
"""

from __future__ import annotations

import io
import random
import sys
import tarfile
import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

WORDS, TEXTS, LABELS = 5_000, 20_000, 50


def write(path: str, records: str) -> int:
    """A JSON Lines file of so many records of 490 bytes: an id, one of 50 labels, words."""
    draw = random.Random(5)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(draw.choices(letters, k=draw.randrange(2, 10))) for _ in range(WORDS)]
    texts = [" ".join(draw.choices(words, k=60)) for _ in range(TEXTS)]
    with open(path, "w", buffering=1 << 20) as out:
        for number in range(int(records)):
            text = texts[draw.randrange(TEXTS)]
            cut = draw.randrange(50, 380)
            out.write(_line(number, draw, f"{text[cut:]} {texts[number % TEXTS][: cut + 40]}"))
    return int(records)


def write_images(archive: str, folder: str, images: str) -> int:
    """So many files of 8 KB that do not compress, in folders of a thousand, and a tar of them."""
    draw = random.Random(7)
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
        for number in range(int(images)):
            name, data = f"{number // 1000:03d}/{number:06d}.jpg", draw.randbytes(8192)
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            info = tarfile.TarInfo(f"images/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return int(images)


def edit(source: str, target: str, records: str) -> int:
    """The same with a thousandth of the records edited and a hundredth appended; how many."""
    draw, count = random.Random(6), int(records)
    edited = set(draw.sample(range(count), max(1, count // 1000)))
    appended = max(1, count // 100)
    with open(source) as lines, open(target, "w", buffering=1 << 20) as out:
        for number, line in enumerate(lines):
            out.write(line.replace('"text": "', '"text": "edited ') if number in edited else line)
        for number in range(count, count + appended):
            out.write(_line(number, draw, " ".join(f"{draw.random()}" for _ in range(24))))
    return len(edited) + appended


def _line(number: int, draw: random.Random, text: str) -> str:
    label = draw.randrange(LABELS)
    return f'{{"id": "rec-{number:08d}", "label": "label{label:02d}", "text": "{text}"}}\n'


def read_json(path: str) -> float:
    """Arrow's reading of the file, with its threads."""
    import pyarrow.json

    began = time.perf_counter()
    table = pyarrow.json.read_json(path)
    spent = time.perf_counter() - began
    assert table.num_rows > 0
    return spent


def iterate(folder: str, view: str, most: str, shuffled: str = "") -> float:
    """So many records of a view at most, verified, in order or shuffled: how many in a second."""
    from dsm import api

    opened = api.open(folder).view(view)
    opened.table()
    began = time.perf_counter()
    source: Iterable[object] = opened.iterate(seed=1) if shuffled else opened
    count = 0
    for example in islice(source, int(most)):
        assert example.bytes  # type: ignore[attr-defined]
        count += 1
    return count / (time.perf_counter() - began)


def rows_of_head(folder: str) -> int:
    """How many rows the newest changeset has, without that of the file."""
    from dsm import api

    dataset = api.open(folder).dataset()
    counts = dataset.changeset(dataset.head).counts
    return counts.rows - counts.files


PROGRAMS: dict[str, Callable[..., float]] = {
    f.__name__: f for f in (write, write_images, edit, read_json, iterate, rows_of_head)
}

if __name__ == "__main__":
    print(PROGRAMS[sys.argv[1]](*sys.argv[2:]))
