"""The one door for objects that are in no pack here: where they are asked for instead.

A store without it is whole, or damaged. With it, what the packs lack is fetched when it is read,
verified, and kept in a cache (`object_cache.py`). Who stands behind the door is not known here: it
is handed down (`dsm.remotes.on_demand`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dsm.store.object_cache import ObjectCache


Counted = Callable[[int], object]


class Elsewhere(Protocol):
    """A place that has objects. It goes to worker processes by pickle."""

    cache: ObjectCache
    url: str

    @property
    def requests(self) -> int:
        """How many requests were made so far, by this process."""

    def fetch(self, oids: Iterable[bytes]) -> Iterator[tuple[bytes, bytes, bool]]:
        """Yields (id, verified bytes, False) or (id, verified chunk list, True) of each object, in
        any order and in bounded memory; they are in the cache afterwards, as far as it has room.

        Raises ObjectMissing for one that is not there either, and what the place fails with.
        """

    def lacking(self, oids: Iterable[bytes]) -> set[bytes]:
        """Returns those of these objects that are not there either, by the tables of its packs."""

    def bring(
        self, oids: Iterable[bytes], packs: str, temporary: Callable[[str], str], counted: Counted
    ) -> None:
        """Puts objects into packs of their own under `packs`, durable, by way of new files that
        `temporary` names by their suffix. `counted` hears of the bytes of each.

        Raises like `fetch`.
        """
