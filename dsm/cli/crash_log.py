"""What a defect leaves: a file in .dsm/local/crashes, to be read and sent by people.

The invariant: it holds no row, name of a file, address or word of the command line; only what
`dsm.defects` tells, names of our own commands and options, and versions. It is readable by its
owner alone, and the newest ten are kept.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator, Sequence

from dsm.cli.commands import COMMANDS
from dsm.defects import describe
from dsm.errors import DsmError
from dsm.repo.layout import FOLDER, Layout
from dsm.repo.repository import discover
from dsm.store import disk, disk_at
from dsm.version import __version__

KEPT = 10
BYTES_MAX = 64_000
_NAME = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}\.txt")
_LIBRARIES = (
    "adbc_driver_manager", "blake3", "fsspec", "keyring", "numpy", "pyarrow",
    "pyfastcdc", "rich", "tomlkit", "torch", "typer", "zstandard",
)  # fmt: skip
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def write_crash_log(error: BaseException, words: Sequence[str]) -> str | None:
    """Writes what may be told of a defect; returns the file's path.

    None where that cannot be: outside a repository, or where nothing can be written.
    """
    try:
        layout = Layout(os.path.join(discover("."), FOLDER))
        text = "\n".join(_lines(error, words)) + "\n"
        return _written(layout, text.encode("ascii", "backslashreplace")[:BYTES_MAX])
    except (DsmError, OSError):
        return None


def _lines(error: BaseException, words: Sequence[str]) -> Iterator[str]:
    now = time.gmtime()
    yield "A defect of dsm. No row, name of a file or value is in this file."
    yield ""
    yield f"time       {time.strftime('%Y-%m-%dT%H:%M:%SZ', now)}"
    yield f"dsm        {__version__}"
    yield f"python     {'.'.join(map(str, sys.version_info[:3]))}"
    yield f"system     {sys.platform} {os.uname().machine}"
    yield f"libraries  {', '.join(_versions()) or 'none was loaded'}"
    yield f"command    {' '.join(_known(words)) or 'none'}"
    yield ""
    yield from describe(error)


def _versions() -> Iterator[str]:
    for name in _LIBRARIES:
        version = getattr(sys.modules.get(name), "__version__", None)
        if isinstance(version, str):
            yield f"{name} {version[:40]}"


def _known(words: Sequence[str]) -> list[str]:
    """Returns the words that are a command or an option of it: never what was given to them."""
    command = next((word for word in words if word in COMMANDS), None)
    if command is None:
        return []
    options = _options(command)
    given = (word.partition("=")[0] for word in words)
    return [command, *(word for word in given if word in options)]


def _options(command: str) -> set[str]:
    """Returns the options of a command and of those below it, by name."""
    from dsm.cli import group

    try:
        waiting, found = [group.load(command)], set[str]()
    except Exception:  # what is broken may be the command itself
        return set()
    while waiting:
        each = waiting.pop()
        waiting += getattr(each, "commands", {}).values()
        found |= {name for option in each.params for name in option.opts if name[:1] == "-"}
    return found


def _written(layout: Layout, data: bytes) -> str:
    """Writes the file and removes the oldest ones; no link is followed on the way."""
    fds: list[int] = []
    try:
        fds.append(os.open(layout.base, _FOLDER))
        for folder in (layout.local, layout.crashes):
            disk_at.make_dir(fds[-1], os.path.basename(folder).encode(), folder)
            fds.append(os.open(os.path.basename(folder), _FOLDER, dir_fd=fds[-1]))
        name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.urandom(4).hex()}.txt"
        path = os.path.join(layout.crashes, name)
        fd = disk_at.open_new(fds[-1], name.encode(), 0o600, path)
        try:
            disk.write_all(fd, data, path)
        finally:
            disk.close(fd, path)
        for old in sorted(filter(_NAME.fullmatch, os.listdir(fds[-1])))[:-KEPT]:
            disk_at.discard(fds[-1], old.encode(), os.path.join(layout.crashes, old))
        return path
    finally:
        for fd in fds:
            os.close(fd)
