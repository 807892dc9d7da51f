"""A view as a folder of files, each under its own path.

`examples.jsonl` is written first and says what may be there, `metadata.jsonl` says it to the
`datasets` library; the files follow, each whole under its name. Nothing is written through a link.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from dsm.errors import Conflict, InvalidInput
from dsm.files import restore
from dsm.files.folders import Entry, Folders
from dsm.files.removing import remove_empty, remove_judged
from dsm.files.writing import not_a_folder
from dsm.history.snapshot import examples_of
from dsm.model.names import check_path
from dsm.progress import SILENT, Progress
from dsm.store import disk
from dsm.views.writing import croissant
from dsm.views.writing.format import FolderWriter, FormatWriter
from dsm.views.writing.huggingface import KINDS, features_of_index
from dsm.views.writing.metadata import MetadataWriter
from dsm.views.writing.output_file import OutputFile, Written

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.store.objects import ObjectStore
    from dsm.views.selection.classes import ClassList
    from dsm.views.writing.output_folder import OutputFolder

INDEX = "examples.jsonl"
METADATA = "metadata.jsonl"
DATA = "data"
SLICE = 100_000
LINES = 8192


class PathsCollide(Conflict):
    """Paths that differ in letter case only cannot both be files in this folder."""

    code = "paths-collide"


def write_companion(
    place: OutputFolder, name: str, examples: int, pieces: Iterable[bytes]
) -> Written:
    """Writes one file of these bytes, and lists it as whole."""
    temporary = place.temporary(name)
    file = OutputFile(temporary)
    try:
        for piece in pieces:
            file.write(piece)
        written = file.finish(name, examples)
    except BaseException:
        file.abandon()
        raise
    place.publish(temporary, written)
    return written


def index_of(table: pa.Table, classes: ClassList) -> Iterator[bytes]:
    """Yields the index: a line of JSON for each example."""
    metadata = MetadataWriter(classes)
    return map(metadata.text, slices(table, LINES))


def write_files(
    place: OutputFolder, table: pa.Table, store: ObjectStore, workers: int, progress: Progress
) -> None:
    """Writes the files that are not there yet. Raises UnsafeTarget, PathsCollide, StorageFailed."""
    refuse_collisions(place, table)
    target = place.path(DATA)
    if os.path.islink(target):
        raise not_a_folder(place.folder, DATA)
    for part in slices(table, SLICE):
        planned = restore.plan(target, examples_of(part))
        # What is in the way there was begun by us, and a power cut may have spoilt it.
        restore.perform(
            planned, store, force=True, workers=workers, progress=_Counted(progress)
        ).refuse()
        same = sum(st[3] for _, st in planned.same)
        progress.advance(len(planned.same), same)


def damaged_files(folder: str, table: pa.Table, progress: Progress = SILENT) -> list[str]:
    """Reads all files and returns the names of those that are not what they should be."""
    target = os.path.join(folder, DATA)
    damaged: list[str] = []
    for part in slices(table, LINES):
        planned = restore.plan(target, examples_of(part))
        wrong = [example.path for example in (*planned.write, *planned.in_the_way)]
        damaged += (f"{DATA}/{path}" for path in wrong)
        progress.advance(part.num_rows)
    return sorted(damaged)


def remove_listed(folder: str) -> None:
    """Removes the files that the index of another view lists; others stay."""
    if os.path.islink(os.path.join(folder, DATA)):
        return
    emptied = set()
    with Folders(os.path.join(folder, DATA)) as folders:
        for entry in _listed(folder, folders):
            with contextlib.suppress(OSError):
                remove_judged(folders, entry.path, entry.judged())
                emptied.add(os.path.dirname(entry.path))
        remove_empty(folders, emptied)


def listed_files(folder: str) -> list[str]:
    """Returns the files that `remove_listed` would remove, relative to the folder."""
    if os.path.islink(os.path.join(folder, DATA)):
        return []
    with Folders(os.path.join(folder, DATA)) as folders:
        return [f"{DATA}/{entry.path}" for entry in _listed(folder, folders)]


def _listed(folder: str, folders: Folders) -> Iterator[Entry]:
    with open(os.path.join(folder, INDEX), "rb") as lines:
        for line in lines:
            # A path that leads through a link, or to a folder, is none of the view's files.
            with contextlib.suppress(ValueError, KeyError, TypeError, InvalidInput, OSError):
                entry = folders.look(check_path(json.loads(line)["path"]))
                if entry is not None and not entry.is_folder:
                    yield entry


def slices(table: pa.Table, rows: int) -> Iterator[pa.Table]:
    """Yields a table cut into parts of at most so many rows."""
    return (table.slice(first, rows) for first in range(0, table.num_rows, rows))


def refuse_collisions(place: OutputFolder, table: pa.Table) -> None:
    """Raises PathsCollide where the file system takes two of the paths for one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    folder, name = os.path.split(place.hidden)
    if not os.path.exists(os.path.join(folder, name.upper())):
        return  # letter case counts here
    paths = table.column("path")
    small = pc.utf8_lower(pc.utf8_normalize(paths, form="NFC"))
    counts = pc.value_counts(small)
    often = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    found = paths.filter(pc.is_in(small, value_set=pa.array(often))).to_pylist()
    if found:
        raise PathsCollide(
            f"{len(found)} paths differ in letter case only, which {folder} does not tell apart",
            hint="--format webdataset or tar keeps them apart",
            items=tuple(found),
        )


