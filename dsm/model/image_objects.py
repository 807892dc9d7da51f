"""What annotations say of the objects in an image, and where these are.

Hides the forms in which places are given: pixels, fractions or percent; left and top, corners or
centre (docs/how-to/annotations.md). A form that is asked for is taken as it was written, and only
another one is computed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

Number = int | float
_FAR = 1e9  # what is further out is no place in an image
# The members that say a place in another form than COCO.
FORMS = (
    "corners", "relative_box", "relative_polygon", "relative_keypoints", "percent_box",
    "percent_polygon", "percent_point",
)  # fmt: skip

_FRACTIONS = {"relative_box", "relative_polygon", "percent_box", "percent_polygon"}


def read_annotation(text: str | None) -> dict[str, Any]:
    """Returns the members of an annotation; none of one that is no object."""
    found = None if text is None else json.loads(text)
    return found if isinstance(found, dict) else {}


def objects_of(annotation: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the objects of an image that have a label; none where `objects` is something else."""
    found = annotation.get("objects")
    if not isinstance(found, list):
        return []
    return [o for o in found if isinstance(o, dict) and isinstance(o.get("label"), str)]


def size_of(annotation: dict[str, Any]) -> tuple[Number, Number] | None:
    """Returns width and height in pixels, where the annotation says them."""
    image = annotation.get("image")
    if not isinstance(image, dict):
        return None
    width, height = image.get("width"), image.get("height")
    size = _numbers([width, height], 2)
    return (size[0], size[1]) if size is not None and min(size) >= 1 else None


def needs_size(found: dict[str, Any], *, relative: bool) -> bool:
    """Whether the place of an object can be told only with the size of the image."""
    pixels = "bbox" in found or "corners" in found
    return not _FRACTIONS.intersection(found) if relative else not pixels


def pixel_box(found: dict[str, Any], size: tuple[Number, Number] | None) -> list[Number] | None:
    """Returns left, top, width and height in pixels; None where no box is said."""
    box = _numbers(found.get("bbox"), 4)
    if box is not None:
        return box
    corners = _numbers(found.get("corners"), 4)
    if corners is not None:
        left, top, right, bottom = corners
        return [left, top, right - left, bottom - top]
    fractions = relative_box(found, None)
    if fractions is None or size is None:
        return None
    width, height = fractions[2] * size[0], fractions[3] * size[1]
    return [fractions[0] * size[0] - width / 2, fractions[1] * size[1] - height / 2, width, height]


def relative_box(found: dict[str, Any], size: tuple[Number, Number] | None) -> list[Number] | None:
    """Returns the centre, width and height as fractions of the image; None where no box is said."""
    box = _numbers(found.get("relative_box"), 4)
    if box is not None:
        return box
    points = relative_polygon(found)
    percent = _numbers(found.get("percent_box"), 4)
    if percent is not None:
        left, top, width, height = (value / 100 for value in percent)
        return [left + width / 2, top + height / 2, width, height]
    if points is not None:
        across, down = points[::2], points[1::2]
        left, top, right, bottom = min(across), min(down), max(across), max(down)
        return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
    if size is None or not ("bbox" in found or "corners" in found):
        return None
    pixels = pixel_box(found, None)
    if pixels is None:
        return None
    left, top, width, height = pixels
    return [
        (left + width / 2) / size[0], (top + height / 2) / size[1], width / size[0],
        height / size[1],
    ]  # fmt: skip


def relative_polygon(found: dict[str, Any]) -> list[Number] | None:
    """Returns x and y of each corner as fractions of the image; None where none are said so."""
    points = _numbers(found.get("relative_polygon"))
    if points is not None:
        return points if len(points) % 2 == 0 else None
    pairs = found.get("percent_polygon")
    if isinstance(pairs, list) and pairs and all(_numbers(pair, 2) for pair in pairs):
        return [value / 100 for pair in pairs for value in pair]
    return None


def pixel_polygon(found: dict[str, Any], size: tuple[Number, Number]) -> list[Number] | None:
    """Returns x and y of each corner in pixels, of a polygon that is said in fractions."""
    points = relative_polygon(found)
    return None if points is None else [value * size[at % 2] for at, value in enumerate(points)]


def numbers_of(values: Any) -> list[Number] | None:
    """Returns a list of numbers; None of anything else."""
    return _numbers(values)


def _numbers(values: Any, count: int | None = None) -> list[Number] | None:
    if not isinstance(values, list) or not values or not all(map(_is_number, values)):
        return None
    return values if count is None or len(values) == count else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _FAR


def image_size(head: bytes) -> tuple[int, int] | None:
    """Returns width and height in pixels by the first bytes of a PNG, GIF, BMP, JPEG or WebP."""
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
        return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    if head.startswith((b"GIF87a", b"GIF89a")) and len(head) >= 10:
        return int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    if head.startswith(b"BM") and len(head) >= 26:
        height = int.from_bytes(head[22:26], "little", signed=True)
        return int.from_bytes(head[18:22], "little"), abs(height)
    if head.startswith(b"\xff\xd8"):
        return _jpeg_size(head)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and len(head) >= 30:
        return _webp_size(head)
    return None


def _jpeg_size(head: Sequence[int] | bytes) -> tuple[int, int] | None:
    data = bytes(head)
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = data[at + 5 : at + 7], data[at + 7 : at + 9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _webp_size(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = (int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (26, 28))
        return width, height
    return None
