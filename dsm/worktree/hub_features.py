"""Values of Hugging Face's features: names in the place of classes, however deep they lie."""

from __future__ import annotations

from typing import Any


def classes_of(feature: Any) -> list[str] | None:
    """Returns the names of a ClassLabel, or of a list of them; None of another feature."""
    feature = _element(feature) or feature
    if not isinstance(feature, dict) or feature.get("_type") != "ClassLabel":
        return None
    names = feature.get("names")
    return names if isinstance(names, list) and all(isinstance(n, str) for n in names) else None


def named(value: Any, feature: Any, column: str) -> Any:
    """Returns a value with the name of each class; -1 has none. Raises ValueError.

    A list of structs is kept as a struct of lists by older releases of the library: each member is
    a list, then.
    """
    if value is None or not _has_classes(feature):
        return value
    inside = _element(feature)
    if isinstance(value, list):
        return [named(each, inside, column) for each in value]
    if isinstance(value, dict):
        members = inside if isinstance(inside, dict) else feature
        found = {}
        for key, told in value.items():
            below = members.get(key)
            found[key] = named(told, below if inside is None else [below], column)
        return found
    names = classes_of(feature)
    if names is None:
        return value
    if value == -1:
        return None
    if not isinstance(value, int) or not 0 <= value < len(names):
        raise ValueError(f"the column {column} has {value!r:.20}, which is none of its classes")
    return names[value]


def without_nan(value: Any) -> Any:
    """Returns a value with None in the place of what is no number."""
    if isinstance(value, dict):
        return {key: without_nan(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_nan(each) for each in value]
    return None if value != value else value


def _element(feature: Any) -> Any:
    """Returns the feature of the elements of a list; None of what is no list."""
    if isinstance(feature, list) and len(feature) == 1:
        return feature[0]
    if isinstance(feature, dict) and isinstance(feature.get("_type"), str):
        return feature.get("feature")
    return None


def _has_classes(feature: Any) -> bool:
    if isinstance(feature, list):
        return any(map(_has_classes, feature))
    if not isinstance(feature, dict):
        return False
    if feature.get("_type") == "ClassLabel":
        return classes_of(feature) is not None
    return any(map(_has_classes, feature.values()))
