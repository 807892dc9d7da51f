"""One tar with the original paths, and an index of where each payload lies in it.

Specified in docs/format/materialised.md. An interrupted one is taken up where it is right, and a
large one is laid out by several processes; the bytes are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dsm.store import disk
from dsm.views.selection.payloads import Counted, Payloads, Write
from dsm.views.writing import croissant
from dsm.views.writing.format import FormatWriter, Part, Recipe, compressed
from dsm.views.writing.output_file import OutputFile, Written
from dsm.views.writing.tar_runs import write_tar
from dsm.views.writing.worker_count import beside_us, is_much

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.store.objects import ObjectStore
    from dsm.views.writing.tar_parallel import ParallelTar


class TarWriter(FormatWriter):
    """Writes the tar and its index."""

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
        """Writes the tar, from its header `at` on; see `FormatWriter.write`."""
        with compressed(recipe.compression, write) as out:
            write_tar(store, tables, recipe.classes, out, write_index, counted, at)

    def build(
        self, recipe: Recipe, store: ObjectStore, part: Part, counted: Counted, workers: int
    ) -> tuple[Written, ...]:
        """Writes what an interrupted run has not written of the tar, and its index."""
        index = OutputFile(part.index_temporary, sha256=False)
        file = parallel = None
        try:
            rest, at = _rest(recipe, part, index.write, counted)
            parallel = _parallel(recipe, store, rest, workers)
            # One hash goes through the whole file and takes a core for itself: no SHA-256 beside.
            file = OutputFile(part.temporary, part.size, sha256=False, keep=at)
            if parallel is None:
                self.write(recipe, store, [rest.table], file.write, counted, index.write, at)
            else:
                parallel.write(file, index.write, counted, at)
            rows = part.table.num_rows
            return file.finish(part.name, rows), index.finish(part.index, rows)
        except BaseException as error:
            index.abandon()
            if file is not None:
                # Interrupted, it stays for the next run; after a failure the disk is not believed.
                failed = isinstance(error, Exception)
                (file.abandon if failed or recipe.compression != "none" else file.leave)()
            raise
        finally:
            if parallel is not None:
                parallel.close()

    def record_sets(
        self, document: Mapping[str, Any], files: list[dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """A line of the index."""
        return [croissant.of_index(files)], []


def _rest(recipe: Recipe, part: Part, write_index: Write, counted: Counted) -> tuple[Part, int]:
    """Returns what an interrupted run has not written of a tar, and where that begins."""
    kept = at = size = 0
    if recipe.compression == "none":
        from dsm.views.writing.tar_resume import members_kept

        kept, at, size = members_kept(part.temporary, part.table, recipe.classes, write_index)
    if not kept:
        disk.discard(part.temporary)
        return part, 0
    counted(kept, size)
    return replace(part, table=part.table.slice(kept), size=part.size - size), at


def _parallel(recipe: Recipe, store: ObjectStore, part: Part, workers: int) -> ParallelTar | None:
    """Returns what writes a tar that is large enough to be written past the page cache."""
    if recipe.compression != "none" or not is_much(0, part.size):
        return None
    from dsm.views.writing.tar_parallel import ParallelTar

    payloads, count = Payloads(store, part.table), beside_us(part.size, workers)
    try:
        return ParallelTar(payloads, recipe.classes, count)
    except (OSError, AttributeError):  # no shared memory here
        return ParallelTar(payloads, recipe.classes, 0)


WRITER = TarWriter()
