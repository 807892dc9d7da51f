"""The rule of what is nearly the same: pictures that look alike, texts that read alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks.columns import one_array
from dsm.checks.rule import Failing, Rule, Subject
from dsm.near.sides import NearRows, across, repeated


class NearDuplicates(Rule):
    """No two examples look or read nearly the same."""

    name = "duplicates-near"
    about = "no two pictures look nearly the same, no two texts read nearly the same"
    reads_content = True

    def check(self, subject: Subject) -> Iterator[Failing]:
        near, objects = subject.near_of_all
        fresh = is_fresh(subject)
        found = repeated(near, objects, fresh)
        if subject.before is not None:  # of a change: what it put, beside what was there
            twice = {each.row for each in found}
            beside = across(near, objects, fresh)
            found += [each for each in beside if fresh[each.row] and each.row not in twice]
        yield from told_near("it is nearly the same as {}", subject.table.column("path"), found)


def is_fresh(subject: Subject) -> list[bool]:
    """Returns for each row of the whole whether the change put it; all, without a change."""
    if subject.before is None:
        return [True] * subject.table.num_rows
    paths = one_array(subject.fresh.column("path"))
    marked: list[bool] = pc.is_in(subject.table.column("path"), value_set=paths).to_pylist()
    return marked


def told_near(text: str, paths: pa.ChunkedArray, found: Iterable[NearRows]) -> Iterator[Failing]:
    """Yields the first rows of pairs with the others beside them, if there are some."""
    pairs = sorted((each.row, each.other) for each in found)
    if pairs:
        one, other = (paths.take(pa.array(rows, pa.int64())) for rows in zip(*pairs, strict=True))
        yield Failing(text, pa.table({"path": one, "value": other}))
