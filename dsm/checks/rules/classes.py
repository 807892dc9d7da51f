"""The rule of classes: which there are, in which order, so that their indices do not shift."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks import options
from dsm.checks.columns import joined, one_array
from dsm.checks.rule import Failing, Rule, Subject, failing
from dsm.model.names import printable


class Classes(Rule):
    """Views from now on have exactly these classes, in this order, and examples no others."""

    name = "classes"
    about = "the dataset's target has these classes, in this order, and no example another one"
    options = {"are": options.labels}  # noqa: RUF012
    needed = ("are",)

    def problem(self) -> str | None:
        wanted = self.asked["are"]
        return "it names a class twice" if len(set(wanted)) < len(wanted) else None

    def check(self, subject: Subject) -> Iterator[Failing]:
        assert subject.target is not None, "this rule asks for the target of the dataset"
        target, wanted = subject.target(), self.asked["are"]
        if target.classes != wanted:
            has = "are not pinned" if target.classes is None else "are others, or in another order"
            named = ",".join(wanted)
            told = printable(named) if len(named) < 100 else f"a file of {len(wanted):,} classes"
            yield Failing(
                f"the classes of the dataset {has}: `dsm dataset set --classes {told}` pins them"
            )
        if target.column in subject.fresh.column_names:
            yield from self._strays(subject.fresh, one_array(subject.fresh.column(target.column)))
        said = subject.lacks(target.column) if subject.fresh.num_rows else None
        if said is not None:
            yield Failing(said)

    def _strays(self, table: pa.Table, values: pa.Array) -> Iterator[Failing]:
        wanted = pa.array(self.asked["are"], pa.string())
        if not pa.types.is_list(values.type):
            texts = pc.cast(values, pa.string())
            strange = pc.and_(pc.is_valid(texts), pc.invert(pc.is_in(texts, value_set=wanted)))
            yield from failing(table, strange, "{} is none of the classes", texts)
            return
        # Other labels are tags: one of the classes is enough.
        rows = pc.list_parent_indices(values)
        classed = pc.unique(rows.filter(pc.is_in(pc.list_flatten(values), value_set=wanted)))
        numbers = pa.array(range(len(values)), classed.type)
        none = pc.invert(pc.is_in(numbers, value_set=classed))
        labelled = pc.greater(pc.list_value_length(values), 0)
        told = joined(values, ", ")
        yield from failing(
            table, pc.and_(none, labelled), "none of its labels is a class: {}", told
        )
        yield from failing(table, pc.and_not(none, labelled), "it has no label, and so no class")
