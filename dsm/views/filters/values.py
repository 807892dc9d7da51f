"""What a clause looks at in an example, in words: the value that decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dsm.format.manifest import ATTRIBUTE
from dsm.model.example import Example
from dsm.model.names import printable
from dsm.model.timespec import format_time
from dsm.views.filters.conditions import SIZE
from dsm.views.query.view_query import ViewQuery
from dsm.views.selection.evaluate import Clause, clauses


@dataclass(frozen=True, slots=True)
class Value:
    """The value of an example that a clause of this name (of `where`: on this attribute) asks.

    Of the newest share, `cutoff` is the time of the oldest example that is kept.
    """

    clause: str
    attribute: str = ""
    cutoff: int | None = None

    def of(self, example: Example) -> str:
        """Returns the value alone: "cat, night", a time, 512."""
        if self.clause in ("label", "exclude"):
            return printable(", ".join(example.labels)) or "no label"
        if self.clause == "path":
            return printable(example.path)
        if self.attribute == SIZE:
            return f"{example.size:,} B"
        if self.clause != "where":
            return format_time(example.time)
        found: object = example.attributes.get(self.attribute)
        if isinstance(found, bool):
            return "true" if found else "false"
        return "none" if found is None else printable(str(found))

    def stated(self, example: Example, _: Example | None = None) -> str:
        """Returns the value with its name: "label cat, night", "width=512", "no label"."""
        value = self.of(example)
        if self.clause in ("label", "exclude"):
            return f"label {value}" if example.labels else value
        if self.clause == "path":
            return ""
        if self.clause != "where":
            tied = ", that of the cut-off: the path decides"
            return f"time {value}" + (tied if example.time == self.cutoff else "")
        name = printable(self.attribute)
        known = self.attribute == SIZE or self.attribute in example.attributes
        return f"{name}={value}" if known else f"no {name}"

    def moved(self, after: Example, before: Example | None) -> str:
        """Returns "was cat, is dog"."""
        assert before is not None
        return f"was {self.of(before)}, is {self.of(after)}"

    @property
    def column(self) -> str:
        """The column of a snapshot that holds the value of a condition, "" for other clauses."""
        if self.clause != "where":
            return ""
        return self.attribute if self.attribute == SIZE else ATTRIBUTE + self.attribute

    @property
    def changed(self) -> str:
        """What is said of an example whose value a changeset changed."""
        if self.clause in ("label", "exclude"):
            return "relabelled"
        return f"{printable(self.attribute)} changed" if self.clause == "where" else "time changed"


def clauses_with_values(query: ViewQuery) -> Iterator[tuple[Clause, Value]]:
    """Yields the filters of a query but for the newest share, each with what it looks at."""
    conditions = iter(query.where)
    for clause in clauses(query):
        attribute = next(conditions).attribute if clause.name == "where" else ""
        yield clause, Value(clause.name, attribute)
