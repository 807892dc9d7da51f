"""What a rule is, what it looks at, and what it finds.

A rule is a value: its options as the contract has them, with a severity, a reason and the line on
which it stands. Each kind is a module of `dsm.checks.rules` and a row of its table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from dsm.errors import NotFound

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.checks.facts import TableFacts
    from dsm.model.target import Target
    from dsm.model.trailers import Trailers
    from dsm.near.find import Near

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
    baseline: Callable[[str], pa.Table] | None = None  # those of a changeset, or of a view
    # What the schema of a name in a Python file finds in a table; see `dsm.checks.schema_job`.
    validate: Callable[[str, str, pa.Table], list[SchemaFailure]] | None = None

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
