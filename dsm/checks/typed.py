"""Values of columns as a rule wants them, one by one: those of another type are told apart.

An attribute has one type. The fields of records have whatever their lines have: JSON tells numbers
from texts, and a table of text tells nothing, so that its cells are what they look like.
"""

from __future__ import annotations

import json
import math
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.model.column_names import CELLS, JSON, RECORD_FIELD, WRITTEN
from dsm.statistics.samples import CELL_TYPES

STRING, INT, FLOAT, BOOL, LIST, OBJECT = "string", "int", "float", "bool", "list", "object"
NUMBER = "number"  # of either type
_FORMS = {str(kind): form for kind, form in CELL_TYPES}
_ARROW = {INT: "int64", FLOAT: "double", NUMBER: "double", BOOL: "bool"}


def full_name(name: str) -> str:
    """Returns the column that a rule names: of records, or else an attribute."""
    return name if name.startswith((RECORD_FIELD, "attr.")) else f"attr.{name}"


def type_word(kind: pa.DataType) -> str:
    """Returns what a type of Arrow is called in a contract."""
    if pa.types.is_boolean(kind):
        return BOOL
    if pa.types.is_integer(kind):
        return INT
    if pa.types.is_floating(kind):
        return FLOAT
    if pa.types.is_list(kind):
        return LIST
    return OBJECT if pa.types.is_struct(kind) else STRING


def typed(table: pa.Table, name: str, wanted: str) -> tuple[Any, Any]:
    """Returns a column with the values of a type, null elsewhere, and a mask of all others.

    A number without fraction is an integer, as in JSON, and an integer is a float.
    """
    column = table.column(name)
    written = (table.schema.field(name).metadata or {}).get(WRITTEN)
    if written == JSON:
        return _of_json(column, wanted)
    if written == CELLS:
        return _of_cells(column, wanted)
    has = type_word(column.type)
    if has == wanted or (wanted in (FLOAT, NUMBER) and has in (INT, FLOAT)):
        return column, _none(column)
    if (wanted, has) == (INT, FLOAT):
        fits = pc.and_(pc.is_finite(column), pc.equal(pc.floor(column), column))
        return _split(column, fits)
    return pa.chunked_array([pa.nulls(len(column))]), pc.is_valid(column)


def _none(column: Any) -> Any:
    return pa.chunked_array([pa.nulls(len(column), pa.bool_()).fill_null(False)])


def _split(column: Any, fits: Any) -> tuple[Any, Any]:
    fits = pc.fill_null(fits, False)
    values = pc.if_else(fits, column, pa.scalar(None, column.type))
    return values, pc.and_not(pc.is_valid(column), fits)


def _of_cells(column: Any, wanted: str) -> tuple[Any, Any]:
    if wanted == STRING:
        return column, _none(column)
    if wanted not in _ARROW:
        return pa.chunked_array([pa.nulls(len(column))]), pc.is_valid(column)
    kind = _ARROW[wanted]
    values, other = _split(column, pc.match_substring_regex(column, _FORMS[kind]))
    try:
        return values.cast(kind), other
    except pa.ArrowException:  # an integer of more than 64 bits
        return values.cast("double"), other


def _of_json(column: Any, wanted: str) -> tuple[Any, Any]:
    values = [None if text is None else json.loads(text) for text in column.to_pylist()]
    fits = [_fits(value, wanted) for value in values]
    told = [value if fit else None for value, fit in zip(values, fits, strict=True)]
    other = [value is not None and not fit for value, fit in zip(values, fits, strict=True)]
    return _array(told, wanted, column), pa.chunked_array([pa.array(other, pa.bool_())])


def _fits(value: Any, wanted: str) -> bool:
    if value is None or isinstance(value, bool):
        return value is not None and wanted == BOOL
    if isinstance(value, str):
        return wanted == STRING
    if isinstance(value, int):
        return wanted in (INT, FLOAT, NUMBER)
    if isinstance(value, float):
        whole = math.isfinite(value) and value.is_integer()
        return wanted in (FLOAT, NUMBER) or (wanted == INT and whole)
    return wanted == (LIST if isinstance(value, list) else OBJECT)


def _array(values: list[Any], wanted: str, column: Any) -> Any:
    if wanted in (LIST, OBJECT):  # nothing more is asked of these
        return column
    try:
        return pa.chunked_array([pa.array(values)])
    except (pa.ArrowException, OverflowError, ValueError):
        if wanted == STRING:  # half a character: its text stays JSON
            return column
        return pa.chunked_array([pa.array(map(_float, values), pa.float64())])


def _float(value: Any) -> float | None:
    """Returns a number as a float, also one that is too large for it."""
    if value is None:
        return None
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def comparable(column: Any) -> Any:
    """Returns a column whose values can be counted: lists of texts as one text."""
    if not pa.types.is_list(column.type):
        return column
    values = [None if v is None else json.dumps(v) for v in column.to_pylist()]
    return pa.chunked_array([pa.array(values, pa.string())])
