"""Workloads on views: naming them, materialising them, reading them in Python.

Invariant: what a side writes is discarded after its round; views are prepared anew where that is
what is measured.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path

from . import corpus
from .bench import Bench
from .many_files import FILES, committed
from .measure import Command, Side, always
from .programs import output_of
from .report import Goal, Row, compared_row, seconds_text, timed_row

EXAMPLES, HUGE, CHANGESETS, MORE = 1_000_000, 10_000_000, 100, 1_000
PROGRAM = str(Path(__file__).with_name("view_programs.py"))
EQUAL = "of 8 KB"
ASKED = ("--label", "label01", "--label", "label02", "--since", "2023-11-20", "--percent", "80%")


def _program(bench: Bench, *words: str) -> Command | None:
    return bench.programs.python(bench.scratch.root, PROGRAM, *words)


def _seconds(bench: Bench, *words: str) -> float | None:
    """What a program of ours measured; None when it cannot run here."""
    command = _program(bench, *words)
    text = output_of(command) if command else ""
    return float(text.splitlines()[-1]) if text else None


def _history(bench: Bench, name: str, examples: int) -> Path:
    project = bench.scratch.folder(name)
    bench.say(f"writing a history of {examples} examples")
    _seconds(bench, "history", str(project), str(examples), str(CHANGESETS))
    return project


def _forget(project: Path) -> None:
    """Removes what earlier evaluations left: cached snapshots and prepared views."""
    shutil.rmtree(project / ".dsm" / "local" / "cache", ignore_errors=True)
    for view in (project / ".dsm" / "datasets" / "data" / "views").glob("*"):
        view.unlink()


def prepare(bench: Bench) -> Iterator[Row]:
    """Naming a view, evaluating it cold, again, and after one more changeset."""
    workload = "prepare"
    count, few = bench.count(EXAMPLES, 2_000), bench.count(10_000, 500)
    project = _history(bench, "views-large", count)
    for number, folder in ((count, project), (few, _history(bench, "views-small", few))):
        what = f"version of a view, library call, {number:,} examples"
        seconds = _seconds(bench, "version", str(folder))
        if seconds is None:
            yield Row(workload, what, skipped="no Python to run it with")
        else:
            shown = f"{seconds * 1e6:.0f} µs"
            yield Row(workload, what, shown, "", seconds * 1000, Goal(1, None, "ms"))

    command = bench.programs.dsm_command(project, "prepare", *ASKED)

    def more(_: int) -> None:
        _seconds(bench, "history", str(project), str(bench.count(MORE, 10)), "1")

    trials = bench.compare(
        workload,
        [
            Side("dsm cold", always(command), lambda _: _forget(project)),
            Side("dsm again", always(command)),
            Side("dsm one more", always(command), more),
        ],
    )
    goals = {
        "cold": Goal(1.5, 0.6, "s"),
        "again": Goal(0.3, 0.15, "s"),
        "one more": Goal(0.3, 0.15, "s"),
    }
    words = {
        "cold": f"prepare label + time + percent, {count:,} examples, caches cold",
        "again": "the same again",
        "one more": f"the same with one more changeset of {bench.count(MORE, 10):,}",
    }
    for name, goal in goals.items():
        times = trials[f"dsm {name}"].seconds()
        score = statistics.median(times)
        yield Row(
            workload, words[name], seconds_text(times), "", score, goal, dsm_runs=tuple(times)
        )


def huge(bench: Bench) -> Iterator[Row]:
    """Ten million examples: completes, in bounded memory."""
    workload = "10 M examples"
    count = bench.count(HUGE, 5_000)
    project = _history(bench, "views-huge", count)
    step = bench.dsm(workload, project, "prepare", *ASKED)
    what = f"prepare of {count:,} examples, caches cold: memory"
    shown = f"{step.peak_tree / 1e6:.0f} MB in {step.seconds:.1f} s"
    yield Row(workload, what, shown, "", step.peak_tree / 1e6, Goal(1500, 600, "MB"))


def _both_trees(bench: Bench, workload: str) -> Iterator[tuple[Path, str]]:
    """Yields a committed project with files of one size, and one with sizes as they are found."""
    equal = bench.scratch.root / "equal-files"
    if not equal.exists():
        bench.say("writing files of 8 KB")
        bench.scratch.folder(equal.name)
        corpus.write_equal_files(equal / "data", bench.count(FILES, 40), 100, 8192)
        for words in (("init",), ("add", "data"), ("commit", "-m", "first")):
            bench.dsm(workload, equal, *words)
    yield equal, EQUAL
    yield committed(bench, workload), "of lognormal size"


def get(bench: Bench) -> Iterator[Row]:
    """A view of 100k files as a tar against GNU tar and tarfile, as shards against webdataset."""
    workload = "get"
    for project, sizes in _both_trees(bench, workload):
        yield from _got(bench, workload, project, sizes, only_tar=sizes == EQUAL)


def _got(
    bench: Bench, workload: str, project: Path, sizes: str, *, only_tar: bool = False
) -> Iterator[Row]:
    bench.dsm(workload, project, "prepare", "--name", "everything")
    out, data = bench.scratch.root / "got", project / "data"

    def side(name: str, *words: str, program: bool = False) -> Side | None:
        command = _program(bench, *words) if program else bench.programs.command(project, *words)
        if command is None:
            return None
        return Side(
            name,
            always(command),
            lambda _: out.mkdir(exist_ok=True),
            lambda _: bench.scratch.discard(out),
            reads=(data,),
        )

    def ours(name: str, form: str) -> Side:
        words = ("get", "everything", "--format", form, "-o", str(out))
        command = bench.programs.dsm_command(project, *words)
        return Side(
            name, always(command), finish=lambda _: bench.scratch.discard(out),
            reads=(project / ".dsm" / "packs",),
        )  # fmt: skip

    files = f"{bench.count(FILES, 40):,} files {sizes}"
    contests: list[tuple[str, Side, Side | None, Goal]] = []
    tar = side("tar", "tar", "cf", str(out / "x.tar"), "data") if shutil.which("tar") else None
    contests.append(
        (f"get --format tar, {files} / GNU tar cf", ours("dsm tar", "tar"), tar, Goal(1, 0.6))
    )
    slow = side("tarfile", "tar_with_tarfile", str(data), str(out / "x.tar"), program=True)
    contests.append(
        ("the same / Python tarfile", ours("dsm tar 2", "tar"), slow, Goal(4, None, "x", True))
    )
    shards = side("webdataset", "shards_with_webdataset", str(data), str(out), program=True)
    if not _has(bench, "webdataset"):
        shards = None
    contests.append(
        (f"get webdataset, {files} / webdataset.ShardWriter", ours("dsm shards", "webdataset"), shards,
         Goal(4, 8, "x", True))
    )  # fmt: skip
    for what, mine, theirs, goal in contests[:1] if only_tar else contests:
        if theirs is None:
            yield Row(workload, what, goal=goal, skipped="it is not installed")
            continue
        trials = bench.compare(workload, [theirs, mine])
        yield timed_row(workload, what, trials[mine.name], trials[theirs.name], goal)


def iterate(bench: Bench) -> Iterator[Row]:
    """Reading a view in Python against reading the files: in order, shuffled, by a DataLoader."""
    workload = "iterate"
    for project, sizes in _both_trees(bench, workload):
        bench.dsm(workload, project, "prepare", "--name", "everything")
        yield from _iterated(bench, workload, project, sizes)


def _iterated(bench: Bench, workload: str, project: Path, sizes: str) -> Iterator[Row]:
    folder, data = str(project), str(project / "data")
    view = (folder, "everything")
    contests: list[tuple[str, tuple[str, ...], tuple[str, ...], Goal]] = [
        (f"iterate a view {sizes}, one process, verified / files by path",
         ("iterate", *view), ("read_files", data), Goal(1.2, 2, "x", True)),
        (f"shuffled {sizes} / in order",
         ("iterate", *view, "shuffled"), ("iterate", *view), Goal(0.6, 0.9, "x", True)),
    ]  # fmt: skip
    if _has(bench, "torch"):
        contests.append(
            (f"DataLoader over a view {sizes}, 2 workers / over the files",
             ("loader_of_view", *view), ("loader_of_files", data), Goal(1, 2, "x", True))
        )  # fmt: skip
    for what, mine, theirs, goal in contests:
        times = _interleaved(bench, mine, theirs)
        if times is None:
            yield Row(workload, what, goal=goal, skipped="no Python to run it with")
        else:
            yield compared_row(workload, what, *times, goal)


def _interleaved(
    bench: Bench, mine: tuple[str, ...], theirs: tuple[str, ...]
) -> tuple[list[float], list[float]] | None:
    ours, others = [], []
    for number in range(bench.repeat + 1):
        for words, found in ((theirs, others), (mine, ours)):
            seconds = _seconds(bench, *words)
            if seconds is None:
                return None
            bench.say(f"round {number} {words[0]}: {seconds:.3f} s")
            if number:
                found.append(seconds)
    return ours, others


def _has(bench: Bench, package: str) -> bool:
    command = bench.programs.python(bench.scratch.root, "-c", f"import {package}; print(1)")
    return bool(command and output_of(command))
