"""What filters look at beside a row: snapshots, and what is computed once for all rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dsm.errors import DamagedData

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.history.hash_cache import HashCache
    from dsm.history.snapshot import Snapshots
    from dsm.model.changeset import Changeset
    from dsm.repo.log import ChangesetLog
    from dsm.repo.repository import Repository


class StoredData:
    """What is stored of one dataset, for the filters of one selection."""

    def __init__(
        self,
        repository: Repository,
        log: ChangesetLog,
        snapshots: Callable[[], Snapshots],
        paths_of: Callable[[Mapping[str, Any]], pa.Array] | None = None,
    ):
        self._repository = repository
        self._paths_of = paths_of
        self._log = log
        self._open_snapshots = snapshots
        self._made: dict[Any, Any] = {}

    @cached_property
    def _snapshots(self) -> Snapshots:
        return self._open_snapshots()

    @cached_property
    def _cache(self) -> HashCache:
        from dsm.history.hash_cache import HashCache

        return HashCache(self._repository.layout, self._log.name)

    def snapshot(self, number: int, changeset: str) -> pa.Table:
        """Returns the live examples after a changeset of this id. Raises DamagedData."""
        if not self._snapshots.is_of_this_history(number, changeset):
            raise DamagedData(
                f"the view asks for changeset {number} of another history of {self._log.name}"
            )
        return self._snapshots.examples(number)

    def changeset(self, number: int) -> Changeset:
        """Returns the changeset of a number. Raises NotFound, DamagedData."""
        return self._log.get(number)

    def hashes(self, column: pa.Array, key: bytes, make: Callable[[], pa.Array]) -> pa.Array:
        """Returns what `make` makes of a column under a key; of a long one it is remembered."""
        return self._cache.get(column, key, make)

    def paths_of(self, query: Mapping[str, Any]) -> pa.Array:
        """Returns the paths that another query of the dataset selects, given as it is hashed."""
        assert self._paths_of is not None, "only selections look at other views"
        return self._paths_of(query)

    def content(self, oid: bytes, limit: int) -> bytes:
        """Returns an object's bytes, verified. Raises DamagedData for more of them than `limit`,
        ObjectMissing, ObjectDamaged."""
        store = self._repository.store
        if store.size(oid) > limit:
            raise DamagedData(f"object {oid.hex()} has more than {limit:,} bytes")
        return store.read(oid)

    def once(self, what: Any, make: Callable[[], Any]) -> Any:
        """Returns what `make` makes, the same whenever this selection is asked for it again."""
        if what not in self._made:
            self._made[what] = make()
        return self._made[what]
