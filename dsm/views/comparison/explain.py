"""Why two views differ: for each example, the one clause that decided.

An example that only one view holds is looked up in what the other one's changesets hold. If it is
not there, the changesets decided; else the first of that view's clauses that rejects it. Examples
are sorted into reasons column by column; texts are made for those that are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from dsm.history.snapshot import examples_of
from dsm.model.example import Example
from dsm.model.names import printable
from dsm.model.timespec import format_time
from dsm.views.comparison.differences import ASPECTS, ViewDiff, compare, one_array
from dsm.views.comparison.past import changeset_of, deleting
from dsm.views.filters.filter import Clause
from dsm.views.filters.values import AttributeValue, LabelsValue, SizeValue, TimeValue
from dsm.views.query.describe import newest_text
from dsm.views.selection.selection import Selection

CHANGESETS, PERCENT = "changesets", "percent"
_WORDS = {
    "content": "content changed", "labels": "relabelled", "attributes": "attributes changed",
    "time": "time changed", "annotation": "annotation changed",
}  # fmt: skip

Detail = Callable[[Example, Example | None], str]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why examples differ: `clause` as in the query, `text` for people, the examples by path.

    `change` is added, dropped or changed; `changeset` is the number that brought, removed or
    changed the examples, when one did.
    """

    change: str
    clause: str
    text: str
    changeset: int | None
    rows: pa.Table
    others: pa.Table | None
    detail: Detail

    @property
    def count(self) -> int:
        rows: int = self.rows.num_rows
        return rows

    @property
    def paths(self) -> pa.ChunkedArray:
        return self.rows.column("path")

    def examples(self, limit: int | None = None) -> Iterator[tuple[str, str]]:
        """Yields path and what was decisive of the example itself, "" when the reason says all."""
        others: Iterator[Example] | None = None
        if self.others is not None:
            others = examples_of(self.others.slice(0, limit))
        for example in examples_of(self.rows.slice(0, limit)):
            other = next(others) if others is not None else None
            yield example.path, self.detail(example, other)


@dataclass(frozen=True, slots=True)
class Explanation:
    """All differences of two views, each in exactly one reason; those of most examples first."""

    diff: ViewDiff
    reasons: tuple[Reason, ...]


def explain(a: Selection, b: Selection) -> Explanation:
    """Finds what decided for each example that differs. Raises InvalidInput."""
    diff = compare(a, b)
    reasons = [
        *_lacking(diff.dropped, "dropped", a, b, "AB"),
        *_lacking(diff.added, "added", b, a, "BA"),
        *_changed(diff),
    ]
    reasons.sort(key=lambda reason: (-reason.count, reason.text, reason.change))
    return Explanation(diff, tuple(reasons))


# --- what both hold -------------------------------------------------------------------------------


def _changed(diff: ViewDiff) -> Iterator[Reason]:
    """One reason for each changeset and gravest aspect."""
    rest = pa.chunked_array([pa.repeat(True, diff.before.num_rows)])
    for aspect in ASPECTS:
        if not diff.before.num_rows:
            return
        now = pc.and_(rest, diff.changed[aspect])
        rest = pc.and_(rest, pc.invert(now))
        before, after = diff.before.filter(now), diff.after.filter(now)
        detail = _aspect_detail(aspect)
        for number, backwards, one, two in _by_newest(before, after):
            text = f"{_WORDS[aspect]} in changeset {number}{_not_of('B' if backwards else 'A')}"
            yield Reason(
                change="changed", clause=CHANGESETS, text=text, changeset=number, rows=two,
                others=one, detail=detail,
            )  # fmt: skip


def _by_newest(first: pa.Table, second: pa.Table) -> Iterator[tuple[int, bool, pa.Table, pa.Table]]:
    """Splits pairs of rows by the newer one's changeset; tells whether that is the first one's.

    The view of the older row lacks that changeset.
    """
    one, two = first.column("changeset"), second.column("changeset")
    for backwards, older, newer in ((False, one, two), (True, two, one)):
        mask = pc.less(older, newer)
        tables = first.filter(mask), second.filter(mask)
        for number, (before, after) in _by_number(newer.filter(mask), *tables):
            yield number, backwards, before, after


def _by_number(
    numbers: pa.ChunkedArray, *tables: pa.Table
) -> Iterator[tuple[int, tuple[pa.Table, ...]]]:
    """Splits tables by the number of each row; the order of rows with one number stays."""
    order = pc.sort_indices(numbers)
    found, at = pc.value_counts(numbers.take(order)), 0
    ordered = [table.take(order) for table in tables]
    counts = found.field("counts").to_pylist()
    for number, count in zip(found.field("values").to_pylist(), counts, strict=True):
        yield number, tuple(table.slice(at, count) for table in ordered)
        at += count


def _not_of(letter: str) -> str:
    """Which view lacks a changeset; that it is the first one is what one expects."""
    return ", which is not among those of B" if letter == "B" else ""


def _aspect_detail(aspect: str) -> Detail:
    if aspect == "attributes":
        return _attributes
    if aspect == "annotation":
        return lambda *_: ""
    if aspect == "content":
        return _content
    return (LabelsValue() if aspect == "labels" else TimeValue()).moved


def _content(after: Example, before: Example | None) -> str:
    assert before is not None
    if after.size != before.size:
        return SizeValue().moved(after, before)
    return f"{after.size:,} B, was {before.oid.hex()[:8]}, is {after.oid.hex()[:8]}"


