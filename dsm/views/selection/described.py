"""The columns that a view has for other tools, by plain names of types."""

from __future__ import annotations

from dsm.format.manifest import ATTRIBUTE
from dsm.model.changeset import Changeset

_FIXED = {"path": "string", "content": "binary", "labels": "array<string>", "time": "timestamp"}


def described_columns(changeset: Changeset) -> dict[str, str]:
    """Returns the columns of the examples of a changeset, name to type.

    A type is "string", "binary", "array<string>" or "timestamp", and of an attribute "string",
    "int", "float" or "bool".
    """
    return {**_FIXED, **{ATTRIBUTE + name: kind for name, kind in changeset.attributes.items()}}
