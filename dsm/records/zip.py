"""Reading zips: each file in one is an example. The zip is stored as it is, its files beside it.

Nothing is unpacked to the disk; what unpacks to far more than it is is refused.
"""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from lzma import LZMAError
from typing import Any, BinaryIO, cast

from dsm.model.names import printable
from dsm.records.compressed import PACK_AGAIN, Budget
from dsm.records.gathering import Gathering, Read, RecordsInvalid
from dsm.records.groups import GroupStore
from dsm.records.samples import Member, Samples, may_say
from dsm.records.settings import RecordSettings
from dsm.records.whole import hash_of, is_still, store_whole
from dsm.store.chunks import readinto_of

_ENCRYPTED = 1
_OTHER_SIZE = "it has another size"


class _Content:
    """The content of a member, of which so much may come as the whole file allows."""

    def __init__(self, file: Any, budget: Budget, packed: int, keep: bool):
        self._file, self._budget, self._packed = file, budget, packed
        self.kept: list[bytes] | None = [] if keep else None

    def read(self, size: int) -> bytes:
        data: bytes = self._file.read(size)
        self._budget.spend(self._packed, len(data), 0)
        if self.kept is not None:
            self.kept.append(data)
        return data


class ZipReader:
    """Reads zips; see `RecordReader`."""

    def read(
        self, file: BinaryIO, name: str, settings: RecordSettings, store: GroupStore | None = None
    ) -> Read:
        """See `RecordReader.read`."""
        gathered = Gathering(name, settings, "member")
        oid, size = store_whole(file, name, store)
        samples, number, member = Samples(gathered, getattr(store, "say", None)), 0, ""
        try:
            with zipfile.ZipFile(file) as archive:
                budget = Budget(name)
                for number, info in enumerate(archive.infolist(), 1):
                    member = info.filename[:200]
                    _take(archive, info, number, samples, store, budget, size)
        except (
            zipfile.BadZipFile, zlib.error, LZMAError, EOFError, ValueError, OSError,
            NotImplementedError,
        ) as error:  # fmt: skip
            if isinstance(error, RecordsInvalid):
                raise
            reason, hint = _explained(error, number)
            if number:
                raise gathered.wrong(number, f"('{printable(member)}') {reason}", hint) from None
            raise RecordsInvalid(f"{printable(name)} {reason}", hint=hint, items=(name,)) from None
        samples.close()
        read = gathered.finish(oid, size)
        read.size = size if is_still(file, oid) else -1
        return read

    def fields(self, data: bytes, settings: RecordSettings) -> dict[str, Any]:
        """See `RecordReader.fields`: what is said of a member stands in others."""
        raise ValueError("its fields are said beside it")


def _explained(error: Exception, number: int) -> tuple[str, str]:
    """Returns reason and hint of what the libraries say of a member, or of the whole file (0)."""
    if isinstance(error, NotImplementedError):
        return (
            "is packed in a way that dsm does not read",
            "pack it again: stored, deflate, bzip2 and LZMA are read",
        )
    if not number:
        return "is no zip, or is cut off: it does not end with a list of its files", PACK_AGAIN
    if "CRC" in str(error):
        return "is damaged: its content does not fit its checksum", PACK_AGAIN
    if _OTHER_SIZE in str(error):
        return f"is damaged: {_OTHER_SIZE} than the list of files says", PACK_AGAIN
    if "header" in str(error) or "magic" in str(error):
        return "is damaged: it is not where the list of files says", PACK_AGAIN
    return "is damaged: it cannot be unpacked", PACK_AGAIN


def _take(
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    number: int,
    samples: Samples,
    store: GroupStore | None,
    budget: Budget,
    packed: int,
) -> None:
    mode = info.external_attr >> 16
    if info.is_dir() or stat.S_ISLNK(mode):
        return  # they are kept in the file, and are no examples
    name = samples.checked(info.filename, number)
    if info.flag_bits & _ENCRYPTED:
        raise samples.gathered.wrong(
            number, f"('{printable(name)}') is encrypted", "pack it again without a password"
        )
    with archive.open(info) as opened:
        content = _Content(opened, budget, packed, may_say(name, info.file_size))
        reading = cast(BinaryIO, content)
        if store is None:
            oid, size = hash_of(reading)
        else:
            suffix = os.path.splitext(name)[1].lower()
            oid, size = store.put_stream(readinto_of(reading), suffix)
    if size != info.file_size:
        raise zipfile.BadZipFile(_OTHER_SIZE)
    held = None if content.kept is None else b"".join(content.kept)
    samples.add(Member(name, number, oid, size, held))


READER = ZipReader()
