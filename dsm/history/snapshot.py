"""Snapshots: the live examples after changeset N, folded from manifests, last writer wins.

Folding from the beginning would cost the whole history each time, so folded snapshots are cached
as Arrow IPC under `local/cache`, named by the changeset's id, and newer manifests are laid over
the nearest one. The cache is derived: deleted, damaged or made elsewhere, it is built again.
Looking up a few paths never folds anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa

from dsm.errors import NotFound
from dsm.format import manifest as fmt
from dsm.history.fold import (
    FEW,
    Layer,
    empty,
    examples_in,
    examples_mask,
    fold,
    numbered,
    overlay_of,
    place_of,
    puts_of,
    records_mask,
    snapshot_schema,
    widened,
)
from dsm.history.manifests import Manifests
from dsm.history.snapshot_cache import SnapshotCache
from dsm.model.example import Example
from dsm.model.names import close_matches, printable
from dsm.repo.log import ChangesetLog
from dsm.repo.repository import Repository
from dsm.steps import step
from dsm.store import disk

T = TypeVar("T")

# A new snapshot is cached once this many rows, or this share of the base, lie over the old one.
OVERLAY_ROWS = 20_000
OVERLAY_CHANGESETS = 64
# From here on manifests are read side by side.
MANY_MANIFESTS = 4
# More rows than this are merged on disk.
MERGE_ROWS = 4_000_000
READERS = 4
# From here on rows become examples together, so many at a time.
MANY_ROWS, BATCH_ROWS = 32, 8192
# One path is searched for in the time in which so many rows are gone through.
SEARCH_ROWS = 512


@dataclass(slots=True)
class _Found:
    """The nearest cached snapshot: its number (0: none) and its table."""

    number: int
    table: pa.Table | None


class Snapshots:
    """Snapshots of one dataset."""

    def __init__(
        self, repository: Repository, log: ChangesetLog, cache: SnapshotCache | None = None
    ):
        self._layout = repository.layout
        self._log = log
        self.manifests = Manifests(repository.layout, log)
        self.cache = cache or SnapshotCache(repository.layout, log)
        self._bases: dict[int, pa.Table] = {}

    # --- few paths ---

    def lookup(self, number: int, paths: Iterable[str]) -> dict[str, Example]:
        """Returns those of the examples that are live after changeset `number`."""
        return self._newest(number, paths, _at)

    def objects(self, number: int, paths: Iterable[str]) -> dict[str, bytes]:
        """Like `lookup`, for many paths of which only the objects are asked for."""
        return self._newest(number, paths, _objects_at)

    def _newest(
        self,
        number: int,
        paths: Iterable[str],
        read: Callable[[pa.Table, list[int]], Iterator[tuple[str, T | None]]],
    ) -> dict[str, T]:
        """Returns what the newest row of each path says, by `read`; not of those that delete."""
        wanted = set(paths)
        found: dict[str, T] = {}
        base = self._nearest(number)
        for current in range(number, base.number, -1):
            if not wanted:
                return found
            table = self.manifests.of(current)
            if table is None:
                continue
            for path, said in read(table, _positions(table.column("path"), wanted)):
                wanted.discard(path)
                if said is not None:
                    found[path] = said
        if wanted and base.table is not None:
            for path, said in read(base.table, _positions(base.table.column("path"), wanted)):
                if said is not None:
                    found[path] = said
        return found

    def example(self, number: int, path: str) -> Example:
        """Returns an example that is live after a changeset. Raises NotFound, with near ones."""
        found = self.lookup(number, [path])
        if path not in found:
            near = close_matches(
                path, self.table(number).column("path").slice(0, 20_000).to_pylist()
            )
            raise NotFound(
                f"changeset {number} of {self._log.name} has no example {printable(path)}",
                hint=f"did you mean {printable(near[0])}?" if near else "`dsm ls` lists them",
            )
        return found[path]

    # --- all of it ---

    def table(self, number: int) -> pa.Table:
        """Returns the snapshot as an Arrow table sorted by path.

        Columns: path, object, offset, length, size, time, labels, annotation, attr.<name>…,
        time_given, records, and changeset, the number that last put the example.
        """
        if number == 0:
            return empty({})
        base = self._nearest(number)
        if base.number == number and base.table is not None:
            return base.table
        numbers = range(base.number + 1, number + 1)
        rows = sum(self._log.get(current).counts.rows for current in numbers)
        step(
            __name__, "snapshot %d: %d rows of %d changesets over the cached snapshot %d",
            number, rows, len(numbers), base.number,
        )  # fmt: skip
        types = self._log.get(number).attributes
        stays_unsaved = self._stays_unsaved(base, number, rows)
        if not stays_unsaved and rows > MERGE_ROWS:
            merged = self._merged(base, numbers, snapshot_schema(types))
            if merged is not None:
                return merged
        table = fold(base.table, list(self._parts(numbers)), types)
        if not stays_unsaved:
            self._bases[number] = table
            self._save(number, table.schema, [table])
        return table

    def examples(self, number: int) -> pa.Table:
        """Returns the snapshot without the rows of records files, which are no examples."""
        return examples_in(self.table(number))

    def _merged(self, base: _Found, numbers: range, schema: pa.Schema) -> pa.Table | None:
        """Folds more rows than should be in memory: sorted runs on disk, merged into the cache.

        Returns None when there is no room for them.
        """
        from dsm.history.merge import Runs

        number = numbers[-1]
        try:
            with Runs(self._layout.temporary, schema) as runs:
                if base.table is not None:
                    runs.add_sorted(widened(base.table, schema))
                for first in range(numbers[0], number + 1, READERS):
                    runs.add(self._parts(range(first, min(first + READERS, number + 1))))
                saved = self._save(number, schema, runs.merged())
        except disk.Unwritable:
            return None
        found = self.cache.open(number) if saved else None
        if found is not None:
            self._bases[number] = found
        return found

    def layers(self, number: int) -> list[Layer]:
        """Returns the snapshot unmerged: few changes lie beside the many rows that they concern.

        Each layer is sorted by path, and every path is live in one of them at most.
        """
        if number in self._bases or not number:
            return [Layer(self.table(number))]
        base = self._nearest(number)
        numbers = range(base.number + 1, number + 1)
        rows = sum(self._log.get(current).counts.rows for current in numbers)
        if base.table is None or not self._stays_unsaved(base, number, rows):
            return [Layer(self.table(number))]
        schema = snapshot_schema(self._log.get(number).attributes)
        wide = widened(base.table, schema)
        parts = list(self._parts(numbers))
        if rows * FEW >= wide.num_rows or not parts:
            return [Layer(fold(wide, parts, self._log.get(number).attributes))]
        overlay = overlay_of(parts, schema)
        return [Layer(wide, _all_but(wide, overlay.column("path"))), Layer(puts_of(overlay))]

    @staticmethod
    def _stays_unsaved(base: _Found, number: int, rows: int) -> bool:
        """Whether so few rows lie over a cached snapshot that the new one need not be cached."""
        size = 0 if base.table is None else base.table.num_rows
        few = rows <= min(OVERLAY_ROWS, max(2000, size // 8))
        return few and number - base.number <= OVERLAY_CHANGESETS

    def folded(self, runs: Sequence[tuple[int, int]]) -> pa.Table:
        """Folds only the changesets of these runs (first, last), in order; columns as `table`.

        What a listed changeset deletes or replaces of one that is not listed is simply not there.
        """
        first, last = runs[0]
        # A run from the beginning is a snapshot, which may be cached.
        base = self.table(last) if first == 1 else None
        parts: list[pa.Table] = []
        for first, last in runs[1:] if base is not None else runs:
            parts += self._parts(range(first, last + 1))
        return fold(base, parts, self._log.get(runs[-1][1]).attributes)

    def _parts(self, numbers: Sequence[int]) -> Iterator[pa.Table]:
        """Yields the rows of these changesets with their numbers, checked; empty ones left out."""
        if len(numbers) < MANY_MANIFESTS:
            manifests: Iterable[pa.Table | None] = map(self.manifests.of, numbers)
        else:
            # Reading Parquet lets other threads run.
            from concurrent.futures import ThreadPoolExecutor

            headers = [self._log.get(number) for number in numbers]
            with ThreadPoolExecutor(READERS) as pool:
                manifests = list(pool.map(self.manifests.read, headers))
        for number, manifest in zip(numbers, manifests, strict=True):
            if manifest is not None:
                # Whoever made this repository may have meant harm: see it before it is used.
                fmt.check_rows(manifest, f"the manifest of changeset {number}")
                yield numbered(manifest, number)

    def is_of_this_history(self, number: int, changeset_id: str) -> bool:
        """Whether changeset `number` is there and has this id."""
        return 1 <= number <= self._log.head() and self._log.get(number).id == changeset_id

    def _nearest(self, number: int) -> _Found:
        """Finds the newest snapshot at or before a number, in memory or cached."""
        if number in self._bases:
            return _Found(number, self._bases[number])
        numbers = {*list(self._bases), *self.cache.numbers()}
        for candidate in sorted((n for n in numbers if n <= number), reverse=True):
            table = self._bases.get(candidate)
            if table is None:
                table = self.cache.open(candidate)
            if table is not None:
                self._bases[candidate] = table
                return _Found(candidate, table)
        return _Found(0, None)

    def _save(self, number: int, schema: pa.Schema, tables: Iterable[pa.Table]) -> bool:
        """Caches a snapshot. A failure to write it costs time later, and nothing else."""
        return self.cache.save(number, schema, tables)


def _at(table: pa.Table, rows: list[int]) -> Iterator[tuple[str, Example | None]]:
    """Yields path and example of these rows; many are converted a column at a time."""
    if len(rows) < MANY_ROWS:
        for row in rows:
            yield table.column("path")[row].as_py(), example_at(table, row)
        return
    for first in range(0, len(rows), BATCH_ROWS):
        part = fmt.to_rows(table.take(rows[first : first + BATCH_ROWS]))
        for path, _, example in part:
            yield path, example


def _objects_at(table: pa.Table, rows: list[int]) -> Iterator[tuple[str, bytes | None]]:
    """Yields path and object of these rows, None for one that deletes."""
    part = table.select(["path", "object"]).take(pa.array(rows, pa.int64()))
    return zip(*(column.to_pylist() for column in part.columns), strict=True)


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
        fmt.TIME_GIVEN.name in table.column_names
        and bool(table.column(fmt.TIME_GIVEN.name)[row].as_py()),
        table.column(fmt.RECORDS.name)[row].as_py()
        if fmt.RECORDS.name in table.column_names
        else None,
    )


def examples_of(table: pa.Table) -> Iterator[Example]:
    """Yields all examples of a snapshot, in the order of their rows, in batches of memory."""
    for batch in table.to_batches(max_chunksize=BATCH_ROWS):
        part = pa.Table.from_batches([batch])
        rows = fmt.to_rows(part)
        for row in range(len(rows)):
            example = rows.example(row)
            if example is not None:
                yield example


def _all_but(table: pa.Table, paths: pa.ChunkedArray) -> pa.Array:
    """A mask over a table that leaves out the rows of the given paths."""
    live = bytearray(b"\xff" * ((table.num_rows + 7) // 8))
    for row in _positions(table.column("path"), set(paths.to_pylist())):
        live[row >> 3] &= ~(1 << (row & 7))
    return pa.Array.from_buffers(pa.bool_(), table.num_rows, [None, pa.py_buffer(bytes(live))])


def records_below(table: pa.Table, file: str) -> dict[str, bytes]:
    """Returns the records of a file: their objects by path."""
    column = table.column("path")
    first, end = place_of(column, f"{file}#"), place_of(column, f"{file}$")
    part = table.slice(first, end - first)
    if fmt.RECORDS.name not in part.column_names:
        return {}
    part = part.filter(records_mask(part))
    paths, oids = part.column("path").to_pylist(), part.column("object").to_pylist()
    return dict(zip(paths, oids, strict=True))


def files_read(table: pa.Table) -> dict[str, str]:
    """Returns how each records file is read, by path."""
    mask = examples_mask(table)
    if mask is None:
        return {}
    import pyarrow.compute as pc

    files = table.filter(pc.invert(mask))
    return dict(
        zip(files.column("path").to_pylist(), files.column("records").to_pylist(), strict=True)
    )


def count_below(table: pa.Table, file: str) -> int:
    """Returns how many records of a file there are."""
    column = table.column("path")
    first, end = place_of(column, f"{file}#"), place_of(column, f"{file}$")
    part = table.slice(first, end - first)
    if fmt.RECORDS.name not in part.column_names or not len(part):
        return 0
    import pyarrow.compute as pc

    return int(pc.sum(records_mask(part)).as_py() or 0)


def has_any(table: pa.Table, path: str) -> bool:
    """Whether a snapshot has an example at or below a path."""
    return bool(paths_below(table, path))


def paths_below(table: pa.Table, path: str) -> list[str]:
    """Returns the examples at or below a path."""
    import pyarrow.compute as pc

    column = table.column("path")
    found = pc.or_(pc.equal(column, path), pc.starts_with(column, path + "/"))
    found = pc.or_(found, pc.and_(records_mask(table), pc.starts_with(column, path + "#")))
    below: list[str] = column.filter(found).to_pylist()
    return below


def _positions(column: pa.ChunkedArray, wanted: set[str]) -> list[int]:
    """Rows whose path is wanted. Few: binary search, since rows are sorted; many: one pass."""
    count = len(column)
    if len(wanted) * SEARCH_ROWS > count:
        import pyarrow.compute as pc

        mask = pc.is_in(column, value_set=pa.array(sorted(wanted), pa.string()))
        rows: list[int] = pc.indices_nonzero(mask).to_pylist()
        return rows
    rows = []
    for path in wanted:
        low = place_of(column, path)
        if low < count and column[low].as_py() == path:
            rows.append(low)
    return rows
