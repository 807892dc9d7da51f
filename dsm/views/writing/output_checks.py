"""Which folders a view may be written to: none in which its files would become data themselves."""

from __future__ import annotations

import os

from dsm.errors import DamagedData
from dsm.repo.repository import Repository
from dsm.views.writing.output_folder import HIDDEN, OtherContent, OutputFolder


def refuse_among_data(repository: Repository, place: OutputFolder) -> None:
    """Raises OtherContent for the root of a dataset, and for a folder in it that holds files.

    One that was made for a view may hold them, and so may one that .dsmignore leaves out.
    """
    folder = os.path.realpath(place.folder)
    if not f"{folder}/".startswith(os.path.realpath(repository.root).rstrip("/") + "/"):
        return
    defaults = repository.config.flag("add.default-ignores", True)
    for name in repository.datasets():
        root = os.path.realpath(os.path.join(repository.root, repository.identity(name).root))
        if folder == root:
            found = f"is the root of dataset {name}"
        elif folder.startswith(root.rstrip("/") + "/") and not _is_free(
            root, folder, place, defaults
        ):
            found = f"lies in dataset {name} and has other files in it"
        else:
            continue
        raise OtherContent(
            f"{place.folder} {found}: `dsm add` would take the view's files for examples",
            hint="give a new or empty folder with -o",
        )


def _is_free(root: str, folder: str, place: OutputFolder, defaults: bool) -> bool:
    """Whether a folder below a dataset's root is new or empty, of a view, or left out by `add`."""
    try:
        held = any(not name.startswith(HIDDEN) for name in os.listdir(folder))
    except OSError:  # what is no folder is told when it is to be made
        return True
    if not held or os.path.isdir(place.hidden):
        return True
    from dsm.worktree.scan import Scan  # of use where there is something to lose

    inside = os.path.relpath(folder, root)
    if Scan(root, defaults=defaults).rules_for(inside).ignored(f"{inside}/any", False):
        return True
    try:
        return place.read() is not None
    except DamagedData:  # a file of that name which dsm has not written
        return False
