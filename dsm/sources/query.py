"""A query that stands in for rows: what a changeset holds of data that must not be stored.

Which source is asked, the text and its parameters, and which column of the answer is what. The
invariant: nothing of an answer but the names and types of its columns is part of it.
Specified in docs/format/source-query.md.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dsm.errors import DamagedData, InvalidInput
from dsm.model.names import check_attribute_name, check_dataset_name, close_matches, printable

if TYPE_CHECKING:
    import pyarrow as pa

Value = str | int | bool | None
JSON = "json"
SQL_BYTES_MAX = 64 << 10
TIMEOUT_MAX = 2_000_000  # databases take it in milliseconds, in 32 bits
PURPOSE_CHARS_MAX = 1000
_EXTENSION = re.compile(r"[A-Za-z0-9]{1,16}")

EXACT_INT = 1 << 53


@dataclass(frozen=True)
class SourceQuery:
    """One query. `name` is the first part of its examples' paths, `NAME/KEY.EXTENSION`.

    `key`, `label` and `time` name columns; without a key, rows are numbered. The payload is the
    value of one column, or JSON of the `payload` columns (none listed: all). `attributes` are the
    types of the columns that become attributes. `timeout` is in seconds.
    """

    name: str
    source: str
    sql: str
    parameters: Mapping[str, Value]
    key: str | None
    label: str | None
    time: str | None
    payload: tuple[str, ...]
    extension: str
    max_rows: int | None
    timeout: float | None
    purpose: str | None
    encoded_schema: str
    attributes: Mapping[str, str]

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns of the answer when the query was recorded. Raises DamagedData."""
        import pyarrow as pa

        try:
            return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(self.encoded_schema)))
        except (ValueError, OSError, pa.ArrowException) as error:
            raise DamagedData(f"query {self.name} has no readable columns") from error

    def to_json(self) -> dict[str, Any]:
        """Returns the document that a changeset holds; the name is its key there."""
        return {
            "source": self.source, "sql": self.sql, "parameters": dict(self.parameters),
            "key": self.key, "label": self.label, "time": self.time,
            "payload": list(self.payload), "extension": self.extension,
            "max_rows": self.max_rows, "timeout_ms": _milliseconds(self.timeout),
            "purpose": self.purpose,
            "schema": self.encoded_schema, "attributes": dict(self.attributes),
        }  # fmt: skip

    @classmethod
    def from_json(cls, name: str, fields: Any) -> SourceQuery:
        """Reads what `to_json` returned, and checks it as if it had been typed.

        Raises DamagedData.
        """
        try:
            found = cls(
                name, fields["source"], fields["sql"], fields["parameters"], fields["key"],
                fields["label"], fields["time"], tuple(fields["payload"]), fields["extension"],
                fields["max_rows"], _seconds(fields["timeout_ms"]), fields["purpose"],
                fields["schema"], fields["attributes"],
            )  # fmt: skip
            return _checked(found)
        except (KeyError, TypeError, AttributeError, ValueError, InvalidInput) as error:
            raise DamagedData(f"query {printable(name)} is damaged: {error}") from None


def _milliseconds(timeout: float | None) -> int | None:
    # Documents hold no floats: they have more than one spelling.
    return None if timeout is None else max(1, round(timeout * 1000))


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def define(
    name: str,
    source: str,
    sql: str,
    schema: pa.Schema,
    *,
    parameters: Mapping[str, Value] | None = None,
    key: str | None = None,
    label: str | None = None,
    time: str | None = None,
    payload: Iterable[str] | None = None,
    extension: str | None = None,
    max_rows: int | None = None,
    timeout: float | None = None,
    purpose: str | None = None,
) -> SourceQuery:
    """Returns a query with columns of `schema`, checked. Raises InvalidInput."""
    refuse_large(parameters)
    columns = tuple(payload or ())
    if payload is not None and not columns:
        raise InvalidInput("the payload has no column", hint="leave it out to take all columns")
    encoded = base64.b64encode(schema.serialize().to_pybytes()).decode()
    found = SourceQuery(
        name=name,
        source=source,
        sql=sql,
        parameters=dict(parameters or {}),
        key=key,
        label=label,
        time=time,
        payload=columns,
        extension=(extension or JSON).lower().removeprefix("."),
        max_rows=max_rows,
        timeout=timeout,
        purpose=purpose or None,
        encoded_schema=encoded,
        attributes={},
    )
    return _checked(replace(found, attributes=_attributes(found)))


