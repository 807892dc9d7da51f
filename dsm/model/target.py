"""The target of examples: which of their columns says their class, and which classes there are.

A class is what a model is to predict; labels may say more than that. Invariant: a target has one
spelling, since it is part of what the version of a view is the hash of.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from dsm.errors import InvalidInput, NotFound
from dsm.model.categories import Category, merged
from dsm.model.names import check_attribute_name, check_label, close_matches, printable, quoted

LABELS = "labels"
ATTRIBUTE = "attr."
CLASSES_MAX = 100_000
# A list is part of documents, which are not larger than 1 MiB.
CLASSES_BYTES_MAX = 400_000


@dataclass(frozen=True, slots=True)
class Target:
    """`column` is `labels` or `attr.NAME`; `classes` are in the order of their indices.

    Without a list, the classes are `categories`, those that files of labels list, in their order,
    then others that the snapshot has, sorted.
    """

    column: str = LABELS
    classes: tuple[str, ...] | None = None
    categories: tuple[Category, ...] = ()

    @property
    def attribute(self) -> str | None:
        """The attribute that says the class; None for labels."""
        return None if self.column == LABELS else self.column.removeprefix(ATTRIBUTE)

    def to_json(self) -> dict[str, Any]:
        """Returns it as documents have it."""
        fields: dict[str, Any] = {"column": self.column}
        if self.classes is not None:
            fields["classes"] = list(self.classes)
        if self.categories:
            fields["categories"] = [each.to_json() for each in self.categories]
        return fields

    @classmethod
    def from_json(cls, fields: Any) -> Target:
        """Reads what `to_json` returned. Raises InvalidInput, KeyError, TypeError, ValueError."""
        listed = tuple(Category.from_json(each) for each in fields.get("categories", ()))
        if len({each.name for each in listed}) < len(listed):
            raise ValueError("its categories have a name twice")
        found = replace(target_of(fields["column"], fields.get("classes")), categories=listed)
        if found.to_json() != fields:
            raise ValueError("its target is not spelt as dsm spells it")
        return found

    def knowing(self, listed: Iterable[Category]) -> Target:
        """Returns it with the classes that a file of labels lists."""
        return replace(self, categories=merged(self.categories, listed))

    def with_categories_of(self, other: Target) -> Target:
        """Returns it with what another one knows of its classes."""
        known = other.categories
        if self.classes is not None:
            names = {*self.classes}
            known = tuple(each for each in known if each.name in names)
        return replace(self, categories=known)

    def refuse_unknown(self, known: Iterable[str]) -> None:
        """Raises NotFound for an attribute that is none of the known ones."""
        name, attributes = self.attribute, [*known]
        if name is not None and name not in attributes:
            near = close_matches(name, attributes)
            hint = f"did you mean attr.{near[0]}?" if near else "the target is labels or attr.NAME"
            raise NotFound(f"no example has an attribute {quoted(name)}", hint=hint)

    def words(self) -> str:
        """Returns it for people: "attr.breed, 12 classes"."""
        if self.classes is None:
            count = len(self.categories)
            listed = f", {count:,} class{'es' * (count != 1)} as files of labels list them"
            return printable(self.column) + (listed if count else "")
        count = len(self.classes)
        return f"{printable(self.column)}, {count:,} class{'es' * (count != 1)}"


DEFAULT = Target()


def target_of(column: str | None, classes: Iterable[str] | None = None) -> Target:
    """Returns the target of `labels` or `attr.NAME`. Raises InvalidInput."""
    column = LABELS if column is None else column.strip()
    if column != LABELS:
        if not column.startswith(ATTRIBUTE):
            raise InvalidInput(
                f"{quoted(column)} is no target",
                hint="the class is that of `labels`, or of an attribute: attr.NAME",
            )
        check_attribute_name(column.removeprefix(ATTRIBUTE))
    return Target(column, None if classes is None else _checked(classes))


def _checked(classes: Iterable[str]) -> tuple[str, ...]:
    found = tuple(map(check_label, [classes] if isinstance(classes, str) else classes))
    if not found:
        raise InvalidInput("the list of classes is empty", hint="such as --classes cat,dog")
    if len({*found}) < len(found):
        twice = next(name for at, name in enumerate(found) if name in found[:at])
        raise InvalidInput(f"the list of classes has {quoted(twice)} twice")
    size = sum(len(name.encode()) + 3 for name in found)
    if len(found) > CLASSES_MAX or size > CLASSES_BYTES_MAX:
        raise InvalidInput(
            f"a list of {len(found):,} classes ({size:,} bytes) is too long",
            hint=f"at most {CLASSES_MAX:,} classes, {CLASSES_BYTES_MAX:,} bytes; without a list the"
            " classes are those of the snapshot",
        )
    return found
