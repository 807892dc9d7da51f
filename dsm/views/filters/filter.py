"""What a filter of a view has to say of itself: in JSON, in words, as a mask, and to a database.

A filter is a value: what was asked, spelt in the one way that is hashed. Each kind is a module here
and a row of `dsm.views.filters.table`; whatever depends on a filter asks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from dsm.views.filters.values import Value

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.model.changeset import Changeset
    from dsm.views.filters.sql import SqlConditions


class Clause(NamedTuple):
    """One condition that an example meets or not, whatever the others say.

    `name` is the word for it in answers, `text` is for people, `mask` tells which rows of a
    snapshot pass, and `value` is what it looks at in an example.
    """

    name: str
    text: str
    mask: Callable[[pa.Table], pa.ChunkedArray]
    value: Value


class Asking:
    """What a question is resolved with: the types of attributes, now in microseconds UTC, and
    whether the dataset has files of records."""

    def __init__(self, attributes: Mapping[str, str], now_us: int, *, has_records: bool = False):
        self.attributes = attributes
        self.now_us = now_us
        self.has_records = has_records

    @classmethod
    def of(cls, head: Changeset | None, now_us: int) -> Asking:
        """Returns it for what a changeset has; None: there is none yet."""
        if head is None:
            return cls({}, now_us)
        return cls(head.attributes, now_us, has_records=bool(head.records_files))


class Stored(Protocol):
    """What a filter may look at beside the row before it, when examples are selected."""

    def snapshot(self, number: int, changeset: str) -> pa.Table:
        """Returns the live examples after a changeset of this id. Raises DamagedData."""

    def changeset(self, number: int) -> Changeset:
        """Returns the changeset of a number, of those that the selection reads."""

    def hashes(self, column: pa.Array, key: bytes, make: Callable[[], pa.Array]) -> pa.Array:
        """Returns what `make` makes of a column under a key; of a long one it is remembered."""

    def paths_of(self, query: Mapping[str, Any]) -> pa.Array:
        """Returns the paths that another query of the dataset selects, given as it is hashed."""

    def content(self, oid: bytes, limit: int) -> bytes:
        """Returns an object's bytes. Raises DamagedData for more than `limit`, or none."""

    def once(self, what: Any, make: Callable[[], Any]) -> Any:
        """Returns what `make` makes, the same whenever this selection is asked for it again."""


class DummyWish:
    """What dummy rows shall be like to fit a view; filters narrow it."""

    def __init__(self) -> None:
        self.labels: list[str] = []  # any of these, if there are some
        self.unwanted: set[str] = set()
        self.since: int | None = None
        self.until: int | None = None


class Filter:
    """One filter of a query: a value that does not change, equal to others that ask the same."""

    # No dataclasses: to make one for each filter takes longer than all that `prepare` reads.
    columns: ClassVar[tuple[str, ...]] = ()  # of a snapshot that it looks at, where always the same

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(self.words())}>"

    @classmethod
    def asked(cls, asked: Mapping[str, Any], asking: Asking) -> Filter | None:
        """Returns the filter for the keywords of `prepare`; None when they do not ask for it.

        Raises InvalidInput, NotFound, AnswerIsNo.
        """
        raise NotImplementedError

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Filter | None:
        """Returns the filter of a query's document; None when it has none.

        Raises ValueError, or what else comes of a document that dsm has not written.
        """
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Returns its members of the query's document, which is hashed."""
        raise NotImplementedError

    def words(self) -> list[str]:
        """Returns what it asks for, in a few words: "not label cat"."""
        raise NotImplementedError

    def clauses(self) -> list[Clause]:
        """Returns its clauses; several where each can decide by itself."""
        raise NotImplementedError

    def bound(self, stored: Stored) -> Filter:
        """Returns the same filter with what its masks look at; itself where the row is enough."""
        return self

    def joined(self, other: Filter) -> Filter | None:
        """Returns one filter of its kind that takes what both take; None where none says that.

        Raises InvalidInput when nothing can pass both.
        """
        return self if self == other else None

    def needs_stored(self) -> str | None:
        """Returns in words what of it cannot be asked of rows that are not stored, if anything."""
        return None

    def narrow(self, conditions: SqlConditions) -> None:
        """Adds what a database can check: necessary conditions, none is as good as any."""

    def shape(self, wish: DummyWish) -> None:
        """Narrows what dummy rows shall be like."""

    def attributes(self) -> Iterable[str]:
        """Returns the attributes that it looks at, and "size"."""
        return ()

    def require_known(self, snapshot: pa.Table, at: int) -> None:
        """Raises NotFound when it asks for something that no example of changeset `at` has."""

    def labels_missed(self, labels: Mapping[str, int]) -> bool:
        """Whether it asks for a label that is not among those of the selected examples."""
        return False

    def left_out(self) -> tuple[str, ...]:
        """Returns labels that it leaves out: one that no example has is perhaps misspelt."""
        return ()


def texts(given: Iterable[str] | None) -> tuple[str, ...]:
    """Returns texts, none for None; a text by itself is one item, not one for each letter."""
    return (given,) if isinstance(given, str) else tuple(given or ())


def require_sorted(values: tuple[Any, ...]) -> None:
    """Raises ValueError for values that are not spelt as dsm spells them."""
    if list(values) != sorted(set(values)):
        raise ValueError("a list is not sorted")


def require_texts(values: tuple[Any, ...]) -> None:
    """Raises ValueError for what is not text, or not sorted."""
    if not all(isinstance(value, str) for value in values):
        raise ValueError("a field is of a kind that does not belong there")
    require_sorted(values)