def refuse_large(parameters: Mapping[str, Value] | None) -> None:
    """Raises InvalidInput for a parameter that JSON of other programs would round.

    A query that was recorded with one before is still read.
    """
    for parameter, value in (parameters or {}).items():
        if isinstance(value, int) and not -EXACT_INT < value < EXACT_INT:
            raise InvalidInput(
                f"parameter {printable(parameter)} is a whole number beyond 2^53, which is not"
                " recorded exactly",
                hint="give it as text, and CAST it in the query",
            )


def _checked(query: SourceQuery) -> SourceQuery:
    check_dataset_name(query.source)
    try:
        check_dataset_name(query.name)
    except InvalidInput as error:
        raise InvalidInput(
            error.message.replace("name a dataset", "name a query"), hint=error.hint
        ) from None
    _check_texts(query)
    if query.max_rows is not None and (type(query.max_rows) is not int or query.max_rows < 1):
        raise InvalidInput("a limit of rows is a whole number of at least 1")
    if query.timeout is not None and not 0.001 <= query.timeout <= TIMEOUT_MAX:
        raise InvalidInput(f"a timeout is 0.001 to {TIMEOUT_MAX:,} seconds")
    if not _EXTENSION.fullmatch(query.extension):
        raise InvalidInput("an extension is 1 to 16 letters and digits", hint="such as json or jpg")
    _check_columns(query)
    if query.attributes and dict(query.attributes) != _attributes(query):
        raise InvalidInput("its attributes are not those of its columns")
    return query


def _check_texts(query: SourceQuery) -> None:
    texts = [query.sql, query.purpose, *query.parameters, *query.parameters.values()]
    for text in texts:
        if isinstance(text, str) and any("\ud800" <= char <= "\udfff" for char in text):
            raise InvalidInput("the query, its purpose or a parameter is not valid UTF-8")
    if len(query.sql.encode()) > SQL_BYTES_MAX:
        raise InvalidInput(
            f"the query is longer than {SQL_BYTES_MAX:,} bytes",
            hint="a view in the database can hold the most of it",
        )
    if len(query.purpose or "") > PURPOSE_CHARS_MAX:
        raise InvalidInput(f"the purpose is longer than {PURPOSE_CHARS_MAX:,} characters")
    for name, value in query.parameters.items():
        if isinstance(value, float):
            raise InvalidInput(
                f"parameter {printable(name)} is a binary fraction, which is not recorded exactly",
                hint="give it as text, and CAST it in the query",
            )
        if not isinstance(value, str | int | bool | None):
            raise InvalidInput(f"parameter {printable(name)} is neither text nor a whole number")


def _check_columns(query: SourceQuery) -> None:
    import pyarrow.types as t

    names = query.schema.names
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidInput(
            f"two columns of the query are named {printable(twice)}",
            hint="give one of them another name with AS",
        )
    for field in query.schema:
        if getattr(field.type, "type_name", "") == "record":
            raise InvalidInput(
                f"column {printable(field.name)} is a whole record, which cannot be read",
                hint="select its fields one by one",
            )
    for name in (query.key, query.label, query.time, *query.payload):
        if name is not None and name not in names:
            near = close_matches(name, names)
            listed = ", ".join(map(printable, names[:10]))
            raise InvalidInput(
                f"the query has no column {printable(name)}",
                hint=f"did you mean {printable(near[0])}?" if near else f"its columns: {listed}",
            )
    if query.key is not None:
        _check_role(query, query.key, "the key", KEY_TYPES)
    if query.label is not None:
        _check_role(query, query.label, "a label", LABEL_TYPES)
    if query.time is not None:
        _check_role(query, query.time, "a time", TIME_TYPES)
    if query.extension == JSON:
        return
    if len(query.payload) != 1:
        raise InvalidInput(
            f"a payload of kind {query.extension} is one column",
            hint="name it with --payload-col; several columns make a payload of kind json",
        )
    kind = stored_type(query.schema.field(query.payload[0]).type)
    if not (is_text(kind) or is_bytes(kind) or t.is_null(kind)):
        raise InvalidInput(
            f"column {printable(query.payload[0])} holds neither text nor bytes",
            hint="make it text in the query, or leave the extension away for JSON",
        )


