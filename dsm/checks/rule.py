"""What a rule is, what it looks at, and what it finds.

A rule is a value: its options as the contract has them, with a severity, a reason and the line on
which it stands. Each kind is a module of `dsm.checks.rules` and a row of its table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from dsm.errors import NotFound
from dsm.model.column_names import RECORD_FIELD
from dsm.model.names import close_matches, printable

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.checks.facts import TableFacts
    from dsm.model.target import Target
    from dsm.model.trailers import Trailers
    from dsm.near.find import Near
    from dsm.views.reading.record_columns import RecordColumns

ERROR, WARNING = "error", "warning"
SEVERITIES = (WARNING, ERROR)
CHECK, COMMIT = "check", "commit"
# What every rule takes beside its own options.
SHARED = ("severity", "reason", "on")


# What a schema finds: the row (None: the whole table), its column, the check and the value.
SchemaFailure = tuple[int | None, str, str, str]


class LibraryMissing(NotFound):
    """A rule needs a library that is not installed."""

    code = "library-missing"


# Yields id and bytes of each distinct object, in any order; a large one is cut off.
Contents = Callable[[Iterable[bytes]], Iterator[tuple[bytes, bytes]]]


@dataclass(frozen=True)
class Subject:
    """What is judged: the examples of a state, and if it is a change, what it changes.

    `table` has all examples (columns as in `Dataset.snapshot`), `fresh` those that the change put;
    without a change they are the same. `before` is the state before it, None without a change.
    """

    table: pa.Table
    fresh: pa.Table
    before: pa.Table | None = None
    trailers: Trailers = field(default_factory=dict)
    contents: Contents | None = None
    # What a probe says of the content of the examples of a table.
    facts: Callable[[str, pa.Table], TableFacts] | None = None
    target: Callable[[], Target] | None = None  # what decides the class, for views from now on
    view: Callable[[str], pa.Table] | None = None  # the examples of a prepared view
    # For each row of a table the name of its part of a split, or null.
    parts: Callable[[str, pa.Table], pa.Array] | None = None
    near: Callable[[pa.Array], Near] | None = None  # finds the near ones among distinct objects
    # Those of a changeset, or of a view, with some fields of records beside them, or all (None).
    baseline: Callable[[str, Sequence[str] | None], pa.Table] | None = None
    # Names that a function in a Python file finds in lists of texts; see `dsm.checks.names_job`.
    people: Callable[[str, str, Iterable[list[str]]], Iterator[list[list[str]]]] | None = None
    # Some fields of the records in a table; see `dsm.views.reading.record_columns`.
    fields: Callable[[pa.Table, Sequence[str] | None], RecordColumns] | None = None
    # The fields that rules ask for: of what is judged, and of the whole.
    wanted: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    _read: dict[bool, dict[str, RecordColumns]] = field(default_factory=dict, repr=False)
    # What the schema of a name in a Python file finds in a table; see `dsm.checks.schema_job`.
    validate: Callable[[str, str, pa.Table], list[SchemaFailure]] | None = None

    def fresh_with(self, names: Iterable[str]) -> pa.Table:
        """Returns `fresh` with columns of these fields of records, `record.NAME`, where one has it.

        Other names are let be. Raises what reading records raises.
        """
        return self._with(self.fresh, names, whole=self.fresh is self.table)

    def fresh_with_all(self) -> pa.Table:
        """Returns `fresh` with columns of all fields of records that are no objects."""
        return (
            self.fresh if self.fields is None else self.fields(self.fresh, None).beside(self.fresh)
        )

    def table_with(self, names: Iterable[str]) -> pa.Table:
        """Returns `table` with columns of fields of records, as `fresh_with` does `fresh`."""
        return self._with(self.table, names, whole=True)

    def _with(self, table: pa.Table, names: Iterable[str], *, whole: bool) -> pa.Table:
        for name in names:
            if name.startswith(RECORD_FIELD) and name not in table.column_names:
                found = self._fields(name, whole=whole)
                if found is not None and name in found.columns:
                    table = table.append_column(*found.columns[name])
        return table

    def _fields(self, name: str, *, whole: bool) -> RecordColumns | None:
        """Returns what was read with a field; all that rules ask for are read at once."""
        if self.fields is None:
            return None
        known = self._read.setdefault(whole, {})
        if name not in known:
            of_fresh, of_whole = self.wanted
            asked = of_whole if whole and self.fresh is not self.table else (*of_fresh, *of_whole)
            names = [*dict.fromkeys((name, *asked))]
            found = self.fields(self.table if whole else self.fresh, names)
            known.update(dict.fromkeys(names, found))
        return known[name]

    def lacks(self, name: str) -> str | None:
        """Returns what to say of a column that no example has: `attr.NAME`, or `record.NAME`.

        None where one has it, or where a change put no record that could have it.
        """
        if name in self.table.column_names:
            column = self.table.column(name)
            if column.null_count < len(column):
                return None
        if not name.startswith(RECORD_FIELD):
            known = [each.removeprefix("attr.") for each in self.table.column_names
                     if each.startswith("attr.")
                     and self.table.column(each).null_count < self.table.num_rows]  # fmt: skip
            return _nobody("example has the attribute", name.removeprefix("attr."), known)
        found = self._fields(name, whole=self.fresh is self.table)
        if (
            found is None
            or name in found.columns
            or (self.before is not None and not found.records)
        ):
            return None
        if self.fresh is not self.table:
            found = self._fields(name, whole=True)
            if found is None or name in found.columns:
                return None
        plain = name.removeprefix(RECORD_FIELD)
        return _nobody("record has the field", plain, sorted(found.seen))

    @cached_property
    def repeated(self) -> pa.Table:
        """The rows of `table` whose content another row has, too, by `group`; found once."""
        from dsm.checks.columns import repeated

        return repeated(self.table)

    @cached_property
    def near_of_all(self) -> tuple[Near, list[int]]:
        """What `nearly_same` says of `table`; found once."""
        return self.nearly_same(self.table)

    def nearly_same(self, table: pa.Table) -> tuple[Near, list[int]]:
        """Returns which objects of a table are near, and the number of the object of each row."""
        encoded = table.column("object").combine_chunks().dictionary_encode()
        assert self.near is not None, "this rule reads content"
        return self.near(encoded.dictionary), encoded.indices.to_pylist()


def _nobody(what: str, name: str, known: list[str]) -> str:
    near = close_matches(name, known, 1)
    return f"no {what} {printable(name)}" + (
        f"; did you mean {printable(near[0])}?" if near else ""
    )


@dataclass(frozen=True)
class Failing:
    """What one rule finds wrong, in one way: examples with a value each, or the whole.

    `rows` has the column `path` and perhaps `value`; None says that the whole fails. `text` says
    what is wrong; `{}` in it stands for the value.
    """

    text: str
    rows: pa.Table | None = None

    @property
    def count(self) -> int:
        """How many findings it makes."""
        return 1 if self.rows is None else self.rows.num_rows


class Rule:
    """One rule of a contract. Subclasses say its options and how it looks at a subject."""

    name: ClassVar[str]
    about: ClassVar[str]  # one line: what it asks
    options: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    needed: ClassVar[tuple[str, ...]] = ()
    short: ClassVar[str | None] = None  # the option that a text in place of a table stands for
    reads_content: ClassVar[bool] = False

    def __init__(
        self, asked: Mapping[str, Any], *, severity: str, reason: str | None,
        on: tuple[str, ...], line: int | None,
    ):  # fmt: skip
        self.asked = asked
        self.severity = severity
        self.reason = reason
        self.on = on
        self.line = line

    def columns(self) -> tuple[Sequence[str], Sequence[str]]:
        """Returns the columns that it looks at by name: of what is judged, and of the whole."""
        return (), ()

    def problem(self) -> str | None:
        """Returns what is wrong with its options together, if anything."""
        low, high = self.asked.get("min"), self.asked.get("max")
        if low is not None and high is not None and low > high:
            return "min is above max"
        return None

    def check(self, subject: Subject) -> Iterator[Failing]:
        """Yields what fails; nothing when all is well. Raises InvalidInput, NotFound."""
        raise NotImplementedError


def failing(table: pa.Table, mask: Any, text: str, value: Any = None) -> Iterator[Failing]:
    """Yields the rows that a mask marks, if there are some; `value` is a column beside them."""
    import pyarrow.compute as pc

    mask = pc.fill_null(mask, False)
    if not pc.any(mask).as_py():
        return
    rows = table.select(["path"])
    if value is not None:
        rows = rows.append_column("value", value)
    yield Failing(text, rows.filter(mask))
