"""Objects of a remote, fetched by ranges when they are read: the door of a copy without objects.

Where an object lies is told by the tables of the remote's packs, which are kept. Ranges that lie
close together are one request; many go at once. Everything is verified before it is handed out or
kept: a range that is cut short or holds something else is asked for once more, and then named.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from blake3 import blake3

from dsm.errors import DamagedData
from dsm.format import chunk_list
from dsm.remotes.address import open_backend
from dsm.remotes.around import (
    BLOCKS_AT_ONCE,
    Around,
    block_of,
    pieces_of,
    stretches,
)
from dsm.remotes.backend import Backend, NotOnRemote, RemoteDamaged, RemoteFailed
from dsm.remotes.contents import read_identity
from dsm.remotes.parallel import Meter, side_by_side
from dsm.remotes.ranges import Range, Wanted, ranges_of
from dsm.remotes.remote_pack import RemotePack
from dsm.remotes.tables import PACKS, Tables, pack_name
from dsm.repo.config import CACHE_SIZE, CACHE_SIZE_DEFAULT, check_size
from dsm.repo.layout import Layout
from dsm.repo.repository import Repository
from dsm.store import disk
from dsm.store.elsewhere import Absent, Counted, Parts
from dsm.store.extract import EXTRACT_BYTES, Extract
from dsm.store.lookup import Lookup, listed_last
from dsm.store.object_cache import ObjectCache, write_pieces
from dsm.store.object_errors import ObjectMissing
from dsm.store.pack_files import publish_pack
from dsm.store.turns import CHANGING

# Objects that are planned together.
PLANNED = 50_000
# How long a process waits for its turn while another one brings nothing.
TURN_SECONDS = 30
Found = tuple[bytes, bytes, bool]  # id, bytes, whether they are a chunk list


@dataclass(slots=True)
class OnDemand:
    """The objects of the remote at `url`, for the repository in the `.dsm` folder `base`.

    Requests are made when something is read. A copy in another process asks by itself.
    """

    base: str
    url: str
    cache: ObjectCache
    _open: tuple[int, Backend] | None = field(default=None, compare=False)
    _lookup: Lookup | None = field(default=None, compare=False)
    _packs: dict[str, RemotePack] = field(default_factory=dict, compare=False)
    _expected: Parts | None = field(default=None, compare=False)
    _around: Around | None = field(default=None, compare=False)
    _in_blocks: bool = field(default=False, compare=False)  # whether what is expected comes so
    _patient: bool = field(default=True, compare=False)  # nobody is waited for twice in vain

    def __reduce__(self) -> tuple[Any, ...]:
        return OnDemand, (self.base, self.url, self.cache)

    @property
    def backend(self) -> Backend:
        """The remote, opened in this process: connections do not outlive a fork."""
        opened = self._open
        if opened is None or opened[0] != os.getpid():
            with CHANGING:
                opened = self._open
                if opened is None or opened[0] != os.getpid():  # not by another thread meanwhile
                    opened = self._open = (os.getpid(), open_backend(self.url))
        return opened[1]

    def _opened(self) -> Backend:
        return self.backend

    @property
    def requests(self) -> int:
        """How many requests were made so far, by this process."""
        return 0 if self._open is None else self._open[1].requests

    # --- what is asked of it ---

    def fetch(self, oids: Iterable[bytes], came: Counted | None = None) -> Iterator[Found]:
        """Yields each object, verified, and keeps them in the cache; see `Elsewhere`."""
        return self._fetch(oids, self.cache.add, came)

    def expect(self, parts: Parts) -> None:
        """Hears what will be read; looked at when something of it is not here."""
        if parts is not self._expected:
            self._expected, self._around, self._in_blocks = parts, None, True

    def bring_around(self, oids: Sequence[bytes], absent: Absent) -> bool:
        """Brings blocks of packs that are expected; see `Elsewhere`."""
        oids = absent(oids) if self._in_blocks else []
        if not oids:
            return False
        with self._turn(oids, absent) as left:
            return not left or self._bring_blocks(left)

    def _bring_blocks(self, oids: list[bytes]) -> bool:
        wanted, _ = self._look_up(oids)
        assert self._lookup is not None and self._expected is not None
        self._around = self._around or Around(self._lookup, self._expected, self.cache.most)
        if not self._around:
            self._in_blocks = False
            return False
        chosen = self._around.chosen(wanted)
        kept = side_by_side(self._keep_blocks, stretches(chosen), BLOCKS_AT_ONCE)
        if not all(kept):
            self._in_blocks = False
        return bool(chosen)

    def _keep_blocks(self, chosen: list[tuple[RemotePack, int]]) -> bool:
        """Reads blocks of one pack into the cache; False when they are not there to stay."""
        blocks = [block for each in chosen if (block := block_of(*each))]
        if not blocks:
            return True
        try:
            return self.cache.write(blocks[-1].end - blocks[0].start, pieces_of(blocks))
        except NotOnRemote:
            return False  # packs were merged meanwhile: each object is looked for by itself

    @contextlib.contextmanager
    def _turn(self, oids: list[bytes], absent: Absent) -> Iterator[list[bytes]]:
        """Lets one process at a time bring blocks: others want the same ones.

        Gives those that nobody has brought by then. Nobody waits for one that brings nothing.
        """
        left, waited, lock = oids, 0, None
        with contextlib.suppress(disk.WriteFailed, disk.NotOurs):
            disk.make_dirs(self.cache.folder, durable=False)
            while left and waited < TURN_SECONDS and lock is None:
                patience = 1.0 if self._patient else 0.0
                lock = disk.lock(self.cache.folder, exclusive=True, patience=patience)
                now = absent(left)
                left, waited = now, 0 if len(now) < len(left) else waited + 1
                if lock is None and not self._patient:
                    break
            self._patient = self._patient and waited < TURN_SECONDS
        try:
            yield left
        finally:
            if lock is not None:
                disk.unlock(lock)

    def lacking(self, oids: Iterable[bytes]) -> set[bytes]:
        """Returns those of these objects that no pack of the remote holds."""
        return self._look_up(list(oids))[1]

    def bring(
        self, oids: Iterable[bytes], packs: str, temporary: Callable[[str], str], counted: Counted
    ) -> None:
        """Puts objects into packs that stay; see `Elsewhere`."""
        keep = partial(publish, packs=packs, temporary=temporary)
        for _, data, _ in self._fetch(oids, keep):
            counted(len(data))

    def _fetch(
        self, oids: Iterable[bytes], keep: Callable[[Extract], object], came: Counted | None = None
    ) -> Iterator[Found]:
        rest = iter(oids)
        collected = Extract()
        try:
            while some := list(islice(rest, PLANNED)):
                for each, found in self._ranges(some, came):
                    if not collected.has_room_for(each.pack, each.codecs):
                        collected, full = Extract(), collected
                        keep(full)
                    each.collect(collected)
                    yield from found
                    if collected.size >= EXTRACT_BYTES:
                        collected, full = Extract(), collected
                        keep(full)
        finally:
            # Also when the line was cut, or by Ctrl-C: the next run goes on from there.
            if len(collected):
                keep(collected)

    def _ranges(
        self, oids: list[bytes], came: Counted | None = None
    ) -> Iterator[tuple[Range, list[Found]]]:
        """Yields ranges of the remote's packs with the objects in them, each once."""
        wanted = self._located(oids)
        backend, tick = self.backend, None
        if came is not None:
            tick = Meter(came, lambda: backend.received)
        while True:
            ranges = ranges_of(wanted)
            gone: list[Range] = []
            answers = side_by_side(self._read, ranges, tick=tick)
            for each, found in zip(ranges, answers, strict=True):
                if tick is not None:
                    tick()
                if found is None:
                    gone.append(each)
                else:
                    yield each, found
            if not gone:
                return
            # Packs were merged meanwhile: what they held lies in others now.
            self._require_remote()
            for name in {each.pack.name for each in gone}:
                self._forget(name)
            wanted = self._located([each.oid for some in gone for each in some.wanted])

    def _read(self, each: Range) -> list[Found] | None:
        """Reads a range, and verifies what is wanted of it; None when its pack is gone."""
        for again in (False, True):
            try:
                each.data = each.pack.read_at(each.start, each.end - each.start)
            except NotOnRemote:
                return None
            try:
                return list(self._proven(each))
            except RemoteDamaged:
                if again:
                    raise
        raise AssertionError("unreachable")

    def _proven(self, each: Range) -> Iterator[Found]:
        """Yields what is wanted of a range that was read. Raises RemoteDamaged."""
        window, frame, raw = memoryview(each.data), -1, b""
        for one in each.wanted:
            data = b""
            with contextlib.suppress(DamagedData):
                if each.pack.is_raw(one.frame) or not one.size:
                    data = each.pack.read_from(window, each.start, one.frame, one.offset, one.size)
                else:
                    if frame != one.frame:  # each is decompressed once, whatever other threads do
                        raw = each.pack.whole_frame(window, each.start, one.frame)
                        frame = one.frame
                    data = raw[one.offset : one.offset + one.size]
            sound = (
                chunk_list.names(data, one.oid) if one.is_list else blake3(data).digest() == one.oid
            )
            if not sound:
                raise RemoteDamaged(
                    f"object {one.oid.hex()} is damaged in {each.pack.path} on {self.url}",
                    hint="nothing of it was kept; `dsm fsck --remote` names what else is",
                    items=(one.oid.hex(),),
                )
            yield one.oid, data, one.is_list

    # --- where objects lie ---

    def _located(self, oids: list[bytes]) -> list[Wanted]:
        found, absent = self._look_up(oids)
        if absent:
            self._require_remote()
            raise ObjectMissing(min(absent), elsewhere=self.url)
        return found

    def _look_up(self, oids: list[bytes]) -> tuple[list[Wanted], set[bytes]]:
        """Returns the places of objects, and those that have none."""
        if self._lookup is None:
            self._lookup = Lookup()
            for name, size, contents in self._tables().known():
                self._add(RemotePack(self._opened, name, size, contents))
        found: list[Wanted] = []
        absent = self._place(oids, found)
        if absent:
            self._look_again()
            absent = self._place(absent, found)
        return found, set(absent)

    def _place(self, oids: list[bytes], found: list[Wanted]) -> list[bytes]:
        """Adds the places of objects that the known tables have; returns the other ones."""
        assert self._lookup is not None
        self._lookup.expect(len(oids))
        absent = []
        for oid in oids:
            one = _wanted(self._lookup, oid)
            if one is None:
                absent.append(oid)
            else:
                found.append(one)
        return absent

    def _require_remote(self) -> None:
        """Raises RemoteFailed when nothing of the remote is left, as of a disk not mounted."""
        if read_identity(self.backend) is None:
            raise RemoteFailed(
                f"there is no dsm remote at {self.url} now, from where objects are fetched",
                hint="is it mounted, and is that still its address? `dsm remote list` shows it",
            )

    def _look_again(self) -> None:
        """Takes in the packs that the remote has and whose tables are not known here."""
        entries = {
            name: entry
            for entry in self.backend.entries(PACKS)
            if (name := pack_name(entry)) is not None and name not in self._packs
        }
        for name, contents in self._tables().of(self.backend, entries.values()):
            self._add(RemotePack(self._opened, name, entries[name].size, contents))

    def _add(self, pack: RemotePack) -> None:
        assert self._lookup is not None
        self._packs[pack.name] = pack
        self._lookup.add(pack)

    def _forget(self, name: str) -> None:
        self._tables().forget(name)
        gone = self._packs.pop(name, None)
        if gone is not None and self._lookup is not None:
            self._lookup = self._lookup.without({gone})

    def _tables(self) -> Tables:
        return Tables(Layout(self.base))


def on_demand(repository: Repository, url: str) -> OnDemand:
    """Returns the door to a remote for the store of a repository. Raises InvalidInput."""
    layout, config = repository.layout, repository.config
    said = config.get(CACHE_SIZE)
    most = CACHE_SIZE_DEFAULT if said is None else check_size(CACHE_SIZE, said)
    return OnDemand(layout.base, url, ObjectCache(layout.objects, layout.temporary, most))


def _wanted(lookup: Lookup, oid: bytes) -> Wanted | None:
    for pack, row in listed_last(lookup.holders(oid)):
        frame, offset, size, is_list = pack.place(row)
        assert isinstance(pack, RemotePack)
        return Wanted(pack, frame, offset, size, is_list, oid)
    return None


def publish(extract: Extract, packs: str, temporary: Callable[[str], str]) -> None:
    """Makes a pack of the store of an extract; durable when it returns. Raises WriteFailed."""
    hasher = blake3()
    pieces = extract.pieces()
    for piece in pieces:
        hasher.update(piece)
    path = temporary(".pack")
    write_pieces(path, pieces, durable=True)
    try:
        publish_pack(packs, path, hasher.hexdigest())
    except BaseException:
        disk.discard(path)
        raise
