"""The sizes of stored images, by their first bytes."""

from __future__ import annotations

from dsm.model.image_objects import image_size
from dsm.store.objects import ObjectStore

HEAD_BYTES = 1 << 16  # before the size of a JPEG there may be a preview


def stored_size(store: ObjectStore, oid: bytes) -> tuple[int, int] | None:
    """Returns width and height in pixels; None of what is no image that is known.

    Raises DamagedData.
    """
    with store.open(oid) as content:
        return image_size(content.read(HEAD_BYTES))
