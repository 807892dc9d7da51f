"""Classes as files of labels list them: their order, and what a file says of each beside its name.

The order gives the index of a class, and a class needs no example. What is said of one is JSON: the
id that COCO gives it, what it belongs to, the names of its keypoints.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dsm.model.names import check_label

# A list is part of documents, which are not larger than 1 MiB.
BYTES_MAX = 400_000


@dataclass(frozen=True, slots=True)
class Category:
    """A class by name; `members` is a JSON object with sorted names, without blanks, or ""."""

    name: str
    members: str = ""

    def to_json(self) -> dict[str, str]:
        """Returns it as documents have it."""
        return {"name": self.name} | ({"members": self.members} if self.members else {})

    @classmethod
    def from_json(cls, fields: Any) -> Category:
        """Reads what `to_json` returned. Raises InvalidInput, KeyError, TypeError, ValueError."""
        found = category(check_label(fields["name"]), json.loads(fields.get("members", "{}")))
        if found.to_json() != fields:
            raise ValueError("a category is not spelt as dsm spells it")
        return found

    def told(self) -> dict[str, Any]:
        """Returns what is said of it."""
        found: dict[str, Any] = json.loads(self.members or "{}")
        return found


def category(name: str, members: Mapping[str, Any] | None = None) -> Category:
    """Returns a class and what is said of it. Raises ValueError for what is no JSON."""
    if not members:
        return Category(name)
    text = json.dumps(
        {**members}, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    )
    return Category(name, text)


def merged(known: Sequence[Category], listed: Iterable[Category]) -> tuple[Category, ...]:
    """Returns the classes that are known with those of another list.

    A list with all known ones gives the order; else new ones come last, so that no index moves.
    What the newer list says of a class counts, but an id stays that of one class. What would be too
    large for a document is left out: first what is said, then new classes.
    """
    newer = {each.name: each for each in listed}
    older = {each.name: each for each in known}
    order = {**newer, **older} if {*older} <= {*newer} else {**older, **newer}
    made = _with_own_ids([
        newer[name] if name not in older or (name in newer and newer[name].members) else older[name]
        for name in order
    ])  # fmt: skip
    for smaller in (made, [_with_id_alone(each) for each in made]):
        if _size(smaller) <= BYTES_MAX:
            return tuple(smaller)
    return tuple(known)


def _with_own_ids(listed: list[Category]) -> list[Category]:
    taken: set[Any] = set()
    found = []
    for each in listed:
        told = each.told()
        key = told.get("id")
        if key in taken:
            del told["id"]
            found.append(category(each.name, told))
            continue
        if key is not None:
            taken.add(key)
        found.append(each)
    return found


def _with_id_alone(each: Category) -> Category:
    told = each.told()
    return category(each.name, {"id": told["id"]} if "id" in told else None)


def _size(listed: Iterable[Category]) -> int:
    # Members are text within a document: their quotes are escaped there.
    return sum(len(json.dumps(each.to_json(), ensure_ascii=False).encode()) + 1 for each in listed)
