"""What the `datasets` library of Hugging Face is told of the columns that a format has.

Features in the form of its cards: a list of `{"name": …, "dtype": …}`, with `struct` or `sequence`
in the place of `dtype` where a value has parts. Pure: from columns to descriptions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.format.manifest import ATTRIBUTE
from dsm.views.writing.card import CLASS_LABEL
from dsm.views.writing.metadata import attribute_names
from dsm.views.writing.webdataset_keys import PACKED_BY

if TYPE_CHECKING:
    from dsm.views.selection.classes import ClassList

Features = list[dict[str, Any]]

IMAGE, AUDIO, TEXT, BYTES = "image", "audio", "text", "bytes"
KINDS = {
    IMAGE: ["avif", "bmp", "gif", "jpeg", "jpg", "png", "tif", "tiff", "webp"],
    AUDIO: ["aac", "aiff", "flac", "m4a", "mp3", "oga", "ogg", "opus", "wav"],
    TEXT: ["csv", "html", "json", "jsonl", "md", "srt", "tex", "text", "tsv", "txt", "xml"],
}
# What it knows a folder of images or sounds by; the others it takes for unknown files.
_NOT_OF_FOLDERS = ("avif", "aac", "m4a", "oga")
# What it decodes a member of a shard to, by its last extension.
_DECODED = {
    "text": "string", "transcript": "string", "txt": "string",
    "cls2": "int64", "id": "int64", "index": "int64", "inx": "int64",
}  # fmt: skip
# Decoded to what has no one type: then the library has to look for itself.
_OPAQUE = ("cbor", "jsn", "json", "mp", "msg", "npy", "npz", "pth", "tb", "ten")
_EXTENSIONS_MAX = 64
_TYPES = {"string": "string", "int64": "int64", "double": "float64", "bool": "bool"}


def kind_of(paths: pa.ChunkedArray) -> str:
    """Returns what all examples are by their extensions, "bytes" when that is not one thing."""
    found = _extensions(paths)
    for kind, extensions in KINDS.items():
        if found and found <= set(extensions):
            return kind
    return BYTES


def _extensions(paths: pa.ChunkedArray) -> set[str]:
    ext = pc.utf8_lower(pc.struct_field(pc.extract_regex(paths, r"\.(?P<ext>[^./]*)$"), "ext"))
    return set(pc.unique(ext).to_pylist())


def kind_of_folder(paths: pa.ChunkedArray) -> str:
    """Returns "image" or "audio" where the library reads a folder of these files so, else "bytes".

    It looks for files by a glob, which passes over hidden ones and `__x__`.
    """
    kind = kind_of(paths)
    if kind not in (IMAGE, AUDIO) or _extensions(paths) & {*_NOT_OF_FOLDERS}:
        return BYTES
    return BYTES if pc.all(pc.match_substring_regex(paths, r"(^|/)(\.|__)")).as_py() else kind


def features_of_index(table: pa.Table, classes: ClassList) -> Features:
    """Returns the features of `metadata.jsonl`, with the file itself where that is one thing."""
    kind = kind_of_folder(table.column("path"))
    file = (
        {"name": "file_name", "dtype": "string"} if kind == BYTES else {"name": kind, "dtype": kind}
    )
    return [
        file, _class("label", classes), {"name": "path", "dtype": "string"},
        {"name": "labels", "sequence": "string"},
        {"name": "time", "dtype": "timestamp[us, tz=UTC]"},
        {"name": "annotation", "dtype": "string"}, {"name": "object", "dtype": "string"},
        {"name": "size", "dtype": "int64"}, {"name": "changeset", "dtype": "int32"},
        *_attributes(table, ATTRIBUTE),
    ]  # fmt: skip


def features_of_shards(tables: Iterable[pa.Table], classes: ClassList) -> Features | None:
    """Returns the features of shards whose rows have the column `ext`; None where none can be told.

    Annotations have no one type and are left out.
    """
    extensions: set[str] = set()
    schema = None
    for table in tables:
        schema = table
        extensions.update(pc.unique(table.column("ext")).to_pylist())
        if len(extensions) > _EXTENSIONS_MAX:
            return None
    types = [(ext, _member_type(ext)) for ext in sorted(extensions)]
    if schema is None or any(kind is None for _, kind in types):
        return None
    told: Features = [
        {"name": "path", "dtype": "string"}, {"name": "labels", "sequence": "string"},
        {"name": "classes", "sequence": "int64"}, {"name": "time", "dtype": "string"},
        {"name": "object", "dtype": "string"}, {"name": "size", "dtype": "int64"},
        {"name": "changeset", "dtype": "int64"},
    ]  # fmt: skip
    attributes = _attributes(schema, "")
    if attributes:
        told.append({"name": "attributes", "struct": attributes})
    payloads = [{"name": ext, "dtype": kind} for ext, kind in types]
    return [*payloads, _class("cls", classes), {"name": "json", "struct": told}]


def _member_type(ext: str) -> str | None:
    *before, last = ext.split(".")
    if last in PACKED_BY:  # unpacked first, and then never an image
        last = before[-1] if before else ""
    elif last in KINDS[IMAGE]:
        return IMAGE
    # Sounds are bytes: as a type of its own they need a decoder only to be loaded.
    return None if last in _OPAQUE else _DECODED.get(last, "binary")


def _class(name: str, classes: ClassList) -> dict[str, Any]:
    return {"name": name, "dtype": CLASS_LABEL if classes.names else "int64"}


def _attributes(table: pa.Table, prefix: str) -> Features:
    types = {name: str(table.schema.field(ATTRIBUTE + name).type) for name in
             attribute_names(table.schema)}  # fmt: skip
    return [
        {"name": prefix + name, "dtype": _TYPES.get(kind, kind)} for name, kind in types.items()
    ]
