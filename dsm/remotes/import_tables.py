"""Importing a dataset of Hugging Face from an address: each row of its tables is an example.

Names count for all tables of a split together, so all of them lie on this disk while they are read;
what came of an interrupted import is kept. How rows are read is that of `dsm add --hf`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace

from dsm.errors import InvalidInput
from dsm.model.names import printable
from dsm.remotes.backend import Backend, Entry
from dsm.remotes.import_record import Imported, ImportedMember
from dsm.remotes.import_run import ImportReport, ImportRun, is_same
from dsm.store import disk
from dsm.worktree.imported import restate

TABLES = (".parquet", ".arrow")
_STATE = "state.json"  # which tables `save_to_disk` wrote


def is_table(name: str) -> bool:
    """Whether a file is one of the tables of a dataset, by its name."""
    return name.endswith(TABLES)


def import_tables(work: ImportRun, backend: Backend, entries: list[Entry]) -> ImportReport:
    """Stages the rows of tables, some of which have changed since; see `import_from`."""
    if work.asked.get("label_file") is not None or work.reference:
        raise InvalidInput(
            "rows of tables have their own labels, and are stored",
            hint="leave out --labels and --reference",
        )
    listed = [e for e in entries if is_table(e.name) or e.name.rpartition("/")[2] == _STATE]
    tables = [entry for entry, _ in work.places(listed)]
    if not any(is_table(each.name) for each in tables):
        raise InvalidInput(
            f"{printable(work.url)} has no Parquet or Arrow files",
            hint="give a folder of `save_to_disk`, or a dataset of the Hub",
        )
    report = replace(work.report, files=len(tables))
    before = work.record.members("")
    tree = work.dataset.tree
    same = all(is_same(work.record.get(e.name), e, None, update=True) for e in tables)
    if same and (work.update or _all_here(work, before)):
        if work.restates:
            paths = [each.path for each in before.values()]
            done = restate(tree, work.request(), paths, dry_run=report.dry_run)
            report = report.plus(0, done)
        return report
    size = sum(entry.size for entry in tables)
    if report.dry_run:
        return replace(report, fetched=len(tables), size=size, record_files=len(tables))
    work.progress.start("importing", len(tables), size)
    with _brought(work, backend, tables) as folder:
        report = _stage(work, folder, report, before)
    work.progress.finish()
    work.record.add(
        (entry.name, Imported(entry.size, entry.etag, entry.modified, "")) for entry in tables
    )
    return replace(report, fetched=len(tables), size=size)


def _all_here(work: ImportRun, before: dict[str, ImportedMember]) -> bool:
    tree = work.dataset.tree
    known = tree.lookup([each.path for each in before.values()], tree.stage.load())
    return all(e.path in known and known[e.path].oid.hex() == e.oid for e in before.values())


def _stage(
    work: ImportRun, folder: str, report: ImportReport, before: dict[str, ImportedMember]
) -> ImportReport:
    """Stages the rows of the tables in a folder of this disk, and puts them on record."""
    from dsm.worktree.hub_staging import add_hub_rows

    tree = work.dataset.tree
    now = work.dataset.repo.environment.clock()
    done, paths = add_hub_rows(tree, work.request(), folder, work.url, work.into, now)
    report = report.plus(0, done)
    staged = tree.lookup(paths, tree.stage.load())
    work.record.add_members("", (
        (path, ImportedMember(path, staged[path].size, None, staged[path].oid.hex()))
        for path in paths if path in staged
    ))  # fmt: skip
    return replace(report, vanished=tuple(sorted(before.keys() - set(paths))))


@contextlib.contextmanager
def _brought(work: ImportRun, backend: Backend, tables: list[Entry]) -> Iterator[str]:
    """Yields a folder of this disk that has the tables under their names."""
    with contextlib.ExitStack() as held:
        folder = held.enter_context(work.spool.folder_of_names())
        for entry in tables:
            file = held.enter_context(work.spool.brought(backend, entry, work.count_bytes))
            path = os.path.join(folder, entry.name)
            disk.make_dirs(os.path.dirname(path), durable=False)
            disk.link(file.name, path)
            work.progress.advance(1)
        yield folder
