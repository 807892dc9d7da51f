"""Which packs a store has open, and which of them hold an object.

Packs come and go by other processes: they are looked for when something is not found. Those of the
cache of what was fetched are among them, and may not be counted on.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dsm.errors import DamagedData, StorageFailed
from dsm.store.lookup import Lookup
from dsm.store.pack_files import pack_paths
from dsm.store.packs import Pack
from dsm.store.turns import CHANGING

if TYPE_CHECKING:
    from dsm.store.elsewhere import Elsewhere


class OpenPacks:
    """The packs in `folder`, and those that hold what was fetched from `elsewhere`."""

    def __init__(self, folder: str, elsewhere: Elsewhere | None = None):
        self.folder = folder
        self.elsewhere = elsewhere
        self.lookup = Lookup()
        self._known: dict[str, Pack] = {}
        self._damaged: dict[str, str] = {}
        self._scanned = False

    def refresh(self) -> None:
        """Looks for packs that other processes have added; forgets those that gc has removed."""
        with CHANGING:
            self._refresh()

    def _refresh(self) -> None:
        found: set[str] = set()
        for path in pack_paths(self.folder):
            name = os.path.basename(path).removesuffix(".pack")
            found.add(name)
            if name in self._known:
                continue
            try:
                pack = Pack(path)
            except FileNotFoundError:
                continue
            except (DamagedData, StorageFailed) as error:
                # Only commands that need an object of it may fail.
                self._damaged[name] = error.message
                continue
            self._known[name] = pack
            self.lookup.add(pack)
        if self.elsewhere is not None:
            for path in self.elsewhere.cache.paths():
                name = os.path.basename(path).removesuffix(".pack")
                if name not in self._known and (kept := self.elsewhere.cache.open(path)):
                    self._known[name] = kept
                    self.lookup.add(kept)
                found.add(name)
        gone = {self._known.pop(name) for name in self._known.keys() - found}
        if gone:
            self.lookup = self.lookup.without(gone)
        self._scanned = True  # at the end: until then, other threads wait for their turn

    def look_again(self) -> None:
        """Forgets which packs there are until they are needed."""
        self._scanned = False

    def missing(self, oids: Iterable[bytes]) -> set[bytes]:
        """Returns those that are not in the store, by the packs' tables: no content is read."""
        wanted = set(oids)
        just_scanned = not self._scanned
        absent = {oid for oid in wanted if not self._own(oid)}
        if absent and not just_scanned:
            self.refresh()
            absent = {oid for oid in absent if not self._own(oid)}
        return absent

    def scan_once(self) -> None:
        """Looks for packs, unless that was done before."""
        if not self._scanned:
            with CHANGING:
                if not self._scanned:  # not by another thread meanwhile
                    self._refresh()

    def _holders(self, oid: bytes) -> list[tuple[Pack, int]]:
        self.scan_once()
        return self.lookup.holders(oid)

    def _own(self, oid: bytes) -> list[tuple[Pack, int]]:
        """Like `_holders`, of packs that may be counted on: not those of the cache."""
        return [each for each in self._holders(oid) if not each[0].cached]

    def forget(self) -> None:
        """Closes all packs; they are looked for again when they are needed."""
        with CHANGING:
            for pack in self.lookup.packs:
                pack.close()
            self.lookup, self._known, self._scanned = Lookup(), {}, False
