"""Programs that the workload of checks times, each in a process of its own.

`python check_programs.py WHAT …` prints the seconds that the work itself took.
"""

from __future__ import annotations

import importlib
import os
import random
import statistics
import sys
import tempfile
import time
from multiprocessing import Pool
from pathlib import Path

LABELS = ("cat", "dog", "bird", "fish")
NO_CONTENT = """\
[dataset.data.rules]
extensions.allow = [".jpg", ".png"]
size = { min = 1, max = "1 MB" }
path.pattern = '(train|test)/[a-z]+/[0-9]+\\.jpg'
labels = { vocabulary = ["cat", "dog", "bird", "fish"], max = 1 }
label-counts = { min = 4, min-share = "5%" }
balance.max-ratio = 3
conflicting-labels = {}
duplicates = {}
leakage.by = "folder"
change.max-removed = "5%"
outliers.of = "size"
"""
ATTRIBUTES = (
    "min = 1\nmax = 100\nrequired = true", 'type = "int"', "max-missing = 0.5", "unique = false",
    "values = [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]", "required = true",
    "min = 10", "max = 19", "max-missing = 0",
)  # fmt: skip
CHANGED = """\
[dataset.data.rules]
size = {}
decodes = {}
text = {}
personal-data = {}
duplicates = {}
labels.vocabulary = ["cat"]
"""


def rules(examples: str) -> float:
    """Asks twenty rules that need no content of a snapshot that is in memory."""
    import pyarrow as pa

    from dsm.checks.contract import read_contract
    from dsm.checks.rule import Subject
    from dsm.checks.run import run

    count, draw = int(examples), random.Random(1)
    names = [LABELS[n % len(LABELS)] for n in range(count)]
    table = pa.table({
        "path": [f"train/{name}/{n:07}.jpg" for n, name in enumerate(names)],
        "object": pa.array([draw.randbytes(32) for _ in range(count)], pa.binary(32)),
        "size": pa.array([1000 + n % 977 for n in range(count)], pa.int64()),
        "labels": pa.array([[name] for name in names], pa.list_(pa.string())),
        "attr.width": pa.array([10 + n % 10 for n in range(count)], pa.int64()),
    })  # fmt: skip
    more = "".join(
        f'[[dataset.data.rules.attribute]]\nname = "width"\n{each}\n' for each in ATTRIBUTES
    )
    contract = read_contract((NO_CONTENT + more).encode(), "dsm.toml", "data")
    began = time.perf_counter()
    report = run(contract, Subject(table, table))
    taken = time.perf_counter() - began
    assert (len(report.ran), report.errors) == (20, 0)
    return taken


def stage(folder: str, examples: str, changed: str) -> float:
    """Commits examples without files, and stages other content for some of them."""
    from dsm import api

    began = time.perf_counter()
    repo = api.init(folder, dataset="data")
    ds = repo.dataset()
    for kind, count in (("text", int(examples)), ("changed", int(changed))):
        texts = {f"train/{n % 4}/{n:06}.txt": f"{kind} {n}".encode() for n in range(count)}
        ds.add(texts, labels=["cat"])
        if kind == "text":
            ds.commit("all")
    with open(os.path.join(folder, "dsm.toml"), "w") as file:
        file.write(CHANGED)
    return time.perf_counter() - began


def records(folder: str, examples: str) -> float:
    """Writes lines of two sides that are alike: numbers, words and a truth value each."""
    draw, began = random.Random(2), time.perf_counter()
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "rows.jsonl"), "w") as file:
        for number in range(int(examples)):
            file.write(
                f'{{"id": {number}, "side": "{"ab"[number % 2]}", "n1": {draw.random():.6f}, '
                f'"n2": {draw.gauss(0, 1):.4f}, "n3": {draw.randrange(100)}, '
                f'"n4": {draw.expovariate(1):.4f}, "w1": "{LABELS[draw.randrange(4)]}", '
                f'"w2": "w{draw.randrange(50)}", "t": {("false", "true")[draw.randrange(2)]}}}\n'
            )
    return time.perf_counter() - began


def _decoded(path: str) -> int:
    from PIL import Image

    with Image.open(path) as picture:
        picture.load()
    return 1


def plain(folder: str, processes: str) -> float:
    """Decodes all JPEGs of a folder by Pillow alone."""
    paths = [
        os.path.join(place, name)
        for place, _, names in os.walk(folder) for name in names if name.endswith(".jpg")
    ]  # fmt: skip
    began = time.perf_counter()
    with Pool(int(processes)) as pool:
        assert sum(pool.imap_unordered(_decoded, paths, chunksize=500)) == len(paths)
    return time.perf_counter() - began


def loads(page: str) -> float | str:
    """Opens a page in browsers that were just started; how long its load event takes."""
    found = _opened(page)
    return statistics.median(seconds for seconds, _ in found) if found else ""


def busy(page: str) -> float | str:
    """Opens a page as `loads` does; the processor time of its main thread until it is drawn."""
    found = _opened(page)
    return statistics.median(seconds for _, seconds in found) if found else ""


def _opened(page: str) -> list[tuple[float, float]]:
    """Returns seconds until the load event ended, and of the main thread, of five browsers."""
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "report"))
    browser = importlib.import_module("browser")
    if importlib.import_module("pages").CHROMIUM is None:
        return []
    found = []
    for _ in range(5):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            opened = browser.Browser(Path(folder))
            try:
                opened.call("Performance.enable", timeDomain="threadTicks")
                opened.open(f"file://{os.path.abspath(page)}")
                opened.call("Page.captureScreenshot")  # it has been drawn
                told = opened.call("Performance.getMetrics")["metrics"]
                ended = "performance.getEntriesByType('navigation')[0].loadEventEnd"
                while not (milliseconds := opened.value(ended)):
                    pass
            finally:
                opened.close()
        (taken,) = (each["value"] for each in told if each["name"] == "TaskDuration")
        found.append((milliseconds / 1000, taken))
    return found


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    print(globals()[what](*words))
