"""A remote opened without a clone: a copy without objects in the user's cache folder.

It is brought up to date whenever it is opened, by one process at a time, and nothing is recorded in
it. It may be deleted at any time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from blake3 import blake3

from dsm.errors import InvalidInput
from dsm.progress import SILENT, Progress
from dsm.remotes.address import check_url
from dsm.remotes.book import ORIGIN
from dsm.remotes.clone import clone
from dsm.remotes.incoming import HistoryRewritten
from dsm.remotes.remote import OtherRepository
from dsm.remotes.shared import SharedRepository
from dsm.repo import layout
from dsm.repo.environment import Environment
from dsm.store import disk

FOLDER = "remotes"


class OnlyRead(disk.NotOurs):
    """What was opened from a remote is read, and nothing is recorded in it."""

    code = "only-read"

    def __init__(self, url: str):
        super(disk.NotOurs, self).__init__(
            f"what was opened from {url} is only read",
            hint=f"`dsm clone {url}` makes a copy in which you can commit",
        )


R = TypeVar("R", bound=SharedRepository)


def open_remote(
    url: str, environment: Environment, opened: Callable[[str], R], progress: Progress = SILENT
) -> R:
    """Opens the repository at an address, to be read; its objects are fetched when they are read.

    Raises InvalidInput for the address, or without a cache folder, NotFound when no remote is
    there, and what `pull` raises.
    """
    full = check_url(url, environment.current_folder())
    base = environment.cache_folder()
    if base is None:
        raise InvalidInput(
            "there is no folder for a cache", hint="set HOME or XDG_CACHE_HOME to a folder"
        )
    place = os.path.join(base, FOLDER, blake3(full.encode()).hexdigest()[:32])
    disk.make_dirs(os.path.dirname(place), mode=0o700, durable=False)
    lock = disk.lock(place + ".lock", exclusive=True)
    if lock is None:
        raise disk.Busy(place + ".lock")
    try:
        repo = _brought_up(full, place, environment, opened, progress)
    finally:
        disk.unlock(lock)
    repo.keep_unchanged(partial(OnlyRead, full))
    return repo


def _brought_up(
    url: str, place: str, environment: Environment, opened: Callable[[str], R], progress: Progress
) -> R:
    """Clones what is not there, or fetches what is new."""
    if os.path.isdir(os.path.join(place, layout.FOLDER)):
        repo = opened(place)
        repo.keep_unchanged(None)
        try:
            if ORIGIN in repo.remotes.names():
                repo.pull(ORIGIN, files=False, progress=progress)
                return repo
        except (HistoryRewritten, OtherRepository) as error:
            error.hint = (
                f"nothing was taken in; find out who did that, and remove {place} to begin anew"
                " with what is there now"
            )
            raise
        repo.close()
    clone(url, place, environment, opened, objects=False, progress=progress)
    return opened(place)
