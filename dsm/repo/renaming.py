"""Giving a dataset another name, and removing one: a few steps, of which one is the moment.

Its folder bears its name, so the moment is the renaming of that folder, which is one step of the
file system; a removal renames it to what is no name. All happens under the lock that gc and writers
respect, alone. What is killed before the moment has changed nothing that counts; after it, a claim
and leftovers in `local/` stay, which the same command, or the next dataset of that name, clears.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from dsm.errors import AlreadyExists, InvalidInput, NotFound
from dsm.model.names import check_dataset_name
from dsm.repo import documents
from dsm.repo.layout import Layout
from dsm.repo.repository import DatasetIdentity, Repository
from dsm.store import disk
from dsm.store.whole_file import create_file, read_file

# What a removed dataset's folder is called until its files are gone. No dataset has such a name.
REMOVED = ".removed-"


def rename_dataset(repository: Repository, old: str, new: str) -> None:
    """Renames a dataset; its id, and all that goes by it, stays. Again after a crash, it finishes.

    Raises NotFound, InvalidInput, AlreadyExists, Busy, WriteFailed.
    """
    check_dataset_name(old)
    check_dataset_name(new)
    if old == new:
        raise InvalidInput(f"dataset {old} has this name already")
    known, layout = documents.datasets(repository.layout), repository.layout
    with _alone(repository):
        if not _was_renamed(repository, old, new):
            identity = repository.identity(old)
            same = old.casefold() == new.casefold()
            if new in os.listdir(layout.datasets) and not repository.unfinished(new):
                raise AlreadyExists(f"there is a dataset {new!r} already")
            if not same:  # else the name is ours already
                known.claim(new)
            place = documents.given_names(layout, old)
            disk.make_dir(place.folder)
            place.create(new, {"dataset": identity.id, "name": new})
            _copy_stage(layout, old, new)
            if not os.path.exists(layout.dataset_document(new)):
                disk.remove_tree(layout.dataset(new))  # empty folders, of an interrupted creation
            known.rename_folder(old, new)  # the moment
        _finish(repository, old, new)


def remove_dataset(repository: Repository, name: str) -> None:
    """Removes a dataset: changesets, tags, views and what is staged; no file of the work tree.

    Raises NotFound, Busy, WriteFailed.
    """
    known = documents.datasets(repository.layout)
    with _alone(repository):
        repository.identity(name)
        if repository.config.get("core.dataset") == name:
            repository.config.unset("core.dataset")
        # First: an index that outlived its dataset would tell of a loss.
        disk.remove_tree(repository.layout.index(name))
        known.rename_folder(name, REMOVED + os.urandom(8).hex())  # the moment
        _forget_local(repository.layout, name)
        known.unclaim(name)
        clear_removed(repository)


def clear_removed(repository: Repository) -> None:
    """Removes what is left of removed datasets. Call with the lock held that keeps others out."""
    folder = repository.layout.datasets
    for entry in os.listdir(folder):
        if entry.startswith(REMOVED):
            disk.remove_tree(os.path.join(folder, entry))


@contextlib.contextmanager
def _alone(repository: Repository) -> Iterator[None]:
    """Keeps out gc and everybody who stages or commits."""
    lock = disk.lock(repository.layout.store_lock, exclusive=True)
    if lock is None:
        raise disk.Busy(repository.layout.store_lock)
    try:
        yield
    finally:
        disk.unlock(lock)


def _was_renamed(repository: Repository, old: str, new: str) -> bool:
    """Whether a renaming was interrupted after its moment."""
    if old in os.listdir(repository.layout.datasets):
        return False
    given = documents.given_names(repository.layout, new).read(new)
    with contextlib.suppress(NotFound):
        found: DatasetIdentity = repository.identity(new)
        return given is not None and given.get("dataset") == found.id
    return False


def _copy_stage(layout: Layout, old: str, new: str) -> None:
    """Copies what is staged, so that it is there under both names at the moment."""
    source, target = layout.stage(old), layout.stage(new)
    if not os.path.isdir(source) or _same(source, target):
        return
    disk.remove_tree(target)
    for above, _, files in os.walk(source):
        folder = os.path.normpath(os.path.join(target, os.path.relpath(above, source)))
        disk.make_dirs(folder)
        for name in files:
            data = read_file(os.path.join(above, name))
            if data is not None:
                create_file(os.path.join(folder, name), data, layout.temporary)


def _finish(repository: Repository, old: str, new: str) -> None:
    """Moves what is derived, and lets go of the old name; each of it may have been done."""
    layout = repository.layout
    for mine, its in (
        (layout.index(old), layout.index(new)),
        (layout.cache(old), layout.cache(new)),
    ):
        if not _same(mine, its):
            with contextlib.suppress(disk.WriteFailed):  # they are computed again
                disk.remove_tree(its)
                disk.rename_away(mine, its)
    if _same(layout.stage(old), layout.stage(new)):
        disk.rename_away(layout.stage(old), layout.stage(new))
    else:
        _forget_local(layout, old)
    if repository.config.get("core.dataset") == old:
        repository.config.set("core.dataset", new)
    known = documents.datasets(layout)
    known.unclaim(old)
    known.claim(new)


def _forget_local(layout: Layout, name: str) -> None:
    for folder in (layout.stage(name), layout.index(name), layout.cache(name)):
        disk.remove_tree(folder)


def _same(one: str, other: str) -> bool:
    """Whether two names are one, as those that differ in case only are on some file systems."""
    try:
        return os.path.samefile(one, other)
    except FileNotFoundError:
        return False
