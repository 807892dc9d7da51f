"""What a format of materialised views says of itself, and what its module has to do.

A format is a row of `dsm.views.writing.formats` (a `Format`: what is known of it without Arrow) and
a module that makes its bytes (a `FormatWriter`, which is called WRITER there).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dsm.errors import InvalidInput
from dsm.model.names import printable
from dsm.views.writing.compression import Compressed, zstd_release
from dsm.views.writing.output_file import OutputFile, Written

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.progress import Progress
    from dsm.store.objects import ObjectStore
    from dsm.views.selection.classes import ClassList
    from dsm.views.selection.payloads import Counted, Write
    from dsm.views.writing.output_folder import OutputFolder

# How a format lies in a folder: as numbered shards, as one file whose name begins with a stem, so
# that several lie side by side, or as a file for each example.
SHARDS, ONE_FILE, FILE_EACH = "shards", "one file", "a file each"


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One row of the table: what is known of a format before anything is written."""

    name: str
    words: str  # for `--format`; empty where the name says all
    layout: str  # SHARDS, ONE_FILE or FILE_EACH
    module: str  # where its WRITER is
    file_name: str = ""  # with {number:06d} or {stem}, and {zst} where it can be compressed so
    index_name: str = ""  # of the file that is written beside it, with {stem}
    worker: str = "dsm.views.writing.parts"  # what worker processes run, loaded ahead of use
    owns: str = ""  # which names in a folder are its own, as a regular expression
    media_type: str = "application/octet-stream"
    library: str = ""  # whose release decides the bytes, where that is not the compressor's alone
    compressible: bool = True
    streams: bool = False  # whether it can be written to a stream
    described: bool = True  # whether a card is written, and Croissant unless it is declined
    takes_rows: bool = True  # whether rows of queries can be written so
    one_class: bool = False  # whether a file says one class of each example, -1 where it has none
    record_fields: bool = False  # whether fields of records are columns of their own
    tells_classes: bool = True  # whether the file itself does, not its index alone

    def writer(self) -> FormatWriter:
        """Loads what makes its bytes."""
        found: FormatWriter = import_module(self.module).WRITER
        return found

    def releases(self, compression: str) -> dict[str, str]:
        """Returns the releases of libraries that decide the bytes, by name."""
        if self.library:
            return {self.library: import_module(self.library).__version__}
        return zstd_release(compression)

    def file(self, compression: str, *, number: int = 0, stem: str = "") -> str:
        """Returns the name of a file."""
        zst = ".zst" if compression == "zstd" else ""
        return self.file_name.format(number=number, stem=stem, zst=zst)


@dataclass(slots=True)
class Part:
    """One file: its name, its rows, the bytes of their payloads, and where it is written first."""

    name: str
    table: pa.Table
    size: int
    temporary: str = ""
    index: str = ""
    index_temporary: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides the bytes of a file beside its rows; `schema` is that of Parquet files."""

    format: Format
    compression: str
    classes: ClassList
    schema: pa.Schema | None = None


def no_fields(table: pa.Table) -> InvalidInput:
    """Returns the error for rows that are no records with fields of their own."""
    import pyarrow.compute as pc

    from dsm.history.fold import records_mask

    others = table.column("path").filter(pc.invert(records_mask(table)))
    path = (others if len(others) else table.column("path"))[0].as_py()
    return InvalidInput(
        f"{printable(path)} is no record with fields",
        hint="choose the records of a file with --path FILE, or another format",
        items=(path,),
    )


class FormatWriter:
    """How the bytes of a format are made: they depend on rows and recipe alone."""

    folder: FolderWriter | None = None  # of a format with a file for each example

    def with_columns(self, table: pa.Table, *, alone: bool = True) -> pa.Table:
        """Adds the columns that `write` needs; rows that are not `alone` are some of more."""
        return table

    def schema(
        self,
        table: pa.Table,
        paths: pa.ChunkedArray,
        classes: ClassList,
        store: ObjectStore | None = None,
    ) -> pa.Schema | None:
        """Returns the schema of all files, where they have one; `paths` are those of all rows.

        With a store the table is all of them, and their bytes may be read for it. Raises
        DamagedData and InvalidInput.
        """
        return None

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
        """Writes one file with these rows; one that can be resumed from its byte `at` on.

        Raises DamagedData, InvalidInput, WriteFailed.
        """
        raise NotImplementedError

    def build(
        self, recipe: Recipe, store: ObjectStore, part: Part, counted: Counted, workers: int
    ) -> tuple[Written, ...]:
        """Writes a part under its temporary names; durable when this returns.

        What is first in the result is the part itself, then its index.
        """
        file = OutputFile(part.temporary, part.size)
        try:
            self.write(recipe, store, [part.table], file.write, counted)
            return (file.finish(part.name, part.table.num_rows),)
        except BaseException:
            file.abandon()
            raise

    def record_sets(
        self, document: Mapping[str, Any], files: list[dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Returns Croissant's record sets of a final document, and the file sets that they name."""
        raise NotImplementedError

    def features(
        self, tables: Sequence[pa.Table], classes: ClassList
    ) -> list[dict[str, Any]] | None:
        """Returns what the `datasets` library is told of the columns; None where it finds out.

        `tables` are those of the parts, or the whole of a format with a file for each example.
        """
        return None

    def card(
        self, features: list[dict[str, Any]] | None, compression: str
    ) -> dict[str, Any] | None:
        """Returns the head of the card: which files hold the examples, and their features.

        None for a format that the library does not read.
        """
        return None


class FolderWriter:
    """How a format is written, checked and removed that has a file for each example."""

    names: tuple[str, ...] = ()  # what lies in the folder

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
        """Writes what is not there yet; returns the files that the document lists."""
        raise NotImplementedError

    def all_exist(self, folder: str, table: pa.Table) -> bool:
        """Whether no file has gone; their content is not looked at."""
        raise NotImplementedError

    def damaged(
        self,
        folder: str,
        table: pa.Table,
        store: ObjectStore,
        classes: ClassList,
        progress: Progress,
    ) -> list[str]:
        """Reads all files and returns the names of those that are not what they should be."""
        raise NotImplementedError

    def listed(self, folder: str) -> list[str]:
        """Returns the names of the files that `clear` would remove, relative to the folder."""
        raise NotImplementedError

    def clear(self, folder: str) -> None:
        """Removes the files that another view has left there; what is not its own stays."""
        raise NotImplementedError


@contextmanager
def compressed(compression: str, write: Write) -> Iterator[Write]:
    """Gives what to write to, so that it arrives at `write` compressed, if that is asked for."""
    if compression == "none":
        yield write
        return
    out = Compressed(write)
    yield out.write
    out.finish()
