"""Paths as people type them, in a folder of theirs or from the root of the system."""

from __future__ import annotations

import os
import re
from typing import BinaryIO

from dsm.errors import InvalidInput
from dsm.model.names import check_path, is_store_name, printable

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def file_given(file: str | os.PathLike[str] | BinaryIO) -> str | BinaryIO:
    """Returns a path as text; an open file as it is."""
    return os.fspath(file) if isinstance(file, os.PathLike) else file


def refuse_address(path: str) -> None:
    """Raises InvalidInput for what is an address, such as `s3://bucket/key`, and no path here."""
    if _ADDRESS.match(path) and not os.path.lexists(path):
        raise InvalidInput(
            f"{printable(path)} is an address; dsm reads and writes files of this machine",
            hint="download it first; `dsm commit --source ADDRESS` records where data came from",
        )


def refuse_store(path: str) -> None:
    """Raises InvalidInput for a place to write to that lies in the `.dsm` of any repository.

    Links are followed, and a `.dsm` that has another name is known by what it holds.
    """
    place = os.path.realpath(path)
    while True:
        above, name = os.path.split(place)
        if is_store_name(name) or _is_store(place):
            raise InvalidInput(
                f"{printable(path)} is where a repository keeps its own files",
                hint="give a folder that is not in a .dsm",
            )
        if above == place:
            return
        place = above


def _is_store(folder: str) -> bool:
    within = (os.path.join(folder, name) for name in ("repo.json", "packs", "datasets"))
    return all(map(os.path.exists, within))


def refuse_root(top: str, root: str) -> None:
    """Raises InvalidInput for a dataset's folder that is not really below the repository's.

    A link that came along with a repository would let its verbs read and write anywhere.
    """
    refuse_store(root)
    if f"{os.path.realpath(root)}/".startswith(os.path.realpath(top).rstrip("/") + "/"):
        return
    raise InvalidInput(
        f"a link leads from the dataset's folder {printable(root)} out of the repository's",
        hint="make a repository where the link leads, or mount that folder here",
    )


def below_root(root: str, path: str, current: str) -> str:
    """Turns a path as a user writes it into one below the dataset's root ("" is the root).

    Links in it are kept: the example is where the user says, not where it points to. Raises
    InvalidInput when it lies outside, or is an address.
    """
    refuse_address(path)
    full = os.path.normpath(os.path.join(current, path))
    real = os.path.realpath(root)
    for top in (root, real):
        if full == top:
            return ""
        if full.startswith(top.rstrip("/") + "/"):
            return check_path(full[len(top.rstrip("/")) + 1 :])
    parent = os.path.join(os.path.realpath(os.path.dirname(full)), os.path.basename(full))
    if parent == real:
        return ""
    if parent.startswith(real + "/"):
        return check_path(parent[len(real) + 1 :])
    hint = "datasets hold examples below their root; `dsm dataset show` names it"
    if not os.path.isabs(path) and current_below(root, current) is None:
        hint = f"paths count from the current folder, which is {printable(current)}"
    raise InvalidInput(
        f"{printable(path)} lies outside the dataset's folder {printable(root)}", hint=hint
    )


def current_below(root: str, current: str) -> str | None:
    """Returns the path of the current folder below a root ("" is the root), None if it is not."""
    top, here = os.path.realpath(root).rstrip("/") + "/", os.path.realpath(current) + "/"
    return here.removeprefix(top).rstrip("/") if here.startswith(top) else None
