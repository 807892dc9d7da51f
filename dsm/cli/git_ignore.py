"""Lines for git's .gitignore: .dsm, and folders that are data and nothing else."""

from __future__ import annotations

import os

from dsm.catalog import Catalog
from dsm.errors import InvalidInput
from dsm.store import disk
from dsm.store.whole_file import read_file

NAME = ".gitignore"
BYTES_MAX = 1 << 20
_SPECIAL = "\\*?[!# "


def in_git(root: str) -> bool:
    """Whether a folder lies in a git work tree, by the look of the folders above."""
    here = os.path.abspath(root)
    while not os.path.lexists(os.path.join(here, ".git")):
        above = os.path.dirname(here)
        if above == here:
            return False
        here = above
    return True


def missing_lines(repo: Catalog) -> list[str]:
    """Returns the lines that .gitignore beside `.dsm` lacks. Raises InvalidInput, DamagedData."""
    roots = sorted({repo.identity(name).root for name in repo.datasets()} - {"."})
    wanted = ["/.dsm/", *(f"/{_escaped(root)}/" for root in roots)]
    present = {line.strip() for line in _text(repo.root).splitlines()}
    return [line for line in wanted if not present & {line, line.strip("/"), line[1:], line[:-1]}]


def add_lines(repo: Catalog) -> list[str]:
    """Adds those lines; returns them. Raises InvalidInput, WriteFailed."""
    lines = missing_lines(repo)
    if lines:
        text = _text(repo.root)
        text += "" if not text or text.endswith("\n") else "\n"
        temporary = os.path.join(repo.layout.temporary, f"ignore-{os.urandom(8).hex()}")
        data = (text + "".join(f"{line}\n" for line in lines)).encode(errors="surrogateescape")
        disk.rewrite(os.path.join(repo.root, NAME), data, temporary)
    return lines


def _text(root: str) -> str:
    path = os.path.join(root, NAME)
    if os.path.islink(path):
        raise InvalidInput(f"{path} is a link, which git does not read either", hint="remove it")
    data = read_file(path, BYTES_MAX)
    return "" if data is None else data.decode(errors="surrogateescape")


def _escaped(name: str) -> str:
    return "".join(f"\\{sign}" if sign in _SPECIAL else sign for sign in name)
