"""What a report says, gathered: figures, changes, drift, findings, and examples to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dsm.example_sets import CHANGESETS, ExampleSet
from dsm.report.decoding import Decoder
from dsm.report.samples import Group, Sample, Sampler, groups
from dsm.statistics.drift import Drift
from dsm.statistics.summary import Summary, summarised

if TYPE_CHECKING:
    from dsm.checks.report import CheckReport, Finding

GALLERY = 1000
FINDINGS_MAX, FAILING_MAX = 20, 60
PATHS_MAX = 20


@dataclass(frozen=True, slots=True)
class Changes:
    """How examples differ from those before, by path: each kind with its count and first paths."""

    since: str
    kinds: tuple[tuple[str, int, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All that a report says of examples, `time` in microseconds UTC.

    `against` is None without a comparison, `checks` where the dataset has no contract. `failing`
    are examples that a rule finds something about, with what it says.
    """

    of: ExampleSet
    time: int
    summary: Summary
    changes: Changes | None
    against: str | None
    drift: Drift | None
    checks: CheckReport | None
    findings: Mapping[int, tuple[Finding, ...]]
    failing: tuple[tuple[Sample, str], ...]
    gallery: tuple[tuple[Group, tuple[Sample, ...]], ...]


def gather(
    of: ExampleSet,
    before: ExampleSet | None,
    against: ExampleSet | None,
    check: Callable[[], CheckReport | None],
    *,
    time: int,
    gallery: int = GALLERY,
    fields: bool = False,
) -> Report:
    """Gathers a report. `before` is what `of` is held against for changes, `against` for drift;
    with `fields` those of records have figures and drift, too.

    Raises what `ExampleSet.table` raises, and NotFound of rules whose baseline is gone.
    """
    table = of.table(fields=fields)
    checks = check()
    findings = {} if checks is None else _first(checks)
    rows = _rows_in_view(of, table)
    chosen = groups(table, gallery) if gallery else []
    told = _told(table, findings)
    samples: Mapping[int, Sample] = {}
    if of.shown is not None:
        with Decoder() as decoder:
            wanted = [*told, *(row for each in chosen for row in each.rows)]
            samples = Sampler(of.shown, rows, decoder).samples(wanted)
    return Report(
        of=of, time=time, summary=summarised(table),
        changes=None if before is None else _changes(before, table, whole=of.kind != CHANGESETS),
        against=None if against is None else against.words,
        drift=None if against is None else against.drift(of, fields=fields),
        checks=checks, findings=findings,
        failing=tuple((samples[row], text) for row, text in told.items() if row in samples),
        gallery=tuple(
            (each, tuple(samples[row] for row in each.rows if row in samples)) for each in chosen
        ),
    )  # fmt: skip


def _rows_in_view(of: ExampleSet, table: pa.Table) -> Sequence[int]:
    """Returns where the rows of a set are in the view that shows them."""
    if of.kind != CHANGESETS or of.shown is None:
        return range(table.num_rows)
    column = of.shown.table().column("changeset")
    rows: list[int] = pc.indices_nonzero(pc.greater(column, of.after)).to_pylist()
    return rows


def _first(checks: CheckReport) -> dict[int, tuple[Finding, ...]]:
    """Returns the first findings of each rule, by its place in the contract."""
    return {at: tuple(islice(ran.findings(), FINDINGS_MAX)) for at, ran in enumerate(checks.ran)}


def _told(table: pa.Table, findings: Mapping[int, Sequence[Finding]]) -> dict[int, str]:
    """Returns the rows of examples that a rule finds something about, and what it says."""
    texts: dict[str, str] = {}
    for found in findings.values():
        for each in found:
            if each.path is not None:
                said = f"{each.rule}: {each.text}"
                texts[each.path] = f"{texts[each.path]}; {said}" if each.path in texts else said
    paths = list(texts)[:FAILING_MAX]
    at = pc.index_in(pa.array(paths, pa.string()), value_set=table.column("path").combine_chunks())
    return {row: texts[path] for path, row in zip(paths, at.to_pylist(), strict=True)
            if row is not None}  # fmt: skip


def _changes(before: ExampleSet, table: pa.Table, *, whole: bool) -> Changes:
    """Compares by path; of a range nobody says what it removed, since it holds what it put."""
    old = before.table()
    paths, old_paths = (each.column("path").combine_chunks() for each in (table, old))
    added = table.filter(pc.invert(pc.is_in(paths, value_set=old_paths)))
    both = table.filter(pc.is_in(paths, value_set=old_paths))
    # Both are sorted by path, so the rows of one path stand beside each other.
    same = old.filter(pc.is_in(old_paths, value_set=paths))
    content = pc.not_equal(both.column("object"), same.column("object"))
    labels = pc.not_equal(*(_joined(each.column("labels")) for each in (both, same)))
    kinds = [
        _kind("added", added),
        _kind("changed content", both.filter(content)),
        _kind("other labels", both.filter(labels)),
    ]
    if whole:
        kinds.append(_kind("removed", old.filter(pc.invert(pc.is_in(old_paths, value_set=paths)))))
    return Changes(before.words, tuple(kinds))


def _kind(name: str, rows: pa.Table) -> tuple[str, int, tuple[str, ...]]:
    return name, rows.num_rows, tuple(rows.column("path").slice(0, PATHS_MAX).to_pylist())


def _joined(labels: pa.ChunkedArray) -> pa.Array:
    # No label holds a line feed.
    return pc.binary_join(labels.combine_chunks().cast(pa.list_(pa.string())), "\n")
