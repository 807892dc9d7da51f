"""What a user lets a copy of a repository do: run a hook, ask a source, read at an address.

A repository from elsewhere brings all of these along, and what it says of itself counts for
nothing. So trust is noted in the user's own folder, one document for each thing as it is written
now, in one copy of one repository.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from blake3 import blake3

from dsm.errors import DsmError, Refused
from dsm.format import document
from dsm.repo.documents import Documents
from dsm.repo.repository import Repository
from dsm.store import disk


@dataclass(frozen=True, slots=True)
class TrustNotes:
    """The notes of one kind about one copy of a repository; goes to other processes by pickle.

    `kind` gives the documents in a folder; `folder` is the user's own, None for nowhere.
    """

    kind: Callable[[str], Documents]
    folder: str | None
    repository: str
    root: str

    @classmethod
    def of(cls, repository: Repository, kind: Callable[[str], Documents]) -> TrustNotes:
        """Returns those about a repository."""
        base, root = repository.environment.config_folder(), os.path.realpath(repository.root)
        folder = None if base is None else os.path.realpath(base)
        # A folder that examples are written to is not this user's alone.
        if folder is not None and f"{folder}/".startswith(f"{root}/"):
            folder = None
        shown = os.fsencode(root).decode(errors="backslashreplace")
        return cls(kind, folder, repository.id, shown)

    def have(self, thing: Mapping[str, Any]) -> bool:
        """Whether this user trusts a thing, as these fields describe it."""
        if self.folder is None:
            return False
        fields = self._fields(thing)
        with contextlib.suppress(DsmError):
            found = self.kind(self.folder).read(_id(fields))
            return found is not None and found.items() >= fields.items()
        return False

    def grant(self, thing: Mapping[str, Any], now: int, *, named: str, hint: str) -> None:
        """Notes that a thing is trusted; `now` in microseconds UTC, `named` is what errors call it.

        Raises Refused with the hint where this user has no folder for that, and StorageFailed.
        """
        if self.folder is None:
            raise Refused(
                "there is no folder of yours outside of the repository to keep it in that you trust"
                f" {named}",
                hint=hint,
            )
        notes, fields = self.kind(self.folder), self._fields(thing)
        disk.make_dirs(notes.folder, mode=0o700)
        notes.create(_id(fields), {**fields, "granted": now})

    def revoke(self, thing: Mapping[str, Any]) -> bool:
        """Takes back what `grant` did; False where there was nothing to take back."""
        if self.folder is None or not self.have(thing):
            return False
        self.kind(self.folder).remove(_id(self._fields(thing)))
        return True

    def _fields(self, thing: Mapping[str, Any]) -> dict[str, Any]:
        return {"repository": self.repository, "root": self.root, **thing}


def _id(fields: dict[str, Any]) -> str:
    return blake3(document.canonical(fields)).hexdigest()
