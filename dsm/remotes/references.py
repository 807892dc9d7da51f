"""The places that references of a repository lead to, and which of them the user trusts."""

from __future__ import annotations

from dataclasses import dataclass

from dsm.model.keywords import verbs_suggest
from dsm.remotes.address import check_url
from dsm.repo.repository import Repository
from dsm.repo.trusted_places import TrustedPlaces


@dataclass(frozen=True, slots=True)
class ReferencedPlace:
    """An address, how many objects of how many bytes are referenced there, and whether the user
    lets dsm read them."""

    address: str
    objects: int
    size: int
    trusted: bool


@verbs_suggest
class References:
    """The references of a repository; `repo.references`."""

    def __init__(self, repository: Repository):
        self._repository = repository

    def list(self) -> list[ReferencedPlace]:
        """Returns the places that references here lead to, sorted by address; none is asked.

        Those of objects that nothing needs any more are among them until gc removes them. Of a copy
        without objects, only references that were read are known.
        """
        trusted = TrustedPlaces.of(self._repository)
        sizes: dict[str, dict[bytes, int]] = {}
        allowed: dict[str, bool] = {}
        self._repository.store.refresh()  # of a copy without objects, some have come by now
        for each in self._repository.store.referenced.all():
            sizes.setdefault(each.at, {})[each.oid] = each.size
            if allowed.get(each.at, True):
                allowed[each.at] = trusted.trusts(each.address)
        return [
            ReferencedPlace(at, len(found), sum(found.values()), allowed[at])
            for at, found in sorted(sizes.items())
        ]

    def trust(self, address: str) -> str:
        """Lets dsm read what is referenced at an address, or below it, for this user; returns it.

        What was imported here is trusted. Raises InvalidInput for the address, Refused where this
        user has no folder to note it in.
        """
        place = self._checked(address)
        TrustedPlaces.of(self._repository).grant(place, self._repository.environment.clock())
        return place

    def distrust(self, address: str) -> bool:
        """Takes back what `trust` or an import allowed; False if there was nothing.

        Raises InvalidInput for the address.
        """
        return TrustedPlaces.of(self._repository).revoke(self._checked(address))

    def _checked(self, address: str) -> str:
        return check_url(address, self._repository.environment.current_folder())
