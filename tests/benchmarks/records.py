"""Workloads on the records of one large JSON Lines file: storing, editing, reading them.

Invariant: the yardstick, Arrow's own reading of the file, is measured in the same rounds; sizes are
read from the disk.
"""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path

from .bench import Bench
from .measure import Command, Side, always, lengths_below
from .programs import output_of
from .report import Goal, Row, seconds_text, timed_row

RECORDS = 2_000_000
IMAGES = 100_000
PROGRAM = str(Path(__file__).with_name("record_programs.py"))
WORKLOAD = "records"
FIELDS = ("--records", "--key-field", "id", "--label-field", "label")
GROUP_BYTES = 32 << 10


def _command(bench: Bench, *words: str) -> Command:
    found = bench.programs.python(bench.scratch.root, PROGRAM, *words)
    assert found is not None
    return found


def _number(bench: Bench, *words: str) -> float:
    """What a program of ours printed."""
    text = output_of(_command(bench, *words))
    if not text:
        raise AssertionError(f"{words[0]} failed")
    return float(text.splitlines()[-1])


def records(bench: Bench) -> Iterator[Row]:
    """A file of two million records: every step of it."""
    if bench.programs.python(bench.scratch.root, PROGRAM) is None:
        yield Row(WORKLOAD, "records of JSON Lines", skipped="no Python to run programs with")
        return
    count = bench.count(RECORDS, 2_000)
    project = bench.scratch.folder("records")
    file, edited = project / "t.jsonl", bench.scratch.root / "edited.jsonl"
    bench.say(f"writing {count} records")
    _number(bench, "write", str(file), str(count))
    changed = int(_number(bench, "edit", str(file), str(edited), str(count)))
    yield from _bytes(bench, file, count)
    yield _stored(bench, project, file, count)
    yield from _read(bench, project, count)
    yield from _edited(bench, project, edited, count, changed)
    for path in (project, edited):
        bench.scratch.discard(path)
    yield _archive(bench)


def _archive(bench: Bench) -> Row:
    """A tar of images, beside the same images loose."""
    count = bench.count(IMAGES, 40)
    tarred, loose = bench.scratch.folder("records-tar"), bench.scratch.folder("records-loose")
    bench.say(f"writing {count} images twice")
    _number(bench, "write_images", str(tarred / "images.tar"), str(loose / "images"), str(count))

    def again(project: Path) -> None:
        shutil.rmtree(project / ".dsm", ignore_errors=True)
        bench.dsm(WORKLOAD, project, "init")

    dsm = bench.programs.dsm_command
    sides = [
        Side("dsm tar", always(dsm(tarred, "add", "images.tar", "--records")),
             lambda _: again(tarred), reads=(tarred,)),
        Side("dsm loose", always(dsm(loose, "add", "images")), lambda _: again(loose),
             reads=(loose / "images",)),
    ]  # fmt: skip
    trials = bench.compare(WORKLOAD, sides)
    what = f"add of a tar of {count:,} images of 8 KB / of them loose"
    row = timed_row(WORKLOAD, what, trials["dsm tar"], trials["dsm loose"], Goal(1.3, None))
    for path in (tarred, loose):
        bench.scratch.discard(path)
    return row


