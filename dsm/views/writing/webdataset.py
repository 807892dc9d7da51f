"""Shards that WebDataset reads: for each example its payload, its class and what is told of it.

Three members in this order, `{key}.{ext}`, `{key}.cls`, `{key}.json`, of one plain tar. Specified
in docs/format/materialised.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from dsm.views.selection.payloads import Collected, Counted, Write, all_batches, pieces, uncounted
from dsm.views.writing import tar_header
from dsm.views.writing.metadata import MetadataWriter, class_indices

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.store.objects import ObjectStore

# Three headers, a block for the class, two for the JSON: what an example weighs beside its payload
# when shards are cut. An estimate, and part of the format: it decides where shards end.
EXAMPLE_OVERHEAD = 2560


def cut(sizes: Sequence[int], shard_size: int) -> list[tuple[int, int]]:
    """Returns (first, past the last) row of each shard.

    A shard is closed before the example that would make it larger than `shard_size` bytes.
    """
    parts = []
    first = held = 0
    for row, size in enumerate(sizes):
        weight = size + -size % tar_header.BLOCK + EXAMPLE_OVERHEAD
        if row > first and held + weight > shard_size:
            parts.append((first, row))
            first, held = row, 0
        held += weight
    if first < len(sizes):
        parts.append((first, len(sizes)))
    return parts


def with_keys(table: pa.Table, *, alone: bool = True) -> pa.Table:
    """Adds the columns key and ext, which a shard is written from.

    Rows that are not `alone` are some of more: their keys do not depend on those beside them.
    """
    from dsm.views.writing.webdataset_keys import keys_of

    keys, extensions = keys_of(table.column("path"), alone=alone)
    return table.append_column("key", keys).append_column("ext", extensions)


def write_shard(
    store: ObjectStore,
    tables: Iterable[pa.Table],
    classes: Mapping[str, int],
    write: Write,
    counted: Counted = uncounted,
) -> None:
    """Writes a tar of all rows, table after table; each is from `with_keys`.

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
            class_indices(rows.column("labels").to_pylist(), classes), content,
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
