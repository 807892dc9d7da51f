"""The columns of a query's answer: how they are written down, and how they differ.

Values of pyarrow; no database takes part. A column of Arrow's type `null` is one whose type is not
known before a row is read, as SQLite has them: it fits every type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

# Metadata of a column that may have been recorded with any type, since it has none of its own.
ANY_TYPE = {b"dsm.any-type": b"1"}


def type_text(kind: pa.DataType) -> str:
    """Returns a type as people read it, the same for every version of the libraries.

    An extension type is named with what it is stored as: `arrow.json (string)`; one that Arrow does
    not know as the database does: `numeric (string)`.
    """
    extension = getattr(kind, "extension_name", None)
    if extension == "arrow.opaque":
        extension = kind.type_name
    if extension:
        return f"{extension} ({kind.storage_type})"
    import pyarrow.types as types

    return "unknown" if types.is_null(kind) else str(kind)


def drift(expected: pa.Schema, found: pa.Schema) -> list[str]:
    """Returns a sentence for each column that is gone, was added, or has another type.

    Order of columns and nullability do not matter. Names that occur twice are compared in turn.
    """
    before, after = _columns(expected), _columns(found)
    sentences = [f"column {_shown(key)} is gone" for key in before if key not in after]
    sentences += [
        f"column {_shown(key)} was added ({type_text(field.type)})"
        for key, field in after.items()
        if key not in before
    ]
    return sentences + [
        f"column {_shown(key)} was {type_text(field.type)} and is {type_text(after[key].type)}"
        for key, field in before.items()
        if key in after and not _fits(field.type, after[key])
    ]


def _columns(schema: pa.Schema) -> dict[tuple[str, int], pa.Field]:
    found: dict[tuple[str, int], pa.Field] = {}
    for field in schema:
        turn = 0
        while (field.name, turn) in found:
            turn += 1
        found[field.name, turn] = field
    return found


def _shown(key: tuple[str, int]) -> str:
    name, turn = key
    return name if turn == 0 else f"{name} (number {turn + 1} of that name)"


def _fits(expected: pa.DataType, found: pa.Field) -> bool:
    import pyarrow.types as types

    unknown = types.is_null(expected) or types.is_null(found.type)
    any_type = ANY_TYPE.items() <= (found.metadata or {}).items()
    return bool(unknown or any_type or expected.equals(found.type))