def _attributes(after: Example, before: Example | None) -> str:
    assert before is not None
    names = sorted({*before.attributes, *after.attributes})
    parts = [
        f"{printable(name)} {AttributeValue(name).moved(after, before)}"
        for name in names if before.attributes.get(name) != after.attributes.get(name)
    ]  # fmt: skip
    return "; ".join(parts)


# --- what one of them lacks -----------------------------------------------------------------------


def _lacking(
    rows: pa.Table, change: str, having: Selection, lacking: Selection, letters: str
) -> Iterator[Reason]:
    """Explains rows of `having` that `lacking` does not select."""
    if not rows.num_rows:
        return
    a, b = (having, lacking) if letters == "AB" else (lacking, having)
    known = lacking.snapshot
    paths = one_array(rows.column("path"))
    theirs = known.filter(pc.is_in(known.column("path"), value_set=paths))
    there = pc.is_in(rows.column("path"), value_set=one_array(theirs.column("path")))
    yield from _absent(rows.filter(pc.invert(there)), change, lacking, letters[1])
    ours = rows.filter(there)  # beside `theirs`, row by row: both are sorted by path
    for clause in _asked(a, b, lacking):
        if not theirs.num_rows:
            return
        fails = pc.invert(clause.mask(theirs).fill_null(False))
        one, two = ours.filter(fails), theirs.filter(fails)
        kept = pc.invert(fails)
        ours, theirs = ours.filter(kept), theirs.filter(kept)
        if not one.num_rows:
            continue
        # Where the other view's own row would pass, the data decided, not the question.
        data = pc.and_(
            clause.mask(one).fill_null(False),
            pc.not_equal(one.column("changeset"), two.column("changeset")),
        )
        asked = two.filter(pc.invert(data))
        if asked.num_rows:
            yield Reason(
                change=change, clause=clause.name, text=clause.text, changeset=None, rows=asked,
                others=None, detail=clause.value.stated,
            )  # fmt: skip
        pairs = one.filter(data), two.filter(data)
        yield from _by_data(*pairs, change, clause, letters)
    assert not theirs.num_rows, "an example that no clause rejects is selected"


def _by_data(
    ours: pa.Table, theirs: pa.Table, change: str, clause: Clause, letters: str
) -> Iterator[Reason]:
    """Explains rows that a clause rejects since a changeset made them others."""
    for number, backwards, one, two in _by_newest(ours, theirs):
        text = f"{clause.value.changed} in changeset {number}{_not_of(letters[backwards])}"
        older, newer = (two, one) if backwards else (one, two)
        text = f"{text}; {clause.text}"
        yield Reason(
            change=change, clause=clause.name, text=text, changeset=number, rows=newer,
            others=older, detail=clause.value.moved,
        )  # fmt: skip


def _asked(a: Selection, b: Selection, lacking: Selection) -> Iterator[Clause]:
    """Yields what a view asks, in order, told with its letter."""
    letter = "A" if lacking is a else "B"
    for clause in lacking.clauses:
        yield clause._replace(text=f"{letter} asks that {clause.text}")
    yield from _asked_newest(a, b, lacking)
    for clause in lacking.evaluation.draws:
        yield clause._replace(text=f"{letter} asks that {clause.text}")


def _asked_newest(a: Selection, b: Selection, lacking: Selection) -> Iterator[Clause]:
    """Yields the newest share that a view asks for, if it does."""
    query, letter = lacking.query, "A" if lacking is a else "B"
    cutoff = lacking.evaluation.cutoff
    if cutoff is None or query.percent is None:
        return
    text = f"older than the {newest_text(query.percent)} of {letter}: "
    first, second = a.evaluation.cutoff, b.evaluation.cutoff
    if first is None or second is None:
        text += f"its cut-off is {format_time(cutoff.time)}"
    elif first.time == second.time:
        text += (
            f"the cut-off is {format_time(cutoff.time)} in both, where a hash of the path decides"
        )
    else:
        text += f"cut-off moved from {format_time(first.time)} to {format_time(second.time)}"
    yield Clause(PERCENT, text, cutoff.mask, TimeValue(cutoff.time))


# --- what is in no changeset of the other ---------------------------------------------------------


def _absent(rows: pa.Table, change: str, lacking: Selection, letter: str) -> Iterator[Reason]:
    """Explains rows whose path the other view's changesets do not hold at all."""
    if not rows.num_rows:
        return
    number = rows.column("changeset")
    deleted = pa.chunked_array([deleting(lacking, rows)])
    by_deletion = pc.greater(deleted, number).fill_null(False)
    gone = rows.filter(by_deletion)
    for n, (chosen,) in _by_number(deleted.filter(by_deletion), gone):
        yield _told(chosen, change, f"deleted in changeset {n}", n)
    others = rows.filter(pc.invert(by_deletion))
    for n, (chosen,) in _by_number(others.column("changeset"), others):
        if n > lacking.query.at:
            counts = changeset_of(lacking, n).counts
            verb = "is of" if counts.modified or counts.relabelled else "arrived in"
            text = f"{verb} changeset {n}, {letter} stops at changeset {lacking.query.at}"
        else:
            text = f"changeset {n}, which holds it, is not among those of {letter}"
        yield _told(chosen, change, text, n)


def _told(rows: pa.Table, change: str, text: str, number: int) -> Reason:
    return Reason(
        change=change, clause=CHANGESETS, text=text, changeset=number, rows=rows, others=None,
        detail=lambda *_: "",
    )  # fmt: skip
