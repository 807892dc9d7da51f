"""The filter by parts of splits: an example is in each of the parts that are asked for.

A part is asked for by its definition, never by a name: by what is drawn, with which seed, and which
of so many equal buckets it takes. See `keyed_hash` for who is drawn, `pinned` for exact shares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from dsm.format.document import canonical
from dsm.model.names import printable
from dsm.model.shares import Run, require_runs
from dsm.model.target import ATTRIBUTE, LABELS
from dsm.views.filters.filter import Clause, Filter, Stored
from dsm.views.filters.values import AttributeValue, ContentValue, PathValue, Value

if TYPE_CHECKING:
    import pyarrow as pa

PATH, CONTENT = "path", "content"
# Groups are evened out bucket by bucket, in each class anew.
GROUP_BUCKETS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a split: the runs of `of` equal buckets that it takes.

    `by` is `path`, `content` or `attr.NAME`. With `at`, number and id of a changeset, those who are
    there keep the bucket that they get in it; with `strata` each class is dealt out by itself.
    """

    by: str
    seed: str
    take: tuple[Run, ...]
    of: int
    at: tuple[int, str] | None = None
    strata: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the part as it is hashed."""
        fields: dict[str, Any] = {
            "by": self.by, "seed": self.seed, "of": self.of, "take": [list(r) for r in self.take],
        }  # fmt: skip
        if self.at is not None:
            fields["at"] = {"number": self.at[0], "changeset": self.at[1]}
        if self.strata is not None:
            fields["strata"] = self.strata
        return fields

    @classmethod
    def from_json(cls, fields: Any) -> Part:
        """Reads what `to_json` returned. Raises ValueError, KeyError, TypeError."""
        at = fields.get("at")
        part = cls(
            fields["by"], fields["seed"], tuple((a, b) for a, b in fields["take"]), fields["of"],
            None if at is None else (at["number"], at["changeset"]), fields.get("strata"),
        )  # fmt: skip
        require_runs(part.take, part.of)
        texts = [part.by, part.seed, *([] if part.strata is None else [part.strata])]
        if not all(isinstance(text, str) for text in texts) or part.to_json() != fields:
            raise ValueError("a part of a split is not spelt as dsm spells it")
        known = part.by in (PATH, CONTENT) or part.by.startswith(ATTRIBUTE)
        strata = part.strata in (None, LABELS) or str(part.strata).startswith(ATTRIBUTE)
        pinned = type(part.at[0]) is int and isinstance(part.at[1], str) if part.at else True
        even = part.at is None or part.by == PATH or part.of <= GROUP_BUCKETS_MAX
        if not even or not known or not strata or not pinned or (part.strata and not part.at):
            raise ValueError("a part of a split asks for what there is not")
        return part

    @property
    def everything(self) -> bool:
        """Whether every example is in it."""
        return self.take == ((0, self.of),)

    def words(self) -> str:
        """Returns it for people: "0–80% by attr.speaker, seed cv"."""
        share = " and ".join(
            f"{100 * first / self.of:.6g}–{100 * end / self.of:.6g}%" for first, end in self.take
        )
        strata = f", each of {printable(self.strata)} alike" if self.strata else ""
        exact = f", exact in changeset {self.at[0]}" if self.at else ""
        drawn = f"{share} by {printable(self.by)}, seed {printable(self.seed) or '(none)'}"
        return drawn + strata + exact


class SplitFilter(Filter):
    """Takes examples that are in all of the parts (sorted by their canonical form)."""

    def __init__(self, parts: tuple[Part, ...], stored: Stored | None = None):
        self.parts = parts
        self._stored = stored

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SplitFilter) and self.parts == other.parts

    def __hash__(self) -> int:
        return hash((SplitFilter, self.parts))

    @classmethod
    def of(cls, parts: Iterable[Part]) -> Self | None:
        """Returns the filter for some parts; None when they take everything."""
        wanted = {part for part in parts if not part.everything}
        return cls(tuple(sorted(wanted, key=_spelt))) if wanted else None

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self | None:
        parts = tuple(map(Part.from_json, fields.get("splits", ())))
        found = cls.of(parts)
        if parts and (found is None or found.parts != parts):
            raise ValueError("its splits are not in order")
        return found

    def to_json(self) -> dict[str, Any]:
        return {"splits": [part.to_json() for part in self.parts]}

    def words(self) -> list[str]:
        return [part.words() for part in self.parts]

    def bound(self, stored: Stored) -> SplitFilter:
        return SplitFilter(self.parts, stored)

    def joined(self, other: Filter) -> Filter | None:
        return (
            SplitFilter.of((*self.parts, *other.parts)) if isinstance(other, SplitFilter) else None
        )

    def clauses(self) -> list[Clause]:
        return [
            Clause("split", "drawn in " + part.words(), partial(self._mask, part), _value(part.by))
            for part in self.parts
        ]

    def attributes(self) -> Iterable[str]:
        return [
            part.by.removeprefix(ATTRIBUTE) for part in self.parts if part.by not in (PATH, CONTENT)
        ]

    def needs_stored(self) -> str | None:
        return "a split by content" if any(part.by == CONTENT for part in self.parts) else None

    def _mask(self, part: Part, table: pa.Table) -> pa.ChunkedArray:
        import pyarrow as pa
        import pyarrow.compute as pc

        from dsm.views.filters.keyed_hash import hashes, threshold
        from dsm.views.filters.pinned import SPLIT, within

        assert self._stored is not None, "a split needs what is stored"
        buckets = None if part.at is None else self._dealt(part, table)
        if buckets is not None and not buckets.null_count:
            return pa.chunked_array([within(buckets, part.take)])
        values = hashes(self._stored, table, SPLIT, part.by, part.seed)
        mask = None
        for first, end in part.take:
            inside = pc.greater_equal(values, pa.scalar(threshold(first, part.of), pa.uint64()))
            if end < part.of:
                limit = pa.scalar(threshold(end, part.of), pa.uint64())
                inside = pc.and_(inside, pc.less(values, limit))
            mask = inside if mask is None else pc.or_(mask, inside)
        if buckets is not None:
            mask = pc.coalesce(within(buckets, part.take), mask)
        return pa.chunked_array([mask])

    def _dealt(self, part: Part, table: pa.Table) -> pa.Array:
        """Returns the bucket that the pinned changeset gave each row; null for new ones."""
        import pyarrow.compute as pc

        from dsm.views.filters.keyed_hash import key_of, units
        from dsm.views.filters.pinned import dealt_out

        stored, (number, changeset) = self._stored, part.at or (0, "")
        assert stored is not None

        def deal() -> tuple[pa.Array, pa.Array]:
            snapshot = stored.snapshot(number, changeset)
            return dealt_out(stored, snapshot, part.by, part.seed, part.strata, part.of)

        def deal_once() -> tuple[pa.Array, pa.Array]:
            if part.by != PATH:
                return deal()
            # Row by row, so that it can be kept: nothing but these fields and the rows decides.
            paths = units(stored.snapshot(number, changeset), PATH)
            key = key_of("deal", canonical(part.to_json() | {"take": []}).decode(), "")
            return paths, stored.hashes(paths, key, lambda: deal()[1].cast("uint64")).cast("int64")

        known, buckets = stored.once((part.by, part.seed, part.of, part.at, part.strata), deal_once)
        own = units(table, part.by)
        if part.by == PATH and own.equals(known):
            return buckets
        return buckets.take(pc.index_in(own, value_set=known))


def _spelt(part: Part) -> bytes:
    return canonical(part.to_json())


def _value(by: str) -> Value:
    if by == PATH:
        return PathValue()
    return ContentValue() if by == CONTENT else AttributeValue(by.removeprefix(ATTRIBUTE))
