"""A view's query and its version: the hash of what was asked, whatever the data.

Everything symbolic is resolved before: the query holds the pinned changeset's id, sorted filters,
exact decimals, times in UTC; no names, no paths of this machine, no floats. Equal questions hash
alike and different ones never do. Specified in docs/format/view.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from dsm.errors import DamagedData, InvalidInput
from dsm.format.document import canonical
from dsm.model.target import DEFAULT, Target
from dsm.views.filters import table
from dsm.views.filters.conditions import decimal_text
from dsm.views.filters.filter import Clause, Filter, Stored

if TYPE_CHECKING:
    from dsm.views.query.draws import Balance, Sample

ChangesetRange = tuple[int, int]


# In which order documents tell what they ask; what came later follows.
_ORDER = ("changesets", "labels", "exclude", "since", "until", "percent", "paths", "where")


@dataclass(frozen=True, slots=True)
class ViewQuery:
    """Which examples of which changesets: `at` and `at_id` pin the newest one, and so all before.

    `runs` are the first and last numbers of the changesets that are folded, none for all up to
    `at`. `filters` (in the order of their table) must all let an example pass. `percent` is an
    exact decimal between 0 and 1: the newest share of what the filters leave. Of that, `balance`
    takes so many of each value, and of what it leaves `sample` takes some. `target` says what
    the class of an example is; it selects nothing.
    """

    dataset: str
    at: int
    at_id: str
    filters: tuple[Filter, ...] = ()
    runs: tuple[ChangesetRange, ...] = ()
    percent: str | None = None
    target: Target = DEFAULT
    balance: Balance | None = None
    sample: Sample | None = None

    def clauses(self, stored: Stored | None = None) -> list[Clause]:
        """Returns the clauses of its filters; the newest share comes after them.

        Without what is stored, the masks of some cannot be asked.
        """
        found = self.filters if stored is None else [each.bound(stored) for each in self.filters]
        return [clause for each in found for clause in each.clauses()]

    def narrowed_to(self, column: str) -> ViewQuery:
        """Returns the same query with those filters alone that look at one column of a snapshot."""
        found = tuple(each for each in self.filters if each.columns == (column,))
        return ViewQuery(self.dataset, self.at, self.at_id, found)

    def selects_on(self) -> dict[str, set[Filter]]:
        """Returns the columns that its filters look at, each with those filters.

        Attributes go by their names alone.
        """
        found: dict[str, set[Filter]] = {}
        for each in self.filters:
            for column in (*each.columns, *each.attributes()):
                found.setdefault(column, set()).add(each)
        return found

    def to_json(self) -> dict[str, Any]:
        """Returns the query as it is hashed; filters that filter nothing are left out."""
        asked: dict[str, Any] = {}
        if self.runs and self.runs != ((1, self.at),):
            asked["changesets"] = [list(run) for run in self.runs]
        for each in self.filters:
            asked |= each.to_json()
        if self.percent is not None:
            asked["percent"] = self.percent
        if self.balance is not None:
            asked["balance"] = self.balance.to_json()
        if self.sample is not None:
            asked["sample"] = self.sample.to_json()
        if self.target != DEFAULT:
            asked["target"] = self.target.to_json()
        return {
            "format": 1,
            "kind": "view",
            "dataset": self.dataset,
            "at": {"number": self.at, "changeset": self.at_id},
            **{name: asked.pop(name) for name in _ORDER if name in asked},
            **asked,
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any], where: str) -> ViewQuery:
        """Reads what `to_json` returned. Raises DamagedData."""
        try:
            query = cls(
                fields["dataset"], fields["at"]["number"], fields["at"]["changeset"],
                tuple(table.read(fields)),
                tuple((first, last) for first, last in fields.get("changesets", ())),
                fields.get("percent"),
                Target.from_json(fields["target"]) if "target" in fields else DEFAULT,
                **_draws(fields),
            )  # fmt: skip
            _check(query)
        except (KeyError, TypeError, ValueError, AttributeError, InvalidInput) as error:
            raise DamagedData(f"{where} is not a view's query: {error}") from error
        if query.to_json() != fields:
            raise DamagedData(f"{where} asks for something that this dsm does not know")
        return query

    @property
    def takes_all(self) -> bool:
        """Whether it takes the whole snapshot of changeset `at`."""
        narrows = (self.filters, self.runs, self.percent, self.balance, self.sample)
        return not any(narrows)

    @property
    def version(self) -> str:
        """The view's version: 64 hex digits, BLAKE3 of the canonical query. O(1) in the data."""
        return blake3(canonical(self.to_json())).hexdigest()


def _draws(fields: dict[str, Any]) -> dict[str, Any]:
    """Reads what is drawn; few questions ask for that, so its module is loaded when one does."""
    if "balance" not in fields and "sample" not in fields:
        return {}
    from dsm.views.query.draws import Balance, Sample

    found: dict[str, Any] = {}
    if "balance" in fields:
        found["balance"] = Balance.from_json(fields["balance"])
    if "sample" in fields:
        found["sample"] = Sample.from_json(fields["sample"])
    return found


def _check(query: ViewQuery) -> None:
    """Raises ValueError when a query is not spelt as dsm spells it; filters check themselves."""
    numbers = (query.at, *(number for run in query.runs for number in run))
    texts = (query.dataset, query.at_id)
    if any(type(n) is not int for n in numbers) or not all(isinstance(t, str) for t in texts):
        raise ValueError("a field is of a kind that does not belong there")
    if query.runs:
        ends = query.runs[-1][1] == query.at and query.runs[0][0] >= 1
        parted = all(a[1] + 1 < b[0] for a, b in pairwise(query.runs))
        if not ends or not parted or any(first > last for first, last in query.runs):
            raise ValueError("its changesets are not in order")
    if query.percent is not None and (
        decimal_text(query.percent) != query.percent or not query.percent.startswith("0.")
    ):
        raise ValueError("its percent is not between 0 and 1")