def _bytes(bench: Bench, file: Path, count: int) -> Iterator[Row]:
    other = bench.scratch.folder("records-by-content")
    os.link(file, other / file.name)
    for words in (("init",), ("add", file.name, "--records"), ("commit", "-m", "first")):
        bench.dsm(WORKLOAD, other, *words)
    rows = other / ".dsm" / "datasets"
    packs = lengths_below(other / ".dsm" / "packs")
    # A row in the pack's table is 17 bytes; frames and their groups' rows are some 36 for each.
    tables = 17 * count + 36 * (file.stat().st_size // GROUP_BYTES)
    found = (lengths_below(rows) + tables) / count
    note = f"{packs / 1e6:.1f} MB in packs of {file.stat().st_size / 1e6:.1f} MB"
    what = f"bytes beyond the content, a record of {count:,}, no key field, no labels"
    yield Row(WORKLOAD, what, f"{found:.1f}", "", found, Goal(80, 60, "bytes"), note)
    bench.scratch.discard(other)


def _stored(bench: Bench, project: Path, file: Path, count: int) -> Row:
    def init(_: int) -> None:
        shutil.rmtree(project / ".dsm", ignore_errors=True)
        bench.dsm(WORKLOAD, project, "init")

    dsm = bench.programs.dsm_command
    ours = Side(
        "dsm add + commit",
        always(dsm(project, "add", file.name, *FIELDS), dsm(project, "commit", "-m", "first")),
        init,
        reads=(project,),
    )
    theirs = Side("read_json", always(_command(bench, "read_json", str(file))), reads=(project,))
    trials = bench.compare(WORKLOAD, [theirs, ours])
    what = f"add + commit of {count:,} records / pyarrow.json.read_json"
    return timed_row(WORKLOAD, what, trials["dsm add + commit"], trials["read_json"], Goal(4, 2.5))


def _read(bench: Bench, project: Path, count: int) -> Iterator[Row]:
    def forget(_: int) -> None:
        shutil.rmtree(project / ".dsm" / "local" / "cache", ignore_errors=True)
        for view in (project / ".dsm" / "datasets").glob("*/views/*"):
            view.unlink()

    words = ("prepare", "--label", "label01", "--percent", "10%")
    trials = bench.compare(
        WORKLOAD,
        [
            Side(
                "dsm prepare",
                always(bench.programs.dsm_command(project, *words)),
                forget,
            )
        ],
    )
    times = trials["dsm prepare"].seconds()
    what = f"prepare by label and newest 10 %, {count:,} records, caches cold"
    yield Row(
        WORKLOAD, what, seconds_text(times), "", statistics.median(times), Goal(2, 1, "s"),
        dsm_runs=tuple(times),
    )  # fmt: skip
    bench.dsm(WORKLOAD, project, "prepare", "--name", "all")
    out = bench.scratch.root / "lines"
    get = bench.programs.dsm_command(project, "get", "all", "--format", "jsonl", "-o", str(out))
    trials = bench.compare(
        WORKLOAD, [Side("dsm get", always(get), finish=lambda _: bench.scratch.discard(out))]
    )
    speed = count / statistics.median(trials["dsm get"].seconds()) / 1000
    what = f"get as jsonl, all {count:,} records"
    goal = Goal(400, 1000, "k/s", True)
    yield Row(WORKLOAD, what, f"{speed:.0f} k/s", "", speed, goal)
    for order, goal in (
        ("", Goal(150, 300, "k/s", True)), ("shuffled", Goal(25, 50, "k/s", True)),
    ):  # fmt: skip
        most = str(min(count, 500_000))
        named = [order] if order else []
        runs = [
            _number(bench, "iterate", str(project), "all", most, *named) / 1000
            for _ in range(bench.repeat)
        ]
        speed = statistics.median(runs)
        what = f"iterate {order or 'in order'}, {most} of {count:,} records, one process"
        yield Row(WORKLOAD, what, f"{speed:.0f} k/s", "", speed, goal)


def _edited(bench: Bench, project: Path, edited: Path, count: int, changed: int) -> Iterator[Row]:
    file, base = project / "t.jsonl", bench.scratch.root / "records-base"
    bench.scratch.copy_state(project / ".dsm", base)
    before = lengths_below(base / "packs")
    first = file.stat().st_size
    shutil.copyfile(edited, file)

    def again(_: int) -> None:
        bench.scratch.copy_state(base, project / ".dsm")

    dsm = bench.programs.dsm_command
    ours = Side(
        "dsm edited", always(dsm(project, "add", file.name), dsm(project, "commit", "-m", "second")),
        again, reads=(project,),
    )  # fmt: skip
    theirs = Side("read_json", always(_command(bench, "read_json", str(file))), reads=(project,))
    trials = bench.compare(WORKLOAD, [theirs, ours])
    what = f"the same with 0.1 % of {count:,} edited and 1 % appended / pyarrow.json.read_json"
    yield timed_row(WORKLOAD, what, trials["dsm edited"], trials["read_json"], Goal(2, None))
    rows = int(_number(bench, "rows_of_head", str(project)))
    share = rows / changed
    what = "rows in the manifest of that edit, of records changed"
    yield Row(WORKLOAD, what, f"{rows:,}", f"{changed:,}", share, Goal(1.001, 1.0))
    new = lengths_below(project / ".dsm" / "packs") - before
    appended = file.stat().st_size - first
    allowed = (changed - max(1, count // 100)) * GROUP_BYTES + appended
    what = "new bytes in packs for that edit / (edited records x one group + appended)"
    shown, most = f"{new / 1e6:.2f} MB", f"{allowed / 1e6:.2f} MB"
    yield Row(WORKLOAD, what, shown, most, new / allowed, Goal(2, None))
    bench.scratch.discard(base)
