"""The filter by other views: an example's path is in all, any or none of them.

An expression of views has one spelling: `not` stands before views only, what is the same in another
order is sorted, nothing stands twice. Invariant: a view in it is its whole query, so nothing has to
be looked up to know what is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from blake3 import blake3

from dsm.errors import InvalidInput
from dsm.format.document import canonical
from dsm.views.filters import table
from dsm.views.filters.filter import Asking, Clause, Filter, Stored
from dsm.views.filters.values import PathValue

if TYPE_CHECKING:
    import pyarrow as pa

VIEW, NOT, ALL, ANY = "view", "not", "all", "any"
DEPTH_MAX = 4
BYTES_MAX = 400_000
_PLAIN = {"format", "kind", "dataset", "at"}  # what every query has

Expression = dict[str, Any]


def view(query: Mapping[str, Any]) -> Expression:
    """Returns the expression of one view, by its query as it is hashed; its target does not count.

    Of a view that asks for nothing but other views, their expression.
    """
    fields = {name: value for name, value in query.items() if name != "target"}
    if "views" in fields and not fields.keys() - _PLAIN - {"views"}:
        inner: Expression = fields["views"]
        if fields["at"]["number"] == max(_numbers(inner)):
            return inner
    return {VIEW: fields}


def both(*given: Expression) -> Expression:
    """Returns the expression for what is in all of these."""
    return _joined(ALL, given)


def either(*given: Expression) -> Expression:
    """Returns the expression for what is in any of these."""
    return _joined(ANY, given)


def negated(given: Expression) -> Expression:
    """Returns the expression for what is not in this one."""
    ((kind, value),) = given.items()
    if kind == NOT:
        inner: Expression = value
        return inner
    if kind == VIEW:
        return {NOT: given}
    return _joined(ANY if kind == ALL else ALL, [negated(each) for each in value])


def newest(given: Expression) -> dict[str, Any]:
    """Returns number and id of the newest changeset that one of its views asks for."""
    found = max(_places(given), key=lambda at: at["number"])
    return dict(found)


class MembersFilter(Filter):
    """Takes examples whose path an expression of views takes."""

    columns = ("path",)

    def __init__(self, expression: Expression, stored: Stored | None = None):
        self.expression = expression
        self._stored = stored

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MembersFilter) and self.expression == other.expression

    def __hash__(self) -> int:
        return hash(canonical(self.expression))

    @classmethod
    def of(cls, expression: Expression) -> Self:
        """Returns the filter of an expression. Raises InvalidInput for one that is too large."""
        if _depth(expression) > DEPTH_MAX or len(canonical(expression)) > BYTES_MAX:
            raise InvalidInput(
                f"views of views are nested more than {DEPTH_MAX} deep, or larger than"
                f" {BYTES_MAX:,} bytes",
                hint="ask for less in one view, or give the examples a label or an attribute",
            )
        return cls(expression)

    @classmethod
    def asked(cls, asked: Mapping[str, Any], asking: Asking) -> Self | None:
        return None  # by names, which are resolved to an expression

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self | None:
        found = cls.of(fields["views"])
        if canonical(_spelt(found.expression)) != canonical(found.expression):
            raise ValueError("its views are not spelt as dsm spells them")
        return found

    def to_json(self) -> dict[str, Any]:
        return {"views": self.expression}

    def words(self) -> list[str]:
        return [_words(self.expression, max(_numbers(self.expression)))]

    def bound(self, stored: Stored) -> MembersFilter:
        return MembersFilter(self.expression, stored)

    def joined(self, other: Filter) -> Filter | None:
        if not isinstance(other, MembersFilter):
            return None
        return MembersFilter.of(both(self.expression, other.expression))

    def clauses(self) -> list[Clause]:
        return [Clause("view", f"it is in {self.words()[0]}", self._mask, PathValue())]

    def needs_stored(self) -> str | None:
        return "what is in other views"

    def require_known(self, snapshot: pa.Table, at: int) -> None:
        for query in _views(self.expression):
            if query["at"]["number"] == at and "changesets" not in query:
                for each in table.read(query):
                    each.require_known(snapshot, at)

    def labels_missed(self, labels: Mapping[str, int]) -> bool:
        filters = (each for query in _views(self.expression) for each in table.read(query))
        return any(each.labels_missed(labels) for each in filters)

    def _mask(self, rows: pa.Table) -> pa.ChunkedArray:
        return self._evaluated(self.expression, rows.column("path"))

    def _evaluated(self, expression: Expression, paths: pa.ChunkedArray) -> pa.ChunkedArray:
        import pyarrow.compute as pc

        ((kind, value),) = expression.items()
        if kind == VIEW:
            stored = self._stored
            assert stored is not None, "other views need what is stored"
            found = stored.once(canonical(value), lambda: stored.paths_of(value))
            return pc.is_in(paths, value_set=found)
        if kind == NOT:
            return pc.invert(self._evaluated(value, paths))
        masks = [self._evaluated(each, paths) for each in value]
        mask = masks[0]
        for other in masks[1:]:
            mask = (pc.and_ if kind == ALL else pc.or_)(mask, other)
        return mask


def _joined(kind: str, given: Iterable[Expression]) -> Expression:
    found: dict[bytes, Expression] = {}
    for each in given:
        for inner in each.get(kind, [each]):
            found[canonical(inner)] = inner
    items = [found[spelt] for spelt in sorted(found)]
    return items[0] if len(items) == 1 else {kind: items}


def _spelt(given: Any) -> Expression:
    """Returns an expression as it is to be spelt. Raises ValueError for what is none."""
    ((kind, value),) = given.items()
    if kind == VIEW:
        known = {"format", "kind", "dataset", "at"} <= value.keys() and "target" not in value
        if not known or type(value["at"]["number"]) is not int:
            raise ValueError("one of its views has no query")
        return view(value)
    if kind == NOT:
        if set(value) != {VIEW}:
            raise ValueError("only a view can be left out")
        return negated(_spelt(value))
    if kind not in (ALL, ANY) or len(value) < 2:
        raise ValueError("its views are put together as dsm does not")
    return _joined(kind, [_spelt(each) for each in value])


def _views(given: Expression) -> list[dict[str, Any]]:
    """Returns the queries of all views in an expression."""
    ((kind, value),) = given.items()
    if kind == VIEW:
        return [value]
    if kind == NOT:
        return _views(value)
    return [query for each in value for query in _views(each)]


def _places(given: Expression) -> list[dict[str, Any]]:
    return [query["at"] for query in _views(given)]


def _numbers(given: Expression) -> list[int]:
    return [place["number"] for place in _places(given)]


def _depth(given: Any) -> int:
    ((kind, value),) = given.items()
    if kind == VIEW:
        return 1 + (_depth(value["views"]) if "views" in value else 0)
    if kind == NOT:
        return _depth(value)
    return max(map(_depth, value), default=0)


def _words(given: Expression, at: int, inner: bool = False) -> str:
    """Returns an expression for people; `at` is the newest changeset that its views ask for."""
    ((kind, value),) = given.items()
    if kind == VIEW:
        return _view_words(value, at)
    if kind == NOT:
        return f"not {_words(value, at, True)}"
    text = (" and " if kind == ALL else " or ").join(_words(each, at, True) for each in value)
    return f"({text})" if inner else text


def _view_words(query: Mapping[str, Any], at: int) -> str:
    """Returns a view by its version, or what it asks for when that is one list."""
    if query["at"]["number"] == at and query.keys() - _PLAIN in ({"labels"}, {"paths"}):
        ((words,),) = (each.words() for each in table.read(query))
        return f"({words})"
    return f"view {blake3(canonical(query)).hexdigest()[:12]}"
