"""The filter by label: an example has any of some labels, or all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypedDict

from dsm.errors import InvalidInput, NotFound
from dsm.model.names import check_label, close_matches, printable
from dsm.views.filters.filter import (
    Asking,
    Clause,
    DummyWish,
    Filter,
    require_texts,
    texts,
)
from dsm.views.filters.values import LabelsValue

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.views.filters.sql import SqlConditions

LABELS_SHOWN = 10


class Asked(TypedDict, total=False):
    """Its keywords."""

    labels: Iterable[str] | None
    all_labels: bool


class LabelFilter(Filter):
    """Takes examples with any of the labels (sorted), or with `need_all` those with all of them."""

    columns = ("labels",)

    def __init__(self, labels: tuple[str, ...], need_all: bool = False):
        self.labels = labels
        self.need_all = need_all

    @classmethod
    def asked(cls, asked: Mapping[str, Any], asking: Asking) -> Self | None:
        labels = tuple(sorted({check_label(label) for label in texts(asked.get("labels"))}))
        need_all = asked.get("all_labels", False)
        if need_all and not labels:
            raise InvalidInput("all of which labels?", hint="give them with --label")
        # Of one label, any and all mean the same.
        return cls(labels, need_all and len(labels) > 1) if labels else None

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self | None:
        found = fields.get("labels", {})
        labels = tuple(found.get("any", found.get("all", ())))
        require_texts(labels)
        return cls(labels, "all" in found) if labels else None

    def to_json(self) -> dict[str, Any]:
        how = "all" if self.need_all and len(self.labels) > 1 else "any"
        return {"labels": {how: list(self.labels)}}

    def joined(self, other: Filter) -> Filter | None:
        if not isinstance(other, LabelFilter):
            return None
        mine, theirs = set(self.labels), set(other.labels)
        # One label is all of one; of several, "any" of each list cannot be one list.
        alls = [each for each in (self, other) if each.need_all or len(each.labels) == 1]
        if len(alls) == 2:
            both = tuple(sorted(mine | theirs))
            return LabelFilter(both, len(both) > 1)
        if alls:  # who has all of some has any of others that are among them
            return alls[0] if mine & theirs else None
        return self if mine <= theirs else other if theirs <= mine else None

    def words(self) -> list[str]:
        return ["label " + self._joined()]

    def clauses(self) -> list[Clause]:
        return [Clause("label", "label is " + self._joined(), self._mask, LabelsValue())]

    def _joined(self) -> str:
        return (" and " if self.need_all else " or ").join(map(printable, self.labels))

    def _mask(self, table: pa.Table) -> pa.ChunkedArray:
        import pyarrow.compute as pc

        from dsm.views.filters.label_counts import hits

        need = len(self.labels) if self.need_all else 1
        return pc.greater_equal(hits(table, self.labels), need)

    def narrow(self, conditions: SqlConditions) -> None:
        name = conditions.query.label
        if name is None:
            conditions.nothing_passes()
        kind = conditions.kind(name)
        if kind in ("int", "string", "bool") and self.need_all and len(self.labels) > 1:
            conditions.nothing_passes()
        if len(self.labels) > conditions.list_max:
            return
        if kind == "string" and conditions.is_text_column(name):
            # Odd ones may become any label, by normalisation and by what else counts as blank.
            odd = conditions.spelling.odd.format(conditions.column(name))
            condition = " OR ".join(filter(None, (odd, conditions.label_among(name, self.labels))))
            conditions.found.append(conditions.loosely(name, "string", condition))
        elif kind == "int":
            conditions.found += conditions.integers(name, self.labels)
        elif kind == "bool" and not conditions.sqlite:
            conditions.found.append(
                conditions.one_of(name, "bool", conditions.bools(self.labels)) or conditions.never()
            )

    def shape(self, wish: DummyWish) -> None:
        wish.labels = list(self.labels)

    def require_known(self, snapshot: pa.Table, at: int) -> None:
        """Raises NotFound for a label that no example has: a misspelt one would go unnoticed."""
        from dsm.views.filters.label_counts import counts, unknown

        for label in unknown(snapshot, self.labels):
            known = counts(snapshot)
            near = close_matches(label, known)
            some = ", ".join(list(known)[:LABELS_SHOWN]) or "none"
            parts = [part.strip() for part in label.split(",")]
            hint = f"did you mean {near[0]}?" if near else f"labels: {some}"
            if len(parts) > 1 and all(part in known for part in parts):
                hint = "give each label its own option: --label " + " --label ".join(parts)
            raise NotFound(f"no example of changeset {at} has the label {label!r}", hint=hint)

    def labels_missed(self, labels: Mapping[str, int]) -> bool:
        return any(label not in labels for label in self.labels)
