"""The classes of a selection, and the index of each example's class.

Without a list, classes are those of the whole snapshot and not of the selected examples: so the
training part and the test part of a dataset have the same indices.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import InvalidInput
from dsm.model.target import LABELS
from dsm.views.selection.columns import label_tuples, whole

if TYPE_CHECKING:
    from dsm.history.fold import Layer
    from dsm.model.categories import Category

NO_CLASS = -1


@dataclass(frozen=True)
class ClassList:
    """`names` in the order of their indices; `column` says the class of a row.

    A row has a class when exactly one of its values is in the list; else its index is -1.
    """

    names: tuple[str, ...] = ()
    column: str = LABELS
    listed: bool = False  # whether the view lists them: what is not in the list is no class
    categories: tuple[Category, ...] = ()  # what files of labels say of classes, in their order

    def with_others(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Returns the classes of objects with these labels, in the order of their indices.

        Without a list, labels of objects that no example has come last, sorted.
        """
        if self.listed:
            return self.names
        names = self.names if self.column == LABELS else tuple(c.name for c in self.categories)
        return (*names, *sorted({*labels} - {*names}))

    @cached_property
    def indices(self) -> dict[str, int]:
        """The index of each class."""
        return {name: index for index, name in enumerate(self.names)}

    def of(self, rows: pa.Table | pa.RecordBatch) -> list[int]:
        """Returns the index of the class of each row, -1 where it has none or several."""
        values = self.values(rows)
        if values is None:
            return [NO_CLASS] * rows.num_rows
        if pa.types.is_list(values.type):
            return [found[0] if len(found) == 1 else NO_CLASS for found in self.all_of(rows)]
        return self._looked_up(values)

    def all_of(self, rows: pa.Table | pa.RecordBatch) -> Sequence[Sequence[int]]:
        """Returns the indices of all classes that each row has, in the order of its values."""
        values, indices = self.values(rows), self.indices
        if values is None:
            return [()] * rows.num_rows
        if pa.types.is_list(values.type):
            return [
                [indices[name] for name in names if name in indices]
                for names in label_tuples(values)
            ]
        return [() if index == NO_CLASS else (index,) for index in self._looked_up(values)]

    def without(self, rows: pa.Table | pa.RecordBatch) -> int:
        """Counts the rows whose index is -1."""
        return self.of(rows).count(NO_CLASS)

    def values(self, rows: pa.Table | pa.RecordBatch) -> pa.Array | None:
        """Returns what says the class of each row: texts, or lists of them.

        None where rows have no such attribute. Where each row has one label it is a text.
        """
        if self.column != LABELS:
            if self.column not in rows.schema.names:
                return None
            return _as_text(whole(rows.column(self.column)))
        column = whole(rows.column("labels"))
        counts = pc.min_max(pc.list_value_length(column)).as_py()
        if counts == {"min": 1, "max": 1} and not column.null_count:
            return column.flatten()
        return column

    def _looked_up(self, values: pa.Array) -> list[int]:
        known = pa.array(self.names, pa.string())
        found: list[int] = pc.index_in(values, value_set=known).fill_null(NO_CLASS).to_pylist()
        return found


def labels_of(layers: Iterable[Layer]) -> set[str]:
    """Returns all labels of the live rows."""
    found: set[str] = set()
    for layer in layers:
        found.update(pc.unique(pc.list_flatten(_live(layer, "labels"))).to_pylist())
    return found


def values_of(column: str, layers: Iterable[Layer]) -> tuple[str, ...]:
    """Returns the values of an attribute as classes: numbers ascending, else by code point.

    Raises InvalidInput for fractions.
    """
    found: set[Any] = set()
    for layer in layers:
        if column not in layer.table.schema.names:
            continue
        values = _live(layer, column)
        if pa.types.is_floating(values.type):
            raise InvalidInput(
                f"the values of {column} are fractions, which are no classes",
                hint="choose another attribute as target, or give its classes as a list",
            )
        found.update(pc.unique(values).to_pylist())
    found.discard(None)
    return tuple(_as_text(pa.array(sorted(found))).to_pylist()) if found else ()


def _live(layer: Layer, column: str) -> pa.ChunkedArray:
    values = layer.table.column(column)
    return values if layer.live is None else values.filter(layer.live)


def _as_text(column: pa.Array) -> pa.Array:
    return column if pa.types.is_string(column.type) else column.cast(pa.string())
