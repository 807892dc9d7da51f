"""The suite's folders on the disk under test, and how they are cleared without disturbing it.

Invariant: no folder of many files is deleted before the suite ends, unless that is asked for or the
disk runs full. Some file systems avoid inodes that were freed in the last minutes (ext4 without a
journal does) and search so long for others that creating a file takes up to ten times as long:
deleting one side's output would slow down the next side, and most of all plain copying.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

FEW_FILES = 300
KEEP_FREE = 15_000_000_000


class Scratch:
    """A folder of its own for one run of the suite."""

    def __init__(self, root: Path, delete_at_once: bool = False) -> None:
        self.root = root
        self._delete_at_once = delete_at_once
        self.early = 0
        """How often the disk was too full to wait with deleting."""
        self._aside = root / "aside"
        self._aside.mkdir(parents=True)
        self._number = 0

    def folder(self, name: str) -> Path:
        """A new empty folder of this name; what was there is discarded."""
        path = self.root / name
        self.discard(path)
        path.mkdir(parents=True)
        return path

    def discard(self, path: Path) -> None:
        """Gets a file or folder out of the way, if it is there, and out of the page cache."""
        if not path.is_dir() or path.is_symlink():
            path.unlink(missing_ok=True)
        elif self._delete_at_once or _forget_pages(path) <= FEW_FILES:
            shutil.rmtree(path)
        else:
            self._number += 1
            path.rename(self._aside / f"{self._number:04d}")
            free = os.statvfs(self.root)
            if free.f_bavail * free.f_frsize < KEEP_FREE:
                self.early += 1
                shutil.rmtree(self._aside)
                self._aside.mkdir()

    def only_data(self, project: Path) -> None:
        """Discards everything that a program put beside the folder `data` of a project."""
        for child in list(project.iterdir()):
            if child.name != "data":
                self.discard(child)

    def copy_state(self, source: Path, target: Path) -> None:
        """Replaces a folder or file by an exact copy of another: contents, modes and times."""
        self.discard(target)
        done = os.spawnlp(os.P_WAIT, "cp", "cp", "-a", str(source), str(target))
        if done != 0:
            raise OSError(f"cp -a {source} {target} ended with {done}")

    def remove_all(self) -> None:
        """Deletes everything: the end of the suite."""
        shutil.rmtree(self.root)

    def seconds_to_create(self, files: int = 500) -> float:
        """Seconds that creating one small file takes here at this moment."""
        folder = self.folder("created")
        start = time.perf_counter()
        for number in range(files):
            (folder / f"{number:06d}").write_bytes(b"x")
        return (time.perf_counter() - start) / files


def _forget_pages(root: Path) -> int:
    """Drops the cached pages of all files below a folder; returns how many files there are."""
    count = 0
    for folder, _, names in os.walk(root):
        for name in names:
            count += 1
            handle = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NOFOLLOW)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)
    return count
