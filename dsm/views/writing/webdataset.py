"""Shards that WebDataset reads: for each example its payload, its class and what is told of it.

Three members in this order, `{key}.{ext}`, `{key}.cls`, `{key}.json`, of one plain tar. Specified
in docs/format/materialised.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dsm.history.fold import records_mask
from dsm.views.selection.payloads import Collected, Counted, Write, all_batches, pieces, uncounted
from dsm.views.selection.read_as import read_as, settings_of
from dsm.views.writing import croissant, tar_header
from dsm.views.writing.format import FormatWriter, Recipe, compressed
from dsm.views.writing.huggingface import features_of_shards
from dsm.views.writing.metadata import MetadataWriter
from dsm.views.writing.shards import EXAMPLE_OVERHEAD
from dsm.views.writing.webdataset_keys import keys_of

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.store.objects import ObjectStore
    from dsm.views.selection.classes import ClassList

# Globs of what is told of examples: all `*.json` but payloads, which are `*.payload.json`.
# Croissant has `excludes`, which its own reader ignores.
_PAYLOAD = ".payload"
_TOLD = [f"*[!{sign}]{_PAYLOAD[at + 1 :]}.json" for at, sign in enumerate(_PAYLOAD)]
_TOLD += [f"{_PAYLOAD[at:]}.json" for at in range(1, len(_PAYLOAD))]


class WebdatasetWriter(FormatWriter):
    """Writes shards: tars of three members for each example."""

    def with_columns(self, table: pa.Table, *, alone: bool = True) -> pa.Table:
        """Adds the columns key and ext, which a shard is written from.

        Rows that are not `alone` are some of more: their keys do not depend on those beside them.
        """
        records = records_mask(table)
        formats = {path: settings_of(text).format for path, text in read_as(table).items()}
        keys, extensions = keys_of(table.column("path"), records, formats, alone=alone)
        return table.append_column("key", keys).append_column("ext", extensions)

    def write(
        self,
        recipe: Recipe,
        store: ObjectStore,
        tables: Iterable[pa.Table],
        write: Write,
        counted: Counted,
        write_index: Write | None = None,
        at: int = 0,
    ) -> None:
        """Writes one shard; see `FormatWriter.write`."""
        with compressed(recipe.compression, write) as out:
            write_shard(store, tables, recipe.classes, out, counted)

    def record_sets(
        self, document: Mapping[str, Any], files: list[dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The JSON of each example, which a reader finds in plain shards alone."""
        if document["options"]["compression"] != "none" or not files:
            return [], []  # no reader looks into a compressed shard
        told = {
            "containedIn": [{"@id": item["@id"]} for item in files],
            "encodingFormat": "application/json", "includes": _TOLD,
        }  # fmt: skip
        found = croissant.examples(["json"], {"fileSet": {"@id": "told"}}, "fileProperty")
        return [found], [croissant.file_set("told", told)]

    def features(
        self, tables: Sequence[pa.Table], classes: ClassList
    ) -> list[dict[str, Any]] | None:
        """Those of the members."""
        return features_of_shards(tables, classes)

    def card(
        self, features: list[dict[str, Any]] | None, compression: str
    ) -> dict[str, Any] | None:
        """The shards; the library does not look into compressed ones."""
        if compression != "none":
            return None
        head: dict[str, Any] = {
            "configs": [{"config_name": "default", "data_files": "shard-*.tar"}]
        }
        return head if features is None else head | {"dataset_info": {"features": features}}


def write_shard(
    store: ObjectStore,
    tables: Iterable[pa.Table],
    classes: ClassList,
    write: Write,
    counted: Counted = uncounted,
) -> None:
    """Writes a tar of all rows, table after table; each has been through `with_columns`.

    Raises DamagedData, WriteFailed.
    """
    out = Collected(write)
    metadata = MetadataWriter(classes)
    class_members: dict[int, tuple[int, bytes]] = {}
    header, pad = tar_header.header, tar_header.padding
    for payloads, rows, content in all_batches(store, tables):
        columns = (
            rows.column("key").to_pylist(), rows.column("ext").to_pylist(),
            rows.column("size").to_pylist(), metadata.lines(rows),
            classes.of(rows), content,
        )  # fmt: skip
        for number, (key, ext, size, line, index, data) in enumerate(zip(*columns, strict=True)):
            text = line.encode()
            known = class_members.get(index)
            if known is None:
                decimal = b"%d" % index
                known = class_members[index] = len(decimal), decimal + pad(len(decimal))
            head = header(f"{key}.{ext}", size)
            beside = (
                pad(size), header(key + ".cls", known[0]), known[1],
                header(key + ".json", len(text)), text, pad(len(text)),
            )  # fmt: skip
            if data is not None:
                out.add((head, data, *beside), size + EXAMPLE_OVERHEAD)
                continue
            out.add((head,), len(head))
            path, oid = rows.column("path")[number].as_py(), rows.column("object")[number]
            for piece in pieces(payloads.store, oid.as_py(), path, size):
                out.add((piece,), len(piece))
            out.add(beside, EXAMPLE_OVERHEAD)
        counted(rows.num_rows, sum(rows.column("size").to_pylist()))
    out.add((tar_header.END,), len(tar_header.END))
    out.flush()


WRITER = WebdatasetWriter()
