"""Takes a file or folder away in the moment before a process looks at it for the n-th time.

Another process may remove what is derived at any moment, and between two looks at one thing as
well: that it exists, and then how large it is. So every call of the system that names something of
it is such a moment, whether it reads or writes.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa

_REAL_READLINK = os.readlink
CALLS = (
    "open", "stat", "lstat", "listdir", "scandir", "readlink", "replace", "rename", "link", "unlink",
    "mkdir", "rmdir", "chmod", "utime", "access",
)  # fmt: skip


@contextmanager
def vanishes(
    target: Path, at: int, go: Callable[[], object] | None = None
) -> Iterator[Callable[[], int]]:
    """Removes `target` before the call number `at` that names it, or something below it.

    With `go`, that is what removes it, as another process would. Gives what counts these calls.
    """
    seen, removing = 0, False
    top = str(target)
    go = go or partial(_take_away, top)

    def look(place: object, dir_fd: object) -> None:
        nonlocal seen, removing
        if removing or not _is_below(place, dir_fd, top):
            return
        if seen == at:
            removing = True
            go()
            removing = False
        seen += 1

    def watched(call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def asked(place: object = ".", *rest: Any, **named: Any) -> Any:
            look(place, named.get("dir_fd", named.get("src_dir_fd")))
            if rest and isinstance(rest[0], str):  # the other name of a rename or a link
                look(rest[0], named.get("dst_dir_fd"))
            return call(place, *rest, **named)

        return asked

    with contextmanager(_patched)(watched):
        yield lambda: seen


def _patched(watched: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    places = [(os, name) for name in CALLS]
    places += [(builtins, "open"), (io, "open"), (pa, "memory_map")]
    with contextlib.ExitStack() as stack:
        for module, name in places:
            stack.enter_context(patch.object(module, name, watched(getattr(module, name))))
        yield


def _is_below(place: object, dir_fd: object, top: str) -> bool:
    if isinstance(place, int):
        return False
    try:
        name = os.fsdecode(place)  # type: ignore[arg-type]
    except TypeError:
        return False
    if isinstance(dir_fd, int) and not os.path.isabs(name):
        name = os.path.join(_REAL_READLINK(f"/proc/self/fd/{dir_fd}"), name)
    return name == top or name.startswith(top + "/")


def _take_away(path: str) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
