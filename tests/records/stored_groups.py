"""A store of groups in memory, for tests of readers."""

from __future__ import annotations

from collections.abc import Mapping

from blake3 import blake3

from dsm.format import chunk_list
from dsm.store.chunks import ReadInto


class Groups:
    """Stands for a store: keeps groups, their parts and lists."""

    def __init__(self) -> None:
        self.groups: list[bytes] = []
        self.parts: dict[bytes, bytes] = {}
        self.listed = b""
        self.streams: list[bytes] = []

    def put(self, data: bytes, suffix: str = "", pieces: list[bytes] | None = None) -> bytes:
        self.groups.append(data)
        oid: bytes = blake3(data).digest()
        if pieces is not None:
            pieces.append(chunk_list.row(oid, len(data)))
        return oid

    def put_group(
        self, data: bytes, members: Mapping[bytes, tuple[int, int]], suffix: str
    ) -> bytes:
        self.groups.append(data)
        for oid, (at, size) in members.items():
            self.parts[oid] = data[at : at + size]
        return blake3(data).digest()

    def put_list(self, oid: bytes, size: int, rows: bytes) -> None:
        self.listed = rows

    def put_stream(
        self, readinto: ReadInto, suffix: str = "", pieces: list[bytes] | None = None
    ) -> tuple[bytes, int]:
        data, buffer = b"", bytearray(1000)
        while got := readinto(memoryview(buffer)):
            data += buffer[:got]
        self.streams.append(data)
        return blake3(data).digest(), len(data)
