"""What kind of file some bytes are, told by how they begin and never by a name."""

from __future__ import annotations

HEAD = 64  # bytes that are looked at

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"\xff\xfa", "audio/mpeg"),
    (b"\xff\xe3", "audio/mpeg"),
    (b"\xff\xe2", "audio/mpeg"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"\x93NUMPY", "application/x-npy"),
    (b"\x89HDF\r\n\x1a\n", "application/x-hdf5"),
    (b"PAR1", "application/vnd.apache.parquet"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
TYPES = tuple(
    sorted({kind for _, kind in _BEGINNINGS}
    | {*_RIFF.values(), "video/mp4", "video/webm", "video/x-matroska", "image/heif", "image/avif",
       "application/json", "text/plain"})
)  # fmt: skip
UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # byte order marks
EMPTY, UNKNOWN = "empty", "application/octet-stream"


def media_type(head: bytes, *, whole: bool = False) -> str:
    """Returns the media type of bytes that begin so; `whole` says that these are all of them.

    JSON is what begins as an object or a list does and is text.
    """
    if not head:
        return EMPTY
    for beginning, kind in _BEGINNINGS:
        if head.startswith(beginning):
            return kind
    if head[:4] == b"RIFF" or head[:4] + head[8:12] == b"RF64WAVE":  # its form for large sounds
        return _RIFF.get(head[8:12], UNKNOWN)
    if head[:4] == b"\x1aE\xdf\xa3":
        return "video/webm" if b"\x42\x82\x84webm" in head else "video/x-matroska"
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in (b"avif", b"avis"):
            return "image/avif"
        return "image/heif" if brand in (b"heic", b"heix", b"mif1", b"msf1") else "video/mp4"
    return _text(head, whole)


def _text(head: bytes, whole: bool) -> str:
    """Returns the type of text of any encoding: whether that may be is the rule of text's."""
    if head.startswith(UTF_16):
        return "text/plain"
    if any(byte < 32 and byte not in b"\t\n\r\f" for byte in head) or 127 in head:
        return UNKNOWN
    for cut in range(0, 1 if whole else min(4, len(head))):
        try:
            text = head[: len(head) - cut].decode()
        except UnicodeDecodeError:
            continue
        return (
            "application/json" if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[") else "text/plain"
        )
    # An encoding of one byte for a letter, such as Latin-1: most of its bytes are ASCII.
    return "text/plain" if 2 * sum(byte < 127 for byte in head) >= len(head) else UNKNOWN
