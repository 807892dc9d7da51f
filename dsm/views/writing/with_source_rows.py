"""Writing a view with queries: as a stream, or where that was allowed, to a folder.

Rows go where the user said and nowhere else, for nobody but the user to read. The invariants: no
folder of rows lies in the repository, its document says whose rows they are, and of a run that
fails nothing stays (one that is killed leaves a hidden folder, which the next run there clears).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import DsmError, InvalidInput, Refused
from dsm.progress import SILENT, Progress
from dsm.repo.layout import FOLDER
from dsm.store import disk
from dsm.views.filters.label_counts import counts as label_counts
from dsm.views.selection.classes import ClassList
from dsm.views.selection.digest import ContentDigest
from dsm.views.selection.payloads import Write
from dsm.views.source_rows.reader import SourceRowReader
from dsm.views.writing.card import CARD, is_own, remove_card, write_card
from dsm.views.writing.format import ONE_FILE, Recipe
from dsm.views.writing.formats import FORMATS, stem_of
from dsm.views.writing.options import GetPlan, GetReport, Options, head_of, is_ours
from dsm.views.writing.output_checks import refuse_among_data
from dsm.views.writing.output_file import OutputFile, Written
from dsm.views.writing.output_folder import IGNORE_FILE, OtherContent, OutputFolder
from dsm.views.writing.shards import EXAMPLE_OVERHEAD, cut

if TYPE_CHECKING:
    from dsm.views.selection.selection import Selection

CONSUMER = "get"
# Rows are written so many bytes at a time, however large a shard may be.
PIECE_BYTES = 16 << 20


class NotKept(Refused):
    """Rows of a query would be written where they stay."""

    code = "not-kept"


class MixedContent:
    """What was written so far: passes tables on and sums them up.

    A label that came up only when the rows were read is no class.
    """

    def __init__(self, view: Selection):
        self.reading = SourceRowReader(view, CONSUMER)
        self.examples = self.size = self.rows = self.without_class = 0
        self._classes: ClassList | None = None
        self.labels: dict[str, int] = {}
        self._digest = ContentDigest()

    @property
    def digest(self) -> str:
        """The content digest of what was passed on."""
        return self._digest.hexdigest()

    def classes(self) -> ClassList:
        """Returns the classes of stored examples and rows; without a list it asks the sources."""
        if self._classes is None:
            self._classes = self.reading.class_list()
        return self._classes

    def stored(self) -> pa.Table:
        """Returns the stored examples."""
        return self._summed(self.reading.stored())

    def brokered(self) -> Generator[pa.Table, None, None]:
        """Yields the rows of queries as tables with the column `content`."""
        with closing(self.reading.batches()) as batches:
            for batch in batches:
                self.rows += batch.num_rows
                yield self._summed(pa.Table.from_batches([batch]))

    def _summed(self, table: pa.Table) -> pa.Table:
        for batch in table.select(["path", "object", "size", "labels"]).to_batches():
            self._digest.update(batch)
        self.examples += table.num_rows
        if self._classes is not None:
            self.without_class += self._classes.without(table)
        self.size += pc.sum(table.column("size")).as_py() or 0
        for label, count in label_counts(table).items():
            self.labels[label] = self.labels.get(label, 0) + count
        return table


def stream_rows(
    view: Selection, write: Write, options: Options, progress: Progress = SILENT
) -> tuple[int, int, int]:
    """Writes a view with queries as one tar; returns what `stream` does."""
    content = MixedContent(view)
    _write_tar(content, options, write, None, progress)
    return content.examples, content.size, content.without_class


def _write_tar(
    content: MixedContent,
    options: Options,
    write: Write,
    write_index: Write | None,
    progress: Progress,
) -> ClassList:
    writer, store = options.row.writer(), content.reading.selection.repository.store
    # A stream that says nothing of classes: the sources are asked once.
    told = options.row.tells_classes or write_index is not None
    recipe = Recipe(options.row, options.compression, content.classes() if told else ClassList())

    def tables() -> Generator[pa.Table, None, None]:
        yield writer.with_columns(content.stored())
        for table in content.brokered():
            yield writer.with_columns(table, alone=False)

    progress.start("writing")
    with closing(tables()) as rows:
        writer.write(recipe, store, rows, write, progress.advance, write_index)
    progress.finish()
    return recipe.classes


def persist(
    view: Selection,
    out: str,
    options: Options,
    *,
    allowed: bool,
    force: bool = False,
    progress: Progress = SILENT,
) -> GetReport:
    """Writes a view with queries to a folder outside the repository, each time anew.

    Dummy rows may lie anywhere. Raises NotKept unless `allowed`, OtherContent when the folder
    holds something and `force` is not given, and what reading the view raises; then nothing stays.
    """
    return _persisting(view, out, options, allowed, progress).run(force)


def plan_persist(
    view: Selection, out: str, options: Options, *, allowed: bool, force: bool
) -> GetPlan:
    """Returns what `persist` would do, or raises what it would; no source is asked."""
    return _persisting(view, out, options, allowed, SILENT).plan(force)


def _persisting(
    view: Selection, out: str, options: Options, allowed: bool, progress: Progress
) -> _Persisting:
    if view.source_mode.dummy_rows is None:
        _refuse(view, out, allowed)
    if not options.row.takes_rows:
        *names, last = (row.name for row in FORMATS.values() if row.takes_rows)
        raise InvalidInput(
            "rows of queries are not written as single files",
            hint=f"--format {', '.join(names)} and {last} take them",
        )
    return _Persisting(view, out, options, progress)


def _refuse(view: Selection, out: str, allowed: bool) -> None:
    names = ", ".join(each.query.name for each in view.queries)
    if not allowed:
        raise NotKept(
            f"the view has rows of queries ({names}), which are not to be kept",
            hint="-o - streams it; --skip-sources writes only the stored examples;"
            " --allow-persist writes all to a folder outside the repository",
        )
    if _in_a_repository(os.path.realpath(out)):
        raise NotKept(
            f"rows of queries ({names}) are not written into a repository, where `dsm add` would"
            " store them",
            hint="give a folder elsewhere with -o",
        )


def _in_a_repository(folder: str) -> bool:
    above = os.path.dirname(folder)
    if os.path.isdir(os.path.join(folder, FOLDER)):
        return True
    return above != folder and _in_a_repository(above)


class _Persisting:
    """One writing of a view with queries into a folder."""

    def __init__(self, view: Selection, out: str, options: Options, progress: Progress):
        self.view, self.out, self.options, self.progress = view, out, options, progress
        self.in_one_file = options.row.layout == ONE_FILE
        self.stem = stem_of(view) if self.in_one_file else ""
        self.private = view.source_mode.dummy_rows is None
        self.mode = 0o600 if self.private else 0o644
        self.folder = OutputFolder(out, head_of(view, options), self.stem, mode=self.mode)
        self.content = MixedContent(view)
        self.written: list[Written] = []
        self._passed = 0

    def run(self, force: bool) -> GetReport:
        """Does it. Raises OtherContent, NotKept and what reading the view raises."""
        refuse_among_data(self.view.repository, self.folder)
        self.is_new = not os.path.lexists(self.out)
        disk.make_dirs(self.out, mode=0o700 if self.private else 0o777, durable=False)
        with self.folder:
            self._make_room(force)
            try:
                fields = self._write()
                if self.options.row.described:
                    head = self.options.row.writer().card(None, self.options.compression)
                    write_card(self.folder, {**self.folder.head, **fields}, head)
            except BaseException:
                self._take_back()
                raise
            self.folder.write(fields)
            self.folder.tidy()
        files = self.written
        path = self.folder.path(files[0].name) if self.in_one_file else self.out
        count = 1 if self.in_one_file else len(files)
        content = self.content
        return GetReport(
            path, self.options.format, count, content.examples, content.size, fresh=True,
            without_class=content.without_class,
        )  # fmt: skip

    def _make_room(self, force: bool) -> None:
        """Removes what another run left, if allowed. Raises OtherContent."""
        try:
            taken = self._in_the_way(force)
        except OtherContent:
            self.folder.tidy()
            raise
        if taken:
            self.folder.retract()
            for name in taken:
                disk.remove(self.folder.path(name))
        self.folder.remove_temporaries()
        self.folder.keep_from_adding()

    def _in_the_way(self, force: bool) -> list[str]:
        """Returns the names of what another run left. Raises OtherContent unless `force`."""
        taken = [name for name in sorted(os.listdir(self.out)) if is_ours(name, self.stem)]
        if os.path.lexists(self.folder.document):
            taken.append(os.path.basename(self.folder.document))
            if not self.stem and is_own(self.folder):
                taken.append(CARD)
        if taken and not force:
            raise OtherContent(
                f"{self.out} holds {taken[0]} already",
                hint="rows are read anew each time: --force replaces what is there",
                items=tuple(taken),
            )
        return taken

    def plan(self, force: bool) -> GetPlan:
        """Returns what `run` would do now; nothing is changed."""
        refuse_among_data(self.view.repository, self.folder)
        taken = self._in_the_way(force) if os.path.isdir(self.out) else []
        content = self.view.content
        return GetPlan(
            self.out, self.options.format, content.examples, content.size, False, tuple(taken)
        )

    def _take_back(self) -> None:
        """Removes everything that was written: rows that nobody can use must not lie about."""
        for written in self.written:
            with contextlib.suppress(DsmError):
                disk.remove(self.folder.path(written.name))
        with contextlib.suppress(DsmError):
            remove_card(self.folder)
        self.folder.give_up()
        if self.is_new:
            with contextlib.suppress(DsmError):
                disk.remove(self.folder.path(IGNORE_FILE))
                disk.remove_empty(
                    os.path.dirname(os.path.abspath(self.out)), [os.path.basename(self.out)]
                )

    def _write(self) -> dict[str, Any]:
        classes = self._write_one_file() if self.in_one_file else self._write_shards()
        content, view = self.content, self.view
        fields: dict[str, Any] = {
            "bytes": content.size,
            "classes": list(classes.names),
            "digest": content.digest,
            "examples": content.examples,
            "files": [written.to_json() for written in self.written],
            "labels": dict(sorted(content.labels.items())),
            "query": view.query.to_json(),
            "target": view.target.column,
            "without_class": content.without_class,
            "rows": {
                "count": content.rows,
                "made_up": view.source_mode.dummy_rows is not None,
                "queries": [each.query.name for each in view.queries],
                "sources": sorted({each.query.source for each in view.queries}),
            },
        }
        return fields

    def _write_one_file(self) -> ClassList:
        row = self.options.row
        names = (
            row.file(self.options.compression, stem=self.stem),
            row.index_name.format(stem=self.stem),
        )
        temporaries = [self.folder.temporary(name) for name in names]
        files: list[OutputFile] = []
        try:
            files += (OutputFile(path, sha256=False, mode=self.mode) for path in temporaries)
            classes = _write_tar(
                self.content, self.options, files[0].write, files[1].write, self.progress
            )
            done = [
                file.finish(name, self.content.examples)
                for file, name in zip(files, names, strict=True)
            ]
        except BaseException:
            for file in files:
                file.abandon()
            raise
        for temporary, written in zip(temporaries, done, strict=True):
            self._publish(temporary, written)
        return classes

    def _write_shards(self) -> ClassList:
        options, store = self.options, self.view.repository.store
        classes = self.content.classes()
        row, writer = options.row, options.row.writer()
        recipe = Recipe(row, options.compression, classes, self._schema(classes))
        self.progress.start("writing")
        for number, tables in enumerate(self._shards()):
            name = row.file(options.compression, number=number)
            temporary, before = self.folder.temporary(name), self._passed
            file = OutputFile(temporary, mode=self.mode)
            try:
                writer.write(recipe, store, tables, file.write, self.progress.advance)
                written = file.finish(name, self._passed - before)
            except BaseException:
                file.abandon()
                raise
            self._publish(temporary, written)
        self.progress.finish()
        return classes

    def _shards(self) -> Iterator[Iterator[pa.Table]]:
        """Yields the tables of each shard: stored examples first, then rows, piece by piece.

        One has to be read to its end before the next is asked for.
        """
        limit = self.options.shard_size
        stored = self.options.row.writer().with_columns(self.content.stored())
        for first, end in cut(stored.column("size").to_pylist(), limit):
            yield self._counted(iter([stored.slice(first, end - first)]))
        with closing(self._pieces(min(limit, PIECE_BYTES))) as pieces:
            ahead = next(pieces, None)

            def shard() -> Iterator[pa.Table]:
                nonlocal ahead
                held = 0
                while ahead is not None and (not held or held + ahead[1] <= limit):
                    held += ahead[1]
                    yield ahead[0]
                    ahead = next(pieces, None)

            while ahead is not None:
                yield self._counted(shard())

    def _pieces(self, most: int) -> Generator[tuple[pa.Table, int], None, None]:
        """Yields rows in pieces of so many bytes at most, or one row; and what each takes."""
        writer = self.options.row.writer()
        with closing(self.content.brokered()) as tables:
            for table in tables:
                for first, end in cut(table.column("size").to_pylist(), most):
                    part = table.slice(first, end - first)
                    size = pc.sum(part.column("size")).as_py() + len(part) * EXAMPLE_OVERHEAD
                    yield writer.with_columns(part, alone=False), size

    def _counted(self, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
        for table in tables:
            self._passed += table.num_rows
            yield table

    def _schema(self, classes: ClassList) -> pa.Schema | None:
        table = self.content.reading.stored()
        paths = [f"x.{each.query.extension}" for each in self.view.queries]
        told = pa.chunked_array([*table.column("path").chunks, pa.array(paths, pa.string())])
        return self.options.row.writer().schema(table, told, classes)

    def _publish(self, temporary: str, written: Written) -> None:
        self.written.append(written)
        disk.replace(temporary, self.folder.path(written.name))
        disk.sync_dir(self.out)
