"""The types of attributes: each has one in a dataset, and only whole numbers may become floats."""

from __future__ import annotations

from collections.abc import Mapping

from dsm.errors import InvalidInput
from dsm.model.attribute_columns import AttributeColumns
from dsm.model.names import printable
from dsm.model.rows import Rows

TYPE_NAMES = {str: "string", int: "int", float: "float", bool: "bool"}
# Cells of tables that say nothing, as empty ones do: one `n/a` makes no number text.
MISSING_TEXTS = frozenset(("n/a", "N/A", "NA", "NaN", "nan", "null", "NULL"))
FLOAT_INT_MAX = 1 << 53  # up to here every integer is a float


class AttributeDiffers(InvalidInput):
    """An attribute `name` of the example `path` has another type than it has elsewhere; `said` is
    what it is."""

    code = "attribute-type"

    def __init__(self, path: str, name: str, said: str, hint: str):
        super().__init__(
            f"attribute '{printable(name)}' of '{printable(path)}' {said}", hint=hint, items=(path,)
        )
        self.path, self.name, self.said = path, name, said


def attribute_types(rows: Rows, known: Mapping[str, str]) -> dict[str, str]:
    """Returns the types of all attributes, those known so far and those of these rows.

    int widens to float. Raises AttributeDiffers when an attribute changes its type, or is float and
    an integer would lose digits by it.
    """
    types = dict(known)
    large: dict[str, int] = {}  # of each attribute, the row of an integer that no float can hold
    if not any(rows.attributes):  # of millions, at little cost
        return types
    columns = rows.attributes
    each = columns.examples() if isinstance(columns, AttributeColumns) else enumerate(columns)
    for row, attributes in each:
        for name, value in attributes.items():
            mine = TYPE_NAMES[type(value)]
            theirs = types.setdefault(name, mine)
            if mine == "int" and not -FLOAT_INT_MAX <= value <= FLOAT_INT_MAX:  # type: ignore[operator]
                large.setdefault(name, row)
            if theirs == mine or (theirs == "float" and mine == "int"):
                continue
            if theirs == "int" and mine == "float":
                types[name] = "float"
                continue
            raise AttributeDiffers(
                rows.paths[row], name, f"is {mine}, but it is {theirs} elsewhere in this dataset",
                "an attribute has one type in a dataset: convert it, or give it another name",
            )  # fmt: skip
    for name, row in large.items():
        if types[name] == "float":
            raise AttributeDiffers(
                rows.paths[row], name,
                f"is {rows.attributes[row][name]}, which would lose digits, for it is float"
                " elsewhere in this dataset",
                "give it another name, or as text",
            )  # fmt: skip
    return types
