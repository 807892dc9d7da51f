"""Paths as people type them, in a folder of theirs or from the root of the system."""

from __future__ import annotations

import os

from dsm.errors import InvalidInput
from dsm.model.names import check_path, printable


def below_root(root: str, path: str, current: str) -> str:
    """Turns a path as a user writes it into one below the dataset's root ("" is the root).

    Links in it are kept: the example is where the user says, not where it points to. Raises
    InvalidInput when it lies outside.
    """
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
    raise InvalidInput(
        f"{printable(path)} lies outside the dataset's folder {printable(root)}",
        hint="datasets hold examples below their root; `dsm dataset show` names it",
    )
