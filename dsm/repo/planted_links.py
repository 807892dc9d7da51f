"""Links in the place of folders of a repository: dsm makes none, so somebody planted them.

Through one, commits and fetches would write, and gc remove, what is no part of the repository.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from dsm.errors import DamagedData


def refuse_links(folders: Iterable[str]) -> None:
    """Raises DamagedData when one of these is a symbolic link."""
    for folder in folders:
        if os.path.islink(folder):
            raise _planted(folder)


def refuse_links_in(folders: Iterable[str]) -> None:
    """Raises DamagedData when one of these holds a symbolic link to a folder, or to nothing."""
    for folder in folders:
        try:
            entries = os.scandir(folder)
        except OSError:
            continue  # it is not there yet, or whoever needs it says what is wrong with it
        with entries:
            for entry in entries:
                if entry.is_symlink() and not entry.is_file():
                    raise _planted(entry.path)


def _planted(folder: str) -> DamagedData:
    return DamagedData(
        f"{folder} is a symbolic link, where a folder of the repository belongs",
        hint="dsm makes no links there: put the folder itself in its place",
    )
