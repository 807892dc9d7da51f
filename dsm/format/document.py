"""Small JSON documents (repository, dataset, changeset header, tag, view): one canonical form.

The bytes are RFC 8785 canonical JSON, so that a document has exactly one spelling and its hash is
its identity. Each carries a `seal`, the BLAKE3 of the document without it: the newest changeset has
no successor that pins it, and a damaged header must be found all the same. No floats: their
spelling is where canonical forms differ. Specified in docs/format/documents.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from blake3 import blake3

from dsm.errors import DamagedData, InvalidInput
from dsm.model.names import printable

FORMAT = 1
DOCUMENT_BYTES_MAX = 1 << 20
DEPTH_MAX = 32
_PLAIN = json.JSONEncoder(
    separators=(",", ":"), ensure_ascii=False, allow_nan=False, sort_keys=True
)
_ORDERED = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class UnknownFormat(DamagedData):
    """A document of a format that this version cannot read."""

    code = "unknown-format"


def canonical(value: Any) -> bytes:
    """Returns the RFC 8785 form of a JSON value without floats. Raises ValueError on a float."""
    if _has_plain_names(value, 0):
        return _PLAIN.encode(value).encode()
    return _ORDERED.encode(_ordered(value)).encode()


def _has_plain_names(value: Any, depth: int) -> bool:
    """Whether all names in a value are ASCII: then Python's order of them is that of RFC 8785.

    Raises ValueError for a float, and for what is too deep.
    """
    if isinstance(value, float):
        raise ValueError("a canonical document holds no floats")
    if depth > DEPTH_MAX:
        raise ValueError("a canonical document is at most 32 levels deep")
    plain = True
    items: Iterable[Any] = ()
    if isinstance(value, dict):
        plain, items = all(map(str.isascii, value)), value.values()
    elif isinstance(value, (list, tuple)):
        items = value
    for item in items:
        if type(item) is not str and type(item) is not int:  # most are
            plain = _has_plain_names(item, depth + 1) and plain
    return plain


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        # RFC 8785 orders keys by UTF-16 code units, which differs from Python's order for
        # characters beyond the basic plane.
        return {key: _ordered(value[key]) for key in sorted(value, key=_utf16)}
    if isinstance(value, (list, tuple)):
        return [_ordered(item) for item in value]
    return value


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")


class DocumentTooLarge(InvalidInput):
    """A document that no reader would take."""

    code = "document-too-large"


def encode(fields: dict[str, Any]) -> bytes:
    """Returns the file bytes of a document: its fields, the format number and the seal.

    Raises DocumentTooLarge when they are more than a reader takes, InvalidInput when they hold text
    that is not UTF-8.
    """
    body = {**fields, "format": FORMAT}
    try:
        body["seal"] = blake3(canonical(body)).hexdigest()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"{printable(_given(error))} is not UTF-8",
            hint="names, messages and patterns are kept as UTF-8 text: write it anew",
        ) from error
    data = canonical(body)
    if len(data) > DOCUMENT_BYTES_MAX:
        raise DocumentTooLarge(
            f"{len(data):,} bytes are too many for one document: it holds {DOCUMENT_BYTES_MAX:,}",
            hint="nothing was recorded; say it in parts, or more briefly",
        )
    return data


def _given(error: UnicodeEncodeError) -> str:
    """Returns the text in a document that has no UTF-8, 80 characters at most."""
    text: str = error.object
    first = text.rfind('"', 0, error.start) + 1
    last = text.find('"', error.start)
    return text[first : len(text) if last < 0 else last][:80]


def decode(data: bytes, where: str) -> dict[str, Any]:
    """Reads a document; `where` names the file in errors.

    Raises UnknownFormat, or DamagedData when the bytes are not what `encode` writes.
    """
    try:
        if len(data) > DOCUMENT_BYTES_MAX:
            raise ValueError(f"{len(data)} bytes is too long")
        fields = json.loads(data)
        if not isinstance(fields, dict):
            raise ValueError("not an object")
    except (ValueError, RecursionError) as error:
        raise DamagedData(
            f"{where} is damaged: it is not a JSON document ({_brief(error)})"
        ) from error
    number = fields.get("format")
    if number != FORMAT:
        raise UnknownFormat(
            f"{where} has format {number!r:.20}; this dsm reads format {FORMAT}",
            hint="a newer dsm wrote it: upgrade with `pip install --upgrade dsm-datasets`",
        )
    seal = fields.pop("seal", None)
    try:
        intact = seal == blake3(canonical(fields)).hexdigest()
        intact = intact and data == canonical({**fields, "seal": seal})
    except (ValueError, UnicodeEncodeError):
        intact = False
    if not intact:
        raise DamagedData(f"{where} is damaged: its contents do not fit its seal")
    return fields


def _brief(error: Exception) -> str:
    return str(error).split(":")[0][:80]
