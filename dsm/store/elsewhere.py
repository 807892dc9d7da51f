"""The one door for objects that are in no pack here: where they are asked for instead.

A store without it is whole, or damaged. With it, what the packs lack is fetched when it is read,
verified, and kept in a cache (`object_cache.py`). Who stands behind the door is not known here: it
is handed down (`dsm.remotes.on_demand`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dsm.store.object_cache import ObjectCache


Counted = Callable[[int], object]
# The ids and sizes of many objects, some after the other.
Parts = Callable[[], Iterable[tuple[Sequence[bytes], Sequence[int]]]]
Absent = Callable[[Iterable[bytes]], list[bytes]]


class Elsewhere(Protocol):
    """A place that has objects. It goes to worker processes by pickle."""

    cache: ObjectCache
    url: str

    @property
    def requests(self) -> int:
        """How many requests were made so far, by this process."""

    def fetch(
        self, oids: Iterable[bytes], came: Counted | None = None
    ) -> Iterator[tuple[bytes, bytes, bool]]:
        """Yields (id, verified bytes, False) or (id, verified chunk list, True) of each object, in
        any order and in bounded memory; they are in the cache afterwards, as far as it has room.
        `came` hears of bytes while they come.

        Raises ObjectMissing for one that is not there either, and what the place fails with.
        """

    def expect(self, parts: Parts) -> None:
        """Hears that these objects will be read soon, all of them and in any order."""

    def bring_around(self, oids: Sequence[bytes], absent: Absent) -> bool:
        """Brings objects into the cache with what lies around them, where most of that is expected;
        True when some may have come. They are verified when they are read.

        `absent` looks again which of some are not here: other processes bring them, too. Raises
        like `fetch`.
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
