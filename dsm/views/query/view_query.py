"""A view's query and its version: the hash of what was asked, whatever the data.

Everything symbolic is resolved before: the query holds the pinned changeset's id, sorted filters,
exact decimals, times in UTC; no names, no paths of this machine, no floats. Equal questions hash
alike and different ones never do. Specified in docs/format/view.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from blake3 import blake3

from dsm.errors import DamagedData, InvalidInput
from dsm.format.document import canonical
from dsm.model.timespec import format_time, parse_instant
from dsm.views.filters.conditions import Condition, decimal_text
from dsm.views.filters.glob import check_glob

ChangesetRange = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ViewQuery:
    """Which examples of which changesets: `at` and `at_id` pin the newest one, and so all before.

    `runs` are the first and last numbers of the changesets that are folded, none for all up to
    `at`. `labels` (sorted) asks for any of them, or with `all_labels` for all; `exclude` for
    none. `since` (included) and `until` (excluded) are microseconds UTC. `percent` is an exact
    decimal between 0 and 1: the newest share of what the other filters leave. `paths` are globs,
    of which any must match; of `where` every condition must hold.
    """

    dataset: str
    at: int
    at_id: str
    labels: tuple[str, ...] = ()
    all_labels: bool = False
    exclude: tuple[str, ...] = ()
    runs: tuple[ChangesetRange, ...] = ()
    since: int | None = None
    until: int | None = None
    percent: str | None = None
    paths: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns the query as it is hashed; filters that filter nothing are left out."""
        fields: dict[str, Any] = {
            "format": 1,
            "kind": "view",
            "dataset": self.dataset,
            "at": {"number": self.at, "changeset": self.at_id},
        }
        if self.runs and self.runs != ((1, self.at),):
            fields["changesets"] = [list(run) for run in self.runs]
        if self.labels:
            # Of one label, any and all mean the same.
            how = "all" if self.all_labels and len(self.labels) > 1 else "any"
            fields["labels"] = {how: list(self.labels)}
        if self.exclude:
            fields["exclude"] = list(self.exclude)
        if self.since is not None:
            fields["since"] = format_time(self.since)
        if self.until is not None:
            fields["until"] = format_time(self.until)
        if self.percent is not None:
            fields["percent"] = self.percent
        if self.paths:
            fields["paths"] = list(self.paths)
        if self.where:
            fields["where"] = [condition.to_json() for condition in self.where]
        return fields

    @classmethod
    def from_json(cls, fields: dict[str, Any], where: str) -> ViewQuery:
        """Reads what `to_json` returned. Raises DamagedData."""
        try:
            labels = fields.get("labels", {})
            since, until = fields.get("since"), fields.get("until")
            query = cls(
                fields["dataset"], fields["at"]["number"], fields["at"]["changeset"],
                tuple(labels.get("any", labels.get("all", ()))), "all" in labels,
                tuple(fields.get("exclude", ())),
                tuple((first, last) for first, last in fields.get("changesets", ())),
                None if since is None else parse_instant(since),
                None if until is None else parse_instant(until),
                fields.get("percent"), tuple(fields.get("paths", ())),
                tuple(Condition.from_json(each) for each in fields.get("where", ())),
            )  # fmt: skip
            _check(query)
        except (KeyError, TypeError, ValueError, AttributeError, InvalidInput) as error:
            raise DamagedData(f"{where} is not a view's query: {error}") from error
        if query.to_json() != fields:
            raise DamagedData(f"{where} asks for something that this dsm does not know")
        return query

    @property
    def version(self) -> str:
        """The view's version: 64 hex digits, BLAKE3 of the canonical query. O(1) in the data."""
        return blake3(canonical(self.to_json())).hexdigest()


def _check(query: ViewQuery) -> None:
    """Raises ValueError when a query is not spelt as dsm spells it."""
    texts = (query.dataset, query.at_id, *query.labels, *query.exclude, *query.paths)
    numbers = (query.at, *(number for run in query.runs for number in run))
    if any(type(n) is not int for n in numbers) or not all(isinstance(t, str) for t in texts):
        raise ValueError("a field is of a kind that does not belong there")
    for names in (query.labels, query.exclude, query.paths, query.where):
        if list(names) != sorted(set(names)):  # type: ignore[type-var]
            raise ValueError("a list is not sorted")
    for glob in query.paths:
        check_glob(glob)
    if query.runs:
        ends = query.runs[-1][1] == query.at and query.runs[0][0] >= 1
        parted = all(a[1] + 1 < b[0] for a, b in pairwise(query.runs))
        if not ends or not parted or any(first > last for first, last in query.runs):
            raise ValueError("its changesets are not in order")
    if query.percent is not None and (
        decimal_text(query.percent) != query.percent or not query.percent.startswith("0.")
    ):
        raise ValueError("its percent is not between 0 and 1")
