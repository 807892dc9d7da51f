"""Small file systems of their own: a tmpfs of a given size, an ext4 on a loop device. Root only."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

SHUTDOWN = 0x8004587D  # FS_IOC_SHUTDOWN
NO_LOG_FLUSH = struct.pack("I", 2)


def _run(*command: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(list(map(str, command)), capture_output=True)


@contextlib.contextmanager
def tmpfs(folder: Path, size: int, inodes: int = 0) -> Iterator[Path]:
    """Mounts a tmpfs of `size` bytes, and at most `inodes` files if that is not 0."""
    folder.mkdir(parents=True, exist_ok=True)
    done = _run("mount", "-t", "tmpfs", "-o", f"size={size},nr_inodes={inodes}", "none", folder)
    if done.returncode:
        raise OSError(done.stderr.decode())
    try:
        yield folder
    finally:
        unmount(folder)


@contextlib.contextmanager
def read_only(folder: Path, place: Path) -> Iterator[Path]:
    """Mounts a folder at another place, where nothing can be written. Raises OSError."""
    place.mkdir(parents=True, exist_ok=True)
    for options in (("--bind", folder), ("-o", "remount,bind,ro")):
        done = _run("mount", *options, place)
        if done.returncode:
            raise OSError(done.stderr.decode())
    try:
        yield place
    finally:
        unmount(place)


def unmount(folder: Path) -> None:
    """Unmounts, when the last process has let go."""
    for _ in range(3000):
        if _run("umount", folder).returncode == 0:
            return
        time.sleep(0.02)
    raise OSError(f"cannot unmount {folder}")


class LoopDisk:
    """An ext4 in a file, whose power can be cut: what was not synced is then gone."""

    def __init__(self, image: Path, folder: Path, size: int = 64 << 20):
        self.image, self.folder = image, folder
        folder.mkdir(parents=True, exist_ok=True)
        with open(image, "wb") as file:
            file.truncate(size)
        self._check(_run("mkfs.ext4", "-q", "-F", image))

    def _check(self, done: subprocess.CompletedProcess[bytes]) -> None:
        if done.returncode:
            raise OSError(done.stderr.decode())

    def mount(self) -> None:
        # The journal is written once a second: in between, only what was synced is safe.
        self._check(_run("mount", "-o", "loop,commit=1", self.image, self.folder))

    def cut(self) -> None:
        """Cuts the power: from now on nothing reaches the disk, whatever processes do."""
        fd = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, NO_LOG_FLUSH)
        finally:
            os.close(fd)

    def unmount(self) -> None:
        unmount(self.folder)


def why_no_tmpfs(folder: Path) -> str | None:
    """Returns why no tmpfs can be mounted here, or None."""
    if os.geteuid() != 0:
        return "needs root to mount file systems"
    try:
        with tmpfs(folder, 1 << 20):
            return None
    except OSError as error:
        return f"cannot mount a tmpfs: {error}"


def why_no_power_cut(folder: Path) -> str | None:
    """Returns why no power can be cut here, or None."""
    if os.geteuid() != 0:
        return "needs root to mount file systems"
    if shutil.which("mkfs.ext4") is None:
        return "needs mkfs.ext4"
    try:
        disk = LoopDisk(folder / "probe.img", folder / "probe")
        disk.mount()
        try:
            disk.cut()
        finally:
            disk.unmount()
        return None
    except OSError as error:
        return f"cannot cut the power of a loop device: {error}"