def _check_role(query: SourceQuery, name: str, role: str, allowed: tuple[str, ...]) -> None:
    kind = kind_of(query.schema.field(name).type)
    if kind not in (*allowed, "unknown"):
        raise InvalidInput(
            f"column {printable(name)} cannot be {role}: it is of type"
            f" {query.schema.field(name).type}",
            hint="convert it in the query, with CAST",
        )


# --- types ----------------------------------------------------------------------------------

KEY_TYPES = ("int", "string", "bytes", "decimal")
LABEL_TYPES = ("int", "string", "bool", "list")
TIME_TYPES = ("time", "string")
# An attribute of a numeric column is a float: a condition compares it with exact decimals.
_ATTRIBUTE_TYPES = {
    "int": "int", "float": "float", "string": "string", "bool": "bool", "decimal": "float",
}  # fmt: skip


def stored_type(kind: pa.DataType) -> pa.DataType:
    """Returns the type that the values of an extension type are stored as."""
    import pyarrow as pa

    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def is_text(kind: pa.DataType) -> bool:
    """Whether values are text."""
    import pyarrow.types as t

    return bool(t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind))


def is_bytes(kind: pa.DataType) -> bool:
    """Whether values are bytes."""
    import pyarrow.types as t

    plain = t.is_binary(kind) or t.is_large_binary(kind) or t.is_binary_view(kind)
    return bool(plain or t.is_fixed_size_binary(kind))


def is_numeric_text(kind: pa.DataType) -> bool:
    """Whether a driver hands exact decimals over as text, as PostgreSQL's does with numeric."""
    return getattr(kind, "extension_name", "") == "arrow.opaque" and (
        getattr(kind, "type_name", "") == "numeric"
    )


def kind_of(kind: pa.DataType) -> str:
    """Returns which kind of value a column holds, as far as its roles are concerned.

    One of int, float, string, bytes, bool, decimal, time, list, json, unknown and other.
    """
    import pyarrow.types as t

    if t.is_null(kind):
        return "unknown"
    if t.is_dictionary(kind):
        return kind_of(kind.value_type)
    if t.is_decimal(kind) or is_numeric_text(kind):
        return "decimal"
    if getattr(kind, "extension_name", "") == "arrow.json":
        return "json"
    kind = stored_type(kind)
    if t.is_integer(kind):
        return "int"
    if t.is_floating(kind):
        return "float"
    if t.is_boolean(kind):
        return "bool"
    if is_text(kind):
        return "string"
    if is_bytes(kind):
        return "bytes"
    if t.is_timestamp(kind) or t.is_date(kind):
        return "time"
    if t.is_list(kind) or t.is_large_list(kind):
        return "list" if kind_of(kind.value_type) in ("int", "string", "bool") else "other"
    return "other"


def _attributes(query: SourceQuery) -> dict[str, str]:
    """Returns the columns without a role whose values can be attributes, with their types."""
    taken = {query.key, query.label, query.time, *query.payload}
    found: dict[str, str] = {}
    for field in query.schema:
        kind = _ATTRIBUTE_TYPES.get(kind_of(field.type))
        if kind is None or field.name in taken or str(field.type) == "uint64":
            continue
        try:
            found[check_attribute_name(field.name)] = kind
        except InvalidInput:
            continue  # such as `size`, which every example has anyway
    return found
