"""Where packs lie: a file for each, on shelves by the first two digits of their names."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from blake3 import blake3

from dsm.errors import DamagedData
from dsm.store import disk


def pack_path(folder: str, name: str) -> str:
    """Where the pack of this name lies."""
    return os.path.join(folder, name[:2], name + ".pack")


def is_pack_file(name: str) -> bool:
    """Tells a pack by the name of its file; copies such as `._NAME.pack` are none."""
    return name.endswith(".pack") and len(name) == 69 and not name[:64].strip("0123456789abcdef")


def is_shelf(name: str) -> bool:
    """Tells a folder of packs by its name."""
    return len(name) == 2 and not name.strip("0123456789abcdef")


def pack_paths(folder: str) -> list[str]:
    """Lists all packs, in the order of their names; other files are passed over.

    Raises DamagedData when a folder of packs is a symbolic link: gc would remove what is behind it.
    """
    paths = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for shelf in sorted(entries, key=lambda entry: entry.name):
            if not is_shelf(shelf.name):
                continue
            if shelf.is_symlink():
                raise DamagedData(
                    f"{shelf.path} is a symbolic link, where a folder of packs belongs",
                    hint="dsm makes no links there: put the folder itself in its place",
                )
            try:
                names = os.listdir(shelf.path)
            except (NotADirectoryError, FileNotFoundError):
                continue
            paths += [os.path.join(shelf.path, n) for n in sorted(names) if is_pack_file(n)]
    return paths


def bytes_of(paths: Iterable[str]) -> int:
    """Returns how many bytes files take; one that another process has removed takes none."""
    total = 0
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            total += os.path.getsize(path)
    return total


def publish_pack(folder: str, temporary: str, name: str) -> None:
    """Gives a synced pack its name; durable when this returns."""
    final = pack_path(folder, name)
    shelf = os.path.dirname(final)
    disk.make_dir(shelf)
    if not disk.claim(temporary, final) and _digest(final) != name:
        # The very same bytes were stored before and have been damaged since: the new copy wins.
        raise DamagedData(f"pack {name} exists and is damaged", hint="run `dsm fsck --full`")
    disk.sync_dir(shelf)


def _digest(path: str) -> str:
    hasher = blake3()
    with open(path, "rb") as file:
        while block := file.read(1 << 22):
            hasher.update(block)
    return hasher.hexdigest()
