"""Databases of sources that lie among the files of a dataset.

The invariant: none of them is stored as a file, and its rows with it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from dsm.errors import Refused
from dsm.model.names import printable
from dsm.repo import documents

if TYPE_CHECKING:
    from dsm.repo.repository import Repository
    from dsm.worktree.request import Request
    from dsm.worktree.tree import WorkTree

# What SQLite and DuckDB keep beside a database, with rows in it.
BESIDE = ("-wal", "-journal", "-shm", ".wal")


class DatabaseInTree(Refused):
    """The database of a source would be stored, and its rows with it."""

    code = "database-in-tree"


def refuse_databases(repository: Repository, tree: WorkTree, request: Request) -> None:
    """Raises DatabaseInTree when the files to be added have the database of a source among them.

    What .dsmignore leaves out of a folder is not refused, and nothing is known of sources whose
    address cannot be had.
    """
    if not documents.sources(repository.layout).names():
        return
    from dsm.sources import source as sources

    tops = [os.path.realpath(os.path.join(tree.root, path)) for path in request.paths]
    for name in sources.names(repository):
        for file in database_files(repository, name):
            if not any(file == top or file.startswith(top.rstrip("/") + "/") for top in tops):
                continue
            relative = os.path.relpath(file, os.path.realpath(tree.root))
            hint = _way_out(tree, relative, name, request, named=file in tops)
            if hint is not None:
                raise DatabaseInTree(
                    f"{printable(relative)} is a database of source {name}, whose rows are not"
                    " stored",
                    hint=hint,
                )


def _way_out(
    tree: WorkTree, relative: str, source_name: str, request: Request, *, named: bool
) -> str | None:
    """Returns what to do about a database that would be stored, None for one that would not."""
    from dsm.worktree.ignore import IGNORE_FILE

    if tree.index(tree.stage.load()).get(relative) is not None:
        # .dsmignore leaves out nothing that is tracked.
        return f"`dsm rm --keep-files {printable(relative)}` first"
    if request.only_tracked:
        return None
    rules = tree.scan(force=request.force).rules_for(os.path.dirname(relative))
    if not rules.ignored(relative, False):
        return f"name it in {IGNORE_FILE}, or move it out of the repository's folder"
    return f"`dsm source remove {source_name}` first, if it is to be stored" if named else None


def database_files(repository: Repository, source_name: str) -> list[str]:
    """Returns the files of a source's database that are in the work tree, by their real paths."""
    from dsm.sources import source as sources
    from dsm.sources.access import Access
    from dsm.sources.drivers import plain_name

    source = sources.find(repository, source_name)
    if plain_name(source.driver) not in ("sqlite", "duckdb"):
        return []
    if source.kind == sources.KEYRING and not Access(repository).trusted(source):
        return []  # a keyring may ask its user
    try:
        address = repository.environment.secret_of(source.kind, source.secret)
    except Refused:
        return []
    path = re.sub("^(sqlite:///|duckdb:(///)?|file:)", "", address).partition("?")[0]
    folder = os.path.realpath(repository.root).rstrip("/") + "/"
    found = [os.path.realpath(path) + suffix for suffix in ("", *BESIDE)]
    return [file for file in found if file.startswith(folder) and os.path.isfile(file)]
