"""A remote opened without a clone: a copy without objects in the user's cache folder.

It is brought up to date whenever it is opened, by one process at a time, and nothing is recorded in
it. It may be deleted at any time. Whoever wants nothing to be kept has such a copy in memory, which
goes when it is closed; of one whose process was killed the next that is opened so removes what is
left.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from blake3 import blake3

from dsm.progress import SILENT, Progress
from dsm.remotes.address import check_url
from dsm.remotes.book import ORIGIN
from dsm.remotes.clone import clone
from dsm.remotes.contents import OtherRepository
from dsm.remotes.incoming import HistoryRewritten
from dsm.remotes.shared import SharedRepository
from dsm.repo import layout
from dsm.repo.config import CACHE_SIZE
from dsm.repo.environment import Environment
from dsm.repo.repository import refuse_changes
from dsm.store import disk

FOLDER = "remotes"
UNKEPT = "dsm-unkept-"


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

    A user without a cache folder has it as by `open_unkept`. Raises InvalidInput for the address,
    NotFound when no remote is there, and what `pull` raises.
    """
    full = check_url(url, environment.current_folder())
    base = environment.cache_folder()
    if base is None:
        return open_unkept(full, environment, opened, progress)
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
    repo.opened_from = full
    return repo


def open_unkept(
    url: str, environment: Environment, opened: Callable[[str], R], progress: Progress = SILENT
) -> R:
    """Opens the repository at an address, to be read, and keeps nothing of it.

    The changesets lie in a folder of memory, where the machine has one, until the repository is
    closed or the process ends; objects are fetched each time that they are read. Raises what
    `open_remote` raises.
    """
    full = check_url(url, environment.current_folder())
    base = environment.memory_folder()
    for name in os.listdir(base):
        if name.startswith(UNKEPT) and name.endswith(".lock"):
            _sweep(os.path.join(base, name))
    place = os.path.join(base, f"{UNKEPT}{os.urandom(16).hex()}")
    lock = disk.lock(place + ".lock", exclusive=True)
    assert lock is not None  # nobody else knows the name
    try:
        disk.make_dirs(place, mode=0o700, durable=False)
        clone(full, place, environment, opened, objects=False, progress=progress)
        repo = opened(place)
        repo.config.set(CACHE_SIZE, "0")
    except BaseException:
        _remove(place, lock, os.getpid())
        raise
    repo.keep_unchanged(partial(OnlyRead, full))
    repo.opened_from = full
    repo.when_closed(weakref.finalize(repo, _remove, place, lock, os.getpid()))
    return repo


def _sweep(lock_path: str) -> None:
    """Removes what a process that was killed has left; what lives, or is another user's, stays."""
    with contextlib.suppress(OSError, disk.WriteFailed, disk.NotOurs):
        if os.lstat(lock_path).st_uid != os.geteuid():
            return
        lock = disk.lock(lock_path, exclusive=True, patience=0)
        if lock is not None:
            _remove(lock_path.removesuffix(".lock"), lock, os.getpid())


def _remove(place: str, lock: int, owner: int) -> None:
    if os.getpid() != owner:
        return  # a child of the process that it belongs to
    refuse_changes(layout.Layout(os.path.join(place, layout.FOLDER)), None)
    with contextlib.suppress(disk.WriteFailed, disk.NotOurs):
        if os.path.isdir(place):
            disk.remove_tree(place)
        disk.remove(place + ".lock")
    disk.unlock(lock)


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
