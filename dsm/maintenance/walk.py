"""Going through folders of any depth: no link is followed, and nothing recurses."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator


def files(
    top: str, *, enters: Callable[[os.DirEntry[str]], bool], failed: Callable[[OSError], object]
) -> Iterator[os.DirEntry[str]]:
    """Yields what is no folder below `top`, a folder's own by name before those further down.

    Folders that `enters` refuses are left out; `failed` is told of those that cannot be listed.
    """
    pending = [top]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            failed(error)
            continue
        folders = [entry for entry in listed if entry.is_dir(follow_symlinks=False)]
        pending += [entry.path for entry in reversed(folders) if enters(entry)]
        yield from (entry for entry in listed if not entry.is_dir(follow_symlinks=False))
