"""Reading what references name, at their addresses; see `dsm.store.outside`.

Whoever made a reference chose its address, and a repository may come from anybody: nothing is asked
of an address that the user does not trust (`dsm.repo.trusted_places`). What comes is compared with
the id that it must have, so that an address can serve the right bytes or none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from blake3 import blake3

from dsm.errors import DamagedData, InvalidInput, Refused
from dsm.format.reference import Reference
from dsm.model.names import printable
from dsm.remotes.address import check_url, open_backend
from dsm.remotes.backend import Backend, NotOnRemote, RemoteFailed, RemoteRefused, retried
from dsm.remotes.parallel import side_by_side
from dsm.repo.trusted_places import TrustedPlaces
from dsm.store.outside import Block

T = TypeVar("T")


class ReferenceBroken(DamagedData):
    """What an example refers to is gone from its address, or has other bytes now."""

    code = "reference-broken"


class ReferenceUntrusted(Refused):
    """An example refers to an address that came with the repository, and nobody trusts it."""

    code = "reference-untrusted"


@dataclass(slots=True)
class AtAddresses:
    """Reads references at addresses that the user trusts; connections are of one process."""

    trusted: TrustedPlaces
    _open: dict[str, Backend] = field(default_factory=dict, compare=False)
    _allowed: set[str] = field(default_factory=set, compare=False)
    _process: int = field(default=0, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return AtAddresses, (self.trusted,)

    def whole(self, wanted: Sequence[Sequence[Reference]]) -> Iterator[tuple[bytes, bytes]]:
        """See `dsm.store.outside.Outside`.

        Raises ReferenceBroken, ReferenceUntrusted, RemoteRefused, RemoteFailed.
        """
        return side_by_side(lambda places: _first(places, self._whole), wanted)

    def blocks(self, places: Sequence[Reference], wanted: Sequence[Block]) -> dict[bytes, bytes]:
        """See `dsm.store.outside.Outside`. Raises like `whole`."""
        return _first(places, lambda place: self._blocks(place, wanted))

    def require_trusted(self, place: Reference) -> None:
        """Raises ReferenceUntrusted."""
        if place.address in self._allowed:
            return
        if not self.trusted.trusts(place.address):
            raise ReferenceUntrusted(
                f"example {printable(place.path)} is a reference to {printable(place.address)},"
                " which came with this repository, and you have not trusted that place",
                hint=f"nothing was asked of it; `dsm reference trust {printable(place.at)}` lets"
                " dsm read there",
            )
        if len(self._allowed) < 1 << 16:
            self._allowed.add(place.address)

    def backend(self, at: str) -> Backend:
        """Opens the place that a trusted reference names. Raises ReferenceBroken for none."""
        if self._process != os.getpid():
            self._process, self._open = os.getpid(), {}
        if at not in self._open:
            try:
                if check_url(at, "/") != at:
                    raise InvalidInput("it is not written as dsm writes one")
            except InvalidInput as error:
                raise ReferenceBroken(
                    f"a reference names {printable(at)}, which is no address: {error.message}"
                ) from None
            backend = open_backend(at)
            backend.foreign = True
            self._open[at] = backend
        return self._open[at]

    def _whole(self, place: Reference) -> tuple[bytes, bytes]:
        def read() -> bytes:
            data = self._read(place, 0, place.size)
            return data if blake3(data).digest() == place.oid else b""

        # Bytes change on the way more often than at rest.
        data = read() or read()
        if not data and (place.size or blake3(data).digest() != place.oid):
            raise _changed(place)
        return place.oid, data

    def _blocks(self, place: Reference, wanted: Sequence[Block]) -> dict[bytes, bytes]:
        begin, (_, last, size) = wanted[0][1], wanted[-1]
        for again in (False, True):
            data = self._read(place, begin, last + size - begin)
            found = {block: data[at - begin : at - begin + length] for block, at, length in wanted}
            if all(blake3(part).digest() == block for block, part in found.items()):
                return found
            if again:
                raise _changed(place)
        raise AssertionError("unreachable")

    def _read(self, place: Reference, start: int, size: int) -> bytes:
        self.require_trusted(place)
        backend = self.backend(place.at)

        def ask() -> bytes:
            parts, left = [], size
            for part in backend.read(place.name, place.start + start, size) if size else ():
                parts.append(part[:left])
                left -= len(parts[-1])
                if not left:
                    break
            return b"".join(parts)

        try:
            return retried(ask)
        except NotOnRemote:
            raise ReferenceBroken(
                f"{printable(place.address)} is gone, to which example {printable(place.path)} is a"
                " reference",
                hint="put it back; or `dsm import --reference` from where it lies now, which adds"
                " that place",
            ) from None
        except RemoteRefused as error:
            raise RemoteRefused(_told(error, place), hint=error.hint) from None
        except RemoteFailed as error:
            raise RemoteFailed(
                _told(error, place),
                hint=error.hint
                or "try again when it can be reached; `dsm fetch --objects` keeps"
                " what references name in the store",
            ) from None


def _first(places: Sequence[Reference], read: Callable[[Reference], T]) -> T:
    """Returns what is read at the first place that has it; raises what the first one failed with,
    of places that may be read rather than of others."""
    failures: list[DamagedData | Refused | RemoteFailed] = []
    for place in places:
        try:
            return read(place)
        except (ReferenceBroken, ReferenceUntrusted, RemoteRefused, RemoteFailed) as error:
            failures.append(error)
    raise min(failures, key=lambda error: isinstance(error, ReferenceUntrusted))


def _changed(place: Reference) -> ReferenceBroken:
    return ReferenceBroken(
        f"{printable(place.address)} was changed since example {printable(place.path)} became a"
        " reference to it: it has other bytes now",
        hint="nothing of it was handed out; `dsm update-import` stages what is there now",
    )


def _told(error: RemoteFailed | RemoteRefused, place: Reference) -> str:
    return (
        f"{error.message} (example {printable(place.path)} is a reference to"
        f" {printable(place.address)})"
    )
