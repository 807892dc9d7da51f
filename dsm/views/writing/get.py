"""Materialising a view: the same bytes wherever and whenever.

A file appears under its name only when it is whole, and the document that says that all are there
is written last. What an interrupted run has finished is kept, what it has not is written again.
The formats are told in docs/format/materialised.md.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dsm.errors import DamagedData, InvalidInput
from dsm.progress import SILENT, Progress
from dsm.repo.layout import FOLDER
from dsm.store import disk
from dsm.views.selection.payloads import Write
from dsm.views.writing.formats import (
    COMPRESSIONS,
    FILES,
    FORMATS,
    PARQUET,
    TAR,
    WEBDATASET,
    stem_of,
)
from dsm.views.writing.output_checks import refuse_among_data
from dsm.views.writing.output_file import Written, hashes_of
from dsm.views.writing.output_folder import (
    OtherContent,
    OutputFolder,
    is_whole,
    sizes_agree,
)
from dsm.views.writing.parts import Part, Recipe, build_all

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.views.selection.selection import Selection

SHARD_BYTES = 256_000_000
SHARDS_MAX = 1_000_000
_OURS = re.compile(
    r"(shard-\d{6}\.tar(\.zst)?|part-\d{6}\.parquet|croissant\.json|examples\.jsonl)"
).fullmatch


@dataclass(frozen=True, slots=True)
class GetReport:
    """What `get` left: `path` is the tar or the folder, `bytes` those of the payloads.

    `fresh` is False when everything was there already; `kept` counts files of an interrupted run.
    """

    path: str
    format: str
    shards: int
    examples: int
    bytes: int
    fresh: bool
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Options:
    """What decides the bytes that are written, beside the view."""

    format: str = WEBDATASET
    shard_size: int = SHARD_BYTES
    compression: str = "none"

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise InvalidInput(
                f"there is no format {self.format!r}", hint=f"formats: {', '.join(FORMATS)}"
            )
        if self.compression not in COMPRESSIONS:
            raise InvalidInput(
                f"there is no compression {self.compression!r}",
                hint=f"compressions: {', '.join(COMPRESSIONS)}",
            )
        if self.shard_size < 1:
            raise InvalidInput("a shard has at least one byte", hint="such as --shard-size 256MB")
        if self.format == FILES and self.compression != "none":
            raise InvalidInput("a folder of files is not compressed")

    def to_json(self) -> dict[str, Any]:
        """Returns what two materialisations with the same bytes agree in."""
        fields: dict[str, Any] = {}
        if self.format in (WEBDATASET, PARQUET):
            fields["shard_size"] = self.shard_size
        if self.format != FILES:
            fields["compression"] = self.compression
        if self.format == PARQUET:
            import pyarrow

            fields["pyarrow"] = pyarrow.__version__
        elif self.compression == "zstd":
            from dsm.views.writing.compression import library

            fields["zstd"] = library()
        return fields


def get(
    view: Selection,
    out: str,
    *,
    format: str = WEBDATASET,
    shard_size: int = SHARD_BYTES,
    compression: str = "none",
    verify: bool = False,
    force: bool = False,
    croissant: bool | None = None,
    workers: int | None = None,
    allow_persist: bool = False,
    progress: Progress = SILENT,
) -> GetReport:
    """Materialises the view in folder `out`, or as one tar on standard output ("-").

    `shard_size` is in bytes. What an interrupted run has finished is kept; what is there already is
    left alone, and with `verify` read and compared with its hashes. `force` replaces what is there.
    `croissant` asks for a description in JSON-LD; by default all but a single tar have one, for
    which a second hash of the whole file would have to be made.

    A view with queries is streamed; `allow_persist` lets it be written to a folder outside the
    repository (see `persist`), where nothing is kept of an interrupted run.

    Raises OtherContent (a Conflict) when the folder holds something else, or files of a dataset's
    own, DamagedData when what is stored, or what `verify` reads, is not what it should be,
    InvalidInput, StorageFailed.
    """
    options = Options(format, shard_size, compression)
    if out == "-":
        sink = sys.stdout.buffer
        examples, size = stream(view, sink.write, options, progress)
        sink.flush()
        return GetReport("-", format, 1, examples, size, True)
    if not out or FOLDER in os.path.realpath(out).split(os.sep):
        raise InvalidInput(
            f"{out} is where the repository keeps its own files" if out else "no folder is named",
            hint="give a folder with -o",
        )
    there = out  # or the nearest folder that is there
    while not os.path.exists(there or "."):
        there = os.path.dirname(there)
    if not os.path.isdir(there or "."):
        raise InvalidInput(f"{there} is not a folder", hint="give a folder with -o")
    if view.queries:
        from dsm.views.writing.with_source_rows import persist

        if verify or croissant:
            raise InvalidInput(
                f"{'--verify' if verify else '--croissant'} is for stored examples alone",
                hint="leave it away, or the rows of queries with --skip-sources",
            )
        return persist(view, out, options, allowed=allow_persist, force=force, progress=progress)
    view.repository.store.refresh()
    return _Getting(view, out, options, croissant, workers, progress).run(verify, force)


def stream(
    view: Selection, write: Write, options: Options, progress: Progress = SILENT
) -> tuple[int, int]:
    """Writes the view as one tar: that of `tar`, or the members of all shards of `webdataset`.

    What `write` is given changes when it has returned. Returns how many examples and bytes of them
    were written.
    """
    if options.format not in (WEBDATASET, TAR):
        raise InvalidInput(
            f"{options.format} cannot be written to standard output",
            hint="give a folder with -o, or --format webdataset or tar",
        )
    if view.queries:
        from dsm.views.writing.with_source_rows import stream_rows

        return stream_rows(view, write, options, progress)
    progress.start("writing", view.content.examples, view.content.size)
    recipe = Recipe(options.format, options.compression, _classes(view))
    rows = rows_for_layout(view.table(), options.format)
    recipe.write(view.repository.store, [rows], write, progress.advance)
    progress.finish()
    return view.content.examples, view.content.size


def _classes(view: Selection) -> dict[str, int]:
    return {label: index for index, label in enumerate(sorted(view.content.labels))}


def rows_for_layout(table: pa.Table, layout: str, *, alone: bool = True) -> pa.Table:
    """Returns rows with the columns that a layout needs; for `alone` see `webdataset.with_keys`."""
    if layout == WEBDATASET:
        from dsm.views.writing.webdataset import with_keys

        return with_keys(table, alone=alone)
    return table


def is_ours(name: str, stem: str) -> bool:
    """Whether a materialised view has files of this name; `stem` is a single tar's, else empty."""
    return name.startswith(stem + ".") if stem else _OURS(name) is not None


