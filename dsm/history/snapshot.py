"""Snapshots: the live examples after changeset N, folded from manifests, last writer wins.

Folding from the beginning would cost the whole history each time, so folded snapshots are cached
as Arrow IPC under `local/cache`, named by the changeset's id, and newer manifests are laid over
the nearest one. The cache is derived: deleted or damaged, it is built again. Looking up a few paths
never folds anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from blake3 import blake3

from dsm.format import manifest as fmt
from dsm.model.changeset import Changeset
from dsm.model.example import Example
from dsm.repo.log import ChangesetLog
from dsm.repo.repository import Repository, read_file
from dsm.store import disk

MAGIC = b"DSMSNAP\x01"
SUFFIX = ".snapshot"
# A new snapshot is cached once this many rows, or this share of the base, lie over the old one.
OVERLAY_ROWS = 20_000
OVERLAY_CHANGESETS = 64
# Larger ones are not synced: a power cut may cost the time to build one again, a sync always does.
SYNC_BYTES = 32 << 20
CHANGESET = pa.field("changeset", pa.int32(), nullable=False)


@dataclass(slots=True)
class _Found:
    """The nearest cached snapshot: its number (0: none) and its table."""

    number: int
    table: pa.Table | None


def cut_short(data: bytes) -> bool:
    """Whether a cached snapshot merely ends too early: a power cut came before it was written."""
    return data[-38:-32] != b"ARROW1" and (MAGIC.startswith(data[:8].rstrip(b"\0")))


class Snapshots:
    """Snapshots of one dataset."""

    def __init__(self, repository: Repository, log: ChangesetLog):
        self._layout = repository.layout
        self._log = log
        self._folder = repository.layout.cache(log.name)
        self._manifests: dict[int, pa.Table] = {}
        self._bases: dict[int, pa.Table] = {}

    # --- manifests ---

    def manifest(self, number: int) -> pa.Table | None:
        """Reads and verifies the manifest of a changeset; None when it has no rows.

        Raises ManifestDamaged. That the rows make sense is checked where they are put to use: when
        a snapshot is folded, by fsck, and again by what writes files or archives.
        """
        known = self._manifests.get(number)
        if known is not None:
            return known
        changeset = self._log.get(number)
        table = self.read_manifest(changeset)
        if table is not None:
            self._manifests[number] = table
        return table

    def read_manifest(self, changeset: Changeset) -> pa.Table | None:
        """Like `manifest`, for a header in hand, without keeping the rows."""
        if changeset.manifest is None:
            return None
        path = self._layout.manifest(self._log.name, changeset.manifest)
        data = read_file(path)
        if data is None:
            raise fmt.ManifestDamaged(
                f"the manifest of changeset {changeset.number} is missing ({path})",
                hint="`dsm fsck` tells what else is missing; copy it back from a backup",
            )
        table = fmt.decode(
            data, path, manifest_id=changeset.manifest, file_id=changeset.manifest_file
        )
        if table.num_rows != changeset.counts.rows:
            raise fmt.ManifestDamaged(
                f"{path} has {table.num_rows} rows, not {changeset.counts.rows}"
            )
        return table

    # --- few paths ---

    def lookup(self, number: int, paths: Iterable[str]) -> dict[str, Example]:
        """Returns those of the examples that are live after changeset `number`."""
        wanted = set(paths)
        found: dict[str, Example] = {}
        base = self._nearest(number)
        for current in range(number, base.number, -1):
            if not wanted:
                return found
            table = self.manifest(current)
            if table is None:
                continue
            for row in _positions(table.column("path"), wanted):
                path = table.column("path")[row].as_py()
                wanted.discard(path)
                example = example_at(table, row)
                if example is not None:
                    found[path] = example
        if wanted and base.table is not None:
            column = base.table.column("path")
            for row in _positions(column, wanted):
                example = example_at(base.table, row)
                if example is not None:
                    found[example.path] = example
        return found

    # --- all of it ---

    def table(self, number: int) -> pa.Table:
        """Returns the snapshot as an Arrow table sorted by path.

        Columns: path, object, offset, length, size, time, labels, annotation, attr.<name>…, and
        changeset, the number that last put the example.
        """
        if number == 0:
            return _empty({})
        base = self._nearest(number)
        if base.number == number and base.table is not None:
            return base.table
        rows = 0
        parts: list[pa.Table] = []
        for current in range(base.number + 1, number + 1):
            manifest = self.manifest(current)
            if manifest is not None:
                # Whoever made this repository may have meant harm: see it before it is used.
                fmt.check_rows(manifest, f"the manifest of changeset {current}")
                parts.append(_numbered(manifest, current))
                rows += manifest.num_rows
        types = self._log.get(number).attributes
        table = _fold(base.table, parts, types)
        size = 0 if base.table is None else base.table.num_rows
        if (
            rows > min(OVERLAY_ROWS, max(2000, size // 8))
            or number - base.number > OVERLAY_CHANGESETS
        ):
            self._save(number, table)
        return table

    def folded(self, runs: Sequence[tuple[int, int]]) -> pa.Table:
        """Folds only the changesets of these runs (first, last), in order; columns as `table`.

        What a listed changeset deletes or replaces of one that is not listed is simply not there.
        """
        first, last = runs[0]
        # A run from the beginning is a snapshot, which may be cached.
        base = self.table(last) if first == 1 else None
        parts: list[pa.Table] = []
        for first, last in runs[1:] if base is not None else runs:
            for current in range(first, last + 1):
                manifest = self.manifest(current)
                if manifest is not None:
                    fmt.check_rows(manifest, f"the manifest of changeset {current}")
                    parts.append(_numbered(manifest, current))
        return _fold(base, parts, self._log.get(runs[-1][1]).attributes)

    def is_of_this_history(self, number: int, changeset_id: str) -> bool:
        """Whether changeset `number` is there and has this id."""
        return 1 <= number <= self._log.head() and self._log.get(number).id == changeset_id

    def _nearest(self, number: int) -> _Found:
        for known in sorted((n for n in self._bases if n <= number), reverse=True):
            if known == number:
                return _Found(known, self._bases[known])
        best = 0
        names = {n: changeset_id for n, changeset_id in self._cached() if n <= number}
        for candidate in sorted(names, reverse=True):
            if candidate in self._bases:
                return _Found(candidate, self._bases[candidate])
            table = self._open(candidate, names[candidate])
            if table is not None:
                self._bases[candidate] = table
                return _Found(candidate, table)
        return _Found(best, None)

    def _cached(self) -> Iterator[tuple[int, str]]:
        """Yields (number, changeset id) of the cached snapshots; other files are passed over."""
        try:
            names = os.listdir(self._folder)
        except OSError:
            return  # it is a cache: what cannot be looked at is not there
        for name in names:
            text, _, rest = name.removesuffix(SUFFIX).partition("-")
            if name.endswith(SUFFIX) and len(text) == 8 and text.isascii() and text.isdigit():
                yield int(text), rest

    def _open(self, number: int, changeset_id: str) -> pa.Table | None:
        """Opens a cached snapshot; None (and gone) when it is damaged or of another history."""
        path = os.path.join(self._folder, f"{number:08d}-{changeset_id}{SUFFIX}")
        if self._log.get(number).id != changeset_id:
            return None
        try:
            with pa.memory_map(path) as source:
                buffer = source.read_buffer()
        except (OSError, pa.ArrowException):
            return None
        view = memoryview(buffer)
        body = view[len(MAGIC) : -32]
        hasher = blake3(max_threads=blake3.AUTO if len(body) > 1 << 26 else 1)
        # As bytes: a view of Arrow's memory has signed items, and would never equal a digest.
        digest = bytes(view[-32:])
        if len(view) < 48 or bytes(view[:8]) != MAGIC or hasher.update(body).digest() != digest:
            return None
        try:
            return pa.ipc.open_file(buffer.slice(len(MAGIC), len(body))).read_all()
        except (OSError, pa.ArrowException):
            return None

    def _save(self, number: int, table: pa.Table) -> None:
        """Caches a snapshot. A failure to write it costs time later, and nothing else."""
        self._bases[number] = table
        path = os.path.join(self._folder, f"{number:08d}-{self._log.get(number).id}{SUFFIX}")
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=1 << 20)
        body = sink.getvalue()
        digest = blake3(body).digest()
        temporary = os.path.join(self._layout.temporary, f"snapshot-{os.urandom(8).hex()}")
        try:
            disk.make_dirs(self._folder, durable=False)
            fd = disk.open_new(temporary)
            try:
                for part in (MAGIC, memoryview(body), digest):
                    disk.write_all(fd, part, temporary)
                if len(body) <= SYNC_BYTES:
                    disk.sync_file(fd, temporary)
            finally:
                os.close(fd)
            disk.replace(temporary, path)
            self._drop_old(number)
        except disk.WriteFailed:
            disk.discard(temporary)

    def _drop_old(self, newest: int) -> None:
        """Keeps the two newest snapshots and every one at least twice as far back."""
        kept = newest
        for position, (number, changeset_id) in enumerate(sorted(self._cached(), reverse=True)):
            if position >= 2 and number * 2 > kept:
                name = f"{number:08d}-{changeset_id}{SUFFIX}"
                disk.discard(os.path.join(self._folder, name))
            else:
                kept = number


def example_at(table: pa.Table, row: int) -> Example | None:
    """Returns the example of a manifest's or snapshot's row; None when the row deletes."""
    oid = table.column("object")[row].as_py()
    if oid is None:
        return None
    attributes: dict[str, Any] = {}
    for name in table.column_names:
        if name.startswith(fmt.ATTRIBUTE):
            value = table.column(name)[row].as_py()
            if value is not None:
                attributes[name[len(fmt.ATTRIBUTE) :]] = value
    return Example(
        table.column("path")[row].as_py(),
        oid,
        table.column("size")[row].as_py() or 0,
        table.column("time")[row].value or 0,
        tuple(table.column("labels")[row].as_py() or ()),
        attributes,
        table.column("annotation")[row].as_py(),
    )


def examples_of(table: pa.Table) -> Iterator[Example]:
    """Yields all examples of a snapshot, in the order of their rows, in batches of memory."""
    for batch in table.to_batches(max_chunksize=8192):
        part = pa.Table.from_batches([batch])
        rows = fmt.to_rows(part)
        for row in range(len(rows)):
            example = rows.example(row)
            if example is not None:
                yield example


def has_any(table: pa.Table, path: str) -> bool:
    """Whether a snapshot has an example at or below a path."""
    import pyarrow.compute as pc

    column = table.column("path")
    found = pc.or_(pc.equal(column, path), pc.starts_with(column, path + "/"))
    return bool(pc.any(found).as_py())


def _positions(column: pa.ChunkedArray, wanted: set[str]) -> list[int]:
    """Rows whose path is wanted. Few: binary search, since rows are sorted; many: one pass."""
    count = len(column)
    if len(wanted) * 64 > count:
        import pyarrow.compute as pc

        mask = pc.is_in(column, value_set=pa.array(sorted(wanted), pa.string()))
        rows: list[int] = pc.indices_nonzero(mask).to_pylist()
        return rows
    rows = []
    for path in wanted:
        low, high = 0, count
        while low < high:
            middle = (low + high) >> 1
            if column[middle].as_py() < path:
                low = middle + 1
            else:
                high = middle
        if low < count and column[low].as_py() == path:
            rows.append(low)
    return rows


def _schema(types: Any) -> pa.Schema:
    fields = [field for field in fmt.FIXED if field.name != "op"]
    fields += [
        pa.field(fmt.ATTRIBUTE + name, fmt.ARROW_TYPES[types[name]]) for name in sorted(types)
    ]
    return pa.schema([*fields, CHANGESET])


def _empty(types: Any) -> pa.Table:
    return _schema(types).empty_table()


def _numbered(manifest: pa.Table, number: int) -> pa.Table:
    column = pa.repeat(pa.scalar(number, pa.int32()), manifest.num_rows)
    return manifest.append_column(CHANGESET, column)


def _widened(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Adds the attribute columns that a table lacks, and widens int to float."""
    columns = []
    for field in schema:
        if field.name in table.column_names:
            column = table.column(field.name)
            # Not safe: an integer beyond 2**53 that was committed before its attribute became float
            # is rounded here; its manifest keeps it.
            wide = column if column.type == field.type else column.cast(field.type, safe=False)
            columns.append(wide)
        else:
            columns.append(pa.nulls(table.num_rows, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _fold(base: pa.Table | None, parts: list[pa.Table], types: Any) -> pa.Table:
    """Lays manifests, oldest first, over a base snapshot."""
    import pyarrow.compute as pc

    schema = _schema(types)
    if not parts:
        return _widened(base, schema) if base is not None else _empty(types)
    with_op = schema.append(fmt.FIXED[1])
    overlay = pa.concat_tables([_widened(part, with_op) for part in parts])
    if len(parts) > 1:
        overlay = _last_of_each(overlay)
    puts = overlay.filter(pc.equal(overlay.column("op"), "put")).drop_columns(["op"])
    if base is None or not base.num_rows:
        return puts.combine_chunks()
    base = _widened(base, schema)
    if overlay.num_rows * 50 < base.num_rows:
        return _spliced(base, overlay, puts)
    replaced = pc.is_in(base.column("path"), value_set=overlay.column("path").combine_chunks())
    merged = pa.concat_tables([base.filter(pc.invert(replaced)), puts])
    return merged.take(pc.sort_indices(merged.column("path"))).combine_chunks()


def _last_of_each(overlay: pa.Table) -> pa.Table:
    """Keeps, of rows with the same path, the last one; the result is sorted by path."""
    import pyarrow.compute as pc

    numbered = pa.table({"path": overlay.column("path"), "row": pa.array(range(overlay.num_rows))})
    last = numbered.group_by("path").aggregate([("row", "max")])
    last = last.take(pc.sort_indices(last.column("path")))
    return overlay.take(last.column("row_max"))


def _spliced(base: pa.Table, overlay: pa.Table, puts: pa.Table) -> pa.Table:
    """Merges few rows into many by slices of the base, instead of sorting everything."""
    column = base.column("path").combine_chunks()
    pieces: list[pa.Table] = []
    at = next_put = 0
    put_paths = puts.column("path").to_pylist()
    count = len(column)
    for path in overlay.column("path").to_pylist():
        low, high = at, count
        while low < high:
            middle = (low + high) >> 1
            if column[middle].as_py() < path:
                low = middle + 1
            else:
                high = middle
        if low > at:
            pieces.append(base.slice(at, low - at))
        at = low + 1 if low < count and column[low].as_py() == path else low
        if next_put < len(put_paths) and put_paths[next_put] == path:
            pieces.append(puts.slice(next_put, 1))
            next_put += 1
    pieces.append(base.slice(at))
    return pa.concat_tables(pieces).combine_chunks()
