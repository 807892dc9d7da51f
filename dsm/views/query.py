"""A view's query and its version: the hash of what was asked, whatever the data.

Everything symbolic is resolved before: the query holds the pinned changeset's id, sorted labels, no
names, no paths of this machine, no floats. Equal questions hash alike and different ones never do.
Specified in docs/format/view.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from blake3 import blake3

from dsm.errors import DamagedData
from dsm.format.document import canonical


@dataclass(frozen=True, slots=True)
class Query:
    """Which examples of a snapshot: `at` and `at_id` pin the changeset.

    `labels` (sorted) asks for any of them, or with `all_labels` for all; `exclude` for none.
    """

    dataset: str
    at: int
    at_id: str
    labels: tuple[str, ...] = ()
    all_labels: bool = False
    exclude: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns the query as it is hashed; filters that filter nothing are left out."""
        fields: dict[str, Any] = {
            "format": 1,
            "kind": "view",
            "dataset": self.dataset,
            "at": {"number": self.at, "changeset": self.at_id},
        }
        if self.labels:
            # Of one label, any and all mean the same.
            how = "all" if self.all_labels and len(self.labels) > 1 else "any"
            fields["labels"] = {how: list(self.labels)}
        if self.exclude:
            fields["exclude"] = list(self.exclude)
        return fields

    @classmethod
    def from_json(cls, fields: dict[str, Any], where: str) -> Query:
        """Reads what `to_json` returned. Raises DamagedData."""
        try:
            labels = fields.get("labels", {})
            query = cls(
                fields["dataset"], fields["at"]["number"], fields["at"]["changeset"],
                tuple(labels.get("any", labels.get("all", ()))), "all" in labels,
                tuple(fields.get("exclude", ())),
            )  # fmt: skip
        except (KeyError, TypeError, AttributeError) as error:
            raise DamagedData(f"{where} is not a view's query: {error}") from error
        texts = (query.dataset, query.at_id, *query.labels, *query.exclude)
        plain = type(query.at) is int and all(isinstance(text, str) for text in texts)
        if not plain or any(
            list(names) != sorted(set(names)) for names in (query.labels, query.exclude)
        ):
            raise DamagedData(f"{where} is not a view's query as dsm writes it")
        if query.to_json() != fields:
            raise DamagedData(f"{where} asks for something that this dsm does not know")
        return query

    @property
    def version(self) -> str:
        """The view's version: 64 hex digits, BLAKE3 of the canonical query. O(1) in the data."""
        return blake3(canonical(self.to_json())).hexdigest()
