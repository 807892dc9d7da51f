"""Renaming files and folders below a root: onto a free name, or onto what was judged."""

from __future__ import annotations

import os

from dsm.files.folders import Folders, Judged, look_at
from dsm.store import disk_at


class Renamer:
    """Renames below one root, with the folders of both names open; a context manager."""

    def __init__(self, root: str):
        self._from, self._to = Folders(root), Folders(root)

    def __enter__(self) -> Renamer:
        return self

    def __exit__(self, *_: object) -> None:
        self._from.leave()
        self._to.leave()

    def move(self, path: str, new: str, judged: Judged | None = None) -> bool:
        """Renames, and makes the folders on the way; False when something else has the new name.

        What was `judged` to go is replaced. Where the system cannot look and rename in one step,
        and where something is replaced, the look comes just before the rename. Raises Obstructed,
        WriteFailed and OSError.
        """
        where, name = self._from.at(path)
        to, new_name = self._to.at(new, make=True)
        shown = os.path.join(self._to.root, new)
        if judged is None:
            done = disk_at.rename_new(where, name, to, new_name, shown)
            if done is not None:
                return done
        found = look_at(to, new_name)
        if found is not None and (judged is None or not judged.is_still(found)):
            return False
        disk_at.replace(where, name, to, new_name, shown)
        return True