class _Counted:
    """Counts on in a task that was begun already."""

    def __init__(self, progress: Progress):
        self.advance = progress.advance

    def start(self, task: str, files: int | None = None, size: int | None = None) -> None: ...

    def finish(self) -> None: ...


class OneForEach(FolderWriter):
    """Writes, checks and removes a file for each example, their index, and what is beside it."""

    beside: tuple[str, ...] = (METADATA,)
    names: tuple[str, ...] = (DATA, INDEX, METADATA)

    def companions(
        self, table: pa.Table, store: ObjectStore, classes: ClassList
    ) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Yields what is beside the index: names, and the bytes that rows and classes decide."""
        spelled = partial(MetadataWriter(classes).flat, f"{DATA}/")
        yield METADATA, map(spelled, slices(table, LINES))

    def write(
        self,
        folder: OutputFolder,
        table: pa.Table,
        store: ObjectStore,
        classes: ClassList,
        kept: Mapping[str, Written],
        workers: int,
        progress: Progress,
    ) -> list[Written]:
        """Writes the indices, unless they were kept, and the files that are not there yet."""
        found = [
            kept.get(name) or write_companion(folder, name, table.num_rows, pieces)
            for name, pieces in (
                (INDEX, index_of(table, classes)), *self.companions(table, store, classes)
            )
        ]  # fmt: skip
        write_files(folder, table, store, workers, progress)
        return found

    def all_exist(self, folder: str, table: pa.Table) -> bool:
        """Whether there is something under the path of each example."""
        target = os.path.join(folder, DATA)
        return all(
            os.path.lexists(os.path.join(target, path))
            for part in slices(table, LINES)
            for path in part.column("path").to_pylist()
        )

    def damaged(
        self,
        folder: str,
        table: pa.Table,
        store: ObjectStore,
        classes: ClassList,
        progress: Progress,
    ) -> list[str]:
        """See `damaged_files`."""
        return damaged_files(folder, table, progress)

    def listed(self, folder: str) -> list[str]:
        """See `listed_files`; what stands beside the index is listed, too."""
        if not os.path.lexists(os.path.join(folder, INDEX)):
            return []
        beside = [name for name in self.beside if os.path.lexists(os.path.join(folder, name))]
        return [*listed_files(folder), *beside]

    def clear(self, folder: str) -> None:
        """Removes the files that an index lists, if there is one, and what is beside it."""
        if os.path.lexists(os.path.join(folder, INDEX)):
            remove_listed(folder)
            for name in self.beside:
                disk.remove(os.path.join(folder, name))


class FilesWriter(FormatWriter):
    """Writes each example under its own path."""

    folder = OneForEach()

    def record_sets(
        self, document: Mapping[str, Any], files: list[dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """A line of the index."""
        return [croissant.of_index(files)], []

    def features(
        self, tables: Sequence[pa.Table], classes: ClassList
    ) -> list[dict[str, Any]] | None:
        """Those of `metadata.jsonl`."""
        (table,) = tables
        return features_of_index(table, classes)

    def card(
        self, features: list[dict[str, Any]] | None, compression: str
    ) -> dict[str, Any] | None:
        """The rows of `metadata.jsonl`; the glob tells the library of which kind its files are."""
        assert features is not None
        found = features[0]["name"] in KINDS
        files = [METADATA, f"{DATA}/**"] if found else [METADATA]
        told = {"config_name": "default", "data_files": files, "features": features}
        return {"configs": [told]}


WRITER = FilesWriter()
