"""Fields of files in archives, which are not in their own bytes: what the archive says beside them.

The archive is read once, from its beginning to its end, when the first of its examples is asked for
its fields; those of two archives are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO, cast

from dsm.records.beside import fields_beside
from dsm.views.selection.read_as import settings_of

if TYPE_CHECKING:
    from dsm.store.objects import ObjectStore


@lru_cache(2)
def said_beside(store: ObjectStore, oid: bytes, file: str, read_as: str) -> Mapping[str, bytes]:
    """Returns the fields of each file in an archive, as JSON, by its key.

    Raises RecordsInvalid, ObjectMissing and ObjectDamaged.
    """
    with store.open(oid) as archive:
        return fields_beside(cast(BinaryIO, archive), file, settings_of(read_as))
