"""A repository's own files among those that are imported: they are no data, and are left out.

Packs and headers that were taken for examples would be pushed, listed and trained on. A repository
is known by its folder's name, a remote by its identity beside packs or datasets.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_left

from dsm.errors import DamagedData, InvalidInput
from dsm.format import document
from dsm.model.names import is_protected_name, printable
from dsm.model.reports import Problem
from dsm.remotes.backend import Backend, Entry, NotOnRemote
from dsm.remotes.contents import DATASETS, IDENTITY
from dsm.remotes.tables import PACKS

_HINT = (
    "`dsm clone` copies a repository, `dsm get VIEW --from URL -o FOLDER` writes what a view has"
)


def refuse_own(url: str) -> None:
    """Raises InvalidInput for an address within the folder of a repository of dsm or git."""
    for part in url.split("/"):
        if part and is_protected_name(part):
            raise InvalidInput(
                f"{printable(url)} lies in {printable(part)}, which is never part of a dataset",
                hint=_HINT,
            )


def without_own(backend: Backend, entries: list[Entry]) -> tuple[list[Entry], list[Problem]]:
    """Returns what is data of the files at an address, and which folders were left out, and why.

    Raises InvalidInput where all of it is one remote.
    """
    folders = {entry.name.rpartition("/")[0] for entry in entries}
    within = {each: folder for each in folders if (folder := _protected(each)) is not None}
    own = dict.fromkeys(within.values(), "is never part of a dataset")
    data = entries
    if within:
        data = [each for each in entries if each.name.rpartition("/")[0] not in within]
    for place in _remotes(backend, data):
        if not place:
            raise InvalidInput(f"{backend.url} is a dsm remote: its files are no data", hint=_HINT)
        own[place] = "is a dsm remote: its files are no data"
        data = [each for each in data if not each.name.startswith(place + "/")]
    return data, [Problem(printable(name), reason) for name, reason in sorted(own.items())]


def _protected(path: str) -> str | None:
    """Returns the folder of a repository that a folder is or lies in; None where in none."""
    parts = path.split("/")
    for count, part in enumerate(parts, 1):
        if part and is_protected_name(part):
            return "/".join(parts[:count])
    return None


def _remotes(backend: Backend, entries: list[Entry]) -> list[str]:
    """Returns the folders of remotes among some files, sorted by name; "" is the address itself."""
    names = [entry.name for entry in entries]

    def has(prefix: str) -> bool:
        at = bisect_left(names, prefix)
        return at < len(names) and names[at].startswith(prefix)

    found: list[str] = []
    for name in names:
        if name == IDENTITY or name.endswith("/" + IDENTITY):
            place = name[: -len(IDENTITY)]
            within = any(not above or place.startswith(above + "/") for above in found)
            if not within and any(has(place + folder) for folder in (DATASETS, PACKS)):
                found += [place.rstrip("/")] if _is_identity(backend, name) else []
    return found


def _is_identity(backend: Backend, name: str) -> bool:
    with contextlib.suppress(NotOnRemote, DamagedData):
        data = backend.get(name, document.DOCUMENT_BYTES_MAX)
        return isinstance(document.decode(data, name).get("repository"), str)
    return False