def head_of(view: Selection, options: Options) -> dict[str, Any]:
    """Returns what two materialisations agree in when one can stand for the other."""
    head: dict[str, Any] = {
        "dataset": {"id": view.query.dataset, "name": view.dataset},
        "layout": options.format,
        "options": options.to_json(),
        "version": view.version,
    }
    if view.has_queries:
        head["sources"] = view.source_mode.word
    return head


class _Getting:
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
        self.croissant = options.format != TAR if croissant is None else croissant
        self.workers = view.repository.workers if workers is None else workers
        self.progress = progress
        self.stem = stem_of(view) if options.format == TAR else ""
        self.place = OutputFolder(out, head_of(view, options), self.stem)

    def run(self, verify: bool, force: bool) -> GetReport:
        """Does it, one builder at a time; the others wait and find it done."""
        refuse_among_data(self.view.repository, self.place)
        fields = None if force else self._present()
        if fields is not None:
            self.place.sweep()
            self._verify(fields, verify)
            return self._report(fields, fresh=False)
        disk.make_dirs(self.out, durable=False)
        with self.place:
            if force:
                self._clear()
            elif (fields := self._present()) is not None:  # somebody did it while we waited
                self.place.tidy()
                self._verify(fields, verify)
                return self._report(fields, fresh=False)
            fields, kept = self._build()
            self.place.tidy()
        self._verify(fields, verify)
        return self._report(fields, fresh=True, kept=kept)

    def _report(self, fields: dict[str, Any], *, fresh: bool, kept: int = 0) -> GetReport:
        files = fields["files"]
        if self.options.format == FILES:
            path, count = self.out, 1
        elif self.options.format == TAR:
            path, count = self.place.path(files[0]["name"]), 1
        else:
            path, count = self.out, len(files)
        return GetReport(
            path, self.options.format, count, fields["examples"], fields["bytes"], fresh, kept
        )

    # --- what is there ---

    def _present(self) -> dict[str, Any] | None:
        """Returns the final document when everything it lists is there; None when not."""
        fields = self.place.finished()
        if fields is None or not sizes_agree(self.place, fields["files"]):
            return None
        if self.croissant and not os.path.exists(self.place.path(self._croissant_name())):
            self._write_croissant(fields)
            self.place.tidy()
        return fields

    def _verify(self, fields: dict[str, Any], verify: bool) -> None:
        """Reads everything again. Raises DamagedData with the names of damaged files."""
        if not verify:
            return
        damaged = []
        self.progress.start("verifying", len(fields["files"]))
        for item in fields["files"]:
            if not is_whole(self.place, Written.from_json(item)):
                damaged.append(item["name"])
            self.progress.advance(1, item["size"])
        if self.options.format == FILES:
            from dsm.views.writing.files import damaged_files

            damaged += damaged_files(self.out, self.view.table(), self.progress)
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
        self.place.retract()
        self.place.remove_temporaries()
        names = sorted(os.listdir(self.out))
        if self.options.format != TAR and "examples.jsonl" in names:
            from dsm.views.writing.files import remove_listed

            remove_listed(self.out)
        for name in (name for name in names if is_ours(name, self.stem)):
            disk.remove(self.place.path(name))
        disk.sync_dir(self.out)
        self.place.begin()

    # --- building ---

    def _build(self) -> tuple[dict[str, Any], int]:
        listed = self._listed()
        self.place.remove_temporaries(partial=listed is None)
        parts = self._parts()
        try:
            return self._build_parts(parts, listed)
        except BaseException:
            begun = any(os.path.lexists(part.temporary) for part in parts)
            if not (begun or self._taken(parts)):  # nothing that the next run could keep
                self.place.give_up()
            raise

    def _build_parts(
        self, parts: list[Part], listed: dict[str, Written] | None
    ) -> tuple[dict[str, Any], int]:
        kept: dict[str, Written] = {}
        if listed is None:
            self._refuse_foreign(parts)
            self.place.keep_from_adding()
            self.place.begin()
        else:
            for name, written in listed.items():
                if is_whole(self.place, written):
                    kept[name] = written
        self.progress.start("writing", self.view.content.examples, self.view.content.size)
        if self.options.format == FILES:
            files = [self._write_folder(kept)]
        else:
            files = self._write_parts(parts, kept)
        fields = self._fields(files)
        if self.croissant:
            self._write_croissant(fields)
        self.place.write(fields)
        self.progress.finish()
        return fields, sum(part.name in kept for part in parts)

    def _listed(self) -> dict[str, Written] | None:
        """Returns the files that were whole once, None when nothing of ours was begun here."""
        fields = self.place.finished()
        if fields is not None:  # some files of it have gone since
            self.place.retract()
            self.place.begin()
            found = [Written.from_json(item) for item in fields["files"]]
            return {written.name: written for written in found}
        return self.place.begun()

    def _parts(self) -> list[Part]:
        """Cuts the view into files."""
        options, view = self.options, self.view
        if options.format == FILES:
            return []
        rows = rows_for_layout(view.table(), options.format)
        suffix = ".zst" if options.compression == "zstd" else ""
        if options.format == TAR:
            index = f"{self.stem}.index.jsonl"
            return [Part(f"{self.stem}.tar{suffix}", rows, view.content.size, index=index)]
        from dsm.views.writing.webdataset import cut

        sizes = rows.column("size").to_pylist()
        cuts = cut(sizes, options.shard_size)
        if len(cuts) > SHARDS_MAX:
            raise InvalidInput(
                f"that makes {len(cuts):,} shards, more than have a name",
                hint="give a larger --shard-size",
            )
        name = (
            "shard-{:06d}.tar" + suffix if options.format == WEBDATASET else "part-{:06d}.parquet"
        )
        return [
            Part(name.format(number), rows.slice(first, end - first), sum(sizes[first:end]))
            for number, (first, end) in enumerate(cuts)
        ]

    def _refuse_foreign(self, parts: Sequence[Part]) -> None:
        """Raises OtherContent when a name that we are to write is taken by somebody else."""
        taken = self._taken(parts)
        if taken:
            self.place.tidy()
            raise OtherContent(
                f"{self.out} has {taken[0]}, which this get has not written",
                hint="give another folder with -o, or --force to replace it",
                items=tuple(taken),
            )

    def _taken(self, parts: Sequence[Part]) -> list[str]:
        """Returns which names of data files exist."""
        names = [name for part in parts for name in (part.name, part.index) if name]
        if self.options.format == FILES:
            names = ["data", "examples.jsonl"]
        return [name for name in names if os.path.lexists(self.place.path(name))]

    def _write_parts(self, parts: list[Part], kept: dict[str, Written]) -> list[Written]:
        done: dict[str, Written] = {}
        missing = []
        for part in parts:
            names = [name for name in (part.name, part.index) if name]
            if all(name in kept for name in names):
                done.update((name, kept[name]) for name in names)
                self.progress.advance(part.table.num_rows, part.size)
                continue
            where = self.place.partial if part.index else self.place.temporary
            part.temporary = where(part.name)
            part.index_temporary = self.place.temporary(part.index) if part.index else ""
            missing.append(part)
        recipe = self._recipe()
        store = self.view.repository.store
        for part, written in build_all(recipe, store, missing, self.workers, self.progress.advance):
            temporaries = (part.temporary, part.index_temporary)
            for temporary, file in zip(temporaries, written, strict=False):
                self.place.publish(temporary, file)
                done[file.name] = file
        return [done[name] for part in parts for name in (part.name, part.index) if name]

    def _write_folder(self, kept: dict[str, Written]) -> Written:
        from dsm.views.writing.files import INDEX, write_files, write_index

        table, store = self.view.table(), self.view.repository.store
        index = kept.get(INDEX) or write_index(self.place, table, _classes(self.view))
        write_files(self.place, table, store, self.workers, self.progress)
        return index

    def _recipe(self) -> Recipe:
        classes = _classes(self.view)
        schema = None
        if self.options.format == PARQUET:
            from dsm.views.writing.parquet import kind_of, schema_of

            table = self.view.table()
            schema = schema_of(table, kind_of(table.column("path")), list(classes))
        return Recipe(self.options.format, self.options.compression, classes, schema)

    def _fields(self, files: Sequence[Written]) -> dict[str, Any]:
        view = self.view
        return {
            "bytes": view.content.size,
            "classes": list(_classes(view)),
            "digest": view.content.digest,
            "examples": view.content.examples,
            "files": [written.to_json() for written in files],
            "labels": view.content.labels,
            "query": view.query.to_json(),
        }

    # --- Croissant ---

    def _croissant_name(self) -> str:
        return f"{self.stem}.croissant.json" if self.stem else "croissant.json"

    def _write_croissant(self, fields: dict[str, Any]) -> None:
        from dsm.views.writing.croissant import describe

        files = [dict(item) for item in fields["files"]]
        for item in files:
            if "sha256" not in item:
                item["sha256"] = hashes_of(self.place.path(item["name"]))[2]
        document = {**self.place.head, **fields, "files": files}
        disk.make_dirs(self.place.hidden, durable=False)
        self.place.put(self._croissant_name(), describe(document))
