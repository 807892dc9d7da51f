"""Folding more rows than fit in memory: sorted runs on disk, merged a piece at a time.

A run holds the last row of each path of some changesets, deletions too, sorted by path; later runs
win. The files lie under `local/tmp` and are removed in any case.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from dsm.format import manifest as fmt
from dsm.history.fold import overlay_of, puts_of
from dsm.history.snapshot_file import ArrowSink
from dsm.store import disk

RUN_ROWS = 1_000_000
PIECE_ROWS = 1 << 16


class Runs:
    """Collects sorted runs; a context manager that removes their files."""

    def __init__(self, folder: str, schema: pa.Schema):
        self._folder = folder
        self._schema = schema
        self._with_op = schema.append(fmt.FIXED[1])
        self._waiting: list[pa.Table] = []
        self._rows = 0
        self._runs: list[Iterator[pa.Table]] = []
        self._paths: list[str] = []

    def __enter__(self) -> Runs:
        return self

    def __exit__(self, *_: object) -> None:
        for path in self._paths:
            disk.discard(path)

    def add_sorted(self, table: pa.Table) -> None:
        """Adds a snapshot as the first run."""
        put = pa.scalar("put", pa.string())

        def pieces() -> Iterator[pa.Table]:
            for at in range(0, table.num_rows, PIECE_ROWS):
                piece = table.slice(at, PIECE_ROWS)
                yield piece.append_column(fmt.FIXED[1], pa.repeat(put, piece.num_rows))

        self._runs.append(pieces())

    def add(self, parts: Iterable[pa.Table]) -> None:
        """Adds manifests, oldest first. Raises WriteFailed when a run cannot be written."""
        for part in parts:
            self._waiting.append(part)
            self._rows += part.num_rows
            if self._rows >= RUN_ROWS:
                self._spill()

    def _spill(self) -> None:
        if not self._waiting:
            return
        run = overlay_of(self._waiting, self._schema)
        self._waiting, self._rows = [], 0
        path = os.path.join(self._folder, f"run-{os.urandom(8).hex()}")
        fd = disk.open_new(path)
        self._paths.append(path)
        try:
            sink = pa.PythonFile(ArrowSink(fd, path), "w")
            with pa.ipc.new_stream(sink, self._with_op) as writer:
                writer.write_table(run, max_chunksize=PIECE_ROWS)
        finally:
            os.close(fd)
        self._runs.append(_pieces(path))

    def merged(self) -> Iterator[pa.Table]:
        """Yields the live rows of all runs together, sorted by path, in pieces."""
        self._spill()
        heads = [next(run, None) for run in self._runs]
        while any(head is not None for head in heads):
            # Up to here every run's next rows are known.
            bound = min(h.column("path")[h.num_rows - 1].as_py() for h in heads if h is not None)
            parts: list[pa.Table] = []
            for index, head in enumerate(heads):
                if head is None:
                    continue
                end = _upper_bound(head.column("path"), bound)
                parts.append(head.slice(0, end))
                rest = head.slice(end)
                heads[index] = rest if rest.num_rows else next(self._runs[index], None)
            piece = puts_of(overlay_of([part for part in parts if part.num_rows], self._schema))
            if piece.num_rows:
                yield piece.combine_chunks()


def _pieces(path: str) -> Iterator[pa.Table]:
    with pa.OSFile(path) as source, pa.ipc.open_stream(source) as reader:
        for batch in reader:
            yield pa.Table.from_batches([batch])


def _upper_bound(paths: pa.ChunkedArray, bound: str) -> int:
    """How many of the sorted paths are at or before `bound`."""
    count: int = pc.sum(pc.less_equal(paths, bound)).as_py() or 0
    return count
