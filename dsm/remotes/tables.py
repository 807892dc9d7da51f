"""Which objects the packs of a remote hold, by their tables of contents, which are kept here.

A table comes from the end of a pack by ranges, is verified by its own hash, and never changes, so
it is read once. The table of a pack that also lies here is read from that.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator

from blake3 import blake3

from dsm.errors import DamagedData
from dsm.format import pack as fmt
from dsm.remotes.backend import READS, Backend, Entry, RemoteDamaged
from dsm.remotes.parallel import side_by_side
from dsm.repo.layout import Layout
from dsm.store import disk
from dsm.store.pack_files import is_pack_file, pack_path
from dsm.store.packs import Pack
from dsm.store.whole_file import read_file

# One request for the end of a pack brings the table of most: it has 29 bytes an object.
TAIL_BYTES = 256 << 10
TABLE_BYTES_MAX = fmt.OBJECTS_MAX * (fmt.FRAME.size + fmt.PREFIX + fmt.LOCATION) + fmt.TRAILER.size
PACKS = "packs/"
# Beside a pack or a manifest that gc will remove unless something refers to it until then.
CONDEMNED = ".condemned"


def pack_name(entry: Entry) -> str | None:
    """Returns the id of a pack on a remote; None for another file."""
    shelf, _, file = entry.name.removeprefix(PACKS).partition("/")
    return file[:64] if is_pack_file(file) and shelf == file[:2] else None


def remote_path(name: str) -> str:
    """Where a pack lies on a remote."""
    return f"{PACKS}{name[:2]}/{name}.pack"


def marker_path(name: str) -> str:
    """Where it lies on a remote that a pack is condemned."""
    return remote_path(name).removesuffix(".pack") + CONDEMNED


def condemned_packs(entries: Iterable[Entry]) -> frozenset[str]:
    """Returns the ids of the packs that gc has condemned: they may be gone soon."""
    markers = (entry.name for entry in entries if entry.name.endswith(CONDEMNED))
    return frozenset(name.rpartition("/")[2].removesuffix(CONDEMNED) for name in markers)


def counted_on(entries: Iterable[Entry]) -> list[Entry]:
    """Returns the packs among files of a remote that are not condemned."""
    found = list(entries)
    condemned = condemned_packs(found)
    return [e for e in found if (name := pack_name(e)) is not None and name not in condemned]


class Tables:
    """The tables of packs that are not here, in `local/remotes/tables`: they are nobody's alone."""

    def __init__(self, layout: Layout):
        self._layout = layout
        self._folder = os.path.join(layout.remotes, ".tables")

    def of(self, backend: Backend, packs: Iterable[Entry]) -> Iterator[tuple[str, fmt.Contents]]:
        """Yields (id, contents) of each pack, whether it lies here or not. Raises RemoteDamaged."""
        wanted: list[tuple[Entry, str]] = []
        for entry in packs:
            name = pack_name(entry)
            if name is None:
                continue
            found = self._here(name)
            if found is None:
                wanted.append((entry, name))
            else:
                yield name, found
        fetched = side_by_side(lambda each: self.fetch(backend, each[0]), wanted)
        for (_, name), contents in zip(wanted, fetched, strict=True):
            yield name, contents

    def known(self) -> Iterator[tuple[str, int, fmt.Contents]]:
        """Yields (id, bytes, contents) of the packs whose tables are kept; no request is made."""
        try:
            names = os.listdir(self._folder)
        except OSError:
            return
        for name in sorted(names):
            with contextlib.suppress(DamagedData):
                if found := self._kept(name):
                    yield name, *found

    def forget(self, name: str) -> None:
        """Removes the table of a pack that is on the remote no more."""
        with contextlib.suppress(disk.WriteFailed, disk.NotOurs):
            disk.remove(os.path.join(self._folder, name))

    def _kept(self, name: str) -> tuple[int, fmt.Contents] | None:
        kept = read_file(os.path.join(self._folder, name), TABLE_BYTES_MAX + 8)
        if kept is None:
            return None
        size = int.from_bytes(kept[:8], "little")
        return size, _decoded(kept[8:], size, name)

    def _here(self, name: str) -> fmt.Contents | None:
        try:
            return Pack(pack_path(self._layout.packs, name)).contents
        except (FileNotFoundError, DamagedData):
            pass
        try:
            found = self._kept(name)
            return None if found is None else found[1]
        except DamagedData:
            return None

    def fetch(self, backend: Backend, entry: Entry) -> fmt.Contents:
        """Returns the table of a pack as it lies on the remote. Raises RemoteDamaged."""
        name = pack_name(entry) or ""
        start = max(0, entry.size - TAIL_BYTES)
        for left in range(READS - 1, -1, -1):
            try:
                data, contents = _table(backend, entry, name, start)
                break
            except DamagedData as error:
                if not left:
                    raise RemoteDamaged(
                        f"{entry.name} on {backend.url}: {error.message}"
                    ) from error
        self.keep(name, entry.size, data)
        return contents

    def keep(self, name: str, size: int, data: bytes) -> None:
        """Keeps the table (with its trailer) of a pack of `size` bytes, where that can be."""
        temporary = os.path.join(self._layout.temporary, f"table-{os.urandom(8).hex()}")
        kept = size.to_bytes(8, "little") + data
        with contextlib.suppress(disk.WriteFailed, disk.NotOurs):
            disk.make_dirs(self._folder, durable=False)
            disk.rewrite(os.path.join(self._folder, name), kept, temporary)

    def keep_of(self, path: str, name: str) -> None:
        """Keeps the table of a pack that lies at a path of this machine for now; or no more."""
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(size - fmt.TRAILER.size)
            at, _ = fmt.read_trailer(file.read(), size, name)
            file.seek(at)
            self.keep(name, size, file.read())


def _table(backend: Backend, entry: Entry, name: str, start: int) -> tuple[bytes, fmt.Contents]:
    """Reads the table of a pack, which begins at `start` or before. Raises DamagedData."""
    tail = backend.get(entry.name, entry.size - start, start, entry.size - start)
    at, _ = fmt.read_trailer(tail[-fmt.TRAILER.size :], entry.size, name)
    if at < start:
        tail = backend.get(entry.name, start - at, at, start - at) + tail
        start = at
    data = tail[at - start :]
    return data, _decoded(data, entry.size, name)


def _decoded(data: bytes, size: int, name: str) -> fmt.Contents:
    """Decodes a table with its trailer, of a pack of `size` bytes. Raises DamagedData."""
    tail = data[-fmt.TRAILER.size :]
    at, length = fmt.read_trailer(tail, size, name)
    tables = data[: -fmt.TRAILER.size]
    if len(tables) != length or at + len(data) != size:
        raise DamagedData(f"the table of pack {name} is cut short")
    digest = fmt.TRAILER.unpack(tail)[5]
    if blake3(tables).digest() != digest:
        raise DamagedData(f"pack {name}: its table of contents is damaged")
    return fmt.decode_contents(tables, tail, name, verify=True)
