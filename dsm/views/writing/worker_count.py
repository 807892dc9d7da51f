"""How many workers write a view, and their start while this process still imports what it needs.

A worker takes as long to import Arrow as we do: started first, it is ready when there is work.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dsm.store.workers import started_ahead
from dsm.views.writing.format import ONE_FILE, SHARDS
from dsm.views.writing.formats import FORMATS

if TYPE_CHECKING:
    from dsm.views.selection.content import ContentSummary

# Less than this is done sooner than a worker is there.
WORKER_EXAMPLES = 1000
WORKER_BYTES = 24 << 20
# Beside us; the hash of a tar goes no faster than that.
TAR_WORKERS_MAX = 6


def is_much(examples: int, size: int) -> bool:
    """Whether so many examples, of so many bytes together, are worth a worker."""
    return examples >= WORKER_EXAMPLES or size >= WORKER_BYTES


def beside_us(size: int, workers: int) -> int:
    """Returns how many workers help us to write a tar of so many bytes, plain ones."""
    return min(workers - 1, TAR_WORKERS_MAX) if is_much(0, size) else 0


@contextmanager
def expected(
    content: ContentSummary | None,
    out: str,
    format: str,
    compression: str,
    shard_size: int,
    workers: int,
) -> Iterator[None]:
    """Starts the workers that will be wanted to write `content`, where it is known, to a new
    folder; those that are not wanted in the end are stopped."""
    count, row = 0, FORMATS.get(format)
    if content is not None and row is not None and out != "-" and not os.path.lexists(out):
        if row.layout == ONE_FILE and compression == "none":
            count = beside_us(content.size, workers)
        elif row.layout == SHARDS and is_much(content.examples, content.size):
            parts = 1 + content.size // max(1, shard_size)
            count = min(workers, parts) if parts > 1 else 0
    with started_ahead(count, "" if row is None else row.worker):
        yield
