"""Writing the stored examples of a view to a folder: the same bytes wherever and whenever.

A file appears under its name only when it is whole, and the document that says that all are there
is written last. What an interrupted run has finished is kept, what it has not is written again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dsm.errors import DamagedData
from dsm.progress import SILENT, Progress
from dsm.store import disk
from dsm.views.selection.columns import filled, size_items, whole
from dsm.views.writing.card import CARD, is_own, remove_card, write_card
from dsm.views.writing.format import (
    FILE_EACH,
    ONE_FILE,
    SHARDS,
    FolderWriter,
    FormatWriter,
    Part,
    Recipe,
)
from dsm.views.writing.formats import FORMATS, stem_of
from dsm.views.writing.options import CROISSANT, GetPlan, GetReport, Options, head_of, is_ours
from dsm.views.writing.output_checks import refuse_among_data
from dsm.views.writing.output_file import Written, hashes_of
from dsm.views.writing.output_folder import OtherContent, OutputFolder, is_whole, sizes_agree
from dsm.views.writing.parts import build_all
from dsm.views.writing.shards import cut_into_files

if TYPE_CHECKING:
    from dsm.views.selection.selection import Selection


def write_stored(
    view: Selection,
    out: str,
    options: Options,
    *,
    croissant: bool | None,
    workers: int | None,
    verify: bool,
    force: bool,
    progress: Progress,
) -> GetReport:
    """Writes the stored examples to folder `out`; see `dsm.views.writing.get.get`."""
    view.repository.store.refresh()
    writing = _StoredWriting(view, out, options, croissant, workers, progress)
    return writing.run(verify, force)


def plan_stored(view: Selection, out: str, options: Options, *, force: bool) -> GetPlan:
    """Returns what `write_stored` would do; see `dsm.views.writing.get.plan_get`."""
    view.repository.store.refresh()
    return _StoredWriting(view, out, options, False, 1, SILENT).plan(force)


def recipe_of(view: Selection, options: Options) -> Recipe:
    """Returns what decides the bytes of the files, beside their rows."""
    table, classes = view.table(), view.stored_classes
    schema = options.row.writer().schema(
        table, table.column("path"), classes, view.repository.store
    )
    return Recipe(options.row, options.compression, classes, schema)


class _StoredWriting:
    """One `get` into a folder."""

    def __init__(
        self,
        view: Selection,
        out: str,
        options: Options,
        croissant: bool | None,
        workers: int | None,
        progress: Progress,
    ):
        self.view = view
        self.out = out
        self.options = options
        self.croissant = options.row.described if croissant is None else croissant
        self.workers = view.repository.workers if workers is None else workers
        self.progress = progress
        self.stem = stem_of(view) if options.row.layout == ONE_FILE else ""
        self.folder = OutputFolder(out, head_of(view, options), self.stem)

    @cached_property
    def writer(self) -> FormatWriter:
        """What makes the bytes: loaded when some are to be made, or checked."""
        return self.options.row.writer()

    def run(self, verify: bool, force: bool) -> GetReport:
        """Does it, one builder at a time; the others wait and find it done."""
        refuse_among_data(self.view.repository, self.folder)
        fields = None if force else self._present()
        if fields is not None:
            self._refuse_stray_shards({item["name"] for item in fields["files"]})
            self.folder.sweep()
            self._verify(fields, verify)
            return self._report(fields, fresh=False)
        disk.make_dirs(self.out, durable=False)
        with self.folder:
            if force:
                self._clear()
            elif (fields := self._present()) is not None:  # somebody did it while we waited
                self.folder.tidy()
                self._verify(fields, verify)
                return self._report(fields, fresh=False)
            fields, kept = self._build()
            self.folder.tidy()
        self._verify(fields, verify)
        return self._report(fields, fresh=True, kept=kept)

    def plan(self, force: bool) -> GetPlan:
        """Returns what `run` would do now; nothing is changed."""
        refuse_among_data(self.view.repository, self.folder)
        complete = False
        replaced: list[str] = []
        if os.path.isdir(self.out):
            if force:
                replaced = [name for each in self._folders() for name in each.listed(self.out)]
                replaced += self._ours()
                if is_own(self.folder):
                    replaced.append(CARD)
                if os.path.lexists(self.folder.document):
                    replaced.append(os.path.basename(self.folder.document))
            else:
                found = self._whole()
                complete = found is not None
                if found is not None:
                    self._refuse_stray_shards({item["name"] for item in found["files"]})
                if self.folder.finished() is None and self.folder.begun() is None:
                    self._refuse_foreign(self._parts())
        content = self.view.content
        return GetPlan(
            self.out, self.options.format, content.examples, content.size, complete,
            tuple(sorted({*replaced})),
        )  # fmt: skip

    def _report(self, fields: dict[str, Any], *, fresh: bool, kept: int = 0) -> GetReport:
        files = fields["files"]
        layout = self.options.row.layout
        path = self.folder.path(files[0]["name"]) if layout == ONE_FILE else self.out
        count = len(files) if layout == SHARDS else 1
        return GetReport(
            path=path, format=self.options.format, shards=count, examples=fields["examples"],
            bytes=fields["bytes"], fresh=fresh, kept=kept,
            without_class=fields.get("without_class", 0),
        )  # fmt: skip

    # --- what is there ---

    def _present(self) -> dict[str, Any] | None:
        """Returns the final document when everything it lists is there; None when not."""
        fields = self._whole()
        if fields is None:
            return None
        if self.croissant and not os.path.exists(self.folder.path(self._croissant_name())):
            self._write_croissant(fields)
            self.folder.tidy()
        return fields

    def _whole(self) -> dict[str, Any] | None:
        """Returns the final document when every file that it lists has its size.

        Of a format with a file for each example, none of these has gone.
        """
        fields = self.folder.finished()
        if fields is None or not sizes_agree(self.folder, fields["files"]):
            return None
        if self.options.row.layout == FILE_EACH and (each := self.writer.folder) is not None:
            return fields if each.all_exist(self.out, self.view.table()) else None
        return fields

    def _verify(self, fields: dict[str, Any], verify: bool) -> None:
        """Reads everything again. Raises DamagedData with the names of damaged files."""
        if not verify:
            return
        damaged = []
        self.progress.start("verifying", len(fields["files"]))
        for item in fields["files"]:
            if not is_whole(self.folder, Written.from_json(item)):
                damaged.append(item["name"])
            self.progress.advance(1, item["size"])
        if self.writer.folder is not None:
            damaged += self.writer.folder.damaged(
                self.out, self.view.table(), self.view.repository.store, self.view.stored_classes,
                self.progress,
            )  # fmt: skip
        self.progress.finish()
        if damaged:
            raise DamagedData(
                f"{len(damaged)} file{'s' * (len(damaged) > 1)} in {self.out}"
                f" {'are' if len(damaged) > 1 else 'is'} not what was written there",
                hint="--force writes everything anew",
                items=tuple(damaged),
            )

    def _clear(self) -> None:
        """Removes what another materialisation left, the document that vouches for it first."""
        self.folder.retract()
        self.folder.remove_temporaries()
        for each in self._folders():
            each.clear(self.out)
        for name in self._ours():
            disk.remove(self.folder.path(name))
        remove_card(self.folder)
        disk.sync_dir(self.out)
        self.folder.begin()

    def _ours(self) -> list[str]:
        """Returns the names in the folder that tell files of a materialisation."""
        return [name for name in sorted(os.listdir(self.out)) if is_ours(name, self.stem)]

    def _folders(self) -> list[FolderWriter]:
        """Returns the formats with a file for each example that have files here.

        Only those have files that no name tells to be their own.
        """
        names = os.listdir(self.out)
        rows = [row for row in FORMATS.values() if not self.stem and row.layout == FILE_EACH]
        here = [row for row in rows if any(re.fullmatch(row.owns, name) for name in names)]
        return [each for row in here if (each := row.writer().folder) is not None]

    # --- building ---

    def _build(self) -> tuple[dict[str, Any], int]:
        listed = self._listed()
        self.folder.remove_temporaries(partial=listed is None)
        parts = self._parts()
        try:
            return self._build_parts(parts, listed)
        except BaseException:
            begun = any(os.path.lexists(part.temporary) for part in parts)
            if not (begun or self._taken(parts)):  # nothing that the next run could keep
                self.folder.give_up()
            raise

    def _build_parts(
        self, parts: list[Part], listed: dict[str, Written] | None
    ) -> tuple[dict[str, Any], int]:
        kept: dict[str, Written] = {}
        if listed is None:
            try:
                self._refuse_foreign(parts)
            except OtherContent:
                self.folder.tidy()
                raise
            self.folder.keep_from_adding()
            self.folder.begin()
        else:
            self._refuse_stray_shards({*listed, *(part.name for part in parts)})
            for name, written in listed.items():
                if is_whole(self.folder, written):
                    kept[name] = written
        self.progress.start("writing", self.view.content.examples, self.view.content.size)
        tables = [part.table for part in parts] or [self.view.table()]
        if self.writer.folder is None:
            files = self._write_parts(parts, kept)
        else:
            files = self.writer.folder.write(
                self.folder, self.view.table(), self.view.repository.store,
                self.view.stored_classes, kept, self.workers, self.progress,
            )  # fmt: skip
        fields = self._fields(files)
        if self.options.row.described:
            features = self.writer.features(tables, self.view.stored_classes)
            fields |= {} if features is None else {"features": features}
            document = {**self.folder.head, **fields}
            head = self.writer.card(features, self.options.compression)
            write_card(self.folder, document, head)
        if self.croissant:
            self._write_croissant(fields)
        self.folder.write(fields)
        self.progress.finish()
        return fields, sum(part.name in kept for part in parts)

    def _listed(self) -> dict[str, Written] | None:
        """Returns the files that were whole once, None when nothing of ours was begun here."""
        fields = self.folder.finished()
        if fields is not None:  # some files of it have gone since
            self.folder.retract()
            self.folder.begin()
            found = [Written.from_json(item) for item in fields["files"]]
            return {written.name: written for written in found}
        return self.folder.begun()

    def _parts(self) -> list[Part]:
        """Cuts the view into files."""
        options, row, compression = self.options, self.options.row, self.options.compression
        if row.layout == FILE_EACH:
            return []
        rows = self.writer.with_columns(self.view.table())
        if row.layout == ONE_FILE:
            name, index = row.file(compression, stem=self.stem), row.index_name
            size = self.view.content.size
            return [Part(name, rows, size, index=index.format(stem=self.stem))]
        column = filled(whole(rows.column("size")))
        sizes = size_items(column)
        return [
            Part(row.file(compression, number=n), rows.slice(first, end - first),
                 sum(sizes[first:end]))
            for n, (first, end) in enumerate(cut_into_files(column, options.shard_size))
        ]  # fmt: skip

    def _refuse_foreign(self, parts: Sequence[Part]) -> None:
        """Raises OtherContent when a name that we are to write is taken by somebody else."""
        taken = self._taken(parts)
        if taken:
            raise OtherContent(
                f"{self.out} has {taken[0]}, which this get has not written",
                hint="give another folder with -o, or --force to replace it",
                items=tuple(taken),
            )

    def _refuse_stray_shards(self, own: set[str]) -> None:
        """Raises OtherContent for a shard beside ours: who reads the folder takes them all."""
        strays = [name for name in self._shards() if name not in own]
        if strays:
            raise OtherContent(
                f"{self.out} has {strays[0]}, which this get has not written",
                hint="remove it, or give another folder with -o: readers take every shard",
                items=tuple(strays),
            )

    def _shards(self) -> list[str]:
        """Returns what lies in the folder under the name of a shard, whatever its number."""
        if self.options.row.layout != SHARDS or not os.path.isdir(self.out):
            return []
        return sorted(n for n in os.listdir(self.out) if re.fullmatch(self.options.row.owns, n))

    def _taken(self, parts: Sequence[Part]) -> list[str]:
        """Returns which names of data files exist."""
        if self.options.row.layout == SHARDS:
            return self._shards()
        names = [name for part in parts for name in (part.name, part.index) if name]
        if self.writer.folder is not None:
            names = [*self.writer.folder.names]
        return [name for name in names if os.path.lexists(self.folder.path(name))]

    def _write_parts(self, parts: list[Part], kept: dict[str, Written]) -> list[Written]:
        done: dict[str, Written] = {}
        missing = []
        for part in parts:
            names = [name for name in (part.name, part.index) if name]
            if all(name in kept for name in names):
                done.update((name, kept[name]) for name in names)
                self.progress.advance(part.table.num_rows, part.size)
                continue
            where = self.folder.partial if part.index else self.folder.temporary
            part.temporary = where(part.name)
            part.index_temporary = self.folder.temporary(part.index) if part.index else ""
            missing.append(part)
        recipe = recipe_of(self.view, self.options)
        store = self.view.repository.store
        for part, written in build_all(recipe, store, missing, self.workers, self.progress.advance):
            temporaries = (part.temporary, part.index_temporary)
            for temporary, file in zip(temporaries, written, strict=False):
                self.folder.publish(temporary, file)
                done[file.name] = file
        return [done[name] for part in parts for name in (part.name, part.index) if name]

    def _fields(self, files: Sequence[Written]) -> dict[str, Any]:
        view = self.view
        return {
            "bytes": view.content.size,
            "classes": list(view.stored_classes.names),
            "digest": view.content.digest,
            "examples": view.content.examples,
            "files": [written.to_json() for written in files],
            "labels": view.content.labels,
            "query": view.query.to_json(),
            "target": view.target.column,
            "without_class": view.stored_classes.without(view.table()),
        }

    # --- Croissant ---

    def _croissant_name(self) -> str:
        return f"{self.stem}.{CROISSANT}" if self.stem else CROISSANT

    def _write_croissant(self, fields: dict[str, Any]) -> None:
        from dsm.views.writing.croissant import describe

        files = [dict(item) for item in fields["files"]]
        for item in files:
            if "sha256" not in item:
                item["sha256"] = hashes_of(self.folder.path(item["name"]))[2]
        document = {**self.folder.head, **fields, "files": files}
        disk.make_dirs(self.folder.hidden, durable=False)
        self.folder.put(
            self._croissant_name(),
            describe(document, self.options.row.media_type, self.writer.record_sets),
        )
