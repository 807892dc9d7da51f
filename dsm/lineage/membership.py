"""Which prepared views have an example, answered without evaluating one again.

The paths that views chose from are kept once, and for each view a bit a path, beside the cached
snapshots and in the same kind of file: derived, and not believed when another copy made it. A view
never changes, so only those that are new are evaluated. A path keeps its place in the list, new
ones come behind it. Paths are compared once for each snapshot, not for each view.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from dsm.history import snapshot_file
from dsm.repo.copy_key import CopyKey
from dsm.repo.layout import Layout
from dsm.store import disk

SUFFIX = ".used"
PATHS = pa.schema([pa.field("path", pa.string(), nullable=False)])
VIEWS = pa.schema([
    pa.field("version", pa.string(), nullable=False),
    pa.field("bits", pa.large_binary(), nullable=False),
])  # fmt: skip


# Paths of examples, each once, and which of them a view has; None: all.
Part = tuple[pa.ChunkedArray, pa.Array | pa.ChunkedArray | None]


class Membership:
    """The examples of the prepared views of one dataset; `parts_of` evaluates a view."""

    def __init__(self, layout: Layout, dataset: str, parts_of: Callable[[str], list[Part]]):
        self._folder = layout.cache(dataset)
        self._temporary = layout.temporary
        self._key = CopyKey(layout)
        self._parts_of = parts_of
        self._name = ""
        self._paths: list[pa.Array] = []
        self._bits: dict[str, bytes] = {}
        # Of the parts of the last view: their paths, and the row of each known path among them.
        self._compared: list[tuple[pa.ChunkedArray, pa.Array]] = []

    def views_with(self, path: str, versions: list[str]) -> list[str]:
        """Returns which of these views have an example of this path, in their order.

        Views of one changeset that stand side by side are compared with it once.
        """
        self._load()
        fresh = [version for version in versions if version not in self._bits]
        before = sum(map(len, self._paths))
        for version in fresh:
            self._bits[version] = self._measured(self._parts_of(version))
        if fresh:
            self._save(versions, grown=sum(map(len, self._paths)) > before)
        place = self._place(path)
        return [version for version in versions if _has(self._bits[version], place)]

    def _place(self, path: str) -> int | None:
        before = 0
        for block in self._paths:
            at = pc.index(block, path).as_py()
            if at >= 0:
                return before + int(at)
            before += len(block)
        return None

    def _measured(self, parts: list[Part]) -> bytes:
        """Returns a bit for each known path: whether the view has it. Others become known."""
        self._compare([paths for paths, _ in parts])
        bits: pa.Array = None
        for (_, mask), (_, rows) in zip(parts, self._compared, strict=True):
            found = pc.is_valid(rows) if mask is None else _one(mask).take(rows)
            bits = found if bits is None else pc.or_(bits, found)
            bits = pc.fill_null(bits, False)
        return bytes(bits.buffers()[1] or b"")[: (len(bits) + 7) // 8]

    def _compare(self, columns: list[pa.ChunkedArray]) -> None:
        """Makes all paths of some columns known, and says where each known path is among them."""
        known = [paths for paths, _ in self._compared]
        if len(known) == len(columns) and all(map(pa.ChunkedArray.equals, known, columns)):
            return
        found = [(column, self._rows(_one(column))) for column in columns]
        if all(len(column) == len(rows) - rows.null_count for column, rows in found):
            self._compared = found
            return
        for column in columns:
            paths = _one(column)
            for block in self._paths:
                paths = paths.filter(pc.invert(pc.is_in(paths, value_set=block)))
            self._paths.append(paths)
        self._compared = [(column, self._rows(_one(column))) for column in columns]

    def _rows(self, paths: pa.Array) -> pa.Array:
        """Returns for each known path its place among these, or null."""
        found = [pc.index_in(block, value_set=paths) for block in self._paths]
        return pa.concat_arrays(found) if found else pa.array([], pa.int32())

    def _load(self) -> None:
        views = snapshot_file.read(self._path("views"), self._key, VIEWS)
        if views is None or not views.num_rows:
            return
        rows = dict(zip(*(column.to_pylist() for column in views.columns), strict=True))
        name = rows.pop("").decode("ascii", "replace") if "" in rows else ""
        paths = snapshot_file.read(self._path(name), self._key, PATHS) if name else None
        if paths is not None:
            self._name, self._bits = name, rows
            self._paths = [paths.column(0).combine_chunks()] if paths.num_rows else []

    def _save(self, versions: list[str], *, grown: bool) -> None:
        """Writes what is known: the paths first, under a new name, then the bits that need them."""
        old = self._name
        try:
            disk.make_dirs(self._folder, durable=False)
            if grown or not old:
                self._name = f"paths-{os.urandom(8).hex()}"
                self._write(self._name, pa.table([pa.chunked_array(self._paths, pa.string())],
                                                 schema=PATHS))  # fmt: skip
            rows = {"": self._name.encode(), **{each: self._bits[each] for each in versions}}
            table = pa.table([list(rows), pa.array(rows.values(), pa.large_binary())], schema=VIEWS)
            self._write("views", table)
            if old and old != self._name:
                disk.discard(self._path(old))
        except disk.Unwritable:
            pass  # it costs time later and nothing else

    def _write(self, name: str, table: pa.Table) -> None:
        temporary = os.path.join(self._temporary, f"used-{os.urandom(8).hex()}")
        snapshot_file.write(self._path(name), temporary, self._key, table.schema, [table])

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name + SUFFIX)


def _one(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Returns a column in one piece."""
    chunks = [column] if isinstance(column, pa.Array) else column.chunks
    return pa.concat_arrays(chunks) if chunks else pa.array([], column.type)


def _has(bits: bytes, place: int | None) -> bool:
    return (
        place is not None and place >> 3 < len(bits) and bool(bits[place >> 3] >> (place & 7) & 1)
    )
