"""Workloads on what a small change costs in a large dataset: seconds and bytes.

Invariant: every round starts from the same committed state, copied back before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import corpus
from .bench import Bench
from .many_files import tree
from .measure import Command, Side, Step, lengths_below
from .report import Goal, Row, compared_row

LARGE, SMALL, PER_FOLDER, CHANGES = 1_000_000, 10_000, 1_000, 100
HEADER_BYTES = 8 * 1024
SIDE_BY_SIDE = Goal(1.5, 1.1)
ROW_BYTES = Goal(70, 45, "bytes/row")


@dataclass(frozen=True, slots=True)
class Grown:
    """A repository of many tiny files, all committed, and a copy of its `.dsm` at that moment."""

    project: Path
    base: Path
    paths: list[str]
    added: Step
    committed: Step


def _grow(bench: Bench, workload: str, name: str, count: int) -> Grown:
    project, base = bench.scratch.folder(name), bench.scratch.root / f"{name}-base"
    bench.say(f"writing {count} tiny files")
    paths = corpus.write_examples(project / "data", count, PER_FOLDER)
    bench.dsm(workload, project, "init")
    added = bench.dsm(workload, project, "add", "data")
    committed = bench.dsm(workload, project, "commit", "-m", "first")
    bench.scratch.copy_state(project / ".dsm", base)
    return Grown(project, base, paths, added, committed)


def _sides(bench: Bench, name: str, grown: Grown) -> tuple[Side, Side]:
    """Adding and committing changed paths right after the first commit, and once more then."""
    changes = min(CHANGES, len(grown.paths))

    def chosen(which: str) -> list[str]:
        return corpus.scattered(grown.paths, changes, which)

    def steps(which: str) -> list[Command]:
        named = (f"data/{path}" for path in chosen(which))
        add = bench.programs.dsm_command(grown.project, "add", *named)
        return [add, bench.programs.dsm_command(grown.project, "commit", "-m", which)]

    def prepare(which: str, number: int) -> None:
        if which == "first":
            bench.scratch.copy_state(grown.base, grown.project / ".dsm")
        corpus.rewrite(grown.project / "data", chosen(which), f"{which} {number}")

    return (
        Side(f"dsm {name} first", lambda _: steps("first"), lambda n: prepare("first", n)),
        Side(f"dsm {name} next", lambda _: steps("next"), lambda n: prepare("next", n)),
    )


def commit_of_few(bench: Bench) -> Iterator[Row]:
    """100 changed files by name, in a dataset of a million examples and in one of ten thousand."""
    workload = "1 M examples"
    large_count, small_count = bench.count(LARGE, 200), bench.count(SMALL, 20)
    small = _grow(bench, "10 k examples", "examples-small", small_count)
    large = _grow(bench, workload, "examples-large", large_count)
    sides = (*_sides(bench, "large", large), *_sides(bench, "small", small))
    order = (sides[0], sides[2], sides[1], sides[3])  # large, small, large, small
    trials = bench.compare(workload, order)
    note = (
        f"first add of {large_count:,}: {large.added.seconds:.1f} s, commit "
        f"{large.committed.seconds:.1f} s; .dsm {lengths_below(large.base) / 1e6:.0f} MB"
    )
    for which, when in (("first", "after the first commit"), ("next", "after that")):
        big, little = trials[f"dsm large {which}"], trials[f"dsm small {which}"]
        for title, step in (("commit", 1), ("add + commit", None)):
            what = (
                f"{title} of {CHANGES} changes {when}, {large_count:,} / {small_count:,} examples"
            )
            times = big.seconds(step), little.seconds(step)
            yield compared_row(workload, what, *times, SIDE_BY_SIDE, note)


def changeset_bytes(bench: Bench) -> Iterator[Row]:
    """Bytes of header and manifest for changesets of 10, 1,000 and all other files of the tree."""
    workload = "changeset bytes"
    project, paths = tree(bench)
    # The repository that other workloads share makes way for a new one.
    bench.scratch.discard(bench.scratch.root / "many-base")
    bench.scratch.only_data(project)
    folders = sorted({path.split("/")[0] for path in paths})
    ten = [path for path in paths if path.startswith(f"{folders[0]}/")][:10]
    second = [f"data/{folders[1]}"] if len(folders) > 1 else ["data"]
    bench.dsm(workload, project, "init")
    counted = 0
    for words in ([f"data/{path}" for path in ten], second, ["data"]):
        rows = _rows_below(project, words) - (counted if words == ["data"] else 0)
        counted += rows
        if rows <= 0:
            continue
        before = _changeset_bytes(project)
        bench.dsm(workload, project, "add", *words)
        bench.dsm(workload, project, "commit", "-m", f"{rows} rows")
        size = _changeset_bytes(project) - before
        score = max(0.0, (size - HEADER_BYTES) / rows)
        what = f"changeset of {rows:,} rows: (bytes - 8 KB) / rows"
        shown = f"{size:,} bytes ({size / rows:.1f}/row raw)"
        yield Row(workload, what, shown, "", score, ROW_BYTES)
    bench.scratch.only_data(project)


def _rows_below(project: Path, words: list[str]) -> int:
    """How many files the words name, themselves or by folder."""
    return sum(
        1 if (project / word).is_file() else sum(1 for p in (project / word).rglob("*.bin"))
        for word in words
    )


def _changeset_bytes(project: Path) -> int:
    """File lengths of all changeset headers and manifests of a repository."""
    datasets = project / ".dsm" / "datasets"
    kinds = ("changesets", "manifests")
    return sum(lengths_below(found) for kind in kinds for found in datasets.glob(f"*/{kind}"))
