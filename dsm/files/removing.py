"""Removing files and empty folders below a root: what was judged and nothing else."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable

from dsm.files.folders import Folders, Judged, encoded, hash_at, look_at
from dsm.store import disk, disk_at


def remove_judged(folders: Folders, path: str, judged: Judged) -> bool:
    """Removes a file if it is what was judged; False when it is anything else, and stays.

    One that is gone already is fine. The comparison comes just before the removal: what is saved in
    between is lost. Raises Obstructed, WriteFailed and OSError.
    """
    try:
        where, name = folders.at(path)
    except FileNotFoundError:
        return True
    found = look_at(where, name)
    if found is None:
        return True
    if judged.oid is None:
        fits = judged.is_still(found)
    else:
        fits = stat.S_ISREG(found.st_mode) and hash_at(where, name) == judged.oid
    if fits:
        disk_at.remove(where, name, os.path.join(folders.root, path))
    return fits


def remove_folder(folders: Folders, path: str) -> bool:
    """Removes a folder if it is empty; True when it is gone. Raises as `Folders.enter`."""
    folder, _, name = path.rpartition("/")
    try:
        where = folders.enter(folder)
    except FileNotFoundError:
        return True
    return disk_at.remove_dir(where, encoded(name), os.path.join(folders.root, path))


def remove_empty(folders: Folders, paths: Iterable[str], stay: str | None = None) -> None:
    """Removes those of some folders that are empty, and parents that this empties.

    A courtesy to whoever looks at the folder: one that stays is no failure. The folder `stay`, and
    those above it, do: a shell is in it.
    """
    for folder in sorted(set(paths), key=len, reverse=True):
        with contextlib.suppress(disk.WriteFailed, OSError):
            while folder and not _is_above(folder, stay) and remove_folder(folders, folder):
                folder = folder.rpartition("/")[0]


def _is_above(folder: str, stay: str | None) -> bool:
    return stay is not None and f"{stay}/".startswith(folder + "/")
