"""The fingerprint of an object, by what it holds: a picture, a text, or neither."""

from __future__ import annotations

from dsm.near import images, texts

NONE, IMAGE, TEXT = KINDS = range(3)
_PICTURES = (
    b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF",
    b"P1", b"P2", b"P3", b"P4", b"P5", b"P6",
)  # fmt: skip


def fingerprint(data: bytes) -> tuple[int, bytes]:
    """Returns the kind of an object, and its fingerprint; of what is neither, no bytes."""
    if data.startswith(_PICTURES):
        found = images.fingerprint(data)
        if found is not None:
            return IMAGE, found
    found = texts.fingerprint(data)
    return (NONE, b"") if found is None else (TEXT, found)
