"""The filter by lists: exactly these examples, by their paths.

A list is stored as an object, and its id is what the query says: the paths, each ended by a NUL
byte, in the order of their bytes, none twice. Specified in docs/format/view.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from blake3 import blake3

from dsm.errors import DamagedData, InvalidInput
from dsm.format.document import canonical
from dsm.views.filters.filter import Asking, Clause, Filter, Stored
from dsm.views.filters.values import PathValue

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.views.filters.sql import SqlConditions

LIST_BYTES_MAX = 1 << 30
LISTS_MAX = 100
END = b"\0"


class Pick(NamedTuple):
    """A list: the id of the object that holds it, in hex, and how many paths it has."""

    object: str
    examples: int

    def to_json(self) -> dict[str, Any]:
        """Returns it as it is hashed."""
        return {"object": self.object, "examples": self.examples}


class PickFilter(Filter):
    """Takes examples whose path is in all of the lists (sorted).

    `unstored` has the lists that may not be stored yet, by their ids.
    """

    columns = ("path",)

    def __init__(
        self,
        picks: tuple[Pick, ...],
        unstored: Mapping[str, bytes] | None = None,
        stored: Stored | None = None,
    ):
        self.picks = picks
        self.unstored = dict(unstored or {})
        self._stored = stored

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PickFilter) and self.picks == other.picks

    def __hash__(self) -> int:
        return hash(self.picks)

    @classmethod
    def of_list(cls, data: bytes, examples: int) -> Self:
        """Returns the filter of one list, which need not be stored yet."""
        pick = Pick(blake3(data).hexdigest(), examples)
        return cls((pick,), {pick.object: data})

    @classmethod
    def asked(cls, asked: Mapping[str, Any], asking: Asking) -> Self | None:
        return None  # what is picked is looked up among the examples first

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self | None:
        given = fields["picks"]
        picks = tuple(Pick(each["object"], each["examples"]) for each in given)
        for pick in picks:
            if len(pick.object) != 64 or bytes.fromhex(pick.object).hex() != pick.object:
                raise ValueError("a list that it picks by is no object id")
            if type(pick.examples) is not int or pick.examples < 1:
                raise ValueError("a list that it picks by has no number of examples")
        if not picks or len(picks) > LISTS_MAX or _sorted(picks) != picks:
            raise ValueError("its lists are not sorted")
        return cls(picks)

    def to_json(self) -> dict[str, Any]:
        return {"picks": [pick.to_json() for pick in self.picks]}

    def joined(self, other: Filter) -> Filter | None:
        if not isinstance(other, PickFilter):
            return None
        both = _sorted((*self.picks, *other.picks))
        if len(both) > LISTS_MAX:
            raise InvalidInput(f"more than {LISTS_MAX} lists are picked by")
        return PickFilter(both, self.unstored | other.unstored)

    def words(self) -> list[str]:
        return [
            f"{pick.examples:,} picked {'example' if pick.examples == 1 else 'examples'}"
            f" (list {pick.object[:12]})"
            for pick in self.picks
        ]

    def bound(self, stored: Stored) -> PickFilter:
        return PickFilter(self.picks, self.unstored, stored)

    def clauses(self) -> list[Clause]:
        return [
            Clause("pick", f"it is one of {words}", self._mask_of(pick), PathValue())
            for pick, words in zip(self.picks, self.words(), strict=True)
        ]

    def narrow(self, conditions: SqlConditions) -> None:
        conditions.nothing_passes()  # lists hold what is stored; see `_mask_of`

    def _mask_of(self, pick: Pick) -> Any:
        def mask(table: pa.Table) -> pa.ChunkedArray:
            import pyarrow.compute as pc

            return pc.is_in(table.column("path"), value_set=self._paths(pick))

        return mask

    def _paths(self, pick: Pick) -> pa.Array:
        stored = self._stored
        assert stored is not None, "lists need what is stored"

        def read() -> pa.Array:
            data = self.unstored.get(pick.object)
            if data is None:
                data = stored.content(bytes.fromhex(pick.object), LIST_BYTES_MAX)
            return paths_in(data, pick)

        return stored.once(pick.object, read)


def paths_in(data: bytes, pick: Pick) -> pa.Array:
    """Returns the paths of a list. Raises DamagedData for bytes that are no such list."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        if not data.endswith(END):
            raise ValueError("it does not end as lists do")
        whole = pa.array([data[: -len(END)]], pa.large_binary())
        paths = pc.split_pattern(whole, END).flatten().cast(pa.string())
        if len(paths) != pick.examples:
            raise ValueError(f"it has {len(paths):,} paths, not {pick.examples:,}")
        ascends = pc.less(paths.slice(0, len(paths) - 1), paths.slice(1))
        if not pc.all(ascends, min_count=0).as_py():
            raise ValueError("its paths are not in order")
    except (ValueError, pa.ArrowException) as error:
        raise DamagedData(f"object {pick.object} is no list of picked examples: {error}") from None
    return paths


def _sorted(picks: tuple[Pick, ...]) -> tuple[Pick, ...]:
    return tuple(sorted(set(picks), key=lambda pick: canonical(pick.to_json())))


def lists_in(fields: Any) -> set[bytes]:
    """Returns the ids of all lists that a document refers to, in views within views as well.

    Raises DamagedData for a reference that is none.
    """
    found: set[bytes] = set()
    pending = [fields]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += value
        elif isinstance(value, dict):
            picks = value.get("picks")
            if isinstance(picks, list):
                try:
                    found.update(bytes.fromhex(pick["object"]) for pick in picks)
                except (TypeError, KeyError, ValueError) as error:
                    raise DamagedData(f"a document picks by a list that is none: {error}") from None
            pending += value.values()
    return found
