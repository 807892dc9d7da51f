"""Materialising a view: to a folder or a stream, from stored examples or with rows of queries.

The formats are told in docs/format/materialised.md, and listed in `dsm.views.writing.formats`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from dsm.errors import InvalidInput
from dsm.files.typed_path import refuse_address, refuse_store
from dsm.progress import SILENT, Progress
from dsm.views.selection.classes import ClassList
from dsm.views.selection.payloads import Write
from dsm.views.writing.format import Recipe
from dsm.views.writing.formats import DEFAULT, FORMATS
from dsm.views.writing.options import SHARD_BYTES, GetPlan, GetReport, Options
from dsm.views.writing.stored import plan_stored, recipe_of, write_stored

if TYPE_CHECKING:
    from dsm.views.selection.selection import Selection


def get(
    view: Selection,
    out: str,
    *,
    format: str = DEFAULT,
    shard_size: int = SHARD_BYTES,
    compression: str = "none",
    verify: bool = False,
    force: bool = False,
    croissant: bool | None = None,
    workers: int | None = None,
    allow_persist: bool = False,
    sink: BinaryIO | None = None,
    progress: Progress = SILENT,
) -> GetReport:
    """Materialises the view in folder `out`, or as one tar that is written to `sink` ("-").

    `shard_size` is in bytes. What an interrupted run has finished is kept; what is there already is
    left alone, and with `verify` read and compared with its hashes. `force` replaces what is there.
    `croissant` asks for a description in JSON-LD; by default all but a single tar have one, for
    which a second hash of the whole file would have to be made.

    A view with queries is streamed; `allow_persist` lets it be written to a folder outside the
    repository (see `persist`), where nothing is kept of an interrupted run.

    Raises OtherContent (a Conflict) when the folder holds something else, or files of a dataset's
    own; PathsCollide when letter case does not count there; DamagedData when what is stored, or
    what `verify` reads, is not what it should be; NotKept when rows of queries would be kept; what
    reading them raises; InvalidInput for options that do not go together; StorageFailed.
    """
    options = Options(format, shard_size, compression)
    if out == "-":
        if sink is None:
            raise InvalidInput("no stream is given to write to", hint="give a binary file as sink")
        examples, size, without_class = stream(view, sink.write, options, progress)
        sink.flush()
        return GetReport("-", format, 1, examples, size, True, without_class=without_class)
    _check_place(out)
    if view.queries:
        from dsm.views.writing.with_source_rows import persist

        if verify or croissant:
            raise InvalidInput(
                f"{'--verify' if verify else '--croissant'} is only for stored examples",
                hint="leave it away, or the rows of queries with --skip-sources",
            )
        return persist(view, out, options, allowed=allow_persist, force=force, progress=progress)
    return write_stored(
        view, out, options, croissant=croissant, workers=workers, verify=verify, force=force,
        progress=progress,
    )  # fmt: skip


def plan_get(
    view: Selection,
    out: str,
    *,
    format: str = DEFAULT,
    shard_size: int = SHARD_BYTES,
    compression: str = "none",
    force: bool = False,
    allow_persist: bool = False,
) -> GetPlan:
    """Returns what `get` would do into folder `out` now; nothing is changed.

    Raises what `get` raises before it writes.
    """
    options = Options(format, shard_size, compression)
    _check_place(out)
    if view.queries:
        from dsm.views.writing.with_source_rows import plan_persist

        return plan_persist(view, out, options, allowed=allow_persist, force=force)
    return plan_stored(view, out, options, force=force)


def _check_place(out: str) -> None:
    """Raises InvalidInput for what cannot be, or become, a folder of ours to write to."""
    if not out:
        raise InvalidInput("no folder is named", hint="give a folder with -o")
    refuse_address(out)
    refuse_store(out)
    there = out  # or the nearest folder that is there
    while not os.path.exists(there or "."):
        there = os.path.dirname(there)
    if not os.path.isdir(there or "."):
        raise InvalidInput(f"{there} is not a folder", hint="give a folder with -o")


def stream(
    view: Selection, write: Write, options: Options, progress: Progress = SILENT
) -> tuple[int, int, int]:
    """Writes the view as one tar: that of `tar`, or the members of all shards of `webdataset`.

    What `write` is given changes when it has returned. Returns how many examples and bytes of them
    were written, and how many examples have no class (0 where the tar says no class).
    """
    if not options.row.streams:
        named = " or ".join(row.name for row in FORMATS.values() if row.streams)
        raise InvalidInput(
            f"{options.format} cannot be written to standard output",
            hint=f"give a folder with -o, or --format {named}",
        )
    if view.queries:
        from dsm.views.writing.with_source_rows import stream_rows

        return stream_rows(view, write, options, progress)
    progress.start("writing", view.content.examples, view.content.size)
    writer, told = options.row.writer(), options.row.tells_classes
    recipe = (
        recipe_of(view, options) if told else Recipe(options.row, options.compression, ClassList())
    )
    rows = writer.with_columns(view.table())
    writer.write(recipe, view.repository.store, [rows], write, progress.advance)
    progress.finish()
    without_class = recipe.classes.without(rows) if told else 0
    return view.content.examples, view.content.size, without_class
