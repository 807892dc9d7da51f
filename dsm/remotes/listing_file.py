"""The listing of a remote as a file in it, for web servers that show no folders.

A line that says what it is, one for each file (its bytes, a space, its name), and a line with their
number, so that one that was cut short is noticed. `dsm remote write-listing` writes it, and from
then on whoever changes the remote. Nothing but reading by HTTP relies on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dsm.remotes.backend import ENTRIES_MAX, NAME_BYTES_MAX, Backend, Entry, RemoteDamaged, retried

LISTING = "packs/listing"  # where each push lists, and sees it, anyway
FIRST = b"dsm listing 1"
_LINE_MAX = NAME_BYTES_MAX + 24


def encode(entries: Iterable[Entry]) -> bytes:
    """Returns the listing of these files, without itself."""
    lines = [f"{each.size} {each.name}".encode() for each in entries if each.name != LISTING]
    return b"\n".join((FIRST, *lines, b"end %d" % len(lines), b""))


def decode(parts: Iterable[bytes], where: str) -> Iterator[Entry]:
    """Yields the files of a listing as it arrives. Raises RemoteDamaged, perhaps at its end."""
    count, ended, rest = -1, False, b""
    for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            first, _, name = line.partition(b" ")
            if ended or (count < 0 and line != FIRST):
                raise RemoteDamaged(f"{where} is no listing of a remote")
            if count >= 0 and first == b"end":
                ended = name == b"%d" % count
                if not ended:
                    raise RemoteDamaged(f"{where} lists other files than it counts")
                continue
            if count >= 0:
                yield _entry(first, name, where)
            count += 1
        if len(rest) > _LINE_MAX or count > ENTRIES_MAX:
            raise RemoteDamaged(f"{where} is no listing of a remote")
    if not ended or rest:
        raise RemoteDamaged(f"{where} is cut short")


def _entry(size: bytes, name: bytes, where: str) -> Entry:
    try:
        if not size.isdigit() or len(size) > 19:
            raise ValueError
        return Entry(name.decode("ascii"), int(size))
    except ValueError:
        raise RemoteDamaged(f"{where} has a line that is none of a listing") from None


def write_listing(backend: Backend) -> int:
    """Lists a remote into its file; returns how many files it has.

    Datasets are listed before packs: what a header needs was there before it, so a reader who finds
    the header here finds the packs, too. Raises RemoteFailed, RemoteRefused.
    """
    found = {each.name: each for each in backend.entries("datasets/")}
    found = {each.name: each for each in backend.entries("")} | found
    entries = [found[name] for name in sorted(found) if not name.startswith(("probe/", "tmp/"))]
    retried(lambda: backend.put(LISTING, encode(entries)))
    return len(entries) - any(each.name == LISTING for each in entries)


def keep_listing(backend: Backend, before: Iterable[Entry]) -> None:
    """Writes the listing anew where `before`, what lay among the packs, has one."""
    if any(each.name == LISTING for each in before):
        write_listing(backend)
