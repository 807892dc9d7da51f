"""Addresses that references may be read at: which of them this user trusts.

A repository from elsewhere brings references along, and who made it chose their addresses: files of
this machine, or servers that only this machine reaches. The invariant: nothing is asked of an
address that this user neither imported from here nor trusted. That is noted in the user's own
folder, as trust in sources is. Specified in docs/format/trusted-place.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dsm.repo import documents
from dsm.repo.repository import Repository
from dsm.repo.trust_notes import TrustNotes

EVERYTHING = "*"


@dataclass(frozen=True, slots=True)
class TrustedPlaces:
    """The addresses that a user trusts for one repository; goes to other processes by pickle.

    `words` are addresses that count beside those that are noted, with commas between them.
    """

    notes: TrustNotes
    words: str

    @classmethod
    def of(cls, repository: Repository) -> TrustedPlaces:
        """Returns those of a repository."""
        notes = TrustNotes.of(repository, documents.trusted_places)
        return cls(notes, repository.environment.trusted_references())

    def trusts(self, address: str) -> bool:
        """Whether an address, or a place above it, is trusted."""
        named = {word.strip().rstrip("/") for word in self.words.split(",") if word.strip()}
        if EVERYTHING in named:
            return True
        places = _and_above(address)
        return any(place in named or self.notes.have(_noted(place)) for place in places)

    def grant(self, address: str, now: int) -> None:
        """Trusts an address and all below it; `now` in microseconds UTC.

        Raises Refused where this user has no folder for that, and StorageFailed.
        """
        hint = f"set XDG_CONFIG_HOME, or export DSM_TRUST_REFERENCES={address}"
        self.notes.grant(_noted(address), now, named=address, hint=hint)

    def revoke(self, address: str) -> bool:
        """Takes back what `grant` did; False where there was nothing to take back."""
        return self.notes.revoke(_noted(address))


def _noted(address: str) -> dict[str, str]:
    return {"place": address.rstrip("/") or "/"}


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
