"""Pictures, decoded to the end by Pillow.

Their size stands in the first bytes, so what would unpack to more than `PIXELS_MAX` is not decoded;
neither is a picture of endless passes or frames. Libraries fill up what is missing at the end, so
that a file has its end is looked at here.
"""

from __future__ import annotations

import io
import re
import warnings
import zlib
from importlib import import_module
from typing import Any

from dsm.checks.probes.probe import Content, Facts, told

PIXELS_MAX = 1 << 27  # of all frames
# In the data of a scan 0xff comes before zero, a restart and padding only.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_BETWEEN_SCANS = frozenset(
    bytes([each]) for each in (0xC4, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0))
)
SCANS_MAX, FRAMES_MAX = 500, 10_000
FORMATS = {
    "image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF", "image/bmp": "BMP",
    "image/tiff": "TIFF", "image/webp": "WEBP", "image/avif": "AVIF",
}  # fmt: skip


def examine(content: Content, kind: str) -> Facts:
    """Decodes a picture: `width`, `height`, `mode`, `frames`. Raises ImportError without Pillow."""
    try:
        pillow = import_module("PIL.Image")
    except ImportError:
        raise ImportError("pictures are decoded by Pillow: pip install pillow") from None
    data = content.whole()
    if data is None:
        return {"type": kind, "problem": "it has too many bytes to be decoded"}
    facts: dict[str, Any] = {"type": kind}
    wanted = FORMATS.get(kind)
    if wanted is None:
        return {**facts, "problem": f"dsm cannot decode {kind}"}
    if kind == "image/jpeg" and data.count(b"\xff\xda") > SCANS_MAX:
        return {**facts, "problem": f"it has more than {SCANS_MAX:,} passes"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pixels: they are counted here
            with pillow.open(io.BytesIO(data), formats=[wanted]) as picture:
                facts |= {"width": picture.width, "height": picture.height, "mode": picture.mode}
                problem = _decoded(picture, facts)
    except pillow.DecompressionBombError:
        problem = f"it would unpack to more than {PIXELS_MAX:,} pixels"
    except MemoryError:
        problem = "it does not fit into memory"
    except import_module("PIL").UnidentifiedImageError:
        problem = f"it begins as {kind}, and is none"
    except Exception as error:  # each decoder has errors of its own
        cut = "truncated" in str(error) or isinstance(error, EOFError)
        problem = "it is cut off" if cut else told(error)
    problem = problem or _ended(kind, data)
    return facts if problem is None else {**facts, "problem": problem}


def _decoded(picture: Any, facts: dict[str, Any]) -> str | None:
    """Decodes all frames; returns why it did not."""
    pixels = picture.width * picture.height
    if pixels > PIXELS_MAX:
        return f"it would unpack to {picture.width:,} × {picture.height:,} pixels"
    picture.load()
    frames = 1
    while getattr(picture, "is_animated", False):
        try:
            picture.seek(frames)
        except EOFError:
            break
        pixels += picture.width * picture.height
        frames += 1
        if pixels > PIXELS_MAX or frames > FRAMES_MAX:
            return f"it has more than {frames - 1:,} frames, too many to be decoded"
        picture.load()
    if frames > 1:
        facts["frames"] = frames
        picture.seek(0)
    return None


def _ended(kind: str, data: bytes) -> str | None:
    """Returns what is wrong with the end, and with sums that a decoder may pass over."""
    if kind == "image/jpeg":
        return _jpeg(data)
    return _png(data) if kind == "image/png" else None


def _jpeg(data: bytes) -> str | None:
    """Walks over the segments of a JPEG to its end; returns where that is not possible."""
    at, scanned = 2, False
    while True:
        while data[at : at + 2] == b"\xff\xff":
            at += 1
        if data[at : at + 1] != b"\xff":
            return "it is cut off" if at >= len(data) else f"it is damaged at byte {at:,}"
        marker = data[at + 1 : at + 2]
        if marker == b"\xd9":
            return None
        if scanned and marker not in _BETWEEN_SCANS:
            return f"it is damaged at byte {at:,}"
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        if at + 2 + size > len(data):
            return "it is cut off"
        at += 2 + size
        if marker == b"\xda":
            found = _MARKER.search(data, at)
            if found is None:
                return "it is cut off"
            at, scanned = found.start(), True


def _png(data: bytes) -> str | None:
    at = 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        end = at + 8 + size
        if end + 4 > len(data):
            break
        if zlib.crc32(memoryview(data)[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            return "a check sum of it is wrong"
        if data[at + 4 : at + 8] == b"IEND":
            return None
        at = end + 4
    return "it is cut off"
