"""Addresses that references may be read at: which of them this user trusts.

A repository from elsewhere brings references along, and who made it chose their addresses: files of
this machine, or servers that only this machine reaches. The invariant: nothing is asked of an
address that this user neither imported from here nor trusted. That is noted in the user's own
folder, as trust in sources is. Specified in docs/format/trusted-place.md.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from blake3 import blake3

from dsm.errors import DsmError, Refused
from dsm.format import document
from dsm.repo import documents
from dsm.repo.repository import Repository
from dsm.store import disk

EVERYTHING = "*"


@dataclass(frozen=True, slots=True)
class TrustedPlaces:
    """The addresses that a user trusts for one repository; goes to other processes by pickle.

    `folder` is where the notes lie, None for nowhere; `words` are addresses that count as well,
    with commas between them.
    """

    folder: str | None
    words: str
    repository: str
    root: str

    @classmethod
    def of(cls, repository: Repository) -> Self:
        """Returns those of a repository."""
        environment = repository.environment
        base, real = environment.config_folder(), os.path.realpath(repository.root)
        folder = None if base is None else os.path.realpath(base)
        # A folder that examples are written to is not this user's alone.
        if folder is not None and f"{folder}/".startswith(f"{real}/"):
            folder = None
        root = os.fsencode(real).decode(errors="backslashreplace")
        return cls(folder, environment.trusted_references(), repository.id, root)

    def trusts(self, address: str) -> bool:
        """Whether an address, or a place above it, is trusted."""
        named = {word.strip().rstrip("/") for word in self.words.split(",") if word.strip()}
        if EVERYTHING in named:
            return True
        return any(place in named or self._recorded(place) for place in _and_above(address))

    def grant(self, address: str, now: int) -> None:
        """Trusts an address and all below it; `now` in microseconds UTC.

        Raises Refused where this user has no folder for that, and StorageFailed.
        """
        notes = self._notes()
        if notes is None:
            raise Refused(
                "there is no folder of yours outside of the repository to keep it in that you trust"
                f" {address}",
                hint=f"set XDG_CONFIG_HOME, or export DSM_TRUST_REFERENCES={address}",
            )
        disk.make_dirs(notes.folder, mode=0o700)
        fields = self._fields(address)
        notes.create(_id(fields), {**fields, "granted": now})

    def revoke(self, address: str) -> bool:
        """Takes back what `grant` did; False where there was nothing to take back."""
        notes = self._notes()
        if notes is None or not self._recorded(address.rstrip("/")):
            return False
        notes.remove(_id(self._fields(address)))
        return True

    def _recorded(self, address: str) -> bool:
        notes, fields = self._notes(), self._fields(address)
        if notes is None:
            return False
        with contextlib.suppress(DsmError):
            found = notes.read(_id(fields))
            return found is not None and found.items() >= fields.items()
        return False

    def _notes(self) -> documents.Documents | None:
        return None if self.folder is None else documents.trusted_places(self.folder)

    def _fields(self, address: str) -> dict[str, Any]:
        place = address.rstrip("/") or "/"
        return {"repository": self.repository, "root": self.root, "place": place}


def _id(fields: dict[str, Any]) -> str:
    return blake3(document.canonical(fields)).hexdigest()


def _and_above(address: str) -> Iterator[str]:
    """Yields an address and the places above it, up to the host, the bucket or the root."""
    scheme, mark, rest = address.partition("://")
    lead = scheme + mark if mark else ""
    path = (rest if mark else address).rstrip("/")
    while path:
        yield lead + path
        path = path.rpartition("/")[0]
    if not mark:
        yield "/"
